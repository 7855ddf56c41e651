//! Why a debuggee stopped, and how one ended, in ptrace(2)'s and the debugger's words. It knows
//! nothing of how a stop was found out.

use crate::{Address, Pid, Signal, SiteId};

/// Why a target stands still.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StopReason {
    /// A program that was launched, or executed by a target, has its libraries mapped; none of its
    /// code, nor theirs, has run.
    InitialBreak,
    /// The session attached; the target was stopped where it happened to be.
    Attached,
    /// The client asked for the stop.
    Interrupted,
    /// The thread reached a site; the ids of all the client's reasons for it that apply.
    Breakpoint {
        /// The site's reasons, in the order of their insertion.
        sites: Vec<SiteId>,
    },
    /// The step that the client asked for is done.
    Step,
    /// A signal is about to be delivered to the thread (ptrace(2), signal-delivery-stop).
    Signal {
        /// Which.
        signal: Signal,
        /// `si_code` of sigaction(2).
        code: i32,
        /// `si_addr`, where the signal has one.
        address: Option<Address>,
        /// `si_pid`, where another process sent it.
        sender: Option<Pid>,
    },
    /// The thread executed a trap instruction of the program itself; the pc is behind it.
    ProgramTrap,
    /// The target executed a new program; its memory and modules are new, and its sites are gone.
    /// If it has a dynamic linker, [`StopReason::InitialBreak`] follows.
    Exec,
    /// The CPU saw an access to memory that is watched; the pc is behind the instruction.
    Watchpoint {
        /// The site's reasons, in the order of their insertion.
        sites: Vec<SiteId>,
        /// The first byte that is watched.
        address: Address,
    },
    /// The thread is about to execute a system call.
    SyscallEntry {
        /// Its number.
        number: u64,
    },
    /// The thread has executed a system call.
    SyscallExit {
        /// Its number.
        number: u64,
    },
    /// The thread has made a process, which has executed nothing yet.
    Forked {
        /// Which process.
        child: Pid,
        /// Whether it borrows the target's memory until it executes a program or ends (vfork).
        borrows: bool,
    },
    /// The thread is new and has executed nothing yet.
    ThreadBorn,
    /// The thread is about to end, and executes nothing of the program any more. Of a process that
    /// ends as a whole at most one thread tells so.
    ThreadEnding {
        /// How it ends.
        status: ExitStatus,
    },
    /// The target is a process that another target has made. It has executed nothing yet.
    Born,
    /// The list of modules is another one.
    ModulesChanged,
    /// A process that borrowed the target's memory has executed a program or ended, and the thread
    /// that made it runs on; it has executed nothing in between.
    VforkDone {
        /// Which process.
        child: Pid,
    },
}

/// Why the condition of a reason to stop has no value. The target stops as if it were true.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConditionFault {
    /// Whose condition.
    pub site: SiteId,
    /// Where in its code, in bytes.
    pub offset: u32,
    /// Why.
    pub trouble: ConditionTrouble,
}

/// What keeps a condition from having a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ConditionTrouble {
    /// Memory that it needs cannot be read, at this address.
    Unreadable(Address),
    /// It divides by zero.
    DivisionByZero,
    /// It takes more steps than the server grants.
    TooManySteps,
    /// Something that the protocol did not have a number for.
    Unknown,
}

impl std::fmt::Display for ConditionTrouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ConditionTrouble::Unreadable(address) => {
                write!(f, "memory at {address} cannot be read")
            }
            ConditionTrouble::DivisionByZero => f.write_str("it divides by zero"),
            ConditionTrouble::TooManySteps => f.write_str("it takes too many steps"),
            ConditionTrouble::Unknown => f.write_str("the server could not evaluate it"),
        }
    }
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExitStatus {
    /// By exit(2) with this status, 0 to 255.
    Exited(u8),
    /// By this signal.
    Killed(Signal),
}

impl ExitStatus {
    /// The status a shell would show: the exit status, or 128 plus the signal.
    pub fn shell_status(self) -> u32 {
        match self {
            ExitStatus::Exited(status) => u32::from(status),
            ExitStatus::Killed(signal) => 128 + signal.number() as u32,
        }
    }
}
