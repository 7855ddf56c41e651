//! Numbers as people type them: prefixes, the suffix `h`, grave accents between digits. It knows
//! nothing of what surrounds a number.

/// The base in which digits without a prefix are read (command `n`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Radix {
    /// Base 8.
    Octal,
    /// Base 10.
    Decimal,
    /// Base 16, the one at the start.
    #[default]
    Hexadecimal,
}

impl Radix {
    /// The base.
    pub const fn value(self) -> u32 {
        match self {
            Radix::Octal => 8,
            Radix::Decimal => 10,
            Radix::Hexadecimal => 16,
        }
    }

    /// The radix with this base, if it is one of the three.
    pub const fn from_value(value: u64) -> Option<Radix> {
        match value {
            8 => Some(Radix::Octal),
            10 => Some(Radix::Decimal),
            16 => Some(Radix::Hexadecimal),
            _ => None,
        }
    }
}

/// How a word reads as a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reading {
    /// It is this number.
    Number(u64),
    /// It is a number, but a greater one than 64 bits hold.
    Overflow,
    /// It is none.
    NotANumber,
}

/// Reads the whole of `word`. A prefix with nothing behind it is zero.
pub(super) fn read(word: &str, radix: Radix) -> Reading {
    if let Some((base, digits)) = prefixed(word) {
        if digits.is_empty() {
            return Reading::Number(0);
        }
        return read_digits(digits, base);
    }
    if let Some(digits) = word.strip_suffix(['h', 'H']) {
        let reading = read_digits(digits, 16);
        if reading != Reading::NotANumber {
            return reading;
        }
    }
    read_digits(word, radix.value())
}

/// The base that the prefix names, and what follows it.
fn prefixed(word: &str) -> Option<(u32, &str)> {
    let rest = word.strip_prefix('0')?;
    let base = match rest.chars().next()?.to_ascii_lowercase() {
        'x' => 16,
        'n' => 10,
        't' => 8,
        'y' => 2,
        _ => return None,
    };
    Some((base, rest.get(1..)?))
}

fn read_digits(digits: &str, base: u32) -> Reading {
    // An accent stands between two digits.
    if !digits.starts_with(|first: char| first.is_digit(base)) || digits.ends_with('`') {
        return Reading::NotANumber;
    }
    let mut value = Some(0u64);
    for character in digits.chars().filter(|character| *character != '`') {
        let Some(digit) = character.to_digit(base) else {
            return Reading::NotANumber;
        };
        value = value
            .and_then(|value| value.checked_mul(u64::from(base)))
            .and_then(|value| value.checked_add(u64::from(digit)));
    }
    value.map_or(Reading::Overflow, Reading::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_the_manual_says() {
        let cases = [
            ("10", Radix::Hexadecimal, Reading::Number(0x10)),
            ("10", Radix::Decimal, Reading::Number(10)),
            ("10", Radix::Octal, Reading::Number(8)),
            ("0n10", Radix::Hexadecimal, Reading::Number(10)),
            ("0N10", Radix::Hexadecimal, Reading::Number(10)),
            ("0t17", Radix::Decimal, Reading::Number(15)),
            ("0y101", Radix::Decimal, Reading::Number(5)),
            ("0xfF", Radix::Octal, Reading::Number(255)),
            ("ffh", Radix::Decimal, Reading::Number(255)),
            ("10h", Radix::Decimal, Reading::Number(16)),
            ("0x", Radix::Decimal, Reading::Number(0)),
            ("0n", Radix::Decimal, Reading::Number(0)),
            ("0b1", Radix::Hexadecimal, Reading::Number(0xb1)),
            ("00007fff`f7dd5000", Radix::Hexadecimal, Reading::Number(0x7fff_f7dd_5000)),
            ("ffffffff`ffffffff", Radix::Hexadecimal, Reading::Number(u64::MAX)),
            ("1`00000000`00000000", Radix::Hexadecimal, Reading::Overflow),
            ("0n18446744073709551616", Radix::Hexadecimal, Reading::Overflow),
            ("9", Radix::Octal, Reading::NotANumber),
            ("abc", Radix::Decimal, Reading::NotANumber),
            ("12`", Radix::Hexadecimal, Reading::NotANumber),
            ("0y2", Radix::Hexadecimal, Reading::NotANumber),
            ("h", Radix::Hexadecimal, Reading::NotANumber),
            ("", Radix::Hexadecimal, Reading::NotANumber),
        ];
        for (word, radix, expected) in cases {
            assert_eq!(read(word, radix), expected, "{word} in base {}", radix.value());
        }
    }
}
