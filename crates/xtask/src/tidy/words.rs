//! Words and names that no file may hold, each with what to do instead. This file and its tests are
//! the only ones that spell them.

use super::finding::Finding;
use super::tree::{File, Tree};

/// File and folder names that say nothing of what is inside.
const EMPTY_NAMES: &[&str] =
    &["common", "helper", "helpers", "manager", "misc", "types", "util", "utils"];

/// In these crates `types` is no empty name: debuggees have types.
const CRATES_WITH_TYPES: &[&str] = &["dbgeng", "dbgsym"];

/// A word and what to do instead.
struct Word {
    text: &'static str,
    way_out: &'static str,
}

const WORDS: &[Word] = &[
    Word { text: "TODO", way_out: "do it, or state what is not done as a fact" },
    Word { text: "FIXME", way_out: "fix it, or state what is wrong as a fact" },
    Word { text: "XXX", way_out: "say what is meant" },
    Word { text: "issue #", way_out: "state the reason itself" },
    Word { text: "../shared", way_out: "refer to files of the repository only" },
    Word { text: "/work/main", way_out: "use paths from the repository's root" },
    Word { text: "/work/shared", way_out: "refer to files of the repository only" },
    Word { text: "/tmp/w/", way_out: "refer to files of the repository only" },
    Word { text: "BRIEF.md", way_out: "refer to files of the repository only" },
    Word { text: "decisions.md", way_out: "cite a file of docs/decisions" },
    Word { text: "house.md", way_out: "cite docs/style.md or docs/architecture.md" },
];

const OWN_FILES: &[&str] =
    &["crates/xtask/src/tidy/words.rs", "crates/xtask/src/tidy/words/tests.rs"];

/// No file holds a banned word.
pub(super) fn check_words(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files().filter(|file| !OWN_FILES.contains(&file.path.as_str())) {
        for (index, line) in file.text.lines().enumerate() {
            for word in WORDS.iter().filter(|word| holds(line, word.text)) {
                let message = format!("{:?} is banned", word.text);
                findings.push(Finding::new(&file.path, index + 1, message, word.way_out));
            }
        }
    }
    findings
}

/// Every file and folder is named after what it holds.
pub(super) fn check_names(tree: &Tree) -> Vec<Finding> {
    let sources = tree.files().filter(|file| file.path.ends_with(".rs"));
    sources
        .filter_map(|file| {
            let name = empty_name(file)?;
            let message = format!("the name {name:?} says nothing");
            Some(Finding::new(&file.path, 1, message, "name it after what it holds"))
        })
        .collect()
}

fn empty_name(file: &File) -> Option<&str> {
    let has_types = CRATES_WITH_TYPES.contains(&file.krate().unwrap_or_default());
    let mut names = file.path.split('/').map(|part| part.strip_suffix(".rs").unwrap_or(part));
    names.find(|name| EMPTY_NAMES.contains(name) && !(has_types && *name == "types"))
}

/// Whether the line holds the word, not as a part of a longer one.
fn holds(line: &str, word: &str) -> bool {
    let is_inner = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        let joins_before = word.starts_with(is_inner) && before.is_some_and(is_inner);
        let joins_after = word.ends_with(is_inner) && after.is_some_and(is_inner);
        !joins_before && !joins_after
    })
}

#[cfg(test)]
#[path = "words/tests.rs"]
mod tests;
