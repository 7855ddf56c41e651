//! A backend without debuggees: it notes what it is asked and answers from a script. For tests of
//! what is in front of the door.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use dbgbase::Pid;
use dbgwire::verbs::bulk::{
    CompareMemory, CompareMemoryReply, CopyMemory, CopyMemoryReply, FillMemory, FillMemoryReply,
    SearchMemory, SearchMemoryReply,
};
use dbgwire::verbs::inject::{
    AllocateMemory, AllocateMemoryReply, CallFunction, CallFunctionReply, FreeMemory,
    FreeMemoryReply, InjectSyscall, InjectSyscallReply, ProtectMemory, ProtectMemoryReply,
};
use dbgwire::verbs::memory::{ListRegions, ListRegionsReply, WriteMemory, WriteMemoryReply};
use dbgwire::verbs::module::ListModulesReply;
use dbgwire::verbs::process::{
    Abandon, Attach, AttachReply, Claim, ClaimReply, Detach, DetachReply, Kill, KillReply, Launch,
    LaunchReply,
};
use dbgwire::verbs::registers::{ReadRegisters, ReadRegistersReply, WriteRegisters};
use dbgwire::verbs::resume::{
    CatchSyscalls, Interrupt, ReadSignalInfo, ReadSignalInfoReply, Resume, ResumeReply, SendSignal,
    SetEvents, SetSignals, SetStopMode, WriteSignalInfo,
};
use dbgwire::verbs::site::{
    InsertSites, InsertSitesReply, ListSitesReply, RemoveSites, RemoveSitesReply,
};
use dbgwire::verbs::terminal::ResizeTerminal;
use dbgwire::verbs::thread::{HoldThreads, HoldThreadsReply, ListThreadsReply};
use dbgwire::verbs::window::SetWindows;
use dbgwire::{ErrorCode, Fault};

use crate::answer::{Answer, Outcome};
use crate::backend::Backend;

/// The only target there is.
pub(crate) const TARGET: u32 = 5;
/// Where its memory begins; a byte's value is the lowest byte of its address.
pub(crate) const MEMORY_START: u64 = 0x1000;
/// Where it ends.
pub(crate) const MEMORY_END: u64 = 0x0200_0000;

/// What a backend has been asked, in order.
pub(crate) type Log = Arc<Mutex<Vec<String>>>;

/// The backend. Attaching to process 13 is a defect.
#[derive(Default)]
pub(crate) struct FakeBackend {
    pub(crate) log: Log,
    /// Whether the target, of process 42, was abandoned.
    is_abandoned: bool,
    /// Answers that are given when the next target is killed.
    waiting: Vec<Answer<LaunchReply>>,
}

impl FakeBackend {
    fn note(&self, what: impl Into<String>) {
        self.log.lock().expect("no test panics with it").push(what.into());
    }

    fn target(&self, target: u32) -> Result<(), Fault> {
        if target == TARGET {
            return Ok(());
        }
        Err(Fault::new(ErrorCode::NoSuchTarget, format!("no target {target}")))
    }

    /// Answers with a reply, if the target is known.
    fn finish<R>(&self, target: u32, answer: Answer<R>, reply: R) {
        match self.target(target) {
            Ok(()) => answer.reply(reply),
            Err(fault) => answer.fault(fault),
        }
    }
}

impl Backend for FakeBackend {
    fn launch(&mut self, request: Launch, answer: Answer<LaunchReply>) {
        self.note(format!("launch {}", String::from_utf8_lossy(&request.program)));
        match request.program.as_slice() {
            b"later" => self.waiting.push(answer),
            b"never" => drop(answer),
            _ => answer.reply(LaunchReply { target: TARGET, pid: 42, ..LaunchReply::default() }),
        }
    }

    fn attach(&mut self, request: Attach) -> Result<AttachReply, Fault> {
        self.note(format!("attach {}", request.pid));
        assert_ne!(request.pid, 13, "a defect");
        Ok(AttachReply { target: TARGET })
    }

    fn detach(&mut self, request: Detach, answer: Answer<DetachReply>) {
        self.finish(request.target, answer, DetachReply {});
    }

    fn kill(&mut self, _: Kill, answer: Answer<KillReply>) {
        for launch in self.waiting.drain(..) {
            launch.reply(LaunchReply { target: TARGET, pid: 43, ..LaunchReply::default() });
        }
        answer.reply(KillReply {});
    }

    fn list_threads(&mut self, target: u32) -> Result<ListThreadsReply, Fault> {
        self.target(target)?;
        Ok(ListThreadsReply::default())
    }

    fn hold_threads(&mut self, request: HoldThreads) -> Result<HoldThreadsReply, Fault> {
        self.target(request.target)?;
        Ok(HoldThreadsReply { suspends: request.tids })
    }

    fn set_events(&mut self, request: SetEvents) -> Result<(), Fault> {
        self.target(request.target)
    }

    fn set_signals(&mut self, request: SetSignals) -> Result<(), Fault> {
        self.target(request.target)
    }

    fn catch_syscalls(&mut self, request: CatchSyscalls) -> Result<(), Fault> {
        self.target(request.target)
    }

    fn set_windows(&mut self, request: SetWindows) -> Result<(), Fault> {
        self.target(request.target)
    }

    fn read_signal_info(&mut self, request: ReadSignalInfo) -> Outcome<ReadSignalInfoReply> {
        self.target(request.target)?;
        Ok((ReadSignalInfoReply {}, Bytes::new()))
    }

    fn write_signal_info(&mut self, request: WriteSignalInfo, info: Bytes) -> Result<(), Fault> {
        self.note(format!("siginfo {} for {}", info.escape_ascii(), request.tid));
        self.target(request.target)
    }

    fn list_sites(&mut self, target: u32) -> Result<ListSitesReply, Fault> {
        self.target(target)?;
        Ok(ListSitesReply::default())
    }

    fn resume(&mut self, request: Resume, answer: Answer<ResumeReply>) {
        self.note(format!("resume {} at stop {}", request.target, request.stop));
        self.finish(request.target, answer, ResumeReply {});
    }

    fn set_stop_mode(&mut self, request: SetStopMode) -> Result<(), Fault> {
        self.target(request.target)
    }

    fn send_signal(&mut self, request: SendSignal) -> Result<(), Fault> {
        self.target(request.target)?;
        self.note(format!("signal {} to {}", request.signal, request.tid));
        Ok(())
    }

    fn inject_syscall(&mut self, request: InjectSyscall, answer: Answer<InjectSyscallReply>) {
        match self.target(request.target) {
            Ok(()) => answer.reply(InjectSyscallReply { result: request.number }),
            Err(fault) => answer.fault(fault),
        }
    }

    fn call_function(
        &mut self,
        request: CallFunction,
        bytes: Bytes,
        answer: Answer<CallFunctionReply>,
    ) {
        self.note(format!("call {:#x} with {bytes:?}", request.address));
        match self.target(request.target) {
            Ok(()) => answer.reply(CallFunctionReply::default()),
            Err(fault) => answer.fault(fault),
        }
    }

    fn allocate_memory(&mut self, request: AllocateMemory, answer: Answer<AllocateMemoryReply>) {
        match self.target(request.target) {
            Ok(()) => answer.reply(AllocateMemoryReply::default()),
            Err(fault) => answer.fault(fault),
        }
    }

    fn free_memory(&mut self, request: FreeMemory, answer: Answer<FreeMemoryReply>) {
        match self.target(request.target) {
            Ok(()) => answer.reply(FreeMemoryReply::default()),
            Err(fault) => answer.fault(fault),
        }
    }

    fn protect_memory(&mut self, request: ProtectMemory, answer: Answer<ProtectMemoryReply>) {
        match self.target(request.target) {
            Ok(()) => answer.reply(ProtectMemoryReply::default()),
            Err(fault) => answer.fault(fault),
        }
    }

    fn write_terminal(&mut self, target: u32, bytes: &[u8]) -> Result<(), Fault> {
        self.note(format!("type {}", bytes.escape_ascii()));
        self.target(target)
    }

    fn resize_terminal(&mut self, request: ResizeTerminal) -> Result<(), Fault> {
        self.note(format!("resize to {} x {}", request.rows, request.columns));
        self.target(request.target)
    }

    fn interrupt(&mut self, request: Interrupt) -> Result<(), Fault> {
        self.target(request.target)
    }

    fn read_memory(
        &mut self,
        target: u32,
        address: u64,
        buffer: &mut [u8],
    ) -> Result<usize, Fault> {
        self.target(target)?;
        let readable = address..MEMORY_END.max(address);
        let mut count = 0;
        for (byte, at) in buffer.iter_mut().zip(readable.skip_while(|at| *at < MEMORY_START)) {
            if at != address + count as u64 {
                break;
            }
            *byte = at as u8;
            count += 1;
        }
        Ok(count)
    }

    fn write_memory(
        &mut self,
        request: WriteMemory,
        bytes: Bytes,
    ) -> Result<WriteMemoryReply, Fault> {
        self.note(format!("write {bytes:?} at {:#x}", request.address));
        Ok(WriteMemoryReply { written: bytes.len() as u32 })
    }

    fn search_memory(&mut self, request: SearchMemory) -> Outcome<SearchMemoryReply> {
        self.target(request.target)?;
        Ok((SearchMemoryReply { next: request.end, ..SearchMemoryReply::default() }, Bytes::new()))
    }

    fn fill_memory(
        &mut self,
        request: FillMemory,
        pattern: Bytes,
    ) -> Result<FillMemoryReply, Fault> {
        self.note(format!("fill {} with {}", request.len, pattern.escape_ascii()));
        self.target(request.target)?;
        Ok(FillMemoryReply { written: request.len })
    }

    fn compare_memory(&mut self, request: CompareMemory) -> Outcome<CompareMemoryReply> {
        self.target(request.target)?;
        let reply = CompareMemoryReply { compared: request.len, ..CompareMemoryReply::default() };
        Ok((reply, Bytes::new()))
    }

    fn copy_memory(&mut self, request: CopyMemory) -> Result<CopyMemoryReply, Fault> {
        self.target(request.target)?;
        Ok(CopyMemoryReply { written: request.len })
    }

    fn list_regions(&mut self, request: ListRegions) -> Result<ListRegionsReply, Fault> {
        self.target(request.target)?;
        Ok(ListRegionsReply::default())
    }

    fn read_registers(&mut self, request: ReadRegisters) -> Outcome<ReadRegistersReply> {
        self.target(request.target)?;
        Ok((ReadRegistersReply::default(), Bytes::new()))
    }

    fn write_registers(&mut self, request: WriteRegisters) -> Result<(), Fault> {
        self.target(request.target)
    }

    fn insert_sites(&mut self, request: InsertSites, answer: Answer<InsertSitesReply>) {
        self.finish(request.target, answer, InsertSitesReply::default());
    }

    fn remove_sites(&mut self, request: RemoveSites, answer: Answer<RemoveSitesReply>) {
        self.finish(request.target, answer, RemoveSitesReply {});
    }

    fn list_modules(&mut self, target: u32) -> Result<ListModulesReply, Fault> {
        self.target(target)?;
        Ok(ListModulesReply::default())
    }

    fn root_directory(&mut self, target: u32) -> Result<PathBuf, Fault> {
        self.target(target)?;
        Ok(PathBuf::from("/"))
    }

    fn abandon(&mut self, request: Abandon) -> Result<(), Fault> {
        self.target(request.target)?;
        self.note("abandon");
        self.is_abandoned = true;
        Ok(())
    }

    fn claim(&mut self, request: Claim) -> Result<ClaimReply, Fault> {
        self.note(format!("claim {}", request.pid));
        match std::mem::take(&mut self.is_abandoned) {
            true => Ok(ClaimReply { target: TARGET, ..ClaimReply::default() }),
            false => Err(Fault::new(ErrorCode::NoSuchProcess, "nothing is abandoned")),
        }
    }

    fn abandoned(&mut self) -> Vec<Pid> {
        if self.is_abandoned { vec![Pid::new(42)] } else { Vec::new() }
    }

    fn leave(&mut self) {
        self.note("leave");
    }

    fn pause_output(&mut self, is_paused: bool) {
        self.note(if is_paused { "pause" } else { "go on" });
    }

    fn leave_attached(&mut self, why: &str) {
        self.note(format!("leave attached: {why}"));
    }

    fn welcome(&mut self, stack_window_len: u64) {
        self.note(format!("welcome {stack_window_len}"));
    }

    fn end(&mut self) {
        self.note("end");
    }
}
