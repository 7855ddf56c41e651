//! How programs are started: the packets that say so before `vRun`, and what the debugger wants to
//! be told of targets.

use std::collections::BTreeMap;

use dbgbase::TargetId;
use dbgwire::verbs::process::{Launch, Terminal};
use dbgwire::verbs::resume::{ChildPolicy, SetEvents, SetSignals, SignalPolicy};

use crate::arguments::Arguments;
use crate::error::PacketError;
use crate::hex;
use crate::session::{Handled, Reply, Session};
use crate::{shell, signal_number};

/// What starts programs whose arguments a shell has to read.
const SHELL: &[u8] = b"/bin/sh";

/// What arguments are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Words that stand for themselves: a shell has read them already.
    Exact,
    /// Words that somebody has cut at blanks and freed from quotes, without regard for the rest of
    /// what a shell does.
    Words,
    /// One text, as it was written.
    Text,
}

/// What programs are started with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LaunchSettings {
    /// The program and its arguments, as named last.
    pub command: Option<Vec<Vec<u8>>>,
    /// What its arguments are.
    pub form: Form,
    /// Where they start; empty for the server's directory.
    pub directory: Vec<u8>,
    /// Variables they get, and those they do not.
    pub variables: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Whether their addresses are the same every time.
    pub has_fixed_addresses: bool,
    /// Whether a shell starts them.
    pub uses_shell: bool,
    /// Signals that do not stop them, in the debugger's numbers.
    pub passed_signals: Vec<u64>,
    /// Which of standard input, output and error LLDB wants to be /dev/null.
    pub silent_streams: [bool; 3],
    /// A file that is to be a standard stream of the next one.
    pub redirected: Option<String>,
    /// Why the last one was not started, if LLDB wanted it to be.
    pub trouble: Option<String>,
}

impl Default for LaunchSettings {
    fn default() -> LaunchSettings {
        LaunchSettings {
            command: None,
            form: Form::Exact,
            directory: Vec::new(),
            variables: BTreeMap::new(),
            has_fixed_addresses: true,
            uses_shell: true,
            passed_signals: Vec::new(),
            silent_streams: [false; 3],
            redirected: None,
            trouble: None,
        }
    }
}

impl LaunchSettings {
    /// The program's name, for people.
    pub(crate) fn program(&self) -> String {
        let program = self.command.as_ref().and_then(|command| command.first());
        String::from_utf8_lossy(program.map_or(b"the program", Vec::as_slice)).into_owned()
    }

    /// The variables that programs do not get.
    fn unset(&self) -> Vec<Vec<u8>> {
        let is_unset = |(_, value): &(&Vec<u8>, &Option<Vec<u8>>)| value.is_none();
        self.variables.iter().filter(is_unset).map(|(name, _)| name.clone()).collect()
    }

    /// What programs read from and write to: all of it is a terminal, or all of it nothing.
    fn terminal(&self) -> Terminal {
        if self.silent_streams == [true; 3] { Terminal::None } else { Terminal::Pty }
    }

    /// How a program is started. Whether that is by a shell that executes it.
    ///
    /// **Errors**: no program has been named.
    pub(crate) fn request(&self) -> Result<(Launch, bool), PacketError> {
        let command = self.command.clone().unwrap_or_default();
        let Some((program, words)) = command.split_first() else {
            let text = "no program was named, here or before; set one with 'set remote exec-file'";
            return Err(PacketError::message(text));
        };
        let shell = match (self.uses_shell, self.form, words) {
            (true, Form::Words, words) => shell::command(program, words),
            (true, Form::Text, [text]) => Some(shell::command_of_text(program, text)),
            _ => None,
        };
        let by_shell = shell.is_some();
        let (program, arguments) = match shell {
            Some(line) => (SHELL.to_vec(), vec![b"sh".to_vec(), b"-c".to_vec(), line]),
            None => (program.clone(), command.clone()),
        };
        let launch = Launch {
            program,
            arguments,
            directory: self.directory.clone(),
            environment: self.environment(),
            unset: self.unset(),
            terminal: self.terminal() as i32,
            at_exec: true,
            fixed_addresses: self.has_fixed_addresses,
            ..Launch::default()
        };
        Ok((launch, by_shell))
    }

    /// The variables that programs get, `NAME=VALUE`.
    pub fn environment(&self) -> Vec<Vec<u8>> {
        let set = |(name, value): (&Vec<u8>, &Option<Vec<u8>>)| {
            value.as_ref().map(|value| [name.as_slice(), b"=", value].concat())
        };
        self.variables.iter().filter_map(set).collect()
    }
}

impl Session {
    /// `QDisableRandomization:0|1`
    pub(crate) fn packet_fix_addresses(&mut self, arguments: &[u8]) -> Handled {
        self.launching.has_fixed_addresses = flag(arguments)?;
        Ok(Reply::Ok)
    }

    /// `QStartupWithShell:0|1`
    pub(crate) fn packet_shell(&mut self, arguments: &[u8]) -> Handled {
        self.launching.uses_shell = flag(arguments)?;
        Ok(Reply::Ok)
    }

    /// `QSetWorkingDir:[PATH]`
    pub(crate) fn packet_directory(&mut self, arguments: &[u8]) -> Handled {
        let path = hex::bytes(arguments).ok_or(PacketError::Malformed("a path in digits"))?;
        self.launching.directory = path;
        Ok(Reply::Ok)
    }

    /// `QEnvironmentHexEncoded:NAME=VALUE`
    pub(crate) fn packet_environment(&mut self, arguments: &[u8]) -> Handled {
        let entry = hex::bytes(arguments).ok_or(PacketError::Malformed("a variable in digits"))?;
        let mut entry = Arguments::new(&entry);
        let name = entry.until(b'=').to_vec();
        self.launching.variables.insert(name, Some(entry.rest().to_vec()));
        Ok(Reply::Ok)
    }

    /// `QEnvironmentUnset:NAME`
    pub(crate) fn packet_environment_unset(&mut self, arguments: &[u8]) -> Handled {
        let name = hex::bytes(arguments).ok_or(PacketError::Malformed("a name in digits"))?;
        self.launching.variables.insert(name, None);
        Ok(Reply::Ok)
    }

    /// `QEnvironmentReset`
    pub(crate) fn packet_environment_reset(&mut self, _: &[u8]) -> Handled {
        self.launching.variables.clear();
        Ok(Reply::Ok)
    }

    /// `QPassSignals:NUMBER[;NUMBER]...`: these are delivered without a stop.
    pub(crate) fn packet_pass_signals(&mut self, arguments: &[u8]) -> Handled {
        self.launching.passed_signals = numbers(arguments)?;
        let ids: Vec<TargetId> = self.targets.keys().copied().collect();
        ids.into_iter().for_each(|id| self.send_signals(id));
        Ok(Reply::Ok)
    }

    /// `QProgramSignals:NUMBER[;NUMBER]...`: these may be delivered. It matters where a stub
    /// forwards signals by itself, which this one never does.
    pub(crate) fn packet_program_signals(&mut self, arguments: &[u8]) -> Handled {
        numbers(arguments).map(|_| Reply::Ok)
    }

    /// Tells the server what the debugger wants to know of a target.
    ///
    /// **Cost**: none; nobody waits.
    pub(crate) fn send_interests(&mut self, id: TargetId) {
        let dialogue = &self.dialogue;
        let follows = dialogue.fork_events || dialogue.vfork_events;
        let children = if follows { ChildPolicy::Follow } else { ChildPolicy::LetGo };
        self.client.post(&SetEvents {
            target: id.value(),
            modules: false,
            children: children as i32,
            forks: follows,
            thread_births: dialogue.thread_events,
            thread_ends: dialogue.thread_events,
            vfork_ends: dialogue.vfork_events,
        });
        self.send_signals(id);
    }

    /// Tells the server which signals stop a target: all that are not passed.
    fn send_signals(&mut self, id: TargetId) {
        let passed = |signal: dbgbase::Signal| {
            let number = signal_number::to_debugger(signal, self.dialogue.dialect);
            self.launching.passed_signals.contains(&u64::from(number))
        };
        let policy = |signal: dbgbase::Signal| SignalPolicy {
            signal: signal.number() as u32,
            stop: !passed(signal),
            pass: true,
            print: false,
        };
        let policies = (1..=64).filter_map(dbgbase::Signal::new).map(policy).collect();
        self.client.post(&SetSignals { target: id.value(), policies });
    }
}

/// A switch.
pub(crate) fn flag(arguments: &[u8]) -> Result<bool, PacketError> {
    match arguments {
        b"0" => Ok(false),
        b"1" => Ok(true),
        _ => Err(PacketError::Malformed("0 or 1 was expected")),
    }
}

/// Numbers between semicolons.
pub(crate) fn numbers(arguments: &[u8]) -> Result<Vec<u64>, PacketError> {
    if arguments.is_empty() {
        return Ok(Vec::new());
    }
    // GDB ends the list with a semicolon as well.
    let arguments = arguments.strip_suffix(b";").unwrap_or(arguments);
    let numbers = arguments.split(|byte| *byte == b';').map(hex::number);
    numbers.collect::<Option<_>>().ok_or(PacketError::Malformed("numbers were expected"))
}
