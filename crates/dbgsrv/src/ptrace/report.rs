//! What a report of a tracee means for its target: reports are taken in here one by one, and leave
//! the target changed and marked to be settled. Nothing is told to the client from here but exits.

use dbgbase::{Address, ExitStatus, Signal, StopReason, TargetId, Tid};

use super::modules;
use super::probe::Step as ProbeStep;
use super::procfs;
use super::site::Reason;
use super::sys::{self, SigInfo};
use super::target::{Phase, Target};
use super::thread::{How, Report, State, StopClass, Thread, Wish};
use super::tracer::{Departing, Tracer};
use super::wait::{Stop, WaitStatus};

/// `SI_KERNEL` of sigaction(2): how x86 reports int3, and how a terminal's keys are sent.
const SI_KERNEL: i32 = 0x80;
/// `TRAP_BRKPT` of sigaction(2): how aarch64 reports brk, and x86 a step over a system call.
const TRAP_BRKPT: i32 = 1;

impl Tracer {
    /// Takes in one report.
    pub(super) fn take_report(&mut self, tid: Tid, status: WaitStatus) {
        if let Some(departing) = self.departing.remove(&tid) {
            if let WaitStatus::Stopped(_) = status {
                self.let_go(tid, departing);
            }
            return;
        }
        let Some(id) = self.owner.get(&tid).copied() else {
            match status {
                WaitStatus::Stopped(stop) => self.early.insert(tid, stop),
                WaitStatus::Ended(_) => self.early.remove(&tid),
            };
            return;
        };
        match status {
            WaitStatus::Ended(status) => self.take_end(id, tid, status),
            WaitStatus::Stopped(stop) => self.take_stop(id, tid, stop),
        }
        self.dirty.insert(id);
    }

    fn take_end(&mut self, id: TargetId, tid: Tid, status: ExitStatus) {
        self.owner.remove(&tid);
        let Some(target) = self.targets.get_mut(&id) else {
            return;
        };
        if tid == Tid::from(target.pid) {
            self.end_target(id, status);
            return;
        }
        target.remove_thread(tid);
        if let Phase::SteppingOff { tid: stepping, site } = target.phase
            && stepping == tid
        {
            target.phase = Phase::Stopping;
            self.set_armed(id, site, true);
        }
    }

    fn take_stop(&mut self, id: TargetId, tid: Tid, stop: Stop) {
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
        thread.state = State::Stopped(match stop {
            Stop::Signal(_) => StopClass::SignalDelivery,
            Stop::Group(_) => StopClass::Group,
            _ => StopClass::Other,
        });
        match stop {
            Stop::Signal(signal) => self.take_signal(id, tid, signal, how),
            Stop::Clone => self.take_clone(id, tid),
            Stop::Fork => self.take_fork(id, tid, true),
            Stop::Vfork => self.take_fork(id, tid, false),
            Stop::VforkDone => self.take_vfork_done(id),
            Stop::Exec => self.take_exec(id, tid),
            Stop::Syscall => self.take_syscall_entry(id, tid),
            Stop::Event | Stop::Group(_) | Stop::Other => {}
        }
    }

    /// A thread has entered the system call it was to step off into; the site is behind it.
    fn take_syscall_entry(&mut self, id: TargetId, tid: Tid) {
        let Some(target) = self.targets.get_mut(&id) else {
            return;
        };
        if let Some(thread) = target.threads.get_mut(&tid) {
            thread.passed = None;
        }
    }

    fn take_clone(&mut self, id: TargetId, parent: Tid) {
        let Ok(child) = sys::event_message(parent).map(Tid::new) else {
            return;
        };
        let early = self.early.remove(&child);
        let Some(target) = self.targets.get_mut(&id) else {
            return;
        };
        self.owner.insert(child, id);
        if !target.threads.contains_key(&child) {
            let mut thread = Thread::running(child, target.wish_of_newborn);
            // A newborn stops by itself; it need not be asked.
            thread.state = State::Running { how: How::Free, is_interrupted: true };
            target.add_thread(thread);
        }
        if let Some(stop) = early {
            self.take_stop(id, child, stop);
        }
    }

    fn take_fork(&mut self, id: TargetId, parent: Tid, has_copy: bool) {
        let Ok(child) = sys::event_message(parent).map(Tid::new) else {
            return;
        };
        if !has_copy {
            if let Some(target) = self.targets.get_mut(&id) {
                target.vforks += 1;
            }
            self.set_all_armed(id, false);
        }
        let departing = Departing { parent: id, has_copy };
        match self.early.remove(&child) {
            Some(_) => self.let_go(child, departing),
            None => {
                self.departing.insert(child, departing);
            }
        }
    }

    fn take_vfork_done(&mut self, id: TargetId) {
        let Some(target) = self.targets.get_mut(&id) else {
            return;
        };
        target.vforks = target.vforks.saturating_sub(1);
        if target.vforks == 0 {
            self.set_all_armed(id, true);
        }
    }

    /// Lets a forked process go, without the trap instructions that it has copied.
    fn let_go(&mut self, child: Tid, departing: Departing) {
        if departing.has_copy
            && let Some(parent) = self.targets.get(&departing.parent)
        {
            let originals = parent.memory.lock().sites.originals();
            let file = std::fs::File::options().write(true).open(format!("/proc/{child}/mem"));
            if let Ok(file) = file {
                use std::os::unix::fs::FileExt;
                for (address, bytes) in originals {
                    let _ = file.write_all_at(&bytes, address.value());
                }
            }
        }
        let _ = sys::detach(child, None);
    }

    /// The process executes a new program. Every thread but the leader is gone, and with the old
    /// memory all sites.
    fn take_exec(&mut self, id: TargetId, tid: Tid) {
        self.forget_sites(id);
        let arch = self.arch;
        let Some(target) = self.targets.get_mut(&id) else {
            return;
        };
        for gone in target.tids().into_iter().filter(|other| *other != tid) {
            target.remove_thread(gone);
            self.owner.remove(&gone);
        }
        target.vforks = 0;
        target.modules_changed = true;
        target.rendezvous = None;
        if let Some(thread) = target.threads.get_mut(&tid) {
            thread.passed = None;
            thread.report = None;
            thread.held.clear();
            thread.inject = None;
        }
        if matches!(target.phase, Phase::SteppingOff { .. }) {
            target.phase = Phase::Stopping;
        }
        // If the new program's memory cannot be opened, reads of it come up empty.
        let _ = target.memory.reopen(target.pid, arch);
        if matches!(target.phase, Phase::Launching(_)) {
            self.finish_launch(id);
        } else {
            self.arm_rendezvous(id);
            self.report(id, tid, StopReason::Exec);
        }
    }

    fn take_signal(&mut self, id: TargetId, tid: Tid, signal: Signal, how: How) {
        // Without siginfo the thread has just been killed; its end is reported next.
        let Ok(info) = sys::siginfo(tid) else { return };
        let Some(target) = self.targets.get_mut(&id) else {
            return;
        };
        let is_stepping_off =
            matches!(target.phase, Phase::SteppingOff { tid: stepping, .. } if stepping == tid);
        if signal == Signal::SIGTRAP && info.code() > 0 {
            self.take_trap(id, tid, &info, how, is_stepping_off);
            return;
        }
        let Some(thread) = target.threads.get_mut(&tid) else {
            return;
        };
        // The debugger of a shared terminal is told of its keys itself, and asks for the stop.
        let is_key = target.shares_terminal && signal == Signal::SIGINT && info.code() == SI_KERNEL;
        let is_step = how == How::Step && !info.is_fault();
        let is_quiet = is_quiet(signal) || thread.pass_next == Some(signal);
        if is_step && (is_stepping_off || is_quiet || is_key) {
            // The step comes first; the signal is delivered when the thread runs on.
            if !is_key {
                thread.held.push_back(info);
            }
            if sys::step(tid, None).is_ok() {
                thread.state = State::Running { how, is_interrupted: false };
            }
            return;
        }
        if is_key {
            return;
        }
        if thread.pass_next == Some(signal) {
            thread.pass_next = None;
        }
        thread.inject = Some(signal);
        if !is_quiet {
            let reason = StopReason::Signal {
                signal,
                code: info.code(),
                address: info.address(),
                sender: info.sender(),
            };
            self.report(id, tid, reason);
        }
    }

    /// A SIGTRAP that the CPU raised: a site, a step, or the program's own.
    fn take_trap(
        &mut self,
        id: TargetId,
        tid: Tid,
        info: &SigInfo,
        how: How,
        is_stepping_off: bool,
    ) {
        let Ok(mut registers) = sys::registers(tid, self.arch) else {
            return;
        };
        let Some(target) = self.targets.get_mut(&id) else {
            return;
        };
        let Some(thread) = target.threads.get_mut(&tid) else {
            return;
        };
        let at = Address::new(registers.pc().value() - self.arch.pc_after_trap_bytes());
        let is_site = target.memory.lock().sites.get(at).is_some_and(|site| site.is_armed);
        let trap_code = if self.arch == dbgbase::Arch::X86_64 { SI_KERNEL } else { TRAP_BRKPT };
        let is_trap_instruction = info.code() == trap_code;
        if is_trap_instruction && is_site {
            registers.set_pc(at);
            if sys::set_registers(tid, &registers).is_ok() {
                thread.passed = Some(at);
                let sp = registers.sp();
                self.take_hit(id, tid, at, sp);
            }
        } else if how == How::Step && !is_trap_instruction {
            thread.passed = None;
            if thread.wish == Wish::Step {
                self.report(id, tid, StopReason::Step);
            }
        } else {
            if is_stepping_off && is_trap_instruction {
                thread.passed = None;
            }
            let reason = if is_trap_instruction {
                StopReason::ProgramTrap
            } else {
                StopReason::Signal {
                    signal: Signal::SIGTRAP,
                    code: info.code(),
                    address: info.address(),
                    sender: None,
                }
            };
            self.report(id, tid, reason);
        }
    }

    /// A thread has executed a site's trap instruction; its pc is back at the site.
    fn take_hit(&mut self, id: TargetId, tid: Tid, at: Address, sp: Address) {
        let Some(target) = self.targets.get_mut(&id) else {
            return;
        };
        let memory = target.memory.lock();
        let sites = memory.sites.hits(at, tid, sp);
        let has = |wanted: Reason| {
            memory.sites.get(at).is_some_and(|site| site.reasons.contains(&wanted))
        };
        let (is_rendezvous, is_entry) = (has(Reason::Rendezvous), has(Reason::Entry));
        drop(memory);
        let is_whole = is_rendezvous
            && target
                .rendezvous
                .is_some_and(|rendezvous| modules::is_consistent(&rendezvous, &*target.memory));
        target.modules_changed |= is_whole;
        let is_beginning = !target.has_begun && (is_entry || is_whole);
        if is_beginning {
            self.report(id, tid, StopReason::InitialBreak);
        } else if !sites.is_empty() {
            self.report(id, tid, StopReason::Breakpoint { sites });
        }
    }

    /// Takes note of something to tell the client.
    pub(super) fn report(&mut self, id: TargetId, tid: Tid, reason: StopReason) {
        let sequence = self.next_sequence();
        let thread = self.targets.get_mut(&id).and_then(|target| target.threads.get_mut(&tid));
        if let Some(thread) = thread {
            thread.report = Some(Report { reason, sequence });
        }
    }

    /// A leader that ended while other threads live is never reported and never stops; it must not
    /// be waited for. Its target is gone with the last other thread.
    pub(super) fn drop_dead_leaders(&mut self) {
        let is_waiting = |target: &&mut Target| matches!(target.phase, Phase::Stopping);
        for target in self.targets.values_mut().filter(is_waiting) {
            let leader = Tid::from(target.pid);
            let Some(thread) = target.threads.get(&leader) else {
                continue;
            };
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

/// Signals that programs use for themselves all the time: they are passed on without a stop. The
/// rest stops the target before it is delivered.
fn is_quiet(signal: Signal) -> bool {
    let quiet = [
        Signal::SIGALRM,
        Signal::SIGCHLD,
        Signal::SIGURG,
        Signal::SIGVTALRM,
        Signal::SIGPROF,
        Signal::SIGWINCH,
        Signal::SIGIO,
    ];
    // 32 and 33 are the C library's own, for cancelling threads and changing ids.
    quiet.contains(&signal) || matches!(signal.number(), 32 | 33)
}
