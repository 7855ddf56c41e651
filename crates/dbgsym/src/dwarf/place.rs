//! From a line of source to the places in the code where a breakpoint at it belongs: one in each
//! function that has code for the line, and one in each inlined copy.

use std::collections::BTreeMap;
use std::sync::Arc;

use dbgbase::LinkAddress;

use super::line::SourcePattern;
use super::{DebugInfo, EntryId, Function, OpenUnits, UnitId};

/// A place for a breakpoint at a line of source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinePlace {
    /// Where the breakpoint belongs.
    pub address: LinkAddress,
    /// The full path of the source file where the compiler saw it.
    pub file: Arc<str>,
    /// The line that the place is in: the one asked for, or the next one that has code.
    pub line: u32,
    /// The function that it is in, or the inlined call.
    pub inside: Option<EntryId>,
}

/// The rows that begin a statement of one line, in one file.
struct LineRows {
    line: u32,
    addresses: Vec<u64>,
}

impl DebugInfo {
    /// Where breakpoints at line `line` of the files that `file` means belong, by address. In each
    /// file where no statement begins at the line, at the next line where one does.
    ///
    /// In each function and in each inlined copy it is the first address of the line; and if that
    /// is in a prologue, where [`DebugInfo::body_of`] says.
    ///
    /// **Shape**: empty if no such file has code from the line on.
    ///
    /// **Cost**: the first question reads the heads of all line tables; each reads the tables of
    /// the units that name the file, and the functions found.
    pub fn places_of(&self, file: &SourcePattern, line: u32) -> Vec<LinePlace> {
        // The same file may be named in several ways.
        let mut files: BTreeMap<String, (Arc<str>, Vec<UnitId>)> = BTreeMap::new();
        for (path, units) in self.file_index().matching(file) {
            let one = files.entry(normalized(path));
            one.or_insert_with(|| (Arc::clone(path), Vec::new())).1.extend(units);
        }
        let units = OpenUnits::new(self);
        let mut places = Vec::new();
        for (normal, (path, mut naming)) in files {
            naming.sort_unstable();
            naming.dedup();
            if let Some(rows) = self.rows_of_line(&normal, &naming, line) {
                places.extend(self.places_among(&units, &path, &rows));
            }
        }
        places.sort_by_key(|place| place.address);
        places.dedup_by_key(|place| place.address);
        places
    }

    /// The rows of the first line from `line` on where a statement begins.
    fn rows_of_line(&self, path: &str, units: &[UnitId], line: u32) -> Option<LineRows> {
        let mut best = LineRows { line: u32::MAX, addresses: Vec::new() };
        for unit in units {
            let Some(table) = self.lines(*unit) else { continue };
            let files = table.files().iter();
            let numbers: Vec<_> =
                files.filter(|(_, file)| normalized(file) == path).map(|(n, _)| n).collect();
            for (row, _) in table.rows() {
                let is_wanted = row.is_statement() && row.line >= line.max(1);
                if !is_wanted || row.line > best.line || !numbers.contains(&u64::from(row.file)) {
                    continue;
                }
                if row.line < best.line {
                    best.line = row.line;
                    best.addresses.clear();
                }
                best.addresses.push(row.address);
            }
        }
        (!best.addresses.is_empty()).then_some(best)
    }

    /// The first of the rows in each function and each inlined copy.
    fn places_among(
        &self,
        units: &OpenUnits<'_>,
        path: &Arc<str>,
        rows: &LineRows,
    ) -> Vec<LinePlace> {
        // The part of a function that is rarely needed counts last, wherever it lies.
        let mut first: BTreeMap<Option<EntryId>, (bool, LinkAddress)> = BTreeMap::new();
        let mut addresses = rows.addresses.clone();
        addresses.sort_unstable();
        addresses.dedup();
        let mut last: Option<Function> = None;
        for address in addresses.into_iter().map(LinkAddress::new) {
            // Neighbours are mostly in the same function.
            if last.as_ref().is_none_or(|function| !is_in(function, address)) {
                last = self.function_at(address);
            }
            let inside = last.as_ref().map(|function| {
                let mut inlined = self.inlined_entries_at(units, function.id, address.value());
                inlined.pop().unwrap_or(function.id)
            });
            let is_apart =
                last.as_ref().is_some_and(|function| !is_in_entry_part(function, address));
            let candidate = (is_apart, address);
            let best = first.entry(inside).or_insert(candidate);
            *best = candidate.min(*best);
        }
        let place = |(inside, (_, address))| {
            let address = self.behind_prologue(address);
            LinePlace { address, file: Arc::clone(path), line: rows.line, inside }
        };
        first.into_iter().map(place).collect()
    }

    /// `address`, or the body of its function if it lies before that.
    fn behind_prologue(&self, address: LinkAddress) -> LinkAddress {
        match self.function_at(address) {
            Some(function) if address >= function.entry && is_in_entry_part(&function, address) => {
                address.max(self.body_of(&function))
            }
            _ => address,
        }
    }
}

fn is_in(function: &Function, address: LinkAddress) -> bool {
    function.ranges.iter().any(|range| range.contains(&address))
}

/// Whether an address is in the part of a function where it begins.
fn is_in_entry_part(function: &Function, address: LinkAddress) -> bool {
    let parts = &function.ranges;
    parts.iter().any(|range| range.contains(&function.entry) && range.contains(&address))
}

/// A path without the parts that make no difference.
fn normalized(path: &str) -> String {
    SourcePattern::new(path).to_path()
}
