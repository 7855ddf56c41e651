//! One thread of a target as the tracer sees it: whether it runs, what it is to do, and what it has
//! to report. It makes no calls.

use std::collections::VecDeque;

use dbgbase::{Address, AddressRange, ConditionFault, Signal, StopNumber, StopReason, Tid};

use super::hold::Hold;
use super::instruction::Kind;
use super::sys::SigInfo;
use super::watch::DebugRegisters;

/// Where a thread is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// In a ptrace-stop, and nothing happens to it until we say so.
    Stopped(StopClass),
    /// Running or listening; it will report.
    Running {
        /// How it was let go.
        how: How,
        /// Whether it has been asked to stop.
        is_interrupted: bool,
    },
}

/// What kind of ptrace-stop a thread is in, as far as the way out differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StopClass {
    /// Signal-delivery-stop: a signal may be injected on the way out.
    SignalDelivery,
    /// Group-stop: leaving it by anything but listening would end it for this thread.
    Group,
    /// Inside a system call that is not yet done: at its entry, or at an event in the middle of it.
    Syscall,
    /// At its end: it will not return to the program any more.
    Exit,
    /// Any other stop.
    Other,
}

/// How a thread was let go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum How {
    /// To run.
    Free,
    /// For one instruction.
    Step,
    /// To the entry into the system call it stands before.
    ToSyscall,
    /// To the exit from the system call in the middle of which its step begins.
    OutOfSyscall,
    /// To stay in its group-stop.
    Listen,
}

/// What the client wants a thread to do while the target runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wish {
    /// Stay where it is.
    Stay,
    /// Run.
    Run,
    /// One instruction, then stop the target.
    Step,
}

/// Something a thread has to tell the client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Report {
    /// Why the target stops.
    pub(super) reason: StopReason,
    /// The order in which reports came.
    pub(super) sequence: u64,
    /// At a site: conditions without a result.
    pub(super) condition_faults: Vec<ConditionFault>,
}

/// One thread.
pub(super) struct Thread {
    /// Its id.
    pub(super) tid: Tid,
    /// Its place in the order in which threads were met.
    pub(super) ordinal: u64,
    /// Where it is.
    pub(super) state: State,
    /// What it is to do.
    pub(super) wish: Wish,
    /// What it has to tell, until it is told.
    pub(super) report: Option<Report>,
    /// The pc at which it may pass a site without reporting it, because it has reported it, or has
    /// stopped there for the user to see.
    pub(super) passed: Option<Address>,
    /// The signal that is injected when it leaves its signal-delivery-stop.
    pub(super) inject: Option<DueSignal>,
    /// Signals that are delivered, without a word, when it runs on.
    pub(super) held: VecDeque<DueSignal>,
    /// Signals that were sent to it anew, because its stop took none or they came while it was
    /// doing something for the debugger; in their order, with those of their kind that have
    /// arrived in their place.
    pub(super) resent: Vec<Resent>,
    /// The real-time signals of those that have not arrived, as they will be when they do.
    pub(super) on_the_way: Vec<DueSignal>,
    /// Whether it may have been stepped ever.
    pub(super) has_stepped: bool,
    /// What is particular about the instruction that it steps over.
    pub(super) stepped: Kind,
    /// Whether the program, too, waits for the trap behind that instruction.
    pub(super) traps_itself: bool,
    /// Whether it was let go for a step into the stop in which it is.
    pub(super) has_trap_flag: bool,
    /// Whether its step begins inside a system call, so that a first trap only says that this is
    /// done.
    pub(super) begins_in_syscall: bool,
    /// Whether it has stopped in the middle of a system call, behind the entry into it: at an event
    /// that the call is.
    pub(super) is_at_event: bool,
    /// Whether it was taken out of a group-stop for a moment and has to go back.
    pub(super) leaves_group_stop: bool,
    /// Whether it was sent to a slot and has not been seen elsewhere since.
    pub(super) is_in_slot: bool,
    /// Whether its step has brought it back to the site that it was to leave.
    pub(super) is_unfinished: bool,
    /// What keeps it from running.
    pub(super) hold: Hold,
    /// Where threads stop alone: the stop at which the client knows it to stand.
    pub(super) told: Option<StopNumber>,
    /// Where threads stop alone: whether it has been asked to stop.
    pub(super) is_wanted: bool,
    /// Where it steps on and on, if it is wished to step in a range.
    pub(super) range: Option<AddressRange>,
    /// Whether it has made the first of those steps. Signals wait until it has made the last.
    pub(super) is_in_range: bool,
    /// The system call whose entry it has reported and whose exit it has not.
    pub(super) in_syscall: Option<u64>,
    /// What its debug registers hold.
    pub(super) watches: DebugRegisters,
    /// Whether it reports that it is about to end.
    pub(super) reports_end: bool,
    /// Whether it has been born and has not stopped for that yet.
    pub(super) is_newborn: bool,
}

/// A signal that is to be delivered to a thread.
#[derive(Clone, Copy)]
pub(super) struct DueSignal {
    /// Which.
    pub(super) signal: Signal,
    /// What it was when it arrived; `None` if the client made it.
    pub(super) info: Option<SigInfo>,
}

impl DueSignal {
    /// Whether the CPU has raised it.
    pub(super) fn is_raised(&self) -> bool {
        self.info.as_ref().is_some_and(SigInfo::is_fault)
    }
}

/// A signal that has been sent anew.
#[derive(Clone, Copy)]
pub(super) struct Resent {
    /// Which, and what it was.
    pub(super) due: DueSignal,
    /// Whether the client has yet to be told of it.
    pub(super) is_news: bool,
}

impl Thread {
    /// A thread that has been let go and not yet reported.
    pub(super) fn running(tid: Tid, wish: Wish) -> Thread {
        Thread {
            tid,
            ordinal: 0,
            state: State::Running { how: How::Free, is_interrupted: false },
            wish,
            report: None,
            passed: None,
            inject: None,
            held: VecDeque::new(),
            resent: Vec::new(),
            on_the_way: Vec::new(),
            has_stepped: false,
            stepped: Kind::Ordinary,
            traps_itself: false,
            has_trap_flag: false,
            begins_in_syscall: false,
            is_at_event: false,
            leaves_group_stop: false,
            is_in_slot: false,
            is_unfinished: false,
            hold: Hold::default(),
            told: None,
            is_wanted: false,
            range: None,
            is_in_range: false,
            in_syscall: None,
            watches: DebugRegisters::default(),
            reports_end: false,
            is_newborn: false,
        }
    }

    /// Forgets what belonged to a program that another one has taken the place of.
    pub(super) fn begin_anew(&mut self) {
        self.report = None;
        self.passed = None;
        self.inject = None;
        self.resent.clear();
        self.on_the_way.clear();
        self.stepped = Kind::Ordinary;
        self.traps_itself = false;
        self.leaves_group_stop = false;
        self.is_in_slot = false;
        self.hold = Hold::default();
        self.told = None;
        self.is_wanted = false;
        self.range = None;
        self.in_syscall = None;
        // The kernel has cleared them.
        self.watches = DebugRegisters::default();
    }

    /// Whether it is about to be given a signal that the client has not been told of.
    pub(super) fn has_untold_signal(&self) -> bool {
        let reason = self.report.as_ref().map(|report| &report.reason);
        matches!(reason, Some(StopReason::Signal { .. } | StopReason::ProgramTrap))
    }

    /// The signal that it is given first when it runs on.
    pub(super) fn next_due(&self) -> Option<&DueSignal> {
        let injected = self.inject.as_ref().filter(|due| self.place_of(due) == 0);
        injected.or(self.held.front())
    }

    /// Puts the signal that would be injected among those that are held.
    pub(super) fn hold_injected(&mut self) {
        if let Some(due) = self.inject.take() {
            self.hold_signal(due);
        }
    }

    /// Puts a signal that was the last to arrive among those that are held.
    pub(super) fn hold_signal(&mut self, due: DueSignal) {
        let place = self.place_of(&due);
        self.held.insert(place, due);
    }

    /// Before those that are held, but for earlier ones of its kind: real-time signals come in
    /// their order (signal(7)). What the CPU raised belongs to the instruction at the pc.
    fn place_of(&self, due: &DueSignal) -> usize {
        let earlier = self.held.iter().rposition(|held| held.signal == due.signal);
        earlier.filter(|_| !due.is_raised()).map_or(0, |index| index + 1)
    }

    /// Whether it is in a ptrace-stop.
    pub(super) fn is_stopped(&self) -> bool {
        matches!(self.state, State::Stopped(_))
    }
}
