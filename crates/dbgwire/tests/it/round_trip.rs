//! Random messages, encoded and decoded: those with parts, options and tails by their types, and
//! all verbs and events by random fields on the wire.

use bytes::Bytes;
use dbgwire::error::{ErrorCode, Fault};
use dbgwire::event::{ConditionFault, Exited, Modules, SignalDetail, Stopped};
use dbgwire::frame::FrameKind;
use dbgwire::handshake::{Hello, Welcome};
use dbgwire::message::{self, DETAIL_LEN_MAX};
use dbgwire::table::{EVENTS, VERBS};
use dbgwire::verbs::description::{ContainerDescription, NamespaceDescription};
use dbgwire::verbs::memory::{Range, ReadMemory, ReadMemoryReply};
use dbgwire::verbs::module::ModuleDescription;
use dbgwire::verbs::process::{Launch, ListProcesses, ListProcessesReply, ProcessDescription};
use dbgwire::verbs::registers::ThreadRegisters;
use dbgwire::verbs::resume::{Resume, ThreadAction};
use dbgwire::verbs::server::Ping;
use dbgwire::verbs::site::Site;
use dbgwire::version::PREFACE;
use dbgwire::{AnyEvent, Encoded, Frame, Request, Verb, WireEvent};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::replay;
use crate::wire::Writer;

/// The frame that arrives when `bytes` are sent behind a handshake, in pieces of `chunk` bytes.
fn received(encoded: &Encoded, chunk: usize) -> Frame {
    let stream = [&PREFACE[..], &[0; 16], &encoded.head, &encoded.tail].concat();
    let mut deframed = replay::deframe(&stream, || chunk);
    assert_eq!((deframed.error, deframed.orderly), (None, true));
    assert_eq!(deframed.frames.len(), 2);
    deframed.frames.pop().expect("two frames")
}

fn sent<V: Verb>(
    id: u32,
    verb: &V,
    tail: &[u8],
    chunk: usize,
) -> (Result<Request, ErrorCode>, Frame) {
    let encoded = message::request(id, verb, Bytes::copy_from_slice(tail)).expect("short");
    let frame = received(&encoded, chunk);
    (Request::decode(&frame), frame)
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..40)
}

prop_compose! {
    fn site()(
        id: u32, address: u64, kind: i32, tid: u32, sp_above: u64, len: u32, ignore: u64,
        condition in bytes(),
        commands in vec(bytes(), 0..3),
    ) -> Site {
        Site { id, address, kind, tid, sp_above, len, ignore, condition, commands }
    }
}

prop_compose! {
    fn action()(
        tid: u32, run: i32, signal: u32, range_start: u64, range_end: u64
    ) -> ThreadAction {
        ThreadAction { tid, run, signal, range_start, range_end }
    }
}

prop_compose! {
    fn range()(address: u64, len: u32) -> Range {
        Range { address, len }
    }
}

prop_compose! {
    fn module()(
        base: u64, size: u64, bias: u64, path in bytes(), build_id in bytes(), is_program: bool,
        link_map: u64, dynamic: u64, namespace: u64,
    ) -> ModuleDescription {
        ModuleDescription {
            base, size, bias, path, build_id, is_program, link_map, dynamic, namespace,
        }
    }
}

prop_compose! {
    fn thread_registers()(
        tid: u32, general in vec(any::<u64>(), 0..40), extended in bytes(),
        debug in vec(any::<u64>(), 0..6), stack_start: u64, stack_len: u32, name in ".{0,15}",
    ) -> ThreadRegisters {
        ThreadRegisters { tid, general, extended, debug, stack_start, stack_len, name }
    }
}

prop_compose! {
    fn condition_fault()(
        site: u32, trouble: i32, offset: u32, address: u64,
    ) -> ConditionFault {
        ConditionFault { site, trouble, offset, address }
    }
}

prop_compose! {
    fn detail()(number: u32, code: i32, address: Option<u64>, sender: Option<u32>) -> SignalDetail {
        SignalDetail { number, code, address, sender }
    }
}

prop_compose! {
    fn process()(
        pid: u32, parent: u32, name: String, executable in bytes(),
        arguments in vec(bytes(), 0..5), uid: u32, user: String, threads: u32, start_time: u64,
        more in (any::<u32>(), any::<u32>(), any::<u64>(), any::<String>(), any::<bool>()),
    ) -> ProcessDescription {
        let state = u32::from('R');
        let (tracer, session, started_ms, debugger, is_contained) = more;
        let kind = debugger.clone();
        let namespaces =
            vec![NamespaceDescription { kind, inode: started_ms, is_servers: is_contained }];
        let container = is_contained
            .then(|| ContainerDescription { engine: debugger.clone(), id: user.clone() });
        ProcessDescription {
            pid, parent, name, executable, arguments, uid, user, threads, start_time, tracer,
            session, state, namespaces, container, debugger, started_ms,
        }
    }
}

prop_compose! {
    fn stopped()(
        place in (any::<u64>(), any::<u32>(), any::<u32>(), any::<i32>()),
        sites in vec(any::<u32>(), 0..5),
        signal in prop::option::of(detail()),
        general in vec(any::<u64>(), 0..40),
        windows in vec(range(), 0..6),
        threads_born in vec(any::<u32>(), 0..5),
        threads_ended in vec(any::<u32>(), 0..5),
        modules in prop::option::of(vec(module(), 0..4)),
        detail in (any::<u64>(), any::<u64>(), any::<u32>(), any::<(bool, bool)>(), any::<u32>()),
        condition_faults in vec(condition_fault(), 0..3),
        brought in (bytes(), vec(thread_registers(), 0..3), ".{0,15}"),
    ) -> Stopped {
        let (stop, target, tid, kind) = place;
        let (watched, syscall, child, (borrows, alone), ending) = detail;
        let (extended, threads, name) = brought;
        let modules = modules.map(|modules| Modules { modules });
        Stopped {
            stop, target, tid, kind, sites, signal, general, windows, threads_born, threads_ended,
            modules, watched, syscall, child, borrows, ending, alone,
            condition_faults, extended, threads, name,
        }
    }
}

/// A field of any number in use and a few others, with any value.
fn field() -> impl Strategy<Value = Writer> {
    let number = prop_oneof![1..27_u32, Just(1000_u32)];
    // The values that messages have inside are messages themselves: fields in fields.
    let leaf =
        (number.clone(), any::<u64>(), bytes(), 0..4).prop_map(|(number, value, bytes, kind)| {
            let writer = Writer::default();
            match kind {
                0 => writer.varint(number, value >> (value % 64)),
                1 => writer.eight(number, value),
                2 => writer.four(number, value as u32),
                _ => writer.bytes(number, &bytes),
            }
        });
    leaf.prop_recursive(3, 20, 4, move |inside| {
        (number.clone(), vec(inside, 0..4)).prop_map(|(number, fields)| {
            let fields: Vec<u8> = fields.into_iter().flat_map(|field| field.0).collect();
            Writer::default().bytes(number, &fields)
        })
    })
}

proptest! {
    #[test]
    fn resumes(
        id: u32, target: u32, stop: u64, actions in vec(action(), 0..5),
        insert in vec(site(), 0..5), remove in vec(any::<u32>(), 0..5), chunk in 1..50_usize,
    ) {
        let verb = Resume { target, stop, actions, insert, remove };
        let (request, frame) = sent(id, &verb, b"", chunk);
        prop_assert_eq!(request, Ok(Request::Resume(verb)));
        prop_assert_eq!(frame.id, id);
    }

    #[test]
    fn launches(
        program in bytes(), arguments in vec(bytes(), 0..6), directory in bytes(),
        environment in vec(bytes(), 0..6), terminal: i32, rows: u32, columns: u32, implicit: bool,
        chunk in 1..50_usize,
    ) {
        let standard = Launch { terminal, rows, columns, ..Launch::default() };
        let verb = Launch { program, arguments, directory, environment, implicit, ..standard };
        prop_assert_eq!(sent(1, &verb, b"", chunk).0, Ok(Request::Launch(verb)));
    }

    #[test]
    fn reads_and_their_tails(
        target: u32, ranges in vec(range(), 0..9), lengths in vec(any::<u32>(), 0..9),
        tail in vec(any::<u8>(), 0..500), chunk in 1..600_usize,
    ) {
        let verb = ReadMemory { target, ranges };
        let (request, frame) = sent(1, &verb, &tail, chunk);
        prop_assert_eq!(request, Ok(Request::ReadMemory(verb)));
        prop_assert_eq!(&frame.tail, &tail);

        let reply = ReadMemoryReply { lengths };
        let tail = Bytes::from(tail);
        let encoded = message::reply::<ReadMemory>(1, &reply, tail.clone()).expect("short");
        let answer = message::read_answer::<ReadMemory>(received(&encoded, chunk));
        prop_assert_eq!(answer, Ok(Ok((reply, tail))));
    }

    #[test]
    fn process_lists(processes in vec(process(), 0..4), more: bool) {
        let reply = ListProcessesReply { processes, more };
        let encoded =
            message::reply::<ListProcesses>(1, &reply, Bytes::new()).expect("short");
        let answer = message::read_answer::<ListProcesses>(received(&encoded, 1000));
        prop_assert_eq!(answer, Ok(Ok((reply, Bytes::new()))));
    }

    #[test]
    fn stops(number: u32, event in stopped(), tail in vec(any::<u8>(), 0..100)) {
        let encoded = message::event(number, &event, tail.clone().into()).expect("short");
        let frame = received(&encoded, 1000);
        prop_assert_eq!(AnyEvent::decode(&frame), Ok(Some(AnyEvent::Stopped(event))));
        prop_assert_eq!((frame.id, &frame.tail[..]), (number, &tail[..]));
        prop_assert_eq!(frame.opcode, Stopped::OPCODE);
    }

    #[test]
    fn exits(target: u32, status: Option<u32>, signal: Option<u32>, left in ".{0,100}") {
        let event = Exited { target, status, signal, left };
        let encoded = message::event(1, &event, Bytes::new()).expect("short");
        let decoded = AnyEvent::decode(&received(&encoded, 1000));
        prop_assert_eq!(decoded, Ok(Some(AnyEvent::Exited(event))));
    }

    #[test]
    fn faults(code: u32, errno: Option<i32>, detail in ".{0,900}") {
        let code = ErrorCode::from_number(code);
        let sent = Fault { code, errno, detail };
        let encoded = message::fault(1, Ping::OPCODE, &sent);
        let answer = message::read_answer::<Ping>(received(&encoded, 1000));
        let fault = answer.expect("decodes").expect_err("a fault");
        prop_assert_eq!((fault.code, fault.errno), (sent.code, sent.errno));
        // What a terminal would obey arrives as text.
        let whole = message::sentence(&sent.detail);
        prop_assert!(whole.starts_with(&fault.detail));
        prop_assert!(sent.detail.len() > DETAIL_LEN_MAX || fault.detail == whole);
        prop_assert!(!fault.detail.contains(char::is_control));
    }

    #[test]
    fn greetings(
        version_min: u32, version_max: u32, program in ".{0,50}", capabilities: u64,
        resume_token in bytes(), session: u32,
    ) {
        let hello = Hello {
            version_min, version_max, program, capabilities, resume_token,
            ..Hello::default()
        };
        let deframed = replay::deframe(&hello.encode(), || 7);
        prop_assert_eq!(Hello::decode(&deframed.frames[0]), Ok(hello.clone()));
        let welcome = Welcome {
            version: 1, program: hello.program, capabilities, session,
            resume_token: hello.resume_token,
            ..Welcome::default()
        };
        let deframed = replay::deframe(&welcome.encode(), || 7);
        prop_assert_eq!(Welcome::decode(&deframed.frames[0]), Ok(welcome));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_decodes_decodes_to_the_same_again(
        row in 0..VERBS.len() + EVENTS.len(), kind in 1..=3, fields in vec(field(), 0..6),
        id: u32, tail in bytes(),
    ) {
        let message: Vec<u8> = fields.into_iter().flat_map(|field| field.0).collect();
        let row = VERBS.iter().chain(EVENTS).nth(row).expect("a row");
        let kind = match kind {
            _ if EVENTS.contains(row) => FrameKind::Event,
            1 => FrameKind::Request,
            2 => FrameKind::Reply,
            _ => FrameKind::Fault,
        };
        let frame =
            Frame { kind, opcode: row.opcode, id, message: message.into(), tail: tail.into() };
        replay::check_message(&frame);
    }
}
