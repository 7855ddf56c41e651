//! The operators: how they are written, how strongly they bind, what they compute. It knows neither
//! text positions nor the debuggee's memory.

/// An operator between two operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BinaryOperator {
    Multiply,
    Divide,
    Remainder,
    Add,
    Subtract,
    ShiftLeft,
    ShiftRight,
    /// `>>>`: the sign bit is copied into the places that become free.
    ShiftRightSigned,
    Equal,
    NotEqual,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
    And,
    Xor,
    Or,
}

/// An operator before its operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum UnaryOperator {
    Plus,
    Negate,
    /// 1 for zero, otherwise 0.
    Not,
    /// Bits 16 to 31.
    High,
    /// Bits 0 to 15.
    Low,
    /// The number of so many bytes at the address.
    Read(u8),
}

/// The signs, the longer before those they begin with.
const SIGNS: [(&str, BinaryOperator); 18] = [
    (">>>", BinaryOperator::ShiftRightSigned),
    (">>", BinaryOperator::ShiftRight),
    (">=", BinaryOperator::GreaterOrEqual),
    (">", BinaryOperator::Greater),
    ("<<", BinaryOperator::ShiftLeft),
    ("<=", BinaryOperator::LessOrEqual),
    ("<", BinaryOperator::Less),
    ("==", BinaryOperator::Equal),
    ("=", BinaryOperator::Equal),
    ("!=", BinaryOperator::NotEqual),
    ("*", BinaryOperator::Multiply),
    ("/", BinaryOperator::Divide),
    ("%", BinaryOperator::Remainder),
    ("+", BinaryOperator::Add),
    ("-", BinaryOperator::Subtract),
    ("&", BinaryOperator::And),
    ("^", BinaryOperator::Xor),
    ("|", BinaryOperator::Or),
];

impl BinaryOperator {
    /// The operator whose sign begins `text`, and the length of the sign.
    pub(super) fn from_sign(text: &str) -> Option<(BinaryOperator, usize)> {
        SIGNS
            .iter()
            .find(|(sign, _)| text.starts_with(sign))
            .map(|(sign, operator)| (*operator, sign.len()))
    }

    /// The operator that is the word `word`.
    pub(super) fn from_word(word: &str) -> Option<BinaryOperator> {
        let words = [
            ("mod", BinaryOperator::Remainder),
            ("and", BinaryOperator::And),
            ("xor", BinaryOperator::Xor),
            ("or", BinaryOperator::Or),
        ];
        let found = words.iter().find(|(known, _)| known.eq_ignore_ascii_case(word))?;
        Some(found.1)
    }

    /// How strongly it binds; more is stronger.
    pub(super) const fn strength(self) -> u8 {
        match self {
            BinaryOperator::Multiply | BinaryOperator::Divide | BinaryOperator::Remainder => 6,
            BinaryOperator::Add | BinaryOperator::Subtract => 5,
            BinaryOperator::ShiftLeft
            | BinaryOperator::ShiftRight
            | BinaryOperator::ShiftRightSigned => 4,
            BinaryOperator::Equal
            | BinaryOperator::NotEqual
            | BinaryOperator::Less
            | BinaryOperator::Greater
            | BinaryOperator::LessOrEqual
            | BinaryOperator::GreaterOrEqual => 3,
            BinaryOperator::And => 2,
            BinaryOperator::Xor => 1,
            BinaryOperator::Or => 0,
        }
    }

    /// The result, or `None` for a division by zero.
    pub(super) fn apply(self, left: u64, right: u64) -> Option<u64> {
        Some(match self {
            BinaryOperator::Multiply => left.wrapping_mul(right),
            BinaryOperator::Divide => left.checked_div(right)?,
            BinaryOperator::Remainder => left.checked_rem(right)?,
            BinaryOperator::Add => left.wrapping_add(right),
            BinaryOperator::Subtract => left.wrapping_sub(right),
            BinaryOperator::ShiftLeft => shift(right, |count| left.checked_shl(count), 0),
            BinaryOperator::ShiftRight => shift(right, |count| left.checked_shr(count), 0),
            BinaryOperator::ShiftRightSigned => {
                let signed = left.cast_signed();
                let filled = if signed < 0 { u64::MAX } else { 0 };
                let shifted = |count| signed.checked_shr(count).map(i64::cast_unsigned);
                shift(right, shifted, filled)
            }
            BinaryOperator::Equal => u64::from(left == right),
            BinaryOperator::NotEqual => u64::from(left != right),
            BinaryOperator::Less => u64::from(left < right),
            BinaryOperator::Greater => u64::from(left > right),
            BinaryOperator::LessOrEqual => u64::from(left <= right),
            BinaryOperator::GreaterOrEqual => u64::from(left >= right),
            BinaryOperator::And => left & right,
            BinaryOperator::Xor => left ^ right,
            BinaryOperator::Or => left | right,
        })
    }
}

/// A shift by more bits than there are leaves `emptied`.
fn shift(count: u64, shifted: impl Fn(u32) -> Option<u64>, emptied: u64) -> u64 {
    u32::try_from(count).ok().and_then(shifted).unwrap_or(emptied)
}

impl UnaryOperator {
    /// The operator that is the sign `sign`.
    pub(super) fn from_sign(sign: char) -> Option<UnaryOperator> {
        match sign {
            '+' => Some(UnaryOperator::Plus),
            '-' => Some(UnaryOperator::Negate),
            _ => None,
        }
    }

    /// The operator that is the word `word`.
    pub(super) fn from_word(word: &str) -> Option<UnaryOperator> {
        let words = [
            ("not", UnaryOperator::Not),
            ("hi", UnaryOperator::High),
            ("low", UnaryOperator::Low),
            ("by", UnaryOperator::Read(1)),
            ("wo", UnaryOperator::Read(2)),
            ("dwo", UnaryOperator::Read(4)),
            ("qwo", UnaryOperator::Read(8)),
            ("poi", UnaryOperator::Read(8)),
        ];
        let found = words.iter().find(|(known, _)| known.eq_ignore_ascii_case(word))?;
        Some(found.1)
    }
}
