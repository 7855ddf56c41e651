//! Starting and ending: what is refused and how it is said, what becomes of targets, Ctrl+C.

use dbgbase::ExitStatus;
use testkit::{Guard, Testee, until};

use crate::console::Console;

fn path(testee: &Testee) -> &str {
    testee.path().to_str().expect("a path in the target folder")
}

#[test]
fn help_and_version_ask_for_nothing_else() {
    let guard = Guard::new();
    let help = guard.output(env!("CARGO_BIN_EXE_cdb"), &["-?"]);
    for option in ["-premote", "-p ", "-pd", "-g", "-G", "-c ", "-o", "-y "] {
        assert!(help.contains(option), "{option} is not in {help}");
    }
}

#[test]
fn wrong_command_lines_name_the_word_and_end_with_2() {
    let guard = Guard::new();
    for (arguments, named) in [
        (&["-nonsense"][..], "nonsense"),
        (&["-p"][..], "-p"),
        (&["-p", "twelve"][..], "twelve"),
        (&["-premote", "carrier-pigeon:loft=1", "-p", "1"][..], "carrier-pigeon"),
        (&["-premote", "tcp:server=localhost,port=1"][..], "process"),
    ] {
        let output = guard.command(env!("CARGO_BIN_EXE_cdb")).args(arguments).output();
        let output = output.expect("cdb starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(named), "{arguments:?}: {said}");
    }
}

#[test]
fn what_cannot_be_started_or_attached_is_said_in_one_line() {
    let guard = Guard::new();
    for (arguments, named) in [
        (&["/no/such/program"][..], "/no/such/program"),
        (&["/etc"][..], "directory"),
        (&["/etc/passwd"][..], "not executable"),
        (&["-p", "4194304"][..], "4194304"),
    ] {
        let output = guard.command(env!("CARGO_BIN_EXE_cdb")).args(arguments).output();
        let output = output.expect("cdb starts");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains(named), "{arguments:?}: {said}");
    }
}

#[test]
fn go_and_go_on_runs_a_program_to_its_end() {
    let guard = Guard::new();
    let testee = Testee::build("depths", &[]);
    let mut command = guard.command(env!("CARGO_BIN_EXE_cdb"));
    command.args(["-g", "-G", path(&testee), "an argument"]);
    let output = command.output().expect("cdb starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    // One argument more than none: the sums are those of argc 2.
    assert!(text.contains("round 2: "), "{text}");
    assert!(!text.contains("0:000>"), "{text}");
}

#[test]
fn commands_of_the_command_line_come_first() {
    let guard = Guard::new();
    let testee = Testee::build("depths", &[]);
    let cdb = Console::start(&guard, &["-c", ".echo from the line; bp inner; g", path(&testee)]);
    assert!(cdb.banner.contains("from the line"), "{}", cdb.banner);
    assert!(cdb.banner.contains("Breakpoint 0 hit"), "{}", cdb.banner);
    let (_, status) = cdb.finish("q");
    assert_eq!(status, 0);
}

#[test]
fn q_ends_what_cdb_started_and_qd_lets_it_run() {
    let guard = Guard::new();
    let mut cdb = Console::start(&guard, &["/bin/sleep", "1000"]);
    assert_eq!(guard.processes().len(), 3, "cdb, its session, sleep");
    cdb.command(".echo here");
    cdb.finish("q");

    let mut cdb = Console::start(&guard, &["/bin/sleep", "1000"]);
    cdb.type_line("qd");
    assert_eq!(cdb.wait(), 0);
    // The session process ends a moment after cdb does.
    let left = until("all but sleep to end", || match guard.processes()[..] {
        [left] => Some(left),
        _ => None,
    });
    let comm = std::fs::read_to_string(format!("/proc/{left}/comm")).expect("it runs");
    assert_eq!(comm, "sleep\n");
    let pid = rustix::process::Pid::from_raw(left.value().cast_signed()).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it runs");
}

#[test]
fn a_killed_cdb_leaves_what_it_attached_to() {
    let guard = Guard::new();
    let mut cat = guard.start("/bin/cat", &[]);
    let mut cdb = Console::start(&guard, &["-p", &cat.pid().to_string()]);
    cdb.command("bp libc_so!write");
    cdb.type_line("g");
    cdb.kill();
    cat.write_line("still here");
    assert_eq!(cat.read_line(), "still here");
    cat.close_input();
    assert_eq!(cat.wait(), ExitStatus::Exited(0));
}

#[test]
fn ctrl_c_breaks_in_again_and_again() {
    let guard = Guard::new();
    let mut cat = guard.start("/bin/cat", &[]);
    let mut cdb = Console::start(&guard, &["-p", &cat.pid().to_string()]);
    for _ in 0..5 {
        cdb.type_line("g");
        // Until cat has answered, cdb waits for it.
        cat.write_line("round");
        assert_eq!(cat.read_line(), "round");
        let text = cdb.break_in();
        assert_eq!(cdb.prompt, "0:000", "{text}");
        let stack = cdb.command("k");
        assert!(stack.contains("libc_so!__libc_start_main+"), "{stack}");
    }
    cdb.finish("qd");
    cat.close_input();
    assert_eq!(cat.wait(), ExitStatus::Exited(0));
}

#[test]
fn breakpoints_follow_into_a_program_that_is_executed() {
    let guard = Guard::new();
    let testee = Testee::build("depths", &[]);
    let script = format!("exec {}", path(&testee));
    let mut cdb = Console::start(&guard, &["/bin/sh", "-c", &script]);
    let unresolved = cdb.command("bu middle; bl");
    assert!(unresolved.contains(" eu "), "{unresolved}");
    let stop = cdb.command("g");
    assert!(stop.contains("A new program was executed"), "{stop}");
    assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
    let stack = cdb.command("k");
    assert!(stack.contains("!middle") && stack.contains("!outer"), "{stack}");
    let end = cdb.command("bc *; g");
    assert!(end.contains("exited with status 19"), "{end}");
    cdb.finish("q");
}

#[test]
fn after_the_target_has_ended_another_can_be_attached() {
    let guard = Guard::new();
    let mut cat = guard.start("/bin/cat", &[]);
    let testee = Testee::build("depths", &[]);
    let mut cdb = Console::start(&guard, &[path(&testee)]);
    let end = cdb.command("g");
    assert!(end.contains("exited"), "{end}");
    assert_eq!(cdb.prompt, "NoTarget");
    let list = cdb.command(".tlist cat");
    assert!(list.contains(&format!("0n{}", cat.pid())), "{list}");
    cdb.command(&format!(".attach 0n{}", cat.pid()));
    let stop = cdb.command("g");
    assert_eq!(cdb.prompt, "0:000", "{stop}");
    let gone = cdb.command(".kill");
    assert!(gone.contains("Terminated"), "{gone}");
    assert!(matches!(cat.wait(), ExitStatus::Killed(_)));
    cdb.finish("q");
}

#[test]
fn wrong_commands_are_answered_and_nothing_is_lost() {
    let guard = Guard::new();
    let testee = Testee::build("depths", &[]);
    let mut cdb = Console::start(&guard, &[path(&testee)]);
    for (line, named) in [
        ("frobnicate", "frobnicate"),
        ("bp no_such_name_at_all", "no_such_name_at_all"),
        ("? 1/0", "Operand error"),
        ("? (1", "error"),
        ("db", ""),
        ("dd ffffffffffffff00", "?"),
        ("r nosuch", "nosuch"),
        ("~77s", "77"),
        (".endpsrv", "server"),
        ("x", ""),
        ("bc 99", "99"),
        ("k zzz", "zzz"),
        ("? poi(0)", "error"),
    ] {
        let text = cdb.command(line);
        assert!(!text.is_empty() && text.contains(named), "{line}: {text:?}");
        assert_eq!(cdb.prompt, "0:000", "{line}: {text}");
    }
    let end = cdb.command("bc *;g");
    assert!(end.contains("exited"), "{end}");
    cdb.finish("q");
}
