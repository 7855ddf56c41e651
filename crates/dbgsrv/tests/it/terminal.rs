//! A target's own pseudo-terminal: what it is for the program, that no output is lost or told late,
//! and that a program is none the worse when the session that gave it one is gone.

use dbgbase::{ExitStatus, Pid, Signal, StopReason, Tid};
use dbgwire::verbs::process::{Abandon, Claim, Kill, Launch, Terminal};
use dbgwire::verbs::server::ServerInfo;
use dbgwire::verbs::terminal::{INPUT_LEN_MAX, ResizeTerminal, WriteTerminal};
use dbgwire::version::Capabilities;
use dbgwire::{ErrorCode, Fault};
use testkit::{Client, Event, Guard, Server, Target, Testee, procfs, send_signal, until};

use crate::{address_of, begin};

/// The number of write(2).
const WRITE: u64 = if cfg!(target_arch = "x86_64") { 1 } else { 64 };

/// Starts a shell script on a terminal, and lets it run.
#[track_caller]
fn run_script(client: &mut Client, script: &str) -> Target {
    let (target, _) = client.start_on_terminal("sh", &["-c", script]);
    client.go(target);
    target
}

/// Lets a target run to its end, with every signal it gets. What it has written.
#[track_caller]
fn run_out(client: &mut Client, target: Target) -> (String, ExitStatus) {
    let mut written = String::new();
    loop {
        let (text, event) = client.read_terminal();
        written += &text;
        match event {
            Event::Exited { status, .. } => return (written, status),
            Event::Stopped(stop) => match stop.reason() {
                StopReason::Signal { signal, .. } => {
                    client.go_with_signal(target, stop.tid(), signal);
                }
                other => panic!("{other:?} is no signal"),
            },
            other => panic!("waited for an end, not {other:?}"),
        }
    }
}

fn session_of(client: &mut Client) -> Pid {
    Pid::new(client.call(&ServerInfo {}).expect("it answers").pid)
}

/// The keepers of this test's terminals.
fn keepers(guard: &Guard) -> Vec<Pid> {
    let is_keeper = |pid: &Pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).nth(1) == Some(b"@terminal")
    };
    guard.processes().into_iter().filter(is_keeper).collect()
}

#[track_caller]
fn wait_no_keeper(guard: &Guard) {
    until("the keeper to end", || keepers(guard).is_empty().then_some(()));
}

fn has_master(pid: Pid) -> bool {
    procfs::descriptors(pid).iter().any(|line| line.ends_with("ptmx"))
}

#[track_caller]
fn refused(client: &mut Client, target: u32, input: &[u8]) -> ErrorCode {
    let target = Target { id: target, pid: Pid::new(1) };
    client.type_in(target, input).expect_err("it cannot be typed to").code
}

#[test]
fn a_program_has_a_controlling_terminal_of_the_asked_size() {
    let (guard, _server, mut client) = begin();
    assert_ne!(client.welcome().capabilities & Capabilities::PTY.0, 0);
    let script = r#"[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all three
        stty size; [ "$(ps -o sid= -p $$)" -eq $$ ] && echo leader
        [ "$(ps -o tpgid= -p $$)" -eq $$ ] && echo foreground
        echo hello > /dev/tty"#;
    let sizes = [((0, 0), "24 80"), ((50, 132), "50 132")];
    for ((rows, columns), size) in sizes {
        let request = Launch {
            program: b"sh".to_vec(),
            arguments: ["sh", "-c", script].map(|word| word.as_bytes().to_vec()).to_vec(),
            terminal: Terminal::Pty as i32,
            rows,
            columns,
            ..Launch::default()
        };
        let reply = client.call(&request).expect("it can be launched");
        let target = Target { id: reply.target, pid: Pid::new(reply.pid) };
        client.wait_stop();
        let descriptors = procfs::descriptors(target.pid);
        assert_eq!(descriptors.len(), 3, "{descriptors:?}");
        assert!(descriptors.iter().all(|line| line.contains(" -> /dev/pts/")), "{descriptors:?}");
        client.go(target);
        let (written, status) = run_out(&mut client, target);
        let expected = format!("all three\r\n{size}\r\nleader\r\nforeground\r\nhello\r\n");
        assert_eq!((written, status), (expected, ExitStatus::Exited(0)));
        // The session lives on; the keeper does not.
        wait_no_keeper(&guard);
    }
    let session = session_of(&mut client);
    until("the session to close the terminal", || (!has_master(session)).then_some(()));
}

#[test]
fn output_comes_before_the_stop_or_end_that_follows_it() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("ticks", &[]);
    let path = testee.path().display().to_string();
    let (target, stop) = client.start_on_terminal(&path, &["1"]);
    client.insert(target, 1, address_of(&testee, &stop, "tick"));
    client.go(target);
    assert_eq!(client.read_terminal_until("\n"), "ready\r\n");
    let mut written = String::new();
    for tick in 1..=50 {
        client.type_in(target, b"\n").expect("it reads");
        let (text, event) = client.read_terminal();
        written += &text;
        assert!(matches!(&event, Event::Stopped(stop) if stop.sites() == [1]), "{event:?}");
        assert_eq!(written.matches("ticked").count(), tick - 1, "{written:?}");
        client.go(target);
        written += &client.read_terminal_until("ticked");
    }
    client.kill(target);
    for _ in 0..20 {
        let target = run_script(&mut client, "printf %8000s x; echo bye");
        let (written, status) = run_out(&mut client, target);
        assert_eq!((written.len(), status), (8000 + 5, ExitStatus::Exited(0)));
        assert!(written.ends_with("xbye\r\n"));
    }
}

#[test]
fn a_slow_client_misses_nothing() {
    let (_guard, _server, mut client) = begin();
    const LEN: usize = 1024 * 1024;
    let arguments = ["if=/dev/zero", "bs=4096", "count=256", "status=none"];
    let (target, _) = client.start_on_terminal("dd", &arguments);
    client.go(target);
    let leader = Tid::from(target.pid);
    until("the program to wait for us", || {
        procfs::is_sleeping_in(target.pid, leader, WRITE).then_some(())
    });
    let (written, event) = client.read_terminal();
    assert_eq!(event, Event::Exited { target: target.id, status: ExitStatus::Exited(0) });
    assert_eq!(written.len(), LEN);
    assert!(written.bytes().all(|byte| byte == 0));
}

#[test]
fn a_client_that_reads_nothing_can_go() {
    let (guard, _server, mut client) = begin();
    let session = session_of(&mut client);
    let (target, _) = client.start_on_terminal("dd", &["if=/dev/zero", "bs=4096", "status=none"]);
    client.go(target);
    // The link is full when the terminal is, too.
    until("the program to wait for us", || {
        let mut slept = 0;
        while slept < 1000 && procfs::is_sleeping_in(target.pid, target.pid.into(), WRITE) {
            slept += 1;
        }
        (slept == 1000).then_some(())
    });
    drop(client);
    until("the session to end", || (!procfs::is_alive(session)).then_some(()));
    until("the program to be ended", || (!procfs::is_alive(target.pid)).then_some(()));
    wait_no_keeper(&guard);
}

#[test]
fn others_that_write_without_end_do_not_hold_up_a_stop() {
    let (_guard, _server, mut client) = begin();
    let target = run_script(&mut client, "yes & read line");
    client.read_terminal_until("y\r\n");
    for _ in 0..10 {
        client.interrupt(target);
        let (_, event) = client.read_terminal();
        assert!(matches!(event, Event::Stopped(_)), "{event:?}");
        // What nobody debugs writes on meanwhile.
        client.read_terminal_until("y\r\n");
        client.go(target);
    }
    client.call(&Kill { target: target.id }).expect("it can be killed");
    assert!(matches!(client.read_terminal().1, Event::Exited { .. }));
}

#[test]
fn what_is_typed_is_echoed_edited_and_read() {
    let (_guard, _server, mut client) = begin();
    let (target, _) = client.start_on_terminal("cat", &[]);
    client.go(target);
    // The terminal is the program's own from the start: DEL rubs out, and the line is read whole.
    client.type_in(target, b"hallo\x7f\x7f\x7f\x7fello\n").expect("it reads");
    let written = client.read_terminal_until("\nhello\r\n");
    assert!(written.starts_with("hallo\x08 \x08"), "{written:?}");
    client.type_in(target, b"\x04").expect("it reads");
    assert_eq!(client.read_terminal().1, exited(target, ExitStatus::Exited(0)));
}

fn exited(target: Target, status: ExitStatus) -> Event {
    Event::Exited { target: target.id, status }
}

#[test]
fn the_interrupt_character_is_a_signal() {
    let (_guard, _server, mut client) = begin();
    let (target, _) = client.start_on_terminal("cat", &[]);
    client.go(target);
    client.type_in(target, b"a\n").expect("it reads");
    client.read_terminal_until("a\r\na\r\n");
    client.type_in(target, b"\x03").expect("it reads");
    let (written, event) = client.read_terminal();
    assert_eq!(written, "^C");
    let Event::Stopped(stop) = event else { panic!("waited for a stop, not {event:?}") };
    let StopReason::Signal { signal, .. } = stop.reason() else { panic!("{stop:?}") };
    assert_eq!(signal, Signal::SIGINT);
    client.go_with_signal(target, stop.tid(), signal);
    assert_eq!(client.read_terminal().1, exited(target, ExitStatus::Killed(Signal::SIGINT)));
}

#[test]
fn a_new_size_is_told_to_the_program() {
    let (_guard, _server, mut client) = begin();
    let script = "trap 'stty size; exit 3' WINCH; echo ready; while :; do read line; done";
    let target = run_script(&mut client, script);
    client.read_terminal_until("ready\r\n");
    let resize = ResizeTerminal { target: target.id, rows: 40, columns: 100 };
    client.call(&resize).expect("it has a terminal");
    let (written, status) = run_out(&mut client, target);
    assert_eq!((written.as_str(), status), ("40 100\r\n", ExitStatus::Exited(3)));
}

#[test]
fn a_program_that_does_not_read_harms_nobody() {
    let (_guard, _server, mut client) = begin();
    let (target, _) = client.start_on_terminal("sleep", &["1000"]);
    let session = session_of(&mut client);
    for runs in [false, true] {
        if runs {
            client.go(target);
        }
        let mut line = vec![b'x'; 1000];
        line.push(b'\n');
        let mut accepted = 0;
        let fault = loop {
            match client.type_in(target, &line) {
                Ok(()) => accepted += line.len(),
                Err(fault) => break fault,
            }
            assert!(accepted < 4 * INPUT_LEN_MAX, "input is not limited");
        };
        assert_eq!(fault.code, ErrorCode::LimitReached, "{fault}");
        assert!(runs || accepted >= INPUT_LEN_MAX - line.len(), "{accepted}");
        assert_eq!(session_of(&mut client), session);
    }
    client.call(&Kill { target: target.id }).expect("it can be killed");
    let killed = ExitStatus::Killed(Signal::SIGKILL);
    assert_eq!(client.read_terminal().1, exited(target, killed));
}

#[test]
fn what_cannot_be_done_is_explained() {
    let (guard, _server, mut client) = begin();
    let (plain, _) = client.start(&Testee::build("exits", &[]), &["0"]);
    assert_eq!(refused(&mut client, plain.id, b"x"), ErrorCode::Unsupported);
    assert_eq!(refused(&mut client, 77, b"x"), ErrorCode::NoSuchTarget);
    let resize = |target: u32, rows, columns| ResizeTerminal { target, rows, columns };
    let code = |result: Result<_, Fault>| result.expect_err("no terminal").code;
    assert_eq!(code(client.call(&resize(plain.id, 24, 80))), ErrorCode::Unsupported);
    let (target, _) = client.start_on_terminal("sleep", &["1000"]);
    for (rows, columns) in [(0, 80), (24, 0), (65536, 80), (24, u32::MAX)] {
        let fault = client.call(&resize(target.id, rows, columns)).expect_err("no such size");
        assert_eq!(fault.code, ErrorCode::Malformed, "{fault}");
    }
    let verb = WriteTerminal { target: target.id };
    let id = client.send(&verb, vec![0; INPUT_LEN_MAX + 1]);
    let fault = client.answer::<WriteTerminal>(id).expect_err("too much");
    assert_eq!(fault.code, ErrorCode::TooLarge);
    client.kill(target);
    client.kill(plain);
    wait_no_keeper(&guard);
    // A program that does not exist leaves no keeper behind.
    let mut request = Launch {
        program: b"/no/such/program".to_vec(),
        terminal: Terminal::Pty as i32,
        ..Launch::default()
    };
    assert_eq!(client.call(&request).expect_err("no program").code, ErrorCode::LaunchFailed);
    request.program = b"true".to_vec();
    request.rows = 65536;
    assert_eq!(client.call(&request).expect_err("no such size").code, ErrorCode::Malformed);
    wait_no_keeper(&guard);
}

#[test]
fn output_waits_for_whoever_takes_an_abandoned_process_over() {
    let (guard, server, mut client) = begin();
    make_fifo(&guard);
    let gate = gate(&guard);
    let script = format!("(read l < {gate}; echo late) & echo ready; read line");
    let target = run_script(&mut client, &script);
    client.read_terminal_until("ready\r\n");
    client.interrupt(target);
    let (_, event) = client.read_terminal();
    assert!(matches!(event, Event::Stopped(_)), "{event:?}");
    client.call(&Abandon { target: target.id }).expect("it stands still");
    // A child that nobody debugs writes on.
    std::fs::write(&gate, "\n").expect("somebody reads");
    drop(client);
    let (mut client, target) = until("the process to be kept", || {
        let mut client = server.connect();
        let reply = client.call(&Claim { pid: target.pid.value() }).ok()?;
        Some((client, Target { id: reply.target, pid: target.pid }))
    });
    // It may have written before it was taken over, or after.
    let (mut written, event) = client.read_terminal();
    assert!(matches!(event, Event::Stopped(_)), "{event:?}");
    if !written.contains("late") {
        written += &client.read_terminal_until("late\r\n");
    }
    assert_eq!(written, "late\r\n");
    client.call(&Kill { target: target.id }).expect("it can be killed");
    assert!(matches!(client.read_terminal().1, Event::Exited { .. }));
}

// Targets whose session is gone.

fn gate(guard: &Guard) -> String {
    guard.directory().join("gate").display().to_string()
}

fn make_fifo(guard: &Guard) {
    guard.output("mkfifo", &[&gate(guard)]);
}

/// Starts a program that writes 4 MiB to its terminal when [`let_it_write`] says so, and then says
/// in a file whether all went well. It does not survive SIGHUP.
#[track_caller]
fn start_writer(guard: &Guard, client: &mut Client) -> Target {
    make_fifo(guard);
    let (gate, result) = (gate(guard), guard.directory().join("result"));
    let result = result.display();
    let script = format!(
        "echo ready; read l < {gate}; dd if=/dev/zero bs=4096 count=1024 status=none \
         && [ -t 0 ] && stty size > {result}.draft 2>&1 && echo end && mv {result}.draft {result}"
    );
    let target = run_script(client, &script);
    client.read_terminal_until("ready\r\n");
    target
}

#[track_caller]
fn let_it_write(guard: &Guard, target: Target) {
    assert_eq!(keepers(guard).len(), 1);
    std::fs::write(gate(guard), "\n").expect("it reads");
    until("the program to end", || (!procfs::is_alive(target.pid)).then_some(()));
    let result = std::fs::read_to_string(guard.directory().join("result"));
    assert_eq!(result.ok().as_deref(), Some("24 80\n"), "not all could be written");
    wait_no_keeper(guard);
}

/// Starts the writer and leaves it.
#[track_caller]
fn leave_writer() -> (Guard, Server, Client, Target, Pid) {
    let (guard, server, mut client) = begin();
    let target = start_writer(&guard, &mut client);
    let session = session_of(&mut client);
    client.detach(target);
    (guard, server, client, target, session)
}

#[test]
fn a_detached_program_writes_on_while_the_session_lives() {
    let (guard, _server, mut client, target, session) = leave_writer();
    until("the session to let go of the terminal", || (!has_master(session)).then_some(()));
    let_it_write(&guard, target);
    assert_eq!(client.pending_events(), []);
}

#[test]
fn a_detached_program_writes_on_when_its_client_has_gone() {
    let (guard, _server, client, target, session) = leave_writer();
    drop(client);
    until("the session to end", || (!procfs::is_alive(session)).then_some(()));
    let_it_write(&guard, target);
}

#[test]
fn a_detached_program_writes_on_when_the_server_is_killed() {
    let (guard, mut server, client, target, session) = leave_writer();
    send_signal(server.pid(), Signal::SIGKILL);
    server.process().wait();
    drop(client);
    until("the session to end", || (!procfs::is_alive(session)).then_some(()));
    let_it_write(&guard, target);
}

#[test]
fn a_program_whose_session_is_killed_writes_on() {
    let (guard, _server, mut client) = begin();
    let target = start_writer(&guard, &mut client);
    send_signal(session_of(&mut client), Signal::SIGKILL);
    client.wait_end();
    let leader = Tid::from(target.pid);
    until("the kernel to let it go", || (procfs::tracer(target.pid, leader)? == 0).then_some(()));
    let_it_write(&guard, target);
}

#[test]
fn a_keeper_holds_nothing_else_and_outlives_what_asks_it_to_end() {
    let (guard, server, mut client) = begin();
    let target = start_writer(&guard, &mut client);
    let keeper = keepers(&guard)[0];
    let ignored = procfs::status(keeper, keeper.into(), "SigIgn").expect("it lives");
    let ignored = u64::from_str_radix(&ignored, 16).expect("a hexadecimal number");
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM, Signal::SIGTTOU] {
        assert_ne!(ignored & 1 << (signal.number() - 1), 0, "{signal}");
        send_signal(keeper, signal);
    }
    let descriptors = procfs::descriptors(keeper);
    let [master, lifeline, null] = descriptors.as_slice() else { panic!("{descriptors:?}") };
    assert!(master.ends_with("ptmx") && lifeline.contains("pipe:"), "{descriptors:?}");
    assert_eq!(null, "2 -> /dev/null");
    let score = |pid: Pid| std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).ok();
    assert_eq!(score(keeper), score(server.pid()));
    client.detach(target);
    drop(client);
    let_it_write(&guard, target);
}
