//! How a target is let run, as the caller says it. What is sent for it is told in `resume`.

mod resume;

use dbgbase::Address;

/// The most addresses of [`Execution::Go`]'s `until`.
pub const UNTIL_MAX: usize = 10;

/// What the targets are to do next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Execution {
    /// Run until something happens.
    Go {
        /// What becomes of the signal the event thread stopped with.
        signal: SignalAction,
        /// Addresses of the current process to stop at once, [`UNTIL_MAX`] at most.
        until: Vec<Address>,
    },
    /// The current thread executes one instruction; the others run meanwhile. With a signal that is
    /// passed on, the step ends at the first instruction of its handler. If the thread ends before
    /// the step does, the others run on until something else happens.
    StepInto {
        /// What becomes of the signal the event thread stopped with.
        signal: SignalAction,
    },
    /// The current thread executes one instruction, and if that calls a function, or repeats
    /// itself, all of it; the others run meanwhile. A call that comes back on another stack, as a
    /// switch of coroutines may, is taken to be back if that stack lies above.
    StepOver {
        /// What becomes of the signal the event thread stopped with.
        signal: SignalAction,
    },
}

impl Execution {
    /// What becomes of the signal the event thread stopped with.
    pub fn signal(&self) -> SignalAction {
        match self {
            Execution::Go { signal, .. }
            | Execution::StepInto { signal }
            | Execution::StepOver { signal } => *signal,
        }
    }
}

/// What becomes of the signal the event thread stopped with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SignalAction {
    /// It is passed on, unless it was a break-in: a SIGINT typed at the terminal that program and
    /// debugger share. A trap instruction of the program passes nothing.
    #[default]
    Default,
    /// It is dropped, as if the program had handled it.
    Handled,
    /// It is passed on, also for a trap instruction of the program (SIGTRAP).
    NotHandled,
}
