//! C++ expressions, in which values have types: text in, a typed value out. What is in this room:
//!
//! ```text
//!   text ──scanner──► tokens ──parser──► tree ──evaluate──► value with its type
//!                                                  └── names, types, memory: the program's
//! ```
//!
//! `scanner.rs`, `parser.rs` and `error.rs` are pure; `number.rs` has the arithmetic of C;
//! `value.rs` says what is asked of the program; `evaluate.rs`, `convert.rs` (numbers, pointers,
//! casts) and `member.rs` (parts of objects) ask it. Nothing is called and nothing is changed.
//! Source: the manual's page "C++ Numbers and Operators".

mod convert;
mod error;
mod evaluate;
mod member;
mod number;
mod parser;
mod scanner;
mod value;

pub use error::{CxxError, CxxErrorKind};
pub(crate) use evaluate::Evaluator;
pub(crate) use value::{Found, Surroundings, Ty, Value};

/// A part of an expression, and where in the text it begins.
#[derive(Clone, PartialEq, Debug)]
struct Expression {
    node: Node,
    position: usize,
    /// How many parts are inside each other, this one as well.
    height: usize,
}

/// What a part is.
#[derive(Clone, PartialEq, Debug)]
enum Node {
    /// A number that was written.
    Number(number::Number),
    /// A name with the scopes around it.
    Name(String),
    /// A register, without its `@`.
    Register(String),
    /// What the other evaluator makes of a text.
    Masm(String),
    /// An operator in front of its operand.
    Unary(Unary, Box<Expression>),
    /// An operator between its operands.
    Binary(Binary, Box<Expression>, Box<Expression>),
    /// `a ? b : c`.
    Choice(Box<[Expression; 3]>),
    /// `object.name`; `pointer->name`.
    Member(Box<Expression>, String),
    /// `array[index]`.
    Index(Box<Expression>, Box<Expression>),
    /// `(type)value`.
    Cast(TypeName, Box<Expression>),
    /// `sizeof(type)`.
    SizeOfType(TypeName),
    /// `sizeof value`.
    SizeOf(Box<Expression>),
}

/// A type as it is written: `unsigned int`, `struct node **`.
#[derive(Clone, PartialEq, Eq, Debug)]
struct TypeName {
    name: String,
    pointers: usize,
}

/// An operator with one operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unary {
    Plus,
    Minus,
    Not,
    Complement,
    Dereference,
    AddressOf,
}

/// An operator with two operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Binary {
    Multiply,
    Divide,
    Remainder,
    Add,
    Subtract,
    ShiftLeft,
    ShiftRight,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    BitAnd,
    BitXor,
    BitOr,
    And,
    Or,
}

#[cfg(test)]
#[path = "cxx/tests.rs"]
mod tests;
