//! The commands that display memory: `d`, `da` to `dyd`, and those with symbols, `dds` to `dqs`.

use dbgbase::Address;
use dbgeng::ErrorKind;

use super::{Context, Outcome};
use crate::arguments::{Arguments, Range};
use crate::error::CommandError;
use crate::format::memory::{self, Cell, Layout};
use crate::registry::{Action, Command, Extent, Shape};

/// The rows of this family.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: &[
            "d", "da", "db", "dc", "dd", "dD", "df", "dp", "dq", "du", "dw", "dW", "dyb", "dyd",
        ],
        syntax: "[/c Columns] [Range]",
        summary: "display memory",
        manual: "Shows memory as: a characters up to a NUL; b bytes and characters; c 32-bit \
            numbers and characters; d 32-bit numbers; D double-precision numbers; f \
            single-precision numbers; p pointers; q 64-bit numbers; u 16-bit characters up to a \
            NUL; w 16-bit numbers; W 16-bit numbers and characters; yb bits of bytes; yd bits of \
            32-bit numbers. d alone shows as the last such command did. Without a range, goes on \
            behind what was shown last, at first at the instruction pointer. Memory that cannot be \
            read is shown as question marks. dd and dD, dw and dW are told apart by case.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(display),
    },
    Command {
        names: &["dds", "dps", "dqs"],
        syntax: "[/c Columns] [Range]",
        summary: "display memory with symbols",
        manual: "Shows 32-bit numbers (dds), pointers (dps) or 64-bit numbers (dqs), each in a \
            line with the symbol that it is the address of.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(display),
    },
];

/// How many lines are read at once; one round trip each at most.
const LINES_AT_ONCE: usize = 256;
/// What is skipped behind memory that cannot be read: no mapping begins elsewhere.
const PAGE_LEN_BYTES: u64 = 4096;

fn display(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let last = context.state.last_display;
    let bytes = Layout::named("db");
    let layout = match arguments.name() {
        "d" => last.map(|(layout, _)| layout).or(bytes),
        name => Layout::named(name),
    };
    let mut layout = layout.ok_or(CommandError::Syntax(0))?;
    arguments.skip_blanks();
    if arguments.take_char('/') {
        if !(arguments.take_char('c') || arguments.take_char('C')) {
            return Err(arguments.syntax_error());
        }
        let columns = arguments.expression(&context.expressions())?;
        let columns = usize::try_from(columns).ok().filter(|columns| (1..=128).contains(columns));
        layout.columns = columns.ok_or_else(|| arguments.syntax_error())?;
    }
    arguments.skip_blanks();
    let next = || match last {
        Some((_, Some(next))) => Ok(next),
        _ => context.pc(),
    };
    let range = arguments.range_from(&context.expressions(), layout.size_bytes as u64, &next)?;
    arguments.finish()?;
    let range = range.map_or_else(|| next().map(Range::open), Ok)?;
    let next = match layout.cell {
        Cell::Text | Cell::WideText => show_text(context, layout, range)?,
        _ => show_rows(context, layout, range)?,
    };
    context.state.last_display = Some((layout, next));
    Ok(Outcome::Done)
}

/// Shows the range row by row and returns the address behind it, if there is one.
pub(crate) fn show_rows(
    context: &mut Context<'_>,
    layout: Layout,
    range: Range,
) -> Result<Option<Address>, CommandError> {
    let size = layout.size_bytes as u64;
    let row_len = layout.columns * layout.size_bytes;
    let mut left = range.count.unwrap_or(layout.count).saturating_mul(size);
    let mut address = Some(range.start);
    if left > 0 {
        context.write(&layout.heading());
    }
    while left > 0 {
        let Some(start) = address else { break };
        let wanted = left.min((row_len * LINES_AT_ONCE) as u64);
        // The last row of the address space is cut there.
        let room = (u64::MAX - start.value()).saturating_add(1).max(1);
        let len = usize::try_from(wanted.min(room)).unwrap_or(row_len);
        let bytes = read(context, start, len)?;
        let mut text = String::new();
        for (index, row) in bytes.chunks(row_len).enumerate() {
            let row_address = start.wrapping_offset((index * row_len) as i64);
            let engine = &*context.engine;
            text.push_str(&layout.row(row_address, row, &|address| engine.symbol_at(address)));
        }
        context.write(&text);
        let last_unit = bytes.rchunks(layout.size_bytes).next().and_then(memory::value);
        context.state.expressions.last_displayed = last_unit.unwrap_or_default();
        left -= wanted;
        address = start.checked_add(len as u64);
        check_interrupt(context)?;
    }
    Ok(address)
}

/// Shows characters up to a NUL, to the end of the range or to unreadable memory, and returns the
/// address behind them.
fn show_text(
    context: &mut Context<'_>,
    layout: Layout,
    range: Range,
) -> Result<Option<Address>, CommandError> {
    let size = layout.size_bytes;
    let row_len = layout.columns * size;
    let mut left = range.count.unwrap_or(layout.count);
    let mut address = range.start;
    loop {
        let count = usize::try_from(left).map_or(layout.columns, |left| left.min(layout.columns));
        let bytes = read(context, address, count * size)?;
        let is_nul = |unit: &[Option<u8>]| memory::value(unit) == Some(0);
        let end = bytes.chunks(size).position(is_nul);
        let shown = bytes.get(..end.unwrap_or(count) * size).unwrap_or(&bytes);
        if !shown.is_empty() || address == range.start {
            context.write(&layout.row(address, shown, &|_| None));
        }
        left -= count as u64;
        // The NUL is passed, too.
        let behind = end.map_or(row_len.min(bytes.len()), |end| (end + 1) * size);
        let Some(next) = address.checked_add(behind as u64) else { return Ok(None) };
        if end.is_some() || left == 0 || shown.iter().any(Option::is_none) {
            return Ok(Some(next));
        }
        address = next;
        check_interrupt(context)?;
    }
}

/// Reads `len` bytes; those that cannot be read are gaps.
fn read(
    context: &Context<'_>,
    start: Address,
    len: usize,
) -> Result<Vec<Option<u8>>, CommandError> {
    let mut bytes = Vec::with_capacity(len);
    let mut buffer = vec![0; len];
    while bytes.len() < len {
        let address = start.wrapping_offset(bytes.len() as i64);
        let wanted = buffer.get_mut(bytes.len()..).unwrap_or_default();
        let count = match context.engine.read_memory(address, wanted) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Unreadable => 0,
            Err(error) => return Err(error.into()),
        };
        bytes.extend(wanted.iter().take(count).copied().map(Some));
        if bytes.len() < len {
            let gap = start.wrapping_offset(bytes.len() as i64);
            let to_next_page = PAGE_LEN_BYTES - gap.value() % PAGE_LEN_BYTES;
            let end = bytes.len().saturating_add(to_next_page as usize).min(len);
            bytes.resize(end, None);
        }
    }
    Ok(bytes)
}

/// Stops a long display when the user asks for it.
fn check_interrupt(context: &Context<'_>) -> Result<(), CommandError> {
    if context.engine.take_interrupt() {
        return Err(CommandError::refused("Interrupted"));
    }
    Ok(())
}
