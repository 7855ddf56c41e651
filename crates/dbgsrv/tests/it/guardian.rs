//! What becomes of targets when the session process is killed, which nobody can answer: the
//! guardian in the process that started it puts them right, and they run on.

use std::os::fd::AsFd;

use dbgbase::{ExitStatus, LoadBias, Pid, Signal, StopReason, Tid};
use dbgsrv::journal::{Entry, Journal};
use dbgwire::verbs::resume::SetEvents;
use dbgwire::verbs::server::ServerInfo;
use testkit::footprint::changed_code;
use testkit::{
    Client, Footprint, Guard, Process, Server, Stop, Target, Testee, memory_file, procfs,
    send_signal, site, until,
};

use crate::{PROGRAM, address_of, begin};

/// The number of read(2) on x86-64.
const SYS_READ: u64 = 0;

/// Kills the session process of this client, and waits until its guardian is done.
pub(crate) fn kill_session(server: &Server, client: &mut Client) {
    // A thread gives itself its name, a moment after it has been started.
    let count = || Some(guardians(server.pid())).filter(|count| *count > 0);
    let guardians = until("a guardian", count);
    let session = client.call(&ServerInfo {}).expect("it answers").pid;
    send_signal(Pid::new(session), Signal::SIGKILL);
    client.wait_end();
    let is_done = || (self::guardians(server.pid()) < guardians).then_some(());
    until("the guardian to be done", is_done);
}

/// How many sessions a listener guards.
fn guardians(listener: Pid) -> usize {
    let name = |tid: &Tid| std::fs::read_to_string(format!("/proc/{listener}/task/{tid}/comm"));
    let is_guardian = |tid: &Tid| name(tid).is_ok_and(|name| name.trim() == "guardian");
    procfs::tids(listener).iter().filter(|tid| is_guardian(tid)).count()
}

/// Nobody traces the process any more, and its code is its own.
#[track_caller]
pub(crate) fn assert_repaired(pid: Pid) {
    for tid in procfs::tids(pid) {
        assert_eq!(procfs::tracer(pid, tid), Some(0));
    }
    assert_eq!(changed_code(pid), []);
}

/// Waits until a target at rest has no trap instruction in its code.
fn wait_for_rest(pid: Pid) {
    until("it to be at rest", || changed_code(pid).is_empty().then_some(()));
}

/// A process with a thread that ticks for each line and `sleepers` others, attached to.
fn ticking(guard: &Guard, client: &mut Client, sleepers: &str) -> (Process, Target, Stop, Testee) {
    let testee = Testee::build("ticks", &[]);
    let mut process = guard.start(testee.path(), &[sleepers]);
    assert_eq!(process.read_line(), "ready");
    let (pid, leader) = (process.pid(), process.leader());
    until("it to wait", || procfs::is_sleeping_in(pid, leader, SYS_READ).then_some(()));
    let (target, stop) = client.attach(pid);
    (process, target, stop, testee)
}

/// It ticks as if nothing had been, and ends well.
#[track_caller]
fn assert_ticks(mut process: Process, done: u64) {
    for tick in done + 1..done + 4 {
        process.write_line("");
        assert_eq!(process.read_line(), format!("ticked {tick}"));
    }
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn a_target_that_stands_at_a_breakpoint_runs_on() {
    let (guard, server, mut client) = begin();
    let (mut process, target, stop, testee) = ticking(&guard, &mut client, "3");
    let tick = address_of(&testee, &stop, "tick");
    client.insert(target, 1, tick);
    client.insert(target, 2, address_of(&testee, &stop, "main"));
    client.go(target);
    process.write_line("");
    assert_eq!(client.wait_stop().sites(), [1]);
    wait_for_rest(process.pid());
    kill_session(&server, &mut client);
    assert_eq!(process.read_line(), "ticked 1");
    assert_repaired(process.pid());
    let registers = Footprint::take(&guard, process.pid()).registers;
    assert_eq!(registers.len(), 4);
    assert!(registers.iter().all(|line| line.ends_with("dr 0 0 0 0 0 0 ffff0ff0 0 tf 0")));
    assert_ticks(process, 1);
    assert_server_goes_on(&guard, &server);
}

#[test]
fn a_thread_that_was_stepped_runs_on() {
    let (guard, server, mut client) = begin();
    let (mut process, target, stop, testee) = ticking(&guard, &mut client, "3");
    client.insert(target, 1, address_of(&testee, &stop, "tick"));
    client.go(target);
    process.write_line("");
    let tid = client.wait_stop().tid();
    for _ in 0..5 {
        client.step(target, tid);
        assert_eq!(client.wait_stop().reason(), StopReason::Step);
    }
    wait_for_rest(process.pid());
    kill_session(&server, &mut client);
    assert_eq!(process.read_line(), "ticked 1");
    assert_repaired(process.pid());
    assert_ticks(process, 1);
}

/// Its guardian comes too late: nothing of the steps must be left in it.
#[test]
fn a_thread_that_was_stepped_through_a_fork_needs_no_guardian() {
    for how in ["fork", "vfork", "spawn"] {
        let (guard, server, mut client) = begin();
        let testee = Testee::build("children", &[]);
        let mut process = guard.start(testee.path(), &["later", how]);
        assert_eq!(process.read_line(), "ready");
        let (target, stop) = client.attach(process.pid());
        let target_id = target.id;
        let events =
            SetEvents { target: target_id, forks: true, vfork_ends: true, ..SetEvents::default() };
        client.call(&events).expect("events");
        client.insert(target, 1, address_of(&testee, &stop, "status_of"));
        process.close_input();
        client.go(target);
        let made = client.wait_stop();
        assert!(matches!(made.reason(), StopReason::Forked { .. }), "{:?}", made.reason());
        client.step(target, made.tid());
        let stop = client.wait_stop();
        match how {
            "fork" => assert_eq!(stop.reason(), StopReason::Step),
            _ => assert!(matches!(stop.reason(), StopReason::VforkDone { .. }), "{how}"),
        }
        wait_for_rest(process.pid());
        let session = client.call(&ServerInfo {}).expect("it answers").pid;
        send_signal(server.pid(), Signal::SIGSTOP);
        until("the guardian to stand still", || is_stopped(server.pid()).then_some(()));
        send_signal(Pid::new(session), Signal::SIGKILL);
        assert_eq!(process.wait(), ExitStatus::Exited(0), "{how}");
        send_signal(server.pid(), Signal::SIGCONT);
    }
}

/// Whether every thread of a process has been stopped.
fn is_stopped(pid: Pid) -> bool {
    let state = |tid: &Tid| procfs::status(pid, *tid, "State").unwrap_or_default();
    procfs::tids(pid).iter().all(|tid| state(tid).starts_with('T'))
}

/// The server lets the next client in and debugs for it.
#[track_caller]
fn assert_server_goes_on(guard: &Guard, server: &Server) {
    let mut client = server.connect();
    let (mut process, target, stop, testee) = ticking(guard, &mut client, "0");
    client.insert(target, 1, address_of(&testee, &stop, "tick"));
    client.go(target);
    process.write_line("");
    assert_eq!(client.wait_stop().sites(), [1]);
    client.detach(target);
    assert_eq!(process.read_line(), "ticked 1");
    assert_ticks(process, 1);
}

#[test]
fn breakpoints_of_a_running_target_are_taken_back() {
    let (guard, server, mut client) = begin();
    let (process, target, stop, testee) = ticking(&guard, &mut client, "20");
    client.insert(target, 1, address_of(&testee, &stop, "tick"));
    client.insert(target, 2, address_of(&testee, &stop, "main"));
    client.go(target);
    let pid = process.pid();
    until("the sites to be armed", || (changed_code(pid).len() >= 2).then_some(()));
    kill_session(&server, &mut client);
    assert_repaired(pid);
    assert_ticks(process, 0);
    assert_server_goes_on(&guard, &server);
}

#[test]
fn a_target_that_was_created_runs_on_as_well() {
    let (_guard, server, mut client) = begin();
    let testee = Testee::build("spin", &[]);
    let (target, stop) = client.start(&testee, &[]);
    client.insert_site(target, site(1, address_of(&testee, &stop, "main")));
    wait_for_rest(target.pid);
    let turns = address_of(&testee, &stop, "turns");
    let limit = address_of(&testee, &stop, "limit");
    kill_session(&server, &mut client);
    until("it to run", || (memory_file::read_u64(target.pid, turns) > 1000).then_some(()));
    assert_repaired(target.pid);
    memory_file::write(target.pid, limit, &0u64.to_le_bytes()).expect("it lives");
    until("it to end", || (!procfs::is_alive(target.pid)).then_some(()));
}

#[test]
fn a_step_into_a_call_that_blocks_is_forgotten() {
    let (guard, server, mut client) = begin();
    let (process, target, stop, _) = ticking(&guard, &mut client, "2");
    // It waits for input; the step ends when the call does.
    client.step(target, stop.tid());
    let (pid, tid) = (process.pid(), stop.tid());
    until("it to wait", || procfs::is_sleeping_in(pid, tid, SYS_READ).then_some(()));
    kill_session(&server, &mut client);
    assert_repaired(process.pid());
    let registers = Footprint::take(&guard, process.pid()).registers;
    assert!(registers.iter().all(|line| line.ends_with(" tf 0")), "{registers:?}");
    assert_ticks(process, 0);
}

#[test]
fn a_signal_that_the_client_was_told_of_is_not_lost() {
    let (guard, server, mut client) = begin();
    let testee = Testee::build("signals", &[]);
    let mut process = guard.start(testee.path(), &["waits"]);
    assert_eq!(process.read_line(), "ready");
    let pid = process.pid();
    let (target, stop) = client.attach(pid);
    let handled = address_of(&testee, &stop, "handled");
    client.go(target);
    send_signal(pid, Signal::SIGUSR1);
    client.wait_stop();
    kill_session(&server, &mut client);
    until("the signal to be handled", || (memory_file::read_u64(pid, handled) == 1).then_some(()));
    assert_repaired(pid);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(1));
}

#[test]
fn a_signal_that_the_program_has_had_does_not_come_again() {
    let (guard, server, mut client) = begin();
    let testee = Testee::build("signals", &[]);
    let mut process = guard.start(testee.path(), &["waits"]);
    assert_eq!(process.read_line(), "ready");
    let pid = process.pid();
    let (target, stop) = client.attach(pid);
    let handled = address_of(&testee, &stop, "handled");
    client.insert(target, 1, address_of(&testee, &stop, "handle"));
    client.go(target);
    send_signal(pid, Signal::SIGUSR1);
    let told = client.wait_stop();
    client.go_with_signal(target, told.tid(), Signal::SIGUSR1);
    assert_eq!(client.wait_stop().sites(), [1]);
    wait_for_rest(pid);
    kill_session(&server, &mut client);
    until("the signal to be handled", || (memory_file::read_u64(pid, handled) == 1).then_some(()));
    assert_repaired(pid);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(1));
}

#[test]
fn a_target_of_a_thousand_threads_is_repaired() {
    let (guard, server, mut client) = begin();
    let (process, target, stop, testee) = ticking(&guard, &mut client, "1000");
    client.insert(target, 1, address_of(&testee, &stop, "tick"));
    client.go(target);
    let pid = process.pid();
    until("the site to be armed", || (!changed_code(pid).is_empty()).then_some(()));
    kill_session(&server, &mut client);
    assert_repaired(pid);
    assert_ticks(process, 0);
}

#[test]
fn other_sessions_do_not_notice() {
    let (guard, server, mut client) = begin();
    let mut other = server.connect();
    let (process, _, _, _) = ticking(&guard, &mut client, "0");
    let (mut second, target, stop, testee) = ticking(&guard, &mut other, "0");
    other.insert(target, 1, address_of(&testee, &stop, "tick"));
    other.go(target);
    kill_session(&server, &mut client);
    assert_repaired(process.pid());
    second.write_line("");
    assert_eq!(other.wait_stop().sites(), [1]);
    other.detach(target);
    assert_eq!(second.read_line(), "ticked 1");
    assert_ticks(second, 1);
    assert_ticks(process, 0);
}

/// What a killed debugger of another kind has left: hardware breakpoints stay in the threads.
#[test]
fn hardware_breakpoints_are_disabled() {
    let guard = Guard::new();
    let testee = Testee::build("ticks", &[]);
    let mut process = guard.start(testee.path(), &["2"]);
    assert_eq!(process.read_line(), "ready");
    let pid = process.pid();
    let mut gdb = guard.start(
        "gdb",
        &[
            "-q",
            "-nx",
            "-batch-silent",
            "-p",
            &pid.to_string(),
            "-ex",
            "set confirm off",
            "-ex",
            "watch ticks",
            "-ex",
            "echo armed\\n",
            "-ex",
            "continue",
        ],
    );
    let is_running = || {
        let is_traced = procfs::tracer(pid, Tid::from(pid)) == Some(gdb.pid().value());
        let is_waiting = procfs::state(pid, Tid::from(pid)) == Some('S');
        (is_traced && is_waiting).then_some(())
    };
    until("gdb to have armed it", is_running);
    gdb.signal(Signal::SIGKILL);
    gdb.wait();
    let is_free = |tid: &Tid| procfs::tracer(pid, *tid) == Some(0);
    let all_free = || procfs::tids(pid).iter().all(is_free).then_some(());
    until("nobody to trace it", all_free);
    let left = Footprint::take(&guard, pid).registers;
    let mut journal = Journal::create().expect("a journal");
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    let start_time = fields[19].parse().expect("a number");
    journal.add(Entry::Target { pid, start_time, created: false }).expect("room");
    let repaired = dbgsrv::ptrace::repair(&journal, gdb.pid());
    assert_eq!(repaired.len(), 1);
    assert!(repaired[0].is_alive);
    let after = Footprint::take(&guard, pid).registers;
    assert_ne!(left, after, "gdb has left nothing: the test is void");
    assert!(after.iter().all(|line| line.contains("dr 0 0 0 0 0 0 ffff0ff0 0 tf 0")), "{after:?}");
    assert_ticks(process, 0);
}

#[test]
fn a_process_with_a_used_up_id_is_left_alone() {
    let guard = Guard::new();
    let testee = Testee::build("ticks", &[]);
    let mut process = guard.start(testee.path(), &["0"]);
    assert_eq!(process.read_line(), "ready");
    let pid = process.pid();
    let mut journal = Journal::create().expect("a journal");
    let path = testee.path().display().to_string();
    let mappings = procfs::mappings(pid);
    let first = mappings.iter().find(|mapping| mapping.name == path && mapping.offset == 0);
    let bias = LoadBias::new(first.expect("the program is mapped").start.value());
    let address = testee.symbol("main").to_address(bias);
    let entry = Entry::Bytes { pid, start_time: 1, address, original: [0x90; 8], len: 1 };
    journal.add(Entry::Target { pid, start_time: 1, created: false }).expect("room");
    journal.add(entry).expect("room");
    assert!(journal.as_fd().try_clone_to_owned().is_ok());
    assert_eq!(dbgsrv::ptrace::repair(&journal, Pid::new(1)), []);
    assert_eq!(changed_code(pid), []);
    assert_ticks(process, 0);
}

#[test]
fn the_listener_says_what_it_repaired() {
    let guard = Guard::new();
    let mut command = guard.command(PROGRAM);
    let run_dir = guard.directory().join("run");
    command.args(["-t", "npipe:pipe=test"]).env("DBGSRV_RUN_DIR", &run_dir);
    let log = guard.directory().join("log");
    command.stderr(std::fs::File::create(&log).expect("a file"));
    let mut server = Process::spawn(&mut command);
    let endpoint = "npipe:server=localhost,pipe=test".parse().expect("an endpoint");
    let run_dir = dbglink::RunDir::at(run_dir);
    let link = until("the server to listen", || {
        dbglink::connect(&endpoint, &run_dir, testkit::DEADLINE).ok()
    });
    let mut client = Client::open(link);
    let (process, target, stop, testee) = ticking(&guard, &mut client, "0");
    client.insert(target, 1, address_of(&testee, &stop, "tick"));
    client.go(target);
    let pid = process.pid();
    until("the site to be armed", || (!changed_code(pid).is_empty()).then_some(()));
    let session = client.call(&ServerInfo {}).expect("it answers").pid;
    send_signal(Pid::new(session), Signal::SIGKILL);
    client.wait_end();
    let read = || std::fs::read_to_string(&log).ok().filter(|text| text.ends_with('\n'));
    let text = until("the listener to say so", read);
    assert!(text.contains("was killed"), "{text}");
    assert!(text.contains(&format!("process {pid} runs on")), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert_ticks(process, 0);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), ExitStatus::Exited(0));
}
