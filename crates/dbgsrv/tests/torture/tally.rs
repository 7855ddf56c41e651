//! What has been done so often in all rounds, so that one sees that it was done; and what was done
//! last in a round, so that one sees what led to a failure.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// How many deeds of a round are remembered.
const REMEMBERED: usize = 1000;

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Deed {
    /// Attached to a target.
    Attach,
    /// Refused, because another client has it.
    Refusal,
    /// A site inserted.
    Site,
    /// Resumed.
    Resume,
    /// Stopped at a site.
    Hit,
    /// One instruction.
    Step,
    /// Stopped for a signal.
    Signal,
    /// Stopped because asked to.
    Interrupt,
    /// Memory or registers written.
    Write,
    /// Detached.
    Detach,
    /// Link lost.
    Cut,
    /// Session process killed.
    Kill,
    /// What a target did and checked.
    Operation,
}

const NAMES: [&str; 13] = [
    "attaches",
    "refusals",
    "sites",
    "resumes",
    "hits",
    "steps",
    "signals",
    "interrupts",
    "writes",
    "detaches",
    "cuts",
    "kills",
    "operations",
];

/// The counts.
#[derive(Default)]
pub(crate) struct Tally([AtomicU64; NAMES.len()]);

impl Tally {
    /// One more.
    pub(crate) fn add(&self, deed: Deed) {
        self.add_many(deed, 1);
    }

    /// So many more.
    pub(crate) fn add_many(&self, deed: Deed, count: u64) {
        self.0[deed as usize].fetch_add(count, Ordering::Relaxed);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, count)) in NAMES.iter().zip(&self.0).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{} {name}", count.load(Ordering::Relaxed))?;
        }
        Ok(())
    }
}

/// The last deeds of a round.
pub(crate) struct Log {
    start: Instant,
    lines: Mutex<VecDeque<String>>,
    /// What was there at the first failure.
    scene: Mutex<Option<String>>,
}

impl Log {
    /// An empty one.
    pub(crate) fn new() -> Log {
        Log { start: Instant::now(), lines: Mutex::default(), scene: Mutex::default() }
    }

    /// Takes note.
    pub(crate) fn note(&self, who: usize, what: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == REMEMBERED {
            lines.pop_front();
        }
        let time = self.start.elapsed().as_secs_f64() * 1000.0;
        lines.push_back(format!("{time:10.3} ms  client {who}: {what}"));
    }

    /// Keeps what there is to be seen at a failure.
    pub(crate) fn keep(&self, scene: String) {
        *self.scene.lock().unwrap_or_else(PoisonError::into_inner) = Some(scene);
    }

    /// What was kept.
    pub(crate) fn kept(&self) -> Option<String> {
        self.scene.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// All that is remembered.
    pub(crate) fn text(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}
