//! Commands that compute and print: `?`, `??`, `.formats`, `n`, `.echo`.

use dbgeng::expr::Radix;

use super::{Context, Outcome};
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::format::type_layout::Style;
use crate::registry::{Action, Command, Extent, Shape};
use crate::{format, help};

/// The rows of this family.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: &["?"],
        syntax: "[Expression]",
        summary: "evaluate an expression; alone, list the commands",
        manual: "Shows the value of the expression, signed decimal and hexadecimal. Numbers are \
            read in the current radix, at first 16; prefixes: 0x, 0n decimal, 0t octal, 0y binary. \
            A symbol stands for its address, and so does a variable of the current frame, which \
            hides a symbol of the same name ($!name is never anything else); a register stands for \
            its value in the current frame. @ marks a register, ! in front of a name that looks \
            like a number a symbol, @!\"text\" a symbol with any name. Operators, the strongest \
            first: + - not hi low by wo dwo qwo poi in front of their operand; * / mod %; + -; << \
            >> >>>; = == < > <= >= !=; and &; xor ^; or |. by, wo, dwo, qwo and poi read 1, 2, 4, \
            8 bytes and a pointer from memory. All values have 64 bits and no sign.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(evaluate),
    },
    Command {
        names: &["??"],
        syntax: "Expression",
        summary: "evaluate a C++ expression",
        manual: "Shows the value of a C++ expression with its type; of a record its members. Names \
            are variables of the current frame, members of the object that its function is called \
            for, what the frame's file has for itself, its enumerators as well, and what the \
            program has, with module! and scopes in front; :: leaves the first two out; functions \
            are their addresses. There are members (a.b, p->b; a dot will do for both), indices, \
            * and &, casts to types by name ((char)x, (struct node *)p), which move pointers to \
            bases and back as C++ does, sizeof, the operators of C without \
            assignments and calls, and a ? b : c. Numbers are decimal, 0x marks hexadecimal ones \
            and a leading 0 octal ones; @ marks a register, which is an unsigned number of 64 \
            bits, and @@masm(...) an expression as ? reads them. Integers have the sizes and signs \
            of their types, and arithmetic wraps as in C; a pointer moves by the size of what it \
            points to.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(evaluate_cxx),
    },
    Command {
        names: &[".formats"],
        syntax: "Expression",
        summary: "show a number in many formats",
        manual: "Shows the value of the expression as hexadecimal, decimal, octal and binary \
            number, as characters, time, and floating-point numbers.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(formats),
    },
    Command {
        names: &["n"],
        syntax: "[8 | 10 | 16]",
        summary: "show or set the radix",
        manual: "The base in which numbers without a prefix are read. The parameter is always \
            decimal.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(radix),
    },
    Command {
        names: &[".echo"],
        syntax: "[Text | \"Text\"]",
        summary: "print text",
        manual: "Prints the text up to the next ;, or what stands in double quotes.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(echo),
    },
];

fn evaluate(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    if arguments.is_empty() {
        context.write(&help::overview());
        return Ok(Outcome::Done);
    }
    let value = value(context, arguments)?;
    context.write(&format::numbers::evaluated(value));
    Ok(Outcome::Done)
}

fn evaluate_cxx(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    if arguments.is_empty() {
        return Err(arguments.syntax_error());
    }
    let text = arguments.take_rest();
    let value = context.engine.evaluate_cxx(text, &context.state.expressions);
    let value = value.map_err(|error| CommandError::Expression(error.message(text)))?;
    let line = format!("{} {}", value.type_name, value.text);
    let mut text = format!("{}\n", line.trim_end());
    text.push_str(&format::type_layout::rows(&value.rows, Style::default()));
    context.write(&text);
    Ok(Outcome::Done)
}

fn formats(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let value = value(context, arguments)?;
    context.write(&format::numbers::formats(value));
    Ok(Outcome::Done)
}

/// The value of the expression that is all there is, kept for `$exp`.
fn value(context: &mut Context<'_>, arguments: &mut Arguments<'_>) -> Result<u64, CommandError> {
    let value = arguments.expression(&context.expressions())?;
    arguments.finish()?;
    context.state.expressions.last_value = value;
    Ok(value)
}

fn radix(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    arguments.skip_blanks();
    let syntax = arguments.syntax_error();
    if let Some(base) = arguments.decimal()? {
        context.state.expressions.radix = Radix::from_value(u64::from(base)).ok_or(syntax)?;
    }
    arguments.finish()?;
    context.write(&format!("base is {}\n", context.state.expressions.radix.value()));
    Ok(Outcome::Done)
}

fn echo(context: &mut Context<'_>, arguments: &mut Arguments<'_>) -> Result<Outcome, CommandError> {
    let text = arguments.take_rest();
    let quoted = text.strip_prefix('"').map(|inside| inside.strip_suffix('"').unwrap_or(inside));
    context.write(&format!("{}\n", quoted.unwrap_or(text)));
    Ok(Outcome::Done)
}
