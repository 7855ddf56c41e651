//! Commands about modules and symbols: `lm`, `x`, `ln`, `ld`.

use dbgbase::Address;
use dbgeng::{ModuleView, SymbolKind, SymbolMatch};

use super::locals::{self, Order};
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
        syntax: "[/0 | /1 | /2] [/f | /d] [/v] [/n | /a] Module!Pattern",
        summary: "list symbols",
        manual: "Lists the symbols of all modules whose name matches, with addresses. Patterns may \
            hold wildcards. /0 shows addresses only, /1 names only, /2 both, which is the default; \
            /f only functions, /d only data, /v also what they are and their sizes; /n sorts by \
            name, /a by address. A pattern without ! is one of variables of the current frame, \
            which are listed as by dv /i /v.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(list_symbols),
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

/// Which columns `x` shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Address,
    Name,
    Both,
}

fn list_symbols(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let (mut shown, mut is_verbose) = (Shown::Both, false);
    let (mut functions, mut data) = (false, false);
    let (mut by_name, mut by_address) = (false, false);
    while let Some(option) = arguments.option() {
        match option {
            "0" => shown = Shown::Address,
            "1" => shown = Shown::Name,
            "2" => shown = Shown::Both,
            "f" => functions = true,
            "d" => data = true,
            "v" | "V" => is_verbose = true,
            "n" | "N" => by_name = true,
            "a" | "A" => by_address = true,
            "t" | "s" | "p" | "q" | "D" | "z" | "Z" => {}
            _ => return Err(arguments.syntax_error()),
        }
    }
    if arguments.is_empty() {
        return Err(arguments.syntax_error());
    }
    let pattern = arguments.take_rest();
    if !pattern.contains('!') {
        let columns = Columns { has_places: true, has_kinds: true, ..Columns::default() };
        return locals::show(context, pattern, columns, Order::Declared);
    }
    let mut found = context.engine.search_symbols(pattern)?;
    found.retain(|symbol| (!functions || is_function(symbol)) && (!data || !is_function(symbol)));
    if by_name {
        found.sort_by(|a, b| (&a.module, &a.name).cmp(&(&b.module, &b.name)));
    }
    if by_address {
        found.sort_by_key(|symbol| symbol.address);
    }
    let mut text = String::new();
    for symbol in &found {
        let name = format!("{}!{}", symbol.module, symbol.name);
        let details = if is_verbose { details(symbol) } else { String::new() };
        text.push_str(&match shown {
            Shown::Address => format!("{}\n", symbol.address),
            Shown::Name => format!("{details}{name}\n"),
            Shown::Both => format!("{details}{} {name}\n", symbol.address),
        });
    }
    context.write(&text);
    Ok(Outcome::Done)
}

fn is_function(symbol: &SymbolMatch) -> bool {
    matches!(symbol.kind, SymbolKind::Function | SymbolKind::IndirectFunction)
}

/// What a symbol is, and its size in bytes.
fn details(symbol: &SymbolMatch) -> String {
    let kind = match symbol.kind {
        SymbolKind::Function => "func",
        SymbolKind::IndirectFunction => "ifunc",
        SymbolKind::Inlined => "inline",
        SymbolKind::Data => "data",
        SymbolKind::ThreadLocal => "tls",
        SymbolKind::Other => "",
    };
    format!("pub {kind:<5} {:>8x} ", symbol.size)
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
