//! Memory in the layouts of the commands `d`, `da`, `db` … `dqs`. It is handed the bytes, those
//! that could not be read as gaps.

use std::fmt::Write as _;

use dbgbase::Address;
use dbgeng::SymbolAt;

use super::numbers::{general, printable};

/// How a unit of memory is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cell {
    /// Hexadecimal bytes with a dash in the middle of the line, then characters.
    Bytes,
    /// Hexadecimal numbers.
    Numbers,
    /// Hexadecimal numbers, then characters.
    NumbersAndText,
    /// Floating-point numbers.
    Floats,
    /// Bits of each byte, then the line's bytes.
    BinaryBytes,
    /// Bits of each 32-bit number, then the number.
    BinaryNumbers,
    /// One number in each line, and the symbol it is the address of.
    Symbols,
    /// Characters of one byte, in quotes, up to a NUL.
    Text,
    /// Characters of two bytes, in quotes, up to a NUL.
    WideText,
}

/// One of the display commands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Layout {
    /// Its name.
    pub(crate) name: &'static str,
    /// How a unit is shown.
    pub(crate) cell: Cell,
    /// How large a unit is.
    pub(crate) size_bytes: usize,
    /// How many units a line shows.
    pub(crate) columns: usize,
    /// How many units are shown if no count is typed.
    pub(crate) count: u64,
}

const fn layout(
    name: &'static str,
    cell: Cell,
    size_bytes: usize,
    columns: usize,
    count: u64,
) -> Layout {
    Layout { name, cell, size_bytes, columns, count }
}

/// The display commands. Pointers have eight bytes.
#[rustfmt::skip]
pub(crate) const LAYOUTS: [Layout; 16] = [
    layout("da",  Cell::Text,           1, 48, 384),
    layout("db",  Cell::Bytes,          1, 16, 128),
    layout("dc",  Cell::NumbersAndText, 4,  4,  32),
    layout("dd",  Cell::Numbers,        4,  4,  32),
    layout("dD",  Cell::Floats,         8,  3,  15),
    layout("df",  Cell::Floats,         4,  4,  16),
    layout("dp",  Cell::Numbers,        8,  2,  16),
    layout("dq",  Cell::Numbers,        8,  2,  16),
    layout("du",  Cell::WideText,       2, 48, 384),
    layout("dw",  Cell::Numbers,        2,  8,  64),
    layout("dW",  Cell::NumbersAndText, 2,  8,  64),
    layout("dyb", Cell::BinaryBytes,    1,  4,  32),
    layout("dyd", Cell::BinaryNumbers,  4,  1,   8),
    layout("dds", Cell::Symbols,        4,  1,  32),
    layout("dps", Cell::Symbols,        8,  1,  16),
    layout("dqs", Cell::Symbols,        8,  1,  16),
];

impl Layout {
    /// The layout of the command `name`.
    pub(crate) fn named(name: &str) -> Option<Layout> {
        LAYOUTS.into_iter().find(|layout| layout.name == name)
    }

    /// The lines above the first row.
    pub(crate) fn heading(&self) -> String {
        let margin = " ".repeat(19);
        match self.cell {
            Cell::BinaryBytes => {
                let digits = vec!["76543210"; self.columns].join(" ");
                let dashes = vec!["--------"; self.columns].join(" ");
                format!("{margin}{digits}\n{margin}{dashes}\n")
            }
            Cell::BinaryNumbers => format!(
                "{margin} 3          2          1          0\n\
                 {margin}10987654 32109876 54321098 76543210\n\
                 {margin}-------- -------- -------- --------\n"
            ),
            _ => String::new(),
        }
    }

    /// The row that shows `bytes` at `address`: a line's worth of units or fewer.
    pub(crate) fn row(
        &self,
        address: Address,
        bytes: &[Option<u8>],
        symbol_at: &dyn Fn(Address) -> Option<SymbolAt>,
    ) -> String {
        let units: Vec<&[Option<u8>]> = bytes.chunks(self.size_bytes).collect();
        let mut row = format!("{address}  ");
        match self.cell {
            Cell::Bytes => self.push_bytes(&mut row, bytes),
            Cell::Numbers => row.push_str(&joined(&units)),
            Cell::NumbersAndText => {
                let width = self.columns * (self.size_bytes * 2 + 1);
                let _ = write!(row, "{:width$} {}", joined(&units), characters(bytes));
            }
            Cell::Floats => {
                let cells: Vec<String> = units.iter().map(|unit| self.float(unit)).collect();
                row.push_str(cells.join(" ").trim_end());
            }
            Cell::BinaryBytes => {
                let width = self.columns * 9;
                let bits: Vec<String> = bytes.iter().map(|byte| binary(*byte)).collect();
                let _ = write!(row, "{:width$} {}", bits.join(" "), joined(&units));
            }
            Cell::BinaryNumbers => {
                let bits: Vec<String> = bytes.iter().rev().map(|byte| binary(*byte)).collect();
                let _ = write!(row, "{}  {}", bits.join(" "), joined(&units));
            }
            Cell::Symbols => {
                row.push_str(&joined(&units));
                let target = units.first().and_then(|unit| value(unit)).map(Address::new);
                if let Some(symbol) = target.and_then(symbol_at) {
                    let _ = write!(row, " {symbol}");
                }
            }
            Cell::Text | Cell::WideText => {
                let text: String = units.iter().map(|unit| character(unit)).collect();
                let _ = write!(row, "\"{text}\"");
            }
        }
        row.push('\n');
        row
    }

    fn push_bytes(&self, row: &mut String, bytes: &[Option<u8>]) {
        for index in 0..self.columns {
            let separator = if index == 8 { "-" } else { " " };
            if index > 0 {
                // Behind the last byte there is nothing to separate.
                row.push_str(if index < bytes.len() { separator } else { " " });
            }
            match bytes.get(index) {
                Some(byte) => row.push_str(&hex(*byte)),
                None => row.push_str("  "),
            }
        }
        let _ = write!(row, "  {}", characters(bytes));
    }

    fn float(&self, unit: &[Option<u8>]) -> String {
        let number = value(unit);
        if self.size_bytes == 4 {
            let text = number.map(|bits| general(f64::from(f32::from_bits(bits as u32)), 8));
            format!("{:>16}", text.unwrap_or_else(|| "????????".to_owned()))
        } else {
            let text = number.map(|bits| general(f64::from_bits(bits), 12));
            format!("{:>22}", text.unwrap_or_else(|| "????????????????".to_owned()))
        }
    }
}

/// The little-endian number in these bytes; `None` if one could not be read.
pub(crate) fn value(unit: &[Option<u8>]) -> Option<u64> {
    unit.iter().rev().try_fold(0, |value: u64, byte| Some(value << 8 | u64::from((*byte)?)))
}

fn hex(byte: Option<u8>) -> String {
    byte.map_or_else(|| "??".to_owned(), |byte| format!("{byte:02x}"))
}

fn binary(byte: Option<u8>) -> String {
    byte.map_or_else(|| "????????".to_owned(), |byte| format!("{byte:08b}"))
}

/// Units as hexadecimal numbers with blanks between them.
fn joined(units: &[&[Option<u8>]]) -> String {
    let numbers: Vec<String> = units.iter().map(|unit| number(unit)).collect();
    numbers.join(" ")
}

fn number(unit: &[Option<u8>]) -> String {
    let digits = unit.len() * 2;
    match value(unit) {
        Some(value) if unit.len() == 8 => Address::new(value).to_string(),
        Some(value) => format!("{value:0digits$x}"),
        None if unit.len() == 8 => "????????`????????".to_owned(),
        None => "?".repeat(digits),
    }
}

fn characters(bytes: &[Option<u8>]) -> String {
    bytes.iter().map(|byte| byte.map_or('?', printable)).collect()
}

/// The character of a unit of one or two bytes; a dot for what cannot be shown.
fn character(unit: &[Option<u8>]) -> char {
    let Some(value) = value(unit) else { return '?' };
    match u8::try_from(value) {
        Ok(byte) => printable(byte),
        Err(_) => u32::try_from(value)
            .ok()
            .and_then(char::from_u32)
            .filter(|character| character.is_alphanumeric())
            .unwrap_or('.'),
    }
}

#[cfg(test)]
#[path = "memory/tests.rs"]
mod tests;
