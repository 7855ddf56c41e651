//! Letting targets run and telling what stopped them: plans, events, the commands of breakpoints.
//! It parses no command.

mod modules;

use std::time::Duration;

use dbgbase::{Address, Arch};
use dbgeng::{
    BreakpointId, DebugEvent, ErrorKind, EventKind, Execution, ProcessNumber, SignalAction,
    StopCause, ThreadNumber,
};

use crate::commands::calls::PendingCall;
use crate::commands::{Context, Outcome, description};
use crate::error::CommandError;
use crate::filters::{Event, Filter, Mode, Subject};
use crate::interpreter::Interpreter;
use crate::output::Output;
use crate::state::Acquisition;
use crate::{Ending, format};

/// What the targets are to do before there is a prompt again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Plan {
    /// Run until something happens.
    Go {
        /// What becomes of the last signal.
        signal: SignalAction,
        /// Where to stop once.
        until: Vec<Address>,
    },
    /// Make steps and show each.
    Step {
        /// Whether functions that are called are run through.
        is_over: bool,
        /// How many.
        count: u64,
        /// What is executed behind the last one.
        commands: String,
    },
    /// Run until the current function returns.
    Out,
    /// One thread, which becomes the current one, carries a plan out; all others stay where they
    /// are.
    Alone {
        /// Of which process.
        process: ProcessNumber,
        /// Which thread.
        thread: ThreadNumber,
        /// What it does.
        plan: Box<Plan>,
    },
    /// Call a function.
    Call(PendingCall),
}

/// What follows a stop.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Next {
    Prompt,
    /// What was cut short is taken up again.
    GoOn,
    Run(Plan),
    Quit(Ending),
}

impl Plan {
    /// The plan of a bare `g`.
    pub(crate) fn go() -> Plan {
        Plan::Go { signal: SignalAction::Default, until: Vec::new() }
    }
}

impl Interpreter {
    /// Carries out a plan, and those that commands of breakpoints make, until there is something to
    /// see. Tells why the session is to end, if it is.
    pub(crate) fn run(
        &mut self,
        plan: Plan,
        output: &mut dyn Output,
    ) -> Result<Option<Ending>, CommandError> {
        self.follow(Next::Run(plan), output)
    }

    fn follow(
        &mut self,
        mut next: Next,
        output: &mut dyn Output,
    ) -> Result<Option<Ending>, CommandError> {
        loop {
            next = match next {
                Next::Prompt => return Ok(None),
                Next::Quit(ending) => return Ok(Some(ending)),
                Next::Run(plan) => self.carry_out(plan, output)?,
                Next::GoOn => {
                    let event = self.go_on(output)?;
                    self.report(&event, true, output)?
                }
            };
        }
    }

    fn carry_out(&mut self, plan: Plan, output: &mut dyn Output) -> Result<Next, CommandError> {
        match plan {
            Plan::Go { signal, until } => {
                let event = self.resume(&Execution::Go { signal, until }, output)?;
                self.report(&event, true, output)
            }
            Plan::Step { is_over, count, commands } => self.step(is_over, count, &commands, output),
            Plan::Out => self.step_out(output),
            Plan::Call(call) => self.call(&call, output),
            Plan::Alone { process, thread, plan } => {
                self.engine.set_current_thread(process, thread)?;
                self.state.runs_alone = true;
                let next = self.carry_out(*plan, output);
                self.state.runs_alone = false;
                next
            }
        }
    }

    fn step(
        &mut self,
        is_over: bool,
        count: u64,
        commands: &str,
        output: &mut dyn Output,
    ) -> Result<Next, CommandError> {
        let signal = SignalAction::Default;
        let execution = match (self.state.source.steps_lines, is_over) {
            (true, is_over) => Execution::StepLine { is_into: !is_over, signal },
            (false, true) => Execution::StepOver { signal },
            (false, false) => Execution::StepInto { signal },
        };
        for index in 0..count {
            if let Some(next) = self.one_step(&execution, false, output)? {
                return Ok(next);
            }
            if index + 1 == count && !commands.is_empty() {
                match self.execute_nested(commands, output)? {
                    Outcome::Run(plan) => return Ok(Next::Run(plan)),
                    Outcome::Quit(ending) => return Ok(Next::Quit(ending)),
                    Outcome::Done | Outcome::ForThreads(_) => {}
                }
            }
            self.context(output).write_state()?;
        }
        Ok(Next::Prompt)
    }

    /// Runs until the current function, or inlined call, is left.
    fn step_out(&mut self, output: &mut dyn Output) -> Result<Next, CommandError> {
        let execution = Execution::StepOut { signal: SignalAction::Default };
        if let Some(next) = self.one_step(&execution, true, output)? {
            return Ok(next);
        }
        self.context(output).write_state()?;
        Ok(Next::Prompt)
    }

    /// Makes one step. What is to be done if something else has stopped the targets first; the
    /// commands of breakpoints are executed if the step counts as running.
    fn one_step(
        &mut self,
        execution: &Execution,
        is_running: bool,
        output: &mut dyn Output,
    ) -> Result<Option<Next>, CommandError> {
        let mut event = self.resume(execution, output)?;
        while event.kind != EventKind::Stopped(StopCause::Step) {
            match self.report(&event, is_running, output)? {
                Next::GoOn => event = self.go_on(output)?,
                next => return Ok(Some(next)),
            }
        }
        self.tell_modules(event.process, output);
        Ok(None)
    }

    /// Has a thread call a function. What ends the target, or makes it another program, is told as
    /// always.
    fn call(
        &mut self,
        pending: &PendingCall,
        output: &mut dyn Output,
    ) -> Result<Next, CommandError> {
        let PendingCall { process, thread, call, is_verbose } = pending;
        self.engine.set_current_thread(*process, *thread)?;
        self.engine.set_expr_settings(self.state.expressions.clone());
        self.state.next_code = None;
        output.targets_running();
        let result = self.engine.call_function(call);
        output.targets_stopped();
        self.tell_modules(*process, output);
        match result {
            Ok(result) => {
                self.state.expressions.call_result = Some(result.integer);
                output.write(&format::calls::result(&result, *is_verbose));
                self.context(output).write_state()?;
                Ok(Next::Prompt)
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::TargetEnded | ErrorKind::NotConnected) =>
            {
                output.write(&CommandError::from(error).line("", 0));
                let event = self.wait(output)?;
                self.report(&event, true, output)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Lets the targets run and waits for what happens. If a target waits to be got, it is got
    /// instead.
    fn resume(
        &mut self,
        execution: &Execution,
        output: &mut dyn Output,
    ) -> Result<DebugEvent, CommandError> {
        let breakpoints = self.engine.breakpoints().into_iter();
        self.state.breakpoints_before =
            breakpoints.map(|breakpoint| (breakpoint.id, breakpoint)).collect();
        self.engine.set_expr_settings(self.state.expressions.clone());
        self.ask_for_events();
        self.state.next_code = None;
        output.targets_running();
        let event = match self.state.acquisitions.pop_front() {
            Some(acquisition) => self.acquire_and_wait(&acquisition, output),
            None => self.execute_and_wait(execution, output),
        };
        output.targets_stopped();
        Ok(event?)
    }

    /// Takes up again what the last event cut short, and waits for what happens.
    fn go_on(&mut self, output: &mut dyn Output) -> Result<DebugEvent, CommandError> {
        self.ask_for_events();
        output.targets_running();
        let event = self.engine.execute_on().and_then(|()| self.wait(output));
        output.targets_stopped();
        Ok(event?)
    }

    fn acquire_and_wait(
        &mut self,
        acquisition: &Acquisition,
        output: &mut dyn Output,
    ) -> Result<DebugEvent, dbgeng::Error> {
        let number = self.acquire(acquisition)?;
        if matches!(acquisition, Acquisition::Attach { breaks_in: false, .. }) {
            self.state.passing.insert(number);
            if self.engine.process(number)?.is_suspended {
                self.engine.continue_suspended(number)?;
            }
        }
        // There may be a terminal by now.
        output.targets_running();
        self.wait(output)
    }

    /// Tells the engine what the filters want of it.
    fn ask_for_events(&mut self) {
        let settings = &self.state.settings;
        self.engine.set_filters(self.state.filters.for_engine(settings.debugs_children));
    }

    fn execute_and_wait(
        &mut self,
        execution: &Execution,
        output: &mut dyn Output,
    ) -> Result<DebugEvent, dbgeng::Error> {
        match self.state.runs_alone {
            true => self.engine.execute_alone(execution.clone())?,
            false => self.engine.execute(execution.clone())?,
        }
        self.wait(output)
    }

    fn wait(&mut self, output: &mut dyn Output) -> Result<DebugEvent, dbgeng::Error> {
        loop {
            if let Some(event) = self.engine.wait_for_event(None)? {
                if let EventKind::Passed(cause) = &event.kind {
                    self.report_passed(&event, cause, output);
                    continue;
                }
                self.state.last_event = Some(summary(&event, self.engine.server().arch));
                return Ok(event);
            }
        }
    }

    fn acquire(&mut self, acquisition: &Acquisition) -> Result<ProcessNumber, dbgeng::Error> {
        match acquisition {
            Acquisition::Attach { pid, .. } => self.engine.attach(*pid),
            Acquisition::Claim(pid) => self.engine.claim(*pid),
            Acquisition::Launch(options) => {
                let number = self.engine.launch(options)?;
                self.state.launched.insert(number, options.clone());
                self.state.last_launched = Some(options.clone());
                Ok(number)
            }
        }
    }

    /// Gets a target and shows its first stop.
    pub(crate) fn start(
        &mut self,
        acquisition: &Acquisition,
        output: &mut dyn Output,
    ) -> Result<Option<Ending>, CommandError> {
        self.ask_for_events();
        output.targets_running();
        let event = self.acquire_and_wait(acquisition, output);
        output.targets_stopped();
        let next = self.report(&event?, true, output)?;
        self.follow(next, output)
    }

    /// Shows what happened. Commands of breakpoints that were reached by running, not by a step,
    /// are executed, and may make the next plan.
    fn report(
        &mut self,
        event: &DebugEvent,
        is_running: bool,
        output: &mut dyn Output,
    ) -> Result<Next, CommandError> {
        let cause = match &event.kind {
            EventKind::Stopped(cause) | EventKind::Passed(cause) => cause,
            EventKind::Exited(_) | EventKind::Left(_) => {
                return self.report_end(event, is_running, output);
            }
            EventKind::LinkLost(reason) => {
                self.state.forget_all();
                output.write(&format!("The connection to the process server is lost: {reason}\n"));
                return Ok(Next::Prompt);
            }
            EventKind::ServerEnding(reason) => {
                self.state.forget_all();
                output.write(&format!("The process server ends this session: {reason}\n"));
                return Ok(Next::Prompt);
            }
        };
        let news = self.tell_modules(event.process, output);
        if *cause == StopCause::ModulesChanged {
            return self.report_modules(&news, is_running, output);
        }
        let is_birth = self.is_birth(event.process);
        let is_executed =
            *cause == StopCause::InitialBreak && self.state.executed.remove(&event.process);
        if is_executed {
            return Ok(Next::GoOn);
        }
        let must_stop = std::mem::take(&mut self.state.stops_at_next_start);
        let is_passing = self.state.passing.remove(&event.process) && *cause == StopCause::Attached;
        if is_passing && !must_stop {
            return Ok(Next::GoOn);
        }
        if let StopCause::Breakpoints(ids) = cause
            && is_running
        {
            return self.report_hits(event, ids, output);
        }
        let Some(subject) = Subject::of(cause) else {
            output.write(&self.stop_text(event, cause));
            self.context(output).write_state()?;
            return Ok(Next::Prompt);
        };
        let filter = self.filter(subject, is_birth, must_stop);
        self.report_filtered(event, cause, &filter, is_running, output)
    }

    /// What becomes of a stop that something can be said about. The first one of a new process is
    /// its creation and its beginning in one.
    fn filter(&self, subject: Subject, is_birth: bool, must_stop: bool) -> Filter {
        let filters = &self.state.filters;
        let beginning = Subject::Event(Event::InitialBreak);
        let mut filter = filters.get(subject);
        if subject == beginning && self.state.settings.runs_at_start {
            filter.mode = Mode::Ignore;
        }
        if is_birth {
            let creation = filters.get(Subject::Event(Event::CreateProcess));
            let breaks = creation.mode == Mode::Break
                || filters.get(beginning).mode == Mode::Break && !self.state.settings.runs_at_start;
            filter = creation;
            filter.mode = if breaks { Mode::Break } else { filter.mode };
        }
        if must_stop && subject == beginning {
            filter.mode = Mode::Break;
        }
        filter
    }

    fn report_filtered(
        &mut self,
        event: &DebugEvent,
        cause: &StopCause,
        filter: &Filter,
        is_running: bool,
        output: &mut dyn Output,
    ) -> Result<Next, CommandError> {
        if *cause == StopCause::Exec {
            self.state.executed.insert(event.process);
        }
        let is_second_chance = matches!(cause, StopCause::Signal { is_second_chance: true, .. });
        let breaks = filter.breaks(is_second_chance);
        if breaks || filter.mode != Mode::Ignore {
            output.write(&self.stop_text(event, cause));
        }
        let commands = filter.command(is_second_chance).to_owned();
        match self.execute_nested(&commands, output)? {
            Outcome::Run(plan) if is_running => return Ok(Next::Run(plan)),
            Outcome::Quit(ending) => return Ok(Next::Quit(ending)),
            _ => {}
        }
        if !breaks && self.engine.current().is_some() {
            return Ok(Next::GoOn);
        }
        self.context(output).write_state()?;
        Ok(Next::Prompt)
    }

    /// Shows breakpoints that were reached by running, and executes their commands.
    fn report_hits(
        &mut self,
        event: &DebugEvent,
        ids: &[BreakpointId],
        output: &mut dyn Output,
    ) -> Result<Next, CommandError> {
        let before = &self.state.breakpoints_before;
        let commands = ids.iter().map(|id| before.get(id).map(|view| view.command.clone()));
        let commands: Vec<String> = commands.map(Option::unwrap_or_default).collect();
        let is_silent = commands.iter().all(|commands| !commands.is_empty());
        let told = if is_silent {
            format::events::undecided(&event.undecided)
        } else {
            self.stop_text(event, &StopCause::Breakpoints(ids.to_vec()))
        };
        output.write(&told);
        match self.execute_all(&commands, output)? {
            // A breakpoint without commands wants the prompt.
            Outcome::Run(plan) if is_silent => return Ok(Next::Run(plan)),
            Outcome::Quit(ending) => return Ok(Next::Quit(ending)),
            _ => {}
        }
        self.context(output).write_state()?;
        Ok(Next::Prompt)
    }

    /// Shows that a process is gone. If nobody wants to stop for it, the others run on.
    fn report_end(
        &mut self,
        event: &DebugEvent,
        is_running: bool,
        output: &mut dyn Output,
    ) -> Result<Next, CommandError> {
        let filter = self.state.filters.get(Subject::Event(Event::ExitProcess));
        self.state.forget(event.process);
        if filter.mode != Mode::Ignore {
            output.write(&(summary(event, self.engine.server().arch) + "\n"));
        }
        match self.execute_nested(&filter.command, output)? {
            Outcome::Run(plan) if is_running => return Ok(Next::Run(plan)),
            Outcome::Quit(ending) => return Ok(Next::Quit(ending)),
            _ => {}
        }
        if self.engine.current().is_none() {
            // Others may have ended meanwhile; without a target nothing else would tell of them.
            return match self.engine.wait_for_event(Some(Duration::ZERO)) {
                Ok(Some(event)) => self.report(&event, is_running, output),
                Ok(None) | Err(_) => Ok(Next::Prompt),
            };
        }
        if !filter.breaks(false) {
            return Ok(Next::GoOn);
        }
        self.context(output).write_state()?;
        Ok(Next::Prompt)
    }

    /// Whether this is the first that is told of a process which a target has made.
    fn is_birth(&mut self, number: ProcessNumber) -> bool {
        let process = self.engine.process(number);
        let is_made = process.is_ok_and(|process| process.parent.is_some());
        is_made && self.state.met.insert(number)
    }

    /// What is told of a stop.
    fn stop_text(&self, event: &DebugEvent, cause: &StopCause) -> String {
        let tid = event.thread.map_or(event.pid.into(), |(_, tid)| tid);
        let arch = self.engine.server().arch;
        let told = match cause {
            StopCause::Breakpoints(ids) => {
                let before = &self.state.breakpoints_before;
                ids.iter().map(|id| format::breakpoints::hit(*id, before.get(id))).collect()
            }
            StopCause::Exec => {
                let told = format::events::stopped(event.pid, tid, cause, arch);
                told + &description::executed(&self.engine, event.pid)
            }
            cause => format::events::stopped(event.pid, tid, cause, arch),
        };
        told + &format::events::undecided(&event.undecided)
    }

    /// Shows what the targets run on from.
    fn report_passed(&mut self, event: &DebugEvent, cause: &StopCause, output: &mut dyn Output) {
        if *cause == StopCause::Born {
            self.is_birth(event.process);
        }
        if *cause == StopCause::ModulesChanged {
            self.tell_modules(event.process, output);
            return;
        }
        let filter = Subject::of(cause).map(|subject| self.state.filters.get(subject));
        if filter.is_some_and(|filter| filter.mode != Mode::Ignore) {
            output.write(&self.stop_text(event, cause));
        }
    }

    /// Executes the commands of all breakpoints that were hit; the last plan counts.
    fn execute_all(
        &mut self,
        lists: &[String],
        output: &mut dyn Output,
    ) -> Result<Outcome, CommandError> {
        let mut last = Outcome::Done;
        for commands in lists.iter().filter(|commands| !commands.is_empty()) {
            last = self.execute_nested(commands, output)?;
            if matches!(last, Outcome::Quit(_)) {
                break;
            }
        }
        Ok(last)
    }

    /// What commands are given, outside of any prefix.
    pub(crate) fn context<'a>(&'a mut self, output: &'a mut dyn Output) -> Context<'a> {
        Context { engine: &mut self.engine, state: &mut self.state, output, is_prefixed: false }
    }
}

/// The event in one line.
fn summary(event: &DebugEvent, arch: Arch) -> String {
    match &event.kind {
        EventKind::Stopped(cause) | EventKind::Passed(cause) => {
            let tid = event.thread.map_or(event.pid.into(), |(_, tid)| tid);
            format::events::last(event.pid, tid, cause, arch)
        }
        EventKind::Exited(status) => format::events::exited(event.pid, *status),
        EventKind::Left(why) => format::events::left(event.pid, why),
        EventKind::LinkLost(reason) => format!("The connection was lost: {reason}"),
        EventKind::ServerEnding(reason) => format!("The server ended the session: {reason}"),
    }
}
