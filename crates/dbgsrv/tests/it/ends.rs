//! How targets end, and threads of them.

use dbgbase::{ExitStatus, Signal, StopReason, Tid};
use dbgwire::ErrorCode;
use dbgwire::verbs::process::{Detach, Kill};
use dbgwire::verbs::resume::SetEvents;
use dbgwire::verbs::thread::{HoldChange, HoldThreads};
use testkit::{Testee, memory_file, procfs, send_signal, until};

use crate::{address_of, begin};

#[test]
fn every_exit_status_is_told() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("exits", &[]);
    for status in [0, 1, 7, 127, 255] {
        let (target, _) = client.start(&testee, &[&status.to_string()]);
        client.go(target);
        assert_eq!(client.wait_exit(), ExitStatus::Exited(status));
        let gone = client.call(&Detach { target: target.id }).expect_err("it is gone");
        assert_eq!(gone.code, ErrorCode::NoSuchTarget);
    }
}

#[test]
fn a_fatal_signal_is_told_before_and_after() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("exits", &[]);
    let (target, _) = client.start(&testee, &["0", "15"]);
    client.go(target);
    let stop = client.wait_stop();
    let StopReason::Signal { signal, sender, .. } = stop.reason() else {
        panic!("{:?} is no signal", stop.reason());
    };
    assert_eq!((signal, sender), (Signal::SIGTERM, Some(target.pid)));
    client.go_with_signal(target, stop.tid(), Signal::SIGTERM);
    assert_eq!(client.wait_exit(), ExitStatus::Killed(Signal::SIGTERM));
}

#[test]
fn a_fatal_signal_that_is_dropped_kills_nobody() {
    let (_guard, _server, mut client) = begin();
    let (target, _) = client.start(&Testee::build("exits", &[]), &["9", "11"]);
    client.go(target);
    assert!(matches!(client.wait_stop().reason(), StopReason::Signal { .. }));
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(9));
}

#[test]
fn kill_ends_stopped_and_running_targets() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("spin", &[]);
    let (target, _) = client.start(&testee, &[]);
    assert_eq!(client.kill(target), ExitStatus::Killed(Signal::SIGKILL));
    let (target, stop) = client.start(&testee, &[]);
    let turns = address_of(&testee, &stop, "turns");
    client.go(target);
    until("it to run", || (memory_file::read_u64(target.pid, turns) > 0).then_some(()));
    assert_eq!(client.kill(target), ExitStatus::Killed(Signal::SIGKILL));
    let again = client.call(&Kill { target: target.id }).expect_err("it is gone");
    assert_eq!(again.code, ErrorCode::NoSuchTarget);
}

#[test]
fn a_kill_from_elsewhere_is_told_while_stopped() {
    let (_guard, _server, mut client) = begin();
    let (target, _) = client.start(&Testee::build("waits", &[]), &["4"]);
    send_signal(target.pid, Signal::SIGKILL);
    assert_eq!(client.wait_exit(), ExitStatus::Killed(Signal::SIGKILL));
}

#[test]
fn births_and_ends_of_threads_are_told() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("threads", &[]);
    let (target, stop) = client.start(&testee, &["5", "10"]);
    client.insert(target, 1, address_of(&testee, &stop, "all_started"));
    client.insert(target, 2, address_of(&testee, &stop, "all_ended"));
    assert_eq!(stop.event.threads_born, [target.pid.value()]);
    client.go(target);
    let started = client.wait_stop();
    assert_eq!(started.sites(), [1]);
    assert_eq!(started.event.threads_born.len(), 5);
    let mut tids = client.tids(target);
    assert_eq!(tids.remove(0), Tid::from(target.pid));
    let born: Vec<Tid> = started.event.threads_born.iter().map(|tid| Tid::new(*tid)).collect();
    assert_eq!(tids, born, "in the order in which they were met");
    client.go(target);
    let ended = client.wait_stop();
    assert_eq!((ended.sites(), ended.event.threads_born.len()), (vec![2], 0));
    let mut gone = ended.event.threads_ended.clone();
    gone.sort_unstable();
    let mut expected = started.event.threads_born;
    expected.sort_unstable();
    assert_eq!(gone, expected);
    assert_eq!(client.tids(target), [Tid::from(target.pid)]);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn a_leader_that_ends_first_holds_nothing_up() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("leader_ends", &[]);
    let (target, stop) = client.start(&testee, &["on"]);
    let alone = address_of(&testee, &stop, "alone");
    client.insert(target, 1, alone);
    client.go(target);
    for _ in 0..2 {
        let stop = client.wait_stop();
        assert_eq!((stop.sites(), stop.pc()), (vec![1], alone));
        assert_ne!(stop.tid(), Tid::from(target.pid));
        assert_eq!(client.tids(target), [stop.tid()]);
        assert_eq!(procfs::state(target.pid, Tid::from(target.pid)), Some('Z'));
        client.go(target);
    }
    assert_eq!(client.wait_exit(), ExitStatus::Exited(6));
}

/// Has the client told of every thread that is about to end.
#[track_caller]
fn tell_ends(client: &mut testkit::Client, target: testkit::Target) {
    let events = SetEvents { target: target.id, thread_ends: true, ..SetEvents::default() };
    client.call(&events).expect("events");
}

#[test]
fn who_is_told_of_ends_can_kill() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("waits", &[]);
    for goes in [false, true] {
        let mut process = guard.start(testee.path(), &["4"]);
        assert_eq!(process.read_line(), "ready");
        let (target, _) = client.attach(process.pid());
        tell_ends(&mut client, target);
        if goes {
            client.go(target);
        }
        assert_eq!(client.kill(target), ExitStatus::Killed(Signal::SIGKILL));
    }
}

#[test]
fn a_process_that_is_about_to_end_can_be_killed() {
    let (_guard, _server, mut client) = begin();
    let (target, _) = client.start(&Testee::build("exits", &[]), &["7"]);
    tell_ends(&mut client, target);
    client.go(target);
    let reason = client.wait_stop().reason();
    assert_eq!(reason, StopReason::ThreadEnding { status: ExitStatus::Exited(7) });
    assert_eq!(client.kill(target), ExitStatus::Exited(7), "the kernel drops the signal");
}

#[test]
fn a_kill_from_elsewhere_waits_for_nobody() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("waits", &[]);
    let mut process = guard.start(testee.path(), &["4"]);
    assert_eq!(process.read_line(), "ready");
    let (target, _) = client.attach(process.pid());
    tell_ends(&mut client, target);
    // The wish is heard of as they run.
    client.go(target);
    client.interrupt(target);
    client.wait_stop();
    send_signal(target.pid, Signal::SIGKILL);
    assert_eq!(client.wait_exit(), ExitStatus::Killed(Signal::SIGKILL));
}

#[test]
fn held_threads_end_with_their_process() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("threads", &[]);
    let (target, stop) = client.start(&testee, &["3", "1000000"]);
    client.insert(target, 1, address_of(&testee, &stop, "all_started"));
    client.go(target);
    client.wait_stop();
    tell_ends(&mut client, target);
    let tids = client.tids(target);
    let change = HoldChange::Freeze as i32;
    let held = tids[1..].iter().map(|tid| tid.value()).collect();
    client.call(&HoldThreads { target: target.id, tids: held, change }).expect("they live");
    client.go(target);
    client.interrupt(target);
    client.wait_stop();
    assert_eq!(client.kill(target), ExitStatus::Killed(Signal::SIGKILL));
}
