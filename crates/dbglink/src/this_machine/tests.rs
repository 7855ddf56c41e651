//! Which names mean this machine.

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

#[test]
fn this_machine_has_its_addresses() {
    for name in ["127.0.0.1", "::1", "localhost"] {
        assert!(is_this_machine(name), "{name}");
    }
    // Of a test network (RFC 5737), nobody's, and everybody's.
    for name in ["192.0.2.1", "0.0.0.0", "224.0.0.1", "nobody.invalid"] {
        assert!(!is_this_machine(name), "{name}");
    }
    assert!(is_own_address([127, 3, 2, 1].into()));
    assert!(has_own_address("localhost"));
}

#[test]
fn a_domain_may_be_behind_the_host_name() {
    assert!(is_longer("Box17.example.org", "box17"));
    assert!(is_longer("box17.example.org", "box17.lan"));
    assert!(!is_longer("box18.example.org", "box17"));
    assert!(!is_longer("box17", "box17"));
    assert!(!is_longer("", ""));
}
