//! Commands about where symbols and sources come from: `.sympath`, `.symfix`, `.reload`, `!sym`,
//! `.srcpath`.

use super::{Context, Outcome, modules};
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::registry::{Action, Command, Extent, Shape};

/// The rows of this family.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: &[".reload"],
        syntax: "[/f] [/i] [/u] [Module]",
        summary: "look for symbols again",
        manual: "Modules are known without this command, and symbols are looked for when they are \
            needed. It forgets those of the named modules, or of all, and asks servers again that \
            had failed. With /f, or a module, they are loaded now; /u only forgets them. With /i, \
            files of another build will do where there is nothing better; lm marks such modules \
            with M.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(reload),
    },
    Command {
        names: &[".sympath", ".sympath+"],
        syntax: "[Element[;...]]",
        summary: "show or set the symbol path",
        manual: "Where files with symbols are looked for beside their own places. An element is a \
            directory of this machine; srv*URL, srv*Directory*URL or debuginfod:URL, a debuginfod \
            server and a directory that keeps what it gives; cache*Directory, which keeps what the \
            servers to its right give; or srv* alone: the servers that DEBUGINFOD_URLS names, or \
            else the public one. The servers in DEBUGINFOD_URLS are asked last in any case. What \
            no element keeps elsewhere is kept in ~/.cache/dbgsrv/symbols. .sympath+ adds to the \
            path.",
        shape: Shape::Word,
        extent: Extent::Line,
        action: Action::Run(symbol_path),
    },
    Command {
        names: &[".symfix", ".symfix+"],
        syntax: "[Directory]",
        summary: "use the default server of symbols",
        manual: "Sets the symbol path to srv*: the servers that DEBUGINFOD_URLS names, or else \
            https://debuginfod.elfutils.org. What they give is kept in the directory, if one is \
            named. .symfix+ adds to the path.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(fix_symbol_path),
    },
    Command {
        names: &["!sym"],
        syntax: "[noisy | quiet]",
        summary: "show where symbols are looked for",
        manual: "After !sym noisy, each command shows in which places symbols were looked for, and \
            what was found there. Servers that cannot be asked are told of in any case.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(noise),
    },
    Command {
        names: &[".srcpath", ".srcpath+"],
        syntax: "[Element[;...]]",
        summary: "show or set the source path",
        manual: "Where the text of source files is looked for. An element is a directory of this \
            machine, below which a file is looked for with as much as possible of the path that \
            the compiler saw; From=To, for what was below the directory From when it was compiled \
            and is below To here; or DebugInfoD*URL, a server to ask. Next come the compiler's own \
            path on this machine, files that are kept, the server's machine, and the debuginfod \
            servers of the symbol path. .srcpath+ adds to the path.",
        shape: Shape::Word,
        extent: Extent::Line,
        action: Action::Run(source_path),
    },
];

fn reload(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let (mut is_forced, mut takes_mismatched, mut only_forgets) = (false, false, false);
    while let Some(option) = arguments.option() {
        match option {
            "f" => is_forced = true,
            "i" => takes_mismatched = true,
            "u" => only_forgets = true,
            "d" | "n" | "o" | "s" | "v" | "w" => {}
            _ => {
                return Err(CommandError::refused(format!("'.reload /{option}' is not available")));
            }
        }
    }
    let pattern = arguments.word();
    arguments.finish()?;
    if pattern.is_empty() {
        context.engine.reload_symbols(None, takes_mismatched)?;
        if is_forced && !only_forgets {
            modules::load_matching(context, "*")?;
        }
        return Ok(Outcome::Done);
    }
    for module in modules::matching(context, pattern)? {
        context.engine.reload_symbols(Some(&module.name), takes_mismatched)?;
    }
    if only_forgets { Ok(Outcome::Done) } else { modules::load_matching(context, pattern) }
}

fn symbol_path(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let (is_added, typed) = take_path(arguments);
    if !typed.is_empty() {
        set_symbol_path(context, typed, is_added);
    }
    let (path, expanded) = (context.engine.symbol_path(), context.engine.expanded_symbol_path());
    let shown = if path.is_empty() { "<none>" } else { path };
    let mut text = format!("Symbol search path is: {shown}\n");
    if expanded != path && !path.is_empty() {
        text += &format!("Expanded Symbol search path is: {expanded}\n");
    }
    context.write(&text);
    Ok(Outcome::Done)
}

fn fix_symbol_path(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let (is_added, directory) = take_path(arguments);
    let path = match directory {
        "" => "srv*".to_owned(),
        directory => format!("cache*{directory};srv*"),
    };
    set_symbol_path(context, &path, is_added);
    Ok(Outcome::Done)
}

fn set_symbol_path(context: &mut Context<'_>, path: &str, is_added: bool) {
    let path = joined(context.engine.symbol_path(), path, is_added);
    context.engine.set_symbol_path(&path);
}

/// Takes what was typed for a path, and whether it is to be added to the old one.
fn take_path<'t>(arguments: &mut Arguments<'t>) -> (bool, &'t str) {
    let is_added = arguments.name().ends_with('+') || arguments.take_char('+');
    (is_added, arguments.take_rest().trim_matches('"'))
}

/// A new path, or the old one with more.
fn joined(old: &str, typed: &str, is_added: bool) -> String {
    match is_added && !old.is_empty() {
        true => format!("{old};{typed}"),
        false => typed.to_owned(),
    }
}

fn source_path(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let (is_added, typed) = take_path(arguments);
    if !typed.is_empty() {
        let path = joined(context.engine.source_path(), typed, is_added);
        context.engine.set_source_path(&path);
    }
    let path = context.engine.source_path();
    let shown = if path.is_empty() { "<none>" } else { path };
    let text = format!("Source search path is: {shown}\n");
    context.write(&text);
    Ok(Outcome::Done)
}

fn noise(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let unknown = arguments.syntax_error();
    match arguments.word() {
        "noisy" => context.state.shows_searches = true,
        "quiet" => context.state.shows_searches = false,
        "" => {}
        _ => return Err(unknown),
    }
    arguments.finish()?;
    let is_noisy = context.state.shows_searches;
    context.write(if is_noisy { "noisy mode\n" } else { "quiet mode\n" });
    Ok(Outcome::Done)
}
