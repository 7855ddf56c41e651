//! What happens to targets, as callers see it. It knows neither wire numbers nor plans; how events
//! are waited for is told in `wait`, what a stop means in `verdict`.

mod verdict;
mod wait;

use dbgbase::{Address, ExitStatus, Pid, Signal, Tid};

use crate::{BreakpointId, ProcessNumber, ThreadNumber, Undecided};

/// Something happened. All targets stand still, but the one that ended; unless it was
/// [`EventKind::Passed`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DebugEvent {
    /// In which process. For an event of the connection: the current process, or number 0.
    pub process: ProcessNumber,
    /// Its id. For an event of the connection: the current process's, or 0.
    pub pid: Pid,
    /// In which thread; `None` for events of the whole process.
    pub thread: Option<(ThreadNumber, Tid)>,
    /// What.
    pub kind: EventKind,
    /// At breakpoints: those of them whose conditions have no value.
    pub undecided: Vec<Undecided>,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EventKind {
    /// The targets stand still.
    Stopped(StopCause),
    /// It happened, and the targets run on: [`EventFilters`](crate::EventFilters) ask for no more.
    /// No process and no thread becomes the current one.
    Passed(StopCause),
    /// The process has ended; its number is retired.
    Exited(ExitStatus),
    /// The server has let the process go, which it cannot debug any longer for this reason, and
    /// which runs on; its number is retired.
    Left(String),
    /// The link to the server is lost, for this reason. All targets are gone from the engine.
    LinkLost(String),
    /// The server ends the session, for this reason. All targets are gone from the engine.
    ServerEnding(String),
}

/// Why the targets stand still.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StopCause {
    /// A launched program has its libraries mapped; none of its code, nor theirs, has run.
    InitialBreak,
    /// The process was attached to.
    Attached,
    /// Someone asked for the stop.
    Interrupted,
    /// The thread reached these breakpoints, in ascending order; never empty. A step that ends at a
    /// breakpoint whose passes are used up is reported so too.
    Breakpoints(Vec<BreakpointId>),
    /// The thread reached an address of `until`.
    TemporaryBreakpoint,
    /// The step is done.
    Step,
    /// A signal is about to be delivered to the thread.
    Signal {
        /// Which.
        signal: Signal,
        /// `si_code` of sigaction(2).
        code: i32,
        /// `si_addr`, where the signal has one.
        address: Option<Address>,
        /// `si_pid`, where another process sent it.
        sender: Option<Pid>,
        /// Whether the program does not handle it and will be ended by it. Only where the filter
        /// asks for that.
        is_second_chance: bool,
    },
    /// The thread executed a trap instruction of the program itself; the pc is behind it.
    ProgramTrap,
    /// The process executed a new program. Its breakpoints by symbol are looked up anew, those by
    /// address are disabled, as their addresses mean something else now.
    Exec,
    /// The thread is about to execute a system call.
    SyscallEntry {
        /// Its number.
        number: u64,
        /// What its arguments' registers hold; the call may have fewer.
        arguments: [u64; 6],
    },
    /// The thread has executed a system call.
    SyscallExit {
        /// Its number.
        number: u64,
        /// What it returns; a failure is the negative of an error number (errno(3)).
        result: i64,
    },
    /// The thread has made a process, which has executed nothing yet.
    Forked {
        /// Which.
        child: Pid,
        /// Whether it borrows the target's memory until it executes a program or ends (vfork).
        borrows: bool,
    },
    /// The thread is new and has executed nothing yet.
    ThreadBorn,
    /// The thread is about to end.
    ThreadEnding(ExitStatus),
    /// The list of modules is another one.
    ModulesChanged,
    /// The process is new: a target has made it. It has executed nothing yet.
    Born,
}
