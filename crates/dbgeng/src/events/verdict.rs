//! What a stop means: whether the user is told, and as what, or the target runs on. It asks the
//! plan and the breakpoints; it sends nothing.

use dbgbase::{Address, Signal, StopReason, Tid};

use crate::breakpoints::{Breakpoints, Encounter};
use crate::process::StopSignal;
use crate::step::Plan;
use crate::{BreakpointId, ProcessNumber, StopCause};

/// `si_code` of a signal that the kernel itself sent, as the terminal's driver does (sigaction(2)).
const SI_KERNEL: i32 = 0x80;

/// One stop, with what is needed to judge it.
pub(crate) struct Stop<'a> {
    pub(crate) process: ProcessNumber,
    pub(crate) tid: Tid,
    pub(crate) pc: Option<Address>,
    pub(crate) sp: Option<Address>,
    pub(crate) reason: &'a StopReason,
    /// The breakpoints here whose conditions do not hold.
    pub(crate) unmet: &'a [BreakpointId],
    /// Whether the user has asked for a stop.
    pub(crate) is_break_wanted: bool,
    /// Whether the target is being stopped because another one has.
    pub(crate) others_stopped: bool,
}

/// What becomes of a stop.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// The user is told.
    Tell(StopCause),
    /// It was none of the user's business: the target runs on.
    RunOn,
    /// It was none of the user's business, and the target stays where it is.
    Stay,
}

/// Judges a stop.
pub(crate) fn judge(
    stop: &Stop<'_>,
    plan: Option<&Plan>,
    breakpoints: &mut Breakpoints,
) -> Verdict {
    let completed =
        plan.and_then(|plan| plan.completed_by(stop.process, stop.tid, stop.sp, stop.reason));
    // A plan is over as soon as anything is to be told.
    let completed = completed.filter(|_| !stop.others_stopped);
    let verdict = match stop.reason {
        StopReason::InitialBreak => Verdict::Tell(StopCause::InitialBreak),
        StopReason::Attached => Verdict::Tell(StopCause::Attached),
        StopReason::ProgramTrap => Verdict::Tell(StopCause::ProgramTrap),
        StopReason::Exec => Verdict::Tell(StopCause::Exec),
        // Breakpoints were resolved anew; that is what the stop is for.
        StopReason::ModulesChanged => Verdict::RunOn,
        StopReason::Interrupted if stop.others_stopped => Verdict::Stay,
        StopReason::Interrupted => Verdict::Tell(StopCause::Interrupted),
        StopReason::Signal { signal, code, .. }
            if stop.is_break_wanted && is_typed(*signal, *code) =>
        {
            Verdict::Tell(StopCause::Interrupted)
        }
        StopReason::Signal { signal, code, address, sender } => Verdict::Tell(StopCause::Signal {
            signal: *signal,
            code: *code,
            address: *address,
            sender: *sender,
        }),
        StopReason::Step => match completed {
            Some(cause) => Verdict::Tell(at_breakpoint(stop, breakpoints).unwrap_or(cause)),
            None => Verdict::RunOn,
        },
        StopReason::Breakpoint { sites } | StopReason::Watchpoint { sites, .. } => {
            let counts = plan.is_none_or(Plan::counts_passes);
            let encounter = Encounter::Sites(sites);
            let reached =
                breakpoints.reached(stop.process, stop.tid, encounter, stop.unmet, counts);
            match completed {
                _ if !reached.is_empty() => Verdict::Tell(StopCause::Breakpoints(reached)),
                Some(cause) => Verdict::Tell(cause),
                None => Verdict::RunOn,
            }
        }
        // A reason of a later version: the target stands still, and the user should know.
        _ => Verdict::Tell(StopCause::Interrupted),
    };
    match verdict {
        Verdict::RunOn if stop.others_stopped => Verdict::Stay,
        verdict => verdict,
    }
}

/// What a step that ends at a breakpoint is told as.
fn at_breakpoint(stop: &Stop<'_>, breakpoints: &mut Breakpoints) -> Option<StopCause> {
    let encounter = Encounter::Step(stop.pc?);
    let reached = breakpoints.reached(stop.process, stop.tid, encounter, stop.unmet, false);
    (!reached.is_empty()).then_some(StopCause::Breakpoints(reached))
}

/// Whether a signal is Ctrl+C typed at the debuggee's terminal.
fn is_typed(signal: Signal, code: i32) -> bool {
    signal == Signal::SIGINT && code == SI_KERNEL
}

/// The signal a stop of a thread was about. A Ctrl+C at the terminal that debugger and program
/// share was meant for the debugger, and a trap instruction's SIGTRAP for nobody.
pub(crate) fn signal_of(
    reason: &StopReason,
    tid: Tid,
    shares_terminal: bool,
) -> Option<StopSignal> {
    match reason {
        StopReason::Signal { signal, code, .. } => {
            let is_passed = !(shares_terminal && is_typed(*signal, *code));
            Some(StopSignal { tid, signal: *signal, is_passed })
        }
        StopReason::ProgramTrap => {
            Some(StopSignal { tid, signal: Signal::SIGTRAP, is_passed: false })
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "verdict/tests.rs"]
mod tests;
