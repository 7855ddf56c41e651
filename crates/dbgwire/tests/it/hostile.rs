//! Bytes that nobody sane sends: claims that are not true, endless nesting, messages cut anywhere,
//! and a hundred thousand random mutations of good frames.

use bytes::Bytes;
use dbgwire::error::ErrorCode;
use dbgwire::event::Stopped;
use dbgwire::frame::HEADER_LEN;
use dbgwire::handshake::{Hello, Welcome};
use dbgwire::verbs::memory::{ReadMemory, ReadMemoryReply};
use dbgwire::verbs::process::{Launch, ListProcesses};
use dbgwire::verbs::registers::{ReadRegisters, WriteRegisters};
use dbgwire::verbs::server::{Ping, ServerInfo};
use dbgwire::version::PREFACE;
use dbgwire::{AnyEvent, DecodeError, Frame, FrameKind, Request, Verb, WireEvent, message};

use crate::replay;
use crate::samples::{self, Sample};
use crate::wire::Writer;

fn frame(kind: FrameKind, opcode: u16, message: Vec<u8>) -> Frame {
    Frame { kind, opcode, id: 1, message: message.into(), tail: Bytes::new() }
}

fn request<V: Verb>(message: Writer) -> Result<Request, ErrorCode> {
    Request::decode(&frame(FrameKind::Request, V::OPCODE, message.0))
}

#[test]
fn lists_that_claim_more_than_is_there_are_malformed() {
    for len in [4, 100, 1 << 20, 1 << 31, u64::from(u32::MAX), 1 << 40, u64::MAX] {
        let tids = Writer::default().varint(1, 1).claimed(2, len, &[1, 2, 3]);
        assert_eq!(request::<ReadRegisters>(tids), Err(ErrorCode::Malformed), "{len}");
        let general = Writer::default().claimed(7, len, &[0; 3]);
        let event = frame(FrameKind::Event, Stopped::OPCODE, general.0);
        assert_eq!(AnyEvent::decode(&event), Err(DecodeError::Malformed), "{len}");
        let lengths = Writer::default().claimed(1, len, &[1, 2, 3]);
        let reply = frame(FrameKind::Reply, ReadMemory::OPCODE, lengths.0);
        assert_eq!(message::read_answer::<ReadMemory>(reply), Err(DecodeError::Malformed));
        let path = Writer::default().claimed(1, len, b"abc");
        assert_eq!(request::<Launch>(path), Err(ErrorCode::Malformed), "{len}");
    }
}

#[test]
fn a_part_cannot_claim_bytes_behind_its_end() {
    // The action says that it has four bytes, and a field in it says that it has ten.
    let action = Writer::default().claimed(9, 10, &[0, 0]);
    let message = Writer::default().bytes(3, &action.0).bytes(9, &[0; 20]);
    let resume = Request::decode(&frame(FrameKind::Request, 0x0401, message.0));
    assert_eq!(resume, Err(ErrorCode::Malformed));
}

#[test]
fn packed_lists_take_room_for_what_they_hold() {
    let count = 1 << 20;
    let lengths = Writer::default().bytes(1, &vec![1; count]);
    let reply = frame(FrameKind::Reply, ReadMemory::OPCODE, lengths.0);
    let answer = message::read_answer::<ReadMemory>(reply).expect("decodes").expect("a reply");
    let ReadMemoryReply { lengths } = answer.0;
    assert_eq!(lengths.len(), count);
    assert!(lengths.capacity() <= 2 * count, "{}", lengths.capacity());

    let general = Writer::default().bytes(7, &vec![0; 8 * count]);
    let event = frame(FrameKind::Event, Stopped::OPCODE, general.0);
    let Ok(Some(AnyEvent::Stopped(stopped))) = AnyEvent::decode(&event) else {
        panic!("a good event");
    };
    assert_eq!(stopped.general.len(), count);
    assert!(stopped.general.capacity() <= 2 * count, "{}", stopped.general.capacity());
}

#[test]
fn a_packed_list_that_ends_within_a_value_is_malformed() {
    let tids = Writer::default().bytes(2, &[1, 0x80]);
    assert_eq!(request::<ReadRegisters>(tids), Err(ErrorCode::Malformed));
    let event = frame(FrameKind::Event, Stopped::OPCODE, Writer::default().bytes(7, &[0; 9]).0);
    assert_eq!(AnyEvent::decode(&event), Err(DecodeError::Malformed));
}

#[test]
fn known_fields_of_another_wire_type_are_malformed() {
    let target: [Writer; 3] = [
        Writer::default().eight(1, 1),
        Writer::default().bytes(1, b"1"),
        Writer::default().four(1, 1),
    ];
    for message in target {
        assert_eq!(request::<WriteRegisters>(message), Err(ErrorCode::Malformed));
    }
    let address = Writer::default().varint(2, 0x1000);
    let write = Request::decode(&frame(FrameKind::Request, 0x0502, address.0));
    assert_eq!(write, Err(ErrorCode::Malformed));
}

#[test]
fn fields_without_number_and_endless_varints_are_malformed() {
    assert_eq!(request::<Ping>(Writer(vec![0x00, 1])), Err(ErrorCode::Malformed));
    assert_eq!(request::<Ping>(Writer(vec![0xff; 11])), Err(ErrorCode::Malformed));
    let endless = Writer([&[0x08][..], &[0x80; 20]].concat());
    assert_eq!(request::<ListProcesses>(endless), Err(ErrorCode::Malformed));
}

#[test]
fn texts_must_be_utf8_and_paths_need_not() {
    let broken = b"\xff\xfe\x80";
    let info = frame(FrameKind::Reply, ServerInfo::OPCODE, Writer::default().bytes(1, broken).0);
    assert_eq!(message::read_answer::<ServerInfo>(info), Err(DecodeError::Malformed));
    let launch = request::<Launch>(Writer::default().bytes(1, broken));
    let Ok(Request::Launch(launch)) = launch else { panic!("{launch:?}") };
    assert_eq!(launch.program, broken);
}

#[test]
fn groups_nested_without_end_are_malformed() {
    let mut open = Writer::default();
    let mut nested = Writer::default();
    for _ in 0..100_000 {
        open = open.group_start(1000);
    }
    for _ in 0..1000 {
        nested = Writer::default().group(1000, &nested.0);
    }
    for message in [open, nested] {
        assert_eq!(request::<Ping>(message.clone()), Err(ErrorCode::Malformed));
        let hello = frame(FrameKind::Handshake, 1, message.0);
        assert_eq!(Hello::decode(&hello), Err(DecodeError::Malformed));
    }
}

#[test]
fn messages_cut_anywhere_do_no_harm() {
    for sample in samples::all() {
        let whole = sample.frame();
        for end in 0..=whole.message.len() {
            let cut = Frame { message: whole.message.slice(..end), ..whole.clone() };
            replay::check_message(&cut);
        }
        for end in 0..sample.bytes.len() {
            replay::check_messages(&sample.bytes[..end]);
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers for the same seed, everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

/// Numbers at which lengths and counts go wrong.
const EDGES: [u32; 12] =
    [0, 1, 2, 0x7f, 0x80, 0xff, 4096, 4097, 0x0080_0000, 0x0080_0001, 0x7fff_ffff, u32::MAX];

/// Changes a few bytes: flips, edges, cuts, repetitions, and pieces of another sample.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=random.below(4) {
        let place = random.below(bytes.len() + 1);
        match random.below(7) {
            0 if place < bytes.len() => bytes[place] ^= 1 << random.below(8),
            1 if place < bytes.len() => bytes[place] = random.next() as u8,
            2 => {
                let edge = EDGES[random.below(EDGES.len())].to_le_bytes();
                let end = bytes.len().min(place + 4);
                bytes.splice(place..end, edge);
            }
            3 => bytes.truncate(place),
            4 => bytes.insert(place, random.next() as u8),
            5 => {
                let end = bytes.len().min(place + random.below(16));
                let piece = bytes[place..end].to_vec();
                bytes.splice(place..place, piece);
            }
            _ => {
                let start = random.below(other.len() + 1);
                let end = other.len().min(start + random.below(24));
                let until = bytes.len().min(place + random.below(24));
                bytes.splice(place..until, other[start..end].iter().copied());
            }
        }
    }
}

/// What the mutations start from: every sample's frame, and every greeting.
fn seeds() -> Vec<Vec<u8>> {
    let greetings = [
        Hello { resume_token: vec![7; 16], ..Hello::new("cdb 0.1.0") }.encode(),
        Welcome { version: 1, arch: "x86_64".into(), ..Welcome::default() }.encode(),
        Hello { version_min: 5, version_max: 9, ..Hello::default() }
            .negotiate()
            .expect_err("no common version")
            .encode(),
    ];
    let greetings = greetings.iter().map(|bytes| bytes[PREFACE.len()..].to_vec());
    samples::all().into_iter().map(|sample| sample.bytes).chain(greetings).collect()
}

/// Runs a check, and names the bytes it fails for.
fn run(what: &str, bytes: &[u8], check: impl Fn() + std::panic::UnwindSafe) {
    if std::panic::catch_unwind(check).is_err() {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        panic!("{what} failed, as said above, for {hex}");
    }
}

#[test]
fn a_hundred_thousand_mutated_frames_do_no_harm() {
    let seeds = seeds();
    let mut random = Random(0x5eed);
    for round in 0..100_000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        let other = &seeds[random.below(seeds.len())];
        mutate(&mut random, &mut bytes, other);
        run("check_messages", &bytes, || replay::check_messages(&bytes));
        run("check_handshake", &bytes, || {
            replay::check_handshake(&[&PREFACE, &bytes[..]].concat());
        });
    }
}

#[test]
fn mutated_messages_in_sound_frames_do_no_harm() {
    let samples: Vec<Sample> = samples::all();
    let mut random = Random(0xf00d);
    let (mut decoded, mut refused) = (0, 0);
    for round in 0..100_000 {
        let sample = &samples[round % samples.len()];
        let other = &samples[random.below(samples.len())];
        let mut bytes = sample.message().to_vec();
        mutate(&mut random, &mut bytes, other.message());
        let frame = Frame { message: bytes.clone().into(), ..sample.frame() };
        run("check_message", &bytes, || replay::check_message(&frame));
        let good = match frame.kind {
            FrameKind::Reply => replay::show_reply(&frame).is_some(),
            FrameKind::Event => AnyEvent::decode(&frame).is_ok(),
            _ => Request::decode(&frame).is_ok(),
        };
        if good {
            decoded += 1;
        } else {
            refused += 1;
        }
    }
    // The mutations are worth something: they make both good and bad messages.
    assert!(decoded > 1000 && refused > 1000, "{decoded} decoded, {refused} refused");
}

#[test]
fn any_first_bytes_do_no_harm() {
    let mut random = Random(0xbad);
    for _ in 0..20_000 {
        let len = random.below(3 * HEADER_LEN);
        let bytes: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        run("check_handshake", &bytes, || {
            replay::check_handshake(&bytes);
        });
        run("check_messages", &bytes, || replay::check_messages(&bytes));
    }
}
