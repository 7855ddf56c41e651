//! What stops bring along when their client has said what it wants. Memory that comes with a stop
//! is compared with what a request for it says.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use dbgbase::{Address, Arch, ExitStatus, StopReason, Tid};
use dbgwire::ErrorCode;
use dbgwire::verbs::memory::{Range, ReadMemory};
use dbgwire::verbs::registers::{ReadRegisters, ThreadRegisters};
use dbgwire::verbs::resume::{ChildPolicy, SetEvents, SetStopMode, StopMode};
use dbgwire::verbs::window::{STOP_LEN_MAX, SetWindows, WINDOWS_MAX, Window, WindowBase};
use testkit::{Client, Event, Stop, Target, Testee, procfs};

use crate::{address_of, begin};

/// How many bytes below the stack pointer come along.
const RED_ZONE: u64 = 128;
/// More bytes than stops bring that nobody has asked anything of.
const USUAL_LEN: usize = 24 * 1024;

fn window(base: WindowBase, offset: i64, len: u32) -> Window {
    Window { base: base as i32, offset, len }
}

fn set(client: &mut Client, target: Target, windows: Vec<Window>) {
    let wishes = SetWindows { target: target.id, windows, ..SetWindows::default() };
    client.call(&wishes).expect("wishes");
}

/// What ReadMemory says of a range, as far as it can be read.
fn memory(client: &mut Client, target: Target, start: u64, len: u32) -> Bytes {
    let ranges = vec![Range { address: start, len }];
    let id = client.send(&ReadMemory { target: target.id, ranges }, Bytes::new());
    client.answer::<ReadMemory>(id).expect("it is there").1
}

/// Whether what a stop brings is what memory has, once, and within the limit.
#[track_caller]
fn check(client: &mut Client, target: Target, stop: &Stop) {
    let mut rest = stop.tail.clone();
    let mut last = 0;
    for Range { address, len } in &stop.event.windows {
        assert!(*address >= last, "{:x?}", stop.event.windows);
        last = address + u64::from(*len);
        let bytes = rest.split_to(*len as usize);
        let expected = memory(client, target, *address, (*len).max(1));
        assert_eq!(bytes, expected, "{address:#x}");
    }
    assert!(rest.is_empty());
    let entries = stop.event.threads.iter().map(|thread| 8 * thread.general.len()).sum::<usize>();
    let total = stop.tail.len() + stop.event.extended.len() + entries;
    assert!(total <= STOP_LEN_MAX as usize, "{total} bytes");
}

/// Whether a stop brings a range.
fn brings(stop: &Stop, start: u64, len: u64) -> bool {
    stop.window(Address::new(start), len as usize).is_some()
}

fn fp(stop: &Stop) -> u64 {
    stop.registers().get(Arch::native().expect("a CPU with a table").fp())
}

#[test]
fn windows_follow_the_registers() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("recurse", &["-O0", "-fno-omit-frame-pointer"]);
    let (target, first) = client.start(&testee, &["5"]);
    let main = address_of(&testee, &first, "main");
    client.insert(target, 1, main);
    client.go(target);
    assert_eq!(client.wait_stop().sites(), [1]);
    let data = first.modules()[0].base;
    let windows = vec![
        window(WindowBase::StackPointer, 4096, 16),
        window(WindowBase::ProgramCounter, -300, 700),
        window(WindowBase::FramePointer, -64, 128),
        window(WindowBase::Absolute, data as i64, 64),
    ];
    set(&mut client, target, windows);
    let mut places = BTreeSet::new();
    for _ in 0..300 {
        client.step(target, Tid::from(target.pid));
        let stop = client.wait_stop();
        assert_eq!(stop.reason(), StopReason::Step);
        let (pc, sp, fp) = (stop.pc().value(), stop.registers().sp().value(), fp(&stop));
        assert!(brings(&stop, pc - 300, 700) && brings(&stop, sp + 4096, 16), "{pc:#x}");
        // Before its first frame a program has nothing there.
        assert!(fp < 4096 || brings(&stop, fp - 64, 128), "{fp:#x}");
        assert!(brings(&stop, sp - RED_ZONE, RED_ZONE + 512) && brings(&stop, data, 64));
        check(&mut client, target, &stop);
        places.insert((sp, fp));
    }
    assert!(places.len() > 10, "it calls");
    // The site on main is in one of them, and hidden.
    set(&mut client, target, vec![window(WindowBase::Absolute, main.value() as i64 - 8, 16)]);
    client.step(target, Tid::from(target.pid));
    let stop = client.wait_stop();
    let bytes = stop.window(main, 1).expect("asked for").to_vec();
    assert_eq!(bytes, memory(&mut client, target, main.value(), 1));
    assert_ne!(bytes, [0xcc]);
    client.kill(target);
}

#[test]
fn what_cannot_be_read_is_said_and_what_follows_comes() {
    let (_guard, _server, mut client) = begin();
    let (target, first) = client.start(&Testee::build("count", &[]), &["3"]);
    let mappings = procfs::mappings(target.pid);
    let gap = mappings
        .windows(2)
        .find(|pair| pair[0].end < pair[1].start && pair[1].permissions.starts_with('r'))
        .expect("there are gaps");
    let (end, start) = (gap[0].end.value(), gap[1].start.value());
    let over_the_gap = window(WindowBase::Absolute, start as i64 - 4096 - 16, 4096 + 32);
    let at_the_end = window(WindowBase::Absolute, end as i64 - 16, 32);
    let nowhere = window(WindowBase::Absolute, 16, 8);
    let beyond = window(WindowBase::Absolute, -4, 8);
    set(&mut client, target, vec![over_the_gap, at_the_end, nowhere, beyond]);
    client.step(target, first.tid());
    let stop = client.wait_stop();
    check(&mut client, target, &stop);
    assert!(brings(&stop, start, 16));
    let empty = |at| stop.event.windows.contains(&Range { address: at, len: 0 });
    // All of the gap that is in the window is known to be one.
    assert!(empty(start - 4096 - 16) && empty(start - 4096) && empty(end) && empty(16));
    assert_eq!(brings(&stop, end - 16, 16), gap[0].permissions.starts_with('r'));
    client.kill(target);
}

#[test]
fn each_request_replaces_what_was_so() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, first) = client.start(&testee, &["3"]);
    let (other, _) = client.start(&testee, &["3"]);
    let base = first.modules()[0].base;
    let step = |client: &mut Client, target: Target| {
        client.step(target, Tid::from(target.pid));
        client.wait_stop()
    };
    // What is read is brought along, as long as nobody says what is wanted.
    memory(&mut client, target, base, 100);
    assert!(brings(&step(&mut client, target), base, 100));
    set(&mut client, target, vec![window(WindowBase::Absolute, base as i64 + 512, 10)]);
    let stop = step(&mut client, target);
    assert!(!brings(&stop, base, 100) && brings(&stop, base + 512, 10));
    memory(&mut client, target, base, 100);
    assert!(!brings(&step(&mut client, target), base, 100));
    set(&mut client, target, vec![window(WindowBase::Absolute, base as i64 + 1024, 10)]);
    let stop = step(&mut client, target);
    assert!(!brings(&stop, base + 512, 10) && brings(&stop, base + 1024, 10));
    let wishes =
        SetWindows { target: target.id, stack_len: 3000, extended: true, ..SetWindows::default() };
    client.call(&wishes).expect("wishes");
    let stop = step(&mut client, target);
    let sp = stop.registers().sp().value();
    let len = memory(&mut client, target, sp - RED_ZONE, 3128).len() as u64;
    assert!(brings(&stop, sp - RED_ZONE, len) && !brings(&stop, base + 1024, 10));
    let all = ReadRegisters { target: target.id, extended: true, ..ReadRegisters::default() };
    let registers = client.call(&all).expect("it stands still").threads;
    assert_eq!(stop.event.extended, registers[0].extended);
    assert!(stop.event.extended.len() >= 512);
    assert_eq!((stop.event.threads.len(), stop.event.name.as_str()), (0, ""));
    // None of that is so of another target.
    let stop = step(&mut client, other);
    assert!(stop.event.extended.is_empty() && !brings(&stop, base + 1024, 10));
    client.kill(target);
    client.kill(other);
}

/// The threads of a stop, as a request tells of them; one of them is its own.
#[track_caller]
fn check_threads(client: &mut Client, target: Target, stop: &Stop, stack_len: u64) -> usize {
    let ask = ReadRegisters { target: target.id, names: true, ..ReadRegisters::default() };
    let mut expected = client.call(&ask).expect("it stands still").threads;
    let own = expected.iter().position(|thread| thread.tid == stop.event.tid).expect("it is there");
    assert_eq!(stop.event.name, expected.remove(own).name);
    assert_eq!(stop.event.threads, expected[..stop.event.threads.len()]);
    let arch = Arch::native().expect("a CPU with a table");
    let stack = |thread: &ThreadRegisters| thread.general[arch.sp().index()] - RED_ZONE;
    let has_stack = |thread: &&ThreadRegisters| brings(stop, stack(thread), RED_ZONE + stack_len);
    stop.event.threads.iter().filter(has_stack).count()
}

#[test]
fn a_hundred_threads_come_with_the_stop() {
    let (guard, _server, mut client) = begin();
    let mut process = guard.start(Testee::build("waits", &[]).path(), &["100"]);
    assert_eq!(process.read_line(), "ready");
    let (target, _) = client.attach(process.pid());
    let wishes = SetWindows {
        target: target.id,
        threads: true,
        thread_stack_len: 512,
        ..SetWindows::default()
    };
    client.call(&wishes).expect("wishes");
    for _ in 0..3 {
        client.go(target);
        client.interrupt(target);
        let stop = client.wait_stop();
        check(&mut client, target, &stop);
        assert_eq!(stop.event.threads.len(), 99);
        assert_eq!(check_threads(&mut client, target, &stop, 512), 99);
    }
    // Without stacks.
    let wishes = SetWindows { thread_stack_len: 0, ..wishes };
    client.call(&wishes).expect("wishes");
    client.go(target);
    client.interrupt(target);
    let stop = client.wait_stop();
    assert_eq!(stop.event.threads.len(), 99);
    assert_eq!(check_threads(&mut client, target, &stop, 0), 0);
    assert!(stop.tail.len() < USUAL_LEN);
    client.detach(target);
    process.close_input();
}

#[test]
fn a_thousand_threads_stay_within_the_limit() {
    let (guard, _server, mut client) = begin();
    let mut process = guard.start(Testee::build("waits", &[]).path(), &["1000"]);
    assert_eq!(process.read_line(), "ready");
    let (target, _) = client.attach(process.pid());
    let wishes = SetWindows {
        target: target.id,
        stack_len: 1024,
        windows: vec![window(WindowBase::StackPointer, 0, 2048); WINDOWS_MAX],
        extended: true,
        threads: true,
        thread_stack_len: 4096,
    };
    client.call(&wishes).expect("wishes");
    client.go(target);
    client.interrupt(target);
    let stop = client.wait_stop();
    check(&mut client, target, &stop);
    let sp = stop.registers().sp().value();
    assert!(brings(&stop, sp, 1024) && !stop.event.extended.is_empty());
    check_threads(&mut client, target, &stop, 4096);
    // Most fit, the rest can be asked for; nothing is told twice, or in another order.
    let count = stop.event.threads.len();
    assert!((300..999).contains(&count), "{count} threads");
    // One window may take all there is, and is cut.
    let wishes = SetWindows { stack_len: STOP_LEN_MAX, ..wishes };
    client.call(&wishes).expect("wishes");
    client.go(target);
    client.interrupt(target);
    let stop = client.wait_stop();
    check(&mut client, target, &stop);
    client.detach(target);
    process.close_input();
}

#[test]
fn children_begin_with_what_is_so_of_their_parent() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("children", &[]);
    let (target, first) = client.start(&testee, &["fork"]);
    let children = ChildPolicy::Follow as i32;
    let events = SetEvents { target: target.id, children, ..SetEvents::default() };
    client.call(&events).expect("events");
    let base = first.modules()[0].base;
    let windows = vec![window(WindowBase::Absolute, base as i64, 200)];
    let wishes = SetWindows { target: target.id, windows, threads: true, ..SetWindows::default() };
    client.call(&wishes).expect("wishes");
    client.go(target);
    let child = loop {
        match client.wait_event() {
            Event::Created(created) => break created.target,
            Event::Stopped(_) | Event::ModulesChanged(_) => {}
            other => panic!("{other:?}"),
        }
    };
    let stop = loop {
        match client.wait_event() {
            Event::Stopped(stop) if stop.event.target == child => break *stop,
            Event::Stopped(_) | Event::ModulesChanged(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(stop.reason(), StopReason::Born);
    assert!(brings(&stop, base, 200));
    assert!(stop.event.name.starts_with("children"), "{}", stop.event.name);
}

#[test]
fn threads_that_stop_alone_bring_those_that_stand_still() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("threads", &[]);
    let (target, first) = client.start(&testee, &["8", "1"]);
    let mode = SetStopMode { target: target.id, mode: StopMode::Alone as i32 };
    client.call(&mode).expect("it stands still");
    let wishes = SetWindows {
        target: target.id,
        threads: true,
        thread_stack_len: 64,
        ..SetWindows::default()
    };
    client.call(&wishes).expect("wishes");
    client.insert(target, 1, address_of(&testee, &first, "hit"));
    client.go(target);
    let mut still: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for _ in 0..8 {
        let stop = client.wait_stop();
        assert_eq!(stop.sites(), [1]);
        let told: BTreeMap<u32, Vec<u64>> =
            stop.event.threads.iter().map(|thread| (thread.tid, thread.general.clone())).collect();
        assert_eq!(told, still);
        for thread in &stop.event.threads {
            let arch = Arch::native().expect("a CPU with a table");
            assert!(brings(&stop, thread.general[arch.sp().index()], 64));
        }
        still.insert(stop.event.tid, stop.event.general.clone());
    }
    client.kill(target);
}

#[test]
fn wishes_that_cannot_be_met_are_refused_and_change_nothing() {
    let (_guard, _server, mut client) = begin();
    let (target, first) = client.start(&Testee::build("count", &[]), &["3"]);
    let base = first.modules()[0].base;
    let good = window(WindowBase::Absolute, base as i64 + 512, 10);
    set(&mut client, target, vec![good]);
    let refused = |client: &mut Client, wishes: SetWindows| {
        client.call(&wishes).expect_err("it is too much").code
    };
    let plain = || SetWindows { target: target.id, ..SetWindows::default() };
    for (wishes, code) in [
        (SetWindows { windows: vec![good; WINDOWS_MAX + 1], ..plain() }, ErrorCode::TooLarge),
        (SetWindows { stack_len: STOP_LEN_MAX + 1, ..plain() }, ErrorCode::TooLarge),
        (SetWindows { thread_stack_len: u32::MAX, ..plain() }, ErrorCode::TooLarge),
        (
            SetWindows { windows: vec![Window { len: u32::MAX, ..good }], ..plain() },
            ErrorCode::TooLarge,
        ),
        (
            SetWindows { windows: vec![Window { base: 4, ..good }], ..plain() },
            ErrorCode::Unsupported,
        ),
        (SetWindows { target: 99, ..plain() }, ErrorCode::NoSuchTarget),
    ] {
        assert_eq!(refused(&mut client, wishes.clone()), code, "{wishes:?}");
    }
    client.step(target, first.tid());
    assert!(brings(&client.wait_stop(), base + 512, 10));
    // Whether it runs or not.
    client.go(target);
    let id = client.send(&plain(), Bytes::new());
    let answer = client.answer::<SetWindows>(id);
    let is_over = |code| matches!(code, ErrorCode::NoSuchTarget | ErrorCode::TargetEnded);
    assert!(answer.is_ok() || answer.is_err_and(|fault| is_over(fault.code)));
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}
