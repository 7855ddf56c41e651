//! Why a pipe of another machine cannot be reached by ssh, worded for the person who asked for it.

use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use super::words::{PROGRAM, PROGRAM_VARIABLE};

/// What ssh(1) ends with for a failure of its own.
const OWN_FAILURE: i32 = 255;
/// What a shell ends with for a command that it does not find, or cannot execute.
const NO_COMMAND: [i32; 2] = [127, 126];
/// The number of SIGINT.
const INTERRUPT: i32 = 2;

/// What has become of ssh.
#[derive(Debug)]
pub enum SshFault {
    /// The name in `server=` is none that ssh could be given.
    Name,
    /// It cannot be started.
    NotStarted(io::Error),
    /// It has not come to the other machine, or was not let in there.
    Failed {
        /// What it has said about that; empty if it has said so at the terminal.
        said: String,
        /// Whether it was not to ask anybody for anything.
        is_mute: bool,
    },
    /// There is no dbgsrv on the other machine where it was looked for.
    NoProgram {
        /// What the shell over there has said.
        said: String,
    },
    /// There is no such pipe, or it does not let the user in.
    Refused(String),
    /// What answers over there is no dbgsrv that could do it.
    Ended {
        /// How it has ended.
        status: Option<ExitStatus>,
        /// What it has said.
        said: String,
    },
    /// Something else than dbgsrv speaks over there, without end.
    Nonsense,
    /// The user has interrupted it.
    Interrupted,
    /// Nobody has answered.
    Late,
}

/// What an end of ssh means before the far end has said anything.
pub(super) fn of(status: Option<ExitStatus>, said: String, is_mute: bool) -> SshFault {
    let code = status.and_then(|status| status.code());
    match code {
        Some(OWN_FAILURE) => SshFault::Failed { said, is_mute },
        Some(code) if NO_COMMAND.contains(&code) => SshFault::NoProgram { said },
        _ if status.is_some_and(|status| status.signal() == Some(INTERRUPT)) => {
            SshFault::Interrupted
        }
        _ => SshFault::Ended { status, said },
    }
}

impl fmt::Display for SshFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SshFault::Name => f.write_str(
                "a machine or user that ssh is to reach has letters, digits, '.', '-' and '_'; \
                 give it such a name in ~/.ssh/config",
            ),
            SshFault::NotStarted(reason) => {
                write!(f, "ssh cannot be started ({reason}); it comes with OpenSSH's client")
            }
            SshFault::Failed { said, is_mute } => {
                write!(f, "{}", quoted(said))?;
                let hint = "; it could not ask for anything here: connect by ssh alone once, and \
                            use a key of an agent";
                f.write_str(if *is_mute { hint } else { "" })
            }
            SshFault::NoProgram { said } => write!(
                f,
                "{PROGRAM} is not found there ({}); install it, or say where it is with \
                 {PROGRAM_VARIABLE}=PATH",
                quoted(said)
            ),
            SshFault::Refused(reason) => f.write_str(&printable(reason)),
            SshFault::Ended { status, said } => {
                let status = status.map_or("no status".to_owned(), |status| status.to_string());
                write!(f, "it ended with {status} ({}); is its {PROGRAM} too old?", quoted(said))
            }
            SshFault::Nonsense => write!(
                f,
                "what answers is not {PROGRAM}; a shell over there that prints something for \
                 every command should do so for people only"
            ),
            SshFault::Interrupted => f.write_str("interrupted"),
            SshFault::Late => f.write_str("nothing has answered in time"),
        }
    }
}

/// What ssh has said, in one line.
fn quoted(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.is_empty() {
        true => "ssh says above why".to_owned(),
        false => printable(&lines.join(" / ")),
    }
}

/// Another machine's text, without what a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(code: i32) -> Option<ExitStatus> {
        Some(ExitStatus::from_raw(code << 8))
    }

    #[test]
    fn each_end_has_its_sentence() {
        let said = |status, text: &str| of(status, text.to_owned(), false).to_string();
        let refused = "ssh: connect to host box17 port 22: Connection refused\r\n";
        assert_eq!(said(exit(255), refused), refused.trim_end());
        assert_eq!(said(exit(255), ""), "ssh says above why");
        let text = said(exit(127), "bash: line 1: dbgsrv: command not found\n");
        assert!(text.contains("(bash: line 1: dbgsrv: command not found)"), "{text}");
        assert!(text.contains("DBGSRV_REMOTE_PROGRAM=PATH"), "{text}");
        assert_eq!(said(Some(ExitStatus::from_raw(2)), ""), "interrupted");
        let text = said(exit(2), "Invalid Command Line: x\nUsage\n");
        assert!(text.contains("exit status: 2 (Invalid Command Line: x / Usage)"), "{text}");
        let mute = of(exit(255), "Permission denied (publickey).\n".to_owned(), true).to_string();
        assert!(mute.starts_with("Permission denied (publickey).; it could not ask"), "{mute}");
    }

    #[test]
    fn a_terminal_obeys_nothing_of_it() {
        let text = SshFault::Refused("\u{1b}[2Jx\u{7}".to_owned()).to_string();
        assert_eq!(text, "?[2Jx?");
    }
}
