//! gdb and lldb through the bridge at servers that ask who is there, that call, and that a command
//! leads to.

use std::process::Stdio;

use dbgbase::ExitStatus;
use testkit::{Guard, Process, Server, Side, USER_CERTIFICATES, free_port, programs, until};

use crate::links::{brief_session_by, lldb_session, session_by};

const PASSWORD: &str = ",password=sesame7";

/// What gdb starts: a bridge with this string, whose certificates are these.
fn bridge(guard: &Guard, side: Option<&Side>, premote: &str) -> String {
    let program = env!("CARGO_BIN_EXE_dbggdb");
    let run_dir = guard.directory().join("run");
    let store = side
        .map_or_else(String::new, |side| format!(" {USER_CERTIFICATES}={}", side.store.display()));
    // gdb starts it by a shell.
    format!("env DBGSRV_RUN_DIR={}{store} {program} -premote '{premote}'", run_dir.display())
}

#[test]
fn gdb_knows_a_password() {
    let guard = Guard::new();
    let server = Server::tcp_with(&guard, programs::dbgsrv(), PASSWORD);
    session_by(&guard, &bridge(&guard, None, &format!("{}{PASSWORD}", server.endpoint())));
    server.wait_until_idle();
}

/// The same with TLS below it, by IPv6, and at a pipe; certificates at a pipe are the last one.
#[test]
fn gdb_comes_in_by_every_other_entrance() {
    let guard = Guard::new();
    let (box_, me) = Side::friends(&guard);
    let ssl = (
        format!("ssl:proto=tls1,certuser=box,port=0{PASSWORD}"),
        "ssl:proto=tls1,certuser=me,server=localhost",
    );
    let ipv6 = (format!("tcp:port=0{PASSWORD}"), "tcp:server=::1");
    for (transport, client) in [ssl, ipv6] {
        let server = Server::at_port(&guard, programs::dbgsrv(), &transport, client, |command| {
            command.env(USER_CERTIFICATES, &box_.store);
        });
        let premote = format!("{}{PASSWORD}", server.endpoint().to_connect_string());
        brief_session_by(&guard, &bridge(&guard, Some(&me), &premote));
        server.wait_until_idle();
    }
    for (transport, premote) in [
        (
            format!("npipe:pipe=test{PASSWORD}"),
            format!("npipe:server=localhost,pipe=test{PASSWORD}"),
        ),
        (
            "spipe:proto=tls1,certuser=box,pipe=test".to_owned(),
            "spipe:proto=tls1,certuser=me,server=localhost,pipe=test".to_owned(),
        ),
    ] {
        let server = Server::npipe_with(&guard, programs::dbgsrv(), |command| {
            *command = guard.command(programs::dbgsrv());
            command.args(["-t", &transport]).env(USER_CERTIFICATES, &box_.store);
            command.env("DBGSRV_RUN_DIR", guard.directory().join("run"));
        });
        until("the socket", || server.socket_path().exists().then_some(()));
        brief_session_by(&guard, &bridge(&guard, Some(&me), &premote));
        server.wait_until_idle();
    }
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
    session_by(&guard, &bridge(&guard, Some(&me), &server.endpoint().to_connect_string()));
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
        let port = free_port();
        let mut command = guard.command(programs::dbgsrv());
        command.args(["-t", &format!("{server}clicon=127.0.0.1,port={port}")]);
        command.env(USER_CERTIFICATES, &box_.store).stderr(Stdio::null());
        let mut process = Process::spawn(&mut command);
        let premote = format!("{client}clicon=localhost,port={port}");
        brief_session_by(&guard, &bridge(&guard, side, &premote));
        assert_eq!(process.wait(), ExitStatus::Exited(1), "it has no other client");
    }
}

#[test]
fn gdb_reaches_a_server_by_a_command() {
    let guard = Guard::new();
    let premote = format!("exec:{} -t stdio", programs::dbgsrv().display());
    session_by(&guard, &bridge(&guard, None, &premote));
}
