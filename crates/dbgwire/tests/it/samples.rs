//! One request and one reply of every verb and the events, with every field set to something that
//! is not its default, so that a field which moves or changes its type changes the bytes. The
//! transcripts of `docs/protocol.md` show these very messages.

mod description; // The sample of DescribeProcess.
mod file; // The samples of verbs about files.
mod registers; // Those of verbs about registers.
mod windows; // Those of what stops bring along.

use std::fmt::Debug;

use bytes::Bytes;
use dbgwire::error::{ErrorCode, Fault, FaultMessage};
use dbgwire::event::{ConditionFault, ConditionTrouble, Created, Ending, Exited, Modules};
use dbgwire::event::{ModulesChanged, Output, Printed, SignalDetail, Signalled, StopKind, Stopped};
use dbgwire::frame::{FrameKind, HEADER_LEN};
use dbgwire::message::{self, Encoded};
use dbgwire::verbs::bulk::*;
use dbgwire::verbs::description::{ContainerDescription, NamespaceDescription};
use dbgwire::verbs::inject::*;
use dbgwire::verbs::memory::*;
use dbgwire::verbs::module::*;
use dbgwire::verbs::process::*;
use dbgwire::verbs::resume::*;
use dbgwire::verbs::server::*;
use dbgwire::verbs::site::*;
use dbgwire::verbs::terminal::*;
use dbgwire::verbs::thread::*;
use dbgwire::{AnyEvent, Frame, Request, Verb, WireEvent};

/// A frame, and what must come out of it.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) kind: FrameKind,
    pub(crate) opcode: u16,
    /// The whole frame.
    pub(crate) bytes: Vec<u8>,
    /// The length of header and message; behind it lies the tail.
    pub(crate) head_len: usize,
    /// The message as `{:?}` shows it.
    pub(crate) debug: String,
    /// The names of the message's fields in the order of their declaration.
    pub(crate) fields: Vec<String>,
}

impl Sample {
    fn new<M: Debug + Default>(
        name: &'static str,
        kind: FrameKind,
        opcode: u16,
        message: &M,
        encoded: &Encoded,
    ) -> Sample {
        Sample {
            name,
            kind,
            opcode,
            bytes: [&encoded.head[..], &encoded.tail].concat(),
            head_len: encoded.head.len(),
            debug: format!("{message:?}"),
            fields: field_names::<M>(),
        }
    }

    /// The encoded message.
    pub(crate) fn message(&self) -> &[u8] {
        &self.bytes[HEADER_LEN..self.head_len]
    }

    /// The raw bytes behind the message.
    pub(crate) fn tail(&self) -> &[u8] {
        &self.bytes[self.head_len..]
    }

    /// The frame as its receiver has it.
    pub(crate) fn frame(&self) -> Frame {
        let [.., i, j, k, l, _, _, _, _] = self.bytes[..HEADER_LEN] else {
            panic!("a header has {HEADER_LEN} bytes");
        };
        Frame {
            kind: self.kind,
            opcode: self.opcode,
            id: u32::from_le_bytes([i, j, k, l]),
            message: Bytes::copy_from_slice(self.message()),
            tail: Bytes::copy_from_slice(self.tail()),
        }
    }
}

/// The names of a message's fields, which its derived `Debug` shows.
pub(crate) fn field_names<M: Debug + Default>() -> Vec<String> {
    let text = format!("{:#?}", M::default());
    let lines = text.lines().filter_map(|line| line.strip_prefix("    "));
    lines
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| !name.starts_with(' '))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// Collects samples; requests get numbers from 1, events have their own.
#[derive(Default)]
struct Collection {
    samples: Vec<Sample>,
    requests: u32,
    events: u32,
}

impl Collection {
    /// A request and its reply, each with its tail.
    fn verb<V>(&mut self, request: (V, &'static [u8]), reply: (V::Reply, &'static [u8]))
    where
        V: Verb + Debug,
        V::Reply: Debug,
    {
        self.requests += 1;
        let (id, tail) = (self.requests, Bytes::from_static(request.1));
        let encoded = message::request(id, &request.0, tail).expect("short");
        let sample = Sample::new(V::NAME, FrameKind::Request, V::OPCODE, &request.0, &encoded);
        self.samples.push(sample);
        let encoded =
            message::reply::<V>(id, &reply.0, Bytes::from_static(reply.1)).expect("short");
        let sample = Sample::new(V::NAME, FrameKind::Reply, V::OPCODE, &reply.0, &encoded);
        self.samples.push(sample);
    }

    fn event<E: WireEvent + Debug>(&mut self, event: E, tail: &'static [u8]) {
        self.events += 1;
        let encoded = message::event(self.events, &event, Bytes::from_static(tail)).expect("short");
        let sample = Sample::new(E::NAME, FrameKind::Event, E::OPCODE, &event, &encoded);
        self.samples.push(sample);
    }
}

/// Every verb's request and reply in the order of the table, then the events.
pub(crate) fn all() -> Vec<Sample> {
    let mut all = Collection::default();
    server(&mut all);
    process(&mut all);
    control(&mut all);
    memory(&mut all);
    registers::add(&mut all);
    sites(&mut all);
    file::add(&mut all);
    abandoned(&mut all);
    terminal(&mut all);
    bulk(&mut all);
    events(&mut all);
    wishes(&mut all);
    injected(&mut all);
    description::add(&mut all);
    alone(&mut all);
    file::add_names(&mut all);
    windows::add(&mut all);
    all.samples
}

/// The request that a sample holds, or the event, as the table's enums show it.
pub(crate) fn decoded(frame: &Frame) -> String {
    match frame.kind {
        FrameKind::Event => inner(&AnyEvent::decode(frame).expect("decodes").expect("known")),
        _ => inner(&Request::decode(frame).expect("decodes")),
    }
}

/// `Name(message)` without the variant's name around it.
fn inner(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    let (_, message) = text.split_once('(').expect("a variant with a message");
    message.strip_suffix(')').expect("its end").to_owned()
}

fn server(all: &mut Collection) {
    let reply = ServerInfoReply {
        machine: "web1".into(),
        system: "Linux 6.1.0".into(),
        arch: "x86_64".into(),
        pid: 812,
        version: "0.1.0".into(),
        uid: 1000,
        uptime_ms: 86_400_000,
        clock_s: 1_767_225_600,
        cpus: 2,
        xsave: Some(XsaveLayout {
            xcr0: 0x207,
            components: vec![
                XsaveComponent { feature: 2, offset: 576, size: 256 },
                XsaveComponent { feature: 9, offset: 2688, size: 8 },
            ],
        }),
    };
    all.verb((ServerInfo {}, b""), (reply, b""));
    all.verb((Ping {}, b""), (PingReply {}, b""));
    all.verb((EndServer {}, b""), (EndServerReply {}, b""));
}

fn process(all: &mut Collection) {
    let request = ListProcesses { after: 1, pid: 4711, details: true };
    let process = ProcessDescription {
        pid: 4711,
        parent: 1,
        name: "sleep".into(),
        executable: b"/bin/sleep".to_vec(),
        arguments: vec![b"sleep".to_vec(), b"9".to_vec()],
        uid: 1000,
        user: "ann".into(),
        threads: 1,
        start_time: 360_000,
        tracer: 812,
        session: 4000,
        state: u32::from('S'),
        namespaces: vec![NamespaceDescription {
            kind: "mnt".into(),
            inode: 4_026_531_841,
            is_servers: true,
        }],
        container: Some(ContainerDescription { engine: "lxc".into(), id: "web".into() }),
        debugger: "by process 812 (gdb)".into(),
        started_ms: 1_800_000_000_000,
    };
    let reply = ListProcessesReply { processes: vec![process], more: true };
    all.verb((request, b""), (reply, b""));

    let request = Launch {
        program: b"/bin/sleep".to_vec(),
        arguments: vec![b"sleep".to_vec(), b"9".to_vec()],
        directory: b"/tmp".to_vec(),
        environment: vec![b"TZ=UTC".to_vec()],
        terminal: Terminal::Shared as i32,
        rows: 50,
        columns: 132,
        implicit: true,
        at_exec: true,
        fixed_addresses: true,
        unset: vec![b"LANG".to_vec()],
        clear_environment: true,
    };
    let words = vec![b"sleep".to_vec(), b"9".to_vec()];
    let reply = LaunchReply { target: 1, pid: 4711, words, fixed_addresses: true };
    all.verb((request, b""), (reply, b""));
    all.verb((Attach { pid: 4711 }, b""), (AttachReply { target: 1 }, b""));
    all.verb((Detach { target: 1 }, b""), (DetachReply {}, b""));
    all.verb((Kill { target: 1 }, b""), (KillReply {}, b""));
}

fn control(all: &mut Collection) {
    let threads = vec![
        ThreadDescription { tid: 4711, name: "sleep".into(), suspends: 2, frozen: true },
        ThreadDescription { tid: 4712, name: "worker".into(), ..ThreadDescription::default() },
    ];
    all.verb((ListThreads { target: 1 }, b""), (ListThreadsReply { threads }, b""));

    let request = Resume {
        target: 1,
        stop: 5,
        actions: vec![
            ThreadAction {
                tid: 4711,
                run: RunKind::Step as i32,
                signal: 10,
                range_start: 0x5555_5555_5139,
                range_end: 0x5555_5555_5140,
            },
            ThreadAction { tid: 0, run: RunKind::Continue as i32, ..ThreadAction::default() },
        ],
        insert: vec![site()],
        remove: vec![3, 300],
    };
    all.verb((request, b""), (ResumeReply {}, b""));
    all.verb((Interrupt { target: 1, tids: Vec::new() }, b""), (InterruptReply {}, b""));
}

fn memory(all: &mut Collection) {
    let ranges = vec![
        Range { address: 0x5555_5555_4000, len: 4 },
        Range { address: 0x10, len: 8 },
        Range { address: 0x7fff_ffff_e000, len: 2 },
    ];
    let reply = ReadMemoryReply { lengths: vec![4, 0, 2] };
    all.verb((ReadMemory { target: 1, ranges }, b""), (reply, b"\x7fELF\x01\x02"));

    let request = WriteMemory { target: 1, address: 0x5555_5555_8010 };
    all.verb((request, b"\x90\x90\xc3"), (WriteMemoryReply { written: 3 }, b""));

    let region = Region {
        start: 0x5555_5555_4000,
        end: 0x5555_5555_6000,
        protection: 5,
        offset: 0x1000,
        name: b"/bin/sleep".to_vec(),
    };
    let reply = ListRegionsReply { regions: vec![region], more: true };
    all.verb((ListRegions { target: 1, from: 0x1000 }, b""), (reply, b""));
}

fn bulk(all: &mut Collection) {
    let request = SearchMemory {
        target: 1,
        start: 0x5555_5555_4000,
        end: 0x5555_5555_6000,
        kind: SearchKind::Ascii as i32,
        pattern: b"abc".to_vec(),
        mask: b"\xff\x0f\xff".to_vec(),
        alignment: 8,
        hits_max: 2,
        protection: 2,
        len_min: 3,
    };
    let hits = vec![0x5555_5555_4008, 0x5555_5555_4010];
    let reply = SearchMemoryReply { hits, lengths: vec![3, 4], next: 0x5555_5555_4014 };
    all.verb((request, b""), (reply, b"abcwxyz"));

    let request = FillMemory { target: 1, address: 0x5555_5555_8010, len: 300 };
    all.verb((request, b"\x00\x01"), (FillMemoryReply { written: 300 }, b""));

    let request = CompareMemory {
        target: 1,
        one: 0x5555_5555_8010,
        other: 0x5555_5555_9010,
        len: 300,
        differences_max: 2,
    };
    let reply = CompareMemoryReply { offsets: vec![4, 200], compared: 201 };
    all.verb((request, b""), (reply, b"abcd"));

    let request = CopyMemory { target: 1, from: 0x5555_5555_8010, to: 0x5555_5555_8018, len: 300 };
    all.verb((request, b""), (CopyMemoryReply { written: 300 }, b""));
}

/// A site with every field.
pub(crate) fn site() -> Site {
    Site {
        id: 7,
        address: 0x5555_5555_5139,
        kind: SiteKind::Software as i32,
        tid: 4711,
        sp_above: 0x7fff_ffff_e000,
        len: 4,
        ignore: 2,
        // const8 1, end
        condition: vec![0x22, 0x01, 0x27],
        // const8 0, const8 0, printf "a" of no numbers, end
        commands: vec![vec![0x22, 0, 0x22, 0, 0x34, 0, 0, 2, b'a', 0, 0x27]],
    }
}

fn sites(all: &mut Collection) {
    let fault = Fault::new(ErrorCode::Unwritable, "no byte can be written").with_errno(5);
    let faults = vec![SiteFault { id: 7, fault: Some(FaultMessage::from(&fault)) }];
    let request = InsertSites { target: 1, sites: vec![site()] };
    all.verb((request, b""), (InsertSitesReply { faults }, b""));
    let request = RemoveSites { target: 1, ids: vec![7, 300] };
    all.verb((request, b""), (RemoveSitesReply {}, b""));
    let reply = ListModulesReply { modules: vec![module()] };
    all.verb((ListModules { target: 1 }, b""), (reply, b""));
}

/// A module with every field.
pub(crate) fn module() -> ModuleDescription {
    ModuleDescription {
        base: 0x5555_5555_4000,
        size: 0x8000,
        bias: 0x5555_5555_4000,
        path: b"/bin/sleep".to_vec(),
        build_id: vec![0xde, 0xad, 0xbe, 0xef],
        is_program: true,
        link_map: 0x7fff_f7ff_e2d0,
        dynamic: 0x5555_5555_7da0,
        namespace: 0x7fff_f7ff_e108,
    }
}

fn terminal(all: &mut Collection) {
    let signal = SendSignal { target: 1, tid: 4712, signal: 18 };
    all.verb((signal, b""), (SendSignalReply {}, b""));
    all.verb((WriteTerminal { target: 1 }, b"ls\n"), (WriteTerminalReply {}, b""));
    let size = ResizeTerminal { target: 1, rows: 50, columns: 132 };
    all.verb((size, b""), (ResizeTerminalReply {}, b""));
}

fn injected(all: &mut Collection) {
    let request = InjectSyscall {
        target: 1,
        tid: 4711,
        number: 39,
        arguments: vec![1, 0xffff_ffff_ffff_ffff],
        despite_seccomp: true,
        patience_ms: 100,
    };
    all.verb((request, b""), (InjectSyscallReply { result: 4711 }, b""));
    let request = CallFunction {
        target: 1,
        tid: 4711,
        address: 0x5555_5555_5139,
        arguments: vec![0, 42],
        in_tail: vec![0],
        run_others: true,
        patience_ms: 100,
    };
    let reply = CallFunctionReply {
        integer: 5,
        integer_high: 7,
        vector: vec![0, 0, 0, 0, 0, 0, 0xf8, 0x3f],
        modules_changed: true,
    };
    all.verb((request, b"hello\0"), (reply, b""));
    let request = AllocateMemory {
        target: 1,
        tid: 4711,
        len: 5000,
        protection: 3,
        address: 0x7000_0000_0000,
        despite_seccomp: true,
    };
    let reply = AllocateMemoryReply { address: 0x7000_0000_0000, len: 8192 };
    all.verb((request, b""), (reply, b""));
    let (address, len) = (0x7000_0000_1000, 4096);
    let request =
        ProtectMemory { target: 1, tid: 4711, address, len, protection: 5, despite_seccomp: true };
    all.verb((request, b""), (ProtectMemoryReply {}, b""));
    let request = FreeMemory { target: 1, tid: 4711, address, len, despite_seccomp: true };
    all.verb((request, b""), (FreeMemoryReply { len }, b""));
}

fn abandoned(all: &mut Collection) {
    all.verb((Abandon { target: 1 }, b""), (AbandonReply {}, b""));
    all.verb(
        (Claim { pid: 4711 }, b""),
        (ClaimReply { target: 1, created: true, resume_token: vec![0xaa; 4] }, b""),
    );
}

/// A condition's fault with every field.
pub(crate) fn condition_fault() -> ConditionFault {
    let trouble = ConditionTrouble::Unreadable as i32;
    ConditionFault { site: 7, trouble, offset: 2, address: 0x10 }
}

fn events(all: &mut Collection) {
    // A breakpoint and a signal: no stop has the fields of both.
    let breakpoint = Stopped {
        stop: 5,
        target: 1,
        tid: 4711,
        kind: StopKind::Breakpoint as i32,
        sites: vec![7, 300],
        general: vec![1, 0x5555_5555_5139],
        windows: vec![
            Range { address: 0x5555_5555_5139, len: 4 },
            Range { address: 0x7fff_ffff_e000, len: 2 },
        ],
        threads_born: vec![4712],
        threads_ended: vec![4713],
        modules: Some(Modules { modules: vec![module()] }),
        signal: None,
        watched: 0,
        syscall: 0,
        child: 0,
        borrows: false,
        ending: 0,
        alone: false,
        condition_faults: vec![condition_fault()],
        extended: Vec::new(),
        threads: Vec::new(),
        name: String::new(),
    };
    all.event(breakpoint, b"\x55\x48\x89\xe5\x00\x01");
    let detail = SignalDetail { number: 11, code: 1, address: Some(0x10), sender: Some(99) };
    let signal = Stopped {
        stop: 6,
        target: 1,
        tid: 4712,
        kind: StopKind::Signal as i32,
        signal: Some(detail),
        ..Stopped::default()
    };
    all.event(signal, b"");
    all.event(Exited { target: 1, status: Some(3), signal: None, left: String::new() }, b"");
    all.event(Exited { target: 1, status: None, signal: Some(9), left: String::new() }, b"");
    all.event(Ending { reason: "the server is stopping".into() }, b"");
    all.event(Output { target: 1 }, b"hi\n");
}

fn wishes(all: &mut Collection) {
    let request = HoldThreads { target: 1, tids: vec![4712], change: HoldChange::Freeze as i32 };
    all.verb((request, b""), (HoldThreadsReply { suspends: vec![2] }, b""));
    let request = SetEvents {
        target: 1,
        modules: true,
        children: ChildPolicy::Follow as i32,
        forks: true,
        thread_births: true,
        thread_ends: true,
        vfork_ends: true,
    };
    all.verb((request, b""), (SetEventsReply {}, b""));
    let policy = SignalPolicy { signal: 14, stop: true, pass: true, print: true };
    let request = SetSignals { target: 1, policies: vec![policy] };
    all.verb((request, b""), (SetSignalsReply {}, b""));
    let request = CatchSyscalls { target: 1, all: true, numbers: vec![1, 300] };
    all.verb((request, b""), (CatchSyscallsReply {}, b""));
    let site =
        SiteState { id: 7, address: 0x5555_5555_5139, hits: 5, ignore: 2, out_of_line: true };
    let reply = ListSitesReply { sites: vec![site], hardware_total: 4, hardware_used: 1 };
    all.verb((ListSites { target: 1 }, b""), (reply, b""));
    let watch = Stopped {
        stop: 7,
        target: 1,
        tid: 4711,
        kind: StopKind::Watchpoint as i32,
        sites: vec![8],
        watched: 0x5555_5555_8010,
        ..Stopped::default()
    };
    all.event(watch, b"");
    let call = Stopped {
        stop: 8,
        target: 1,
        tid: 4711,
        kind: StopKind::SyscallEntry as i32,
        syscall: 1,
        ..Stopped::default()
    };
    all.event(call, b"");
    let fork = Stopped {
        stop: 9,
        target: 1,
        tid: 4711,
        kind: StopKind::Forked as i32,
        child: 4720,
        borrows: true,
        ..Stopped::default()
    };
    all.event(fork, b"");
    let end = Stopped {
        stop: 10,
        target: 1,
        tid: 4712,
        kind: StopKind::ThreadEnding as i32,
        ending: 0x300,
        ..Stopped::default()
    };
    all.event(end, b"");
    all.event(Created { target: 2, parent: 1, pid: 4720, created: true }, b"");
    let detail = SignalDetail { number: 14, code: 0, address: None, sender: Some(99) };
    all.event(Signalled { target: 1, tid: 4712, signal: Some(detail) }, b"");
    all.event(ModulesChanged { target: 1, modules: vec![module()] }, b"");
    let left = "it is a 32-bit program".to_owned();
    all.event(Exited { target: 1, status: None, signal: None, left }, b"");
}

fn alone(all: &mut Collection) {
    let alone = StopMode::Alone as i32;
    all.verb((SetStopMode { target: 1, mode: alone }, b""), (SetStopModeReply {}, b""));
    let info = b"\x0b\0\0\0";
    all.verb((ReadSignalInfo { target: 1, tid: 4712 }, b""), (ReadSignalInfoReply {}, info));
    let request = WriteSignalInfo { target: 1, tid: 4712 };
    all.verb((request, info), (WriteSignalInfoReply {}, b""));
    let request = Interrupt { target: 1, tids: vec![4711, 4712] };
    all.verb((request, b""), (InterruptReply {}, b""));
    let single = Stopped {
        stop: 11,
        target: 1,
        tid: 4712,
        kind: StopKind::Interrupted as i32,
        alone: true,
        ..Stopped::default()
    };
    all.event(single, b"");
    let fault = Some(condition_fault());
    let printed = Printed { target: 1, tid: 4712, site: 7, lost: 300, fault, command: 1 };
    all.event(printed, b"hits: 1\n");
}
