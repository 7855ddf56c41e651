//! Programs in C++, Rust and assembly: names are shown as people write them, and stacks are whole.

use testkit::{Guard, Testee};

use crate::console::Console;

fn start(guard: &Guard, name: &str, flags: &[&str]) -> Console {
    let testee = Testee::build(name, flags);
    Console::start(guard, &[testee.path().to_str().expect("a path in the target folder")])
}

/// The names of a stack's frames, without modules, displacements and lines of source.
fn names(stack: &str) -> Vec<&str> {
    let names = stack.lines().filter_map(|line| Some(line.split_once('!')?.1));
    let names = names.map(|name| name.split_once(" [/").map_or(name, |(name, _)| name));
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

#[test]
fn stacks_have_lines_of_source_and_inlined_calls() {
    let guard = Guard::new();
    let testee = Testee::build("inlined", &["-O2", "-fno-optimize-sibling-calls"]);
    let program = testee.path().to_str().expect("a path in the target folder");
    let mut cdb = Console::start(&guard, &[program]);
    cdb.command("bp reached");
    cdb.command("g");
    let stack = cdb.command("k");
    let source = testee.source().display().to_string();
    let callers = [("deep", true), ("middle", true), ("outer", false), ("main", false)];
    for ((name, is_inline), row) in callers.into_iter().zip(stack.lines().skip(2)) {
        let place = format!("[{source} @ {}]", testee.line(name));
        assert!(row.contains(&format!("!{name}+0x")) && row.ends_with(&place), "{row}");
        assert_eq!(row.starts_with("(Inline Function) --------`--------"), is_inline, "{row}");
    }
    let numbered = cdb.command("kn");
    assert!(numbered.lines().nth(3).is_some_and(|row| row.starts_with("02 (Inline")), "{numbered}");
    // What a frame returns to is known of those that return.
    let up = cdb.command("gu");
    assert!(up.contains("!outer+0x"), "{up}");
    assert!(up.contains(&format!("[{source} @ ")), "{up}");
    for (switch, has_lines) in
        [("l-l", false), ("l+l", true), (".lines", false), (".lines -e", true)]
    {
        cdb.command(switch);
        let stack = cdb.command("k");
        assert_eq!(stack.contains(&source), has_lines, "{switch}: {stack}");
    }
    let wrong = cdb.command("l+x");
    assert!(wrong.contains("error in 'l+x'"), "{wrong}");
    cdb.finish("q");
}

#[test]
fn breakpoints_are_set_at_lines_of_source() {
    let guard = Guard::new();
    let testee = Testee::build("inlined", &["-O2", "-fno-optimize-sibling-calls"]);
    let program = testee.path().to_str().expect("a path in the target folder");
    let mut cdb = Console::start(&guard, &[program]);
    let source = testee.source().display().to_string();
    // In code that was inlined, by the file's name, a part of its path, and all of it.
    let line = testee.line("deep");
    let parts = ["inlined.c", "testees/inlined.c", &source];
    let places = parts.map(|file| cdb.command(&format!("? `{file}:{line}`")));
    assert!(places[0].contains("= 00"), "{}", places[0]);
    assert_eq!([&places[0]; 3], [&places[0], &places[1], &places[2]]);
    cdb.command(&format!("bp `inlined.c:{line}` \"k 3\""));
    let list = cdb.command("bl");
    assert!(list.trim_end().ends_with(&format!("[{source} @ {line}]")) || list.contains("k 3"));
    let stop = cdb.command("g");
    assert!(stop.contains(&format!("[{source} @ {line}]\n")), "{stop}");
    assert!(cdb.command(".bpcmds").contains(&format!("bu0 `inlined.c:{line}`")));
    // A file that nothing loaded has keeps the breakpoint waiting; what is no line is refused.
    let deferred = cdb.command("bp `nosuch.c:3`");
    assert!(deferred.contains("could not be resolved, adding deferred bp"), "{deferred}");
    assert!(cdb.command("bl").contains("(`nosuch.c:3`)"));
    let wrong = cdb.command("bp `inlined.c:3");
    assert!(wrong.contains("Syntax error at '`inlined.c:3'"), "{wrong}");
    let unknown = cdb.command("? `inlined.c:99999`");
    assert!(unknown.contains("Couldn't resolve error at '`inlined.c:99999`'"), "{unknown}");
    let ended = cdb.command("bc *; g");
    assert!(ended.contains("exited with status 0"), "{ended}");
    cdb.finish("q");
}

#[test]
fn source_is_listed_and_shown_at_stops() {
    let guard = Guard::new();
    let testee = Testee::build("inlined", &["-O0"]);
    let program = testee.path().to_str().expect("a path in the target folder");
    let mut cdb = Console::start(&guard, &[program]);
    let text = std::fs::read_to_string(testee.source()).expect("it was just compiled");
    let row = |number: usize, mark| {
        let line = text.lines().nth(number - 1).unwrap_or_default();
        format!("{mark}{number:>5}: {line}").trim_end().to_owned()
    };
    cdb.command("bp reached");
    cdb.command("g");
    let line = testee.line("deep");
    let listed = cdb.command("lsa @$ra");
    let rows: Vec<&str> = listed.lines().collect();
    let wanted: Vec<String> = (line - 4..line + 6)
        .map(|number| row(number, if number == line + 1 { '>' } else { ' ' }))
        .collect();
    assert_eq!(rows, wanted, "the call's return is in the next line: {listed}");
    assert_eq!(
        cdb.command("ls").trim_end(),
        (line + 6..line + 16).map(|at| row(at, ' ')).collect::<Vec<_>>().join("\n")
    );
    assert_eq!(cdb.command("ls 3, 2").trim_end(), [row(3, ' '), row(4, ' ')].join("\n").trim_end());
    let current = cdb.command("lsc");
    assert!(current.contains(&format!("{}(5)", testee.source().display())), "{current}");
    let beyond = cdb.command("ls 9999");
    assert!(beyond.contains(&format!("has {} lines", text.lines().count())), "{beyond}");
    let missing = cdb.command("lsf /no/such/file.c");
    assert!(missing.contains("/no/such/file.c is not found"), "{missing}");
    let unknown = cdb.command("lsa 10");
    assert!(unknown.contains("No line of source is known"), "{unknown}");
    // At stops, in front of everything else, or alone.
    cdb.command("l+s");
    let stop = cdb.command("gu");
    let first = stop.lines().next().unwrap_or_default();
    assert_eq!(first, row(line + 1, '>'), "{stop}");
    assert!(stop.contains("rip="), "{stop}");
    cdb.command("l+o");
    let stop = cdb.command("t");
    assert_eq!(stop.lines().count(), 1, "{stop}");
    cdb.command("l-*");
    assert!(cdb.command("l+").contains("none"));
    cdb.finish("q");
}
