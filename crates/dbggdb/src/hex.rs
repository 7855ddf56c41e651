//! Numbers and bytes as the protocol writes them: hex digits, most significant first for numbers,
//! two for each byte in the target's order for values. Pure.

/// The value of a hex digit.
pub(crate) fn digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// The number that these digits write. `None` if there are none, if one is no hex digit, or if it
/// has more than 64 bits.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, byte| {
        let has_room = value >> 60 == 0;
        digit(*byte).filter(|_| has_room).map(|digit| value << 4 | u64::from(digit))
    })
}

/// The bytes that these digits write. `None` for an odd number of them, or if one is none.
pub(crate) fn bytes(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// Writes bytes.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_at_most_64_bits() {
        assert_eq!(number(b"0"), Some(0));
        assert_eq!(number(b"00000000000000000007fF"), Some(0x7ff));
        assert_eq!(number(b"ffffffffffffffff"), Some(u64::MAX));
        assert_eq!(number(b"10000000000000000"), None);
        assert_eq!(number(b""), None);
        assert_eq!(number(b"-1"), None);
        assert_eq!(number(b"0x1"), None);
    }

    #[test]
    fn bytes_are_read_as_they_are_written() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(bytes(encode(&all).as_bytes()), Some(all));
        assert_eq!(bytes(b"abc"), None);
        assert_eq!(bytes(b"zz"), None);
        assert_eq!(bytes(b""), Some(Vec::new()));
    }
}
