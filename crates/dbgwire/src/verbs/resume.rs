//! Verbs that let a target run and stop it.

use super::site::Site;

/// What one thread is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, prost::Enumeration)]
#[repr(i32)]
pub enum RunKind {
    /// Stay where it is.
    Stay = 0,
    /// Run.
    Continue = 1,
    /// Execute one instruction, then stop the target.
    Step = 2,
    /// Execute instructions until one outside a range is next, then stop the target.
    StepRange = 3,
}

/// A thread and what it is to do.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ThreadAction {
    /// Which thread, or 0 for every thread that no other action names.
    #[prost(uint32, tag = "1")]
    pub tid: u32,
    /// What it does.
    #[prost(enumeration = "RunKind", tag = "2")]
    pub run: i32,
    /// A signal it is given as it runs on, or 0. The signal that it stopped with is dropped unless
    /// it is repeated here.
    #[prost(uint32, tag = "3")]
    pub signal: u32,
    /// Of a range to step in: the first address.
    #[prost(fixed64, tag = "4")]
    pub range_start: u64,
    /// Of a range to step in: the first address behind it.
    #[prost(fixed64, tag = "5")]
    pub range_end: u64,
}

/// Changes sites, then lets threads run. If one site cannot be inserted nothing runs and none is
/// changed.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Resume {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// The stop to run on from, so that a repeated request runs nothing twice; 0 for any.
    #[prost(uint64, tag = "2")]
    pub stop: u64,
    /// What threads do; threads that no action covers stay.
    #[prost(message, repeated, tag = "3")]
    pub actions: Vec<ThreadAction>,
    /// Sites to insert first; at most `SITES_MAX`. Their ids have not been used in this target
    /// before.
    #[prost(message, repeated, tag = "4")]
    pub insert: Vec<Site>,
    /// Sites to remove then; at most `SITES_MAX`.
    #[prost(uint32, repeated, tag = "5")]
    pub remove: Vec<u32>,
}

/// The threads run. (Their next stop may be announced before this reply arrives.)
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ResumeReply {}

/// Stops a running target. The stop is announced by an event; if something else stops the target
/// first, by that event alone. Does nothing to a target that stands still.
///
/// Where threads stop alone, each thread that runs stops, and each by an event of its own.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Interrupt {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Where threads stop alone: only these; none for all. Otherwise it is ignored.
    #[prost(uint32, repeated, tag = "2")]
    pub tids: Vec<u32>,
}

/// The stop is under way.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct InterruptReply {}

/// Sends a signal to a target, as kill(2) and tgkill(2) do, whether it runs or stands still. What
/// becomes of it is what becomes of every signal: the client is told, or it is delivered.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct SendSignal {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Which thread; 0 for the process as a whole.
    #[prost(uint32, tag = "2")]
    pub tid: u32,
    /// The signal's number.
    #[prost(uint32, tag = "3")]
    pub signal: u32,
}

/// The signal is on its way.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct SendSignalReply {}

/// Whether the processes that a target makes become targets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, prost::Enumeration)]
#[repr(i32)]
pub enum ChildPolicy {
    /// No; they run on, clean of the debugger.
    LetGo = 0,
    /// Yes.
    Follow = 1,
}

/// Says which events of a target the client wants, whether it runs or not. Targets that it makes
/// and that are followed begin with the same.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct SetEvents {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Whether it stops when its list of modules has changed.
    #[prost(bool, tag = "2")]
    pub modules: bool,
    /// What becomes of processes it makes.
    #[prost(enumeration = "ChildPolicy", tag = "3")]
    pub children: i32,
    /// Whether it stops when it has made one.
    #[prost(bool, tag = "4")]
    pub forks: bool,
    /// Whether it stops when a thread is born, before that has executed anything.
    #[prost(bool, tag = "5")]
    pub thread_births: bool,
    /// Whether it stops when a thread is about to end. Threads that run do so from their next stop
    /// on.
    #[prost(bool, tag = "6")]
    pub thread_ends: bool,
    /// Whether it stops when a process that borrowed its memory (vfork) has executed a program or
    /// ended, before the thread that made it executes anything more.
    #[prost(bool, tag = "7")]
    pub vfork_ends: bool,
}

/// It is so from now on.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct SetEventsReply {}

/// Says what becomes of signals of a target, whether it runs or not. Targets that it makes and that
/// are followed begin with the same.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SetSignals {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Signals whose policy changes; the others keep theirs.
    #[prost(message, repeated, tag = "2")]
    pub policies: Vec<SignalPolicy>,
}

/// What becomes of one signal.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct SignalPolicy {
    /// Its number, 1 to 64.
    #[prost(uint32, tag = "1")]
    pub signal: u32,
    /// Whether the target stops before it is delivered; what then becomes of it is what the next
    /// resume says.
    #[prost(bool, tag = "2")]
    pub stop: bool,
    /// Otherwise, whether it is delivered.
    #[prost(bool, tag = "3")]
    pub pass: bool,
    /// Otherwise, whether the client is told.
    #[prost(bool, tag = "4")]
    pub print: bool,
}

/// It is so from now on.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct SetSignalsReply {}

/// The most system calls that are named in one request.
pub const SYSCALLS_MAX: usize = 1024;

/// Stops a target at the entry into system calls and at the exit from them. It replaces what an
/// earlier request said.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CatchSyscalls {
    /// Which target; it stands still.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Every call.
    #[prost(bool, tag = "2")]
    pub all: bool,
    /// These calls, by the CPU's numbers; at most [`SYSCALLS_MAX`].
    #[prost(uint64, repeated, tag = "3")]
    pub numbers: Vec<u64>,
}

/// It is so from now on.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct CatchSyscallsReply {}

/// Which threads stand still at a stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug, prost::Enumeration)]
#[repr(i32)]
pub enum StopMode {
    /// All threads of the target.
    Together = 0,
    /// The thread that the stop is about; the others run on.
    Alone = 1,
}

/// Says which threads stand still at the stops of a target, which stands still itself. Every target
/// begins with `Together`, but those that another one makes and that are followed begin as it is.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct SetStopMode {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Which threads.
    #[prost(enumeration = "StopMode", tag = "2")]
    pub mode: i32,
}

/// It is so from now on. All threads stand still at the target's last stop.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct SetStopModeReply {}

/// Bytes of a `siginfo_t`, as Linux lays it out for programs of the target's CPU.
pub const SIGNAL_INFO_LEN: usize = 128;

/// Reads the `siginfo_t` of a thread that stands still: of the signal that it is about to be given,
/// otherwise of the event that stopped it.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ReadSignalInfo {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Which thread.
    #[prost(uint32, tag = "2")]
    pub tid: u32,
}

/// The tail holds it, [`SIGNAL_INFO_LEN`] bytes; none if there is none.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ReadSignalInfoReply {}

/// Replaces the `siginfo_t` of the signal that a thread is about to be given. The tail holds it,
/// [`SIGNAL_INFO_LEN`] bytes. It counts if the next resume gives the thread that signal.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct WriteSignalInfo {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Which thread.
    #[prost(uint32, tag = "2")]
    pub tid: u32,
}

/// It is replaced.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct WriteSignalInfoReply {}
