//! The commands that change memory: `e`, `ea` to `ezu`.

use dbgbase::{Address, ReadMemory as _};
use dbgeng::expr;

use super::{Context, Outcome};
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::registry::{Action, Command, Extent, Shape};

/// The rows of this family.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: &["e", "eb", "ed", "eD", "ef", "ep", "eq", "ew"],
        syntax: "Address [Value ...]",
        summary: "write numbers to memory",
        manual: "Writes values from the address on: b bytes, w 16-bit, d 32-bit, q 64-bit numbers, \
            p pointers, f and D single- and double-precision numbers. e alone writes as the last \
            such command did, at first bytes. eb also takes 'c' characters and \"strings\". \
            Without values, shows each old value and asks for the new one: a blank keeps the old \
            one, an empty line ends the command.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(edit_numbers),
    },
    Command {
        names: &["ea", "eu", "eza", "ezu"],
        syntax: "Address \"String\"",
        summary: "write a string to memory",
        manual: "Writes the characters of the string: a in UTF-8, u as 16-bit characters; with z, \
            a NUL behind them.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(edit_string),
    },
];

/// What a value is written as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    Integer(usize),
    Single,
    Double,
}

impl Unit {
    fn of(name: &str) -> Unit {
        match name {
            "ew" => Unit::Integer(2),
            "ed" => Unit::Integer(4),
            "eq" | "ep" => Unit::Integer(8),
            "ef" => Unit::Single,
            "eD" => Unit::Double,
            _ => Unit::Integer(1),
        }
    }

    fn size_bytes(self) -> usize {
        match self {
            Unit::Integer(size) => size,
            Unit::Single => 4,
            Unit::Double => 8,
        }
    }

    /// The bytes of an integer; the surplus is dropped.
    fn integer_bytes(self, value: u64) -> Vec<u8> {
        value.to_le_bytes().into_iter().take(self.size_bytes()).collect()
    }

    /// The bytes of what `word` says, if this is a floating-point unit.
    fn float_bytes(self, word: &str) -> Option<Vec<u8>> {
        match self {
            Unit::Integer(_) => None,
            Unit::Single => word.parse::<f32>().ok().map(|value| value.to_le_bytes().to_vec()),
            Unit::Double => word.parse::<f64>().ok().map(|value| value.to_le_bytes().to_vec()),
        }
    }
}

fn edit_numbers(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let name = match arguments.name() {
        "e" => context.state.last_edit.unwrap_or("eb"),
        name => name,
    };
    context.state.last_edit = Some(name);
    let unit = Unit::of(name);
    let address = arguments.address(&context.expressions())?;
    arguments.skip_separator();
    if arguments.is_empty() {
        ask(context, address, unit)?;
        return Ok(Outcome::Done);
    }
    let bytes = values(context, arguments, unit)?;
    write(context, address, &bytes)?;
    Ok(Outcome::Done)
}

/// Takes all values there are.
pub(super) fn values(
    context: &Context<'_>,
    arguments: &mut Arguments<'_>,
    unit: Unit,
) -> Result<Vec<u8>, CommandError> {
    let mut bytes = Vec::new();
    arguments.skip_separator();
    while !arguments.is_empty() {
        bytes.extend(value(context, arguments, unit)?);
        arguments.skip_separator();
    }
    Ok(bytes)
}

/// Takes the next value.
fn value(
    context: &Context<'_>,
    arguments: &mut Arguments<'_>,
    unit: Unit,
) -> Result<Vec<u8>, CommandError> {
    let syntax = arguments.syntax_error();
    if unit == Unit::Integer(1) {
        if let Some(string) = arguments.quoted()? {
            return Ok(string.as_bytes().to_vec());
        }
        if arguments.take_char('\'') {
            let text = arguments.take_while(|character| character != '\'');
            let is_closed = arguments.take_char('\'');
            let is_one = text.len() == 1 && is_closed;
            return if is_one { Ok(text.as_bytes().to_vec()) } else { Err(syntax) };
        }
    }
    if unit == Unit::Single || unit == Unit::Double {
        return unit.float_bytes(arguments.word()).ok_or(syntax);
    }
    let value = arguments.expression(&context.expressions())?;
    Ok(unit.integer_bytes(value))
}

/// Shows one old value after the other and asks for the new ones.
fn ask(context: &mut Context<'_>, start: Address, unit: Unit) -> Result<(), CommandError> {
    let mut address = start;
    loop {
        let mut old = vec![0; unit.size_bytes()];
        let count = context.engine.memory().read(address, &mut old).unwrap_or(0);
        let digits: String = old.iter().rev().map(|byte| format!("{byte:02x}")).collect();
        let old = if count == old.len() { digits } else { "?".repeat(old.len() * 2) };
        context.write(&format!("{address} {old}\n"));
        let Some(answer) = context.output.input().and_then(|input| input.read_line("Input> "))
        else {
            return Ok(());
        };
        if answer.is_empty() {
            return Ok(());
        }
        if !answer.trim().is_empty() {
            let bytes = match unit.float_bytes(answer.trim()) {
                Some(bytes) => bytes,
                None => {
                    let value = expr::evaluate(&answer, &context.expressions());
                    let value =
                        value.map_err(|error| CommandError::Expression(error.message(&answer)))?;
                    unit.integer_bytes(value)
                }
            };
            write(context, address, &bytes)?;
        }
        let next = address.checked_add(unit.size_bytes() as u64);
        address = next.ok_or(CommandError::MemoryAccess)?;
    }
}

fn edit_string(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let address = arguments.address(&context.expressions())?;
    let string = arguments.quoted()?.ok_or_else(|| arguments.syntax_error())?;
    arguments.finish()?;
    let name = arguments.name();
    let mut bytes = if name.ends_with('u') {
        string.encode_utf16().flat_map(u16::to_le_bytes).collect()
    } else {
        string.as_bytes().to_vec()
    };
    match name {
        "eza" => bytes.push(0),
        "ezu" => bytes.extend([0, 0]),
        _ => {}
    }
    write(context, address, &bytes)?;
    Ok(Outcome::Done)
}

fn write(context: &mut Context<'_>, address: Address, bytes: &[u8]) -> Result<(), CommandError> {
    let count = context.engine.write_memory(address, bytes)?;
    if count < bytes.len() {
        let end = address.wrapping_offset(count as i64);
        return Err(CommandError::refused(format!("Memory at {end} cannot be written")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_make_their_bytes() {
        assert_eq!(Unit::of("eb").integer_bytes(0x1234), [0x34]);
        assert_eq!(Unit::of("ew").integer_bytes(0x1234), [0x34, 0x12]);
        assert_eq!(Unit::of("ed").integer_bytes(1), [1, 0, 0, 0]);
        assert_eq!(Unit::of("ep").integer_bytes(u64::MAX), [0xff; 8]);
        assert_eq!(Unit::of("ef").float_bytes("1.5"), Some(1.5f32.to_le_bytes().to_vec()));
        assert_eq!(Unit::of("eD").float_bytes("-2e3"), Some((-2e3f64).to_le_bytes().to_vec()));
        assert_eq!(Unit::of("eD").float_bytes("rax"), None);
        assert_eq!(Unit::of("ed").float_bytes("1.5"), None);
    }
}
