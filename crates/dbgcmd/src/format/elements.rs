//! Registers as rows of elements, and the types that elements have behind a colon: `xmm0:uq`. It
//! knows bytes, not registers.

use dbgbase::x86_64::float80::Float80;

/// What the elements of a register are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Element {
    /// A signed integer of so many bytes, in decimal.
    Signed(usize),
    /// An unsigned one, in hexadecimal.
    Unsigned(usize),
    /// A 32-bit floating-point number.
    Float,
    /// A 64-bit one.
    Double,
}

/// The types by name.
const NAMES: [(&str, Element); 10] = [
    ("ib", Element::Signed(1)),
    ("ub", Element::Unsigned(1)),
    ("iw", Element::Signed(2)),
    ("uw", Element::Unsigned(2)),
    ("id", Element::Signed(4)),
    ("ud", Element::Unsigned(4)),
    ("iq", Element::Signed(8)),
    ("uq", Element::Unsigned(8)),
    ("f", Element::Float),
    ("d", Element::Double),
];

impl Element {
    /// The type of this name (lower case).
    pub(crate) fn from_name(name: &str) -> Option<Element> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, element)| *element)
    }

    /// How many bytes an element has.
    pub(crate) fn size_bytes(self) -> usize {
        match self {
            Element::Signed(size) | Element::Unsigned(size) => size,
            Element::Float => 4,
            Element::Double => 8,
        }
    }

    /// One element, of its bytes, the lowest first.
    fn show(self, bytes: &[u8]) -> String {
        let byte = |index| u64::from(bytes.get(index).copied().unwrap_or(0));
        let value = (0..8).fold(0, |sum, index| sum | byte(index) << (8 * index));
        match self {
            Element::Signed(size) => {
                let shift = 64 - 8 * size.clamp(1, 8);
                (((value << shift) as i64) >> shift).to_string()
            }
            Element::Unsigned(size) => format!("{value:0digits$x}", digits = 2 * size),
            Element::Float => {
                let number = f32::from_bits(value as u32);
                number_text(number.into(), 1e9, number.to_string(), format!("{number:e}"))
            }
            Element::Double => {
                let number = f64::from_bits(value);
                number_text(number, 1e16, number.to_string(), format!("{number:e}"))
            }
        }
    }

    /// The bytes of a floating-point number as it is typed; `None` if it is none, or no element of
    /// that kind.
    pub(crate) fn read_number(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Element::Float => text.parse::<f32>().ok().map(|number| number.to_le_bytes().to_vec()),
            Element::Double => text.parse::<f64>().ok().map(|number| number.to_le_bytes().to_vec()),
            Element::Signed(_) | Element::Unsigned(_) => None,
        }
    }
}

/// One of two texts that say the same: very small numbers, and those of which the last digits would
/// be made up, have an exponent.
fn number_text(number: f64, plain_max: f64, plain: String, scientific: String) -> String {
    let size = number.abs();
    let is_plain = size == 0.0 || (1e-5..plain_max).contains(&size) || !number.is_finite();
    if is_plain { plain.to_lowercase() } else { scientific }
}

/// The lowest `count` elements of a register, the highest in front, so that a row reads as a number
/// does.
pub(crate) fn row(bytes: &[u8], element: Element, count: usize) -> String {
    let elements = bytes.chunks(element.size_bytes()).take(count);
    let mut texts: Vec<String> = elements.map(|bytes| element.show(bytes)).collect();
    texts.reverse();
    texts.join(" ")
}

/// A register of the floating-point stack: its value, and what it is made of.
pub(crate) fn float80(bytes: &[u8]) -> String {
    let number = Float80::from_bytes(bytes);
    // As wide as a negative number.
    let text = number.to_string();
    format!("{text:>30}  ({})", number.raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_the_highest_element_in_front() {
        let bytes: Vec<u8> = (0..16).collect();
        assert_eq!(row(&bytes, Element::Unsigned(8), 9), "0f0e0d0c0b0a0908 0706050403020100");
        assert_eq!(row(&bytes, Element::Unsigned(2), 2), "0302 0100");
        let bytes = [0xff, 0xff, 0x7f, 0x80];
        assert_eq!(row(&bytes, Element::Signed(1), 9), "-128 127 -1 -1");
        assert_eq!(row(&bytes, Element::Signed(2), 9), "-32641 -1");
        assert_eq!(row(&bytes, Element::Signed(4), 9), "-2139095041");
    }

    #[test]
    fn numbers_are_short() {
        let show = |number: f64| row(&number.to_le_bytes(), Element::Double, 1);
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.5, "1.5"),
            (0.1, "0.1"),
            (1e15, "1000000000000000"),
            (1e16, "1e16"),
            (5e-324, "5e-324"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(show(number), text);
            let read = Element::Double.read_number(text).expect("a number");
            assert_eq!(row(&read, Element::Double, 1), text);
        }
        assert_eq!(row(&1e-45_f32.to_le_bytes(), Element::Float, 1), "1e-45");
        assert_eq!(row(&46_500_660_000_f32.to_le_bytes(), Element::Float, 1), "4.650066e10");
        assert_eq!(row(&0.1_f32.to_le_bytes(), Element::Float, 1), "0.1");
    }

    #[test]
    fn types_have_the_names_of_the_original() {
        for (name, element) in NAMES {
            assert_eq!(Element::from_name(name), Some(element));
        }
        assert_eq!(Element::from_name("q"), None);
        assert_eq!(Element::Unsigned(4).read_number("1"), None);
        assert_eq!(Element::Float.read_number("0x10"), None);
    }

    #[test]
    fn the_stack_shows_what_its_numbers_are_made_of() {
        let one = [0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f];
        let text = " 1.000000000000000000000e+0000  (0:3fff:8000000000000000)";
        assert_eq!(float80(&one), text);
    }
}
