//! A step by line of source: which places end it, and what the others mean. It knows lines and
//! inlined calls as they are; how they are found, and what a stop shows, is not its business.
//!
//! A step lets its thread run, with a site at each place where the line may be left: the ends that
//! the flow of control can reach (`flow`), the caller, the handlers of exceptions. So loops and
//! calls run at full speed, and a step costs one round trip. What it is not certain of it looks at
//! when it is there, and plans anew.

use std::sync::Arc;

use dbgbase::{Address, StopReason, Tid};
use dbgsym::dwarf::EntryId;
use dbgwire::verbs::site::{Site, SiteKind};

use super::TemporarySite;
use super::guard::Guard;
use crate::ProcessNumber;

/// Where a step ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LineGoal {
    /// At another line of the function, or in its caller.
    Over,
    /// There, or in a function that is called and has lines.
    Into,
    /// Behind the function, or the inlined call.
    Out,
}

/// A line of a file.
pub(crate) type Line = (Arc<str>, u32);

/// What is stepped: a line, in a function or in inlined calls of it, which `Call` tells apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Scope<Call = EntryId> {
    /// The inlined calls, outermost first.
    pub(crate) calls: Vec<Call>,
    /// The line; `None` if any other one ends the step.
    pub(crate) line: Option<Line>,
}

impl<Call> Default for Scope<Call> {
    fn default() -> Scope<Call> {
        Scope { calls: Vec::new(), line: None }
    }
}

/// An inlined call at a place that may end a step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CallHere<Call = EntryId> {
    pub(crate) id: Call,
    /// Whether the place is its first instruction, or that of a piece of it.
    pub(crate) begins: bool,
    /// Where it is made.
    pub(crate) call_site: Option<Line>,
}

/// Whether a step ends at the beginning of a statement of `line`, which `calls` are around. If so,
/// how many of the innermost ones have not been entered, as the user sees it: the place is their
/// first instruction, and the line that of the call.
pub(crate) fn arrival<Call: PartialEq>(
    goal: LineGoal,
    scope: &Scope<Call>,
    calls: &[CallHere<Call>],
    line: &Line,
) -> Option<usize> {
    let common = calls.iter().zip(&scope.calls).take_while(|(call, id)| call.id == **id).count();
    let has_left = common < scope.calls.len();
    let ahead = calls.len() - common;
    let Some(next) = calls.get(common) else {
        let ends = has_left || goal != LineGoal::Out && scope.line.as_ref() != Some(line);
        return ends.then_some(0);
    };
    let is_other_line = has_left || next.call_site != scope.line;
    match goal {
        LineGoal::Out if !has_left => None,
        LineGoal::Over | LineGoal::Out => (next.begins && is_other_line).then_some(ahead),
        // In the middle of it; what begins further in is ahead.
        LineGoal::Into if !next.begins => {
            Some(calls.iter().rev().take_while(|call| call.begins).count())
        }
        LineGoal::Into => Some(if is_other_line { ahead } else { ahead - 1 }),
    }
}

/// What a site of a step means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Meaning {
    /// The step ends, with so many inlined calls ahead.
    End { calls_ahead: usize },
    /// Where the thread goes is seen by executing the instruction.
    Look,
    /// An exception is thrown.
    Throw,
    /// longjmp(3).
    LongJump,
}

/// A site of a step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StepSite {
    pub(crate) place: TemporarySite,
    pub(crate) meaning: Meaning,
    pub(crate) guard: Guard,
}

/// A step as it is carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LineStep {
    pub(crate) process: ProcessNumber,
    pub(crate) tid: Tid,
    pub(crate) goal: LineGoal,
    pub(crate) scope: Scope,
    /// The canonical frame address of the frame that is stepped, if known.
    pub(crate) cfa: Option<Address>,
    /// Where that frame returns to, if known.
    pub(crate) return_address: Option<Address>,
    /// In the function.
    pub(crate) sites: Vec<StepSite>,
    /// Behind it: the caller, and where exceptions and jumps come to light.
    pub(crate) outer: Vec<StepSite>,
    /// The instruction that the thread executes alone, to see where it goes.
    pub(crate) looks_at: Option<Address>,
}

impl LineStep {
    fn all_sites(&self) -> impl Iterator<Item = &StepSite> {
        self.sites.iter().chain(&self.outer)
    }

    /// Whether it has sites where exceptions and jumps come to light.
    pub(crate) fn has_escapes(&self) -> bool {
        self.outer.iter().any(|site| !matches!(site.meaning, Meaning::End { .. }))
    }

    /// What the server is to arm.
    pub(crate) fn armed(&self) -> Vec<Site> {
        let site = |step: &StepSite| Site {
            id: step.place.site.value(),
            address: step.place.address.value(),
            kind: SiteKind::Software as i32,
            tid: self.tid.value(),
            sp_above: match &step.guard {
                Guard::SpFrom(sp) => sp.value().saturating_sub(1),
                _ => 0,
            },
            condition: match &step.guard {
                Guard::Code(code) => code.clone(),
                _ => Vec::new(),
            },
            ..Site::default()
        };
        self.all_sites().map(site).collect()
    }

    /// The site of the step that a stop of its thread is about. An end comes before all others.
    pub(crate) fn reached(&self, reason: &StopReason) -> Option<&StepSite> {
        let StopReason::Breakpoint { sites } = reason else { return None };
        let reached = || self.all_sites().filter(|step| sites.contains(&step.place.site));
        let end = reached().find(|step| matches!(step.meaning, Meaning::End { .. }));
        end.or_else(|| reached().next())
    }

    /// Whether a stop of its thread is the step's business.
    pub(crate) fn concerns(&self, reason: &StopReason) -> bool {
        match reason {
            StopReason::Step | StopReason::Watchpoint { .. } => self.looks_at.is_some(),
            reason => self.reached(reason).is_some(),
        }
    }
}

#[cfg(test)]
#[path = "line/tests.rs"]
mod tests;
