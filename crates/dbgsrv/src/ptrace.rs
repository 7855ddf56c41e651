//! The backend that controls live processes by ptrace(2). This file is its door: it hands verbs to
//! the tracer thread, except for memory reads, which any thread may do. Only files below this one
//! call ptrace or wait for tracees.

mod abandon;
mod alone;
mod arm;
mod attach;
mod carry;
mod children;
mod condition;
mod debugger;
mod deliver;
mod displace;
pub(crate) mod elf;
mod follow;
mod hold;
mod inject;
mod instruction;
mod launch;
mod leave;
mod logpoint;
mod memory;
mod modules;
mod policy;
mod printed;
mod probe;
pub(crate) mod procfs;
mod recent;
mod refusal;
pub(crate) mod registers;
mod release;
mod repair;
mod report;
mod rest;
mod resume;
mod settle;
mod signal_info;
pub(crate) mod signals;
mod site;
mod slots;
mod spawn;
mod start;
mod sys;
mod syscalls;
mod target;
mod tell;
mod thread;
mod trace;
mod tracer;
mod trap_flag;
mod trap_mask;
mod traps;
mod wait;
mod watch;
mod watching;
mod windows;

use std::collections::{BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use dbgbase::{Address, Arch, Pid, StopNumber, TargetId};
use dbgwire::verbs::bulk::{
    CompareMemory, CompareMemoryReply, CopyMemory, CopyMemoryReply, FillMemory, FillMemoryReply,
    SearchMemory, SearchMemoryReply,
};
use dbgwire::verbs::inject::{
    AllocateMemory, AllocateMemoryReply, CallFunction, CallFunctionReply, FreeMemory,
    FreeMemoryReply, InjectSyscall, InjectSyscallReply, ProtectMemory, ProtectMemoryReply,
};
use dbgwire::verbs::memory::{
    ListRegions, ListRegionsReply, REGIONS_MAX, Region, WriteMemory, WriteMemoryReply,
};
use dbgwire::verbs::module::ListModulesReply;
use dbgwire::verbs::process::{
    Abandon, Attach, AttachReply, Claim, ClaimReply, Detach, DetachReply, Kill, KillReply, Launch,
    LaunchReply, Terminal as TerminalKind,
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
use dbgwire::verbs::thread::{HoldThreads, HoldThreadsReply, ListThreadsReply, ThreadDescription};
use dbgwire::verbs::window::SetWindows;
use dbgwire::{ErrorCode, Fault};

pub(crate) use attach::find_process;
pub(crate) use debugger::who_debugs;
pub use probe::{Probe, Step};
pub use repair::{Repaired, repair};
pub use signals::Termination;
pub use start::start;

use crate::answer::{Answer, Outcome};
use crate::backend::Backend;
use crate::error::{ServerError, system};
use crate::journal::Journal;
use crate::session::BackendSettings;
use crate::terminal::{Events, Pty, Terminal};
use memory::{TargetMemory, bulk, search};
use printed::Printer;
use recent::RecentReads;
use signals::{ChildSignals, Waker};
use tracer::{Command, Tracer};

/// How long the end of a session waits for its targets to stop, before their code is restored
/// without that. A thread in an uninterruptible sleep does not stop.
const END_PATIENCE: Duration = Duration::from_secs(10);

/// The most bytes of names in one list of regions or modules, so that it always fits a frame.
const NAMES_LEN_MAX: usize = 2 * 1024 * 1024;

/// What the session thread needs of a target to read its memory by itself.
#[derive(Clone)]
pub(crate) struct SharedTarget {
    pid: Pid,
    memory: Arc<TargetMemory>,
    recent: Arc<RecentReads>,
    pty: Option<Arc<Pty>>,
}

/// The targets whose memory the session thread may read.
type SharedTargets = Arc<Mutex<HashMap<TargetId, SharedTarget>>>;

/// The signals a process of the server handles, prepared before it has any other thread.
pub struct ProcessSignals {
    children: ChildSignals,
    termination: Termination,
}

impl ProcessSignals {
    /// Prepares the calling process: SIGCHLD is taken by the tracer thread, SIGTERM by the session,
    /// and the terminal's keys are left to the debuggee and the user's debugger.
    ///
    /// **Errors**: [`ServerError::System`].
    /// **Threads**: the process must have no other thread yet.
    pub fn prepare() -> Result<ProcessSignals, ServerError> {
        signals::ignore_terminal();
        let children = ChildSignals::open().map_err(system("prepare for signals"))?;
        let termination = Termination::open().map_err(system("prepare for signals"))?;
        Ok(ProcessSignals { children, termination })
    }

    /// For the session: being asked to end.
    pub fn termination(&self) -> &Termination {
        &self.termination
    }
}

/// The ptrace backend of one session.
pub struct PtraceBackend {
    commands: Option<Sender<Command>>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
    shared: SharedTargets,
    events: Events,
    may_share_terminal: bool,
}

impl PtraceBackend {
    /// Starts the tracer thread. `probe` is called between steps; servers pass `None`.
    ///
    /// **Errors**: [`ServerError::UnknownCpu`], [`ServerError::System`].
    pub fn start(
        settings: BackendSettings,
        journal: Journal,
        signals: ProcessSignals,
        probe: Probe,
    ) -> Result<PtraceBackend, ServerError> {
        let arch = Arch::native().ok_or(ServerError::UnknownCpu)?;
        let shared = SharedTargets::default();
        let (commands, receiver) = mpsc::channel::<Command>();
        let waker = signals.children.waker();
        let mut tracer = Tracer {
            arch,
            targets: target::Targets::new(),
            shared: Arc::clone(&shared),
            owner: HashMap::new(),
            early: HashMap::new(),
            departing: HashMap::new(),
            journal,
            printer: Printer::new(Arc::clone(&settings.events)),
            events: Arc::clone(&settings.events),
            probe,
            stack_window_len: settings.stack_window_len,
            last_target: 0,
            last_stop: StopNumber::new(0),
            last_sequence: 0,
            dirty: BTreeSet::new(),
            restless: BTreeSet::new(),
            modules_due: BTreeSet::new(),
            resumed: Vec::new(),
            expects_news: false,
            ended: None,
            keeps_abandoned: false,
        };
        let thread = std::thread::Builder::new()
            .name("tracer".to_owned())
            .spawn(move || {
                let run = || tracer.run(&receiver, &signals.children);
                if std::panic::catch_unwind(AssertUnwindSafe(run)).is_err() {
                    tracer.send_answers();
                    tracer.leave_all(false);
                    (settings.terminate)();
                }
            })
            .map_err(system("start the tracer thread"))?;
        Ok(PtraceBackend {
            commands: Some(commands),
            waker,
            thread: Some(thread),
            shared,
            events: settings.events,
            may_share_terminal: settings.may_share_terminal,
        })
    }

    /// Has the tracer thread do something, without waiting for it.
    fn post(&self, command: impl FnOnce(&mut Tracer) + Send + 'static) {
        if let Some(commands) = &self.commands {
            // A tracer that is gone drops the command, and with it the answer, which then says so.
            let _ = commands.send(Box::new(command));
            self.waker.wake();
        }
    }

    /// Has the tracer thread do something, and waits for the result.
    fn call<R: Send + 'static>(
        &self,
        command: impl FnOnce(&mut Tracer) -> Result<R, Fault> + Send + 'static,
    ) -> Result<R, Fault> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.post(move |tracer| {
            let _ = sender.send(command(tracer));
        });
        receiver.recv().unwrap_or_else(|_| {
            Err(Fault::new(ErrorCode::Internal, "the session's tracer has a defect and is gone"))
        })
    }

    /// Has the tracer thread write bytes, and says how many of the head were written.
    fn write(&self, id: TargetId, address: Address, bytes: Bytes) -> Result<usize, Fault> {
        self.call(move |tracer| tracer.write_memory(id, address, &bytes))
    }

    /// Ends or leaves every target, but abandoned ones if they are to be kept.
    fn end_targets(&self, keeps_abandoned: bool) {
        let (sender, receiver) = mpsc::channel();
        self.post(move |tracer| tracer.end_session(sender, keeps_abandoned));
        if receiver.recv_timeout(END_PATIENCE).is_err() {
            let _ = self.call(move |tracer| {
                tracer.leave_all(keeps_abandoned);
                Ok(())
            });
        }
    }

    fn shared(&self, id: TargetId) -> Result<SharedTarget, Fault> {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.get(&id).cloned().ok_or_else(|| tracer::no_such_target(id))
    }

    fn pty(&self, id: TargetId) -> Result<Arc<Pty>, Fault> {
        let SharedTarget { pid, pty, .. } = self.shared(id)?;
        pty.ok_or_else(|| {
            let detail = format!(
                "process {pid} was not launched on a pseudo-terminal, so nothing can be typed to it"
            );
            Fault::new(ErrorCode::Unsupported, detail)
        })
    }
}

impl Backend for PtraceBackend {
    fn launch(&mut self, request: Launch, answer: Answer<LaunchReply>) {
        let may_share_terminal = self.may_share_terminal;
        let open = || Terminal::open(request.rows, request.columns, Arc::clone(&self.events));
        let terminal = (request.terminal == TerminalKind::Pty as i32).then(open).transpose();
        match terminal {
            Ok(terminal) => self.post(move |tracer| {
                tracer.launch(&request, may_share_terminal, terminal, answer);
            }),
            Err(fault) => answer.fault(fault),
        }
    }

    fn attach(&mut self, request: Attach) -> Result<AttachReply, Fault> {
        self.call(move |tracer| tracer.attach(Pid::new(request.pid)))
    }

    fn detach(&mut self, request: Detach, answer: Answer<DetachReply>) {
        self.post(move |tracer| tracer.ask_detach(TargetId::new(request.target), answer));
    }

    fn kill(&mut self, request: Kill, answer: Answer<KillReply>) {
        self.post(move |tracer| tracer.ask_kill(TargetId::new(request.target), answer));
    }

    fn list_threads(&mut self, target: u32) -> Result<ListThreadsReply, Fault> {
        let (pid, threads) = self.call(move |tracer| {
            let target = tracer.target(TargetId::new(target))?;
            Ok((target.pid, target.holds()))
        })?;
        let describe = |(tid, hold): (dbgbase::Tid, hold::Hold)| ThreadDescription {
            tid: tid.value(),
            name: procfs::thread_name(pid, tid),
            suspends: hold.suspends,
            frozen: hold.is_frozen,
        };
        Ok(ListThreadsReply { threads: threads.into_iter().map(describe).collect() })
    }

    fn hold_threads(&mut self, request: HoldThreads) -> Result<HoldThreadsReply, Fault> {
        self.call(move |tracer| tracer.hold_threads(&request))
    }

    fn set_events(&mut self, request: SetEvents) -> Result<(), Fault> {
        self.call(move |tracer| tracer.set_events(&request))
    }

    fn set_signals(&mut self, request: SetSignals) -> Result<(), Fault> {
        self.call(move |tracer| tracer.set_signals(&request))
    }

    fn catch_syscalls(&mut self, request: CatchSyscalls) -> Result<(), Fault> {
        self.call(move |tracer| tracer.catch_syscalls(&request))
    }

    fn set_stop_mode(&mut self, request: SetStopMode) -> Result<(), Fault> {
        self.call(move |tracer| tracer.set_stop_mode(&request))
    }

    fn set_windows(&mut self, request: SetWindows) -> Result<(), Fault> {
        self.call(move |tracer| tracer.set_windows(&request))
    }

    fn read_signal_info(&mut self, request: ReadSignalInfo) -> Outcome<ReadSignalInfoReply> {
        self.call(move |tracer| tracer.read_signal_info(&request))
            .map(|info| (ReadSignalInfoReply {}, info))
    }

    fn write_signal_info(&mut self, request: WriteSignalInfo, info: Bytes) -> Result<(), Fault> {
        self.call(move |tracer| tracer.write_signal_info(&request, &info))
    }

    fn list_sites(&mut self, target: u32) -> Result<ListSitesReply, Fault> {
        self.call(move |tracer| tracer.list_sites(TargetId::new(target)))
    }

    fn resume(&mut self, request: Resume, answer: Answer<ResumeReply>) {
        self.post(move |tracer| tracer.resume(request, answer));
    }

    fn send_signal(&mut self, request: SendSignal) -> Result<(), Fault> {
        self.call(move |tracer| tracer.send_signal(&request))
    }

    fn inject_syscall(&mut self, request: InjectSyscall, answer: Answer<InjectSyscallReply>) {
        self.post(move |tracer| tracer.inject_syscall(&request, answer));
    }

    fn call_function(
        &mut self,
        request: CallFunction,
        bytes: Bytes,
        answer: Answer<CallFunctionReply>,
    ) {
        self.post(move |tracer| tracer.call_function(request, bytes, answer));
    }

    fn allocate_memory(&mut self, request: AllocateMemory, answer: Answer<AllocateMemoryReply>) {
        self.post(move |tracer| tracer.allocate_memory(&request, answer));
    }

    fn free_memory(&mut self, request: FreeMemory, answer: Answer<FreeMemoryReply>) {
        self.post(move |tracer| tracer.free_memory(&request, answer));
    }

    fn protect_memory(&mut self, request: ProtectMemory, answer: Answer<ProtectMemoryReply>) {
        self.post(move |tracer| tracer.protect_memory(&request, answer));
    }

    fn write_terminal(&mut self, target: u32, bytes: &[u8]) -> Result<(), Fault> {
        self.pty(TargetId::new(target))?.write(bytes)
    }

    fn resize_terminal(&mut self, request: ResizeTerminal) -> Result<(), Fault> {
        self.pty(TargetId::new(request.target))?.resize(request.rows, request.columns)
    }

    fn interrupt(&mut self, request: Interrupt) -> Result<(), Fault> {
        self.call(move |tracer| tracer.interrupt(&request))
    }

    fn read_memory(
        &mut self,
        target: u32,
        address: u64,
        buffer: &mut [u8],
    ) -> Result<usize, Fault> {
        let target = self.shared(TargetId::new(target))?;
        let address = Address::new(address);
        target.recent.note(address, buffer.len() as u64);
        Ok(target.memory.read_head(address, buffer))
    }

    fn write_memory(
        &mut self,
        request: WriteMemory,
        bytes: Bytes,
    ) -> Result<WriteMemoryReply, Fault> {
        let id = TargetId::new(request.target);
        let written = self.write(id, Address::new(request.address), bytes)?;
        Ok(WriteMemoryReply { written: written as u32 })
    }

    fn search_memory(&mut self, request: SearchMemory) -> Outcome<SearchMemoryReply> {
        let target = self.shared(TargetId::new(request.target))?;
        search::search(target.pid, &target.memory, &request)
    }

    fn fill_memory(
        &mut self,
        request: FillMemory,
        pattern: Bytes,
    ) -> Result<FillMemoryReply, Fault> {
        let id = TargetId::new(request.target);
        self.shared(id)?;
        let written = bulk::fill(&request, &pattern, &mut |at, bytes| self.write(id, at, bytes))?;
        Ok(FillMemoryReply { written })
    }

    fn compare_memory(&mut self, request: CompareMemory) -> Outcome<CompareMemoryReply> {
        let target = self.shared(TargetId::new(request.target))?;
        Ok(bulk::compare(&target.memory, &request))
    }

    fn copy_memory(&mut self, request: CopyMemory) -> Result<CopyMemoryReply, Fault> {
        let id = TargetId::new(request.target);
        let memory = self.shared(id)?.memory;
        let mut write = |at, bytes| self.write(id, at, bytes);
        let written = bulk::copy(&memory, &request, &mut write)?;
        Ok(CopyMemoryReply { written })
    }

    fn list_regions(&mut self, request: ListRegions) -> Result<ListRegionsReply, Fault> {
        let target = self.shared(TargetId::new(request.target))?;
        let maps = procfs::maps(target.pid);
        let mut regions = Vec::new();
        let mut len = 0;
        let mut more = false;
        for mapping in maps.into_iter().filter(|m| m.range.end().value() > request.from) {
            len += mapping.name.len();
            if regions.len() == REGIONS_MAX || len > NAMES_LEN_MAX {
                more = true;
                break;
            }
            regions.push(Region {
                start: mapping.range.start().value(),
                end: mapping.range.end().value(),
                protection: mapping.protection,
                offset: mapping.offset,
                name: mapping.name,
            });
        }
        Ok(ListRegionsReply { regions, more })
    }

    fn read_registers(&mut self, request: ReadRegisters) -> Outcome<ReadRegistersReply> {
        self.call(move |tracer| tracer.read_registers(&request))
    }

    fn write_registers(&mut self, request: WriteRegisters) -> Result<(), Fault> {
        self.call(move |tracer| tracer.write_registers(&request))
    }

    fn insert_sites(&mut self, request: InsertSites, answer: Answer<InsertSitesReply>) {
        self.post(move |tracer| tracer.insert_sites(request, answer));
    }

    fn remove_sites(&mut self, request: RemoveSites, answer: Answer<RemoveSitesReply>) {
        self.post(move |tracer| tracer.remove_sites(request, answer));
    }

    fn list_modules(&mut self, target: u32) -> Result<ListModulesReply, Fault> {
        let target = self.shared(TargetId::new(target))?;
        let rendezvous = modules::rendezvous(target.pid, &*target.memory);
        let mut cache = modules::Cache::default();
        let modules = modules::list(target.pid, &*target.memory, rendezvous.as_ref(), &mut cache);
        Ok(ListModulesReply { modules })
    }

    fn root_directory(&mut self, target: u32) -> Result<PathBuf, Fault> {
        let target = self.shared(TargetId::new(target))?;
        // A leader that has ended before the others shows none.
        let tid = procfs::living_thread(target.pid).unwrap_or(dbgbase::Tid::from(target.pid));
        Ok(procfs::root_of(tid))
    }

    fn abandon(&mut self, request: Abandon) -> Result<(), Fault> {
        self.call(move |tracer| tracer.abandon(TargetId::new(request.target)))
    }

    fn claim(&mut self, request: Claim) -> Result<ClaimReply, Fault> {
        self.call(move |tracer| tracer.claim(Pid::new(request.pid)))
    }

    fn abandoned(&mut self) -> Vec<Pid> {
        self.call(|tracer| Ok(tracer.abandoned())).unwrap_or_default()
    }

    fn leave(&mut self) {
        self.end_targets(true);
    }

    fn pause_output(&mut self, is_paused: bool) {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        for pty in shared.values().filter_map(|target| target.pty.as_ref()) {
            pty.pause(is_paused);
        }
        drop(shared);
        self.post(move |tracer| tracer.printer.pause(is_paused));
    }

    fn leave_attached(&mut self, why: &str) {
        let why = why.to_owned();
        self.post(move |tracer| tracer.leave_attached(&why));
    }

    fn welcome(&mut self, stack_window_len: u64) {
        self.post(move |tracer| tracer.stack_window_len = stack_window_len);
    }

    fn end(&mut self) {
        self.end_targets(false);
        // Without a sender the tracer thread returns.
        self.commands = None;
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
