//! The deframer against streams cut in every way, headers that lie, and limits. It knows no
//! message.

use proptest::prelude::*;

use super::*;
use crate::version::PREFACE;

/// The bytes of a frame whose header says what it is told to say, true or not.
fn raw(kind: u8, flags: u8, opcode: u16, id: u32, tail_len: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = (body.len() as u32).to_le_bytes().to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&opcode.to_le_bytes());
    bytes.extend_from_slice(&id.to_le_bytes());
    bytes.extend_from_slice(&tail_len.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Frames of every shape behind a preface: with message and tail, with one of them, with neither,
/// of unknown kind, with unknown flags, skipped ones at the end.
fn stream() -> Vec<u8> {
    [
        PREFACE.to_vec(),
        raw(0, 0, 1, 0, 0, b"hello"),
        raw(1, 0, 0x0501, 1, 0, b"message"),
        raw(9, 0, 0x0501, 2, 3, b"of a later kind"),
        raw(2, 0, 0x0501, 1, 4, b"messageTAIL"),
        raw(3, 0x80, 0x0501, 3, 0, b"flagged"),
        raw(4, 0, 0x8001, 1, 4, b"TAIL"),
        raw(1, 0, 0x0102, 4, 0, b""),
        raw(200, 1, 0xffff, 5, 0, b""),
        raw(255, 255, 0, 0, 2, b"xy"),
    ]
    .concat()
}

fn frame(kind: FrameKind, opcode: u16, id: u32, message: &[u8], tail: &[u8]) -> Frame {
    let message = Bytes::copy_from_slice(message);
    let tail = Bytes::copy_from_slice(tail);
    Frame { kind, opcode, id, message, tail }
}

fn frames() -> Vec<Frame> {
    vec![
        frame(FrameKind::Handshake, 1, 0, b"hello", b""),
        frame(FrameKind::Request, 0x0501, 1, b"message", b""),
        frame(FrameKind::Reply, 0x0501, 1, b"message", b"TAIL"),
        frame(FrameKind::Event, 0x8001, 1, b"", b"TAIL"),
        frame(FrameKind::Request, 0x0102, 4, b"", b""),
    ]
}

/// Gives `bytes` to the deframer, as many at once as it takes, and collects what comes out.
fn feed(deframer: &mut Deframer, mut bytes: &[u8]) -> Result<Vec<Frame>, FrameError> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let room = deframer.want();
        assert!(!room.is_empty(), "the deframer wants nothing, with {} bytes left", bytes.len());
        let count = room.len().min(bytes.len());
        room[..count].copy_from_slice(&bytes[..count]);
        bytes = &bytes[count..];
        frames.extend(deframer.filled(count)?);
    }
    Ok(frames)
}

/// A deframer behind the preface.
fn greeted() -> Deframer {
    let mut deframer = Deframer::new();
    assert_eq!(feed(&mut deframer, &PREFACE), Ok(vec![]));
    deframer
}

#[test]
fn every_split_in_two_and_in_three_gives_the_same_frames() {
    let stream = stream();
    for first in 0..=stream.len() {
        for second in first..=stream.len() {
            let mut deframer = Deframer::new();
            let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
            let found: Vec<Frame> = pieces
                .into_iter()
                .flat_map(|piece| feed(&mut deframer, piece).expect("a good stream"))
                .collect();
            assert_eq!(found, frames(), "split at {first} and {second}");
            assert!(deframer.is_between_frames());
        }
    }
}

proptest! {
    #[test]
    fn random_chunks_give_the_same_frames(sizes in prop::collection::vec(1_usize..40, 1..300)) {
        let stream = stream();
        let mut deframer = Deframer::new();
        let mut found = Vec::new();
        let mut rest = &stream[..];
        for size in sizes.iter().cycle() {
            let (piece, behind) = rest.split_at((*size).min(rest.len()));
            found.extend(feed(&mut deframer, piece).expect("a good stream"));
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(found, frames());
    }

    #[test]
    fn headers_read_back(
        opcode: u16, id: u32, message_len in 0..=1000_u32, tail_len in 0..=1000_u32,
    ) {
        let bytes = header(FrameKind::Reply, opcode, id, message_len, tail_len);
        let read = parse_header(bytes, 2000).expect("within the limit");
        prop_assert_eq!(read.kind, Some(FrameKind::Reply));
        prop_assert_eq!((read.opcode, read.id), (opcode, id));
        prop_assert_eq!((read.length, read.tail_len), (message_len + tail_len, tail_len));
    }

    #[test]
    fn any_header_is_refused_or_within_its_limit(bytes: [u8; HEADER_LEN], length_max: u32) {
        match parse_header(bytes, length_max) {
            Ok(read) => prop_assert!(read.tail_len <= read.length && read.length <= length_max),
            Err(FrameError::TooLong { length, .. }) => prop_assert!(length > length_max),
            Err(FrameError::TailOutside { tail_length, length }) => {
                prop_assert!(tail_length > length);
            }
            Err(FrameError::WrongPreface) => prop_assert!(false, "a header is no preface"),
        }
    }
}

#[test]
fn a_header_is_laid_out_as_drawn() {
    let bytes = header(FrameKind::Event, 0x8001, 0x0a0b_0c0d, 0x10, 0x0102_0304);
    let expected = [
        0x14, 0x03, 0x02, 0x01, // length: message and tail
        0x04, 0x00, // kind, flags
        0x01, 0x80, // opcode
        0x0d, 0x0c, 0x0b, 0x0a, // id
        0x04, 0x03, 0x02, 0x01, // tail length
    ];
    assert_eq!(bytes, expected);
}

#[test]
fn kinds_read_back_and_others_are_unknown() {
    let known: Vec<FrameKind> = (0..=255).filter_map(FrameKind::from_number).collect();
    let expected = [
        FrameKind::Handshake,
        FrameKind::Request,
        FrameKind::Reply,
        FrameKind::Fault,
        FrameKind::Event,
        FrameKind::Receipt,
        FrameKind::Farewell,
    ];
    assert_eq!(known, expected);
    for kind in known {
        assert_eq!(FrameKind::from_number(kind.number()), Some(kind));
    }
}

#[test]
fn a_wrong_byte_of_the_preface_is_noticed_at_once() {
    for position in 0..PREFACE.len() {
        for flip in 1..=255 {
            let mut bytes = PREFACE;
            bytes[position] ^= flip;
            let mut deframer = Deframer::new();
            assert_eq!(feed(&mut deframer, &bytes[..position]), Ok(vec![]));
            let wrong = &bytes[position..=position];
            assert_eq!(feed(&mut deframer, wrong), Err(FrameError::WrongPreface));
            assert_eq!(feed(&mut Deframer::new(), &bytes), Err(FrameError::WrongPreface));
        }
    }
}

#[test]
fn other_protocols_are_recognised() {
    let strangers: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"$qSupported#37",
        b"\x16\x03\x01\x02\0",
    ];
    for stranger in strangers {
        assert_eq!(feed(&mut Deframer::new(), stranger), Err(FrameError::WrongPreface));
    }
}

#[test]
fn before_the_handshake_frames_are_small() {
    let largest = raw(0, 0, 1, 0, 0, &[7; HELLO_LEN_MAX as usize]);
    assert_eq!(feed(&mut greeted(), &largest).map(|frames| frames.len()), Ok(1));

    let header = &raw(0, 0, 1, 0, 0, &[7; HELLO_LEN_MAX as usize + 1])[..HEADER_LEN];
    let error = FrameError::TooLong { length: HELLO_LEN_MAX + 1, length_max: HELLO_LEN_MAX };
    assert_eq!(feed(&mut greeted(), header), Err(error));
}

#[test]
fn after_the_handshake_frames_may_have_the_agreed_length() {
    let mut deframer = greeted();
    deframer.set_length_max(FRAME_LEN_MAX);
    let largest = raw(2, 0, 0x0501, 1, FRAME_LEN_MAX, &vec![7; FRAME_LEN_MAX as usize]);
    let found = feed(&mut deframer, &largest).expect("within the limit");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].tail.len(), FRAME_LEN_MAX as usize);
    assert!(found[0].message.is_empty());

    let mut header = largest[..HEADER_LEN].to_vec();
    header[0] += 1;
    let error = FrameError::TooLong { length: FRAME_LEN_MAX + 1, length_max: FRAME_LEN_MAX };
    assert_eq!(feed(&mut deframer, &header), Err(error));
}

#[test]
fn a_new_limit_holds_from_the_next_header_on() {
    let mut deframer = greeted();
    let small = raw(1, 0, 0x0102, 1, 0, b"0123456789");
    assert_eq!(feed(&mut deframer, &small[..HEADER_LEN + 3]), Ok(vec![]));
    deframer.set_length_max(4);
    assert_eq!(feed(&mut deframer, &small[HEADER_LEN + 3..]).map(|frames| frames.len()), Ok(1));
    let error = FrameError::TooLong { length: 10, length_max: 4 };
    assert_eq!(feed(&mut deframer, &small), Err(error));
}

#[test]
fn a_length_of_four_gigabytes_is_refused_before_it_is_allocated() {
    let mut header = raw(1, 0, 0x0102, 1, 0, b"");
    header[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = FrameError::TooLong { length: u32::MAX, length_max: HELLO_LEN_MAX };
    assert_eq!(feed(&mut greeted(), &header), Err(error));
}

#[test]
fn a_frame_to_be_skipped_obeys_the_limits_too() {
    let header = &raw(77, 0, 1, 0, 0, &[7; HELLO_LEN_MAX as usize + 1])[..HEADER_LEN];
    assert!(matches!(feed(&mut greeted(), header), Err(FrameError::TooLong { .. })));
    let bytes = raw(77, 0, 1, 0, 3, b"xy");
    assert!(matches!(feed(&mut greeted(), &bytes), Err(FrameError::TailOutside { .. })));
}

#[test]
fn a_tail_longer_than_its_frame_is_refused() {
    let error = |tail_length, length| Err(FrameError::TailOutside { tail_length, length });
    assert_eq!(feed(&mut greeted(), &raw(2, 0, 1, 1, 6, b"12345")), error(6, 5));
    assert_eq!(feed(&mut greeted(), &raw(2, 0, 1, 1, 1, b"")), error(1, 0));
    assert_eq!(feed(&mut greeted(), &raw(2, 0, 1, 1, u32::MAX, b"12")), error(u32::MAX, 2));
}

#[test]
fn frames_without_a_body_come_out_with_their_header() {
    for (number, kind) in [(0, FrameKind::Handshake), (2, FrameKind::Reply), (4, FrameKind::Event)]
    {
        let mut deframer = greeted();
        let found = feed(&mut deframer, &raw(number, 0, 0x0703, 9, 0, b""));
        assert_eq!(found, Ok(vec![frame(kind, 0x0703, 9, b"", b"")]));
        assert!(deframer.is_between_frames());
    }
}

#[test]
fn each_flag_and_each_unknown_kind_hides_its_frame_only() {
    let behind = raw(1, 0, 0x0102, 2, 0, b"behind");
    let expected = Ok(vec![frame(FrameKind::Request, 0x0102, 2, b"behind", b"")]);
    for flag in 0..8 {
        let hidden = raw(1, 1 << flag, 0x0102, 1, 0, b"hidden");
        assert_eq!(feed(&mut greeted(), &[hidden, behind.clone()].concat()), expected);
    }
    for kind in 7..=255 {
        let hidden = raw(kind, 0, 0x0102, 1, 6, b"hidden");
        assert_eq!(feed(&mut greeted(), &[hidden, behind.clone()].concat()), expected);
    }
}

#[test]
fn an_end_of_file_is_orderly_only_between_frames() {
    let bytes = [&PREFACE[..], &raw(1, 0, 0x0102, 1, 0, b"body")].concat();
    let orderly: Vec<usize> = (0..=bytes.len())
        .filter(|end| {
            let mut deframer = Deframer::new();
            feed(&mut deframer, &bytes[..*end]).expect("a good stream");
            deframer.is_between_frames()
        })
        .collect();
    assert_eq!(orderly, [PREFACE.len(), bytes.len()]);
}

#[test]
fn errors_name_the_numbers() {
    let too_long = FrameError::TooLong { length: 9_000_000, length_max: FRAME_LEN_MAX };
    assert_eq!(too_long.to_string(), "a frame of 9000000 bytes is too long; the limit is 8388608");
    let outside = FrameError::TailOutside { tail_length: 6, length: 5 };
    assert_eq!(outside.to_string(), "the peer announced a tail of 6 bytes in a frame of 5");
    let preface = FrameError::WrongPreface;
    assert_eq!(preface.to_string(), "the peer does not speak the dbgsrv protocol");
}
