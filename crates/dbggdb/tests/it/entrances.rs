//! gdb and lldb through the bridge at servers that ask who is there, that call, and that a command
//! leads to.

use std::net::TcpListener;
use std::process::Stdio;

use dbgbase::ExitStatus;
use testkit::{Guard, Process, Server, Side, USER_CERTIFICATES, programs};

use crate::links::{lldb_session, session_by};

const PASSWORD: &str = ",password=sesame7";

/// gdb's session by a bridge with this string, whose certificates are these.
fn gdb_session(guard: &Guard, side: Option<&Side>, premote: &str) {
    let program = env!("CARGO_BIN_EXE_dbggdb");
    let store = side.map_or_else(String::new, |side| {
        format!("env {USER_CERTIFICATES}={} ", side.store.display())
    });
    // gdb starts the bridge by a shell.
    session_by(guard, &format!("{store}{program} -premote '{premote}'"));
}

#[test]
fn gdb_knows_a_password() {
    let guard = Guard::new();
    let server = Server::tcp_with(&guard, programs::dbgsrv(), PASSWORD);
    gdb_session(&guard, None, &format!("{}{PASSWORD}", server.endpoint()));
    server.wait_until_idle();
}

/// With a program, so that it has connected before it says where it listens.
#[test]
fn nobody_reads_a_password_on_the_bridges_command_line() {
    let guard = Guard::new();
    let (transport, client) = (format!("tcp:port=0{PASSWORD}"), "tcp:server=localhost");
    let server = Server::at_port(&guard, programs::dbgsrv(), &transport, client, |command| {
        command.args(["-lease", "0"]);
    });
    for written in ["password=sesame7", "password=\"sesame7\""] {
        let premote = format!("{},{written}", server.endpoint());
        let words = ["-premote", &premote, "-listen", "127.0.0.1:0", "--", "/bin/true"];
        let mut bridge = guard.start(env!("CARGO_BIN_EXE_dbggdb"), &words);
        assert!(bridge.read_line().starts_with("dbggdb: listening at "));
        let line = |pid| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let own = String::from_utf8_lossy(&line(bridge.pid())).into_owned();
        assert!(own.contains(&written.replace("sesame7", "*******")), "{own}");
        for pid in guard.processes() {
            let line = String::from_utf8_lossy(&line(pid)).into_owned();
            assert!(!line.contains("sesame7"), "{line}");
        }
        drop(bridge);
        server.wait_until_idle();
    }
}

fn certified(guard: &Guard) -> (Server, Side) {
    let (box_, me) = Side::friends(guard);
    let transport = "ssl:proto=tls1,certuser=box,port=0";
    let client = "ssl:proto=tls1,certuser=me,server=localhost";
    let server = Server::at_port(guard, programs::dbgsrv(), transport, client, |command| {
        command.env(USER_CERTIFICATES, &box_.store);
    });
    (server, me)
}

#[test]
fn gdb_shows_a_certificate() {
    let guard = Guard::new();
    let (server, me) = certified(&guard);
    gdb_session(&guard, Some(&me), &server.endpoint().to_connect_string());
    server.wait_until_idle();
}

#[test]
fn lldb_knows_a_password() {
    let guard = Guard::new();
    let server = Server::tcp_with(&guard, programs::dbgsrv(), PASSWORD);
    lldb_session(&guard, &format!("-premote {}{PASSWORD}", server.endpoint()));
    server.wait_until_idle();
}

/// The server is started first, and calls until gdb has started the bridge.
#[test]
fn gdb_is_called() {
    let guard = Guard::new();
    let (box_, me) = Side::friends(&guard);
    for (server, client, side) in [
        ("tcp:", "tcp:", None),
        ("ssl:proto=tls1,certuser=box,", "ssl:proto=tls1,certuser=me,", Some(&me)),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let mut command = guard.command(programs::dbgsrv());
        command.args(["-t", &format!("{server}clicon=127.0.0.1,port={port}")]);
        command.env(USER_CERTIFICATES, &box_.store).stderr(Stdio::null());
        let mut process = Process::spawn(&mut command);
        gdb_session(&guard, side, &format!("{client}clicon=localhost,port={port}"));
        assert_eq!(process.wait(), ExitStatus::Exited(1), "it has no other client");
    }
}

#[test]
fn gdb_reaches_a_server_by_a_command() {
    let guard = Guard::new();
    gdb_session(&guard, None, &format!("exec:{} -t stdio", programs::dbgsrv().display()));
}
