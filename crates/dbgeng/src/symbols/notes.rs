//! What a search for files has come upon, for who asks why symbols are missing. It remembers, and
//! decides nothing.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;

/// More than this many are not kept for somebody who never takes them.
const NOTES_MAX: usize = 1000;

/// One place that was looked at, and what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SearchNote {
    /// For which module, or which source file.
    pub wanted: String,
    /// A file's path or a server's address.
    pub place: String,
    /// What was there.
    pub outcome: SearchOutcome,
}

/// What was found in one place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SearchOutcome {
    /// What was wanted.
    Taken,
    /// Nothing.
    Absent,
    /// A file of another build.
    Mismatched,
    /// A file of another build, taken because the user wants it so.
    TakenMismatched,
    /// A file that cannot be used, for this reason.
    Unusable(String),
    /// A server that could not be asked, for this reason. It is not asked again until the path is
    /// set or symbols are reloaded.
    Failed(String),
}

impl SearchOutcome {
    /// Whether the user should know even if he asked for no details.
    pub fn is_failure(&self) -> bool {
        matches!(self, SearchOutcome::Failed(_))
    }
}

impl fmt::Display for SearchOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SearchOutcome::Taken => f.write_str("OK"),
            SearchOutcome::Absent => f.write_str("file not found"),
            SearchOutcome::Mismatched => f.write_str("mismatched build id"),
            SearchOutcome::TakenMismatched => f.write_str("mismatched build id, used nevertheless"),
            SearchOutcome::Unusable(reason) | SearchOutcome::Failed(reason) => f.write_str(reason),
        }
    }
}

/// The notes that nobody has taken yet.
#[derive(Default)]
pub(crate) struct Notes(RefCell<VecDeque<SearchNote>>);

impl Notes {
    pub(crate) fn add(&self, wanted: &str, place: impl fmt::Display, outcome: SearchOutcome) {
        let mut notes = self.0.borrow_mut();
        if notes.len() == NOTES_MAX {
            notes.pop_front();
        }
        notes.push_back(SearchNote {
            wanted: wanted.to_owned(),
            place: place.to_string(),
            outcome,
        });
    }

    pub(crate) fn take(&self) -> Vec<SearchNote> {
        self.0.take().into()
    }
}
