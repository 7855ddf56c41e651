//! The commands that fill, compare and copy memory: `f`, `c`, `m`. The server does the work.

use std::time::{Duration, Instant};

use dbgbase::{Address, AddressRange};

use super::edit::{self, Unit};
use super::{Context, Outcome};
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::registry::{Action, Command, Extent, Shape};

/// The rows of this family; `s` is in a file of its own.
pub(crate) const COMMANDS: &[Command] = &[
    super::search::COMMAND,
    Command {
        names: &["f"],
        syntax: "Range Pattern",
        summary: "fill memory",
        manual: "Writes the pattern over and over, until the range is full. The pattern is one or \
            more bytes: numbers, 'c' characters or \"strings\". The server does the work.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(fill),
    },
    Command {
        names: &["c"],
        syntax: "Range Address",
        summary: "compare memory",
        manual: "Compares the range with as many bytes at the address, and shows each byte that \
            differs: its address and value in the range, then those at the other place. The \
            server does the work. Ctrl+C ends it.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(compare),
    },
    Command {
        names: &["m"],
        syntax: "Range Address",
        summary: "copy memory",
        manual: "Copies the range to the address, also where the two overlap. The range itself \
            stays as it is otherwise. The server does the work.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(copy),
    },
];

/// How long a command is quiet, and how often it says how far it is then.
const INTERVAL: Duration = Duration::from_secs(2);

/// Says now and then how far a long command is.
pub(super) struct Progress {
    doing: &'static str,
    range: AddressRange,
    since: Instant,
}

impl Progress {
    /// The command begins, which is `doing` something with a range.
    pub(super) fn begin(doing: &'static str, range: AddressRange) -> Progress {
        Progress { doing, range, since: Instant::now() }
    }

    /// The command has got to an address. A line, if it is time for one.
    pub(super) fn reach(&mut self, address: Address) -> Option<String> {
        let now = Instant::now();
        if now.duration_since(self.since) < INTERVAL {
            return None;
        }
        self.since = now;
        let done = address.offset_from(self.range.start()).unwrap_or_default();
        let percent = u128::from(done) * 100 / u128::from(self.range.len_bytes().max(1));
        Some(format!("*** {} up to {address}: {percent} % (Ctrl+C cancels)", self.doing))
    }
}

/// Takes a range, which needs a length, and returns its bytes. What would pass the end of the
/// address space is cut off.
pub(super) fn byte_range(
    context: &Context<'_>,
    arguments: &mut Arguments<'_>,
    size_bytes: u64,
) -> Result<AddressRange, CommandError> {
    let syntax = arguments.syntax_error();
    let range = arguments.range(&context.expressions(), size_bytes)?;
    let Some((start, Some(count))) = range.map(|range| (range.start, range.count)) else {
        return Err(syntax);
    };
    let len = count.saturating_mul(size_bytes).min(u64::MAX - start.value());
    AddressRange::with_len(start, len).ok_or(syntax)
}

fn fill(context: &mut Context<'_>, arguments: &mut Arguments<'_>) -> Result<Outcome, CommandError> {
    let range = byte_range(context, arguments, 1)?;
    let pattern = edit::values(context, arguments, Unit::Integer(1))?;
    if pattern.is_empty() {
        return Err(arguments.syntax_error());
    }
    let written = context.engine.fill_memory(range, &pattern)?;
    context.write(&format!("Filled 0x{written:x} bytes\n"));
    check_all(written, range, "written")
}

fn copy(context: &mut Context<'_>, arguments: &mut Arguments<'_>) -> Result<Outcome, CommandError> {
    let (range, other) = two_places(context, arguments)?;
    let copied = context.engine.copy_memory(range.start(), other, range.len_bytes())?;
    check_all(copied, range, "copied")
}

fn compare(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let (range, other) = two_places(context, arguments)?;
    let mut progress = Progress::begin("comparing", range);
    let (engine, output) = (&*context.engine, &mut *context.output);
    let len = range.len_bytes();
    let compared = engine.compare_memory(range.start(), other, len, &mut |differences, done| {
        let mut text = String::new();
        for difference in differences {
            let at = |start: Address| start.wrapping_offset(difference.offset as i64);
            text.push_str(&format!(
                "{}  {:02x} - {}  {:02x}\n",
                at(range.start()),
                difference.one,
                at(other),
                difference.other
            ));
        }
        output.write(&text);
        if let Some(line) = progress.reach(range.start().wrapping_offset(done as i64)) {
            output.progress(&line);
        }
    })?;
    check_all(compared, range, "compared")
}

/// Takes a range and the address behind it.
fn two_places(
    context: &Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<(AddressRange, Address), CommandError> {
    let range = byte_range(context, arguments, 1)?;
    arguments.skip_separator();
    let other = arguments.address(&context.expressions())?;
    arguments.finish()?;
    Ok((range, other))
}

/// That the whole range was dealt with.
fn check_all(done: u64, range: AddressRange, what: &str) -> Result<Outcome, CommandError> {
    if done < range.len_bytes() {
        let end = range.start().wrapping_offset(done as i64);
        let sentence = format!("Memory from {end} on could not be {what}");
        return Err(CommandError::refused(sentence));
    }
    Ok(Outcome::Done)
}
