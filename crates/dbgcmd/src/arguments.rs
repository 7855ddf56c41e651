//! The parameters of one command, read from left to right ("Address and Address Range Syntax"). It
//! knows numbers, addresses, ranges, quoted strings and words; which of them comes next, the
//! command knows.

use dbgbase::Address;
use dbgeng::expr::{self, EvalContext};

use crate::error::CommandError;

/// The largest range that does not need `L?`.
const RANGE_LEN_MAX_BYTES: u64 = 256 << 20;

/// A run of objects of one size in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Range {
    /// Where the first one is.
    pub(crate) start: Address,
    /// How many there are, if that was typed. They do not pass the end of the address space.
    pub(crate) count: Option<u64>,
    /// Whether it was typed as the address of the end.
    pub(crate) has_end: bool,
}

impl Range {
    /// A range of which only the start is known.
    pub(crate) fn open(start: Address) -> Range {
        Range { start, count: None, has_end: false }
    }
}

/// The text of a command and how far it has been read.
pub(crate) struct Arguments<'t> {
    command: &'t str,
    name: &'static str,
    position: usize,
}

impl<'t> Arguments<'t> {
    /// The parameters in `command` behind the `name_len` bytes of its name, which the registry
    /// writes `name`.
    pub(crate) fn new(command: &'t str, name: &'static str, name_len: usize) -> Arguments<'t> {
        Arguments { command, name, position: name_len }
    }

    /// The command's name as the registry writes it.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// What has not been read, exactly as it was typed.
    pub(crate) fn raw_rest(&self) -> &'t str {
        self.command.get(self.position..).unwrap_or_default()
    }

    /// What has not been read, without the blanks around it.
    pub(crate) fn rest(&self) -> &'t str {
        self.raw_rest().trim()
    }

    /// Takes everything that has not been read, without the blanks around it.
    pub(crate) fn take_rest(&mut self) -> &'t str {
        let rest = self.rest();
        self.position = self.command.len();
        rest
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// The syntax error at the next thing.
    pub(crate) fn syntax_error(&mut self) -> CommandError {
        self.skip_blanks();
        CommandError::Syntax(self.position)
    }

    /// That nothing is left.
    pub(crate) fn finish(&mut self) -> Result<(), CommandError> {
        self.skip_blanks();
        if self.is_empty() { Ok(()) } else { Err(CommandError::ExtraCharacters(self.position)) }
    }

    pub(crate) fn skip_blanks(&mut self) {
        let rest = self.raw_rest();
        self.position += rest.len() - rest.trim_start().len();
    }

    /// Skips what separates two parameters: blanks and at most one comma.
    pub(crate) fn skip_separator(&mut self) {
        self.skip_blanks();
        if self.raw_rest().starts_with(',') {
            self.position += 1;
            self.skip_blanks();
        }
    }

    /// The next character, which may be a blank.
    pub(crate) fn peek(&self) -> Option<char> {
        self.raw_rest().chars().next()
    }

    /// Takes the next character if it is `wanted`; blanks are not skipped.
    pub(crate) fn take_char(&mut self, wanted: char) -> bool {
        let is_next = self.peek() == Some(wanted);
        if is_next {
            self.position += wanted.len_utf8();
        }
        is_next
    }

    /// Takes the characters at once that satisfy `is_part`.
    pub(crate) fn take_while(&mut self, is_part: impl Fn(char) -> bool) -> &'t str {
        let rest = self.raw_rest();
        let len = rest.find(|character| !is_part(character)).unwrap_or(rest.len());
        self.position += len;
        rest.get(..len).unwrap_or_default()
    }

    /// Takes `len` bytes and returns them.
    pub(crate) fn take_str(&mut self, len: usize) -> &'t str {
        let taken = self.raw_rest().get(..len).unwrap_or_default();
        self.position += taken.len();
        taken
    }

    /// Takes the next word: up to a blank or comma. Empty at the end.
    pub(crate) fn word(&mut self) -> &'t str {
        self.skip_blanks();
        self.take_while(|character| !character.is_whitespace() && character != ',')
    }

    /// Takes the next word if it is an option, and returns it without its `-` or `/`.
    pub(crate) fn option(&mut self) -> Option<&'t str> {
        self.skip_blanks();
        let is_option = self.raw_rest().starts_with(['-', '/'])
            && self.raw_rest().chars().nth(1).is_some_and(|second| !second.is_whitespace());
        is_option.then(|| self.word().get(1..)).flatten()
    }

    /// Takes a decimal number that follows at once.
    pub(crate) fn decimal(&mut self) -> Result<Option<u32>, CommandError> {
        let position = self.position;
        let digits = self.take_while(|character| character.is_ascii_digit());
        if digits.is_empty() {
            return Ok(None);
        }
        digits.parse().map(Some).map_err(|_overflow| CommandError::Syntax(position))
    }

    /// Takes the string in double quotes that comes next, if one does.
    pub(crate) fn quoted(&mut self) -> Result<Option<&'t str>, CommandError> {
        self.skip_blanks();
        let Some(inside) = self.raw_rest().strip_prefix('"') else { return Ok(None) };
        let len = inside.find('"').ok_or(CommandError::Syntax(self.position))?;
        self.position += len + 2;
        Ok(inside.get(..len))
    }

    /// Takes the expression that comes next and returns its value.
    pub(crate) fn expression(&mut self, context: &dyn EvalContext) -> Result<u64, CommandError> {
        self.typed_expression(context).map(|(value, _)| value)
    }

    /// Takes the expression that comes next and returns its value and how it was typed.
    pub(crate) fn typed_expression(
        &mut self,
        context: &dyn EvalContext,
    ) -> Result<(u64, &'t str), CommandError> {
        self.skip_blanks();
        let rest = self.raw_rest();
        let (value, len) = expr::evaluate_head(rest, context)
            .map_err(|error| CommandError::Expression(error.message(rest)))?;
        self.position += len;
        Ok((value, rest.get(..len).unwrap_or_default()))
    }

    /// Takes the address that comes next.
    pub(crate) fn address(&mut self, context: &dyn EvalContext) -> Result<Address, CommandError> {
        self.expression(context).map(Address::new)
    }

    /// Takes the `L` of a length, if one comes next. A small one may as well begin the name of a
    /// symbol; then it is no length.
    fn take_length_mark(&mut self, context: &dyn EvalContext) -> bool {
        let rest = self.raw_rest();
        let mut letters = rest.chars().skip(1);
        let is_name = letters.next().is_some_and(|next| next.is_alphabetic() || next == '_')
            && rest.starts_with('l')
            && expr::evaluate_head(rest, context).is_ok();
        !is_name && (self.take_char('L') || self.take_char('l'))
    }

    /// As [`Arguments::range`], for who goes on where he was: `LCount` alone begins at what `next`
    /// says.
    pub(crate) fn range_from(
        &mut self,
        context: &dyn EvalContext,
        size_bytes: u64,
        next: &dyn Fn() -> Result<Address, CommandError>,
    ) -> Result<Option<Range>, CommandError> {
        self.skip_blanks();
        // With a letter behind it, it begins the name of a symbol.
        let rest = self.raw_rest();
        let behind = rest.strip_prefix(['L', 'l']).and_then(|rest| rest.chars().next());
        let is_count = behind.is_some_and(|next| !next.is_alphabetic() && !"_:!$".contains(next));
        if !is_count {
            return self.range(context, size_bytes);
        }
        self.take_str(1);
        self.counted(context, next()?, size_bytes).map(Some)
    }

    /// Takes `Start`, `Start End`, `Start LCount`, `Start L?Count` or `Start L-Count`, if anything
    /// is left. Counts are of objects of `size_bytes` each; `End` is the address of the last byte.
    pub(crate) fn range(
        &mut self,
        context: &dyn EvalContext,
        size_bytes: u64,
    ) -> Result<Option<Range>, CommandError> {
        if self.is_empty() {
            return Ok(None);
        }
        let start = self.address(context)?;
        self.skip_separator();
        let position = self.position;
        if self.is_empty() {
            return Ok(Some(Range::open(start)));
        }
        if !self.take_length_mark(context) {
            let end = self.address(context)?;
            let len = end.offset_from(start).ok_or(CommandError::Range(position))?;
            let count = (len / size_bytes).saturating_add(1);
            let range = bounded(start, count, size_bytes, RANGE_LEN_MAX_BYTES, position)?;
            return Ok(Some(Range { has_end: true, ..range }));
        }
        self.counted(context, start, size_bytes).map(Some)
    }

    /// Takes what follows the `L` of a length.
    fn counted(
        &mut self,
        context: &dyn EvalContext,
        start: Address,
        size_bytes: u64,
    ) -> Result<Range, CommandError> {
        let position = self.position;
        let is_unlimited = self.take_char('?');
        let is_backwards = self.take_char('-');
        let limit = if is_unlimited { u64::MAX } else { RANGE_LEN_MAX_BYTES };
        let count = self.expression(context)?;
        if !is_backwards {
            // `L?` reaches to the end of the address space at most.
            let room = (u128::from(u64::MAX - start.value()) + 1) / u128::from(size_bytes);
            let room = u64::try_from(room).unwrap_or(u64::MAX);
            let count = if is_unlimited { count.min(room) } else { count };
            return bounded(start, count, size_bytes, limit, position);
        }
        let len = count.checked_mul(size_bytes).filter(|len| *len <= limit);
        let first = len.and_then(|len| start.checked_sub(len));
        let start = first.ok_or(CommandError::Range(position))?;
        Ok(Range { start, count: Some(count), has_end: false })
    }
}

/// A range whose size is at most `limit` and that ends within the address space.
fn bounded(
    start: Address,
    count: u64,
    size_bytes: u64,
    limit: u64,
    position: usize,
) -> Result<Range, CommandError> {
    let is_good = count
        .checked_mul(size_bytes)
        .filter(|len| *len <= limit)
        // The last byte, not the one behind it, must have an address.
        .and_then(|len| start.checked_add(len.saturating_sub(1)))
        .is_some();
    if is_good {
        Ok(Range { start, count: Some(count), has_end: false })
    } else {
        Err(CommandError::Range(position))
    }
}

#[cfg(test)]
#[path = "arguments/tests.rs"]
mod tests;
