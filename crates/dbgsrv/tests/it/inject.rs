//! System calls that a thread is made to make: they do what they do, and the thread goes on with
//! what it was doing as if nothing had been.

use dbgbase::{ExitStatus, Pid, Signal, StopReason, Tid, x86_64};
use dbgwire::verbs::inject::{
    AllocateMemory, FreeMemory, InjectSyscall, InjectSyscallReply, ProtectMemory,
};
use dbgwire::verbs::process::Detach;
use dbgwire::verbs::resume::{Interrupt, SendSignal, SetEvents};
use dbgwire::{ErrorCode, Fault};
use testkit::{
    Client, Footprint, Guard, Process, Target, Testee, memory_file, procfs, send_signal, until,
};

use crate::guardian::{assert_repaired, kill_session};
use crate::{address_of, begin};

pub(crate) const SYS_READ: u64 = 0;
const SYS_POLL: u64 = 7;
const SYS_PAUSE: u64 = 34;
pub(crate) const SYS_NANOSLEEP: u64 = 35;
const SYS_GETPID: u64 = 39;
const SYS_FUTEX: u64 = 202;
const SYS_RESTART: u64 = 219;
const SYS_CLOCK_NANOSLEEP: u64 = 230;
const SYS_GETTID: u64 = 186;

/// The request to have a thread make a call.
fn inject(target: Target, tid: Tid, number: u64, arguments: &[u64]) -> InjectSyscall {
    InjectSyscall {
        target: target.id,
        tid: tid.value(),
        number,
        arguments: arguments.to_vec(),
        ..InjectSyscall::default()
    }
}

/// Has a thread ask who it is, and says whether the answer is right.
#[track_caller]
fn assert_calls(client: &mut Client, target: Target, tid: Tid) {
    let mut before = client.registers(target, tid);
    for (number, expected) in [(SYS_GETPID, target.pid.value()), (SYS_GETTID, tid.value())] {
        let reply = client.call(&inject(target, tid, number, &[])).expect("it can be made");
        assert_eq!(reply, InjectSyscallReply { result: u64::from(expected) });
    }
    let after = client.registers(target, tid);
    if before.get(x86_64::RAX) as i64 == -38 {
        // It stood in the middle of its own execve(2), whose result came meanwhile.
        before.set(x86_64::RAX, 0);
    }
    assert_eq!(after, before);
}

/// Has a thread make a call that is refused or does not come to its end.
#[track_caller]
fn fault(client: &mut Client, request: &InjectSyscall) -> Fault {
    client.call(request).expect_err("a fault")
}

/// Maps memory, uses it and unmaps it.
#[track_caller]
fn assert_allocates(client: &mut Client, target: Target) {
    let request =
        AllocateMemory { target: target.id, len: 5000, protection: 3, ..AllocateMemory::default() };
    let memory = client.call(&request).expect("it can be mapped");
    assert_eq!(memory.len, 8192);
    let address = dbgbase::Address::new(memory.address);
    assert_eq!(client.write(target, address, b"hello"), Ok(5));
    assert_eq!(client.read(target, address, 6), b"hello\0");
    let free = FreeMemory { target: target.id, address: memory.address, ..FreeMemory::default() };
    client.call(&free).expect("it can be unmapped");
    assert_eq!(client.read(target, address, 1), b"");
}

/// A debuggee that says "ready" first.
pub(crate) fn ready(guard: &Guard, name: &str, arguments: &[&str]) -> (Process, Testee) {
    let testee = Testee::build(name, &[]);
    let mut process = guard.start(testee.path(), arguments);
    assert_eq!(process.read_line(), "ready");
    (process, testee)
}

pub(crate) fn wait_for_call(process: &Process, number: u64) {
    let (pid, leader) = (process.pid(), process.leader());
    until("it to wait", || procfs::is_sleeping_in(pid, leader, number).then_some(()));
}

#[test]
fn a_thread_that_waits_for_its_vforked_child_is_awaited() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("children", &[]);
    let (target, stop) = client.start(&testee, &["vfork"]);
    let work = address_of(&testee, &stop, "work");
    let events = SetEvents { target: target.id, forks: true, ..SetEvents::default() };
    client.call(&events).expect("events");
    client.insert(target, 1, work);
    client.go(target);
    assert_eq!(client.wait_stop().sites(), [1]);
    client.go(target);
    let stop = client.wait_stop();
    assert!(matches!(stop.reason(), StopReason::Forked { borrows: true, .. }));
    let getpid = inject(target, stop.tid(), SYS_GETPID, &[]);
    let reply = client.call(&getpid).expect("it can be made");
    assert_eq!(reply.result, u64::from(target.pid.value()));
    // It has its memory to itself again, and so it has its sites.
    client.go(target);
    assert_eq!(client.wait_stop().sites(), [1]);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn calls_that_are_interrupted_are_gone_on_with() {
    let (guard, _server, mut client) = begin();
    let calls = [
        ("nanosleep", SYS_NANOSLEEP),
        ("clock_nanosleep", SYS_CLOCK_NANOSLEEP),
        ("poll", SYS_POLL),
        ("futex", SYS_FUTEX),
    ];
    // They sleep at the same time.
    let sleepers = calls.map(|(name, number)| {
        let (process, _) = ready(&guard, "sleeps", &[name, "3000"]);
        wait_for_call(&process, number);
        (name, process)
    });
    let mut ended = Vec::new();
    for (name, process) in sleepers {
        let (target, stop) = client.attach(process.pid());
        for _ in 0..3 {
            assert_calls(&mut client, target, stop.tid());
            assert_allocates(&mut client, target);
            client.go(target);
            client.interrupt(target);
            assert_eq!(client.wait_stop().reason(), StopReason::Interrupted);
        }
        assert_calls(&mut client, target, stop.tid());
        client.detach(target);
        ended.push((name, process));
    }
    for (name, mut process) in ended {
        assert_eq!(process.wait(), ExitStatus::Exited(0), "{name} was whole");
    }
}

#[test]
fn a_call_without_a_time_limit_is_gone_on_with() {
    let (guard, _server, mut client) = begin();
    let (mut process, _) = ready(&guard, "waits", &["50"]);
    wait_for_call(&process, SYS_READ);
    let before = Footprint::take(&guard, process.pid());
    let (target, _) = client.attach(process.pid());
    for tid in client.tids(target) {
        assert_calls(&mut client, target, tid);
    }
    assert_allocates(&mut client, target);
    client.detach(target);
    assert_eq!(Footprint::take(&guard, process.pid()), before);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn every_register_keeps_its_value() {
    let (guard, _server, mut client) = begin();
    let (mut process, testee) = ready(&guard, "borrowed", &["registers"]);
    let (target, stop) = client.attach(process.pid());
    let (turns, limit) = (address_of(&testee, &stop, "turns"), address_of(&testee, &stop, "limit"));
    for round in 0..20 {
        assert_calls(&mut client, target, stop.tid());
        assert_allocates(&mut client, target);
        if round % 2 == 0 {
            // Also on one's way, instruction by instruction.
            client.step(target, stop.tid());
            assert_eq!(client.wait_stop().reason(), StopReason::Step);
            assert_calls(&mut client, target, stop.tid());
        }
        let done = client.read_u64(target, turns);
        client.go(target);
        let pid = process.pid();
        until("a turn", || (memory_file::read_u64(pid, turns) != done).then_some(()));
        client.interrupt(target);
        client.wait_stop();
    }
    let last = client.read_u64(target, turns) + 2;
    client.write(target, limit, &last.to_le_bytes()).expect("it can be written");
    client.detach(target);
    assert_eq!(process.wait(), ExitStatus::Exited(0), "all registers were kept");
}

#[test]
fn a_program_just_loaded_calls() {
    let (_guard, _server, mut client) = begin();
    for (name, arguments) in [("exits", &["0"][..]), ("plain", &[])] {
        let (target, stop) = client.start(&Testee::build(name, &[]), arguments);
        assert_calls(&mut client, target, stop.tid());
        assert_allocates(&mut client, target);
        client.kill(target);
    }
}

#[test]
fn results_are_the_kernel_s_own() {
    let (guard, _server, mut client) = begin();
    let (mut process, _) = ready(&guard, "waits", &[]);
    wait_for_call(&process, SYS_READ);
    let (target, _) = client.attach(process.pid());
    let anyone = Tid::new(0);
    const SYS_DUP: u64 = 32;
    const SYS_CLOSE: u64 = 3;
    let mut result = |number, arguments: &[u64]| {
        client.call(&inject(target, anyone, number, arguments)).expect("it can be made").result
    };
    assert_eq!(result(SYS_DUP, &[4711]) as i64, -9, "EBADF");
    let copy = result(SYS_DUP, &[0]);
    assert_eq!(result(SYS_CLOSE, &[copy]), 0);
    assert_eq!(result(SYS_CLOSE, &[copy]) as i64, -9);
    assert_eq!(result(9999, &[1, 2, 3, 4, 5, 6]) as i64, -38, "ENOSYS");
    client.detach(target);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn a_call_that_blocks_is_given_up() {
    let (guard, _server, mut client) = begin();
    let (mut process, _) = ready(&guard, "waits", &["3"]);
    wait_for_call(&process, SYS_READ);
    let before = Footprint::take(&guard, process.pid());
    let (target, stop) = client.attach(process.pid());
    for number in [SYS_PAUSE, SYS_READ] {
        let registers = client.registers(target, stop.tid());
        let arguments = [0, registers.sp().value() - 4096, 1];
        let request = inject(target, stop.tid(), number, &arguments);
        let request = InjectSyscall { patience_ms: 20, ..request };
        let given_up = fault(&mut client, &request);
        assert_eq!(given_up.code, ErrorCode::CallUnwound);
        assert!(given_up.detail.contains("within 20 ms"), "{given_up}");
        assert_eq!(client.registers(target, stop.tid()), registers);
        // The client's wish to stop ends it as well.
        let id = client.send(&inject(target, stop.tid(), number, &arguments), Vec::new());
        let (pid, tid) = (process.pid(), stop.tid());
        let is_waiting = || procfs::is_sleeping_in(pid, tid, number).then_some(());
        until("it to block", is_waiting);
        let refused = client.call(&inject(target, stop.tid(), SYS_GETPID, &[]));
        assert_eq!(refused.expect_err("it is busy").code, ErrorCode::NotStopped);
        client.call(&Interrupt { target: target.id, tids: Vec::new() }).expect("it can be asked");
        let ended = client.answer::<InjectSyscall>(id).expect_err("a fault");
        assert_eq!(ended.code, ErrorCode::CallUnwound);
        assert_eq!(client.registers(target, stop.tid()), registers);
        assert_eq!(client.pending_events(), []);
    }
    assert_calls(&mut client, target, stop.tid());
    // So does its wish to leave.
    let call = client.send(&inject(target, stop.tid(), SYS_PAUSE, &[]), Vec::new());
    let detach = client.send(&Detach { target: target.id }, Vec::new());
    assert_eq!(
        client.answer::<InjectSyscall>(call).expect_err("a fault").code,
        ErrorCode::CallUnwound
    );
    client.answer::<Detach>(detach).expect("it can be detached");
    wait_for_call(&process, SYS_READ);
    assert_eq!(Footprint::take(&guard, process.pid()), before);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

/// The kernel keeps notes of one interrupted sleep in each thread.
#[test]
fn a_sleep_survives_a_sleep_that_is_given_up() {
    let (guard, _server, mut client) = begin();
    for (name, number) in [("nanosleep", SYS_NANOSLEEP), ("poll", SYS_POLL), ("futex", SYS_FUTEX)] {
        let (mut process, _) = ready(&guard, "sleeps", &[name, "1500"]);
        wait_for_call(&process, number);
        let (target, stop) = client.attach(process.pid());
        let tid = stop.tid();
        let at = stop.registers().sp().value() - 4096;
        let time = [1000_u64.to_le_bytes(), 0_u64.to_le_bytes()].concat();
        client.write(target, dbgbase::Address::new(at), &time).expect("its stack");
        let request = inject(target, tid, SYS_NANOSLEEP, &[at, 0]);
        let given_up = fault(&mut client, &InjectSyscall { patience_ms: 20, ..request.clone() });
        assert_eq!(given_up.code, ErrorCode::CallUnwound);
        assert_calls(&mut client, target, tid);
        client.go(target);
        assert_eq!(client.wait_exit(), ExitStatus::Exited(0), "{name} was whole");
        assert_eq!(process.wait(), ExitStatus::Exited(0));
        // What is gone on with a second time has nothing but the notes.
        let (mut process, _) = ready(&guard, "sleeps", &[name, "1500"]);
        wait_for_call(&process, number);
        let (target, stop) = client.attach(process.pid());
        let (tid, at) = (stop.tid(), stop.registers().sp().value() - 4096);
        client.write(target, dbgbase::Address::new(at), &time).expect("its stack");
        client.go(target);
        wait_for_call(&process, SYS_RESTART);
        client.interrupt(target);
        client.wait_stop();
        let request = inject(target, tid, SYS_NANOSLEEP, &[at, 0]);
        let request = InjectSyscall { patience_ms: 20, ..request };
        // But where the code says which call it was.
        let is_known = name == "poll";
        let code = if is_known { ErrorCode::CallUnwound } else { ErrorCode::NotPermitted };
        assert_eq!(fault(&mut client, &request).code, code, "{name}");
        assert_calls(&mut client, target, tid);
        client.detach(target);
        assert_eq!(process.wait(), ExitStatus::Exited(0), "{name} was whole");
    }
}

#[test]
fn signals_that_arrive_meanwhile_are_told_afterwards() {
    let (guard, _server, mut client) = begin();
    let (mut process, testee) = ready(&guard, "signals", &["waits"]);
    let pid = process.pid();
    wait_for_call(&process, SYS_READ);
    let (target, stop) = client.attach(pid);
    let handled = address_of(&testee, &stop, "handled");
    let tid = stop.tid();
    client.go(target);
    for round in 0..10 {
        // One that is told, and awaits what the client says of it.
        send_signal(pid, Signal::SIGUSR1);
        let told = client.wait_stop().reason();
        assert!(matches!(told, StopReason::Signal { signal: Signal::SIGUSR1, .. }), "{told:?}");
        // Another one of the kind, and others that come while the thread is in a call.
        send_signal(pid, Signal::SIGUSR1);
        assert_calls(&mut client, target, tid);
        let id = client.send(&inject(target, tid, SYS_PAUSE, &[]), Vec::new());
        until("it to block", || procfs::is_sleeping_in(pid, tid, SYS_PAUSE).then_some(()));
        send_signal(pid, Signal::SIGWINCH);
        send_signal(pid, Signal::SIGUSR2);
        client.interrupt(target);
        client.answer::<InjectSyscall>(id).expect_err("it was interrupted");
        // The handler of the first blocks the second; what nobody handles is dropped.
        client.go_with_signal(target, tid, Signal::SIGUSR1);
        let next = client.wait_stop().reason();
        assert!(matches!(next, StopReason::Signal { signal: Signal::SIGUSR2, .. }), "{next:?}");
        client.go(target);
        assert_eq!(client.wait_stop().reason(), told, "with the same sender");
        client.go_with_signal(target, tid, Signal::SIGUSR1);
        let expected = 2 * (round + 1);
        until("both to be handled", || {
            (memory_file::read_u64(pid, handled) == expected).then_some(())
        });
        assert_eq!(client.pending_events(), []);
    }
    client.interrupt(target);
    client.wait_stop();
    client.detach(target);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(20));
}

#[test]
fn a_thread_that_blocks_all_signals_keeps_its_mask() {
    let (guard, _server, mut client) = begin();
    let (mut process, _) = ready(&guard, "borrowed", &["blocked"]);
    wait_for_call(&process, SYS_READ);
    send_signal(process.pid(), Signal::SIGUSR2);
    send_signal(process.pid(), Signal::SIGTRAP);
    let before = Footprint::take(&guard, process.pid());
    let (target, stop) = client.attach(process.pid());
    assert_calls(&mut client, target, stop.tid());
    assert_allocates(&mut client, target);
    let request = inject(target, stop.tid(), SYS_PAUSE, &[]);
    fault(&mut client, &InjectSyscall { patience_ms: 20, ..request });
    client.detach(target);
    wait_for_call(&process, SYS_READ);
    assert_eq!(Footprint::take(&guard, process.pid()), before);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn what_cannot_be_undone_is_refused() {
    let (guard, _server, mut client) = begin();
    let (mut process, _) = ready(&guard, "waits", &[]);
    wait_for_call(&process, SYS_READ);
    let (target, stop) = client.attach(process.pid());
    for number in [15, 56, 57, 58, 59, 60, 219, 231, 322, 435, 0x4000_0027] {
        let refused = fault(&mut client, &inject(target, stop.tid(), number, &[]));
        assert_eq!(refused.code, ErrorCode::NotPermitted, "{number}: {refused}");
    }
    let many = inject(target, stop.tid(), SYS_GETPID, &[0; 7]);
    assert_eq!(fault(&mut client, &many).code, ErrorCode::TooLarge);
    let nobody = inject(target, Tid::new(1), SYS_GETPID, &[]);
    assert_eq!(fault(&mut client, &nobody).code, ErrorCode::NoSuchThread);
    let nothing = Target { id: 99, pid: Pid::new(1) };
    let nowhere = inject(nothing, stop.tid(), SYS_GETPID, &[]);
    assert_eq!(fault(&mut client, &nowhere).code, ErrorCode::NoSuchTarget);
    client.go(target);
    let busy = inject(target, stop.tid(), SYS_GETPID, &[]);
    assert_eq!(fault(&mut client, &busy).code, ErrorCode::NotStopped);
    client.interrupt(target);
    client.wait_stop();
    assert_calls(&mut client, target, stop.tid());
    client.detach(target);
    // A stopped process is not continued for it.
    process.signal(Signal::SIGSTOP);
    let (pid, leader) = (process.pid(), process.leader());
    until("it to stop", || (procfs::state(pid, leader) == Some('T')).then_some(()));
    let (target, stop) = client.attach(pid);
    let refused = fault(&mut client, &inject(target, stop.tid(), SYS_GETPID, &[]));
    assert_eq!(refused.code, ErrorCode::Unsupported);
    assert!(refused.detail.contains("SIGCONT"), "{refused}");
    client.detach(target);
    until("it to be stopped", || (procfs::state(pid, leader) == Some('T')).then_some(()));
    process.signal(Signal::SIGCONT);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn a_thread_at_its_exec_calls() {
    let (_guard, _server, mut client) = begin();
    let (target, _) = client.start(&Testee::build("executes", &[]), &["at-once"]);
    client.go(target);
    let stop = client.wait_stop();
    assert_eq!(stop.reason(), StopReason::Exec);
    assert_calls(&mut client, target, stop.tid());
    client.step(target, stop.tid());
    assert_eq!(client.wait_stop().reason(), StopReason::Step);
    assert_calls(&mut client, target, stop.tid());
    client.go(target);
    assert_eq!(client.wait_stop().reason(), StopReason::InitialBreak);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(5));
}

#[test]
fn a_seccomp_filter_is_respected() {
    let (guard, _server, mut client) = begin();
    for (way, expected) in [("errno", Some(-18)), ("trap", None), ("kill", None), ("strict", None)]
    {
        let (mut process, _) = ready(&guard, "borrowed", &[way]);
        wait_for_call(&process, SYS_READ);
        let (target, stop) = client.attach(process.pid());
        let request = inject(target, stop.tid(), SYS_GETPID, &[]);
        let refused = fault(&mut client, &request);
        assert_eq!(refused.code, ErrorCode::NotPermitted);
        assert!(refused.detail.contains("seccomp"), "{refused}");
        let answer = client.call(&InjectSyscall { despite_seccomp: true, ..request });
        match way {
            "errno" => assert_eq!(answer.map(|reply| reply.result as i64).ok(), expected),
            "trap" => {
                let fault = answer.expect_err("a fault");
                assert_eq!(fault.code, ErrorCode::CallUnwound);
                assert!(fault.detail.contains("SIGSYS"), "{fault}");
            }
            _ => {
                let fault = answer.expect_err("a fault");
                assert_eq!(fault.code, ErrorCode::TargetEnded, "{fault}");
                assert!(matches!(client.wait_exit(), ExitStatus::Killed(_)));
                process.wait();
                continue;
            }
        }
        client.detach(target);
        process.close_input();
        assert_eq!(process.wait(), ExitStatus::Exited(0), "its handler saw nothing");
    }
}

#[test]
fn memory_is_mapped_protected_and_freed() {
    let (guard, _server, mut client) = begin();
    let (mut process, _) = ready(&guard, "waits", &["4"]);
    wait_for_call(&process, SYS_READ);
    let pid = process.pid();
    let mappings = |pid| -> Vec<String> {
        let maps = procfs::mappings(pid);
        maps.iter().map(|mapping| format!("{:?} {}", mapping.start, mapping.permissions)).collect()
    };
    let before = (Footprint::take(&guard, pid), mappings(pid));
    let (target, _) = client.attach(pid);
    let request =
        AllocateMemory { target: target.id, len: 0x3000, protection: 7, ..Default::default() };
    let first = client.call(&request).expect("it can be mapped");
    let permissions = |pid, address: u64| {
        let maps = procfs::mappings(pid);
        let found = maps
            .into_iter()
            .find(|mapping| (mapping.start.value()..mapping.end.value()).contains(&address));
        found.map(|mapping| mapping.permissions)
    };
    assert_eq!(permissions(pid, first.address).as_deref(), Some("rwxp"));
    let middle = first.address + 0x1000;
    let protect = ProtectMemory {
        target: target.id,
        address: middle,
        len: 1,
        protection: 1,
        ..Default::default()
    };
    client.call(&protect).expect("it can be protected");
    assert_eq!(permissions(pid, middle).as_deref(), Some("r--p"));
    assert_eq!(permissions(pid, middle + 0x1000).as_deref(), Some("rwxp"));
    // Where something is, nothing else is mapped.
    let there = AllocateMemory { address: middle, ..request };
    let taken = client.call(&there).expect_err("something is there");
    assert_eq!((taken.code, taken.errno), (ErrorCode::SystemError, Some(17)), "EEXIST");
    let free = FreeMemory { target: target.id, address: middle, len: 0x1000, ..Default::default() };
    assert_eq!(client.call(&free).expect("it can be unmapped").len, 0x1000);
    let again = client.call(&there).err();
    assert_eq!(again.map(|fault| fault.errno), Some(Some(17)), "its second page is there still");
    let there = AllocateMemory { len: 0x1000, ..there };
    assert_eq!(client.call(&there).expect("it is free").address, middle);
    for refused in [
        AllocateMemory { len: 0, ..request },
        AllocateMemory { len: u64::MAX, ..request },
        AllocateMemory { protection: 8, ..request },
    ] {
        let fault = client.call(&refused).expect_err("no memory");
        assert_eq!(fault.code, ErrorCode::Malformed, "{fault}");
    }
    let rest = FreeMemory { address: first.address, len: 0, ..free };
    assert_eq!(client.call(&rest).expect("it can be unmapped").len, 0x1000, "the rest of it");
    let nothing = FreeMemory { address: 0x1000, len: 0, ..free };
    assert_eq!(client.call(&nothing).expect_err("nothing").code, ErrorCode::Malformed);
    // What is left is freed by the detach.
    client.detach(target);
    wait_for_call(&process, SYS_READ);
    assert_eq!((Footprint::take(&guard, pid), mappings(pid)), before);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn a_thread_that_blocks_in_a_call_is_put_back_when_the_session_is_killed() {
    let (guard, server, mut client) = begin();
    for (name, argument, own, number) in [
        ("sleeps", "nanosleep", SYS_NANOSLEEP, SYS_PAUSE),
        ("waits", "3", SYS_READ, SYS_CLOCK_NANOSLEEP),
    ] {
        let (mut process, _) = ready(&guard, name, &[argument]);
        wait_for_call(&process, own);
        let (pid, leader) = (process.pid(), process.leader());
        let (target, stop) = client.attach(pid);
        let at = stop.registers().sp().value() - 4096;
        let time = [1000_u64.to_le_bytes(), 0_u64.to_le_bytes()].concat();
        client.write(target, dbgbase::Address::new(at), &time).expect("its stack");
        client.send(&inject(target, stop.tid(), number, &[1, 0, at, 0]), Vec::new());
        until("it to block", || procfs::is_sleeping_in(pid, leader, number).then_some(()));
        kill_session(&server, &mut client);
        assert_repaired(pid);
        process.close_input();
        assert_eq!(process.wait(), ExitStatus::Exited(0), "its own call was whole");
        client = server.connect();
    }
}

#[test]
fn a_target_that_is_killed_in_a_call_is_gone() {
    let (_guard, _server, mut client) = begin();
    let (target, stop) = client.start(&Testee::build("exits", &[]), &["0"]);
    let id = client.send(&inject(target, stop.tid(), SYS_PAUSE, &[]), Vec::new());
    let (pid, tid) = (target.pid, stop.tid());
    until("it to block", || procfs::is_sleeping_in(pid, tid, SYS_PAUSE).then_some(()));
    let kill = SendSignal { target: target.id, tid: 0, signal: 9 };
    client.call(&kill).expect("it can be killed");
    assert_eq!(client.answer::<InjectSyscall>(id).expect_err("gone").code, ErrorCode::TargetEnded);
    assert_eq!(client.wait_exit(), ExitStatus::Killed(Signal::SIGKILL));
}
