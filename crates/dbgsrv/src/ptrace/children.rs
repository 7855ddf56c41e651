//! What a thread of a target makes: threads, which belong to the target, and processes, which are
//! let go. A forked process takes its parent's trap instructions with it, and is rid of them first;
//! one that borrows its parent's memory makes the parent do without sites for as long.

use std::fs::File;
use std::os::unix::fs::FileExt;

use dbgbase::{Pid, TargetId, Tid};

use super::procfs;
use super::site::Patch;
use super::sys;
use super::thread::{How, State, Thread};
use super::tracer::Tracer;
use super::wait::{Stop, WaitStatus};

/// A process that is nobody's target and will report once more.
#[derive(Debug)]
pub(super) enum Departing {
    /// A forked one, with a copy of its parent's memory: what to restore in it.
    Copy(Vec<Patch>),
    /// One that borrows its parent's memory until it executes a program or ends, which the parent
    /// reports (vfork).
    Borrower,
    /// One that shares the memory of this target without the target's waiting for it.
    Sharer(TargetId),
    /// A forked one that becomes a target, with the target that made it and what to restore.
    Adopted(TargetId, Vec<Patch>),
    /// One that borrows its parent's memory and becomes a target with the program it executes.
    AdoptedBorrower(TargetId),
    /// One that was never begun.
    Abandoned,
}

impl Tracer {
    /// A thread has made another thread; or a process, if it asked for one in an unusual way.
    pub(super) fn take_clone(&mut self, id: TargetId, parent: Tid) {
        let Ok(child) = sys::event_message(parent).map(Tid::new) else { return };
        let Some(target) = self.targets.get_mut(&id) else { return };
        if !procfs::is_thread(target.pid, child) {
            self.take_fork(id, parent);
            return;
        }
        let early = self.take_early(child);
        let Some(target) = self.targets.get_mut(&id) else { return };
        self.owner.insert(child, id);
        if !target.threads.contains_key(&child) {
            let mut thread = Thread::running(child, target.wish_of_newborn);
            // A newborn stops by itself; it need not be asked.
            thread.state = State::Running { how: How::Free, is_interrupted: true };
            thread.is_newborn = true;
            let maker = target.threads.get(&parent);
            thread.reports_end = maker.is_some_and(|maker| maker.reports_end);
            target.add_thread(thread);
        }
        match early {
            Some(WaitStatus::Stopped(stop)) => self.take_stop(id, child, stop),
            Some(WaitStatus::Ended(status)) => self.take_end(id, child, status),
            None => {}
        }
    }

    /// A thread has made a process.
    pub(super) fn take_fork(&mut self, id: TargetId, parent: Tid) {
        let Ok(child) = sys::event_message(parent).map(Tid::new) else { return };
        let Some(target) = self.targets.get_mut(&id) else { return };
        if sys::shares_memory(parent, child) {
            target.vforks += 1;
            self.set_all_armed(id, false);
            self.depart(child, Departing::Sharer(id));
        } else {
            let patches = target.memory.lock().sites.patches();
            let departing = match self.follows(id) {
                true => Departing::Adopted(id, patches),
                false => Departing::Copy(patches),
            };
            self.depart(child, departing);
        }
        self.note_fork(id, parent, child, false);
    }

    /// A thread has made a process that borrows the target's memory. It hits no site there.
    pub(super) fn take_vfork(&mut self, id: TargetId, parent: Tid) {
        let Ok(child) = sys::event_message(parent).map(Tid::new) else { return };
        let Some(target) = self.targets.get_mut(&id) else { return };
        target.vforks += 1;
        self.set_all_armed(id, false);
        let departing = match self.follows(id) {
            true => Departing::AdoptedBorrower(id),
            false => Departing::Borrower,
        };
        self.depart(child, departing);
        self.note_fork(id, parent, child, true);
    }

    /// The child for which a thread has waited has executed a program or ended.
    pub(super) fn take_vfork_done(&mut self, id: TargetId, parent: Tid) {
        self.take_memory_back(id);
        self.note_vfork_end(id, parent);
    }

    /// One child less uses the target's memory.
    fn take_memory_back(&mut self, id: TargetId) {
        let Some(target) = self.targets.get_mut(&id) else { return };
        target.vforks = target.vforks.saturating_sub(1);
        if target.vforks == 0 && !target.is_at_rest {
            self.set_all_armed(id, true);
        }
    }

    /// Takes note of a process that is to be let go, or does so at once if it has reported already.
    pub(super) fn depart(&mut self, child: Tid, departing: Departing) {
        self.departing.insert(child, departing);
        if let Some(status) = self.take_early(child) {
            self.take_departing(child, status);
        }
    }

    /// What a thread or process reported before anybody announced it. The end of an earlier one
    /// that had the same number is none.
    fn take_early(&mut self, child: Tid) -> Option<WaitStatus> {
        let is_gone = || !std::path::Path::new(&format!("/proc/{child}")).exists();
        let early = self.early.remove(&child)?;
        (matches!(early, WaitStatus::Stopped(_)) || is_gone()).then_some(early)
    }

    /// Lets those forked processes go that stand still and that nobody will announce any more,
    /// because the thread of `dead` that made them is gone. `patches` is what its program had
    /// where its sites were.
    pub(super) fn release_orphans(&mut self, dead: Pid, patches: &[Patch]) {
        let is_stopped = |status: &WaitStatus| matches!(status, WaitStatus::Stopped(_));
        let stopped = self.early.iter().filter(|(_, status)| is_stopped(status));
        let tids: Vec<Tid> = stopped.map(|(tid, _)| *tid).collect();
        for tid in tids {
            let parent = procfs::parent_of_process(tid);
            // One whose parent lives is announced by it.
            let is_orphan =
                parent.is_some_and(|parent| parent == dead || self.target_of(parent).is_none());
            if is_orphan {
                self.depart(tid, Departing::Copy(patches.to_vec()));
            }
        }
    }

    /// A process on its way out has reported.
    pub(super) fn take_departing(&mut self, child: Tid, status: WaitStatus) {
        let Some(departing) = self.departing.remove(&child) else { return };
        match (departing, status) {
            (Departing::Copy(patches), WaitStatus::Stopped(_)) => {
                restore(child, &patches);
                let _ = sys::detach(child, None);
            }
            (
                departing @ (Departing::Borrower | Departing::Abandoned),
                WaitStatus::Stopped(stop),
            ) => {
                // What one that was never begun has made is seized with it.
                if let (Departing::Abandoned, Stop::Clone | Stop::Fork | Stop::Vfork) =
                    (&departing, stop)
                    && let Ok(made) = sys::event_message(child).map(Tid::new)
                {
                    self.depart(made, Departing::Abandoned);
                }
                let signal = match stop {
                    Stop::Signal(signal) => Some(signal),
                    _ => None,
                };
                let _ = sys::detach(child, signal);
            }
            (Departing::Sharer(id), WaitStatus::Stopped(stop)) if stop != Stop::Exec => {
                self.departing.insert(child, Departing::Sharer(id));
                self.keep_going(id, child, stop);
            }
            (Departing::Sharer(id), _) => {
                let _ = sys::detach(child, None);
                self.take_memory_back(id);
                self.dirty.insert(id);
            }
            (Departing::Adopted(parent, patches), status) => {
                if let WaitStatus::Stopped(_) = status {
                    self.adopt_copy(parent, child, &patches);
                }
                self.dirty.insert(parent);
            }
            (Departing::AdoptedBorrower(parent), WaitStatus::Stopped(stop)) => {
                self.take_borrower(parent, child, stop);
            }
            (_, WaitStatus::Ended(_)) => {}
        }
    }

    /// Lets those processes go that share the memory of a target which is gone, or has another one
    /// now.
    pub(super) fn leave_sharers(&mut self, id: TargetId) {
        let is_gone = !self.targets.contains_key(&id);
        for (child, departing) in &mut self.departing {
            let is_its = match departing {
                Departing::Sharer(of) => *of == id,
                // What a process will be that has executed a program, its target's end decides.
                Departing::AdoptedBorrower(of) => *of == id && is_gone,
                _ => false,
            };
            if is_its {
                *departing = Departing::Borrower;
                // The only failure is ESRCH: it is ending, and that is reported next.
                let _ = sys::interrupt(*child);
            }
        }
    }

    /// Lets a process run on that is watched only for its end.
    fn keep_going(&mut self, id: TargetId, child: Tid, stop: Stop) {
        if let Stop::Clone | Stop::Fork | Stop::Vfork = stop
            && let Ok(grandchild) = sys::event_message(child).map(Tid::new)
        {
            let is_sharer = stop != Stop::Vfork && sys::shares_memory(child, grandchild);
            if is_sharer && let Some(target) = self.targets.get_mut(&id) {
                target.vforks += 1;
            }
            let kind = if is_sharer { Departing::Sharer(id) } else { Departing::Borrower };
            self.depart(grandchild, kind);
        }
        let_run(child, stop);
    }
}

/// Lets a process run on that has stopped and is nobody's target, with the signal that it is about
/// to be given.
pub(super) fn let_run(child: Tid, stop: Stop) {
    // A process that cannot be let go has just been killed; its end is reported next.
    let _ = match stop {
        Stop::Group(_) => sys::listen(child),
        Stop::Signal(signal) => sys::cont(child, Some(signal)),
        _ => sys::cont(child, None),
    };
}

/// Puts the program's own bytes back in a copy of its memory.
pub(super) fn restore(child: Tid, patches: &[Patch]) {
    let file = File::options().read(true).write(true).open(format!("/proc/{child}/mem"));
    let Ok(file) = file else { return };
    for Patch { address, ours, original } in patches {
        let mut found = vec![0; ours.len()];
        let is_ours = file.read_exact_at(&mut found, address.value()).is_ok() && found == *ours;
        if is_ours {
            // What cannot be written is not mapped in the copy (madvise(2), `MADV_DONTFORK`).
            let _ = file.write_all_at(original, address.value());
        }
    }
}
