//! Which names mean this machine. Sockets are tested from outside, in `tests/it`.

use super::*;

#[test]
fn this_machine_has_many_names() {
    for name in [
        ".",
        "localhost",
        "LOCALHOST",
        "127.0.0.1",
        "127.1.2.3",
        "::1",
        "::ffff:127.0.0.1",
        "box17",
    ] {
        assert!(is_machine(name, "box17"), "{name}");
        assert!(is_machine(name, "BOX17.example.com"), "{name}");
    }
    assert!(is_machine("box17.example.com", "box17.example.com"));
    for name in ["box18", "box17.example.org", "192.0.2.1", "::2", "", "box17."] {
        assert!(!is_machine(name, "box17.example.com"), "{name}");
    }
}
