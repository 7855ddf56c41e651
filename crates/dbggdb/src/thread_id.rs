//! How the protocol names threads: `TID`, or `pPID.TID` where both sides know several processes.
//! `-1` means all of them, `0` any. Pure.

use dbgbase::{Pid, Tid};

use crate::hex;

/// One process, or all, or any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Which<T> {
    /// All of them.
    All,
    /// Whichever the stub likes.
    Any,
    /// This one.
    One(T),
}

/// Which threads a packet is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ThreadId {
    /// Of which process; `None` if the packet does not say.
    pub(crate) process: Option<Which<Pid>>,
    /// Which of its threads.
    pub(crate) thread: Which<Tid>,
}

impl ThreadId {
    /// The id that `text` writes. A process alone, `pPID`, means all its threads.
    ///
    /// **Shape**: `None` if it writes none.
    pub(crate) fn parse(text: &[u8]) -> Option<ThreadId> {
        let Some(text) = text.strip_prefix(b"p") else {
            return Some(ThreadId { process: None, thread: which(text)?.map(Tid::new) });
        };
        let mut parts = text.splitn(2, |byte| *byte == b'.');
        let process = which(parts.next()?)?.map(Pid::new);
        let thread = match parts.next() {
            Some(thread) => which(thread)?.map(Tid::new),
            None => Which::All,
        };
        Some(ThreadId { process: Some(process), thread })
    }

    /// Whether some thread of the process is one of those meant.
    pub(crate) fn covers_some_of(&self, pid: Pid) -> bool {
        !matches!(self.process, Some(Which::One(one)) if one != pid)
    }

    /// Whether the thread is one of those meant; a process that is not said is any.
    pub(crate) fn covers(&self, pid: Pid, tid: Tid) -> bool {
        let of_process = match self.process {
            Some(Which::One(one)) => one == pid,
            Some(Which::All | Which::Any) | None => true,
        };
        let is_thread = match self.thread {
            Which::One(one) => one == tid,
            Which::All | Which::Any => true,
        };
        of_process && is_thread
    }
}

impl<T> Which<T> {
    fn map<U>(self, make: impl FnOnce(T) -> U) -> Which<U> {
        match self {
            Which::All => Which::All,
            Which::Any => Which::Any,
            Which::One(one) => Which::One(make(one)),
        }
    }
}

/// Writes a thread's id.
pub(crate) fn format(pid: Pid, tid: Tid, is_multiprocess: bool) -> String {
    if is_multiprocess { format!("p{pid:x}.{tid:x}") } else { format!("{tid:x}") }
}

fn which(digits: &[u8]) -> Option<Which<u32>> {
    match digits {
        b"-1" => Some(Which::All),
        _ => match u32::try_from(hex::number(digits)?).ok()? {
            0 => Some(Which::Any),
            // Linux's ids have fewer bits; some debuggers write -1 as 32 or 64 of them.
            u32::MAX => Some(Which::All),
            one => Some(Which::One(one)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<ThreadId> {
        ThreadId::parse(text.as_bytes())
    }

    #[test]
    fn the_manuals_forms_are_read() {
        let one = |process, tid| Some(ThreadId { process, thread: Which::One(Tid::new(tid)) });
        let process = Some(Which::One(Pid::new(0x2a)));
        assert_eq!(parse("1f"), one(None, 0x1f));
        assert_eq!(parse("p2a.2b"), one(process, 0x2b));
        assert_eq!(parse("p2a.-1"), Some(ThreadId { process, thread: Which::All }));
        assert_eq!(parse("p2a"), Some(ThreadId { process, thread: Which::All }));
        assert_eq!(parse("-1"), Some(ThreadId { process: None, thread: Which::All }));
        assert_eq!(parse("p0.0"), Some(ThreadId { process: Some(Which::Any), thread: Which::Any }));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "p", "p1.", "p.1", "x", "1.2", "p1.2.3", "-2", "100000000"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
