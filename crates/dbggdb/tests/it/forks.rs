//! Processes that a program makes, and programs that it executes: with real gdb, and packet by
//! packet.

use testkit::{Guard, Testee};

use crate::gdb::{assert_says, gdb, pipe};
use crate::packets::address_of;
use crate::stub::{Stub, field};

/// What gdb says of a program that it runs with these arguments, after these commands.
fn session(program: &str, arguments: &str, before: &[&str], after: &[&str]) -> String {
    let guard = Guard::new();
    let program = Testee::build(program, &[]);
    let path = program.path().display();
    let mut commands = vec![
        format!("file {path}"),
        pipe(""),
        format!("set remote exec-file {path}"),
        format!("set args {arguments}"),
    ];
    commands.extend(before.iter().map(|line| (*line).to_owned()));
    commands.push("run".to_owned());
    commands.extend(after.iter().map(|line| (*line).to_owned()));
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    gdb(&guard, &commands)
}

#[test]
fn a_fork_is_caught_and_the_parent_is_followed() {
    let said = session("children", "fork", &["catch fork"], &["delete", "continue"]);
    assert_says(
        &said,
        &["Catchpoint 1 (forked process", "Detaching after fork", "exited normally"],
    );
}

#[test]
fn a_forked_child_is_followed_and_its_parent_left() {
    let before = ["set follow-fork-mode child", "break work"];
    let after = ["continue", "info inferiors", "delete", "continue"];
    let said = session("children", "fork", &before, &after);
    let wanted = [
        "Breakpoint 1, work",
        "fork to child",
        "Detaching after fork from parent",
        "Thread 2.1 \"children",
        "hit Breakpoint 1, work",
        "* 2    process",
        "[Inferior 2 (process",
        "exited normally",
    ];
    assert_says(&said, &wanted);
}

#[test]
fn both_sides_of_a_fork_are_kept_and_one_is_killed() {
    let before = ["set detach-on-fork off", "break work"];
    let after = [
        "continue",
        "info inferiors",
        "inferior 2",
        "backtrace",
        "kill inferiors 2",
        "inferior 1",
        "delete",
        "continue",
    ];
    let said = session("children", "fork", &before, &after);
    let wanted = [
        "Breakpoint 1, work",
        "[New inferior 2",
        "Thread 1.1 \"children",
        "hit Breakpoint 1.1, work",
        "* 1    process",
        "  2    process",
        "Switching to thread 2.1",
        "in main",
        "Switching to thread 1.1",
        // 128 + SIGKILL: what became of the child is its parent's exit status.
        "exited with code 0211",
    ];
    assert_says(&said, &wanted);
}

#[test]
fn both_sides_of_a_fork_run_together_and_one_is_left() {
    let before = ["set detach-on-fork off", "set schedule-multiple on", "catch fork"];
    let after = [
        "delete",
        "break work",
        "continue",
        "info inferiors",
        "delete",
        "detach inferiors 2",
        "inferior 1",
        "continue",
    ];
    let said = session("children", "fork", &before, &after);
    let wanted = ["Catchpoint 1 (forked process", "[New inferior 2", "work ()", "2    process"];
    assert_says(&said, &wanted);
    assert_says(&said, &["[Inferior 2 (process", "detached]", "[Inferior 1 (process", "exited"]);
}

#[test]
fn a_vforked_child_is_left_and_its_parent_goes_on() {
    let said = session("children", "vfork", &["catch vfork"], &["backtrace 1", "continue"]);
    let wanted = [
        "Catchpoint 1 (vforked process",
        "vfork",
        "Detaching after vfork from child",
        "exited normally",
    ];
    assert_says(&said, &wanted);
}

#[test]
fn a_vforked_child_is_followed_to_its_program() {
    let before = ["set follow-fork-mode child", "break work"];
    let said =
        session("children", "vfork", &before, &["continue", "backtrace", "delete", "continue"]);
    let wanted = [
        "Breakpoint 1, work",
        "vfork to child",
        "Detaching vfork parent process",
        "after child exec",
        "is executing new program",
        "Thread 2.1",
        "work ()",
        "in main",
        "[Inferior 2 (process",
        "exited normally",
    ];
    assert_says(&said, &wanted);
}

#[test]
fn a_vforked_child_that_executes_nothing_is_followed_to_its_end() {
    let said = session("children", "vfork ends", &["set follow-fork-mode child"], &[]);
    let wanted =
        ["vfork to child", "Detaching vfork parent", "after child exit", "[Inferior 2", "normally"];
    assert_says(&said, &wanted);
}

#[test]
fn a_program_executed_by_any_thread_is_caught() {
    for how in ["leader", "thread", "alone"] {
        let after = ["info threads", "break second", "continue", "backtrace", "delete", "continue"];
        let said = session("executes", how, &["catch exec"], &after);
        let wanted = [
            "is executing new program",
            "Catchpoint 1 (exec'd",
            "_start ()",
            "* 1 ",
            "Breakpoint 2, second",
            "in main",
            "exited with code 05",
        ];
        assert_says(&said, &wanted);
    }
}

#[test]
fn forks_packet_by_packet() {
    let guard = Guard::new();
    let program = Testee::build("children", &[]);
    let mut stub = Stub::run(&guard, &program, &["fork"]);
    let reply = stub.go("vCont;c");
    let child = field(&reply, "fork").expect("a fork").to_owned();
    let child = child.split('.').next().expect("a process").trim_start_matches('p').to_owned();
    let parent = field(&reply, "thread").expect("a thread").to_owned();
    assert_eq!(stub.ask("qfThreadInfo"), format!("m{parent},p{child}.{child}"));
    // The child lives; only the parent runs.
    assert_eq!(stub.ask(&format!("D;{child}")), "OK");
    assert_eq!(stub.ask("qfThreadInfo"), format!("m{parent}"));
    assert!(stub.ask(&format!("D;{child}")).starts_with("E.process"));
    // SIGCHLD
    let mut reply = stub.go("vCont;c");
    if reply.starts_with("T14") {
        reply = stub.go("vCont;C14");
    }
    assert!(reply.starts_with("W00;process:"), "{reply}");
}

#[test]
fn a_vforked_child_and_its_parent_packet_by_packet() {
    let guard = Guard::new();
    let program = Testee::build("children", &[]);
    let mut stub = Stub::run(&guard, &program, &["vfork"]);
    let reply = stub.go("vCont;c");
    let child = field(&reply, "vfork").expect("a vfork").to_owned();
    let pid = child.split('.').next().expect("a process").to_owned();
    assert!(stub.ask("qfThreadInfo").ends_with(&format!(",{child}")));
    // What it borrows is there to be seen.
    assert_eq!(stub.ask(&format!("Hg{child}")), "OK");
    assert_eq!(stub.ask(&format!("T{child}")), "OK");
    // It runs all the same, and soon stands before another program's first instruction. The
    // debugger does not know that yet.
    let id = u32::from_str_radix(&pid[1..], 16).expect("an id");
    let (state, words) = (format!("/proc/{id}/stat"), format!("/proc/{id}/cmdline"));
    let read = |path: &str| std::fs::read_to_string(path).expect("it lives");
    let stands = || read(&words).ends_with("\0child\0") && read(&state).contains(") t ");
    testkit::until("the child to execute its program", || stands().then_some(()));
    let sp = stub.ask("p7");
    assert_eq!(field(&reply, "07"), Some(&*sp));
    let sp = u64::from_str_radix(&sp, 16).expect("a register").swap_bytes();
    assert_eq!(stub.ask(&format!("m{sp:x},8")).len(), 16);
    // It runs to the program that it executes, then to its end; its parent says only then that it
    // has its memory back.
    let reply = stub.go(&format!("vCont;c:{pid}.-1"));
    assert!(reply.starts_with("T05exec:"), "{reply}");
    assert_eq!(field(&reply, "thread"), Some(&*child));
    let reply = stub.go(&format!("vCont;c:{pid}.-1"));
    assert_eq!(reply, format!("W00;process:{}", &pid[1..]));
    let reply = stub.go("vCont;c");
    assert!(reply.starts_with("T05vforkdone:;"), "{reply}");
    let mut reply = stub.go("vCont;c");
    if reply.starts_with("T14") {
        reply = stub.go("vCont;C14");
    }
    assert!(reply.starts_with("W00;process:"), "{reply}");
}

#[test]
fn breakpoints_of_a_program_are_not_those_of_the_next_one() {
    let guard = Guard::new();
    let program = Testee::build("executes", &[]);
    let mut stub = Stub::run(&guard, &program, &["first"]);
    // Addresses are the same every time, so that this is a place of both programs.
    let second = address_of(&mut stub, &program, "second");
    assert_eq!(stub.ask(&format!("Z0,{second:x},1")), "OK");
    let reply = stub.go("vCont;c");
    assert!(reply.starts_with("T05exec:"), "{reply}");
    // Debuggers know that they are gone and take none out.
    let reply = stub.go("vCont;c");
    assert!(reply.starts_with("W05"), "{reply}");
}
