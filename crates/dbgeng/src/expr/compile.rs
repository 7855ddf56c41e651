//! The grammar: precedence climbing over the scanner's operands and operators, into postfix order.
//! It looks nothing up: whether a name exists is seen when the program runs.

use super::error::{ExprError, ExprErrorKind};
use super::number::{self, Radix, Reading};
use super::operator::{BinaryOperator, UnaryOperator};
use super::program::{Operation, Program, Step};
use super::scanner::{Operand, Scanner};
use super::{DEPTH_MAX, TEXT_LEN_MAX};

impl<'t> Program<'t> {
    /// Compiles the longest expression at the head of `text`. Digits are read in `radix`.
    ///
    /// **Errors**: all of [`ExprErrorKind`] that can be told without looking at the debuggee.
    pub fn compile(text: &'t str, radix: Radix) -> Result<Program<'t>, ExprError> {
        if text.len() > TEXT_LEN_MAX {
            return Err(ExprError::new(ExprErrorKind::TooLong, TEXT_LEN_MAX));
        }
        let mut compiler = Compiler { scanner: Scanner::new(text), radix, steps: Vec::new() };
        compiler.expression(0, 0)?;
        Ok(Program::new(compiler.steps, compiler.scanner.end()))
    }

    /// Compiles `text`, which must be an expression and nothing else.
    ///
    /// **Errors**: as [`Program::compile`], and [`ExprErrorKind::ExtraCharacters`].
    pub fn compile_whole(text: &'t str, radix: Radix) -> Result<Program<'t>, ExprError> {
        let program = Program::compile(text, radix)?;
        let rest = text.get(program.len_bytes()..).unwrap_or_default();
        let blanks = rest.len() - rest.trim_start().len();
        if blanks < rest.len() {
            let position = program.len_bytes() + blanks;
            return Err(ExprError::new(ExprErrorKind::ExtraCharacters, position));
        }
        Ok(program)
    }
}

struct Compiler<'t> {
    scanner: Scanner<'t>,
    radix: Radix,
    steps: Vec<Step<'t>>,
}

impl<'t> Compiler<'t> {
    fn push(&mut self, operation: Operation<'t>, position: usize) {
        self.steps.push(Step { operation, position });
    }

    /// Operands and operators that bind at least as strongly as `strength_min`. Operators of one
    /// strength group from the left.
    fn expression(&mut self, strength_min: u8, depth: usize) -> Result<(), ExprError> {
        self.operand(depth)?;
        while let Some((operator, position)) = self.scanner.binary(strength_min) {
            self.expression(operator.strength() + 1, depth)?;
            self.push(Operation::Binary(operator), position);
        }
        Ok(())
    }

    fn operand(&mut self, depth: usize) -> Result<(), ExprError> {
        let position = self.scanner.position();
        if depth > DEPTH_MAX {
            return Err(ExprError::new(ExprErrorKind::TooDeep, position));
        }
        match self.scanner.operand()? {
            Operand::Open => {
                self.expression(0, depth + 1)?;
                self.scanner.close()?;
            }
            Operand::Sign(operator) => self.unary(operator, position, depth)?,
            Operand::Word(word) => self.word(word, position, depth)?,
            Operand::Register(name) => self.push(Operation::Register(name), position),
            Operand::Symbol(name) => self.push(Operation::Symbol(name), position),
            Operand::InstructionPointer => self.push(Operation::Register("$ip"), position),
        }
        Ok(())
    }

    fn unary(
        &mut self,
        operator: UnaryOperator,
        position: usize,
        depth: usize,
    ) -> Result<(), ExprError> {
        self.operand(depth + 1)?;
        self.push(Operation::Unary(operator), position);
        Ok(())
    }

    /// A word is an operator before it is a number, and a number before it is a name; a `!` makes a
    /// name of anything.
    fn word(&mut self, word: &'t str, position: usize, depth: usize) -> Result<(), ExprError> {
        let syntax = ExprError::new(ExprErrorKind::Syntax, position);
        if let Some(name) = word.strip_prefix('!') {
            return self.symbol(name, syntax);
        }
        if word.contains('!') {
            return self.symbol(word, syntax);
        }
        if let Some(operator) = UnaryOperator::from_word(word) {
            return self.unary(operator, position, depth);
        }
        if BinaryOperator::from_word(word).is_some() {
            return Err(ExprError::new(ExprErrorKind::NumberMissing, position));
        }
        let operation = match number::read(word, self.radix) {
            Reading::Number(value) => Operation::Number(value),
            Reading::Overflow => return Err(ExprError::new(ExprErrorKind::Overflow, position)),
            Reading::NotANumber if word.starts_with(|first: char| first.is_ascii_digit()) => {
                return Err(syntax);
            }
            Reading::NotANumber if word.contains('`') => return Err(syntax),
            Reading::NotANumber => Operation::Name(word),
        };
        self.push(operation, position);
        Ok(())
    }

    fn symbol(&mut self, name: &'t str, syntax: ExprError) -> Result<(), ExprError> {
        if name.is_empty() || name.contains('`') {
            return Err(syntax);
        }
        self.push(Operation::Symbol(name), syntax.position());
        Ok(())
    }
}
