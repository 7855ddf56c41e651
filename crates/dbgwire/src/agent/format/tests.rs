//! Which formats are understood, and as what.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn pieces(text: &[u8]) -> Result<Vec<Piece<'_>>, FormatFault> {
    let mut format = Format::new(text);
    let mut pieces = Vec::new();
    while let Some(piece) = format.read()? {
        pieces.push(piece);
    }
    Ok(pieces)
}

const PLAIN: Conversion = Conversion {
    kind: ConversionKind::Signed,
    size_bits: 32,
    is_left: false,
    has_plus: false,
    has_blank: false,
    has_base: false,
    has_zeros: false,
    width: 0,
    precision: None,
};

#[test]
fn formats_are_cut_into_pieces() {
    let expected = [
        Piece::Text(b"a "),
        Piece::Byte(b'%'),
        Piece::Conversion(PLAIN),
        Piece::Byte(b'\n'),
        Piece::Byte(b'\\'),
        Piece::Text("\u{e4}".as_bytes()),
    ];
    assert_eq!(pieces("a %%%d\\n\\\\\u{e4}".as_bytes()), Ok(expected.to_vec()));
    assert_eq!(pieces(b""), Ok(Vec::new()));
    let escapes = pieces(br#"\a\b\e\f\n\r\t\v\"\'\?"#).expect("known");
    let bytes = b"\x07\x08\x1b\x0c\n\r\t\x0b\"'?".map(Piece::Byte);
    assert_eq!(escapes, bytes);
}

#[test]
fn conversions_have_kinds_sizes_and_widths() {
    use ConversionKind::*;
    let sizes = [("hh", 8), ("h", 16), ("", 32), ("l", 64), ("ll", 64), ("z", 64), ("t", 64)];
    for (name, size_bits) in sizes {
        for (letter, kind) in
            [('d', Signed), ('i', Signed), ('u', Unsigned), ('o', Octal), ('x', Hexadecimal)]
        {
            let text = format!("%{name}{letter}");
            let conversion = Conversion { kind, size_bits, ..PLAIN };
            let expected = [Piece::Conversion(conversion)];
            assert_eq!(pieces(text.as_bytes()), Ok(expected.to_vec()), "{text}");
        }
    }
    let full = Conversion {
        kind: Capitals,
        size_bits: 64,
        is_left: true,
        has_plus: true,
        has_blank: true,
        has_base: true,
        has_zeros: true,
        width: 4096,
        precision: Some(12),
    };
    assert_eq!(pieces(b"%-+ #04096.12jX"), Ok(vec![Piece::Conversion(full)]));
    let string = Conversion { kind: String, size_bits: 64, precision: Some(0), ..PLAIN };
    assert_eq!(pieces(b"%.s"), Ok(vec![Piece::Conversion(string)]));
}

#[test]
fn what_is_not_understood_is_refused() {
    use FormatFault::{Conversion, Escape, Truncated, Width};
    let cases: [(&[u8], FormatFault); 16] = [
        (b"%", Truncated),
        (b"%-5", Truncated),
        (b"%l", Truncated),
        (b"%5.", Truncated),
        (b"\\", Truncated),
        (b"%f", Conversion(b'f')),
        (b"%Lf", Conversion(b'L')),
        (b"%n", Conversion(b'n')),
        (b"%*d", Conversion(b'*')),
        (b"%1$d", Conversion(b'$')),
        (b"%'d", Conversion(b'\'')),
        (b"%ls", Conversion(b's')),
        (b"%lc", Conversion(b'c')),
        (b"\\x41", Escape(b'x')),
        (b"%4097d", Width),
        (b"%.99999999999999999999999999d", Width),
    ];
    for (text, fault) in cases {
        assert_eq!(pieces(text), Err(fault), "{}", text.escape_ascii());
    }
    let end = Err(AgentFault::Format(FormatFault::End));
    for text in [&b""[..], b"a", b"a\0b\0", b"\0\0"] {
        assert_eq!(conversions(text), end);
    }
    assert_eq!(conversions(b"%d%%%s\0"), Ok(2));
}

proptest! {
    #[test]
    fn any_bytes_are_cut_or_refused(text in vec(any::<u8>(), 0..64)) {
        if let Ok(pieces) = pieces(&text) {
            prop_assert!(pieces.len() <= text.len());
            let same: Vec<_> = Format::new(&text).collect();
            prop_assert_eq!(same, pieces);
        }
    }
}
