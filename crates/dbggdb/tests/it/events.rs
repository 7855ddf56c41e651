//! What else stops a program: system calls, signals, threads that begin and end, watched memory.

use testkit::{Guard, Testee};

use crate::gdb::{assert_says, gdb, pipe};
use crate::packets::address_of;
use crate::stub::{Stub, field};

/// What gdb says of a program with these arguments, and these commands.
fn session(program: &str, arguments: &str, commands: &[&str]) -> String {
    let guard = Guard::new();
    let program = Testee::build(program, &[]);
    let path = program.path().display();
    let first = [
        format!("file {path}"),
        pipe(""),
        format!("set remote exec-file {path}"),
        format!("set args {arguments}"),
    ];
    let first = first.iter().map(String::as_str);
    gdb(&guard, &first.chain(commands.iter().copied()).collect::<Vec<_>>())
}

#[test]
fn system_calls_are_caught_by_name_number_and_group() {
    // A single thread makes this call once.
    let said = session(
        "count",
        "3",
        &["catch syscall prctl", "run", "continue", "delete", "catch syscall 231", "continue"],
    );
    let wanted = [
        "(call to syscall prctl)",
        "(returned from syscall prctl)",
        "(call to syscall exit_group)",
    ];
    assert_says(&said, &wanted);
    let commands = ["catch syscall group:memory", "run", "delete", "continue"];
    assert_says(&session("count", "3", &commands), &["(call to syscall brk)", "exited normally"]);
    let commands = ["catch syscall", "run", "continue", "delete", "continue"];
    let said = session("count", "3", &commands);
    assert_says(&said, &["(call to syscall", "(returned from syscall", "exited normally"]);
}

#[test]
fn signals_stop_pass_and_are_given() {
    let commands = [
        "handle SIGUSR1 stop print pass",
        "run",
        "continue",
        "print handled",
        "handle SIGUSR1 nostop noprint pass",
        "break handle",
        "continue",
        "delete",
        "continue",
    ];
    let wanted = [
        "received signal SIGUSR1",
        "received signal SIGUSR1",
        "$1 = 1",
        "Breakpoint 1, handle (number=10)",
        "exited normally",
    ];
    assert_says(&session("signals", "usr1 3", &commands), &wanted);
    let commands = ["break main", "run", "break handle", "signal SIGUSR1"];
    // The handler is not there yet: the signal ends the program.
    assert_says(&session("signals", "usr1 1", &commands), &["Program terminated", "SIGUSR1"]);
    let commands =
        ["run", "signal 0", "queue-signal SIGUSR1", "continue", "print handled", "continue"];
    assert_says(
        &session("signals", "usr1 3", &commands),
        &["SIGUSR1", "SIGUSR1", "SIGUSR1", "$1 = 1"],
    );
}

#[test]
fn memory_is_watched() {
    let commands = [
        "break work",
        "run",
        "watch calls",
        "continue",
        "delete",
        "rwatch calls",
        "continue",
        "delete",
        "awatch calls",
        "continue",
        "delete",
        "hbreak work",
        "continue",
        "delete",
        "set can-use-hw-watchpoints 0",
        "watch sum",
        "continue",
        "delete",
        "continue",
    ];
    let wanted = [
        "Hardware watchpoint 2: calls",
        "Old value = 0",
        "New value = 1",
        "Hardware read watchpoint 3: calls",
        "Value = 1",
        "Hardware access (read/write) watchpoint 4: calls",
        "Breakpoint 5, work",
        "Watchpoint 6: sum",
        "New value =",
        "exited normally",
    ];
    assert_says(&session("count", "6", &commands), &wanted);
}

#[test]
fn calls_jumps_and_returns_do_what_they_say() {
    let commands = [
        "tbreak work",
        "run",
        "print work(7)",
        "return 77",
        "next",
        "print sum",
        "advance work",
        "until",
        "finish",
        "tbreak done",
        "jump done",
        "kill",
    ];
    let wanted = [
        "Temporary breakpoint 1, work (number=0)",
        "$1 = 21",
        "$2 = 77",
        "work (number=1)",
        "return number * 3",
        "Value returned is $3 = 3",
        "Temporary breakpoint 2, done",
        "killed",
    ];
    assert_says(&session("count", "6", &commands), &wanted);
}

#[test]
fn births_and_ends_of_threads_are_told_packet_by_packet() {
    let guard = Guard::new();
    let program = Testee::build("threads", &[]);
    let mut stub = Stub::run(&guard, &program, &["2", "3"]);
    assert!(stub.ask("QThreadEvents:2").starts_with("E.malformed"));
    assert_eq!(stub.ask("QThreadEvents:1"), "OK");
    let mut born = Vec::new();
    for _ in 0..2 {
        let reply = stub.go("vCont;c");
        assert!(reply.starts_with("T05create:;"), "{reply}");
        born.push(field(&reply, "thread").expect("a thread").to_owned());
    }
    let mut ended = Vec::new();
    for _ in 0..2 {
        let reply = stub.go("vCont;c");
        let thread = reply.strip_prefix("w0;").unwrap_or_else(|| panic!("{reply}"));
        assert!(stub.ask(&format!("T{thread}")).starts_with('E'), "it is gone");
        ended.push(thread.to_owned());
    }
    born.sort_unstable();
    ended.sort_unstable();
    assert_eq!(born, ended);
    // The end of the last thread is that of the process.
    assert!(stub.go("vCont;c").starts_with("W00"));
    assert_eq!(stub.ask("QThreadEvents:0"), "OK");
}

#[test]
fn system_calls_packet_by_packet() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let mut stub = Stub::run(&guard, &program, &["3"]);
    for text in ["", "2", "1;", "1;x", "0;1", "1,2"] {
        let reply = stub.ask(&format!("QCatchSyscalls:{text}"));
        assert!(reply.starts_with("E.malformed") || text == "1;", "{text}: {reply}");
    }
    // exit_group
    assert_eq!(stub.ask("QCatchSyscalls:1;e7"), "OK");
    let reply = stub.go("vCont;c");
    assert!(reply.starts_with("T05syscall_entry:e7;"), "{reply}");
    assert_eq!(stub.ask("QCatchSyscalls:0"), "OK");
    assert!(stub.go("vCont;c").starts_with("W00"));
}

#[test]
fn what_cannot_run_is_told_at_once() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let mut stub = Stub::run(&guard, &program, &["3"]);
    assert_eq!(stub.ask("vCont;c:p1.1"), "N");
    assert!(stub.ask("vCont;q").starts_with("E.malformed"));
    assert!(stub.ask("vCont").starts_with("E.malformed"));
    assert!(stub.go("vCont;c").starts_with("W00"));
}

#[test]
fn a_signal_is_given_even_if_another_process_has_something_to_tell_first() {
    let guard = Guard::new();
    let program = Testee::build("signals", &[]);
    let path = program.path().to_str().expect("text");
    let mut processes = [(); 2].map(|()| guard.start(path, &["waits"]));
    processes.iter_mut().for_each(|process| assert_eq!(process.read_line(), "ready"));
    let mut stub = Stub::start(&guard, &[]);
    stub.greet();
    for process in &processes {
        let reply = stub.go(&format!("vAttach;{:x}", process.pid()));
        assert!(reply.starts_with("T00"), "{reply}");
        process.signal(dbgbase::Signal::SIGUSR1);
    }
    let first = stub.go("vCont;c");
    let thread = |reply: &str| field(reply, "thread").expect("names its thread").to_owned();
    assert!(first.starts_with("T1e"), "{first}");
    // Nobody is fetching reports: this takes none away.
    assert_eq!(stub.ask("vStopped"), "OK");
    let second = stub.go(&format!("vCont;C1e:{};c", thread(&first)));
    assert!(second.starts_with("T1e"), "{second}");
    assert_ne!(thread(&first), thread(&second));
    stub.send(&format!("vCont;C1e:{};c", thread(&second)));
    processes.iter_mut().for_each(testkit::Process::close_input);
    // Each ends with the number of signals that it has had.
    assert!(stub.receive().starts_with("W01;process:"));
    assert!(stub.go("vCont;c").starts_with("W01;process:"));
}

#[test]
fn all_that_the_cpu_can_watch_is_given_to_others_at_one_stop() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let mut stub = Stub::run(&guard, &program, &["3"]);
    let work = address_of(&mut stub, &program, "work");
    let done = address_of(&mut stub, &program, "done");
    let first = [work + 1, work + 2, work + 3, work];
    let second = [done + 1, done + 2, done + 3, done];
    for place in first {
        assert_eq!(stub.ask(&format!("Z1,{place:x},1")), "OK");
    }
    let reply = stub.go("vCont;c");
    assert!(reply.starts_with("T05hwbreak:;"), "{reply}");
    for place in first {
        assert_eq!(stub.ask(&format!("z1,{place:x},1")), "OK");
    }
    for place in second {
        assert_eq!(stub.ask(&format!("Z1,{place:x},1")), "OK");
    }
    let reply = stub.go("vCont;c");
    assert!(reply.starts_with("T05hwbreak:;"), "{reply}");
}
