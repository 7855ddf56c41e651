//! The command `x`: symbols whose names match. It asks the engine and puts what it says in order.

use std::cmp::Reverse;

use dbgeng::expr;
use dbgeng::{SymbolDetails, SymbolKind, SymbolMatch, ValueLimits};

use super::locals::{self, Order};
use super::{Context, Outcome};
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::format;
use crate::format::locals::Columns;
use crate::format::symbols::SymbolColumns;

/// What `x` is asked for.
struct Wish {
    columns: SymbolColumns,
    addresses_only: bool,
    functions: bool,
    data: bool,
    size: Option<u64>,
    order: Order,
}

/// Lists symbols, or for a pattern without module variables of the current frame.
pub(crate) fn list(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let wish = options(context, arguments)?;
    if arguments.is_empty() {
        return Err(arguments.syntax_error());
    }
    let pattern = arguments.take_rest();
    if !pattern.contains('!') {
        let has_types = wish.columns.has_types;
        let columns =
            Columns { has_places: true, has_kinds: true, has_types, ..Columns::default() };
        return locals::show(context, pattern, columns, wish.order);
    }
    let mut found = context.engine.search_symbols(pattern)?;
    found.retain(|symbol| {
        let is_function = is_function(symbol);
        (!wish.functions || is_function) && (!wish.data || !is_function)
    });
    let needs_details = wish.columns.has_details
        || wish.columns.has_types
        || wish.columns.is_verbose
        || wish.size.is_some();
    let details = match needs_details {
        true => context.engine.symbol_details(&found, ValueLimits::LINE)?,
        false => found.iter().map(plain).collect(),
    };
    let mut rows: Vec<_> = found.iter().zip(&details).collect();
    rows.retain(|(_, details)| wish.size.is_none_or(|size| details.size == size));
    sort(&mut rows, wish.order);
    let text: String = rows
        .into_iter()
        .map(|(symbol, details)| match wish.addresses_only {
            true => format!("{}\n", details.address.unwrap_or(symbol.address)),
            false => format::symbols::row(symbol, details, wish.columns),
        })
        .collect();
    context.write(&text);
    Ok(Outcome::Done)
}

fn options(context: &mut Context<'_>, arguments: &mut Arguments<'_>) -> Result<Wish, CommandError> {
    let mut wish = Wish {
        columns: SymbolColumns::PLAIN,
        addresses_only: false,
        functions: false,
        data: false,
        size: None,
        order: Order::Declared,
    };
    let columns = &mut wish.columns;
    while let Some(option) = arguments.option() {
        match option {
            "0" => {
                wish.addresses_only = true;
                columns.has_details = false;
            }
            "1" => (columns.has_address, columns.has_details) = (false, false),
            "2" => columns.has_details = false,
            "f" => wish.functions = true,
            "d" => wish.data = true,
            "t" => columns.has_types = true,
            "v" | "V" => columns.is_verbose = true,
            "q" => columns.is_quoted = true,
            "p" => columns.is_tight = true,
            "s" => wish.size = Some(take_size(context, arguments)?),
            "n" | "N" => wish.order = Order::Name { is_reversed: option == "N" },
            "a" | "A" => wish.order = Order::Address { is_reversed: option == "A" },
            "z" | "Z" => wish.order = Order::Size { is_reversed: option == "Z" },
            // Links between commands are nothing for a terminal.
            "D" => {}
            _ => return Err(arguments.syntax_error()),
        }
    }
    Ok(wish)
}

/// Takes a number of bytes: one word, because what follows may look like an operator.
fn take_size(context: &Context<'_>, arguments: &mut Arguments<'_>) -> Result<u64, CommandError> {
    let word = arguments.word();
    expr::evaluate(word, &context.expressions())
        .map_err(|error| CommandError::Expression(error.message(word)))
}

/// Whether a symbol names code.
pub(crate) fn is_function(symbol: &SymbolMatch) -> bool {
    use SymbolKind::{Function, IndirectFunction, Inlined};
    matches!(symbol.kind, Function | IndirectFunction | Inlined)
}

/// A symbol of which nothing more is asked for.
fn plain(symbol: &SymbolMatch) -> SymbolDetails {
    SymbolDetails {
        address: (symbol.kind != SymbolKind::ThreadLocal).then_some(symbol.address),
        size: symbol.size,
        parameters: None,
        type_name: None,
        value: None,
    }
}

fn sort(rows: &mut [(&SymbolMatch, &SymbolDetails)], order: Order) {
    let name =
        |(symbol, _): &(&SymbolMatch, &SymbolDetails)| (symbol.module.clone(), symbol.name.clone());
    match order {
        Order::Declared => {}
        Order::Name { is_reversed: false } => rows.sort_by_cached_key(name),
        Order::Name { is_reversed: true } => rows.sort_by_cached_key(|row| Reverse(name(row))),
        Order::Address { is_reversed: false } => rows.sort_by_key(|(_, it)| it.address),
        Order::Address { is_reversed: true } => rows.sort_by_key(|(_, it)| Reverse(it.address)),
        Order::Size { is_reversed: false } => rows.sort_by_key(|(_, it)| it.size),
        Order::Size { is_reversed: true } => rows.sort_by_key(|(_, it)| Reverse(it.size)),
    }
}
