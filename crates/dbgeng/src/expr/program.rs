//! A compiled expression and the stack machine that runs it. It does not recurse: however an
//! expression was written, running it takes time and room in proportion to its length.

use dbgbase::Address;

use super::error::{ExprError, ExprErrorKind};
use super::operator::{BinaryOperator, UnaryOperator};
use super::{EvalContext, RegisterMiss, SymbolMiss};

/// One step of the stack machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operation<'t> {
    /// Pushes the number.
    Number(u64),
    /// Pushes the value of a register that was marked as one.
    Register(&'t str),
    /// Pushes the address of a symbol that was marked as one.
    Symbol(&'t str),
    /// Pushes the value of a common register or pseudo-register, else the address of a symbol.
    Name(&'t str),
    /// Replaces the top.
    Unary(UnaryOperator),
    /// Replaces the two on top; the right operand is the upper one.
    Binary(BinaryOperator),
}

/// An operation and where in the text it was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Step<'t> {
    pub(super) operation: Operation<'t>,
    pub(super) position: usize,
}

/// A compiled expression. It can be run again and again, at one stop after the other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program<'t> {
    steps: Vec<Step<'t>>,
    len_bytes: usize,
}

impl<'t> Program<'t> {
    pub(super) fn new(steps: Vec<Step<'t>>, len_bytes: usize) -> Program<'t> {
        Program { steps, len_bytes }
    }

    pub(super) fn steps(&self) -> &[Step<'t>] {
        &self.steps
    }

    /// How many bytes at the head of its text the expression spans.
    pub const fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// The expression's value.
    ///
    /// **Errors**: a name that is not known, a register without value, unreadable memory, a
    /// division by zero.
    pub fn run(&self, context: &dyn EvalContext) -> Result<u64, ExprError> {
        let mut stack = Vec::new();
        for step in &self.steps {
            // The compiler pushes before it pops; a program that does not is no expression.
            let syntax = ExprError::new(ExprErrorKind::Syntax, step.position);
            let value = match step.operation {
                Operation::Number(value) => Ok(value),
                Operation::Register(name) => register(name, context),
                Operation::Symbol(name) => symbol(name, context),
                Operation::Name(word) => name(word, context),
                Operation::Unary(operator) => unary(operator, stack.pop().ok_or(syntax)?, context),
                Operation::Binary(operator) => {
                    let right = stack.pop().ok_or(syntax)?;
                    let left = stack.pop().ok_or(syntax)?;
                    operator.apply(left, right).ok_or(ExprErrorKind::Operand)
                }
            };
            stack.push(value.map_err(|kind| ExprError::new(kind, step.position))?);
        }
        stack.pop().ok_or(ExprError::new(ExprErrorKind::NumberMissing, 0))
    }
}

fn register(name: &str, context: &dyn EvalContext) -> Result<u64, ExprErrorKind> {
    context.register(&name.to_ascii_lowercase()).map_err(register_error)
}

pub(super) fn register_error(miss: RegisterMiss) -> ExprErrorKind {
    match miss {
        RegisterMiss::Unknown => ExprErrorKind::BadRegister,
        RegisterMiss::NotInFrame => ExprErrorKind::RegisterNotInFrame,
    }
}

pub(super) fn symbol(name: &str, context: &dyn EvalContext) -> Result<u64, ExprErrorKind> {
    context.symbol(name).map_err(|miss| match miss {
        SymbolMiss::Unknown => ExprErrorKind::Unresolved,
        SymbolMiss::Ambiguous => ExprErrorKind::Ambiguous,
        SymbolMiss::NotInMemory => ExprErrorKind::NotInMemory,
        SymbolMiss::Cancelled => ExprErrorKind::Cancelled,
    })
}

fn name(word: &str, context: &dyn EvalContext) -> Result<u64, ExprErrorKind> {
    if is_register(word, context) { register(word, context) } else { symbol(word, context) }
}

/// Whether a word that is neither a number nor an operator is a register. A symbol may begin with
/// `$`, too.
pub(super) fn is_register(word: &str, context: &dyn EvalContext) -> bool {
    let lower = word.to_ascii_lowercase();
    context.is_common_register(&lower)
        || lower.starts_with('$') && context.register(&lower) != Err(RegisterMiss::Unknown)
}

fn unary(
    operator: UnaryOperator,
    operand: u64,
    context: &dyn EvalContext,
) -> Result<u64, ExprErrorKind> {
    Ok(match operator {
        UnaryOperator::Plus => operand,
        UnaryOperator::Negate => operand.wrapping_neg(),
        UnaryOperator::Not => u64::from(operand == 0),
        UnaryOperator::High => operand >> 16 & 0xffff,
        UnaryOperator::Low => operand & 0xffff,
        UnaryOperator::Read(size_bytes) => {
            let mut bytes = [0; 8];
            let wanted = bytes.get_mut(..usize::from(size_bytes)).unwrap_or_default();
            context
                .read(Address::new(operand), wanted)
                .map_err(|_unreadable| ExprErrorKind::Memory)?;
            u64::from_le_bytes(bytes)
        }
    })
}
