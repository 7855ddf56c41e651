//! Commands about modules and symbols: `lm`, `x`, `ln`, `ld`.

use dbgbase::Address;
use dbgeng::ModuleView;

use super::{Context, Outcome, symbol_list};
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::format;
use crate::registry::{Action, Command, Extent, Shape};
use crate::wildcard::Wildcard;

/// The rows of this family.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: &["lm"],
        syntax: "[options] [a Address] [m Pattern | M Pattern]",
        summary: "list modules",
        manual: "Lists the modules of the current process: start, end, name, and what the debugger \
            has of their symbols; nothing is loaded for the list. a: only the module that contains \
            the address. m: only those whose name matches the pattern. M: only those whose path \
            does. Options, which may stand together: v details, l only modules with symbols, e \
            only modules whose symbols have a problem, o only loaded modules (all are), f or p the \
            file's path, n or i its name, t or c the build id, which stands for the time stamps \
            and checksums that ELF files do not have, 1m names only, sm sorted by name. D, k and u \
            mean nothing here.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(list_modules),
    },
    Command {
        names: &["x"],
        syntax: "[/0 | /1 | /2] [/f | /d] [/s Size] [/t] [/v] [/q] [/p] [/n | /a | /z] \
            Module!Pattern",
        summary: "list symbols",
        manual: "Lists the symbols of all modules whose name matches, with addresses: functions \
            with the types of their parameters, data with their values, as far as debugging \
            information tells them. Both parts of the pattern may hold wildcards. Statics of \
            functions are among them; those of libraries whose debugging information is not on \
            this machine only if the module is named without wildcards. /0 shows addresses only, \
            /1 names only, /2 both and nothing else; /f only functions, /d only data, /s only what \
            has so many bytes; /t also the types of data, /v also what they are and their sizes, \
            private (prv) or known by name only (pub); /q names in the form @!\"...\" that \
            expressions take as it is, /p parameters without a blank before them; /n sorts by \
            name, /a by address, /z by size, with a capital letter the other way round. A pattern \
            without ! is one of variables of the current frame, which are listed as by dv /i /v.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(symbol_list::list),
    },
    Command {
        names: &["ln"],
        syntax: "[Address]",
        summary: "show the nearest symbols",
        manual: "Shows the line of source of the address, the symbol at or before it and the one \
            behind it, by default for the current frame's instruction pointer, and which symbols \
            lie at the address itself.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(nearest),
    },
    Command {
        names: &["ld"],
        syntax: "Module",
        summary: "load a module's symbols",
        manual: "Loads the symbols of the modules whose name matches now, and shows what was \
            found. Without this command symbols are loaded when they are needed.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(load),
    },
];

/// What `lm` is asked for.
#[derive(Default)]
struct Selection {
    is_verbose: bool,
    names_only: bool,
    sorts_by_name: bool,
    with_symbols: bool,
    with_problems: bool,
    columns: format::modules::Columns,
    address: Option<Address>,
    name: Option<Wildcard>,
    path: Option<Wildcard>,
}

fn list_modules(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let selection = selection(context, arguments)?;
    let mut modules = context.engine.modules()?;
    modules.retain(|module| selection.takes(module));
    if selection.sorts_by_name {
        modules.sort_by(|a, b| a.name.cmp(&b.name));
    } else {
        modules.sort_by_key(|module| module.range.start());
    }
    let mut text = String::new();
    if !selection.names_only {
        text.push_str(format::modules::HEADING);
    }
    for module in &modules {
        text.push_str(&match (selection.names_only, selection.is_verbose) {
            (true, _) => format!("{}\n", module.name),
            (false, true) => format::modules::details(module),
            (false, false) => format::modules::row(module, selection.columns),
        });
    }
    context.write(&text);
    Ok(Outcome::Done)
}

/// Reads the letters of `lm`, which may stand together: `lmvm libc*`.
fn selection(
    context: &Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Selection, CommandError> {
    let mut selection = Selection::default();
    loop {
        arguments.skip_blanks();
        let unknown = arguments.syntax_error();
        let Some(letter) = arguments.peek() else { return Ok(selection) };
        arguments.take_char(letter);
        match letter {
            'v' | 'V' => selection.is_verbose = true,
            'l' => selection.with_symbols = true,
            'e' => selection.with_problems = true,
            'f' | 'p' => selection.columns.paths = true,
            'n' | 'i' => selection.columns.files = true,
            't' | 'c' => selection.columns.build_ids = true,
            'o' | 'D' | 'k' | 'u' => {}
            '1' if arguments.take_char('m') => selection.names_only = true,
            's' if arguments.take_char('m') => selection.sorts_by_name = true,
            'a' => selection.address = Some(arguments.address(&context.expressions())?),
            'm' => selection.name = Some(Wildcard::new(pattern(arguments)?)),
            'M' => selection.path = Some(Wildcard::new(pattern(arguments)?)),
            _ => return Err(unknown),
        }
    }
}

fn pattern<'t>(arguments: &mut Arguments<'t>) -> Result<&'t str, CommandError> {
    let pattern = arguments.word();
    if pattern.is_empty() { Err(arguments.syntax_error()) } else { Ok(pattern) }
}

impl Selection {
    fn takes(&self, module: &ModuleView) -> bool {
        use dbgeng::SymbolStatus::{Exports, Loaded, Mismatched, Missing, Packed};
        let has_symbols = matches!(module.status, Loaded { .. } | Packed { .. } | Exports { .. });
        let has_problem =
            matches!(module.status, Mismatched { .. } | Missing(_)) || module.files.is_mismatched;
        (!self.with_symbols || has_symbols)
            && (!self.with_problems || has_problem)
            && self.address.is_none_or(|address| module.range.contains(address))
            && self.name.as_ref().is_none_or(|name| name.matches(&module.name))
            && self.path.as_ref().is_none_or(|path| path.matches(&format::bytes(&module.path)))
    }
}

fn nearest(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let is_here = arguments.is_empty() || arguments.rest() == ".";
    let address = match is_here {
        true => context.pc()?,
        false => arguments.address(&context.expressions())?,
    };
    if is_here {
        arguments.take_rest();
    }
    arguments.finish()?;
    let source = match context.chosen_frame()?.filter(|_| is_here) {
        Some(frame) => frame.source,
        None => context.engine.source_line(address),
    };
    let source = source.filter(|_| context.state.source.shows_lines);
    let (before, after) = context.engine.symbols_near(address);
    let mut exact = Vec::new();
    if let Some(symbol) = before.as_ref().filter(|symbol| symbol.displacement == 0) {
        let name = format!("{}!{}", symbol.module, symbol.name);
        exact = context.engine.resolve(&name).unwrap_or_default();
        exact.retain(|symbol| symbol.address == address);
    }
    let text = format::code::nearest(before.as_ref(), after.as_ref(), &exact, source.as_ref());
    context.write(&text);
    Ok(Outcome::Done)
}

fn load(context: &mut Context<'_>, arguments: &mut Arguments<'_>) -> Result<Outcome, CommandError> {
    let pattern = pattern(arguments)?;
    arguments.finish()?;
    load_matching(context, pattern)
}

/// The modules whose name matches.
///
/// **Errors**: if there is none.
pub(crate) fn matching(
    context: &Context<'_>,
    pattern: &str,
) -> Result<Vec<ModuleView>, CommandError> {
    let wanted = Wildcard::new(pattern);
    let mut modules = context.engine.modules()?;
    modules.retain(|module| wanted.matches(&module.name));
    if modules.is_empty() {
        return Err(CommandError::refused(format!("No module matches '{pattern}'")));
    }
    Ok(modules)
}

/// Loads the symbols of the modules whose name matches, and shows each.
///
/// **Errors**: if there is none; those of the engine.
pub(crate) fn load_matching(
    context: &mut Context<'_>,
    pattern: &str,
) -> Result<Outcome, CommandError> {
    for module in matching(context, pattern)? {
        let loaded = context.engine.load_symbols(&module.name)?;
        context.write(&format::modules::row(&loaded, format::modules::Columns::default()));
    }
    Ok(Outcome::Done)
}
