//! The door between a session, which speaks the protocol, and whatever controls debuggees: the
//! ptrace backend, or a test's script. It knows messages, not frames.

use dbgbase::Pid;
use dbgwire::Fault;
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

use crate::answer::{Answer, Outcome};

/// What controls debuggees. One session has one backend and calls it from one thread; stops and
/// ends come through the event sink that the backend was made with.
///
/// Each method carries out the verb of its name; `dbgwire::verbs` says what it does and with which
/// limits, `docs/protocol.md` with which faults. Methods that take an [`Answer`] may answer later.
pub trait Backend: Send {
    /// Starts a program as a target.
    fn launch(&mut self, request: Launch, answer: Answer<LaunchReply>);
    /// Makes a running process a target.
    fn attach(&mut self, request: Attach) -> Result<AttachReply, Fault>;
    /// Leaves a target.
    fn detach(&mut self, request: Detach, answer: Answer<DetachReply>);
    /// Ends a target.
    fn kill(&mut self, request: Kill, answer: Answer<KillReply>);
    /// Lists a target's threads.
    fn list_threads(&mut self, target: u32) -> Result<ListThreadsReply, Fault>;
    /// Changes which threads run when the target is resumed.
    fn hold_threads(&mut self, request: HoldThreads) -> Result<HoldThreadsReply, Fault>;
    /// Says which events stop a target.
    fn set_events(&mut self, request: SetEvents) -> Result<(), Fault>;
    /// Says what becomes of signals.
    fn set_signals(&mut self, request: SetSignals) -> Result<(), Fault>;
    /// Stops at system calls.
    fn catch_syscalls(&mut self, request: CatchSyscalls) -> Result<(), Fault>;
    /// Says which threads stand still at a stop.
    fn set_stop_mode(&mut self, request: SetStopMode) -> Result<(), Fault>;
    /// Says what stops bring along.
    fn set_windows(&mut self, request: SetWindows) -> Result<(), Fault>;
    /// Reads the `siginfo_t` of a thread.
    fn read_signal_info(&mut self, request: ReadSignalInfo) -> Outcome<ReadSignalInfoReply>;
    /// Replaces the `siginfo_t` of a thread; `info` has its length.
    fn write_signal_info(
        &mut self,
        request: WriteSignalInfo,
        info: bytes::Bytes,
    ) -> Result<(), Fault>;
    /// What has become of sites.
    fn list_sites(&mut self, target: u32) -> Result<ListSitesReply, Fault>;
    /// Lets threads run.
    fn resume(&mut self, request: Resume, answer: Answer<ResumeReply>);
    /// Sends a signal to a target.
    fn send_signal(&mut self, request: SendSignal) -> Result<(), Fault>;
    /// Stops a running target.
    fn interrupt(&mut self, request: Interrupt) -> Result<(), Fault>;
    /// Has a thread make a system call.
    fn inject_syscall(&mut self, request: InjectSyscall, answer: Answer<InjectSyscallReply>);
    /// Has a thread call a function.
    fn call_function(
        &mut self,
        request: CallFunction,
        bytes: bytes::Bytes,
        answer: Answer<CallFunctionReply>,
    );
    /// Maps memory.
    fn allocate_memory(&mut self, request: AllocateMemory, answer: Answer<AllocateMemoryReply>);
    /// Unmaps memory.
    fn free_memory(&mut self, request: FreeMemory, answer: Answer<FreeMemoryReply>);
    /// Changes the protection of memory.
    fn protect_memory(&mut self, request: ProtectMemory, answer: Answer<ProtectMemoryReply>);
    /// Types into a target's terminal.
    fn write_terminal(&mut self, target: u32, bytes: &[u8]) -> Result<(), Fault>;
    /// Sets the size of a target's terminal.
    fn resize_terminal(&mut self, request: ResizeTerminal) -> Result<(), Fault>;
    /// Reads one range into `buffer`.
    ///
    /// **Shape**: how many bytes of its head could be read; 0 if none.
    /// **Errors**: `NoSuchTarget` only.
    fn read_memory(&mut self, target: u32, address: u64, buffer: &mut [u8])
    -> Result<usize, Fault>;
    /// Writes bytes.
    fn write_memory(
        &mut self,
        request: WriteMemory,
        bytes: bytes::Bytes,
    ) -> Result<WriteMemoryReply, Fault>;
    /// Finds bytes or strings.
    fn search_memory(&mut self, request: SearchMemory) -> Outcome<SearchMemoryReply>;
    /// Writes a pattern over and over.
    fn fill_memory(
        &mut self,
        request: FillMemory,
        pattern: bytes::Bytes,
    ) -> Result<FillMemoryReply, Fault>;
    /// Tells where two ranges differ.
    fn compare_memory(&mut self, request: CompareMemory) -> Outcome<CompareMemoryReply>;
    /// Copies bytes inside a target.
    fn copy_memory(&mut self, request: CopyMemory) -> Result<CopyMemoryReply, Fault>;
    /// Lists what is mapped.
    fn list_regions(&mut self, request: ListRegions) -> Result<ListRegionsReply, Fault>;
    /// Reads registers, and the tops of stacks.
    fn read_registers(&mut self, request: ReadRegisters) -> Outcome<ReadRegistersReply>;
    /// Writes registers.
    fn write_registers(&mut self, request: WriteRegisters) -> Result<(), Fault>;
    /// Arms addresses.
    fn insert_sites(&mut self, request: InsertSites, answer: Answer<InsertSitesReply>);
    /// Disarms addresses.
    fn remove_sites(&mut self, request: RemoveSites, answer: Answer<RemoveSitesReply>);
    /// Lists mapped images.
    fn list_modules(&mut self, target: u32) -> Result<ListModulesReply, Fault>;
    /// The directory that is the root of a target's file names, as `/proc/PID/root`.
    fn root_directory(&mut self, target: u32) -> Result<std::path::PathBuf, Fault>;
    /// Leaves a target stopped, for a later client.
    fn abandon(&mut self, request: Abandon) -> Result<(), Fault>;
    /// Gives the client a target that was abandoned in this session.
    fn claim(&mut self, request: Claim) -> Result<ClaimReply, Fault>;
    /// The processes that were abandoned in this session and nobody has claimed.
    fn abandoned(&mut self) -> Vec<Pid>;
    /// The session's client is gone: ends the hold on all targets that are not abandoned, as the
    /// client's end demands: what it created ends, what it attached to runs on. Returns when that
    /// is done.
    fn leave(&mut self);
    /// The client has no link, and may come again: what targets write and print of themselves waits
    /// with them, as far as it does not belong to a stop. With `false`, it has come.
    fn pause_output(&mut self, is_paused: bool);
    /// Leaves all targets that were attached to and are not abandoned; the client is told, as of
    /// ends, for this reason. Does not wait for that.
    fn leave_attached(&mut self, why: &str);
    /// Another client has come, whose stop events carry this much of a stack.
    fn welcome(&mut self, stack_window_len: u64);
    /// Ends the hold on all targets as [`leave`](Backend::leave) does, and on abandoned ones.
    fn end(&mut self);
}

#[cfg(test)]
#[path = "backend/fake.rs"]
pub(crate) mod fake;
