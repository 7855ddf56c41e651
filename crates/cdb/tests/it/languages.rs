//! Programs in C++, Rust and assembly: names are shown as people write them, and stacks are whole.

use testkit::{Guard, Testee};

use crate::console::Console;

fn start(guard: &Guard, name: &str, flags: &[&str]) -> Console {
    let testee = Testee::build(name, flags);
    Console::start(guard, &[testee.path().to_str().expect("a path in the target folder")])
}

/// The names of a stack's frames, without modules and displacements.
fn names(stack: &str) -> Vec<&str> {
    let names = stack.lines().filter_map(|line| Some(line.split_once('!')?.1));
    names.map(|name| name.rsplit_once("+0x").map_or(name, |(name, _)| name)).collect()
}

#[test]
fn cpp_names_are_demangled() {
    let guard = Guard::new();
    for flags in [&["-O0"][..], &["-O2", "-fomit-frame-pointer"][..]] {
        let mut cdb = start(&guard, "shapes", flags);
        cdb.command("bp geometry::thrower");
        let stop = cdb.command("g");
        assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
        let stack = cdb.command("k");
        let frames = names(&stack);
        assert!(frames[0].starts_with("geometry::thrower"), "{stack}");
        assert!(matches!(frames[1], "main" | "main.cold"), "{stack}");
        // The destructor that runs while the exception passes: its stack goes through the unwinder.
        cdb.command("bp geometry::Watcher::~Watcher");
        let stop = cdb.command("g");
        if stop.contains("Breakpoint 1 hit") {
            let stack = cdb.command("k");
            assert!(names(&stack).iter().any(|name| name.starts_with("main")), "{stack}");
        }
        let points = cdb.command("x *!geometry::*");
        assert!(points.contains("geometry::Point<double>::dot"), "{points}");
        let end = cdb.command("bc *;g");
        assert!(end.contains("exited"), "{end}");
        cdb.finish("q");
    }
}

#[test]
fn rust_names_are_demangled() {
    let guard = Guard::new();
    let mut cdb = start(&guard, "greeter", &[]);
    cdb.command("bp greeter::everybody");
    let stop = cdb.command("g");
    let listed = cdb.command("x greeter*!*everybody*");
    assert!(stop.contains("Breakpoint 0 hit"), "{stop}\n{listed}");
    let stack = cdb.command("k");
    let frames = names(&stack);
    assert!(frames[0].starts_with("greeter::everybody"), "{stack}");
    assert!(frames.iter().any(|frame| frame.starts_with("greeter::main")), "{stack}");
    assert_eq!(frames.last(), Some(&"_start"), "{stack}");
    cdb.finish("q");
}

#[test]
fn assembly_without_a_library_stops_at_its_first_instruction() {
    let guard = Guard::new();
    let mut cdb = start(&guard, "plain", &[]);
    let here = cdb.command("ln @rip");
    assert!(here.contains("_start"), "{here}");
    cdb.command("bp leaf");
    for round in (1..=3).rev() {
        let stop = cdb.command("g");
        assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
        let counter = cdb.command("r rbx");
        assert_eq!(counter.trim(), format!("rbx={round:016x}"));
        let stack = cdb.command("k");
        assert_eq!(names(&stack)[..1], ["leaf"], "{stack}");
    }
    cdb.command("bc *");
    cdb.command("bp done");
    cdb.command("g");
    let status = cdb.command("? @rdi");
    assert!(status.contains("= 00000000`00000007"), "{status}");
    let end = cdb.command("g");
    assert!(end.contains('7'), "{end}");
    cdb.finish("q");
}
