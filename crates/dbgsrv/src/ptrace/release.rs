//! Letting the threads of a target run: with the signals that are due, what the CPU is to watch,
//! and over the site at which each stands. Whether they are to run is decided in `settle`.

use dbgbase::{Address, Arch, GeneralRegisters, Pid, TargetId};

use super::carry;
use super::deliver::due_signal;
use super::instruction::{self, Kind};
use super::memory::TargetMemory;
use super::probe::Step as ProbeStep;
use super::site::Carried;
use super::sys;
use super::target::{Phase, Target};
use super::thread::{How, State, StopClass, Thread, Wish};
use super::tracer::Tracer;
use super::trap_flag;
use super::watching;

/// How a thread leaves the armed site at which it stands.
pub(super) enum Over {
    /// In its own place: the site is disarmed for as long, and all other threads stand still.
    InPlace(Address),
    /// In a slot.
    Carried {
        /// Which site.
        site: Address,
        /// The thread's registers.
        registers: Box<GeneralRegisters>,
    },
}

/// The armed site that a stopped thread stands on and has to leave before it can run, and how.
pub(super) fn step_over(target: &Target, thread: &Thread) -> Option<Over> {
    let State::Stopped(class) = thread.state else { return None };
    let is_entering = class == StopClass::Syscall && thread.in_syscall.is_some();
    if thread.wish == Wish::Stay || class == StopClass::Group || is_entering {
        return None;
    }
    let memory = target.memory.lock();
    let is_armed = |at: &Address| memory.sites.get(*at).is_some_and(|site| site.is_armed);
    let passed = thread.passed.filter(is_armed);
    let may_restart = class != StopClass::Syscall && memory.sites.has_calls();
    if passed.is_none() && !may_restart {
        return None;
    }
    // A fault of the very instruction under the site would only be raised again by stepping; its
    // handler has to run first.
    let info = thread.next_due().and_then(|due| due.info);
    if info.is_some_and(|info| info.is_fault()) {
        return None;
    }
    let registers = sys::registers(thread.tid, target.arch).ok()?;
    // Not what is at the pc comes next, but an interrupted system call once more. That is no new
    // execution of it.
    if let Some(call) = sys::restarted_call(&registers) {
        return Some(call).filter(|call| may_restart && is_armed(call)).map(Over::InPlace);
    }
    let site = passed.filter(|site| *site == registers.pc())?;
    let carried = memory.sites.get(site).map(|site| site.carried);
    Some(match carried {
        Some(Carried::To(_)) if class != StopClass::Syscall => {
            Over::Carried { site, registers: Box::new(registers) }
        }
        _ => Over::InPlace(site),
    })
}

impl Tracer {
    /// Lets every stopped thread run as it is wished to.
    pub(super) fn release_all(&mut self, id: TargetId) {
        let Some(target) = self.targets.get_mut(&id) else { return };
        let mut waiting: Vec<_> = target.threads.values().map(|thread| thread.tid).collect();
        waiting.retain(|tid| {
            let thread = target.threads.get(tid);
            thread.is_some_and(|thread| thread.is_stopped() && thread.wish != Wish::Stay)
        });
        target.phase = Phase::Running;
        for tid in waiting {
            let Some(thread) = target.threads.get(&tid) else { continue };
            let over = step_over(target, thread);
            let (pid, arch, memory) = (target.pid, target.arch, &target.memory);
            let is_calling = target.call.as_deref().is_some_and(|call| call.tid() == tid);
            let (catches, reports_end) =
                (is_calling || target.caught.any(), target.policy.stops_at_ends);
            let Some(thread) = target.threads.get_mut(&tid) else { continue };
            if thread.reports_end != reports_end && sys::report_end(tid, reports_end).is_ok() {
                thread.reports_end = reports_end;
            }
            watching::prepare(&target.watches, thread, arch);
            if let Some(Over::Carried { site, registers }) = over {
                if !resume_carried(thread, memory, site, &registers, catches, pid) {
                    // It is stepped off in its place after all.
                    self.dirty.insert(id);
                }
                continue;
            }
            if thread.wish == Wish::Step
                && let Ok(registers) = sys::registers(tid, arch)
            {
                thread.stepped = kind_at(memory, registers.pc(), arch);
                trap_flag::note_own(thread, &registers);
            }
            resume(pid, thread, catches);
        }
        self.expects_news = true;
        self.reach(ProbeStep::Resumed);
    }
}

/// Lets a thread run over the site at which it stands, in a slot. Whether that is possible: the
/// program may have changed its code.
///
/// A signal that is due waits until the instruction is done: a handler that returned to the site
/// would be one that returns to a trap instruction.
fn resume_carried(
    thread: &mut Thread,
    memory: &TargetMemory,
    site: Address,
    registers: &GeneralRegisters,
    catches: bool,
    pid: Pid,
) -> bool {
    let arch = registers.arch();
    let is_sent = carry::send(thread, &memory.lock(), registers, site);
    if !is_sent {
        if let Some(site) = memory.write().sites.get_mut(site)
            && let Carried::To(at) = site.carried
        {
            site.carried = Carried::Stale(at);
        }
        return false;
    }
    thread.stepped = kind_at(memory, site, arch);
    trap_flag::note_own(thread, registers);
    let waits = thread.inject.is_some() || !thread.held.is_empty();
    // Behind an instruction that sets the trap flag the way back would be what traps.
    if !waits && (thread.wish == Wish::Step || thread.stepped != Kind::PopsFlags) {
        resume(pid, thread, catches);
        return true;
    }
    thread.hold_injected();
    thread.has_stepped = true;
    thread.passed = None;
    // The only failure is ESRCH: it has just been killed, and its end is reported next.
    let _ = sys::step(thread.tid, None);
    thread.state = State::Running { how: How::Step, is_interrupted: false };
    true
}

/// What is particular about stepping over the program's instruction at an address.
fn kind_at(memory: &TargetMemory, at: Address, arch: Arch) -> Kind {
    let mut code = [0; instruction::HEAD_LEN];
    memory.read_head(at, &mut code);
    instruction::kind(arch, &code)
}

/// Lets one stopped thread run, with the signals that are due to it, to its next system call if
/// those are caught.
pub(super) fn resume(pid: Pid, thread: &mut Thread, catches: bool) {
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
    let how = if thread.wish == Wish::Step && thread.begins_in_syscall && thread.is_at_event {
        // A step from here would leave the trap flag in a thread that waits for its vforked child,
        // where nothing takes it back should this process be killed.
        let _ = sys::run_to_syscall(tid, signal);
        How::OutOfSyscall
    } else if thread.wish == Wish::Step {
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
