//! Searching, filling, comparing and copying memory.

use bytes::Bytes;
use dbgbase::{Address, ExitStatus};
use dbgwire::ErrorCode;
use dbgwire::verbs::bulk::*;
use dbgwire::verbs::memory::{Range, ReadMemory};
use testkit::{Client, Stop, Target, Testee, memory_file, procfs, site};

use crate::{address_of, begin};

const PAGE_LEN: u64 = 4096;
/// What the testee has in some of its regions, put together so that this program's own image, were
/// it searched, has none.
const NEEDLE: [u8; 8] = *b"needle#!";
/// The most that a search for the needle looks at.
const ADDRESS_END: u64 = 0x7fff_ffff_f000;

/// A target that has mapped its regions; its program and where symbols of it are.
fn begin_mapped(client: &mut Client) -> (Testee, Target, Stop) {
    let testee = Testee::build("regions", &[]);
    let (target, stop) = client.start(&testee, &[]);
    client.insert(target, 1, address_of(&testee, &stop, "mapped"));
    client.go(target);
    assert_eq!(client.wait_stop().sites(), [1]);
    (testee, target, stop)
}

/// The pointer that a variable of the testee holds.
fn pointer(client: &mut Client, mapped: &(Testee, Target, Stop), name: &str) -> u64 {
    let (testee, target, stop) = mapped;
    client.read_u64(*target, address_of(testee, stop, name))
}

/// Asks until the search is done. What was found, and how often the server was asked.
fn search(client: &mut Client, mut request: SearchMemory) -> (Vec<u64>, usize) {
    let mut hits = Vec::new();
    let mut requests = 0;
    while request.start < request.end {
        let reply = client.call(&request).expect("the target lives");
        assert!(reply.next > request.start, "{:#x} is behind {:#x}", reply.next, request.start);
        hits.extend(reply.hits);
        request.start = reply.next;
        requests += 1;
    }
    (hits, requests)
}

fn needle(target: Target, start: u64, end: u64) -> SearchMemory {
    let pattern = NEEDLE.to_vec();
    SearchMemory { target: target.id, start, end, pattern, ..SearchMemory::default() }
}

#[test]
fn a_search_looks_at_everything_readable() {
    let (_guard, _server, mut client) = begin();
    let mapped = begin_mapped(&mut client);
    let target = mapped.1;
    let two = pointer(&mut client, &mapped, "needle_in_two");
    let sparse = pointer(&mut client, &mapped, "needle_in_sparse");
    let (hits, _) = search(&mut client, needle(target, 0, ADDRESS_END));
    let mut expected = vec![two, sparse];
    expected.sort_unstable();
    assert_eq!(hits, expected);
    // The second half of this one lies in read-only memory.
    let writable = SearchMemory { protection: 2, ..needle(target, 0, ADDRESS_END) };
    assert_eq!(search(&mut client, writable).0, [sparse]);
    // A hit lies in the range as a whole.
    assert_eq!(search(&mut client, needle(target, two, two + 8)).0, [two]);
    assert_eq!(search(&mut client, needle(target, two, two + 7)).0, []);
    assert_eq!(search(&mut client, needle(target, two + 1, two + 9)).0, []);
    client.kill(target);
}

#[test]
fn a_search_gives_a_target_no_pages() {
    let (_guard, _server, mut client) = begin();
    let mapped = begin_mapped(&mut client);
    let target = mapped.1;
    let start = pointer(&mut client, &mapped, "sparse");
    let len = pointer(&mut client, &mapped, "sparse_len");
    let field = |name| procfs::status(target.pid, target.pid.into(), name).expect("it lives");
    let tables = field("VmPTE");
    // Most of 64 GiB is skipped: what is there was never touched.
    let (hits, _) = search(&mut client, needle(target, start, start + len));
    assert_eq!(hits, [start + len / 2 - 3]);
    assert_eq!(field("VmPTE"), tables);
    // Pages that were never touched are zeros, and are found as such.
    let zeros = SearchMemory {
        pattern: vec![0; 16],
        alignment: 16,
        hits_max: 3,
        ..needle(target, start + PAGE_LEN, start + 2 * PAGE_LEN)
    };
    let reply = client.call(&zeros).expect("it lives");
    assert_eq!(reply.hits, [0, 16, 32].map(|offset| start + PAGE_LEN + offset));
    assert_eq!(search(&mut client, zeros).0.len(), PAGE_LEN as usize / 16);
    // What begins in the last page and ends in zeros is found across the border.
    let across = SearchMemory {
        pattern: [&NEEDLE[..], &[0; 64]].concat(),
        ..needle(target, start, start + len)
    };
    assert_eq!(search(&mut client, across).0, [start + len / 2 - 3]);
    assert_eq!(field("VmPTE"), tables);
    client.kill(target);
}

#[test]
fn a_search_stops_at_its_limits_and_goes_on() {
    let (_guard, _server, mut client) = begin();
    let mapped = begin_mapped(&mut client);
    let target = mapped.1;
    let block = pointer(&mut client, &mapped, "block");
    let end = block + 16 * PAGE_LEN;
    let ones = SearchMemory {
        pattern: vec![0x11; 4],
        alignment: 4,
        hits_max: 100,
        ..needle(target, block, end)
    };
    let (hits, requests) = search(&mut client, ones.clone());
    let expected: Vec<u64> = (block..end).step_by(4).collect();
    assert_eq!(hits, expected);
    assert!(requests > expected.len() / 101, "{requests} requests for {}", expected.len());
    let masked =
        SearchMemory { mask: vec![0xf0, 0, 0, 0x01], pattern: vec![0x1f, 9, 9, 0xff], ..ones };
    assert_eq!(search(&mut client, masked).0, expected);
    client.kill(target);
}

#[test]
fn strings_come_with_their_bytes() {
    let (_guard, _server, mut client) = begin();
    let mapped = begin_mapped(&mut client);
    let target = mapped.1;
    let block = pointer(&mut client, &mapped, "block");
    let text = b"A string.\0hi\0w\0i\0d\0e\0\0\0";
    assert_eq!(client.write(target, Address::new(block + 0x100), text), Ok(text.len() as u32));
    let mut found = |kind: SearchKind, len_min| {
        let kind = kind as i32;
        let request = SearchMemory { kind, len_min, ..needle(target, block, block + PAGE_LEN) };
        let id = client.send(&request, Bytes::new());
        let (reply, tail) = client.answer::<SearchMemory>(id).expect("it lives");
        assert_eq!(reply.next, block + PAGE_LEN);
        (reply.hits, reply.lengths, tail)
    };
    assert_eq!(found(SearchKind::Ascii, 3), (vec![block + 0x100], vec![9], "A string.".into()));
    let (hits, lengths, tail) = found(SearchKind::Ascii, 2);
    assert_eq!((hits, lengths), (vec![block + 0x100, block + 0x10a], vec![9, 2]));
    assert_eq!(tail, "A string.hi");
    // It lies at an odd address, so its characters are not those of 16 bits.
    assert_eq!(found(SearchKind::Utf16, 4).0, []);
    client.write(target, Address::new(block + 0x10c), b"\0w\0i\0d\0e\0\0").expect("mapped");
    client.write(target, Address::new(block + 0x10d), b"\0").expect("mapped");
    client.write(target, Address::new(block + 0x10e), b"w\0i\0d\0e\0\0").expect("mapped");
    let mut found = |kind: SearchKind, len_min| {
        let kind = kind as i32;
        let request = SearchMemory { kind, len_min, ..needle(target, block, block + PAGE_LEN) };
        client.call(&request).expect("it lives").hits
    };
    assert_eq!(found(SearchKind::Utf16, 4), [block + 0x10e]);
    client.kill(target);
}

#[test]
fn sites_are_hidden_from_searches_and_survive_fills() {
    let (_guard, _server, mut client) = begin();
    let mapped = begin_mapped(&mut client);
    let (testee, target, stop) = &mapped;
    let turn = address_of(testee, stop, "turn");
    let code = client.read(*target, turn, 32);
    client.insert(*target, 2, turn);
    let pattern = code.clone();
    let request = SearchMemory { pattern, ..needle(*target, turn.value(), turn.value() + 32) };
    assert_eq!(search(&mut client, request).0, [turn.value()]);
    // The function becomes a return, with the site still on it.
    let fill = FillMemory { target: target.id, address: turn.value(), len: 5 };
    let id = client.send(&fill, vec![0xc3]);
    assert_eq!(client.answer::<FillMemory>(id).expect("mapped").0.written, 5);
    assert_eq!(client.read(*target, turn, 6), [&[0xc3; 5], &code[5..6]].concat());
    client.go(*target);
    assert_eq!(client.wait_stop().sites(), [2]);
    client.remove(*target, &[2]);
    client.go(*target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(7));
}

#[test]
fn a_fill_repeats_its_pattern_up_to_the_hole() {
    let (_guard, _server, mut client) = begin();
    let mapped = begin_mapped(&mut client);
    let target = mapped.1;
    let holed = pointer(&mut client, &mapped, "holed");
    let mut fill = |address, len, pattern: &[u8]| {
        let id = client.send(&FillMemory { target: target.id, address, len }, pattern.to_vec());
        client.answer::<FillMemory>(id).map(|(reply, _)| reply.written)
    };
    assert_eq!(fill(holed + 1, 8, b"abc"), Ok(8));
    assert_eq!(memory_file::read(target.pid, Address::new(holed), 10), b"\x22abcabcab\x22");
    assert_eq!(fill(holed + 100, 0, b"abc"), Ok(0));
    assert_eq!(fill(holed, 2 * PAGE_LEN as u32, b"x"), Ok(PAGE_LEN as u32));
    let fault = fill(holed + PAGE_LEN, 1, b"x").expect_err("a hole");
    assert_eq!(fault.code, ErrorCode::Unwritable);
    assert_eq!(fill(holed, 1, b"").expect_err("nothing to write").code, ErrorCode::Malformed);
    let long = vec![0; PATTERN_LEN_MAX + 1];
    assert_eq!(fill(holed, 1, &long).expect_err("too long").code, ErrorCode::TooLarge);
    let code = fill(holed, BULK_WRITE_LEN_MAX + 1, b"x").expect_err("too much").code;
    assert_eq!(code, ErrorCode::TooLarge);
    // More than one piece, of a pattern that no piece is a multiple of.
    let sparse = pointer(&mut client, &mapped, "sparse");
    let fill = FillMemory { target: target.id, address: sparse, len: 1_000_003 };
    let id = client.send(&fill, b"1234567".to_vec());
    assert_eq!(client.answer::<FillMemory>(id).expect("mapped").0.written, 1_000_003);
    let bytes = memory_file::read(target.pid, Address::new(sparse), 1_000_004);
    let expected: Vec<u8> = b"1234567".iter().copied().cycle().take(1_000_003).collect();
    assert!(bytes[..1_000_003] == expected && bytes[1_000_003] == 0);
    client.kill(target);
}

#[test]
fn ranges_are_compared_as_far_as_they_go() {
    let (_guard, _server, mut client) = begin();
    let mapped = begin_mapped(&mut client);
    let target = mapped.1;
    let (block, holed) =
        (pointer(&mut client, &mapped, "block"), pointer(&mut client, &mapped, "holed"));
    for offset in [3, 4, 5000] {
        client.write(target, Address::new(block + 0x8000 + offset), &[0x33]).expect("mapped");
    }
    let mut compare = |one, other, len, differences_max| {
        let request = CompareMemory { target: target.id, one, other, len, differences_max };
        let id = client.send(&request, Bytes::new());
        let (reply, tail) = client.answer::<CompareMemory>(id).expect("it lives");
        (reply.offsets, reply.compared, tail)
    };
    let (offsets, compared, tail) = compare(block, block + 0x8000, 0x8000, 0);
    assert_eq!((offsets, compared), (vec![3, 4, 5000], 0x8000));
    assert_eq!(tail[..], [0x11, 0x33].repeat(3));
    let (offsets, compared, tail) = compare(block, block + 0x8000, 0x8000, 2);
    assert_eq!((offsets, compared, &tail[..]), (vec![3, 4], 5, &[0x11, 0x33, 0x11, 0x33][..]));
    // Behind the first page there is a hole on one side.
    let (offsets, compared, _) = compare(holed, holed + 2 * PAGE_LEN, 2 * PAGE_LEN, 0);
    assert_eq!((offsets, compared), (vec![], PAGE_LEN));
    assert_eq!(compare(holed + PAGE_LEN, block, 8, 0), (vec![], 0, Bytes::new()));
    client.kill(target);
}

#[test]
fn copies_may_overlap() {
    let (_guard, _server, mut client) = begin();
    let mapped = begin_mapped(&mut client);
    let target = mapped.1;
    let (sparse, holed) =
        (pointer(&mut client, &mapped, "sparse"), pointer(&mut client, &mapped, "holed"));
    let len = 700_000;
    let bytes: Vec<u8> = (0..len).map(|index: u32| (index % 251) as u8).collect();
    client.write(target, Address::new(sparse + 1000), &bytes).expect("mapped");
    let mut copy = |from, to, len| {
        let request = CopyMemory { target: target.id, from, to, len };
        client.call(&request).map(|reply| reply.written).map_err(|fault| fault.code)
    };
    let there = |at: u64| memory_file::read(target.pid, Address::new(at), len as usize);
    assert_eq!(copy(sparse + 1000, sparse + 1300, len), Ok(len));
    assert!(there(sparse + 1300) == bytes, "moved up");
    assert_eq!(copy(sparse + 1300, sparse + 5, len), Ok(len));
    assert!(there(sparse + 5) == bytes, "moved down");
    // Only as much as can be read, and as can be written.
    assert_eq!(copy(holed + PAGE_LEN - 10, sparse, 20), Ok(10));
    assert_eq!(copy(sparse, holed + PAGE_LEN - 10, 20), Ok(10));
    assert_eq!(copy(holed + PAGE_LEN, sparse, 20), Err(ErrorCode::Unreadable));
    assert_eq!(copy(sparse, holed + PAGE_LEN, 20), Err(ErrorCode::Unwritable));
    assert_eq!(copy(sparse, holed, BULK_WRITE_LEN_MAX + 1), Err(ErrorCode::TooLarge));
    assert_eq!(copy(sparse, holed, 0), Ok(0));
    client.kill(target);
}

#[test]
fn what_has_no_target_is_not_searched() {
    let (_guard, _server, mut client) = begin();
    let search = SearchMemory { target: 9, pattern: vec![1], end: 1, ..SearchMemory::default() };
    let compare = CompareMemory { target: 9, ..CompareMemory::default() };
    let copy = CopyMemory { target: 9, ..CopyMemory::default() };
    let id = client.send(&FillMemory { target: 9, ..FillMemory::default() }, vec![1]);
    let faults = [
        client.answer::<FillMemory>(id).expect_err("no target"),
        client.call(&search).expect_err("no target"),
        client.call(&compare).expect_err("no target"),
        client.call(&copy).expect_err("no target"),
    ];
    assert!(faults.iter().all(|fault| fault.code == ErrorCode::NoSuchTarget));
}

/// A page that nobody provides keeps whoever reads it waiting (userfaultfd(2)). Only root may make
/// one that keeps the kernel waiting; without it this test shows less.
#[test]
fn a_read_that_hangs_does_not_keep_the_target_waiting() {
    let (_guard, _server, mut client) = begin();
    let mapped = begin_mapped(&mut client);
    let (testee, target, stop) = &mapped;
    let trap = pointer(&mut client, &mapped, "trap");
    // The tracer has to step over this one a thousand times without telling anybody.
    let turn = address_of(testee, stop, "turn");
    client.insert_site(*target, dbgwire::verbs::site::Site { tid: 1, ..site(2, turn) });
    client.go(*target);
    let ranges = vec![Range { address: trap, len: 8 }];
    let read = client.send(&ReadMemory { target: target.id, ranges }, Bytes::new());
    assert_eq!(client.wait_exit(), ExitStatus::Exited(7));
    // Answered when the target is gone, or before if there is no such page.
    let _ = client.answer::<ReadMemory>(read);
}
