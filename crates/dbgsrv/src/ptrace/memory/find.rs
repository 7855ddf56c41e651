//! What a search recognises in a window of bytes: a pattern, or strings. Pure; where the bytes come
//! from, and how a range is cut into windows, is no concern of it.

use dbgwire::verbs::bulk::{PATTERN_LEN_MAX, STRING_LEN_MAX, SearchKind, SearchMemory};
use dbgwire::{ErrorCode, Fault};
use memchr::memmem::Finder;

/// What is looked for.
pub(super) enum Wanted {
    /// Bytes, as they are or as a mask shows them.
    Pattern(Box<Pattern>),
    /// Runs of printable characters.
    Strings(Strings),
}

/// Something found in a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Found {
    /// Where in the window it begins.
    pub(super) at: usize,
    /// How many bytes it has.
    pub(super) len: usize,
    /// Where in the window the next one may begin.
    pub(super) next: usize,
}

impl Wanted {
    /// What a request asks for.
    ///
    /// **Errors**: [`ErrorCode::Malformed`], [`ErrorCode::TooLarge`], and
    /// [`ErrorCode::Unsupported`] for a kind of a later version.
    pub(super) fn of(request: &SearchMemory) -> Result<Wanted, Fault> {
        let alignment = u64::from(request.alignment.max(1));
        let len_min = (request.len_min.max(1) as usize).min(STRING_LEN_MAX);
        let strings = |width: usize| {
            let len_min = (len_min * width).min(STRING_LEN_MAX);
            Ok(Wanted::Strings(Strings { width, len_min, alignment }))
        };
        match SearchKind::try_from(request.kind) {
            Ok(SearchKind::Pattern) => {
                let pattern = Pattern::new(&request.pattern, &request.mask, alignment)?;
                Ok(Wanted::Pattern(Box::new(pattern)))
            }
            Ok(SearchKind::Ascii) => strings(1),
            Ok(SearchKind::Utf16) => strings(2),
            Err(_) => {
                let detail = format!("this server knows no search of kind {}", request.kind);
                Err(Fault::new(ErrorCode::Unsupported, detail))
            }
        }
    }

    /// Whether the strings found are to be told with their bytes.
    pub(super) fn is_strings(&self) -> bool {
        matches!(self, Wanted::Strings(_))
    }

    /// How much of a stretch of zeros has to be looked at on each of its sides, because something
    /// may be found that is partly in it; `None` if the middle has to be looked at as well.
    pub(super) fn reach_into_zeros(&self) -> Option<usize> {
        match self {
            Wanted::Pattern(pattern) if pattern.is_zeros() => None,
            Wanted::Pattern(pattern) => Some(pattern.bytes.len() - 1),
            Wanted::Strings(strings) => Some(strings.width),
        }
    }

    /// Finds everything in `window`, whose first byte is at `base`, and hands it to `found` in
    /// ascending order until that wants no more. `is_last` says that nothing follows the window.
    ///
    /// **Shape**: how many bytes of the window's end belong before the next window, because
    /// something that is not whole yet may begin there.
    pub(super) fn scan(
        &self,
        window: &[u8],
        base: u64,
        is_last: bool,
        found: impl FnMut(Found) -> bool,
    ) -> usize {
        match self {
            Wanted::Pattern(pattern) => {
                pattern.scan(window, base, found);
                window.len().min(pattern.bytes.len() - 1)
            }
            Wanted::Strings(strings) => strings.scan(window, base, is_last, found),
        }
    }
}

/// The bytes that are looked for.
pub(super) struct Pattern {
    /// Not empty. Bits that do not count are 0.
    bytes: Vec<u8>,
    /// As long as `bytes`; empty if every bit counts.
    mask: Vec<u8>,
    /// Finds the longest run of bytes that count whole, and where in the pattern that is; `None`
    /// if there is none.
    anchor: Option<(Finder<'static>, usize)>,
    alignment: u64,
}

impl Pattern {
    fn new(bytes: &[u8], mask: &[u8], alignment: u64) -> Result<Pattern, Fault> {
        if bytes.len() > PATTERN_LEN_MAX {
            let detail =
                format!("the pattern has {} bytes; the limit is {PATTERN_LEN_MAX}", bytes.len());
            return Err(Fault::new(ErrorCode::TooLarge, detail));
        }
        if bytes.is_empty() || !(mask.is_empty() || mask.len() == bytes.len()) {
            let detail = "a pattern has at least one byte, and its mask as many or none";
            return Err(Fault::new(ErrorCode::Malformed, detail));
        }
        let mask = if mask.iter().all(|bits| *bits == 0xff) { &[] } else { mask };
        let bits = |index| mask.get(index).copied().unwrap_or(0xff);
        let bytes: Vec<u8> =
            bytes.iter().enumerate().map(|(index, byte)| byte & bits(index)).collect();
        let mut whole = 0..if mask.is_empty() { bytes.len() } else { 0 };
        let mut start = 0;
        for run in mask.chunk_by(|one, other| (*one == 0xff) == (*other == 0xff)) {
            if run.first() == Some(&0xff) && run.len() > whole.len() {
                whole = start..start + run.len();
            }
            start += run.len();
        }
        let at = whole.start;
        let anchor = bytes.get(whole).filter(|whole| !whole.is_empty());
        let anchor = anchor.map(|whole| (Finder::new(whole).into_owned(), at));
        Ok(Pattern { mask: mask.to_vec(), bytes, anchor, alignment })
    }

    /// Whether zeros are what is looked for.
    fn is_zeros(&self) -> bool {
        self.bytes.iter().all(|byte| *byte == 0)
    }

    fn scan(&self, window: &[u8], base: u64, mut found: impl FnMut(Found) -> bool) {
        let mut from = 0;
        while let Some(at) = self.first(window, from) {
            let is_aligned = base.wrapping_add(at as u64).is_multiple_of(self.alignment);
            let is_whole = is_aligned && self.matches(window, at);
            if is_whole && !found(Found { at, len: self.bytes.len(), next: at + 1 }) {
                return;
            }
            from = at + 1;
        }
    }

    /// The first place from `from` on where the pattern may be.
    fn first(&self, window: &[u8], from: usize) -> Option<usize> {
        let last = window.len().checked_sub(self.bytes.len())?;
        let at = match &self.anchor {
            Some((finder, offset)) => {
                from + finder.find(window.get(from.checked_add(*offset)?..)?)?
            }
            None => from,
        };
        (at <= last).then_some(at)
    }

    fn matches(&self, window: &[u8], at: usize) -> bool {
        let Some(there) = window.get(at..at + self.bytes.len()) else { return false };
        let masked = there.iter().zip(&self.mask).map(|(byte, bits)| byte & bits);
        // Without a mask the anchor is the whole pattern.
        self.mask.is_empty() || masked.eq(self.bytes.iter().copied())
    }
}

/// Printable characters of ASCII, of `width` bytes each.
pub(super) struct Strings {
    width: usize,
    /// The shortest, in bytes.
    len_min: usize,
    alignment: u64,
}

impl Strings {
    fn scan(
        &self,
        window: &[u8],
        base: u64,
        is_last: bool,
        mut found: impl FnMut(Found) -> bool,
    ) -> usize {
        let width = self.width;
        // Characters of two bytes lie at even addresses.
        let skipped = (base % width as u64) as usize;
        let cells = window.get(skipped..).unwrap_or_default().chunks_exact(width);
        let rest = cells.remainder().len();
        let mut run = skipped..skipped;
        for cell in cells {
            if is_printable(cell) {
                run.end += width;
                if run.len() < STRING_LEN_MAX {
                    continue;
                }
            } else if run.is_empty() {
                run = run.end + width..run.end + width;
                continue;
            }
            let (is_wanted, end) = (self.is_wanted(&run, base), run.end);
            let next = if is_printable(cell) { end } else { end + width };
            if is_wanted && !found(Found { at: run.start, len: run.len(), next: end }) {
                return 0;
            }
            run = next..next;
        }
        if !is_last {
            return run.len() + rest;
        }
        if self.is_wanted(&run, base) {
            found(Found { at: run.start, len: run.len(), next: run.end });
        }
        0
    }

    fn is_wanted(&self, run: &std::ops::Range<usize>, base: u64) -> bool {
        let start = base.wrapping_add(run.start as u64);
        !run.is_empty() && run.len() >= self.len_min && start.is_multiple_of(self.alignment)
    }
}

fn is_printable(cell: &[u8]) -> bool {
    match cell {
        [low] | [low, 0] => matches!(low, b' '..=b'~'),
        _ => false,
    }
}

#[cfg(test)]
#[path = "find/tests.rs"]
mod tests;
