//! Attaching: every thread, whatever it is doing, and what may not be attached to.

use std::collections::BTreeSet;
use std::process::Stdio;

use dbgbase::{Address, ExitStatus, Pid, Signal, StopReason, Tid};
use dbgwire::ErrorCode;
use dbgwire::verbs::process::Attach;
use dbgwire::verbs::server::ServerInfo;
use testkit::footprint::changed_code;
use testkit::{Footprint, Process, Testee, memory_file, procfs, until};

use crate::{PROGRAM, address_of, begin};

/// Who traces the threads of a process; 0 stands for nobody.
fn tracers(pid: Pid) -> BTreeSet<u32> {
    procfs::tids(pid).into_iter().filter_map(|tid| procfs::tracer(pid, tid)).collect()
}

#[test]
fn a_hundred_threads_stand_still() {
    let (guard, _server, mut client) = begin();
    let mut process = guard.start(Testee::build("waits", &[]).path(), &["100"]);
    assert_eq!(process.read_line(), "ready");
    let before = Footprint::take(&guard, process.pid());
    let (target, stop) = client.attach(process.pid());
    assert_eq!(stop.tid(), process.leader());
    assert_eq!(stop.event.threads_born.len(), 100);
    let mut tids = client.tids(target);
    assert_eq!(tids[0], process.leader());
    tids.sort_unstable();
    assert_eq!(tids, procfs::tids(process.pid()));
    assert_eq!(tracers(process.pid()).len(), 1);
    for tid in tids {
        assert_eq!(procfs::state(process.pid(), tid), Some('t'));
    }
    client.detach(target);
    assert_eq!(Footprint::take(&guard, process.pid()), before);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn no_thread_escapes_while_threads_are_born_and_die() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("storm", &[]);
    let mut process = guard.start(testee.path(), &[]);
    assert_eq!(process.read_line(), "ready");
    for _ in 0..10 {
        let (target, stop) = client.attach(process.pid());
        let births = address_of(&testee, &stop, "births");
        assert_no_escape(process.pid());
        for _ in 0..3 {
            let born = memory_file::read_u64(target.pid, births);
            client.go(target);
            until("a birth", || (memory_file::read_u64(target.pid, births) > born).then_some(()));
            client.interrupt(target);
            assert_eq!(client.wait_stop().reason(), StopReason::Interrupted);
            assert_no_escape(process.pid());
        }
        client.detach(target);
        assert_eq!(tracers(process.pid()), BTreeSet::from([0]));
        let born = memory_file::read_u64(target.pid, births);
        until("a birth", || (memory_file::read_u64(target.pid, births) > born).then_some(()));
    }
    assert_eq!(changed_code(process.pid()), []);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

/// Every thread is traced by the same tracer, and stopped.
#[track_caller]
fn assert_no_escape(pid: Pid) {
    let tracers = tracers(pid);
    assert!(tracers.len() == 1 && !tracers.contains(&0), "{tracers:?}");
    for tid in procfs::tids(pid) {
        let state = procfs::state(pid, tid).expect("a stopped thread does not end");
        assert!(matches!(state, 't' | 'Z' | 'X'), "{tid} is in state {state}");
    }
}

#[test]
fn births_are_caught_while_a_site_is_hit() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("storm", &[]);
    let mut process = guard.start(testee.path(), &[]);
    assert_eq!(process.read_line(), "ready");
    let (target, stop) = client.attach(process.pid());
    let (born, births) = (address_of(&testee, &stop, "born"), address_of(&testee, &stop, "births"));
    let before = client.read_u64(target, births);
    client.insert(target, 1, born);
    for _ in 0..100 {
        client.go(target);
        assert_eq!(client.wait_stop().sites(), [1]);
    }
    // Each hit is the birth of one thread; of those at the site none has counted itself yet.
    let after = client.read_u64(target, births);
    assert!(after - before <= 100, "{} births passed the site", after - before);
    client.detach(target);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn sleeps_are_whole_across_attach_and_detach() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("sleeps", &[]);
    let ways =
        [("nanosleep", 35), ("clock_nanosleep", 230), ("poll", 7), ("futex", 202), ("read", 0)];
    let mut processes = Vec::new();
    for (way, number) in ways {
        let mut process = guard.start(testee.path(), &[way]);
        assert_eq!(process.read_line(), "ready");
        let (pid, leader) = (process.pid(), process.leader());
        until("it to sleep", || procfs::is_sleeping_in(pid, leader, number).then_some(()));
        let (target, _) = client.attach(pid);
        client.detach(target);
        assert_eq!(procfs::tracer(pid, leader), Some(0), "{way}");
        processes.push((way, process));
    }
    for (way, process) in &mut processes {
        assert_eq!(process.wait(), ExitStatus::Exited(0), "{way}");
    }
}

#[test]
fn sleeps_are_whole_across_interruptions() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("sleeps", &[]);
    for way in ["nanosleep", "clock_nanosleep", "poll", "futex", "read"] {
        let mut process = guard.start(testee.path(), &[way]);
        assert_eq!(process.read_line(), "ready");
        let (target, _) = client.attach(process.pid());
        for _ in 0..10 {
            client.go(target);
            client.interrupt(target);
            assert_eq!(client.wait_stop().reason(), StopReason::Interrupted);
        }
        client.go(target);
        assert_eq!(client.wait_exit(), ExitStatus::Exited(0), "{way}");
        assert_eq!(process.wait(), ExitStatus::Exited(0), "{way}");
    }
}

#[test]
fn a_stopped_process_stays_stopped() {
    let (guard, _server, mut client) = begin();
    let mut process = guard.start(Testee::build("waits", &[]).path(), &["3"]);
    assert_eq!(process.read_line(), "ready");
    let (pid, leader) = (process.pid(), process.leader());
    process.signal(Signal::SIGSTOP);
    let is_stopped = || procfs::tids(pid).into_iter().all(|tid| is_in(pid, tid, "T"));
    until("it to stop", || is_stopped().then_some(()));
    let before = Footprint::take(&guard, pid);
    assert!(before.is_stopped);
    let (target, _) = client.attach(pid);
    client.detach(target);
    until("it to stop again", || is_stopped().then_some(()));
    assert_eq!(Footprint::take(&guard, pid), before);
    // Let go by the debugger it still does not run, until it is continued.
    let (target, _) = client.attach(pid);
    client.go(target);
    process.close_input();
    client.interrupt(target);
    assert_eq!(client.wait_stop().reason(), StopReason::Interrupted);
    assert!(!process.has_ended());
    client.go(target);
    process.signal(Signal::SIGCONT);
    let stop = client.wait_stop();
    assert!(
        matches!(stop.reason(), StopReason::Signal { signal: Signal::SIGCONT, .. }),
        "{:?}",
        stop.reason()
    );
    client.go_with_signal(target, stop.tid(), Signal::SIGCONT);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
    assert_eq!(process.leader(), leader);
}

fn is_in(pid: Pid, tid: Tid, states: &str) -> bool {
    procfs::state(pid, tid).is_some_and(|state| states.contains(state))
}

#[test]
fn what_cannot_be_attached_to_is_explained() {
    let (guard, server, mut client) = begin();
    let mut process = guard.start(Testee::build("waits", &[]).path(), &["2"]);
    assert_eq!(process.read_line(), "ready");
    let tids = procfs::tids(process.pid());
    let thread = *tids.iter().find(|tid| **tid != process.leader()).expect("two threads");
    let session = client.call(&ServerInfo {}).expect("it answers").pid;
    let mut parent = guard.start(Testee::build("children", &[]).path(), &["zombie"]);
    let zombie: u32 = parent.read_line().parse().expect("the child's id");
    let kernel_thread = 2; // kthreadd, where the tests see the real process ids.
    let cases = [
        (u32::MAX >> 1, ErrorCode::NoSuchProcess, "there is no process"),
        (0, ErrorCode::NoSuchProcess, "there is no process"),
        (thread.value(), ErrorCode::NoSuchProcess, "is a thread of process"),
        (zombie, ErrorCode::NoSuchProcess, "has ended"),
        (session, ErrorCode::NotPermitted, "this session itself"),
        (server.pid().value(), ErrorCode::NotPermitted, "has started this session"),
    ];
    for (pid, code, words) in cases {
        let fault = client.call(&Attach { pid }).expect_err("refused");
        assert_eq!(fault.code, code, "{}", fault.detail);
        assert!(fault.detail.contains(words), "{}", fault.detail);
    }
    let name = std::fs::read_to_string(format!("/proc/{kernel_thread}/comm")).unwrap_or_default();
    if name.trim() == "kthreadd" {
        let fault = client.call(&Attach { pid: kernel_thread }).expect_err("refused");
        assert_eq!(fault.code, ErrorCode::NotPermitted);
        assert!(fault.detail.contains("thread of the kernel"), "{}", fault.detail);
    }
    assert_eq!(client.pending_events(), []);
}

fn process_name(pid: Pid) -> String {
    procfs::status(pid, Tid::from(pid), "Name").expect("it lives")
}

#[test]
fn a_process_has_one_debugger() {
    let (guard, mut server, mut client) = begin();
    let mut process = guard.start(Testee::build("waits", &[]).path(), &[]);
    assert_eq!(process.read_line(), "ready");
    let pid = process.pid();
    let (target, _) = client.attach(pid);
    let again = client.try_attach(pid).expect_err("a target of this session");
    assert_eq!(again.code, ErrorCode::AlreadyTraced);
    let mut other = server.connect();
    let fault = other.try_attach(pid).expect_err("a target of another session");
    assert_eq!(fault.code, ErrorCode::AlreadyTraced);
    let (name, user) = (process_name(pid), dbglink::user_name(rustix::process::geteuid().as_raw()));
    let begins = format!("process {pid} ({name}) is being debugged already, by session ");
    let session = client.welcome().session;
    let whose = format!("{session} of {user} (process server {})", server.pid());
    assert_eq!(fault.detail, format!("{begins}{whose}"));
    server.process().signal(Signal::SIGKILL);
    assert_eq!(server.process().wait(), ExitStatus::Killed(Signal::SIGKILL));
    let fault = other.try_attach(pid).expect_err("sessions outlive a server that is killed");
    let whose = format!("{session} of {user} (its process server is gone)");
    assert_eq!(fault.detail, format!("{begins}{whose}"));
    client.detach(target);
    let (target, _) = other.attach(pid);
    other.detach(target);
    // A debugger that is none of ours.
    let mut command = guard.command("gdb");
    command.args(["-nx", "-q", "-batch", "-p", &pid.to_string()]);
    command.args(["-ex", "echo attached\\n", "-ex", "shell read line"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut gdb = Process::spawn(&mut command);
    while gdb.read_line() != "attached" {}
    let fault = client.try_attach(pid).expect_err("gdb has it");
    assert_eq!(fault.code, ErrorCode::AlreadyTraced);
    let gdb_pid = gdb.pid();
    assert!(fault.detail.ends_with(&format!("by process {gdb_pid} (gdb)")), "{}", fault.detail);
    gdb.write_line("");
    assert_eq!(gdb.wait(), ExitStatus::Exited(0));
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

/// The session process of a local debugger is named by the debugger, which is what its user knows.
#[test]
fn a_debugger_without_a_server_is_named_by_its_process() {
    let (guard, _server, mut client) = begin();
    let mut process = guard.start(Testee::build("waits", &[]).path(), &[]);
    assert_eq!(process.read_line(), "ready");
    let journal = dbgsrv::journal::Journal::create().expect("a journal");
    let journal = std::os::fd::AsFd::as_fd(&journal).try_clone_to_owned().expect("a descriptor");
    let (_session, mut local) = testkit::Embedded::start(&guard, PROGRAM, journal);
    let (target, _) = local.attach(process.pid());
    let fault = client.try_attach(process.pid()).expect_err("it has a debugger");
    let this = Pid::new(std::process::id());
    let expected = format!("by process {this} ({})", process_name(this));
    assert!(fault.detail.ends_with(&expected), "{}", fault.detail);
    local.detach(target);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn a_process_whose_leader_has_ended_is_attached_to() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("leader_ends", &[]);
    let mut process = guard.start(testee.path(), &[]);
    assert_eq!(process.read_line(), "ready");
    let pid = process.pid();
    let tids = procfs::tids(pid);
    let thread = *tids.iter().find(|tid| **tid != process.leader()).expect("it outlives it");
    for is_left in [true, false] {
        let (target, stop) = client.attach(pid);
        assert_eq!(stop.tid(), thread);
        assert_eq!(client.tids(target), [thread]);
        let alone = address_of(&testee, &stop, "alone");
        client.insert(target, 1, alone);
        assert_eq!(client.read(target, alone, 1), client.read(target, alone, 2)[..1]);
        client.go(target);
        if is_left {
            client.detach(target);
            assert_eq!(procfs::tracer(pid, thread), Some(0));
            continue;
        }
        process.close_input();
        assert_eq!(client.wait_stop().sites(), [1]);
        client.go(target);
        assert_eq!(client.wait_exit(), ExitStatus::Exited(6));
    }
    assert_eq!(process.wait(), ExitStatus::Exited(6));
}

#[test]
fn a_32_bit_process_is_refused() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("narrow", &["-m32"]);
    let mut process = guard.start(testee.path(), &[]);
    assert_eq!(process.read_line(), "ready");
    let fault = client.try_attach(process.pid()).expect_err("another CPU mode");
    assert_eq!(fault.code, ErrorCode::Unsupported);
    assert!(fault.detail.contains("32-bit"), "{}", fault.detail);
    let fault = client.launch(testee.path(), &[]).expect_err("another CPU mode");
    assert_eq!(fault.code, ErrorCode::Unsupported);
    assert_eq!(procfs::tracer(process.pid(), process.leader()), Some(0));
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn modules_of_a_running_process_are_found() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("waits", &[]);
    let mut process = guard.start(testee.path(), &[]);
    assert_eq!(process.read_line(), "ready");
    let (target, stop) = client.attach(process.pid());
    let program = &stop.modules()[0];
    assert_eq!(program.path, testee.path().as_os_str().as_encoded_bytes());
    let main = address_of(&testee, &stop, "main");
    let code = memory_file::read(target.pid, main, 4);
    assert_eq!(client.read(target, main, 4), code);
    assert_eq!(stop.window(stop.pc(), 2), Some(&client.read(target, stop.pc(), 2)[..]));
    assert_ne!(program.base, 0);
    assert!(Address::new(program.base) < main);
    client.detach(target);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn a_process_whose_leader_ends_at_that_moment_can_be_attached_to() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("leader_ends", &[]);
    for _ in 0..100 {
        let process = guard.start(testee.path(), &[]);
        let target = client.try_attach(process.pid()).expect("it lives");
        client.wait_stop();
        assert_eq!(client.kill(target), ExitStatus::Killed(Signal::SIGKILL));
    }
}
