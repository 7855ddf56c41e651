//! The commands that allocate memory in the target and free it: `.dvalloc` and `.dvfree`.

use dbgbase::{Address, AddressRange};
use dbgeng::expr;
use dbgeng::{ErrorKind, Protection};

use super::{Context, Outcome};
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::registry::{Action, Command, Extent, Shape};

/// The rows of this family.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: &[".dvalloc"],
        syntax: "[/b Address] [/r] Size",
        summary: "allocate memory in the target",
        manual: "Allocates memory in the current process, as many bytes as the size rounded up to \
            whole pages, filled with zeros, and shows where. It can be read, written and, unless \
            the system forbids that, executed. /b chooses where, at the begin of a page, by an \
            expression without blanks; what is there already is not replaced. /r only takes the \
            addresses, and nothing can be accessed there. One of the process's threads makes the \
            call and is then as it was. What is not freed is freed when the process is left.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(allocate),
    },
    Command {
        names: &[".dvfree"],
        syntax: "[/d] Address Size",
        summary: "free memory of the target",
        manual: "Frees memory of the current process, as many bytes from the address on as the \
            size rounded up to whole pages; a size of 0 frees all that .dvalloc has allocated \
            there. /d gives the memory back but keeps its addresses taken, and nothing can be \
            accessed there any more. It is also done to memory that the program itself has mapped.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(free),
    },
];

fn allocate(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let (mut at, mut is_reserved) = (None, false);
    loop {
        let syntax = arguments.syntax_error();
        match arguments.option() {
            None => break,
            Some("r" | "R") => is_reserved = true,
            Some("b" | "B") => {
                // As a word: what follows it may be an option, and no quotient.
                let word = arguments.word();
                let value = expr::evaluate(word, &context.expressions());
                let value = value.map_err(|error| CommandError::Expression(error.message(word)))?;
                at = Some(Address::new(value));
            }
            Some(_) => return Err(syntax),
        }
        arguments.skip_blanks();
    }
    let len = arguments.expression(&context.expressions())?;
    arguments.finish()?;
    let engine = &mut *context.engine;
    let (range, note) = if is_reserved {
        (engine.allocate_memory(at, len, Protection::NONE)?, "")
    } else {
        match engine.allocate_memory(at, len, Protection::ALL) {
            Ok(range) => (range, ""),
            Err(error) if error.kind() == ErrorKind::NotPermitted => {
                // Writable memory that can be executed is what a hardened system forbids.
                let range = engine.allocate_memory(at, len, Protection::READ_WRITE)?;
                (range, "The system does not let it be executed\n")
            }
            Err(error) => return Err(error.into()),
        }
    };
    let (len, start) = (range.len_bytes(), range.start());
    context.write(&format!("Allocated {len:x} bytes starting at {start}\n{note}"));
    Ok(Outcome::Done)
}

fn free(context: &mut Context<'_>, arguments: &mut Arguments<'_>) -> Result<Outcome, CommandError> {
    let syntax = arguments.syntax_error();
    let is_kept = match arguments.option() {
        None => false,
        Some("d" | "D") => true,
        Some(_) => return Err(syntax),
    };
    let start = arguments.address(&context.expressions())?;
    arguments.skip_separator();
    let len = arguments.expression(&context.expressions())?;
    arguments.finish()?;
    let freed = context.engine.free_memory(start, (len != 0).then_some(len))?;
    if is_kept {
        take_addresses(context, start, freed)?;
        context.write(&format!("Decommitted {freed:x} bytes starting at {start}\n"));
    } else {
        context.write(&format!("Freed {freed:x} bytes starting at {start}\n"));
    }
    Ok(Outcome::Done)
}

/// Takes addresses that have just become free. Nobody else has taken them: no thread has run.
fn take_addresses(
    context: &mut Context<'_>,
    start: Address,
    len: u64,
) -> Result<AddressRange, CommandError> {
    let taken = context.engine.allocate_memory(Some(start), len, Protection::NONE);
    taken.map_err(|error| error.context("the memory is freed, addresses and all").into())
}
