//! Requests on their way to the backend: limits, and what becomes of answers.

use dbglink::Link;
use dbgwire::verbs::memory::{RANGES_MAX, Range, WriteMemory};
use dbgwire::verbs::process::ListProcesses;
use dbgwire::verbs::registers::WriteRegisters;
use dbgwire::verbs::resume::{Interrupt, Resume};
use dbgwire::verbs::site::RemoveSites;
use dbgwire::verbs::thread::ListThreads;
use testkit::Client;

use super::*;
use crate::backend::fake::{FakeBackend, Log, MEMORY_END, MEMORY_START, TARGET};
use crate::session::{self, SessionSettings};

/// A client of a session with a fake backend. The session ends with it.
fn begin() -> (Client, Log) {
    let (ours, theirs) = Link::pair().expect("a socket pair");
    let backend = FakeBackend::default();
    let log = Log::clone(&backend.log);
    let settings = SessionSettings {
        number: 1,
        may_share_terminal: false,
        listener: None,
        lease: std::time::Duration::ZERO,
        implicit: Vec::new(),
        termination: None,
    };
    std::thread::spawn(move || session::serve(theirs, settings, |_| Ok(backend)));
    (Client::open(ours), log)
}

fn read(client: &mut Client, ranges: &[(u64, u32)]) -> Result<(Vec<u32>, Bytes), Fault> {
    let ranges = ranges.iter().map(|(address, len)| Range { address: *address, len: *len });
    let id = client.send(&ReadMemory { target: TARGET, ranges: ranges.collect() }, Bytes::new());
    client.answer::<ReadMemory>(id).map(|(reply, tail)| (reply.lengths, tail))
}

#[test]
fn ranges_are_read_one_behind_the_other() {
    let (mut client, _) = begin();
    let ranges = [
        (MEMORY_START + 1, 3),
        (MEMORY_START - 1, 2),
        (MEMORY_END - 2, 10),
        (0, 0),
        (MEMORY_START + 0x10, 1),
    ];
    let (lengths, tail) = read(&mut client, &ranges).expect("it can be read");
    assert_eq!(lengths, [3, 0, 2, 0, 1]);
    assert_eq!(tail[..], [1, 2, 3, 0xfe, 0xff, 0x10]);
}

#[test]
fn reads_are_limited_in_all() {
    let (mut client, _) = begin();
    let half = READ_LEN_MAX / 2;
    let (lengths, tail) =
        read(&mut client, &[(MEMORY_START, half), (MEMORY_START, half)]).expect("just so much");
    assert_eq!((lengths, tail.len()), (vec![half, half], READ_LEN_MAX as usize));
    for ranges in [
        vec![(MEMORY_START, half), (MEMORY_START, half), (MEMORY_START, 1)],
        vec![(0, u32::MAX); RANGES_MAX],
        vec![(0, 0); RANGES_MAX + 1],
    ] {
        let fault = read(&mut client, &ranges).expect_err("too much");
        assert_eq!(fault.code, ErrorCode::TooLarge);
    }
}

#[test]
fn writes_carry_their_tail() {
    let (mut client, log) = begin();
    let verb = WriteMemory { target: TARGET, address: 0x10 };
    let id = client.send(&verb, Bytes::from_static(b"abc"));
    assert!(client.answer::<WriteMemory>(id).is_ok_and(|(reply, _)| reply.written == 3));
    let id = client.send(&verb, vec![0; WRITE_LEN_MAX + 1]);
    let fault = client.answer::<WriteMemory>(id).expect_err("too much");
    assert_eq!(fault.code, ErrorCode::TooLarge);
    assert_eq!(*log.lock().expect("nobody holds it"), ["write b\"abc\" at 0x10"]);
}

#[test]
fn faults_of_the_backend_reach_the_client() {
    let (mut client, _) = begin();
    let other = TARGET + 1;
    let codes = [
        client.call(&Resume { target: other, ..Resume::default() }).map(drop),
        client.call(&Interrupt { target: other, tids: Vec::new() }).map(drop),
        client.call(&ListThreads { target: other }).map(drop),
        client.call(&module::ListModules { target: other }).map(drop),
        client.call(&memory::ListRegions { target: other, from: 0 }).map(drop),
        client.call(&registers::ReadRegisters { target: other, ..Default::default() }).map(drop),
        client.call(&WriteRegisters { target: other, ..WriteRegisters::default() }).map(drop),
        client.call(&site::InsertSites { target: other, sites: vec![] }).map(drop),
        client.call(&RemoveSites { target: other, ids: vec![] }).map(drop),
        client.call(&Detach { target: other }).map(drop),
        client.call(&ReadMemory { target: other, ranges: vec![Range::default()] }).map(drop),
    ]
    .map(|result| result.expect_err("no such target").code);
    assert_eq!(codes, [ErrorCode::NoSuchTarget; 11]);
}

#[test]
fn every_verb_is_carried_out() {
    let (mut client, _) = begin();
    let target = TARGET;
    let done = [
        client.call(&Resume { target, ..Resume::default() }).map(drop),
        client.call(&Interrupt { target, tids: Vec::new() }).map(drop),
        client.call(&ListThreads { target }).map(drop),
        client.call(&module::ListModules { target }).map(drop),
        client.call(&memory::ListRegions { target, from: 0 }).map(drop),
        client.call(&registers::ReadRegisters { target, ..Default::default() }).map(drop),
        client.call(&WriteRegisters { target, ..WriteRegisters::default() }).map(drop),
        client.call(&site::InsertSites { target, sites: vec![] }).map(drop),
        client.call(&RemoveSites { target, ids: vec![] }).map(drop),
        client.call(&ListProcesses::default()).map(drop),
        client.call(&ServerInfo {}).map(drop),
        client.call(&Ping {}).map(drop),
        client.call(&Kill { target }).map(drop),
        client.call(&Detach { target }).map(drop),
    ];
    for (index, result) in done.iter().enumerate() {
        assert_eq!(*result, Ok(()), "verb {index}");
    }
    let fault = client.call(&EndServer {}).expect_err("there is no server");
    assert_eq!(fault.code, ErrorCode::Unsupported);
}
