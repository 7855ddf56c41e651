//! Holding threads: those that are suspended or frozen stay where they are, whatever a resume says.
//! It knows threads' holds, and nothing of how threads are let go.

use dbgbase::{TargetId, Tid};
use dbgwire::verbs::thread::{HoldChange, HoldThreads, HoldThreadsReply};
use dbgwire::{ErrorCode, Fault};

use super::resume::no_such_thread;
use super::tracer::Tracer;

/// The highest count; further suspends change nothing.
const SUSPENDS_MAX: u32 = 1 << 31;

/// What keeps a thread from running.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Hold {
    /// How often it was suspended and not taken back.
    pub(super) suspends: u32,
    /// Whether it is frozen.
    pub(super) is_frozen: bool,
}

impl Hold {
    /// Whether the thread stays.
    pub(super) fn is_held(self) -> bool {
        self.suspends > 0 || self.is_frozen
    }

    fn change(&mut self, change: HoldChange) {
        match change {
            HoldChange::Suspend => self.suspends = (self.suspends + 1).min(SUSPENDS_MAX),
            HoldChange::Resume => self.suspends = self.suspends.saturating_sub(1),
            HoldChange::Freeze => self.is_frozen = true,
            HoldChange::Unfreeze => self.is_frozen = false,
        }
    }
}

impl Tracer {
    /// Changes the holds of threads, of all or none.
    pub(super) fn hold_threads(
        &mut self,
        request: &HoldThreads,
    ) -> Result<HoldThreadsReply, Fault> {
        let Ok(change) = HoldChange::try_from(request.change) else {
            let detail = format!("hold change {} is not known to this server", request.change);
            return Err(Fault::new(ErrorCode::Unsupported, detail));
        };
        let target = self.stopped(TargetId::new(request.target))?;
        let tids = match request.tids.as_slice() {
            [] => target.tids(),
            named => named.iter().map(|tid| Tid::new(*tid)).collect(),
        };
        if let Some(tid) = tids.iter().find(|tid| !target.threads.contains_key(tid)) {
            return Err(no_such_thread(target, *tid));
        }
        let mut suspends = Vec::with_capacity(tids.len());
        for tid in tids {
            if let Some(thread) = target.threads.get_mut(&tid) {
                thread.hold.change(change);
                suspends.push(thread.hold.suspends);
            }
        }
        Ok(HoldThreadsReply { suspends })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspends_count_and_freezes_do_not() {
        let mut hold = Hold::default();
        hold.change(HoldChange::Resume);
        assert!(!hold.is_held());
        hold.change(HoldChange::Suspend);
        hold.change(HoldChange::Suspend);
        hold.change(HoldChange::Freeze);
        hold.change(HoldChange::Freeze);
        hold.change(HoldChange::Resume);
        hold.change(HoldChange::Unfreeze);
        assert_eq!(hold, Hold { suspends: 1, is_frozen: false });
        assert!(hold.is_held());
        hold.change(HoldChange::Resume);
        assert!(!hold.is_held());
    }

    #[test]
    fn counts_have_an_end() {
        let mut hold = Hold { suspends: SUSPENDS_MAX, is_frozen: false };
        hold.change(HoldChange::Suspend);
        assert_eq!(hold.suspends, SUSPENDS_MAX);
    }
}
