//! Peers of later versions: fields, verbs, events, kinds of enumerations and errors that this build
//! does not know. None of them may disturb what it does know.

use bytes::Bytes;
use dbgwire::error::{ErrorCode, Fault, FaultMessage};
use dbgwire::event::{Modules, SignalDetail, StopKind, Stopped};
use dbgwire::message;
use dbgwire::verbs::file::{FileAccess, OpenFile};
use dbgwire::verbs::memory::{Range, ReadMemory};
use dbgwire::verbs::process::{Launch, LaunchReply, Terminal};
use dbgwire::verbs::resume::{Resume, RunKind, ThreadAction};
use dbgwire::verbs::server::Ping;
use dbgwire::verbs::site::{InsertSites, InsertSitesReply, Site, SiteFault, SiteKind};
use dbgwire::{AnyEvent, Frame, FrameKind, Request, Verb, WireEvent};

use crate::replay;
use crate::samples;
use crate::wire::{self, Writer};

/// Unknown fields of every wire type, those with values in several lengths, the first behind the
/// numbers in use and the last there can be.
fn noise() -> Writer {
    let group = Writer::default().varint(1, 5).bytes(2, b"in a group").group(3, b"");
    Writer::default()
        .varint(100, 0)
        .varint(101, u64::MAX)
        .eight(102, u64::MAX)
        .bytes(103, b"")
        .bytes(104, &[0xff; 300])
        .group(105, &group.0)
        .four(106, 7)
        .varint(536_870_911, 1)
}

fn frame(kind: FrameKind, opcode: u16, message: &Writer) -> Frame {
    let message = Bytes::copy_from_slice(&message.0);
    Frame { kind, opcode, id: 1, message, tail: Bytes::new() }
}

fn request<V: Verb>(message: &Writer) -> Result<Request, ErrorCode> {
    Request::decode(&frame(FrameKind::Request, V::OPCODE, message))
}

fn show(frame: &Frame) -> String {
    match frame.kind {
        FrameKind::Reply => replay::show_reply(frame).expect("a reply"),
        _ => samples::decoded(frame),
    }
}

#[test]
fn unknown_fields_of_every_wire_type_are_skipped_wherever_they_are() {
    for sample in samples::all() {
        let fields = wire::fields(sample.message());
        for place in 0..=fields.len() {
            let (before, behind) = fields.split_at(place);
            let bytes = |fields: &[wire::Field]| -> Vec<u8> {
                fields.iter().flat_map(|field| field.bytes).copied().collect()
            };
            let message = [bytes(before), noise().0, bytes(behind)].concat();
            let later = Frame { message: message.into(), ..sample.frame() };
            assert_eq!(show(&later), sample.debug, "{} with noise at {place}", sample.name);
        }
    }
}

#[test]
fn fields_may_come_in_any_order() {
    for sample in samples::all() {
        // Turned around by number; values of one repeated field keep their order.
        let mut fields = wire::fields(sample.message());
        fields.sort_by_key(|field| std::cmp::Reverse(field.number));
        let message: Vec<u8> = fields.iter().flat_map(|field| field.bytes).copied().collect();
        let turned = Frame { message: message.into(), ..sample.frame() };
        assert_eq!(show(&turned), sample.debug, "{}", sample.name);
    }
}

#[test]
fn unknown_fields_inside_a_request_s_parts_are_skipped() {
    let range = noise().eight(1, 0x1000).varint(2, 16);
    let message = Writer::default().varint(1, 1).bytes(2, &range.0).bytes(2, &noise().0);
    let ranges = vec![Range { address: 0x1000, len: 16 }, Range::default()];
    let expected = ReadMemory { target: 1, ranges };
    assert_eq!(request::<ReadMemory>(&message), Ok(Request::ReadMemory(expected)));

    let action = Writer::default().varint(1, 5).bytes(77, &noise().0).varint(2, 1);
    let site = noise().varint(1, 7).eight(2, 0x2000);
    let message = noise().bytes(3, &action.0).bytes(4, &site.0).varint(1, 2);
    let expected = Resume {
        target: 2,
        actions: vec![ThreadAction {
            tid: 5,
            run: RunKind::Continue as i32,
            ..ThreadAction::default()
        }],
        insert: vec![Site { id: 7, address: 0x2000, ..Site::default() }],
        ..Resume::default()
    };
    assert_eq!(request::<Resume>(&message), Ok(Request::Resume(expected)));
}

#[test]
fn unknown_fields_inside_a_stop_s_parts_are_skipped() {
    let signal = noise().varint(1, 11).eight(3, 0).bytes(50, b"more");
    let module = noise().eight(1, 0x4000).bytes(4, b"/bin/true").varint(6, 1);
    let modules = noise().bytes(1, &module.0);
    let message = noise().varint(1, 9).varint(4, 6).bytes(6, &signal.0).bytes(11, &modules.0);
    let decoded = AnyEvent::decode(&frame(FrameKind::Event, Stopped::OPCODE, &message));
    let module = dbgwire::verbs::module::ModuleDescription {
        base: 0x4000,
        path: b"/bin/true".to_vec(),
        is_program: true,
        ..Default::default()
    };
    let expected = Stopped {
        stop: 9,
        kind: StopKind::Signal as i32,
        signal: Some(SignalDetail { number: 11, address: Some(0), ..SignalDetail::default() }),
        modules: Some(Modules { modules: vec![module] }),
        ..Stopped::default()
    };
    assert_eq!(decoded, Ok(Some(AnyEvent::Stopped(expected))));
}

#[test]
fn unknown_fields_inside_faults_are_skipped() {
    let fault = noise().varint(1, 15).bytes(3, b"gone").varint(2, 2);
    let answer = message::read_answer::<Ping>(frame(FrameKind::Fault, Ping::OPCODE, &fault));
    let expected = Fault::new(ErrorCode::NoSuchFile, "gone").with_errno(2);
    assert_eq!(answer, Ok(Err(expected.clone())));

    let site = noise().bytes(2, &fault.0).varint(1, 3);
    let reply = noise().bytes(1, &site.0);
    let frame = frame(FrameKind::Reply, InsertSites::OPCODE, &reply);
    let faults = vec![SiteFault { id: 3, fault: Some(FaultMessage::from(&expected)) }];
    let answer = message::read_answer::<InsertSites>(frame);
    assert_eq!(answer, Ok(Ok((InsertSitesReply { faults }, Bytes::new()))));
}

#[test]
fn verbs_of_a_later_version_are_unknown() {
    let known: Vec<u16> = dbgwire::table::VERBS.iter().map(|row| row.opcode).collect();
    for opcode in (0..=u16::MAX).filter(|opcode| !known.contains(opcode)) {
        let later = frame(FrameKind::Request, opcode, &noise());
        assert_eq!(Request::decode(&later), Err(ErrorCode::UnknownVerb));
    }
}

#[test]
fn events_of_a_later_version_are_passed_over() {
    let known: Vec<u16> = dbgwire::table::EVENTS.iter().map(|row| row.opcode).collect();
    for opcode in (0..=u16::MAX).filter(|opcode| !known.contains(opcode)) {
        let later = frame(FrameKind::Event, opcode, &noise());
        assert_eq!(AnyEvent::decode(&later), Ok(None));
    }
}

#[test]
fn only_requests_are_requests_and_only_events_are_events() {
    let kinds = [
        FrameKind::Handshake,
        FrameKind::Reply,
        FrameKind::Fault,
        FrameKind::Receipt,
        FrameKind::Farewell,
    ];
    for sample in samples::all() {
        for kind in kinds {
            let other = Frame { kind, ..sample.frame() };
            assert!(Request::decode(&other).is_err(), "{} as {kind:?}", sample.name);
            assert!(AnyEvent::decode(&other).is_err(), "{} as {kind:?}", sample.name);
        }
    }
    let event = frame(FrameKind::Event, Ping::OPCODE, &Writer::default());
    assert_eq!(Request::decode(&event), Err(ErrorCode::Malformed));
    assert_eq!(AnyEvent::decode(&event), Ok(None));
}

/// The later number that an enumeration's field must keep.
const LATER: i32 = 99;

#[test]
fn unknown_enumeration_numbers_are_kept_and_recognised_as_unknown() {
    let action = Writer::default().varint(2, LATER as u64);
    let resume = request::<Resume>(&Writer::default().bytes(3, &action.0));
    let Ok(Request::Resume(resume)) = resume else { panic!("{resume:?}") };
    assert_eq!(resume.actions[0].run, LATER);
    assert!(RunKind::try_from(resume.actions[0].run).is_err());

    let launch = request::<Launch>(&Writer::default().varint(5, LATER as u64));
    let Ok(Request::Launch(launch)) = launch else { panic!("{launch:?}") };
    assert_eq!(launch.terminal, LATER);
    assert!(Terminal::try_from(launch.terminal).is_err());

    let open = request::<OpenFile>(&Writer::default().varint(3, LATER as u64));
    let Ok(Request::OpenFile(open)) = open else { panic!("{open:?}") };
    assert_eq!(open.access, LATER);
    assert!(FileAccess::try_from(open.access).is_err());

    let site = Writer::default().varint(3, LATER as u64);
    let insert = request::<InsertSites>(&Writer::default().bytes(2, &site.0));
    let Ok(Request::InsertSites(insert)) = insert else { panic!("{insert:?}") };
    assert_eq!(insert.sites[0].kind, LATER);
    assert!(SiteKind::try_from(insert.sites[0].kind).is_err());

    let stopped = Writer::default().varint(4, LATER as u64);
    let stopped = AnyEvent::decode(&frame(FrameKind::Event, Stopped::OPCODE, &stopped));
    let Ok(Some(AnyEvent::Stopped(stopped))) = stopped else { panic!("{stopped:?}") };
    assert_eq!(stopped.kind, LATER);
    assert!(StopKind::try_from(stopped.kind).is_err());
}

#[test]
fn negative_enumeration_numbers_do_not_become_known_ones() {
    let action = Writer::default().varint(2, -1_i64 as u64);
    let resume = request::<Resume>(&Writer::default().bytes(3, &action.0));
    let Ok(Request::Resume(resume)) = resume else { panic!("{resume:?}") };
    assert!(RunKind::try_from(resume.actions[0].run).is_err());
}

#[test]
fn an_error_of_a_later_version_keeps_its_number_and_text() {
    let fault = Writer::default().varint(1, 4_000_000_000).bytes(3, b"later");
    let answer = message::read_answer::<Ping>(frame(FrameKind::Fault, Ping::OPCODE, &fault));
    let fault = answer.expect("decodes").expect_err("a fault");
    assert_eq!(fault, Fault::new(ErrorCode::Unknown(4_000_000_000), "later"));
    assert_eq!(fault.to_string(), "later");
}

#[test]
fn lists_of_numbers_may_come_packed_or_one_by_one() {
    let packed = Writer::default().varint(1, 1).bytes(5, &[3, 0xac, 2]);
    let single = Writer::default().varint(5, 3).varint(1, 1).varint(5, 300);
    let mixed = Writer::default().bytes(5, &[3]).varint(5, 300).varint(1, 1);
    let expected = Resume { target: 1, remove: vec![3, 300], ..Resume::default() };
    for message in [packed, single, mixed] {
        assert_eq!(request::<Resume>(&message), Ok(Request::Resume(expected.clone())));
    }
}

#[test]
fn the_last_of_several_values_counts() {
    let message = Writer::default().varint(1, 1).varint(1, 2);
    let reply = frame(FrameKind::Reply, Launch::OPCODE, &message);
    let answer = message::read_answer::<Launch>(reply);
    let expected = LaunchReply { target: 2, ..LaunchReply::default() };
    assert_eq!(answer, Ok(Ok((expected, Bytes::new()))));
}
