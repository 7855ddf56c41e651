//! Searching, filling, comparing, copying memory, and the map of it, as users do it.

use testkit::{Guard, Testee};

use crate::console::Console;

/// A program that has mapped memory of many kinds, and cdb at it.
fn begin(arguments: &[&str]) -> (Guard, Console) {
    let guard = Guard::new();
    let testee = Testee::build("regions", &[]);
    let program = testee.path().to_str().expect("a path in the target folder");
    let mut cdb = Console::start(&guard, &[&[program], arguments].concat());
    let stop = cdb.command("bp mapped; g");
    assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
    (guard, cdb)
}

/// The value of an expression as cdb writes addresses.
fn address(cdb: &mut Console, expression: &str) -> String {
    let text = cdb.command(&format!("? {expression}"));
    let value = text.rsplit(' ').next().expect("a value");
    value.trim().to_owned()
}

#[test]
fn a_search_shows_what_is_there() {
    let (_guard, mut cdb) = begin(&[]);
    let (two, sparse) =
        (address(&mut cdb, "poi(needle_in_two)"), address(&mut cdb, "poi(needle_in_sparse)"));
    let bytes = "6e 65 65 64 6c 65 23 21-00 00 00 00 00 00 00 00  needle#!........\n";
    let found = cdb.command("s -a 0 L?7fffffffffff \"needle#!\"");
    let mut expected = [format!("{two}  {bytes}"), format!("{sparse}  {bytes}")];
    expected.sort();
    assert_eq!(found, expected.concat());
    let writable = cdb.command("s -[w 1]b 0 L?7fffffffffff 6e 'e' 65 \"dle\" 23 21");
    assert_eq!(writable, format!("0x{sparse}\n"));
    let aligned = cdb.command("s -[s n 2]d poi(block) L8 11111111");
    assert_eq!(aligned.lines().count(), 8, "{aligned}");
    assert!(aligned.starts_with(&address(&mut cdb, "poi(block)")), "{aligned}");
    cdb.command("eb poi(block)+4 22");
    let saved = cdb.command("s -[r 1]b 0 L1 11 11");
    assert_eq!(saved, format!("0x{}\n", address(&mut cdb, "poi(block)")));
    cdb.command("eza poi(block)+100 \"some text\"");
    let start = address(&mut cdb, "poi(block)+100");
    let strings = cdb.command("s -[l 4]sa poi(block) L1000");
    assert_eq!(strings, format!("{start}  \"some text\"\n"));
    cdb.command("ezu poi(block)+200 \"wide\"");
    let start = address(&mut cdb, "poi(block)+200");
    assert_eq!(cdb.command("s -su poi(block) L800"), format!("{start}  \"wide\"\n"));
    assert!(cdb.command("s -u poi(block) L800 \"wide\"").starts_with(&start));
    assert_eq!(cdb.command("s -b poi(block) L1000 99"), "");
    cdb.finish("q");
}

#[test]
fn mistakes_in_searches_are_pointed_at() {
    let (_guard, mut cdb) = begin(&[]);
    for line in ["s", "s -z 0 L1 1", "s -a 0 L10", "s -a 0 L10 text", "s -[x]b 0 L1 1", "s 0 L10"] {
        let answer = cdb.command(line);
        assert!(answer.ends_with(&format!("^ Syntax error in '{line}'\n")), "{answer}");
    }
    let answer = cdb.command("s -sa 0 L10 \"x\"");
    assert!(answer.contains("Extra character error"), "{answer}");
    let answer = cdb.command("s -b 0 L100000000000 1");
    assert!(answer.contains("Range error"), "{answer}");
    let answer = cdb.command("s -[sr]b 0 L1 1");
    assert_eq!(answer, "Flags s and r cannot be used together\n");
    cdb.finish("q");
}

#[test]
fn a_long_search_is_ended_by_its_user() {
    // 16 TiB take minutes, and their first hit less than a second.
    let (_guard, mut cdb) = begin(&["44"]);
    cdb.command("ea poi(sparse) \"beginning\"");
    cdb.type_line("s -a poi(sparse) L?poi(sparse_len) \"beginning\"");
    cdb.read_until("beginning.");
    let end = cdb.break_in();
    assert!(end.ends_with("Interrupted\n"), "{end}");
    // The next command is a command like any other.
    assert!(cdb.command("? 1+1").contains("= 00000000`00000002"));
    let end = cdb.command("bc *; g");
    assert!(end.contains("exited"), "{end}");
    cdb.finish("q");
}

#[test]
fn memory_is_filled_compared_and_copied() {
    let (_guard, mut cdb) = begin(&[]);
    let block = address(&mut cdb, "poi(block)");
    let other = address(&mut cdb, "poi(block)+100");
    assert_eq!(cdb.command("f poi(block) L8 'a' 62 \"cd\""), "Filled 0x8 bytes\n");
    let row = cdb.command("db poi(block) L10");
    assert_eq!(
        row,
        format!("{block}  61 62 63 64 61 62 63 64-11 11 11 11 11 11 11 11  abcdabcd........\n")
    );
    let differences = cdb.command("c poi(block) L10 poi(block)+100");
    assert_eq!(differences.lines().count(), 8, "{differences}");
    assert!(differences.starts_with(&format!("{block}  61 - {other}  11\n")), "{differences}");
    assert_eq!(cdb.command("c poi(block)+10 L10 poi(block)+100"), "");
    assert_eq!(cdb.command("m poi(block) L8 poi(block)+4"), "");
    let row = cdb.command("da poi(block) Lc");
    assert_eq!(row, format!("{block}  \"abcdabcdabcd\"\n"));
    // A hole on the way.
    let hole = address(&mut cdb, "poi(holed)+1000");
    let answer = cdb.command("f poi(holed) L1800 33");
    assert_eq!(
        answer,
        format!("Filled 0x1000 bytes\nMemory from {hole} on could not be written\n")
    );
    let answer = cdb.command("c poi(holed) L1800 poi(holed)");
    assert_eq!(answer, format!("Memory from {hole} on could not be compared\n"));
    let answer = cdb.command("m 0 L4 poi(block)");
    assert_eq!(answer, "Memory at 00000000`00000000 cannot be read\n");
    cdb.finish("q");
}

#[test]
fn the_map_says_what_memory_is_for() {
    let (_guard, mut cdb) = begin(&[]);
    let map = cdb.command("!address");
    let program = map.lines().find(|line| line.contains("r-xp MEM_IMAGE   Image      regions"));
    assert!(program.is_some(), "{map}");
    for usage in ["Stack      thread ", "Kernel     linux_vdso_so", "Private", "Shared"] {
        assert!(map.contains(usage), "{usage}: {map}");
    }
    let here = cdb.command("!address @rip");
    for line in
        ["Usage:                  Image", "Protect:                PAGE_EXECUTE_READ (r-xp)"]
    {
        assert!(here.contains(line), "{here}");
    }
    let free = cdb.command("!address 0");
    assert!(free.starts_with("Usage:                  Free\nBase Address:           0"), "{free}");
    let none = cdb.command("!address poi(closed); !vprot poi(closed)");
    assert_eq!(none.matches("PAGE_NOACCESS (---p)").count(), 2, "{none}");
    let stacks = cdb.command("!address -o:1 -f:Stack,PAGE_READWRITE");
    assert_eq!(stacks.lines().count(), 1, "{stacks}");
    let csv = cdb.command("!address -o:csv -f:MEM_FREE");
    assert!(csv.lines().count() > 2 && csv.lines().all(|line| line.split(',').count() == 8));
    let summary = cdb.command("!address -summary");
    assert!(summary.contains("--- Usage Summary ---") && summary.contains("Free"), "{summary}");
    assert!(cdb.command("!address -f:bogus").contains("Syntax error"));
    cdb.finish("q");
}
