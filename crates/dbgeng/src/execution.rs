//! How a target is let run, as the caller says it. What is sent for it is told in `resume`.

mod line;
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
    /// The current thread executes the line of source at which it is; the others run meanwhile. The
    /// step ends at the next statement of another line of the function or of a function that it is
    /// inlined into, in its caller, or where an exception or longjmp(3) leads to. Loops within the
    /// line are part of it. Where no line is known it is a step by instruction.
    ///
    /// Where an inlined call begins the step ends in front of it, as if it were a call: see
    /// [`Engine::calls_ahead`](crate::Engine::calls_ahead).
    StepLine {
        /// Whether it also ends in a function that is called, if its lines are known: behind the
        /// instructions that set up its frame.
        is_into: bool,
        /// What becomes of the signal the event thread stopped with.
        signal: SignalAction,
    },
    /// Run until the current function, or inlined call, of the current thread is left: to where it
    /// was called from, or where an exception or longjmp(3) leads to. Inner instances of the
    /// function do not count.
    StepOut {
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
            | Execution::StepOver { signal }
            | Execution::StepLine { signal, .. }
            | Execution::StepOut { signal } => *signal,
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
