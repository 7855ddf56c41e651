//! The worked examples of the documentation, as a user would type them: a process server of its own
//! program, and cdb.

use std::process::Stdio;

use dbgbase::{Pid, Signal};
use testkit::{Guard, Process, Server, Testee, procfs, programs, until};

use crate::console::Console;

/// A server in a run directory of its own, started with these arguments.
fn dbgsrv(guard: &Guard, arguments: &[&str]) -> Process {
    let mut command = guard.command(programs::dbgsrv());
    command.args(arguments).env("DBGSRV_RUN_DIR", guard.directory().join("run"));
    Process::spawn(command.stdout(Stdio::piped()))
}

fn cdb(guard: &Guard, arguments: &[&str]) -> Console {
    let mut command = guard.command(env!("CARGO_BIN_EXE_cdb"));
    command.args(arguments).env("DBGSRV_RUN_DIR", guard.directory().join("run"));
    Console::spawn(command)
}

/// `dbgsrv -t tcp:port=1025`; `windbg -premote tcp:server=BOX17,port=1025 -p 122`
#[test]
fn attach_through_a_port() {
    let guard = Guard::new();
    let server = Server::tcp(&guard, programs::dbgsrv());
    let testee = Testee::build("ticks", &[]);
    let mut process = guard.start(testee.path(), &["0"]);
    assert_eq!(process.read_line(), "ready");
    let transport = server.endpoint().to_connect_string();
    let cdb = cdb(&guard, &["-premote", &transport, "-p", &process.pid().to_string()]);
    assert!(cdb.banner.contains("ticks"), "{}", cdb.banner);
    let (_, status) = cdb.finish("qd");
    assert_eq!(status, 0);
    process.close_input();
    process.wait();
}

/// `dbgsrv -t tcp:port=1234 -pc MyTarget`; `ntsd -premote tcp:port=1234,server=host -cimp`
#[test]
fn the_implicit_command_line() {
    let guard = Guard::new();
    let testee = Testee::build("exits", &[]);
    let path = testee.path().to_str().expect("UTF-8");
    let mut server = dbgsrv(&guard, &["-t", "npipe:pipe=p", "-pc", path, "7"]);
    until("the server", || guard.directory().join("run/p").exists().then_some(()));
    let transport = "npipe:server=localhost,pipe=p";
    let mut cdb = cdb(&guard, &["-premote", transport, "-cimp"]);
    for _ in 0..2 {
        let end = cdb.command("g");
        assert!(end.contains("exited") && end.contains('7'), "{end}");
        cdb.command(".restart");
    }
    let (_, status) = cdb.finish("q");
    assert_eq!(status, 0);
    server.signal(Signal::SIGTERM);
    server.wait();
    let refused = |arguments: &[&str], message: &str| {
        let mut command = guard.command(env!("CARGO_BIN_EXE_cdb"));
        let output = command.args(arguments).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(message), "{text}");
        assert!(!output.status.success());
    };
    refused(&["-cimp"], "-cimp needs a process server");
    refused(&["-premote", transport, "-cimp", "ls"], "more than one target");
    refused(&["-pb", "ls"], "-pb needs a running process");
}

/// `dbgsrv -t npipe:pipe=srv_%d_%x`
#[test]
fn a_pipe_named_after_its_server() {
    let guard = Guard::new();
    let mut server = dbgsrv(&guard, &["-t", "npipe:pipe=srv_%d_%x"]);
    let pid = server.pid().value();
    let pipe = format!("srv_{pid}_{pid:x}");
    until("the server", || guard.directory().join("run").join(&pipe).exists().then_some(()));
    let transport = format!("npipe:server=localhost,pipe={pipe}");
    let testee = Testee::build("exits", &[]);
    let path = testee.path().to_str().expect("UTF-8");
    let (_, status) = cdb(&guard, &["-premote", &transport, path, "0"]).finish("q");
    assert_eq!(status, 0);
    server.signal(Signal::SIGTERM);
    server.wait();
}

/// `dbgsrv -t tcp:port=1025 -cs /bin/app a b`; find pid (.tlist); `cdb -premote … -pb -p PID`
#[test]
fn a_suspended_program_is_found_and_let_run() {
    for way in ["-pb", "~*m"] {
        let guard = Guard::new();
        let testee = Testee::build("ticks", &[]);
        let path = testee.path().to_str().expect("UTF-8");
        let name = testee.path().file_name().and_then(|name| name.to_str()).expect("a name");
        let mut server = dbgsrv(&guard, &["-t", "npipe:pipe=p", "-cs", path, "2"]);
        until("the server", || guard.directory().join("run/p").exists().then_some(()));
        let transport = "npipe:server=localhost,pipe=p";
        let parent = server.pid().to_string();
        let is_it = |pid: &Pid| {
            procfs::status(*pid, (*pid).into(), "PPid").as_ref() == Some(&parent)
                && procfs::state(*pid, (*pid).into()) == Some('T')
        };
        let pid = until("the program", || procfs::pids().into_iter().find(is_it));
        let finder = Testee::build("exits", &[]);
        let finder = finder.path().to_str().expect("UTF-8");
        let mut other = cdb(&guard, &["-premote", transport, finder, "0"]);
        let listed = other.command(&format!(".tlist {name}"));
        assert!(listed.contains(&format!("0n{pid} {name}")), "{listed}");
        other.finish("q");
        if way == "-pb" {
            let mut command = guard.command(env!("CARGO_BIN_EXE_cdb"));
            command.args(["-premote", transport, "-pb", "-p", &pid.to_string()]);
            command.env("DBGSRV_RUN_DIR", guard.directory().join("run"));
            let mut cdb = Process::spawn(command.stdin(Stdio::piped()).stdout(Stdio::null()));
            // Its input is empty, so it runs to its end.
            assert_eq!(server.read_line(), "ready");
            until("it to end", || (!procfs::is_alive(pid)).then_some(()));
            cdb.write_line("q");
            assert_eq!(cdb.wait(), dbgbase::ExitStatus::Exited(0));
        } else {
            let mut cdb = cdb(&guard, &["-premote", transport, "-p", &pid.to_string()]);
            assert!(cdb.command("~*m").contains("Resumed"), "a signal had stopped it");
            assert!(cdb.command("~*m").contains("No thread is suspended"));
            cdb.command("bp main");
            let end = cdb.command("g");
            assert!(end.contains("exited") || end.contains("Breakpoint 0 hit"), "{end}");
            cdb.finish("qd");
            assert_eq!(server.read_line(), "ready");
        }
        server.signal(Signal::SIGTERM);
        server.wait();
    }
}
