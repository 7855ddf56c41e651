//! Threads that stop alone: each is told of for itself, and the others run on.

use std::collections::BTreeMap;

use bytes::Bytes;
use dbgbase::{ExitStatus, Signal, StopReason, Tid, x86_64};
use dbgwire::ErrorCode;
use dbgwire::verbs::inject::CallFunction;
use dbgwire::verbs::registers::{ReadRegisters, RegisterValue, WriteRegisters};
use dbgwire::verbs::resume::{
    Interrupt, ReadSignalInfo, Resume, RunKind, SIGNAL_INFO_LEN, SendSignal, SetStopMode, StopMode,
    ThreadAction, WriteSignalInfo,
};
use dbgwire::verbs::site::{InsertSites, Site};
use dbgwire::verbs::thread::{HoldChange, HoldThreads};
use testkit::{Client, Event, Footprint, Stop, Target, Testee, memory_file, procfs, site, until};

use crate::{address_of, begin};

/// From now on the target's threads stop alone.
#[track_caller]
fn stop_alone(client: &mut Client, target: Target) {
    let mode = StopMode::Alone as i32;
    client.call(&SetStopMode { target: target.id, mode }).expect("it stands still");
}

fn action(tid: Tid, run: RunKind) -> ThreadAction {
    ThreadAction { tid: tid.value(), run: run as i32, ..ThreadAction::default() }
}

fn resume(target: Target, stop: u64, actions: &[ThreadAction]) -> Resume {
    Resume { target: target.id, stop, actions: actions.to_vec(), ..Resume::default() }
}

#[track_caller]
fn interrupt(client: &mut Client, target: Target, tids: &[Tid]) {
    let tids = tids.iter().map(|tid| tid.value()).collect();
    client.call(&Interrupt { target: target.id, tids }).expect("it lives");
}

/// The next event, which is the stop of one thread.
#[track_caller]
fn wait_alone(client: &mut Client) -> Stop {
    let stop = client.wait_stop();
    assert!(stop.event.alone, "{:?}", stop.reason());
    stop
}

#[track_caller]
fn readable(client: &mut Client, target: Target) -> Vec<u32> {
    let all = ReadRegisters { target: target.id, ..ReadRegisters::default() };
    let threads = client.call(&all).expect("it lives").threads;
    threads.iter().map(|thread| thread.tid).collect()
}

#[test]
fn a_thread_that_stops_alone_leaves_the_others_running() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("counters", &[]);
    let mut process = guard.start(testee.path(), &["4"]);
    assert_eq!(process.read_line(), "ready");
    let before = Footprint::take(&guard, process.pid());
    let (target, stop) = client.attach(process.pid());
    let counters = address_of(&testee, &stop, "counters");
    let count_one = address_of(&testee, &stop, "count_one");
    let tids = client.tids(target);
    let (first, second) = (tids[1], tids[2]);
    let count =
        |index: u64| memory_file::read_u64(target.pid, counters.wrapping_offset(8 * index as i64));
    let counts_on = |index: u64| {
        let before = count(index);
        until("it to count on", || (count(index) > before + 1000).then_some(()));
    };
    client.insert_site(target, Site { tid: first.value(), ..site(1, count_one) });
    stop_alone(&mut client, target);
    assert_eq!(readable(&mut client, target).len(), 5, "all stand still");
    client.go(target);

    // It comes to its site again and again, and the others take no notice.
    let mut last = 0;
    for _ in 0..20 {
        let stop = wait_alone(&mut client);
        assert_eq!((stop.tid(), stop.sites(), stop.pc()), (first, vec![1], count_one));
        assert!(stop.event.stop > last, "stops have numbers of their own");
        last = stop.event.stop;
        let (mine, other) = (count(0), count(2));
        until("the third to count on", || (count(2) > other + 100).then_some(()));
        assert_eq!(count(0), mine, "the first stands still");
        let go = resume(target, last, &[action(first, RunKind::Continue)]);
        client.call(&go).expect("it stands still");
    }
    wait_alone(&mut client);
    assert_eq!(readable(&mut client, target), [first.value()], "the others run");

    // One more stops because it is asked to.
    interrupt(&mut client, target, &[second, first]);
    let stop = wait_alone(&mut client);
    assert_eq!((stop.tid(), stop.reason()), (second, StopReason::Interrupted));
    let still = count(1);
    counts_on(2);
    assert_eq!(count(1), still);
    assert_eq!(readable(&mut client, target), [first.value(), second.value()]);

    // A step of one is a stop of that one.
    let step = resume(target, stop.event.stop, &[action(second, RunKind::Step)]);
    client.call(&step).expect("it stands still");
    let stop = wait_alone(&mut client);
    assert_eq!((stop.tid(), stop.reason()), (second, StopReason::Step));
    counts_on(3);

    let ids = [second, tids[0], tids[3], tids[4]];
    when_the_last_has_stopped_the_target_stands_still(&mut client, target, ids, &count);
    client.detach(target);
    counts_on(0);
    counts_on(1);
    assert_eq!(Footprint::take(&guard, process.pid()), before);
}

/// All but the first thread named stop; that one is then frozen, while all others run.
#[track_caller]
fn when_the_last_has_stopped_the_target_stands_still(
    client: &mut Client,
    target: Target,
    tids: [Tid; 4],
    count: &impl Fn(u64) -> u64,
) {
    let [second, mut expected @ ..] = tids;
    interrupt(client, target, &[]);
    let mut others: Vec<Tid> = (0..3).map(|_| wait_alone(client).tid()).collect();
    others.sort();
    expected.sort();
    assert_eq!(others, expected);
    let hold = HoldThreads {
        target: target.id,
        tids: vec![second.value()],
        change: HoldChange::Freeze as i32,
    };
    client.call(&hold).expect("all stand still");
    client.go(target);
    wait_alone(client);
    let still = count(1);
    let before = count(2);
    until("the third to count on", || (count(2) > before + 1000).then_some(()));
    assert_eq!(count(1), still, "the second is frozen");
    interrupt(client, target, &[second]);
    assert_eq!(wait_alone(client).tid(), second, "it counts as running");
}

#[test]
fn what_needs_a_thread_to_stand_still_is_refused_while_it_runs() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("counters", &[]);
    let mut process = guard.start(testee.path(), &["2"]);
    assert_eq!(process.read_line(), "ready");
    let (target, _) = client.attach(process.pid());
    let tids = client.tids(target);
    let (first, second) = (tids[1], tids[2]);
    stop_alone(&mut client, target);
    client.go(target);
    interrupt(&mut client, target, &[first]);
    let stop = wait_alone(&mut client);

    let code = |client: &mut Client, request: Resume| {
        client.call(&request).expect_err("it cannot be done").code
    };
    let run = |tid| [action(tid, RunKind::Continue)];
    assert_eq!(code(&mut client, resume(target, 0, &run(second))), ErrorCode::NotStopped);
    let stale = resume(target, stop.event.stop - 1, &run(first));
    assert_eq!(code(&mut client, stale), ErrorCode::StaleStop);
    let nobody = resume(target, 0, &run(Tid::new(1)));
    assert_eq!(code(&mut client, nobody), ErrorCode::NoSuchThread);
    let write = WriteRegisters {
        target: target.id,
        tid: second.value(),
        values: vec![RegisterValue { register: 0, value: 1 }],
        ..WriteRegisters::default()
    };
    assert_eq!(client.call(&write).expect_err("it runs").code, ErrorCode::NotStopped);
    let info = ReadSignalInfo { target: target.id, tid: second.value() };
    assert_eq!(client.call(&info).expect_err("it runs").code, ErrorCode::NotStopped);
    let mode = SetStopMode { target: target.id, mode: StopMode::Together as i32 };
    assert_eq!(client.call(&mode).expect_err("threads run").code, ErrorCode::NotStopped);
    let hold = HoldThreads { target: target.id, tids: Vec::new(), change: 0 };
    assert_eq!(client.call(&hold).expect_err("threads run").code, ErrorCode::NotStopped);
    let mode = SetStopMode { target: target.id, mode: 9 };
    assert_eq!(client.call(&mode).expect_err("there is none").code, ErrorCode::Unsupported);
    let nobody = Interrupt { target: target.id, tids: vec![1] };
    assert_eq!(client.call(&nobody).expect_err("there is none").code, ErrorCode::NoSuchThread);

    // Back to stops of all threads.
    interrupt(&mut client, target, &[]);
    for _ in 0..2 {
        wait_alone(&mut client);
    }
    let mode = SetStopMode { target: target.id, mode: StopMode::Together as i32 };
    client.call(&mode).expect("all stand still");
    client.go(target);
    client.interrupt(target);
    let stop = client.wait_stop();
    assert!(!stop.event.alone);
    assert_eq!(readable(&mut client, target).len(), 3);
    client.detach(target);
}

#[test]
fn every_hit_is_told_once_to_its_thread() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("threads", &[]);
    let (target, stop) = client.start(&testee, &["50", "6"]);
    client.insert(target, 1, address_of(&testee, &stop, "hit"));
    stop_alone(&mut client, target);
    client.go(target);
    let mut hits: BTreeMap<Tid, u32> = BTreeMap::new();
    let status = loop {
        match client.wait_event() {
            Event::Stopped(stop) => {
                assert!(stop.event.alone);
                assert_eq!(stop.sites(), [1]);
                *hits.entry(stop.tid()).or_default() += 1;
                let go = [action(stop.tid(), RunKind::Continue)];
                client.call(&resume(target, stop.event.stop, &go)).expect("it stands still");
            }
            Event::Exited { status, .. } => break status,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(status, ExitStatus::Exited(0));
    assert_eq!(hits.len(), 50);
    assert!(hits.values().all(|count| *count == 6), "{hits:?}");
}

#[test]
fn sites_change_while_threads_run() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("counters", &[]);
    let mut process = guard.start(testee.path(), &["4"]);
    assert_eq!(process.read_line(), "ready");
    let before = Footprint::take(&guard, process.pid());
    let (target, stop) = client.attach(process.pid());
    let count_one = address_of(&testee, &stop, "count_one");
    stop_alone(&mut client, target);
    client.go(target);
    for id in 1..=20 {
        client.insert(target, id, count_one);
        let mut hit: Vec<Stop> = (0..4).map(|_| wait_alone(&mut client)).collect();
        assert!(hit.iter().all(|stop| stop.sites() == [id] && stop.pc() == count_one));
        hit.sort_by_key(|stop| stop.tid());
        hit.dedup_by_key(|stop| stop.tid());
        assert_eq!(hit.len(), 4, "each thread was told of once");
        // One of them goes before the site does, and is back at once.
        let go = [action(hit[0].tid(), RunKind::Continue)];
        client.call(&resume(target, 0, &go)).expect("it stands still");
        assert_eq!(wait_alone(&mut client).tid(), hit[0].tid());
        let mut go = resume(target, 0, &[action(Tid::new(0), RunKind::Continue)]);
        go.remove = vec![id];
        client.call(&go).expect("they stand still");
        assert_eq!(client.pending_events(), [], "nothing is left that could stop them");
    }
    client.detach(target);
    assert_eq!(Footprint::take(&guard, process.pid()), before);
}

#[test]
fn a_call_under_a_site_blocks_nobody() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("pipes", &[]);
    let (target, stop) = client.start(&testee, &["50"]);
    let instruction = address_of(&testee, &stop, "call_instruction");
    client.insert(target, 1, instruction);
    stop_alone(&mut client, target);
    client.go(target);
    let mut hits = 0;
    let status = loop {
        match client.wait_event() {
            Event::Stopped(stop) => {
                assert_eq!((stop.sites(), stop.pc()), (vec![1], instruction));
                hits += 1;
                let go = [action(stop.tid(), RunKind::Continue)];
                client.call(&resume(target, 0, &go)).expect("it stands still");
            }
            Event::Exited { status, .. } => break status,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((hits, status), (200, ExitStatus::Exited(0)), "four calls in each round");
}

#[test]
fn a_signal_stops_the_thread_it_is_for_and_its_siginfo_can_be_changed() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("counters", &[]);
    let mut process = guard.start(testee.path(), &["2"]);
    assert_eq!(process.read_line(), "ready");
    let (target, stop) = client.attach(process.pid());
    let signals = address_of(&testee, &stop, "signals");
    let counters = address_of(&testee, &stop, "counters");
    let tid = client.tids(target)[1];
    stop_alone(&mut client, target);
    client.go(target);
    let number = Signal::SIGUSR1.number() as u32;
    client
        .call(&SendSignal { target: target.id, tid: tid.value(), signal: number })
        .expect("it can be sent");
    let stop = wait_alone(&mut client);
    assert_eq!(stop.tid(), tid);
    assert!(matches!(stop.reason(), StopReason::Signal { signal: Signal::SIGUSR1, .. }));
    let other = memory_file::read_u64(target.pid, counters.wrapping_offset(8));
    until("the other to count on", || {
        let now = memory_file::read_u64(target.pid, counters.wrapping_offset(8));
        (now > other + 1000).then_some(())
    });

    // si_signo, si_errno, si_code, and behind them si_pid.
    let read = ReadSignalInfo { target: target.id, tid: tid.value() };
    let id = client.send(&read, Bytes::new());
    let (_, info) = client.answer::<ReadSignalInfo>(id).expect("it stands still");
    assert_eq!(info.len(), SIGNAL_INFO_LEN);
    let word = |at: usize| i32::from_le_bytes(info[at..at + 4].try_into().expect("four bytes"));
    assert_eq!((word(0), word(8)), (10, -6), "SIGUSR1 by tgkill(2)");
    let mut changed = info.to_vec();
    changed[16..20].copy_from_slice(&77_i32.to_le_bytes());
    let write = WriteSignalInfo { target: target.id, tid: tid.value() };
    let id = client.send(&write, changed);
    client.answer::<WriteSignalInfo>(id).expect("it was stopped by a signal");
    let id = client.send(&read, Bytes::new());
    let (_, info) = client.answer::<ReadSignalInfo>(id).expect("it stands still");
    assert_eq!(info[16..20], 77_i32.to_le_bytes());
    let id = client.send(&write, Bytes::from_static(b"short"));
    let short = client.answer::<WriteSignalInfo>(id).expect_err("it is too short");
    assert_eq!(short.code, ErrorCode::Malformed);

    assert_eq!(memory_file::read_u64(target.pid, signals), 0);
    let deliver = ThreadAction { signal: number, ..action(tid, RunKind::Continue) };
    client.call(&resume(target, stop.event.stop, &[deliver])).expect("it stands still");
    until("the handler", || (memory_file::read_u64(target.pid, signals) == 1).then_some(()));
    interrupt(&mut client, target, &[tid]);
    let stop = wait_alone(&mut client);
    let id = client.send(&write, info);
    let none = client.answer::<WriteSignalInfo>(id).expect_err("no signal stopped it");
    assert_eq!(none.code, ErrorCode::Unsupported);
    assert_eq!(stop.reason(), StopReason::Interrupted);
    client.detach(target);
}

#[test]
fn a_target_that_is_lost_meanwhile_is_left_as_it_was() {
    let (guard, server, client) = begin();
    drop(client);
    let testee = Testee::build("counters", &[]);
    let mut process = guard.start(testee.path(), &["4"]);
    assert_eq!(process.read_line(), "ready");
    let before = Footprint::take(&guard, process.pid());
    for _ in 0..5 {
        let mut client = server.connect();
        let (target, stop) = client.attach(process.pid());
        let count_one = address_of(&testee, &stop, "count_one");
        let tids = client.tids(target);
        client.insert_site(target, Site { tid: tids[1].value(), ..site(1, count_one) });
        stop_alone(&mut client, target);
        client.go(target);
        wait_alone(&mut client);
        // Gone while one thread stands at a site, and a change of sites is under way.
        let insert = InsertSites { target: target.id, sites: vec![site(2, count_one)] };
        client.send(&insert, Bytes::new());
        drop(client);
        until("nobody to trace it", || {
            let traced = |tid: &Tid| procfs::tracer(process.pid(), *tid) != Some(0);
            (!tids.iter().any(traced)).then_some(())
        });
        assert_eq!(Footprint::take(&guard, process.pid()), before);
        let counter = address_of(&testee, &stop, "counters");
        let counted = memory_file::read_u64(process.pid(), counter);
        until("the first to count on", || {
            (memory_file::read_u64(process.pid(), counter) > counted + 1000).then_some(())
        });
    }
}

#[test]
fn registers_of_a_thread_are_written_while_others_run() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("counters", &[]);
    let mut process = guard.start(testee.path(), &["2"]);
    assert_eq!(process.read_line(), "ready");
    let (target, stop) = client.attach(process.pid());
    let count_one = address_of(&testee, &stop, "count_one");
    let counters = address_of(&testee, &stop, "counters");
    let read = |index: i64| memory_file::read_u64(target.pid, counters.wrapping_offset(8 * index));
    let first = client.tids(target)[1];
    client.insert_site(target, Site { tid: first.value(), ..site(1, count_one) });
    stop_alone(&mut client, target);
    client.go(target);
    wait_alone(&mut client);
    let elsewhere = RegisterValue { register: x86_64::RDI.index() as u32, value: 20 };
    let write = WriteRegisters {
        target: target.id,
        tid: first.value(),
        values: vec![elsewhere],
        ..WriteRegisters::default()
    };
    let (mine, theirs) = (read(0), read(20));
    client.call(&write).expect("it stands still");
    client.call(&resume(target, 0, &[action(first, RunKind::Continue)])).expect("it does");
    wait_alone(&mut client);
    assert_eq!((read(0), read(20)), (mine, theirs + 1), "it counted in another place");
    client.detach(target);
}

/// A call is made while all threads stand still, and leaves each as the client knows it.
#[test]
fn a_call_leaves_threads_as_they_stand() {
    let (guard, _server, mut client) = begin();
    let (mut process, testee) = crate::inject::ready(&guard, "borrowed", &["threads", "3"]);
    let pid = process.pid();
    let (target, stop) = client.attach(pid);
    stop_alone(&mut client, target);
    let tids = client.tids(target);
    let caller = tids[1];
    let request = |function: &str, run_others| CallFunction {
        target: target.id,
        tid: caller.value(),
        address: address_of(&testee, &stop, function).value(),
        run_others,
        ..CallFunction::default()
    };
    let stands = |tid: Tid| procfs::state(pid, tid) == Some('t');
    for run_others in [false, true] {
        let made = client.call(&request("makes_thread", run_others)).expect("it returns");
        assert_eq!(made.integer, 1);
        // The client knows nothing of the new thread, which runs on and ends.
        until("the new thread to end", || (procfs::tids(pid) == tids).then_some(()));
        assert!(tids.iter().copied().all(stands), "{run_others}");
        assert_eq!(client.pending_events(), []);
    }
    // While one calls, none can be resumed, and who asks for a stop ends the call.
    let before = client.registers(target, caller);
    let id = client.send(&request("spins", false), Bytes::new());
    let rounds = address_of(&testee, &stop, "rounds");
    until("it to be called", || (memory_file::read_u64(pid, rounds) != 0).then_some(()));
    let go = resume(target, stop.event.stop, &[action(tids[2], RunKind::Continue)]);
    assert_eq!(client.call(&go).expect_err("one calls").code, ErrorCode::NotStopped);
    interrupt(&mut client, target, &[]);
    assert_eq!(
        client.answer::<CallFunction>(id).expect_err("it spins").code,
        ErrorCode::CallUnwound
    );
    assert_eq!(client.registers(target, caller), before);
    assert!(tids.iter().copied().all(stands));
    // One that runs on does so alone.
    let again = address_of(&testee, &stop, "wait_in_its_way_again");
    client.insert_site(target, site(1, again));
    client.call(&go).expect("it stands still");
    let hit = wait_alone(&mut client);
    assert_eq!((hit.tid(), hit.sites()), (tids[2], vec![1]));
    assert!(stands(caller));
    client.detach(target);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn a_leader_that_has_ended_stands_in_nobodys_way() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("leader_ends", &[]);
    let (target, stop) = client.start(&testee, &["on"]);
    client.insert(target, 1, address_of(&testee, &stop, "alone"));
    stop_alone(&mut client, target);
    client.go(target);
    let stop = wait_alone(&mut client);
    let leader = Tid::from(target.pid);
    assert_eq!((stop.sites(), procfs::state(target.pid, leader)), (vec![1], Some('Z')));
    interrupt(&mut client, target, &[]);
    until("the target to stand still", || {
        let mode = StopMode::Together as i32;
        client.call(&SetStopMode { target: target.id, mode }).ok()
    });
    assert_eq!(client.tids(target), [stop.tid()]);
    client.kill(target);
}
