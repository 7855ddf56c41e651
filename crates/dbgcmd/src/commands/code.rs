//! Commands that show code: `u`, `ub`, `uf`.

use dbgbase::Address;
use dbgeng::{DisassembledInstruction, Engine, ErrorKind};

use super::{Context, Outcome};
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::format;
use crate::registry::{Action, Command, Extent, Shape};

/// The rows of this family.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: &["u", "ub", "uu"],
        syntax: "[Address | Range]",
        summary: "disassemble",
        manual: "Disassembles eight instructions, or those of the range, whose count is of \
            instructions. Without an address, as in u L4, goes on behind what was disassembled \
            last since the targets stopped, at first where the current frame executes. ub shows \
            the instructions in front of the address. Instructions are shown as the program has \
            them, whatever breakpoints are set.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(disassemble),
    },
    Command {
        names: &["uf"],
        syntax: "[Address]",
        summary: "disassemble a function",
        manual: "Disassembles the whole function that contains the address, by default the current \
            one, from its first byte to its last.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(disassemble_function),
    },
];

/// How many instructions `u` shows.
const INSTRUCTIONS_DEFAULT: usize = 8;
/// The most instructions one command shows.
const INSTRUCTIONS_MAX: u64 = 0x10000;
/// The most instructions that are looked for in front of an address.
const INSTRUCTIONS_BEFORE_MAX: u64 = 256;
/// The longest instruction of any supported CPU.
const INSTRUCTION_LEN_MAX: u64 = 15;

fn disassemble(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let is_backwards = arguments.name() == "ub";
    let next = || match context.state.next_code {
        Some(next) if !is_backwards => Ok(next),
        _ => context.pc(),
    };
    let range = arguments.range_from(&context.expressions(), 1, &next)?;
    arguments.finish()?;
    let start = range.as_ref().map_or_else(&next, |range| Ok(range.start))?;
    let has_end = range.is_some_and(|range| range.has_end);
    let count = range.and_then(|range| range.count);
    if is_backwards {
        let count = count.unwrap_or(INSTRUCTIONS_DEFAULT as u64).min(INSTRUCTIONS_BEFORE_MAX);
        let list = before(context.engine, start, count as usize);
        write(context, &list);
        context.state.next_code = Some(start);
        return Ok(Outcome::Done);
    }
    let (count, end) = match count {
        None => (INSTRUCTIONS_DEFAULT as u64, None),
        Some(len) if has_end => (len.min(INSTRUCTIONS_MAX), start.checked_add(len)),
        Some(count) => (count.min(INSTRUCTIONS_MAX), None),
    };
    let mut list = match context.engine.disassemble(start, count as usize) {
        Ok(list) => list,
        Err(error) if error.kind() == ErrorKind::Unreadable => {
            context.write(&format::code::unreadable(start));
            return Err(CommandError::MemoryAccess);
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(end) = end {
        list.retain(|instruction| instruction.address < end);
    }
    write(context, &list);
    context.state.next_code = list.last().map(end_of);
    Ok(Outcome::Done)
}

fn end_of(instruction: &DisassembledInstruction) -> Address {
    instruction.address.wrapping_offset(instruction.bytes.len() as i64)
}

/// Writes instructions, and the symbol's line wherever another symbol begins.
fn write(context: &mut Context<'_>, list: &[DisassembledInstruction]) {
    let mut text = String::new();
    for (index, instruction) in list.iter().enumerate() {
        let symbol = context.engine.symbol_at(instruction.address);
        if index == 0 || symbol.as_ref().is_some_and(|symbol| symbol.displacement == 0) {
            text.push_str(&context.symbol_line(symbol.as_ref(), instruction.address));
        }
        text.push_str(&format::code::instruction(instruction));
    }
    context.write(&text);
}

/// The last `count` instructions in front of `end`.
///
/// Instructions of x86 cannot be read backwards: they are read forwards from the start of the
/// function if that is near, else from places further and further in front, until an instruction
/// ends at `end`.
fn before(engine: &Engine, end: Address, count: usize) -> Vec<DisassembledInstruction> {
    let window = (count as u64 + 1) * INSTRUCTION_LEN_MAX;
    let function = end.checked_sub(1).and_then(|last| {
        let symbol = engine.symbol_at(last)?;
        last.checked_sub(symbol.displacement).filter(|_| symbol.displacement <= window * 4)
    });
    let guesses = (0..=window).rev().map_while(|back| end.checked_sub(back));
    for start in function.into_iter().chain(guesses) {
        let Some(len) = end.offset_from(start) else { continue };
        let list = engine.disassemble(start, len as usize).unwrap_or_default();
        let mut list: Vec<_> =
            list.into_iter().take_while(|instruction| end_of(instruction) <= end).collect();
        if list.last().is_some_and(|last| end_of(last) == end) {
            return list.split_off(list.len().saturating_sub(count));
        }
    }
    Vec::new()
}

fn disassemble_function(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let address = match arguments.is_empty() {
        true => context.pc()?,
        false => arguments.address(&context.expressions())?,
    };
    arguments.finish()?;
    let unknown = || CommandError::refused(format!("No function is known at {address}"));
    let symbol = context.engine.symbol_at(address).ok_or_else(unknown)?;
    let start = address.checked_sub(symbol.displacement).ok_or_else(unknown)?;
    let found = context.engine.resolve(&format!("{}!{}", symbol.module, symbol.name))?;
    let function = found.iter().find(|function| function.address == start).ok_or_else(unknown)?;
    let end = start.checked_add(function.size).filter(|end| address < *end).ok_or_else(|| {
        CommandError::refused(format!("The size of {}!{} is not known", symbol.module, symbol.name))
    })?;
    let count = function.size.min(INSTRUCTIONS_MAX) as usize;
    let mut list = context.engine.disassemble(start, count)?;
    list.retain(|instruction| instruction.address < end);
    write(context, &list);
    Ok(Outcome::Done)
}
