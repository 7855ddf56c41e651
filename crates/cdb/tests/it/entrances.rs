//! What is wrong at the entrance, as users of either side see it: a sentence, and an exit status.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use dbgbase::ExitStatus;
use dbgwire::ErrorCode;
use dbgwire::handshake::{Refusal, Welcome};
use testkit::{Guard, Process, Server, programs, until};

use crate::console::Console;

const PASSWORD: &str = ",password=sesame7";

/// What one of the programs says on standard error, and its exit status.
fn said_by(mut command: Command) -> (Option<i32>, String) {
    let output = command.output().expect("it starts");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn cdb(guard: &Guard, premote: &str) -> Command {
    let mut command = guard.command(env!("CARGO_BIN_EXE_cdb"));
    command.env("DBGSRV_RUN_DIR", guard.directory().join("run"));
    command.args(["-premote", premote, "/bin/true"]);
    command
}

fn dbgsrv(guard: &Guard, transport: &str) -> Command {
    let mut command = guard.command(programs::dbgsrv());
    command.env("DBGSRV_RUN_DIR", guard.directory().join("run")).args(["-t", transport]);
    command
}

#[track_caller]
fn assert_said(command: Command, status: i32, text: &str) {
    let what = format!("{command:?}");
    let (code, said) = said_by(command);
    assert_eq!(code, Some(status), "{what}: {said}");
    assert!(said.contains(text), "{what}: {said}");
}

/// Endings of strings of a transport, and what is wrong with them on either side.
const ENDINGS: &[(&str, &str, &str)] = &[
    ("tcp", "password=1234567890abc", "more than 12 characters"),
    ("tcp", "password=it's", "only have letters and digits"),
    ("npipe", "password=1234567890abc", "more than 12 characters"),
    ("ssl", "proto=tls,certuser=a", "is not a protocol; there are tls1, tls12 and tls13"),
    ("ssl", "proto=pct1,certuser=a", "PCT 1.0 was given up"),
    ("ssl", "proto=ssl2,certuser=a", "SSL 2.0 is broken and prohibited"),
    ("spipe", "proto=ssl3,certuser=a", "SSL 3.0 is broken and prohibited"),
    ("ssl", "proto=tls1", "a certificate is missing; name one with certuser= or machuser="),
    ("spipe", "proto=tls1", "a certificate is missing"),
    ("ssl", "proto=tls1,certuser=a,machuser=b", "certuser= and machuser= exclude each other"),
    ("spipe", "proto=tls1,certuser=a,machuser=b", "exclude each other"),
    ("ssl", "certuser=a", "`proto=` is missing"),
];

#[test]
fn passwords_and_certificates_that_cannot_be_are_told_on_both_sides() {
    let guard = Guard::new();
    for (transport, rest, text) in ENDINGS {
        let place = if transport.ends_with("pipe") { "pipe=a" } else { "port=1025" };
        assert_said(dbgsrv(&guard, &format!("{transport}:{place},{rest}")), 2, text);
        let premote = format!("{transport}:server=localhost,{place},{rest}");
        assert_said(cdb(&guard, &premote), 2, text);
    }
}

#[test]
fn a_password_is_wanted_at_a_pipe_as_well() {
    let guard = Guard::new();
    let server = Server::npipe_with(&guard, programs::dbgsrv(), |command| {
        *command = dbgsrv(&guard, &format!("npipe:pipe=test{PASSWORD}"));
        command.stderr(Stdio::null());
    });
    until("the socket", || server.socket_path().exists().then_some(()));
    let premote = "npipe:server=localhost,pipe=test";
    for (password, text) in [
        ("", "wants a password (password=); error 0x80004005"),
        (",password=Sesame7", "the password is wrong; error 0x80004005"),
    ] {
        assert_said(cdb(&guard, &format!("{premote}{password}")), 1, text);
        server.wait_until_idle();
    }
    let console = Console::spawn(cdb(&guard, &format!("{premote}{PASSWORD}")));
    assert_eq!(console.prompt, "0:000", "{}", console.banner);
    console.finish("q");
}

/// Servers of another version, which refuse or welcome.
#[test]
fn a_server_of_another_version_is_told_from_a_stranger() {
    let guard = Guard::new();
    let refusal = Refusal {
        code: ErrorCode::VersionMismatch.number(),
        detail: "the client is not using the same version of the remoting protocol as the server"
            .to_owned(),
        version_min: 77,
        version_max: 78,
    };
    // It speaks what it was not asked for.
    let welcome = Welcome { version: 77, ..Welcome::default() };
    for (answer, text) in [
        (refusal.encode(), "same version of the remoting protocol"),
        (welcome.encode(), "the server's greeting: the field version has no valid value"),
        (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), "cannot connect to tcp:"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
        let port = listener.local_addr().expect("an address").port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("it comes");
            stream.write_all(&answer).expect("it reads");
            // Until it has gone.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let premote = format!("tcp:server=127.0.0.1,port={port}");
        assert_said(cdb(&guard, &premote), 1, text);
        server.join().expect("no panic");
    }
}

/// A client that listens, and its port.
fn waiting(guard: &Guard, ports: &str) -> (Process, u16) {
    let mut command = cdb(guard, &format!("tcp:clicon=localhost,port={ports}"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::spawn(&mut command);
    let told = process.read_complaint();
    let port =
        told.rsplit_once("port ").and_then(|(_, rest)| rest.trim_end_matches('.').parse().ok());
    (process, port.unwrap_or_else(|| panic!("{told}")))
}

#[test]
fn a_client_waits_at_the_first_free_port_of_its_range() {
    let guard = Guard::new();
    let (_first, port) = waiting(&guard, "10000:30000");
    let (_second, next) = waiting(&guard, &format!("{port}:30000"));
    assert!(next > port, "{next} is not behind {port}");
    let taken = format!("tcp:clicon=localhost,port={port}");
    assert_said(cdb(&guard, &taken), 1, &format!("tcp port {port} is already in use"));
    let range = format!("tcp:clicon=localhost,port={port}:{port}");
    assert_said(cdb(&guard, &range), 1, &port.to_string());
}

#[test]
fn who_connects_and_who_is_called_do_not_meet() {
    let guard = Guard::new();
    // The server listens, and its client waits there, too.
    let server = Server::tcp(&guard, programs::dbgsrv());
    let text = server.endpoint().to_connect_string();
    let port = text.rsplit_once("port=").expect("a port").1;
    let premote = format!("tcp:clicon=localhost,port={port}");
    assert_said(cdb(&guard, &premote), 1, "is already in use");
    // Both are clients: one connects where the other one waits.
    let (mut called, port) = waiting(&guard, "10000:30000");
    let premote = format!("tcp:server=localhost,port={port}");
    assert_said(cdb(&guard, &premote), 1, &format!("cannot connect to {premote}"));
    assert_eq!(called.wait(), ExitStatus::Exited(1));
    // Nobody is there at all.
    assert_said(cdb(&guard, &premote), 1, "is a process server listening there?");
    let nowhere = "tcp:server=nowhere.invalid,port=1025";
    assert_said(cdb(&guard, nowhere), 1, "cannot find the address of nowhere.invalid");
    let nobody = "tcp:clicon=nowhere.invalid,port=1025";
    assert_said(dbgsrv(&guard, nobody), 1, "cannot find the address of nowhere.invalid");
}

#[test]
fn a_server_that_calls_has_one_client_and_is_started_again_for_the_next() {
    let guard = Guard::new();
    let (mut client, port) = waiting(&guard, "10000:30000");
    let heard = guard.directory().join("heard");
    let mut command = dbgsrv(&guard, &format!("tcp:clicon=127.0.0.1,port={port}"));
    command.stderr(std::fs::File::create(&heard).expect("a file"));
    command.args(["-lease", "0"]);
    let mut server = Process::spawn(&mut command);
    let mut banner = String::new();
    while !banner.contains("Initial breakpoint") {
        banner = client.read_line();
    }
    // Nobody listens for a second one.
    assert_eq!(testkit::procfs::listening_port(server.pid()), None);
    let premote = format!("tcp:server=localhost,port={port}");
    assert_said(cdb(&guard, &premote), 1, "refuses connections");
    client.signal(dbgbase::Signal::SIGKILL);
    assert_eq!(server.wait(), ExitStatus::Exited(1));
    let heard = std::fs::read_to_string(heard).expect("a file");
    assert_eq!(heard, "dbgsrv: the client has gone; start this server again for the next one\n");
}
