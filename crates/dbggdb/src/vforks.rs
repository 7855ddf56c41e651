//! Processes that borrow the memory of the target that made them (vfork(2)), up to the program
//! that they execute. The server follows them from there on; the debugger wants to follow them from
//! their birth. In between they run whatever the debugger wants: it is told that they stand still,
//! and shown their maker, which is all there is of them.

use dbgbase::{ExitStatus, Pid, Signal, TargetId, Tid};
use dbgwire::verbs::file::{CloseFile, OpenFile, ReadFile};
use dbgwire::verbs::memory::Range;
use dbgwire::verbs::process::{Detach, Kill};
use dbgwire::verbs::resume::{RunKind, ThreadAction};

use crate::error::PacketError;
use crate::report::{News, Report};
use crate::resume::{Action, Run};
use crate::session::Session;

/// How much of a file of /proc about a process is read; it has about 300 bytes.
const STATUS_LEN_MAX: u32 = 4096;

/// A process that borrows memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Borrower {
    /// Whose memory.
    pub(crate) parent: TargetId,
    /// The thread that made it, and waits for it.
    pub(crate) maker: Tid,
    /// What becomes of it once it executes a program.
    pub(crate) fate: Fate,
}

/// What becomes of a process that borrows memory, once it executes a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// It is a target.
    Followed,
    /// It runs on, clean of the debugger.
    Left,
    /// It is ended.
    Killed,
}

impl Session {
    /// A thread has made a process that borrows its memory.
    pub(crate) fn note_borrower(&mut self, child: Pid, parent: TargetId, maker: Tid) {
        self.borrowers.insert(child, Borrower { parent, maker, fate: Fate::Followed });
    }

    /// A process that borrowed memory has executed a program, and is the target `id` now. Whether
    /// it is to be one. Until the debugger is told so it is shown as it was, standing still.
    pub(crate) fn take_borrower(&mut self, child: Pid, id: TargetId) -> bool {
        match self.borrowers.get(&child).map(|borrower| borrower.fate) {
            None | Some(Fate::Followed) => return true,
            Some(Fate::Left) => self.client.post(&Detach { target: id.value() }),
            Some(Fate::Killed) => self.client.post(&Kill { target: id.value() }),
        };
        self.borrowers.remove(&child);
        false
    }

    /// Decides what becomes of a process that borrows memory. Whether `pid` is one. If it has
    /// executed a program meanwhile it is a target like any other.
    pub(crate) fn decide_on_borrower(&mut self, pid: Pid, fate: Fate) -> bool {
        if self.is_target(pid) {
            self.borrowers.remove(&pid);
        }
        match self.borrowers.get_mut(&pid) {
            Some(borrower) => {
                borrower.fate = fate;
                true
            }
            None => false,
        }
    }

    /// Whether packets are about a process that borrows memory.
    pub(crate) fn is_borrower_selected(&self) -> bool {
        self.selected.is_some_and(|(pid, _)| self.borrowers.contains_key(&pid))
    }

    /// The processes that borrow memory and that the debugger knows of.
    pub(crate) fn followed_borrowers(&self) -> impl Iterator<Item = Pid> {
        let is_followed = |(pid, borrower): &(&Pid, &Borrower)| {
            borrower.fate == Fate::Followed && !self.is_target(**pid)
        };
        self.borrowers.iter().filter(is_followed).map(|(pid, _)| *pid)
    }

    /// Lets borrowers run that these actions cover; whether there are any. They run anyway, but
    /// that one has ended is known from its maker alone, which has to run to find out.
    pub(crate) fn resume_borrowers(&mut self, actions: &[Action]) -> bool {
        let mut is_any = false;
        for pid in self.followed_borrowers().collect::<Vec<_>>() {
            let covers = |action: &&Action| {
                action.threads.is_none_or(|threads| threads.covers(pid, Tid::from(pid)))
            };
            let action = actions.iter().find(covers);
            if action.is_none_or(|action| action.run == Run::Stop) {
                continue;
            }
            is_any = true;
            let Some(Borrower { parent, maker, .. }) = self.borrowers.get(&pid).copied() else {
                continue;
            };
            let Some(target) = self.targets.get_mut(&parent) else { continue };
            let is_waiting = target.threads.get(&maker).is_some_and(|thread| !thread.is_running);
            if is_waiting && (target.stops_alone || !target.is_running) {
                let run = RunKind::Continue as i32;
                let action = ThreadAction { tid: maker.value(), run, ..ThreadAction::default() };
                target.actions = vec![action];
                self.post_resume(parent, vec![action], vec![maker]);
            }
        }
        is_any
    }

    /// A target has its memory back. If the borrower executed no program it has ended, and nobody
    /// else tells so.
    ///
    /// **Cost**: none for a process that is not followed or that is a target by now, otherwise two
    /// round trips.
    pub(crate) fn note_memory_back(&mut self, child: Pid) {
        if !self.followed_borrowers().any(|pid| pid == child) {
            return;
        }
        if let Some(status) = self.end_of(child) {
            self.borrowers.remove(&child);
            let news = News::Ended(status);
            self.reports.push_back(Report { pid: child, tid: Tid::from(child), news });
        }
    }

    /// How a process ended that its parent has not asked after; `None` if it lives.
    fn end_of(&self, pid: Pid) -> Option<ExitStatus> {
        match self.process_status(pid) {
            Ok(text) => ended(&text),
            // It has been asked after already: how it ended nobody knows any more.
            Err(PacketError::Server(_)) => Some(ExitStatus::Exited(0)),
            Err(_) => None,
        }
    }

    fn process_status(&self, pid: Pid) -> Result<Vec<u8>, PacketError> {
        let path = format!("/proc/{pid}/stat").into_bytes();
        let file = self.client.call(&OpenFile { path, ..OpenFile::default() })?.file;
        let ranges = vec![Range { address: 0, len: STATUS_LEN_MAX }];
        let reply = self.client.send(&ReadFile { file, ranges }, bytes::Bytes::new());
        self.client.post(&CloseFile { file });
        Ok(reply.wait()?.1.to_vec())
    }
}

/// How a process ended, from its line in /proc (proc_pid_stat(5)); `None` if it lives.
fn ended(text: &[u8]) -> Option<ExitStatus> {
    let text = String::from_utf8_lossy(text);
    // The name may hold anything; the last parenthesis ends it.
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    if !matches!(fields.next()?, "Z" | "X" | "x") {
        return None;
    }
    // The state is field 3, `exit_code` field 52, as wait(2) tells it.
    let status: u32 = fields.nth(48).and_then(|field| field.parse().ok()).unwrap_or(0);
    let killed = Signal::new((status & 0x7f) as i32).map(ExitStatus::Killed);
    Some(killed.unwrap_or(ExitStatus::Exited((status >> 8) as u8)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_read_from_the_line_in_proc() {
        let line = |state: &str, status: u32| {
            let zeros = "0 ".repeat(48);
            format!("12 (a ) b) {state} {zeros}{status}\n").into_bytes()
        };
        assert_eq!(ended(&line("S", 0)), None);
        assert_eq!(ended(&line("Z", 3 << 8)), Some(ExitStatus::Exited(3)));
        assert_eq!(ended(&line("Z", 9)), Some(ExitStatus::Killed(Signal::SIGKILL)));
        assert_eq!(ended(b""), None);
    }
}
