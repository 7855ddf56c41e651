//! The line table of one unit, as its line number program computes it (DWARF 5, 6.2.2): rows by
//! address in sequences without gaps.

use std::ops::Range;
use std::sync::Arc;

use super::super::{OpenUnit, RangeTable};
use super::files::UnitFiles;

/// No unit has so many rows. A damaged program could make one with each byte.
const ROWS_MAX: usize = 1 << 26;

/// One row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) address: u64,
    /// As the line number program counts them.
    pub(crate) file: u32,
    pub(crate) line: u32,
    pub(crate) column: u32,
    flags: u8,
}

const STATEMENT: u8 = 1;
const PROLOGUE_END: u8 = 2;
const EPILOGUE_BEGIN: u8 = 4;

impl Row {
    fn new(row: &gimli::LineRow) -> Row {
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let column = match row.column() {
            gimli::ColumnType::LeftEdge => 0,
            gimli::ColumnType::Column(column) => clamp(column.get()),
        };
        Row {
            address: row.address(),
            file: clamp(row.file_index()),
            line: row.line().map_or(0, |line| clamp(line.get())),
            column,
            flags: flag(row.is_stmt(), STATEMENT)
                | flag(row.prologue_end(), PROLOGUE_END)
                | flag(row.epilogue_begin(), EPILOGUE_BEGIN),
        }
    }

    pub(crate) fn is_statement(&self) -> bool {
        self.flags & STATEMENT != 0
    }

    pub(crate) fn is_prologue_end(&self) -> bool {
        self.flags & PROLOGUE_END != 0
    }

    pub(crate) fn is_epilogue_begin(&self) -> bool {
        self.flags & EPILOGUE_BEGIN != 0
    }
}

fn clamp(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The rows of one unit.
#[derive(Debug)]
pub(crate) struct LineTable {
    files: UnitFiles,
    rows: Vec<Row>,
    /// Which rows cover which addresses.
    sequences: RangeTable<Range<usize>>,
}

impl LineTable {
    /// Runs the line number program of a unit. `None` if it has none.
    pub(super) fn read(unit: &OpenUnit<'_>) -> Option<LineTable> {
        let mut program = unit.line_program.clone()?.rows();
        let mut rows: Vec<Row> = Vec::new();
        let mut sequences = Vec::new();
        let mut begun = 0;
        while let Ok(Some((_, row))) = program.next_row() {
            if rows.len() >= ROWS_MAX {
                break;
            }
            if !row.end_sequence() {
                // Addresses only grow; anything else is damage.
                let last = rows.get(begun..).and_then(|rows| rows.last());
                if last.is_none_or(|last| last.address <= row.address()) {
                    rows.push(Row::new(row));
                }
                continue;
            }
            // A row where its sequence ends has no instructions.
            while rows.len() > begun && rows.last().is_some_and(|r| r.address == row.address()) {
                rows.pop();
            }
            let start = rows.get(begun).map_or(0, |row| row.address);
            let last = rows.last().map_or(0, |row| row.address);
            if start < row.address() && last <= row.address() && unit.info().has_code_at(start) {
                sequences.push((start..row.address(), begun..rows.len()));
            } else {
                // The linker removed the function.
                rows.truncate(begun);
            }
            begun = rows.len();
        }
        rows.truncate(begun);
        rows.shrink_to_fit();
        // Files may also be defined by the program itself (DWARF 4, 6.2.5.3).
        let files = UnitFiles::new(unit, program.header());
        Some(LineTable { files, rows, sequences: RangeTable::new(sequences) })
    }

    /// The path of a file of its rows.
    pub(crate) fn path(&self, file: u32) -> Arc<str> {
        self.files.path(u64::from(file))
    }

    /// The files that its rows may be in.
    pub(crate) fn files(&self) -> &UnitFiles {
        &self.files
    }

    /// The row whose line the instruction at `address` belongs to, and where the next row begins.
    ///
    /// * Of rows that begin together the last one has the instructions. But if no statement begins
    ///   with it, the last statement among them is meant: who stops at the address of a statement
    ///   stops at the statement.
    /// * Rows without a line (line 0) belong to the row before: compilers write them for code that
    ///   they moved or merged.
    pub(crate) fn row_at(&self, address: u64) -> Option<(&Row, u64)> {
        let (range, rows) = self.sequences.ranges_at(address).next()?;
        let rows = self.rows.get(rows.clone())?;
        let behind = rows.partition_point(|row| row.address <= address);
        let (before, after) = rows.split_at_checked(behind)?;
        let end = after.iter().find(|row| row.line != 0).map_or(range.end, |next| next.address);
        let mut with_line = before.iter().rev().filter(|row| row.line != 0).peekable();
        let last = *with_line.peek()?;
        let mut together = with_line.take_while(|row| row.address == last.address);
        Some((together.find(|row| row.is_statement()).unwrap_or(last), end))
    }

    /// The rows that cover any of `wanted`, and where each ends.
    pub(crate) fn rows_in(&self, wanted: Range<u64>) -> impl Iterator<Item = (&Row, u64)> {
        let reaching = self.sequences.overlapping(wanted.clone());
        reaching.flat_map(move |(range, rows)| {
            let rows = self.rows.get(rows.clone()).unwrap_or_default();
            let before = rows.partition_point(|row| row.address < wanted.start);
            // The row before may reach into the range.
            let reaches = rows.get(before).map_or(range.end, |row| row.address) > wanted.start;
            let first = if reaches { before.saturating_sub(1) } else { before };
            let end = rows.partition_point(|row| row.address < wanted.end);
            let rows_end = range.end;
            let nexts = move |index: usize| rows.get(index + 1).map_or(rows_end, |n| n.address);
            (first..end).filter_map(move |index| Some((rows.get(index)?, nexts(index))))
        })
    }

    /// All rows, sequence after sequence, and where each ends.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&Row, u64)> {
        self.sequences.iter().flat_map(|(range, rows)| {
            let rows = self.rows.get(rows.clone()).unwrap_or_default();
            let ends = rows.iter().skip(1).map(|next| next.address).chain([range.end]);
            rows.iter().zip(ends)
        })
    }
}
