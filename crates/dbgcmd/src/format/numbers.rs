//! Numbers as text: the lines of `?` and `.formats`, and floating-point numbers as C's `%g` writes
//! them. It knows no expression.

use std::fmt::Write as _;

use dbgbase::Address;

/// The line of command `?`: signed decimal and hexadecimal.
pub(crate) fn evaluated(value: u64) -> String {
    format!("Evaluate expression: {} = {}\n", value.cast_signed(), Address::new(value))
}

/// The lines of command `.formats`.
pub(crate) fn formats(value: u64) -> String {
    let bytes = value.to_be_bytes();
    let binary: Vec<String> = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let chars: String = bytes.iter().map(|byte| printable(*byte)).collect();
    let low = f32::from_bits((value & 0xffff_ffff) as u32);
    let high = f32::from_bits((value >> 32) as u32);
    let mut text = String::from("Evaluate expression:\n");
    let _ = writeln!(text, "  Hex:     {}", Address::new(value));
    let _ = writeln!(text, "  Decimal: {}", value.cast_signed());
    let _ = writeln!(text, "  Octal:   {value:022o}");
    let _ = writeln!(text, "  Binary:  {}", binary.join(" "));
    let _ = writeln!(text, "  Chars:   {chars}");
    let _ = writeln!(text, "  Time:    {}", time(value));
    let _ = writeln!(
        text,
        "  Float:   low {} high {}",
        general(f64::from(low), 6),
        general(f64::from(high), 6)
    );
    let _ = writeln!(text, "  Double:  {}", general(f64::from_bits(value), 6));
    text
}

/// The character for a byte in dumps; a dot for what cannot be shown.
pub(crate) fn printable(byte: u8) -> char {
    if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '.' }
}

/// `value` with `digits` significant digits, as `%g` of printf(3) writes it.
pub(crate) fn general(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return if value.is_sign_negative() { "-nan" } else { "nan" }.to_owned();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-inf" } else { "inf" }.to_owned();
    }
    let digits = digits.max(1);
    // Rounding can change the exponent, so it is taken from the rounded form.
    let scientific = format!("{value:.*e}", digits - 1);
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let precision = i32::try_from(digits).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= precision {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", without_zeros(mantissa), exponent.unsigned_abs());
    }
    let decimals = usize::try_from(precision - 1 - exponent).unwrap_or(0);
    without_zeros(&format!("{value:.decimals$}")).to_owned()
}

fn without_zeros(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

/// Seconds since 1970 as a date; numbers that are no date of four-digit years are said to be none.
pub(crate) fn time(seconds: u64) -> String {
    const DAY_S: u64 = 24 * 60 * 60;
    const YEAR_10000_S: u64 = 253_402_300_800;
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    if seconds >= YEAR_10000_S {
        return "***** Invalid".to_owned();
    }
    let (days, rest) = (seconds / DAY_S, seconds % DAY_S);
    let weekday = WEEKDAYS.get((days % 7) as usize).copied().unwrap_or_default();
    let (mut year, mut day) = (1970, days);
    loop {
        let len_days = if is_leap(year) { 366 } else { 365 };
        if day < len_days {
            break;
        }
        day -= len_days;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = "Dec";
    for (name, len_days) in MONTHS.into_iter().zip(lengths) {
        month = name;
        if day < len_days {
            break;
        }
        day -= len_days;
    }
    format!(
        "{weekday} {month} {:>2} {:02}:{:02}:{:02} {year}",
        day + 1,
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn evaluated_expressions_are_signed_and_hexadecimal() {
        assert_eq!(evaluated(143), "Evaluate expression: 143 = 00000000`0000008f\n");
        assert_eq!(evaluated(u64::MAX), "Evaluate expression: -1 = ffffffff`ffffffff\n");
    }

    #[test]
    fn all_formats_of_a_number() {
        expect![[r#"
            Evaluate expression:
              Hex:     40091eb8`51eb851f
              Decimal: 4614253070214989087
              Octal:   0400110753412172702437
              Binary:  01000000 00001001 00011110 10111000 01010001 11101011 10000101 00011111
              Chars:   @...Q...
              Time:    ***** Invalid
              Float:   low 1.26444e+11 high 2.1425
              Double:  3.14
        "#]]
        .assert_eq(&formats(0x4009_1eb8_51eb_851f));
    }

    #[test]
    fn floating_point_looks_as_in_c() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (100000.0, "100000"),
            (1000000.0, "1e+06"),
            (123456789.0, "1.23457e+08"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (999999.5, "1e+06"),
            (f64::NEG_INFINITY, "-inf"),
            (5e-324, "4.94066e-324"),
        ];
        for (value, expected) in cases {
            assert_eq!(general(value, 6), expected, "{value}");
        }
    }

    #[test]
    fn dates_are_right() {
        assert_eq!(time(0), "Thu Jan  1 00:00:00 1970");
        assert_eq!(time(951_782_400), "Tue Feb 29 00:00:00 2000");
        assert_eq!(time(1_700_000_000), "Tue Nov 14 22:13:20 2023");
        assert_eq!(time(253_402_300_799), "Fri Dec 31 23:59:59 9999");
    }
}
