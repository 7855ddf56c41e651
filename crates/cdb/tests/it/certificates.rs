//! Certificates that will not do, as the users of both sides are told of them: one sentence for
//! each thing that is wrong, on both sides and in the audit trail, in both versions of TLS.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dbgbase::ExitStatus;
use testkit::{
    Authority, Flaw, Guard, Made, Process, Server, Side, USER_CERTIFICATES, free_port, programs,
    until,
};

use crate::console::Console;

const VERSIONS: [&str; 2] = ["tls12", "tls13"];

/// What is wrong with a server's certificate, what its client says, and what the server hears.
const OF_SERVERS: [(Flaw, &str, &str); 4] = [
    (Flaw::Expired, "box has expired; it needs a new one", TIME),
    (Flaw::NotYetValid, "box is not valid yet; is a clock wrong?", TIME),
    (Flaw::NotForServers, "box is not for server authentication", USE),
    (Flaw::NotForTls, "box is not for server authentication", USE),
];
/// The same of a client's certificate.
const OF_CLIENTS: [(Flaw, &str, &str); 3] = [
    (Flaw::Expired, "me has expired; it needs a new one", TIME),
    (Flaw::NotYetValid, "me is not valid yet; is a clock wrong?", TIME),
    (Flaw::NotForTls, "me is not for client authentication", USE),
];
const TIME: &str =
    "the other side refuses our certificate: it has expired there, or is not valid yet";
const USE: &str =
    "the other side refuses our certificate: it is not for server or client authentication";
const NAME: &str =
    "the other side refuses our certificate: it is for another machine than was asked for";

/// A server of `ssl` with this side's certificate `box`, and what it says.
struct Site {
    server: Server,
    heard: PathBuf,
    trail: PathBuf,
}

impl Site {
    #[track_caller]
    fn new(guard: &Guard, side: &Side) -> Site {
        let transport = "ssl:proto=tls1,certuser=box,port=0";
        let client = "ssl:proto=tls1,certuser=me,server=localhost";
        let (heard, trail) = (side.store.join("heard"), side.store.join("trail"));
        let server = Server::at_port(guard, programs::dbgsrv(), transport, client, |command| {
            command.env(USER_CERTIFICATES, &side.store).arg("-audit").arg(&trail);
            command.stderr(std::fs::File::create(&heard).expect("own directory"));
        });
        Site { server, heard, trail }
    }

    fn cdb(&self, guard: &Guard, side: &Side, version: &str) -> Command {
        let premote = self.server.endpoint().to_connect_string();
        cdb(guard, side, &premote.replace("tls1,", &format!("{version},")))
    }

    /// The client is not let in. It says this, and the server that, in that many words.
    #[track_caller]
    fn assert_refused(
        &self,
        guard: &Guard,
        side: &Side,
        version: &str,
        (here, there): (&str, &str),
    ) {
        let (heard, trail) = (refusals(&self.heard).len(), refusals(&self.trail).len());
        let output = self.cdb(guard, side, version).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let said = said.trim_end();
        assert_eq!(output.status.code(), Some(1), "{version}: {said}");
        assert!(said.starts_with("cdb: cannot connect to ssl:"), "{version}: {said}");
        assert!(said.ends_with(here) && said.lines().count() == 1, "{version}: {said}");
        let line = refusal(&self.heard, heard);
        assert!(line.starts_with("dbgsrv: "), "{line}");
        assert!(line.ends_with(&format!(" was not let in: {there}")), "{version}: {line}");
        let line = refusal(&self.trail, trail);
        assert!(line.contains("]: login client="), "{line}");
        assert!(line.ends_with(&format!("{there}\"")), "{version}: {line}");
    }

    #[track_caller]
    fn assert_let_in(&self, guard: &Guard, side: &Side, version: &str) {
        let console = Console::spawn(self.cdb(guard, side, version));
        assert_eq!(console.prompt, "0:000", "{version}: {}", console.banner);
        assert_eq!(console.finish("q").1, 0);
    }
}

/// What a server has written about clients that it did not let in.
fn refusals(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let is_refusal =
        |line: &&str| line.contains(" was not let in: ") || line.contains("\"turned away\"");
    whole.lines().filter(is_refusal).map(str::to_owned).collect()
}

/// The one behind so many others.
#[track_caller]
fn refusal(file: &Path, count: usize) -> String {
    until("the server to say so", || refusals(file).get(count).cloned())
}

fn cdb(guard: &Guard, side: &Side, premote: &str) -> Command {
    let mut command = guard.command(env!("CARGO_BIN_EXE_cdb"));
    command.env(USER_CERTIFICATES, &side.store).args(["-premote", premote, "/bin/true"]);
    command
}

/// A certificate that the authority has signed, or it itself.
fn made(authority: Option<&Authority>, name: &str, host: &str, flaw: Flaw) -> Made {
    match authority {
        Some(authority) => authority.sign(name, host, flaw),
        None => Made::new(name, host, flaw),
    }
}

/// The side trusts such a certificate, by its authority or by itself.
fn trust(guard: &Guard, side: &Side, authority: Option<&Authority>, made: &Made) {
    match authority {
        Some(authority) => side.trust_authority(guard, authority),
        None => side.trust_pem(guard, &made.certificate),
    }
}

/// A side's own certificate is in a store of this name, below the test's folder.
fn side(guard: &Guard, folder: &str, name: &str, made: &Made) -> Side {
    let side = Side { store: guard.directory().join(folder) };
    side.keep(name, &format!("{}{}", made.certificate, made.key));
    side
}

#[test]
fn what_is_wrong_with_a_servers_certificate_is_told_on_both_sides() {
    let guard = Guard::new();
    let authority = Authority::new();
    for (kind, signer) in [("own", None), ("signed", Some(&authority))] {
        for (index, (flaw, here, there)) in OF_SERVERS.into_iter().enumerate() {
            let server = made(signer, "box", "localhost", flaw);
            let client = Made::new("me", "desk", Flaw::None);
            let box_ = side(&guard, &format!("{kind}-box{index}"), "box", &server);
            let me = side(&guard, &format!("{kind}-me{index}"), "me", &client);
            box_.trust_pem(&guard, &client.certificate);
            trust(&guard, &me, signer, &server);
            let site = Site::new(&guard, &box_);
            for version in VERSIONS {
                let here = format!("the other side's certificate {here}");
                site.assert_refused(&guard, &me, version, (&here, there));
            }
        }
    }
}

#[test]
fn what_is_wrong_with_a_clients_certificate_is_told_on_both_sides() {
    let guard = Guard::new();
    let authority = Authority::new();
    let server = Made::new("box", "localhost", Flaw::None);
    let box_ = side(&guard, "box", "box", &server);
    let site = Site::new(&guard, &box_);
    for (kind, signer) in [("own", None), ("signed", Some(&authority))] {
        let client = |flaw| {
            let client = made(signer, "me", "desk", flaw);
            let me = side(&guard, &format!("{kind}-{flaw:?}"), "me", &client);
            me.trust_pem(&guard, &server.certificate);
            trust(&guard, &box_, signer, &client);
            me
        };
        for (flaw, there, here) in OF_CLIENTS {
            let me = client(flaw);
            for version in VERSIONS {
                let there = format!("the other side's certificate {there}");
                site.assert_refused(&guard, &me, version, (here, &there));
            }
        }
        // A client's need not be for servers.
        for flaw in [Flaw::None, Flaw::NotForServers] {
            let me = client(flaw);
            VERSIONS.iter().for_each(|version| site.assert_let_in(&guard, &me, version));
        }
    }
}

#[test]
fn a_servers_name_is_looked_at_unless_it_is_trusted_itself() {
    let guard = Guard::new();
    let authority = Authority::new();
    let client = Made::new("me", "desk", Flaw::None);
    let me = side(&guard, "me", "me", &client);
    me.trust_authority(&guard, &authority);
    let elsewhere = authority.sign("box", "elsewhere", Flaw::None);
    let (elsewhere_box, right_box) = (
        side(&guard, "elsewhere", "box", &elsewhere),
        side(&guard, "right", "box", &authority.sign("box", "localhost", Flaw::None)),
    );
    for box_ in [&elsewhere_box, &right_box] {
        box_.trust_pem(&guard, &client.certificate);
    }
    let here = "the other side's certificate box is not for localhost but for elsewhere; name the \
                machine as the certificate does, or trust the certificate itself (dbgsrvctl cert \
                trust)";
    let site = Site::new(&guard, &elsewhere_box);
    for version in VERSIONS {
        site.assert_refused(&guard, &me, version, (here, NAME));
    }
    let right = Site::new(&guard, &right_box);
    VERSIONS.iter().for_each(|version| right.assert_let_in(&guard, &me, version));
    me.trust_pem(&guard, &elsewhere.certificate);
    VERSIONS.iter().for_each(|version| site.assert_let_in(&guard, &me, version));
}

#[test]
fn who_shows_no_certificate_is_told_of_on_both_sides() {
    let guard = Guard::new();
    let (box_, _) = Side::friends(&guard);
    let site = Site::new(&guard, &box_);
    let text = site.server.endpoint().to_connect_string();
    let port = text.rsplit_once("port=").expect("a port").1;
    for (index, version) in ["-tls1_2", "-tls1_3"].into_iter().enumerate() {
        let mut command = guard.command("openssl");
        let place = format!("127.0.0.1:{port}");
        command.args(["s_client", "-connect", &place, version, "-ign_eof"]);
        let output = command.output().expect("it starts");
        assert!(!output.status.success(), "{version}");
        let line = refusal(&site.heard, index);
        let there = "was not let in: the other side has shown no certificate; it needs certuser= \
                     or machuser=";
        assert!(line.ends_with(there), "{version}: {line}");
    }
    // One of ours that encrypts because of its password.
    let side = Side { store: guard.directory().join("none") };
    let premote = format!("tcp:server=localhost,port={port},password=sesame7");
    let output = cdb(&guard, &side, &premote).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the other side wants a certificate (certuser= or machuser=)"), "{said}");
    assert!(refusal(&site.heard, 2).contains("the other side has shown no certificate"));
}

/// A server that calls a client of this machine, and what it says.
fn calling(guard: &Guard, side: &Side, port: u16) -> Process {
    let mut command = guard.command(programs::dbgsrv());
    command.args(["-t", &format!("ssl:proto=tls1,certuser=box,clicon=localhost,port={port}")]);
    command.env(USER_CERTIFICATES, &side.store).env("DBGSRV_RUN_DIR", &side.store);
    Process::spawn(command.stderr(Stdio::piped()))
}

#[test]
fn a_caller_of_another_name_is_not_the_server_that_is_awaited() {
    let guard = Guard::new();
    let authority = Authority::new();
    let client = Made::new("me", "desk", Flaw::None);
    let me = side(&guard, "me", "me", &client);
    me.trust_authority(&guard, &authority);
    for version in VERSIONS {
        let port = free_port();
        let premote = format!("ssl:proto={version},certuser=me,clicon=localhost,port={port}");
        let mut command = cdb(&guard, &me, &premote);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut console = Process::spawn(&mut command);
        assert!(console.read_complaint().starts_with("Waiting for the process server"));
        for (host, is_it) in [("elsewhere", false), ("localhost", true)] {
            let made = authority.sign("box", host, Flaw::None);
            let box_ = side(&guard, &format!("{version}-{host}"), "box", &made);
            box_.trust_pem(&guard, &client.certificate);
            let mut server = calling(&guard, &box_, port);
            if is_it {
                while !console.read_line().contains("Initial breakpoint") {}
                console.write_line("q");
                assert_eq!(console.wait(), ExitStatus::Exited(0));
            } else {
                let said = console.read_complaint();
                let here = "certificate box is not for localhost but for elsewhere;";
                assert!(said.contains(here), "{version}: {said}");
                assert!(said.ends_with("; still waiting for the server"), "{version}: {said}");
                let said = server.read_complaint();
                assert!(said.contains("was not let in") && said.ends_with(NAME), "{said}");
            }
            // It has no other client.
            assert_eq!(server.wait(), ExitStatus::Exited(1));
        }
    }
}
