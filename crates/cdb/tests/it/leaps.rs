//! Steps by line whose line is left in other ways than to the next one: exceptions, longjmp(3),
//! handlers of signals, inlined calls, recursion, other threads in the same code.

use testkit::{Guard, Testee};

use crate::console::Console;

/// A debuggee that is stepped by line.
struct Stepped {
    cdb: Console,
    testee: Testee,
    module: String,
}

impl Stepped {
    fn new(guard: &Guard, name: &str, flags: &[&str]) -> Stepped {
        Stepped::of(guard, Testee::build(name, flags))
    }

    fn of(guard: &Guard, testee: Testee) -> Stepped {
        let mut cdb = Console::start(guard, &[testee.path().to_str().expect("a path")]);
        let module = testee.module();
        cdb.command("l+t");
        Stepped { cdb, testee, module }
    }

    /// Runs to the line with a marker.
    #[track_caller]
    fn run_to(&mut self, marker: &str) {
        let place = self.place(marker);
        assert_eq!(self.cdb.command(&format!("bp {place}")), "");
        let stop = self.cdb.command("g");
        assert!(stop.contains("hit"), "{stop}");
        assert_eq!(self.cdb.command("bc *"), "");
        self.is_at(marker);
    }

    /// The line with a marker, for commands.
    fn place(&self, marker: &str) -> String {
        let source = self.testee.source().file_name().expect("a file").to_string_lossy();
        format!("`{}!{source}:{}`", self.module, self.testee.line(marker))
    }

    /// Gives a command that makes a step, which ends at the line with a marker.
    #[track_caller]
    fn step(&mut self, command: &str, marker: &str) {
        let said = self.cdb.command(command);
        assert!(!said.contains("error"), "{said}");
        self.is_at(marker);
    }

    #[track_caller]
    fn is_at(&mut self, marker: &str) {
        let stack = self.cdb.command("kn 1");
        let line = self.testee.line(marker);
        assert!(stack.trim_end().ends_with(&format!("@ {line}]")), "not at {marker:?}: {stack}");
    }

    /// The functions on the stack that are the program's own, up to `main`.
    fn functions(&mut self) -> Vec<String> {
        let stack = self.cdb.command("k");
        let own = format!("{}!", self.module);
        let names = stack.lines().filter_map(|line| Some(line.split_once(&own)?.1));
        let name = |name: &str| name.split(['+', ' ']).next().unwrap_or_default().to_owned();
        let mut names: Vec<String> = names.map(name).collect();
        names.truncate(names.iter().position(|name| name == "main").map_or(0, |main| main + 1));
        names
    }
}

#[test]
fn a_step_ends_at_the_handler_of_an_exception() {
    let guard = Guard::new();
    for flags in [&["-O0"][..], &["-O0", "-static"], &["-O1"]] {
        let mut program = Stepped::new(&guard, "throws", flags);
        program.run_to("call");
        program.step("p", "catch");
        if flags == ["-O1"] {
            program.cdb.finish("q");
            continue;
        }
        // From the function that throws, and past frames that only clean up.
        program.run_to("throw");
        program.step("p", "clean up");
        assert_eq!(program.functions(), ["pass_on", "main"]);
        program.step("gu", "catch");
        program.run_to("pass on");
        program.step("p", "clean up");
        program.run_to("throw");
        program.step("gu", "clean up");
        program.cdb.finish("q");
    }
}

#[test]
fn handlers_for_other_types_do_not_end_a_step() {
    let guard = Guard::new();
    for flags in [&["-O0"][..], &["-O0", "-static"]] {
        let mut program = Stepped::new(&guard, "selects", flags);
        program.run_to("throw");
        program.step("p", "first catch");
        program.run_to("throw");
        program.step("gu", "first catch");
        program.run_to("throw again");
        program.step("p", "end of catch");
        program.step("p", "last catch");
        program.run_to("call");
        program.step("p", "last catch");
        // What is cleaned up on the line itself belongs to it.
        program.run_to("one line");
        program.step("p", "cleaned up");
        program.run_to("often");
        program.step("p", "end");
        program.cdb.finish("q");
    }
}

#[test]
fn a_panic_that_is_caught_on_the_line_does_not_end_a_step() {
    let guard = Guard::new();
    for level in ["-Copt-level=0", "-Copt-level=2"] {
        let mut program = Stepped::new(&guard, "resumes", &[level]);
        program.run_to("hook");
        program.step("p", "no panic");
        program.step("p", "caught");
        program.step("p", "behind");
        program.cdb.finish("q");
    }
}

#[test]
fn a_step_ends_in_functions_reached_by_table_and_jump() {
    let guard = Guard::new();
    let mut program = Stepped::new(&guard, "sidesteps", &["-O2"]);
    for callee in ["add", "subtract", "add"] {
        program.run_to("choice");
        program.step("t", "choose");
        program.step("t", callee);
        assert_eq!(program.functions(), [callee, "main"]);
        program.step("gu", "choice");
    }
    program.cdb.finish("q");
}

#[test]
fn a_step_takes_the_detours_of_calls() {
    let guard = Guard::new();
    let library = Testee::build("detours", &["-shared", "-fPIC"]);
    let path = library.path().to_str().expect("a path");
    for (binding, plt) in [("-Wl,-z,now", "-fplt"), ("-Wl,-z,lazy", "-fplt"), ("-O0", "-fno-plt")] {
        let program =
            Testee::build("detours", &["-DPROGRAM", "-Wl,--no-as-needed", path, binding, plt]);
        let mut program = Stepped::of(&guard, program);
        for callee in ["shared", "made", "homonym", "overridden", "choice"] {
            program.run_to(&format!("call {callee}"));
            if (callee, binding) == ("choice", "-Wl,-z,lazy") {
                // Nobody has chosen yet.
                break;
            }
            program.step("t", if callee == "choice" { "chosen" } else { callee });
        }
        program.cdb.finish("q");
    }
}

#[test]
fn frames_with_an_alignment_of_their_own_are_told_apart() {
    let guard = Guard::new();
    let mut program = Stepped::new(&guard, "sidesteps", &[]);
    program.run_to("realign");
    program.step("t", "vector");
    program.run_to("deeper");
    program.step("t", "vector");
    assert_eq!(program.functions(), ["realign", "realign", "main"]);
    program.run_to("deeper");
    // Two more are entered and left, through the same jump, which has to be looked at.
    program.step("p", "realign end");
    assert_eq!(program.functions(), ["realign", "realign", "main"]);
    program.step("gu", "deeper");
    program.step("p", "realign end");
    program.step("gu", "realign");
    program.cdb.finish("q");
}

#[test]
fn a_step_that_executes_another_program_is_a_run() {
    let guard = Guard::new();
    for flags in [&[][..], &["-static", "-no-pie"]] {
        let mut program = Stepped::new(&guard, "sidesteps", flags);
        program.run_to("execute");
        let said = program.cdb.command("p");
        assert!(said.contains("A new program was executed"), "{said}");
        assert!(said.contains("exited with status 0"), "{said}");
        assert!(!said.contains("cannot"), "{said}");
        program.cdb.finish("q");
    }
}

#[test]
fn a_step_ends_where_a_jump_leads() {
    let guard = Guard::new();
    for flags in [&["-O0"][..], &["-O0", "-static"]] {
        let mut program = Stepped::new(&guard, "leaps", flags);
        program.cdb.command("sxi SIGSEGV");
        program.run_to("inner setjmp");
        program.cdb.command("p");
        // To the frame itself.
        program.step("p", "inner setjmp");
        program.step("p", "deeper");
        // Jumps of deeper frames to themselves do not count.
        program.step("p", "depth");
        program.cdb.finish("q");

        let mut program = Stepped::new(&guard, "leaps", flags);
        program.cdb.command("sxi SIGSEGV");
        program.run_to("deep");
        program.step("p", "outer setjmp");
        program.step("p", "descend");
        program.cdb.finish("q");

        let mut program = Stepped::new(&guard, "leaps", flags);
        program.cdb.command("sxi SIGSEGV");
        program.run_to("out");
        // Out of the frame, and past one that did not expect it.
        program.step("t", "jump begin");
        program.step("gu", "outer setjmp");
        program.cdb.finish("q");
    }
}

#[test]
fn handlers_are_run_through_or_entered() {
    let guard = Guard::new();
    let mut program = Stepped::new(&guard, "leaps", &[]);
    program.run_to("fault");
    let stop = program.cdb.command("p");
    assert!(stop.contains("SIGSEGV"), "{stop}");
    program.step("p", "after fault");
    program.cdb.finish("q");

    let mut program = Stepped::new(&guard, "leaps", &[]);
    program.run_to("fault");
    program.cdb.command("p");
    program.is_at("fault");
    let said = program.cdb.command("t");
    assert_eq!(program.functions()[0], "on_fault", "{said}");
    program.is_at("handler");
    program.step("p", "handler end");
    program.step("p", "fault");
    program.step("p", "after fault");
    program.cdb.finish("q");
}

#[test]
fn inner_instances_do_not_end_a_step() {
    let guard = Guard::new();
    let mut program = Stepped::new(&guard, "leaps", &[]);
    program.cdb.command("sxi SIGSEGV");
    program.run_to("descend");
    program.step("t", "begin");
    program.step("p", "recursion");
    program.step("t", "begin");
    assert_eq!(program.functions(), ["descend", "descend", "main"]);
    program.step("p", "recursion");
    // Four more are entered and left meanwhile, through all of these lines.
    program.step("p", "ascent");
    assert_eq!(program.functions(), ["descend", "descend", "main"]);
    program.step("gu", "recursion");
    program.step("p", "ascent");
    assert_eq!(program.functions(), ["descend", "main"]);
    program.step("gu", "descend");
    program.cdb.finish("q");
}

#[test]
fn other_threads_in_the_same_code_do_not_end_a_step() {
    let guard = Guard::new();
    let mut program = Stepped::new(&guard, "leaps", &[]);
    program.cdb.command("sxi SIGSEGV");
    // A line with many turns of a loop, and all its instructions at the speed of the CPU.
    program.run_to("long");
    program.step("t", "sum");
    program.step("p", "spin");
    program.step("p", "spun");
    program.step("gu", "long");
    program.step("p", "crowded");
    for _ in 0..3 {
        program.step("t", "sum");
        program.step("p", "spin");
        program.step("p", "spun");
        program.step("gu", "crowded");
        let back = format!("r $ip={}", program.place("crowded"));
        assert_eq!(program.cdb.command(&back), "");
    }
    program.cdb.finish("q");
}

#[test]
fn inlined_calls_are_passed_entered_and_left_as_calls_are() {
    let guard = Guard::new();
    let begin = || {
        let mut program = Stepped::new(&guard, "inlined", &[]);
        program.cdb.command("bp outer");
        let stop = program.cdb.command("g");
        assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
        program.step("p", "outer");
        assert_eq!(program.functions(), ["outer", "main"]);
        program
    };
    let mut program = begin();
    program.step("p", "outer end");
    program.cdb.finish("q");

    let mut program = begin();
    let place = program.cdb.command("r $ip");
    program.step("t", "middle");
    assert_eq!(program.cdb.command("r $ip"), place, "nothing was executed");
    assert_eq!(program.functions(), ["middle", "outer", "main"]);
    let value = program.cdb.command("dv value");
    assert_eq!(value.trim(), "value = 0n3");
    program.step("t", "deep");
    assert_eq!(program.functions(), ["deep", "middle", "outer", "main"]);
    program.step("p", "deep end");
    program.step("gu", "middle");
    assert_eq!(program.functions(), ["middle", "outer", "main"]);
    program.step("gu", "outer");
    program.step("p", "outer end");
    program.cdb.finish("q");

    // A breakpoint at a line that begins with an inlined call is in front of that.
    for (marker, functions) in [
        ("outer", &["outer", "main"][..]),
        ("middle", &["middle", "outer", "main"]),
        ("deep", &["deep", "middle", "outer", "main"]),
    ] {
        let mut program = Stepped::new(&guard, "inlined", &["-O1"]);
        program.run_to(marker);
        assert_eq!(program.functions(), functions);
        program.cdb.finish("q");
    }

    // What is passed is passed whole.
    let mut program = begin();
    program.step("t", "middle");
    program.step("gu", "outer");
    assert_eq!(program.functions(), ["outer", "main"]);
    program.cdb.finish("q");
}

#[test]
fn a_step_goes_into_a_library_through_the_linkers_stub() {
    let guard = Guard::new();
    let library = Testee::build("lender", &["-shared", "-fPIC"]);
    let lent = format!("@ {}]", library.line("lend"));
    let path = library.path().to_str().expect("a path");
    for flags in [&[][..], &["-fno-plt"], &["-Wl,-z,now"]] {
        let mut program =
            Stepped::new(&guard, "borrower", &[flags, &["-Wl,--no-as-needed", path]].concat());
        program.run_to("borrow");
        for next in ["again", "end"] {
            program.cdb.command("t");
            let stack = program.cdb.command("kn 1");
            assert!(stack.contains("!lend") && stack.trim_end().ends_with(&lent), "{stack}");
            program.cdb.command("gu");
            program.step("p", next);
        }
        program.cdb.finish("q");
    }
}
