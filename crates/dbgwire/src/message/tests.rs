//! Frames of messages: their limits, faults and answers. What the messages themselves look like is
//! tested in `tests/it`.

use super::*;
use crate::error::ErrorCode;
use crate::event::Ending;
use crate::frame::Deframer;
use crate::frame::HEADER_LEN;
use crate::verbs::memory::{ReadMemory, ReadMemoryReply};
use crate::verbs::server::{Ping, PingReply};
use crate::version::PREFACE;

/// The frame that a peer gets when `encoded` is written.
fn received(encoded: &Encoded) -> Frame {
    let bytes = [&PREFACE[..], &encoded.head, &encoded.tail].concat();
    let mut deframer = Deframer::new();
    let mut rest = &bytes[..];
    loop {
        let room = deframer.want();
        let count = room.len().min(rest.len());
        assert_ne!(count, 0, "the bytes end within the frame");
        room[..count].copy_from_slice(&rest[..count]);
        rest = &rest[count..];
        deframer.set_length_max(FRAME_LEN_MAX);
        if let Some(frame) = deframer.filled(count).expect("a good frame") {
            assert!(rest.is_empty());
            return frame;
        }
    }
}

#[test]
fn a_reply_and_its_tail_come_back() {
    let sent = ReadMemoryReply { lengths: vec![3, 0] };
    let encoded = reply::<ReadMemory>(7, &sent, Bytes::from_static(b"abc")).expect("short");
    let frame = received(&encoded);
    assert_eq!((frame.id, frame.opcode), (7, ReadMemory::OPCODE));
    let (message, tail) = read_answer::<ReadMemory>(frame).expect("decodes").expect("no fault");
    assert_eq!((message, &tail[..]), (sent, &b"abc"[..]));
}

#[test]
fn a_tail_is_shared_and_not_copied() {
    let tail = Bytes::from(vec![1; 1000]);
    let encoded = reply::<ReadMemory>(1, &ReadMemoryReply::default(), tail.clone()).expect("short");
    assert_eq!(encoded.tail.as_ptr(), tail.as_ptr());
    assert_eq!(encoded.head.len(), HEADER_LEN);
}

#[test]
fn a_frame_may_be_as_long_as_the_limit_and_no_longer() {
    let limit = FRAME_LEN_MAX as usize;
    let full = Bytes::from(vec![0; limit]);
    assert!(request(1, &Ping {}, full).is_ok());
    let error = |length| FrameError::TooLong { length, length_max: FRAME_LEN_MAX };
    let over = Bytes::from(vec![0; limit + 1]);
    assert_eq!(request(1, &Ping {}, over).err(), Some(error(FRAME_LEN_MAX + 1)));

    // Message and tail count together: field 1 of Ending takes four bytes in front of its text.
    let ending = |len: usize, tail: usize| {
        let ending = Ending { reason: "x".repeat(len) };
        event(1, &ending, Bytes::from(vec![0; tail])).map(|_| ())
    };
    assert_eq!(ending(limit / 2 - 5, limit / 2), Ok(()));
    assert_eq!(ending(limit / 2 - 4, limit / 2), Err(error(FRAME_LEN_MAX + 1)));
}

#[test]
fn a_handshake_message_has_the_limit_that_its_reader_has() {
    let text = |len: usize| Ending { reason: "x".repeat(len) };
    let largest = HELLO_LEN_MAX as usize - 3;
    assert!(handshake(1, &text(largest)).is_ok());
    assert!(matches!(handshake(1, &text(largest + 1)), Err(FrameError::TooLong { .. })));
}

#[test]
fn a_fault_comes_back_whole() {
    let sent = Fault::new(ErrorCode::NotPermitted, "attach to 4711: not permitted").with_errno(1);
    let frame = received(&fault(9, Ping::OPCODE, &sent));
    assert_eq!((frame.kind, frame.id, frame.opcode), (FrameKind::Fault, 9, Ping::OPCODE));
    assert_eq!(read_answer::<Ping>(frame), Ok(Err(sent)));
}

#[test]
fn a_negative_or_missing_errno_stays_what_it_is() {
    for errno in [None, Some(0), Some(-1), Some(i32::MAX), Some(i32::MIN)] {
        let sent = Fault { code: ErrorCode::SystemError, errno, detail: String::new() };
        let frame = received(&fault(1, Ping::OPCODE, &sent));
        assert_eq!(read_answer::<Ping>(frame), Ok(Err(sent)));
    }
}

#[test]
fn a_long_detail_is_cut_at_a_character() {
    // Characters of one to four bytes, shifted so that the limit falls on each of their bytes.
    for character in ["a", "é", "€", "𝄞"] {
        for shift in 0..4 {
            let detail = "-".repeat(shift) + &character.repeat(2000);
            let frame =
                received(&fault(1, Ping::OPCODE, &Fault::new(ErrorCode::Internal, &*detail)));
            let cut = read_answer::<Ping>(frame).expect("decodes").expect_err("a fault").detail;
            assert!(detail.starts_with(&cut));
            assert!(cut.len() <= DETAIL_LEN_MAX);
            assert!(cut.len() + character.len() > DETAIL_LEN_MAX, "{} is too short", cut.len());
        }
    }
}

#[test]
fn a_detail_of_the_limits_length_is_not_cut() {
    for len in [0, 1, DETAIL_LEN_MAX - 1, DETAIL_LEN_MAX] {
        let sent = Fault::new(ErrorCode::Internal, "d".repeat(len));
        let frame = received(&fault(1, Ping::OPCODE, &sent));
        assert_eq!(read_answer::<Ping>(frame), Ok(Err(sent)));
    }
}

#[test]
fn an_answer_to_another_verb_is_unexpected() {
    let frame = received(&reply::<Ping>(1, &PingReply {}, Bytes::new()).expect("short"));
    assert_eq!(read_answer::<ReadMemory>(frame), Err(DecodeError::Unexpected));
    let fault = fault(1, Ping::OPCODE, &Fault::new(ErrorCode::Internal, ""));
    assert_eq!(read_answer::<ReadMemory>(received(&fault)), Err(DecodeError::Unexpected));
}

#[test]
fn only_replies_and_faults_answer() {
    let good = received(&reply::<Ping>(1, &PingReply {}, Bytes::new()).expect("short"));
    for kind in [FrameKind::Handshake, FrameKind::Request, FrameKind::Event] {
        let frame = Frame { kind, ..good.clone() };
        assert_eq!(read_answer::<Ping>(frame), Err(DecodeError::Unexpected));
    }
    assert_eq!(read_answer::<Ping>(good), Ok(Ok((PingReply {}, Bytes::new()))));
}

#[test]
fn an_answer_that_does_not_decode_is_malformed() {
    let good = received(
        &reply::<ReadMemory>(1, &ReadMemoryReply::default(), Bytes::new()).expect("short"),
    );
    for kind in [FrameKind::Reply, FrameKind::Fault] {
        let frame = Frame { kind, message: Bytes::from_static(&[0x0a, 5, 1]), ..good.clone() };
        assert_eq!(read_answer::<ReadMemory>(frame), Err(DecodeError::Malformed));
    }
}

#[test]
fn what_the_other_side_says_is_obeyed_by_no_terminal() {
    for (said, shown) in [
        (
            "attach to 4711: not \"permitted\"; it's C:\\x – ü",
            "attach to 4711: not \"permitted\"; it's C:\\x – ü",
        ),
        ("\u{1b}]52;c;eA==\u{7}\n", "\\u{1b}]52;c;eA==\\u{7}\\n"),
        ("\u{202e}txt\u{85}", "\\u{202e}txt\\u{85}"),
    ] {
        assert_eq!(sentence(said), shown);
    }
}
