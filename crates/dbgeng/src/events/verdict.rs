//! What a stop means: whether the user is told, and as what, or the target runs on. It asks the
//! filters, the plan and the breakpoints; it sends nothing.

use dbgbase::{Address, GeneralRegisters, Signal, StopReason, Tid};

use crate::breakpoints::{Breakpoints, Encounter};
use crate::dispositions::Dispositions;
use crate::process::StopSignal;
use crate::step::{Plan, Progress};
use crate::{BreakpointId, EventFilters, Interest, ProcessNumber, SignalInterest, StopCause};

/// `si_code` of a signal that the kernel itself sent, as the terminal's driver does (sigaction(2)).
const SI_KERNEL: i32 = 0x80;

/// One stop, with what is needed to judge it.
pub(crate) struct Stop<'a> {
    pub(crate) process: ProcessNumber,
    pub(crate) tid: Tid,
    pub(crate) pc: Option<Address>,
    pub(crate) sp: Option<Address>,
    pub(crate) syscall: SyscallValues,
    pub(crate) reason: &'a StopReason,
    pub(crate) filters: &'a EventFilters,
    /// What the program does with signals, if that was asked.
    pub(crate) dispositions: Option<Dispositions>,
    /// Whether it is the first stop of a process that a target has made.
    pub(crate) is_birth: bool,
    /// Whether a dynamic linker is at work, whose end is told next.
    pub(crate) is_linking: bool,
    /// The breakpoints here whose conditions do not hold.
    pub(crate) unmet: &'a [BreakpointId],
    /// Whether the user has asked for a stop.
    pub(crate) is_break_wanted: bool,
    /// Whether the target is being stopped because another one has.
    pub(crate) others_stopped: bool,
}

/// What the registers of a system call hold.
#[derive(Clone, Copy, Default)]
pub(crate) struct SyscallValues {
    arguments: [u64; 6],
    result: i64,
}

impl SyscallValues {
    pub(crate) fn of(registers: &GeneralRegisters) -> SyscallValues {
        let places = registers.arch().syscall_registers();
        let arguments = places.arguments.map(|register| registers.get(register));
        SyscallValues { arguments, result: registers.get(places.result) as i64 }
    }
}

/// What becomes of a stop.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// The user is told.
    Tell(StopCause),
    /// The user is told, and the target runs on if no other one has stopped.
    Pass(StopCause),
    /// Only the plan can tell, by looking at where the thread is.
    StepOn,
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
    // A plan is over as soon as anything is to be told.
    let plan_followed = plan.filter(|_| !stop.others_stopped);
    let progress = plan_followed
        .map_or(Progress::None, |plan| plan.progress(stop.process, stop.tid, stop.sp, stop.reason));
    let by_plan = match progress {
        Progress::None => Verdict::RunOn,
        Progress::Completed(cause) => Verdict::Tell(cause),
        Progress::Look => Verdict::StepOn,
    };
    let verdict = match stop.reason {
        StopReason::InitialBreak => Verdict::Tell(StopCause::InitialBreak),
        StopReason::Attached => Verdict::Tell(StopCause::Attached),
        StopReason::Interrupted if stop.others_stopped => Verdict::Stay,
        StopReason::Interrupted => Verdict::Tell(StopCause::Interrupted),
        StopReason::Signal { signal, code, .. }
            if stop.is_break_wanted && is_typed(*signal, *code) =>
        {
            Verdict::Tell(StopCause::Interrupted)
        }
        StopReason::Step if by_plan == Verdict::RunOn => by_plan,
        StopReason::Step => at_breakpoint(stop, breakpoints).map_or(by_plan, Verdict::Tell),
        StopReason::Breakpoint { sites } | StopReason::Watchpoint { sites, .. } => {
            let counts = plan.is_none_or(Plan::counts_passes);
            let encounter = Encounter::Sites(sites);
            let reached =
                breakpoints.reached(stop.process, stop.tid, encounter, stop.unmet, counts);
            match reached.is_empty() {
                true => by_plan,
                false => Verdict::Tell(StopCause::Breakpoints(reached)),
            }
        }
        _ => judge_event(stop),
    };
    match verdict {
        Verdict::RunOn if stop.others_stopped => Verdict::Stay,
        verdict => verdict,
    }
}

/// Judges a stop that is told or not as the filters want it.
fn judge_event(stop: &Stop<'_>) -> Verdict {
    let filters = stop.filters;
    match stop.reason {
        StopReason::Signal { signal, code, address, sender } => {
            judge_signal(stop, *signal, |is_second_chance| StopCause::Signal {
                signal: *signal,
                code: *code,
                address: *address,
                sender: *sender,
                is_second_chance,
            })
        }
        StopReason::ProgramTrap => judge_signal(stop, Signal::SIGTRAP, |_| StopCause::ProgramTrap),
        // It begins as a launched one does.
        StopReason::Exec if stop.is_birth && stop.is_linking => Verdict::RunOn,
        StopReason::Exec if stop.is_birth => Verdict::Tell(StopCause::InitialBreak),
        StopReason::Exec => by_interest(filters.executions, StopCause::Exec),
        StopReason::Born => by_interest(filters.new_processes, StopCause::Born),
        StopReason::ThreadBorn => by_interest(filters.thread_births, StopCause::ThreadBorn),
        StopReason::ThreadEnding { status } => {
            by_interest(filters.thread_ends, StopCause::ThreadEnding(*status))
        }
        StopReason::Forked { child, borrows } => {
            let interest = if *borrows { filters.vforks } else { filters.forks };
            by_interest(interest, StopCause::Forked { child: *child, borrows: *borrows })
        }
        StopReason::SyscallEntry { number } => {
            let arguments = stop.syscall.arguments;
            by_interest(filters.syscalls, StopCause::SyscallEntry { number: *number, arguments })
        }
        StopReason::SyscallExit { number } => {
            let result = stop.syscall.result;
            by_interest(filters.syscalls, StopCause::SyscallExit { number: *number, result })
        }
        StopReason::ModulesChanged => by_interest(filters.modules, StopCause::ModulesChanged),
        // A reason of a later version: the target stands still, and the user should know.
        _ => Verdict::Tell(StopCause::Interrupted),
    }
}

fn by_interest(interest: Interest, cause: StopCause) -> Verdict {
    match interest {
        Interest::Ignore => Verdict::RunOn,
        Interest::Output => Verdict::Pass(cause),
        Interest::Stop => Verdict::Tell(cause),
    }
}

fn judge_signal(stop: &Stop<'_>, signal: Signal, cause: impl Fn(bool) -> StopCause) -> Verdict {
    let filter = stop.filters.signal(signal);
    // What cannot be asked is told.
    let ends = stop.dispositions.is_none_or(|dispositions| dispositions.is_ended_by(signal));
    let is_second_chance = filter.is_passed && ends;
    match filter.interest {
        SignalInterest::Ignore => Verdict::RunOn,
        SignalInterest::Output => Verdict::Pass(cause(false)),
        SignalInterest::Unhandled if !is_second_chance => Verdict::Pass(cause(false)),
        SignalInterest::Unhandled | SignalInterest::Each => Verdict::Tell(cause(is_second_chance)),
        SignalInterest::Stop => Verdict::Tell(cause(false)),
    }
}

/// Whether the judgement asks what the program does with the signal that a stop is about.
pub(crate) fn asks_dispositions(reason: &StopReason, filters: &EventFilters) -> bool {
    let signal = match reason {
        StopReason::Signal { signal, .. } => *signal,
        StopReason::ProgramTrap => Signal::SIGTRAP,
        _ => return false,
    };
    matches!(filters.signal(signal).interest, SignalInterest::Unhandled | SignalInterest::Each)
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
/// share was meant for the debugger, and a trap instruction's SIGTRAP too, unless it is known that
/// the program handles it, or nobody wants to stop for it.
pub(crate) fn signal_of(
    reason: &StopReason,
    tid: Tid,
    shares_terminal: bool,
    filters: &EventFilters,
    dispositions: Option<Dispositions>,
) -> Option<StopSignal> {
    match reason {
        StopReason::Signal { signal, code, .. } => {
            let is_for_debugger = shares_terminal && is_typed(*signal, *code);
            let is_passed = filters.signal(*signal).is_passed && !is_for_debugger;
            Some(StopSignal { tid, signal: *signal, is_passed })
        }
        StopReason::ProgramTrap => {
            let signal = Signal::SIGTRAP;
            let is_handled = dispositions.is_some_and(|known| known.handles(signal));
            let filter = filters.signal(signal);
            let is_none_of_ours =
                matches!(filter.interest, SignalInterest::Ignore | SignalInterest::Output);
            let is_passed = filter.is_passed && (is_handled || is_none_of_ours);
            Some(StopSignal { tid, signal, is_passed })
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "verdict/tests.rs"]
mod tests;
