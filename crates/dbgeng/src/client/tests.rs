//! The pieces of the client that no server is needed for; conversations are in `tests/it`.

use std::io::{self, Read};

use dbgwire::FrameKind;
use dbgwire::event::Ending;
use dbgwire::verbs::server::{Ping, PingReply};

use super::*;

/// Gives out bytes a few at a time.
struct Trickle {
    bytes: Vec<u8>,
    at: usize,
    step: usize,
}

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.step.min(buffer.len()).min(self.bytes.len() - self.at);
        buffer[..len].copy_from_slice(&self.bytes[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}

/// A server's greeting, one big reply, and two small events.
fn conversation() -> Vec<u8> {
    let mut bytes = Welcome { version: 1, ..Welcome::default() }.encode();
    let mut push = |encoded: dbgwire::Encoded| {
        bytes.extend_from_slice(&encoded.head);
        bytes.extend_from_slice(&encoded.tail);
    };
    let tail = Bytes::from((0..200_000u32).map(|n| n as u8).collect::<Vec<_>>());
    push(message::reply::<Ping>(1, &PingReply {}, tail).expect("fits"));
    for reason in ["a", "b"] {
        let event = Ending { reason: reason.to_owned() };
        push(message::event(1, &event, Bytes::new()).expect("fits"));
    }
    bytes
}

#[test]
fn frames_come_out_whole_however_the_bytes_arrive() {
    for step in [1, 7, 4096, usize::MAX] {
        let mut reader = FrameReader::new(Trickle { bytes: conversation(), at: 0, step });
        let greeting = reader.next().expect("read").expect("a frame");
        assert_eq!(Welcome::decode(&greeting).expect("a welcome").version, 1);
        reader.set_length_max(1 << 20);
        let reply = reader.next().expect("read").expect("a frame");
        assert_eq!((reply.kind, reply.tail.len()), (FrameKind::Reply, 200_000));
        assert!(reply.tail.iter().enumerate().all(|(n, byte)| n as u8 == *byte));
        assert_eq!(reader.next().expect("read").expect("a frame").kind, FrameKind::Event);
        assert_eq!(reader.next().expect("read").expect("a frame").kind, FrameKind::Event);
        assert!(matches!(reader.next(), Ok(None)), "an orderly end");
    }
}

#[test]
fn an_end_inside_a_frame_is_no_orderly_one() {
    let mut bytes = conversation();
    bytes.pop();
    let mut reader = FrameReader::new(Trickle { bytes, at: 0, step: usize::MAX });
    reader.next().expect("read").expect("a frame");
    reader.set_length_max(1 << 20);
    reader.next().expect("read").expect("a frame");
    reader.next().expect("read").expect("a frame");
    assert!(matches!(reader.next(), Err(ReadFailure::CutOff)));
}

#[test]
fn another_protocol_is_recognised() {
    let bytes = b"HTTP/1.1 400 Bad Request\r\n".to_vec();
    let mut reader = FrameReader::new(Trickle { bytes, at: 0, step: usize::MAX });
    let failure = reader.next().expect_err("no frame");
    assert!(matches!(failure, ReadFailure::NoFrames(FrameError::WrongPreface)), "{failure}");
}

fn event(reason: &str) -> dbgwire::Frame {
    let event = Ending { reason: reason.to_owned() };
    let head = message::event(7, &event, Bytes::new()).expect("fits").head;
    let message = Bytes::from(head).split_off(dbgwire::frame::HEADER_LEN);
    dbgwire::Frame { kind: FrameKind::Event, opcode: 0x8003, id: 7, message, tail: Bytes::new() }
}

#[test]
fn an_inbox_keeps_events_in_order_and_tells_of_the_loss_last_and_once() {
    let inbox = Inbox::default();
    inbox.happened(&event("first")).expect("decodes");
    inbox.happened(&dbgwire::Frame { opcode: 0x8fff, ..event("unknown") }).expect("passed over");
    inbox.nudge();
    inbox.lose("cut".to_owned());
    inbox.lose("cut again".to_owned());
    let past = Some(Instant::now());
    assert!(matches!(inbox.next(past), Some(Arrival::Event(..))));
    assert_eq!(inbox.next(past), Some(Arrival::Lost("cut".to_owned())));
    assert_eq!(inbox.next(past), Some(Arrival::Nudged));
    assert_eq!(inbox.next(past), None);
    assert_eq!(inbox.lost().as_deref(), Some("cut"));
    inbox.expect(5);
    assert_eq!(inbox.take(5, None), Err(CallError::Lost("cut".to_owned())));
}

#[test]
fn an_event_that_does_not_decode_ends_the_conversation() {
    let inbox = Inbox::default();
    let broken = dbgwire::Frame { message: Bytes::from_static(&[0xff]), ..event("") };
    assert!(inbox.happened(&broken).is_err());
}

#[test]
fn a_flood_of_events_ends_the_conversation() {
    let inbox = Inbox::default();
    let event = event("again");
    let accepted = (0..100_000).take_while(|_| inbox.happened(&event).is_ok()).count();
    assert_eq!(accepted, 65_536);
}
