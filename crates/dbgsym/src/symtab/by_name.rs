//! Which symbols have a name. Names in the file are found by a sorted list of hashes of the names
//! in lower case, so that one search answers with and without regard to case. Demangled names are
//! found without demangling all: a mangled name contains the identifiers of what it stands for, so
//! only those that do are demangled. Listings that name no identifier need every name, and keep
//! them.

use std::borrow::Cow;
use std::ops::Range;

use super::containing::containing;
use super::{SymbolKind, SymbolTable};
use crate::demangle::{demangled_path, is_mangled, without_template_arguments};
use crate::names::Pattern;

/// A hash of a name in lower case, and the entry that has it.
type HashedName = (u32, u32);

/// FNV-1a over the name in ASCII lower case.
/// **Source**: draft-eastlake-fnv, 32-bit parameters.
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
    })
}

/// The names in the file, without versions.
#[derive(Debug)]
pub(super) struct NameIndex(Vec<HashedName>);

impl NameIndex {
    pub(super) fn new(table: &SymbolTable) -> NameIndex {
        let indices = 0..table.entries.len() as u32;
        let mut hashes: Vec<_> =
            indices.map(|index| (hash(table.base_name(index)), index)).collect();
        hashes.sort_unstable();
        NameIndex(hashes)
    }

    /// The entries called `name`, in the same case of letters if there are any, and of the default
    /// version if there are any.
    pub(super) fn find(&self, table: &SymbolTable, name: &str) -> Vec<u32> {
        let whole = self.find_version(table, name.as_bytes(), None);
        match name.split_once('@') {
            Some((base, version)) if whole.is_empty() => {
                let version = version.strip_prefix('@').unwrap_or(version);
                self.find_version(table, base.as_bytes(), Some(version.as_bytes()))
            }
            _ => whole,
        }
    }

    fn find_version(&self, table: &SymbolTable, name: &[u8], version: Option<&[u8]>) -> Vec<u32> {
        let wanted = hash(name);
        let start = self.0.partition_point(|(hash, _)| *hash < wanted);
        let end = self.0.partition_point(|(hash, _)| *hash <= wanted);
        let candidates = self.0.get(start..end).unwrap_or_default();
        let mut found: Vec<u32> = candidates
            .iter()
            .map(|(_, index)| *index)
            .filter(|index| table.base_name(*index).eq_ignore_ascii_case(name))
            .filter(|index| version.is_none() || table.version_name(*index) == version)
            .collect();
        narrow(&mut found, |index| table.base_name(index) == name);
        if version.is_none() {
            narrow(&mut found, |index| table.entry(index).is_some_and(|entry| !entry.is_hidden));
        }
        found
    }
}

/// Keeps what fulfils `wish`, if anything does.
fn narrow(found: &mut Vec<u32>, wish: impl Fn(u32) -> bool) {
    if found.iter().any(|index| wish(*index)) {
        found.retain(|index| wish(*index));
    }
}

/// The entries whose demangled name without parameters is `name`, with or without its template
/// arguments; in the same case of letters if there are any.
pub(super) fn find_demangled(table: &SymbolTable, name: &str) -> Vec<u32> {
    let needles = identifiers(name);
    let mut found = called(table, name, &needles, false);
    if found.is_empty() {
        found = called(table, name, &needles, true);
    }
    narrow(&mut found, |index| table.entry(index).is_some_and(|entry| !entry.is_hidden));
    found
}

/// The entries whose demangled name is `name`. The name in the file contains all its identifiers.
fn called(table: &SymbolTable, name: &str, needles: &[String], ignore_case: bool) -> Vec<u32> {
    let is_same = |path: &str| match ignore_case {
        true => path.eq_ignore_ascii_case(name),
        false => path == name,
    };
    let is_called = |path: &str| is_same(path) || is_same(&without_template_arguments(path));
    let is_candidate = |index: &u32| {
        let raw = table.base_name(*index);
        let is_linkage = table.entry(*index).is_some_and(|it| it.kind == SymbolKind::PltEntry);
        !is_linkage && contains_all(raw, needles)
    };
    let longest = needles.iter().max_by_key(|needle| needle.len());
    let candidates = match longest {
        Some(needle) => containing(table, in_case_of(name, needle), ignore_case),
        None => (0..table.entries.len() as u32).collect(),
    };
    let candidates = candidates.into_iter().filter(is_candidate);
    candidates.filter(|index| table.path(*index).is_some_and(|path| is_called(&path))).collect()
}

/// An identifier, which is in lower case, as the name that it is of writes it.
fn in_case_of<'a>(name: &'a str, identifier: &'a str) -> &'a str {
    let is_it = |at: &usize| {
        let here = name.as_bytes().get(*at..*at + identifier.len());
        here.is_some_and(|here| here.eq_ignore_ascii_case(identifier.as_bytes()))
    };
    let at = (0..name.len()).find(is_it);
    at.and_then(|at| name.get(at..at + identifier.len())).unwrap_or(identifier)
}

/// The entries whose name in the file, or demangled name, matches `pattern`.
pub(super) fn matching<'a>(
    table: &'a SymbolTable,
    pattern: &'a Pattern,
) -> impl Iterator<Item = u32> + 'a {
    let mut needles = identifiers(pattern.text());
    // Underscores at the start match any number of them.
    needles.retain(|needle| !needle.starts_with('_'));
    if needles.is_empty() {
        table.paths.get_or_init(|| Paths::new(table));
    }
    (0..table.entries.len() as u32).filter(move |index| {
        let raw = table.base_name(*index);
        pattern.matches(&String::from_utf8_lossy(raw))
            || contains_all(raw, &needles)
                && table.path(*index).is_some_and(|path| pattern.matches(&path))
    })
}

/// What mangled names abbreviate to two letters: `std` and some of its classes (Itanium C++ ABI,
/// 5.1.8).
const ABBREVIATED: [&str; 10] = [
    "std",
    "allocator",
    "basic_string",
    "string",
    "basic_istream",
    "istream",
    "basic_ostream",
    "ostream",
    "basic_iostream",
    "iostream",
];

/// The identifiers, in lower case, that a mangled name must contain if it stands for `name`. Left
/// out is what is not certain: operators, the compiler's own words, letters outside ASCII, and all
/// that has wildcards in it.
pub(crate) fn identifiers(name: &str) -> Vec<String> {
    let is_certain = |word: &String| {
        let is_plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_plain && !word.is_empty() && !ABBREVIATED.contains(&word.as_str())
    };
    without_template_arguments(name)
        .split("::")
        .map(|component| component.trim_start_matches('~').to_ascii_lowercase())
        .filter(is_certain)
        .collect()
}

/// Whether `text` contains all `needles`, which are in lower case, in any case of letters.
pub(crate) fn contains_all(text: &[u8], needles: &[String]) -> bool {
    needles.iter().all(|needle| {
        let Some((first, rest)) = needle.as_bytes().split_first() else {
            return true;
        };
        text.iter().enumerate().any(|(at, byte)| {
            let behind = text.get(at + 1..at + needle.len());
            byte.to_ascii_lowercase() == *first
                && behind.is_some_and(|behind| behind.eq_ignore_ascii_case(rest))
        })
    })
}

/// The demangled names without parameters of all symbols that have mangled ones.
#[derive(Debug)]
pub(super) struct Paths {
    /// All paths one behind the other.
    text: String,
    /// Entry and where its path is in `text`, by entry.
    ranges: Vec<(u32, Range<usize>)>,
}

impl Paths {
    pub(super) fn new(table: &SymbolTable) -> Paths {
        let mut paths = Paths { text: String::new(), ranges: Vec::new() };
        for index in 0..table.entries.len() as u32 {
            if let Some(path) = path_of(table, index) {
                let start = paths.text.len();
                paths.text.push_str(&path);
                paths.ranges.push((index, start..paths.text.len()));
            }
        }
        paths
    }

    /// The demangled name of an entry, or `None` if its name is not mangled.
    pub(super) fn get(&self, index: u32) -> Option<&str> {
        let at = self.ranges.binary_search_by_key(&index, |(index, _)| *index).ok()?;
        self.text.get(self.ranges.get(at)?.1.clone())
    }
}

impl SymbolTable {
    /// The demangled name of an entry, from the kept ones if there are any.
    pub(super) fn path(&self, index: u32) -> Option<Cow<'_, str>> {
        match self.paths.get() {
            Some(paths) => paths.get(index).map(Cow::Borrowed),
            None => path_of(self, index).map(Cow::Owned),
        }
    }
}

fn path_of(table: &SymbolTable, index: u32) -> Option<String> {
    let raw = std::str::from_utf8(table.base_name(index)).ok().filter(|raw| is_mangled(raw))?;
    let (stem, suffix) = raw.split_at(raw.find('@').unwrap_or(raw.len()));
    match demangled_path(stem) {
        Cow::Owned(path) => Some(path + suffix),
        Cow::Borrowed(_) => None,
    }
}
