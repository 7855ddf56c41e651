//! Searching, filling, comparing and copying memory: the server does the work, and is asked again
//! until all is done. Between two requests the user may cancel.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use dbgbase::{Address, AddressRange, TargetId};
use dbgwire::verbs::bulk::{
    BULK_WRITE_LEN_MAX, CompareMemory, CopyMemory, FillMemory, PATTERN_LEN_MAX, SearchKind,
    SearchMemory,
};
use dbgwire::{ErrorCode, Verb};

use super::{transfer, unreadable};
use crate::client::CallError;
use crate::{Engine, Error, ErrorKind};

/// What is searched for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SearchFor {
    /// Bytes.
    Pattern {
        /// The bytes, 1 to 4096.
        bytes: Vec<u8>,
        /// Which of their bits count; empty if all do, else as long as `bytes`.
        mask: Vec<u8>,
    },
    /// Strings of printable ASCII characters.
    Ascii {
        /// The shortest that counts.
        len_min: u32,
    },
    /// The same of 16-bit characters, at even addresses.
    Utf16 {
        /// The shortest that counts, in characters.
        len_min: u32,
    },
}

/// A search.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemorySearch {
    /// Where. What is not mapped, or not readable by the program, is passed over.
    pub range: AddressRange,
    /// What for.
    pub what: SearchFor,
    /// Only at multiples of this; 1 for everywhere.
    pub alignment: u32,
    /// Only what the program may write.
    pub is_writable_only: bool,
}

/// Something found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemoryHit {
    /// Where.
    pub address: Address,
    /// A string's bytes; empty for a pattern.
    pub text: Bytes,
}

/// A byte that differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryDifference {
    /// How far it is from the start.
    pub offset: u64,
    /// What the one range has.
    pub one: u8,
    /// What the other has.
    pub other: u8,
}

impl Engine {
    /// Searches memory of the current process. `found` is called after each of the server's
    /// answers, with what is new, in ascending order, and up to where all is searched.
    ///
    /// **Errors**: `Cancelled` when the user interrupts; `Invalid` for a pattern that is empty, too
    /// long, or of another length than its mask; `NoTarget`; those of the connection.
    /// **Cost**: one round trip for every 256 MiB that are mapped, fifth of a second, or 65,536
    /// hits.
    pub fn search_memory(
        &self,
        search: &MemorySearch,
        found: &mut dyn FnMut(Vec<MemoryHit>, Address),
    ) -> Result<(), Error> {
        let mut request = request(self.current_process()?.target, search)?;
        while request.start < request.end {
            let (reply, tail) = self.ask(&request, Bytes::new())?;
            // A server that does not move on is not asked for ever.
            if reply.next <= request.start {
                let message = "the server does not get on with the search";
                return Err(Error::new(ErrorKind::Internal, message));
            }
            request.start = reply.next;
            let lengths = reply.lengths.iter().map(|len| *len as usize).chain(std::iter::repeat(0));
            let mut tail = tail;
            let hits = reply.hits.iter().zip(lengths).map(|(address, len)| MemoryHit {
                address: Address::new(*address),
                text: tail.split_to(len.min(tail.len())),
            });
            found(hits.collect(), Address::new(reply.next.min(request.end)));
            self.check_cancelled(request.start < request.end)?;
        }
        Ok(())
    }

    /// Writes a pattern over and over, also into read-only pages.
    ///
    /// **Shape**: how many bytes of the head were written.
    /// **Errors**: `Unwritable` if not even the first could be; `Cancelled`; `Invalid` for a
    /// pattern that is empty or longer than 4096 bytes; `NoTarget`; those of the connection.
    /// **Cost**: one round trip for every 16 MiB.
    pub fn fill_memory(&mut self, range: AddressRange, pattern: &[u8]) -> Result<u64, Error> {
        check_pattern(pattern)?;
        let process = self.current_process()?;
        process.memory.changed();
        let target = process.target.value();
        // Whole patterns, so that each piece begins with the first byte of one.
        let piece_len = BULK_WRITE_LEN_MAX - BULK_WRITE_LEN_MAX % pattern.len() as u32;
        let pattern = Bytes::copy_from_slice(pattern);
        in_pieces(range.len_bytes(), piece_len, |done, len| {
            self.check_cancelled(done > 0)?;
            let address = range.start().wrapping_offset(done as i64).value();
            let fill = FillMemory { target, address, len };
            match self.client.send(&fill, pattern.clone()).wait() {
                Ok((reply, _)) => Ok(reply.written),
                Err(error) => nothing_more(error, done > 0),
            }
        })
    }

    /// Compares two ranges of the current process. `found` is called after each of the server's
    /// answers, with the differences that are new and with how much is compared.
    ///
    /// **Shape**: how many bytes of the head were compared; fewer than `len` if one behind them
    /// cannot be read on both sides.
    /// **Errors**: `Unreadable` if not even the first can be read; `Cancelled`; `NoTarget`; those
    /// of the connection.
    /// **Cost**: one round trip for every 128 MiB, fifth of a second, or 65,536 differences.
    pub fn compare_memory(
        &self,
        one: Address,
        other: Address,
        len: u64,
        found: &mut dyn FnMut(Vec<MemoryDifference>, u64),
    ) -> Result<u64, Error> {
        let target = self.current_process()?.target.value();
        let mut done = 0;
        while done < len {
            let start = |range: Address| range.wrapping_offset(done as i64).value();
            let request = CompareMemory {
                target,
                one: start(one),
                other: start(other),
                len: len - done,
                differences_max: 0,
            };
            let (reply, tail) = self.ask(&request, Bytes::new())?;
            if reply.compared == 0 && done == 0 {
                let mut byte = [0];
                let is_readable = self.read_memory(one, &mut byte).is_ok();
                return Err(unreadable(if is_readable { other } else { one }));
            }
            if reply.compared == 0 {
                break;
            }
            let differences = reply.offsets.iter().zip(tail.chunks_exact(2));
            let differences = differences.filter_map(|(offset, bytes)| match bytes {
                [one, other] => {
                    Some(MemoryDifference { offset: done + offset, one: *one, other: *other })
                }
                _ => None,
            });
            let differences = differences.collect();
            done += reply.compared.min(len - done);
            found(differences, done);
            self.check_cancelled(done < len)?;
        }
        Ok(done)
    }

    /// Copies bytes inside the current process, also into read-only pages. The ranges may overlap.
    ///
    /// **Shape**: how many bytes of the head were copied.
    /// **Errors**: `Unreadable`, `Unwritable` if not even the first byte could be copied, and for
    /// more than 16 MiB that are copied over themselves upwards, from the end on, if any byte could
    /// not;
    /// `Cancelled`; `NoTarget`; those of the connection.
    /// **Cost**: one round trip for every 16 MiB.
    pub fn copy_memory(&mut self, from: Address, to: Address, len: u64) -> Result<u64, Error> {
        let process = self.current_process()?;
        process.memory.changed();
        let target = process.target.value();
        let overlaps = to.offset_from(from).is_some_and(|distance| distance < len);
        let is_backwards = overlaps && len > u64::from(BULK_WRITE_LEN_MAX);
        in_pieces(len, BULK_WRITE_LEN_MAX, |done, piece| {
            self.check_cancelled(done > 0)?;
            let offset = if is_backwards { len - done - u64::from(piece) } else { done };
            let at = |range: Address| range.wrapping_offset(offset as i64).value();
            let copy = CopyMemory { target, from: at(from), to: at(to), len: piece };
            match self.client.send(&copy, Bytes::new()).wait() {
                Ok((reply, _)) if is_backwards && reply.written < piece => {
                    let place = |range: Address| {
                        Address::new(at(range)).wrapping_offset(i64::from(reply.written))
                    };
                    let message = format!(
                        "memory at {} cannot be copied to {}; what lies behind it is copied",
                        place(from),
                        place(to)
                    );
                    Err(Error::new(ErrorKind::Unwritable, message))
                }
                Ok((reply, _)) => Ok(reply.written),
                Err(error) => nothing_more(error, done > 0 && !is_backwards),
            }
        })
    }

    /// Reads many ranges of the current process, past the cache.
    ///
    /// **Shape**: for each range the bytes of its readable head.
    /// **Errors**: `NoTarget`; those of the connection.
    /// **Cost**: one round trip.
    pub fn read_ranges(&self, ranges: &[AddressRange]) -> Result<Vec<Vec<u8>>, Error> {
        let target = self.current_process()?.target;
        let ranges: Vec<(u64, u64)> =
            ranges.iter().map(|range| (range.start().value(), range.len_bytes())).collect();
        transfer::read_ranges(&self.client, target, &ranges)
    }

    fn ask<V: Verb>(&self, verb: &V, tail: Bytes) -> Result<(V::Reply, Bytes), Error> {
        let answer = self.client.send(verb, tail).wait_unless(&self.interrupt);
        if matches!(answer, Err(CallError::Cancelled)) {
            self.interrupt.store(false, Ordering::Release);
        }
        Ok(answer?)
    }

    /// Forgets the user's wish to interrupt and fails for it, if there is more to do.
    fn check_cancelled(&self, is_more: bool) -> Result<(), Error> {
        if is_more && self.interrupt.swap(false, Ordering::AcqRel) {
            return Err(CallError::Cancelled.into());
        }
        Ok(())
    }
}

/// The first request of a search.
fn request(target: TargetId, search: &MemorySearch) -> Result<SearchMemory, Error> {
    let mut request = SearchMemory {
        target: target.value(),
        start: search.range.start().value(),
        end: search.range.end().value(),
        alignment: search.alignment,
        protection: if search.is_writable_only { 2 } else { 0 },
        ..SearchMemory::default()
    };
    match &search.what {
        SearchFor::Pattern { bytes, mask } => {
            check_pattern(bytes)?;
            if !mask.is_empty() && mask.len() != bytes.len() {
                let message = "the mask of a pattern has another length than the pattern";
                return Err(Error::new(ErrorKind::Invalid, message));
            }
            request.pattern.clone_from(bytes);
            request.mask.clone_from(mask);
        }
        SearchFor::Ascii { len_min } => {
            request.kind = SearchKind::Ascii as i32;
            request.len_min = *len_min;
        }
        SearchFor::Utf16 { len_min } => {
            request.kind = SearchKind::Utf16 as i32;
            request.len_min = *len_min;
        }
    }
    Ok(request)
}

fn check_pattern(pattern: &[u8]) -> Result<(), Error> {
    if pattern.is_empty() || pattern.len() > PATTERN_LEN_MAX {
        let message =
            format!("a pattern has 1 to {PATTERN_LEN_MAX} bytes, and not {}", pattern.len());
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    Ok(())
}

/// Does `piece(done, len)`, which tells how many bytes it did, until `len` are done or one piece
/// falls short.
fn in_pieces(
    len: u64,
    piece_len: u32,
    mut piece: impl FnMut(u64, u32) -> Result<u32, Error>,
) -> Result<u64, Error> {
    let mut done = 0;
    while done < len {
        let wanted = u32::try_from(len - done).unwrap_or(u32::MAX).min(piece_len);
        let count = piece(done, wanted)?.min(wanted);
        done += u64::from(count);
        if count < wanted {
            break;
        }
    }
    Ok(done)
}

/// That nothing more could be done is no error behind something that could.
fn nothing_more(error: CallError, is_behind: bool) -> Result<u32, Error> {
    match error {
        CallError::Refused(fault)
            if is_behind && matches!(fault.code, ErrorCode::Unwritable | ErrorCode::Unreadable) =>
        {
            Ok(0)
        }
        error => Err(error.into()),
    }
}
