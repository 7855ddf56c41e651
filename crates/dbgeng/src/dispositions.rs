//! What a program does with signals, as the system tells it (proc_pid_status(5)). It decides
//! nothing about a signal.

use bytes::Bytes;
use dbgbase::{Pid, Signal};
use dbgwire::verbs::file::{CloseFile, FileAccess, OpenFile, ReadFile};
use dbgwire::verbs::memory::Range;

use crate::client::{CallError, Client};

/// More than the file ever has.
const STATUS_LEN_MAX: u32 = 16 * 1024;

/// Which signals a process handles or ignores.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Dispositions {
    /// A bit for each signal, the lowest for signal 1.
    handled: u64,
    ignored: u64,
}

impl Dispositions {
    /// Asks the server's machine.
    ///
    /// **Cost**: two round trips.
    pub(crate) fn read(client: &Client, pid: Pid) -> Result<Dispositions, CallError> {
        let opened = client.call(&OpenFile {
            path: format!("/proc/{pid}/status").into_bytes(),
            access: FileAccess::Read as i32,
            ..OpenFile::default()
        })?;
        let ranges = vec![Range { address: 0, len: STATUS_LEN_MAX }];
        let read = client.send(&ReadFile { file: opened.file, ranges }, Bytes::new()).wait();
        client.post(&CloseFile { file: opened.file });
        read.map(|(_, text)| Dispositions::parse(&String::from_utf8_lossy(&text)))
    }

    fn parse(status: &str) -> Dispositions {
        let mask = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            u64::from_str_radix(line.trim(), 16).ok()
        };
        Dispositions {
            handled: mask("SigCgt:").unwrap_or(0),
            ignored: mask("SigIgn:").unwrap_or(0),
        }
    }

    /// Whether the program has a handler for a signal.
    pub(crate) fn handles(self, signal: Signal) -> bool {
        self.handled & bit(signal) != 0
    }

    /// Whether a signal ends the program.
    pub(crate) fn is_ended_by(self, signal: Signal) -> bool {
        // Signals whose default is not the end (signal(7)).
        let is_harmless = matches!(
            signal,
            Signal::SIGCHLD
                | Signal::SIGCONT
                | Signal::SIGURG
                | Signal::SIGWINCH
                | Signal::SIGSTOP
                | Signal::SIGTSTP
                | Signal::SIGTTIN
                | Signal::SIGTTOU
        );
        !is_harmless && (self.handled | self.ignored) & bit(signal) == 0
    }
}

fn bit(signal: Signal) -> u64 {
    1 << (signal.number() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_read_by_name() {
        let status = "Name:\tprog\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001000\n\
                      SigCgt:\t0000000000000200\nCapInh:\t0000000000000000\n";
        let dispositions = Dispositions::parse(status);
        assert_eq!(dispositions, Dispositions { handled: 1 << 9, ignored: 1 << 12 });
        let ends = |signal| dispositions.is_ended_by(signal);
        assert!(dispositions.handles(Signal::SIGUSR1) && !ends(Signal::SIGUSR1));
        assert!(!ends(Signal::SIGPIPE), "ignored");
        assert!(!ends(Signal::SIGCHLD) && !ends(Signal::SIGTSTP), "by default");
        assert!(ends(Signal::SIGUSR2) && ends(Signal::SIGSEGV));
        assert_eq!(Dispositions::parse("nothing of the kind"), Dispositions::default());
    }
}
