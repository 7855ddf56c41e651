//! A process server on another machine, at a pipe: reached by ssh, with a real sshd at the other
//! end of a network of its own.

use std::process::Command;

use dbgbase::Signal;
use testkit::{
    Guard, PASSPHRASE, Process, Testee, TwoMachines, procfs, programs, send_signal, until,
};

use crate::console::Console;
use crate::person::Person;

const CDB: &str = env!("CARGO_BIN_EXE_cdb");
/// Where the far machine's users' shells look for programs.
const INSTALLED: &str = "/usr/local/bin";

/// A server on the far machine, once it listens.
fn serve(guard: &Guard, machines: &TwoMachines, pipe: &str, rest: &str) -> Process {
    machines.install(guard, &programs::dbgsrv(), INSTALLED);
    let mut command = machines.far(guard, "dbgsrv");
    command.args(["-t", &format!("npipe:pipe={pipe}{rest}")]);
    let server = Process::spawn(&mut command);
    until("the server's socket", || {
        let mut command = machines.far(guard, "test");
        command.args(["-S", &format!("/run/dbgsrv/{pipe}")]);
        command.status().expect("it starts").success().then_some(())
    });
    server
}

fn cdb(guard: &Guard, machines: &TwoMachines, premote: &str, rest: &[&str]) -> Command {
    let mut command = machines.near(guard, CDB);
    command.args(["-premote", premote]).args(rest);
    command
}

/// What cdb says on standard error, and that it fails.
fn complaint(mut command: Command) -> String {
    let output = command.output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

/// Waits until nothing of a session is left on the far machine.
fn wait_until_idle(guard: &Guard, machines: &TwoMachines, pipe: &str) {
    let far_end = ["dbgsrv", "@pipe", pipe];
    let is_idle = || machines.far_processes(guard, &far_end).is_empty();
    until("the far end to end", || is_idle().then_some(()));
}

#[test]
fn a_program_on_another_machine_is_debugged() {
    let guard = Guard::new();
    let Some(machines) = TwoMachines::new(&guard) else { return };
    let testee = Testee::build("depths", &[]);
    let program = testee.path().to_str().expect("a path in the target folder");
    for (pipe, server, password) in [
        ("plain", TwoMachines::FAR, ""),
        ("secret", "root@far", ",password=sesame7"),
        ("beside", TwoMachines::TALKATIVE, ""),
    ] {
        let _server = serve(&guard, &machines, pipe, password);
        let premote = format!("npipe:server={server},pipe={pipe}{password}");
        let mut cdb = Console::spawn(cdb(&guard, &machines, &premote, &[program]));
        assert_eq!(machines.far_processes(&guard, &["dbgsrv", "@pipe", pipe]).len(), 1);
        let listed = cdb.command(".tlist");
        // The processes of that machine, by its own numbers.
        assert!(listed.contains("0n1 sshd"), "{listed}");
        assert!(!listed.contains(" cdb"), "{listed}");
        cdb.command("bp inner");
        let stop = cdb.command("g");
        assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
        let stack = cdb.command("kn");
        assert!(stack.contains("!inner") && stack.contains("!main"), "{stack}");
        let step = cdb.command("p");
        assert!(step.contains("!inner+"), "{step}");
        let (_, status) = cdb.finish("q");
        assert_eq!(status, 0);
        wait_until_idle(&guard, &machines, pipe);
    }
}

#[test]
fn a_password_is_proved_to_another_machine_as_well() {
    let guard = Guard::new();
    let Some(machines) = TwoMachines::new(&guard) else { return };
    let _server = serve(&guard, &machines, "secret", ",password=sesame7");
    for (password, said) in [
        (",password=Sesame7", "far: the password is wrong; error 0x80004005"),
        ("", "it wants a password (password=); error 0x80004005"),
    ] {
        let premote = format!("npipe:server=far,pipe=secret{password}");
        let heard = complaint(cdb(&guard, &machines, &premote, &["/bin/true"]));
        assert!(heard.contains(said), "{heard}");
    }
}

#[test]
fn what_ssh_and_the_other_machine_say_is_told() {
    let guard = Guard::new();
    let Some(machines) = TwoMachines::new(&guard) else { return };
    let said = |server: &str, pipe: &str| {
        let premote = format!("npipe:server={server},pipe={pipe}");
        complaint(cdb(&guard, &machines, &premote, &["/bin/true"]))
    };
    // Nothing is installed there yet.
    let heard = said(TwoMachines::FAR, "box");
    assert!(heard.contains("far, by ssh: dbgsrv is not found there ("), "{heard}");
    assert!(heard.contains("command not found); install it, or say where it is"), "{heard}");
    machines.install(&guard, &programs::dbgsrv(), INSTALLED);
    for (server, text) in [
        (TwoMachines::FAR, "far, by ssh: no server has pipe name box; looked in /run/dbgsrv\n"),
        (TwoMachines::DENIED, "denied, by ssh: root@192.0.2.2: Permission denied (publickey).\n"),
        (TwoMachines::STRANGER, "Host key verification failed."),
        (TwoMachines::CLOSED, "connect to host 192.0.2.2 port 1: Connection refused\n"),
        // Its key's passphrase cannot be asked for without a terminal.
        (TwoMachines::LOCKED, "Permission denied (publickey)"),
    ] {
        let heard = said(server, "box");
        assert!(heard.contains(text), "{server}: {heard}");
        assert!(heard.starts_with("cdb: cannot connect to npipe:server="), "{heard}");
        assert_eq!(heard.lines().count(), 1, "{heard}");
    }
    // What a shell there would execute or expand arrives as it is.
    for pipe in ["$(touch${IFS}$HOME;touch${IFS}x)", "a;exit", "`exit`", "~&|<>*?#!"] {
        let heard = said(TwoMachines::FAR, pipe);
        assert!(heard.contains(&format!("no server has pipe name {pipe}; looked")), "{heard}");
    }
    let mut command = cdb(&guard, &machines, "npipe:server=far,pipe=box", &["/bin/true"]);
    // Found by its path, it finds no ssh.
    command.env("PATH", "/nonexistent");
    let mut absolute = guard.command("/usr/bin/nsenter");
    absolute.args(command.get_args()).env("PATH", "/nonexistent");
    let heard = complaint(absolute);
    assert!(heard.contains("ssh cannot be started (No such file or directory"), "{heard}");
}

#[test]
fn a_server_that_is_not_on_the_path_can_be_named() {
    let guard = Guard::new();
    let Some(machines) = TwoMachines::new(&guard) else { return };
    let _server = serve(&guard, &machines, "box", "");
    let folder = "/run/it's my $HOME";
    machines.install(&guard, &programs::dbgsrv(), folder);
    let gone = machines.far(&guard, "rm").arg(format!("{INSTALLED}/dbgsrv")).status();
    assert!(gone.expect("it starts").success());
    let mut command = cdb(&guard, &machines, "npipe:server=far,pipe=box", &["/bin/true"]);
    command.env("DBGSRV_REMOTE_PROGRAM", format!("{folder}/dbgsrv"));
    let console = Console::spawn(command);
    assert_eq!(console.prompt, "0:000", "{}", console.banner);
    let (_, status) = console.finish("q");
    assert_eq!(status, 0);
}

#[test]
fn a_dead_ssh_is_followed_by_another() {
    let guard = Guard::new();
    let Some(machines) = TwoMachines::new(&guard) else { return };
    let _server = serve(&guard, &machines, "box", ",password=sesame7");
    let premote = "npipe:server=far,pipe=box,password=env:PHRASE";
    let mut command = cdb(&guard, &machines, premote, &["/bin/sleep", "1000"]);
    command.env("PHRASE", "sesame7");
    let mut console = Console::spawn(command);
    let sleeps = || machines.far_processes(&guard, &["/bin/sleep", "1000"]);
    assert_eq!(sleeps().len(), 1);
    let is_ssh = |pid: &dbgbase::Pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with(b"/usr/bin/ssh\0-F") && line.windows(5).any(|word| word == b"@pipe")
    };
    let ssh: Vec<_> = guard.processes().into_iter().filter(is_ssh).collect();
    let [ssh] = ssh.as_slice() else { panic!("{}", guard.describe_processes()) };
    // It might send a variable there.
    let environment = std::fs::read(format!("/proc/{ssh}/environ")).expect("it lives");
    let environment = String::from_utf8_lossy(&environment);
    assert!(environment.contains(guard.entry()) && !environment.contains("PHRASE"));
    send_signal(*ssh, Signal::SIGKILL);
    let said = console.command(".tlist");
    assert!(said.contains("sleep"), "{said}");
    // It is no zombie.
    until("ssh to be reaped", || (!procfs::pids().contains(ssh)).then_some(()));
    assert_eq!(sleeps().len(), 1, "the program was waited with");
    let (_, status) = console.finish("q");
    assert_eq!(status, 0);
    until("the program to be ended", || sleeps().is_empty().then_some(()));
    wait_until_idle(&guard, &machines, "box");
}

#[test]
fn ssh_asks_at_the_terminal_and_leaves_the_keys_to_the_debugger_then() {
    let guard = Guard::new();
    let Some(machines) = TwoMachines::new(&guard) else { return };
    let _server = serve(&guard, &machines, "box", "");
    let premote = "npipe:server=locked,pipe=box";
    let mut command = cdb(&guard, &machines, premote, &["/bin/sleep", "1000"]);
    command.env("TERM", "dumb").env("XDG_STATE_HOME", guard.directory());
    let mut person = Person::start(&guard, &command, 30, 200);
    person.wait_for("Enter passphrase for key");
    // Ctrl+Z would stop ssh with nobody to wake it. It is a letter; Ctrl+U takes it back.
    person.type_in(&format!("\x1a\x15{PASSPHRASE}\r"));
    person.wait_for("> ");
    assert!(!person.seen.contains(PASSPHRASE));
    person.type_in("g\r");
    person.wait_for_program();
    person.type_in("\x03");
    person.wait_for("Break");
    person.wait_for("> ");
    person.type_in("q\r");
    assert_eq!(person.wait(), Some(0));
    assert!(person.echoes(), "the terminal is as it was");
    // Whoever has no answer gets out.
    let mut person = Person::start(&guard, &command, 30, 200);
    person.wait_for("Enter passphrase for key");
    person.type_in("\x03");
    person.wait_for("locked, by ssh: interrupted");
    assert_eq!(person.wait(), Some(1));
    assert!(person.echoes(), "the terminal is as it was");
}
