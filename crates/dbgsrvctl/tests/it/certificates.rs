//! Certificates that are made, trusted and removed, and names that several have.

use std::path::Path;

use testkit::{Flaw, Guard, Made, Side};

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

/// The rows of a section of a list, without its heading.
#[track_caller]
fn section(list: &str, title: &str) -> Vec<Vec<String>> {
    let (_, behind) = list.split_once(&format!("{title}:\n")).unwrap_or_else(|| panic!("{list}"));
    let mut lines = behind.lines().take_while(|line| !line.is_empty());
    let cells = |line: &str| -> Vec<String> {
        let cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
        cells.map(str::to_owned).collect()
    };
    assert_eq!(
        lines.next().map(cells),
        Some(cells("NAME  UNTIL  MACHINES  SIGNS AS  THUMBPRINT")),
        "{list}"
    );
    lines.map(cells).collect()
}

/// A certificate's SHA-256 thumbprint, as OpenSSL has it.
fn thumbprint(guard: &Guard, certificate: &str) -> String {
    let file = guard.directory().join("to-be-printed");
    std::fs::write(&file, certificate).expect("own directory");
    let file = file.to_str().expect("text");
    let said = guard.output("openssl", &["x509", "-noout", "-fingerprint", "-sha256", "-in", file]);
    said.trim().rsplit_once('=').expect("a value").1.replace(':', "").to_lowercase()
}

#[test]
fn the_list_has_own_and_trusted_ones_and_says_whose_time_is_not_now() {
    let guard = Guard::new();
    let side = Side { store: guard.directory().join("store") };
    let store = side.store.display();
    let (is_done, said) = cert(&guard, &side.store, &["list"]);
    assert!(is_done, "{said}");
    assert_eq!(
        said,
        format!("certificates in {store}: none\n\ntrusted in {store}/trusted: none\n")
    );
    let in_a_week = || {
        let day = time::OffsetDateTime::now_utc() + time::Duration::days(7);
        day.date().to_string()
    };
    let before = in_a_week();
    let words = ["new", "fresh", "-host", "box17", "-host", "192.0.2.7", "-days", "7"];
    let (is_done, said) = cert(&guard, &side.store, &words);
    assert!(is_done && said.contains("for box17, 192.0.2.7, valid for 7 days"), "{said}");
    let after = in_a_week();
    let (_, fresh) = cert(&guard, &side.store, &["show", "fresh"]);
    let [old, early, other] =
        [("old", Flaw::Expired), ("early", Flaw::NotYetValid), ("a b", Flaw::None)]
            .map(|(name, flaw)| Made::new(name, "desk", flaw));
    for (name, made) in [("old", &old), ("early", &early)] {
        side.keep(name, &format!("{}{}", made.certificate, made.key));
    }
    for made in [&old, &other] {
        side.trust_pem(&guard, &made.certificate);
    }
    let (is_done, list) = cert(&guard, &side.store, &["list"]);
    assert!(is_done, "{list}");
    let print = |made: &Made| thumbprint(&guard, &made.certificate);
    let row = |name: &str, until: &str, machines: &str, thumbprint: String| {
        let signs_as = "-".to_owned();
        vec![name.to_owned(), until.to_owned(), machines.to_owned(), signs_as, thumbprint]
    };
    let own = section(&list, &format!("certificates in {store}"));
    let [first, second, third] = own.as_slice() else { panic!("{list}") };
    assert_eq!(*first, row("early", "4096-01-01 (from 4000-01-01)", "desk", print(&early)));
    let day = if second[1] == before { &before } else { &after };
    assert_eq!(*second, row("fresh", day, "box17,192.0.2.7", thumbprint(&guard, &fresh)));
    let expired = row("old", "2020-01-01 (expired)", "desk", print(&old));
    assert_eq!(*third, expired);
    let mut trusted = section(&list, &format!("trusted in {store}/trusted"));
    trusted.sort();
    assert_eq!(trusted, [row("a b", "4096-01-01", "desk", print(&other)), expired]);
}
