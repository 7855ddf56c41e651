//! What a server tells without being asked. Events are numbered from 1 in their frames' ids and
//! arrive in that order; one that a client does not know is passed over.

use crate::verbs::memory::Range;
use crate::verbs::module::ModuleDescription;
use crate::verbs::registers::ThreadRegisters;

/// Why a target stopped, as a number (`convert` makes a `StopReason` of it).
#[derive(Clone, Copy, PartialEq, Eq, Debug, prost::Enumeration)]
#[repr(i32)]
pub enum StopKind {
    /// Never sent; what a message without the field reads as.
    Unspecified = 0,
    /// A program that was launched, or executed by a target, has its libraries mapped and nothing
    /// of it has run.
    InitialBreak = 1,
    /// The session attached.
    Attached = 2,
    /// The client interrupted it.
    Interrupted = 3,
    /// A site was reached.
    Breakpoint = 4,
    /// A step is done.
    Step = 5,
    /// A signal is about to be delivered.
    Signal = 6,
    /// The program's own trap instruction was executed.
    ProgramTrap = 7,
    /// A new program was executed.
    Exec = 8,
    /// Watched memory was accessed.
    Watchpoint = 9,
    /// A system call is about to be executed.
    SyscallEntry = 10,
    /// A system call was executed.
    SyscallExit = 11,
    /// A process was made.
    Forked = 12,
    /// The thread is new.
    ThreadBorn = 13,
    /// The thread is about to end.
    ThreadEnding = 14,
    /// The target is new: a process that another target has made.
    Born = 15,
    /// The list of modules is another one.
    ModulesChanged = 16,
    /// A process that borrowed the target's memory has executed a program or ended.
    VforkDone = 17,
}

/// A target stands still, all its threads, or one of them alone. Carries what a client asks next,
/// so that showing a prompt costs no further round trip.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Stopped {
    /// The stop's number: what was read under an earlier one is stale.
    #[prost(uint64, tag = "1")]
    pub stop: u64,
    /// Which target.
    #[prost(uint32, tag = "2")]
    pub target: u32,
    /// Which thread the stop is about.
    #[prost(uint32, tag = "3")]
    pub tid: u32,
    /// Why.
    #[prost(enumeration = "StopKind", tag = "4")]
    pub kind: i32,
    /// At a site: the ids that apply.
    #[prost(uint32, repeated, tag = "5")]
    pub sites: Vec<u32>,
    /// At a signal: which, with sigaction(2)'s `si_code`, `si_addr` and `si_pid`.
    #[prost(message, optional, tag = "6")]
    pub signal: Option<SignalDetail>,
    /// The general registers of the thread, in the order of the CPU's table.
    #[prost(fixed64, repeated, tag = "7")]
    pub general: Vec<u64>,
    /// Which memory the tail holds, one range's bytes behind the other's: code around the pc, the
    /// top of the stack, and what the client read at its last stops or wants to have.
    #[prost(message, repeated, tag = "8")]
    pub windows: Vec<Range>,
    /// Threads that are new since the last stop.
    #[prost(uint32, repeated, tag = "9")]
    pub threads_born: Vec<u32>,
    /// Threads that ended since the last stop.
    #[prost(uint32, repeated, tag = "10")]
    pub threads_ended: Vec<u32>,
    /// The modules, if they are others than at the last stop.
    #[prost(message, optional, tag = "11")]
    pub modules: Option<Modules>,
    /// At a watchpoint: the first byte that is watched.
    #[prost(fixed64, tag = "12")]
    pub watched: u64,
    /// At a system call: its number.
    #[prost(uint64, tag = "13")]
    pub syscall: u64,
    /// At Forked: the id of the process that was made. At VforkDone: of the one that is done.
    #[prost(uint32, tag = "14")]
    pub child: u32,
    /// At Forked: whether the process borrows the target's memory (vfork).
    #[prost(bool, tag = "15")]
    pub borrows: bool,
    /// At ThreadEnding: how it ends, as wait(2) tells it.
    #[prost(uint32, tag = "16")]
    pub ending: u32,
    /// Whether only this thread stands still, and the others are as they were.
    #[prost(bool, tag = "17")]
    pub alone: bool,
    /// At a site: conditions that have no result, and therefore stop the target.
    #[prost(message, repeated, tag = "20")]
    pub condition_faults: Vec<ConditionFault>,
    /// The extended registers of the thread, if wanted ([`SetWindows`]).
    ///
    /// [`SetWindows`]: crate::verbs::window::SetWindows
    #[prost(bytes = "vec", tag = "24")]
    pub extended: Vec<u8>,
    /// Other threads that stand still, if wanted; their stacks are among the windows.
    #[prost(message, repeated, tag = "25")]
    pub threads: Vec<ThreadRegisters>,
    /// The thread's own name, if these are wanted.
    #[prost(string, tag = "26")]
    pub name: String,
}

/// What keeps a condition from having a result, as a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, prost::Enumeration)]
#[repr(i32)]
pub enum ConditionTrouble {
    /// Never sent; what a message without the field reads as.
    Unspecified = 0,
    /// Memory cannot be read.
    Unreadable = 1,
    /// A division by zero.
    DivisionByZero = 2,
    /// More steps than the server grants.
    TooManySteps = 3,
}

/// A condition without a result.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ConditionFault {
    /// The id of its site.
    #[prost(uint32, tag = "1")]
    pub site: u32,
    /// Why.
    #[prost(enumeration = "ConditionTrouble", tag = "2")]
    pub trouble: i32,
    /// The instruction in its code, as an offset in bytes.
    #[prost(uint32, tag = "3")]
    pub offset: u32,
    /// For memory: the first address that cannot be read.
    #[prost(fixed64, tag = "4")]
    pub address: u64,
}

/// A signal's siginfo as far as people ask for it.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct SignalDetail {
    /// Its number.
    #[prost(uint32, tag = "1")]
    pub number: u32,
    /// `si_code`.
    #[prost(int32, tag = "2")]
    pub code: i32,
    /// `si_addr`, for SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGTRAP raised by the CPU.
    #[prost(fixed64, optional, tag = "3")]
    pub address: Option<u64>,
    /// `si_pid`, for signals that a process sent.
    #[prost(uint32, optional, tag = "4")]
    pub sender: Option<u32>,
}

/// A target has made a process that is a target from now on. Comes before that one's first stop.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Created {
    /// What the session calls the new target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// The target that made it.
    #[prost(uint32, tag = "2")]
    pub parent: u32,
    /// Its process id.
    #[prost(uint32, tag = "3")]
    pub pid: u32,
    /// Whether it ends with the session, as one that was launched; it is as its parent is.
    #[prost(bool, tag = "4")]
    pub created: bool,
}

/// A thread of a running target is given a signal that was not to stop it, but to be told.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Signalled {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Which thread.
    #[prost(uint32, tag = "2")]
    pub tid: u32,
    /// Which signal.
    #[prost(message, optional, tag = "3")]
    pub signal: Option<SignalDetail>,
}

/// The modules of a running target are others than its client was told. Changes that follow each
/// other quickly are told together; a stop that comes first brings the list instead.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ModulesChanged {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// All of them, in the order of [`Modules`].
    #[prost(message, repeated, tag = "2")]
    pub modules: Vec<ModuleDescription>,
}

/// Commands of a site have printed; the tail is the text. It comes before every later event of the
/// thread, but not at once: hits of the same thread at the same site are told together.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Printed {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Which thread.
    #[prost(uint32, tag = "2")]
    pub tid: u32,
    /// The id of the site.
    #[prost(uint32, tag = "3")]
    pub site: u32,
    /// How many hits' texts were dropped since the last such event of the session, because the
    /// client takes them more slowly than the threads print.
    #[prost(uint64, tag = "4")]
    pub lost: u64,
    /// What kept the site's code from coming to its end. The text is what it printed before.
    #[prost(message, optional, tag = "5")]
    pub fault: Option<ConditionFault>,
    /// With a fault: in which of the site's commands, counted from 1; 0 is its condition.
    #[prost(uint32, tag = "6")]
    pub command: u32,
}

/// A list of modules that may be empty.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Modules {
    /// The program itself first, then the others in the order of the dynamic linker, then those
    /// that it does not list, by address.
    #[prost(message, repeated, tag = "1")]
    pub modules: Vec<ModuleDescription>,
}

/// A target has ended, or the session has let it go. Its id is not used again.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Exited {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Its exit status, if it ended by exit(2).
    #[prost(uint32, optional, tag = "2")]
    pub status: Option<u32>,
    /// The signal that ended it, otherwise.
    #[prost(uint32, optional, tag = "3")]
    pub signal: Option<u32>,
    /// If the process has not ended, but was left because the session cannot debug it any longer:
    /// why, for people. Then neither of the others is there.
    #[prost(string, tag = "4")]
    pub left: String,
}

/// The session ends by the server's will; nothing follows.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Ending {
    /// Why, for people.
    #[prost(string, tag = "1")]
    pub reason: String,
}

/// A target has written to its pseudo-terminal; the tail is what. Written before a stop or the end
/// of the target, it comes before that one's event.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Output {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
}
