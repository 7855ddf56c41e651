//! Lines of source: which one the instruction at an address belongs to, and the rows of a stretch
//! of code for stepping (DWARF 5, 6.2). It knows no function and opens no source file.

mod files;
mod limits;
mod table;

use std::ops::Range;
use std::sync::Arc;

use dbgbase::LinkAddress;

use super::{DebugInfo, UnitId};

pub use files::SourcePattern;
pub(super) use files::{FileIndex, UnitFiles};
pub(super) use limits::is_bounded;
pub(super) use table::LineTable;
use table::Row;

/// The line of an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LineAt {
    /// The full path of the source file where the compiler saw it.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1; 0 if unknown.
    pub column: u32,
    /// The instructions of the row that `line` comes from, up to the next row that has a line. Rows
    /// around it may have the same line.
    pub range: Range<LinkAddress>,
}

/// One row of a line table: where a piece of the code for a line begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LineRow {
    /// Where it begins.
    pub address: LinkAddress,
    /// Where the next row begins; the same as `address` if another row begins there as well.
    pub end: LinkAddress,
    /// The full path of the source file where the compiler saw it.
    pub file: Arc<str>,
    /// Counted from 1; 0 for code that no line stands for.
    pub line: u32,
    /// Counted from 1; 0 if unknown.
    pub column: u32,
    /// Whether it is a place to stop at: the beginning of a statement.
    pub is_statement: bool,
    /// Whether it is where a breakpoint at the function belongs.
    pub is_prologue_end: bool,
    /// Whether it is where a breakpoint at the function's end belongs.
    pub is_epilogue_begin: bool,
}

impl LineRow {
    fn new(table: &LineTable, row: &Row, end: u64) -> LineRow {
        LineRow {
            address: LinkAddress::new(row.address),
            end: LinkAddress::new(end),
            file: table.path(row.file),
            line: row.line,
            column: row.column,
            is_statement: row.is_statement(),
            is_prologue_end: row.is_prologue_end(),
            is_epilogue_begin: row.is_epilogue_begin(),
        }
    }
}

impl DebugInfo {
    /// The line that the instruction at `address` belongs to. For a return address ask for the byte
    /// before it. Code that the compiler knows no line for belongs to the line before it.
    ///
    /// **Cost**: the first question in a unit reads its table, some 10 milliseconds for a million
    /// rows.
    pub fn line_at(&self, address: LinkAddress) -> Option<LineAt> {
        self.units_at(address.value()).into_iter().find_map(|unit| {
            let table = self.lines(unit)?;
            let (row, end) = table.row_at(address.value())?;
            Some(LineAt {
                file: table.path(row.file),
                line: row.line,
                column: row.column,
                range: LinkAddress::new(row.address)..LinkAddress::new(end),
            })
        })
    }

    /// The rows that have instructions in `range`, by address; the first may begin before it. Rows
    /// without instructions (another begins at the same address) are among them, in the order of
    /// the table.
    pub fn line_rows(&self, range: Range<LinkAddress>) -> Vec<LineRow> {
        let range = range.start.value()..range.end.value();
        let mut found = Vec::new();
        for unit in self.units_in(range.clone()) {
            let Some(table) = self.lines(unit) else { continue };
            let rows = table.rows_in(range.clone());
            found.extend(rows.map(|(row, end)| LineRow::new(table, row, end)));
        }
        found.sort_by_key(|row| row.address);
        found
    }

    /// The line table of a unit. A split unit's is in its skeleton.
    pub(super) fn lines(&self, unit: UnitId) -> Option<&LineTable> {
        let tables = self.tables(unit)?;
        tables.lines.get_or_init(|| LineTable::read(&self.open_plain(unit)?)).as_ref()
    }
}
