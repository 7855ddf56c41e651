//! Variables that each thread has for itself, of the program and of libraries, with both C
//! libraries: the program writes down where they are.

use testkit::{Guard, Testee};

use crate::gdb::{gdb, pipe};
use crate::stub::{Stub, field};

/// What makes gcc use musl.
const MUSL: &str = "-specs=/usr/lib/x86_64-linux-musl/musl-gcc.specs";

/// What gdb says to these commands where both threads have told where their variables are.
fn said_when_ready(flags: &[&str], commands: &[&str]) -> String {
    let guard = Guard::new();
    let library = |name: &str| {
        let (name, place) = (format!("-DNAME={name}"), format!("-DPLACE={name}_place"));
        Testee::build("storage_library", &[&["-shared", "-fPIC", &name, &place], flags].concat())
    };
    let (early, late) = (library("early"), library("late"));
    let early = early.path().to_str().expect("a path in the target folder");
    // The library is named behind what needs it.
    let linked = ["-Wl,--no-as-needed", early, "-pthread", "-ldl"];
    let program = Testee::build("storage", &[flags, &linked].concat());
    let path = program.path().display();
    let begin = [
        format!("file {path}"),
        pipe(""),
        format!("set remote exec-file {path}"),
        format!("set args {}", late.path().display()),
        "break ready".to_owned(),
        "run".to_owned(),
    ];
    let begin = begin.iter().map(String::as_str);
    gdb(&guard, &begin.chain(commands.iter().copied()).collect::<Vec<_>>())
}

/// What gdb printed behind `label`.
#[track_caller]
fn told<'a>(said: &'a str, label: &str) -> &'a str {
    let line = said.lines().find_map(|line| line.strip_prefix(label));
    line.unwrap_or_else(|| panic!("no {label:?} in:\n{said}")).trim()
}

fn each_thread_has_its_own(flags: &[&str]) {
    let mut commands = Vec::new();
    for (thread, names) in [(1, &["own", "early"][..]), (2, &["own", "early", "late"])] {
        commands.push(format!("thread {thread}"));
        for (index, name) in names.iter().enumerate() {
            let index = format!("places[{}][{index}]", thread - 1);
            commands.push(format!("printf \"{name} {thread}: %p\\n\", &{name}"));
            commands.push(format!("printf \"place of {name} {thread}: %p\\n\", {index}"));
            commands.push(format!("printf \"value of {name} {thread}: %d\\n\", {name}"));
        }
    }
    commands.push("thread 1".to_owned());
    commands.push("print late".to_owned());
    let said = said_when_ready(flags, &commands.iter().map(String::as_str).collect::<Vec<_>>());
    for (thread, names) in [(1, &["own", "early"][..]), (2, &["own", "early", "late"])] {
        for name in names {
            let place = told(&said, &format!("place of {name} {thread}:"));
            assert_eq!(told(&said, &format!("{name} {thread}:")), place, "{flags:?}:\n{said}");
            let value = if *name == "own" { (10 + thread).to_string() } else { "34".to_owned() };
            assert_eq!(told(&said, &format!("value of {name} {thread}:")), value);
        }
    }
}

#[test]
fn each_thread_has_its_own_with_glibc() {
    each_thread_has_its_own(&[]);
}

#[test]
fn each_thread_has_its_own_with_musl() {
    each_thread_has_its_own(&[MUSL]);
}

#[test]
fn what_a_thread_has_not_used_is_not_there() {
    let said = said_when_ready(&[], &["thread 1", "print late"]);
    assert!(said.contains("Cannot find thread-local storage"), "{said}");
}

/// A program without a dynamic linker.
#[test]
fn a_static_program_has_its_own_where_the_abi_says() {
    for flags in [["-static"], ["-static-pie"]] {
        let guard = Guard::new();
        let program = Testee::build("own_static", &flags);
        let path = program.path().display();
        let said = gdb(
            &guard,
            &[
                &format!("file {path}"),
                &pipe(&format!("-- {path}")),
                "break ready",
                "continue",
                "printf \"own: %p\\n\", &own",
                "printf \"place: %p\\n\", place",
                "printf \"value: %d\\n\", own",
                "kill",
            ],
        );
        assert_eq!(told(&said, "own:"), told(&said, "place:"), "{flags:?}:\n{said}");
        assert_eq!(told(&said, "value:"), "42", "{flags:?}:\n{said}");
    }
}

#[test]
fn malformed_questions_are_refused() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let mut stub = Stub::run(&guard, &program, &["3"]);
    let stop = stub.ask("?");
    let thread = field(&stop, "thread").expect("a thread").to_owned();
    for packet in [
        "qGetTLSAddr:".to_owned(),
        "qGetTLSAddr:p1.1,0,0".to_owned(),
        format!("qGetTLSAddr:{thread},0"),
        format!("qGetTLSAddr:{thread},0,x"),
        format!("qGetTLSAddr:{thread},0,0,0"),
        // Where no linker lists anything.
        format!("qGetTLSAddr:{thread},0,10"),
        "qSymbol:x:5f".to_owned(),
        "qSymbol::7".to_owned(),
    ] {
        let reply = stub.ask(&packet);
        let is_passed_over = packet == "qSymbol:x:5f" && reply == "OK";
        assert!(reply.starts_with('E') || is_passed_over, "{packet}: {reply}");
    }
    // The debugger is asked for symbols as long as it finds some.
    let first = stub.ask("qSymbol::");
    let name = first.strip_prefix("qSymbol:").expect("a question").to_owned();
    assert_eq!(stub.ask(&format!("qSymbol::{name}")), "OK");
    let second = stub.ask(&format!("qSymbol:1234:{name}"));
    assert!(second.starts_with("qSymbol:") && second != first, "{second}");
}
