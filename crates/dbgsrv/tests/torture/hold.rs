//! A target that a client has: what the client knows of it, and what must be true of each of its
//! stops.

use std::collections::BTreeMap;

use dbgbase::{Signal, SiteId, StopReason, Tid};
use dbgwire::verbs::site::{Site, SiteKind};
use dbgwire::verbs::thread::HoldChange;
use testkit::{Stop, Target};

use crate::tally::{Deed, Tally};
use crate::victim::Victim;
use crate::wishes::{NEVER, assemble};

/// The debuggee's signal that is only counted, `SIGRTMIN + 5`.
pub(crate) const COUNTED: i32 = 39;
/// Signals that the debuggee may have: SIGSEGV, SIGFPE, SIGUSR1, `SIGRTMIN + 3`, and that one.
pub(crate) const SIGNALS: [i32; 5] = [11, 8, 10, 37, COUNTED];

/// A target of a client.
pub(crate) struct Hold<'a> {
    /// The debuggee.
    pub(crate) victim: &'a Victim<'a>,
    /// The session's name for it.
    pub(crate) target: Target,
    /// The stop at which it stands, unless it runs.
    pub(crate) stop: Option<Stop>,
    /// What it had done when it stopped.
    pub(crate) operations: u64,
    /// Its sites.
    pub(crate) sites: BTreeMap<u32, Site>,
    /// The last site's id.
    pub(crate) last_site: u32,
    /// The thread that was to execute one instruction.
    pub(crate) stepping: Option<Tid>,
    /// Signals that threads have been stopped for, and not been given.
    pub(crate) owed: BTreeMap<Tid, Signal>,
    /// Threads that the client knows of.
    pub(crate) tids: Vec<Tid>,
    /// How often each site was told.
    pub(crate) told: BTreeMap<u32, u64>,
    /// Threads that are kept where they are.
    pub(crate) kept: BTreeMap<Tid, Kept>,
    /// The range of a step in one.
    pub(crate) range: Option<(u64, u64)>,
    /// Whether processes that it makes have ever been followed.
    pub(crate) follows: bool,
    /// Whether its system calls have ever been caught.
    pub(crate) catches: bool,
    /// Whether the first stop has been told.
    has_begun: bool,
}

impl<'a> Hold<'a> {
    /// A target that has just been attached to, and whose first stop is to come.
    pub(crate) fn new(victim: &'a Victim<'a>, target: Target) -> Hold<'a> {
        Hold {
            victim,
            target,
            stop: None,
            operations: 0,
            sites: BTreeMap::new(),
            last_site: 0,
            stepping: None,
            owed: BTreeMap::new(),
            tids: Vec::new(),
            told: BTreeMap::new(),
            kept: BTreeMap::new(),
            range: None,
            follows: false,
            catches: false,
            has_begun: false,
        }
    }

    /// It stands still: whether everything is as it has to be.
    #[track_caller]
    pub(crate) fn take_stop(&mut self, stop: Stop, tally: &Tally) {
        assert!(self.stop.is_none(), "it has two stops: {stop:?}");
        let tid = stop.tid();
        let registers = stop.registers();
        let pc = registers.pc();
        assert!(self.victim.is_plausible(pc), "the pc {pc} is within an instruction");
        self.tids.retain(|tid| !stop.event.threads_ended.contains(&tid.value()));
        self.tids.extend(stop.event.threads_born.iter().map(|tid| Tid::new(*tid)));
        let reason = stop.reason();
        assert_eq!(reason == StopReason::Attached, !self.has_begun, "{reason:?}");
        self.has_begun = true;
        match &reason {
            StopReason::Attached => assert_eq!(stop.bias(), self.victim.bias),
            StopReason::Interrupted => tally.add(Deed::Interrupt),
            StopReason::Step => {
                tally.add(Deed::Step);
                assert_eq!(Some(tid), self.stepping, "another thread was to step");
                assert!(!self.kept.get(&tid).is_some_and(Kept::is_kept), "{tid} was to stay");
                if let Some((start, end)) = self.range {
                    assert!(!(start..end).contains(&pc.value()), "{pc} is in the range");
                }
            }
            StopReason::Breakpoint { sites } => {
                tally.add(Deed::Hit);
                for site in self.hit(&stop, sites) {
                    assert_eq!(site.address, pc.value(), "the pc is not the site's address");
                }
            }
            StopReason::Watchpoint { sites, address } => {
                tally.add(Deed::Hit);
                for site in self.hit(&stop, sites) {
                    assert_ne!(site.kind, SiteKind::Software as i32);
                    assert!(sites.len() > 1 || site.address == address.value());
                }
            }
            StopReason::SyscallEntry { .. } | StopReason::SyscallExit { .. } => {
                assert!(self.catches, "nobody catches system calls");
            }
            StopReason::ThreadBorn | StopReason::ThreadEnding { .. } => {}
            StopReason::Forked { .. } | StopReason::VforkDone { .. } => {}
            StopReason::Signal { signal, .. } => {
                tally.add(Deed::Signal);
                assert!(SIGNALS.contains(&signal.number()), "{reason:?}");
                let former = self.owed.insert(tid, *signal);
                assert_eq!(former, None, "{tid} is given two signals at once");
            }
            _ => panic!("nothing leads to {reason:?}"),
        }
        self.operations = self.victim.operations();
        self.stop = Some(stop);
    }

    /// The sites that are told, each of which must be for this thread at this place.
    #[track_caller]
    fn hit(&mut self, stop: &Stop, ids: &[SiteId]) -> Vec<Site> {
        assert!(!ids.is_empty());
        let (tid, sp) = (stop.tid(), stop.registers().sp());
        let faults = &stop.event.condition_faults;
        let mut hit = Vec::new();
        for id in ids {
            *self.told.entry(id.value()).or_default() += 1;
            let site = self.sites.get(&id.value());
            let site = site.unwrap_or_else(|| panic!("site {id} does not exist"));
            assert!(site.tid == 0 || site.tid == tid.value(), "it is not for {tid}");
            assert!(site.commands.is_empty(), "it prints, and stops nobody");
            assert!(site.sp_above < sp.value(), "it is not for this frame");
            assert_ne!(site.condition, assemble(NEVER), "its condition never holds");
            hit.push(site.clone());
        }
        let is_known = |site: u32| ids.iter().any(|id| id.value() == site);
        assert!(faults.iter().all(|fault| is_known(fault.site)), "{faults:?}");
        hit
    }

    /// Nothing has been done since it stopped.
    #[track_caller]
    pub(crate) fn assert_still(&self) {
        if self.stop.is_some() {
            assert_eq!(self.victim.operations(), self.operations, "it does not stand still");
        }
    }
}

/// What keeps a thread where it is.
#[derive(Clone, Copy, Default)]
pub(crate) struct Kept {
    /// How often it was suspended.
    pub(crate) suspends: u32,
    is_frozen: bool,
}

impl Kept {
    /// Takes note of a change.
    pub(crate) fn change(&mut self, change: HoldChange) {
        match change {
            HoldChange::Suspend => self.suspends += 1,
            HoldChange::Resume => self.suspends = self.suspends.saturating_sub(1),
            HoldChange::Freeze => self.is_frozen = true,
            HoldChange::Unfreeze => self.is_frozen = false,
        }
    }

    /// Whether it stays.
    pub(crate) fn is_kept(&self) -> bool {
        self.suspends > 0 || self.is_frozen
    }
}
