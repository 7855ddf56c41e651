//! Which memory a client reads after a stop, so that the next stop brings it along, unless it says
//! itself what stops are to bring. It knows ranges, not what they mean.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use dbgbase::{Address, AddressRange};

/// The most ranges that are remembered.
const RANGES_MAX: usize = 16;
/// The longest range that is remembered; longer reads are bulk, not habit.
const RANGE_LEN_MAX: u64 = 1024;
/// The most bytes of them one stop brings along.
const TOTAL_LEN_MAX: u64 = 4096;

/// The reads of the last stops, the latest last.
#[derive(Default)]
pub(super) struct RecentReads {
    ranges: Mutex<VecDeque<AddressRange>>,
}

impl RecentReads {
    /// Takes note of a read.
    pub(super) fn note(&self, address: Address, len_bytes: u64) {
        let Some(range) = AddressRange::with_len(address, len_bytes) else {
            return;
        };
        if range.is_empty() || len_bytes > RANGE_LEN_MAX {
            return;
        }
        let mut ranges = self.ranges.lock().unwrap_or_else(PoisonError::into_inner);
        ranges.retain(|known| known.intersection(&range) != Some(*known));
        let is_known = ranges.iter().any(|known| known.intersection(&range) == Some(range));
        if is_known {
            return;
        }
        if ranges.len() == RANGES_MAX {
            ranges.pop_front();
        }
        ranges.push_back(range);
    }

    /// The ranges to bring along, none of which lies wholly in one of `covered`.
    pub(super) fn select(&self, covered: &[AddressRange]) -> Vec<AddressRange> {
        let ranges = self.ranges.lock().unwrap_or_else(PoisonError::into_inner);
        let mut total = 0;
        let is_covered = |range: &AddressRange| {
            covered.iter().any(|cover| cover.intersection(range) == Some(*range))
        };
        ranges
            .iter()
            .rev()
            .filter(|range| !is_covered(range))
            .take_while(|range| {
                total += range.len_bytes();
                total <= TOTAL_LEN_MAX
            })
            .copied()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, len: u64) -> AddressRange {
        AddressRange::with_len(Address::new(start), len).expect("in range")
    }

    #[test]
    fn repeated_and_contained_reads_count_once() {
        let recent = RecentReads::default();
        recent.note(Address::new(0x100), 16);
        recent.note(Address::new(0x100), 64);
        recent.note(Address::new(0x110), 8);
        assert_eq!(recent.select(&[]), [range(0x100, 64)]);
        assert_eq!(recent.select(&[range(0x0, 0x1000)]), []);
    }

    #[test]
    fn the_latest_reads_win_within_the_limits() {
        let recent = RecentReads::default();
        recent.note(Address::new(0x10), 4 * RANGE_LEN_MAX);
        for index in 0..20 {
            recent.note(Address::new(0x1000 * index), 512);
        }
        let selected = recent.select(&[]);
        assert_eq!(selected.len() as u64, TOTAL_LEN_MAX / 512);
        assert_eq!(selected.first(), Some(&range(0x13000, 512)));
    }
}
