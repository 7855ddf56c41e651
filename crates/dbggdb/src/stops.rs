//! What the server tells: stops, ends, births, output. It decides what of it the debugger is told,
//! and when: in all-stop mode only once everything stands still. It knows no packet but the stop
//! reply.

use dbgbase::{ExitStatus, Pid, Signal, StopReason, TargetId, Tid};
use dbgwire::event::{Created, Exited, Printed, Stopped};
use dbgwire::verbs::resume::{Interrupt, RunKind, ThreadAction};
use dbgwire::{AnyEvent, Fault, convert};

use crate::breakpoints::Kind;
use crate::catching::Caught;
use crate::error::PacketError;
use crate::hex;
use crate::report::{News, Report};
use crate::resume::{Action, Run};
use crate::session::{Session, SessionError};
use crate::target::{Resumption, Target};

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
                self.take_birth(&created);
                Ok(())
            }
            AnyEvent::Output(_) => self.say(tail),
            AnyEvent::Printed(printed) => self.take_printed(&printed, tail),
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

    /// Commands of a breakpoint have printed, or could not.
    fn take_printed(&mut self, printed: &Printed, text: &[u8]) -> Result<(), SessionError> {
        if printed.lost > 0 {
            let text = format!("dbggdb: {} prints of breakpoints are lost\n", printed.lost);
            self.say(text.as_bytes())?;
        }
        self.say(text)?;
        let Some(fault) = printed.fault.as_ref() else { return Ok(()) };
        let fault = convert::condition_fault(fault);
        let target = self.targets.get(&TargetId::new(printed.target));
        let place = target.and_then(|target| target.breakpoints.place_of(fault.site));
        let place = place.map_or(String::new(), |place| format!(" at {}", place.address));
        let what = if printed.command == 0 { "condition" } else { "command" };
        let text = format!("dbggdb: the {what} of the breakpoint{place}: {}\n", fault.trouble);
        self.say(text.as_bytes())
    }

    fn take_stop(&mut self, event: &Stopped, tail: &[u8]) {
        let id = TargetId::new(event.target);
        let Some(target) = self.targets.get_mut(&id) else { return };
        let is_first = target.stop.value() == 0;
        target.take_stop(self.server.arch, event, tail);
        let was_interrupted = std::mem::take(&mut target.is_interrupted);
        let reason = convert::reason(event).unwrap_or(StopReason::Interrupted);
        let (pid, tid) = (target.pid, Tid::new(event.tid));
        if target.is_shell {
            match self.take_shell_stop(id, &reason) {
                true => self.send_stop_mode(id),
                false => return,
            }
            let news = News::Started;
            return self.reports.push_back(Report { pid, tid, news });
        }
        if is_first {
            self.begin_at_first_stop(id);
            self.note_born(pid);
        }
        let Some(news) = self.news_of_stop(id, tid, reason, was_interrupted) else { return };
        let report = Report { pid, tid, news };
        match &report.news {
            News::Forked { child, .. } if self.is_being_born(*child) => self.births.push(report),
            _ => self.reports.push_back(report),
        }
    }

    /// What a stop is for the debugger. Nothing, if it is not the debugger's business.
    fn news_of_stop(
        &mut self,
        id: TargetId,
        tid: Tid,
        reason: StopReason,
        was_interrupted: bool,
    ) -> Option<News> {
        let is_non_stop = self.dialogue.non_stop;
        let target = self.targets.get_mut(&id)?;
        match reason {
            StopReason::Interrupted if was_interrupted => return None,
            StopReason::Interrupted if is_non_stop => return Some(News::Stopped(None)),
            StopReason::Born => return None,
            StopReason::InitialBreak if target.last_report.is_some() => {
                if target.is_stepping(tid) {
                    return Some(News::Stepped);
                }
                // A program that the target executed has its libraries: debuggers see to that
                // themselves.
                self.run_on(id, tid, None);
                return None;
            }
            StopReason::ModulesChanged => {
                self.run_on(id, tid, None);
                return None;
            }
            StopReason::Exec => {
                target.note_exec();
                let path = target.program().map(|program| program.path.clone()).unwrap_or_default();
                self.send_caught(id);
                return Some(News::Exec(path));
            }
            StopReason::Forked { child, borrows: true } if !self.is_known(child) => {
                self.note_borrower(child, id, tid);
            }
            StopReason::Forked { child, .. } if self.is_target(child) => {}
            StopReason::Forked { .. } => {
                // It shares the memory without being waited for, and cannot be followed.
                self.run_on(id, tid, None);
                return None;
            }
            StopReason::VforkDone { child } => self.note_memory_back(child),
            StopReason::ThreadEnding { .. } if self.is_last(id, tid) => {
                // The end of the process is told.
                self.run_on(id, tid, None);
                return None;
            }
            _ => {}
        }
        let target = self.targets.get(&id)?;
        Some(news_of(reason, target))
    }

    /// Whether all other threads of a target have ended, as far as the debugger has been told.
    ///
    /// **Cost**: one round trip, if no other is known and nobody has asked.
    fn is_last(&mut self, id: TargetId, tid: Tid) -> bool {
        let is_alone = |target: &Target| target.living_threads().all(|living| *living == tid);
        // If they cannot be known, the end is told: that does no harm.
        self.targets.get(&id).is_some_and(is_alone)
            && self.know_threads(id).is_ok()
            && self.targets.get(&id).is_some_and(is_alone)
    }

    /// A shell stands still that was started for the sake of a program. Whether it is the program
    /// by now; otherwise it runs on.
    fn take_shell_stop(&mut self, id: TargetId, reason: &StopReason) -> bool {
        let Some(target) = self.targets.get_mut(&id) else { return false };
        let tid = target.event_thread;
        if *reason == StopReason::Exec {
            target.note_exec();
            target.is_shell = false;
            self.send_interests(id);
            return true;
        }
        let signal = match reason {
            StopReason::Signal { signal, .. } => Some(*signal),
            _ => None,
        };
        self.run_on(id, tid, signal);
        false
    }

    /// Tells the server of a target that stands still for the first time what it has to stand
    /// still for.
    fn begin_at_first_stop(&mut self, id: TargetId) {
        self.send_stop_mode(id);
        if self.targets.get(&id).is_some_and(|target| target.caught != Caught::Nothing) {
            self.send_caught(id);
        }
    }

    /// Whether a process is a target.
    pub(crate) fn is_target(&self, pid: Pid) -> bool {
        self.targets.values().any(|target| target.pid == pid)
    }

    /// Whether the debugger has been told of a stop of this process.
    fn is_known(&self, pid: Pid) -> bool {
        let mut targets = self.targets.values();
        targets.any(|target| target.pid == pid && target.last_report.is_some())
    }

    /// Whether a process is a target that has not stopped yet.
    fn is_being_born(&self, pid: Pid) -> bool {
        self.targets.values().any(|target| target.pid == pid && target.stop.value() == 0)
    }

    fn take_birth(&mut self, created: &Created) {
        let (id, pid) = (TargetId::new(created.target), Pid::new(created.pid));
        if !self.take_borrower(pid, id) {
            return;
        }
        let mut target = Target::new(id, pid, created.created);
        if let Some(parent) = self.targets.get(&TargetId::new(created.parent)) {
            target.modules.clone_from(&parent.modules);
            target.symbols.clone_from(&parent.symbols);
            target.caught.clone_from(&parent.caught);
            target.stops_alone = parent.stops_alone;
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
        // Its birth is told all the same if it has not lived to its first stop.
        self.note_born(pid);
        if !exited.left.is_empty() {
            let text = format!("dbggdb: process {pid} is left: {}\n", exited.left);
            self.say(text.as_bytes())?;
        }
        self.births.retain(|report| report.pid != pid);
        self.reports.retain(|report| report.pid != pid);
        if target.is_shell {
            return self.refuse_run();
        }
        let status = match exited.signal.and_then(convert::signal) {
            Some(signal) => ExitStatus::Killed(signal),
            None => ExitStatus::Exited(exited.status.unwrap_or(0) as u8),
        };
        self.reports.push_back(Report { pid, tid: Tid::from(pid), news: News::Ended(status) });
        Ok(())
    }

    /// The shell that was to execute a program has ended instead; it has said why.
    fn refuse_run(&mut self) -> Result<(), SessionError> {
        if !self.expects_stop {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&std::mem::take(&mut self.unheard)).into_owned();
        let program = self.launching.program();
        let text = format!("the shell did not execute {program}: {}", said.trim_end());
        let error = PacketError::message(text);
        (self.expects_stop, self.is_beginning) = (false, false);
        let payload = error.payload(&self.dialogue, true);
        self.reply(&payload)
    }

    /// Lets a target that stopped for nobody run on as it was let run before, its thread `tid` with
    /// a signal.
    fn run_on(&mut self, id: TargetId, tid: Tid, signal: Option<Signal>) {
        let Some(target) = self.targets.get_mut(&id) else { return };
        let run = RunKind::Continue as i32;
        let all = ThreadAction { run, ..ThreadAction::default() };
        let action = target.action_of(tid).unwrap_or(all);
        let signal = signal.map_or(0, |signal| signal.number() as u32);
        let mut actions = vec![ThreadAction { tid: tid.value(), signal, ..action }];
        let mut tids = vec![tid];
        if !target.stops_alone {
            // Threads that have ended since are not to be named.
            let is_there = |tid: u32| tid == 0 || target.threads.contains_key(&Tid::new(tid));
            let is_other = |action: &&ThreadAction| action.tid != tid.value();
            let others = target.actions.iter().filter(is_other);
            let others = others.filter(|action| is_there(action.tid));
            actions.extend(others.map(|action| ThreadAction { signal: 0, ..*action }));
            if target.actions.is_empty() {
                actions.push(all);
            }
            tids.extend(target.threads.keys().copied());
        }
        self.post_resume(id, actions, tids);
    }

    /// A request is refused whose reply nobody waited for.
    pub(crate) fn take_refusal(&mut self, id: u32, fault: &Fault) -> Result<(), SessionError> {
        if !self.take_refused_resume(id) {
            return self.say(format!("dbggdb: {fault}\n").as_bytes());
        }
        self.say(format!("dbggdb: cannot resume: {fault}\n").as_bytes())?;
        self.settle()
    }

    /// Threads that were to run by this request have not moved: that is a stop. Whether there are
    /// any.
    fn take_refused_resume(&mut self, request: u32) -> bool {
        for target in self.targets.values_mut() {
            let is_it = |resumption: &Resumption| resumption.request == request;
            let Some(at) = target.resumptions.iter().position(is_it) else { continue };
            let Resumption { tids, undo, .. } = target.resumptions.remove(at);
            target.breakpoints.undo(undo);
            let stops_alone = target.stops_alone;
            let stands = |tid: &Tid| !stops_alone || tids.contains(tid);
            for (_, thread) in target.threads.iter_mut().filter(|(tid, _)| stands(tid)) {
                thread.is_running = false;
            }
            target.is_running = target.threads.values().any(|thread| thread.is_running);
            let told = if stops_alone { tids } else { vec![target.event_thread] };
            let report = |tid| Report { pid: target.pid, tid, news: News::Stopped(None) };
            self.reports.extend(told.into_iter().map(report));
            return true;
        }
        false
    }

    /// Tells the debugger what is to be told: in all-stop mode once everything stands still.
    pub(crate) fn settle(&mut self) -> Result<(), SessionError> {
        self.send_unheard()?;
        if self.dialogue.non_stop && !self.expects_stop {
            return self.notify();
        }
        if !self.expects_stop || !self.has_due_report() {
            return Ok(());
        }
        if !self.dialogue.non_stop && !self.stands_still() {
            return Ok(());
        }
        let due = self.reports.iter().position(|report| is_due(report, &self.resumed));
        let Some(report) = due.and_then(|at| self.reports.remove(at)) else { return Ok(()) };
        (self.expects_stop, self.is_beginning) = (false, false);
        self.selected = Some((report.pid, report.tid));
        self.note_told(report.clone());
        if self.dialogue.threads_in_stop_reply
            && let Ok(id) = self.target_of(report.pid)
        {
            // What cannot be known now is not told; the stop is.
            let _ = self.know_threads_wholly(id);
        }
        let payload = self.stop_reply(&report);
        self.reply(&payload)?;
        // The reply to `vRun` may leave something to notify of.
        if self.dialogue.non_stop { self.notify() } else { Ok(()) }
    }

    /// Whether there is something to tell of what the debugger has let run.
    pub(crate) fn has_due_report(&mut self) -> bool {
        self.drop_stale_reports();
        self.reports.iter().any(|report| is_due(report, &self.resumed))
    }

    /// Whether nothing runs; what does is interrupted.
    fn stands_still(&mut self) -> bool {
        let mut is_still = true;
        for target in self.targets.values_mut().filter(|target| target.is_running) {
            is_still = false;
            // A process that is being born stops of itself.
            if !target.is_interrupted && target.stop.value() != 0 {
                target.is_interrupted = true;
                self.client.post(&Interrupt { target: target.id.value(), tids: Vec::new() });
            }
        }
        is_still && self.births.is_empty()
    }

    /// Drops reports of breakpoints that the debugger has taken out since.
    fn drop_stale_reports(&mut self) {
        let targets = &self.targets;
        self.reports.retain(|report| {
            let News::Breakpoint(_) = report.news else { return true };
            let target = targets.values().find(|target| target.pid == report.pid);
            let pc = target.and_then(|target| target.threads.get(&report.tid)?.general);
            let Some((target, general)) = target.zip(pc) else { return true };
            target.breakpoints.wants(general.pc())
        });
    }

    /// Takes note of what the debugger is told.
    pub(crate) fn note_told(&mut self, report: Report) {
        self.borrowers.remove(&report.pid);
        let mut targets = self.targets.values_mut();
        let Some(target) = targets.find(|target| target.pid == report.pid) else { return };
        if let Some(thread) = target.threads.get_mut(&report.tid) {
            thread.told = Some(report.news.clone());
            thread.is_ending = matches!(report.news, News::ThreadEnded(_));
        }
        target.last_report = Some(report);
    }

    /// Stops whatever runs, because the debugger asked for it.
    pub(crate) fn interrupt_all(&mut self) {
        // Whatever stops now is what the debugger waits for.
        self.resumed.clear();
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
        if !self.expects_stop || self.is_beginning {
            return Ok(());
        }
        for part in std::mem::take(&mut self.unheard).chunks(OUTPUT_LEN) {
            self.reply(format!("O{}", hex::encode(part)).as_bytes())?;
        }
        Ok(())
    }
}

/// Whether the debugger is to be told now: what it has not let run it is not told of, but ends.
fn is_due(report: &Report, resumed: &[Action]) -> bool {
    if resumed.is_empty() || matches!(report.news, News::Ended(_)) {
        return true;
    }
    let is_of = |action: &&Action| {
        action.threads.is_none_or(|threads| threads.covers_some_of(report.pid))
            && action.run != Run::Stop
    };
    resumed.iter().any(|action| is_of(&action))
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
        StopReason::VforkDone { .. } => News::VforkDone,
        StopReason::SyscallEntry { number } => News::SyscallEntry(number),
        StopReason::SyscallExit { number } => News::SyscallExit(number),
        StopReason::ThreadBorn => News::ThreadBorn,
        StopReason::ThreadEnding { status } => News::ThreadEnded(status),
        // The program's own trap.
        _ => News::Stopped(Some(Signal::SIGTRAP)),
    }
}
