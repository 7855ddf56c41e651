//! OpenSSL's client at our servers: somebody else's TLS, in every version, with what must not be
//! spoken any more.

use std::process::Stdio;

use dbgbase::ExitStatus;
use dbgwire::handshake::Hello;
use testkit::{Guard, Process, Server, Side, USER_CERTIFICATES, procfs, programs};

/// Ciphers are offered that its Debian build would keep to itself.
const ANY: &str = "ALL:COMPLEMENTOFALL:@SECLEVEL=0";
const FIRST: &str = "dbgsrv\r";

/// A server of `ssl`, and who is let in there.
struct Site {
    server: Server,
    me: Side,
}

impl Site {
    fn new(guard: &Guard, proto: &str) -> Site {
        let (box_, me) = Side::friends(guard);
        let transport = format!("ssl:proto={proto},certuser=box,port=0");
        let client = "tcp:server=localhost";
        let server = Server::at_port(guard, programs::dbgsrv(), &transport, client, |command| {
            command.env(USER_CERTIFICATES, &box_.store).stderr(Stdio::null());
        });
        Site { server, me }
    }

    /// OpenSSL's client with these words.
    fn s_client(&self, guard: &Guard, is_certified: bool, words: &[&str]) -> Process {
        let port = procfs::listening_port(self.server.pid()).expect("it listens");
        let mut command = guard.command("openssl");
        command.args(["s_client", "-connect", &format!("127.0.0.1:{port}")]).args(words);
        if is_certified {
            let file = self.me.store.join("me.pem");
            command.arg("-cert").arg(&file).arg("-key").arg(&file);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Process::spawn(&mut command)
    }

    /// One that is welcomed, as any of our clients is, and what it has said.
    #[track_caller]
    fn welcomed(&self, guard: &Guard, words: &[&str]) -> (Process, String) {
        let mut client = self.s_client(guard, true, words);
        let hello = String::from_utf8(Hello::new("s_client").encode()).expect("small numbers");
        client.write_line(&hello);
        let mut said = String::new();
        // In TLS 1.3 it tells of the session behind what comes first.
        while !said.ends_with(FIRST) {
            said.push('\n');
            said.push_str(&client.read_line());
        }
        (client, said)
    }

    /// Is welcomed.
    #[track_caller]
    fn assert_welcome(&self, guard: &Guard, words: &[&str], version: &str) {
        let (mut client, said) = self.welcomed(guard, words);
        assert!(said.contains(version), "{words:?}: {said}");
        assert!(said.contains("Compression: NONE"), "{words:?}: {said}");
        assert!(!said.contains("Reused,"), "{words:?}: {said}");
        client.close_input();
        client.wait();
        self.server.wait_until_idle();
    }

    /// Is not let in.
    #[track_caller]
    fn assert_refused(&self, guard: &Guard, is_certified: bool, words: &[&str]) {
        let mut client = self.s_client(guard, is_certified, words);
        let said = client.read_rest();
        assert!(!said.contains(FIRST), "{words:?}: {said}");
        assert_eq!(client.wait(), ExitStatus::Exited(1), "{words:?}: {said}");
        self.server.wait_until_idle();
    }
}

#[test]
fn the_versions_that_are_spoken_are_those_that_are_asked_for() {
    let guard = Guard::new();
    let both = ["-tls1_2", "-tls1_3"];
    for (proto, spoken) in [("tls1", &both[..]), ("tls12", &["-tls1_2"]), ("tls13", &["-tls1_3"])] {
        let guard = if proto == "tls1" { &guard } else { &Guard::new() };
        let site = Site::new(guard, proto);
        for version in both {
            let name = version.replace("-tls1_", "TLSv1.");
            if spoken.contains(&version) {
                site.assert_welcome(guard, &[version], &format!("New, {name}, Cipher is "));
            } else {
                site.assert_refused(guard, true, &[version]);
            }
            // Who shows nothing is nobody.
            site.assert_refused(guard, false, &[version, "-ign_eof"]);
        }
        for old in ["-tls1", "-tls1_1"] {
            site.assert_refused(guard, true, &[old, "-cipher", ANY]);
        }
    }
}

#[test]
fn weak_ciphers_are_not_spoken() {
    let guard = Guard::new();
    let site = Site::new(&guard, "tls1");
    let secure = ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"];
    site.assert_welcome(&guard, &secure, "Cipher is ECDHE-ECDSA-AES128-GCM-SHA256");
    for weak in [
        // No forward secrecy; CBC; SHA-1; no encryption; nobody's key.
        "AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES128-SHA256",
        "ECDHE-ECDSA-AES256-SHA",
        "AES128-SHA",
        "ECDHE-ECDSA-NULL-SHA:NULL-SHA256",
        "ADH-AES128-GCM-SHA256:AECDH-AES128-SHA",
        "DHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES128-CCM8",
    ] {
        let ciphers = format!("{weak}:@SECLEVEL=0");
        site.assert_refused(&guard, true, &["-tls1_2", "-cipher", &ciphers]);
    }
    for weak in ["TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"] {
        site.assert_refused(&guard, true, &["-tls1_3", "-ciphersuites", weak]);
    }
}

#[test]
fn nothing_is_negotiated_again() {
    let guard = Guard::new();
    let site = Site::new(&guard, "tls12");
    let (mut client, _) = site.welcomed(&guard, &["-tls1_2"]);
    client.write_line("R");
    while client.read_complaint() != "RENEGOTIATING" {}
    let said = client.read_complaint();
    assert!(said.contains("no renegotiation"), "{said}");
    client.read_rest();
    assert_eq!(client.wait(), ExitStatus::Exited(1));
    site.server.wait_until_idle();
    // Nor is a session taken up again.
    let kept = guard.directory().join("session");
    let path = kept.to_str().expect("a path of text");
    let mut client = site.s_client(&guard, true, &["-tls1_2", "-sess_out", path]);
    client.close_input();
    client.read_rest();
    client.wait();
    if kept.exists() {
        site.assert_welcome(&guard, &["-tls1_2", "-sess_in", path], "New, TLSv1.2, Cipher is ");
    }
}
