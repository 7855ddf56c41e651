//! Sessions whose link is lost: they wait for their clients, answer what has been asked already
//! from their records, and do nothing twice.

use std::time::Duration;

use bytes::Bytes;
use dbgbase::{Pid, Signal};
use dbgwire::handshake::Hello;
use dbgwire::verbs::memory::{Range, ReadMemory};
use dbgwire::verbs::process::{Abandon, Claim};
use dbgwire::verbs::resume::{Resume, RunKind, ThreadAction};
use dbgwire::version::Capabilities;
use dbgwire::{ErrorCode, message};
use testkit::{Client, Event, Guard, LinkEnded, Relay, Server, Testee};
use testkit::{procfs, send_signal, until};

/// A server at a port, with this lease, and a line to it that can be cut.
fn begin(guard: &Guard, lease_s: u32) -> (Server, Relay) {
    let program = env!("CARGO_BIN_EXE_dbgsrv");
    let server = Server::at_port(guard, program, "tcp:port=0", "tcp:server=localhost", |command| {
        command.args(["-lease", &lease_s.to_string()]);
    });
    let relay = Relay::start(server.address(), Duration::ZERO);
    (server, relay)
}

fn link(relay: &Relay) -> dbglink::Link {
    std::net::TcpStream::connect(relay.address()).expect("a relay that listens").into()
}

/// A client that can come again.
fn connect(relay: &Relay) -> Client {
    let hello = Hello { capabilities: Capabilities::RESUME.0, ..Hello::new("testkit") };
    Client::try_open(link(relay), &hello).expect("welcome")
}

fn farewell(client: &mut Client) {
    client.send_raw(&message::farewell());
}

fn is_traced(pid: Pid) -> bool {
    procfs::tracer(pid, pid.into()).is_some_and(|tracer| tracer != 0)
}

#[test]
fn what_was_done_is_answered_from_the_record_and_not_done_again() {
    let guard = Guard::new();
    let (server, relay) = begin(&guard, 60);
    let mut client = connect(&relay);
    assert_eq!((client.welcome().resume_token.len(), client.welcome().lease_s), (20, 60));
    let (target, stop) = client.start(&Testee::build("spin", &[]), &[]);
    let step = |tid: u32| Resume {
        target: target.id,
        actions: vec![ThreadAction { tid, run: RunKind::Step as i32, ..ThreadAction::default() }],
        ..Resume::default()
    };
    let step = step(stop.tid().value());
    let before = client.registers(target, stop.tid()).pc();
    let answered = relay.bytes().1;
    let id = client.send(&step, Bytes::new());
    // It is carried out; nobody reads the answer.
    until("the answer", || (relay.bytes().1 > answered).then_some(()));
    relay.cut();
    assert_eq!(client.come_back(link(&relay)), Ok(u64::from(id)));
    client.answer::<Resume>(id).expect("one step");
    let stop = client.wait_stop();
    let after = client.registers(target, stop.tid()).pc();
    assert_ne!(before, after);
    // Another link, without anything under way, brings nothing.
    relay.cut();
    assert_eq!(client.come_back(link(&relay)), Ok(u64::from(id) + 1));
    assert_eq!(client.registers(target, stop.tid()).pc(), after);
    client.kill(target);
    farewell(&mut client);
    server.wait_until_idle();
}

#[test]
fn a_session_that_seems_connected_still_is_taken_over() {
    let guard = Guard::new();
    let (server, relay) = begin(&guard, 60);
    let mut client = connect(&relay);
    let (target, stop) = client.start(&Testee::build("spin", &[]), &[]);
    // The server has not noticed that the old link is dead: it is not.
    let old = relay;
    let new = Relay::start(server.address(), Duration::ZERO);
    client.come_back(link(&new)).expect("its session is there");
    assert_ne!(client.registers(target, stop.tid()).pc().value(), 0);
    drop(old);
    client.kill(target);
    farewell(&mut client);
    server.wait_until_idle();
}

#[test]
fn only_who_knows_the_secret_comes_back() {
    let guard = Guard::new();
    let (server, relay) = begin(&guard, 60);
    let mut client = connect(&relay);
    let (target, stop) = client.start(&Testee::build("spin", &[]), &[]);
    let token = client.welcome().resume_token.clone();
    let mut stranger = connect(&relay);
    let mut guess = token.clone();
    guess[19] ^= 1;
    let mut other = token.clone();
    other[0] ^= 0x40;
    for wrong in [guess, other, token[..19].to_vec(), vec![7; 200]] {
        stranger.set_resume_token(wrong);
        let fault = stranger.come_back(link(&relay)).expect_err("no session of its");
        assert_eq!(fault.code, ErrorCode::NoSuchSession);
    }
    // Its link was not harmed.
    assert_ne!(client.registers(target, stop.tid()).pc().value(), 0);
    client.kill(target);
    farewell(&mut client);
    drop(stranger);
    until("the stranger's lease", || (server.sessions().len() == 1).then_some(()));
}

#[test]
fn what_is_kept_no_more_is_not_asked_for_twice() {
    let guard = Guard::new();
    let (server, relay) = begin(&guard, 60);
    let mut client = connect(&relay);
    let (target, stop) = client.start(&Testee::build("spin", &[]), &[]);
    // More than the 64 MiB that are kept is told, and nothing of it acknowledged.
    let code = client.registers(target, stop.tid()).pc().value() & !0xfff;
    let ranges = vec![Range { address: code, len: 4096 }; 256];
    let read = ReadMemory { target: target.id, ranges };
    for _ in 0..65 {
        assert_eq!(client.call(&read).expect("it is mapped").lengths, [4096; 256]);
    }
    relay.cut();
    let resume_token = client.welcome().resume_token.clone();
    let capabilities = Capabilities::RESUME.0;
    let forgetful = Hello { capabilities, resume_token, ..Hello::new("testkit") };
    let fault = Client::try_open(link(&relay), &forgetful).err().expect("that is gone");
    assert_eq!(fault.code, ErrorCode::NoSuchSession);
    // Who has it all lacks nothing.
    client.come_back(link(&relay)).expect("its session waits");
    client.kill(target);
    farewell(&mut client);
    server.wait_until_idle();
}

#[test]
fn a_farewell_ends_the_session_at_once_and_a_lost_link_does_not() {
    let guard = Guard::new();
    let (server, relay) = begin(&guard, 3600);
    let mut client = connect(&relay);
    let (target, _) = client.start(&Testee::build("spin", &[]), &[]);
    farewell(&mut client);
    until("the program's end", || (!procfs::is_alive(target.pid)).then_some(()));
    server.wait_until_idle();
    let mut client = connect(&relay);
    let (target, _) = client.start(&Testee::build("spin", &[]), &[]);
    relay.cut();
    client.come_back(link(&relay)).expect("its session waits");
    client.kill(target);
    farewell(&mut client);
    server.wait_until_idle();
}

#[test]
fn when_the_lease_is_over_targets_end_as_they_were_begun() {
    let guard = Guard::new();
    let (server, relay) = begin(&guard, 1);
    let testee = Testee::build("spin", &[]);
    let running = guard.start(testee.path(), &[]);
    let mut client = connect(&relay);
    let (attached, _) = client.attach(running.pid());
    let (launched, _) = client.start(&testee, &[]);
    relay.cut();
    until("the end of what was launched", || (!procfs::is_alive(launched.pid)).then_some(()));
    until("the session's end", || server.sessions().is_empty().then_some(()));
    assert!(procfs::is_alive(attached.pid) && !is_traced(attached.pid));
    let fault = client.come_back(link(&relay)).expect_err("too late");
    assert_eq!(fault.code, ErrorCode::NoSuchSession);
    server.wait_until_idle();
}

#[test]
fn what_was_attached_to_is_not_kept_for_as_long_as_what_was_launched() {
    let guard = Guard::new();
    let (server, relay) = begin(&guard, 3600);
    let testee = Testee::build("spin", &[]);
    let running = guard.start(testee.path(), &[]);
    let mut client = connect(&relay);
    let (attached, _) = client.attach(running.pid());
    let (launched, stop) = client.start(&testee, &[]);
    relay.cut();
    assert!(is_traced(attached.pid), "it stays as it is at first");
    until("the process to be let go", || (!is_traced(attached.pid)).then_some(()));
    assert_eq!(procfs::state(attached.pid, attached.pid.into()), Some('R'));
    client.come_back(link(&relay)).expect("its session waits");
    let Event::Left { target, why } = client.wait_event() else { panic!("another event") };
    assert_eq!(target, attached.id);
    assert!(why.contains("lost for more than 10 seconds"), "{why}");
    assert_ne!(client.registers(launched, stop.tid()).pc().value(), 0);
    client.kill(launched);
    farewell(&mut client);
    server.wait_until_idle();
}

#[test]
fn without_a_lease_or_the_wish_for_one_the_end_is_at_once() {
    let guard = Guard::new();
    for (lease_s, capabilities) in [(0, Capabilities::RESUME), (60, Capabilities::PTY)] {
        let (server, relay) = begin(&guard, lease_s);
        let hello = Hello { capabilities: capabilities.0, ..Hello::new("testkit") };
        let mut client = Client::try_open(link(&relay), &hello).expect("welcome");
        assert_eq!((client.welcome().resume_token.len(), client.welcome().lease_s), (0, 0));
        let (target, _) = client.start(&Testee::build("spin", &[]), &[]);
        relay.cut();
        until("the program's end", || (!procfs::is_alive(target.pid)).then_some(()));
        server.wait_until_idle();
    }
}

#[test]
fn the_servers_end_ends_a_session_that_waits() {
    let guard = Guard::new();
    let (mut server, relay) = begin(&guard, 3600);
    let testee = Testee::build("spin", &[]);
    let running = guard.start(testee.path(), &[]);
    let mut client = connect(&relay);
    let (attached, _) = client.attach(running.pid());
    let (launched, _) = client.start(&testee, &[]);
    relay.cut();
    send_signal(server.pid(), Signal::SIGTERM);
    server.process().wait();
    assert!(!procfs::is_alive(launched.pid));
    assert!(procfs::is_alive(attached.pid) && !is_traced(attached.pid));
}

#[test]
fn output_waits_for_the_client_without_a_gap() {
    let guard = Guard::new();
    let (server, relay) = begin(&guard, 60);
    let mut client = connect(&relay);
    let count = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo $i; done; echo end";
    let (target, _) = client.start_on_terminal("/bin/sh", &["-c", count]);
    client.go(target);
    let mut text = String::new();
    while !text.ends_with("end\r\n") {
        match client.try_wait_event() {
            Ok(Event::Output { bytes, .. }) => text.push_str(&String::from_utf8_lossy(&bytes)),
            Ok(Event::Exited { .. }) => break,
            Ok(event) => panic!("{event:?}"),
            Err(LinkEnded) => {
                client.come_back(link(&relay)).expect("its session waits");
            }
        }
        // Its farewell would not arrive.
        let is_over = text.ends_with("end\r\n");
        if text.len().is_multiple_of(7) && !is_over {
            relay.cut();
        }
    }
    let lines: Vec<&str> = text.lines().collect();
    let expected: Vec<String> = (1..=20_000).map(|number: u32| number.to_string()).collect();
    assert_eq!(lines[..20_000], expected);
    farewell(&mut client);
    server.wait_until_idle();
}

#[test]
fn a_client_that_was_handed_over_comes_back_to_its_new_session() {
    let guard = Guard::new();
    let (server, relay) = begin(&guard, 60);
    let mut first = connect(&relay);
    let (target, _) = first.start(&Testee::build("spin", &[]), &[]);
    first.call(&Abandon { target: target.id }).expect("it is stopped");
    let stale = first.welcome().resume_token.clone();
    farewell(&mut first);
    drop(first);
    let mut second = connect(&relay);
    let reply =
        until("the first session to park", || second.call(&Claim { pid: target.pid.value() }).ok());
    assert_eq!(reply.resume_token.len(), 20);
    let stop = second.wait_stop();
    let mut thief = connect(&relay);
    thief.set_resume_token(stale.clone());
    let fault = thief.come_back(link(&relay)).expect_err("that client has gone");
    assert_eq!(fault.code, ErrorCode::NoSuchSession);
    second.set_resume_token(reply.resume_token);
    relay.cut();
    second.come_back(link(&relay)).expect("its session waits");
    assert_ne!(second.registers(target, stop.tid()).pc().value(), 0);
    // Nor is one that does not come again disturbed by who had the session before.
    second.call(&Abandon { target: target.id }).expect("it is stopped");
    let stale = second.welcome().resume_token.clone();
    farewell(&mut second);
    drop(second);
    let mut third = server.connect();
    let reply =
        until("the session to park again", || third.call(&Claim { pid: target.pid.value() }).ok());
    assert!(reply.resume_token.is_empty());
    third.wait_stop();
    thief.set_resume_token(stale);
    let fault = thief.come_back(link(&relay)).expect_err("that client has gone, too");
    assert_eq!(fault.code, ErrorCode::NoSuchSession);
    third.kill(target);
    drop((thief, third));
    until("all but the thief", || (server.sessions().len() == 1).then_some(()));
}
