//! Parameters of all forms, read by a command that knows numbers and one symbol.

use dbgbase::Unreadable;
use dbgeng::expr::{Radix, RegisterMiss, SymbolMiss};

use super::*;

/// Knows numbers, and the symbol `leaf` at 0x1010.
struct Numbers;

impl EvalContext for Numbers {
    fn radix(&self) -> Radix {
        Radix::Hexadecimal
    }

    fn is_common_register(&self, _name: &str) -> bool {
        false
    }

    fn register(&self, _name: &str) -> Result<u64, RegisterMiss> {
        Err(RegisterMiss::Unknown)
    }

    fn symbol(&self, name: &str) -> Result<u64, SymbolMiss> {
        if name == "leaf" { Ok(0x1010) } else { Err(SymbolMiss::Unknown) }
    }

    fn read(&self, address: Address, _buffer: &mut [u8]) -> Result<(), Unreadable> {
        Err(Unreadable { address })
    }
}

fn arguments(text: &str) -> Arguments<'_> {
    Arguments::new(text, "x", 1)
}

fn range(text: &str, size_bytes: u64) -> Result<Option<(u64, Option<u64>)>, String> {
    let mut arguments = arguments(text);
    let range = arguments
        .range(&Numbers, size_bytes)
        .and_then(|range| arguments.finish().map(|()| range))
        .map_err(|error| error.line(text, 0))?;
    Ok(range.map(|range| (range.start.value(), range.count)))
}

#[test]
fn ranges_have_their_forms() {
    assert_eq!(range("x", 1), Ok(None));
    assert_eq!(range("x 1000", 1), Ok(Some((0x1000, None))));
    assert_eq!(range("x1000", 1), Ok(Some((0x1000, None))));
    assert_eq!(range("x 1000 100f", 1), Ok(Some((0x1000, Some(16)))));
    assert_eq!(range("x 1000 100f", 4), Ok(Some((0x1000, Some(4)))));
    assert_eq!(range("x 1000, 1010", 4), Ok(Some((0x1000, Some(5)))));
    assert_eq!(range("x 1000 L10", 8), Ok(Some((0x1000, Some(16)))));
    assert_eq!(range("x 1000 l 10", 8), Ok(Some((0x1000, Some(16)))));
    assert_eq!(range("x 1000 lea", 1), Ok(Some((0x1000, Some(0xea)))));
    assert_eq!(range("x 1000 leaf", 1), Ok(Some((0x1000, Some(0x11)))));
    assert_eq!(range("x 1000 Leaf", 1), Ok(Some((0x1000, Some(0xeaf)))));
    assert_eq!(range("x 1000 L?20000000", 1), Ok(Some((0x1000, Some(0x2000_0000)))));
    assert_eq!(range("x 1000 L-10", 8), Ok(Some((0xf80, Some(16)))));
    assert_eq!(range("x 1000 L10000000", 1), Ok(Some((0x1000, Some(0x1000_0000)))));
    assert_eq!(range("x ffffffff`ffffffff L1", 1), Ok(Some((u64::MAX, Some(1)))));
    assert_eq!(range("x ffffffff`fffffff0 L?100", 8), Ok(Some((u64::MAX - 15, Some(2)))));
}

#[test]
fn a_count_alone_begins_where_the_last_range_ended() {
    let range = |text: &str| {
        let mut arguments = arguments(text);
        let next = || Ok(Address::new(0x500));
        let range = arguments
            .range_from(&Numbers, 4, &next)
            .and_then(|range| arguments.finish().map(|()| range))
            .map_err(|error| error.line(text, 0))?;
        Ok::<_, String>(range.map(|range| (range.start.value(), range.count)))
    };
    assert_eq!(range("x"), Ok(None));
    assert_eq!(range("x L2"), Ok(Some((0x500, Some(2)))));
    assert_eq!(range("x L 2"), Ok(Some((0x500, Some(2)))));
    assert_eq!(range("x l2"), Ok(Some((0x500, Some(2)))));
    assert_eq!(range("x L-2"), Ok(Some((0x4f8, Some(2)))));
    assert_eq!(range("x L?2"), Ok(Some((0x500, Some(2)))));
    assert_eq!(range("x 1000 L2"), Ok(Some((0x1000, Some(2)))));
    assert!(range("x Lfoo").expect_err("a symbol").contains("'Lfoo'"));
    assert!(range("x L").is_err());
    assert!(range("x L2 3").expect_err("too much").contains("Extra character"));
}

#[test]
fn ranges_that_are_none_are_refused() {
    for text in [
        "x 1000 fff",
        "x 1000 L10000001",
        "x 1000 L-1001",
        "x 0 ffffffff`ffffffff",
        "x ffffffff`ffffffff L2",
        "x 0 L?-ffffffff`ffffffff",
    ] {
        let error = range(text, 1).expect_err(text);
        assert!(error.contains("Range error"), "{text}: {error}");
    }
    assert!(range("x 1000 L", 1).expect_err("no count").contains("missing"));
    assert!(range("x 1000 L1 2", 1).expect_err("too much").contains("Extra character"));
    assert!(range("x foo", 1).expect_err("no symbol").contains("Couldn't resolve"));
}

#[test]
fn words_strings_and_options_are_taken_in_turn() {
    let mut list = arguments("x /1 -v a,b \"two words\" 3");
    assert_eq!(list.option(), Some("1"));
    assert_eq!(list.option(), Some("v"));
    assert_eq!(list.option(), None);
    assert_eq!(list.word(), "a");
    list.skip_separator();
    assert_eq!(list.word(), "b");
    assert_eq!(list.quoted().expect("closed"), Some("two words"));
    assert_eq!(list.quoted().expect("none"), None);
    assert_eq!(list.expression(&Numbers).expect("a number"), 3);
    assert!(list.is_empty());
    assert!(arguments("x \"open").quoted().is_err());
}

#[test]
fn numbers_follow_at_once_or_not_at_all() {
    assert_eq!(arguments("x12 3").decimal().expect("a number"), Some(12));
    assert_eq!(arguments("x 12").decimal().expect("none"), None);
    assert!(arguments("x99999999999").decimal().is_err());
}
