//! Numbers and text beside what the original shows of them.

use dbgsym::dwarf::Enumerator;
use proptest::prelude::*;

use super::*;

#[test]
fn numbers_look_as_in_the_original() {
    let shown = |encoding, bytes: &[u8]| base(encoding, bytes);
    let cases: [(BaseEncoding, &[u8], &str); 23] = [
        (BaseEncoding::Signed, &[5, 0, 0, 0], "0n5"),
        (BaseEncoding::Signed, &[0xff; 4], "0n-1"),
        (BaseEncoding::Signed, &[0xff; 16], "0n-1"),
        (BaseEncoding::Unsigned, &[0xff; 8], "0xffffffffffffffff"),
        (BaseEncoding::Unsigned, &[0; 2], "0x0"),
        (BaseEncoding::SignedChar, b"a", "0n97 'a'"),
        (BaseEncoding::SignedChar, &[0], "0n0 ''"),
        (BaseEncoding::SignedChar, &[0xfb], "0n-5 ''"),
        (BaseEncoding::UnsignedChar, b"a", "0x61 'a'"),
        (BaseEncoding::Unicode, &[0xac, 0x20, 0, 0], "0x20ac '\u{20ac}'"),
        (BaseEncoding::Unicode, &[0, 0xd8, 0, 0], "0xd800 ''"),
        (BaseEncoding::Boolean, &[0], "false"),
        (BaseEncoding::Boolean, &[1], "true"),
        (BaseEncoding::Boolean, &[2], "true (0x2)"),
        (BaseEncoding::Float, &1.5f32.to_le_bytes(), "1.5"),
        (BaseEncoding::Float, &(-0.1f64).to_le_bytes(), "-0.1"),
        (BaseEncoding::Float, &5e-310f64.to_le_bytes(), "5e-310"),
        (BaseEncoding::Float, &(-1.25e30f32).to_le_bytes(), "-1.25e30"),
        (BaseEncoding::Float, &f64::NAN.to_le_bytes(), "NaN"),
        (BaseEncoding::Float, &f64::INFINITY.to_le_bytes(), "inf"),
        (BaseEncoding::Float, &[1, 2], "0x0201"),
        (BaseEncoding::Address, &[0x10, 0], "0x10"),
        (BaseEncoding::Other(0x80), &[1, 2, 3], "0x030201"),
    ];
    for (encoding, bytes, expected) in cases {
        assert_eq!(shown(encoding, bytes), expected, "{encoding:?} {bytes:?}");
    }
    let parts = [1.0f64.to_le_bytes(), 2.5f64.to_le_bytes()].concat();
    assert_eq!(shown(BaseEncoding::ComplexFloat, &parts), "1 + 2.5i");
    let parts = [1.0f32.to_le_bytes(), (-2.0f32).to_le_bytes()].concat();
    assert_eq!(shown(BaseEncoding::ComplexFloat, &parts), "1 - 2i");
    assert!(is_text(b"text\0\0") && !is_text(b"\0\0") && !is_text(b"a\0b") && !is_text(b"\x80"));
    let one = [0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f, 0, 0, 0, 0, 0, 0];
    assert!(shown(BaseEncoding::Float, &one).starts_with("1.000"), "x87 in 16 bytes");
}

#[test]
fn text_ends_at_its_zero_or_is_cut() {
    assert_eq!(quoted(b"hello\0rest", 1, true), r#""hello""#);
    assert_eq!(quoted(b"hello", 1, true), r#""hello"..."#);
    assert_eq!(quoted(b"hello", 1, false), r#""hello""#);
    assert_eq!(quoted(b"a\"\\\n\x01\xff", 1, false), "\"a\\\"\\\\\\n\\x01\u{fffd}\"");
    assert_eq!(quoted(&[0x61, 0, 0x62, 0, 0, 0], 2, true), r#""ab""#);
    assert_eq!(quoted(&[0x61, 0, 0, 0, 0xac, 0x20, 0, 0], 4, false), "\"a\u{20ac}\"");
    assert_eq!(quoted(&[], 1, false), r#""""#);
}

#[test]
fn flags_are_named_if_all_bits_have_names() {
    let one = |name: &str, value| Enumerator { name: name.to_owned(), value };
    let enumeration = Enumeration {
        underlying: None,
        is_scoped: false,
        enumerators: vec![one("none", 0), one("read", 1), one("write", 2), one("all", 7)],
    };
    let shown = |value| flags(&enumeration, value);
    assert_eq!(shown(3), Some("read | write".to_owned()));
    assert_eq!(shown(4), None);
    assert_eq!(shown(0), None);
    assert_eq!(shown(-1), None);
}

proptest! {
    #[test]
    fn integers_are_what_the_cpu_takes_them_for(value: i64) {
        let bytes = value.to_le_bytes();
        prop_assert_eq!(signed(&bytes), i128::from(value));
        prop_assert_eq!(unsigned(&bytes), u128::from(value as u64));
        prop_assert_eq!(signed(&bytes[..4]), i128::from(value as i32));
        prop_assert_eq!(sign_extended(value as u128 & 0x1f, 5), i128::from((value << 59) >> 59));
    }
}
