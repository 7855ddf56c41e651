//! The commands `r`, `rF` and its like, `rM` and `rm`: registers, parts of them, flags and
//! pseudo-registers, shown and set. What a name stands for is in `registers/place.rs`, which
//! registers belong together in `registers/sets.rs`.

mod place;
mod sets;

use super::{Context, Outcome};
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::registry::{Action, Command, Extent, Shape};
use place::Place;

pub(crate) use sets::{RegisterMask, masked};

/// The rows of this family.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: &["r"],
        syntax: "[Register[:[Count]Type] [= Value]] [, ...]",
        summary: "show or set registers",
        manual: "Alone, shows the registers that rm has chosen, at first the integer registers, \
            flags and segments of the current frame, and the instruction where it goes on. With \
            names, shows or sets these: registers, parts of them (eax, al, r8d), flags (zf, cf, \
            of, ...), $ip, $csp, $retreg and the user-defined $t0 to $t19; as far as the server's \
            machine has them st0 to st7, mm0 to mm7, xmm0 to xmm31, ymm0 to ymm31, zmm0 to zmm31, \
            k0 to k7, fpcw, fpsw, fptw, fop, fip, fdp, mxcsr and pkru. The debug registers dr0 to \
            dr3, dr6 and dr7 are shown, but not set: the process server uses them. A leading @ is \
            allowed. With = and nothing behind it, the value is asked for. A type after a colon \
            shows or sets a register as elements, the highest in front: ib, iw, id, iq are signed \
            integers of 1, 2, 4 and 8 bytes, ub, uw, ud, uq unsigned ones, f and d floating-point \
            numbers of 4 and 8 bytes; a count in front of it chooses so many, from the lowest on. \
            Vector registers without a type are taken as :f. Elements that are set are separated \
            by blanks, so an expression among them has none; fewer than there are set the lowest \
            ones, and the others stay. Floating-point numbers are decimal (1.5, -2e10, inf, nan); \
            those of st0 to st7 also sign, exponent and mantissa, as they are shown \
            (0:3fff:8000000000000000).",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(registers),
    },
    Command {
        names: &["rF", "rX", "rY", "rYI", "rZ", "rZI", "rK"],
        syntax: "",
        summary: "show floating-point and vector registers",
        manual: "Each is short for rM with a mask: rF for 4, the floating-point stack with its \
            control words; rX for 40, xmm0 to xmm15 and mxcsr; rY for 200, ymm0 to ymm15; rZ for \
            1000, zmm0 to zmm31; rYI and rZI for 400 and 2000, the same as integers; rK for 4000, \
            the AVX-512 mask registers. With names behind them they do what r does.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(show_named_set),
    },
    Command {
        names: &["rM"],
        syntax: "Mask",
        summary: "show the registers that a mask chooses",
        manual: "The bits of the mask are those of rm, and may be added up. Then shows the \
            instruction that the current thread stands at.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(show_mask),
    },
    Command {
        names: &["rm"],
        syntax: "[? | Mask]",
        summary: "choose the registers that r and stops show",
        manual: "Alone, shows which are chosen; with ?, which there are. The mask adds up 1 or 2 \
            for the integer registers, 4 for the floating-point stack, 8 for the segments, 10 for \
            MMX, 20 for the debug registers, 40 and 800 for xmm0 to xmm15 as floating-point \
            numbers and as integers, 200 and 400 for ymm0 to ymm15, 1000 and 2000 for zmm0 to \
            zmm31, 4000 for the AVX-512 masks. Bits for what the server's machine does not have \
            are ignored, with a word about it. At first the mask is a. What is chosen beyond the \
            integer registers and segments costs one more question to the server at each stop.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(choose_mask),
    },
];

fn registers(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    if arguments.is_empty() {
        let mask = context.state.register_mask;
        return show(context, mask);
    }
    let mut shown = Vec::new();
    loop {
        arguments.skip_separator();
        if arguments.is_empty() {
            break;
        }
        let bad = CommandError::Expression(format!("Bad register error in '{}'", arguments.rest()));
        arguments.take_char('@');
        let name = arguments
            .take_while(|next| next.is_ascii_alphanumeric() || next == '_' || next == '$')
            .to_ascii_lowercase();
        let place = Place::from_name(context, &name)?.ok_or(bad)?;
        let typed = place::element_type(arguments)?;
        arguments.skip_blanks();
        if arguments.take_char('=') {
            place.assign(context, arguments, &name, typed)?;
        } else {
            shown.push((place.text(context, &name, typed)?, place.is_wide()));
        }
    }
    if !shown.is_empty() {
        // Wide ones have lines of their own.
        let separator = if shown.iter().any(|(_, is_wide)| *is_wide) { "\n" } else { " " };
        let texts: Vec<String> = shown.into_iter().map(|(text, _)| text).collect();
        context.write(&format!("{}\n", texts.join(separator)));
    }
    Ok(Outcome::Done)
}

/// The registers of a mask, then where the thread is.
fn show(context: &mut Context<'_>, mask: RegisterMask) -> Result<Outcome, CommandError> {
    let text = masked(context.engine, mask)?;
    context.write(&text);
    context.write_location()?;
    Ok(Outcome::Done)
}

fn show_named_set(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    if !arguments.is_empty() {
        return registers(context, arguments);
    }
    let (mask, _) = RegisterMask::of_command(arguments.name()).on(context.engine);
    if mask.is_empty() {
        return Err(CommandError::refused("The server's machine has no such registers"));
    }
    show(context, mask)
}

fn show_mask(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    if arguments.is_empty() {
        return Err(arguments.syntax_error());
    }
    let value = arguments.expression(&context.expressions())?;
    if !arguments.is_empty() {
        return registers(context, arguments);
    }
    let mask = allowed(context, value);
    show(context, mask)
}

fn choose_mask(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    arguments.skip_blanks();
    if arguments.take_char('?') {
        arguments.finish()?;
        context.write("Register output mask options:\n");
        let (all, _) = RegisterMask::ALL.on(context.engine);
        context.write(&all.lines());
    } else if arguments.is_empty() {
        let mask = context.state.register_mask;
        let value = mask.value();
        context.write(&format!("Register output mask is {value:x}:\n{}", mask.lines()));
    } else {
        let value = arguments.expression(&context.expressions())?;
        arguments.finish()?;
        context.state.register_mask = allowed(context, value);
    }
    Ok(Outcome::Done)
}

/// A mask as it is typed, without what the machine does not have, about which a line is written.
fn allowed(context: &mut Context<'_>, value: u64) -> RegisterMask {
    let (mask, ignored) = RegisterMask::new(value).on(context.engine);
    if ignored != 0 {
        context.write(&format!("Ignored invalid bits {ignored:x}\n"));
    }
    mask
}
