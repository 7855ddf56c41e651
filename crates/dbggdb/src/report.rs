//! What the debugger is told of a target: that a thread stands still and why, or that the target
//! is gone, as a stop reply (manual, "Stop Reply Packets"). Pure.

use std::fmt::Write as _;

use dbgbase::{Address, ExitStatus, Pid, Signal, Tid};

use crate::breakpoints::Kind;
use crate::dialect::{Dialect, Dialogue};
use crate::{hex, signal_number, thread_id};

/// Something to tell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Report {
    /// Of which process.
    pub(crate) pid: Pid,
    /// Of which of its threads.
    pub(crate) tid: Tid,
    /// What.
    pub(crate) news: News,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum News {
    /// It stands still because the debugger asked for it, or because of this signal.
    Stopped(Option<Signal>),
    /// It stands at a breakpoint.
    Breakpoint(Kind),
    /// Watched memory was accessed.
    Watchpoint(Kind, Address),
    /// It has made a process, whose leader this is.
    Forked {
        /// The new process.
        child: Pid,
        /// Whether by vfork(2).
        borrows: bool,
    },
    /// It has executed this program.
    Exec(Vec<u8>),
    /// It is about to make this system call.
    SyscallEntry(u64),
    /// It has made this system call.
    SyscallExit(u64),
    /// It is new.
    ThreadBorn,
    /// It is about to end.
    ThreadEnded(ExitStatus),
    /// The process has ended.
    Ended(ExitStatus),
}

impl Report {
    /// The signal that the debugger is told.
    pub(crate) fn signal(&self) -> Option<Signal> {
        match self.news {
            News::Stopped(signal) => signal,
            News::ThreadBorn => None,
            _ => Some(Signal::SIGTRAP),
        }
    }

    /// The payload, with the thread's registers by their numbers. It may be made again with others.
    pub(crate) fn payload(&self, dialogue: &Dialogue, registers: &[(u16, Vec<u8>)]) -> Vec<u8> {
        if let News::Ended(status) = self.news {
            return self.ended(status, dialogue).into_bytes();
        }
        let signal = self.signal();
        let number =
            signal.map_or(0, |signal| signal_number::to_debugger(signal, dialogue.dialect));
        let thread = thread_id::format(self.pid, self.tid, dialogue.multiprocess);
        if let News::ThreadEnded(status) = self.news {
            let status = match status {
                ExitStatus::Exited(status) => u32::from(status),
                ExitStatus::Killed(signal) => signal.number() as u32,
            };
            return format!("w{status:x};{thread}").into_bytes();
        }
        let mut text = format!("T{number:02x}");
        self.reason(&mut text, dialogue);
        for (register, bytes) in registers {
            let _ = write!(text, "{register:02x}:{};", hex::encode(bytes));
        }
        let _ = write!(text, "thread:{thread};");
        text.into_bytes()
    }

    /// Writes why, as far as the debugger has said it understands it.
    fn reason(&self, text: &mut String, dialogue: &Dialogue) {
        if dialogue.dialect == Dialect::Lldb {
            return self.reason_for_lldb(text);
        }
        let _ = match &self.news {
            News::Breakpoint(Kind::Software) if dialogue.swbreak => write!(text, "swbreak:;"),
            News::Breakpoint(Kind::Hardware) if dialogue.hwbreak => write!(text, "hwbreak:;"),
            News::Watchpoint(Kind::Access, address) => write!(text, "awatch:{address:x};"),
            News::Watchpoint(_, address) => write!(text, "watch:{address:x};"),
            News::Forked { child, borrows } => {
                let event = if *borrows { "vfork" } else { "fork" };
                let child = thread_id::format(*child, Tid::from(*child), dialogue.multiprocess);
                write!(text, "{event}:{child};")
            }
            News::Exec(path) => write!(text, "exec:{};", hex::encode(path)),
            News::SyscallEntry(number) => write!(text, "syscall_entry:{number:x};"),
            News::SyscallExit(number) => write!(text, "syscall_return:{number:x};"),
            News::ThreadBorn => write!(text, "create:;"),
            _ => Ok(()),
        };
    }

    /// The same in LLDB's words (lldb-gdb-remote.txt, "stop reply packets").
    fn reason_for_lldb(&self, text: &mut String) {
        let _ = match &self.news {
            News::Breakpoint(_) => write!(text, "reason:breakpoint;"),
            News::Watchpoint(_, address) => {
                let description = hex::encode(address.value().to_string().as_bytes());
                write!(text, "reason:watchpoint;description:{description};")
            }
            News::Exec(_) => write!(text, "reason:exec;"),
            News::Stopped(None) => Ok(()),
            News::Stopped(Some(Signal::SIGTRAP)) => write!(text, "reason:trace;"),
            News::Stopped(Some(_)) => write!(text, "reason:signal;"),
            News::Forked { child, borrows } => {
                let event = if *borrows { "vfork" } else { "fork" };
                write!(text, "{event}:p{child:x}.{child:x};reason:{event};")
            }
            _ => Ok(()),
        };
    }

    fn ended(&self, status: ExitStatus, dialogue: &Dialogue) -> String {
        let mut text = match status {
            ExitStatus::Exited(status) => format!("W{status:02x}"),
            ExitStatus::Killed(signal) => {
                format!("X{:02x}", signal_number::to_debugger(signal, dialogue.dialect))
            }
        };
        if dialogue.multiprocess {
            let _ = write!(text, ";process:{:x}", self.pid);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(news: News, dialogue: &Dialogue) -> String {
        let report = Report { pid: Pid::new(0x10), tid: Tid::new(0x11), news };
        let registers = [(0x10, vec![1, 2, 0xff])];
        String::from_utf8(report.payload(dialogue, &registers)).expect("text")
    }

    #[test]
    fn only_what_the_debugger_understands_is_said() {
        let silent = Dialogue::default();
        let news = News::Breakpoint(Kind::Software);
        assert_eq!(payload(news.clone(), &silent), "T0510:0102ff;thread:11;");
        let fluent = Dialogue { multiprocess: true, swbreak: true, ..silent };
        assert_eq!(payload(news, &fluent), "T05swbreak:;10:0102ff;thread:p10.11;");
    }

    #[test]
    fn ends_name_the_process() {
        let fluent = Dialogue { multiprocess: true, ..Dialogue::default() };
        let exited = News::Ended(ExitStatus::Exited(3));
        assert_eq!(payload(exited.clone(), &Dialogue::default()), "W03");
        assert_eq!(payload(exited, &fluent), "W03;process:10");
        let killed = News::Ended(ExitStatus::Killed(Signal::SIGUSR1));
        assert_eq!(payload(killed, &fluent), "X1e;process:10");
    }

    #[test]
    fn events_carry_what_belongs_to_them() {
        let fluent = Dialogue { multiprocess: true, ..Dialogue::default() };
        let forked = News::Forked { child: Pid::new(0x20), borrows: true };
        assert_eq!(payload(forked, &fluent), "T05vfork:p20.20;10:0102ff;thread:p10.11;");
        let exec = News::Exec(b"/a".to_vec());
        assert_eq!(payload(exec, &fluent), "T05exec:2f61;10:0102ff;thread:p10.11;");
        let watched = News::Watchpoint(Kind::Write, Address::new(0x7f00));
        assert_eq!(payload(watched, &fluent), "T05watch:7f00;10:0102ff;thread:p10.11;");
        assert_eq!(payload(News::Stopped(None), &fluent), "T0010:0102ff;thread:p10.11;");
    }
}
