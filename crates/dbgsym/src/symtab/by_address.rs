//! Which symbol an address lies in. Symbols overlap, nest, share starts and lack sizes; all of that
//! is decided once, by cutting the addresses into spans that do not overlap, so that a question is
//! one binary search. Also here: which of several names for one place is the best.

use std::cmp::{Ordering, Reverse};
use std::ops::Range;

use super::{Entry, SymbolKind, SymbolTable};

/// A run of addresses and the symbol they lie in.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u64,
    end: u64,
    index: u32,
}

/// All spans by address.
#[derive(Debug)]
pub(super) struct Spans(Vec<Span>);

impl Spans {
    pub(super) fn new(table: &SymbolTable) -> Spans {
        let order = ordered(table);
        let mut spans = sized_spans(table, &order);
        let gaps = unsized_spans(table, &order, &spans);
        spans.extend(gaps);
        spans.sort_unstable_by_key(|span| span.start);
        Spans(spans)
    }

    pub(super) fn containing(&self, address: u64) -> Option<u32> {
        let behind = self.0.partition_point(|span| span.start <= address);
        let span = self.0.get(behind.checked_sub(1)?)?;
        (address < span.end).then_some(span.index)
    }
}

/// The entries that have an address: by address, and the best name last of those that share one.
fn ordered(table: &SymbolTable) -> Vec<u32> {
    let mut order: Vec<u32> = (0..table.addressed_count as u32).collect();
    let address = |index: &u32| table.entry(*index).map_or(0, |entry| entry.address);
    // Entries are in address order already; only runs of equal addresses need sorting.
    for run in order.chunk_by_mut(|a, b| address(a) == address(b)) {
        if run.len() > 1 {
            run.sort_by(|a, b| table.preference(*b, *a));
        }
    }
    order
}

/// Spans of the symbols with a size. A sweep over the starts, with the symbols that have begun and
/// not ended on a stack; the top one owns the addresses up to the next start.
fn sized_spans(table: &SymbolTable, order: &[u32]) -> Vec<Span> {
    let mut sweep = Sweep { spans: Vec::new(), open: Vec::new(), at: 0 };
    for index in order {
        let Some(entry) = table.entry(*index).filter(|entry| entry.size_bytes > 0) else {
            continue;
        };
        sweep.advance(entry.address);
        let limit = table.area_end(entry.address).unwrap_or(entry.address);
        let end = entry.address.saturating_add(entry.size_bytes).min(limit);
        sweep.open.push((end, *index));
    }
    sweep.advance(u64::MAX);
    sweep.spans
}

struct Sweep {
    spans: Vec<Span>,
    /// End and entry of the symbols that have begun, the latest last.
    open: Vec<(u64, u32)>,
    at: u64,
}

impl Sweep {
    /// Gives the addresses up to `to` to the open symbols.
    fn advance(&mut self, to: u64) {
        while let Some((end, index)) = self.open.last().copied() {
            if end > self.at {
                let end = end.min(to);
                if end > self.at {
                    self.spans.push(Span { start: self.at, end, index });
                    self.at = end;
                }
                if self.at == to {
                    return;
                }
            }
            self.open.pop();
        }
        self.at = to;
    }
}

/// Spans of the symbols without a size, in the gaps that `sized` leaves.
fn unsized_spans(table: &SymbolTable, order: &[u32], sized: &[Span]) -> Vec<Span> {
    let mut spans = Vec::new();
    let address = |index: &u32| table.entry(*index).map_or(0, |entry| entry.address);
    let mut groups = order.chunk_by(|a, b| address(a) == address(b)).peekable();
    let mut next_sized = 0;
    while let Some(group) = groups.next() {
        let Some(best) = group.last() else {
            continue;
        };
        let start = address(best);
        while sized.get(next_sized).is_some_and(|span| span.end <= start) {
            next_sized += 1;
        }
        let next_start = sized.get(next_sized).map_or(u64::MAX, |span| span.start);
        let next_symbol = groups.peek().and_then(|group| group.first()).map_or(u64::MAX, address);
        let limit = table.area_end(start).unwrap_or(start);
        let end = next_start.min(next_symbol).min(limit);
        if start < end {
            spans.push(Span { start, end, index: *best });
        }
    }
    spans
}

impl SymbolTable {
    /// Where the loaded section or segment around `address` ends.
    fn area_end(&self, address: u64) -> Option<u64> {
        let behind = self.areas.partition_point(|area: &Range<u64>| area.start <= address);
        let area = self.areas.get(behind.checked_sub(1)?)?;
        (address < area.end).then_some(area.end)
    }

    /// Which of two names for one place people should see: `Less` is the better one.
    ///
    /// Names a linker can see beat local ones; a known kind beats a bare label; the default version
    /// beats others; a size beats none; fewer leading underscores are better, so that libc's `puts`
    /// and `write` are called that and not `_IO_puts` and `__write`; then global beats weak, longer
    /// size and shorter name win, and the alphabet decides.
    pub(super) fn preference(&self, a: u32, b: u32) -> Ordering {
        let (Some(left), Some(right)) = (self.entry(a), self.entry(b)) else {
            return Ordering::Equal;
        };
        let rank = |entry: &Entry| {
            let is_local = entry.binding == super::SymbolBinding::Local;
            let is_label = matches!(entry.kind, SymbolKind::NoType | SymbolKind::PltEntry);
            (is_label, is_local, entry.is_hidden, entry.size_bytes == 0)
        };
        let names = (self.base_name(a), self.base_name(b));
        let underscores = |name: &[u8]| name.iter().take_while(|byte| **byte == b'_').count();
        rank(left)
            .cmp(&rank(right))
            .then_with(|| underscores(names.0).cmp(&underscores(names.1)))
            .then(left.binding.cmp(&right.binding))
            .then(Reverse(left.size_bytes).cmp(&Reverse(right.size_bytes)))
            .then(names.0.len().cmp(&names.1.len()))
            .then(names.0.cmp(names.1))
    }
}
