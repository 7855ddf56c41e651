//! Pages of memory, each known as far as it was read. Pure: it does not know where bytes come from.
//!
//! ```text
//!   page  |--------########----|     # valid: bytes that were read
//!         0                    4096  - unknown, or unreadable if the page is marked so
//! ```

use std::collections::HashMap;

/// Bytes in a page: the smallest of all supported CPUs.
pub(crate) const PAGE_LEN: u64 = 4096;
const WORDS: usize = (PAGE_LEN / 64) as usize;

/// What is known of a debuggee's memory.
#[derive(Debug, Default)]
pub(super) struct PageCache {
    /// By page number, so that the last page of the address space needs no care.
    pages: HashMap<u64, Page>,
}

#[derive(Debug)]
struct Page {
    bytes: Box<[u8; PAGE_LEN as usize]>,
    /// One bit for each valid byte.
    valid: [u64; WORDS],
    /// Whether all bytes that are not valid are known to be unreadable.
    rest_unreadable: bool,
}

/// What a lookup found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Found {
    /// How many bytes of the head.
    pub(super) len: usize,
    /// Whether the byte behind them is known to be unreadable.
    pub(super) ends_unreadable: bool,
}

impl PageCache {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.pages.clear();
    }

    /// Keeps `bytes` as what lies at `address`. What passes the end of the address space is cut.
    pub(super) fn insert(&mut self, address: u64, bytes: &[u8]) {
        let mut rest = bytes;
        for (page, offset, len) in pieces(address, bytes.len() as u64) {
            let (now, later) = rest.split_at(len.min(rest.len()));
            self.pages.entry(page).or_insert_with(Page::unknown).insert(offset, now);
            rest = later;
        }
    }

    /// Keeps that the byte at `address` cannot be read, and so nothing behind it in its page.
    pub(super) fn insert_unreadable(&mut self, address: u64) {
        let page = self.pages.entry(address / PAGE_LEN).or_insert_with(Page::unknown);
        page.rest_unreadable = true;
    }

    /// Copies what is known of the head of a range.
    pub(super) fn read(&self, address: u64, buffer: &mut [u8]) -> Found {
        let mut done = 0;
        for (page, offset, len) in pieces(address, buffer.len() as u64) {
            let Some(page) = self.pages.get(&page) else { break };
            let known = page.valid_run(offset).min(len);
            let from = page.bytes.get(offset..offset + known).unwrap_or_default();
            if let Some(to) = buffer.get_mut(done..done + from.len()) {
                to.copy_from_slice(from);
            }
            done += known;
            if known < len {
                return Found { len: done, ends_unreadable: page.rest_unreadable };
            }
        }
        Found { len: done, ends_unreadable: false }
    }

    /// What must be read so that all readable bytes of a range are known: whole blocks of a size
    /// that divides a page, neighbours joined, as address and length. Pages that are known as far
    /// as the range touches them, and those that are known to be unreadable, are left out.
    pub(super) fn missing(&self, address: u64, len: u64, block_len: u64) -> Vec<(u64, u64)> {
        let mut missing: Vec<(u64, u64)> = Vec::new();
        for (number, offset, len) in pieces(address, len) {
            let is_known = self
                .pages
                .get(&number)
                .is_some_and(|page| page.rest_unreadable || page.valid_run(offset) >= len);
            if is_known {
                continue;
            }
            let first = offset as u64 / block_len * block_len;
            let start = number * PAGE_LEN + first;
            let wanted = (offset as u64 + len as u64).next_multiple_of(block_len) - first;
            match missing.last_mut() {
                Some((last, len)) if last.wrapping_add(*len) == start => *len += wanted,
                _ => missing.push((start, wanted)),
            }
        }
        missing
    }
}

impl Page {
    fn unknown() -> Page {
        let bytes = Box::new([0; PAGE_LEN as usize]);
        Page { bytes, valid: [0; WORDS], rest_unreadable: false }
    }

    fn insert(&mut self, offset: usize, bytes: &[u8]) {
        let Some(to) = self.bytes.get_mut(offset..offset + bytes.len()) else { return };
        to.copy_from_slice(bytes);
        let end = offset + bytes.len();
        let first = offset / 64;
        for (word, number) in self.valid.iter_mut().skip(first).zip(first..end.div_ceil(64)) {
            *word |= up_to(end, number) & !up_to(offset, number);
        }
    }

    /// How many bytes from `offset` on are valid without a gap.
    fn valid_run(&self, offset: usize) -> usize {
        let mut at = offset;
        while let Some(word) = self.valid.get(at / 64) {
            let ones = (word >> (at % 64)).trailing_ones() as usize;
            at += ones;
            if ones == 0 || !at.is_multiple_of(64) {
                break;
            }
        }
        at - offset
    }
}

/// The bits of the bytes in front of `end` that the word with this number holds.
fn up_to(end: usize, word: usize) -> u64 {
    match end.saturating_sub(word * 64) {
        count @ 0..64 => (1 << count) - 1,
        _ => u64::MAX,
    }
}

/// The pages a range touches: number, offset of the first byte, how many bytes. The range is cut at
/// the end of the address space.
fn pieces(address: u64, len: u64) -> impl Iterator<Item = (u64, usize, usize)> {
    let last = if len == 0 { None } else { Some(address.saturating_add(len - 1)) };
    let mut next = last.map(|_| address);
    std::iter::from_fn(move || {
        let (at, last) = (next?, last?);
        let page_end = at | (PAGE_LEN - 1);
        let end = page_end.min(last);
        next = if end == last { None } else { end.checked_add(1) };
        Some((at / PAGE_LEN, (at % PAGE_LEN) as usize, (end - at + 1) as usize))
    })
}

#[cfg(test)]
#[path = "page/tests.rs"]
mod tests;
