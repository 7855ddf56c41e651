//! Numbers there and back, and those that are near a border.

use super::*;

fn raw(text: &str) -> Float80 {
    Float80::from_raw(text).expect("sign, exponent and mantissa")
}

#[test]
fn numbers_are_shown_with_all_their_digits() {
    for (number, text) in [
        ("0:0000:0000000000000000", "0.000000000000000000000e+0000"),
        ("1:0000:0000000000000000", "-0.000000000000000000000e+0000"),
        ("0:3fff:8000000000000000", "1.000000000000000000000e+0000"),
        ("0:3fff:c000000000000000", "1.500000000000000000000e+0000"),
        ("1:4000:c90fdaa22168c235", "-3.141592653589793238513e+0000"),
        ("0:3ffb:cccccccccccccccd", "1.000000000000000000014e-0001"),
        ("0:7ffe:ffffffffffffffff", "1.189731495357231765021e+4932"),
        ("0:0001:8000000000000000", "3.362103143112093506263e-4932"),
        ("0:0000:0000000000000001", "3.645199531882474602528e-4951"),
        ("0:403e:ffffffffffffffff", "1.844674407370955161500e+0019"),
        ("0:7fff:8000000000000000", "inf"),
        ("1:7fff:8000000000000000", "-inf"),
        ("0:7fff:c000000000000000", "nan"),
        ("0:3fff:0000000000000001", "invalid"),
    ] {
        assert_eq!(raw(number).to_string(), text);
        assert_eq!(raw(number).raw(), number);
        assert_eq!(Float80::from_bytes(&raw(number).to_bytes()), raw(number));
    }
}

#[test]
fn numbers_are_read() {
    for (text, number) in [
        ("1", "0:3fff:8000000000000000"),
        ("-1.5", "1:3fff:c000000000000000"),
        ("+.5", "0:3ffe:8000000000000000"),
        ("0.1", "0:3ffb:cccccccccccccccd"),
        ("3.14159265358979323846264338327950288", "0:4000:c90fdaa22168c235"),
        ("1e4932", "0:7ffe:d72cb2a95c7ef6cd"),
        ("1.2e4932", "0:7fff:8000000000000000"),
        ("9e999999999999999999", "0:7fff:8000000000000000"),
        ("3.6e-4951", "0:0000:0000000000000001"),
        ("3.3621031431120935062e-4932", "0:0001:8000000000000000"),
        ("3.36210314311209350626e-4932", "0:0001:8000000000000000"),
        ("1e-4951", "0:0000:0000000000000000"),
        ("-0", "1:0000:0000000000000000"),
        ("18446744073709551615", "0:403e:ffffffffffffffff"),
        // Half way between two numbers: to the even one.
        ("36893488147419103233", "0:4040:8000000000000000"),
        ("36893488147419103235", "0:4040:8000000000000001"),
        ("36893488147419103238", "0:4040:8000000000000002"),
        ("inf", "0:7fff:8000000000000000"),
        ("-INF", "1:7fff:8000000000000000"),
        ("nan", "0:7fff:c000000000000000"),
        ("1:3fff:8000000000000000", "1:3fff:8000000000000000"),
    ] {
        assert_eq!(text.parse::<Float80>().map(Float80::raw), Ok(number.to_owned()), "{text}");
    }
}

#[test]
fn what_is_no_number_is_refused() {
    for text in [
        "", "-", ".", "e5", "1e", "1e+", "1.2.3", "0x10", "1 2", "2:0:0", "0:8000:0", "0:0:0:0",
        "++1",
    ] {
        assert_eq!(text.parse::<Float80>(), Err(NotANumber), "{text}");
    }
    assert_eq!("1".repeat(2000).parse::<Float80>(), Err(NotANumber));
}

#[test]
fn every_number_comes_back() {
    // A simple generator of bits is enough: the borders are above.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state
    };
    for _ in 0..200 {
        let exponent = (next() >> 40) as u16 % EXPONENT_SPECIAL;
        let top = if exponent == 0 { 0 } else { 1 << 63 };
        let mantissa = next() >> 1 | top;
        let number = Float80 { is_negative: next() >> 63 == 1, exponent, mantissa };
        assert_eq!(number.to_string().parse(), Ok(number), "{}", number.raw());
    }
}

#[test]
fn doubles_are_read_as_the_standard_library_reads_them() {
    for text in ["0.1", "123456.789e-30", "2.5e300", "7e-5", "1.7976931348623157e308"] {
        let number: Float80 = text.parse().expect("a number");
        let double: f64 = text.parse().expect("a number");
        // The first 53 bits, rounded.
        let rounded = (number.mantissa >> 11) + (number.mantissa >> 10 & 1);
        let mantissa = double.to_bits() & ((1 << 52) - 1) | 1 << 52;
        assert_eq!(rounded, mantissa, "{text}");
    }
}
