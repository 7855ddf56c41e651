//! What one request tells of all threads: registers, names, and the tops of their stacks.

use bytes::Bytes;
use dbgbase::{Arch, GeneralRegisters, Tid};
use dbgwire::ErrorCode;
use dbgwire::verbs::memory::{Range, ReadMemory};
use dbgwire::verbs::registers::{
    ReadRegisters, ReadRegistersReply, STACKS_LEN_MAX, ThreadRegisters, WriteRegisters,
};
use testkit::{Client, Guard, Process, Target, Testee, procfs};

use crate::begin;

/// How many bytes below the stack pointer come along.
const RED_ZONE: u64 = 128;
/// At multiples of what stacks begin.
const LINE: u64 = 512;
/// How much of a stack there is at most below its stack pointer.
const BELOW_MAX: u32 = 639;

/// A process with so many threads, attached to.
fn attach(guard: &Guard, client: &mut Client, threads: usize) -> (Process, Target) {
    let testee = Testee::build("waits", &[]);
    let mut process = guard.start(testee.path(), &[&threads.to_string()]);
    assert_eq!(process.read_line(), "ready");
    let (target, _) = client.attach(process.pid());
    (process, target)
}

/// Asks for this much of each stack, and for names.
fn ask(client: &mut Client, target: Target, stack_len: u32) -> (ReadRegistersReply, Bytes) {
    let names = true;
    let verb = ReadRegisters { target: target.id, stack_len, names, ..Default::default() };
    let id = client.send(&verb, Bytes::new());
    client.answer::<ReadRegisters>(id).expect("it stands still")
}

/// The threads of a reply, each with its stack.
fn with_stacks(reply: &ReadRegistersReply, tail: &Bytes) -> Vec<(ThreadRegisters, Bytes)> {
    let mut rest = tail.clone();
    let all = reply.threads.iter().map(|thread| {
        let stack = rest.split_to(thread.stack_len as usize);
        (thread.clone(), stack)
    });
    let all = all.collect();
    assert!(rest.is_empty(), "the tail is what the threads have");
    all
}

fn sp(thread: &ThreadRegisters) -> u64 {
    let arch = Arch::native().expect("a CPU with a table");
    GeneralRegisters::from_values(arch, &thread.general).expect("all registers").sp().value()
}

/// Where what is told of a thread's stack begins.
fn begin_of_stack(thread: &ThreadRegisters) -> u64 {
    (sp(thread) - RED_ZONE) / LINE * LINE
}

/// How much of it lies below the stack pointer.
fn below(thread: &ThreadRegisters) -> u32 {
    (sp(thread) - begin_of_stack(thread)) as u32
}

/// What ReadMemory says of a range, as far as it can be read.
fn memory(client: &mut Client, target: Target, start: u64, len: u32) -> Bytes {
    let ranges = vec![Range { address: start, len }];
    let id = client.send(&ReadMemory { target: target.id, ranges }, Bytes::new());
    client.answer::<ReadMemory>(id).expect("it is there").1
}

#[test]
fn one_request_brings_all_threads_with_names_and_stacks() {
    let (guard, _server, mut client) = begin();
    let (mut process, target) = attach(&guard, &mut client, 100);
    let before = client.round_trips();
    let (reply, tail) = ask(&mut client, target, 1024);
    assert_eq!(client.round_trips() - before, 1);
    let all = with_stacks(&reply, &tail);
    let tids: Vec<Tid> = all.iter().map(|(thread, _)| Tid::new(thread.tid)).collect();
    assert_eq!(tids, client.tids(target));
    assert_eq!((all.len(), reply.more), (100, false));
    let mut names = Vec::new();
    for (thread, stack) in &all {
        let name = procfs::thread_name(target.pid, Tid::new(thread.tid));
        assert_eq!(Some(&thread.name), name.as_ref());
        assert_eq!(thread.stack_start, begin_of_stack(thread));
        // The first thread's stack ends with the environment, which is long.
        let len = below(thread) + 1024;
        assert_eq!(stack.len() as u32, len);
        assert_eq!(*stack, memory(&mut client, target, thread.stack_start, len));
        names.push(thread.name.clone());
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 100, "each has its own");
    // Nothing comes unasked.
    let plain = ReadRegisters { target: target.id, ..ReadRegisters::default() };
    let id = client.send(&plain, Bytes::new());
    let (reply, tail) = client.answer::<ReadRegisters>(id).expect("it stands still");
    let has_more = |thread: &ThreadRegisters| !thread.name.is_empty() || thread.stack_len > 0;
    assert!(tail.is_empty() && !reply.threads.iter().any(has_more));
    client.detach(target);
    process.close_input();
}

#[test]
fn stacks_that_do_not_fit_are_left_out() {
    let (guard, _server, mut client) = begin();
    let (mut process, target) = attach(&guard, &mut client, 100);
    let each = 32 * 1024;
    let (reply, tail) = ask(&mut client, target, each);
    assert!(tail.len() <= STACKS_LEN_MAX as usize);
    let all = with_stacks(&reply, &tail);
    assert_eq!((all.len(), reply.more), (100, false), "registers of all come all the same");
    let has_stack = |(_, stack): &&(ThreadRegisters, Bytes)| !stack.is_empty();
    let count = all.iter().filter(has_stack).count() as u32;
    // Stacks end where their threads began, so that some are short.
    assert!((STACKS_LEN_MAX / (each + BELOW_MAX)..100).contains(&count), "{count} stacks");
    for (thread, stack) in all.iter().filter(has_stack) {
        let expected = memory(&mut client, target, thread.stack_start, below(thread) + each);
        assert_eq!(*stack, expected);
    }
    let most = STACKS_LEN_MAX - BELOW_MAX;
    let (_, tail) = ask(&mut client, target, most);
    assert!(!tail.is_empty());
    for stack_len in [most + 1, u32::MAX] {
        let verb = ReadRegisters { target: target.id, stack_len, ..Default::default() };
        assert_eq!(client.call(&verb).expect_err("too much").code, ErrorCode::TooLarge);
    }
    client.detach(target);
    process.close_input();
}

#[test]
fn stacks_end_where_memory_does() {
    let (guard, _server, mut client) = begin();
    let (mut process, target) = attach(&guard, &mut client, 2);
    let (reply, _) = ask(&mut client, target, 0);
    let thread = &reply.threads[1];
    let arch = Arch::native().expect("a CPU with a table");
    let move_to = |client: &mut Client, place: u64| {
        let register = arch.sp().index() as u32;
        let value = dbgwire::verbs::registers::RegisterValue { register, value: place };
        let (target, tid, values) = (target.id, thread.tid, vec![value]);
        let verb = WriteRegisters { target, tid, values, ..WriteRegisters::default() };
        client.call(&verb).expect("any value will do");
    };
    // At the first byte of a mapping, with nothing below it.
    let mappings = procfs::mappings(target.pid);
    let edge = mappings
        .windows(2)
        .find(|pair| pair[0].end < pair[1].start && pair[1].permissions.starts_with('r'));
    let edge = edge.expect("there are gaps")[1].start;
    for place in [edge.value(), edge.value() + 8] {
        move_to(&mut client, place);
        let (reply, tail) = ask(&mut client, target, 64);
        let all = with_stacks(&reply, &tail);
        let (thread, stack) = &all[1];
        // The pages of mappings begin with a line.
        let len = (place - edge.value()) as u32 + 64;
        assert_eq!((thread.stack_start, stack.len() as u32), (edge.value(), len));
        assert_eq!(*stack, memory(&mut client, target, edge.value(), len));
    }
    for place in [8, u64::MAX] {
        move_to(&mut client, place);
        let (reply, tail) = ask(&mut client, target, 64);
        let all = with_stacks(&reply, &tail);
        assert_eq!((all[1].0.stack_len, sp(&all[1].0)), (0, place));
    }
    move_to(&mut client, sp(thread));
    client.detach(target);
    process.close_input();
}
