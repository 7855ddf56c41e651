//! A run as a plan: what the threads do, which temporary sites it needs, and which stop completes
//! it. Pure; how a plan is carried out is not its business.

pub(crate) mod flow;
pub(crate) mod guard;
pub(crate) mod line;

use dbgbase::{Address, Signal, SiteId, StopReason, Tid};
use dbgsym::disasm::{Instruction, InstructionKind};
use dbgwire::verbs::resume::{RunKind, ThreadAction};
use dbgwire::verbs::site::{Site, SiteKind};

use crate::{ProcessNumber, StopCause};
use line::LineStep;

/// What is being carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Plan {
    /// Everything runs. In one process these sites end the run.
    Go { process: ProcessNumber, until: Vec<TemporarySite> },
    /// One thread executes one instruction; the others run.
    Step { process: ProcessNumber, tid: Tid },
    /// Everything runs until this thread is behind a call.
    Over { process: ProcessNumber, tid: Tid, behind: TemporarySite, sp_above: u64 },
    /// Everything runs until this thread is at another line.
    Line(LineStep),
}

/// What a stop is to a plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// Nothing.
    None,
    /// Its end.
    Completed(StopCause),
    /// It has to be looked at where the thread is.
    Look,
}

/// A site that exists only for a plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TemporarySite {
    pub(crate) site: SiteId,
    pub(crate) address: Address,
}

impl Plan {
    /// A step of a thread over the instruction at its pc. `site` is used if it needs one.
    ///
    /// Behind a call the stack pointer is where it was before, or above if the callee pops its
    /// arguments; when a deeper recursion of the same call returns, it is below. So a site behind
    /// the call ends the step only above `sp - 1`.
    pub(crate) fn over(
        process: ProcessNumber,
        tid: Tid,
        instruction: &Instruction,
        sp: Address,
        site: SiteId,
    ) -> Plan {
        match instruction.kind() {
            InstructionKind::Call | InstructionKind::StringRepeat => Plan::Over {
                process,
                tid,
                behind: TemporarySite { site, address: instruction.fallthrough() },
                sp_above: sp.value().saturating_sub(1),
            },
            _ => Plan::Step { process, tid },
        }
    }

    /// The process that it is about.
    pub(crate) fn process(&self) -> ProcessNumber {
        match self {
            Plan::Go { process, .. } | Plan::Step { process, .. } | Plan::Over { process, .. } => {
                *process
            }
            Plan::Line(step) => step.process,
        }
    }

    /// A process has become another program: places of the old one mean nothing any more, and what
    /// was to end there is a free run now.
    pub(crate) fn executed(&mut self, number: ProcessNumber) {
        let has_places = !matches!(self, Plan::Step { .. });
        if has_places && self.process() == number {
            *self = Plan::Go { process: number, until: Vec::new() };
        }
    }

    /// Whether passes of breakpoints count while this is carried out.
    pub(crate) fn counts_passes(&self) -> bool {
        matches!(self, Plan::Go { .. })
    }

    /// The temporary sites it needs in a process.
    pub(crate) fn sites(&self, in_process: ProcessNumber) -> Vec<Site> {
        let site = |temporary: &TemporarySite, tid: u32, sp_above| Site {
            id: temporary.site.value(),
            address: temporary.address.value(),
            kind: SiteKind::Software as i32,
            tid,
            sp_above,
            ..Site::default()
        };
        match self {
            Plan::Go { process, until } if *process == in_process => {
                until.iter().map(|temporary| site(temporary, 0, 0)).collect()
            }
            Plan::Over { process, tid, behind, sp_above } if *process == in_process => {
                vec![site(behind, tid.value(), *sp_above)]
            }
            Plan::Line(step) if step.process == in_process => step.armed(),
            _ => Vec::new(),
        }
    }

    /// What the threads of a process do: all run but the one that steps; if one is to run `alone`,
    /// the others stay. `deliver` is given to its thread on the way, or when that runs again.
    pub(crate) fn actions(
        &self,
        in_process: ProcessNumber,
        deliver: Option<(Tid, Signal)>,
        alone: Option<Tid>,
    ) -> Vec<ThreadAction> {
        let stepping = match self {
            Plan::Step { process, tid } if *process == in_process => Some(*tid),
            Plan::Line(step) if step.process == in_process => step.looks_at.map(|_| step.tid),
            _ => None,
        };
        let action = |tid: Tid, run: RunKind| {
            let signal = deliver.filter(|(to, _)| *to == tid).map(|(_, signal)| signal.number());
            ThreadAction {
                tid: tid.value(),
                run: run as i32,
                signal: signal.and_then(|number| u32::try_from(number).ok()).unwrap_or(0),
                ..ThreadAction::default()
            }
        };
        let mut actions = Vec::with_capacity(3);
        actions.extend(stepping.map(|tid| action(tid, RunKind::Step)));
        if let Some(alone) = alone {
            if stepping != Some(alone) {
                actions.push(action(alone, RunKind::Continue));
            }
            if let Some((tid, _)) = deliver.filter(|(tid, _)| *tid != alone) {
                actions.push(action(tid, RunKind::Stay));
            }
            return actions;
        }
        if let Some((tid, _)) = deliver.filter(|(tid, _)| Some(*tid) != stepping) {
            actions.push(action(tid, RunKind::Continue));
        }
        actions.push(ThreadAction {
            tid: 0,
            run: RunKind::Continue as i32,
            ..ThreadAction::default()
        });
        actions
    }

    /// What a stop is to the plan.
    pub(crate) fn progress(
        &self,
        in_process: ProcessNumber,
        thread: Tid,
        sp: Option<Address>,
        reason: &StopReason,
    ) -> Progress {
        let (is_meant, cause) = match (self, reason) {
            (Plan::Line(step), reason) => {
                let is_its = step.process == in_process && step.tid == thread;
                return if is_its && step.concerns(reason) {
                    Progress::Look
                } else {
                    Progress::None
                };
            }
            (Plan::Go { process, until }, StopReason::Breakpoint { sites }) => {
                let is_there = until.iter().any(|temporary| sites.contains(&temporary.site));
                (*process == in_process && is_there, StopCause::TemporaryBreakpoint)
            }
            // What the CPU watches for is told behind the instruction, when the step is done too.
            (Plan::Step { process, tid }, StopReason::Step | StopReason::Watchpoint { .. }) => {
                (*process == in_process && *tid == thread, StopCause::Step)
            }
            (Plan::Over { process, tid, behind, sp_above }, StopReason::Breakpoint { sites }) => {
                let is_behind = sites.contains(&behind.site)
                    && sp.is_none_or(|sp| *sp_above == 0 || sp.value() > *sp_above);
                let is_it = *process == in_process && *tid == thread && is_behind;
                (is_it, StopCause::Step)
            }
            _ => return Progress::None,
        };
        if is_meant { Progress::Completed(cause) } else { Progress::None }
    }
}

#[cfg(test)]
#[path = "step/tests.rs"]
mod tests;
