//! Searching a target's memory: which parts of it are looked at, in which pieces, and when a
//! request has had its share of work. What is recognised in the pieces is told by `find`.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dbgbase::{Address, Pid};
use dbgwire::Fault;
use dbgwire::verbs::bulk::{
    HITS_MAX, SCAN_LEN_MAX, STRINGS_LEN_MAX, SearchMemory, SearchMemoryReply,
};

use super::TargetMemory;
use super::find::{Found, Wanted};
use crate::ptrace::procfs::{self, Mapping};

/// How much is read at once. Small enough for a CPU's cache.
const PIECE_LEN: u64 = 256 * 1024;
/// Of how many pages it is asked at once whether there is something in them.
const LOOK_AHEAD: u64 = 8192;
/// How long one request may take, so that an interruption behind it does not wait for longer.
pub(super) const WORK_TIME: Duration = Duration::from_millis(200);

/// The bits of a pagemap's entry that say that there is something in the page: that it is in
/// memory, that it is swapped out (proc_pid_pagemap(5)).
const PRESENT_OR_SWAPPED: u64 = 1 << 63 | 1 << 62;

/// A part of the range that is mapped throughout.
#[derive(Clone, Copy)]
struct Span {
    start: u64,
    end: u64,
    /// Whether pages that the program has never touched are zeros.
    is_anonymous: bool,
}

/// Carries out one request of a search.
pub(in crate::ptrace) fn search(
    pid: Pid,
    memory: &TargetMemory,
    request: &SearchMemory,
) -> Result<(SearchMemoryReply, Bytes), Fault> {
    let wanted = Wanted::of(request)?;
    let maps = procfs::parse_maps(&procfs::read_shared(pid, "maps"));
    let spans = maps.iter().filter_map(|mapping| span(mapping, request));
    let hits_max = match request.hits_max {
        0 => HITS_MAX,
        asked => asked.min(HITS_MAX),
    };
    let mut search = Search {
        memory,
        wanted: &wanted,
        pagemap: procfs::living_thread(pid)
            .and_then(|tid| File::open(format!("/proc/{tid}/pagemap")).ok()),
        hits_max: hits_max as usize,
        buffer: Vec::new(),
        carried: 0,
        start: request.start,
        at: request.start,
        reply: SearchMemoryReply { next: request.end, ..SearchMemoryReply::default() },
        tail: Vec::new(),
        work_left: SCAN_LEN_MAX,
        deadline: Instant::now() + WORK_TIME,
        page_len: rustix::param::page_size() as u64,
    };
    if let Some(next) = search.run(spans) {
        search.reply.next = next;
    }
    Ok((search.reply, Bytes::from(search.tail)))
}

/// The part of a mapping that is searched.
fn span(mapping: &Mapping, request: &SearchMemory) -> Option<Span> {
    let readable = 1;
    let needed = request.protection | readable;
    let start = mapping.range.start().value().max(request.start);
    let end = mapping.range.end().value().min(request.end);
    let is_anonymous =
        [&b"[heap]"[..], b"[stack", b"[anon"].iter().any(|name| mapping.name.starts_with(name));
    let is_anonymous = is_anonymous || mapping.name.is_empty();
    (start < end && mapping.protection & needed == needed).then_some(Span {
        start,
        end,
        is_anonymous,
    })
}

/// Pages of which all, or none, have something in them.
struct Run {
    end: u64,
    is_there: bool,
}

/// A search under way.
struct Search<'a> {
    memory: &'a TargetMemory,
    wanted: &'a Wanted,
    pagemap: Option<File>,
    hits_max: usize,
    /// First what is carried over from the previous piece, then the present one.
    buffer: Vec<u8>,
    /// How much is carried over.
    carried: usize,
    /// Where the search began; it must get farther than that.
    start: u64,
    /// The address behind what is carried over.
    at: u64,
    reply: SearchMemoryReply,
    tail: Vec<u8>,
    work_left: u64,
    deadline: Instant,
    /// How long the system's pages are, each of which has an entry in the pagemap.
    page_len: u64,
}

impl Search<'_> {
    /// Looks at all spans. Where to go on, if that was too much.
    fn run(&mut self, spans: impl Iterator<Item = Span>) -> Option<u64> {
        for span in spans {
            if span.start != self.at
                && let Some(next) = self.skip_to(span.start)
            {
                return Some(next);
            }
            while self.at < span.end {
                if let Some(next) = self.piece(span) {
                    return Some(next);
                }
                let next = self.at - self.carried as u64;
                let is_over = self.work_left == 0 || Instant::now() >= self.deadline;
                if is_over && next > self.start {
                    return Some(next);
                }
            }
        }
        let at = self.at;
        self.skip_to(at)
    }

    /// Ends what is carried over, because nothing follows it, and goes on at `to`.
    fn skip_to(&mut self, to: u64) -> Option<u64> {
        let next = self.scan(self.carried, true);
        self.carried = 0;
        self.at = to;
        next
    }

    /// Looks at the next piece of a span.
    fn piece(&mut self, span: Span) -> Option<u64> {
        let piece_end = span.end.min((self.at / PIECE_LEN + 1) * PIECE_LEN);
        let run = span.is_anonymous.then(|| self.run_of_pages(piece_end, span.end)).flatten();
        let end = match run {
            Some(Run { end, is_there: false }) => return self.zeros(end - self.at),
            Some(Run { end, .. }) => end,
            None => piece_end,
        };
        let len = (end - self.at) as usize;
        self.buffer.resize(self.carried + len, 0);
        let piece = self.buffer.get_mut(self.carried..).unwrap_or_default();
        let count = self.memory.read_head(Address::new(self.at), piece);
        self.work_left = self.work_left.saturating_sub((count as u64).max(self.page_len));
        if count == 0 {
            let page_end = (self.at / self.page_len + 1) * self.page_len;
            return self.skip_to(page_end.min(span.end));
        }
        self.at += count as u64;
        self.scan(self.carried + count, false)
    }

    /// Looks at a run of pages that the program has never touched. They are zeros; reading them
    /// would give the target pages that it never asked for.
    fn zeros(&mut self, len: u64) -> Option<u64> {
        let Some(reach) = self.wanted.reach_into_zeros().filter(|reach| *reach as u64 <= len)
        else {
            let len = len.min(PIECE_LEN);
            self.work_left = self.work_left.saturating_sub(len);
            self.put_zeros(self.carried, len as usize);
            self.at += len;
            return self.scan(self.carried + len as usize, false);
        };
        self.put_zeros(self.carried, reach);
        self.at += reach as u64;
        if let Some(next) = self.scan(self.carried + reach, false) {
            return Some(next);
        }
        // Whatever began before the zeros has ended in them.
        self.at += len - reach as u64;
        self.put_zeros(0, reach);
        self.carried = reach;
        None
    }

    fn put_zeros(&mut self, start: usize, len: usize) {
        self.buffer.resize(self.buffer.len().max(start + len), 0);
        self.buffer.get_mut(start..start + len).unwrap_or_default().fill(0);
    }

    /// The run of pages from here on that are alike: up to `there_max` if there is something in
    /// them, up to `void_max` if not. `None` if the system does not tell.
    fn run_of_pages(&mut self, there_max: u64, void_max: u64) -> Option<Run> {
        let mut end = self.at / self.page_len * self.page_len;
        let mut is_first_there = None;
        let mut max = there_max;
        let mut entries = Vec::new();
        while end < max {
            let count = (max - end).div_ceil(self.page_len).min(LOOK_AHEAD);
            entries.resize(count as usize * 8, 0);
            self.pagemap.as_ref()?.read_exact_at(&mut entries, end / self.page_len * 8).ok()?;
            self.work_left = self.work_left.saturating_sub(count * 8);
            let word = |entry: &[u8]| entry.try_into().map_or(u64::MAX, u64::from_le_bytes);
            let mut are_there =
                entries.chunks_exact(8).map(|entry| word(entry) & PRESENT_OR_SWAPPED != 0);
            let wanted = *is_first_there.get_or_insert(are_there.clone().next()?);
            let alike = are_there.position(|is_there| is_there != wanted);
            end += alike.map_or(count, |pages| pages as u64) * self.page_len;
            max = if wanted { there_max } else { void_max };
            let is_enough = alike.is_some() || self.work_left == 0;
            if is_enough || Instant::now() >= self.deadline {
                break;
            }
        }
        Some(Run { end: end.min(max), is_there: is_first_there? })
    }

    /// Takes what is found in the first `len` bytes of the buffer, which end at `at`, and carries
    /// their end over. Where to go on, if that was the last hit that is wanted.
    fn scan(&mut self, len: usize, is_last: bool) -> Option<u64> {
        let window = self.buffer.get(..len).unwrap_or_default();
        let base = self.at - window.len() as u64;
        let (reply, tail) = (&mut self.reply, &mut self.tail);
        let (hits_max, is_strings) = (self.hits_max, self.wanted.is_strings());
        let mut next = None;
        let kept = self.wanted.scan(window, base, is_last, |found| {
            let Found { at, len, next: after } = found;
            reply.hits.push(base + at as u64);
            if is_strings {
                reply.lengths.push(len as u32);
                tail.extend_from_slice(window.get(at..at + len).unwrap_or_default());
            }
            let is_full = reply.hits.len() >= hits_max || tail.len() >= STRINGS_LEN_MAX;
            next = is_full.then_some(base + after as u64);
            !is_full
        });
        self.buffer.copy_within(len - kept..len, 0);
        self.carried = kept;
        next
    }
}
