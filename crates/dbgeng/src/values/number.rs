//! Numbers, characters and text as they are shown. It knows no type beyond their encodings, and no
//! memory.

use dbgbase::x86_64::float80::Float80;
use dbgsym::dwarf::{BaseEncoding, Enumeration};

/// A number of a base type.
pub(super) fn base(encoding: BaseEncoding, bytes: &[u8]) -> String {
    match encoding {
        BaseEncoding::Signed => format!("0n{}", signed(bytes)),
        BaseEncoding::SignedChar => format!("0n{}{}", signed(bytes), character(bytes)),
        BaseEncoding::UnsignedChar | BaseEncoding::Unicode => {
            format!("{:#x}{}", unsigned(bytes), character(bytes))
        }
        BaseEncoding::Boolean => match unsigned(bytes) {
            0 => "false".to_owned(),
            1 => "true".to_owned(),
            other => format!("true ({other:#x})"),
        },
        BaseEncoding::Float => float(bytes),
        BaseEncoding::ComplexFloat => {
            let (real, imaginary) = bytes.split_at(bytes.len() / 2);
            let imaginary = float(imaginary);
            match imaginary.strip_prefix('-') {
                Some(size) => format!("{} - {size}i", float(real)),
                None => format!("{} + {imaginary}i", float(real)),
            }
        }
        BaseEncoding::Unsigned | BaseEncoding::Address => format!("{:#x}", unsigned(bytes)),
        _ => hexadecimal(bytes),
    }
}

/// Bytes that mean nothing in particular, the highest first.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().rev().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{digits}")
}

/// An unsigned integer of up to 16 bytes, the lowest first.
pub(super) fn unsigned(bytes: &[u8]) -> u128 {
    let low = bytes.get(..16).unwrap_or(bytes);
    low.iter().rev().fold(0, |value, byte| value << 8 | u128::from(*byte))
}

/// A signed integer of up to 16 bytes, the lowest first.
pub(super) fn signed(bytes: &[u8]) -> i128 {
    sign_extended(unsigned(bytes), 8 * bytes.len().min(16) as u32)
}

/// A signed integer of so many bits.
pub(super) fn sign_extended(value: u128, bits: u32) -> i128 {
    let unused = 128u32.saturating_sub(bits);
    if unused >= 128 { 0 } else { (value as i128) << unused >> unused }
}

/// The fewest digits that tell the number apart, with an exponent where there would be many zeros.
fn float(bytes: &[u8]) -> String {
    const LEN_MAX: usize = 20;
    let shorter = |plain: String, scientific: String| match plain.len() {
        0..=LEN_MAX => plain,
        _ => scientific,
    };
    match *bytes {
        [a, b, c, d] => {
            let number = f32::from_le_bytes([a, b, c, d]);
            shorter(format!("{number}"), format!("{number:e}"))
        }
        [a, b, c, d, e, f, g, h] => {
            let number = f64::from_le_bytes([a, b, c, d, e, f, g, h]);
            shorter(format!("{number}"), format!("{number:e}"))
        }
        _ if bytes.len() >= 10 => Float80::from_bytes(bytes).to_string(),
        _ => hexadecimal(bytes),
    }
}

/// ` 'a'`, or nothing for what has no look of its own.
fn character(bytes: &[u8]) -> String {
    let found = u32::try_from(unsigned(bytes)).ok().and_then(char::from_u32);
    // A byte alone is a character only if it is ASCII.
    let is_one = |found: &char| !found.is_control() && (bytes.len() > 1 || found.is_ascii());
    match found.filter(is_one) {
        Some(found) => format!(" '{found}'"),
        None => " ''".to_owned(),
    }
}

/// Whether bytes that may be numbers as well are text: what is printed, then zeros.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    let len = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (text, rest) = bytes.split_at(len);
    let is_printed = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t' | b'\r');
    !text.is_empty() && text.iter().all(is_printed) && rest.iter().all(|byte| *byte == 0)
}

/// Text in quotes, up to its end. `is_cut` says that more may follow behind the last byte.
pub(super) fn quoted(bytes: &[u8], width: u64, is_cut: bool) -> String {
    let units: Vec<u32> = bytes
        .chunks_exact(width.max(1) as usize)
        .map(|unit| unsigned(unit) as u32)
        .take_while(|unit| *unit != 0)
        .collect();
    let has_end = (units.len() as u64) < bytes.len() as u64 / width.max(1);
    let text: String = match width {
        1 => {
            let bytes: Vec<u8> = units.iter().map(|unit| *unit as u8).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        2 => {
            let units: Vec<u16> = units.iter().map(|unit| *unit as u16).collect();
            String::from_utf16_lossy(&units)
        }
        _ => {
            let character = |unit: &u32| char::from_u32(*unit).unwrap_or('\u{fffd}');
            units.iter().map(character).collect()
        }
    };
    let cut = if is_cut && !has_end { "..." } else { "" };
    format!("\"{}\"{cut}", escaped(&text))
}

pub(super) fn escaped(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        match character {
            '"' | '\\' => shown.extend(['\\', character]),
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            other if other.is_control() => shown.push_str(&format!("\\x{:02x}", other as u32)),
            other => shown.push(other),
        }
    }
    shown
}

/// The names whose bits make up the number: `read | write`. `None` if some bits have no name.
pub(super) fn flags(enumeration: &Enumeration, value: i128) -> Option<String> {
    let mut left = value;
    let mut names = Vec::new();
    for one in &enumeration.enumerators {
        if one.value > 0 && left & one.value == one.value {
            names.push(one.name.as_str());
            left &= !one.value;
        }
    }
    (value > 0 && left == 0).then(|| names.join(" | "))
}

#[cfg(test)]
#[path = "number/tests.rs"]
mod tests;
