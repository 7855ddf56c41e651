//! The threads of a debuggee and the numbers they are called by. It knows no register; those are
//! kept elsewhere.

use dbgbase::Tid;

use crate::{Hold, ThreadNumber};

/// One thread of a debuggee.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Thread {
    /// Its number in the prompt.
    pub number: ThreadNumber,
    /// Its id on the server's machine.
    pub tid: Tid,
    /// How often it has been suspended and not resumed.
    pub suspends: u32,
    /// Whether it is frozen.
    pub is_frozen: bool,
}

impl Thread {
    /// Whether it stays where it is when the targets run.
    ///
    /// **Cost**: none.
    pub fn is_held(&self) -> bool {
        self.suspends > 0 || self.is_frozen
    }
}

/// A thread with its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ThreadDescription {
    /// Its number in the prompt.
    pub number: ThreadNumber,
    /// Its id on the server's machine.
    pub tid: Tid,
    /// Its name, at most 15 bytes (prctl(2), `PR_SET_NAME`).
    pub name: String,
    /// How often it has been suspended and not resumed.
    pub suspends: u32,
    /// Whether it is frozen.
    pub is_frozen: bool,
}

/// The threads of one process, in the order of their numbers.
#[derive(Debug, Default)]
pub(crate) struct Threads {
    list: Vec<Thread>,
    next: u32,
}

impl Threads {
    pub(crate) fn list(&self) -> &[Thread] {
        &self.list
    }

    /// The thread with this id, which gets the next number if it is new.
    pub(crate) fn met(&mut self, tid: Tid) -> Thread {
        if let Some(thread) = self.with_tid(tid) {
            return thread;
        }
        let number = ThreadNumber(self.next);
        let thread = Thread { number, tid, suspends: 0, is_frozen: false };
        self.next += 1;
        self.list.push(thread);
        thread
    }

    /// What holds the thread has changed, and it is suspended so often now.
    pub(crate) fn held(&mut self, tid: Tid, suspends: u32, hold: Hold) {
        let Some(thread) = self.list.iter_mut().find(|thread| thread.tid == tid) else { return };
        thread.suspends = suspends;
        match hold {
            Hold::Freeze => thread.is_frozen = true,
            Hold::Unfreeze => thread.is_frozen = false,
            Hold::Suspend | Hold::Resume => {}
        }
    }

    /// Nothing is held any more.
    pub(crate) fn release(&mut self) {
        for thread in &mut self.list {
            (thread.suspends, thread.is_frozen) = (0, false);
        }
    }

    /// Whether any thread may run.
    pub(crate) fn can_run(&self) -> bool {
        self.list.iter().any(|thread| !thread.is_held())
    }

    /// The thread has ended; its number is not given again.
    pub(crate) fn ended(&mut self, tid: Tid) {
        self.list.retain(|thread| thread.tid != tid);
    }

    pub(crate) fn with_tid(&self, tid: Tid) -> Option<Thread> {
        self.list.iter().find(|thread| thread.tid == tid).copied()
    }

    pub(crate) fn numbered(&self, number: ThreadNumber) -> Option<&Thread> {
        self.list.iter().find(|thread| thread.number == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_up_and_are_not_given_again() {
        let mut threads = Threads::default();
        let number = |threads: &mut Threads, tid| threads.met(Tid::new(tid)).number.0;
        assert_eq!(number(&mut threads, 500), 0);
        assert_eq!(number(&mut threads, 501), 1);
        assert_eq!(number(&mut threads, 500), 0, "known already");
        threads.ended(Tid::new(501));
        assert_eq!(number(&mut threads, 501), 2, "the kernel may give an id again");
        assert!(threads.numbered(ThreadNumber(1)).is_none());
        assert_eq!(threads.list().len(), 2);
    }
}
