//! The command line, read: from words to what is wanted. It opens, starts and prints nothing. The
//! rules are those of the page "CDB Command-Line Options".

use std::ffi::{OsStr, OsString};
use std::fmt;

use dbglink::ClientEndpoint;

use crate::options::{self, Meaning, OptionRow, Outcome};

/// What is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Invocation {
    /// The help text.
    Help,
    /// The version.
    Version,
    /// The servers of a machine, by its name as it was typed.
    ListServers(String),
    /// A session.
    Debug(Box<DebugOptions>),
}

/// How the session is to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DebugOptions {
    /// The server of `-premote`; `None` for an embedded one.
    pub(crate) server: Option<ClientEndpoint>,
    /// Whom to debug.
    pub(crate) target: Target,
    /// `-g`
    pub(crate) runs_at_start: bool,
    /// `-G`
    pub(crate) ends_with_target: bool,
    /// `-pe`
    pub(crate) takes_over: bool,
    /// Not `-pb`
    pub(crate) breaks_in: bool,
    /// `-pd`
    pub(crate) detaches_at_end: bool,
    /// `-o`
    pub(crate) debugs_children: bool,
    /// `-x`, `-xe`, `-xd`, `-xn`, `-xi`, as the commands that they stand for.
    pub(crate) filters: Vec<String>,
    /// `-c`
    pub(crate) commands: Option<String>,
    /// `-y`
    pub(crate) symbol_path: Option<String>,
    /// `-srcpath`
    pub(crate) source_path: Option<String>,
    /// `-v`
    pub(crate) is_verbose: bool,
}

/// Whom to debug.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// A running process.
    Pid(u32),
    /// The running process of this name.
    Name(String),
    /// A program, and its arguments.
    Program(OsString, Vec<OsString>),
    /// What the server says.
    Implicit,
}

/// What is wrong with the command line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum UsageError {
    /// No option is called so.
    Unknown(String),
    /// The original has this option, this program does not, for this reason.
    Refused(&'static str, &'static str),
    /// The option needs a value.
    MissingValue(&'static str, &'static str),
    /// The value is no process id.
    BadPid(String),
    /// The connection string of `-premote` is none, for this reason.
    BadServer(String),
    /// The option is given twice.
    Twice(&'static str),
    /// More than one target is named.
    TwoTargets,
    /// No target is named.
    NoTarget,
    /// The option is about a running process, and none is named.
    NeedsProcess(&'static str),
    /// The option is about a process server, and none is named.
    NeedsServer(&'static str),
    /// What was abandoned stands still until it is looked at.
    PassesExisting,
    /// The value is no text.
    NotText(&'static str),
    /// The option is given with others.
    NotAlone(&'static str),
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UsageError::Unknown(option) => write!(f, "unknown option {option}"),
            UsageError::Refused(name, reason) => write!(f, "-{name} is not available: {reason}"),
            UsageError::MissingValue(name, value) => write!(f, "-{name} needs {value} behind it"),
            UsageError::BadPid(text) => {
                write!(f, "-p {text}: not a process id; it is a decimal number")
            }
            UsageError::BadServer(reason) => write!(f, "-premote: {reason}"),
            UsageError::Twice(name) => write!(f, "-{name} is given twice"),
            UsageError::TwoTargets => f.write_str(
                "more than one target: give a program, -p, -pn or -cimp, and one of them only",
            ),
            UsageError::NoTarget => {
                f.write_str("no target: name a program, or a process by -p PID or -pn NAME")
            }
            UsageError::NeedsProcess(name) => {
                write!(f, "-{name} needs a running process: add -p PID or -pn NAME")
            }
            UsageError::NeedsServer(name) => {
                write!(f, "-{name} needs a process server: add -premote TRANSPORT")
            }
            UsageError::PassesExisting => {
                f.write_str("-pb and -pe exclude each other: what was abandoned stands still")
            }
            UsageError::NotText(name) => write!(f, "the value of -{name} is not valid text"),
            UsageError::NotAlone(name) => {
                write!(f, "-{name} must stand alone: it starts no session and takes no other word")
            }
        }
    }
}

/// Reads the words behind the program's own name.
pub(crate) fn parse(words: &[OsString]) -> Result<Invocation, UsageError> {
    let mut reading = Reading::default();
    let count = words.len();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(rows) = options_in(word)? else {
            reading.target(Target::Program(word.clone(), words.cloned().collect()))?;
            break;
        };
        for row in rows {
            match row.outcome {
                Outcome::Refused(reason) => return Err(UsageError::Refused(row.name, reason)),
                Outcome::Accepted => {}
                Outcome::Works(Meaning::Help) => return Ok(Invocation::Help),
                Outcome::Works(Meaning::Version) => return Ok(Invocation::Version),
                Outcome::Works(meaning) => {
                    let value = match row.value {
                        Some(value) => {
                            let missing = UsageError::MissingValue(row.name, value);
                            let word = words.next().ok_or(missing)?;
                            word.to_str().ok_or(UsageError::NotText(row.name))?
                        }
                        None => "",
                    };
                    if meaning == Meaning::ListServers {
                        return list_servers(row, value, count);
                    }
                    reading.option(row, meaning, value)?;
                }
            }
        }
    }
    reading.finish()
}

/// `-QR`, which is all there may be.
fn list_servers(row: &OptionRow, host: &str, count: usize) -> Result<Invocation, UsageError> {
    if count != 2 {
        return Err(UsageError::NotAlone(row.name));
    }
    let is_name = !host.trim_start_matches('\\').is_empty() && !host.starts_with('-');
    let missing = UsageError::MissingValue(row.name, row.value.unwrap_or_default());
    is_name.then(|| Invocation::ListServers(host.to_owned())).ok_or(missing)
}

/// The options that a word stands for; `None` if it is no option.
///
/// A word with a slash is an option only if it is one by its whole name: other words that begin
/// with a slash are paths.
fn options_in(word: &OsStr) -> Result<Option<Vec<&'static OptionRow>>, UsageError> {
    let text = word.to_string_lossy();
    if let Some(name) = text.strip_prefix('/') {
        return Ok(options::find(name).map(|row| vec![row]));
    }
    let Some(name) = text.strip_prefix('-').filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    if let Some(row) = options::find(name) {
        return Ok(Some(vec![row]));
    }
    match concatenated(name) {
        Some(rows) => Ok(Some(rows)),
        None => Err(UsageError::Unknown(text.into_owned())),
    }
}

/// The options without values that `names` is made of, the longest names preferred.
fn concatenated(names: &str) -> Option<Vec<&'static OptionRow>> {
    const NAME_LEN_MAX: usize = 8;
    if names.is_empty() {
        return Some(Vec::new());
    }
    let len_max = names.len().min(NAME_LEN_MAX);
    (1..=len_max).rev().find_map(|len| {
        let (name, behind) = (names.get(..len)?, names.get(len..)?);
        let row = options::find(name).filter(|row| row.value.is_none())?;
        let mut rows = vec![row];
        rows.extend(concatenated(behind)?);
        Some(rows)
    })
}

/// What has been read so far.
#[derive(Default)]
struct Reading {
    server: Option<ClientEndpoint>,
    target: Option<Target>,
    takes_over: bool,
    passes: bool,
    runs_at_start: bool,
    ends_with_target: bool,
    detaches_at_end: bool,
    debugs_children: bool,
    filters: Vec<String>,
    commands: Option<String>,
    symbol_path: Option<String>,
    source_path: Option<String>,
    is_verbose: bool,
}

impl Reading {
    fn option(&mut self, row: &OptionRow, meaning: Meaning, value: &str) -> Result<(), UsageError> {
        let set = |field: &mut Option<String>| match field.replace(value.to_owned()) {
            None => Ok(()),
            Some(_) => Err(UsageError::Twice(row.name)),
        };
        match meaning {
            Meaning::Server => {
                let parsed = value.parse::<ClientEndpoint>();
                let endpoint =
                    parsed.map_err(|error| UsageError::BadServer(error.explain(value)))?;
                return match self.server.replace(endpoint) {
                    None => Ok(()),
                    Some(_) => Err(UsageError::Twice(row.name)),
                };
            }
            Meaning::Commands => return set(&mut self.commands),
            Meaning::SymbolPath => return set(&mut self.symbol_path),
            Meaning::SourcePath => return set(&mut self.source_path),
            Meaning::Pid => {
                let bad = || UsageError::BadPid(value.to_owned());
                let is_decimal = value.bytes().all(|byte| byte.is_ascii_digit());
                let pid = value.parse().ok().filter(|pid| is_decimal && *pid != 0);
                return self.target(Target::Pid(pid.ok_or_else(bad)?));
            }
            Meaning::ProcessName => return self.target(Target::Name(value.to_owned())),
            Meaning::Existing => self.takes_over = true,
            Meaning::NoBreak => self.passes = true,
            Meaning::Implicit => return self.target(Target::Implicit),
            Meaning::RunAtStart => self.runs_at_start = true,
            Meaning::EndWithTarget => self.ends_with_target = true,
            Meaning::DetachAtEnd => self.detaches_at_end = true,
            Meaning::DebugChildren => self.debugs_children = true,
            Meaning::Filter(command) => self.filters.push(format!("{command} {value}")),
            Meaning::SecondChance => self.filters.push("sxd av".to_owned()),
            Meaning::Verbose => self.is_verbose = true,
            Meaning::Help | Meaning::Version | Meaning::ListServers => {}
        }
        Ok(())
    }

    fn target(&mut self, target: Target) -> Result<(), UsageError> {
        match self.target.replace(target) {
            None => Ok(()),
            Some(_) => Err(UsageError::TwoTargets),
        }
    }

    fn finish(self) -> Result<Invocation, UsageError> {
        if !matches!(self.target, Some(Target::Pid(_) | Target::Name(_))) {
            let options = [("pe", self.takes_over), ("pb", self.passes)];
            if let Some((name, _)) = options.into_iter().find(|(_, is_given)| *is_given) {
                return Err(UsageError::NeedsProcess(name));
            }
        }
        if self.takes_over && self.passes {
            return Err(UsageError::PassesExisting);
        }
        if self.target == Some(Target::Implicit) && self.server.is_none() {
            return Err(UsageError::NeedsServer("cimp"));
        }
        Ok(Invocation::Debug(Box::new(DebugOptions {
            server: self.server,
            target: self.target.ok_or(UsageError::NoTarget)?,
            takes_over: self.takes_over,
            breaks_in: !self.passes,
            runs_at_start: self.runs_at_start,
            ends_with_target: self.ends_with_target,
            detaches_at_end: self.detaches_at_end,
            debugs_children: self.debugs_children,
            filters: self.filters,
            commands: self.commands,
            symbol_path: self.symbol_path,
            source_path: self.source_path,
            is_verbose: self.is_verbose,
        })))
    }
}

#[cfg(test)]
#[path = "args/tests.rs"]
mod tests;
