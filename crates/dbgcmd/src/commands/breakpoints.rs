//! Commands about breakpoints: `bp`, `bu`, `bm`, `ba`, `bl`, `bc`, `bd`, `be`.

use dbgbase::Address;
use dbgeng::expr::{self, ExprErrorKind, Program};
use dbgeng::{
    Access, BreakpointId, BreakpointLocation, BreakpointSpec, Condition, ErrorKind, SymbolKind,
    Watch,
};

use super::{Context, Outcome, matching_breakpoints};
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::format;
use crate::registry::{Action, Command, Extent, Shape};

/// The rows of this family.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: &["bp", "bu"],
        syntax: "[ID] [/1] [/w \"Condition\"] [Address [Passes]] [\"Commands\"]",
        summary: "set a breakpoint",
        manual: "Sets a breakpoint, by default at the instruction pointer. bp takes the address \
            that the expression has now; if it cannot be resolved, the breakpoint waits for a \
            module that has the symbol. `file:line` or `module!file:line` is a line of source, the \
            file given by the last parts of its path; the breakpoint is at every place that the \
            line has code, or the next line that has any. bu always keeps the symbol and finds it \
            again when modules come, before their constructors run. A name that means several \
            functions is refused, and they are shown: bm sets a breakpoint at each, and \
            @!\"f(int)\" means one by its parameters; names are written with the scopes around \
            them. ID, without a blank before it, \
            is its number; by default the smallest free one. Passes: the breakpoint stops at this \
            hit and those before are passed. /1: it is removed when it has been hit. /w: it stops \
            only where the expression is not 0; if the expression has no value, as when memory \
            cannot be read, it stops and says why. The process server evaluates it, so that hits \
            for which it is 0 cost little; one that asks for what only the debugger knows, as $t0, \
            costs a round trip each time. Commands are executed when it is reached by running; a \
            command that lets targets run ends them. In front of bp, bu and ba, ~N limits the \
            breakpoint to that thread.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(set),
    },
    Command {
        names: &["bm"],
        syntax: "[/a] [/d] [/(] [/1] [/w \"Condition\"] Pattern [Passes] [\"Commands\"]",
        summary: "set breakpoints on matching symbols",
        manual: "Sets a breakpoint at each function whose name matches the pattern, Module!Name, \
            both of which may hold wildcards; without a module it is looked for in all. Each has a \
            number of its own and keeps its symbol, as by bu; functions that share a name are told \
            apart by their parameters, and have one breakpoint together if those are the same, as \
            static functions of several files may be. A function that was inlined everywhere has \
            one at all copies, if its name is given without wildcards. /a takes data as well. /d \
            sets breakpoints at the addresses instead, as bp. /( compares the pattern with names \
            that include parameters, as f(int*; a pattern with blanks is written @!\"Pattern\". \
            Everything else is as for bp. A breakpoint made by bm is not extended to symbols of \
            modules that come later.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(matching_breakpoints::set),
    },
    Command {
        names: &["ba"],
        syntax: "[ID] Access Size [/1] [/w \"Condition\"] [Address [Passes]] [\"Commands\"]",
        summary: "break on access",
        manual: "Has the CPU watch memory, at full speed, in every thread. Access is w to stop \
            behind an instruction that writes, r behind one that reads or writes, e before the \
            instruction at the address is executed. Size is how many bytes, 1, 2, 4 or 8; the \
            address is a multiple of it. For e it is 1. All else is as for bp, but the address \
            must be known. There are few places that the CPU can watch, 4 on x86-64; when they \
            are all in use the next run says which breakpoints have them. What the kernel writes, \
            as read(2) does, is not seen. Nothing of the program's code changes, so that e \
            also serves where bp cannot be set or must not be seen.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(set),
    },
    Command {
        names: &["bl"],
        syntax: "[IDs]",
        summary: "list breakpoints",
        manual: "Lists breakpoints: number, e enabled or d disabled, u if its symbol is not \
            resolved, address, for ba access and size, passes left and at the beginning, process \
            and thread, symbol, commands. IDs are decimal numbers, ranges as 2-5, or *.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(list),
    },
    Command {
        names: &[".bpcmds"],
        syntax: "",
        summary: "show breakpoints as commands",
        manual: "Shows for each breakpoint the command that sets it, so that it can be kept and \
            executed later. Passes are those it had at the beginning.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(list_commands),
    },
    Command {
        names: &["bc"],
        syntax: "IDs",
        summary: "clear breakpoints",
        manual: "Removes breakpoints. IDs are decimal numbers, ranges as 2-5, or * for all.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(change),
    },
    Command {
        names: &["bd"],
        syntax: "IDs",
        summary: "disable breakpoints",
        manual: "Keeps breakpoints without effect until be enables them.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(change),
    },
    Command {
        names: &["be"],
        syntax: "IDs",
        summary: "enable breakpoints",
        manual: "Enables breakpoints that bd disabled.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(change),
    },
];

/// What all commands that set breakpoints take beside the place.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) one_shot: bool,
    pub(crate) condition: Option<Condition>,
    passes: u32,
    command: String,
}

impl Default for Options {
    fn default() -> Options {
        Options { one_shot: false, condition: None, passes: 1, command: String::new() }
    }
}

impl Options {
    /// Takes what follows the place, to the end.
    pub(crate) fn take_passes_and_command(
        &mut self,
        context: &Context<'_>,
        arguments: &mut Arguments<'_>,
    ) -> Result<(), CommandError> {
        arguments.skip_separator();
        let has_passes = arguments.peek().is_some_and(|next| next != '"');
        let passes = if has_passes { arguments.expression(&context.expressions())? } else { 1 };
        let passes = u32::try_from(passes).map_err(|_overflow| arguments.syntax_error())?;
        self.passes = passes.max(1);
        arguments.quoted()?.unwrap_or_default().clone_into(&mut self.command);
        arguments.finish()
    }

    /// The breakpoint that they make of one that says only where it is; limited to the current
    /// thread if a prefix chose that.
    pub(crate) fn spec(
        &self,
        context: &Context<'_>,
        id: Option<BreakpointId>,
        spec: BreakpointSpec,
    ) -> BreakpointSpec {
        BreakpointSpec {
            id,
            passes: self.passes,
            command: self.command.clone(),
            one_shot: self.one_shot,
            thread: if context.is_prefixed { context.engine.current() } else { None },
            condition: self.condition.clone(),
            ..spec
        }
    }
}

/// Sets a breakpoint; limited to the current thread if a prefix chose that.
pub(crate) fn set(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let id = arguments.decimal()?.map(BreakpointId);
    let watch = if arguments.name() == "ba" { Some(take_watch(arguments)?) } else { None };
    let mut options = Options::default();
    while let Some(option) = arguments.option() {
        match option {
            "1" => options.one_shot = true,
            "w" => options.condition = Some(take_condition(context, arguments)?),
            _ => {
                return Err(CommandError::refused(format!(
                    "The option /{option} of breakpoints is not available"
                )));
            }
        }
    }
    arguments.skip_blanks();
    let has_address = arguments.peek().is_some_and(|next| next != '"');
    let (expression, location) = if has_address {
        location(context, arguments)?
    } else {
        let pc = context.engine.registers()?.pc();
        (pc.to_string(), BreakpointLocation::Address(pc))
    };
    options.take_passes_and_command(context, arguments)?;
    let spec = options.spec(context, id, BreakpointSpec::new(expression, location));
    context.engine.add_breakpoint(BreakpointSpec { watch, ..spec })?;
    Ok(Outcome::Done)
}

/// Takes access and size.
fn take_watch(arguments: &mut Arguments<'_>) -> Result<Watch, CommandError> {
    let unknown = arguments.syntax_error();
    let access = match arguments.take_while(|letter| letter.is_ascii_alphabetic()) {
        "e" | "E" => Access::Execute,
        "w" | "W" => Access::Write,
        "r" | "R" => Access::ReadWrite,
        "i" | "I" => return Err(CommandError::refused("Input and output cannot be watched")),
        _ => return Err(unknown),
    };
    let missing = arguments.syntax_error();
    let len_bytes = arguments.decimal()?.ok_or(missing)?;
    Ok(Watch { access, len_bytes })
}

/// Takes a condition in double quotes.
pub(crate) fn take_condition(
    context: &Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Condition, CommandError> {
    let missing = arguments.syntax_error();
    let text = arguments.quoted()?.ok_or(missing)?;
    let radix = context.state.expressions.radix;
    // What is wrong with its text is told before the address is looked up.
    Program::compile_whole(text, radix)
        .map_err(|error| CommandError::Expression(error.message(text)))?;
    Ok(Condition { text: text.to_owned(), radix })
}

/// Takes the address as it was typed, and what it stands for.
fn location(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<(String, BreakpointLocation), CommandError> {
    let rest = arguments.raw_rest();
    let is_deferred = arguments.name() == "bu";
    let can_wait = arguments.name() != "ba";
    let evaluated = expr::evaluate_head(rest, &context.expressions());
    // Names with `<` and `{` are none in expressions.
    let is_path = |symbol: Symbol<'_>| symbol.name.contains(['<', '{']);
    let unresolved = match evaluated {
        _ if can_wait && symbol(rest).is_some_and(is_path) => true,
        Ok(_) => false,
        Err(error) if error.kind() == ExprErrorKind::Unresolved => true,
        Err(error) => {
            return Err(match symbol(rest) {
                Some(symbol) if error.kind() == ExprErrorKind::Ambiguous => {
                    matching_breakpoints::ambiguous(context, symbol.name)
                }
                _ => CommandError::Expression(error.message(rest)),
            });
        }
    };
    // A line may have code in several places, and all of them are meant.
    let is_line = rest.starts_with('`');
    if is_deferred || (unresolved || is_line) && can_wait {
        if let Some(symbol) = symbol(rest) {
            let typed = arguments.take_str(symbol.typed);
            let found = if unresolved { resolve(context, symbol.name)? } else { Vec::new() };
            if let (false, Some(address)) = (is_deferred || is_line, found.first()) {
                return Ok((typed.to_owned(), BreakpointLocation::Address(*address)));
            }
            if unresolved && !is_deferred && found.is_empty() {
                context.write(&format!(
                    "Bp expression '{typed}' could not be resolved, adding deferred bp\n"
                ));
            }
            // A line of the current file stays one of that file when another one is current.
            let name = context.engine.complete_line(symbol.name)?.into_owned();
            let typed = if name == symbol.name { typed } else { &name };
            return Ok((typed.to_owned(), BreakpointLocation::Symbol(name)));
        }
        if let Err(error) = evaluated {
            return Err(CommandError::Expression(error.message(rest)));
        }
    }
    let (value, typed) = arguments.typed_expression(&context.expressions())?;
    Ok((typed.to_owned(), BreakpointLocation::Address(Address::new(value))))
}

/// The address of what is called so, if anything is.
fn resolve(context: &mut Context<'_>, name: &str) -> Result<Vec<Address>, CommandError> {
    let mut found = match context.engine.resolve(name) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::UnknownSymbol => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    found.retain(|symbol| symbol.kind != SymbolKind::ThreadLocal);
    let mut addresses: Vec<_> = found.iter().map(|symbol| symbol.address).collect();
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.len() > 1 && !name.starts_with('`') {
        return Err(matching_breakpoints::ambiguous(context, name));
    }
    Ok(addresses)
}

/// A symbol that an expression consists of.
struct Symbol<'t> {
    name: &'t str,
    /// How many bytes were typed for it.
    typed: usize,
}

/// The symbol or line of source that `text` begins with, if no operator follows it.
fn symbol(text: &str) -> Option<Symbol<'_>> {
    let is_line = text.starts_with('`');
    let (name, typed) = match text.strip_prefix("@!\"") {
        Some(quoted) => {
            let len = quoted.find('"')?;
            (quoted.get(..len)?, "@!\"".len() + len + 1)
        }
        None if is_line => {
            let len = text.get(1..)?.find('`')? + 2;
            (text.get(..len)?, len)
        }
        None => {
            let is_end =
                |character: char| character.is_whitespace() || "\",+-*/%()[]@`".contains(character);
            let len = text.find(is_end).unwrap_or(text.len());
            (text.get(..len)?, len)
        }
    };
    let next = text.get(typed..)?.trim_start().chars().next();
    let is_alone = next.is_none_or(|next| !"+-*/%&|^<>=!(".contains(next));
    let is_name = name.starts_with(|first: char| first.is_alphabetic() || "_$?".contains(first));
    (is_alone && (is_name || is_line)).then_some(Symbol { name, typed })
}

fn list(context: &mut Context<'_>, arguments: &mut Arguments<'_>) -> Result<Outcome, CommandError> {
    arguments.option();
    let wanted = ids(arguments)?;
    if context.engine.is_connected() {
        context.engine.count_passes()?;
    }
    let mut text = String::new();
    for breakpoint in context.engine.breakpoints() {
        if wanted.is_empty() || wanted.contains(breakpoint.id) {
            let address = breakpoint.addresses.first();
            let symbol = address.and_then(|address| context.engine.symbol_at(*address));
            let source = address.filter(|_| context.state.source.shows_lines);
            let source = source.and_then(|address| context.engine.source_line(*address));
            let row = format::breakpoints::row(&breakpoint, symbol.as_ref(), source.as_ref());
            text.push_str(&row);
        }
    }
    context.write(&text);
    Ok(Outcome::Done)
}

fn list_commands(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    arguments.finish()?;
    let breakpoints = context.engine.breakpoints();
    let text: String = breakpoints.iter().map(format::breakpoints::command).collect();
    context.write(&text);
    Ok(Outcome::Done)
}

fn change(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let missing = arguments.syntax_error();
    let wanted = ids(arguments)?;
    if wanted.is_empty() {
        return Err(missing);
    }
    let known: Vec<BreakpointId> =
        context.engine.breakpoints().iter().map(|breakpoint| breakpoint.id).collect();
    for id in wanted.single_ids().filter(|id| !known.contains(id)) {
        context.write(&format!("Breakpoint {id} does not exist\n"));
    }
    for id in known.into_iter().filter(|id| wanted.contains(*id)) {
        match arguments.name() {
            "bc" => context.engine.remove_breakpoint(id)?,
            name => context.engine.enable_breakpoint(id, name == "be")?,
        }
    }
    Ok(Outcome::Done)
}

/// Numbers and ranges of numbers, both ends included.
#[derive(PartialEq, Eq, Debug, Default)]
struct Ids {
    ranges: Vec<(u32, u32)>,
}

impl Ids {
    fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    fn contains(&self, id: BreakpointId) -> bool {
        self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&id.0))
    }

    fn single_ids(&self) -> impl Iterator<Item = BreakpointId> {
        let singles = self.ranges.iter().filter(|(first, last)| first == last);
        singles.map(|(id, _)| BreakpointId(*id))
    }
}

/// Takes a list of numbers, separated by blanks or commas.
fn ids(arguments: &mut Arguments<'_>) -> Result<Ids, CommandError> {
    let mut ids = Ids::default();
    loop {
        arguments.skip_separator();
        if arguments.is_empty() {
            return Ok(ids);
        }
        if arguments.take_char('*') {
            ids.ranges.push((0, u32::MAX));
            continue;
        }
        let syntax = arguments.syntax_error();
        let Some(first) = arguments.decimal()? else { return Err(syntax) };
        let last = if arguments.take_char('-') { arguments.decimal()? } else { Some(first) };
        match last {
            Some(last) if first <= last => ids.ranges.push((first, last)),
            _ => return Err(syntax),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list_of(text: &str) -> Option<Vec<(u32, u32)>> {
        let mut arguments = Arguments::new(text, "bc", 2);
        ids(&mut arguments).ok().map(|ids| ids.ranges)
    }

    #[test]
    fn lists_of_numbers() {
        assert_eq!(list_of("bc"), Some(vec![]));
        assert_eq!(list_of("bc 1"), Some(vec![(1, 1)]));
        assert_eq!(list_of("bc 1 3,5"), Some(vec![(1, 1), (3, 3), (5, 5)]));
        assert_eq!(list_of("bc1-3"), Some(vec![(1, 3)]));
        assert_eq!(list_of("bc *"), Some(vec![(0, u32::MAX)]));
        for text in ["bc a", "bc 3-1", "bc 1-", "bc 99999999999", "bc -1"] {
            assert_eq!(list_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_symbol_alone_can_be_waited_for() {
        let name = |text| symbol(text).map(|symbol| (symbol.name, symbol.typed));
        assert_eq!(name("main"), Some(("main", 4)));
        assert_eq!(name("libfoo_so!foo 3 \"k\""), Some(("libfoo_so!foo", 13)));
        assert_eq!(name("foo \"k; g\""), Some(("foo", 3)));
        assert_eq!(name("ns::f"), Some(("ns::f", 5)));
        assert_eq!(name("@!\"f(int)\" 2"), Some(("f(int)", 10)));
        for text in ["foo+4", "foo + 4", "poi(foo)", "123", "@rip", "", "f (1)"] {
            assert_eq!(name(text), None, "{text}");
        }
    }
}
