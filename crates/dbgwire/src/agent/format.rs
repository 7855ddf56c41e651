//! Formats of what commands print: those of printf(3) as they stand in C source, escapes included,
//! without conversions of floating-point numbers and of wide characters, and without those that
//! write or take their width from a number. It cuts them into pieces and converts nothing.

use super::{AgentFault, FormatFault, Instruction, PRINTED_LEN_MAX};

/// How many bytes of the instruction precede the format: opcode, count and length.
const HEAD_LEN: usize = 4;

/// A format's pieces, one after the other. What was proved sound has no faulty ones.
#[derive(Clone, Debug)]
pub struct Format<'a> {
    rest: &'a [u8],
}

/// A piece of a format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Piece<'a> {
    /// Bytes that are printed as they are.
    Text(&'a [u8]),
    /// A byte that the format has a sequence for.
    Byte(u8),
    /// A number of the stack.
    Conversion(Conversion),
}

/// How a number is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Conversion {
    /// As what.
    pub kind: ConversionKind,
    /// How many of its bits count: 8, 16, 32 or 64.
    pub size_bits: u8,
    /// Whether it stands on the left of its width (`-`).
    pub is_left: bool,
    /// Whether a number that is not negative has a sign (`+`).
    pub has_plus: bool,
    /// Whether it has a blank instead (` `).
    pub has_blank: bool,
    /// Whether the base is shown (`#`).
    pub has_base: bool,
    /// Whether the width is filled by zeros (`0`).
    pub has_zeros: bool,
    /// The fewest bytes that are printed.
    pub width: usize,
    /// The fewest digits of a number; the most bytes of a string.
    pub precision: Option<usize>,
}

/// What a number is printed as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConversionKind {
    /// `d` and `i`: decimal, with a sign.
    Signed,
    /// `u`: decimal.
    Unsigned,
    /// `o`: octal.
    Octal,
    /// `x`: hexadecimal.
    Hexadecimal,
    /// `X`: hexadecimal, in capitals.
    Capitals,
    /// `c`: the byte.
    Character,
    /// `s`: the bytes at that address, up to a NUL.
    String,
    /// `p`: the address.
    Pointer,
}

impl<'a> Format<'a> {
    /// The pieces of a format without its NUL.
    pub(super) fn new(bytes: &'a [u8]) -> Format<'a> {
        Format { rest: bytes }
    }

    /// The next piece; `None` at the end.
    pub(super) fn read(&mut self) -> Result<Option<Piece<'a>>, FormatFault> {
        let (piece, rest) = match self.rest {
            [] => return Ok(None),
            [b'%', b'%', rest @ ..] => (Piece::Byte(b'%'), rest),
            [b'%', rest @ ..] => {
                let (conversion, rest) = conversion(rest)?;
                (Piece::Conversion(conversion), rest)
            }
            [b'\\', rest @ ..] => {
                let (byte, rest) = escape(rest)?;
                (Piece::Byte(byte), rest)
            }
            text => {
                let is_special = |byte: &u8| matches!(byte, b'%' | b'\\');
                let len = text.iter().position(is_special).unwrap_or(text.len());
                let (text, rest) = text.split_at(len);
                (Piece::Text(text), rest)
            }
        };
        self.rest = rest;
        Ok(Some(piece))
    }
}

impl<'a> Iterator for Format<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        // Sound formats have no faults; one that has ends at the first.
        self.read().ok().flatten()
    }
}

/// The format of the printing instruction at an offset, its NUL included; empty for any other.
pub(super) fn bytes_with_end_at(code: &[u8], offset: usize) -> &[u8] {
    match Instruction::read_at(code, offset) {
        Ok((Instruction::Print { .. }, next)) => {
            code.get(offset + HEAD_LEN..next).unwrap_or_default()
        }
        _ => &[],
    }
}

/// The same without its NUL.
pub(super) fn bytes_at(code: &[u8], offset: usize) -> &[u8] {
    let bytes = bytes_with_end_at(code, offset);
    bytes.split_last().map_or(&[], |(_, text)| text)
}

/// How many numbers a format converts, its NUL included.
///
/// **Errors**: the first thing found that is wrong with it.
pub(super) fn conversions(format: &[u8]) -> Result<usize, AgentFault> {
    let fault = AgentFault::Format;
    let text = match format.split_last() {
        Some((0, text)) if !text.contains(&0) => text,
        _ => return Err(fault(FormatFault::End)),
    };
    let mut format = Format::new(text);
    let mut count = 0;
    while let Some(piece) = format.read().map_err(fault)? {
        count += usize::from(matches!(piece, Piece::Conversion(_)));
    }
    Ok(count)
}

/// The conversion behind a percent sign, and what follows it.
fn conversion(bytes: &[u8]) -> Result<(Conversion, &[u8]), FormatFault> {
    let is_flag = |byte: &u8| matches!(byte, b'-' | b'+' | b' ' | b'#' | b'0');
    let flags_len = bytes.iter().position(|byte| !is_flag(byte)).unwrap_or(bytes.len());
    let (flags, rest) = bytes.split_at(flags_len);
    let (width, rest) = number(rest)?;
    let (precision, rest) = match rest {
        [b'.', rest @ ..] => {
            let (precision, rest) = number(rest)?;
            (Some(precision), rest)
        }
        rest => (None, rest),
    };
    let (size_bits, rest) = match rest {
        [b'h', b'h', rest @ ..] => (Some(8), rest),
        [b'h', rest @ ..] => (Some(16), rest),
        [b'l', b'l', rest @ ..] | [b'l' | b'z' | b'j' | b't', rest @ ..] => (Some(64), rest),
        rest => (None, rest),
    };
    let (letter, rest) = rest.split_first().ok_or(FormatFault::Truncated)?;
    let (kind, usual_bits) = match letter {
        b'd' | b'i' => (ConversionKind::Signed, 32),
        b'u' => (ConversionKind::Unsigned, 32),
        b'o' => (ConversionKind::Octal, 32),
        b'x' => (ConversionKind::Hexadecimal, 32),
        b'X' => (ConversionKind::Capitals, 32),
        // With a size they are of wide characters, or nothing.
        b'c' if size_bits.is_none() => (ConversionKind::Character, 8),
        b's' if size_bits.is_none() => (ConversionKind::String, 64),
        b'p' if size_bits.is_none() => (ConversionKind::Pointer, 64),
        letter => return Err(FormatFault::Conversion(*letter)),
    };
    let conversion = Conversion {
        kind,
        size_bits: size_bits.unwrap_or(usual_bits),
        is_left: flags.contains(&b'-'),
        has_plus: flags.contains(&b'+'),
        has_blank: flags.contains(&b' '),
        has_base: flags.contains(&b'#'),
        has_zeros: flags.contains(&b'0'),
        width,
        precision,
    };
    Ok((conversion, rest))
}

/// A decimal number, 0 if there is none, and what follows it.
fn number(bytes: &[u8]) -> Result<(usize, &[u8]), FormatFault> {
    let len = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    let (digits, rest) = bytes.split_at(len);
    let value = digits.iter().try_fold(0, |value: usize, digit| {
        let value = value * 10 + usize::from(digit - b'0');
        if value > PRINTED_LEN_MAX { Err(FormatFault::Width) } else { Ok(value) }
    })?;
    Ok((value, rest))
}

/// What a backslash means with what follows it, and what follows that.
fn escape(bytes: &[u8]) -> Result<(u8, &[u8]), FormatFault> {
    let (letter, rest) = bytes.split_first().ok_or(FormatFault::Truncated)?;
    let byte = match letter {
        b'a' => 0x07,
        b'b' => 0x08,
        b'e' => 0x1b,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'\\' | b'"' | b'\'' | b'?' => *letter,
        letter => return Err(FormatFault::Escape(*letter)),
    };
    Ok((byte, rest))
}

#[cfg(test)]
#[path = "format/tests.rs"]
mod tests;
