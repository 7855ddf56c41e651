//! The same session over every kind of link, and several debuggers on one server at once.

use std::time::Duration;

use testkit::{Guard, Relay, Server, Testee};

use crate::gdb::{assert_says, gdb, pipe};
use crate::lldb::lldb;

/// gdb says everything twice to whom does not answer within two seconds. Nothing here is about
/// time, and this machine may have much to do.
const WAIT: &str = "set remotetimeout 60";

/// What people do: attach, look around, break, watch, step, finish, call, leave.
fn session(guard: &Guard, connection: &str) -> String {
    session_by(guard, &format!("{} {connection}", env!("CARGO_BIN_EXE_dbggdb")))
}

/// The same with the whole command of the bridge. What gdb says.
pub(crate) fn session_by(guard: &Guard, command: &str) -> String {
    let program = Testee::build("workers", &[]);
    let mut target = guard.start(program.path(), &["2"]);
    assert_eq!(target.read_line().trim(), "ready");
    let attach = format!("attach {}", target.pid());
    let said = gdb(
        guard,
        &[
            WAIT,
            "set sysroot /",
            &format!("target extended-remote | {command}"),
            &attach,
            "info threads",
            "thread apply all backtrace",
            "break finish_job if job->number > 3",
            "continue",
            "print job->name",
            "watch job->number",
            "continue",
            "delete",
            "next",
            "up",
            "info locals",
            "finish",
            "print jobs > 0",
            "detach",
        ],
    );
    assert_says(
        &said,
        &[
            "wait_for_ever",
            "Breakpoint 1, finish_job",
            "\"first\"",
            "atchpoint 2: job->number",
            "Old value = ",
            "before = ",
            "Value returned is",
            " = 1",
            "detached",
        ],
    );
    assert!(!target.has_ended(), "the target runs on");
    said
}

/// Less of it: only whether it comes to a session, and whether that works.
pub(crate) fn brief_session_by(guard: &Guard, command: &str) {
    let program = Testee::build("workers", &[]);
    let mut target = guard.start(program.path(), &["2"]);
    assert_eq!(target.read_line().trim(), "ready");
    let said = gdb(
        guard,
        &[
            WAIT,
            "set sysroot /",
            &format!("target extended-remote | {command}"),
            &format!("attach {}", target.pid()),
            "break finish_job if job->number > 3",
            "continue",
            "print job->name",
            "delete",
            "detach",
        ],
    );
    assert_says(&said, &["Breakpoint 1, finish_job", "\"first\"", "detached"]);
    assert!(!target.has_ended(), "the target runs on");
}

/// What gdb and lldb say when a packet is lost, comes twice, late or not at all, or when the bridge
/// is gone; in small letters.
const COMPLAINTS: [&str; 10] = [
    "\nerror: ",
    "packet error",
    "timed out",
    "timeout",
    "remote communication error",
    "remote connection closed",
    "remote failure",
    "malformed",
    "lost connection",
    "connection lost",
];

/// The debugger has noticed nothing of what became of the link.
#[track_caller]
fn assert_unnoticed(said: &str) {
    // The bridge may have told its user, and lldb repeats its commands.
    let of_others = ["dbggdb: ", "(lldb) "];
    let of_debugger = |line: &&str| !of_others.iter().any(|start| line.starts_with(start));
    let text: Vec<&str> = said.lines().filter(of_debugger).collect();
    let text = format!("\n{}", text.join("\n")).to_lowercase();
    for complaint in COMPLAINTS {
        assert!(!text.contains(complaint), "{complaint:?} in:\n{said}");
    }
}

#[test]
fn on_a_server_of_its_own() {
    session(&Guard::new(), "");
}

#[test]
fn through_a_pipe() {
    let guard = Guard::new();
    let server = Server::npipe(&guard, testkit::programs::dbgsrv());
    let run_dir = server.run_dir().display();
    // gdb starts the bridge by a shell.
    let connection = format!("-premote {}", server.endpoint());
    let program = env!("CARGO_BIN_EXE_dbggdb");
    let command = format!("env DBGSRV_RUN_DIR={run_dir} {program} {connection}");
    session_by(&guard, &command);
    server.wait_until_idle();
}

#[test]
fn through_a_line_that_is_cut_again_and_again() {
    let guard = Guard::new();
    let server = Server::tcp(&guard, testkit::programs::dbgsrv());
    let relay = Relay::cutting(server.address(), 11, 90_000);
    let port = relay.address().port();
    let said = session(&guard, &format!("-premote tcp:server=127.0.0.1,port={port}"));
    assert!(relay.cuts() > 1, "it was cut {} times", relay.cuts());
    assert!(said.contains("dbggdb: the connection to the process server was lost for "), "{said}");
    assert_unnoticed(&said);
    drop(relay);
    server.wait_until_idle();
}

#[test]
fn lldb_through_a_line_that_is_cut_again_and_again() {
    let guard = Guard::new();
    let server = Server::tcp(&guard, testkit::programs::dbgsrv());
    // With this seed the second cut comes soon behind the first: lldb asks for less than gdb.
    let relay = Relay::cutting(server.address(), 28, 90_000);
    let port = relay.address().port();
    let said = lldb_session(&guard, &format!("-premote tcp:server=127.0.0.1,port={port}"));
    assert!(relay.cuts() > 1, "it was cut {} times", relay.cuts());
    assert_unnoticed(&said);
    drop(relay);
    server.wait_until_idle();
}

#[test]
fn through_a_port_and_a_slow_line() {
    let guard = Guard::new();
    let server = Server::tcp(&guard, testkit::programs::dbgsrv());
    session(&guard, &format!("-premote {}", server.endpoint()));
    let relay = Relay::start(server.address(), Duration::from_millis(20));
    let port = relay.address().port();
    session(&guard, &format!("-premote tcp:server=127.0.0.1,port={port}"));
    drop(relay);
    server.wait_until_idle();
}

#[test]
fn three_debuggers_do_not_disturb_each_other() {
    let guard = Guard::new();
    let server = Server::tcp(&guard, testkit::programs::dbgsrv());
    let connection = format!("-premote {}", server.endpoint());
    std::thread::scope(|scope| {
        let gdbs = [(); 2].map(|()| scope.spawn(|| session(&guard, &connection)));
        scope.spawn(|| lldb_session(&guard, &connection)).join().expect("lldb's session");
        for gdb in gdbs {
            gdb.join().expect("a gdb's session");
        }
    });
    server.wait_until_idle();
}

pub(crate) fn lldb_session(guard: &Guard, connection: &str) -> String {
    let program = Testee::build("workers", &[]);
    let mut target = guard.start(program.path(), &["2"]);
    assert_eq!(target.read_line().trim(), "ready");
    let pid = target.pid().to_string();
    let words: Vec<&str> = connection.split(' ').chain(["-p", &pid]).collect();
    let steps = [
        "breakpoint set --name finish_job",
        "continue",
        "bt",
        "frame variable depth",
        "breakpoint disable",
        "detach",
    ];
    let said = lldb(guard, &words, &steps);
    assert_says(&said, &["stop reason = breakpoint 1", "`descend", "(int) depth = 0", "detached"]);
    assert!(!target.has_ended(), "the target runs on");
    said
}

#[test]
fn a_server_that_dies_is_told_and_the_target_runs_on() {
    let guard = Guard::new();
    let mut server = Server::tcp(&guard, testkit::programs::dbgsrv());
    let program = Testee::build("workers", &[]);
    let mut target = guard.start(program.path(), &["2"]);
    assert_eq!(target.read_line().trim(), "ready");
    // The shell comes back when the server is gone.
    let pid = server.pid();
    let kill = format!("shell kill {pid}; while [ -e /proc/{pid}/exe ]; do :; done");
    let said = gdb(
        &guard,
        &[
            "set sysroot /",
            &pipe(&format!("-premote {}", server.endpoint())),
            &format!("attach {}", target.pid()),
            "break finish_job",
            "continue",
            &kill,
            "continue",
            "info threads",
        ],
    );
    assert_says(&said, &["Breakpoint 1, finish_job", "No threads."]);
    assert_says(&said, &["dbggdb: the process server"]);
    server.process().wait();
    assert!(!target.has_ended(), "the target runs on");
}
