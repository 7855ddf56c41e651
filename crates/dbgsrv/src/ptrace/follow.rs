//! Following the processes that a target makes: they become targets themselves. A forked one is rid
//! of its parent's sites first; one that borrows its parent's memory is watched until it executes a
//! program. What becomes of those that nobody follows is in `children`.

use bytes::Bytes;
use dbgbase::{Pid, StopReason, TargetId, Tid};
use dbgwire::AnyEvent;
use dbgwire::event::Created;

use super::children::{self, Departing};
use super::procfs;
use super::site::Patch;
use super::sys;
use super::target::Phase;
use super::thread::{State, StopClass, Thread, Wish};
use super::tracer::Tracer;
use super::wait::Stop;

impl Tracer {
    /// Takes note, for the parent, of a process it has made: who wants to stop there does.
    pub(super) fn note_fork(&mut self, id: TargetId, parent: Tid, child: Tid, borrows: bool) {
        let stops = self.targets.get(&id).is_some_and(|target| target.policy.stops_at_forks);
        if stops {
            let child = Pid::new(child.value());
            self.report(id, parent, StopReason::Forked { child, borrows });
        }
    }

    /// Takes note, for the parent, that it has its memory back of a process that it has made.
    pub(super) fn note_vfork_end(&mut self, id: TargetId, parent: Tid) {
        let stops = self.targets.get(&id).is_some_and(|target| target.policy.stops_at_vfork_ends);
        // A parent of which the child cannot be asked has just been killed.
        if stops && let Ok(child) = sys::event_message(parent).map(Pid::new) {
            self.report(id, parent, StopReason::VforkDone { child });
        }
    }

    /// Whether processes that a target makes become targets. Nothing begins once the session ends.
    pub(super) fn follows(&self, id: TargetId) -> bool {
        self.ended.is_none()
            && self.targets.get(&id).is_some_and(|target| target.policy.follows_children)
    }

    /// Whether a target has made a process that is to be a target and has not stopped yet. Its
    /// maker's stop is told behind its own beginning.
    pub(super) fn awaits_birth(&self, id: TargetId) -> bool {
        let mut departing = self.departing.values();
        departing.any(|one| matches!(one, Departing::Adopted(parent, _) if *parent == id))
    }

    /// Makes a forked process, which stands still for the first time, a target.
    pub(super) fn adopt_copy(&mut self, parent: TargetId, child: Tid, patches: &[Patch]) {
        children::restore(child, patches);
        let Some(id) = self.adopt(parent, child) else { return };
        self.arm_rendezvous(id);
        self.report(id, child, StopReason::Born);
    }

    /// A process that borrows its parent's memory, and is to be followed, has stopped.
    pub(super) fn take_borrower(&mut self, parent: TargetId, child: Tid, stop: Stop) {
        if stop == Stop::Exec {
            if let Some(id) = self.adopt(parent, child) {
                self.take_exec(id, child);
            }
            return;
        }
        self.departing.insert(child, Departing::AdoptedBorrower(parent));
        if let Stop::Clone | Stop::Fork | Stop::Vfork = stop
            && let Ok(grandchild) = sys::event_message(child).map(Tid::new)
        {
            self.depart(grandchild, Departing::Borrower);
        }
        children::let_run(child, stop);
    }

    /// A new target of a process that stands still. If it cannot be one it is let go.
    fn adopt(&mut self, parent: TargetId, child: Tid) -> Option<TargetId> {
        let pid = Pid::new(child.value());
        let start_time = procfs::stat(pid).map_or(0, |stat| stat.start_time);
        let family = self.targets.get(&parent);
        let is_created = family.is_some_and(|target| target.is_created);
        let shares_terminal = family.is_some_and(|target| target.shares_terminal);
        let policy = family.map(|target| target.policy.clone());
        let begun = match self.follows(parent) {
            true => self.begin_target(pid, child, start_time, is_created).ok(),
            false => None,
        };
        let Some(id) = begun else {
            // The only failure is ESRCH: it has just been killed.
            let _ = sys::detach(child, None);
            return None;
        };
        self.owner.insert(child, id);
        let target = self.targets.get_mut(&id)?;
        let mut thread = Thread::running(child, Wish::Run);
        thread.state = State::Stopped(StopClass::Other);
        target.add_thread(thread);
        target.born.clear();
        target.phase = Phase::Stopping;
        target.shares_terminal = shares_terminal;
        // It is not one that was attached to: its first report is its own.
        target.has_begun = true;
        if let Some(policy) = policy {
            target.policy = policy;
        }
        let event = Created {
            target: id.value(),
            parent: parent.value(),
            pid: pid.value(),
            created: is_created,
        };
        self.send(AnyEvent::Created(event), Bytes::new());
        self.dirty.insert(id);
        Some(id)
    }
}
