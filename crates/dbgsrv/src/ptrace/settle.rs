//! What a target does next. After every command and every round of reports each target concerned is
//! settled: it runs on, is being stopped, lets one thread step off a site, or stands still and the
//! client is told. This is the whole state machine of a target; `docs/architecture.md` draws it.

use dbgbase::{Address, Pid, StopReason, TargetId, Tid};

use super::deliver::due_signal;
use super::instruction::{self, Kind};
use super::probe::Step as ProbeStep;
use super::sys;
use super::target::{Phase, Target};
use super::thread::{How, State, StopClass, Thread, Wish};
use super::tracer::Tracer;
use super::watching;

impl Tracer {
    /// Settles one target.
    pub(super) fn settle(&mut self, id: TargetId) {
        let Some(target) = self.targets.get(&id) else { return };
        match target.phase {
            Phase::Launching(_) => self.release_launching(id),
            Phase::Stopped if target.asked.detach.is_none() => {}
            Phase::Stopped => self.decide(id),
            Phase::SteppingOff { tid, site } => {
                let is_done = target.threads.get(&tid).is_none_or(Thread::is_stopped);
                if is_done {
                    self.set_armed(id, site, true);
                    self.set_phase(id, Phase::Stopping);
                    self.reach(ProbeStep::SteppedOff);
                    self.decide(id);
                } else if target.asked.any() {
                    // An instruction may wait for ever, for a page that another thread provides.
                    self.interrupt_all(id);
                }
            }
            Phase::Injecting(_) => self.settle_injection(id),
            Phase::Running | Phase::Stopping => self.settle_running(id),
        }
    }

    fn settle_running(&mut self, id: TargetId) {
        let Some(target) = self.targets.get(&id) else { return };
        let must_stop = target.asked.any()
            || matches!(target.phase, Phase::Stopping)
            || target.threads.values().any(|thread| {
                thread.report.is_some() || self.must_step_off(target, thread).is_some()
            });
        if !must_stop && !target.is_idle() {
            self.release_all(id);
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
        if let Some(tid) = target.next_report() {
            self.tell_report(id, tid);
            return;
        }
        if target.asked.interrupt || target.is_idle() {
            self.tell_stop(id, StopReason::Interrupted);
            return;
        }
        let stepping = target
            .threads
            .values()
            .find_map(|thread| self.must_step_off(target, thread).map(|site| (thread.tid, site)));
        match stepping {
            Some((tid, site)) => self.step_off(id, tid, site),
            None => self.release_all(id),
        }
    }

    /// The armed site that a stopped thread stands on and has to leave before it can run.
    fn must_step_off(&self, target: &Target, thread: &Thread) -> Option<Address> {
        let State::Stopped(class) = thread.state else { return None };
        if thread.wish == Wish::Stay || class == StopClass::Group {
            return None;
        }
        let memory = target.memory.lock();
        let is_armed = |at: &Address| memory.sites.get(*at).is_some_and(|site| site.is_armed);
        let passed = thread.passed.filter(is_armed);
        let may_restart = class != StopClass::Syscall && memory.sites.has_calls();
        if passed.is_none() && !may_restart {
            return None;
        }
        // A fault of the very instruction under the site would only be raised again by stepping;
        // its handler has to run first.
        let info = thread.inject.and_then(|due| due.info);
        if info.is_some_and(|info| info.is_fault()) {
            return None;
        }
        let registers = sys::registers(thread.tid, self.arch).ok()?;
        match sys::restarted_call(&registers) {
            // Not what is at the pc comes next, but the interrupted system call once more. That is
            // no new execution of it.
            Some(call) => Some(call).filter(|call| may_restart && is_armed(call)),
            None => passed.filter(|site| *site == registers.pc()),
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
        if let Some(due) = thread.inject.take() {
            thread.held.push_front(due);
        }
        let mut code = [0; instruction::HEAD_LEN];
        target.memory.read_head(site, &mut code);
        // A thread that cannot be stepped has just been killed; its end is reported next.
        let how = match instruction::kind(arch, &code) {
            Kind::EntersKernel if !thread.begins_in_syscall => {
                let _ = sys::run_to_syscall(tid, None);
                How::ToSyscall
            }
            kind => {
                thread.pushes_flags = kind == Kind::PushesFlags;
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
            release(target.pid, thread, false);
        }
    }

    /// Lets every stopped thread run as it is wished to.
    fn release_all(&mut self, id: TargetId) {
        let arch = self.arch;
        let Some(target) = self.targets.get_mut(&id) else { return };
        let (pid, memory) = (target.pid, &target.memory);
        let (catches, reports_end) = (target.caught.any(), target.policy.stops_at_ends);
        let waiting = |thread: &&mut Thread| thread.is_stopped() && thread.wish != Wish::Stay;
        for thread in target.threads.values_mut().filter(waiting) {
            thread.pushes_flags = thread.wish == Wish::Step
                && sys::registers(thread.tid, arch).is_ok_and(|registers| {
                    let mut code = [0; instruction::HEAD_LEN];
                    memory.read_head(registers.pc(), &mut code);
                    instruction::kind(arch, &code) == Kind::PushesFlags
                });
            if thread.reports_end != reports_end && sys::report_end(thread.tid, reports_end).is_ok()
            {
                thread.reports_end = reports_end;
            }
            watching::prepare(&target.watches, thread, arch);
            release(pid, thread, catches);
        }
        target.phase = Phase::Running;
        self.reach(ProbeStep::Resumed);
    }

    /// Asks every running thread to stop that has not been asked.
    fn interrupt_all(&mut self, id: TargetId) {
        let Some(target) = self.targets.get_mut(&id) else { return };
        for tid in target.undisturbed() {
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

/// Lets one stopped thread run, with the signals that are due to it, to its next system call if
/// those are caught.
fn release(pid: Pid, thread: &mut Thread, catches: bool) {
    let State::Stopped(class) = thread.state else { return };
    let tid = thread.tid;
    if class == StopClass::Group {
        let _ = sys::listen(tid);
        thread.state = State::Running { how: How::Listen, is_interrupted: false };
        return;
    }
    // In a range no step is the last before its end; a handler would lead out of it.
    let signal = if thread.is_in_range { None } else { due_signal(pid, thread, class) };
    // A thread that cannot be let go has just been killed; its end is reported next.
    let how = if thread.wish == Wish::Step {
        thread.has_stepped = true;
        let _ = sys::step(tid, signal);
        How::Step
    } else {
        let _ = if catches { sys::run_to_syscall(tid, signal) } else { sys::cont(tid, signal) };
        thread.begins_in_syscall = false;
        How::Free
    };
    thread.passed = None;
    thread.state = State::Running { how, is_interrupted: false };
}
