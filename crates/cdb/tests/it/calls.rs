//! Functions of the program that the debugger calls, and memory that it allocates there, as users
//! do it.

use dbgbase::{Address, Pid};
use testkit::{Guard, Server, Testee, memory_file, programs, until};

use crate::console::Console;

/// What `.call` says when all is well.
const SET_UP: &str = "Thread is set up for call, 'g' will execute.\n\
    WARNING: This can have serious side-effects,\n\
    including deadlocks and corruption of the debuggee.\n";

fn testee() -> Testee {
    Testee::build("borrowed", &[])
}

/// A program that checks its own registers, before it begins, and cdb at it.
fn begin(guard: &Guard) -> Console {
    let testee = testee();
    let program = testee.path().to_str().expect("a path in the target folder");
    let mut cdb = Console::start(guard, &[program, "registers"]);
    let stop = cdb.command("bp keep_registers; g");
    assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
    cdb.command("bc *");
    cdb
}

/// The value of an expression.
fn value(cdb: &mut Console, expression: &str) -> u64 {
    let text = cdb.command(&format!("? {expression}"));
    let value = text.rsplit(' ').next().expect("a value").trim().replace('`', "");
    u64::from_str_radix(&value, 16).expect("a hexadecimal number")
}

/// Calls a function that returns, and checks that the registers are those of before.
#[track_caller]
fn call(cdb: &mut Console, call: &str) -> String {
    let before = cdb.command("r");
    let answer = cdb.command(&format!(".call {call}"));
    assert!(answer.ends_with(SET_UP), "{answer}");
    let returned = cdb.command("g");
    assert_eq!(cdb.command("r"), before, "{call}");
    returned
}

/// Calls a function that does not return, and gives the reason.
#[track_caller]
fn fail(cdb: &mut Console, function: &str) -> String {
    let returned = call(cdb, function);
    assert!(!returned.contains("returns"), "{returned}");
    assert!(returned.ends_with("is as before the call\n"), "{returned}");
    assert_eq!(returned.lines().count(), 1, "{returned}");
    returned
}

/// The program has kept its registers, whatever was done meanwhile.
#[track_caller]
fn end(mut cdb: Console) {
    cdb.command("eq limit poi(turns)+2");
    let exited = cdb.command("g");
    assert!(exited.contains("exited with status 0"), "{exited}");
    cdb.finish("q");
}

#[test]
fn functions_are_called() {
    let guard = Guard::new();
    let mut cdb = begin(&guard);
    let sum = call(&mut cdb, "add(10, 0x20)");
    assert!(sum.starts_with(".call returns:\nunsigned int64 0x2a\n"), "{sum}");
    assert!(sum.contains("!keep_registers"), "where the thread stands: {sum}");
    assert_eq!(value(&mut cdb, "$callret"), 42);
    call(&mut cdb, "add(@$callret, -2)");
    assert_eq!(value(&mut cdb, "$callret + 1"), 41);
    assert_eq!(value(&mut cdb, "add"), 0xadd, "a number, but in front of arguments");
    call(&mut cdb, "(eight) (1, 2, 3, 4, 5, 6, 7, 8)");
    assert_eq!(value(&mut cdb, "$callret"), 87_654_321);
    let length = call(&mut cdb, "/v length(\"hello; there\")");
    assert!(length.starts_with(".call returns:\nunsigned int64 0xc\n  upper half 0x"), "{length}");
    let half = call(&mut cdb, "/v spoils(3)");
    assert!(half.contains("; as double 1.5, as float 0.0\n"), "{half}");
    let kept = call(&mut cdb, "promises ( )");
    assert!(kept.contains("unsigned int64 0x1\n"), "{kept}");
    // What a function does stays.
    call(&mut cdb, "allocates(100)");
    assert!(cdb.command("da @$callret L3").ends_with("\"xxx\"\n"));
    end(cdb);
}

#[test]
fn a_call_that_is_set_up_waits() {
    let guard = Guard::new();
    let mut cdb = begin(&guard);
    let shown = cdb.command(".call /v length(\"text\")");
    let [first, second, ..] = shown.lines().collect::<Vec<_>>()[..] else { panic!("{shown}") };
    assert!(first.starts_with("Calling borrowed") && first.contains("!length at "), "{shown}");
    assert_eq!(second, "  argument 0: \"text\"");
    for running in ["p", "t", "gu", "gn", "g @$ip"] {
        let refused = cdb.command(running);
        assert!(refused.starts_with("Thread 0 is set up for a call"), "{running}: {refused}");
    }
    let cleared = cdb.command(".call /c");
    assert_eq!(cleared, "Call has been cleared from the thread.\n");
    for none in [".call /c", ".call /C"] {
        assert_eq!(cdb.command(none), "No call is set up on the current thread\n");
    }
    let stepped = cdb.command("p");
    assert!(stepped.contains("keep_registers+0x"), "{stepped}");
    // The later one counts, and the thread alone may run.
    cdb.command(".call add(1, 1)");
    cdb.command(".call add(1, 2)");
    let returned = cdb.command("~. g");
    assert!(returned.contains("unsigned int64 0x3\n"), "{returned}");
    let answer = cdb.command(".call");
    assert!(answer.starts_with("Numeric expression missing from "), "{answer}");
    for wrong in [".call add", ".call add(1", ".call add(1 2)", ".call /x add()"] {
        let answer = cdb.command(wrong);
        assert!(answer.ends_with(&format!("^ Syntax error in '{wrong}'\n")), "{answer}");
    }
    let answer = cdb.command(".call add(1) 2");
    assert!(answer.contains("Extra character error"), "{answer}");
    let answer = cdb.command(".call nothing_of_that_name(1)");
    assert_eq!(answer, "Couldn't resolve error at 'nothing_of_that_name(1)'\n");
    let answer = cdb.command(".call 0x10(1); g");
    assert!(answer.ends_with("There is no code at 00000000`00000010\n"), "{answer}");
    // None of the above has left a call behind.
    end(cdb);
}

#[test]
fn what_would_stop_the_target_ends_the_call() {
    let guard = Guard::new();
    let mut cdb = begin(&guard);
    let crashed = fail(&mut cdb, "crashes()");
    assert!(crashed.contains("got SIGSEGV at ") && crashed.contains("00001234`56789000"));
    let exited = fail(&mut cdb, "exits(3)");
    assert!(exited.contains("was about to end the thread or the process"), "{exited}");
    // Breakpoints are those of now, not those of the last run.
    cdb.command("bp breakpoint");
    let hit = fail(&mut cdb, "breaks()");
    assert!(hit.contains("hit a breakpoint at "), "{hit}");
    cdb.command("bc *");
    let returned = call(&mut cdb, "breaks()");
    assert!(returned.contains("unsigned int64 0x5\n"), "{returned}");
    // A user who does not want to wait.
    let pid = Pid::new(value(&mut cdb, "@$tpid") as u32);
    let rounds = Address::new(value(&mut cdb, "rounds"));
    let before = cdb.command("r");
    cdb.command(".call blocks_and_spins()");
    cdb.type_line("g");
    until("it to be called", || (memory_file::read_u64(pid, rounds) != 0).then_some(()));
    let ended = cdb.break_in();
    assert!(ended.contains("had not returned when the target was asked to stop"), "{ended}");
    assert_eq!(cdb.command("r"), before);
    end(cdb);
}

#[test]
fn what_becomes_of_the_process_in_a_call_is_told() {
    let guard = Guard::new();
    let mut cdb = begin(&guard);
    let program = Testee::build("plain", &[]);
    let path = program.path().to_str().expect("a path in the target folder");
    cdb.command(&format!(".call becomes(\"{path}\")"));
    let told = cdb.command("g");
    let [ended, executed, exited] =
        ["has executed another program", "A new program was executed", "exited with status"]
            .map(|text| told.find(text).unwrap_or_else(|| panic!("{text}: {told}")));
    assert!(ended < executed && executed < exited, "{told}");
    cdb.finish("q");
    let mut cdb = begin(&guard);
    cdb.command(".call kill(@$tpid, 9)");
    let told = cdb.command("g");
    assert!(told.contains("SIGKILL"), "{told}");
    assert_eq!(cdb.prompt, "NoTarget");
    cdb.finish("q");
}

#[test]
fn modules_that_a_call_loads_are_known() {
    let guard = Guard::new();
    let mut cdb = begin(&guard);
    cdb.command("bu libm_so!cbrt");
    let returned = call(&mut cdb, "dlopen(\"libm.so.6\", 2)");
    let [loaded, result] =
        ["libm.so.6\n", ".call returns"].map(|text| returned.find(text).expect("both"));
    assert!(returned.starts_with("ModLoad: ") && loaded < result, "{returned}");
    assert!(cdb.command("lm").contains("libm_so"));
    let hit = fail(&mut cdb, "libm_so!cbrt()");
    assert!(hit.contains("hit a breakpoint"), "{hit}");
    cdb.command("bc *");
    end(cdb);
}

#[test]
fn output_of_a_call_on_a_server_is_shown() {
    let guard = Guard::new();
    let server = Server::npipe(&guard, programs::dbgsrv());
    drop(server.connect());
    let testee = testee();
    let mut command = guard.command(env!("CARGO_BIN_EXE_cdb"));
    command.env("DBGSRV_RUN_DIR", server.run_dir()).env("TERM", "dumb");
    command.args(["-premote", &server.endpoint().to_connect_string()]);
    command.arg(testee.path()).arg("registers");
    let mut cdb = Console::spawn(command);
    cdb.command("bp keep_registers; g");
    cdb.command(".call puts(\"from the call\")");
    let returned = cdb.command("g");
    let [written, result] =
        ["from the call", ".call returns"].map(|text| returned.find(text).expect("both"));
    assert!(written < result, "{returned}");
    cdb.command("bc *");
    end(cdb);
}

#[test]
fn memory_is_allocated_and_freed() {
    let guard = Guard::new();
    let mut cdb = begin(&guard);
    let before = cdb.command("!address -o:1");
    let answer = cdb.command(".dvalloc 1001");
    let start = answer.strip_prefix("Allocated 2000 bytes starting at ").expect("it is allocated");
    let start = start.trim().to_owned();
    let kind = cdb.command(&format!("!vprot {start}"));
    assert!(kind.contains("PAGE_EXECUTE_READWRITE"), "{kind}");
    // mov $7, %eax; ret
    cdb.command(&format!("eb {start} b8 7 0 0 0 c3"));
    let returned = call(&mut cdb, &format!("{start}()"));
    assert!(returned.contains("unsigned int64 0x7\n"), "{returned}");
    let end_of_it = format!("{start}+1000");
    let taken = cdb.command(&format!(".dvalloc /b {end_of_it} 1"));
    assert_eq!(taken, "Memory cannot be allocated: something is mapped there already\n");
    let freed = cdb.command(&format!(".dvfree {start} 0"));
    assert_eq!(freed, format!("Freed 2000 bytes starting at {start}\n"));
    assert!(cdb.command(&format!("db {start} L1")).contains("??"));
    let again = cdb.command(&format!(".dvalloc /b {start} /r 1"));
    assert_eq!(again, format!("Allocated 1000 bytes starting at {start}\n"));
    assert!(cdb.command(&format!("!vprot {start}")).contains("PAGE_NOACCESS"));
    cdb.command(&format!(".dvfree {start} 1000"));
    cdb.command(&format!(".dvalloc /b {start} 1000; eb {start} 1"));
    let decommitted = cdb.command(&format!(".dvfree /d {start} 1"));
    assert_eq!(decommitted, format!("Decommitted 1000 bytes starting at {start}\n"));
    assert!(cdb.command(&format!("!vprot {start}")).contains("PAGE_NOACCESS"));
    cdb.command(&format!(".dvfree {start} 0"));
    assert_eq!(cdb.command("!address -o:1"), before);
    for (wrong, answer) in [
        (".dvalloc", "Numeric expression missing from '<EOL>'\n"),
        (".dvalloc 0", "0 bytes are no length of memory\n"),
        (".dvfree 10000 0", "Nothing that was allocated begins at 00000000`00010000\n"),
        (".dvfree 10000", "Numeric expression missing from '<EOL>'\n"),
    ] {
        assert_eq!(cdb.command(wrong), answer, "{wrong}");
    }
    assert!(cdb.command(".dvalloc /x 1").contains("Syntax error"));
    // prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN): nothing may be writable and executable.
    call(&mut cdb, "prctl(65, 1, 0, 0, 0)");
    if value(&mut cdb, "$callret") == 0 {
        let answer = cdb.command(".dvalloc 1");
        assert!(answer.ends_with("The system does not let it be executed\n"), "{answer}");
    }
    end(cdb);
}
