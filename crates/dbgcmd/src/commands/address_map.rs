//! The commands that show what is mapped: `!address` and `!vprot`.

use dbgbase::{Address, AddressRange};

use super::{Context, Outcome};
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::format::regions::{self, Described, Usage};
use crate::registry::{Action, Command, Extent, Shape};

/// The rows of this family.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: &["!address"],
        syntax: "[Address | -summary | -f:Filter[,Filter ...]] [-o:{csv | tsv | 1}]",
        summary: "show the memory map",
        manual: "Shows what the current process has mapped: range, protection, and what it is used \
            for. With an address, all that is known of its region, or of the gap it lies in. \
            -summary adds up by usage and protection. -f: shows only some regions, also gaps; \
            filters are usages (Image, MappedFile, Shared, Heap, Stack, Kernel, Private, Free), \
            types (MEM_IMAGE, MEM_MAPPED, MEM_PRIVATE, MEM_FREE, MEM_COMMIT) and protections \
            (PAGE_READWRITE ...); a region must satisfy one filter of each of these sorts that \
            are given. -o:csv and -o:tsv show tables for other programs, -o:1 only where regions \
            begin.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(show_map),
    },
    Command {
        names: &["!vprot"],
        syntax: "[Address]",
        summary: "show the protection of memory",
        manual: "Shows the region that the address lies in, by default the instruction pointer: \
            its range, state, protection and type.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(show_protection),
    },
];

/// The protections that are filters.
const PROTECTIONS: [&str; 6] = [
    "PAGE_NOACCESS",
    "PAGE_READONLY",
    "PAGE_READWRITE",
    "PAGE_EXECUTE",
    "PAGE_EXECUTE_READ",
    "PAGE_EXECUTE_READWRITE",
];
/// The types that are filters.
const KINDS: [&str; 5] = ["MEM_FREE", "MEM_COMMIT", "MEM_IMAGE", "MEM_MAPPED", "MEM_PRIVATE"];

/// What is shown of the map.
#[derive(Default)]
struct Filter {
    usages: Vec<&'static str>,
    kinds: Vec<&'static str>,
    protections: Vec<&'static str>,
}

impl Filter {
    /// Adds one word; whether it is one.
    fn add(&mut self, word: &str) -> bool {
        let usages = Usage::ALL.map(Usage::name);
        let find = |words: &[&'static str]| {
            words.iter().find(|known| known.eq_ignore_ascii_case(word)).copied()
        };
        let before = self.len();
        self.usages.extend(find(&usages));
        self.kinds.extend(find(&KINDS));
        self.protections.extend(find(&PROTECTIONS));
        self.len() > before
    }

    fn len(&self) -> usize {
        self.usages.len() + self.kinds.len() + self.protections.len()
    }

    fn takes(&self, region: &Described) -> bool {
        if self.len() == 0 {
            return region.usage != Usage::Free;
        }
        let is_in = |words: &[&str], word: &str| words.is_empty() || words.contains(&word);
        let is_committed = self.kinds.contains(&"MEM_COMMIT") && region.usage != Usage::Free;
        is_in(&self.usages, region.usage.name())
            && (is_in(&self.kinds, region.kind()) || is_committed)
            && is_in(&self.protections, region.protection())
    }
}

/// How it is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Table,
    Separated(char),
    Addresses,
}

fn show_map(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let mut filter = Filter::default();
    let mut form = Form::Table;
    let mut is_summary = false;
    loop {
        let syntax = arguments.syntax_error();
        if !arguments.rest().starts_with(['-', '/']) {
            break;
        }
        // Filters are separated by commas, also with blanks behind them.
        let option = arguments.take_while(|character| !character.is_whitespace());
        let lower = option.get(1..).unwrap_or_default().to_ascii_lowercase();
        match lower.split_once(':') {
            None if lower == "summary" => is_summary = true,
            Some(("o", "csv")) => form = Form::Separated(','),
            Some(("o", "tsv")) => form = Form::Separated('\t'),
            Some(("o", "1")) => form = Form::Addresses,
            Some(("f", words)) if words.split(',').all(|word| filter.add(word)) => {}
            _ => return Err(syntax),
        }
    }
    if !arguments.is_empty() {
        let address = arguments.address(&context.expressions())?;
        arguments.finish()?;
        let map = map(context)?;
        let text = regions::details(at(&map, address)?);
        context.write(&text);
        return Ok(Outcome::Done);
    }
    let map = map(context)?;
    let mut text = String::new();
    if is_summary {
        text.push_str(&regions::summary(&map));
    } else {
        match form {
            Form::Table => text.push_str(&regions::heading()),
            Form::Separated(separator) => text.push_str(&regions::separated_heading(separator)),
            Form::Addresses => {}
        }
        for region in map.iter().filter(|region| filter.takes(region)) {
            text.push_str(&match form {
                Form::Table => regions::row(region),
                Form::Separated(separator) => regions::separated(region, separator),
                Form::Addresses => format!("0x{:x}\n", region.region.range.start()),
            });
        }
    }
    context.write(&text);
    Ok(Outcome::Done)
}

fn show_protection(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let address = if arguments.is_empty() {
        context.pc()?
    } else {
        arguments.address(&context.expressions())?
    };
    arguments.finish()?;
    let map = map(context)?;
    let text = regions::protection(at(&map, address)?);
    context.write(&text);
    Ok(Outcome::Done)
}

/// The region or gap that an address lies in.
fn at(map: &[Described], address: Address) -> Result<&Described, CommandError> {
    let region = map.iter().find(|region| region.region.range.contains(address));
    region
        .ok_or_else(|| CommandError::refused(format!("{address} is not an address of the program")))
}

/// What the current process has mapped, and the gaps between, in ascending order.
fn map(context: &Context<'_>) -> Result<Vec<Described>, CommandError> {
    let engine = &*context.engine;
    let modules = engine.modules()?;
    // A process that runs has stacks, too; only, nobody knows where.
    let stacks = stacks(context).unwrap_or_default();
    let map_end = Address::new(engine.server().arch.address_end());
    let mut map = Vec::new();
    let mut end = Address::new(0);
    let gap = |start: Address, end: Address| {
        AddressRange::new(start, end).filter(|range| !range.is_empty()).map(Described::free)
    };
    for region in engine.regions()? {
        map.extend(gap(end, region.range.start().min(map_end)));
        end = region.range.end();
        map.push(Described::new(region, &modules, &stacks));
    }
    map.extend(gap(end, map_end));
    Ok(map)
}

/// The stack pointers of the current process's threads.
fn stacks(context: &Context<'_>) -> Option<Vec<(Address, u32)>> {
    let engine = &*context.engine;
    let (number, _) = engine.current()?;
    let threads = engine.process(number).ok()?.threads();
    let stack = |thread: &dbgeng::Thread| {
        let registers = engine.thread_registers(number, thread.number).ok()?;
        Some((registers.sp(), thread.tid.value()))
    };
    Some(threads.into_iter().filter_map(stack).collect())
}
