//! What commands print: numbers as printf(3) shows them, and strings of the target. It knows no
//! instructions, and keeps no more than a hit may print.

use dbgbase::{Address, ConditionTrouble, ReadMemory};
use dbgwire::agent::{Conversion, ConversionKind, PRINTED_LEN_MAX};

/// How much of a string is read at once. No read goes beyond a page, behind which nothing may be.
const CHUNK_LEN: u64 = 256;

/// A text that grows to [`PRINTED_LEN_MAX`] bytes and no further.
pub(super) struct Text<'a> {
    bytes: &'a mut Vec<u8>,
}

impl<'a> Text<'a> {
    /// What is printed goes behind these bytes.
    pub(super) fn new(bytes: &'a mut Vec<u8>) -> Text<'a> {
        Text { bytes }
    }

    fn room(&self) -> usize {
        PRINTED_LEN_MAX.saturating_sub(self.bytes.len())
    }

    /// Prints bytes as they are.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = self.room();
        self.bytes.extend(bytes.iter().take(room));
    }

    fn fill(&mut self, byte: u8, count: usize) {
        let len = self.bytes.len() + count.min(self.room());
        self.bytes.resize(len, byte);
    }

    /// Prints a number.
    ///
    /// **Errors**: memory of a string that cannot be read; what can be is printed.
    pub(super) fn convert(
        &mut self,
        how: Conversion,
        value: u64,
        memory: &dyn ReadMemory,
    ) -> Result<(), ConditionTrouble> {
        let unused = 64_u32.saturating_sub(u32::from(how.size_bits)).min(63);
        let low = value << unused >> unused;
        let signed = (value << unused).cast_signed() >> unused;
        match how.kind {
            ConversionKind::Signed => {
                let sign: &[u8] = match (signed < 0, how.has_plus, how.has_blank) {
                    (true, ..) => b"-",
                    (false, true, _) => b"+",
                    (false, false, true) => b" ",
                    (false, false, false) => b"",
                };
                self.number(how, sign, signed.unsigned_abs().to_string());
            }
            ConversionKind::Unsigned => self.number(how, b"", low.to_string()),
            ConversionKind::Octal => {
                let zero = if how.has_base && low != 0 { "0" } else { "" };
                self.number(how, b"", format!("{zero}{low:o}"));
            }
            ConversionKind::Hexadecimal => {
                self.number(how, base(how, low, b"0x"), format!("{low:x}"));
            }
            ConversionKind::Capitals => {
                self.number(how, base(how, low, b"0X"), format!("{low:X}"));
            }
            ConversionKind::Character => self.padded(how, &[low as u8]),
            ConversionKind::Pointer if value == 0 => self.padded(how, b"(nil)"),
            ConversionKind::Pointer => self.number(how, b"0x", format!("{value:x}")),
            ConversionKind::String => return self.string(how, value, memory),
        }
        Ok(())
    }

    /// Prints a sign or base and digits.
    fn number(&mut self, how: Conversion, sign: &[u8], digits: String) {
        let shows_base = how.kind == ConversionKind::Octal && how.has_base;
        // Nothing is what 0 looks like if no digit is asked for.
        let is_none = how.precision == Some(0) && digits == "0" && !shows_base;
        let digits = if is_none { "" } else { &digits };
        let zeros = how.precision.unwrap_or(0).saturating_sub(digits.len());
        let len = sign.len() + zeros + digits.len();
        let missing = how.width.saturating_sub(len);
        let is_filled = how.has_zeros && !how.is_left && how.precision.is_none();
        if !how.is_left && !is_filled {
            self.fill(b' ', missing);
        }
        self.push(sign);
        self.fill(b'0', if is_filled { missing } else { zeros });
        self.push(digits.as_bytes());
        if how.is_left {
            self.fill(b' ', missing);
        }
    }

    /// Prints bytes in their width.
    fn padded(&mut self, how: Conversion, bytes: &[u8]) {
        let missing = how.width.saturating_sub(bytes.len());
        if !how.is_left {
            self.fill(b' ', missing);
        }
        self.push(bytes);
        if how.is_left {
            self.fill(b' ', missing);
        }
    }

    fn string(
        &mut self,
        how: Conversion,
        address: u64,
        memory: &dyn ReadMemory,
    ) -> Result<(), ConditionTrouble> {
        let len_max = how.precision.unwrap_or(usize::MAX).min(self.room());
        if address == 0 {
            let null = if len_max >= 6 { &b"(null)"[..] } else { b"" };
            self.padded(how, null);
            return Ok(());
        }
        let (bytes, end) = read_string(address, len_max, memory);
        self.padded(how, &bytes);
        end
    }
}

/// The base that is shown of a number.
fn base(how: Conversion, value: u64, base: &'static [u8]) -> &'static [u8] {
    if how.has_base && value != 0 { base } else { b"" }
}

/// The bytes at an address up to a NUL, at most so many; and whether all of them can be read.
fn read_string(
    address: u64,
    len_max: usize,
    memory: &dyn ReadMemory,
) -> (Vec<u8>, Result<(), ConditionTrouble>) {
    let mut bytes = Vec::new();
    while bytes.len() < len_max {
        let at = address.wrapping_add(bytes.len() as u64);
        let chunk_len = CHUNK_LEN - at % CHUNK_LEN;
        let chunk_len = (chunk_len as usize).min(len_max - bytes.len());
        let mut chunk = [0; CHUNK_LEN as usize];
        let Some(chunk) = chunk.get_mut(..chunk_len) else { break };
        let count = match memory.read(Address::new(at), chunk) {
            Ok(count) if count > 0 => count,
            Ok(_) => return (bytes, Err(ConditionTrouble::Unreadable(Address::new(at)))),
            Err(error) => return (bytes, Err(ConditionTrouble::Unreadable(error.address))),
        };
        let read = chunk.get(..count).unwrap_or_default();
        if let Some(end) = read.iter().position(|byte| *byte == 0) {
            bytes.extend(read.iter().take(end));
            break;
        }
        bytes.extend(read);
    }
    (bytes, Ok(()))
}
