//! The command about types: `dt`.

use dbgeng::{ErrorKind, LayoutRow, TypeLayout, expr};

use super::{Context, Outcome};
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::format;
use crate::registry::{Action, Command, Extent, Shape};
use crate::wildcard::Wildcard;

/// The rows of this family.
pub(crate) const COMMANDS: &[Command] = &[Command {
    names: &["dt"],
    syntax: "[-r[N]] [-v] [Module!]Name [Field] [Address]",
    summary: "show a type or a variable",
    manual: "Shows the members of a type with their offsets and types, or with an address the \
        values that the object there has; of an enumeration the names. Types are named with the \
        scopes around them, as in shapes::Point. A variable of the current frame is shown with \
        its values; of a pointer or reference, what it leads to. A field chooses members, with \
        wildcards. In C, struct, union or enum before the name tells that a type is meant. -r \
        shows the members of members, down to N levels; -v also the size. A name with wildcards \
        lists the types that match.",
    shape: Shape::Letters,
    extent: Extent::Semicolon,
    action: Action::Run(show),
}];

/// How deep `-r` without a number goes.
const DEPTH_MAX: usize = 8;

fn show(context: &mut Context<'_>, arguments: &mut Arguments<'_>) -> Result<Outcome, CommandError> {
    let (mut depth, mut is_verbose) = (0, false);
    while let Some(option) = arguments.option() {
        match (option.strip_prefix('r').map(|digits| (digits, digits.parse())), option) {
            (Some(("", _)), _) => depth = DEPTH_MAX,
            (Some((_, Ok(number))), _) => depth = DEPTH_MAX.min(number),
            (_, "v") => is_verbose = true,
            (_, "t" | "n" | "o" | "i") => {}
            _ => return Err(CommandError::refused(format!("'dt -{option}' is not available"))),
        }
    }
    let mut name = arguments.word();
    let is_type = matches!(name, "struct" | "class" | "union" | "enum");
    if is_type {
        // In C these belong to the name; nothing else is called so.
        name = arguments.word();
    }
    if name.is_empty() {
        return Err(arguments.syntax_error());
    }
    if name.contains('*') || name.contains('?') {
        arguments.finish()?;
        let names = context.engine.type_names(name)?;
        let text: String = names.iter().map(|name| format!("          {name}\n")).collect();
        context.write(&text);
        return Ok(Outcome::Done);
    }
    arguments.skip_separator();
    let is_field = is_field(context, arguments.rest(), &members(context, name, is_type));
    let field = if is_field { Some(Wildcard::new(arguments.word())) } else { None };
    arguments.skip_separator();
    let address = match arguments.is_empty() {
        true => None,
        false => Some(arguments.address(&context.expressions())?),
    };
    arguments.finish()?;
    let local = match address {
        None if !is_type => local(context, name, depth)?,
        _ => None,
    };
    let text = match local {
        Some(layout) => heading(&layout) + &rows(&layout, field.as_ref()),
        None => {
            let layout = context.engine.type_layout(name, address, depth)?;
            let mut text = format!("{}!{}\n", layout.module, layout.name);
            if let Some(size) = layout.size_bytes.filter(|_| is_verbose) {
                text.push_str(&format!("   0x{size:x} bytes\n"));
            }
            let value = layout.value.as_deref().filter(|_| layout.rows.is_empty());
            text.push_str(&value.map(|value| format!("{value}\n")).unwrap_or_default());
            text + &rows(&layout, field.as_ref())
        }
    };
    context.write(&text);
    Ok(Outcome::Done)
}

/// What stands above the members of a variable.
fn heading(layout: &TypeLayout) -> String {
    let place = layout.address.map(|address| format!(" @ 0x{address}"));
    let mut text = format!("Local var{} Type {}\n", place.unwrap_or_default(), layout.name);
    // Of a pointer both are shown: where it points to, and what is there.
    let value = layout.value.as_deref().unwrap_or_default();
    match value.split_once(' ') {
        Some((pointer, _)) if !layout.rows.is_empty() && value.starts_with("0x") => {
            text.push_str(&format!("{pointer}\n"));
        }
        _ if layout.rows.is_empty() || value.starts_with("0x") => {
            text.push_str(&format!("{value}\n"));
        }
        _ => {}
    }
    text
}

/// The names of the members that a type or a variable has.
fn members(context: &Context<'_>, name: &str, is_type: bool) -> Vec<String> {
    let local = if is_type { None } else { local(context, name, 0).ok().flatten() };
    let layout = local.or_else(|| context.engine.type_layout(name, None, 0).ok());
    let rows = layout.into_iter().flat_map(|layout| layout.rows);
    rows.map(|row| row.name).collect()
}

/// Whether a member's name comes next: one that there is, or a word that is no address.
fn is_field(context: &Context<'_>, rest: &str, members: &[String]) -> bool {
    let word = rest.split([' ', ',']).next().unwrap_or_default();
    if members.iter().any(|member| member == word) {
        return true;
    }
    let is_word = word.starts_with(|first: char| first.is_alphabetic() || "_*?".contains(first));
    let evaluated = expr::evaluate_head(word, &context.expressions());
    is_word && !evaluated.is_ok_and(|(_, len)| len == word.len())
}

/// The variable of the current frame with this name, if there is one.
fn local(
    context: &Context<'_>,
    name: &str,
    depth: usize,
) -> Result<Option<TypeLayout>, CommandError> {
    let number = context.engine.current_frame();
    match context.engine.local_layout(number, name, depth) {
        // A frame without debugging information has no variables.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        found => Ok(found?),
    }
}

/// The rows of the members that were chosen, with those below them.
fn rows(layout: &TypeLayout, field: Option<&Wildcard>) -> String {
    let mut is_chosen = true;
    let mut chosen: Vec<LayoutRow> = Vec::new();
    for row in &layout.rows {
        if row.depth == 0 {
            is_chosen = field.is_none_or(|field| field.matches(&row.name));
        }
        if is_chosen {
            chosen.push(row.clone());
        }
    }
    format::locals::members(&chosen)
}
