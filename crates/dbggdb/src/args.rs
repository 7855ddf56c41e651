//! The command line, read: from words to what is wanted. It opens and prints nothing.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use dbgbase::Pid;
use dbggdb::Start;
use dbglink::ClientEndpoint;

use crate::place::{Place, PlaceError};

/// What is wanted.
#[derive(Debug)]
pub(crate) enum Invocation {
    /// The help text.
    Help,
    /// The version.
    Version,
    /// To serve debuggers.
    Serve(Box<Options>),
}

/// How to serve.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The server of `-premote`; `None` for an embedded one.
    pub(crate) server: Option<ClientEndpoint>,
    /// Where debuggers connect; `None` for standard input and output.
    pub(crate) listen: Option<Place>,
    /// Whether debuggers may write and remove files of the server's machine.
    pub(crate) allow_writes: bool,
    /// What is debugged from the start.
    pub(crate) target: Start,
}

/// What is wrong with the command line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsageError {
    /// No option is called so.
    #[error("no option is called '{0}'")]
    Unknown(String),
    /// The option needs a value.
    #[error("{0} needs {1} behind it")]
    MissingValue(&'static str, &'static str),
    /// The value is no process id.
    #[error("-p {0}: a process id was expected")]
    BadPid(String),
    /// The connection string is none.
    #[error("-premote {0}: {1}")]
    BadServer(String, String),
    /// Debuggers cannot connect there.
    #[error("-listen {0}: {1}")]
    BadPlace(String, PlaceError),
    /// Both a process and a program.
    #[error("-p and a program exclude each other")]
    TwoTargets,
}

/// What `--help` shows.
pub(crate) const HELP: &str = "\
usage: dbggdb [-premote CONNECTION] [-listen WHERE] [-p PID | -- PROGRAM [ARGUMENT]...]

Serves gdb, lldb and whoever speaks the GDB remote protocol, with the processes
of a process server.

  -premote CONNECTION  the process server, as cdb takes it (cdb -? shows the
                       forms): npipe, tcp, ssl, spipe, vsock, exec; clicon=
                       waits for a server that calls. Without it, one of its
                       own on this machine
  -listen WHERE        where debuggers connect, any number of them, each with
                       processes of its own:
                         127.0.0.1:1234, [::1]:1234, :1234, 1234
                                          this machine, the same user or root
                         unix:PATH        a socket of this user
                         ADDRESS:1234,unprotected
                                          whoever reaches that address: each
                                          can read, change and start processes
                                          with the rights of the process server
  -allow-writes        debuggers may also write and remove files there ('remote
                       put', 'remote delete'), as the server's user may; without
                       it they only read them
  -p PID               attach to this process of the server's machine
  -- PROGRAM ...       run this program there; with it, or with -p, one debugger
                       is served
  --help, --version

Without -listen the debugger is at standard input and output:

  gdb -ex 'target extended-remote | dbggdb -premote tcp:server=host,port=5005'
  dbggdb -premote tcp:server=host,port=5005 -listen :1234
    gdb   target extended-remote :1234
    lldb  gdb-remote 1234
    WinDbg, connect to process server  gdb:server=127.0.0.1,port=1234
";

/// Reads the words behind the program's name.
pub(crate) fn parse(words: &[OsString]) -> Result<Invocation, UsageError> {
    let mut options =
        Options { server: None, listen: None, allow_writes: false, target: Start::Nothing };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        match &*text {
            "-h" | "-?" | "-help" | "--help" => return Ok(Invocation::Help),
            "-version" | "--version" => return Ok(Invocation::Version),
            "-premote" => {
                let value = value(words.next(), "-premote", "a connection string")?;
                let endpoint = value.parse::<ClientEndpoint>();
                let bad = |error: dbglink::ParseError| {
                    UsageError::BadServer(value.clone(), error.to_string())
                };
                options.server = Some(endpoint.map_err(bad)?);
            }
            "-listen" => {
                let value = value(words.next(), "-listen", "an address")?;
                let place = Place::parse(&value);
                options.listen = Some(place.map_err(|error| UsageError::BadPlace(value, error))?);
            }
            "-allow-writes" => options.allow_writes = true,
            "-p" => {
                let value = value(words.next(), "-p", "a process id")?;
                let pid = value.parse().map_err(|_| UsageError::BadPid(value))?;
                options.set_target(Start::Process(Pid::new(pid)))?;
            }
            "--" => {
                let bytes = |word: &OsString| OsStr::as_bytes(word).to_vec();
                let words: Vec<Vec<u8>> = words.by_ref().map(bytes).collect();
                if words.is_empty() {
                    return Err(UsageError::MissingValue("--", "a program"));
                }
                options.set_target(Start::Program(words))?;
            }
            _ => return Err(UsageError::Unknown(text.into_owned())),
        }
    }
    Ok(Invocation::Serve(Box::new(options)))
}

impl Options {
    fn set_target(&mut self, target: Start) -> Result<(), UsageError> {
        if !matches!(self.target, Start::Nothing) {
            return Err(UsageError::TwoTargets);
        }
        self.target = target;
        Ok(())
    }
}

fn value(
    word: Option<&OsString>,
    option: &'static str,
    what: &'static str,
) -> Result<String, UsageError> {
    let word = word.ok_or(UsageError::MissingValue(option, what))?;
    Ok(word.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(line: &str) -> Options {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        match parse(&words) {
            Ok(Invocation::Serve(options)) => *options,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn refusal(line: &str) -> String {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        parse(&words).expect_err("is refused").to_string()
    }

    #[test]
    fn everything_behind_the_dashes_is_the_programs() {
        let options = serve("-listen :1234 -- prog -p 1 --help");
        let words = ["prog", "-p", "1", "--help"].map(|word| word.as_bytes().to_vec());
        assert_eq!(options.target, Start::Program(words.to_vec()));
        assert!(options.listen.is_some());
        assert_eq!(serve("-p 42").target, Start::Process(Pid::new(42)));
        assert_eq!(serve("").target, Start::Nothing);
    }

    #[test]
    fn a_wrong_line_is_told_what_is_wrong() {
        assert_eq!(refusal("-x"), "no option is called '-x'");
        assert_eq!(refusal("-p"), "-p needs a process id behind it");
        assert_eq!(refusal("-p one"), "-p one: a process id was expected");
        assert_eq!(refusal("-p 1 -- prog"), "-p and a program exclude each other");
        assert_eq!(refusal("--"), "-- needs a program behind it");
        assert!(refusal("-premote com:").starts_with("-premote com:: "));
    }

    #[test]
    fn the_manual_page_has_every_option() {
        let manual = include_str!("../man/dbggdb.1");
        for line in HELP.lines().filter(|line| line.starts_with("  -")) {
            let option = line.trim().split([' ', ',']).next().expect("a word");
            let name = option.trim_start_matches('-');
            let is_there = manual.contains(&format!(".It Fl {name}"))
                || manual.contains(&format!(".It Fl \\&-{name}"))
                || manual.contains(&format!(".It Fl \\&- {name}"))
                || option == "--";
            assert!(is_there, "{option} is not in the manual page");
        }
    }
}
