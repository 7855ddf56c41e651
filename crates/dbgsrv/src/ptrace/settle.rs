//! What a target does next. After every command and every round of reports each target concerned is
//! settled: it runs on, is being stopped, lets one thread step off a site, or stands still and the
//! client is told. This is the whole state machine of a target; `docs/architecture.md` draws it.

use dbgbase::{Address, StopReason, TargetId, Tid};

use super::probe::Step as ProbeStep;
use super::sys;
use super::target::{Phase, Target};
use super::thread::{How, State, StopClass, Thread, Wish};
use super::tracer::Tracer;

impl Tracer {
    /// Settles one target.
    pub(super) fn settle(&mut self, id: TargetId) {
        let Some(target) = self.targets.get(&id) else {
            return;
        };
        match target.phase {
            Phase::Launching(_) => {}
            Phase::Stopped if target.asked.detach.is_none() => {}
            Phase::Stopped => self.decide(id),
            Phase::SteppingOff { tid, site } => {
                let is_done = target.threads.get(&tid).is_none_or(Thread::is_stopped);
                if is_done {
                    self.set_armed(id, site, true);
                    self.set_phase(id, Phase::Stopping);
                    self.reach(ProbeStep::SteppedOff);
                    self.decide(id);
                }
            }
            Phase::Running | Phase::Stopping => self.settle_running(id),
        }
    }

    fn settle_running(&mut self, id: TargetId) {
        let Some(target) = self.targets.get(&id) else {
            return;
        };
        let is_asked = target.asked.interrupt || target.asked.detach.is_some();
        let must_stop = is_asked
            || matches!(target.phase, Phase::Stopping)
            || target.threads.values().any(|thread| {
                thread.report.is_some() || self.must_step_off(target, thread).is_some()
            });
        if !must_stop {
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
        let Some(target) = self.targets.get(&id) else {
            return;
        };
        if target.threads.is_empty() {
            return; // Its end is reported next.
        }
        if target.asked.detach.is_some() {
            self.leave(id);
            return;
        }
        if let Some(tid) = target.next_report() {
            self.tell_stop(id, tid);
            return;
        }
        if target.asked.interrupt {
            let tid = interrupted_thread(target);
            let reason =
                if target.has_begun { StopReason::Interrupted } else { StopReason::Attached };
            self.report(id, tid, reason);
            self.tell_stop(id, tid);
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
        let site = thread.passed?;
        let class = match thread.state {
            State::Stopped(class) => class,
            State::Running { .. } => return None,
        };
        if thread.wish == Wish::Stay || class == StopClass::Group {
            return None;
        }
        let is_armed = target.memory.lock().sites.get(site).is_some_and(|site| site.is_armed);
        if !is_armed {
            return None;
        }
        // A fault of the very instruction under the site would only be raised again by stepping;
        // its handler has to run first.
        let delivers_fault =
            thread.inject.is_some() && sys::siginfo(thread.tid).is_ok_and(|info| info.is_fault());
        let is_there =
            sys::registers(thread.tid, self.arch).is_ok_and(|registers| registers.pc() == site);
        (is_there && !delivers_fault).then_some(site)
    }

    /// Lets one thread execute the instruction under a site, while all others stand still.
    ///
    /// A system call under a site is only entered: it may block for what other threads do, and the
    /// site is behind the thread as soon as the kernel has it.
    fn step_off(&mut self, id: TargetId, tid: Tid, site: Address) {
        self.set_armed(id, site, false);
        let Some(target) = self.targets.get_mut(&id) else {
            return;
        };
        let mut code = [0; 2];
        let is_syscall = target.memory.read_head(site, &mut code) == code.len()
            && is_syscall_instruction(self.arch, code);
        let Some(thread) = target.threads.get_mut(&tid) else {
            return;
        };
        if thread.inject.take().is_some()
            && let Ok(info) = sys::siginfo(tid)
        {
            thread.held.push_front(info);
        }
        let (how, result) = if is_syscall {
            (How::ToSyscall, sys::run_to_syscall(tid))
        } else {
            (How::Step, sys::step(tid, None))
        };
        // A thread that cannot be stepped has just been killed; its end is reported next.
        let _ = result;
        thread.state = State::Running { how, is_interrupted: false };
        target.phase = Phase::SteppingOff { tid, site };
    }

    /// Lets every stopped thread run as it is wished to.
    fn release_all(&mut self, id: TargetId) {
        let Some(target) = self.targets.get_mut(&id) else {
            return;
        };
        let pid = target.pid;
        let waiting = |thread: &&mut Thread| thread.is_stopped() && thread.wish != Wish::Stay;
        for thread in target.threads.values_mut().filter(waiting) {
            release(pid, thread);
        }
        target.phase = Phase::Running;
        self.reach(ProbeStep::Resumed);
    }

    /// Asks every running thread to stop that has not been asked.
    fn interrupt_all(&mut self, id: TargetId) {
        let Some(target) = self.targets.get_mut(&id) else {
            return;
        };
        for tid in target.undisturbed() {
            let is_asked = sys::interrupt(tid).is_ok();
            if let Some(thread) = target.threads.get_mut(&tid)
                && let State::Running { is_interrupted, .. } = &mut thread.state
            {
                // ESRCH: it is dying, and its end is reported next.
                *is_interrupted = true;
            }
            let _ = is_asked;
        }
    }

    pub(super) fn set_phase(&mut self, id: TargetId, phase: Phase) {
        if let Some(target) = self.targets.get_mut(&id) {
            target.phase = phase;
        }
    }
}

/// Lets one stopped thread run, with the signals that are due to it.
pub(super) fn release(pid: dbgbase::Pid, thread: &mut Thread) {
    let State::Stopped(class) = thread.state else {
        return;
    };
    let tid = thread.tid;
    if class == StopClass::Group {
        let _ = sys::listen(tid);
        thread.state = State::Running { how: How::Listen, is_interrupted: false };
        return;
    }
    let signal = due_signal(pid, thread, class);
    let (how, result) = if thread.wish == Wish::Step {
        (How::Step, sys::step(tid, signal))
    } else {
        (How::Free, sys::cont(tid, signal))
    };
    // A thread that cannot be let go has just been killed; its end is reported next.
    let _ = result;
    thread.passed = None;
    thread.state = State::Running { how, is_interrupted: false };
}

/// The signal to inject as a thread leaves its stop. Only a signal-delivery-stop takes one; from
/// other stops a signal that is due is sent anew, to be passed on when it arrives.
pub(super) fn due_signal(
    pid: dbgbase::Pid,
    thread: &mut Thread,
    class: StopClass,
) -> Option<dbgbase::Signal> {
    if class == StopClass::SignalDelivery {
        if thread.inject.is_some() {
            return thread.inject.take();
        }
        let info = thread.held.pop_front()?;
        let _ = sys::set_siginfo(thread.tid, &info);
        return info.signal();
    }
    let signal = match thread.inject.take() {
        Some(signal) => signal,
        None => thread.held.pop_front()?.signal()?,
    };
    thread.pass_next = Some(signal);
    let _ = sys::signal_thread(pid, thread.tid, signal);
    None
}

/// The thread an interruption is shown at: the leader, unless it is gone.
fn interrupted_thread(target: &Target) -> Tid {
    let leader = Tid::from(target.pid);
    if target.threads.contains_key(&leader) {
        return leader;
    }
    target.tids().first().copied().unwrap_or(leader)
}

/// Whether these are the first bytes of an instruction that enters the kernel.
fn is_syscall_instruction(arch: dbgbase::Arch, code: [u8; 2]) -> bool {
    // syscall, int 0x80 and sysenter; Intel SDM volume 2.
    arch == dbgbase::Arch::X86_64 && matches!(code, [0x0f, 0x05] | [0xcd, 0x80] | [0x0f, 0x34])
}
