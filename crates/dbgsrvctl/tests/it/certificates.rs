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

/// What openssl makes of these words.
fn openssl(guard: &Guard, words: &str) {
    let mut command = guard.command("openssl");
    let words =
        words.split(' ').map(|word| word.replace("DIR", guard.directory().to_str().expect("text")));
    let output = command.args(words).output().expect("it starts");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn who_trusts_a_certificate_does_not_trust_who_has_signed_it() {
    let guard = Guard::new();
    let (ours, theirs) = (guard.directory().join("ours"), guard.directory().join("theirs"));
    openssl(
        &guard,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout DIR/ca.key \
         -out DIR/ca.pem -subj /CN=everybody -days 2",
    );
    openssl(
        &guard,
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout DIR/me.key \
         -out DIR/me.csr -subj /CN=me",
    );
    openssl(
        &guard,
        "x509 -req -in DIR/me.csr -CA DIR/ca.pem -CAkey DIR/ca.key -CAcreateserial \
         -out DIR/me.crt -days 2",
    );
    let read = |name: &str| std::fs::read_to_string(guard.directory().join(name)).expect("a file");
    let chain = [read("me.crt"), read("ca.pem"), read("me.key")].concat();
    std::fs::create_dir(&theirs).expect("a new one");
    std::fs::write(theirs.join("me.pem"), &chain).expect("a file");
    // What is shown is one's own.
    let (is_done, shown) = cert(&guard, &theirs, &["show", "me"]);
    assert!(is_done && shown.matches("BEGIN CERTIFICATE").count() == 1, "{shown}");
    let path = |name: &str, text: &str| {
        let path = guard.directory().join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_str().expect("text").to_owned()
    };
    let (is_done, said) = cert(&guard, &ours, &["trust", &path("shown.pem", &shown)]);
    assert!(is_done && said.starts_with("me is trusted now, thumbprint "), "{said}");
    // Nor does a file with both do more than is meant.
    let both = path("both.pem", &chain);
    let (is_done, said) = cert(&guard, &ours, &["trust", &both]);
    assert!(!is_done && said.contains("everybody in ") && said.contains("-authority"), "{said}");
    let (_, listed) = cert(&guard, &ours, &["list"]);
    assert!(!listed.contains("everybody"), "{listed}");
    let (is_done, said) = cert(&guard, &ours, &["trust", &both, "-authority"]);
    assert!(is_done && said.contains("and so is whomever it has signed for"), "{said}");
    let (_, listed) = cert(&guard, &ours, &["list"]);
    let row = listed.lines().find(|line| line.starts_with("everybody")).expect("a row");
    assert!(row.contains(" authority "), "{listed}");
    // All that a file in the place of the trusted makes trusted is shown.
    std::fs::write(ours.join("trusted/bundle.pem"), read("ca.pem") + &read("me.crt"))
        .expect("a file");
    let (_, listed) = cert(&guard, &ours, &["list"]);
    assert_eq!(listed.lines().filter(|line| line.starts_with("everybody")).count(), 2, "{listed}");
}
