//! The arithmetic of C: integers that wrap at their sizes, conversions between operands, floating
//! point. It knows no program.

use dbgsym::dwarf::BaseEncoding;

use super::{Binary, Unary};
use crate::values::base_text;

/// An integer's size and sign.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct IntegerType {
    pub(crate) size_bytes: u8,
    pub(crate) is_signed: bool,
    pub(crate) name: &'static str,
}

impl IntegerType {
    const fn new(size_bytes: u8, is_signed: bool, name: &'static str) -> IntegerType {
        IntegerType { size_bytes, is_signed, name }
    }

    pub(crate) const CHAR: IntegerType = IntegerType::new(1, true, "char");
    pub(crate) const SIGNED_CHAR: IntegerType = IntegerType::new(1, true, "signed char");
    pub(crate) const UNSIGNED_CHAR: IntegerType = IntegerType::new(1, false, "unsigned char");
    pub(crate) const SHORT: IntegerType = IntegerType::new(2, true, "short");
    pub(crate) const UNSIGNED_SHORT: IntegerType = IntegerType::new(2, false, "unsigned short");
    pub(crate) const INT: IntegerType = IntegerType::new(4, true, "int");
    pub(crate) const UNSIGNED: IntegerType = IntegerType::new(4, false, "unsigned int");
    pub(crate) const LONG: IntegerType = IntegerType::new(8, true, "int64");
    pub(crate) const UNSIGNED_LONG: IntegerType = IntegerType::new(8, false, "unsigned int64");
    pub(crate) const BOOL: IntegerType = IntegerType::new(1, false, "bool");

    /// The type with this size and sign, if there is one.
    pub(crate) fn of(size_bytes: u64, is_signed: bool) -> Option<IntegerType> {
        Some(match (size_bytes, is_signed) {
            (1, true) => IntegerType::SIGNED_CHAR,
            (1, false) => IntegerType::UNSIGNED_CHAR,
            (2, true) => IntegerType::SHORT,
            (2, false) => IntegerType::UNSIGNED_SHORT,
            (4, true) => IntegerType::INT,
            (4, false) => IntegerType::UNSIGNED,
            (8, true) => IntegerType::LONG,
            (8, false) => IntegerType::UNSIGNED_LONG,
            _ => return None,
        })
    }

    /// A number of this type as it is shown.
    pub(crate) fn text(self, bytes: &[u8]) -> String {
        let encoding = match self {
            IntegerType::BOOL => BaseEncoding::Boolean,
            IntegerType::CHAR | IntegerType::SIGNED_CHAR => BaseEncoding::SignedChar,
            IntegerType::UNSIGNED_CHAR => BaseEncoding::UnsignedChar,
            _ if self.is_signed => BaseEncoding::Signed,
            _ => BaseEncoding::Unsigned,
        };
        base_text(encoding, bytes)
    }

    /// The number that is left of another one in this type.
    pub(crate) fn wrap(self, value: i128) -> i128 {
        if self == IntegerType::BOOL {
            return i128::from(value != 0);
        }
        let bits = 8 * u32::from(self.size_bytes.clamp(1, 16));
        let shift = 128 - bits;
        match self.is_signed {
            true => value << shift >> shift,
            false => ((value.cast_unsigned() << shift) >> shift).cast_signed(),
        }
    }

    /// What arithmetic makes of it (C, 6.3.1.1).
    fn promoted(self) -> IntegerType {
        if self.size_bytes < IntegerType::INT.size_bytes { IntegerType::INT } else { self }
    }

    /// The type of what two operands give (C, 6.3.1.8).
    fn common(self, other: IntegerType) -> IntegerType {
        let (a, b) = (self.promoted(), other.promoted());
        match a.size_bytes.cmp(&b.size_bytes) {
            std::cmp::Ordering::Less => b,
            std::cmp::Ordering::Greater => a,
            std::cmp::Ordering::Equal if a.is_signed => b,
            std::cmp::Ordering::Equal => a,
        }
    }

    /// The basic type with this name, however it is written.
    pub(crate) fn named(name: &str) -> Option<IntegerType> {
        let mut words: Vec<&str> = name.split_whitespace().collect();
        // `signed` says something of `char` only.
        if words.len() > 1 && !words.contains(&"char") {
            words.retain(|word| *word != "signed");
        }
        words.sort_unstable();
        Some(match words.join(" ").as_str() {
            "char" => IntegerType::CHAR,
            "char signed" | "__int8" => IntegerType::SIGNED_CHAR,
            "char unsigned" | "__int8 unsigned" => IntegerType::UNSIGNED_CHAR,
            "short" | "int short" | "__int16" => IntegerType::SHORT,
            "short unsigned" | "int short unsigned" | "__int16 unsigned" => {
                IntegerType::UNSIGNED_SHORT
            }
            "int" | "signed" | "__int32" => IntegerType::INT,
            "unsigned" | "int unsigned" | "__int32 unsigned" => IntegerType::UNSIGNED,
            "long" | "int long" | "long long" | "int long long" | "__int64" => IntegerType::LONG,
            "long unsigned"
            | "int long unsigned"
            | "long long unsigned"
            | "int long long unsigned"
            | "__int64 unsigned" => IntegerType::UNSIGNED_LONG,
            "bool" | "_Bool" => IntegerType::BOOL,
            _ => return None,
        })
    }
}

/// A number with its type.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Number {
    Integer(i128, IntegerType),
    /// Of so many bytes.
    Float(f64, u8),
}

impl Number {
    pub(crate) fn boolean(value: bool) -> Number {
        Number::Integer(i128::from(value), IntegerType::BOOL)
    }

    pub(crate) fn is_true(self) -> bool {
        match self {
            Number::Integer(value, _) => value != 0,
            Number::Float(value, _) => value != 0.0,
        }
    }

    /// As an integer of this type; what is behind the point is cut.
    pub(crate) fn to_integer(self, ty: IntegerType) -> Number {
        let value = match self {
            Number::Integer(value, _) => value,
            Number::Float(value, _) if ty == IntegerType::BOOL => i128::from(value != 0.0),
            Number::Float(value, _) => value as i128,
        };
        Number::Integer(ty.wrap(value), ty)
    }

    pub(crate) fn to_float(self, size_bytes: u8) -> Number {
        let value = match self {
            Number::Integer(value, _) => value as f64,
            Number::Float(value, _) => value,
        };
        Number::Float(if size_bytes == 4 { f64::from(value as f32) } else { value }, size_bytes)
    }

    /// `None` if the operator does not take it.
    pub(super) fn unary(self, operator: Unary) -> Option<Number> {
        Some(match (operator, self) {
            (Unary::Not, number) => Number::boolean(!number.is_true()),
            (Unary::Plus, Number::Integer(_, ty)) => self.to_integer(ty.promoted()),
            (Unary::Plus, float) => float,
            (Unary::Minus, Number::Integer(value, ty)) => {
                let ty = ty.promoted();
                Number::Integer(ty.wrap(value.wrapping_neg()), ty)
            }
            (Unary::Minus, Number::Float(value, size)) => Number::Float(-value, size),
            (Unary::Complement, Number::Integer(value, ty)) => {
                let ty = ty.promoted();
                Number::Integer(ty.wrap(!value), ty)
            }
            _ => return None,
        })
    }

    /// **Errors**: whether the operands' values are at fault, not their types.
    pub(super) fn binary(self, operator: Binary, right: Number) -> Result<Number, bool> {
        let sizes = match (self, right) {
            (Number::Integer(a, a_type), Number::Integer(b, b_type)) => {
                return integers(operator, (a, a_type), (b, b_type)).ok_or(true);
            }
            (Number::Float(_, a), Number::Float(_, b)) => a.max(b),
            (Number::Float(_, size), _) | (_, Number::Float(_, size)) => size,
        };
        let (Number::Float(a, _), Number::Float(b, _)) =
            (self.to_float(sizes), right.to_float(sizes))
        else {
            return Err(false);
        };
        let value = match operator {
            Binary::Add => a + b,
            Binary::Subtract => a - b,
            Binary::Multiply => a * b,
            Binary::Divide => a / b,
            Binary::Less => return Ok(Number::boolean(a < b)),
            Binary::LessOrEqual => return Ok(Number::boolean(a <= b)),
            Binary::Greater => return Ok(Number::boolean(a > b)),
            Binary::GreaterOrEqual => return Ok(Number::boolean(a >= b)),
            Binary::Equal => return Ok(Number::boolean(a == b)),
            Binary::NotEqual => return Ok(Number::boolean(a != b)),
            _ => return Err(false),
        };
        Ok(Number::Float(value, sizes).to_float(sizes))
    }
}

/// `None` for a division by zero and a shift by too much.
fn integers(
    operator: Binary,
    (a, a_type): (i128, IntegerType),
    (b, b_type): (i128, IntegerType),
) -> Option<Number> {
    if let Binary::ShiftLeft | Binary::ShiftRight = operator {
        let ty = a_type.promoted();
        let count = u32::try_from(b).ok().filter(|count| *count < 8 * u32::from(ty.size_bytes))?;
        let value = if operator == Binary::ShiftLeft { a << count } else { a >> count };
        return Some(Number::Integer(ty.wrap(value), ty));
    }
    let ty = a_type.common(b_type);
    let (a, b) = (ty.wrap(a), ty.wrap(b));
    let value = match operator {
        Binary::Multiply => a.wrapping_mul(b),
        Binary::Divide => a.checked_div(b)?,
        Binary::Remainder => a.checked_rem(b)?,
        Binary::Add => a + b,
        Binary::Subtract => a - b,
        Binary::BitAnd => a & b,
        Binary::BitXor => a ^ b,
        Binary::BitOr => a | b,
        Binary::Less => return Some(Number::boolean(a < b)),
        Binary::LessOrEqual => return Some(Number::boolean(a <= b)),
        Binary::Greater => return Some(Number::boolean(a > b)),
        Binary::GreaterOrEqual => return Some(Number::boolean(a >= b)),
        Binary::Equal => return Some(Number::boolean(a == b)),
        Binary::NotEqual => return Some(Number::boolean(a != b)),
        Binary::ShiftLeft | Binary::ShiftRight | Binary::And | Binary::Or => return None,
    };
    Some(Number::Integer(ty.wrap(value), ty))
}
