//! Executes lines of commands on an engine. It cuts lines into commands, finds each in the registry
//! and carries out what it asks for; what a command does is in `commands`, how targets run in
//! `run`.

use dbgbase::Pid;
use dbgeng::{Engine, LaunchOptions};

use crate::arguments::Arguments;
use crate::commands::{self, Context, Outcome, ThreadBatch};
use crate::error::CommandError;
use crate::format;
use crate::output::Output;
use crate::registry::{self, Action, Extent};
use crate::state::{Acquisition, Settings, State};
use crate::syntax::{self, Head, LINE_LEN_MAX};

/// How the session is to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The targets are ended.
    Kill,
    /// The targets are left and run on.
    Detach,
}

/// What became of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// It is executed.
    Done,
    /// It is executed, and targets ran meanwhile; what stopped them has been shown.
    Resumed,
    /// The session is to end. Nothing has been done for that yet: [`Interpreter::end`] does it.
    Quit(Ending),
}

/// An engine that understands commands.
pub struct Interpreter {
    pub(crate) engine: Engine,
    pub(crate) state: State,
}

impl Interpreter {
    /// Commands for this engine.
    pub fn new(engine: Engine) -> Interpreter {
        Interpreter { engine, state: State::default() }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The engine, for what no command does.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// How the front end wants things.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.state.settings
    }

    /// The prompt: `0:000> `, process and thread, or `NoTarget> `.
    pub fn prompt(&self) -> String {
        match self.engine.current() {
            Some((process, thread)) => format!("{}:{:03}> ", process.0, thread.0),
            None => "NoTarget> ".to_owned(),
        }
    }

    /// Executes the commands of one line. Everything there is to say is written to `output`, also
    /// what is wrong; a command that fails ends the line.
    ///
    /// **Shape**: returns when there is a prompt again: a command that lets targets run waits until
    /// they stop.
    pub fn execute(&mut self, line: &str, output: &mut dyn Output) -> Flow {
        let column = self.prompt().chars().count();
        let mut flow = Flow::Done;
        let mut position = 0;
        while let Some(outcome) = self.next(line, &mut position, column, false, output) {
            match outcome {
                Outcome::Done | Outcome::ForThreads(_) => {}
                Outcome::Quit(ending) => return Flow::Quit(ending),
                Outcome::Run(plan) => {
                    flow = Flow::Resumed;
                    let result = self.run(plan, output);
                    self.show_searches(output);
                    match result {
                        Ok(None) => {}
                        Ok(Some(ending)) => return Flow::Quit(ending),
                        Err(error) => {
                            output.write(&error.line(line, column));
                            break;
                        }
                    }
                }
            }
        }
        flow
    }

    /// Whether the process server is gone, and not because the user has ended it.
    pub fn has_lost_server(&self) -> bool {
        !self.engine.is_connected() && !self.state.has_ended_server
    }

    /// Starts a program and shows its first stop, as `.create` and `g` do.
    ///
    /// **Errors**: those of [`Engine::launch`]; what goes wrong later is written to `output`.
    pub fn launch(
        &mut self,
        options: &LaunchOptions,
        output: &mut dyn Output,
    ) -> Result<Flow, dbgeng::Error> {
        self.start_and_show(&Acquisition::Launch(options.clone()), output)
    }

    /// Takes a running process and shows its first stop, as `.attach` and `g` do. If it is not to
    /// break in, the process runs on, also if a signal had stopped it.
    ///
    /// **Errors**: those of [`Engine::attach`]; what goes wrong later is written to `output`.
    pub fn attach(
        &mut self,
        pid: Pid,
        breaks_in: bool,
        output: &mut dyn Output,
    ) -> Result<Flow, dbgeng::Error> {
        self.start_and_show(&Acquisition::Attach { pid, breaks_in }, output)
    }

    /// Takes over a process that was abandoned and shows where it stands, as `.attach -e` and `g`
    /// do.
    ///
    /// **Errors**: those of [`Engine::claim`]; what goes wrong later is written to `output`.
    pub fn claim(&mut self, pid: Pid, output: &mut dyn Output) -> Result<Flow, dbgeng::Error> {
        self.start_and_show(&Acquisition::Claim(pid), output)
    }

    fn start_and_show(
        &mut self,
        acquisition: &Acquisition,
        output: &mut dyn Output,
    ) -> Result<Flow, dbgeng::Error> {
        let result = self.start(acquisition, output);
        self.show_searches(output);
        match result {
            Ok(None) => Ok(Flow::Resumed),
            Ok(Some(ending)) => Ok(Flow::Quit(ending)),
            Err(CommandError::Engine(error)) => Err(error),
            Err(error) => {
                output.write(&error.line("", 0));
                Ok(Flow::Resumed)
            }
        }
    }

    /// Ends or leaves all targets, and says whether all of them could be. What cannot be done is
    /// written to `output`. When the server was told to end, what becomes of them is its business.
    pub fn end(&mut self, ending: Ending, output: &mut dyn Output) -> bool {
        if self.state.has_ended_server {
            return true;
        }
        let mut is_done = true;
        let numbers: Vec<_> =
            self.engine.processes().iter().map(|process| process.number).collect();
        for number in numbers {
            let result = match ending {
                Ending::Kill => self.engine.kill(number),
                Ending::Detach => self.engine.detach(number),
            };
            if let Err(error) = result {
                output.write(&CommandError::from(error).line("", 0));
                is_done = false;
            }
        }
        is_done
    }

    /// Executes commands on behalf of an event. The first one that lets targets run ends the list:
    /// its plan is returned and not carried out, so that lists do not pile up.
    pub(crate) fn execute_nested(
        &mut self,
        commands: &str,
        output: &mut dyn Output,
    ) -> Result<Outcome, CommandError> {
        let mut position = 0;
        while let Some(outcome) = self.next(commands, &mut position, 0, false, output) {
            if outcome != Outcome::Done {
                return Ok(outcome);
            }
        }
        Ok(Outcome::Done)
    }

    /// Executes the command of `line` at or behind `position` and moves it on. `None` when there is
    /// none, or it failed. `column` is where on the screen the line begins.
    fn next(
        &mut self,
        line: &str,
        position: &mut usize,
        column: usize,
        is_prefixed: bool,
        output: &mut dyn Output,
    ) -> Option<Outcome> {
        if line.len() > LINE_LEN_MAX {
            output.write(&format!("Command longer than {LINE_LEN_MAX} characters\n"));
            return None;
        }
        loop {
            let rest = line.get(*position..).unwrap_or_default();
            match syntax::head(rest) {
                Head::End => return None,
                Head::Skip(len) => *position += len,
                Head::Command(blanks) => {
                    *position += blanks;
                    break;
                }
            }
        }
        let rest = line.get(*position..).unwrap_or_default();
        let column = column + line.get(..*position).unwrap_or_default().chars().count();
        let found = registry::find(rest);
        let extent = found.map_or(Extent::Semicolon, |(command, _)| command.extent);
        let len = extent.len(rest);
        *position += len;
        let text = rest.get(..len).unwrap_or_default().trim_end();
        let result = match found {
            None => Err(CommandError::Syntax(0)),
            Some((command, name)) => match command.action {
                Action::Unavailable(reason) => {
                    Err(CommandError::refused(format!("'{name}' is not available: {reason}")))
                }
                Action::Run(run) => {
                    let mut arguments = Arguments::new(text, name, name.len());
                    let mut context = Context { is_prefixed, ..self.context(output) };
                    run(&mut context, &mut arguments)
                }
            },
        };
        self.show_searches(output);
        let result = match result {
            Ok(Outcome::ForThreads(batch)) => self.execute_for_threads(&batch, output),
            other => other,
        };
        result.map_err(|error| output.write(&error.line(text, column))).ok()
    }

    /// Shows where symbols were looked for meanwhile: what failed, and in noisy mode all.
    fn show_searches(&self, output: &mut dyn Output) {
        for note in self.engine.take_search_notes() {
            if self.state.shows_searches || note.outcome.is_failure() {
                output.write(&format::modules::search_note(&note));
            }
        }
    }

    /// Executes commands with one thread after the other as the current one.
    fn execute_for_threads(
        &mut self,
        batch: &ThreadBatch,
        output: &mut dyn Output,
    ) -> Result<Outcome, CommandError> {
        let before = self.engine.current();
        let mut outcome = Outcome::Done;
        'threads: for (process, thread) in batch.threads.iter().copied() {
            self.engine.set_current_thread(process, thread)?;
            if batch.has_headings {
                let name = String::new();
                let heading = commands::threads::line(&self.engine, process, thread, before, name);
                output.write(&heading);
            }
            let (mut position, commands) = (0, &batch.commands);
            while let Some(next) = self.next(commands, &mut position, 0, batch.is_prefix, output) {
                if next != Outcome::Done {
                    outcome = next;
                    break 'threads;
                }
            }
        }
        if let Some((process, thread)) = before {
            self.engine.set_current_thread(process, thread)?;
        }
        Ok(outcome)
    }
}
