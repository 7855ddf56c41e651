//! What a target does next. After every command and every round of reports each target concerned is
//! settled: it runs on, is being stopped, lets one thread step off a site, or stands still and the
//! client is told. This is the whole state machine of a target; `docs/ptrace.md` draws it.

use dbgbase::{Address, StopReason, TargetId, Tid};

use super::inject::Call;
use super::instruction::{self, Kind};
use super::probe::Step as ProbeStep;
use super::release::{self, Over, step_over};
use super::sys;
use super::target::{Phase, Target};
use super::thread::{How, State, Thread, Wish};
use super::tracer::Tracer;
use super::trap_flag;
use super::watching;

impl Tracer {
    /// Settles one target.
    pub(super) fn settle(&mut self, id: TargetId) {
        let Some(target) = self.targets.get(&id) else { return };
        match target.phase {
            Phase::Launching(_) => self.release_launching(id),
            Phase::Stopped if target.asked.detach.is_none() && !target.wants_thread() => {}
            Phase::Stopped => self.decide(id),
            Phase::SteppingOff { tid, site } => {
                let is_done = target.threads.get(&tid).is_none_or(Thread::is_stopped);
                if is_done {
                    self.set_armed(id, site, true);
                    self.set_phase(id, Phase::Stopping);
                    self.reach(ProbeStep::SteppedOff);
                    self.decide(id);
                } else if target.asked.any() || target.wants_thread() {
                    // An instruction may wait for ever, for a page that another thread provides.
                    self.interrupt_all(id);
                }
            }
            Phase::Injecting(_) => self.settle_injection(id),
            Phase::Running | Phase::Stopping => self.settle_running(id),
        }
    }

    fn settle_running(&mut self, id: TargetId) {
        self.carry_sites(id);
        // What threads have to tell in a call ends that first.
        let stops_alone = self
            .targets
            .get(&id)
            .is_some_and(|target| target.stops_alone() && target.call.is_none());
        if stops_alone {
            self.interrupt_wanted(id);
            self.tell_alone(id);
        }
        let Some(target) = self.targets.get(&id) else { return };
        let must_stop = target.asked.any()
            || matches!(target.phase, Phase::Stopping)
            || target.call.as_deref().is_some_and(Call::is_over)
            || target.threads.values().any(|thread| {
                thread.report.is_some() || self.must_step_off(target, thread).is_some()
            });
        if !must_stop && !target.is_idle() {
            self.release_all(id);
            return;
        }
        if !must_stop && stops_alone {
            self.stand_still(id);
            return;
        }
        self.set_phase(id, Phase::Stopping);
        self.interrupt_all(id);
        if self.targets.get(&id).is_some_and(Target::all_stopped) {
            self.decide(id);
        }
    }

    /// Every thread stands still: tells the client, goes on, or lets the target go.
    fn decide(&mut self, id: TargetId) {
        let Some(target) = self.targets.get(&id) else { return };
        if target.threads.is_empty() {
            return; // Its end is reported next.
        }
        if self.settle_call(id) {
            return;
        }
        let Some(target) = self.targets.get(&id) else { return };
        if target.asked.detach.is_some() {
            if !self.free_leftovers(id) {
                self.leave(id);
            }
            return;
        }
        if !target.has_begun && !target.is_created {
            if self.seize_missed(id) {
                return;
            }
            self.tell_stop(id, StopReason::Attached);
            return;
        }
        if self.awaits_birth(id) {
            return; // It is settled again when that has come.
        }
        let Some(target) = self.targets.get(&id) else { return };
        if target.stops_alone() {
            if self.decide_alone(id) {
                self.carry_sites(id);
                self.go_on(id);
            }
            return;
        }
        if let Some(tid) = target.next_report() {
            self.tell_report(id, tid);
            return;
        }
        if target.asked.interrupt || target.is_idle() {
            self.tell_stop(id, StopReason::Interrupted);
            return;
        }
        self.go_on(id);
    }

    /// Every thread stands still, and those that are to run may: one that has to leave a site in
    /// its place first, or all.
    fn go_on(&mut self, id: TargetId) {
        let Some(target) = self.targets.get(&id) else { return };
        let stepping = target
            .threads
            .values()
            .find_map(|thread| self.must_step_off(target, thread).map(|site| (thread.tid, site)));
        match stepping {
            Some((tid, site)) => self.step_off(id, tid, site),
            None => self.release_all(id),
        }
    }

    /// Carries what is under sites at which threads stand that are to run.
    fn carry_sites(&mut self, id: TargetId) {
        let Some(target) = self.targets.get(&id) else { return };
        let waits = |thread: &&Thread| thread.is_stopped() && thread.wish != Wish::Stay;
        let mut sites: Vec<Address> =
            target.threads.values().filter(waits).filter_map(|thread| thread.passed).collect();
        sites.sort_unstable();
        sites.dedup();
        for site in sites {
            self.carry(id, site);
        }
    }

    /// The armed site that a stopped thread stands on and has to leave, in its own place, before it
    /// can run.
    fn must_step_off(&self, target: &Target, thread: &Thread) -> Option<Address> {
        match step_over(target, thread)? {
            Over::InPlace(site) => Some(site),
            Over::Carried { .. } => None,
        }
    }

    /// Lets one thread execute the instruction under a site, while all others stand still.
    ///
    /// A system call under a site is only entered: it may block for what other threads do, and the
    /// site is behind the thread as soon as the kernel has it.
    fn step_off(&mut self, id: TargetId, tid: Tid, site: Address) {
        self.set_armed(id, site, false);
        let arch = self.arch;
        let Some(target) = self.targets.get_mut(&id) else { return };
        let Some(thread) = target.threads.get_mut(&tid) else { return };
        thread.hold_injected();
        let mut code = [0; instruction::HEAD_LEN];
        target.memory.read_head(site, &mut code);
        // A thread that cannot be stepped has just been killed; its end is reported next.
        let how = match instruction::kind(arch, &code) {
            Kind::EntersKernel if !thread.begins_in_syscall => {
                let _ = sys::run_to_syscall(tid, None);
                How::ToSyscall
            }
            kind => {
                thread.stepped = kind;
                if let Ok(registers) = sys::registers(tid, arch) {
                    trap_flag::note_own(thread, &registers);
                }
                thread.has_stepped = true;
                watching::prepare(&target.watches, thread, arch);
                let _ = sys::step(tid, None);
                How::Step
            }
        };
        thread.state = State::Running { how, is_interrupted: false };
        target.phase = Phase::SteppingOff { tid, site };
    }

    /// Lets a child that has not executed its program yet run on: a signal has reached it, as of
    /// the terminal that it shares.
    fn release_launching(&mut self, id: TargetId) {
        let Some(target) = self.targets.get_mut(&id) else { return };
        for thread in target.threads.values_mut().filter(|thread| thread.is_stopped()) {
            thread.report = None;
            release::resume(target.pid, thread, false);
        }
    }

    /// Asks every running thread to stop that has not been asked.
    fn interrupt_all(&mut self, id: TargetId) {
        self.interrupt_threads(id, |_| true);
    }

    /// The same for those that are to stop alone.
    fn interrupt_wanted(&mut self, id: TargetId) {
        self.interrupt_threads(id, |thread| thread.is_wanted && thread.told.is_none());
    }

    fn interrupt_threads(&mut self, id: TargetId, is_meant: impl Fn(&Thread) -> bool) {
        let Some(target) = self.targets.get_mut(&id) else { return };
        let mut tids = target.undisturbed();
        tids.retain(|tid| target.threads.get(tid).is_some_and(&is_meant));
        for tid in tids {
            // The only failure is ESRCH: it is dying, and its end is reported next.
            let _ = sys::interrupt(tid);
            if let Some(thread) = target.threads.get_mut(&tid)
                && let State::Running { is_interrupted, .. } = &mut thread.state
            {
                *is_interrupted = true;
            }
        }
    }

    pub(super) fn set_phase(&mut self, id: TargetId, phase: Phase) {
        if let Some(target) = self.targets.get_mut(&id) {
            target.phase = phase;
        }
    }
}
