//! What must hold for any bytes whatever: nothing panics, cutting does not depend on how bytes
//! arrive, and what decodes once decodes to the same again. Tests replay the corpus and mutations
//! through these functions; the fuzz targets compile this very file.

use std::fmt::Debug;

use bytes::Bytes;
use dbgbase::Arch;
use dbgwire::agent::{Code, Instruction, Piece, Purpose, STACK_DEPTH_MAX};
use dbgwire::convert;
use dbgwire::error::{ErrorCode, FaultMessage};
use dbgwire::frame::FRAME_LEN_MAX;
use dbgwire::handshake::{Hello, Welcome};
use dbgwire::message::{self, Encoded};
use dbgwire::verbs::bulk::*;
use dbgwire::verbs::description::*;
use dbgwire::verbs::inject::*;
use dbgwire::verbs::{file::*, memory::*, module::*, process::*, registers::*, resume::*};
use dbgwire::verbs::{server::*, site::*, terminal::*, thread::*, window::*};
use dbgwire::version::PREFACE;
use dbgwire::{AnyEvent, Deframer, Frame, FrameError, Request, Verb};

/// What a deframer makes of a peer's bytes.
#[derive(PartialEq, Debug)]
pub(crate) struct Deframed {
    pub(crate) frames: Vec<Frame>,
    /// The error that ended it.
    pub(crate) error: Option<FrameError>,
    /// Whether the bytes end between two frames.
    pub(crate) orderly: bool,
}

/// Gives a peer's bytes, from the preface on, to a deframer, at most `chunk()` of them at once. The
/// large limit is in force after the first frame, as after a handshake.
pub(crate) fn deframe(mut bytes: &[u8], mut chunk: impl FnMut() -> usize) -> Deframed {
    let mut deframer = Deframer::new();
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let room = deframer.want();
        assert!(!room.is_empty(), "the deframer wants nothing");
        let count = room.len().min(bytes.len()).min(chunk().max(1));
        room[..count].copy_from_slice(&bytes[..count]);
        bytes = &bytes[count..];
        match deframer.filled(count) {
            Ok(None) => {}
            Ok(Some(frame)) => {
                frames.push(frame);
                deframer.set_length_max(FRAME_LEN_MAX);
            }
            Err(error) => {
                return Deframed { frames, error: Some(error), orderly: false };
            }
        }
    }
    Deframed { frames, error: None, orderly: deframer.is_between_frames() }
}

/// A peer's bytes, from the preface on.
pub(crate) fn check_stream(bytes: &[u8]) -> Deframed {
    let whole = deframe(bytes, || usize::MAX);
    let bytewise = deframe(bytes, || 1);
    assert_eq!(whole, bytewise, "cut otherwise when the bytes arrive one by one");
    let inside: usize =
        whole.frames.iter().map(|frame| frame.message.len() + frame.tail.len()).sum();
    assert!(inside <= bytes.len(), "{inside} bytes in frames out of {}", bytes.len());
    whole
}

/// A peer's bytes, from the preface on, read as the beginning of a conversation by either side.
pub(crate) fn check_handshake(bytes: &[u8]) {
    for frame in check_stream(bytes).frames {
        if let Ok(hello) = Hello::decode(&frame) {
            assert_eq!(reread(&hello.encode(), Hello::decode), Some(Ok(hello.clone())));
            if let Err(refusal) = hello.negotiate() {
                let answer = reread(&refusal.encode(), Welcome::decode).expect("fits");
                let fault = answer.expect_err("a refusal is no welcome");
                assert_eq!(fault.code, ErrorCode::VersionMismatch);
            }
        }
        if let Ok(welcome) = Welcome::decode(&frame) {
            assert!((1..=FRAME_LEN_MAX).contains(&welcome.frame_len_max()));
            assert_eq!(reread(&welcome.encode(), Welcome::decode), Some(Ok(welcome)));
        }
    }
}

/// Reads what a greeting encodes to; `None` if it did not fit and only the preface was sent.
fn reread<T>(bytes: &[u8], decode: impl Fn(&Frame) -> T) -> Option<T> {
    let deframed = deframe(bytes, || usize::MAX);
    assert_eq!((deframed.error, deframed.orderly), (None, true));
    deframed.frames.first().map(decode)
}

/// The condition or a command of a site, as a peer sends it. What is found sound for a CPU is
/// followed through its jumps, each of which is taken or not as the bytes themselves happen to say.
pub(crate) fn check_condition(bytes: &[u8]) {
    for arch in [Arch::X86_64, Arch::Aarch64] {
        let commands = Code::verify_for(Purpose::Commands, bytes, arch);
        if Code::verify(bytes, arch).is_ok() {
            assert!(commands.is_ok(), "a condition is sound as a command, too");
        }
        let Ok(code) = commands else { continue };
        assert_eq!(code.bytes(), bytes);
        let (mut offset, mut depth) = (0, 0_usize);
        for step in 0..10_000 {
            let (instruction, next) = code.at(offset).expect("an instruction");
            if let Instruction::Print { arguments, .. } = instruction {
                let is_conversion = |piece: &Piece<'_>| matches!(piece, Piece::Conversion(_));
                let count = code.format_at(offset).filter(is_conversion).count();
                assert_eq!(count, usize::from(arguments));
            }
            if instruction == Instruction::End {
                assert!(depth > 0 || Code::verify(bytes, arch).is_err());
                break;
            }
            let (needed, left) = instruction.effect();
            depth = depth.checked_sub(needed).expect("enough on the stack") + left;
            assert!(depth <= STACK_DEPTH_MAX, "{depth} numbers on the stack");
            let is_taken = bytes[step % bytes.len()] & 1 == 1;
            offset = match instruction {
                Instruction::Jump(target) => usize::from(target),
                Instruction::JumpIf(target) if is_taken => usize::from(target),
                _ => next,
            };
        }
    }
}

/// One frame's bytes, or several frames', without a preface: read as requests, events and answers.
pub(crate) fn check_messages(bytes: &[u8]) {
    // An empty handshake frame stands for the handshake that is done.
    let stream = [&PREFACE[..], &[0; 16], bytes].concat();
    for frame in check_stream(&stream).frames {
        check_message(&frame);
    }
}

/// One frame, read in every way there is.
pub(crate) fn check_message(frame: &Frame) {
    if let Ok(request) = Request::decode(frame)
        && let Ok(encoded) = encode_request(frame.id, &request, frame.tail.clone())
    {
        let again = received(&encoded);
        assert_eq!(Request::decode(&again), Ok(request));
        assert_eq!((again.id, &again.tail), (frame.id, &frame.tail));
    }
    if let Ok(Some(event)) = AnyEvent::decode(frame) {
        check_event(frame, &event);
    }
    check_answer(frame);
}

fn check_event(frame: &Frame, event: &AnyEvent) {
    let tail = frame.tail.clone();
    let encoded = match event {
        AnyEvent::Stopped(stopped) => {
            if let Ok(reason) = convert::reason(stopped) {
                let mut same = stopped.clone();
                convert::set_reason(&mut same, &reason);
                assert_eq!(convert::reason(&same), Ok(reason));
            }
            message::event(frame.id, stopped, tail)
        }
        AnyEvent::Exited(exited) => {
            if let Ok(status) = convert::exit_status(exited) {
                let same = convert::exited(exited.target, status);
                assert_eq!(convert::exit_status(&same), Ok(status));
            }
            message::event(frame.id, exited, tail)
        }
        AnyEvent::Ending(ending) => message::event(frame.id, ending, tail),
        AnyEvent::Output(output) => message::event(frame.id, output, tail),
        AnyEvent::Created(created) => message::event(frame.id, created, tail),
        AnyEvent::Signalled(signalled) => message::event(frame.id, signalled, tail),
        AnyEvent::ModulesChanged(changed) => message::event(frame.id, changed, tail),
        AnyEvent::Printed(printed) => message::event(frame.id, printed, tail),
    };
    if let Ok(encoded) = encoded {
        assert_eq!(AnyEvent::decode(&received(&encoded)), Ok(Some(event.clone())));
    }
}

fn check_answer_to<V: Verb>(frame: &Frame)
where
    V::Reply: PartialEq + Debug,
{
    match message::read_answer::<V>(frame.clone()) {
        Ok(Ok((reply, tail))) => {
            if let Ok(encoded) = message::reply::<V>(frame.id, &reply, tail.clone()) {
                let again = message::read_answer::<V>(received(&encoded));
                assert_eq!(again, Ok(Ok((reply, tail))));
            }
        }
        Ok(Err(fault)) => {
            let encoded = message::fault(frame.id, frame.opcode, &fault);
            let again = message::read_answer::<V>(received(&encoded));
            let cut = again.expect("decodes").expect_err("a fault");
            assert_eq!((cut.code, cut.errno), (fault.code, fault.errno));
            assert!(fault.detail.starts_with(&cut.detail));
            assert_eq!(FaultMessage::from(&cut).code, fault.code.number());
        }
        Err(_) => {}
    }
}

/// The frame that arrives when `encoded` is written behind a handshake.
fn received(encoded: &Encoded) -> Frame {
    let stream = [&PREFACE[..], &[0; 16], &encoded.head, &encoded.tail].concat();
    let mut deframed = deframe(&stream, || usize::MAX);
    assert_eq!((deframed.error, deframed.orderly), (None, true));
    deframed.frames.pop().expect("the frame")
}

macro_rules! every_verb {
    ($($name:ident)*) => {
        /// The names of the verbs that are checked.
        pub(crate) const VERBS_CHECKED: &[&str] = &[$(stringify!($name)),*];

        /// The frame of a request of any verb.
        pub(crate) fn encode_request(
            id: u32,
            request: &Request,
            tail: Bytes,
        ) -> Result<Encoded, FrameError> {
            match request {
                $(Request::$name(verb) => message::request(id, verb, tail),)*
            }
        }

        /// A frame, read as the answer to the verb of its opcode.
        fn check_answer(frame: &Frame) {
            match frame.opcode {
                $(<$name as Verb>::OPCODE => check_answer_to::<$name>(frame),)*
                _ => assert!(Request::decode(frame).is_err()),
            }
        }

        /// The reply in a frame as `{:?}` shows it.
        pub(crate) fn show_reply(frame: &Frame) -> Option<String> {
            match frame.opcode {
                $(<$name as Verb>::OPCODE => {
                    let answer = message::read_answer::<$name>(frame.clone()).ok()?.ok()?;
                    Some(format!("{:?}", answer.0))
                })*
                _ => None,
            }
        }
    };
}

every_verb! {
    ServerInfo Ping EndServer
    ListProcesses Launch Attach Detach Kill Abandon Claim DescribeProcess
    ListThreads HoldThreads
    Resume Interrupt SendSignal InjectSyscall SetEvents CallFunction SetSignals CatchSyscalls
    SetStopMode
    ReadSignalInfo WriteSignalInfo SetWindows
    ReadMemory WriteMemory ListRegions
    SearchMemory FillMemory CompareMemory CopyMemory
    AllocateMemory FreeMemory ProtectMemory
    ReadRegisters WriteRegisters
    InsertSites RemoveSites ListSites
    ListModules
    OpenFile ReadFile WriteFile CloseFile StatFile ReadLink RemoveFile
    WriteTerminal ResizeTerminal
}
