//! What stops a target, or is told, because its client wants to know: signals by their policy,
//! system calls, threads that come and go, processes that are made; and hits that are passed.

use dbgbase::{Address, ExitStatus, Pid, Signal, StopReason, Tid};
use dbgwire::ErrorCode;
use dbgwire::verbs::inject::InjectSyscall;
use dbgwire::verbs::resume::{
    CatchSyscalls, RunKind, SendSignal, SetEvents, SetSignals, SignalPolicy, ThreadAction,
};
use dbgwire::verbs::site::{ListSites, Site};
use testkit::{Client, Event, Target, Testee, memory_file, until};

use crate::{address_of, begin};

fn set(client: &mut Client, target: Target, signal: Signal, policy: SignalPolicy) {
    let policy = SignalPolicy { signal: signal.number() as u32, ..policy };
    let request = SetSignals { target: target.id, policies: vec![policy] };
    client.call(&request).expect("a policy");
}

fn send(client: &mut Client, target: Target, signal: Signal) {
    let signal = signal.number() as u32;
    client.call(&SendSignal { target: target.id, tid: 0, signal }).expect("it can be sent");
}

#[test]
fn signals_do_what_their_policy_says() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("counters", &[]);
    let mut process = guard.start(testee.path(), &["1"]);
    assert_eq!(process.read_line(), "ready");
    let (target, stop) = client.attach(process.pid());
    let signals = address_of(&testee, &stop, "signals");
    let count = || memory_file::read_u64(target.pid, signals);
    let usr1 = Signal::SIGUSR1;

    // Delivered without a stop, and told.
    set(
        &mut client,
        target,
        usr1,
        SignalPolicy { pass: true, print: true, ..SignalPolicy::default() },
    );
    client.go(target);
    send(&mut client, target, usr1);
    match client.wait_event() {
        Event::Signalled(event) => {
            let signal = event.signal.expect("which");
            assert_eq!((event.target, signal.number), (target.id, 10));
            assert!(signal.sender.is_some(), "{signal:?}");
        }
        other => panic!("{other:?}"),
    }
    until("the signal", || (count() == 1).then_some(()));
    // Delivered without a word. What follows would be told first.
    set(&mut client, target, usr1, SignalPolicy { pass: true, ..SignalPolicy::default() });
    send(&mut client, target, usr1);
    until("the signal", || (count() == 2).then_some(()));
    // Dropped, and told so that its time is known.
    set(&mut client, target, usr1, SignalPolicy { print: true, ..SignalPolicy::default() });
    send(&mut client, target, usr1);
    assert!(matches!(client.wait_event(), Event::Signalled(_)));
    // A stop as ever; the client drops it.
    set(&mut client, target, usr1, SignalPolicy { stop: true, ..SignalPolicy::default() });
    send(&mut client, target, usr1);
    let stop = client.wait_stop();
    assert_eq!(stop.event.signal.map(|signal| signal.number), Some(10));
    client.go(target);
    // What is quiet at first can be made to stop.
    set(
        &mut client,
        target,
        Signal::SIGURG,
        SignalPolicy { stop: true, ..SignalPolicy::default() },
    );
    send(&mut client, target, Signal::SIGURG);
    let stop = client.wait_stop();
    assert_eq!(stop.event.signal.map(|signal| signal.number), Some(23));
    assert_eq!(count(), 2, "neither of the two was delivered");

    let policies = vec![SignalPolicy { signal: 65, ..SignalPolicy::default() }];
    let fault = client.call(&SetSignals { target: target.id, policies });
    assert_eq!(fault.expect_err("no signal").code, ErrorCode::Malformed);
    client.detach(target);
}

#[test]
fn system_calls_are_caught_at_both_ends() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("children", &[]);
    let (target, _) = client.start(&testee, &["fork"]);
    let numbers = vec![libc_number("wait4"), libc_number("exit_group")];
    let catch = CatchSyscalls { target: target.id, numbers: numbers.clone(), all: false };
    client.call(&catch).expect("calls can be caught");
    let mut seen = Vec::new();
    for _ in 0..3 {
        client.go(target);
        seen.push(client.wait_stop().reason());
    }
    let (wait, exit) = (numbers[0], numbers[1]);
    let expected = [
        StopReason::SyscallEntry { number: wait },
        StopReason::SyscallExit { number: wait },
        StopReason::SyscallEntry { number: exit },
    ];
    assert_eq!(seen, expected);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn every_call_can_be_caught_and_none_again() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("waits", &[]);
    let mut process = guard.start(testee.path(), &[]);
    assert_eq!(process.read_line(), "ready");
    let (target, _) = client.attach(process.pid());
    client
        .call(&CatchSyscalls { target: target.id, all: true, numbers: Vec::new() })
        .expect("calls can be caught");
    client.go(target);
    // The read that was interrupted is entered anew.
    let stop = client.wait_stop();
    let read = libc_number("read");
    assert_eq!(stop.reason(), StopReason::SyscallEntry { number: read });
    client.go(target);
    process.write_line("");
    assert_eq!(client.wait_stop().reason(), StopReason::SyscallExit { number: read });
    client
        .call(&CatchSyscalls { target: target.id, all: false, numbers: Vec::new() })
        .expect("none can be caught");
    client.detach(target);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

fn libc_number(name: &str) -> u64 {
    // asm/unistd_64.h
    match name {
        "read" => 0,
        "wait4" => 61,
        "exit_group" => 231,
        other => panic!("{other} is not in this table"),
    }
}

#[test]
fn threads_that_come_and_go_are_told() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("threads", &[]);
    let (target, _) = client.start(&testee, &["3", "1"]);
    let events = SetEvents {
        target: target.id,
        thread_births: true,
        thread_ends: true,
        ..SetEvents::default()
    };
    client.call(&events).expect("events");
    let (mut born, mut ended) = (Vec::new(), Vec::new());
    let status = loop {
        client.go(target);
        match client.wait_event() {
            Event::Stopped(stop) => match stop.reason() {
                StopReason::ThreadBorn => {
                    assert!(client.tids(target).contains(&stop.tid()));
                    born.push(stop.tid());
                }
                StopReason::ThreadEnding { status } => {
                    assert_eq!(status, ExitStatus::Exited(0));
                    ended.push(stop.tid());
                }
                other => panic!("{other:?}"),
            },
            Event::Exited { status, .. } => break status,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(status, ExitStatus::Exited(0));
    assert_eq!(born.len(), 3);
    // The leader ends last, with all the rest.
    assert_eq!(ended.pop(), Some(Tid::from(target.pid)));
    ended.sort();
    born.sort();
    assert_eq!(ended, born);
}

#[test]
fn processes_that_are_made_are_told() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("children", &[]);
    for (how, is_borrower) in [("fork", false), ("vfork", true), ("spawn", true)] {
        let (target, _) = client.start(&testee, &[how]);
        let events = SetEvents { target: target.id, forks: true, ..SetEvents::default() };
        client.call(&events).expect("events");
        client.go(target);
        let stop = client.wait_stop();
        let StopReason::Forked { child, borrows } = stop.reason() else {
            panic!("{how}: {:?}", stop.reason());
        };
        assert_eq!(borrows, is_borrower, "{how}");
        assert_ne!(child, target.pid);
        client.go(target);
        assert_eq!(client.wait_exit(), ExitStatus::Exited(0), "{how}");
    }
}

/// Whether a process has executed a program since it was vforked, or ended.
fn is_on_its_own(child: Pid) -> bool {
    let words = std::fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
    words.is_empty() || words.ends_with(b"\0child\0")
}

#[test]
fn the_end_of_vfork_is_told() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("children", &[]);
    for words in [&["vfork"][..], &["vfork", "ends"], &["spawn"]] {
        let (target, stop) = client.start(&testee, words);
        let work = address_of(&testee, &stop, "work");
        let forks = true;
        let events =
            SetEvents { target: target.id, forks, vfork_ends: true, ..SetEvents::default() };
        client.call(&events).expect("events");
        client.insert(target, 1, work);
        client.go(target);
        assert_eq!(client.wait_stop().sites(), [1]);
        client.go(target);
        let made = client.wait_stop();
        let StopReason::Forked { child, borrows: true } = made.reason() else {
            panic!("{words:?}: {:?}", made.reason());
        };
        client.go(target);
        let done = client.wait_stop();
        assert_eq!((done.reason(), done.tid()), (StopReason::VforkDone { child }, made.tid()));
        assert!(is_on_its_own(child), "{words:?}");
        // Nothing of it was executed meanwhile, and it has its sites.
        assert_eq!(done.pc(), made.pc());
        client.go(target);
        assert_eq!(client.wait_stop().sites(), [1], "{words:?}");
        client.go(target);
        assert_eq!(client.wait_exit(), ExitStatus::Exited(0), "{words:?}");
    }
    // Who does not want it is not told, nor is it told of processes of other kinds.
    for (words, vfork_ends) in [(["vfork"], false), (["fork"], true), (["sharing"], true)] {
        let (target, _) = client.start(&testee, &words);
        let events = SetEvents { target: target.id, vfork_ends, ..SetEvents::default() };
        client.call(&events).expect("events");
        client.go(target);
        assert_eq!(client.wait_exit(), ExitStatus::Exited(0), "{words:?}");
    }
}

/// It comes while the thread is made to do something else.
#[test]
fn the_end_of_vfork_is_told_behind_a_call_for_the_debugger() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("children", &[]);
    let (target, _) = client.start(&testee, &["vfork"]);
    let forks = true;
    let events = SetEvents { target: target.id, forks, vfork_ends: true, ..SetEvents::default() };
    client.call(&events).expect("events");
    client.go(target);
    let made = client.wait_stop();
    let StopReason::Forked { child, .. } = made.reason() else { panic!("{:?}", made.reason()) };
    let getpid = InjectSyscall {
        target: target.id,
        tid: made.tid().value(),
        number: 39,
        ..InjectSyscall::default()
    };
    let reply = client.call(&getpid).expect("it can be made");
    assert_eq!(reply.result, u64::from(target.pid.value()));
    assert!(is_on_its_own(child));
    client.go(target);
    let done = client.wait_stop();
    assert_eq!((done.reason(), done.pc()), (StopReason::VforkDone { child }, made.pc()));
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn hits_are_counted_and_passed() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["1000"]);
    let work = address_of(&testee, &stop, "work");
    client.insert_site(target, Site { ignore: 500, ..testkit::site(1, work) });
    client.insert_site(target, Site { ignore: 700, ..testkit::site(2, work) });
    client.insert_site(target, Site { tid: 1, ..testkit::site(3, work) });
    client.go(target);
    assert_eq!(client.wait_stop().sites(), [1]);
    let sites = client.call(&ListSites { target: target.id }).expect("sites").sites;
    let counts: Vec<_> = sites.iter().map(|site| (site.id, site.hits, site.ignore)).collect();
    assert_eq!(counts, [(1, 501, 0), (2, 501, 199), (3, 0, 0)]);
    assert!(sites.iter().all(|site| site.address == work.value()));
    client.remove(target, &[1]);
    client.go(target);
    assert_eq!(client.wait_stop().sites(), [2]);
    client.remove(target, &[2, 3]);
    let sites = client.call(&ListSites { target: target.id }).expect("sites").sites;
    assert_eq!(sites, []);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

fn step_in(target: Target, client: &mut Client, tid: Tid, start: Address, end: Address) {
    let action = ThreadAction {
        tid: tid.value(),
        run: RunKind::StepRange as i32,
        range_start: start.value(),
        range_end: end.value(),
        ..ThreadAction::default()
    };
    client.resume(target, &[action]);
}

#[test]
fn a_range_is_stepped_through_on_the_server() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["1000"]);
    let work = address_of(&testee, &stop, "work");
    client.insert(target, 1, work);
    client.go(target);
    let stop = client.wait_stop();
    let (tid, calls) = (stop.tid(), client.read_u64(target, stop.registers().sp()));
    // The whole function, whose first instruction has a site: out behind the call.
    let end = Address::new(work.value() + 64);
    step_in(target, &mut client, tid, work, end);
    let stop = client.wait_stop();
    assert_eq!((stop.reason(), stop.pc().value()), (StopReason::Step, calls));
    // A range that the pc is not in is left by the first step.
    step_in(target, &mut client, tid, work, end);
    assert_eq!(client.wait_stop().reason(), StopReason::Step);
    // A loop that calls: a site inside the range stops it.
    let all = (Address::new(0x1000), Address::new(u64::MAX));
    step_in(target, &mut client, tid, all.0, all.1);
    let stop = client.wait_stop();
    assert_eq!((stop.sites(), stop.pc()), (vec![1], work));
    client.remove(target, &[1]);
    // Without end, until it is interrupted.
    step_in(target, &mut client, tid, all.0, all.1);
    client.interrupt(target);
    assert_eq!(client.wait_stop().reason(), StopReason::Interrupted);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}
