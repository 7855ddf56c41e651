//! Letting targets run and stopping them, and what is refused.

use dbgbase::{Address, ExitStatus, StopReason, x86_64};
use dbgwire::ErrorCode;
use dbgwire::verbs::registers::{ReadRegisters, RegisterValue, WriteRegisters};
use dbgwire::verbs::resume::{Resume, RunKind, ThreadAction};
use dbgwire::verbs::site::RemoveSites;
use testkit::{Target, Testee, memory_file, procfs, until};

use crate::{address_of, begin};

fn action(tid: u32, run: RunKind) -> ThreadAction {
    ThreadAction { tid, run: run as i32, ..ThreadAction::default() }
}

fn resume(target: Target, stop: u64, actions: &[ThreadAction]) -> Resume {
    let actions = actions.to_vec();
    Resume { target: target.id, stop, actions, insert: Vec::new(), remove: Vec::new() }
}

#[test]
fn a_spinning_program_is_interrupted() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("spin", &[]);
    let (target, stop) = client.start(&testee, &[]);
    let turns = address_of(&testee, &stop, "turns");
    let mut last = 0;
    for _ in 0..20 {
        client.go(target);
        until("it to turn", || (memory_file::read_u64(target.pid, turns) > last).then_some(()));
        client.interrupt(target);
        assert_eq!(client.wait_stop().reason(), StopReason::Interrupted);
        last = memory_file::read_u64(target.pid, turns);
        assert_eq!(client.read_u64(target, turns), last, "it stands still");
    }
    client.interrupt(target);
    assert_eq!(client.pending_events(), [], "a target that stands still is left alone");
    client.write(target, address_of(&testee, &stop, "limit"), &[0; 8]).expect("writable");
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(3));
}

#[test]
fn a_sleeping_program_is_interrupted() {
    let (guard, _server, mut client) = begin();
    let mut process = guard.start(Testee::build("waits", &[]).path(), &[]);
    assert_eq!(process.read_line(), "ready");
    let (target, _) = client.attach(process.pid());
    for _ in 0..20 {
        client.go(target);
        client.interrupt(target);
        assert_eq!(client.wait_stop().reason(), StopReason::Interrupted);
    }
    client.go(target);
    process.close_input();
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn a_resume_is_carried_out_once() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["5"]);
    client.insert(target, 1, address_of(&testee, &stop, "work"));
    let first = resume(target, stop.event.stop, &[action(0, RunKind::Continue)]);
    client.call(&first).expect("it is at that stop");
    let hit = client.wait_stop();
    assert_eq!(hit.event.stop, stop.event.stop + 1);
    let fault = client.call(&first).expect_err("the stop is over");
    assert_eq!(fault.code, ErrorCode::StaleStop);
    assert_eq!(client.pending_events(), []);
    let next = resume(target, hit.event.stop, &[action(0, RunKind::Continue)]);
    client.call(&next).expect("it is at that stop");
    assert_eq!(client.wait_stop().event.stop, hit.event.stop + 1);
    client.kill(target);
}

#[test]
fn a_running_target_is_not_resumed_again() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("spin", &[]);
    let (target, _) = client.start(&testee, &[]);
    client.go(target);
    let all = [action(0, RunKind::Continue)];
    let resumed = client.call(&resume(target, 0, &all)).expect_err("it runs");
    let tids = vec![target.pid.value()];
    let registers = ReadRegisters { target: target.id, tids, ..ReadRegisters::default() };
    let read = client.call(&registers).expect_err("it runs");
    let values = vec![RegisterValue { register: 0, value: 1 }];
    let write = WriteRegisters {
        target: target.id,
        tid: target.pid.value(),
        values,
        ..WriteRegisters::default()
    };
    let written = client.call(&write).expect_err("it runs");
    let removed = client.call(&RemoveSites { target: target.id, ids: vec![1] });
    for fault in [resumed, read, written, removed.expect_err("it runs")] {
        assert_eq!(fault.code, ErrorCode::NotStopped);
        assert!(fault.detail.contains("interrupt"), "{}", fault.detail);
    }
    client.kill(target);
}

#[test]
fn actions_that_make_no_sense_are_refused() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["1"]);
    let tid = target.pid.value();
    let signal = |tid, signal| ThreadAction { signal, ..action(tid, RunKind::Continue) };
    let cases = [
        (vec![], ErrorCode::Malformed),
        (vec![action(tid, RunKind::Stay)], ErrorCode::Malformed),
        (vec![action(0, RunKind::Step)], ErrorCode::Malformed),
        (vec![signal(0, 10)], ErrorCode::Malformed),
        (vec![signal(tid, 65)], ErrorCode::Malformed),
        (vec![ThreadAction { run: 77, ..action(tid, RunKind::Stay) }], ErrorCode::Unsupported),
        (vec![action(1, RunKind::Continue)], ErrorCode::NoSuchThread),
    ];
    for (actions, code) in cases {
        let fault = client.call(&resume(target, 0, &actions)).expect_err("refused");
        assert_eq!(fault.code, code, "{actions:?}");
    }
    let other = Target { id: 99, ..target };
    let fault = client.call(&resume(other, 0, &[action(0, RunKind::Continue)]));
    assert_eq!(fault.expect_err("no such target").code, ErrorCode::NoSuchTarget);
    let constructed = address_of(&testee, &stop, "constructed");
    assert_eq!(client.read_u64(target, constructed), 0, "nothing has run");
    client.kill(target);
}

#[test]
fn registers_are_read_and_written() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["10"]);
    let work = address_of(&testee, &stop, "work");
    client.insert(target, 1, work);
    client.go(target);
    let stop = client.wait_stop();
    let tid = stop.tid();
    assert_eq!(client.registers(target, tid), stop.registers());
    // The parameter of the first call, 0, becomes 1000: the sum must be wrong by 3000.
    assert_eq!(stop.registers().get(x86_64::RDI), 0);
    client.set_register(target, tid, x86_64::RDI, 1000);
    assert_eq!(client.registers(target, tid).get(x86_64::RDI), 1000);
    let bad = WriteRegisters {
        target: target.id,
        tid: tid.value(),
        values: vec![
            RegisterValue { register: x86_64::RAX.index() as u32, value: 1 },
            RegisterValue { register: 999, value: 1 },
        ],
        extended: Vec::new(),
    };
    let before = client.registers(target, tid);
    assert_eq!(client.call(&bad).expect_err("no such register").code, ErrorCode::Malformed);
    assert_eq!(client.registers(target, tid), before, "all or none");
    let nobody = WriteRegisters { tid: 1, values: Vec::new(), ..bad };
    assert_eq!(client.call(&nobody).expect_err("no such thread").code, ErrorCode::NoSuchThread);
    client.remove(target, &[1]);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(1));
}

#[test]
fn a_thread_is_moved_out_of_a_system_call() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("waits", &[]);
    let mut process = guard.start(testee.path(), &[]);
    assert_eq!(process.read_line(), "ready");
    let leader = process.leader();
    until("it to sleep", || procfs::is_sleeping_in(process.pid(), leader, 0).then_some(()));
    let (target, stop) = client.attach(process.pid());
    // It sleeps in read(2); let it call exit_group(9) instead, at the same system call instruction.
    let pc = stop.pc().value() - 2;
    assert_eq!(client.read(target, Address::new(pc), 2), [0x0f, 0x05]);
    for (register, value) in [(x86_64::RAX, 231), (x86_64::RDI, 9), (x86_64::RIP, pc)] {
        client.set_register(target, leader, register, value);
    }
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(9));
    assert_eq!(process.wait(), ExitStatus::Exited(9));
}

#[test]
fn threads_that_no_action_covers_stay() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("threads", &[]);
    let mut process = guard.start(testee.path(), &["4", "0"]);
    assert_eq!(process.read_line(), "ready");
    let (target, stop) = client.attach(process.pid());
    let element = |symbol: &str, size: u64, index: u64| {
        Address::new(address_of(&testee, &stop, symbol).value() + size * index)
    };
    let counts = [0, 1, 2, 3].map(|index| element("counts", 8, index));
    let second = client.read_u64(target, element("tids", 4, 1)) as u32;
    let read = |index: usize| memory_file::read_u64(target.pid, counts[index]);
    let before = [0, 1, 2, 3].map(read);
    client.resume(target, &[action(second, RunKind::Continue)]);
    until("the one thread to turn", || (read(1) > before[1] + 1000).then_some(()));
    client.interrupt(target);
    client.wait_stop();
    let after = [0, 1, 2, 3].map(read);
    assert_eq!([after[0], after[2], after[3]], [before[0], before[2], before[3]]);
    client.go(target);
    for (index, before) in after.into_iter().enumerate() {
        until("every thread to turn", || (read(index) > before).then_some(()));
    }
    process.close_input();
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}
