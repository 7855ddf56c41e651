//! How conversations begin, and how they end.

use bytes::Bytes;
use dbgeng::client::{CallError, Client};
use dbgeng::{ErrorKind, EventKind, LaunchOptions};
use dbglink::Link;
use dbgwire::event::Ending;
use dbgwire::handshake::{Hello, Refusal, Welcome};
use dbgwire::verbs::process::{
    Launch, LaunchReply, ListProcesses, ListProcessesReply, ProcessDescription,
};
use dbgwire::verbs::server::{EndServer, EndServerReply, Ping, PingReply, ServerInfo};
use dbgwire::version::Capabilities;
use dbgwire::{ErrorCode, Verb};

use crate::peer::{Peer, Session, connect};
use crate::scene::{GO, Scene, launch, next_event, serve_launch};

#[test]
fn a_server_is_greeted_and_asked_who_it_is_at_once() {
    let (engine, server) = connect(|peer| {
        let hello = peer.hello();
        assert_eq!(hello.program, "test 1.0");
        // The first question is there before the greeting is answered.
        let info = peer.expect::<ServerInfo>();
        let capabilities = Capabilities::END_SERVER.0;
        let arch = "x86_64".to_owned();
        let welcome = Welcome { version: 1, arch, capabilities, session: 7, ..Welcome::default() };
        peer.write(&welcome.encode());
        let reply = dbgwire::verbs::server::ServerInfoReply {
            machine: "box17".to_owned(),
            system: "Linux 6.1.0".to_owned(),
            version: "0.1.0".to_owned(),
            uid: 1000,
            ..Default::default()
        };
        peer.answer(&info, reply);
        let end = peer.expect::<EndServer>();
        peer.answer(&end, EndServerReply {});
    });
    let engine = engine.expect("welcome");
    let described = engine.server();
    assert_eq!((described.machine.as_str(), described.uid, described.session), ("box17", 1000, 7));
    assert!(described.can_end_server() && !described.shares_terminal());
    engine.end_server().expect("granted");
    drop(engine);
    server.join().expect("the script was followed");
}

#[test]
fn a_refusal_is_told_in_the_servers_words() {
    let (engine, server) = connect(|peer| {
        peer.hello();
        let code = ErrorCode::VersionMismatch.number();
        let detail = "the server speaks 9 to 11".to_owned();
        peer.write(&Refusal { code, detail, version_min: 9, version_max: 11 }.encode());
    });
    let error = engine.err().expect("refused");
    assert_eq!(error.kind(), ErrorKind::VersionMismatch);
    assert_eq!(error.to_string(), "the server speaks 9 to 11");
    server.join().expect("the script was followed");
}

#[test]
fn strangers_and_silence_are_recognised() {
    let (engine, server) = connect(|peer| {
        peer.hello();
        peer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let error = engine.err().expect("no such protocol");
    assert_eq!(error.kind(), ErrorKind::VersionMismatch, "{error}");
    server.join().expect("the script was followed");

    let (engine, server) = connect(|peer| {
        peer.hello();
    });
    let error = engine.err().expect("hung up");
    assert_eq!(error.kind(), ErrorKind::NotConnected, "{error}");
    server.join().expect("the script was followed");
}

#[test]
fn a_cpu_that_nobody_knows_is_refused() {
    let (engine, server) = connect(|peer| {
        peer.hello();
        let arch = "riscv64".to_owned();
        peer.write(&Welcome { version: 1, arch, ..Welcome::default() }.encode());
        let info = peer.expect::<ServerInfo>();
        peer.answer(&info, Default::default());
    });
    let error = engine.err().expect("unsupported");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("riscv64"), "{error}");
    server.join().expect("the script was followed");
}

#[test]
fn replies_find_their_requests_in_any_order() {
    let (ours, theirs) = Link::pair().expect("a socket pair");
    let server = std::thread::spawn(|| answer_backwards(theirs));
    let (client, _, first) =
        Client::connect(ours, &Hello::new("test"), &Ping {}, None).expect("the server greets");
    first.wait().expect("answered");
    let requests: Vec<_> = (0..4).map(|_| client.send(&Ping {}, Bytes::new())).collect();
    let posted = client.post(&EndServer {});
    for (expected, pending) in requests.into_iter().enumerate() {
        match (expected, pending.wait()) {
            (2, Err(CallError::Refused(fault))) => assert_eq!(fault.code, ErrorCode::Internal),
            (expected, Ok((_, tail))) => assert_eq!(tail[..], [expected as u8]),
            (expected, other) => panic!("{expected}: {other:?}"),
        }
    }
    match client.next(None) {
        Some(dbgeng::client::Arrival::Refused { id, fault }) => {
            assert_eq!((id, fault.code), (posted, ErrorCode::NotPermitted));
        }
        other => panic!("expected the refusal, got {other:?}"),
    }
    drop(client);
    server.join().expect("the script was followed");
}

/// A server that answers four pings backwards, one of them with a fault, with things in between
/// that this client does not know.
fn answer_backwards(link: Link) {
    let mut peer = Peer::new(link);
    peer.hello();
    peer.write(&Welcome { version: 1, ..Welcome::default() }.encode());
    let first = peer.expect::<Ping>();
    peer.answer(&first, PingReply {});
    let pings: Vec<_> = (0..4).map(|_| peer.expect::<Ping>()).collect();
    let end = peer.expect::<EndServer>();
    // An event of a later version, a reply nobody asked for, a frame of an unknown kind.
    peer.frame_of(4, 0x8777, 1, b"\x08\x01", b"tail");
    peer.frame_of(2, Ping::OPCODE, 0xdead, b"", b"");
    peer.frame_of(9, 1, 1, b"what", b"");
    for (number, ping) in pings.iter().enumerate().rev() {
        if number == 2 {
            peer.refuse(ping, ErrorCode::Internal, "by chance");
        } else {
            // With a field of a later version.
            peer.frame_of(2, Ping::OPCODE, ping.id(), b"\xa0\x06\x2a", &[number as u8]);
        }
    }
    peer.refuse(&end, ErrorCode::NotPermitted, "not you");
    peer.expect_end();
}

#[test]
fn a_lost_link_wakes_whoever_waits_and_is_told_once() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        peer.expect::<ListProcesses>();
        peer.hang_up();
    });
    let engine = session.engine();
    launch(engine);
    let lost = engine.list_processes(false).expect_err("the link is cut in the middle");
    assert_eq!(lost.kind(), ErrorKind::NotConnected);
    assert_eq!(engine.registers().expect_err("no link").kind(), ErrorKind::NotConnected);
    let event = next_event(engine);
    assert!(matches!(event.kind, EventKind::LinkLost(_)), "{event:?}");
    assert_eq!(event.pid.value(), 1001);
    assert!(engine.processes().is_empty() && engine.current().is_none());
    let again = engine.wait_for_event(None).expect_err("told already");
    assert_eq!(again.kind(), ErrorKind::NotConnected);
    let options = LaunchOptions::new("/bin/prog");
    assert_eq!(engine.launch(&options).expect_err("no link").kind(), ErrorKind::NotConnected);
    session.end();
}

#[test]
fn a_server_that_ends_says_why() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        peer.resume();
        peer.event(&Ending { reason: "shut down by root".to_owned() }, &[]);
        peer.hang_up();
    });
    let engine = session.engine();
    launch(engine);
    engine.execute(GO).expect("runs");
    let event = next_event(engine);
    assert_eq!(event.kind, EventKind::ServerEnding("shut down by root".to_owned()));
    let again = engine.wait_for_event(None).expect_err("nothing is left");
    assert_eq!(again.kind(), ErrorKind::NotConnected);
    session.end();
}

#[test]
fn faults_keep_the_servers_words_and_kinds() {
    let mut session = Session::new(|peer| {
        for (code, detail) in [
            (ErrorCode::LaunchFailed, "/bin/nothing: no such file"),
            (ErrorCode::NotPermitted, "not for you"),
            (ErrorCode::Unknown(777), ""),
        ] {
            let launch = peer.expect::<Launch>();
            peer.refuse(&launch, code, detail);
        }
    });
    let engine = session.engine();
    let mut failure = || {
        let error = engine.launch(&LaunchOptions::new("/bin/nothing")).expect_err("refused");
        (error.kind(), error.to_string())
    };
    assert_eq!(failure(), (ErrorKind::LaunchFailed, "/bin/nothing: no such file".to_owned()));
    assert_eq!(failure(), (ErrorKind::NotPermitted, "not for you".to_owned()));
    assert_eq!(failure(), (ErrorKind::ServerRefused, "error 777".to_owned()));
    session.end();
}

#[test]
fn long_lists_are_paged_through() {
    let mut session = Session::new(|peer| {
        let page = |pids: &[u32], more| ListProcessesReply {
            processes: pids
                .iter()
                .map(|pid| ProcessDescription { pid: *pid, state: 0x52, ..Default::default() })
                .collect(),
            more,
        };
        let first = peer.expect::<ListProcesses>();
        assert_eq!((first.verb.after, first.verb.details), (0, true));
        peer.answer(&first, page(&[1, 5], true));
        let second = peer.expect::<ListProcesses>();
        assert_eq!(second.verb.after, 5);
        peer.answer(&second, page(&[9], false));
        // A server that repeats itself is not asked for ever.
        for _ in 0..2 {
            let stuck = peer.expect::<ListProcesses>();
            peer.answer(&stuck, page(&[7], true));
        }
    });
    let engine = session.engine();
    let list = engine.list_processes(true).expect("listed");
    let pids: Vec<_> = list.iter().map(|process| (process.pid.value(), process.state)).collect();
    assert_eq!(pids, [(1, 'R'), (5, 'R'), (9, 'R')]);
    assert_eq!(engine.list_processes(false).expect("listed").len(), 2);
    session.end();
}

#[test]
fn events_that_come_before_the_reply_wait_for_their_turn() {
    let mut session = Session::new(|peer| {
        let launch = peer.expect::<Launch>();
        // The stop overtakes the reply that says whose it is.
        Scene::new(1, 1, 1001, dbgwire::event::StopKind::InitialBreak, 0x40_1000).push(peer);
        let reply = LaunchReply { target: 1, pid: 1001, ..LaunchReply::default() };
        peer.answer(&launch, reply);
    });
    launch(session.engine());
    session.end();
}
