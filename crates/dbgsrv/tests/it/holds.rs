//! Threads that are suspended or frozen stay where they are, whatever a resume says.

use dbgbase::{Signal, Tid};
use dbgwire::ErrorCode;
use dbgwire::verbs::resume::{Resume, RunKind, SendSignal, ThreadAction};
use dbgwire::verbs::thread::{HoldChange, HoldThreads, ListThreads};
use testkit::{Client, Target, Testee, memory_file, until};

use crate::{address_of, begin};

fn hold(client: &mut Client, target: Target, tids: &[Tid], change: HoldChange) -> Vec<u32> {
    let tids = tids.iter().map(|tid| tid.value()).collect();
    let request = HoldThreads { target: target.id, tids, change: change as i32 };
    client.call(&request).expect("the threads live").suspends
}

#[test]
fn held_threads_stay_until_every_hold_is_taken_back() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("counters", &[]);
    let mut process = guard.start(testee.path(), &["4"]);
    assert_eq!(process.read_line(), "ready");
    let (target, stop) = client.attach(process.pid());
    let counters = address_of(&testee, &stop, "counters");
    let tids = client.tids(target);
    assert_eq!(tids.len(), 5, "the leader and four that count");
    let count =
        |index: u64| memory_file::read_u64(target.pid, counters.wrapping_offset(8 * index as i64));

    // The second and third counter are held in different ways, the leader twice.
    assert_eq!(hold(&mut client, target, &[tids[2], tids[0]], HoldChange::Suspend), [1, 1]);
    assert_eq!(hold(&mut client, target, &[tids[0]], HoldChange::Suspend), [2]);
    assert_eq!(hold(&mut client, target, &[tids[3]], HoldChange::Freeze), [0]);
    let list = client.call(&ListThreads { target: target.id }).expect("it lives").threads;
    let holds: Vec<_> = list.iter().map(|thread| (thread.suspends, thread.frozen)).collect();
    assert_eq!(holds, [(2, false), (0, false), (1, false), (0, true), (0, false)]);

    let runs_on = |client: &mut Client, held: &[u64], free: &[u64]| {
        let before: Vec<u64> = (0..4).map(count).collect();
        client.go(target);
        until("the free ones to count", || {
            free.iter().all(|index| count(*index) > before[*index as usize] + 1000).then_some(())
        });
        client.interrupt(target);
        client.wait_stop();
        for index in held {
            assert_eq!(count(*index), before[*index as usize], "counter {index} is held");
        }
    };
    runs_on(&mut client, &[1, 2], &[0, 3]);
    // A frozen thread that is resumed stays frozen, one that is suspended and unfrozen suspended.
    hold(&mut client, target, &[tids[3]], HoldChange::Resume);
    hold(&mut client, target, &[tids[2]], HoldChange::Unfreeze);
    runs_on(&mut client, &[1, 2], &[0, 3]);
    hold(&mut client, target, &[tids[3]], HoldChange::Unfreeze);
    runs_on(&mut client, &[1], &[0, 2, 3]);
    assert_eq!(hold(&mut client, target, &[], HoldChange::Resume), [1, 0, 0, 0, 0]);
    runs_on(&mut client, &[], &[0, 1, 2, 3]);

    // Left, nobody is held.
    hold(&mut client, target, &[], HoldChange::Freeze);
    client.detach(target);
    let before = count(1);
    until("it to count", || (count(1) > before + 1000).then_some(()));
}

#[test]
fn a_signal_for_a_held_thread_waits_for_it() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("counters", &[]);
    let mut process = guard.start(testee.path(), &["2"]);
    assert_eq!(process.read_line(), "ready");
    let (target, stop) = client.attach(process.pid());
    let signals = address_of(&testee, &stop, "signals");
    let counters = address_of(&testee, &stop, "counters");
    let held = client.tids(target)[1];
    let number = Signal::SIGUSR1.number() as u32;
    let signal = SendSignal { target: target.id, tid: held.value(), signal: number };
    client.call(&signal).expect("it can be sent");
    client.go(target);
    let stop = client.wait_stop();
    assert_eq!((stop.tid(), stop.event.signal.map(|signal| signal.number)), (held, Some(10)));
    hold(&mut client, target, &[held], HoldChange::Suspend);
    client.go_with_signal(target, held, Signal::SIGUSR1);
    let other = counters.wrapping_offset(8);
    let before = memory_file::read_u64(target.pid, other);
    until("the other to count", || {
        (memory_file::read_u64(target.pid, other) > before + 1000).then_some(())
    });
    assert_eq!(memory_file::read_u64(target.pid, signals), 0);
    client.interrupt(target);
    client.wait_stop();
    hold(&mut client, target, &[held], HoldChange::Resume);
    client.go(target);
    until("its signal", || (memory_file::read_u64(target.pid, signals) == 1).then_some(()));
}

#[test]
fn what_cannot_be_held_is_said() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("counters", &[]);
    let mut process = guard.start(testee.path(), &["1"]);
    assert_eq!(process.read_line(), "ready");
    let (target, stop) = client.attach(process.pid());
    let mut ask = |tids: Vec<u32>, change: i32| {
        let fault = client.call(&HoldThreads { target: target.id, tids, change });
        fault.expect_err("it cannot be done").code
    };
    assert_eq!(ask(vec![1], 0), ErrorCode::NoSuchThread);
    assert_eq!(ask(vec![], 77), ErrorCode::Unsupported);
    hold(&mut client, target, &[], HoldChange::Freeze);
    let action = ThreadAction {
        tid: stop.tid().value(),
        run: RunKind::Continue as i32,
        ..ThreadAction::default()
    };
    let resume = Resume { target: target.id, actions: vec![action], ..Resume::default() };
    let fault = client.call(&resume).expect_err("nothing would run");
    assert_eq!(fault.code, ErrorCode::Malformed);
    assert!(fault.detail.contains("suspended or frozen"), "{}", fault.detail);
    hold(&mut client, target, &[], HoldChange::Unfreeze);
    client.go(target);
    let fault = client.call(&HoldThreads { target: target.id, tids: vec![], change: 0 });
    assert_eq!(fault.expect_err("it runs").code, ErrorCode::NotStopped);
}
