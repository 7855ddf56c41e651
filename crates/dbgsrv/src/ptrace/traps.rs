//! What a signal that is about to be delivered means: a site that was hit, a step that is done, a
//! trap or fault of the program's own, or news from outside.

use bytes::Bytes;
use dbgbase::{Address, Arch, GeneralRegisters, Signal, StopReason, TargetId, Tid};
use dbgwire::event::Signalled;
use dbgwire::{AnyEvent, convert};

use super::condition::Conditions;
use super::instruction::{self, Kind};
use super::logpoint::Hits;
use super::memory::TargetMemory;
use super::modules;
use super::procfs;
use super::site::Reason;
use super::sys::{self, SigInfo};
use super::target::{Phase, Target};
use super::thread::{DueSignal, How, State, Wish};
use super::trace;
use super::tracer::Tracer;
use super::trap_mask;

/// `SI_KERNEL` of sigaction(2): how x86 reports int3, and how a terminal's keys are sent.
const SI_KERNEL: i32 = 0x80;
/// `TRAP_BRKPT` of sigaction(2): how aarch64 reports brk, and x86 a step out of a system call.
const TRAP_BRKPT: i32 = 1;

/// `TRAP_HWBKPT` of sigaction(2): the CPU has seen what it was told to watch for.
const TRAP_HWBKPT: i32 = 4;

impl Tracer {
    /// A thread is in a signal-delivery-stop.
    pub(super) fn take_signal(&mut self, id: TargetId, tid: Tid, signal: Signal, how: How) {
        // Without siginfo the thread has just been killed; its end is reported next.
        let Ok(info) = sys::siginfo(tid) else { return };
        trace::note(tid, format_args!("{info:?}"));
        if self.take_signal_in_call(id, tid, signal, &info, how) {
            return;
        }
        if signal == Signal::SIGTRAP && info.code() > 0 {
            self.take_trap(id, tid, &info, how);
        } else {
            self.take_other(id, tid, signal, info, how);
        }
        let thread = self.targets.get_mut(&id).and_then(|target| target.threads.get_mut(&tid));
        if let Some(thread) = thread
            && std::mem::take(&mut thread.leaves_group_stop)
            && thread.is_stopped()
            && thread.inject.is_none()
        {
            // Back into the group-stop, before it executes anything.
            let _ = sys::interrupt(tid).and_then(|()| sys::cont(tid, None));
            thread.state = State::Running { how: How::Free, is_interrupted: true };
        }
    }

    /// A signal other than a trap of the CPU.
    fn take_other(&mut self, id: TargetId, tid: Tid, signal: Signal, info: SigInfo, how: How) {
        let Some(target) = self.targets.get_mut(&id) else { return };
        let is_key = is_key(target, &info);
        let Some(thread) = target.threads.get_mut(&tid) else { return };
        let resent = super::deliver::take_resent(thread, signal, Some(&info));
        let is_resent = resent.is_some_and(|resent| !resent.is_news);
        if resent.is_none() {
            super::deliver::revoke_opposites(target.threads.values_mut(), signal);
        }
        let info = resent.and_then(|resent| resent.due.info).unwrap_or(info);
        // What a client has sent to continue the process is no news to it.
        let is_own = signal == Signal::SIGCONT && std::mem::take(&mut target.continue_sent);
        let policy = target.policy.of(signal);
        let is_stepping_off = steps_off(target, tid).is_some();
        let is_quiet = is_key || is_resent || is_own || !policy.stops;
        let due = DueSignal { signal, info: Some(info) };
        let (code, address, sender) = (info.code(), info.address(), info.sender());
        let Some(thread) = target.threads.get_mut(&tid) else { return };
        if !is_quiet {
            thread.inject = Some(due);
            self.report(id, tid, StopReason::Signal { signal, code, address, sender });
            return;
        }
        if !is_key && (policy.passes || is_resent || is_own) {
            thread.held.push_back(due);
        }
        if policy.prints && !is_key && !is_resent {
            self.tell_signal(id, tid, signal, &info);
        }
        let Some(thread) = self.thread_mut(id, tid) else { return };
        // A step comes first; the signal is delivered when the thread runs on. One that was on its
        // way through a slot begins anew.
        let is_back = thread.passed.is_some() && !is_stepping_off;
        if how == How::Step && !is_back && sys::step(tid, None).is_ok() {
            thread.state = State::Running { how, is_interrupted: false };
        }
    }

    /// Tells of a signal that does not stop the target.
    fn tell_signal(&mut self, id: TargetId, tid: Tid, signal: Signal, info: &SigInfo) {
        let detail = convert::signal_detail(signal, info.code(), info.address(), info.sender());
        let event = Signalled { target: id.value(), tid: tid.value(), signal: Some(detail) };
        self.send(AnyEvent::Signalled(event), Bytes::new());
    }

    /// A SIGTRAP that the CPU raised: a site, a step, or the program's own.
    fn take_trap(&mut self, id: TargetId, tid: Tid, info: &SigInfo, how: How) {
        let Ok(registers) = sys::registers(tid, self.arch) else { return };
        let arch = self.arch;
        let Some(target) = self.targets.get_mut(&id) else { return };
        let stepped_off = steps_off(target, tid);
        let at = registers.pc().wrapping_offset(-(arch.pc_after_trap_bytes() as i64));
        let is_site = stepped_off != Some(at) && is_site(target, at);
        let trap_code = if arch == Arch::X86_64 { SI_KERNEL } else { TRAP_BRKPT };
        let is_trap_instruction = info.code() == trap_code;
        let Some(thread) = target.threads.get_mut(&tid) else { return };
        let is_ours = match is_trap_instruction {
            true => is_site,
            false => how == How::Step || info.code() == TRAP_HWBKPT,
        };
        if is_ours {
            trap_mask::keep_whole(tid);
        }
        if is_trap_instruction && is_site {
            let mut registers = registers;
            registers.set_pc(at);
            if sys::set_registers(tid, &registers).is_ok() {
                thread.passed = Some(at);
                self.take_hit(id, tid, at, &registers);
            }
            return;
        }
        if how == How::Step && !is_trap_instruction {
            self.take_step(id, tid, info, &registers);
            // The step may have done what the CPU watches for, which is more to tell.
            self.take_watched(id, tid, &registers);
            return;
        }
        if info.code() == TRAP_HWBKPT {
            self.take_watched(id, tid, &registers);
            return;
        }
        if is_trap_instruction && stepped_off.is_some() {
            thread.passed = None;
        }
        self.take_own_trap(id, tid, info, is_trap_instruction);
    }

    /// A trap that the program waits for: it may have a handler for it.
    fn take_own_trap(&mut self, id: TargetId, tid: Tid, info: &SigInfo, is_instruction: bool) {
        let Some(target) = self.targets.get_mut(&id) else { return };
        let policy = target.policy.of(Signal::SIGTRAP);
        let Some(thread) = target.threads.get_mut(&tid) else { return };
        let signal = Signal::SIGTRAP;
        let due = DueSignal { signal, info: Some(*info) };
        let (code, address) = (info.code(), info.address());
        if policy.stops {
            thread.inject = Some(due);
            let reason = match is_instruction {
                true => StopReason::ProgramTrap,
                false => StopReason::Signal { signal, code, address, sender: None },
            };
            return self.report(id, tid, reason);
        }
        if policy.passes {
            thread.held.push_back(due);
        }
        if policy.prints {
            self.tell_signal(id, tid, signal, info);
        }
    }

    /// A thread has executed the instruction it was let go for, or should have.
    fn take_step(&mut self, id: TargetId, tid: Tid, info: &SigInfo, registers: &GeneralRegisters) {
        let (pc, sp) = (registers.pc(), registers.sp());
        let arch = self.arch;
        let Some(target) = self.targets.get_mut(&id) else { return };
        let stepped_off = steps_off(target, tid);
        let Some(thread) = target.threads.get_mut(&tid) else { return };
        let kind = std::mem::take(&mut thread.stepped);
        if kind == Kind::PushesFlags && !thread.traps_itself {
            hide_trap_flag(&target.memory, sp);
        }
        let is_out_of_syscall =
            std::mem::take(&mut thread.begins_in_syscall) && info.code() == TRAP_BRKPT;
        // A string instruction traps after each repetition. The site is passed when all are done,
        // or it would be hit again by each.
        let repeats = stepped_off == Some(pc)
            && thread.wish == Wish::Run
            && is_repeated(&target.memory, arch, pc);
        if is_out_of_syscall || repeats {
            if sys::step(tid, None).is_ok() {
                thread.state = State::Running { how: How::Step, is_interrupted: false };
            }
            return;
        }
        let traps_itself = std::mem::take(&mut thread.traps_itself);
        // A repetition of an instruction in a slot leads back to where it belongs.
        if !std::mem::take(&mut thread.is_unfinished) {
            thread.passed = None;
        }
        let is_in_range = thread.range.is_some_and(|range| range.contains(pc));
        thread.is_in_range = is_in_range;
        if thread.wish == Wish::Step && !is_in_range {
            self.report(id, tid, StopReason::Step);
        }
        if kind == Kind::PopsFlags {
            self.take_trap_flag(id, tid);
        }
        if traps_itself {
            self.take_own_trap(id, tid, &info.with_address(pc), false);
        }
    }

    /// A thread has executed a site's trap instruction; its pc is back at the site.
    fn take_hit(&mut self, id: TargetId, tid: Tid, at: Address, registers: &GeneralRegisters) {
        let Some(target) = self.targets.get_mut(&id) else { return };
        let candidates = target.memory.lock().sites.candidates(at, tid, registers.sp());
        let mut conditions = Conditions::new(registers, &*target.memory);
        let mut hit = candidates;
        hit.retain(|candidate| conditions.hold(candidate.site, candidate.condition.as_deref()));
        let faults = conditions.into_faults();
        let ids: Vec<_> = hit.iter().map(|candidate| candidate.site).collect();
        let mut memory = target.memory.write();
        let mut sites = memory.sites.take_hits(at, &ids);
        let has = |wanted: Reason| {
            memory.sites.get(at).is_some_and(|site| site.reasons.contains(&wanted))
        };
        let (is_rendezvous, is_entry) = (has(Reason::Rendezvous), has(Reason::Entry));
        drop(memory);
        let is_whole = is_rendezvous
            && target
                .rendezvous
                .is_some_and(|rendezvous| modules::is_whole(&rendezvous, &*target.memory));
        target.modules_changed |= is_whole;
        if hit.iter().any(|candidate| !candidate.commands.is_empty()) {
            let hits = Hits { target: id, tid, registers, memory: &*target.memory };
            hits.print(&hit, &mut sites, &faults, &mut self.printer);
        }
        if target.awaits_initial_break && (is_entry || is_whole) {
            self.report(id, tid, StopReason::InitialBreak);
        } else if !sites.is_empty() {
            self.report_hit(id, tid, StopReason::Breakpoint { sites }, faults);
        } else if is_whole {
            self.take_announcement(id, tid);
        }
    }
}

/// Whether a signal is a key of a terminal that is none of the program's business. The debugger of
/// a shared terminal is told of its keys itself, and asks for the stop. A program in a process
/// group of its own, as a shell, has the keys to itself.
pub(super) fn is_key(target: &Target, info: &SigInfo) -> bool {
    target.shares_terminal
        && info.signal() == Some(Signal::SIGINT)
        && info.code() == SI_KERNEL
        && procfs::is_in_our_group(target.pid)
}

/// Whether the instruction at this address is one that traps after each of its repetitions.
fn is_repeated(memory: &TargetMemory, arch: Arch, at: Address) -> bool {
    let mut code = [0; instruction::HEAD_LEN];
    memory.read_head(at, &mut code);
    instruction::kind(arch, &code) == Kind::Repeats
}

/// Takes the trap flag, bit 8, out of the flags that an instruction has just put on the stack.
fn hide_trap_flag(memory: &TargetMemory, sp: Address) {
    let at = sp.wrapping_offset(1);
    let mut byte = [0];
    if memory.read_head(at, &mut byte) == 1 {
        // It has just been written by the program, so it can be written.
        let _ = memory.write().poke(at, &[byte[0] & !1]);
    }
}

/// The site that this thread is stepping off, if it is.
fn steps_off(target: &Target, tid: Tid) -> Option<Address> {
    match target.phase {
        Phase::SteppingOff { tid: stepping, site } if stepping == tid => Some(site),
        _ => None,
    }
}

/// Whether a trap at this address is a site's. While sites are lifted for a vforked child, threads
/// still report traps that they executed before; but where the program has a trap instruction of
/// its own, that is what it was.
fn is_site(target: &Target, at: Address) -> bool {
    let trap = target.arch.trap_instruction();
    let memory = target.memory.lock();
    memory.sites.get(at).is_some_and(|site| site.is_armed || !site.original.starts_with(trap))
}
