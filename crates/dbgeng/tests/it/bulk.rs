//! Work that the server does on memory: how often it is asked, and where the engine goes on.

use dbgbase::{Address, AddressRange};
use dbgeng::{ErrorKind, MemorySearch, SearchFor};
use dbgwire::ErrorCode;
use dbgwire::verbs::bulk::{
    BULK_WRITE_LEN_MAX, CompareMemory, CompareMemoryReply, CopyMemory, CopyMemoryReply, FillMemory,
    FillMemoryReply, SearchKind, SearchMemory, SearchMemoryReply,
};

use crate::peer::{Peer, Session};
use crate::scene::{launch, serve_launch};

const MIB: u64 = 1024 * 1024;

fn range(start: u64, len: u64) -> AddressRange {
    AddressRange::with_len(Address::new(start), len).expect("a range")
}

fn strings(start: u64, len: u64) -> MemorySearch {
    MemorySearch {
        range: range(start, len),
        what: SearchFor::Ascii { len_min: 3 },
        alignment: 1,
        is_writable_only: true,
    }
}

/// Answers a search with these hits and strings.
fn serve_search(peer: &mut Peer, start: u64, found: &[(u64, &str)], next: u64) {
    let search = peer.expect::<SearchMemory>();
    assert_eq!(search.verb.start, start);
    assert_eq!((search.verb.kind, search.verb.protection), (SearchKind::Ascii as i32, 2));
    let hits = found.iter().map(|(at, _)| *at).collect();
    let lengths = found.iter().map(|(_, text)| text.len() as u32).collect();
    let tail: String = found.iter().map(|(_, text)| *text).collect();
    peer.answer_with(&search, SearchMemoryReply { hits, lengths, next }, tail.as_bytes());
}

#[test]
fn a_search_goes_on_where_the_server_says() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        serve_search(peer, 0x1000, &[(0x1010, "abc"), (0x1020, "wxyz")], 0x1800);
        serve_search(peer, 0x1800, &[], 0x1c00);
        serve_search(peer, 0x1c00, &[(0x1f00, "end")], 0x2000);
    });
    let engine = session.engine();
    launch(engine);
    let mut found = Vec::new();
    let mut reached = Vec::new();
    let result = engine.search_memory(&strings(0x1000, 0x1000), &mut |hits, address| {
        found.extend(hits.into_iter().map(|hit| (hit.address.value(), hit.text)));
        reached.push(address.value());
    });
    result.expect("found");
    let expected = [(0x1010, "abc"), (0x1020, "wxyz"), (0x1f00, "end")];
    assert_eq!(found, expected.map(|(at, text)| (at, text.into())));
    assert_eq!(reached, [0x1800, 0x1c00, 0x2000]);
    session.end();
}

#[test]
fn a_search_that_does_not_get_on_is_given_up() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        serve_search(peer, 0x1000, &[], 0x1000);
    });
    let engine = session.engine();
    launch(engine);
    let result = engine.search_memory(&strings(0x1000, 0x1000), &mut |_, _| {});
    assert_eq!(result.expect_err("for ever").kind(), ErrorKind::Internal);
    session.end();
}

#[test]
fn the_user_ends_a_search_between_two_requests() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        serve_search(peer, 0x1000, &[(0x1010, "abc")], 0x1800);
    });
    let engine = session.engine();
    launch(engine);
    let interrupter = engine.interrupter();
    let result = engine.search_memory(&strings(0x1000, 0x1000), &mut |hits, _| {
        assert_eq!(hits.len(), 1);
        interrupter.interrupt();
    });
    assert_eq!(result.expect_err("interrupted").kind(), ErrorKind::Cancelled);
    assert!(!engine.take_interrupt(), "the wish is fulfilled");
    session.end();
}

#[test]
fn what_cannot_be_searched_for_costs_nothing() {
    let mut session = Session::new(|peer| serve_launch(peer, 1));
    let engine = session.engine();
    launch(engine);
    for (bytes, mask) in [(vec![], vec![]), (vec![0; 4097], vec![]), (vec![1, 2], vec![1])] {
        let what = SearchFor::Pattern { bytes, mask };
        let search = MemorySearch { what, ..strings(0, 1) };
        let result = engine.search_memory(&search, &mut |_, _| {});
        assert_eq!(result.expect_err("nonsense").kind(), ErrorKind::Invalid);
    }
    let result = engine.fill_memory(range(0, 1), b"");
    assert_eq!(result.expect_err("nothing").kind(), ErrorKind::Invalid);
    session.end();
}

#[test]
fn a_long_fill_is_cut_at_whole_patterns() {
    let piece = u64::from(BULK_WRITE_LEN_MAX) / 3 * 3;
    let len = piece + 100;
    let mut session = Session::new(move |peer| {
        serve_launch(peer, 1);
        let fill = peer.expect::<FillMemory>();
        assert_eq!((fill.verb.address, u64::from(fill.verb.len)), (MIB, piece));
        peer.answer(&fill, FillMemoryReply { written: piece as u32 });
        let fill = peer.expect::<FillMemory>();
        assert_eq!((fill.verb.address, fill.verb.len), (MIB + piece, 100));
        peer.answer(&fill, FillMemoryReply { written: 40 });
    });
    let engine = session.engine();
    launch(engine);
    assert_eq!(engine.fill_memory(range(MIB, len), b"abc").expect("some"), piece + 40);
    session.end();
}

#[test]
fn a_comparison_goes_on_behind_what_is_compared() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        let first = peer.expect::<CompareMemory>();
        assert_eq!((first.verb.one, first.verb.other, first.verb.len), (0x1000, 0x2000, 100));
        let reply = CompareMemoryReply { offsets: vec![3], compared: 60 };
        peer.answer_with(&first, reply, b"ab");
        let second = peer.expect::<CompareMemory>();
        assert_eq!((second.verb.one, second.verb.other, second.verb.len), (0x103c, 0x203c, 40));
        let reply = CompareMemoryReply { offsets: vec![0, 1], compared: 10 };
        peer.answer_with(&second, reply, b"cdef");
        let third = peer.expect::<CompareMemory>();
        assert_eq!(third.verb.len, 30);
        peer.answer(&third, CompareMemoryReply::default());
    });
    let engine = session.engine();
    launch(engine);
    let mut offsets = Vec::new();
    let (one, other) = (Address::new(0x1000), Address::new(0x2000));
    let compared = engine.compare_memory(one, other, 100, &mut |differences, _| {
        offsets.extend(differences.iter().map(|each| (each.offset, each.one, each.other)));
    });
    assert_eq!(compared.expect("some"), 70);
    assert_eq!(offsets, [(3, b'a', b'b'), (60, b'c', b'd'), (61, b'e', b'f')]);
    session.end();
}

#[test]
fn a_long_copy_over_itself_begins_at_its_end() {
    let piece = u64::from(BULK_WRITE_LEN_MAX);
    let len = piece + 100;
    let mut session = Session::new(move |peer| {
        serve_launch(peer, 1);
        let last = peer.expect::<CopyMemory>();
        assert_eq!((last.verb.from, last.verb.to), (MIB + 100, MIB + 108));
        peer.answer(&last, CopyMemoryReply { written: last.verb.len });
        let first = peer.expect::<CopyMemory>();
        assert_eq!((first.verb.from, first.verb.to, first.verb.len), (MIB, MIB + 8, 100));
        peer.answer(&first, CopyMemoryReply { written: 100 });
        // Downwards it begins at the beginning, and what cannot be written ends it.
        let first = peer.expect::<CopyMemory>();
        assert_eq!((first.verb.from, first.verb.to), (MIB + 8, MIB));
        peer.answer(&first, CopyMemoryReply { written: first.verb.len });
        let last = peer.expect::<CopyMemory>();
        assert_eq!(last.verb.to, MIB + piece);
        peer.refuse(&last, ErrorCode::Unwritable, "read-only for good");
    });
    let engine = session.engine();
    launch(engine);
    let (low, high) = (Address::new(MIB), Address::new(MIB + 8));
    assert_eq!(engine.copy_memory(low, high, len).expect("all"), len);
    assert_eq!(engine.copy_memory(high, low, len).expect("some"), piece);
    session.end();
}
