//! Leaving a target as it was found, at any moment.

use dbgbase::{ExitStatus, Signal, StopReason};
use dbgwire::verbs::process::Detach;
use dbgwire::verbs::site::Site;
use testkit::footprint::changed_code;
use testkit::{Footprint, Testee, memory_file, procfs, site, until};

use crate::{address_of, begin};

#[test]
fn nothing_is_left_in_a_target_that_stands_still() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("waits", &[]);
    let mut process = guard.start(testee.path(), &["5"]);
    assert_eq!(process.read_line(), "ready");
    let before = Footprint::take(&guard, process.pid());
    assert_eq!(before.changed_code, []);
    let (target, stop) = client.attach(process.pid());
    client.insert(target, 1, address_of(&testee, &stop, "main"));
    client.insert(target, 2, address_of(&testee, &stop, "wait_for_it"));
    assert!(!changed_code(process.pid()).is_empty());
    client.detach(target);
    assert_eq!(Footprint::take(&guard, process.pid()), before);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn nothing_is_left_in_a_target_that_runs() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("spin", &[]);
    let mut process = guard.start(testee.path(), &[]);
    assert_eq!(process.read_line(), "ready");
    let before = Footprint::take(&guard, process.pid());
    for _ in 0..10 {
        let (target, stop) = client.attach(process.pid());
        let turn = address_of(&testee, &stop, "turn");
        client.insert(target, 1, turn);
        client.go(target);
        assert_eq!(client.wait_stop().sites(), [1]);
        client.step(target, stop.tid());
        assert_eq!(client.wait_stop().reason(), StopReason::Step);
        client.remove(target, &[1]);
        // This one is reached, but by no thread that counts.
        client.insert_site(target, Site { tid: 1, ..site(2, turn) });
        client.go(target);
        client.detach(target);
        assert_eq!(Footprint::take(&guard, process.pid()), before);
    }
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait(), ExitStatus::Killed(Signal::SIGTERM));
}

#[test]
fn a_target_is_left_in_the_middle_of_many_hits() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("threads", &[]);
    let mut process = guard.start(testee.path(), &["50", "0"]);
    assert_eq!(process.read_line(), "ready");
    for round in 0..20 {
        let (target, stop) = client.attach(process.pid());
        let hit = address_of(&testee, &stop, "hit");
        let is_quiet = round % 2 == 0;
        let tid = if is_quiet { 1 } else { 0 };
        client.insert_site(target, Site { tid, ..site(1, hit) });
        client.go(target);
        if !is_quiet {
            for _ in 0..3 {
                assert_eq!(client.wait_stop().sites(), [1]);
                client.go(target);
            }
        }
        // It may stop once more before it is left.
        client.detach(target);
        let _ = client.pending_events();
        assert_eq!(changed_code(process.pid()), []);
        let total = address_of(&testee, &stop, "total");
        let counted = memory_file::read_u64(process.pid(), total);
        until("it to run", || {
            (memory_file::read_u64(process.pid(), total) > counted + 1000).then_some(())
        });
    }
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0), "every call has counted once");
}

#[test]
fn a_launched_target_can_be_left() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("spin", &[]);
    let (target, stop) = client.start(&testee, &[]);
    client.insert(target, 1, address_of(&testee, &stop, "turn"));
    client.go(target);
    assert_eq!(client.wait_stop().sites(), [1]);
    client.detach(target);
    assert_eq!(procfs::tracer(target.pid, dbgbase::Tid::from(target.pid)), Some(0));
    assert_eq!(changed_code(target.pid), []);
    let turns = address_of(&testee, &stop, "turns");
    until("it to run", || (memory_file::read_u64(target.pid, turns) > 1000).then_some(()));
    let gone = client.call(&Detach { target: target.id }).expect_err("it is left");
    assert_eq!(gone.code, dbgwire::ErrorCode::NoSuchTarget);
    let limit = address_of(&testee, &stop, "limit");
    memory_file::write(target.pid, limit, &[0; 8]).expect("it lives");
    until("its end", || (!procfs::is_alive(target.pid)).then_some(()));
    assert_eq!(client.pending_events(), []);
    assert!(!guard.processes().contains(&target.pid));
}

#[test]
fn a_signal_that_was_about_to_be_delivered_is_delivered() {
    let (guard, _server, mut client) = begin();
    let mut process = guard.start(Testee::build("signals", &[]).path(), &["waits"]);
    assert_eq!(process.read_line(), "ready");
    let (target, _) = client.attach(process.pid());
    client.go(target);
    process.signal(Signal::SIGUSR1);
    let stop = client.wait_stop();
    assert!(matches!(stop.reason(), StopReason::Signal { signal: Signal::SIGUSR1, .. }));
    client.detach(target);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(1), "the handler ran once");
}

#[test]
fn a_target_that_ends_cannot_be_left() {
    let (_guard, _server, mut client) = begin();
    let (target, _) = client.start(&Testee::build("exits", &[]), &["3"]);
    client.go(target);
    // Whichever comes first, one of the two is told and the session goes on.
    let left = client.call(&Detach { target: target.id });
    if let Err(fault) = left {
        let codes = [dbgwire::ErrorCode::NoSuchTarget, dbgwire::ErrorCode::TargetEnded];
        assert!(codes.contains(&fault.code), "{fault}");
        assert_eq!(client.wait_exit(), ExitStatus::Exited(3));
    }
    assert_eq!(client.pending_events(), []);
}
