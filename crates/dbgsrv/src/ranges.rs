//! Many ranges in one request, whose bytes travel back to back in the tail of its reply. It knows
//! the limits, not what the ranges are of.

use bytes::Bytes;
use dbgwire::verbs::memory::{RANGES_MAX, Range};
use dbgwire::{ErrorCode, Fault};

/// Reads ranges by `read(at, buffer)`, which tells how many bytes of its head it has filled.
///
/// **Shape**: how many bytes each range has, and all of them.
/// **Errors**: [`ErrorCode::TooLarge`] for more than [`RANGES_MAX`] ranges or `len_max` bytes, and
/// whatever `read` says.
pub(crate) fn read_ranges(
    ranges: &[Range],
    len_max: u32,
    mut read: impl FnMut(u64, &mut [u8]) -> Result<usize, Fault>,
) -> Result<(Vec<u32>, Bytes), Fault> {
    check_len(ranges.len(), RANGES_MAX)?;
    let total: u64 = ranges.iter().map(|range| u64::from(range.len)).sum();
    check_len(total as usize, len_max as usize)?;
    let mut tail = vec![0; total as usize];
    let mut lengths = Vec::with_capacity(ranges.len());
    let mut filled = 0;
    for range in ranges {
        let buffer = tail.get_mut(filled..filled + range.len as usize).unwrap_or_default();
        let count = read(range.address, buffer)?;
        lengths.push(count as u32);
        filled += count;
    }
    tail.truncate(filled);
    Ok((lengths, Bytes::from(tail)))
}

/// **Errors**: [`ErrorCode::TooLarge`] if a list, a length or a count is above its limit.
pub(crate) fn check_len(len: usize, len_max: usize) -> Result<(), Fault> {
    if len > len_max {
        let detail = format!("the request asks for {len}; the limit is {len_max}");
        return Err(Fault::new(ErrorCode::TooLarge, detail));
    }
    Ok(())
}
