//! Cuts the text of an expression into operands and operators. Which of the two is read, the
//! grammar says: that is why nothing behind an expression is ever looked at as a part of it. It
//! does not know what a word means.

use super::error::{ExprError, ExprErrorKind};
use super::operator::{BinaryOperator, UnaryOperator};

/// What can stand where an operand is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operand<'t> {
    /// `(`, or `@@masm(`.
    Open,
    /// A sign before an operand.
    Sign(UnaryOperator),
    /// A word without `@`: number, register, operator or symbol.
    Word(&'t str),
    /// A register, without its `@`.
    Register(&'t str),
    /// A name that is a symbol whatever it looks like, from `@!"name"`; or a line of source, with
    /// its accents.
    Symbol(&'t str),
    /// `.`
    InstructionPointer,
}

/// A text and how far it has been read.
pub(super) struct Scanner<'t> {
    text: &'t str,
    position: usize,
    /// Behind the last thing that was read; blanks that follow it do not count.
    end: usize,
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str) -> Scanner<'t> {
        Scanner { text, position: 0, end: 0 }
    }

    /// Where the next thing begins.
    pub(super) fn position(&mut self) -> usize {
        let rest = self.rest();
        self.position += rest.len() - rest.trim_start().len();
        self.position
    }

    /// How many bytes the things read so far span.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.position..).unwrap_or_default()
    }

    /// Takes `len` bytes and returns them. `len` comes from a search in the rest.
    fn take(&mut self, len: usize) -> &'t str {
        let taken = self.rest().get(..len).unwrap_or_default();
        self.position += taken.len();
        self.end = self.position;
        taken
    }

    /// Reads what is due where an operand is.
    pub(super) fn operand(&mut self) -> Result<Operand<'t>, ExprError> {
        let position = self.position();
        let error = |kind| Err(ExprError::new(kind, position));
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return error(ExprErrorKind::NumberMissing);
        };
        if let Some(operator) = UnaryOperator::from_sign(first) {
            self.take(1);
            return Ok(Operand::Sign(operator));
        }
        match first {
            '(' => {
                self.take(1);
                Ok(Operand::Open)
            }
            '@' => self.marked(position),
            '`' => {
                let inner = rest.get(1..).and_then(|rest| rest.find('`'));
                match inner {
                    Some(len) if len > 0 => Ok(Operand::Symbol(self.take(len + 2))),
                    _ => error(ExprErrorKind::Syntax),
                }
            }
            '.' => {
                self.take(1);
                Ok(Operand::InstructionPointer)
            }
            _ => match word_len(rest) {
                0 if matches!(first, ')' | ',' | ';') => error(ExprErrorKind::NumberMissing),
                0 => error(ExprErrorKind::Syntax),
                len => Ok(Operand::Word(self.take(len))),
            },
        }
    }

    /// Reads an operand that begins with `@`.
    fn marked(&mut self, position: usize) -> Result<Operand<'t>, ExprError> {
        let rest = self.rest();
        if let Some(switch) = rest.strip_prefix("@@") {
            let masm = "masm";
            let name = switch.get(..masm.len()).unwrap_or_default();
            if !name.eq_ignore_ascii_case(masm) || switch.get(masm.len()..=masm.len()) != Some("(")
            {
                return Err(ExprError::new(ExprErrorKind::OtherEvaluator, position));
            }
            self.take("@@masm(".len());
            return Ok(Operand::Open);
        }
        let syntax = ExprError::new(ExprErrorKind::Syntax, position);
        if let Some(quoted) = rest.strip_prefix("@!\"") {
            let len = quoted.find('"').ok_or(syntax)?;
            self.take("@!\"".len());
            let name = self.take(len);
            self.take(1);
            return if name.is_empty() { Err(syntax) } else { Ok(Operand::Symbol(name)) };
        }
        self.take(1);
        let is_part =
            |character: char| character.is_ascii_alphanumeric() || "_$".contains(character);
        let rest = self.rest();
        match rest.find(|character| !is_part(character)).unwrap_or(rest.len()) {
            0 => Err(syntax),
            len => Ok(Operand::Register(self.take(len))),
        }
    }

    /// Takes the closing parenthesis that is due.
    pub(super) fn close(&mut self) -> Result<(), ExprError> {
        let position = self.position();
        if !self.rest().starts_with(')') {
            return Err(ExprError::new(ExprErrorKind::Syntax, position));
        }
        self.take(1);
        Ok(())
    }

    /// Takes the operator that comes next, if it is one that stands between operands and binds at
    /// least as strongly as `strength_min`. Also tells where it stands.
    pub(super) fn binary(&mut self, strength_min: u8) -> Option<(BinaryOperator, usize)> {
        let position = self.position();
        let rest = self.rest();
        let (operator, len) = BinaryOperator::from_sign(rest).or_else(|| {
            let len = word_len(rest);
            BinaryOperator::from_word(rest.get(..len)?).map(|operator| (operator, len))
        })?;
        if operator.strength() < strength_min {
            return None;
        }
        self.take(len);
        Some((operator, position))
    }
}

/// How many bytes at the head of `text` form one word: a number with its accents, or a name. Names
/// hold letters, digits, `_ $ ?`, one `!` behind a module's name, `::` and `::~` of C++, and dots
/// between other characters, as compilers put them into the names of parts of functions.
fn word_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_part = |index: usize| {
        let byte = bytes.get(index).copied().unwrap_or_default();
        byte.is_ascii_alphanumeric() || b"_$?`".contains(&byte) || !byte.is_ascii()
    };
    let mut len = 0;
    loop {
        let rest = bytes.get(len..).unwrap_or_default();
        len += match rest {
            _ if is_part(len) => 1,
            // `a!=b` compares.
            [b'!', b'=', ..] => break,
            [b'!', ..] => 1,
            [b':', b':', b'~', ..] => 3,
            [b':', b':', ..] if len > 0 => 2,
            [b'.', ..] if len > 0 && is_part(len + 1) => 1,
            _ => break,
        };
    }
    len
}
