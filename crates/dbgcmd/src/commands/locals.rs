//! Commands about the frame that is looked at, and its variables: `.frame`, `.f+`, `.f-`, `dv`.

use dbgeng::{Local, ValueLimits, ValuePlace};

use super::{Context, Outcome};
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::format;
use crate::format::locals::Columns;
use crate::registry::{Action, Command, Extent, Shape};
use crate::wildcard::Wildcard;

/// The rows of this family.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: &[".frame"],
        syntax: "[/c] [/r] [N]",
        summary: "show or choose the current frame",
        manual: "Makes frame N, as kn numbers them, the current one; without N, shows which is. \
            Its variables are shown by dv and have names in expressions; r shows its registers, \
            which expressions mean as well ($ip, @rsp), and u, uf, ln and lsa begin where it \
            executes. Registers that calls further in may have changed are dashes, and those of \
            callers cannot be set. N is in the current radix. The innermost frame, 0, is the \
            current one again when anything has run and when the current thread changes. /r also \
            shows the registers; with /c, k shows the stack from this frame on, until another one \
            is chosen.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(frame),
    },
    Command {
        names: &[".f+", ".f-"],
        syntax: "",
        summary: "go to the next frame out or in",
        manual: "Makes the frame that called the current one (.f+), or the one that it called \
            (.f-), the current one.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(next_frame),
    },
    Command {
        names: &["dv"],
        syntax: "[/f Address] [/i] [/t] [/v | /V] [/n | /a | /z] [Pattern]",
        summary: "show local variables",
        manual: "Shows the parameters and locals of the current frame, or those whose names match \
            the pattern, which may have wildcards. Signed integers are decimal (0n5), unsigned \
            ones hexadecimal (0x5); what has parts is in braces. /i shows whether each is a \
            parameter or a local, /t its type, /v where it is, /V also its distance from the \
            frame's stack pointer. /n sorts by name, /a by address, /z by size; with a capital \
            letter the other way round. /f shows what the function at an address has, whether or \
            not a thread is there; then only static variables have values. What the compiler did \
            not keep at this place has no value.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(variables),
    },
];

/// In which order variables are listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    /// As the program declares them.
    Declared,
    /// By their names.
    Name {
        /// The other way round.
        is_reversed: bool,
    },
    /// By their addresses; those without come last.
    Address {
        /// The other way round.
        is_reversed: bool,
    },
    /// By the number of their bytes.
    Size {
        /// The other way round.
        is_reversed: bool,
    },
}

fn frame(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let (mut has_registers, mut begins_stack) = (false, false);
    while let Some(option) = arguments.option() {
        match option {
            "r" => has_registers = true,
            "c" => begins_stack = true,
            _ => {
                return Err(CommandError::refused(format!("'.frame /{option}' is not available")));
            }
        }
    }
    let number = match arguments.is_empty() {
        true => context.engine.current_frame() as u64,
        false => arguments.expression(&context.expressions())?,
    };
    arguments.finish()?;
    choose(context, number, has_registers, begins_stack)
}

fn next_frame(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    arguments.finish()?;
    let current = context.engine.current_frame() as u64;
    let next = match arguments.name() {
        ".f+" => current.checked_add(1),
        _ => current.checked_sub(1),
    };
    let next = next.ok_or_else(|| CommandError::refused("This is the innermost frame"))?;
    choose(context, next, false, false)
}

fn choose(
    context: &mut Context<'_>,
    number: u64,
    has_registers: bool,
    begins_stack: bool,
) -> Result<Outcome, CommandError> {
    let number = usize::try_from(number).unwrap_or(usize::MAX - 8);
    let frame = context.engine.set_current_frame(number)?;
    context.state.next_code = None;
    context.state.stack_begins_at = begins_stack.then_some(number);
    let mut text = format::stack::one(&frame, context.state.source.shows_lines);
    if has_registers {
        let registers = context.engine.frame_registers(number)?;
        text.push_str(&format::registers::chosen(&registers, true, true));
    }
    context.write(&text);
    Ok(Outcome::Done)
}

fn variables(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let mut columns = Columns::default();
    let mut order = Order::Declared;
    let mut address = None;
    while let Some(option) = arguments.option() {
        match option {
            "i" => columns.has_kinds = true,
            "t" => columns.has_types = true,
            "v" => columns.has_places = true,
            "V" => {
                columns.has_places = true;
                let frame = context.engine.frame(context.engine.current_frame())?;
                columns.sp = Some(frame.sp);
            }
            "n" | "N" => order = Order::Name { is_reversed: option == "N" },
            "a" | "A" => order = Order::Address { is_reversed: option == "A" },
            "f" => address = Some(arguments.address(&context.expressions())?),
            "r" => {}
            "z" | "Z" => order = Order::Size { is_reversed: option == "Z" },
            _ => return Err(CommandError::refused(format!("'dv /{option}' is not available"))),
        }
    }
    arguments.skip_separator();
    let pattern = arguments.word();
    arguments.finish()?;
    let pattern = if pattern.is_empty() { "*" } else { pattern };
    match address {
        None => show(context, pattern, columns, order),
        Some(address) => {
            let found = context.engine.code_variables(address)?;
            write(context, found, pattern, columns, order);
            Ok(Outcome::Done)
        }
    }
}

/// Writes the variables of the current frame whose names match.
pub(crate) fn show(
    context: &mut Context<'_>,
    pattern: &str,
    columns: Columns,
    order: Order,
) -> Result<Outcome, CommandError> {
    let number = context.engine.current_frame();
    let found = context.engine.locals(number, ValueLimits::LINE)?;
    write(context, found, pattern, columns, order);
    Ok(Outcome::Done)
}

/// Writes those whose names match.
fn write(
    context: &mut Context<'_>,
    mut locals: Vec<Local>,
    pattern: &str,
    columns: Columns,
    order: Order,
) {
    let pattern = Wildcard::new(pattern);
    locals.retain(|local| pattern.matches(&local.name));
    sort(&mut locals, order);
    let text: String = locals.iter().map(|local| format::locals::row(local, columns)).collect();
    context.write(&text);
}

fn sort(locals: &mut [Local], order: Order) {
    let is_reversed = match order {
        Order::Declared => return,
        Order::Name { is_reversed } => {
            locals.sort_by(|a, b| a.name.cmp(&b.name));
            is_reversed
        }
        Order::Address { is_reversed } => {
            locals.sort_by_key(|local| match local.place {
                ValuePlace::Memory(address) => (0, Some(address)),
                _ => (1, None),
            });
            is_reversed
        }
        Order::Size { is_reversed } => {
            locals.sort_by_key(|local| local.size_bytes);
            is_reversed
        }
    };
    if is_reversed {
        locals.reverse();
    }
}
