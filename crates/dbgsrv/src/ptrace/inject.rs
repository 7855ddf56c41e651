//! Having a thread of a target that stands still make a system call, and putting it back as it was.
//! It knows the stops of a thread on its way into the kernel and out; which calls are made and what
//! becomes of their results, others know.
//!
//! ```text
//!   [Stopped] ── begin ──► Entering ── entry ──► Inside ── exit ──► Leaving ── event ──► [Stopped]
//!                             ▲ │                  │ begun anew        registers put back,
//!                             └─┴─── signals kept ◄┘                   signals sent anew, answered
//! ```
//!
//! The thread goes by PTRACE_SYSCALL and not by steps: a step ends with a SIGTRAP, and where a
//! thread blocks that the kernel takes its handler away (force_sig of the kernel's signal.c). It
//! leaves the kernel by PTRACE_INTERRUPT, in whose event-stop the registers are put back: there the
//! kernel has still to decide whether an interrupted call of the thread's own is begun anew, which
//! in a syscall-stop it would not do any more.

mod call;
pub(super) mod context;
mod convention;
mod frame;
mod kept;
mod memory;
mod place;
mod reason;
mod threads;
mod vehicle;

use std::time::{Duration, Instant};

use dbgbase::{Arch, Signal, TargetId, Tid};
use dbgwire::verbs::inject::{CALL_ARGUMENTS_MAX, InjectSyscall, InjectSyscallReply, PATIENCE_MS};
use dbgwire::{ErrorCode, Fault};
use rustix::event::Timespec;

use super::sys;
use super::target::{Phase, Target};
use super::thread::{DueSignal, How, State, StopClass};
use super::tracer::Tracer;
use super::wait::Stop;
use super::watching;
use crate::answer::Answer;
use crate::journal::EntryIndex;
pub(super) use call::Call;
use context::{Context, Mark};
pub(super) use convention::ends_itself;
use convention::{Convention, Interrupted};
use kept::Kept;
use vehicle::Vehicle;

/// What is done with the result of a call, or with the reason why there is none.
type Done = Box<dyn FnOnce(&mut Tracer, TargetId, Result<u64, Fault>) + Send>;

/// A system call that a thread is to make.
pub(super) struct Order {
    /// Which thread; `None` for one that can.
    pub(super) tid: Option<Tid>,
    /// The call's number.
    pub(super) number: u64,
    /// Its arguments.
    pub(super) arguments: [u64; CALL_ARGUMENTS_MAX],
    /// Whether also in a thread with a seccomp filter.
    pub(super) despite_seccomp: bool,
    /// How long it may block.
    pub(super) patience: Duration,
    /// Whether it is made because the target is about to be left, and not to be cut short by that.
    pub(super) is_parting: bool,
}

/// A system call under way.
pub(super) struct Injection {
    tid: Tid,
    /// The call's number and arguments; `None` if the thread is only to leave one of its own.
    call: Option<(u64, [u64; CALL_ARGUMENTS_MAX])>,
    stage: Stage,
    /// What the thread is put back to, once it has other registers.
    context: Option<Context>,
    entries: Vec<EntryIndex>,
    kept: Vec<Kept>,
    /// The signal that the thread is to stop with at last.
    vehicle: Option<Vehicle>,
    deadline: Instant,
    patience: Duration,
    is_parting: bool,
    cut: Option<Cut>,
    /// What came of it, once that is known.
    outcome: Option<Result<u64, Fault>>,
    done: Done,
}

/// How far the thread has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// It is on its way out of a call of its own.
    Arriving,
    /// It has been let go before the instruction.
    Entering,
    /// It has entered the kernel.
    Inside,
    /// It has made the call, or will not, and is on its way out.
    Leaving,
}

/// Why a call is not waited for any longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cut {
    /// It took too long.
    Patience,
    /// The client wants the target to stop, or to be left.
    Asked,
}

impl Injection {
    fn new(tid: Tid, call: Option<(u64, [u64; CALL_ARGUMENTS_MAX])>, done: Done) -> Injection {
        Injection {
            tid,
            call,
            stage: Stage::Arriving,
            context: None,
            entries: Vec::new(),
            kept: Vec::new(),
            vehicle: None,
            deadline: Instant::now(),
            patience: Duration::from_millis(u64::from(PATIENCE_MS)),
            is_parting: false,
            cut: None,
            outcome: None,
            done,
        }
    }

    /// What is answered.
    fn outcome(&mut self) -> Result<u64, Fault> {
        self.outcome.take().unwrap_or_else(|| {
            let (what, tid) = (self.what(), self.tid);
            let why = match self.cut {
                Some(Cut::Patience) => {
                    format!("did not return within {} ms", self.patience.as_millis())
                }
                _ => "had not returned when the target was asked to stop".to_owned(),
            };
            let detail = format!("{what} {why}; it was interrupted, and thread {tid} is as before");
            Err(Fault::new(ErrorCode::CallUnwound, detail))
        })
    }

    fn what(&self) -> String {
        match self.call {
            Some((number, _)) => format!("system call {number}"),
            None => "the system call in which it stopped".to_owned(),
        }
    }
}

impl Tracer {
    /// Carries out the verb of that name.
    pub(super) fn inject_syscall(
        &mut self,
        request: &InjectSyscall,
        answer: Answer<InjectSyscallReply>,
    ) {
        let id = TargetId::new(request.target);
        let order = self.stopped(id).map(|_| ()).and_then(|()| order(self.arch, request));
        match order {
            Ok(order) => self.begin_injection(
                id,
                &order,
                Box::new(|_, _, outcome| match outcome {
                    Ok(result) => answer.reply(InjectSyscallReply { result }),
                    Err(fault) => answer.fault(fault),
                }),
            ),
            Err(fault) => answer.fault(fault),
        }
    }

    /// Has a thread of a target, all of whose threads stand still, make a system call. `done` is
    /// called when that has come to its end, at once if it cannot begin.
    pub(super) fn begin_injection(&mut self, id: TargetId, order: &Order, done: Done) {
        let tid = match self.choose_thread(id, order) {
            Ok(tid) => tid,
            Err(fault) => return done(self, id, Err(fault)),
        };
        let call = Some((order.number, order.arguments));
        let (patience, is_parting) = (order.patience, order.is_parting);
        self.take_out(id, Injection { patience, is_parting, ..Injection::new(tid, call, done) });
    }

    /// Has a thread of a target that stands still leave the system call in whose middle it stands,
    /// if it does. It executes nothing of the program.
    fn arrive(&mut self, id: TargetId, tid: Tid, done: Done) {
        if self.is_inside(id, tid) {
            self.take_out(id, Injection::new(tid, None, done));
        } else {
            done(self, id, Ok(0));
        }
    }

    fn is_inside(&mut self, id: TargetId, tid: Tid) -> bool {
        self.thread_mut(id, tid)
            .is_some_and(|thread| thread.state == State::Stopped(StopClass::Syscall))
    }

    fn take_out(&mut self, id: TargetId, mut injection: Injection) {
        let tid = injection.tid;
        injection.deadline = Instant::now() + injection.patience;
        if let Some(target) = self.targets.get_mut(&id) {
            // The kernel's own accesses to what is watched are nobody's.
            watching::lift(target);
            target.phase = Phase::Injecting(Box::new(injection));
        }
        if self.is_inside(id, tid) {
            // Out of the call in whose middle it stands, which is its own.
            let _ = sys::interrupt(tid);
            self.go_out(id, tid);
        } else {
            self.enter(id, tid);
        }
    }

    fn choose_thread(&mut self, id: TargetId, order: &Order) -> Result<Tid, Fault> {
        let target = self.targets.get(&id).ok_or_else(|| super::tracer::no_such_target(id))?;
        known(target.arch)?;
        threads::choose(target, order.tid, order.despite_seccomp)
    }

    /// The thread stands where it can be given other registers: it is sent to the call.
    fn enter(&mut self, id: TargetId, tid: Tid) {
        let Some(injection) = self.injection(id) else { return };
        let outcome = match injection.call {
            Some((number, arguments)) => match self.enter_context(id, tid, number, arguments) {
                Ok(()) => return self.go_to_call(id, tid),
                Err(fault) => Err(fault),
            },
            None => Ok(0),
        };
        if let Some(injection) = self.injection(id) {
            injection.outcome = Some(outcome);
        }
        self.end_injection(id);
    }

    /// Gives a thread the registers with which it makes the call; the journal has its own.
    fn enter_context(
        &mut self,
        id: TargetId,
        tid: Tid,
        number: u64,
        arguments: [u64; CALL_ARGUMENTS_MAX],
    ) -> Result<(), Fault> {
        let Some(target) = self.targets.get_mut(&id) else { return Ok(()) };
        let convention = known(target.arch)?;
        let place = place::find(target, convention)?;
        target.call_place = Some(place);
        let gone = |errno| threads::gone(tid, errno);
        let context = Context::take(target, tid, Mark::Call(place)).map_err(gone)?;
        threads::check_notes(target, tid, &context, number, convention)?;
        let process = (target.pid, target.start_time);
        let entries = context.journal(&mut self.journal, process, tid).map_err(|_| {
            Fault::new(ErrorCode::LimitReached, "the journal of this session is full")
        })?;
        let mut registers = context.registers;
        convention.prepare(&mut registers, number, arguments);
        registers.set_pc(place);
        let Phase::Injecting(injection) = &mut target.phase else { return Ok(()) };
        injection.stage = Stage::Entering;
        injection.entries = entries;
        injection.context = Some(context);
        sys::set_registers(tid, &registers).map_err(gone)
    }

    /// Whether this thread is making a system call for the debugger.
    pub(super) fn is_injected(&self, id: TargetId, tid: Tid) -> bool {
        let phase = self.targets.get(&id).map(|target| &target.phase);
        matches!(phase, Some(Phase::Injecting(injection)) if injection.tid == tid)
    }

    /// Takes in a stop of that thread.
    pub(super) fn take_injected(&mut self, id: TargetId, tid: Tid, stop: Stop) {
        let Some(thread) = self.thread_mut(id, tid) else { return };
        thread.state = State::Stopped(super::report::class_of(stop));
        if stop == Stop::VforkDone {
            // The end of a call of its own, out of which it is on its way.
            self.take_vfork_done(id, tid);
        }
        let Some(injection) = self.injection(id) else { return };
        let (stage, is_cut) = (injection.stage, injection.cut.is_some());
        match (stage, stop) {
            // It is being killed.
            (_, Stop::Exit) => self.go_out(id, tid),
            (_, Stop::Signal(signal)) => self.take_signal_injected(id, tid, signal),
            (_, Stop::Group(signal)) => {
                let detail = format!("{signal} has stopped the process in the middle of the call");
                let fault = Fault::new(ErrorCode::CallUnwound, detail);
                injection.outcome.get_or_insert(Err(fault));
                self.end_injection(id);
            }
            (Stage::Arriving, Stop::Event) if is_cut => self.end_injection(id),
            (Stage::Arriving, Stop::Event) => self.enter(id, tid),
            // The filter that refused the call has a signal for the thread still; or it has one
            // that it is to stop with.
            (Stage::Leaving, _) if injection.vehicle.is_some() || sys::has_pending_refusal(tid) => {
                self.go_out(id, tid);
            }
            (Stage::Leaving, _) => self.end_injection(id),
            (Stage::Entering, Stop::Syscall) if is_cut => {
                if let Ok(mut registers) = sys::registers(tid, self.arch) {
                    convention::forget_call(&mut registers);
                    // It fails only for a thread that has just been killed.
                    let _ = sys::set_registers(tid, &registers);
                }
                self.leave_call(id, tid);
            }
            (Stage::Entering, Stop::Syscall) => {
                injection.stage = Stage::Inside;
                self.go_to_call(id, tid);
            }
            (Stage::Inside, Stop::Syscall) => self.take_exit(id, tid),
            (Stage::Entering, _) if is_cut => self.leave_call(id, tid),
            (Stage::Arriving, _) => {
                // The kernel takes any stop for the one that was asked for before.
                let _ = sys::interrupt(tid);
                self.go_out(id, tid);
            }
            (Stage::Entering | Stage::Inside, _) => self.go_to_call(id, tid),
        }
    }

    /// The kernel is about to give the thread the call's result.
    fn take_exit(&mut self, id: TargetId, tid: Tid) {
        let arch = self.arch;
        let Some(injection) = self.injection(id) else { return };
        let (Ok(registers), Some(convention)) = (sys::registers(tid, arch), convention::of(arch))
        else {
            return; // It has just been killed; its end is reported next.
        };
        let is_cut = injection.cut.is_some();
        if convention::interrupted(&registers) == Interrupted::No {
            let result = convention.result(&registers);
            if !(is_cut && convention::is_interruption(result)) {
                injection.outcome = Some(Ok(result));
            }
        } else if !is_cut {
            // What interrupted it is kept, and the kernel begins it anew.
            injection.stage = Stage::Entering;
            return self.go_to_call(id, tid);
        }
        self.leave_call(id, tid);
    }

    /// A signal has reached the thread. It is kept, but if the CPU, or a filter of system calls,
    /// raised it at the call.
    fn take_signal_injected(&mut self, id: TargetId, tid: Tid, signal: Signal) {
        // Without siginfo the thread has just been killed; its end is reported next.
        let Ok(info) = sys::siginfo(tid) else { return };
        let place = self.targets.get(&id).and_then(|target| target.call_place);
        let Some(injection) = self.injection(id) else { return };
        if info.is_fault() {
            // What another instruction has raised before, it will raise again.
            let is_earlier = signal != Signal::SIGSYS && info.address() != place;
            if is_earlier && injection.stage == Stage::Entering && injection.cut.is_none() {
                return self.go_to_call(id, tid);
            }
            let what = injection.what();
            let detail = format!("{what} was not made: the thread got {signal}; it is as before");
            injection.outcome = Some(Err(Fault::new(ErrorCode::CallUnwound, detail)));
            return self.end_injection(id);
        }
        if !injection.vehicle.as_mut().is_some_and(|vehicle| vehicle.takes(signal, &info)) {
            let mut kept = std::mem::take(&mut injection.kept);
            self.keep_signal(id, tid, DueSignal { signal, info: Some(info) }, &mut kept);
            let Some(injection) = self.injection(id) else { return };
            injection.kept = kept;
        }
        let Some(injection) = self.injection(id) else { return };
        match injection.stage {
            Stage::Leaving if injection.vehicle.is_some_and(Vehicle::is_awaited) => {
                self.go_out(id, tid);
            }
            Stage::Leaving => self.end_injection(id),
            _ if injection.cut.is_some() => self.end_injection(id),
            Stage::Arriving => self.enter(id, tid),
            Stage::Entering | Stage::Inside => self.go_to_call(id, tid),
        }
    }

    /// Lets the thread run to the entry of the call, or from there to its exit.
    fn go_to_call(&mut self, id: TargetId, tid: Tid) {
        // A thread that cannot be let go has just been killed; its end is reported next.
        let _ = sys::run_to_syscall(tid, None);
        if let Some(thread) = self.thread_mut(id, tid) {
            thread.state = State::Running { how: How::ToSyscall, is_interrupted: false };
        }
    }

    /// Lets the thread out of the kernel, to where its registers can be put back. It executes
    /// nothing.
    ///
    /// If a signal is due to it, that it was told of before, it is made to stop with such a one:
    /// only then can it be given that as it runs on, whatever else has come meanwhile.
    fn leave_call(&mut self, id: TargetId, tid: Tid) {
        let Some(target) = self.targets.get_mut(&id) else { return };
        let (pid, thread) = (target.pid, target.threads.get(&tid));
        let due = thread.and_then(|thread| thread.next_due().copied());
        let Phase::Injecting(injection) = &mut target.phase else { return };
        injection.stage = Stage::Leaving;
        let blocks = |signal: &Signal| {
            let mask = injection.context.as_ref().map_or(0, |context| context.mask);
            mask & (1 << (signal.number() - 1)) != 0
        };
        injection.vehicle = due
            .map(|due| due.signal)
            .filter(|signal| !blocks(signal))
            .and_then(|signal| Vehicle::send(pid, tid, signal));
        if injection.vehicle.is_none() {
            // The only failure is ESRCH: it is dying, and its end is reported next.
            let _ = sys::interrupt(tid);
        }
        self.go_out(id, tid);
    }

    /// Lets the thread run to the stop that it has been asked for.
    fn go_out(&mut self, id: TargetId, tid: Tid) {
        // A thread that cannot be let go has just been killed; its end is reported next.
        let _ = sys::cont(tid, None);
        if let Some(thread) = self.thread_mut(id, tid) {
            thread.state = State::Running { how: How::Free, is_interrupted: true };
        }
    }

    /// The call of a target is not waited for any longer if anything has been asked of it.
    pub(super) fn settle_injection(&mut self, id: TargetId) {
        let is_asked = self.targets.get(&id).is_some_and(|target| target.asked.any());
        if is_asked && self.injection(id).is_some_and(|injection| !injection.is_parting) {
            self.cut(id, Cut::Asked);
        }
    }

    fn cut(&mut self, id: TargetId, cut: Cut) {
        let Some(injection) = self.injection(id) else { return };
        if injection.cut.is_some() {
            return;
        }
        injection.cut = Some(cut);
        if injection.stage != Stage::Arriving {
            // The only failure is ESRCH: it is dying, and its end is reported next.
            let _ = sys::interrupt(injection.tid);
            return;
        }
        // It has been asked to stop, and does not: it waits for a child that borrows its memory
        // (vfork(2)). The client is told when it does.
        let Some(mut injection) = self.take_injection(id) else { return };
        if let Some(target) = self.targets.get_mut(&id) {
            target.asked.interrupt = true;
            target.phase = Phase::Stopping;
        }
        let outcome = injection.outcome();
        self.finish_injection(id, injection, outcome);
    }

    /// The thread stands where its registers can be put back: that is done, and whoever asked is
    /// answered. The target stands still, as before.
    fn end_injection(&mut self, id: TargetId) {
        let Some(mut injection) = self.take_injection(id) else { return };
        let Some(target) = self.targets.get_mut(&id) else { return };
        if let Some(context) = &injection.context {
            let leaves_notes = |number| {
                convention::of(target.arch)
                    .is_some_and(|convention| convention.leaves_notes_at_once(number))
            };
            let has_lost_notes = injection.call.is_some_and(|(number, _)| leaves_notes(number));
            // It fails only for a thread that has just been killed.
            let _ = context.put_back(target, injection.tid, has_lost_notes);
        }
        target.asked.interrupt = false;
        let kept = std::mem::take(&mut injection.kept);
        self.send_kept(id, injection.tid, kept);
        let outcome = injection.outcome();
        self.finish_injection(id, injection, outcome);
    }

    /// The target has ended, or the thread has, in the middle of the call.
    pub(super) fn lose_injection(&mut self, id: TargetId, injection: Injection) {
        let (what, tid) = (injection.what(), injection.tid);
        let detail = format!("thread {tid} ended in the middle of {what}");
        let fault = Fault::new(ErrorCode::TargetEnded, detail);
        self.finish_injection(id, injection, Err(fault));
    }

    fn finish_injection(
        &mut self,
        id: TargetId,
        injection: Injection,
        outcome: Result<u64, Fault>,
    ) {
        let kept = injection.kept.into_iter().filter_map(|kept| kept.entry);
        injection.entries.into_iter().chain(kept).for_each(|entry| self.journal.remove(entry));
        (injection.done)(self, id, outcome);
        if self.targets.contains_key(&id) {
            self.dirty.insert(id);
        }
    }

    /// Puts a thread back whose target is left at once, if it stands where that can be done.
    /// Otherwise what is in the journal is done when this session has ended.
    pub(super) fn abandon_injection(&mut self, id: TargetId) {
        self.abandon_call(id);
        let Some(injection) = self.injection(id) else { return };
        let tid = injection.tid;
        let is_still = |target: &Target| {
            target.threads.get(&tid).is_some_and(|thread| {
                matches!(thread.state, State::Stopped(class) if class != StopClass::Syscall)
            })
        };
        if self.targets.get(&id).is_some_and(is_still) {
            self.end_injection(id);
        }
    }

    fn injection(&mut self, id: TargetId) -> Option<&mut Injection> {
        match &mut self.targets.get_mut(&id)?.phase {
            Phase::Injecting(injection) => Some(injection),
            _ => None,
        }
    }

    /// Takes the call out of a target that stands still from then on.
    pub(super) fn take_injection(&mut self, id: TargetId) -> Option<Injection> {
        let target = self.targets.get_mut(&id)?;
        match std::mem::replace(&mut target.phase, Phase::Stopped) {
            Phase::Injecting(injection) => Some(*injection),
            other => {
                target.phase = other;
                None
            }
        }
    }

    /// How long it is to the next moment at which a call is not waited for any longer.
    pub(super) fn next_deadline(&self) -> Option<Timespec> {
        let deadline = |target: &Target| match &target.phase {
            Phase::Injecting(injection) => injection.cut.is_none().then_some(injection.deadline),
            _ => None,
        };
        let of_call = |target: &Target| target.call.as_deref().and_then(Call::deadline);
        let calls = self.targets.values().filter_map(of_call);
        let next = self.targets.values().filter_map(deadline).chain(calls).min()?;
        let left = next.saturating_duration_since(Instant::now());
        Some(Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) })
    }

    /// Interrupts calls whose time is over.
    pub(super) fn cut_late_injections(&mut self) {
        let now = Instant::now();
        self.end_late_calls(now);
        let is_late = |target: &&Target| match &target.phase {
            Phase::Injecting(injection) => injection.deadline <= now,
            _ => false,
        };
        let late: Vec<TargetId> =
            self.targets.values().filter(is_late).map(|target| target.id).collect();
        for id in late {
            self.cut(id, Cut::Patience);
        }
    }
}

/// The call that a request asks for.
fn order(arch: Arch, request: &InjectSyscall) -> Result<Order, Fault> {
    let number = request.number;
    if let Some((name, why)) = known(arch)?.refusal(number) {
        let detail = format!("system call {number} ({name}) is not injected: {why}");
        return Err(Fault::new(ErrorCode::NotPermitted, detail));
    }
    let count = request.arguments.len();
    let mut arguments = [0; CALL_ARGUMENTS_MAX];
    if count > arguments.len() {
        let detail = format!("{count} arguments; a system call has at most {CALL_ARGUMENTS_MAX}");
        return Err(Fault::new(ErrorCode::TooLarge, detail));
    }
    for (argument, value) in arguments.iter_mut().zip(&request.arguments) {
        *argument = *value;
    }
    let patience_ms = if request.patience_ms == 0 { PATIENCE_MS } else { request.patience_ms };
    Ok(Order {
        tid: (request.tid != 0).then(|| Tid::new(request.tid)),
        number,
        arguments,
        despite_seccomp: request.despite_seccomp,
        patience: Duration::from_millis(u64::from(patience_ms)),
        is_parting: false,
    })
}

/// How calls are made on this CPU.
fn known(arch: Arch) -> Result<&'static Convention, Fault> {
    convention::of(arch).ok_or_else(|| {
        let detail = format!("calls are not injected into {} programs yet", arch.name());
        Fault::new(ErrorCode::Unsupported, detail)
    })
}
