//! The 80-bit floating-point numbers of x87 as text, and back, without loss: 22 significant digits
//! tell every number apart. It computes with whole numbers of any length and knows no register.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A number as x87 keeps it (Intel SDM volume 1, 4.2.2).
///
/// ```text
///   79    78              64   63                                                  0
///   +-----+----------------+----+---------------------------------------------------+
///   |sign | exponent+16383 | 1. |                     fraction                      |
///   +-----+----------------+----+---------------------------------------------------+
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Float80 {
    is_negative: bool,
    exponent: u16,
    mantissa: u64,
}

/// How far the exponent is shifted, with the 63 places of the fraction.
const BIAS: i64 = 16383 + 63;
const EXPONENT_SPECIAL: u16 = 0x7fff;
/// How many digits are shown; 21 would not be enough for all numbers.
const DIGITS: usize = 22;
/// Decimal exponents beyond this are infinite or zero, whatever the digits are.
const EXPONENT_MAX: i64 = 6000;
/// The most digits that are read.
const TEXT_LEN_MAX: usize = 1000;

/// The text is no number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotANumber;

impl Float80 {
    /// From the ten bytes of a register, the lowest first. Bytes that are missing are 0.
    pub fn from_bytes(bytes: &[u8]) -> Float80 {
        let byte = |index| u64::from(bytes.get(index).copied().unwrap_or(0));
        let mantissa = (0..8).fold(0, |sum, index| sum | byte(index) << (8 * index));
        let high = (byte(8) | byte(9) << 8) as u16;
        Float80 { is_negative: high >> 15 == 1, exponent: high & EXPONENT_SPECIAL, mantissa }
    }

    /// The ten bytes of a register.
    pub fn to_bytes(self) -> [u8; 10] {
        let mut bytes = [0; 10];
        let high = self.exponent | u16::from(self.is_negative) << 15;
        let all = self.mantissa.to_le_bytes().into_iter().chain(high.to_le_bytes());
        for (place, byte) in bytes.iter_mut().zip(all) {
            *place = byte;
        }
        bytes
    }

    /// Sign, exponent and mantissa: `0:3fff:8000000000000000` is 1.
    pub fn raw(self) -> String {
        let sign = u8::from(self.is_negative);
        format!("{sign}:{:04x}:{:016x}", self.exponent, self.mantissa)
    }

    fn from_raw(text: &str) -> Option<Float80> {
        let mut parts = text.split(':');
        let mut part = |len: usize| {
            let digits = parts.next()?;
            let is_right = digits.len() <= len && digits.chars().all(|c| c.is_ascii_hexdigit());
            is_right.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
        };
        let (sign, exponent, mantissa) = (part(1)?, part(4)?, part(16)?);
        if sign > 1 || exponent > u64::from(EXPONENT_SPECIAL) || parts.next().is_some() {
            return None;
        }
        Some(Float80 { is_negative: sign == 1, exponent: exponent as u16, mantissa })
    }

    /// The number nearest to `numerator / denominator`, to the even one if two are as near.
    fn from_ratio(is_negative: bool, mut numerator: Natural, mut denominator: Natural) -> Float80 {
        if numerator.is_zero() {
            return Float80 { is_negative, exponent: 0, mantissa: 0 };
        }
        // A quotient of 64 or 65 bits, or of fewer where only a denormal number is left.
        let mut scale = numerator.len_bits() as i64 - denominator.len_bits() as i64 - 64;
        scale = scale.max(1 - BIAS);
        if scale < 0 {
            numerator.shift_left(scale.unsigned_abs() as usize);
        } else {
            denominator.shift_left(scale as usize);
        }
        let (mut quotient, is_exact) = numerator.divide(&denominator);
        // Whether what is cut off is more than half of the last place, or just half.
        let cut = if quotient >> 64 == 0 {
            // Twice the rest against the divisor says it.
            numerator.multiply(2);
            numerator.compare(&denominator)
        } else {
            let last = quotient & 1;
            quotient >>= 1;
            scale += 1;
            match (last, is_exact) {
                (0, _) => Ordering::Less,
                (_, true) => Ordering::Equal,
                (_, false) => Ordering::Greater,
            }
        };
        if cut.is_gt() || cut.is_eq() && quotient & 1 == 1 {
            quotient += 1;
            if quotient >> 64 != 0 {
                quotient >>= 1;
                scale += 1;
            }
        }
        let mantissa = quotient as u64;
        let exponent = if mantissa >> 63 == 1 { scale + BIAS } else { 0 };
        match u16::try_from(exponent) {
            Ok(exponent) if exponent < EXPONENT_SPECIAL => {
                Float80 { is_negative, exponent, mantissa }
            }
            _ => Float80::infinity(is_negative),
        }
    }

    fn infinity(is_negative: bool) -> Float80 {
        Float80 { is_negative, exponent: EXPONENT_SPECIAL, mantissa: 1 << 63 }
    }
}

impl fmt::Display for Float80 {
    /// `1.500000000000000000000e+0000`; `inf`, `nan`; `invalid` for what today's CPUs refuse.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.is_negative { "-" } else { "" };
        let is_normal = self.mantissa >> 63 == 1;
        match self.exponent {
            EXPONENT_SPECIAL if self.mantissa == 1 << 63 => return write!(formatter, "{sign}inf"),
            EXPONENT_SPECIAL if is_normal => return write!(formatter, "{sign}nan"),
            0 => {}
            _ if !is_normal => return write!(formatter, "{sign}invalid"),
            _ => {}
        }
        let scale = i64::from(self.exponent.max(1)) - BIAS;
        let mut number = Natural::from(self.mantissa);
        if scale >= 0 {
            number.shift_left(scale as usize);
        } else {
            // m / 2^k is m * 5^k / 10^k.
            number.multiply_power(5, scale.unsigned_abs());
        }
        let mut digits = number.digits();
        let mut exponent = digits.len() as i64 - 1 + scale.min(0);
        if digits == [0] {
            exponent = 0;
        }
        if round(&mut digits) {
            exponent += 1;
        }
        let mut text = digits.iter().map(|digit| char::from(b'0' + digit));
        let first = text.next().unwrap_or('0');
        let rest: String = text.collect();
        write!(formatter, "{sign}{first}.{rest}e{exponent:+05}")
    }
}

/// Cuts digits, or fills them up, to as many as are shown. Whether there is one more in front.
fn round(digits: &mut Vec<u8>) -> bool {
    let rest = digits.split_off(digits.len().min(DIGITS));
    digits.resize(DIGITS, 0);
    let half = [5];
    let is_up = match rest.split_at_checked(1) {
        Some((first, others)) if first == half && others.iter().all(|digit| *digit == 0) => {
            digits.last().is_some_and(|last| last % 2 == 1)
        }
        Some((first, _)) => first >= &half[..],
        None => false,
    };
    if !is_up {
        return false;
    }
    for digit in digits.iter_mut().rev() {
        *digit += 1;
        if *digit < 10 {
            return false;
        }
        *digit = 0;
    }
    digits.insert(0, 1);
    digits.truncate(DIGITS);
    true
}

impl FromStr for Float80 {
    type Err = NotANumber;

    /// A decimal number: `1`, `-1.5`, `2e-30`, `inf`, `nan`; or sign, exponent and mantissa, as
    /// [`Float80::raw`] has them.
    fn from_str(text: &str) -> Result<Float80, NotANumber> {
        if text.contains(':') {
            return Float80::from_raw(text).ok_or(NotANumber);
        }
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if text.eq_ignore_ascii_case("inf") {
            return Ok(Float80::infinity(is_negative));
        }
        if text.eq_ignore_ascii_case("nan") {
            let (exponent, mantissa) = (EXPONENT_SPECIAL, 3 << 62);
            return Ok(Float80 { is_negative, exponent, mantissa });
        }
        let (digits, exponent) = match text.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, parse_exponent(exponent)?),
            None => (text, 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all = || whole.bytes().chain(fraction.bytes());
        let is_number = all().all(|digit| digit.is_ascii_digit()) && all().next().is_some();
        if !is_number || digits.len() > TEXT_LEN_MAX {
            return Err(NotANumber);
        }
        let mut numerator = Natural::from(0);
        for digit in all() {
            numerator.multiply(10);
            numerator.add(u32::from(digit - b'0'));
        }
        let exponent = exponent.clamp(-EXPONENT_MAX, EXPONENT_MAX) - fraction.len() as i64;
        let mut denominator = Natural::from(1);
        let grown = if exponent < 0 { &mut denominator } else { &mut numerator };
        grown.multiply_power(10, exponent.unsigned_abs());
        Ok(Float80::from_ratio(is_negative, numerator, denominator))
    }
}

/// A decimal exponent; one that is too long to be read is as good as a very large one.
fn parse_exponent(text: &str) -> Result<i64, NotANumber> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(NotANumber);
    }
    let value = digits.parse().unwrap_or(EXPONENT_MAX).min(EXPONENT_MAX);
    Ok(if text.starts_with('-') { -value } else { value })
}

/// A natural number of any length, in words of 32 bits, the lowest first, without zeros at its end.
#[derive(Clone, Debug)]
struct Natural {
    words: Vec<u32>,
}

impl From<u64> for Natural {
    fn from(value: u64) -> Natural {
        let mut number = Natural { words: vec![value as u32, (value >> 32) as u32] };
        number.trim();
        number
    }
}

impl Natural {
    fn trim(&mut self) {
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
    }

    fn is_zero(&self) -> bool {
        self.words.is_empty()
    }

    fn len_bits(&self) -> usize {
        let last = self.words.last().map_or(0, |word| word.leading_zeros() as usize);
        self.words.len() * 32 - last
    }

    fn multiply(&mut self, factor: u32) {
        let mut carry = 0;
        for word in &mut self.words {
            let product = u64::from(*word) * u64::from(factor) + carry;
            *word = product as u32;
            carry = product >> 32;
        }
        if carry > 0 {
            self.words.push(carry as u32);
        }
    }

    /// Multiplies by `base`, at most 10, as often as `count` says.
    fn multiply_power(&mut self, base: u32, count: u64) {
        // The largest power of 10 that is a word.
        const AT_ONCE: u64 = 9;
        (0..count / AT_ONCE).for_each(|_| self.multiply(base.pow(AT_ONCE as u32)));
        (0..count % AT_ONCE).for_each(|_| self.multiply(base));
    }

    fn add(&mut self, summand: u32) {
        let mut carry = summand;
        for word in &mut self.words {
            let (sum, is_over) = word.overflowing_add(carry);
            *word = sum;
            carry = u32::from(is_over);
        }
        if carry > 0 {
            self.words.push(carry);
        }
    }

    fn shift_left(&mut self, bits: usize) {
        if self.is_zero() {
            return;
        }
        self.multiply(1 << (bits % 32));
        self.words.splice(0..0, std::iter::repeat_n(0, bits / 32));
    }

    fn compare(&self, other: &Natural) -> Ordering {
        let len = self.words.len().cmp(&other.words.len());
        len.then_with(|| self.words.iter().rev().cmp(other.words.iter().rev()))
    }

    /// Takes away a number that is not larger.
    fn subtract(&mut self, other: &Natural) {
        let mut borrow = false;
        let others = other.words.iter().copied().chain(std::iter::repeat(0));
        for (word, other) in self.words.iter_mut().zip(others) {
            let (first, one) = word.overflowing_sub(other);
            let (second, two) = first.overflowing_sub(u32::from(borrow));
            *word = second;
            borrow = one || two;
        }
        self.trim();
    }

    /// Divides; the quotient must have at most 66 bits. Leaves the rest, and says whether it is 0.
    fn divide(&mut self, divisor: &Natural) -> (u128, bool) {
        let mut quotient = 0;
        for bit in (0..67).rev() {
            let mut shifted = divisor.clone();
            shifted.shift_left(bit);
            if self.compare(&shifted).is_ge() {
                self.subtract(&shifted);
                quotient |= 1_u128 << bit;
            }
        }
        (quotient, self.is_zero())
    }

    /// The decimal digits, the highest first; `[0]` for 0.
    fn digits(mut self) -> Vec<u8> {
        const CHUNK: u64 = 1_000_000_000;
        let mut digits = Vec::new();
        while !self.is_zero() {
            let mut rest = 0;
            for word in self.words.iter_mut().rev() {
                let value = rest << 32 | u64::from(*word);
                *word = (value / CHUNK) as u32;
                rest = value % CHUNK;
            }
            self.trim();
            for _ in 0..9 {
                digits.push((rest % 10) as u8);
                rest /= 10;
            }
        }
        while digits.len() > 1 && digits.last() == Some(&0) {
            digits.pop();
        }
        if digits.is_empty() {
            digits.push(0);
        }
        digits.reverse();
        digits
    }
}

#[cfg(test)]
#[path = "float80/tests.rs"]
mod tests;
