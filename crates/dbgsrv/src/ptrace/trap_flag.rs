//! The trap flag, by which x86 executes one instruction: getting it out of a thread where the
//! kernel does not. It knows threads and their stops, not why they were stepped.
//!
//! The kernel sets the flag for a step, remembers that it was the tracer's, and clears it when the
//! tracer lets the thread run on or leaves it. It forgets that in two cases. When the tracer dies
//! nothing is cleared. And a step over an instruction that loads the flags, `popf` or `iret`, makes
//! the flag the program's own: if another step follows at once, or the thread stops before it has
//! executed the instruction, the flag stays for good and the program dies of it
//! (`enable_single_step` in arch/x86/kernel/step.c).

use dbgbase::x86_64::{EFLAGS, TRAP_FLAG};
use dbgbase::{Arch, GeneralRegisters, Pid, Signal, TargetId, Tid};

use super::instruction::Kind;
use super::procfs;
use super::sys;
use super::thread::{How, State, StopClass, Thread};
use super::tracer::Tracer;
use super::wait::{self, Stop, WaitStatus};

/// How often to look for a report, which is there almost at once, before asking why there is none.
const LOOKS: u32 = 100;

impl Tracer {
    /// Takes the trap flag out of every thread of a target that has been stepped.
    pub(super) fn take_trap_flags(&mut self, id: TargetId) {
        let Some(target) = self.targets.get(&id) else { return };
        let stepped = target.threads.values().filter(|thread| thread.has_trap_flag);
        let mut stepped: Vec<Tid> = stepped.map(|thread| thread.tid).collect();
        // One that makes a system call for the debugger has none any more.
        stepped.retain(|tid| !self.is_injected(id, *tid));
        for tid in stepped {
            self.take_trap_flag(id, tid);
        }
    }

    /// Takes the trap flag out of a stopped thread, by letting it run into another stop before it
    /// executes anything.
    pub(super) fn take_trap_flag(&mut self, id: TargetId, tid: Tid) {
        let Some(thread) = self.thread_mut(id, tid) else { return };
        let is_mobile =
            matches!(thread.state, State::Stopped(StopClass::SignalDelivery | StopClass::Other));
        if !is_mobile || sys::interrupt(tid).and_then(|()| sys::cont(tid, None)).is_err() {
            return; // What cannot be let go has just been killed; its end is reported next.
        }
        thread.state = State::Running { how: How::Free, is_interrupted: true };
        let Some(status) = next_report_of(tid) else { return };
        let Some(thread) = self.thread_mut(id, tid) else { return };
        if status == WaitStatus::Stopped(Stop::Event) {
            sys::forget_steps(tid);
            (thread.has_stepped, thread.has_trap_flag) = (false, false);
            thread.state = State::Stopped(StopClass::Other);
        } else {
            self.take_report(tid, status);
        }
    }
}

/// Takes note, as a thread is about to be stepped, of whether it steps itself: then the trap behind
/// the instruction is also one that the program waits for. The kernel shows the flag only where it
/// is the program's.
pub(super) fn note_own(thread: &mut Thread, registers: &GeneralRegisters) {
    let is_x86 = registers.arch() == Arch::X86_64;
    thread.traps_itself = is_x86 && registers.get(EFLAGS) & TRAP_FLAG != 0;
}

/// Takes note that a thread has stopped, after it was let go so.
pub(super) fn take_stop(thread: &mut Thread, stop: Stop, how: How, arch: Arch) {
    thread.has_trap_flag = how == How::Step;
    let has_executed = stop == Stop::Signal(Signal::SIGTRAP);
    if how != How::Step || has_executed || thread.stepped != Kind::PopsFlags {
        return;
    }
    // The flag is not the tracer's any more, so it is there to be seen, and to be taken away.
    let Ok(mut registers) = sys::registers(thread.tid, arch) else { return };
    let flags = registers.get(EFLAGS) & !TRAP_FLAG;
    registers.set(EFLAGS, flags);
    // It fails only for a thread that has just been killed.
    let _ = sys::set_registers(thread.tid, &registers);
}

/// The report of a thread that is about to stop or to end. None if it is a leader that has ended
/// and whose other threads live, of which nothing is reported yet.
fn next_report_of(tid: Tid) -> Option<WaitStatus> {
    loop {
        for _ in 0..LOOKS {
            if let Some(status) = wait::try_report_of(tid) {
                return Some(status);
            }
            std::thread::yield_now();
        }
        if procfs::is_zombie(Pid::new(tid.value()), tid) {
            return None;
        }
    }
}
