//! Targets at rest. While one stands still and its client takes its time, no trap instruction needs
//! to be in its code. Should this process be killed then, the kernel lets the target run on at
//! once, and nothing of the debugger is in its way: a breakpoint at which a thread stands would
//! otherwise end the program before anybody could repair it. So would the trap flag that a step has
//! left: the kernel takes it back when its tracer goes on, and not when its tracer dies.

use dbgbase::TargetId;
use rustix::event::Timespec;

use super::target::Phase;
use super::tracer::Tracer;
use super::watching;

/// How long a client may take for its next command before its target is at rest. Who steps quickly
/// does not pay for it.
pub(super) const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };

impl Tracer {
    /// Takes the trap instructions and trap flags out of the targets that stand still. The
    /// journal's entries stay.
    pub(super) fn rest(&mut self) {
        for id in std::mem::take(&mut self.restless) {
            let Some(target) = self.targets.get_mut(&id) else { continue };
            // A thread that makes a system call for the debugger executes nothing else.
            if matches!(target.phase, Phase::Stopped | Phase::Injecting(_)) {
                target.is_at_rest = true;
                watching::lift(target);
                self.take_trap_flags(id);
                self.uncarry_all(id);
                self.set_all_armed(id, false);
            }
        }
    }

    /// Puts the trap instructions back into a target that is about to run.
    pub(super) fn wake(&mut self, id: TargetId) {
        self.restless.remove(&id);
        let Some(target) = self.targets.get_mut(&id) else { return };
        let was_at_rest = std::mem::take(&mut target.is_at_rest);
        if was_at_rest {
            self.set_all_armed(id, true);
        }
    }
}
