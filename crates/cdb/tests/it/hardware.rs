//! Breakpoints that the CPU watches for, as people set them with `ba`, and passes that the server
//! counts.

use testkit::{Guard, Testee};

use crate::console::Console;

fn start(guard: &Guard, testee: &str, arguments: &[&str]) -> Console {
    let testee = Testee::build(testee, &[]);
    let path = testee.path().to_str().expect("a path in the target folder");
    Console::start(guard, &[&[path], arguments].concat())
}

#[track_caller]
fn value(cdb: &mut Console, expression: &str) -> u64 {
    let text = cdb.command(&format!("? {expression}"));
    let number = text.trim().rsplit_once("= ").expect("a value").1.replace('`', "");
    u64::from_str_radix(&number, 16).expect("a number")
}

#[test]
fn every_width_is_watched_and_told() {
    let guard = Guard::new();
    let mut cdb = start(&guard, "accesses", &["3"]);
    for (index, (offset, len)) in [(0, 1), (8, 2), (16, 4), (24, 8)].into_iter().enumerate() {
        assert_eq!(cdb.command(&format!("ba{index} w{len} place+{offset:x}")), "");
    }
    let list = cdb.command("bl");
    assert!(list.contains(" e 0") && list.contains(" w 8 0001 (0001)  0:**** "), "{list}");
    assert!(list.contains("!place+0x18\n"), "{list}");
    for round in 1..=3 {
        for (index, (offset, len)) in [(0, 1), (8, 2), (16, 4), (24, 8)].into_iter().enumerate() {
            let stop = cdb.command("g");
            let bytes = if len == 1 { "1 byte".to_owned() } else { format!("{len} bytes") };
            let told = format!("Breakpoint {index} hit: {bytes} at ");
            assert!(stop.starts_with(&told) && stop.contains(" written\n"), "{stop}");
            assert_eq!(value(&mut cdb, &format!("by(place+{offset:x})")), round, "it is done");
        }
    }
    let end = cdb.command("g");
    assert!(end.contains("exited with status 0"), "{end}");
    cdb.finish("q");
}

#[test]
fn reads_are_watched_too_and_instructions_before_they_run() {
    let guard = Guard::new();
    let mut cdb = start(&guard, "accesses", &["2"]);
    cdb.command("ba r8 place+18 \".echo seen; g\"");
    cdb.command("ba e1 done");
    let stop = cdb.command("g");
    // One write and one read in each of two rounds.
    assert_eq!(stop.matches("seen\n").count(), 4, "{stop}");
    assert!(stop.contains("Breakpoint 1 hit\n"), "{stop}");
    assert_eq!(value(&mut cdb, "@rip - done"), 0, "before the instruction");
    let end = cdb.command("g");
    assert!(end.contains("exited with status 0"), "it is passed once told: {end}");
    cdb.finish("q");
}

#[test]
fn passes_and_conditions_are_the_servers_business() {
    let guard = Guard::new();
    let mut cdb = start(&guard, "accesses", &["250"]);
    cdb.command("ba w4 place+10 0n100");
    cdb.command("ba w8 /w \"qwo(place+18) == 0n200\" place+18");
    let stop = cdb.command("g");
    assert!(stop.starts_with("Breakpoint 0 hit: 4 bytes at "), "{stop}");
    assert_eq!(value(&mut cdb, "dwo(place+10)"), 100);
    cdb.command("bc 0");
    let stop = cdb.command("g");
    assert!(stop.starts_with("Breakpoint 1 hit: 8 bytes at "), "{stop}");
    assert_eq!(value(&mut cdb, "qwo(place+18)"), 200);
    let end = cdb.command("g");
    assert!(end.contains("exited with status 0"), "{end}");
    cdb.finish("q");
}

#[test]
fn passes_left_are_listed_and_steps_do_not_count() {
    let guard = Guard::new();
    let mut cdb = start(&guard, "count", &["100"]);
    cdb.command("bp work 32; bp /w \"rdi == 0n20\" work+1");
    let stop = cdb.command("g");
    assert!(stop.starts_with("Breakpoint 1 hit\n"), "{stop}");
    // Calls 0 to 20 have been passed of 50.
    let list = cdb.command("bl 0");
    assert!(list.contains(" 001d (0032) "), "{list}");
    cdb.command("bc 1; gu");
    let before = value(&mut cdb, "qwo(calls)");
    while value(&mut cdb, "qwo(calls)") == before {
        let step = cdb.command("p");
        assert!(!step.contains("hit"), "{step}");
    }
    let list = cdb.command("bl 0");
    assert!(list.contains(" 001d (0032) "), "a call that was stepped over: {list}");
    cdb.command("bd 0; be 0");
    cdb.command("g");
    // Call 21 was stepped over, so the fiftieth that counts is call 50.
    assert_eq!(value(&mut cdb, "rdi"), 50);
    let list = cdb.command("bl 0");
    assert!(list.contains(" 0001 (0032) "), "{list}");
    cdb.finish("q");
}

#[test]
fn a_step_that_writes_is_told_as_the_hit() {
    let guard = Guard::new();
    let mut cdb = start(&guard, "accesses", &["1"]);
    cdb.command("ba w1 place; bp main");
    cdb.command("g");
    let mut last = String::new();
    for _ in 0..200 {
        last = cdb.command("p");
        if last.contains("hit") {
            break;
        }
    }
    assert!(last.starts_with("Breakpoint 0 hit: 1 byte at "), "{last}");
    assert_eq!(value(&mut cdb, "by(place)"), 1);
    cdb.finish("q");
}

#[test]
fn threads_are_watched_alone_and_together() {
    let guard = Guard::new();
    let mut cdb = start(&guard, "threads", &["4", "50"]);
    cdb.command("bp all_started; g; bc *");
    // Each thread writes its own count; thread N of the debugger has index N-1.
    cdb.command("~2 ba w8 counts+8 0n10");
    cdb.command("~3 ba w8 counts+8");
    cdb.command("ba w8 counts+18 0n50");
    let list = cdb.command("bl");
    assert!(list.contains(" w 8 000a (000a)  0:~002 "), "{list}");
    let commands = cdb.command(".bpcmds");
    assert!(commands.starts_with("~2 ba0 w8 0x"), "{commands}");
    let mut told = [0; 3];
    loop {
        let stop = cdb.command("g");
        if stop.contains("exited with status 0") {
            break;
        }
        let index = (0..3).find(|index| stop.contains(&format!("Breakpoint {index} hit: 8 bytes")));
        let index = index.unwrap_or_else(|| panic!("{stop}"));
        told[index] += 1;
        if index == 0 {
            assert_eq!(cdb.prompt, "0:002");
            assert_eq!(value(&mut cdb, "qwo(counts+8)"), 10);
            cdb.command("bc 0");
        } else {
            assert_eq!(cdb.prompt, "0:004");
            assert_eq!(value(&mut cdb, "qwo(counts+18)"), 50);
        }
    }
    assert_eq!(told, [1, 0, 1]);
    cdb.finish("q");
}

#[test]
fn a_fifth_place_is_refused_with_the_names_of_the_others() {
    let guard = Guard::new();
    let mut cdb = start(&guard, "accesses", &["1"]);
    for index in 0..5 {
        cdb.command(&format!("ba w1 place+{index}"));
    }
    let refused = cdb.command("g");
    assert!(
        refused.starts_with("Breakpoint 4 at ") && refused.contains("cannot be set"),
        "{refused}"
    );
    assert!(refused.contains("the CPU watches for breakpoints 0, 1, 2, 3\n"), "{refused}");
    // The way out: one less.
    cdb.command("bc 4");
    assert!(cdb.command("g").starts_with("Breakpoint 0 hit"));
    // Another one in its place.
    cdb.command("bc 0; ba w2 place+8; bl");
    let stop = cdb.command("g");
    assert!(stop.contains("Breakpoint 0 hit: 2 bytes at "), "{stop}");
    cdb.finish("q");
}

#[test]
fn what_no_cpu_watches_is_refused() {
    let guard = Guard::new();
    let mut cdb = start(&guard, "accesses", &["1"]);
    let refused = [
        ("ba w3 place", "The CPU watches 1, 2, 4 or 8 bytes, not 3\n"),
        ("ba e2 done", "An instruction is watched by its first byte, so its length is 1, not 2\n"),
        ("ba i1 place", "Input and output cannot be watched\n"),
        ("ba w4 nosuch", "Couldn't resolve error at 'nosuch'\n"),
    ];
    for (command, message) in refused {
        assert_eq!(cdb.command(command), message, "{command}");
    }
    let odd = cdb.command("ba w4 place+2");
    assert!(odd.starts_with("4 bytes are watched at multiples of 4, which "), "{odd}");
    for command in ["ba", "ba w", "ba place", "ba wr4 place", "ba w99999999999 place"] {
        assert!(cdb.command(command).contains("^ Syntax error in"), "{command}");
    }
    assert_eq!(cdb.command("bl"), "");
    cdb.finish("q");
}
