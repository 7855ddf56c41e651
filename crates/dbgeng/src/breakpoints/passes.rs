//! Passes that the server counts: a site is sent with the hits to be passed, and passing them costs
//! no round trip. How many are left there has to be asked for.
//!
//! Passes count only while targets are let run freely. During a step such a breakpoint has no site
//! at all, as it would not stop anything.

use std::collections::BTreeSet;

use dbgbase::SiteId;

use super::{Breakpoint, Breakpoints};
use crate::ProcessNumber;

impl Breakpoint {
    /// Whether the server is the one who counts. Passes of several addresses are counted together,
    /// and where the engine evaluates the condition it alone knows what a hit is.
    pub(super) fn is_counted_there(&self) -> bool {
        let is_decided_there = self.spec.condition.is_none() || !self.code.is_empty();
        self.locations.len() == 1 && is_decided_there
    }

    /// Whether the server has hits to pass.
    pub(super) fn has_passes_there(&self) -> bool {
        self.passes_left > 1 && self.is_counted_there()
    }
}

impl Breakpoints {
    /// Whether the server passes hits of sites of a process that are armed.
    pub(crate) fn are_passes_there(
        &self,
        process: ProcessNumber,
        armed: &BTreeSet<SiteId>,
    ) -> bool {
        let mut passing = self.by_id.values().filter(|breakpoint| {
            breakpoint.process == process && breakpoint.enabled && breakpoint.has_passes_there()
        });
        passing.any(|breakpoint| {
            breakpoint.locations.iter().any(|location| armed.contains(&location.site))
        })
    }

    /// So many hits of a site are still to be passed on the server.
    pub(crate) fn counted(&mut self, site: SiteId, ignore: u64) {
        let has_it = |breakpoint: &&mut Breakpoint| {
            breakpoint.locations.iter().any(|location| location.site == site)
        };
        let Some(breakpoint) = self.by_id.values_mut().find(has_it) else { return };
        let left = u32::try_from(ignore).unwrap_or(u32::MAX).saturating_add(1);
        if breakpoint.has_passes_there() && left < breakpoint.passes_left {
            breakpoint.hits += u64::from(breakpoint.passes_left - left);
            breakpoint.passes_left = left;
        }
    }

    /// The next site of each breakpoint whose passes are counted on the server is a new one: those
    /// that are armed are about to be taken back.
    pub(crate) fn set_passes_aside(&mut self, process: ProcessNumber, armed: &BTreeSet<SiteId>) {
        let passing = self.by_id.iter().filter(|(_, breakpoint)| {
            let is_armed =
                || breakpoint.locations.iter().any(|location| armed.contains(&location.site));
            breakpoint.process == process && breakpoint.has_passes_there() && is_armed()
        });
        let ids: Vec<_> = passing.map(|(id, _)| *id).collect();
        for id in ids {
            self.renew_sites(id);
        }
    }
}
