//! Certificates that are made, trusted and removed, and names that several have.

use std::path::Path;

use testkit::Guard;

use crate::PROGRAM;

/// What `dbgsrvctl cert` says of a store, and whether it did what it was told.
fn cert(guard: &Guard, store: &Path, words: &[&str]) -> (bool, String) {
    let mut command = guard.command(PROGRAM);
    command.arg("cert").args(words).env("DBGSRV_USER_CERTIFICATES", store);
    let output = command.output().expect("it starts");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).expect("text"))
}

#[test]
fn a_name_that_several_have_removes_none_of_them() {
    let guard = Guard::new();
    let (ours, theirs) = (guard.directory().join("ours"), guard.directory().join("theirs"));
    // Two of ours are for `box`, and so is one of theirs that we trust.
    for (store, name) in [(&ours, "one"), (&ours, "two"), (&theirs, "three")] {
        assert!(cert(&guard, store, &["new", name, "-host", "box"]).0);
    }
    let shown = guard.directory().join("three.pem");
    let (_, text) = cert(&guard, &theirs, &["show", "three"]);
    std::fs::write(&shown, &text).expect("a file");
    let shown = shown.to_str().expect("text");
    assert!(cert(&guard, &ours, &["trust", shown]).0);
    let files = || {
        let listed = |path: &Path| {
            let entries = std::fs::read_dir(path).expect("a directory").flatten();
            entries.filter(|entry| entry.path().is_file()).count()
        };
        (listed(&ours), listed(&ours.join("trusted")))
    };
    assert_eq!(files(), (2, 1));
    let (is_done, said) = cert(&guard, &ours, &["remove", "box"]);
    assert!(!is_done && said.contains("are both box; give its thumbprint"), "{said}");
    assert_eq!(files(), (2, 1));
    let (is_done, said) = cert(&guard, &ours, &["remove", "one"]);
    assert!(is_done, "{said}");
    // One in each.
    let (is_done, said) = cert(&guard, &ours, &["remove", "box"]);
    assert!(!is_done && said.contains("are both box; give its thumbprint"), "{said}");
    assert_eq!(files(), (1, 1));
    let (is_done, said) = cert(&guard, &ours, &["remove", "three"]);
    assert!(is_done, "{said}");
    let (is_done, said) = cert(&guard, &ours, &["remove", "three"]);
    assert!(!is_done && said.contains("no certificate three is in"), "{said}");
    assert_eq!(files(), (1, 0));
}

#[test]
fn one_that_lies_in_both_places_is_said_to_be_the_same() {
    let guard = Guard::new();
    let store = guard.directory().join("store");
    assert!(cert(&guard, &store, &["new", "one"]).0);
    let own = store.join("one.pem");
    assert!(cert(&guard, &store, &["trust", own.to_str().expect("text")]).0);
    let (is_done, said) = cert(&guard, &store, &["remove", "one"]);
    assert!(!is_done && said.contains("hold the same certificate"), "{said}");
    let (is_done, said) = cert(&guard, &store, &["remove", "one\u{7}"]);
    assert!(!is_done && said.contains("neither a certificate's name nor a thumbprint"), "{said}");
}

#[test]
fn what_is_no_file_of_certificates_is_named() {
    let guard = Guard::new();
    let store = guard.directory().join("store");
    for file in ["/nonexistent.pem", "/dev/zero", "/"] {
        let (is_done, said) = cert(&guard, &store, &["trust", file]);
        assert!(!is_done && said.contains(file), "{file}: {said}");
    }
}
