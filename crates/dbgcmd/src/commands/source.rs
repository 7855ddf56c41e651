//! Commands about the text of the source: listings, and what of it stops show. It finds no file
//! itself.

use std::sync::Arc;

use dbgbase::Address;
use dbgeng::{SourceFile, SourceLine};

use super::{Context, Outcome};
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::format;
use crate::registry::{Action, Command, Extent, Shape};
use crate::state::{Listing, SourceOptions};

/// How many lines a listing has.
const LINES_DEFAULT: usize = 10;
/// The most lines that one command lists.
const LINES_MAX: u64 = 100_000;
/// How many lines are shown in front of the one that is asked for.
const LINES_BEFORE: usize = 5;

/// The rows of this family.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: &["l+"],
        syntax: "[l|t|s|o|*]",
        summary: "show source, step by line",
        manual: "l shows places with file and line of the source, in stacks, at stops and in \
            listings; that is so from the beginning. t has p and t step by line of source, where \
            lines are known. s shows the text of the line at stops, o nothing else where there is \
            such a text. * switches all of them on. Without a letter the options are shown.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(switch_on),
    },
    Command {
        names: &["l-"],
        syntax: "[l|t|s|o|*]",
        summary: "show no source, step by instruction",
        manual: "Switches off what l+ switches on.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(switch_off),
    },
    Command {
        names: &["lsa"],
        syntax: "[Address [, Count]]",
        summary: "list the source of an address",
        manual: "Lists the lines of source around the one that an address belongs to, by default \
            that of the current instruction, which is marked. Count is how many, by default 10.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(list_at),
    },
    Command {
        names: &["ls"],
        syntax: "[First] [, Count]",
        summary: "list source",
        manual: "Lists lines of the file that was listed last, or of the current one. First is a \
            decimal number; by default the listing goes on where the last one ended. Count is how \
            many, by default 10.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(list),
    },
    Command {
        names: &["lsc"],
        syntax: "",
        summary: "show which file is listed",
        manual: "Shows the file that ls lists, and the next line.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(show_listed),
    },
    Command {
        names: &["lsf"],
        syntax: "File",
        summary: "choose the file to list",
        manual: "Chooses a file for ls: a path as the compiler saw it, or one of this machine.",
        shape: Shape::Word,
        extent: Extent::Line,
        action: Action::Run(choose),
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
    let letters = arguments.take_while(|letter| "ltso*".contains(letter));
    arguments.finish()?;
    let options = &mut context.state.source;
    for letter in letters.chars() {
        let all = letter == '*';
        if all || letter == 'l' {
            options.shows_lines = is_on;
        }
        if all || letter == 't' {
            options.steps_lines = is_on;
        }
        if all || letter == 's' {
            options.shows_text = is_on;
        }
        if all || letter == 'o' {
            options.shows_only_text = is_on;
        }
    }
    let text = describe(context.state.source);
    context.write(&text);
    Ok(Outcome::Done)
}

fn describe(options: SourceOptions) -> String {
    let rows = [
        (options.shows_lines, "l - places are shown with file and line"),
        (options.steps_lines, "t - p and t step by line"),
        (options.shows_text, "s - stops show the line's text"),
        (options.shows_only_text, "o - stops show nothing else where there is a text"),
    ];
    let mut text = "Source options are:\n".to_owned();
    for (_, row) in rows.iter().filter(|(is_on, _)| *is_on) {
        text.push_str(&format!("    {row}\n"));
    }
    if rows.iter().all(|(is_on, _)| !is_on) {
        text.push_str("    none\n");
    }
    text
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

/// The text of the file that an address's line is in.
///
/// **Shape**: `None` if there is no such line, or its file is nowhere.
pub(crate) fn text_of(
    context: &Context<'_>,
    at: Address,
) -> Result<Option<(SourceLine, Arc<SourceFile>)>, CommandError> {
    let Some(line) = context.engine.source_line(at) else { return Ok(None) };
    Ok(file_of(context, at, &line)?.map(|file| (line, file)))
}

/// The text of the file of a line, which is that of an address.
fn file_of(
    context: &Context<'_>,
    at: Address,
    line: &SourceLine,
) -> Result<Option<Arc<SourceFile>>, CommandError> {
    let module = context.engine.module_at(at).map(|module| module.name);
    Ok(context.engine.source_file(&line.file, module.as_deref())?)
}

fn list_at(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    arguments.skip_blanks();
    let is_here = arguments.is_empty() || arguments.rest().starts_with(',');
    let is_here = is_here || {
        // A dot alone is the frame's place as well.
        let rest = arguments.rest().strip_prefix('.').map(str::trim_start);
        let is_dot = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(','));
        is_dot && arguments.take_char('.')
    };
    let at = match is_here {
        true => context.pc()?,
        false => arguments.address(&context.expressions())?,
    };
    let count = count(arguments)?;
    let line = match context.chosen_frame()?.filter(|_| is_here) {
        Some(frame) => frame.source,
        None => context.engine.source_line(at),
    };
    let Some(line) = line else {
        return Err(CommandError::refused(format!("No line of source is known for {at}")));
    };
    let Some(file) = file_of(context, at, &line)? else {
        return Err(CommandError::refused(format!(
            "The source file {} is not found; .srcpath says where files are looked for",
            line.file
        )));
    };
    let number = line.line as usize;
    let first = number.saturating_sub(LINES_BEFORE).max(1);
    let text = format::source::rows(&file, first, count, Some(number));
    context.write(&text);
    let next = first.saturating_add(count);
    context.state.listing = Some(Listing { path: line.file, file, next });
    Ok(Outcome::Done)
}

/// Takes the count behind a comma.
fn count(arguments: &mut Arguments<'_>) -> Result<usize, CommandError> {
    arguments.skip_separator();
    let missing = arguments.syntax_error();
    let count = match arguments.is_empty() {
        true => LINES_DEFAULT as u64,
        false => u64::from(arguments.decimal()?.ok_or(missing)?),
    };
    arguments.finish()?;
    Ok(count.min(LINES_MAX) as usize)
}

fn list(context: &mut Context<'_>, arguments: &mut Arguments<'_>) -> Result<Outcome, CommandError> {
    arguments.skip_blanks();
    let first = arguments.decimal()?;
    let count = count(arguments)?;
    let mut listing = match context.state.listing.take() {
        Some(listing) => listing,
        None => current(context)?,
    };
    let first = first.map_or(listing.next, |first| first as usize).max(1);
    let text = format::source::rows(&listing.file, first, count, None);
    listing.next = first.saturating_add(count).min(listing.file.len() + 1);
    let is_over = text.is_empty();
    let end = format!("{} has {} lines", listing.path, listing.file.len());
    context.state.listing = Some(listing);
    if is_over {
        return Err(CommandError::refused(end));
    }
    context.write(&text);
    Ok(Outcome::Done)
}

/// The file of the current line.
fn current(context: &Context<'_>) -> Result<Listing, CommandError> {
    let pc = context.pc()?;
    let line = match context.chosen_frame()? {
        Some(frame) => frame.source,
        None => context.engine.source_line(pc),
    };
    let file = line.as_ref().map(|line| file_of(context, pc, line)).transpose()?.flatten();
    let found = line.zip(file).map(|(line, file)| Listing {
        next: (line.line as usize).saturating_sub(LINES_BEFORE).max(1),
        path: line.file,
        file,
    });
    found.ok_or_else(|| CommandError::refused("There is no source file to list; lsf chooses one"))
}

fn show_listed(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    arguments.finish()?;
    let text = match &context.state.listing {
        Some(listing) => format!("Current: {}({})\n", listing.path, listing.next),
        None => "No file is listed\n".to_owned(),
    };
    context.write(&text);
    Ok(Outcome::Done)
}

fn choose(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let path = arguments.take_rest();
    if path.is_empty() {
        return Err(arguments.syntax_error());
    }
    let Some(file) = context.engine.source_file(path, None)? else {
        return Err(CommandError::refused(format!("The source file {path} is not found")));
    };
    context.write(&format!("Current: {path}(1)\n"));
    context.state.listing = Some(Listing { path: path.into(), file, next: 1 });
    Ok(Outcome::Done)
}
