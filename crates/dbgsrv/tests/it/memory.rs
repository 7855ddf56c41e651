//! Memory: reading, writing, what is mapped.

use bytes::Bytes;
use dbgbase::{Address, ExitStatus};
use dbgwire::ErrorCode;
use dbgwire::verbs::memory::{
    ListRegions, RANGES_MAX, READ_LEN_MAX, Range, ReadMemory, WriteMemory,
};
use dbgwire::verbs::module::ListModules;
use testkit::{Testee, memory_file, procfs};

use crate::{address_of, begin};

#[test]
fn reads_end_where_the_mapping_ends() {
    let (_guard, _server, mut client) = begin();
    let (target, _) = client.start(&Testee::build("minimal", &[]), &[]);
    let mappings = procfs::mappings(target.pid);
    let stack = mappings.iter().find(|mapping| mapping.name == "[stack]").expect("a stack");
    let end = stack.end.value();
    let ranges = [(end - 10, 100), (end, 8), (0, 16), (end - 4096, 4096), (u64::MAX - 3, 64)]
        .map(|(address, len)| Range { address, len });
    let id = client.send(&ReadMemory { target: target.id, ranges: ranges.to_vec() }, Bytes::new());
    let (reply, tail) = client.answer::<ReadMemory>(id).expect("it lives");
    assert_eq!(reply.lengths, [10, 0, 0, 4096, 0]);
    assert_eq!(tail[..10], memory_file::read(target.pid, Address::new(end - 10), 10));
    assert_eq!(tail[10..], memory_file::read(target.pid, Address::new(end - 4096), 4096));
    client.kill(target);
}

#[test]
fn writes_reach_read_only_memory() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("answers", &[]);
    let (target, stop) = client.start(&testee, &[]);
    let answer = address_of(&testee, &stop, "answer");
    let code = client.read(target, answer, 16);
    let offset = code.iter().position(|byte| *byte == 42).expect("mov $42,%eax");
    let immediate = Address::new(answer.value() + offset as u64);
    assert_eq!(client.write(target, immediate, &[30]), Ok(1));
    let extra = address_of(&testee, &stop, "extra");
    assert_eq!(client.write(target, extra, &[3]), Ok(1));
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(33));
    // The program's file is as it was.
    let (target, _) = client.start(&testee, &[]);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(42));
}

#[test]
fn constants_can_be_written() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("answers", &[]);
    let (target, stop) = client.start(&testee, &[]);
    let word = address_of(&testee, &stop, "word");
    assert_eq!(client.read(target, word, 8), b"constant");
    assert_eq!(client.write(target, word, b"K"), Ok(1));
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(1));
}

#[test]
fn writes_end_where_the_mapping_ends() {
    let (_guard, _server, mut client) = begin();
    let (target, _) = client.start(&Testee::build("minimal", &[]), &[]);
    let mappings = procfs::mappings(target.pid);
    let stack = mappings.iter().find(|mapping| mapping.name == "[stack]").expect("a stack");
    let near_end = Address::new(stack.end.value() - 4);
    assert_eq!(client.write(target, near_end, b"abcdefgh"), Ok(4));
    assert_eq!(memory_file::read(target.pid, near_end, 4), b"abcd");
    let fault = client.write(target, stack.end, b"x").expect_err("nothing is mapped there");
    assert_eq!(fault.code, ErrorCode::Unwritable);
    assert!(fault.detail.contains(&stack.end.to_string()), "{}", fault.detail);
    assert_eq!(client.write(target, stack.end, b""), Ok(0));
    client.kill(target);
}

#[test]
fn requests_above_a_limit_are_refused_whole() {
    let (_guard, _server, mut client) = begin();
    let (target, _) = client.start(&Testee::build("minimal", &[]), &[]);
    let range = |len| Range { address: 0x1000, len };
    for ranges in [vec![range(READ_LEN_MAX + 1)], vec![range(0); RANGES_MAX + 1]] {
        let fault = client.call(&ReadMemory { target: target.id, ranges }).expect_err("too much");
        assert_eq!(fault.code, ErrorCode::TooLarge);
    }
    let most = vec![range(READ_LEN_MAX)];
    assert!(client.call(&ReadMemory { target: target.id, ranges: most }).is_ok());
    let write = WriteMemory { target: target.id, address: 0x1000 };
    let id = client.send(&write, vec![0; READ_LEN_MAX as usize + 1]);
    let fault = client.answer::<WriteMemory>(id).expect_err("too much");
    assert_eq!(fault.code, ErrorCode::TooLarge);
    client.kill(target);
}

#[test]
fn memory_of_a_running_target_is_read_and_written() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("spin", &[]);
    let (target, stop) = client.start(&testee, &[]);
    let (turns, limit) = (address_of(&testee, &stop, "turns"), address_of(&testee, &stop, "limit"));
    client.go(target);
    let first = client.read_u64(target, turns);
    let later = testkit::until("it to run", || {
        Some(client.read_u64(target, turns)).filter(|turns| *turns > first)
    });
    assert!(later > first);
    assert_eq!(client.write(target, limit, &0u64.to_le_bytes()), Ok(8));
    assert_eq!(client.wait_exit(), ExitStatus::Exited(3));
}

#[test]
fn regions_are_those_of_the_kernel() {
    let (_guard, _server, mut client) = begin();
    let (target, _) = client.start(&Testee::build("count", &[]), &["1"]);
    let all = client.call(&ListRegions { target: target.id, from: 0 }).expect("it lives");
    assert!(!all.more);
    let told: Vec<(u64, u64, String, u64)> = all
        .regions
        .iter()
        .map(|region| {
            let name = String::from_utf8_lossy(&region.name).into_owned();
            (region.start, region.end, name, region.offset)
        })
        .collect();
    let expected: Vec<(u64, u64, String, u64)> = procfs::mappings(target.pid)
        .into_iter()
        .map(|mapping| (mapping.start.value(), mapping.end.value(), mapping.name, mapping.offset))
        .collect();
    assert_eq!(told, expected);
    let second = &all.regions[1];
    let rest = client.call(&ListRegions { target: target.id, from: second.start }).expect("lives");
    assert_eq!(rest.regions, all.regions[1..]);
    client.kill(target);
}

#[test]
fn modules_have_the_build_ids_of_their_files() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["1"]);
    let reply = client.call(&ListModules { target: target.id }).expect("it lives");
    assert_eq!(reply.modules, stop.modules());
    let path = testee.path().display().to_string();
    let notes = guard.output("readelf", &["--notes", &path]);
    let build_id = notes
        .lines()
        .find_map(|line| line.trim().strip_prefix("Build ID: "))
        .expect("gcc gives programs a build id");
    let hex: String = reply.modules[0].build_id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, build_id);
    client.kill(target);
}

#[test]
fn what_has_no_target_is_refused() {
    let (_guard, _server, mut client) = begin();
    let range = vec![Range { address: 0, len: 1 }];
    let read = client.call(&ReadMemory { target: 9, ranges: range }).expect_err("no target");
    let list = client.call(&ListModules { target: 9 }).expect_err("no target");
    let regions = client.call(&ListRegions { target: 9, from: 0 }).expect_err("no target");
    for fault in [read, list, regions] {
        assert_eq!(fault.code, ErrorCode::NoSuchTarget);
    }
}
