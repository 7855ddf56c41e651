//! The protocol on one screen: every verb and every event with its number, whether a request may be
//! sent twice without harm, and the version it is there since. Numbers are never reused.

use crate::codec;
use crate::error::{DecodeError, ErrorCode};
use crate::event::{Created, Ending, Exited, ModulesChanged, Output, Printed, Signalled, Stopped};
use crate::frame::{Frame, FrameKind};
use crate::message::{Verb, WireEvent};
use crate::verbs::bulk::*;
use crate::verbs::description::*;
use crate::verbs::inject::*;
use crate::verbs::{file::*, memory::*, module::*, process::*, registers::*, resume::*};
use crate::verbs::{server::*, site::*, terminal::*, thread::*, window::*};

macro_rules! repeatable {
    (idempotent) => {
        true
    };
    (once) => {
        false
    };
}

macro_rules! verbs {
    ($($opcode:literal $name:ident => $reply:ident, $repeat:ident, since $since:literal,
       $purpose:literal;)*) => {
        $(
            impl Verb for $name {
                const OPCODE: u16 = $opcode;
                const NAME: &'static str = stringify!($name);
                const IDEMPOTENT: bool = repeatable!($repeat);
                const SINCE: u32 = $since;
                type Reply = $reply;
            }
        )*

        /// A request of any verb, decoded.
        #[derive(Clone, PartialEq, Debug)]
        pub enum Request {
            $(#[doc = $purpose] $name($name),)*
        }

        impl Request {
            /// The request in a frame.
            ///
            /// **Errors**: [`ErrorCode::UnknownVerb`] for an opcode of a later version,
            /// [`ErrorCode::Malformed`] for a message that does not decode and for a frame that is
            /// no request.
            pub fn decode(frame: &Frame) -> Result<Request, ErrorCode> {
                if frame.kind != FrameKind::Request {
                    return Err(ErrorCode::Malformed);
                }
                let message = frame.message.clone();
                let decoded: Result<Request, DecodeError> = match frame.opcode {
                    $($opcode => codec::decode(message).map(Request::$name),)*
                    _ => return Err(ErrorCode::UnknownVerb),
                };
                decoded.map_err(|_| ErrorCode::Malformed)
            }
        }

        /// Every verb, in the order of the table.
        pub const VERBS: &[Row] = &[$(Row {
            opcode: $opcode,
            name: stringify!($name),
            idempotent: repeatable!($repeat),
            since: $since,
            purpose: $purpose,
        }),*];
    };
}

macro_rules! events {
    ($($opcode:literal $name:ident, since $since:literal, $purpose:literal;)*) => {
        $(
            impl WireEvent for $name {
                const OPCODE: u16 = $opcode;
                const NAME: &'static str = stringify!($name);
            }
        )*

        /// An event's message, decoded.
        #[derive(Clone, PartialEq, Debug)]
        #[allow(clippy::large_enum_variant, reason = "most events are stops, and few are kept")]
        pub enum AnyEvent {
            $(#[doc = $purpose] $name($name),)*
        }

        impl AnyEvent {
            /// The event in a frame; `None` if it is one of a later version.
            pub fn decode(frame: &Frame) -> Result<Option<AnyEvent>, DecodeError> {
                if frame.kind != FrameKind::Event {
                    return Err(DecodeError::Unexpected);
                }
                let message = frame.message.clone();
                match frame.opcode {
                    $($opcode => codec::decode(message).map(|event| Some(AnyEvent::$name(event))),)*
                    _ => Ok(None),
                }
            }
        }

        /// Every event, in the order of the table.
        pub const EVENTS: &[Row] = &[$(Row {
            opcode: $opcode,
            name: stringify!($name),
            idempotent: true,
            since: $since,
            purpose: $purpose,
        }),*];
    };
}

/// One row of the table, for documents and tests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// The number in the frame.
    pub opcode: u16,
    /// The message's name.
    pub name: &'static str,
    /// Whether it may be repeated.
    pub idempotent: bool,
    /// The version that brought it.
    pub since: u32,
    /// What it is for.
    pub purpose: &'static str,
}

verbs! {
    // opcode request => reply, may it be repeated, since which version, what for
    0x0101 ServerInfo => ServerInfoReply, idempotent, since 1, "who the server is";
    0x0102 Ping => PingReply, idempotent, since 1, "a sign of life";
    0x0103 EndServer => EndServerReply, idempotent, since 1, "end the process server";

    0x0201 ListProcesses => ListProcessesReply, idempotent, since 1, "processes of the machine";
    0x0202 Launch => LaunchReply, once, since 1, "start a program as a target";
    0x0203 Attach => AttachReply, once, since 1, "make a running process a target";
    0x0204 Detach => DetachReply, once, since 1, "leave a target as it was found";
    0x0205 Kill => KillReply, once, since 1, "end a target";
    0x0206 Abandon => AbandonReply, once, since 1, "leave a target stopped for another client";
    0x0207 Claim => ClaimReply, once, since 1, "take over an abandoned target";
    0x0208 DescribeProcess => DescribeProcessReply, idempotent, since 1, "what a process is";

    0x0301 ListThreads => ListThreadsReply, idempotent, since 1, "threads of a target";
    0x0302 HoldThreads => HoldThreadsReply, once, since 1, "suspend and freeze threads";

    0x0401 Resume => ResumeReply, once, since 1, "let threads run or step";
    0x0402 Interrupt => InterruptReply, idempotent, since 1, "stop a running target";
    0x0403 SendSignal => SendSignalReply, once, since 1, "send a signal to a target";
    0x0404 InjectSyscall => InjectSyscallReply, once, since 1, "have a thread make a system call";
    0x0405 SetEvents => SetEventsReply, idempotent, since 1, "which events stop a target";
    0x0406 CallFunction => CallFunctionReply, once, since 1, "have a thread call a function";
    0x0408 SetSignals => SetSignalsReply, idempotent, since 1, "what becomes of signals";
    0x0409 CatchSyscalls => CatchSyscallsReply, idempotent, since 1, "stop at system calls";
    0x040a SetStopMode => SetStopModeReply, once, since 1, "whether threads stop alone";
    0x040b ReadSignalInfo => ReadSignalInfoReply, idempotent, since 1, "a signal's siginfo";
    0x040c WriteSignalInfo => WriteSignalInfoReply, idempotent, since 1, "change it";
    0x040d SetWindows => SetWindowsReply, idempotent, since 1, "what stops bring along";

    0x0501 ReadMemory => ReadMemoryReply, idempotent, since 1, "read many ranges";
    0x0502 WriteMemory => WriteMemoryReply, idempotent, since 1, "write bytes";
    0x0503 ListRegions => ListRegionsReply, idempotent, since 1, "what is mapped";
    0x0504 SearchMemory => SearchMemoryReply, idempotent, since 1, "find bytes or strings";
    0x0505 FillMemory => FillMemoryReply, idempotent, since 1, "write a pattern over and over";
    0x0506 CompareMemory => CompareMemoryReply, idempotent, since 1, "where two ranges differ";
    0x0507 CopyMemory => CopyMemoryReply, once, since 1, "copy bytes inside a target";
    0x0508 AllocateMemory => AllocateMemoryReply, once, since 1, "map memory in a target";
    0x0509 FreeMemory => FreeMemoryReply, once, since 1, "unmap memory of a target";
    0x050a ProtectMemory => ProtectMemoryReply, idempotent, since 1, "change its protection";

    0x0601 ReadRegisters => ReadRegistersReply, idempotent, since 1, "registers of many threads";
    0x0602 WriteRegisters => WriteRegistersReply, idempotent, since 1, "registers of one thread";

    0x0701 InsertSites => InsertSitesReply, once, since 1, "arm addresses";
    0x0702 RemoveSites => RemoveSitesReply, idempotent, since 1, "disarm addresses";
    0x0703 ListSites => ListSitesReply, idempotent, since 1, "armed addresses and their hits";

    0x0801 ListModules => ListModulesReply, idempotent, since 1, "mapped images";

    0x0901 OpenFile => OpenFileReply, once, since 1, "open a file of the server's machine";
    0x0902 ReadFile => ReadFileReply, idempotent, since 1, "read ranges of it";
    0x0903 WriteFile => WriteFileReply, idempotent, since 1, "write into it";
    0x0904 CloseFile => CloseFileReply, idempotent, since 1, "close it";
    0x0905 StatFile => StatFileReply, idempotent, since 1, "what a file is";
    0x0906 ReadLink => ReadLinkReply, idempotent, since 1, "where a symbolic link leads";
    0x0907 RemoveFile => RemoveFileReply, once, since 1, "remove a file's name";

    0x0a01 WriteTerminal => WriteTerminalReply, once, since 1, "type into a target's terminal";
    0x0a02 ResizeTerminal => ResizeTerminalReply, idempotent, since 1, "set its size";
}

events! {
    0x8001 Stopped, since 1, "a target stands still";
    0x8002 Exited, since 1, "a target has ended";
    0x8003 Ending, since 1, "the session is ended by the server";
    0x8004 Output, since 1, "a target has written to its terminal";
    0x8005 Created, since 1, "a target has made another one";
    0x8006 Signalled, since 1, "a running target is given a signal";
    0x8007 ModulesChanged, since 1, "a running target has other modules";
    0x8008 Printed, since 1, "commands of a site have printed";
}
