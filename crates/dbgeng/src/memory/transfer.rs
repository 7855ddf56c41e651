//! Bulk reads and writes, cut to what one request may carry and sent without waiting between the
//! pieces. It keeps nothing.

use std::collections::VecDeque;

use bytes::Bytes;
use dbgbase::{Address, TargetId};
use dbgwire::ErrorCode;
use dbgwire::verbs::memory::{
    RANGES_MAX, READ_LEN_MAX, ReadMemory, ReadMemoryReply, WRITE_LEN_MAX, WriteMemory,
};

use crate::Error;
use crate::client::{CallError, Client, Pending};

/// Pieces of a long read. Short enough that the first arrives soon, long enough that their headers
/// do not matter.
const PIECE_LEN: u32 = 512 * 1024;
/// How many pieces are under way at once: 8 MiB, which fills 100 MB/s over 80 ms.
const PIECES_UNDER_WAY: usize = 16;

/// Reads straight into a buffer.
///
/// **Shape**: how many bytes of the head could be read; 0 is no error.
/// **Cost**: one round trip for every 8 MiB.
pub(super) fn read_into(
    client: &Client,
    target: TargetId,
    address: Address,
    buffer: &mut [u8],
) -> Result<usize, Error> {
    let total = buffer.len();
    let piece_len = client.bulk_len_max(READ_LEN_MAX).min(PIECE_LEN) as usize;
    // Drawing from this sends; so only as much is under way as is drawn.
    let mut asked = (0..total).step_by(piece_len).map_while(|start| {
        let at = address.checked_add(start as u64)?.value();
        // The last byte of the address space is the last one asked for.
        let left = usize::try_from((u64::MAX - at).saturating_add(1)).unwrap_or(usize::MAX);
        let len = u32::try_from(piece_len.min(total - start).min(left)).ok()?;
        Some((len, client.send(&super::read_request(target, &[(at, len)]), Bytes::new())))
    });
    let mut under_way: VecDeque<_> = asked.by_ref().take(PIECES_UNDER_WAY).collect();
    let mut done = 0;
    while let Some((len, pending)) = under_way.pop_front() {
        let head = heads(pending, &[len])?.pop().unwrap_or_default();
        if let Some(to) = buffer.get_mut(done..done + head.len()) {
            to.copy_from_slice(&head);
        }
        done += head.len();
        if head.len() < len as usize {
            break;
        }
        under_way.extend(asked.next());
    }
    Ok(done)
}

/// Reads ranges.
///
/// **Shape**: for each range the bytes of its readable head.
/// **Cost**: one round trip.
pub(super) fn read_ranges(
    client: &Client,
    target: TargetId,
    ranges: &[(u64, u64)],
) -> Result<Vec<Vec<u8>>, Error> {
    let piece_len = client.bulk_len_max(READ_LEN_MAX);
    let requests = requests(ranges, piece_len);
    let ask = |pieces: Vec<Piece>| {
        let wire: Vec<_> = pieces.iter().map(|piece| (piece.address, piece.len)).collect();
        (pieces, client.send(&super::read_request(target, &wire), Bytes::new()))
    };
    let under_way: Vec<_> = requests.into_iter().map(ask).collect();
    let mut results = vec![Vec::new(); ranges.len()];
    let mut is_short = vec![false; ranges.len()];
    for (pieces, pending) in under_way {
        let lengths: Vec<_> = pieces.iter().map(|piece| piece.len).collect();
        for (piece, head) in pieces.iter().zip(heads(pending, &lengths)?) {
            let (Some(result), Some(short)) =
                (results.get_mut(piece.range), is_short.get_mut(piece.range))
            else {
                continue;
            };
            // Behind a byte that cannot be read nothing counts.
            if !*short {
                result.extend_from_slice(&head);
                *short = head.len() < piece.len as usize;
            }
        }
    }
    Ok(results)
}

/// A part of a range that fits a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Piece {
    /// Which of the caller's ranges.
    range: usize,
    address: u64,
    len: u32,
}

/// Distributes ranges over as few requests as their limits allow.
fn requests(ranges: &[(u64, u64)], len_max: u32) -> Vec<Vec<Piece>> {
    let mut requests = Vec::new();
    let mut request: Vec<Piece> = Vec::new();
    let mut left = len_max;
    for (range, (address, len)) in ranges.iter().enumerate() {
        let (mut address, mut len) = (*address, *len);
        while len > 0 {
            if left == 0 || request.len() == RANGES_MAX {
                requests.push(std::mem::take(&mut request));
                left = len_max;
            }
            let now = u32::try_from(len).unwrap_or(u32::MAX).min(left);
            request.push(Piece { range, address, len: now });
            left -= now;
            len -= u64::from(now);
            address = address.wrapping_add(u64::from(now));
        }
    }
    if !request.is_empty() {
        requests.push(request);
    }
    requests
}

/// The bytes that a reply has for each range. A server that refuses because nothing is readable, or
/// says more than it sends, is taken to have less.
fn heads(pending: Pending<ReadMemory>, lengths: &[u32]) -> Result<Vec<Bytes>, Error> {
    let (ReadMemoryReply { lengths: got }, mut tail) = match pending.wait() {
        Err(CallError::Refused(fault)) if fault.code == ErrorCode::Unreadable => Default::default(),
        answer => answer?,
    };
    let mut got = got.into_iter();
    let heads = lengths.iter().map(|asked| {
        let len = got.next().unwrap_or(0).min(*asked) as usize;
        tail.split_to(len.min(tail.len()))
    });
    Ok(heads.collect())
}

/// Writes bytes, one piece behind the other, so that nothing is written behind a gap.
///
/// **Shape**: how many bytes of the head were written; 0 is no error.
/// **Cost**: one round trip for every 4 MiB.
pub(super) fn write(
    client: &Client,
    target: TargetId,
    address: Address,
    bytes: &[u8],
) -> Result<usize, Error> {
    let limit = u32::try_from(WRITE_LEN_MAX).unwrap_or(u32::MAX);
    let mut done = 0;
    for piece in bytes.chunks(client.bulk_len_max(limit) as usize) {
        let at = address.wrapping_offset(done as i64).value();
        let verb = WriteMemory { target: target.value(), address: at };
        let written = match client.send(&verb, Bytes::copy_from_slice(piece)).wait() {
            Err(CallError::Refused(fault)) if fault.code == ErrorCode::Unwritable => 0,
            answer => answer?.0.written as usize,
        };
        done += written.min(piece.len());
        if written < piece.len() {
            break;
        }
    }
    Ok(done)
}

#[cfg(test)]
#[path = "transfer/tests.rs"]
mod tests;
