//! Where certificates are kept and how they are called: the user's store and the machine's, names
//! and thumbprints as people paste them, and what is said of a certificate that cannot be shown.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use testkit::{Flaw, Guard, Made, PrivateRun, Server, Side, USER_CERTIFICATES, programs};

use crate::console::Console;

const MACHINE_CERTIFICATES: &str = "DBGSRV_MACHINE_CERTIFICATES";
const CDB: &str = env!("CARGO_BIN_EXE_cdb");

/// What makes a command a side's: its variables, and where it runs.
type Start<'a> = &'a dyn Fn(&OsStr) -> Command;

/// What dbgsrvctl says of certificates.
#[track_caller]
fn cert(start: Start<'_>, words: &[&str]) -> String {
    let output = start(programs::dbgsrvctl().as_os_str()).arg("cert").args(words).output();
    let output = output.expect("it starts");
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// Both sides make certificates and trust each other, and have a session.
#[track_caller]
fn meet(guard: &Guard, parameter: &str, option: &[&str], server: Start<'_>, client: Start<'_>) {
    let shown = guard.directory().join("shown");
    let file = shown.to_str().expect("text");
    for (start, name) in [(server, "box"), (client, "me")] {
        let said = cert(start, &[&["new", name], option].concat());
        assert!(said.contains(&format!("in connection strings: {parameter}={name}\n")), "{said}");
    }
    for (from, name, to) in [(server, "box", client), (client, "me", server)] {
        std::fs::write(&shown, cert(from, &[&["show", name], option].concat())).expect("a file");
        cert(to, &[&["trust", file], option].concat());
    }
    let transport = format!("ssl:proto=tls1,{parameter}=box,port=0");
    let premote = format!("ssl:proto=tls1,{parameter}=me,server=127.0.0.1");
    let server = Server::at_port(guard, programs::dbgsrv(), &transport, &premote, |command| {
        *command = server(programs::dbgsrv().as_os_str());
        command.args(["-t", &transport]).env("DBGSRV_RUN_DIR", guard.directory().join("run"));
    });
    let mut cdb = client(OsStr::new(CDB));
    cdb.args(["-premote", &server.endpoint().to_connect_string(), "/bin/true"]);
    let console = Console::spawn(cdb);
    assert_eq!(console.prompt, "0:000", "{}", console.banner);
    assert_eq!(console.finish("q").1, 0);
}

#[test]
fn the_machine_has_a_store_of_its_own() {
    let guard = Guard::new();
    let [server, client, empty] =
        ["server", "client", "empty"].map(|name| guard.directory().join(name));
    let by = |store: &Path| {
        let (guard, store, empty) = (&guard, store.to_owned(), empty.clone());
        move |program: &OsStr| {
            let mut command = guard.command(program);
            command.env(MACHINE_CERTIFICATES, &store).env(USER_CERTIFICATES, &empty);
            command
        }
    };
    meet(&guard, "machuser", &["-machine"], &by(&server), &by(&client));
    assert!(server.join("box.pem").exists() && server.join("trusted").is_dir());
    assert!(!empty.exists(), "nothing is the user's");
}

#[test]
fn the_machines_store_is_in_etc() {
    let guard = Guard::new();
    let private = PrivateRun::new(&guard);
    let mount = private.command(&guard, "mount").args(["-t", "tmpfs", "none", "/etc"]).status();
    assert!(mount.expect("it starts").success());
    let start = |program: &OsStr| {
        let mut command = private.command(&guard, program);
        command
            .env_remove(MACHINE_CERTIFICATES)
            .env(USER_CERTIFICATES, guard.directory().join("user"));
        command
    };
    meet(&guard, "machuser", &["-machine"], &start, &start);
    let mut stat = start(OsStr::new("stat"));
    stat.args(["-c", "%a %n", "/etc/dbgsrv/certificates", "/etc/dbgsrv/certificates/box.pem"]);
    let said = String::from_utf8(stat.output().expect("it starts").stdout).expect("text");
    let expected = "755 /etc/dbgsrv/certificates\n600 /etc/dbgsrv/certificates/box.pem\n";
    assert_eq!(said, expected);
}

#[test]
fn the_users_store_is_below_the_home() {
    let guard = Guard::new();
    let [server, client] = ["server", "client"].map(|name| guard.directory().join(name));
    let home = |program: &OsStr| {
        let mut command = guard.command(program);
        command.env_remove(USER_CERTIFICATES).env_remove("XDG_CONFIG_HOME").env("HOME", &server);
        command
    };
    let config = |program: &OsStr| {
        let mut command = guard.command(program);
        command.env_remove(USER_CERTIFICATES).env("HOME", guard.directory().join("home"));
        command.env("XDG_CONFIG_HOME", &client);
        command
    };
    meet(&guard, "certuser", &[], &home, &config);
    assert!(server.join(".config/dbgsrv/certificates/box.pem").exists());
    assert!(client.join("dbgsrv/certificates/me.pem").exists());
    // A service of root has none.
    let homeless = |program: &OsStr| {
        let mut command = guard.command(program);
        command.env_remove(USER_CERTIFICATES).env_remove("XDG_CONFIG_HOME").env_remove("HOME");
        command
    };
    let uid = rustix::process::geteuid().as_raw().to_string();
    let entry = guard.output("getent", &["passwd", &uid]);
    let home = entry.split(':').nth(5).expect("a home");
    let said = cert(&homeless, &["list"]);
    let expected = format!("{home}/.config/dbgsrv/certificates").replace("//", "/");
    assert!(said.contains(&format!("certificates in {expected}:")), "{said}");
}

/// A certificate's thumbprint as OpenSSL shows it: `AB:CD:…`.
fn fingerprint(guard: &Guard, side: &Side, name: &str, digest: &str) -> String {
    let file = side.store.join(format!("{name}.pem"));
    let words = ["x509", "-noout", "-fingerprint", digest, "-in", file.to_str().expect("text")];
    let said = guard.output("openssl", &words);
    said.trim().rsplit_once('=').expect("a value").1.to_owned()
}

#[test]
fn certificates_are_called_by_thumbprints_as_they_are_pasted() {
    let guard = Guard::new();
    let (box_, me) = Side::friends(&guard);
    // Another one of either name, so that a name is not enough.
    for (side, name) in [(&box_, "box"), (&me, "me")] {
        side.keep("other", &guarded(&Made::new(name, "localhost", Flaw::None)));
    }
    type Paste = fn(&str) -> String;
    let pastes: [(&str, Paste); 6] = [
        ("-sha1", |print| print.to_owned()),
        ("-sha1", |print| print.replace(':', "").to_lowercase()),
        // As the certificate snap-in of Windows shows it, with the mark before it that nobody sees.
        ("-sha1", |print| format!("\"\u{200e}{}\"", print.replace(':', " ").to_lowercase())),
        ("-sha256", |print| print.to_owned()),
        ("-sha256", |print| print.replace(':', "")),
        ("-sha256", |print| format!("\"{}\"", print.replace(':', " "))),
    ];
    for (digest, paste) in pastes {
        let name = |side, name| paste(&fingerprint(&guard, side, name, digest));
        let transport = format!("ssl:proto=tls1,certuser={},port=0", name(&box_, "box"));
        let client = format!("ssl:proto=tls1,certuser={},server=localhost", name(&me, "me"));
        let server = Server::at_port(&guard, programs::dbgsrv(), &transport, &client, |command| {
            command.env(USER_CERTIFICATES, &box_.store);
        });
        let text = server.endpoint().to_connect_string();
        let (_, port) = text.rsplit_once("port=").expect("a port");
        let mut cdb = guard.command(CDB);
        cdb.env(USER_CERTIFICATES, &me.store);
        cdb.args(["-premote", &format!("{client},port={port}"), "/bin/true"]);
        let console = Console::spawn(cdb);
        assert_eq!(console.prompt, "0:000", "{client}: {}", console.banner);
        assert_eq!(console.finish("q").1, 0);
    }
    let short = &fingerprint(&guard, &box_, "box", "-sha1")[3..];
    for (certificate, status, text) in [
        (short, 2, "is not a thumbprint; those have 20 bytes"),
        ("box", 1, "are both box; give its thumbprint"),
    ] {
        let (code, said) = start_server(&guard, &box_, certificate);
        assert_eq!(code, Some(status), "{said}");
        assert!(said.contains(text), "{said}");
    }
}

/// A file of a store.
fn guarded(made: &Made) -> String {
    format!("{}{}", made.certificate, made.key)
}

/// The exit status of a server that cannot start, and what it says.
fn start_server(guard: &Guard, side: &Side, certificate: &str) -> (Option<i32>, String) {
    let mut command = guard.command(programs::dbgsrv());
    command.env("DBGSRV_RUN_DIR", guard.directory().join("run"));
    let transport = format!("ssl:proto=tls1,certuser={certificate},port=0");
    ending(command.env(USER_CERTIFICATES, &side.store).args(["-t", &transport]))
}

fn ending(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().expect("it starts");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_certificate_that_cannot_be_shown_keeps_both_sides_from_starting() {
    let guard = Guard::new();
    let (one, other) =
        (Made::new("one", "localhost", Flaw::None), Made::new("other", "box17", Flaw::None));
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let whole = guarded(&one);
    let cases = [
        ("nobody", None, 0o600, "no certificate one is in"),
        (
            "keyless",
            Some(one.certificate.clone()),
            0o600,
            "has no private key, or an encrypted one",
        ),
        ("locked", Some(format!("{}{locked}", one.certificate)), 0o600, "or an encrypted one"),
        (
            "foreign",
            Some(format!("{}{}", one.certificate, other.key)),
            0o600,
            "has a private key that is not its certificate's",
        ),
        ("public", Some(whole.clone()), 0o644, "others may read it (mode 644); chmod 600 it"),
        ("grouped", Some(whole), 0o640, "others may read it (mode 640); chmod 600 it"),
        ("nonsense", Some("-----BEGIN NONSENSE-----".to_owned()), 0o600, "PEM form"),
    ];
    for (folder, pem, mode, text) in cases {
        let side = Side { store: guard.directory().join(folder) };
        let path = side.store.join("one.pem");
        if let Some(pem) = &pem {
            side.keep("one", pem);
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, mode).expect("own file");
        }
        let (code, said) = start_server(&guard, &side, "one");
        assert_eq!(code, Some(1), "{folder}: {said}");
        assert!(said.starts_with("dbgsrv: ") && said.lines().count() == 1, "{folder}: {said}");
        assert!(said.contains(text), "{folder}: {said}");
        // It is looked at before anybody is called.
        let premote = "ssl:proto=tls1,certuser=one,server=localhost,port=1";
        let mut cdb = guard.command(CDB);
        cdb.env(USER_CERTIFICATES, &side.store).args(["-premote", premote, "/bin/true"]);
        let (code, said) = ending(&mut cdb);
        assert_eq!(code, Some(1), "{folder}: {said}");
        assert!(said.starts_with("cdb: cannot connect to ssl:"), "{folder}: {said}");
        assert!(said.contains(text) && said.lines().count() == 1, "{folder}: {said}");
        let names = said.contains(path.to_str().expect("text"));
        assert!(names || pem.is_none(), "{folder}: {said}");
    }
}
