//! What must hold for any packets whatever: nothing panics, and each one is answered or, if it lets
//! a target run, followed by its stop. The server is a made-up one that answers at once. Tests
//! replay the corpus and mutations through this; the fuzz target compiles this very file.

use std::io::{IoSlice, Read, Write};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use dbgeng::{ImageStore, SymbolEnvironment};
use dbggdb::{FileSettings, Session};
use dbglink::{Link, LinkWriter};
use dbgwire::event::{Modules, StopKind, Stopped};
use dbgwire::handshake::Welcome;
use dbgwire::message::{self, Encoded};
use dbgwire::verbs::memory::{ListRegions, ListRegionsReply, WriteMemory, WriteMemoryReply};
use dbgwire::verbs::memory::{Range, ReadMemory, ReadMemoryReply, Region};
use dbgwire::verbs::module::ModuleDescription;
use dbgwire::verbs::process::{Attach, AttachReply, Launch, LaunchReply};
use dbgwire::verbs::registers::{ReadRegisters, ReadRegistersReply, ThreadRegisters};
use dbgwire::verbs::resume::{Resume, ResumeReply};
use dbgwire::verbs::server::{ServerInfo, ServerInfoReply};
use dbgwire::verbs::thread::{ListThreads, ListThreadsReply, ThreadDescription};
use dbgwire::{Deframer, ErrorCode, Fault, Frame, FrameKind, Request, Verb};

/// The only process there is, and its threads.
const PID: u32 = 0x10;
const TIDS: [u32; 3] = [PID, PID + 1, PID + 2];
/// Where its memory is.
const MEMORY: std::ops::Range<u64> = 0x1000..0x10_0000;

/// Sends packets, one a line, to a bridge, and takes what comes back.
pub(crate) fn check_packets(input: &[u8]) {
    let (ours, theirs) = Link::pair().expect("a pair of sockets");
    let server = std::thread::spawn(move || serve(theirs));
    let mut sent = Vec::new();
    for payload in input.split(|byte| *byte == b'\n') {
        let sum = payload.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        sent.extend([b"$", payload, format!("#{sum:02x}").as_bytes()].concat());
    }
    let received = Received::default();
    let store = ImageStore::new(&SymbolEnvironment::from_variables(|_| None));
    let files = FileSettings { allow_writes: false, store };
    let mut session =
        Session::connect(ours, None, files).expect("a server that welcomes everybody");
    // The debugger leaves when it has sent everything: that is no failure.
    let (input, mut output) = std::io::pipe().expect("a pipe");
    let debugger = std::thread::spawn(move || output.write_all(&sent));
    let end = session.serve(input, received.clone());
    assert!(end.is_ok(), "{end:?}");
    drop(session);
    debugger.join().expect("no panic").expect("all is read");
    server.join().expect("the server does not panic");
    received.check();
}

/// What the debugger is sent.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<u8>>>);

impl Write for Received {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panics").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Received {
    /// All that was sent are acknowledgements and packets with right checksums.
    fn check(&self) {
        let bytes = self.0.lock().expect("nobody panics");
        let mut reader = dbggdb::packet::PacketReader::default();
        for item in bytes.iter().filter_map(|byte| reader.take(*byte)) {
            assert!(!matches!(item, dbggdb::packet::Item::Damaged), "{bytes:?}");
        }
    }
}

/// A server that answers everything at once, and stops a target as soon as it runs.
fn serve(link: Link) {
    let (mut reader, mut writer) = link.split();
    let welcome = Welcome { version: 1, arch: "x86_64".to_owned(), ..Welcome::default() };
    let mut deframer = Deframer::new();
    let mut stop = 0;
    loop {
        let room = deframer.want();
        let count = match reader.read(room) {
            Ok(count @ 1..) => count,
            _ => return,
        };
        let Ok(frame) = deframer.filled(count) else { return };
        let Some(frame) = frame else { continue };
        let is_served = match frame.kind {
            FrameKind::Handshake => {
                deframer.set_length_max(1 << 24);
                let greeting = Encoded { head: welcome.encode(), tail: Bytes::new() };
                send(&mut writer, &greeting)
            }
            _ => answer(&mut writer, &frame, &mut stop),
        };
        if !is_served {
            return;
        }
    }
}

/// Whether the client takes it.
fn send(writer: &mut LinkWriter, encoded: &Encoded) -> bool {
    let mut slices = [IoSlice::new(&encoded.head), IoSlice::new(&encoded.tail)];
    writer.write_all_vectored(&mut slices).is_ok()
}

fn answer(writer: &mut LinkWriter, frame: &Frame, stop: &mut u64) -> bool {
    let id = frame.id;
    let mut is_stopped = false;
    let encoded = match Request::decode(frame) {
        Ok(Request::ServerInfo(_)) => reply::<ServerInfo>(id, &ServerInfoReply::default()),
        Ok(Request::Attach(_)) => {
            is_stopped = true;
            reply::<Attach>(id, &AttachReply { target: 1 })
        }
        Ok(Request::Launch(_)) => {
            is_stopped = true;
            let launched = LaunchReply { target: 1, pid: PID, ..LaunchReply::default() };
            reply::<Launch>(id, &launched)
        }
        Ok(Request::Resume(_)) => {
            is_stopped = true;
            reply::<Resume>(id, &ResumeReply {})
        }
        Ok(Request::ReadMemory(read)) => memory(id, &read),
        Ok(Request::WriteMemory(_)) => {
            let written = frame.tail.len() as u32;
            reply::<WriteMemory>(id, &WriteMemoryReply { written })
        }
        Ok(Request::ListRegions(_)) => {
            let region =
                Region { start: MEMORY.start, end: MEMORY.end, protection: 7, ..Region::default() };
            let listed = ListRegionsReply { regions: vec![region], more: true };
            reply::<ListRegions>(id, &listed)
        }
        Ok(Request::ListThreads(_)) => {
            let describe =
                |tid| ThreadDescription { tid, name: "<&>".to_owned(), ..Default::default() };
            let threads = TIDS.map(describe).to_vec();
            reply::<ListThreads>(id, &ListThreadsReply { threads })
        }
        Ok(Request::ReadRegisters(read)) => registers(id, &read),
        _ => message::fault(id, frame.opcode, &Fault::new(ErrorCode::Unsupported, "no")),
    };
    if !send(writer, &encoded) {
        return false;
    }
    !is_stopped || send(writer, &stopped(stop))
}

fn reply<V: Verb>(id: u32, message: &V::Reply) -> Encoded {
    message::reply::<V>(id, message, Bytes::new()).expect("is short")
}

fn memory(id: u32, read: &ReadMemory) -> Encoded {
    let readable = |range: &Range| {
        let is_there = MEMORY.contains(&range.address);
        if is_there { u64::from(range.len).min(MEMORY.end - range.address) as u32 } else { 0 }
    };
    let lengths: Vec<u32> = read.ranges.iter().map(readable).collect();
    let tail = vec![b'}'; lengths.iter().sum::<u32>() as usize];
    let reply = ReadMemoryReply { lengths };
    message::reply::<ReadMemory>(id, &reply, Bytes::from(tail)).expect("is within limits")
}

fn registers(id: u32, read: &ReadRegisters) -> Encoded {
    let describe = |tid: &u32| ThreadRegisters {
        tid: *tid,
        general: vec![0x2000; 27],
        extended: vec![0; 576],
        ..ThreadRegisters::default()
    };
    let threads = read.tids.iter().filter(|tid| TIDS.contains(tid)).map(describe).collect();
    reply::<ReadRegisters>(id, &ReadRegistersReply { threads, more: false })
}

fn stopped(stop: &mut u64) -> Encoded {
    *stop += 1;
    let program = ModuleDescription {
        base: 0x1000,
        size: 0x4000,
        path: b"/a<b".to_vec(),
        is_program: true,
        ..ModuleDescription::default()
    };
    let event = Stopped {
        stop: *stop,
        target: 1,
        tid: PID,
        kind: if *stop == 1 { StopKind::Attached } else { StopKind::Step } as i32,
        general: vec![0x2000; 27],
        threads_born: if *stop == 1 { TIDS.to_vec() } else { Vec::new() },
        modules: (*stop == 1).then(|| Modules { modules: vec![program] }),
        ..Stopped::default()
    };
    message::event(*stop as u32, &event, Bytes::new()).expect("is short")
}
