//! What of all that happens to targets is to be told, and whether they stop for it: plain tables,
//! filled by the front end. What follows from them is decided in `events`; what the server is told
//! of them, in `engine`.

use std::collections::BTreeSet;

use dbgbase::Signal;

/// How many signals there are, 1 to 64.
const SIGNALS: usize = 64;

/// What becomes of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interest {
    /// The targets run on, and nobody is told.
    Ignore,
    /// The targets run on, and it is told by [`EventKind::Passed`](crate::EventKind::Passed).
    Output,
    /// The targets stop.
    Stop,
}

/// What becomes of a signal before it is delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignalInterest {
    /// The target runs on, and nobody is told.
    Ignore,
    /// The target runs on, and it is told.
    Output,
    /// It is told, and the target stops only if the program does not handle the signal and would be
    /// ended by it: the second chance. That costs two round trips for each.
    Unhandled,
    /// The target stops for each, and is told whether it is the second chance.
    Each,
    /// The target stops.
    Stop,
}

/// What becomes of a signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignalFilter {
    /// Before it is delivered.
    pub interest: SignalInterest,
    /// Whether the program gets it, if nobody says otherwise when the target is let run.
    pub is_passed: bool,
}

/// Which system calls are told of, each at its entry and at its exit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SyscallFilter {
    /// None.
    None,
    /// All.
    All,
    /// Those with these numbers of the target's CPU.
    Some(BTreeSet<u64>),
}

/// What of all that happens to targets is to be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventFilters {
    /// Whether processes that targets make become targets.
    pub follows_children: bool,
    /// The first stop of such a process that was forked. One that executes a program at once, as
    /// posix_spawn(3) has it, stops as a launched one does.
    pub new_processes: Interest,
    /// That a target has made a process with a copy of its memory.
    pub forks: Interest,
    /// That a target has made a process that borrows its memory.
    pub vforks: Interest,
    /// That a target has executed another program.
    pub executions: Interest,
    /// That a thread is born, before it executes anything.
    pub thread_births: Interest,
    /// That a thread is about to end.
    pub thread_ends: Interest,
    /// That the list of modules is another one, before code of a new one has run.
    pub modules: Interest,
    /// System calls.
    pub syscalls: Interest,
    /// Which of them.
    pub syscalls_caught: SyscallFilter,
    signals: [SignalFilter; SIGNALS],
}

impl EventFilters {
    /// What holds until something else is said: targets stop for every signal but those that
    /// programs use for themselves all the time, and for the execution of a program.
    pub fn initial() -> EventFilters {
        let of = |index: usize| {
            let signal = Signal::new(index as i32 + 1);
            signal.map_or(STOPS, SignalFilter::initial)
        };
        EventFilters {
            follows_children: false,
            new_processes: Interest::Stop,
            forks: Interest::Ignore,
            vforks: Interest::Ignore,
            executions: Interest::Stop,
            thread_births: Interest::Ignore,
            thread_ends: Interest::Ignore,
            modules: Interest::Ignore,
            syscalls: Interest::Ignore,
            syscalls_caught: SyscallFilter::None,
            signals: std::array::from_fn(of),
        }
    }

    /// What becomes of a signal.
    pub fn signal(&self, signal: Signal) -> SignalFilter {
        let index = signal.number() as usize - 1;
        self.signals.get(index).copied().unwrap_or(STOPS)
    }

    /// Says what becomes of a signal. A trap instruction of the program is a SIGTRAP, too; but if
    /// targets stop for it the program gets nothing, unless the interest is `Unhandled` or `Each`
    /// and the program has a handler.
    pub fn set_signal(&mut self, signal: Signal, filter: SignalFilter) {
        let index = signal.number() as usize - 1;
        if let Some(slot) = self.signals.get_mut(index) {
            *slot = filter;
        }
    }
}

const STOPS: SignalFilter = SignalFilter { interest: SignalInterest::Stop, is_passed: true };

impl SignalFilter {
    /// What holds until something else is said: a stop, but for signals that programs use for
    /// themselves all the time.
    pub fn initial(signal: Signal) -> SignalFilter {
        const QUIET: [Signal; 7] = [
            Signal::SIGALRM,
            Signal::SIGCHLD,
            Signal::SIGURG,
            Signal::SIGVTALRM,
            Signal::SIGPROF,
            Signal::SIGWINCH,
            Signal::SIGIO,
        ];
        // 32 and 33 are the C library's own, for cancelling threads and changing ids.
        let is_quiet = QUIET.contains(&signal) || matches!(signal.number(), 32 | 33);
        let interest = if is_quiet { SignalInterest::Ignore } else { SignalInterest::Stop };
        SignalFilter { interest, is_passed: true }
    }
}

/// Every signal.
pub(crate) fn signals() -> impl Iterator<Item = Signal> {
    (1..=SIGNALS as i32).filter_map(Signal::new)
}
