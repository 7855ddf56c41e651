//! Noticing that the modules of a target have changed, and telling its client: by a stop if it
//! wants one, else by an event while the target runs on. A program that loads and unloads all the
//! time does not flood its client: what happens meanwhile is told together.

use std::time::{Duration, Instant};

use bytes::Bytes;
use dbgbase::{StopReason, TargetId, Tid};
use dbgwire::AnyEvent;
use dbgwire::event::ModulesChanged;
use dbgwire::verbs::module::ModuleDescription;
use rustix::event::Timespec;

use super::{Cache, list};
use crate::ptrace::target::Target;
use crate::ptrace::tracer::Tracer;

/// The least time between two events about one target.
const INTERVAL: Duration = Duration::from_millis(50);
/// How long the tracer sleeps at most while a target has something to tell: the interval.
pub(in crate::ptrace) const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// What is known of one target's modules.
#[derive(Default)]
pub(in crate::ptrace) struct Modules {
    cache: Cache,
    /// What the client knows.
    told: Vec<ModuleDescription>,
    /// When that was told by an event.
    told_at: Option<Instant>,
}

impl Target {
    /// The modules as they are now, which the client is about to be told.
    pub(in crate::ptrace) fn modules_to_tell(&mut self) -> Vec<ModuleDescription> {
        self.modules_changed = false;
        self.modules.told = self.list_modules();
        self.modules.told.clone()
    }

    /// Takes note if the modules are others than the client knows.
    pub(in crate::ptrace) fn look_at_modules(&mut self) {
        self.modules_changed = self.list_modules() != self.modules.told;
    }

    fn list_modules(&mut self) -> Vec<ModuleDescription> {
        list(self.pid, &*self.memory, self.rendezvous.as_ref(), &mut self.modules.cache)
    }
}

impl Tracer {
    /// A thread is where the dynamic linker announces that its lists are whole again.
    pub(in crate::ptrace) fn take_announcement(&mut self, id: TargetId, tid: Tid) {
        // That a function loads a module is nothing to break its call off for.
        let may_stop = !self.is_calling(id, tid);
        // Also where the list is as it was: what was unloaded may be back.
        self.renew_sites(id);
        let Some(target) = self.targets.get_mut(&id) else { return };
        target.look_at_modules();
        if !target.modules_changed {
            return;
        }
        if target.policy.stops_at_modules && may_stop {
            self.report(id, tid, StopReason::ModulesChanged);
        } else {
            self.modules_due.insert(id);
            self.tell_modules();
        }
    }

    /// Tells of modules by events, as far as it is time.
    pub(in crate::ptrace) fn tell_modules(&mut self) {
        let now = Instant::now();
        for id in self.modules_due.clone() {
            // What a stop has told meanwhile is not told again.
            let target = self.targets.get_mut(&id);
            let Some(target) = target.filter(|target| target.modules_changed) else {
                self.modules_due.remove(&id);
                continue;
            };
            let is_time = |at: Instant| now.duration_since(at) >= INTERVAL;
            // What a called function does is told when the call is over.
            if target.call.is_some() || !target.modules.told_at.is_none_or(is_time) {
                continue;
            }
            self.modules_due.remove(&id);
            let modules = target.list_modules();
            if modules.is_empty() {
                // As in the middle of execve(2), or without descriptors. The next stop or
                // announcement tells what there is then.
                continue;
            }
            target.modules_changed = false;
            if modules != target.modules.told {
                target.modules.told_at = Some(now);
                target.modules.told.clone_from(&modules);
                let event = ModulesChanged { target: id.value(), modules };
                self.send(AnyEvent::ModulesChanged(event), Bytes::new());
            }
        }
    }
}
