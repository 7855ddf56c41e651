//! One session from the first target to the last prompt. It decides when commands are read and when
//! the session ends; what a command does is the interpreter's.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use dbgbase::Pid;
use dbgcmd::{Ending, Flow, InputSource as _, Interpreter, Output as _};
use dbgeng::{Engine, LaunchOptions, SymbolEnvironment};

use crate::args::{DebugOptions, Target};
use crate::console::{Answer, Console};
use crate::progress::Progress;
use crate::server::{Connection, numbered};
use crate::{banner, interrupts};

/// Runs the session that the options ask for, to its end. Whether it ended as its user wanted, and
/// not because the server was gone.
pub(crate) fn run(options: &DebugOptions, connection: Connection) -> Result<bool> {
    let Connection { mut engine, server } = connection;
    let mut progress = Progress::default();
    engine.set_transfer_progress(Some(Box::new(move |transfer| {
        if let Some(line) = progress.note(&transfer, Instant::now()) {
            eprintln!("{line}");
        }
    })));
    let input = engine.terminal_input();
    interrupts::forward(engine.interrupter(), input.clone()).context("cannot listen for Ctrl+C")?;
    let mut console = match engine.server().shares_terminal() {
        true => Console::sharing(),
        false => Console::typing_into(input),
    };
    let mut target_output = console.target_output();
    let terminal_name = std::env::var("TERM").ok();
    let show = move |_, bytes: &[u8]| target_output.write(bytes);
    engine.set_output(Some(Box::new(show)), terminal_name);
    let mut interpreter = Interpreter::new(engine);
    let settings = interpreter.settings_mut();
    settings.runs_at_start = options.runs_at_start;
    settings.detaches_at_end = options.detaches_at_end;
    settings.debugs_children = options.debugs_children;
    settings.server = server;
    settings.program = banner::version().to_owned();
    let environment = SymbolEnvironment::from_variables(|name| std::env::var_os(name));
    interpreter.engine_mut().set_symbol_environment(environment);
    if let Some(path) = symbol_path(options) {
        interpreter.engine_mut().set_symbol_path(&path);
    }
    let source_path = options.source_path.clone();
    if let Some(path) = source_path.or_else(|| std::env::var("_NT_SOURCE_PATH").ok()) {
        interpreter.engine_mut().set_source_path(&path);
    }
    console.write(&banner::text(options, interpreter.engine()));
    for command in &options.filters {
        interpreter.execute(command, &mut console);
    }
    let flow = get_target(options, &mut interpreter, &mut console)?;
    let ends_with_target = options.ends_with_target;
    let mut session = Session { interpreter, console, ends_with_target, has_failed: false };
    if session.goes_on(flow) {
        session.read_commands(options.commands.as_deref());
    }
    Ok(!session.has_failed)
}

/// The symbol path: `-y`, or else what the original's environment variables say.
fn symbol_path(options: &DebugOptions) -> Option<String> {
    if let Some(path) = &options.symbol_path {
        return Some(path.clone());
    }
    let variables = ["_NT_ALT_SYMBOL_PATH", "_NT_SYMBOL_PATH"];
    let paths: Vec<String> = variables.iter().filter_map(|name| std::env::var(name).ok()).collect();
    (!paths.is_empty()).then(|| paths.join(";"))
}

fn get_target(
    options: &DebugOptions,
    interpreter: &mut Interpreter,
    console: &mut Console,
) -> Result<Flow> {
    let pid = match &options.target {
        Target::Pid(pid) => Pid::new(*pid),
        Target::Name(name) => process_named(interpreter.engine(), name)?,
        Target::Program(program, arguments) => {
            let launch = launch_options(program, arguments);
            return interpreter.launch(&launch, console).map_err(numbered);
        }
        Target::Implicit => {
            let launch = LaunchOptions { has_terminal: true, ..LaunchOptions::implicit() };
            return interpreter.launch(&launch, console).map_err(numbered);
        }
    };
    let flow = match options.takes_over {
        true => interpreter.claim(pid, console),
        false => interpreter.attach(pid, options.breaks_in, console),
    };
    flow.map_err(numbered)
}

fn launch_options(program: &OsStr, arguments: &[OsString]) -> LaunchOptions {
    LaunchOptions {
        arguments: arguments.iter().map(|argument| argument.as_bytes().to_vec()).collect(),
        has_terminal: true,
        ..LaunchOptions::new(program.as_bytes())
    }
}

/// The only process of the server's machine with this name.
fn process_named(engine: &Engine, name: &str) -> Result<Pid> {
    let processes = engine.list_processes(false).map_err(numbered)?;
    let found: Vec<Pid> = processes
        .iter()
        .filter(|process| process.name == name)
        .map(|process| process.pid)
        .collect();
    match found.as_slice() {
        [pid] => Ok(*pid),
        [] => bail!("no process is called {name}"),
        several => {
            let pids: Vec<String> = several.iter().map(ToString::to_string).collect();
            bail!("several processes are called {name}: use -p with one of {}", pids.join(", "))
        }
    }
}

struct Session {
    interpreter: Interpreter,
    console: Console,
    ends_with_target: bool,
    /// Whether the server was gone before the session's end, or what was to be ended or left at
    /// the end could not be.
    has_failed: bool,
}

impl Session {
    /// Reads and executes commands until the session ends.
    fn read_commands(&mut self, initial: Option<&str>) {
        let mut last = String::new();
        if let Some(commands) = initial {
            let prompt = self.interpreter.prompt();
            self.console.write(&format!("{prompt}cdb: Reading initial command '{commands}'\n"));
            let flow = self.interpreter.execute(commands, &mut self.console);
            if !self.goes_on(flow) {
                return;
            }
        }
        loop {
            // A Ctrl+C that came too late is not meant for the next command.
            self.interpreter.engine().take_interrupt();
            let flow = match self.console.read_command(&self.interpreter.prompt()) {
                Answer::GivenUp => continue,
                Answer::End => {
                    self.console.write("\n");
                    self.interpreter.execute("q", &mut self.console)
                }
                Answer::Line(line) => {
                    if !line.trim().is_empty() {
                        last = line;
                    }
                    self.interpreter.execute(&last, &mut self.console)
                }
            };
            if !self.goes_on(flow) {
                return;
            }
        }
    }

    /// Ends the session if that is what has come of a line; otherwise it goes on.
    fn goes_on(&mut self, flow: Flow) -> bool {
        // Asked before the end, which hangs up.
        self.has_failed = self.interpreter.has_lost_server();
        let ending = match flow {
            Flow::Quit(ending) => ending,
            Flow::Done => return true,
            // Nothing is left to end.
            Flow::Resumed => {
                let is_over = self.interpreter.engine().processes().is_empty();
                return !(self.ends_with_target && is_over);
            }
        };
        if ending == Ending::Kill && !self.confirms_end() {
            return true;
        }
        self.has_failed |= !self.interpreter.end(ending, &mut self.console);
        false
    }

    /// Asks whether processes that lived before the session are to be ended with it. Only a person
    /// is asked.
    fn confirms_end(&mut self) -> bool {
        let processes = self.interpreter.engine().processes();
        let attached: Vec<String> = processes
            .iter()
            .filter(|process| !process.created)
            .map(|process| format!("{} ({})", process.pid, process.name))
            .collect();
        if attached.is_empty() || !self.console.is_interactive() {
            return true;
        }
        let question = format!(
            "This ends process {}, which the debugger did not start. End it? (y, or n; qd leaves \
             it) ",
            attached.join(", ")
        );
        let answer = self.console.read_line(&question).unwrap_or_default();
        matches!(answer.trim(), "y" | "Y" | "yes")
    }
}
