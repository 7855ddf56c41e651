//! Tests.

use super::*;
use crate::synthetic::{SyntheticElf, SyntheticSymbol};
use dbgbase::Arch;

const TEXT_SIZE: u64 = 0x1000;

/// An image with a `.text` of 4 KiB; symbols are given relative to it.
fn table(symbols: &[SyntheticSymbol]) -> (Image, u64) {
    let mut elf = SyntheticElf::new(Arch::X86_64);
    let text = elf.section(".text", &vec![0x90; TEXT_SIZE as usize]).value();
    let placed: Vec<_> = symbols
        .iter()
        .map(|symbol| SyntheticSymbol { address: text + symbol.address, ..symbol.clone() })
        .collect();
    elf.symbols(&placed);
    (elf.image(), text)
}

fn function(name: &str, address: u64, size: u64) -> SyntheticSymbol {
    SyntheticSymbol::function(name, address, size)
}

#[track_caller]
fn assert_contains(image: &Image, text: u64, expected: &[(u64, Option<&str>)]) {
    for (offset, name) in expected {
        let found = image.symbols().containing(LinkAddress::new(text + offset));
        let found = found.map(|(symbol, _)| symbol.name().into_owned());
        assert_eq!(found.as_deref(), *name, "at {offset:#x}");
    }
}

#[test]
fn symbols_with_sizes_own_what_they_span() {
    let (image, text) = table(&[
        function("outer", 0x100, 0x100),
        function("inner", 0x140, 0x10),
        function("late", 0x1f0, 0x40),
    ]);
    assert_contains(
        &image,
        text,
        &[
            (0xff, None),
            (0x100, Some("outer")),
            (0x13f, Some("outer")),
            (0x140, Some("inner")),
            (0x14f, Some("inner")),
            (0x150, Some("outer")),
            (0x1ef, Some("outer")),
            (0x1f0, Some("late")),
            (0x22f, Some("late")),
            (0x230, None),
        ],
    );
    let (symbol, inside) =
        image.symbols().containing(LinkAddress::new(text + 0x1f8)).expect("in late");
    assert_eq!((symbol.name().as_ref(), inside), ("late", 8));
}

#[test]
fn symbols_without_sizes_fill_gaps() {
    let (image, text) = table(&[
        function("_start", 0x10, 0),
        function("sized", 0x40, 0x20),
        function("label_inside", 0x50, 0),
        function("last", 0x80, 0),
    ]);
    assert_contains(
        &image,
        text,
        &[
            (0x0f, None),
            (0x10, Some("_start")),
            (0x3f, Some("_start")),
            (0x40, Some("sized")),
            (0x50, Some("sized")),
            (0x60, None),
            (0x80, Some("last")),
            (TEXT_SIZE - 1, Some("last")),
            (TEXT_SIZE, None),
        ],
    );
}

#[test]
fn a_size_cannot_leave_the_section() {
    let (image, text) = table(&[function("huge", 0x10, u64::MAX), function("next", 0x20, 8)]);
    assert_contains(
        &image,
        text,
        &[(0x1f, Some("huge")), (0x20, Some("next")), (0x28, Some("huge")), (TEXT_SIZE, None)],
    );
}

#[test]
fn the_best_of_several_names_is_shown() {
    let with = |name: &str, size: u64, kind: u8, binding: u8| SyntheticSymbol {
        kind,
        binding,
        ..function(name, 0x10, size)
    };
    let (image, text) = table(&[
        with("label", 0x20, 0, 1),
        with("local", 0x20, 2, 0),
        with("_IO_puts", 0x20, 2, 1),
        with("puts", 0x20, 2, 2),
        with("__puts", 0x20, 2, 1),
        with("unsized", 0, 2, 1),
    ]);
    let names: Vec<_> = image
        .symbols()
        .at(LinkAddress::new(text + 0x10))
        .iter()
        .map(|symbol| symbol.name().into_owned())
        .collect();
    assert_eq!(names, ["puts", "_IO_puts", "__puts", "unsized", "local", "label"]);
    assert_contains(&image, text, &[(0x10, Some("puts")), (0x2f, Some("puts"))]);
}

#[test]
fn nearest_gives_both_neighbours() {
    let (image, text) = table(&[function("a", 0x10, 8), function("b", 0x40, 8)]);
    let nearest = |offset: u64| {
        let nearest = image.symbols().nearest(LinkAddress::new(text + offset));
        let before = nearest.before.map(|(symbol, inside)| (symbol.name().into_owned(), inside));
        (before, nearest.after.map(|symbol| symbol.name().into_owned()))
    };
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(nearest(0), (None, named("a")));
    assert_eq!(nearest(0x10), (Some(("a".to_owned(), 0)), named("b")));
    assert_eq!(nearest(0x30), (Some(("a".to_owned(), 0x20)), named("b")), "behind its end");
    assert_eq!(nearest(0x41), (Some(("b".to_owned(), 1)), None));
}

#[test]
fn names_are_found_in_the_right_order() {
    let (image, _) = table(&[
        function("main", 0x10, 8),
        function("Main", 0x20, 8),
        function("memcpy@@GLIBC_2.14", 0x30, 8),
        function("memcpy@GLIBC_2.2.5", 0x40, 8),
        function("gets@GLIBC_2.2.5", 0x50, 8),
        function("_ZN2ns1fEi", 0x60, 8),
        function("_ZN2ns1fEv", 0x70, 8),
        function("_ZN2ns1gIiEEvT_", 0x80, 8),
        function("_ZN2ns1gIcEEvT_", 0x90, 8),
        function("_Z1hv", 0xa0, 8),
        function("_ZN2ns1fEv.cold", 0xb0, 8),
        function("_ZN2nsltERKNS_1AES2_", 0xc0, 8),
        function("_ZNSsC1Ev", 0xd0, 8),
    ]);
    let names = |name: &str| -> Vec<String> {
        let found = image.symbols().by_name(name);
        found.iter().map(|symbol| symbol.full_name().into_owned()).collect()
    };
    assert_eq!(names("main"), ["main"]);
    assert_eq!(names("MAIN").len(), 2);
    assert_eq!(names("memcpy"), ["memcpy"], "the default version");
    assert_eq!(names("memcpy@GLIBC_2.2.5"), ["memcpy@GLIBC_2.2.5"]);
    assert_eq!(names("memcpy@@GLIBC_2.14"), ["memcpy"]);
    assert_eq!(names("gets"), ["gets@GLIBC_2.2.5"], "there is no default");
    assert_eq!(names("ns::f"), ["ns::f(int)", "ns::f()"]);
    assert_eq!(names("NS::F").len(), 2);
    assert_eq!(names("ns::f [clone .cold]"), ["ns::f() [clone .cold]"]);
    assert_eq!(names("_ZN2ns1fEi"), ["ns::f(int)"]);
    assert_eq!(names("ns::g<int>"), ["void ns::g<int>(int)"]);
    assert_eq!(names("ns::g").len(), 2, "all instances");
    assert_eq!(names("h"), ["h()"]);
    assert_eq!(names("ns::operator<"), ["ns::operator<(ns::A const&, ns::A const&)"]);
    assert_eq!(names("std::string::string"), ["std::string::string()"]);
    assert_eq!(names("f"), Vec::<String>::new());
    assert_eq!(names(""), Vec::<String>::new());
    assert_eq!(names("::"), Vec::<String>::new());
}

#[test]
fn listings_match_raw_and_demangled_names() {
    let (image, _) = table(&[
        function("main", 0x10, 8),
        function("_ZN2ns5printEi", 0x20, 8),
        function("print", 0x30, 8),
    ]);
    let names = |pattern: &str| -> Vec<String> {
        let pattern = Pattern::new(pattern);
        let found = image.symbols().matching(&pattern);
        found.map(|symbol| symbol.name().into_owned()).collect()
    };
    assert_eq!(names("*"), ["main", "ns::print", "print"]);
    assert_eq!(names("*PRINT"), ["ns::print", "print"]);
    assert_eq!(names("ns::*"), ["ns::print"]);
    assert_eq!(names("_ZN*"), ["ns::print"]);
    assert_eq!(names("_ns::print"), ["ns::print"], "underscores at the start may be none");
    assert_eq!(names("NS::pr[a-z]nt"), ["ns::print"]);
    assert_eq!(names("nx::*"), Vec::<String>::new());
    assert_eq!(names("x*"), Vec::<String>::new());
}

#[test]
fn thread_local_symbols_have_no_address() {
    let tls = SyntheticSymbol { kind: 6, address: 0, ..function("errno", 0, 4) };
    let (image, text) = table(&[tls, function("f", 0, 8)]);
    assert_contains(&image, text, &[(0, Some("f"))]);
    let errno = image.symbols().by_name("errno");
    assert_eq!(errno.first().map(Symbol::kind), Some(SymbolKind::Tls));
    assert_eq!(image.symbols().iter().last(), errno.first().copied());
}

#[test]
fn many_symbols_at_one_place_cost_no_more_than_sorting() {
    let symbols: Vec<_> =
        (0..30_000).map(|number| function(&format!("alias_{number}"), 0x10, 8)).collect();
    let (image, text) = table(&symbols);
    let (symbol, _) = image.symbols().containing(LinkAddress::new(text + 0x12)).expect("inside");
    assert_eq!(symbol.name(), "alias_0");
    assert_eq!(image.symbols().by_name("alias_29999").len(), 1);
}
