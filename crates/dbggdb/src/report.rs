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
    /// It stands still for nothing that has a name, or because of this signal.
    Stopped(Option<Signal>),
    /// The debugger asked for it.
    Interrupted,
    /// The debugger attached to its process.
    Attached,
    /// Its program is loaded, and nothing of that has run.
    Started,
    /// A step is done.
    Stepped,
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
    /// A process that borrowed its memory has given it back.
    VforkDone,
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
    /// The number of the signal that the debugger is told; 0 for none. LLDB would deliver SIGINT
    /// with the next resume, but not SIGSTOP, and knows no stop without a signal.
    pub(crate) fn signal_number(&self, dialogue: &Dialogue) -> u8 {
        let is_lldb = dialogue.dialect == Dialect::Lldb;
        let signal = match self.news {
            News::Stopped(signal) => signal,
            News::Interrupted | News::Attached | News::Started if is_lldb => Some(Signal::SIGSTOP),
            News::Interrupted => Some(Signal::SIGINT),
            News::Attached => None,
            _ => Some(Signal::SIGTRAP),
        };
        signal.map_or(0, |signal| signal_number::to_debugger(signal, dialogue.dialect))
    }

    /// Why, in LLDB's word, and what belongs to it (lldb-gdb-remote.txt, "stop reply packets").
    pub(crate) fn lldb_reason(&self) -> Option<(&'static str, String)> {
        let (reason, description) = match &self.news {
            News::Breakpoint(_) => ("breakpoint", String::new()),
            News::Watchpoint(_, address) => {
                // The address that is watched, the CPU's slot, the address that was accessed.
                let address = address.value();
                ("watchpoint", format!("{address} 0 {address}"))
            }
            News::Exec(_) => ("exec", String::new()),
            News::Stepped => ("trace", String::new()),
            News::Forked { borrows: true, .. } => ("vfork", String::new()),
            News::Forked { .. } => ("fork", String::new()),
            News::VforkDone => ("vforkdone", String::new()),
            News::Stopped(None) | News::ThreadBorn | News::Ended(_) => return None,
            _ => ("signal", String::new()),
        };
        Some((reason, description))
    }

    /// The payload, with the thread's registers by their numbers and `details` that only the
    /// session knows. It may be made again with others.
    pub(crate) fn payload(
        &self,
        dialogue: &Dialogue,
        registers: &[(u16, Vec<u8>)],
        details: &str,
    ) -> Vec<u8> {
        if let News::Ended(status) = self.news {
            return self.ended(status, dialogue).into_bytes();
        }
        let number = self.signal_number(dialogue);
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
        let _ = write!(text, "thread:{thread};{details}");
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
            News::VforkDone if dialogue.vfork_events => write!(text, "vforkdone:;"),
            News::Exec(path) if dialogue.exec_events => {
                write!(text, "exec:{};", hex::encode(path))
            }
            News::SyscallEntry(number) => write!(text, "syscall_entry:{number:x};"),
            News::SyscallExit(number) => write!(text, "syscall_return:{number:x};"),
            News::ThreadBorn => write!(text, "create:;"),
            _ => Ok(()),
        };
    }

    /// The same in LLDB's words.
    fn reason_for_lldb(&self, text: &mut String) {
        if let News::Forked { child, borrows } = &self.news {
            let event = if *borrows { "vfork" } else { "fork" };
            let _ = write!(text, "{event}:p{child:x}.{child:x};");
        }
        let Some((reason, description)) = self.lldb_reason() else { return };
        let _ = write!(text, "reason:{reason};");
        if !description.is_empty() {
            let _ = write!(text, "description:{};", hex::encode(description.as_bytes()));
        }
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
        String::from_utf8(report.payload(dialogue, &registers, "")).expect("text")
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
    fn lldb_is_told_reasons_and_signals_that_it_does_not_deliver() {
        let lldb = Dialogue { dialect: Dialect::Lldb, ..Dialogue::default() };
        let told = |news| payload(news, &lldb);
        assert_eq!(told(News::Interrupted), "T13reason:signal;10:0102ff;thread:11;");
        assert_eq!(told(News::Attached), "T13reason:signal;10:0102ff;thread:11;");
        assert_eq!(told(News::Stepped), "T05reason:trace;10:0102ff;thread:11;");
        let watched = told(News::Watchpoint(Kind::Write, Address::new(16)));
        let description = "3136203020313".to_owned() + "6";
        let expected =
            format!("T05reason:watchpoint;description:{description};10:0102ff;thread:11;");
        assert_eq!(watched, expected);
        let forked = told(News::Forked { child: Pid::new(0x20), borrows: false });
        assert_eq!(forked, "T05fork:p20.20;reason:fork;10:0102ff;thread:11;");
        let silent = Dialogue::default();
        assert_eq!(payload(News::Interrupted, &silent), "T0210:0102ff;thread:11;");
        assert_eq!(payload(News::Attached, &silent), "T0010:0102ff;thread:11;");
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
        let fluent = Dialogue { multiprocess: true, exec_events: true, ..Dialogue::default() };
        let forked = News::Forked { child: Pid::new(0x20), borrows: true };
        assert_eq!(payload(forked, &fluent), "T05vfork:p20.20;10:0102ff;thread:p10.11;");
        let exec = News::Exec(b"/a".to_vec());
        assert_eq!(payload(exec, &fluent), "T05exec:2f61;10:0102ff;thread:p10.11;");
        let watched = News::Watchpoint(Kind::Write, Address::new(0x7f00));
        assert_eq!(payload(watched, &fluent), "T05watch:7f00;10:0102ff;thread:p10.11;");
        assert_eq!(payload(News::Stopped(None), &fluent), "T0010:0102ff;thread:p10.11;");
    }
}
