//! What becomes of events and signals, as people say it with the `sx` commands.

use testkit::{Guard, Testee};

use crate::console::Console;

fn start(guard: &Guard, testee: &str, arguments: &[&str]) -> Console {
    let testee = Testee::build(testee, &[]);
    let path = testee.path().to_str().expect("a path in the target folder");
    Console::start(guard, &[&[path], arguments].concat())
}

/// A shell with a script of its own.
fn shell(guard: &Guard, script: &str) -> Console {
    Console::start(guard, &["sh", "-c", script])
}

#[track_caller]
fn value(cdb: &mut Console, expression: &str) -> u64 {
    let text = cdb.command(&format!("? {expression}"));
    let number = text.trim().rsplit_once("= ").expect("a value").1.replace('`', "");
    u64::from_str_radix(&number, 16).expect("a number")
}

#[track_caller]
fn ends_with(text: &str, status: u8) {
    assert!(text.contains(&format!("exited with status {status}\n")), "{text}");
}

#[test]
fn threads_are_told_of_as_they_come_and_go() {
    let guard = Guard::new();
    let mut cdb = start(&guard, "threads", &["3", "5"]);
    cdb.command("sxe ct; sxn et");
    let mut told = Vec::new();
    for _ in 1..=3 {
        let stop = cdb.command("g");
        assert!(stop.contains("): Create thread\n"), "{stop}");
        told.push(cdb.prompt.clone());
    }
    told.sort();
    assert_eq!(told, ["0:001", "0:002", "0:003"], "each is the current one once");
    assert_eq!(cdb.command("~").lines().count(), 4);
    let last = cdb.command(".lastevent");
    assert!(last.ends_with(": Create thread\n"), "{last}");
    let end = cdb.command("g");
    // The leader's end is the end of the process; it may or may not be told on its own.
    let told = end.matches("): Exit thread, status 0\n").count();
    assert!((3..=4).contains(&told), "{end}");
    ends_with(&end, 0);
    cdb.finish("q");
}

#[test]
fn a_thread_that_ends_stops_the_target() {
    let guard = Guard::new();
    let mut cdb = start(&guard, "threads", &["2", "5"]);
    cdb.command("sxe et");
    for _ in 0..2 {
        let stop = cdb.command("g");
        assert!(stop.contains("): Exit thread, status 0\n"), "{stop}");
        assert_ne!(cdb.prompt, "0:000");
    }
    cdb.command("sxi et");
    ends_with(&cdb.command("g"), 0);
    cdb.finish("q");
}

#[test]
fn signals_stop_or_are_shown_or_pass() {
    let guard = Guard::new();
    let mut cdb = start(&guard, "signals", &["usr1", "4"]);
    let stop = cdb.command("g");
    assert!(stop.contains("): SIGUSR1 - sent to the thread by process "), "{stop}");
    assert!(stop.contains(" (first chance)\n"), "{stop}");
    cdb.command("sxn usr1; bp after_raise");
    let shown = cdb.command("g; g");
    assert_eq!(shown.matches("): SIGUSR1 - ").count(), 1, "{shown}");
    assert_eq!(value(&mut cdb, "qwo(handled)"), 2, "each was delivered");
    cdb.command("sxi SIGUSR1; bc *");
    let end = cdb.command("g");
    assert!(!end.contains("SIGUSR1"), "{end}");
    ends_with(&end, 0);
    cdb.finish("q");
}

#[test]
fn a_signal_that_counts_as_handled_is_not_delivered() {
    let guard = Guard::new();
    let mut cdb = start(&guard, "signals", &["usr1", "5"]);
    cdb.command("sxe -h 10; bp after_raise");
    // Stopped for, and not delivered; unless it is said for once.
    let stop = cdb.command("g");
    assert!(stop.contains("SIGUSR1"), "{stop}");
    cdb.command("g");
    assert_eq!(value(&mut cdb, "qwo(handled)"), 0);
    cdb.command("g; gn");
    assert_eq!(value(&mut cdb, "qwo(handled)"), 1);
    // Not even stopped for.
    cdb.command("sxn usr1");
    let shown = cdb.command("g");
    assert!(shown.contains("SIGUSR1") && shown.contains("Breakpoint 0 hit"), "{shown}");
    assert_eq!(value(&mut cdb, "qwo(handled)"), 1);
    assert!(cdb.command("sx").contains("usr1 - SIGUSR1 - output - handled\n"));
    cdb.command("sxd -h usr1");
    cdb.command("g");
    assert_eq!(value(&mut cdb, "qwo(handled)"), 2);
    cdb.command("bc *");
    // 3 of 5 were delivered.
    ends_with(&cdb.command("g"), 1);
    cdb.finish("q");
}

#[test]
fn the_second_chance_is_when_nobody_handles_it() {
    let guard = Guard::new();
    let mut cdb = start(&guard, "signals", &["usr1", "3"]);
    cdb.command("sxd usr1");
    let end = cdb.command("g");
    assert_eq!(end.matches(" (first chance)\n").count(), 3, "{end}");
    ends_with(&end, 0);
    cdb.finish("q");
    // Ignored, and then not.
    let mut cdb = shell(&guard, "trap '' USR2; kill -USR2 $$; trap - USR2; kill -USR2 $$");
    cdb.command("sxd usr2");
    let stop = cdb.command("g");
    assert_eq!(stop.matches("SIGUSR2 - sent by process ").count(), 2, "{stop}");
    assert!(stop.contains(" (first chance)\n"), "{stop}");
    assert!(stop.contains(" (!!! second chance !!!)\n"), "{stop}");
    let end = cdb.command("g");
    assert!(end.contains("was ended by SIGUSR2\n"), "{end}");
    cdb.finish("q");
}

#[test]
fn commands_are_executed_whether_it_stops_or_not() {
    let guard = Guard::new();
    let mut cdb = start(&guard, "signals", &["usr1", "3"]);
    cdb.command("sxi -c \"? qwo(handled)\" usr1");
    let end = cdb.command("g");
    let values: Vec<&str> =
        end.lines().filter_map(|line| line.strip_prefix("Evaluate expression: ")).collect();
    assert_eq!(values.iter().map(|value| &value[..1]).collect::<Vec<_>>(), ["0", "1", "2"]);
    assert!(!end.contains("SIGUSR1"), "{end}");
    ends_with(&end, 0);
    cdb.command(".restart");
    // What the command does counts.
    cdb.command("sxe -c \".echo one; gh\" usr1");
    let end = cdb.command("g");
    assert_eq!(end.matches("one\n").count(), 3, "{end}");
    ends_with(&end, 1);
    cdb.command(".restart");
    cdb.command("sx- -c \".echo two\" usr1");
    let stop = cdb.command("g");
    assert!(stop.contains("SIGUSR1") && stop.contains("two\n"), "{stop}");
    assert_eq!(cdb.prompt, "0:000");
    cdb.command("sxd -c \".echo first\" -c2 \".echo second\" usr2; sxi -c \"\" usr1");
    assert!(cdb.command("sx").contains("\"second\"") || cdb.command("sx").contains("second"));
    ends_with(&cdb.command("g"), 0);
    cdb.finish("q");
    let mut cdb = shell(&guard, "trap 'trap - USR2' USR2; kill -USR2 $$; kill -USR2 $$");
    cdb.command("sxd -c \".echo first\" -c2 \".echo second\" usr2");
    let stop = cdb.command("g");
    let told: Vec<&str> = stop.lines().filter(|line| ["first", "second"].contains(line)).collect();
    assert_eq!(told, ["first", "second"], "{stop}");
    cdb.finish("q");
}

#[test]
fn the_programs_own_traps_are_its_business_at_the_first_chance() {
    let guard = Guard::new();
    let mut cdb = start(&guard, "traps", &[]);
    cdb.command("sxd bpe");
    let end = cdb.command("g");
    assert_eq!(end.matches("Break instruction of the program").count(), 2, "{end}");
    ends_with(&end, 0);
    cdb.command(".restart");
    cdb.command("sxi bpe");
    // It is not told, and the program's handler is called.
    let end = cdb.command("g");
    assert!(!end.contains("Break instruction"), "{end}");
    ends_with(&end, 0);
    cdb.command(".restart");
    // bpec: it counts as handled, so that the program hears nothing.
    cdb.command("sxe bpec");
    let end = cdb.command("g");
    assert!(!end.contains("Break instruction"), "{end}");
    ends_with(&end, 1);
    cdb.command(".restart");
    // Who stops for it goes on behind it, unless it is said otherwise.
    cdb.command("sxr");
    assert!(cdb.command("g").contains("Break instruction of the program"));
    assert!(cdb.command("gn").contains("Break instruction of the program"));
    ends_with(&cdb.command("g"), 1);
    cdb.finish("q");
}

#[test]
fn system_calls_are_caught_by_name_and_number() {
    let guard = Guard::new();
    let mut cdb = shell(&guard, "echo ready; exit 3");
    cdb.command("sxe syscall:write");
    let entry = cdb.command("g");
    assert!(entry.contains("): System call write(1, "), "{entry}");
    assert_eq!(value(&mut cdb, "by(@rsi)"), u64::from(b'r'), "the text of 'ready'");
    let exit = cdb.command("g");
    assert!(exit.contains("): System call write returns 6\n"), "{exit}");
    // As lines only, all but what is left out.
    cdb.command("sxn syscall:0n1,rt_sigaction,0x0");
    assert!(cdb.command("sx").contains("(only for read, write, rt_sigaction)\n"));
    cdb.command("sxe syscall:exit_group");
    let stop = cdb.command("g");
    assert!(stop.contains("): System call exit_group(3, "), "{stop}");
    assert!(!stop.contains("read"), "they are not meant any more: {stop}");
    cdb.command("sxi syscall");
    ends_with(&cdb.command("g"), 3);
    cdb.finish("q");
}

#[test]
fn every_system_call_is_shown() {
    let guard = Guard::new();
    let mut cdb = shell(&guard, "kill -0 $$");
    cdb.command("sxn syscall");
    let end = cdb.command("g");
    let entries = end.matches("): System call kill(").count();
    let exits = end.matches("): System call kill returns 0\n").count();
    assert_eq!((entries, exits), (1, 1), "{end}");
    assert!(end.contains("): System call exit_group("), "{end}");
    ends_with(&end, 0);
    cdb.finish("q");
}

#[test]
fn forks_and_executions_are_told_of() {
    let guard = Guard::new();
    let mut cdb = start(&guard, "children", &["fork"]);
    cdb.command("sxe fork; sxn vfork");
    let stop = cdb.command("g");
    let child = stop.lines().find_map(|line| line.split_once("): Fork of process "));
    let child: u32 = child.expect("told").1.parse().expect("an id");
    assert!(std::path::Path::new(&format!("/proc/{child}")).exists());
    // It is nobody's target, and runs.
    ends_with(&cdb.command("g"), 0);
    assert_eq!(cdb.prompt, "NoTarget");
    cdb.finish("q");

    let mut cdb = start(&guard, "children", &["vfork"]);
    cdb.command("sxn vfork");
    let end = cdb.command("g");
    assert_eq!(end.matches(", which borrows the memory\n").count(), 1, "{end}");
    ends_with(&end, 0);
    cdb.finish("q");

    let mut cdb = start(&guard, "executes", &["plain"]);
    let end = cdb.command("g");
    assert!(end.contains("A new program was executed\n"), "{end}");
    ends_with(&end, 5);
    cdb.command(".restart");
    cdb.command("sxe exec");
    let stop = cdb.command("g");
    assert!(stop.contains("A new program was executed\n"), "{stop}");
    assert_eq!(cdb.prompt, "0:000");
    cdb.command("bu second");
    let stop = cdb.command("g");
    assert!(stop.contains("Breakpoint 0 hit"), "its libraries are no stop: {stop}");
    cdb.command("sxi exec");
    ends_with(&cdb.command("g"), 5);
    cdb.command(".restart");
    let end = cdb.command("g");
    assert!(!end.contains("A new program"), "{end}");
    ends_with(&end, 5);
    cdb.finish("q");
}

#[test]
fn the_beginning_is_an_event_too() {
    let guard = Guard::new();
    let mut cdb = start(&guard, "signals", &["usr1", "1"]);
    cdb.command("sxn ibp");
    // It is shown, and the program runs on to what stops it next.
    let text = cdb.command("sxi usr1; .kill; .restart");
    assert!(text.contains("Initial breakpoint"), "it was asked to be started anew: {text}");
    ends_with(&cdb.command("g"), 0);
    cdb.command(".create sh -c true");
    let end = cdb.command("g");
    assert!(end.contains("): Initial breakpoint: "), "{end}");
    ends_with(&end, 0);
    cdb.finish("q");
}

#[test]
fn options_say_the_same_as_commands() {
    let guard = Guard::new();
    let testee = Testee::build("signals", &[]);
    let path = testee.path().to_str().expect("a path in the target folder");
    let options =
        ["-x", "-xn", "usr1", "-xe", "syscall:exit_group", "-xi", "ibp", path, "usr1", "2"];
    let mut cdb = Console::start(&guard, &options);
    assert_eq!(cdb.banner.matches("): SIGUSR1 - ").count(), 2, "{}", cdb.banner);
    assert!(cdb.banner.contains("): System call exit_group("), "{}", cdb.banner);
    assert!(cdb.command("sx").contains("(SIGSEGV) - second-chance break - not handled\n"));
    let (end, _) = cdb.finish("g");
    ends_with(&end, 0);
}

#[test]
fn what_holds_is_listed_and_taken_back() {
    let guard = Guard::new();
    let mut cdb = start(&guard, "signals", &["usr1", "1"]);
    let usual = cdb.command("sx");
    assert!(usual.contains("    epr - Exit process - break\n"), "{usual}");
    assert_eq!(cdb.command("sxi -c \"k\" ct; sxd av; sxn *; sxe rtmin+3"), "");
    let changed = cdb.command("sx");
    let news: Vec<&str> =
        changed.lines().filter(|line| !usual.lines().any(|known| known == *line)).collect();
    let expected = [
        "          Command: \"k\"",
        "     av - Access violation (SIGSEGV) - second-chance break - not handled",
        "rtmin+3 - SIGRTMIN+3 - break - not handled",
        "      * - Other signal - output - not handled",
    ];
    assert_eq!(news, expected);
    let refused = [
        ("sxe nosuch", "No event or signal is called 'nosuch'; sx lists them\n"),
        ("sxe 65", "No event or signal is called '65'; sx lists them\n"),
        ("sxi kill", "No event or signal is called 'kill'; sx lists them\n"),
        ("sxe -h ct", "Only signals can be handled\n"),
        ("sxe syscall:nosuch", "No system call is called 'nosuch'\n"),
    ];
    for (command, message) in refused {
        assert_eq!(cdb.command(command), message, "{command}");
    }
    for command in ["sxe", "sxe -q av", "sxe -c av", "sxe syscall:", "sxn -c \"k"] {
        assert!(cdb.command(command).contains("^ Syntax error in"), "{command}");
    }
    assert!(cdb.command("sxe av dm").contains("^ Extra character error in"));
    assert_eq!(cdb.command("sxr"), "sx state reset to defaults\n");
    assert_eq!(cdb.command("sx"), usual);
    cdb.finish("q");
}
