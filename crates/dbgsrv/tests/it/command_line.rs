//! The command line of the server as a user types it: what is wrong is said at once, with a status
//! that is not 0, and what is right is silent.

use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::process::{Output, Stdio};

use dbgbase::{ExitStatus, Pid, Signal, Tid};
use dbgwire::verbs::process::Launch;
use dbgwire::verbs::resume::SendSignal;
use dbgwire::{ErrorCode, verbs::process::Terminal};
use testkit::{Guard, Process, Server, Testee, memory_file, procfs, until};

use crate::{PROGRAM, address_of};

/// What the server says before it ends.
fn run(guard: &Guard, arguments: &[&str]) -> Output {
    let mut command = guard.command(PROGRAM);
    command.args(arguments).env("DBGSRV_RUN_DIR", guard.directory().join("run"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().expect("it ends at once")
}

/// It says this and does not serve.
#[track_caller]
fn assert_refused(guard: &Guard, arguments: &[&str], status: i32, message: &str) {
    let output = run(guard, arguments);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains(message), "{arguments:?} says {text:?}");
    assert_eq!(output.status.code(), Some(status), "{text}");
    assert_eq!(output.stdout, b"");
    let shows_usage = text.contains("usage: dbgsrv -t <transport>");
    assert_eq!(shows_usage, status == 2, "{text}");
    if status == 2 {
        assert!(text.starts_with("Invalid Command Line: "), "{text}");
    }
}

#[test]
fn wrong_command_lines_are_explained() {
    let guard = Guard::new();
    let refused = |arguments: &[&str], message| assert_refused(&guard, arguments, 2, message);
    refused(&[], "-t is missing");
    refused(&["-t"], "-t needs a transport");
    refused(&["-T", "tcp:port=1"], "-T is not an option of dbgsrv");
    refused(&["-t", "smoke:signal=1"], "smoke");
    refused(&["-t", "tcp:port=0x10"], "port");
    refused(&["-t", "npipe:pipe=two words"], "a pipe name has no blanks");
    refused(&["-t", "npipe:pipe=it's"], "a pipe name has no quotation marks");
    refused(&["-t", "tcp:port=51:60,clicon=host"], "clicon");
    refused(&["-t", "npipe:pipe=p", "-sifeo", "app"], "-sifeo app");
    refused(&["-t", "npipe:pipe=p", "-pc"], "-pc needs a command line behind it");
    refused(&["-t", "npipe:pipe=p", "-c"], "-c needs a command line behind it");
    refused(&["-t", "npipe:pipe=p", "-cs", "'app"], "not closed");
}

#[test]
fn help_is_no_error() {
    let guard = Guard::new();
    let output = run(&guard, &["-?"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.starts_with(b"usage: dbgsrv"), "{output:?}");
    assert_eq!(output.stderr, b"");
}

#[test]
fn what_is_in_use_is_not_served_twice() {
    let guard = Guard::new();
    let mut server = Server::npipe(&guard, PROGRAM);
    drop(server.connect());
    assert_refused(&guard, &["-t", "npipe:pipe=test"], 1, "test");
    let taken = TcpListener::bind(("::", 0)).expect("a port");
    let port = taken.local_addr().expect("an address").port();
    assert_refused(&guard, &["-t", &format!("tcp:port={port}")], 1, &port.to_string());
    let range = format!("tcp:port={port}:{port}");
    assert_refused(&guard, &["-t", &range], 1, &port.to_string());
    server.process().signal(Signal::SIGTERM);
    assert_eq!(server.process().wait(), ExitStatus::Exited(0));
}

#[test]
fn a_program_that_cannot_be_started_is_no_server() {
    let guard = Guard::new();
    let t = ["-t", "npipe:pipe=p"];
    let refused = |rest: &[&str], message| {
        assert_refused(&guard, &[&t, rest].concat(), 1, message);
        assert!(!guard.directory().join("run/p").exists(), "nobody listens");
    };
    refused(&["-c", "/nonexistent/app"], "cannot start /nonexistent/app: there is no such file");
    refused(&["-cs", "/nonexistent/app"], "cannot start /nonexistent/app: there is no such file");
    refused(&["-c", "/etc/passwd"], "cannot start /etc/passwd: it is not executable");
    refused(&["-c", "/"], "cannot start /: ");
}

/// A server that has started a program, and the program.
fn with_program(guard: &Guard, options: &[&str], program: &[&str]) -> (Process, Pid) {
    let mut command = guard.command(PROGRAM);
    command.env("DBGSRV_RUN_DIR", guard.directory().join("run"));
    command.args(["-t", "npipe:pipe=test"]).args(options).args(program);
    let server = Process::spawn(command.stdout(Stdio::piped()));
    let parent = server.pid().to_string();
    let is_it = |pid: &Pid| {
        let is_child = procfs::status(*pid, (*pid).into(), "PPid").as_ref() == Some(&parent);
        let exe = std::fs::read_link(format!("/proc/{pid}/exe"));
        is_child && exe.is_ok_and(|exe| exe != std::path::Path::new(PROGRAM))
    };
    let pid = until("the program", || procfs::pids().into_iter().find(is_it));
    (server, pid)
}

fn connect(guard: &Guard) -> testkit::Client {
    let endpoint = "npipe:server=localhost,pipe=test".parse().expect("an endpoint");
    let run_dir = dbglink::RunDir::at(guard.directory().join("run"));
    let connect = || dbglink::connect(&endpoint, &run_dir, testkit::DEADLINE).ok();
    testkit::Client::open(until("the server to listen", connect))
}

#[test]
fn a_program_is_started_and_left_alone() {
    for ending in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGKILL] {
        let guard = Guard::new();
        let testee = Testee::build("spin", &[]);
        let path = testee.path().to_str().expect("UTF-8");
        let (mut server, pid) = with_program(&guard, &["-c"], &[path]);
        assert_eq!(server.read_line(), "ready", "its output is the server's");
        assert_eq!(procfs::tracer(pid, pid.into()), Some(0));
        for field in ["SigBlk", "SigIgn"] {
            let set = procfs::status(pid, pid.into(), field).expect("it lives");
            let set = u64::from_str_radix(&set, 16).expect("hexadecimal");
            assert_eq!(set & !(0b11 << 31), 0, "{field}");
        }
        let descriptors = procfs::descriptors(pid);
        assert_eq!(descriptors.len(), 3, "{descriptors:?}");
        assert_eq!(descriptors[0], "0 -> /dev/null");
        let mut client = connect(&guard);
        let (target, stop) = client.attach(pid);
        let turns = address_of(&testee, &stop, "turns");
        client.detach(target);
        drop(client);
        server.signal(ending);
        let is_clean = ending != Signal::SIGKILL;
        let expected = if is_clean { ExitStatus::Exited(0) } else { ExitStatus::Killed(ending) };
        assert_eq!(server.wait(), expected);
        let counted = memory_file::read_u64(pid, turns);
        until("it to run on", || (memory_file::read_u64(pid, turns) > counted).then_some(()));
        testkit::send_signal(pid, Signal::SIGKILL);
    }
}

#[test]
fn a_program_that_ends_is_reaped() {
    let guard = Guard::new();
    let sleep = ["sh", "-c", "exec sleep 1000"];
    let (mut server, pid) = with_program(&guard, &["-sifeo", "sh", "-c"], &sleep);
    testkit::send_signal(pid, Signal::SIGKILL);
    let is_gone = || (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(());
    until("it to be reaped", is_gone);
    drop(connect(&guard));
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), ExitStatus::Exited(0));
    assert_eq!(server.read_rest(), "", "it is silent");
}

#[test]
fn a_suspended_program_waits_before_its_first_instruction() {
    let guard = Guard::new();
    let testee = Testee::build("spin", &[]);
    let path = testee.path().to_str().expect("UTF-8");
    let (mut server, pid) = with_program(&guard, &["-cs"], &[path]);
    let leader = Tid::from(pid);
    until("it to be stopped", || (procfs::state(pid, leader) == Some('T')).then_some(()));
    assert_eq!(procfs::tracer(pid, leader), Some(0));
    assert_eq!(procfs::tids(pid), [leader]);
    assert_eq!(std::fs::read_link(format!("/proc/{pid}/exe")).ok().as_deref(), Some(testee.path()));
    let mut client = connect(&guard);
    let (target, stop) = client.attach(pid);
    let names: Vec<&[u8]> = stop.modules().iter().map(|module| module.path.as_slice()).collect();
    assert!(!names.iter().any(|name| name.ends_with(b"libc.so.6")), "nothing is mapped yet");
    let turn = address_of(&testee, &stop, "turn");
    client.insert(target, 1, turn);
    let signal = SendSignal { target: target.id, tid: 0, signal: 18 };
    client.call(&signal).expect("it can be sent");
    client.go(target);
    assert_eq!(client.wait_stop().sites(), [1], "the signal is no news to who sent it");
    client.detach(target);
    assert_eq!(server.read_line(), "ready");
    testkit::send_signal(pid, Signal::SIGKILL);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), ExitStatus::Exited(0));
}

#[test]
fn a_process_that_was_stopped_is_continued_with_all_its_threads() {
    let guard = Guard::new();
    let server = Server::npipe(&guard, PROGRAM);
    let testee = Testee::build("ticks", &[]);
    let mut process = guard.start(testee.path(), &["5"]);
    assert_eq!(process.read_line(), "ready");
    let pid = process.pid();
    for round in 1..=5 {
        process.signal(Signal::SIGSTOP);
        until("it to be stopped", || (procfs::state(pid, pid.into()) == Some('T')).then_some(()));
        let mut client = server.connect();
        let (target, stop) = client.attach(pid);
        if round > 1 {
            client.insert(target, 1, address_of(&testee, &stop, "tick"));
        }
        // Left without being continued it is as it was found.
        if round == 5 {
            client.go(target);
            client.detach(target);
            until("it to be stopped", || {
                (procfs::state(pid, pid.into()) == Some('T')).then_some(())
            });
            process.signal(Signal::SIGCONT);
            break;
        }
        process.write_line("");
        let signal = SendSignal { target: target.id, tid: 0, signal: 18 };
        client.call(&signal).expect("it can be sent");
        client.go(target);
        if round > 1 {
            assert_eq!(client.wait_stop().sites(), [1]);
        }
        if round > 1 {
            client.detach(target);
        }
        assert_eq!(process.read_line(), format!("ticked {round}"));
        drop(client);
        until("it to be left", || (procfs::tracer(pid, pid.into()) == Some(0)).then_some(()));
    }
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn signals_can_be_sent_to_processes_and_threads() {
    let guard = Guard::new();
    let server = Server::npipe(&guard, PROGRAM);
    let mut client = server.connect();
    let testee = Testee::build("signals", &[]);
    let mut process = guard.start(testee.path(), &["waits"]);
    assert_eq!(process.read_line(), "ready");
    let (target, stop) = client.attach(process.pid());
    client.go(target);
    for tid in [0, stop.tid().value()] {
        let signal = SendSignal { target: target.id, tid, signal: 10 };
        client.call(&signal).expect("it can be sent");
        let told = client.wait_stop();
        client.go_with_signal(target, told.tid(), Signal::SIGUSR1);
    }
    let wrong = |tid, signal| SendSignal { target: target.id, tid, signal };
    let code = |client: &mut testkit::Client, wrong| client.call(&wrong).expect_err("wrong").code;
    assert_eq!(code(&mut client, wrong(0, 0)), ErrorCode::Malformed);
    assert_eq!(code(&mut client, wrong(0, 65)), ErrorCode::Malformed);
    assert_eq!(code(&mut client, wrong(1, 10)), ErrorCode::NoSuchThread);
    assert_eq!(
        code(&mut client, SendSignal { target: 99, tid: 0, signal: 10 }),
        ErrorCode::NoSuchTarget
    );
    process.close_input();
    assert_eq!(client.wait_exit(), ExitStatus::Exited(2));
}

#[test]
fn the_implicit_command_line_is_for_who_asks_for_it() {
    let guard = Guard::new();
    let testee = Testee::build("exits", &[]);
    let path = testee.path().as_os_str();
    let launch = Launch { implicit: true, terminal: Terminal::None as i32, ..Launch::default() };
    let mut command = guard.command(PROGRAM);
    command.env("DBGSRV_RUN_DIR", guard.directory().join("run"));
    command.args(["-t", "npipe:pipe=test", "-pc"]).arg(path).arg("7");
    let mut server = Process::spawn(&mut command);
    for _ in 0..2 {
        let mut client = connect(&guard);
        let reply = client.call(&launch).expect("there is one");
        assert_eq!(reply.words, [path.as_bytes(), b"7"]);
        client.wait_stop();
        client.go(testkit::Target { id: reply.target, pid: Pid::new(reply.pid) });
        assert_eq!(client.wait_exit(), ExitStatus::Exited(7));
        let other = client.start(&Testee::build("exits", &[]), &["0"]).0;
        client.kill(other);
    }
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), ExitStatus::Exited(0));
    let without = Server::npipe(&guard, PROGRAM);
    let fault = without.connect().call(&launch).expect_err("there is none");
    assert_eq!(fault.code, ErrorCode::Unsupported);
    assert!(fault.detail.contains("dbgsrv -pc"), "{fault}");
}

#[test]
fn pipe_names_have_codes_for_the_server() {
    let guard = Guard::new();
    let run_dir = guard.directory().join("run");
    let mut command = guard.command(PROGRAM);
    command.args(["-t", "npipe:pipe=srv_%d_%x,hidden"]).env("DBGSRV_RUN_DIR", &run_dir);
    let server = Process::spawn(&mut command);
    let pid = server.pid().value();
    let socket = run_dir.join(format!("srv_{pid}_{pid:x}"));
    until("the server to listen", || socket.exists().then_some(()));
}
