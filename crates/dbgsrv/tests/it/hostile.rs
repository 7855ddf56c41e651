//! Peers that are no clients: refused or dropped, and nobody else notices.

use std::io::{Read, Write};

use dbgbase::ExitStatus;
use dbglink::Link;
use dbgwire::ErrorCode;
use dbgwire::handshake::Hello;
use dbgwire::verbs::site::{InsertSites, SITES_MAX};
use testkit::{Client, Testee};

use crate::{address_of, begin};

/// What a server sends before it closes a link on which these bytes were said. A server may close
/// it before all is said.
fn answer_to(link: Link, bytes: &[u8]) -> Vec<u8> {
    let (mut reader, mut writer) = link.split();
    let _ = writer.write_all(bytes);
    let mut answer = Vec::new();
    let _ = reader.read_to_end(&mut answer);
    answer
}

/// A frame's header.
fn header(length: u32, kind: u8, opcode: u16, id: u32, tail: u32) -> Vec<u8> {
    let [low, high] = opcode.to_le_bytes();
    [&length.to_le_bytes()[..], &[kind, 0, low, high], &id.to_le_bytes(), &tail.to_le_bytes()]
        .concat()
}

#[test]
fn garbage_ends_its_own_link_only() {
    let (_guard, server, mut client) = begin();
    let (target, _) = client.start(&Testee::build("exits", &[]), &["2"]);
    let hello = Hello::new("hostile").encode();
    let cases: [Vec<u8>; 8] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        vec![0xff; 4096],
        b"dbgsrv\r".iter().chain(b"x").copied().collect(),
        // A first frame that is too long, has its tail outside, or is no Hello.
        [&b"dbgsrv\r\n"[..], &header(u32::MAX, 0, 1, 0, 0)].concat(),
        [&b"dbgsrv\r\n"[..], &header(4097, 0, 1, 0, 0)].concat(),
        [&b"dbgsrv\r\n"[..], &header(4, 0, 1, 0, 5)].concat(),
        [&b"dbgsrv\r\n"[..], &header(0, 1, 0x0101, 1, 0)].concat(),
        [&b"dbgsrv\r\n"[..], &header(2, 0, 1, 0, 0), &[0xff, 0xff]].concat(),
    ];
    for bytes in cases {
        assert_eq!(answer_to(server.link(), &bytes), b"", "{bytes:02x?}");
    }
    // The same after a good greeting: the server has said its Welcome, and then closes.
    for bytes in [vec![0xff; 64], header(u32::MAX, 1, 0x0101, 1, 0), header(8, 1, 0x0101, 1, 9)] {
        let answer = answer_to(server.link(), &[&hello[..], &bytes].concat());
        assert!(answer.starts_with(b"dbgsrv\r\n"), "{answer:02x?}");
    }
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(2));
}

#[test]
fn a_link_without_a_word_ends_with_it() {
    let (guard, server, mut client) = begin();
    let before = guard.processes().len();
    let links: Vec<Link> = (0..5).map(|_| server.link()).collect();
    testkit::until("their sessions", || (guard.processes().len() == before + 5).then_some(()));
    drop(links);
    testkit::until("their end", || (guard.processes().len() == before).then_some(()));
    assert_eq!(client.pending_events(), []);
}

#[test]
fn a_client_of_other_versions_is_told_so() {
    let (_guard, server, _client) = begin();
    let hello = Hello { version_min: 77, version_max: 78, ..Hello::new("from the future") };
    let fault = match Client::try_open(server.link(), &hello) {
        Ok(_) => panic!("no common version"),
        Err(fault) => fault,
    };
    assert_eq!(fault.code, ErrorCode::VersionMismatch);
    assert!(fault.detail.contains("77 to 78"), "{}", fault.detail);
}

#[test]
fn unknown_verbs_and_messages_are_answered_and_the_session_goes_on() {
    let (_guard, _server, mut client) = begin();
    let (target, _) = client.start(&Testee::build("exits", &[]), &["3"]);
    // A verb of a later version.
    client.send_raw(&header(0, 1, 0x7777, 9000, 0));
    assert_eq!(client.answer_code(9000, 0x7777), ErrorCode::UnknownVerb);
    // A message that does not decode: field 1 of ReadMemory announces more bytes than there are.
    client.send_raw(&[&header(2, 1, 0x0501, 9001, 0)[..], &[0x12, 0x7f]].concat());
    assert_eq!(client.answer_code(9001, 0x0501), ErrorCode::Malformed);
    // Kinds and flags of a later version are passed over.
    client.send_raw(&[&header(3, 200, 0x0101, 9002, 0)[..], b"abc"].concat());
    let mut flagged = header(0, 1, 0x0101, 9003, 0);
    flagged[5] = 1;
    client.send_raw(&flagged);
    // What only servers send is passed over as well.
    client.send_raw(&header(0, 4, 0x8003, 9004, 0));
    assert_eq!(client.pending_events(), []);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(3));
}

#[test]
fn many_clients_come_and_go() {
    let (guard, server, mut client) = begin();
    let before = guard.processes().len();
    for _ in 0..30 {
        drop(server.connect());
    }
    testkit::until("their end", || (guard.processes().len() == before).then_some(()));
    assert_eq!(client.pending_events(), []);
}

#[test]
fn requests_that_are_sent_without_waiting_are_answered_in_turn() {
    use dbgwire::verbs::server::Ping;
    let (_guard, _server, mut client) = begin();
    let ids: Vec<u32> = (0..100).map(|_| client.send(&Ping {}, Vec::new())).collect();
    for id in ids {
        assert!(client.answer::<Ping>(id).is_ok());
    }
}

#[test]
fn sites_of_one_target_have_a_limit() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("waits", &[]);
    let (target, stop) = client.start(&testee, &[]);
    let main = address_of(&testee, &stop, "main");
    let mut ids = 1..;
    let fault = loop {
        let sites = ids.by_ref().take(SITES_MAX).map(|id| testkit::site(id, main)).collect();
        let reply = client.call(&InsertSites { target: target.id, sites }).expect("it lives");
        if let Some(refused) = reply.faults.first() {
            break refused.fault.clone().expect("why");
        }
        assert!(ids.start < 200_000, "no end of it");
    };
    assert_eq!(fault.code, ErrorCode::LimitReached.number(), "{}", fault.detail);
    client.go(target);
    let stop = client.wait_stop();
    assert_eq!(stop.pc(), main);
    client.kill(target);
}
