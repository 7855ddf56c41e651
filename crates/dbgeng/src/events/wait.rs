//! The wait for the next event: arrivals are taken one by one, judged, and told once all targets
//! stand still. It decides nothing about a stop itself; that is `verdict`'s business.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dbgbase::{Address, Pid, StopNumber, StopReason, TargetId, Tid};
use dbgwire::event::{Exited, Signalled, Stopped};
use dbgwire::message::sentence;
use dbgwire::verbs::module::ModuleDescription;
use dbgwire::verbs::resume::Interrupt;
use dbgwire::{AnyEvent, ErrorCode, Fault, convert};

use super::verdict::{Stop, SyscallValues, Verdict, asks_dispositions, judge, signal_of};
use super::{DebugEvent, EventKind, StopCause};
use crate::client::Arrival;
use crate::dispositions::Dispositions;
use crate::engine::Answers;
use crate::process::Run;
use crate::{Engine, Error, ErrorKind, Interest, ProcessNumber, Undecided};

impl Engine {
    /// Waits until something happens that the user is to be told of. Breakpoints with passes left,
    /// sites that are not for the thread that reached them, and the stops a step over a call is
    /// made of are dealt with inside.
    ///
    /// **Shape**: `None` if `timeout` passes first; the wait may be taken up again, as it is behind
    /// [`EventKind::Passed`]. The process of any other event is then the current one, and the
    /// thread its current thread. A lost link is told once, as an event.
    /// **Errors**: `NoTarget` if nothing is debugged, `Invalid` if nothing runs, `NotConnected`
    /// after a lost link was told, and what the server answers if it could not let a target run.
    /// **Cost**: none but the wait; one round trip more if several targets have to be stopped.
    pub fn wait_for_event(
        &mut self,
        timeout: Option<Duration>,
    ) -> Result<Option<DebugEvent>, Error> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            if let Some(event) = self.passed.pop_front() {
                return Ok(Some(event));
            }
            if let Some(event) = self.event_to_tell() {
                return Ok(Some(event));
            }
            let is_idle = !self.is_running();
            self.pass_on_interrupt();
            let deadline = if is_idle { Some(Instant::now()) } else { deadline };
            match self.client.next(deadline) {
                Some(arrival) => {
                    if let Some(event) = self.arrived(arrival)? {
                        return Ok(Some(event));
                    }
                }
                None if is_idle => return Err(self.nothing_runs()),
                None => return Ok(None),
            }
        }
    }

    fn nothing_runs(&self) -> Error {
        if let Err(error) = self.check_connected() {
            error
        } else if self.processes.is_empty() {
            Error::no_target()
        } else {
            Error::new(ErrorKind::Invalid, "nothing runs, so nothing will happen; execute first")
        }
    }

    /// The next pending event, once all targets stand still.
    fn event_to_tell(&mut self) -> Option<DebugEvent> {
        if self.is_running() {
            return None;
        }
        let mut event = self.pending.pop_front()?;
        let alone = self.alone.take();
        self.cut_short = self.plan.take().map(|plan| (plan, alone));
        if event.kind == EventKind::Stopped(StopCause::Interrupted) {
            self.tell_of_current(&mut event, alone);
        }
        if event.kind != EventKind::Stopped(StopCause::Step) {
            // A stop was wanted, and here is one.
            self.interrupt.store(false, Ordering::Release);
        }
        if let EventKind::Stopped(StopCause::Breakpoints(ids)) = &event.kind {
            self.breakpoints.told(ids);
        }
        if let (EventKind::Stopped(_), Some((thread, _))) = (&event.kind, event.thread) {
            self.context.event = Some((event.process, thread));
            self.context.current = self.context.event;
        }
        Some(event)
    }

    /// All targets were interrupted; the user is told of the one he looks at, and of the thread
    /// that ran `alone`.
    fn tell_of_current(&self, event: &mut DebugEvent, alone: Option<(ProcessNumber, Tid)>) {
        let Some((number, thread)) = self.context.current else { return };
        let Some(process) = self.processes.get(&number) else { return };
        if let Some((_, tid)) = alone.filter(|(alone, _)| *alone == event.process)
            && let Some(thread) = process.threads.with_tid(tid)
        {
            event.thread = Some((thread.number, tid));
            return;
        }
        let is_told_later = self.pending.iter().any(|pending| pending.process == number);
        if number == event.process || is_told_later {
            return;
        }
        if let Ok(thread) = process.thread(thread) {
            event.process = number;
            event.pid = process.pid;
            event.thread = Some((thread.number, thread.tid));
        }
    }

    /// Stops what runs, if the user asked for it.
    fn pass_on_interrupt(&mut self) {
        if self.interrupt.load(Ordering::Acquire) {
            self.interrupt_targets(true);
        }
    }

    /// Tells running targets to stop, each once. Those whose first stop is under way stop by
    /// themselves, so only the user's wish is passed on to them.
    fn interrupt_targets(&mut self, starting_too: bool) {
        for process in self.processes.values_mut() {
            let is_interrupted = match &mut process.run {
                Run::Starting { is_interrupted } if starting_too => is_interrupted,
                Run::Running { is_interrupted, .. } => is_interrupted,
                _ => continue,
            };
            if !std::mem::replace(is_interrupted, true) {
                self.client.post(&Interrupt { target: process.target.value(), tids: Vec::new() });
            }
        }
    }

    /// Takes one arrival. Returns events of the connection, which are told at once.
    pub(crate) fn arrived(&mut self, arrival: Arrival) -> Result<Option<DebugEvent>, Error> {
        match arrival {
            Arrival::Event(event, tail) => self.happened(*event, &tail),
            Arrival::Lost(_) if self.has_ended => Ok(None),
            Arrival::Lost(reason) => Ok(Some(self.disconnected(EventKind::LinkLost(reason)))),
            Arrival::Refused { id, fault } => self.refused(id, fault).map(|()| None),
            Arrival::Nudged => Ok(None),
        }
    }

    fn happened(&mut self, event: AnyEvent, tail: &Bytes) -> Result<Option<DebugEvent>, Error> {
        match event {
            AnyEvent::Stopped(stopped) => self.stopped(stopped, tail)?,
            AnyEvent::Exited(exited) => self.exited(exited),
            AnyEvent::Ending(ending) => {
                self.has_ended = true;
                return Ok(Some(
                    self.disconnected(EventKind::ServerEnding(sentence(&ending.reason))),
                ));
            }
            AnyEvent::Output(output) => {
                let number = self.number_of(TargetId::new(output.target));
                if let (Some(number), Some(callback)) = (number, &mut self.output) {
                    callback(number, tail);
                }
            }
            AnyEvent::ModulesChanged(changed) => {
                if let Some(number) = self.number_of(TargetId::new(changed.target)) {
                    self.modules_changed(number, changed.modules);
                }
            }
            AnyEvent::Created(created) => self.adopt(&created),
            AnyEvent::Signalled(signalled) => self.signalled(&signalled),
            // Sites of this engine have no commands.
            AnyEvent::Printed(_) => {}
        }
        Ok(None)
    }

    fn stopped(&mut self, mut stopped: Stopped, tail: &Bytes) -> Result<(), Error> {
        let Some(number) = self.number_of(TargetId::new(stopped.target)) else { return Ok(()) };
        // A target that stands still does not stop; what says so is repeated or late.
        let Some(process) = self.processes.get_mut(&number).filter(|process| process.is_running())
        else {
            return Ok(());
        };
        // A reason that makes no sense is still a stop.
        let reason = convert::reason(&stopped).unwrap_or(StopReason::Interrupted);
        let is_birth = process.parent.is_some() && process.stop == StopNumber::default();
        let has_executed = reason == StopReason::Exec;
        if has_executed {
            process.armed.clear();
            process.threads.release();
            self.breakpoints.executed(number);
            if let Some(plan) = &mut self.plan {
                plan.executed(number);
            }
        }
        let has_new_modules = process.stopped(&mut stopped, tail);
        let tid = Tid::new(stopped.tid);
        let dispositions = match asks_dispositions(&reason, &self.filters) {
            true => Dispositions::read(&self.client, process.pid).ok(),
            false => None,
        };
        let shares_terminal = self.server.shares_terminal();
        let signal = signal_of(&reason, tid, shares_terminal, &self.filters, dispositions);
        process.set_signal(signal);
        if has_new_modules || has_executed {
            self.resolve_breakpoints(number);
        }
        let answers = self.ask_conditions(number, tid, &reason, &stopped.condition_faults);
        self.judge_stop(number, tid, &reason, answers, is_birth, dispositions)
    }

    /// A thread has stopped, which is told once all targets stand still.
    pub(crate) fn tell(
        &mut self,
        number: ProcessNumber,
        tid: Tid,
        cause: StopCause,
        undecided: Vec<Undecided>,
    ) {
        let Some(process) = self.processes.get(&number) else { return };
        let thread = process.threads.with_tid(tid).map(|thread| (thread.number, tid));
        let (pid, kind) = (process.pid, EventKind::Stopped(cause));
        self.pending.push_back(DebugEvent { process: number, pid, thread, kind, undecided });
        self.interrupt_targets(false);
    }

    fn judge_stop(
        &mut self,
        number: ProcessNumber,
        tid: Tid,
        reason: &StopReason,
        answers: Answers,
        is_birth: bool,
        dispositions: Option<Dispositions>,
    ) -> Result<(), Error> {
        let Answers { unmet, mut undecided } = answers;
        let Some(process) = self.processes.get_mut(&number) else { return Ok(()) };
        let registers = process.registers.known(tid);
        let stop = Stop {
            process: number,
            tid,
            pc: registers.map(|registers| registers.pc()),
            sp: registers.map(|registers| registers.sp()),
            syscall: registers.map(|registers| SyscallValues::of(&registers)).unwrap_or_default(),
            reason,
            filters: &self.filters,
            dispositions,
            is_birth,
            is_linking: process.modules.has_linker(),
            unmet: &unmet,
            is_break_wanted: self.interrupt.load(Ordering::Acquire),
            others_stopped: !self.pending.is_empty(),
        };
        match judge(&stop, self.plan.as_ref(), &mut self.breakpoints) {
            Verdict::Tell(cause) => {
                if cause == StopCause::Interrupted {
                    // Also where it was a signal: the key was meant for the debugger.
                    process.set_signal(None);
                }
                match &cause {
                    StopCause::Breakpoints(reached) => {
                        undecided.retain(|undecided| reached.contains(&undecided.breakpoint));
                        self.stopped_at_code(number, tid, reached);
                    }
                    StopCause::TemporaryBreakpoint => {
                        undecided.clear();
                        self.stopped_at_code(number, tid, &[]);
                    }
                    _ => undecided.clear(),
                }
                self.tell(number, tid, cause, undecided);
                Ok(())
            }
            Verdict::Pass(cause) => {
                let thread = process.threads.with_tid(tid).map(|thread| (thread.number, tid));
                let kind = EventKind::Passed(cause);
                let (pid, undecided) = (process.pid, Vec::new());
                let event = DebugEvent { process: number, pid, thread, kind, undecided };
                self.passed.push_back(event);
                if self.pending.is_empty() { self.resume(&[number]) } else { Ok(()) }
            }
            Verdict::StepOn if self.step_on(number, tid, reason)? => {
                self.tell(number, tid, StopCause::Step, Vec::new());
                Ok(())
            }
            Verdict::StepOn | Verdict::RunOn => self.resume(&[number]),
            Verdict::Stay => Ok(()),
        }
    }

    /// The server tells that a process has other modules, without a stop. Breakpoints are resolved
    /// anew when it stands still: who waits for one to be there has asked for a stop.
    pub(crate) fn modules_changed(
        &mut self,
        number: ProcessNumber,
        described: Vec<ModuleDescription>,
    ) {
        let Some(process) = self.processes.get_mut(&number) else { return };
        process.modules.update(described);
        process.has_moved_symbols = true;
        if !process.is_running() {
            self.resolve_breakpoints(number);
            return;
        }
        process.has_new_modules = true;
        if self.filters.modules != Interest::Ignore {
            let (pid, kind) = (process.pid, EventKind::Passed(StopCause::ModulesChanged));
            let (thread, undecided) = (None, Vec::new());
            self.passed.push_back(DebugEvent { process: number, pid, thread, kind, undecided });
        }
    }

    /// A target that runs on was given a signal.
    fn signalled(&mut self, signalled: &Signalled) {
        let Some(number) = self.number_of(TargetId::new(signalled.target)) else { return };
        let Some(process) = self.processes.get(&number) else { return };
        let Some(detail) = &signalled.signal else { return };
        let Some(signal) = convert::signal(detail.number) else { return };
        let cause = StopCause::Signal {
            signal,
            code: detail.code,
            address: detail.address.map(Address::new),
            sender: detail.sender.map(Pid::new),
            is_second_chance: false,
        };
        let tid = Tid::new(signalled.tid);
        let thread = process.threads.with_tid(tid).map(|thread| (thread.number, tid));
        let (pid, kind) = (process.pid, EventKind::Passed(cause));
        let event = DebugEvent { process: number, pid, thread, kind, undecided: Vec::new() };
        self.passed.push_back(event);
    }

    fn exited(&mut self, exited: Exited) {
        let Some(number) = self.number_of(TargetId::new(exited.target)) else { return };
        let Some(process) = self.forget(number) else { return };
        // A status that makes no sense is still an end.
        let status = convert::exit_status(&exited).unwrap_or(dbgbase::ExitStatus::Exited(0));
        let kind = match exited.left {
            left if left.is_empty() => EventKind::Exited(status),
            left => EventKind::Left(left),
        };
        let (pid, undecided) = (process.pid, Vec::new());
        self.pending.push_back(DebugEvent { process: number, pid, thread: None, kind, undecided });
        self.interrupt_targets(false);
    }

    /// A request that lets a target run was refused after all.
    fn refused(&mut self, id: u32, fault: Fault) -> Result<(), Error> {
        let is_its = |run: Run| matches!(run, Run::Running { resume, .. } if resume == id);
        let Some(process) = self.processes.values_mut().find(|process| is_its(process.run)) else {
            return Ok(());
        };
        if matches!(fault.code, ErrorCode::TargetEnded | ErrorCode::NoSuchTarget) {
            return Ok(()); // Its end is told by an event.
        }
        process.not_resumed();
        let name = process.name.clone();
        self.plan = None;
        Err(Error::from(fault).context(format!("{name} does not run on")))
    }

    /// Nothing is debugged any more over this connection.
    fn disconnected(&mut self, kind: EventKind) -> DebugEvent {
        let current = self.context.current.and_then(|(number, _)| self.processes.get(&number));
        let (process, pid) = current
            .map_or((ProcessNumber(0), Pid::default()), |process| (process.number, process.pid));
        self.processes.clear();
        self.terminal.target.store(0, Ordering::Release);
        self.pending.clear();
        self.plan = None;
        self.context = Default::default();
        self.breakpoints = Default::default();
        DebugEvent { process, pid, thread: None, kind, undecided: Vec::new() }
    }
}
