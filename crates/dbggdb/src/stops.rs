//! What the server tells: stops, ends, births, output. It decides what of it the debugger is told,
//! and when: in all-stop mode only once everything stands still. It knows no packet but the stop
//! reply.

use dbgbase::{ExitStatus, Pid, Signal, StopReason, TargetId, Tid};
use dbgwire::event::{Created, Exited, Stopped};
use dbgwire::verbs::resume::{Interrupt, Resume, RunKind, ThreadAction};
use dbgwire::{AnyEvent, Fault, convert};

use crate::breakpoints::Kind;
use crate::hex;
use crate::report::{News, Report};
use crate::session::{Session, SessionError};
use crate::target::Target;

/// How much output is kept for a debugger that does not listen.
const UNHEARD_LEN_MAX: usize = 1024 * 1024;
/// How much output goes into one packet. Old debuggers take no more than 400 bytes of payload.
const OUTPUT_LEN: usize = 180;

impl Session {
    /// Acts on an event.
    pub(crate) fn take_event(&mut self, event: AnyEvent, tail: &[u8]) -> Result<(), SessionError> {
        match event {
            AnyEvent::Stopped(stopped) => {
                self.take_stop(&stopped, tail);
                self.settle()
            }
            AnyEvent::Exited(exited) => {
                self.take_end(&exited)?;
                self.settle()
            }
            AnyEvent::Created(created) => {
                self.take_birth(created);
                Ok(())
            }
            AnyEvent::Output(_) | AnyEvent::Printed(_) => self.say(tail),
            AnyEvent::ModulesChanged(changed) => {
                if let Some(target) = self.targets.get_mut(&TargetId::new(changed.target)) {
                    target.modules = changed.modules;
                }
                Ok(())
            }
            AnyEvent::Ending(ending) => {
                self.lose(format!("the process server ends: {}", ending.reason))
            }
            // Nobody asks for these.
            AnyEvent::Signalled(_) => Ok(()),
        }
    }

    fn take_stop(&mut self, event: &Stopped, tail: &[u8]) {
        let id = TargetId::new(event.target);
        let Some(target) = self.targets.get_mut(&id) else { return };
        target.take_stop(self.server.arch, event, tail);
        let was_interrupted = std::mem::take(&mut target.is_interrupted);
        let reason = convert::reason(event).unwrap_or(StopReason::Interrupted);
        let (pid, tid) = (target.pid, Tid::new(event.tid));
        let news = match reason {
            StopReason::Interrupted if was_interrupted => return,
            StopReason::Born => return self.note_born(pid),
            StopReason::InitialBreak if target.last_report.is_some() => {
                // A program that the target executed has its libraries: debuggers see to that
                // themselves.
                return self.run_on(id);
            }
            StopReason::ModulesChanged => return self.run_on(id),
            StopReason::Exec => {
                target.note_exec();
                News::Exec(program(target))
            }
            reason => news_of(reason, target),
        };
        let report = Report { pid, tid, news };
        match &report.news {
            News::Forked { child, .. } if self.is_being_born(*child) => self.births.push(report),
            _ => self.reports.push_back(report),
        }
    }

    /// Whether a process is a target that has not stopped yet.
    fn is_being_born(&self, pid: Pid) -> bool {
        self.targets.values().any(|target| target.pid == pid && target.stop.value() == 0)
    }

    fn take_birth(&mut self, created: Created) {
        let id = TargetId::new(created.target);
        let mut target = Target::new(id, Pid::new(created.pid), created.created);
        if let Some(parent) = self.targets.get(&TargetId::new(created.parent)) {
            target.modules.clone_from(&parent.modules);
            target.symbols.clone_from(&parent.symbols);
        }
        self.targets.insert(id, target);
    }

    /// A process that was made stands still: its maker's report is complete.
    fn note_born(&mut self, child: Pid) {
        let is_its =
            |report: &Report| matches!(report.news, News::Forked { child: of, .. } if of == child);
        if let Some(at) = self.births.iter().position(is_its) {
            self.reports.push_back(self.births.remove(at));
        }
    }

    fn take_end(&mut self, exited: &Exited) -> Result<(), SessionError> {
        let Some(target) = self.targets.remove(&TargetId::new(exited.target)) else {
            return Ok(());
        };
        let pid = target.pid;
        if !exited.left.is_empty() {
            let text = format!("dbggdb: process {pid} is left: {}\n", exited.left);
            self.say(text.as_bytes())?;
        }
        self.births.retain(|report| report.pid != pid);
        let status = match exited.signal.and_then(convert::signal) {
            Some(signal) => ExitStatus::Killed(signal),
            None => ExitStatus::Exited(exited.status.unwrap_or(0) as u8),
        };
        self.reports.push_back(Report { pid, tid: Tid::from(pid), news: News::Ended(status) });
        Ok(())
    }

    /// Lets a target that stopped for nobody run on.
    fn run_on(&mut self, id: TargetId) {
        let Some(target) = self.targets.get_mut(&id) else { return };
        let action = ThreadAction { run: RunKind::Continue as i32, ..ThreadAction::default() };
        let request = Resume {
            target: id.value(),
            stop: target.stop.value(),
            actions: vec![action],
            ..Resume::default()
        };
        let tids: Vec<Tid> = target.threads.keys().copied().collect();
        target.note_running(tids);
        self.resumes += 1;
        target.resume_request = Some(self.client.post(&request));
    }

    /// A request is refused whose reply nobody waited for.
    pub(crate) fn take_refusal(&mut self, id: u32, fault: &Fault) -> Result<(), SessionError> {
        let mut targets = self.targets.values_mut();
        let Some(target) = targets.find(|target| target.resume_request == Some(id)) else {
            return self.say(format!("dbggdb: {fault}\n").as_bytes());
        };
        target.resume_request = None;
        target.breakpoints.undo_changes();
        target.is_running = false;
        target.threads.values_mut().for_each(|thread| thread.is_running = false);
        let report =
            Report { pid: target.pid, tid: target.event_thread, news: News::Stopped(None) };
        self.say(format!("dbggdb: cannot resume: {fault}\n").as_bytes())?;
        self.reports.push_back(report);
        self.settle()
    }

    /// Tells the debugger what is to be told, once everything stands still.
    pub(crate) fn settle(&mut self) -> Result<(), SessionError> {
        if self.reports.is_empty() || !self.expects_stop {
            return Ok(());
        }
        let mut is_still = true;
        for target in self.targets.values_mut().filter(|target| target.is_running) {
            is_still = false;
            // A process that is being born stops of itself.
            if !target.is_interrupted && target.stop.value() != 0 {
                target.is_interrupted = true;
                self.client.post(&Interrupt { target: target.id.value(), tids: Vec::new() });
            }
        }
        if !is_still || !self.births.is_empty() {
            return Ok(());
        }
        let Some(report) = self.reports.pop_front() else { return Ok(()) };
        self.expects_stop = false;
        self.selected = Some((report.pid, report.tid));
        if let Ok(id) = self.target_of(report.pid) {
            if let Some(target) = self.targets.get_mut(&id) {
                target.last_report = Some(report.clone());
            }
            if self.dialogue.threads_in_stop_reply {
                // What cannot be known now is not told; the stop is.
                let _ = self.know_threads_wholly(id);
            }
        }
        let payload = self.stop_reply(&report);
        self.reply(&payload)
    }

    /// Stops whatever runs, because the debugger asked for it.
    pub(crate) fn interrupt_all(&mut self) {
        for target in self.targets.values().filter(|target| target.is_running) {
            self.client.post(&Interrupt { target: target.id.value(), tids: Vec::new() });
        }
    }

    /// The payload of a stop reply, with all general registers, so that nobody has to ask.
    pub(crate) fn stop_reply(&self, report: &Report) -> Vec<u8> {
        let mut registers = Vec::new();
        if let Ok(id) = self.target_of(report.pid)
            && let Some(target) = self.targets.get(&id)
            && let Some(thread) = target.threads.get(&report.tid)
            && let Some(general) = &thread.general
        {
            let description = &self.server.description;
            let known = description.registers().iter().filter_map(|register| {
                Some((register.number, description.read(register, general, &[])?))
            });
            registers.extend(known);
        }
        report.payload(&self.dialogue, &registers, &self.stop_details(report))
    }

    /// Shows text to the people at the debugger, now or when it listens.
    pub(crate) fn say(&mut self, text: &[u8]) -> Result<(), SessionError> {
        let room = UNHEARD_LEN_MAX.saturating_sub(self.unheard.len());
        self.unheard.extend(text.iter().take(room));
        self.send_unheard()
    }

    /// Shows what was kept, if the debugger listens.
    pub(crate) fn send_unheard(&mut self) -> Result<(), SessionError> {
        if !self.expects_stop {
            return Ok(());
        }
        for part in std::mem::take(&mut self.unheard).chunks(OUTPUT_LEN) {
            self.reply(format!("O{}", hex::encode(part)).as_bytes())?;
        }
        Ok(())
    }
}

/// What the debugger is told of a reason to stop.
fn news_of(reason: StopReason, target: &Target) -> News {
    match reason {
        StopReason::Attached => News::Attached,
        StopReason::Interrupted => News::Interrupted,
        StopReason::InitialBreak => News::Started,
        StopReason::Step => News::Stepped,
        StopReason::Breakpoint { sites } => {
            let place = sites.iter().find_map(|id| target.breakpoints.place_of(*id));
            News::Breakpoint(place.map_or(Kind::Software, |place| place.kind))
        }
        StopReason::Watchpoint { sites, address } => {
            let place = sites.iter().find_map(|id| target.breakpoints.place_of(*id));
            News::Watchpoint(place.map_or(Kind::Write, |place| place.kind), address)
        }
        StopReason::Signal { signal, .. } => News::Stopped(Some(signal)),
        StopReason::Forked { child, borrows } => News::Forked { child, borrows },
        StopReason::SyscallEntry { number } => News::SyscallEntry(number),
        StopReason::SyscallExit { number } => News::SyscallExit(number),
        StopReason::ThreadBorn => News::ThreadBorn,
        StopReason::ThreadEnding { status } => News::ThreadEnded(status),
        // The program's own trap.
        _ => News::Stopped(Some(Signal::SIGTRAP)),
    }
}

/// The path of the program that a target is.
fn program(target: &Target) -> Vec<u8> {
    let program = target.modules.iter().find(|module| module.is_program);
    program.map(|module| module.path.clone()).unwrap_or_default()
}
