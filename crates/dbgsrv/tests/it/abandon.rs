//! Targets that a client leaves stopped, and another one takes over.

use dbgbase::{ExitStatus, Pid, Signal, Tid};
use dbgwire::ErrorCode;
use dbgwire::verbs::process::{Abandon, Attach, Claim, Detach};
use dbgwire::verbs::resume::{CatchSyscalls, SetEvents, SetSignals, SignalPolicy};
use dbgwire::verbs::server::{EndServer, ServerInfo};
use dbgwire::verbs::site::{ListSites, Site, SiteKind};
use dbgwire::verbs::thread::ListThreads;
use testkit::footprint::changed_code;
use testkit::{
    Client, Guard, Process, Server, Stop, Target, Testee, memory_file, procfs, send_signal, until,
};

use crate::{PROGRAM, address_of, begin};

/// A process that stands at a breakpoint of the client.
fn at_breakpoint(guard: &Guard, client: &mut Client) -> (Process, Target, Stop) {
    let testee = Testee::build("ticks", &[]);
    let mut process = guard.start(testee.path(), &["2"]);
    assert_eq!(process.read_line(), "ready");
    let (target, stop) = client.attach(process.pid());
    client.insert(target, 1, address_of(&testee, &stop, "tick"));
    client.go(target);
    process.write_line("");
    let stop = client.wait_stop();
    assert_eq!(stop.sites(), [1]);
    (process, target, stop)
}

fn session_of(client: &mut Client) -> Pid {
    Pid::new(client.call(&ServerInfo {}).expect("it answers").pid)
}

/// Whether a session process waits without a client: it is asked for nothing, so it must be tried.
#[track_caller]
fn claim(server: &Server, pid: Pid) -> (Client, Target, Stop) {
    // The session of a client that has just gone may not have noticed yet.
    until("the process to be kept", || {
        let mut client = server.connect();
        let reply = client.call(&Claim { pid: pid.value() }).ok()?;
        let stop = client.wait_stop();
        Some((client, Target { id: reply.target, pid }, stop))
    })
}

#[test]
fn an_abandoned_process_waits_for_the_next_client() {
    let (guard, server, mut client) = begin();
    let (mut process, target, stop) = at_breakpoint(&guard, &mut client);
    let session = session_of(&mut client);
    client.call(&Abandon { target: target.id }).expect("it stands still");
    let fault = client.call(&ListThreads { target: target.id }).expect_err("it was left");
    assert_eq!(fault.code, ErrorCode::NoSuchTarget);
    drop(client);
    let (mut other, target, found) = claim(&server, process.pid());
    assert_eq!(session_of(&mut other), session, "the session goes on");
    assert_eq!(found.reason(), dbgbase::StopReason::Attached);
    let is_clean = || changed_code(process.pid()).is_empty().then_some(());
    until("the dynamic linker's site to be lifted, too", is_clean);
    let registers = other.registers(target, stop.tid());
    assert_eq!(registers.pc(), stop.pc(), "it has not moved");
    assert_eq!(other.tids(target), procfs::tids(process.pid()));
    other.insert(target, 9, registers.pc());
    other.go(target);
    assert_eq!(process.read_line(), "ticked 1");
    process.write_line("");
    assert_eq!(other.wait_stop().sites(), [9]);
    other.call(&Detach { target: target.id }).expect("it is there");
    assert_eq!(process.read_line(), "ticked 2");
    drop(other);
    until("the session to end", || (!procfs::is_alive(session)).then_some(()));
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn the_same_client_may_take_it_back() {
    let (guard, _server, mut client) = begin();
    let (mut process, target, stop) = at_breakpoint(&guard, &mut client);
    let pid = process.pid();
    client.call(&Abandon { target: target.id }).expect("it stands still");
    let fault = client.call(&Attach { pid: pid.value() }).expect_err("it is debugged");
    assert_eq!(fault.code, ErrorCode::AlreadyTraced);
    let reply = client.call(&Claim { pid: pid.value() }).expect("it was abandoned");
    assert_eq!((reply.target, reply.created), (target.id, false));
    assert_eq!(client.wait_stop().pc(), stop.pc());
    client.detach(target);
    assert_eq!(process.read_line(), "ticked 1");
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn requests_that_follow_the_claim_go_along() {
    let (guard, server, mut client) = begin();
    let (mut process, target, _) = at_breakpoint(&guard, &mut client);
    let pid = process.pid();
    let session = session_of(&mut client);
    client.call(&Abandon { target: target.id }).expect("it stands still");
    drop(client);
    let mut other = until("the process to be kept", || {
        let mut other = server.connect();
        let claimed = other.send(&Claim { pid: pid.value() }, Vec::new());
        let asked: Vec<u32> = (0..100).map(|_| other.send(&ServerInfo {}, Vec::new())).collect();
        other.answer::<Claim>(claimed).ok()?;
        for id in asked {
            let (reply, _) = other.answer::<ServerInfo>(id).expect("it answers");
            assert_eq!(reply.pid, session.value());
        }
        Some(other)
    });
    other.wait_stop();
    other.detach(target);
    process.close_input();
    assert_eq!(process.read_line(), "ticked 1");
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn what_was_not_abandoned_cannot_be_claimed() {
    let (guard, server, mut client) = begin();
    let (process, target, _) = at_breakpoint(&guard, &mut client);
    let pid = process.pid().value();
    let mut other = server.connect();
    let fault = other.call(&Claim { pid }).expect_err("it is debugged");
    assert_eq!(fault.code, ErrorCode::AlreadyTraced);
    assert!(fault.detail.contains("session 1 of"), "{fault}");
    // Abandoned, but the one who did it is still there.
    client.call(&Abandon { target: target.id }).expect("it stands still");
    assert_eq!(other.call(&Claim { pid }).expect_err("kept").code, ErrorCode::AlreadyTraced);
    let idle = guard.start(Testee::build("spin", &[]).path(), &[]);
    let fault = other.call(&Claim { pid: idle.pid().value() }).expect_err("nobody debugs it");
    assert_eq!(fault.code, ErrorCode::NoSuchProcess);
    assert!(fault.detail.contains("it can be attached to"), "{fault}");
    let fault = other.call(&Claim { pid: u32::MAX >> 1 }).expect_err("there is none");
    assert_eq!(fault.code, ErrorCode::NoSuchProcess);
    // A client with targets of its own cannot go to another session.
    let (own, _) = other.attach(idle.pid());
    drop(client);
    until("the refusal to be about the client", || {
        let fault = other.call(&Claim { pid }).expect_err("it has targets");
        (fault.code == ErrorCode::Unsupported).then_some(())
    });
    other.detach(own);
}

#[test]
fn a_running_target_cannot_be_abandoned() {
    let (_guard, _server, mut client) = begin();
    let (target, _) = client.start(&Testee::build("spin", &[]), &[]);
    client.go(target);
    let fault = client.call(&Abandon { target: target.id }).expect_err("it runs");
    assert_eq!(fault.code, ErrorCode::NotStopped);
    client.kill(target);
}

#[test]
fn a_kept_process_that_is_killed_ends_its_session() {
    let (guard, _server, mut client) = begin();
    let (mut process, target, _) = at_breakpoint(&guard, &mut client);
    let session = session_of(&mut client);
    client.call(&Abandon { target: target.id }).expect("it stands still");
    drop(client);
    process.signal(Signal::SIGKILL);
    assert_eq!(process.wait(), ExitStatus::Killed(Signal::SIGKILL));
    until("the session to end", || (!procfs::is_alive(session)).then_some(()));
}

/// How a server can end while it keeps processes.
#[test]
fn the_end_of_the_server_frees_what_it_keeps() {
    for way in ["SIGTERM", "EndServer", "SIGKILL"] {
        let (guard, mut server, mut client) = begin();
        let (mut process, target, _) = at_breakpoint(&guard, &mut client);
        let session = session_of(&mut client);
        let created = client.start(&Testee::build("spin", &[]), &[]).0;
        client.call(&Abandon { target: target.id }).expect("it stands still");
        client.call(&Abandon { target: created.id }).expect("it stands still");
        drop(client);
        match way {
            "SIGTERM" => server.process().signal(Signal::SIGTERM),
            "SIGKILL" => server.process().signal(Signal::SIGKILL),
            _ => drop(server.connect().call(&EndServer {}).expect("it can be ended")),
        }
        server.process().wait();
        until("the session to end", || (!procfs::is_alive(session)).then_some(()));
        assert_eq!(process.read_line(), "ticked 1", "{way}");
        assert!(!procfs::is_alive(created.pid), "{way}");
        assert_eq!(changed_code(process.pid()), []);
        process.close_input();
        assert_eq!(process.wait(), ExitStatus::Exited(0));
    }
}

#[test]
fn a_signal_that_was_told_before_is_delivered_after() {
    let (guard, server, mut client) = begin();
    let testee = Testee::build("signals", &[]);
    let mut process = guard.start(testee.path(), &["waits"]);
    assert_eq!(process.read_line(), "ready");
    let pid = process.pid();
    let (target, stop) = client.attach(pid);
    let handled = address_of(&testee, &stop, "handled");
    client.go(target);
    send_signal(pid, Signal::SIGUSR1);
    client.wait_stop();
    client.call(&Abandon { target: target.id }).expect("it stands still");
    drop(client);
    let (mut other, target, _) = claim(&server, pid);
    assert_eq!(memory_file::read_u64(pid, handled), 0);
    other.go(target);
    until("the signal to be handled", || (memory_file::read_u64(pid, handled) == 1).then_some(()));
    process.close_input();
    assert_eq!(other.wait_exit(), ExitStatus::Exited(1));
    process.wait();
}

#[test]
fn a_session_without_a_server_keeps_nothing() {
    let guard = Guard::new();
    let journal = dbgsrv::journal::Journal::create().expect("a journal");
    let journal = std::os::fd::AsFd::as_fd(&journal).try_clone_to_owned().expect("a descriptor");
    let (_session, mut client) = testkit::Embedded::start(&guard, PROGRAM, journal);
    let (target, _) = client.start(&Testee::build("spin", &[]), &[]);
    let fault = client.call(&Abandon { target: target.id }).expect_err("nobody could claim it");
    assert_eq!(fault.code, ErrorCode::Unsupported);
    client.kill(target);
}

#[test]
fn a_kept_process_is_repaired_as_well() {
    let (guard, _server, mut client) = begin();
    let (mut process, target, _) = at_breakpoint(&guard, &mut client);
    let session = session_of(&mut client);
    client.call(&Abandon { target: target.id }).expect("it stands still");
    drop(client);
    send_signal(session, Signal::SIGKILL);
    assert_eq!(process.read_line(), "ticked 1");
    let tracer = || procfs::tracer(process.pid(), Tid::from(process.pid()));
    until("nobody to trace it", || (tracer() == Some(0)).then_some(()));
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn nothing_that_one_client_wanted_is_told_to_the_next() {
    let (guard, server, mut client) = begin();
    let testee = Testee::build("counters", &[]);
    let mut process = guard.start(testee.path(), &["1"]);
    assert_eq!(process.read_line(), "ready");
    let (target, stop) = client.attach(process.pid());
    let counters = address_of(&testee, &stop, "counters");
    let kind = SiteKind::HardwareWrite as i32;
    client.insert_site(target, Site { len: 8, kind, ..testkit::site(1, counters) });
    let calls = CatchSyscalls { target: target.id, all: true, numbers: Vec::new() };
    client.call(&calls).expect("calls can be caught");
    let policies = (1..=64)
        .filter(|signal| ![9, 19].contains(signal))
        .map(|signal| SignalPolicy { signal, stop: true, ..SignalPolicy::default() })
        .collect();
    client.call(&SetSignals { target: target.id, policies }).expect("policies");
    let events =
        SetEvents { target: target.id, forks: true, thread_births: true, ..SetEvents::default() };
    client.call(&events).expect("events");
    client.call(&Abandon { target: target.id }).expect("it stands still");
    drop(client);

    let (mut other, target, _) = claim(&server, process.pid());
    let sites = other.call(&ListSites { target: target.id }).expect("it is there");
    assert_eq!((sites.sites.len(), sites.hardware_used), (0, 0));
    let before = memory_file::read_u64(target.pid, counters);
    other.go(target);
    until("it to count on", || {
        (memory_file::read_u64(target.pid, counters) > before + 1000).then_some(())
    });
    // This is passed on unless somebody has asked for it.
    send_signal(target.pid, Signal::SIGURG);
    other.interrupt(target);
    assert_eq!(other.wait_stop().reason(), dbgbase::StopReason::Interrupted);
    other.detach(target);
    process.close_input();
    process.wait();
}
