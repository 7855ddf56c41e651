//! What can be wrong with a C++ expression, where, and how it is said. It does not know the
//! expression: the text is handed in when a message is wanted.

use crate::expr::quoted_from;

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CxxErrorKind {
    /// The text does not follow the grammar.
    Syntax,
    /// Something follows the expression.
    ExtraCharacters,
    /// A number does not fit in 64 bits.
    Overflow,
    /// Nothing is called so.
    Unresolved,
    /// No register has this name, or its value is not known in this frame.
    BadRegister,
    /// The type has no such member.
    NoMember,
    /// No type is called so.
    NoType,
    /// The operator does not take values of this type.
    TypeConflict,
    /// The memory cannot be read.
    Memory,
    /// The variable has no value at this place.
    NoValue,
    /// The operand has no address.
    NoAddress,
    /// A division by zero, or a shift by too much.
    Operand,
    /// Something would be changed, or called.
    NotAvailable,
    /// The text is too long, or nested too deep.
    TooLong,
}

/// What is wrong, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CxxError {
    kind: CxxErrorKind,
    position: usize,
}

/// A result, or what is wrong.
pub(super) type Outcome<T> = Result<T, CxxError>;

/// An error at the byte `at` of the text.
pub(super) fn fail<T>(kind: CxxErrorKind, at: usize) -> Outcome<T> {
    Err(CxxError::new(kind, at))
}

impl CxxError {
    /// An error at the byte `position` of the text.
    pub(super) const fn new(kind: CxxErrorKind, position: usize) -> CxxError {
        CxxError { kind, position }
    }

    /// What is wrong.
    pub const fn kind(&self) -> CxxErrorKind {
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
            CxxErrorKind::Syntax => format!("Syntax error at '{at}'"),
            CxxErrorKind::ExtraCharacters => format!("Extra character error at '{at}'"),
            CxxErrorKind::Overflow => format!("Overflow error at '{at}'"),
            CxxErrorKind::Unresolved => format!("Couldn't resolve error at '{at}'"),
            CxxErrorKind::BadRegister => format!("Bad register error at '{at}'"),
            CxxErrorKind::NoMember => format!("Type does not have given member error at '{at}'"),
            CxxErrorKind::NoType => format!("Couldn't find type error at '{at}'"),
            CxxErrorKind::TypeConflict => format!("Type conflict error at '{at}'"),
            CxxErrorKind::Memory => format!("Memory access error at '{at}'"),
            CxxErrorKind::NoValue => {
                format!("Variable without value error at '{at}'; 'dv' says why it has none")
            }
            CxxErrorKind::NoAddress => format!("Value without address error at '{at}'"),
            CxxErrorKind::Operand => format!("Operand error at '{at}'"),
            CxxErrorKind::NotAvailable => {
                format!("Assignments and calls are not available, at '{at}'; see ed and .call")
            }
            CxxErrorKind::TooLong => format!("Expression too long or nested too deep at '{at}'"),
        }
    }
}
