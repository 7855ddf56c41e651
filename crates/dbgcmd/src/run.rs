//! Letting targets run and telling what stopped them: plans, events, the commands of breakpoints.
//! It parses no command.

use dbgbase::Address;
use dbgeng::{
    DebugEvent, ErrorKind, EventKind, Execution, ProcessNumber, SignalAction, StopCause,
    ThreadNumber,
};

use crate::commands::calls::PendingCall;
use crate::commands::{Context, Outcome, description};
use crate::error::CommandError;
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
        let mut next = Next::Run(plan);
        loop {
            next = match next {
                Next::Prompt => return Ok(None),
                Next::Quit(ending) => return Ok(Some(ending)),
                Next::Run(plan) => self.carry_out(plan, output)?,
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
        let execution =
            if is_over { Execution::StepOver { signal } } else { Execution::StepInto { signal } };
        for index in 0..count {
            let event = self.resume(&execution, output)?;
            if event.kind != EventKind::Stopped(StopCause::Step) {
                return self.report(&event, false, output);
            }
            self.tell_modules(event.process, output);
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

    /// Runs to the return address of the current frame, past inner instances of the function.
    fn step_out(&mut self, output: &mut dyn Output) -> Result<Next, CommandError> {
        // A return address is known when the caller is.
        let stack = self.engine.stack(2)?;
        let frame = stack.frames.first();
        let Some((address, frame)) = frame.and_then(|frame| Some((frame.return_address?, frame)))
        else {
            return Err(CommandError::refused("The function's return address is not known"));
        };
        let sp_min = frame.cfa.unwrap_or(frame.sp);
        let thread = self.engine.current();
        let until = vec![address];
        let execution = Execution::Go { signal: SignalAction::Default, until };
        loop {
            let event = self.resume(&execution, output)?;
            let is_return = event.kind == EventKind::Stopped(StopCause::TemporaryBreakpoint);
            let is_ours =
                || self.engine.registers().is_ok_and(|registers| registers.sp() >= sp_min);
            if !is_return || self.engine.current() == thread && is_ours() {
                return self.report(&event, true, output);
            }
        }
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
                let event = self.wait()?;
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
        self.state.next_code = None;
        output.targets_running();
        let event = match self.state.acquisitions.pop_front() {
            Some(acquisition) => self.acquire_and_wait(&acquisition, output),
            None => self.execute_and_wait(execution),
        };
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
        self.wait()
    }

    fn execute_and_wait(&mut self, execution: &Execution) -> Result<DebugEvent, dbgeng::Error> {
        match self.state.runs_alone {
            true => self.engine.execute_alone(execution.clone())?,
            false => self.engine.execute(execution.clone())?,
        }
        self.wait()
    }

    fn wait(&mut self) -> Result<DebugEvent, dbgeng::Error> {
        loop {
            if let Some(event) = self.engine.wait_for_event(None)? {
                self.state.last_event = Some(summary(&event));
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
        output.targets_running();
        let event = self.acquire_and_wait(acquisition, output);
        output.targets_stopped();
        match self.report(&event?, true, output)? {
            Next::Prompt => Ok(None),
            Next::Quit(ending) => Ok(Some(ending)),
            Next::Run(plan) => self.run(plan, output),
        }
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
            EventKind::Stopped(cause) => cause,
            EventKind::Exited(_) | EventKind::Left(_) => {
                self.state.forget(event.process);
                output.write(&(summary(event) + "\n"));
                if self.engine.current().is_some() {
                    self.context(output).write_state()?;
                }
                return Ok(Next::Prompt);
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
        self.tell_modules(event.process, output);
        if is_running && self.passes_exec(event, cause) {
            if *cause == StopCause::Exec {
                output.write(&self.stop_text(event, cause));
            }
            return Ok(Next::Run(Plan::go()));
        }
        let is_start = matches!(cause, StopCause::InitialBreak | StopCause::Attached);
        let must_stop = std::mem::take(&mut self.state.stops_at_next_start);
        let is_passing = self.state.passing.remove(&event.process) && *cause == StopCause::Attached;
        if is_start && (self.state.settings.runs_at_start || is_passing) && !must_stop {
            return Ok(Next::Run(Plan::go()));
        }
        if let StopCause::Breakpoints(ids) = cause
            && is_running
        {
            let before = &self.state.breakpoints_before;
            let commands = ids.iter().map(|id| before.get(id).map(|view| view.command.clone()));
            let commands: Vec<String> = commands.map(Option::unwrap_or_default).collect();
            let is_silent = commands.iter().all(|commands| !commands.is_empty());
            let told = if is_silent {
                format::events::undecided(&event.undecided)
            } else {
                self.stop_text(event, cause)
            };
            output.write(&told);
            match self.execute_all(&commands, output)? {
                // A breakpoint without commands wants the prompt.
                Outcome::Run(plan) if is_silent => return Ok(Next::Run(plan)),
                Outcome::Quit(ending) => return Ok(Next::Quit(ending)),
                _ => {}
            }
        } else {
            output.write(&self.stop_text(event, cause));
        }
        self.context(output).write_state()?;
        Ok(Next::Prompt)
    }

    /// What is told of a stop.
    fn stop_text(&self, event: &DebugEvent, cause: &StopCause) -> String {
        let tid = event.thread.map_or(event.pid.into(), |(_, tid)| tid);
        let told = match cause {
            StopCause::Breakpoints(ids) => {
                let before = &self.state.breakpoints_before;
                ids.iter().map(|id| format::breakpoints::hit(*id, before.get(id))).collect()
            }
            StopCause::Exec => {
                let told = format::events::stopped(event.pid, tid, cause);
                told + &description::executed(&self.engine, event.pid)
            }
            cause => format::events::stopped(event.pid, tid, cause),
        };
        told + &format::events::undecided(&event.undecided)
    }

    /// Whether a stop only tells of a new program of a running target, first that it was executed,
    /// then that its libraries are mapped: breakpoints have been set anew, and the target runs on.
    fn passes_exec(&mut self, event: &DebugEvent, cause: &StopCause) -> bool {
        match cause {
            StopCause::Exec => {
                self.state.executed.insert(event.process);
                true
            }
            StopCause::InitialBreak => self.state.executed.remove(&event.process),
            _ => false,
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

    /// Tells which modules came and went since the last stop of the process.
    fn tell_modules(&mut self, process: ProcessNumber, output: &mut dyn Output) {
        let Ok(debuggee) = self.engine.process(process) else { return };
        let now: Vec<_> =
            debuggee.modules().iter().map(|module| (module.range, module.path.clone())).collect();
        let known = self.state.modules.entry(process).or_default();
        for (range, path) in known.iter().filter(|module| !now.contains(module)) {
            output.write(&format::modules::unloaded(*range, path));
        }
        for (range, path) in now.iter().filter(|module| !known.contains(module)) {
            output.write(&format::modules::loaded(*range, path));
        }
        *known = now;
    }

    /// What commands are given, outside of any prefix.
    pub(crate) fn context<'a>(&'a mut self, output: &'a mut dyn Output) -> Context<'a> {
        Context { engine: &mut self.engine, state: &mut self.state, output, is_prefixed: false }
    }
}

/// The event in one line.
fn summary(event: &DebugEvent) -> String {
    match &event.kind {
        EventKind::Stopped(cause) => {
            let tid = event.thread.map_or(event.pid.into(), |(_, tid)| tid);
            format::events::last(event.pid, tid, cause)
        }
        EventKind::Exited(status) => format::events::exited(event.pid, *status),
        EventKind::Left(why) => format::events::left(event.pid, why),
        EventKind::LinkLost(reason) => format!("The connection was lost: {reason}"),
        EventKind::ServerEnding(reason) => format!("The server ended the session: {reason}"),
    }
}
