//! Filling, comparing and copying a target's memory in pieces. Reads are made by the calling
//! thread, writes by whoever is handed in: the tracer thread.

use std::time::Instant;

use bytes::Bytes;
use dbgbase::Address;
use dbgwire::verbs::bulk::{
    BULK_WRITE_LEN_MAX, CompareMemory, CompareMemoryReply, CopyMemory, DIFFERENCES_MAX, FillMemory,
    PATTERN_LEN_MAX, SCAN_LEN_MAX,
};
use dbgwire::{ErrorCode, Fault};

use super::TargetMemory;
use super::search::WORK_TIME;
use crate::ranges::check_len;

/// How much is compared, or written by the tracer thread, at once: that thread must not keep stops
/// waiting.
const PIECE_LEN: usize = 256 * 1024;

/// Writes bytes at an address, and says how many of the head.
pub(in crate::ptrace) type Write<'a> = dyn FnMut(Address, Bytes) -> Result<usize, Fault> + 'a;

/// Writes a pattern over and over.
///
/// **Shape**: how many bytes of the head were written.
pub(in crate::ptrace) fn fill(
    request: &FillMemory,
    pattern: &[u8],
    write: &mut Write<'_>,
) -> Result<u32, Fault> {
    check_len(request.len as usize, BULK_WRITE_LEN_MAX as usize)?;
    if pattern.is_empty() || pattern.len() > PATTERN_LEN_MAX {
        let detail = format!("a pattern has 1 to {PATTERN_LEN_MAX} bytes, not {}", pattern.len());
        let code = if pattern.is_empty() { ErrorCode::Malformed } else { ErrorCode::TooLarge };
        return Err(Fault::new(code, detail));
    }
    // Whole patterns, so that every piece begins with the first byte of one.
    let repeated = PIECE_LEN / pattern.len() * pattern.len();
    let piece_len = repeated.min((request.len as usize).next_multiple_of(pattern.len()));
    let piece: Bytes = pattern.iter().copied().cycle().take(piece_len).collect();
    let pieces = std::iter::repeat(piece);
    write_pieces(Address::new(request.address), request.len as usize, pieces, write)
}

/// Copies bytes to where they may overlap themselves: all are read before the first is written.
///
/// **Shape**: how many bytes of the head were copied.
pub(in crate::ptrace) fn copy(
    memory: &TargetMemory,
    request: &CopyMemory,
    write: &mut Write<'_>,
) -> Result<u32, Fault> {
    check_len(request.len as usize, BULK_WRITE_LEN_MAX as usize)?;
    let mut bytes = vec![0; request.len as usize];
    let from = Address::new(request.from);
    let count = memory.read_head(from, &mut bytes);
    if count == 0 && !bytes.is_empty() {
        let detail = format!("memory at {from} cannot be read");
        return Err(Fault::new(ErrorCode::Unreadable, detail));
    }
    bytes.truncate(count);
    let mut rest = Bytes::from(bytes);
    let pieces = std::iter::from_fn(|| Some(rest.split_to(PIECE_LEN.min(rest.len()))));
    write_pieces(Address::new(request.to), count, pieces, write)
}

/// Writes pieces one behind the other, until `len` bytes are written or one cannot be.
fn write_pieces(
    start: Address,
    len: usize,
    pieces: impl Iterator<Item = Bytes>,
    write: &mut Write<'_>,
) -> Result<u32, Fault> {
    let mut done = 0;
    for piece in pieces {
        let piece = piece.slice(..piece.len().min(len - done));
        if piece.is_empty() {
            break;
        }
        let Some(at) = start.checked_add(done as u64) else { break };
        let asked = piece.len();
        match write(at, piece) {
            Ok(written) => {
                done += written;
                if written < asked {
                    break;
                }
            }
            Err(fault) if fault.code == ErrorCode::Unwritable && done > 0 => break,
            Err(fault) => return Err(fault),
        }
    }
    Ok(done as u32)
}

/// Compares two ranges, as far as both can be read and the request's share of work lasts.
pub(in crate::ptrace) fn compare(
    memory: &TargetMemory,
    request: &CompareMemory,
) -> (CompareMemoryReply, Bytes) {
    let differences_max = match request.differences_max {
        0 => DIFFERENCES_MAX,
        asked => asked.min(DIFFERENCES_MAX),
    } as usize;
    let deadline = Instant::now() + WORK_TIME;
    let mut reply = CompareMemoryReply::default();
    let mut tail = Vec::new();
    let (mut one, mut other) = (vec![0; PIECE_LEN], vec![0; PIECE_LEN]);
    // Both sides count.
    let len = request.len.min(SCAN_LEN_MAX / 2);
    while reply.compared < len && (reply.compared == 0 || Instant::now() < deadline) {
        let wanted = (len - reply.compared).min(PIECE_LEN as u64) as usize;
        let read = |start: u64, buffer: &mut [u8]| {
            let at = Address::new(start).checked_add(reply.compared);
            let buffer = buffer.get_mut(..wanted).unwrap_or_default();
            at.map_or(0, |at| memory.read_head(at, buffer))
        };
        let count = read(request.one, &mut one).min(read(request.other, &mut other));
        if count == 0 {
            break;
        }
        for (index, (byte, other)) in one.iter().zip(&other).take(count).enumerate() {
            if byte != other {
                reply.offsets.push(reply.compared + index as u64);
                tail.extend([*byte, *other]);
                if reply.offsets.len() == differences_max {
                    reply.compared += index as u64 + 1;
                    return (reply, Bytes::from(tail));
                }
            }
        }
        reply.compared += count as u64;
        if count < wanted {
            break;
        }
    }
    (reply, Bytes::from(tail))
}
