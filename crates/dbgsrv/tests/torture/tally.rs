//! What has been done so often in all rounds, so that one sees that it was done; and what was done
//! last in a round, so that one sees what led to a failure.

use std::collections::VecDeque;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// How many deeds of a round are remembered.
const REMEMBERED: usize = 1000;

/// The file with what the server says, in the folder of a round.
pub(crate) const ERRORS: &str = "errors";
/// How many lines of each trace are shown.
const SHOWN: usize = 60;

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
    /// Session process or server killed.
    Kill,
    /// Something watched by the CPU.
    Watch,
    /// A thread kept where it is, or let go.
    Keep,
    /// Something else wished.
    Wish,
    /// A thread borrowed.
    Borrow,
    /// A process launched.
    Launch,
    /// A process followed.
    Follow,
    /// What a target did and checked.
    Operation,
}

const NAMES: [&str; 19] = [
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
    "watches",
    "holds",
    "wishes",
    "borrowings",
    "launches",
    "followed",
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

/// Puts the traces of the sessions of a round where they outlive it. What the server said, the
/// traces' last lines, and where the others are.
pub(crate) fn keep_traces(folder: &Path, round: u64) -> String {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("torture-round-{round}"));
    let mut text = std::fs::read_to_string(folder.join(ERRORS)).unwrap_or_default();
    let _ = std::fs::create_dir_all(&kept);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().extension().is_none_or(|extension| extension != "trace") {
            continue;
        }
        let trace = std::fs::read(entry.path()).unwrap_or_default();
        let trace = String::from_utf8_lossy(&trace);
        let mut lines: Vec<&str> = trace.lines().map(str::trim_end).collect();
        lines.sort_unstable();
        let path = kept.join(entry.file_name());
        let _ = std::fs::write(&path, lines.join("\n"));
        let last = lines.get(lines.len().saturating_sub(SHOWN)..).unwrap_or_default();
        text += &format!("\n{}, the last lines:\n{}\n", path.display(), last.join("\n"));
    }
    text
}
