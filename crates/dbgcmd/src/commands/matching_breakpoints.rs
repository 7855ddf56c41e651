//! Breakpoints and names that mean several things: `bm`, which takes all that match, and what is
//! said of a name that means more than one.

use std::collections::BTreeMap;

use dbgbase::Address;
use dbgeng::{
    BreakpointId, BreakpointLocation, BreakpointSpec, ErrorKind, SymbolKind, SymbolMatch,
    ValueLimits,
};

use super::breakpoints::{Options, take_condition};
use super::symbol_list::is_function;
use super::{Context, Outcome};
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::format;

/// So many of the things that an ambiguous name may mean are shown.
const CHOICES_SHOWN_MAX: usize = 20;

/// What one breakpoint of `bm` is for.
struct Target {
    /// What the user would type for it, without module.
    name: String,
    module: String,
    addresses: Vec<Address>,
}

/// Sets a breakpoint at everything that matches.
pub(crate) fn set(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let mut options = Options::default();
    let (mut with_data, mut by_address, mut with_parameters) = (false, false, false);
    while let Some(option) = arguments.option() {
        match option {
            "1" => options.one_shot = true,
            "w" => options.condition = Some(take_condition(context, arguments)?),
            "a" => with_data = true,
            "d" => by_address = true,
            "(" => with_parameters = true,
            _ => {
                return Err(CommandError::refused(format!(
                    "The option /{option} of bm is not available"
                )));
            }
        }
    }
    let missing = arguments.syntax_error();
    let pattern = take_pattern(arguments).ok_or(missing)?;
    options.take_passes_and_command(context, arguments)?;
    let found = matching(context, pattern, with_data, with_parameters)?;
    if found.is_empty() {
        let hint = if with_data { "" } else { "; bm /a takes data as well" };
        return Err(CommandError::refused(format!(
            "No symbol matches '{pattern}', no breakpoints set{hint}"
        )));
    }
    let mut made = Vec::new();
    for target in targets(context, found, by_address, with_parameters) {
        match add(context, &options, target, by_address) {
            Ok(line) => made.push(line),
            Err(error) => {
                // All or none.
                for (id, _) in made {
                    context.engine.remove_breakpoint(id)?;
                }
                return Err(error);
            }
        }
    }
    let text: String = made.into_iter().map(|(_, line)| line).collect();
    context.write(&text);
    Ok(Outcome::Done)
}

/// Takes a pattern: up to a blank, or in the form `@!"..."`.
fn take_pattern<'t>(arguments: &mut Arguments<'t>) -> Option<&'t str> {
    arguments.skip_blanks();
    let rest = arguments.raw_rest();
    if let Some(quoted) = rest.strip_prefix("@!\"") {
        let len = quoted.find('"')?;
        arguments.take_str("@!\"".len() + len + 1);
        return quoted.get(..len);
    }
    let pattern = arguments.take_while(|character| !character.is_whitespace());
    (!pattern.is_empty()).then_some(pattern)
}

/// What matches a pattern and can have a breakpoint.
fn matching(
    context: &Context<'_>,
    pattern: &str,
    with_data: bool,
    with_parameters: bool,
) -> Result<Vec<SymbolMatch>, CommandError> {
    let (module, names) = pattern.split_once('!').unwrap_or(("*", pattern));
    // Tables know names without parameters; those are compared afterwards.
    let wider = names.split('(').next().filter(|_| with_parameters);
    let wider = wider.map(|path| format!("{module}!{path}*"));
    let mut found = context.engine.search_symbols(wider.as_deref().unwrap_or(pattern))?;
    if with_parameters {
        let wanted = dbgeng::NamePattern::new(names);
        found.retain(|symbol| wanted.matches(&context.engine.full_symbol_name(symbol)));
    }
    found.retain(|symbol| {
        let is_data = symbol.kind == SymbolKind::Data;
        let is_entry = is_function(symbol) && !is_part(&symbol.name);
        // Entries of the linkage table are asked for by their own names.
        let is_linkage = symbol.name.ends_with("@plt") && !names.contains('@');
        (is_entry || with_data && is_data) && !is_linkage
    });
    if found.is_empty() {
        // A function that was inlined everywhere is in no list of functions.
        match context.engine.resolve(pattern) {
            Ok(inlined) => found = inlined,
            Err(error) if error.kind() == ErrorKind::UnknownSymbol => {}
            Err(error) => return Err(error.into()),
        }
        found.retain(|symbol| symbol.kind == SymbolKind::Inlined);
    }
    Ok(found)
}

/// Whether a name is that of a part of a function that the compiler put elsewhere.
fn is_part(name: &str) -> bool {
    name.contains(" [clone ") || name.ends_with(".cold")
}

/// What gets a breakpoint each: every name, and every one of those that share it if parameters tell
/// them apart; or every address.
fn targets(
    context: &Context<'_>,
    found: Vec<SymbolMatch>,
    by_address: bool,
    with_parameters: bool,
) -> Vec<Target> {
    let target = |name: &str, symbol: &SymbolMatch| Target {
        name: name.to_owned(),
        module: symbol.module.clone(),
        addresses: vec![symbol.address],
    };
    if by_address {
        return found.iter().map(|symbol| target(&symbol.name, symbol)).collect();
    }
    let full: Vec<String> =
        found.iter().map(|symbol| context.engine.full_symbol_name(symbol)).collect();
    let mut forms: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for (symbol, full) in found.iter().zip(&full) {
        let forms = forms.entry((&symbol.module, &symbol.name)).or_default();
        if !forms.contains(&full.as_str()) {
            forms.push(full);
        }
    }
    let mut targets: Vec<Target> = Vec::new();
    for (symbol, full) in found.iter().zip(&full) {
        let forms = forms.get(&(symbol.module.as_str(), symbol.name.as_str()));
        let is_plain = !with_parameters && forms.is_none_or(|forms| forms.len() == 1);
        let name = if is_plain { &symbol.name } else { full };
        let known = targets
            .iter_mut()
            .find(|target| target.name == *name && target.module == symbol.module);
        match known {
            Some(known) if known.addresses.contains(&symbol.address) => {}
            Some(known) => known.addresses.push(symbol.address),
            None => targets.push(target(name, symbol)),
        }
    }
    targets
}

/// Makes one breakpoint; its number, and the line that tells of it.
fn add(
    context: &mut Context<'_>,
    options: &Options,
    target: Target,
    by_address: bool,
) -> Result<(BreakpointId, String), CommandError> {
    let Target { name, module, addresses } = target;
    let shown = format::symbols::name(&module, &name, true);
    let first = addresses.first().copied().unwrap_or(Address::ZERO);
    let location = match by_address {
        true => BreakpointLocation::Address(first),
        false => BreakpointLocation::Symbol(format!("{module}!{name}")),
    };
    let more = addresses.len() - 1;
    let spec = options.spec(context, None, BreakpointSpec::new(shown.clone(), location));
    let id = context.engine.add_breakpoint_at(spec, addresses)?;
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Ok((id, format!("{:>3}: {first} {shown}{more}\n", id.0)))
}

/// The error for a name that means several things. What they are is shown.
pub(crate) fn ambiguous(context: &mut Context<'_>, name: &str) -> CommandError {
    let found = match context.engine.resolve(name) {
        Ok(found) => found,
        Err(error) => return error.into(),
    };
    let details = context.engine.symbol_details(&found, ValueLimits::LINE).unwrap_or_default();
    let mut text = String::new();
    for (index, symbol) in found.iter().enumerate().take(CHOICES_SHOWN_MAX) {
        let full = context.engine.full_symbol_name(symbol);
        let source = context.engine.source_line(symbol.address);
        text.push_str(&format::symbols::choice(symbol, &full, details.get(index), source.as_ref()));
    }
    if let Some(more) = found.len().checked_sub(CHOICES_SHOWN_MAX).filter(|more| *more > 0) {
        text.push_str(&format!("and {more} more\n"));
    }
    context.write(&text);
    CommandError::Expression(format!(
        "Ambiguous symbol error at '{name}'; bm sets a breakpoint at each"
    ))
}
