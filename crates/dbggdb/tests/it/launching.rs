//! How programs are started, ended, started again, taken and left.

use testkit::{Guard, Testee};

use crate::gdb::{assert_says, gdb, pipe};
use crate::stub::{Stub, digits, field};

/// What gdb says to these commands, the bridge's first.
fn connected(guard: &Guard, commands: &[&str]) -> String {
    let pipe = pipe("");
    gdb(guard, &[&[pipe.as_str()], commands].concat())
}

#[test]
fn a_program_begins_at_its_first_instruction() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let path = program.path().display().to_string();
    let file = format!("file {path}");
    let exec = format!("set remote exec-file {path}");
    let said = connected(
        &guard,
        &[&file, &exec, "starti", "x/i $pc", "info sharedlibrary", "stepi", "kill", "run"],
    );
    assert_says(&said, &["Program stopped.", "_start ()", "=> 0x", "killed", "exited normally"]);
    let (until_killed, _) = said.split_once("killed").expect("was found above");
    assert!(!until_killed.contains("libc.so"), "nothing is loaded yet:\n{said}");
}

#[test]
fn a_shell_reads_arguments_that_need_one() {
    let guard = Guard::new();
    let out = guard.directory().join("out");
    let args = format!("set args $NAME /bin/ech* \"a b\" it\\'s > {}", out.display());
    let commands = ["set remote exec-file /bin/echo", "set environment NAME=of it", &args, "run"];
    let said = connected(&guard, &commands);
    assert_says(&said, &["exited normally"]);
    let written = std::fs::read_to_string(&out).expect("the program wrote into its file");
    assert_eq!(written, "of it /bin/echo a b it's\n");
    // Without a shell everything stands for itself.
    std::fs::remove_file(&out).expect("the file is there");
    let plain = "set startup-with-shell off";
    let said = connected(&guard, &[commands[0], plain, &args, "run"]);
    assert_says(&said, &["normally", &format!("$NAME /bin/ech* a b it's > {}", out.display())]);
    assert!(!out.exists());
}

#[test]
fn directory_environment_and_addresses_are_as_they_are_set() {
    let guard = Guard::new();
    let script = concat!(
        "set args -c \"pwd; echo [\\${HOME-none}] [\\$NAME]; ",
        "read p < /proc/self/personality; echo \\$p\"",
    );
    let commands = [
        "set remote exec-file /bin/sh",
        "set startup-with-shell off",
        "set cwd /usr/lib",
        "unset environment HOME",
        "set environment NAME=a value",
        script,
        "run",
        "set disable-randomization off",
        "set environment NAME=another",
        "run",
    ];
    let said = connected(&guard, &commands);
    // 0x40000 is ADDR_NO_RANDOMIZE.
    let wanted = ["/usr/lib\n", "[none] [a value]", "00040000", "[none] [another]", "00000000"];
    assert_says(&said.replace('\r', ""), &wanted);
}

#[test]
fn a_program_that_is_not_there_is_told() {
    let guard = Guard::new();
    for args in ["set args 1", "set args *"] {
        let said = connected(&guard, &["set remote exec-file /nowhere/nothing", args, "run"]);
        assert_says(&said, &["Running \"/nowhere/nothing\" on the remote target failed"]);
    }
}

#[test]
fn a_process_is_attached_to_left_and_attached_to_again() {
    let guard = Guard::new();
    let program = Testee::build("threads", &[]);
    let mut process = guard.start(program.path(), &["2", "0"]);
    assert_eq!(process.read_line(), "ready");
    let file = format!("file {}", program.path().display());
    let attach = format!("attach {}", process.pid());
    let look = ["info threads", "break hit", "continue", "backtrace", "detach"];
    let twice = [&[file.as_str(), &attach], look.as_slice(), &[&attach], &look].concat();
    let said = connected(&guard, &twice);
    let wanted = ["\"threads", "hit Breakpoint 1, hit", "in run", "detached]"];
    assert_says(&said, &[wanted, wanted].concat());
    // Another gdb, by the command line; it only leaves, and the program runs on.
    let pipe = pipe(&format!("-p {}", process.pid()));
    let said = gdb(&guard, &[&file, &pipe, "info threads", "disconnect"]);
    assert_says(&said, &["\"threads"]);
    process.close_input();
    assert_eq!(process.wait(), dbgbase::ExitStatus::Exited(0));
}

#[test]
fn launches_packet_by_packet() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let path = digits(program.path().to_str().expect("text").as_bytes());
    let mut stub = Stub::start(&guard, &[]);
    stub.greet();
    assert!(stub.ask("vRun;").starts_with("E.no program was named"));
    assert!(stub.ask("vRun;zz").starts_with("E.malformed"));
    for switch in ["QStartupWithShell", "QDisableRandomization"] {
        assert_eq!(stub.ask(&format!("{switch}:1")), "OK");
        assert!(stub.ask(&format!("{switch}:2")).starts_with("E.malformed"));
        assert!(stub.ask(switch).starts_with("E.malformed"));
    }
    assert!(stub.ask("QSetWorkingDir:2").starts_with("E.malformed"));
    assert!(stub.ask("QEnvironmentUnset:xy").starts_with("E.malformed"));
    assert_eq!(stub.ask("QEnvironmentReset"), "OK");
    let first = stub.ask(&format!("vRun;{path};{}", digits(b"3")));
    let second = stub.ask("vRun;");
    let thread = |reply: &str| field(reply, "thread").expect("a thread").to_owned();
    assert_ne!(thread(&first), thread(&second));
    assert_eq!(field(&first, "10"), field(&second, "10"), "addresses are the same each time");
    let process = |reply: &str| thread(reply).split('.').next().expect("a pid")[1..].to_owned();
    assert_eq!(stub.ask(&format!("vKill;{}", process(&first))), "OK");
    assert!(stub.ask("vKill;1").starts_with("E.process 1"));
    // `R` has no reply; what became of it is asked.
    stub.send("R00");
    let third = stub.ask("?");
    assert_ne!(process(&third), process(&second));
    assert_eq!(stub.ask("qfThreadInfo"), format!("m{}", thread(&third)));
    assert!(stub.go("vCont;c").starts_with("W00"));
}

#[test]
fn no_other_process_is_meant_than_the_one_that_is_named() {
    let guard = Guard::new();
    let program = Testee::build("spin", &[]);
    let mut stub = Stub::run(&guard, &program, &[]);
    let one = stub.ask("qC").trim_start_matches("QC").to_owned();
    let reply = stub.ask("Hgp7ffffff.7ffffff");
    assert!(reply.starts_with('E'), "{reply}");
    assert_eq!(stub.ask("qC"), format!("QC{one}"));
    let process = one.trim_start_matches('p').split('.').next().expect("a process");
    // A second one, and the first one ends while it is selected.
    let path = program.path().to_str().expect("text");
    let other = stub.go(&format!("vRun;{}", digits(path.as_bytes())));
    assert!(other.starts_with("T05"), "{other}");
    assert_eq!(stub.ask(&format!("Hg{one}")), "OK");
    assert_eq!(stub.ask(&format!("vKill;{process}")), "OK");
    assert!(stub.ask(&format!("Hg{one}")).starts_with('E'));
}

#[test]
fn a_restart_is_never_answered() {
    let guard = Guard::new();
    let mut stub = Stub::start(&guard, &[]);
    stub.greet();
    // There is nothing to start.
    stub.send("R");
    assert_eq!(stub.ask("?"), "W00");
}
