//! Having a thread of a target that stands still call a function, and putting it back as it was.
//! While the function runs the target runs as always, so that sites, threads and processes that it
//! makes, and system calls are what they always are; but whatever would stop the target ends the
//! call, and the client is answered instead of told.
//!
//! ```text
//!   [Stopped] ── begin ──► [Running] ◄──► [Stopping] ◄──► [SteppingOff]
//!       ▲                                     │ returned, or anything to tell
//!       └──── registers put back, answered ───┘
//! ```
//!
//! The function returns to an address at which nothing is mapped: the fault tells that it has, and
//! no byte of the target had to be written.

use std::time::{Duration, Instant};

use dbgbase::{Address, GeneralRegisters, Pid, Signal, TargetId, Tid};
use dbgwire::verbs::inject::{CallFunction, CallFunctionReply};
use dbgwire::{ErrorCode, Fault};

use super::super::registers::extended_set;
use super::super::sys::{self, SigInfo};
use super::super::target::{Phase, Target};
use super::super::thread::{DueSignal, How, Report, State, StopClass, Wish};
use super::super::tracer::Tracer;
use super::context::{Context, Mark};
use super::convention::{self, Calling, Interrupted};
use super::frame::{self, Frame, Stack, check_places};
use super::kept::Kept;
use super::reason::describe;
use super::threads;
use super::vehicle::Vehicle;
use crate::answer::Answer;
use crate::journal::EntryIndex;

/// A call of a function under way.
pub(in crate::ptrace) struct Call {
    tid: Tid,
    address: Address,
    run_others: bool,
    context: Context,
    /// Where the function returns to, and with which stack pointer.
    return_to: (Address, Address),
    stack: Stack,
    /// Whether an interrupted system call of the function has taken the place of the kernel's notes
    /// on the thread's own.
    has_lost_notes: bool,
    entries: Vec<EntryIndex>,
    kept: Vec<Kept>,
    /// Signals that waited for the thread before the call, and have not arrived in it.
    waiting: Vec<SigInfo>,
    /// What threads have still to tell of the stop before.
    stash: Vec<(Tid, Stash)>,
    /// The signal that the thread is to stop with at last.
    vehicle: Option<Vehicle>,
    /// Whether the thread has been let out of a group-stop for a fault, and belongs back into it.
    leaves_group_stop: bool,
    deadline: Option<(Instant, Duration)>,
    /// What came of it, once that is known.
    outcome: Option<Result<CallFunctionReply, Fault>>,
    answer: Answer<CallFunctionReply>,
}

/// What a thread had to tell and was to be given before the call.
#[derive(Default)]
struct Stash {
    report: Option<Report>,
    inject: Option<DueSignal>,
    held: std::collections::VecDeque<DueSignal>,
    passed: Option<Address>,
}

impl Call {
    /// Which thread calls.
    pub(in crate::ptrace) fn tid(&self) -> Tid {
        self.tid
    }

    /// Whether nothing is left but to put the thread back.
    pub(in crate::ptrace) fn is_over(&self) -> bool {
        self.outcome.is_some()
    }

    /// When it is not waited for any longer.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline.filter(|_| self.outcome.is_none()).map(|(deadline, _)| deadline)
    }

    /// Whether this is a signal that waited before the call. Each is so once.
    fn has_waited(&mut self, info: &SigInfo) -> bool {
        let index = self.waiting.iter().position(|waiting| waiting.is_same(info));
        index.map(|index| self.waiting.remove(index)).is_some()
    }

    /// Whether the function has raised a fault that is yet to be reported: an interruption comes
    /// first.
    fn hides_fault(&self) -> bool {
        let is_new = |info: &SigInfo| !self.waiting.iter().any(|waiting| waiting.is_same(info));
        sys::pending_faults(self.tid).iter().any(is_new)
    }

    /// Ends it, if nothing has yet.
    pub(in crate::ptrace) fn end(&mut self, why: &str) {
        let (address, tid) = (self.address, self.tid);
        let detail = format!("the function at {address} {why}; thread {tid} is as before the call");
        self.outcome.get_or_insert(Err(Fault::new(ErrorCode::CallUnwound, detail)));
    }
}

impl Tracer {
    /// Carries out the verb of that name.
    pub(in crate::ptrace) fn call_function(
        &mut self,
        request: CallFunction,
        bytes: bytes::Bytes,
        answer: Answer<CallFunctionReply>,
    ) {
        let id = TargetId::new(request.target);
        let wanted = (request.tid != 0).then(|| Tid::new(request.tid));
        let chosen = self.stopped(id).and_then(|target| {
            frame::check(&request, bytes.len())?;
            // What the function calls it calls as the program does, filter or not.
            threads::choose(target, wanted, true)
        });
        let tid = match chosen {
            Ok(tid) => tid,
            Err(fault) => return answer.fault(fault),
        };
        self.arrive(
            id,
            tid,
            Box::new(move |tracer, id, arrived| {
                let begun = arrived.and_then(|_| tracer.enter_function(id, tid, &request, &bytes));
                match begun {
                    Ok(prepared) => tracer.begin_call(id, tid, &request, prepared, answer),
                    Err(fault) => answer.fault(fault),
                }
            }),
        );
    }

    /// Gives a thread the registers and the stack with which the function begins; the journal has
    /// its own registers.
    fn enter_function(
        &mut self,
        id: TargetId,
        tid: Tid,
        request: &CallFunction,
        bytes: &[u8],
    ) -> Result<Prepared, Fault> {
        let target =
            self.targets.get_mut(&id).ok_or_else(|| super::super::tracer::no_such_target(id))?;
        let gone = |errno| threads::gone(tid, errno);
        let calling = known(target)?;
        let address = Address::new(request.address);
        let return_address = check_places(target, tid, address, calling)?;
        let own = sys::registers(tid, target.arch).map_err(gone)?;
        let frame = Frame::new(&own, calling, return_address, request, bytes)?;
        let context = Context::take(target, tid, Mark::Function(frame.sp)).map_err(gone)?;
        let written = target.memory.write().poke(frame.sp, &frame.bytes);
        if written.ok() != Some(frame.bytes.len()) {
            let (sp, len) = (frame.sp, frame.bytes.len());
            let detail = format!("the stack of thread {tid} has no room for {len} bytes at {sp}");
            return Err(Fault::new(ErrorCode::Unwritable, detail));
        }
        let process = (target.pid, target.start_time);
        let entries = context.journal(&mut self.journal, process, tid).map_err(|_| {
            Fault::new(ErrorCode::LimitReached, "the journal of this session is full")
        })?;
        let mut registers = context.registers;
        calling.prepare(&mut registers, address, frame.sp, &frame.arguments);
        let mut extended = context.extended.clone();
        calling.prepare_extended(target.arch, &mut extended);
        let mask = context.mask & !unblocked();
        let changed = sys::set_registers(tid, &registers)
            .and_then(|()| sys::set_register_set(tid, extended_set(target.arch), &mut extended))
            .and_then(|()| sys::set_signal_mask(tid, mask));
        if let Err(errno) = changed {
            // It is being killed, or nothing was changed: then this changes nothing either.
            let _ = context.put_back(target, tid, false);
            entries.into_iter().for_each(|entry| self.journal.remove(entry));
            return Err(gone(errno));
        }
        let return_to = (return_address, frame.sp.wrapping_offset(8));
        let stack = Stack::take(target, own.sp());
        Ok(Prepared { context, entries, return_to, stack })
    }

    /// Lets the thread run, and the others if they are to.
    fn begin_call(
        &mut self,
        id: TargetId,
        tid: Tid,
        request: &CallFunction,
        Prepared { context, entries, return_to, stack }: Prepared,
        answer: Answer<CallFunctionReply>,
    ) {
        self.wake(id);
        let Some(target) = self.targets.get_mut(&id) else { return };
        let mut stash = Vec::new();
        for thread in target.threads.values_mut() {
            let is_caller = thread.tid == tid;
            let has_news = thread.report.is_some() || thread.inject.is_some();
            let runs = is_caller || request.run_others && !has_news && !thread.hold.is_held();
            thread.wish = if runs { Wish::Run } else { Wish::Stay };
            thread.range = None;
            thread.is_in_range = false;
            if is_caller {
                thread.begins_in_syscall = false;
                let (inject, passed) = (thread.inject.take(), thread.passed.take());
                let held = std::mem::take(&mut thread.held);
                let report = thread.report.take();
                stash.push((tid, Stash { report, inject, held, passed }));
            } else if let Some(report) = thread.report.take() {
                let report = Some(report);
                stash.push((thread.tid, Stash { report, ..Stash::default() }));
            }
        }
        target.wish_of_newborn = if request.run_others { Wish::Run } else { Wish::Stay };
        let patience = Duration::from_millis(u64::from(request.patience_ms));
        let deadline = (!patience.is_zero()).then(|| (Instant::now() + patience, patience));
        target.call = Some(Box::new(Call {
            tid,
            address: Address::new(request.address),
            run_others: request.run_others,
            context,
            return_to,
            stack,
            has_lost_notes: false,
            entries,
            kept: Vec::new(),
            waiting: sys::pending(tid),
            stash,
            vehicle: None,
            leaves_group_stop: false,
            deadline,
            outcome: None,
            answer,
        }));
        target.phase = Phase::Running;
        self.dirty.insert(id);
    }

    /// Whether this thread is calling a function for the debugger.
    pub(in crate::ptrace) fn is_calling(&self, id: TargetId, tid: Tid) -> bool {
        self.call(id).is_some_and(|call| call.tid == tid)
    }

    fn call(&self, id: TargetId) -> Option<&Call> {
        self.targets.get(&id)?.call.as_deref()
    }

    pub(in crate::ptrace) fn call_mut(&mut self, id: TargetId) -> Option<&mut Call> {
        self.targets.get_mut(&id)?.call.as_deref_mut()
    }

    /// Takes in a signal of a thread that is calling a function, unless it is like any other: one
    /// by which the function has returned, one from outside, which is kept. Whether it was taken.
    pub(in crate::ptrace) fn take_signal_in_call(
        &mut self,
        id: TargetId,
        tid: Tid,
        signal: Signal,
        info: &SigInfo,
        how: How,
    ) -> bool {
        if !self.is_calling(id, tid) {
            return false;
        }
        let Ok(registers) = sys::registers(tid, self.arch) else { return true };
        self.note_lost_notes(id, &registers);
        let is_vehicle = self
            .call_mut(id)
            .and_then(|call| call.vehicle.as_mut())
            .is_some_and(|vehicle| vehicle.takes(signal, info));
        if self.take_return(id, tid, signal, info, &registers) {
            return true;
        }
        let was_waiting = self.call_mut(id).is_some_and(|call| call.has_waited(info));
        let Some(target) = self.targets.get(&id) else { return true };
        let Some(call) = target.call.as_deref() else { return true };
        // What an instruction of the thread's own has raised before, it will raise again.
        if info.is_fault() && was_waiting {
            return true;
        }
        if info.is_fault() || is_of_the_function(call, target.pid, info, was_waiting) {
            return false;
        }
        // A step off a site comes first, but for one that has come back to begin anew.
        let is_back = !matches!(target.phase, Phase::SteppingOff { .. })
            && target.threads.get(&tid).is_some_and(|thread| thread.passed.is_some());
        if !is_vehicle && let Some(call) = self.call_mut(id) {
            let mut kept = std::mem::take(&mut call.kept);
            let due = DueSignal { signal, info: Some(*info) };
            self.keep_signal(id, tid, due, &mut kept);
            if let Some(call) = self.call_mut(id) {
                call.kept = kept;
            }
        }
        if how == How::Step
            && !is_back
            && sys::step(tid, None).is_ok()
            && let Some(thread) = self.thread_mut(id, tid)
        {
            thread.state = State::Running { how, is_interrupted: false };
        }
        true
    }

    /// Notes the result if the thread has just returned from the function. Whether it has.
    fn take_return(
        &mut self,
        id: TargetId,
        tid: Tid,
        signal: Signal,
        info: &SigInfo,
        registers: &GeneralRegisters,
    ) -> bool {
        let arch = self.arch;
        let (Some(calling), Some(target)) = (convention::calling(arch), self.targets.get_mut(&id))
        else {
            return false;
        };
        let modules_changed = target.modules_changed;
        let Some(call) = target.call.as_deref_mut() else { return false };
        let is_there = (registers.pc(), registers.sp()) == call.return_to;
        if !(signal == Signal::SIGSEGV && info.is_fault() && is_there) {
            return false;
        }
        let [integer, integer_high] = calling.results.map(|register| registers.get(register));
        let extended = sys::register_set(tid, extended_set(arch)).unwrap_or_default();
        let vector = extended.get(calling.vector.clone()).unwrap_or_default().to_vec();
        let reply = CallFunctionReply { integer, integer_high, vector, modules_changed };
        call.outcome.get_or_insert(Ok(reply));
        true
    }

    /// Takes note of what a stop of the calling thread says of the kernel's notes.
    pub(in crate::ptrace) fn note_lost_notes(
        &mut self,
        id: TargetId,
        registers: &GeneralRegisters,
    ) {
        if let Some(call) = self.call_mut(id) {
            let by_notes =
                matches!(convention::interrupted(registers), Interrupted::ByNotes { .. });
            call.has_lost_notes |= by_notes;
        }
    }

    /// A thread is at a system call of its own. One by which a called function would end the thread
    /// is not made.
    pub(in crate::ptrace) fn take_syscall_in_call(&mut self, id: TargetId, tid: Tid) {
        if !self.is_calling(id, tid) {
            return;
        }
        if let Ok(registers) = sys::registers(tid, self.arch) {
            self.note_lost_notes(id, &registers);
        }
        if let Ok(sys::SyscallStop::Entry { number }) = sys::syscall_stop(tid)
            && let Some(convention) = convention::of(self.arch)
            && let Some(call) = self.call_mut(id)
        {
            call.has_lost_notes |= convention.leaves_notes_at_once(number);
            if convention.exits.contains(&number) {
                call.end("was about to end the thread or the process");
            }
        }
    }

    /// Every thread stands still in the middle of a call. If there is a reason to end it, that is
    /// done, or begun. Whether nothing else is to be decided now.
    pub(in crate::ptrace) fn settle_call(&mut self, id: TargetId) -> bool {
        let Some(target) = self.targets.get_mut(&id) else { return true };
        let Some(call) = target.call.as_deref_mut() else { return false };
        let tid = call.tid;
        if let Some(told) = target
            .threads
            .values()
            .filter_map(|thread| Some((thread.report.as_ref()?, thread)))
            .min_by_key(|(report, _)| report.sequence)
        {
            let (report, thread) = told;
            let at = sys::registers(thread.tid, target.arch).map(|registers| registers.pc());
            let whose = if thread.tid == tid { "" } else { "was left: another thread " };
            call.end(&format!("{whose}{}", describe(&report.reason, at.ok())));
        }
        if target.asked.any() {
            call.end("had not returned when the target was asked to stop");
        }
        let Some(thread) = target.threads.get_mut(&tid) else {
            call.end("has ended the thread");
            self.finish_call(id, false);
            return self.is_done_with(id);
        };
        if !call.is_over() {
            return false;
        }
        let State::Stopped(class) = thread.state else { return true };
        let stashed = call.stash.iter().find(|(of, _)| *of == tid).map(|(_, stash)| stash);
        let due = stashed.and_then(|stash| stash.inject.or(stash.held.front().copied()));
        let blocks = |signal: Signal| call.context.mask & bit(signal) != 0;
        let vehicle = due.map(|due| due.signal).filter(|signal| !blocks(*signal));
        match class {
            // It will not come back; its end is reported next.
            StopClass::Exit => {
                self.finish_call(id, false);
                return self.is_done_with(id);
            }
            StopClass::Syscall => self.leave_syscall(id, tid),
            // Left pending, it would be the program's: nothing is executed before it is reported.
            StopClass::Group | StopClass::Other if call.hides_fault() => {
                call.leaves_group_stop |= class == StopClass::Group;
                self.go_out(id, tid);
            }
            StopClass::SignalDelivery if std::mem::take(&mut call.leaves_group_stop) => {
                let _ = sys::interrupt(tid);
                self.go_out(id, tid);
            }
            // Only a stop with a signal takes the one that is due to it.
            StopClass::Other if call.vehicle.is_none() && vehicle.is_some() => {
                call.vehicle = vehicle.and_then(|signal| Vehicle::send(target.pid, tid, signal));
                self.go_out(id, tid);
            }
            StopClass::SignalDelivery | StopClass::Other
                if call.vehicle.is_some_and(Vehicle::is_awaited) =>
            {
                self.go_out(id, tid);
            }
            StopClass::SignalDelivery | StopClass::Group | StopClass::Other => {
                self.finish_call(id, true);
                return self.is_done_with(id);
            }
        }
        self.set_phase(id, Phase::Stopping);
        true
    }

    /// Whether nothing else is to be decided of a target whose call is over.
    fn is_done_with(&self, id: TargetId) -> bool {
        self.targets.get(&id).is_none_or(|target| {
            target.asked.detach.is_none() && matches!(target.phase, Phase::Stopped)
        })
    }

    /// Lets the thread out of a system call, which it does not make if it stands at the entry.
    fn leave_syscall(&mut self, id: TargetId, tid: Tid) {
        if let Ok(sys::SyscallStop::Entry { .. }) = sys::syscall_stop(tid)
            && let Ok(mut registers) = sys::registers(tid, self.arch)
        {
            convention::forget_call(&mut registers);
            // It fails only for a thread that has just been killed.
            let _ = sys::set_registers(tid, &registers);
        }
        let _ = sys::interrupt(tid);
        self.go_out(id, tid);
    }

    /// Puts everything back, answers, and leaves the target as it stood before the call. A thread
    /// that is gone, or another program's now, is not put back.
    fn finish_call(&mut self, id: TargetId, is_put_back: bool) {
        self.flush_terminal(id);
        let Some(target) = self.targets.get_mut(&id) else { return };
        let Some(call) = target.call.take() else { return };
        let Call { tid, context, has_lost_notes, entries, kept, stash, outcome, answer, .. } =
            *call;
        if is_put_back {
            if !matches!(outcome, Some(Ok(_))) {
                call.stack.put_back(target, tid, call.return_to);
            }
            // These fail only for a thread that has just been killed.
            let mask = sys::signal_mask(tid);
            let _ = context.put_back(target, tid, has_lost_notes);
            let _ = match (&outcome, mask) {
                // A function that has returned may have meant to change the mask.
                (Some(Ok(_)), Ok(mask)) => {
                    let mask = mask & !unblocked() | context.mask & unblocked();
                    sys::set_signal_mask(tid, mask)
                }
                _ => context.put_mask_back(tid),
            };
        }
        for thread in target.threads.values_mut().filter(|thread| thread.tid == tid) {
            (thread.report, thread.inject, thread.in_syscall) = (None, None, None);
            thread.held.clear();
        }
        for (of, stash) in stash {
            let Some(thread) = target.threads.get_mut(&of) else { continue };
            // What has come in the call is told first.
            thread.report = thread.report.take().or(stash.report);
            if of == tid {
                thread.inject = stash.inject;
                thread.held = stash.held;
                thread.passed = stash.passed;
            }
        }
        let runs_on = target.stand_after_call();
        target.phase = if runs_on { Phase::Running } else { Phase::Stopped };
        target.asked.interrupt = false;
        self.send_kept(id, tid, kept);
        entries.into_iter().for_each(|entry| self.journal.remove(entry));
        self.forget_signals(id);
        self.journal_signals(id);
        self.restless.insert(id);
        match outcome {
            Some(outcome) => answer.finish(outcome.map(|reply| (reply, bytes::Bytes::new()))),
            None => drop(answer),
        }
    }

    /// The target has ended in the middle of a call, or executes another program: nothing is put
    /// back.
    pub(in crate::ptrace) fn lose_call(&mut self, call: Option<Box<Call>>, why: &str) {
        let Some(call) = call else { return };
        let kept = call.kept.into_iter().filter_map(|kept| kept.entry);
        call.entries.into_iter().chain(kept).for_each(|entry| self.journal.remove(entry));
        let detail = format!("the function at {} {why}", call.address);
        call.answer.fault(Fault::new(ErrorCode::TargetEnded, detail));
    }

    /// Puts a thread back whose target is left at once, if it stands where that can be done.
    pub(super) fn abandon_call(&mut self, id: TargetId) {
        let Some(target) = self.targets.get_mut(&id) else { return };
        let Some(call) = target.call.as_deref_mut() else { return };
        call.end("had not returned when the target was left");
        let state = target.threads.get(&call.tid).map(|thread| thread.state);
        let is_good = |class| !matches!(class, StopClass::Syscall | StopClass::Exit);
        if matches!(state, Some(State::Stopped(class)) if is_good(class)) {
            self.finish_call(id, true);
        }
    }

    /// Ends the calls whose time is over.
    pub(super) fn end_late_calls(&mut self, now: Instant) {
        for target in self.targets.values_mut() {
            if let Some(call) = target.call.as_deref_mut()
                && let Some((deadline, patience)) = call.deadline
                && deadline <= now
                && !call.is_over()
            {
                call.end(&format!("did not return within {} ms", patience.as_millis()));
                self.dirty.insert(target.id);
            }
        }
    }
}

/// A thread that has the registers with which a function begins.
struct Prepared {
    context: Context,
    entries: Vec<EntryIndex>,
    return_to: (Address, Address),
    stack: Stack,
}

fn bit(signal: Signal) -> u64 {
    1 << (signal.number() - 1)
}

/// The signals by which the debugger learns what happens: where a thread blocks them, the kernel
/// would take away the program's handlers for them.
pub(super) fn unblocked() -> u64 {
    bit(Signal::SIGSEGV) | bit(Signal::SIGTRAP)
}

fn known(target: &Target) -> Result<&'static Calling, Fault> {
    convention::calling(target.arch).ok_or_else(|| {
        let detail = format!("functions of {} programs are not called yet", target.arch.name());
        Fault::new(ErrorCode::Unsupported, detail)
    })
}

/// Whether a signal comes from what the function does, not from outside.
fn is_of_the_function(call: &Call, pid: Pid, info: &SigInfo, was_waiting: bool) -> bool {
    // The C library's own, which its other threads wait for.
    let is_internal = matches!(info.signal().map(Signal::number), Some(32 | 33));
    let is_own = info.sender() == Some(pid) && !was_waiting;
    is_internal || is_own && (!call.run_others || info.is_sent_to_thread())
}
