//! Commands about lines of source: which of them are shown and stepped. It finds no file and steps
//! nothing itself.

use super::{Context, Outcome};
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::registry::{Action, Command, Extent, Shape};
use crate::state::SourceOptions;

/// The rows of this family.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: &["l+"],
        syntax: "[l|*]",
        summary: "show lines of source",
        manual: "l shows places with file and line of the source, in stacks, at stops and in \
            listings; that is so from the beginning. * switches every option on. Without a letter \
            the options are shown.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(switch_on),
    },
    Command {
        names: &["l-"],
        syntax: "[l|*]",
        summary: "show no lines of source",
        manual: "Switches off what l+ switches on.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(switch_off),
    },
    Command {
        names: &[".lines"],
        syntax: "[-e|-d|-t]",
        summary: "whether places are shown with lines of source",
        manual: "-e switches them on, -d off, -t or no option to the other. As l+l and l-l.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(lines),
    },
];

fn switch_on(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    switch(context, arguments, true)
}

fn switch_off(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    switch(context, arguments, false)
}

fn switch(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
    is_on: bool,
) -> Result<Outcome, CommandError> {
    let letters = arguments.take_while(|letter| "l*".contains(letter));
    arguments.finish()?;
    if !letters.is_empty() {
        context.state.source.shows_lines = is_on;
    }
    let text = describe(context.state.source);
    context.write(text);
    Ok(Outcome::Done)
}

fn describe(options: SourceOptions) -> &'static str {
    match options.shows_lines {
        true => "Source options are:\n    l: places are shown with their lines of source\n",
        false => "Source options are:\n    none\n",
    }
}

fn lines(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    arguments.skip_blanks();
    let is_on = match arguments.take_while(|letter| !letter.is_whitespace()) {
        "" | "-t" => !context.state.source.shows_lines,
        "-e" => true,
        "-d" => false,
        _ => return Err(arguments.syntax_error()),
    };
    arguments.finish()?;
    context.state.source.shows_lines = is_on;
    let state = if is_on { "on" } else { "off" };
    context.write(&format!("Line number information is {state}\n"));
    Ok(Outcome::Done)
}
