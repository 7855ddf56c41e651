//! What a report of a tracee means for its target: reports are taken in here one by one, and leave
//! the target changed and marked to be settled. Nothing is told to the client from here but exits.
//! What a signal means is in `traps`, what a new thread or process means in `children`.

use dbgbase::{ConditionFault, ExitStatus, StopReason, TargetId, Tid};
use dbgwire::convert;

use super::inject;
use super::modules::announce::Modules;
use super::probe::Step as ProbeStep;
use super::procfs;
use super::sys;
use super::target::{Phase, Unwanted};
use super::thread::{How, Report, State, StopClass, Thread, Wish};
use super::tracer::Tracer;
use super::wait::{Stop, WaitStatus};
use super::watch::WatchTable;
use super::{trace, trap_flag};

impl Tracer {
    /// Takes in one report.
    pub(super) fn take_report(&mut self, tid: Tid, status: WaitStatus) {
        if self.departing.contains_key(&tid) {
            self.take_departing(tid, status);
            return;
        }
        let Some(id) = self.owner.get(&tid).copied() else {
            self.early.insert(tid, status);
            return;
        };
        match status {
            WaitStatus::Ended(status) => self.take_end(id, tid, status),
            WaitStatus::Stopped(stop) => self.take_stop(id, tid, stop),
        }
        self.dirty.insert(id);
    }

    pub(super) fn take_end(&mut self, id: TargetId, tid: Tid, status: ExitStatus) {
        self.owner.remove(&tid);
        let Some(target) = self.targets.get_mut(&id) else { return };
        if tid == Tid::from(target.pid) {
            self.end_target(id, status);
            return;
        }
        // Who steps a thread waits for a stop; if the step is the thread's last, it comes from
        // here.
        let is_stepped = target.threads.get(&tid).is_some_and(|thread| thread.wish == Wish::Step);
        target.asked.interrupt |= is_stepped && !target.is_stopped() && !target.stops_alone();
        target.remove_thread(tid);
        // Of a leader that had ended before the session attached, nothing is ever reported.
        if target.threads.is_empty() && !self.owner.contains_key(&Tid::from(target.pid)) {
            self.end_target(id, status);
            return;
        }
        if self.is_injected(id, tid)
            && let Some(injection) = self.take_injection(id)
        {
            return self.lose_injection(id, injection);
        }
        if self.is_calling(id, tid)
            && let Some(call) = self.call_mut(id)
        {
            call.end("has ended the thread");
        }
        let Some(target) = self.targets.get_mut(&id) else { return };
        if let Phase::SteppingOff { tid: stepping, site } = target.phase
            && stepping == tid
        {
            target.phase = Phase::Stopping;
            self.set_armed(id, site, true);
        }
    }

    pub(super) fn take_stop(&mut self, id: TargetId, tid: Tid, stop: Stop) {
        if self.is_injected(id, tid) {
            return self.take_injected(id, tid, stop);
        }
        let Some(target) = self.targets.get_mut(&id) else { return };
        if stop == Stop::Exec && !target.threads.contains_key(&tid) {
            // The leader had ended; another thread has executed a program and become the leader.
            target.add_thread(Thread::running(tid, target.wish_of_newborn));
        }
        let Some(thread) = target.threads.get_mut(&tid) else { return };
        let how = match thread.state {
            State::Running { how, .. } => how,
            State::Stopped(_) => How::Free,
        };
        if fetch_trap(thread, stop, how) {
            return;
        }
        trap_flag::take_stop(thread, stop, how, self.arch);
        thread.state = State::Stopped(class_of(stop));
        thread.is_at_event =
            thread.state == State::Stopped(StopClass::Syscall) && stop != Stop::Syscall;
        if self.leave_slot(id, tid, stop, how) {
            return;
        }
        match stop {
            Stop::Signal(signal) => self.take_signal(id, tid, signal, how),
            Stop::Clone => self.take_clone(id, tid),
            Stop::Fork => self.take_fork(id, tid),
            Stop::Vfork => self.take_vfork(id, tid),
            Stop::VforkDone => self.take_vfork_done(id, tid),
            Stop::Exec => self.take_exec(id, tid),
            Stop::Syscall if how == How::ToSyscall => self.take_syscall_entry(id, tid),
            Stop::Syscall if how == How::OutOfSyscall => self.take_way_out(id, tid),
            Stop::Syscall => self.take_syscall(id, tid),
            Stop::Event | Stop::Group(_) => self.take_birth(id, tid),
            Stop::Exit => self.take_ending(id, tid),
            Stop::Other => {}
        }
    }

    /// A thread is about to end. One that its process takes along, because that is killed, ends, or
    /// executes a program, is not held up: an execve(2) waits for it, and would not be done while
    /// the target stands still.
    fn take_ending(&mut self, id: TargetId, tid: Tid) {
        let arch = self.arch;
        let Some(target) = self.targets.get_mut(&id) else { return };
        let is_told = target.policy.stops_at_ends
            && !target.asked.end
            && sys::registers(tid, arch).is_ok_and(|registers| inject::ends_itself(&registers));
        let status = sys::event_message(tid).ok().and_then(convert::ended_with);
        if let Some(status) = status.filter(|_| is_told) {
            return self.report(id, tid, StopReason::ThreadEnding { status });
        }
        if let Some(thread) = target.threads.get_mut(&tid) {
            let_end(thread);
        }
    }

    /// A thread has stopped, perhaps for the first time.
    fn take_birth(&mut self, id: TargetId, tid: Tid) {
        let Some(target) = self.targets.get_mut(&id) else { return };
        let wanted = target.policy.stops_at_births && target.has_begun;
        let Some(thread) = target.threads.get_mut(&tid) else { return };
        if std::mem::take(&mut thread.is_newborn) && wanted {
            self.report(id, tid, StopReason::ThreadBorn);
        }
    }

    /// A thread has entered the system call it was to step off into; the site is behind it.
    fn take_syscall_entry(&mut self, id: TargetId, tid: Tid) {
        self.take_syscall_in_call(id, tid);
        let target = self.targets.get_mut(&id);
        if let Some(thread) = target.and_then(|target| target.threads.get_mut(&tid)) {
            thread.passed = None;
        }
    }

    /// A thread that is to be stepped has come out of the system call that it was in. It has
    /// executed nothing, and is stepped when it is let go next.
    fn take_way_out(&mut self, id: TargetId, tid: Tid) {
        self.take_syscall_in_call(id, tid);
        if let Some(thread) = self.thread_mut(id, tid) {
            thread.begins_in_syscall = false;
            thread.in_syscall = None;
        }
    }

    /// The process executes a new program. Every thread but the leader is gone, and with the old
    /// memory all sites.
    pub(super) fn take_exec(&mut self, id: TargetId, tid: Tid) {
        let patches = self.forget_sites(id);
        let arch = self.arch;
        let call = self.targets.get_mut(&id).and_then(|target| target.call.take());
        self.lose_call(call, "has executed another program");
        let Some(target) = self.targets.get_mut(&id) else { return };
        for gone in target.tids().into_iter().filter(|other| *other != tid) {
            target.remove_thread(gone);
            self.owner.remove(&gone);
        }
        target.vforks = 0;
        target.allocations.clear();
        target.modules_changed = true;
        // What was read in the middle of execve(2) may be there no more.
        target.modules = Modules::default();
        target.rendezvous = None;
        target.watches = WatchTable::default();
        if let Some(thread) = target.threads.get_mut(&tid) {
            thread.begin_anew();
        }
        if matches!(target.phase, Phase::SteppingOff { .. }) {
            target.phase = Phase::Stopping;
        }
        self.leave_sharers(id);
        let Some(target) = self.targets.get_mut(&id) else { return };
        let pid = target.pid;
        // If the new program's memory cannot be opened, reads of it come up empty.
        let _ = target.memory.reopen(target.pid, arch);
        let is_launching = matches!(target.phase, Phase::Launching(_));
        self.release_orphans(pid, &patches);
        if is_launching {
            self.finish_launch(id);
        } else if let Some(what) = procfs::unsupported_program(pid) {
            let name = procfs::thread_name(pid, tid);
            let why = format!("it has executed {name}, {what}; this server debugs 64-bit ones");
            self.let_go(id, Unwanted::Told(why));
        } else {
            self.await_initial_break(id);
            self.report(id, tid, StopReason::Exec);
        }
    }

    /// Takes note of something to tell the client.
    pub(super) fn report(&mut self, id: TargetId, tid: Tid, reason: StopReason) {
        let sequence = self.next_sequence();
        trace::note(tid, format_args!("target {id} {reason:?}"));
        let thread = self.targets.get_mut(&id).and_then(|target| target.threads.get_mut(&tid));
        if let Some(thread) = thread {
            thread.report = Some(Report { reason, sequence, condition_faults: Vec::new() });
        }
    }

    /// The same for sites, with those of their conditions that have no result.
    pub(super) fn report_hit(
        &mut self,
        id: TargetId,
        tid: Tid,
        reason: StopReason,
        condition_faults: Vec<ConditionFault>,
    ) {
        self.report(id, tid, reason);
        if let Some(report) = self.thread_mut(id, tid).and_then(|thread| thread.report.as_mut()) {
            report.condition_faults = condition_faults;
        }
    }

    /// A leader that ended while other threads live is never reported and never stops; it must not
    /// be waited for. Its target is gone with the last other thread.
    pub(super) fn drop_dead_leaders(&mut self) {
        for target in self.targets.values_mut().filter(|target| target.awaits_stops()) {
            let leader = Tid::from(target.pid);
            let Some(thread) = target.threads.get(&leader) else { continue };
            if !thread.is_stopped() && procfs::is_zombie(target.pid, leader) {
                target.remove_thread(leader);
                self.dirty.insert(target.id);
            }
        }
    }

    /// Looks on after a step.
    pub(super) fn reach(&mut self, step: ProbeStep) {
        super::arm::reach(&mut self.probe, step);
    }
}

/// Lets a thread end that is about to, whatever it is wished to do.
pub(super) fn let_end(thread: &mut Thread) {
    // One that cannot be let go has just been killed.
    let _ = sys::cont(thread.tid, None);
    thread.state = State::Running { how: How::Free, is_interrupted: true };
}

/// How the way out of a stop differs.
pub(super) fn class_of(stop: Stop) -> StopClass {
    match stop {
        Stop::Signal(_) => StopClass::SignalDelivery,
        Stop::Group(_) => StopClass::Group,
        Stop::Exit => StopClass::Exit,
        Stop::Event | Stop::Other => StopClass::Other,
        Stop::Syscall | Stop::Clone | Stop::Fork | Stop::Vfork | Stop::VforkDone | Stop::Exec => {
            StopClass::Syscall
        }
    }
}

/// Lets a thread run into the trap that it has executed already, if there is one. Whether it does.
///
/// An interruption, or the stop of its whole group, is reported before a SIGTRAP that the CPU
/// raised a moment earlier. Left pending, that would come when the site it belongs to may be gone,
/// or would kill a target that has been left. So it is fetched at once: the thread executes nothing
/// before the kernel reports it.
fn fetch_trap(thread: &mut Thread, stop: Stop, how: How) -> bool {
    let may_hide_one = matches!(stop, Stop::Event | Stop::Group(_)) && how != How::Listen;
    if !may_hide_one || !sys::has_pending_trap(thread.tid) {
        return false;
    }
    thread.leaves_group_stop = matches!(stop, Stop::Group(_));
    // A thread that cannot be let go has just been killed; its end is reported next.
    let _ = sys::cont(thread.tid, None);
    thread.state = State::Running { how, is_interrupted: true };
    true
}
