//! Names: which functions, variables and types an image has, and where their entries are. One pass
//! through all units finds them, on all CPUs; what it found can be kept in a file. Names themselves
//! are not kept, only hashes; entries that may be meant are read again.

mod build;
mod format;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use super::scope::names_with;
use super::{DebugInfo, EntryId, Function, InlinedCall, OpenUnits, PartId, UnitId};
use crate::demangle::{demangled_path, is_mangled, without_template_arguments};
use crate::names::Pattern;
use crate::symtab::identifiers;

pub use build::IndexProgress;
pub use format::IndexError;

/// As many rows as this are few, compared with what a large unit has.
const ROWS_FEW: usize = 2000;

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum NameKind {
    /// A function with instructions.
    Function,
    /// A function that was inlined somewhere.
    Inlined,
    /// A variable that lives as long as the program.
    Variable,
    /// A type, not its mere declaration.
    Type,
}

/// One name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Row {
    /// Of [`base_name`], in lower case.
    hash: u32,
    kind: NameKind,
    /// Index among the units of the image itself. A skeleton stands for its split unit.
    unit: u32,
    /// Where the entry is in its unit.
    offset: u32,
}

/// Where the entries of all names are.
#[derive(PartialEq, Eq, Debug)]
pub struct NameIndex {
    /// Sorted.
    rows: Vec<Row>,
}

impl NameIndex {
    /// How many names there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn hashed(&self, hash: u32) -> &[Row] {
        let start = self.rows.partition_point(|row| row.hash < hash);
        let end = self.rows.partition_point(|row| row.hash <= hash);
        self.rows.get(start..end).unwrap_or_default()
    }
}

/// What a name is called without what it is in and without template arguments: `push_back` of
/// `std::vector<int>::push_back`.
fn base_name(name: &str) -> String {
    let mut name = name.to_ascii_lowercase();
    // Rust's closures have those of the function that they are in: `{closure#0}<T>`.
    let is_outside = |at: usize| {
        let before = name.get(..at).unwrap_or_default();
        before.matches('<').count() == before.matches('>').count()
    };
    let end = name.match_indices("}<").map(|(at, _)| at).filter(|at| is_outside(*at)).last();
    if let Some(end) = end.filter(|_| name.ends_with('>')) {
        name.truncate(end + 1);
    }
    let plain = without_template_arguments(&name);
    // Only linkers know what rustc puts between a virtual call and its target:
    // `f::{shim:vtable#0}`.
    let mut parts = plain.rsplit("::").filter(|part| !part.starts_with("{shim"));
    parts.next().unwrap_or(&plain).to_owned()
}

/// FNV-1a. It is part of the file format.
fn hash_of(base: &str) -> u32 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    base.bytes().fold(0x811c_9dc5, step)
}

/// What is looked for.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    Name(&'a str),
    Pattern(&'a Pattern),
}

impl Wanted<'_> {
    /// Whether a name is meant: in whole, or without template arguments.
    fn is_met_by(self, name: &str, ignore_case: bool) -> bool {
        let plain = without_template_arguments(name);
        match self {
            Wanted::Name(wanted) if ignore_case => {
                wanted.eq_ignore_ascii_case(name) || wanted.eq_ignore_ascii_case(&plain)
            }
            Wanted::Name(wanted) => wanted == name || wanted == plain,
            Wanted::Pattern(pattern) => pattern.matches(name) || pattern.matches(&plain),
        }
    }

    /// Words, in lower case, that mangled names of what is meant contain.
    fn identifiers(self) -> Vec<String> {
        match self {
            Wanted::Name(name) => identifiers(&demangled_path(name)),
            Wanted::Pattern(pattern) => pattern.literal().map(identifiers).unwrap_or_default(),
        }
    }

    /// The hash that all names meant have, if there is one.
    fn hash(self) -> Option<u32> {
        let base = match self {
            Wanted::Name(name) => {
                let path = demangled_path(name);
                // A mangled name that cannot be read says nothing of the name it stands for.
                if is_mangled(&path) {
                    return None;
                }
                base_name(&path)
            }
            Wanted::Pattern(pattern) => base_name(pattern.literal()?),
        };
        Some(hash_of(&base))
    }
}

impl DebugInfo {
    /// Makes the index of names, unless there is one. What was split off is in it if it is here by
    /// then: see [`DebugInfo::wanted_files`].
    ///
    /// **Shape**: `None` if `cancelled` became true before it was ready; nothing is kept then.
    ///
    /// **Cost**: reads all entries of all units, some 100 MB/s on each CPU.
    ///
    /// **Threads**: works on as many as there are CPUs; they all call `progress`, and end before
    /// this returns.
    pub fn make_name_index(
        &self,
        cancelled: &AtomicBool,
        progress: &(dyn Fn(IndexProgress) + Sync),
    ) -> Option<Arc<NameIndex>> {
        loop {
            if let Some(index) = self.name_index() {
                return Some(index);
            }
            let extent = self.extent();
            let index = Arc::new(build::build(self, cancelled, progress)?);
            let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
            // Files that came in the meantime are not in it.
            if self.extent() == extent {
                return Some(Arc::clone(names.get_or_insert(index)));
            }
        }
    }

    /// Takes an index of names that was made before and kept.
    ///
    /// **Errors**: why it is not the index of this image, or is damaged.
    pub fn load_name_index(&self, bytes: &[u8]) -> Result<Arc<NameIndex>, IndexError> {
        // Files that come in the meantime wait, and make it be forgotten.
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        let index = Arc::new(format::decode(bytes, self)?);
        Ok(Arc::clone(names.get_or_insert(index)))
    }

    /// The index of names as bytes to be kept. `None` if it was not made yet.
    pub fn stored_name_index(&self) -> Option<Vec<u8>> {
        Some(format::encode(&*self.name_index()?, self))
    }

    /// The index of names, if it was made or loaded.
    pub fn name_index(&self) -> Option<Arc<NameIndex>> {
        self.names.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on no question about types makes the index of names: whoever says this does so,
    /// when [`DebugInfo::take_lack_of_names`] tells that one would have needed it.
    pub fn leave_names(&self) {
        self.leaves_names.store(true, Ordering::Relaxed);
    }

    /// Whether a question about a type had to do without the index of names since this was last
    /// asked: its definition is in another unit.
    pub fn take_lack_of_names(&self) -> bool {
        self.lacked_names.swap(false, Ordering::Relaxed)
    }

    /// Whether there is an index of names, or one may be made for a question about a type.
    pub(super) fn may_use_names(&self) -> bool {
        let may = self.name_index().is_some() || !self.leaves_names.load(Ordering::Relaxed);
        if !may {
            self.lacked_names.store(true, Ordering::Relaxed);
        }
        may
    }

    pub(super) fn forget_names(&self) {
        *self.names.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn names(&self) -> Arc<NameIndex> {
        let never = AtomicBool::new(false);
        let none = || Arc::new(NameIndex { rows: Vec::new() });
        self.make_name_index(&never, &|_| {}).unwrap_or_else(none)
    }

    /// The functions with instructions called `name`: `main`, `ns::Type::method`, with or without
    /// template arguments, or as [`Function::linkage_name`]. If there is none in this case of
    /// letters, those in any.
    ///
    /// **Cost**: makes the index of names if there is none yet.
    pub fn functions_named(&self, name: &str) -> Vec<Function> {
        let units = OpenUnits::new(self);
        let found = self.named(&units, &[NameKind::Function], Wanted::Name(name));
        found.into_iter().filter_map(|id| self.read_function(&units, id)).collect()
    }

    /// The functions with instructions whose name matches `pattern`, with or without template
    /// arguments.
    ///
    /// **Cost**: as [`DebugInfo::functions_named`]; a pattern that can mean any name reads the
    /// names of all functions, some 2 microseconds each.
    pub fn functions_matching(&self, pattern: &Pattern) -> Vec<Function> {
        let units = OpenUnits::new(self);
        let found = self.named(&units, &[NameKind::Function], Wanted::Pattern(pattern));
        found.into_iter().filter_map(|id| self.read_function(&units, id)).collect()
    }

    /// The inlined calls of the functions called `name`. What also exists by itself is among
    /// [`DebugInfo::functions_named`].
    ///
    /// **Cost**: reads all entries of the units that have such functions; in programs that were
    /// optimised as a whole those of all units.
    pub fn inlined_calls_named(&self, name: &str) -> Vec<InlinedCall> {
        let units = OpenUnits::new(self);
        let functions = self.named(&units, &[NameKind::Inlined], Wanted::Name(name));
        let mut calls = build::calls_of(&units, &functions);
        calls.sort_unstable();
        calls.dedup();
        calls.into_iter().filter_map(|id| self.read_inlined(&units, id)).collect()
    }

    /// The entries of variables called `name`, qualified.
    pub(crate) fn variable_entries_named(&self, units: &OpenUnits<'_>, name: &str) -> Vec<EntryId> {
        self.named(units, &[NameKind::Variable], Wanted::Name(name))
    }

    /// The entries of variables whose qualified names match.
    pub(crate) fn variable_entries_matching(
        &self,
        units: &OpenUnits<'_>,
        pattern: &Pattern,
    ) -> Vec<EntryId> {
        self.named(units, &[NameKind::Variable], Wanted::Pattern(pattern))
    }

    /// The entries of types called `name`, qualified.
    pub(crate) fn type_entries_named(&self, units: &OpenUnits<'_>, name: &str) -> Vec<EntryId> {
        self.named(units, &[NameKind::Type], Wanted::Name(name))
    }

    /// The entries of types whose qualified names match.
    pub(crate) fn type_entries_matching(
        &self,
        units: &OpenUnits<'_>,
        pattern: &Pattern,
    ) -> Vec<EntryId> {
        self.named(units, &[NameKind::Type], Wanted::Pattern(pattern))
    }

    fn named(&self, units: &OpenUnits<'_>, kinds: &[NameKind], wanted: Wanted<'_>) -> Vec<EntryId> {
        let index = self.names();
        let rows = match wanted.hash() {
            Some(hash) => index.hashed(hash),
            None => &index.rows,
        };
        let ids = rows.iter().filter(|row| kinds.contains(&row.kind)).map(|row| {
            let unit = self.full_unit(UnitId::new(PartId::Main, row.unit));
            EntryId::new(unit, row.offset as usize)
        });
        let few = (rows.len() <= ROWS_FEW).then(|| OpenUnits::for_few(self));
        let words = wanted.identifiers();
        let mut in_any_case = Vec::new();
        let mut exact = Vec::new();
        for id in ids {
            let names = match &few {
                Some(few) => names_with(few, id, &words),
                None => names_with(units, id, &words),
            };
            let is_met = |ignore| names.iter().any(|name| wanted.is_met_by(name, ignore));
            if is_met(false) {
                exact.push(id);
            } else if exact.is_empty() && is_met(true) {
                in_any_case.push(id);
            }
        }
        let mut found = if exact.is_empty() { in_any_case } else { exact };
        found.sort_unstable();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_by_its_last_part() {
        for (name, base) in [
            ("std::vector<int>::push_back", "push_back"),
            ("{closure#0}<std::io::Error>", "{closure#0}"),
            ("std::rt::lang_start::{closure_env#0}<()>", "{closure_env#0}"),
            ("a::call<b::{closure_env#0}<()>>", "call"),
            ("Plain", "plain"),
        ] {
            assert_eq!(base_name(name), base, "{name}");
        }
    }
}
