//! The conditions of breakpoints, as they were typed and as they travel. Who evaluates them, and
//! what follows, is not its business.

use super::{Breakpoint, Breakpoints};
use crate::expr::Radix;
use crate::{BreakpointId, ProcessNumber};
use dbgbase::{Address, SiteId, Tid};

/// What must hold for a breakpoint to stop the targets: an expression whose value is not 0, for the
/// thread that reaches it. A hit for which it does not hold is none: it is neither told nor counted
/// among the passes.
///
/// The server evaluates it, and tells nothing of hits for which it does not hold, if it is made of
/// numbers, registers, symbols, memory and operators. What asks for anything else, as `$t0`, is
/// evaluated by the engine, which lets the targets run on: a round trip for each hit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Condition {
    /// A MASM expression ([`crate::expr`]).
    pub text: String,
    /// How its digits without a prefix are read.
    pub radix: Radix,
}

impl Condition {
    /// A condition whose numbers are hexadecimal, as they are when nothing else is said.
    pub fn new(text: impl Into<String>) -> Condition {
        Condition { text: text.into(), radix: Radix::default() }
    }
}

/// A breakpoint whose condition has no value: memory cannot be read, something is divided by zero.
/// It stops the targets as if its condition held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Undecided {
    /// Which.
    pub breakpoint: BreakpointId,
    /// Why, in a few words.
    pub why: String,
}

/// How a thread has come to breakpoints.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Encounter<'a> {
    /// It has hit these sites, whose conditions the server has evaluated where it could.
    Sites(&'a [SiteId]),
    /// A step has led it to this address.
    Step(Address),
}

impl Breakpoints {
    /// The breakpoints of a process that have conditions.
    pub(crate) fn conditional(&self, process: ProcessNumber) -> Vec<(BreakpointId, Condition)> {
        let is_its = |breakpoint: &Breakpoint| breakpoint.process == process;
        self.conditions(is_its)
    }

    /// The breakpoints to which a thread has come and whose conditions nobody has evaluated yet.
    pub(crate) fn unevaluated(
        &self,
        process: ProcessNumber,
        tid: Tid,
        encounter: Encounter<'_>,
    ) -> Vec<(BreakpointId, Condition)> {
        self.conditions(|breakpoint| {
            let is_there = breakpoint.is_reached(process, tid, encounter);
            let is_done = matches!(encounter, Encounter::Sites(_)) && !breakpoint.code.is_empty();
            is_there && !is_done
        })
    }

    fn conditions(
        &self,
        is_wanted: impl Fn(&Breakpoint) -> bool,
    ) -> Vec<(BreakpointId, Condition)> {
        let wanted = self.by_id.iter().filter(|(_, breakpoint)| is_wanted(breakpoint));
        let condition = |(id, breakpoint): (&BreakpointId, &Breakpoint)| {
            Some((*id, breakpoint.spec.condition.clone()?))
        };
        wanted.filter_map(condition).collect()
    }

    /// A breakpoint's condition is this code now; empty if the engine evaluates it. If it was
    /// another before, the breakpoint has new sites.
    pub(crate) fn compiled(&mut self, id: BreakpointId, code: Vec<u8>) {
        let Some(breakpoint) = self.by_id.get_mut(&id) else { return };
        if breakpoint.code == code {
            return;
        }
        breakpoint.code = code;
        self.renew_sites(id);
    }
}
