//! What can be wrong with an expression, where, and how the original says it. It does not know the
//! expression: the text is handed in when a message is wanted.

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ExprErrorKind {
    /// The text does not follow the grammar.
    Syntax,
    /// An operand is missing.
    NumberMissing,
    /// Something follows the expression.
    ExtraCharacters,
    /// A number does not fit in 64 bits.
    Overflow,
    /// No symbol has this name.
    Unresolved,
    /// More than one symbol has this name.
    Ambiguous,
    /// The user did not want to wait for its symbols.
    Cancelled,
    /// No register has this name, or it has no value now.
    BadRegister,
    /// The register's value in the current frame is lost.
    RegisterNotInFrame,
    /// The name is that of a variable that has no address at this place.
    NotInMemory,
    /// The memory that an operator needs cannot be read.
    Memory,
    /// An operand is outside of what its operator takes: a division by zero.
    Operand,
    /// The text is longer than [`TEXT_LEN_MAX`](super::TEXT_LEN_MAX) bytes.
    TooLong,
    /// It is nested deeper than [`DEPTH_MAX`](super::DEPTH_MAX).
    TooDeep,
    /// It switches to the C++ evaluator.
    OtherEvaluator,
}

/// What is wrong, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExprError {
    kind: ExprErrorKind,
    position: usize,
}

/// The text from a byte on, as errors quote it.
pub(crate) fn quoted_from(text: &str, position: usize) -> &str {
    let rest = text.get(position..).unwrap_or_default().trim();
    if rest.is_empty() { "<EOL>" } else { rest }
}

impl ExprError {
    /// An error at the byte `position` of the text.
    pub(super) const fn new(kind: ExprErrorKind, position: usize) -> ExprError {
        ExprError { kind, position }
    }

    /// What is wrong.
    pub const fn kind(&self) -> ExprErrorKind {
        self.kind
    }

    /// Where, as an offset in bytes.
    pub const fn position(&self) -> usize {
        self.position
    }

    /// The sentence for people. `text` is what was evaluated; it is quoted from the error on.
    pub fn message(&self, text: &str) -> String {
        let at = quoted_from(text, self.position);
        match self.kind {
            ExprErrorKind::Syntax => format!("Syntax error at '{at}'"),
            ExprErrorKind::NumberMissing => format!("Numeric expression missing from '{at}'"),
            ExprErrorKind::ExtraCharacters => format!("Extra character error in '{at}'"),
            ExprErrorKind::Overflow => format!("Overflow error at '{at}'"),
            ExprErrorKind::Unresolved => format!("Couldn't resolve error at '{at}'"),
            ExprErrorKind::Ambiguous => format!("Ambiguous symbol error at '{at}'"),
            ExprErrorKind::Cancelled => format!("Cancelled while looking for '{at}'"),
            ExprErrorKind::BadRegister => format!("Bad register error at '{at}'"),
            ExprErrorKind::RegisterNotInFrame => format!(
                "Register not preserved for this frame at '{at}'; after .frame 0 registers are \
                 the thread's"
            ),
            ExprErrorKind::NotInMemory => format!(
                "Variable not in memory at '{at}'; 'dv /v' shows where it is, and its value"
            ),
            ExprErrorKind::Memory => format!("Memory access error at '{at}'"),
            ExprErrorKind::Operand => format!("Operand error at '{at}'"),
            ExprErrorKind::TooLong => {
                format!("Expression longer than {} characters", super::TEXT_LEN_MAX)
            }
            ExprErrorKind::TooDeep => {
                format!("Expression nested deeper than {} at '{at}'", super::DEPTH_MAX)
            }
            ExprErrorKind::OtherEvaluator => {
                format!("The C++ expression evaluator is not available, at '{at}'")
            }
        }
    }
}
