//! The command `r`: registers, parts of them, flags and pseudo-registers, shown and set.

use dbgeng::expr::{self, EvalContext as _, ExprSettings, RegisterPart};

use super::{Context, Outcome};
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::format;
use crate::registry::{Action, Command, Extent, Shape};

/// The rows of this family.
pub(crate) const COMMANDS: &[Command] = &[Command {
    names: &["r"],
    syntax: "[Register [= Expression]] [, ...]",
    summary: "show or set registers",
    manual: "Alone, shows the integer registers, flags and segments of the current thread, and the \
        instruction it stands at. With names, shows or sets these: registers, parts of them (eax, \
        al, r8d), flags (zf, cf, of, ...), $ip, $csp, $retreg and the user-defined $t0 to $t19. A \
        leading @ is allowed. With = and nothing behind it, the value is asked for.",
    shape: Shape::Letters,
    extent: Extent::Semicolon,
    action: Action::Run(registers),
}];

/// What a name stands for.
enum Place {
    Register(RegisterPart),
    User(usize),
    /// A pseudo-register that can only be read.
    Value(u64),
}

fn registers(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    if arguments.is_empty() {
        let registers = context.engine.registers()?;
        context.write(&format::registers::all(&registers));
        context.write_location()?;
        return Ok(Outcome::Done);
    }
    let mut shown = Vec::new();
    loop {
        arguments.skip_separator();
        if arguments.is_empty() {
            break;
        }
        let bad = bad_register(arguments.rest());
        arguments.take_char('@');
        let name = arguments
            .take_while(|next| next.is_ascii_alphanumeric() || next == '_' || next == '$')
            .to_ascii_lowercase();
        let place = place(context, &name).ok_or(bad)?;
        arguments.skip_blanks();
        match arguments.peek() {
            Some(':') => {
                return Err(CommandError::refused(
                    "Types of registers are not available; name a part, as in r8d or al",
                ));
            }
            Some('=') => {
                arguments.take_char('=');
                assign(context, arguments, &name, place)?;
            }
            _ => shown.push(text(context, &name, place)?),
        }
    }
    if !shown.is_empty() {
        context.write(&format!("{}\n", shown.join(" ")));
    }
    Ok(Outcome::Done)
}

fn bad_register(rest: &str) -> CommandError {
    CommandError::Expression(format!("Bad register error in '{rest}'"))
}

fn place(context: &Context<'_>, name: &str) -> Option<Place> {
    if let Some(part) = RegisterPart::from_name(context.engine.server().arch, name) {
        return Some(Place::Register(part));
    }
    if let Some(index) = ExprSettings::user_register_index(name) {
        return Some(Place::User(index));
    }
    context.expressions().register(name).map(Place::Value)
}

fn text(context: &Context<'_>, name: &str, place: Place) -> Result<String, CommandError> {
    let (value, size_bits) = match place {
        Place::Register(part) => (part.read(&context.engine.registers()?), part.size_bits),
        Place::User(index) => {
            let value = context.state.expressions.user_registers.get(index);
            (value.copied().unwrap_or_default(), 64)
        }
        Place::Value(value) => (value, 64),
    };
    Ok(format::registers::one(name, value, size_bits))
}

fn assign(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
    name: &str,
    place: Place,
) -> Result<(), CommandError> {
    arguments.skip_blanks();
    let value = match arguments.is_empty() {
        true => asked_value(context)?,
        false => Some(arguments.expression(&context.expressions())?),
    };
    let Some(value) = value else { return Ok(()) };
    match place {
        Place::Register(part) => {
            let whole = context.engine.registers()?.get(part.register);
            context.engine.set_register(part.register, part.replace(whole, value))?;
        }
        Place::User(index) => {
            if let Some(register) = context.state.expressions.user_registers.get_mut(index) {
                *register = value;
            }
        }
        Place::Value(_) => {
            return Err(CommandError::refused(format!("{name} can be read, but not set")));
        }
    }
    Ok(())
}

/// Asks for a value, if somebody can be asked. An empty answer keeps the old value.
fn asked_value(context: &mut Context<'_>) -> Result<Option<u64>, CommandError> {
    let Some(answer) = context.output.input().and_then(|input| input.read_line("Input> ")) else {
        return Ok(None);
    };
    if answer.trim().is_empty() {
        return Ok(None);
    }
    expr::evaluate(&answer, &context.expressions())
        .map(Some)
        .map_err(|error| CommandError::Expression(error.message(&answer)))
}
