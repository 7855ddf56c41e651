//! What one side has sent and the other may not have received, so that it can be sent once more on
//! a new link. Pure: it knows frames by their numbers, and no link.
//!
//! ```text
//!   frame     1   2   3   4   5   6   7
//!             ─────────   ─────────────
//!             arrived:    kept: those behind what the peer
//!             dropped     says that it has are sent again
//! ```

use std::collections::VecDeque;

use crate::message::Encoded;

/// About what keeping a frame takes beside its bytes.
const FRAME_COST: usize = 96;

/// The frames of one direction of a session that may not have arrived. They are numbered from 1 in
/// the order in which they are sent.
#[derive(Default, Debug)]
pub struct Record {
    kept: VecDeque<Encoded>,
    /// How many were dropped.
    dropped: u64,
    /// What those take that are kept, in bytes.
    byte_len: usize,
}

impl Record {
    /// Of a session in which so many frames were sent, and have arrived.
    pub fn after(sent: u64) -> Record {
        Record { dropped: sent, ..Record::default() }
    }

    /// Keeps a frame that is being sent.
    pub fn keep(&mut self, frame: Encoded) {
        self.byte_len += len(&frame);
        self.kept.push_back(frame);
    }

    /// How many frames were sent in the session.
    pub fn sent(&self) -> u64 {
        self.dropped + self.kept.len() as u64
    }

    /// How many of them are kept no more.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Drops the oldest frames until what is kept takes no more than so many bytes of memory. Who
    /// lacks them gets them no more.
    pub fn trim(&mut self, byte_len_max: usize) {
        while self.byte_len > byte_len_max {
            self.arrived(self.dropped + 1);
        }
    }

    /// Drops the frames up to this number, as they have arrived. Does nothing for a number that
    /// none of those that are kept has.
    pub fn arrived(&mut self, number: u64) {
        if number > self.sent() {
            return;
        }
        while self.dropped < number
            && let Some(frame) = self.kept.pop_front()
        {
            self.byte_len -= len(&frame);
            self.dropped += 1;
        }
    }

    /// As [`arrived`](Record::arrived), for a number of which only the lower 32 bits are known.
    pub fn arrived_modulo(&mut self, number: u32) {
        let ahead = number.wrapping_sub((self.dropped & 0xffff_ffff) as u32);
        self.arrived(self.dropped + u64::from(ahead));
    }

    /// The frames behind this number, which are to be sent again.
    ///
    /// **Shape**: `None` if some of them are kept no more, or the number is that of no frame.
    pub fn behind(&self, number: u64) -> Option<impl Iterator<Item = &Encoded>> {
        let skipped = usize::try_from(number.checked_sub(self.dropped)?).ok()?;
        (skipped <= self.kept.len()).then(|| self.kept.iter().skip(skipped))
    }
}

fn len(frame: &Encoded) -> usize {
    FRAME_COST + frame.head.len() + frame.tail.len()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn frame(byte: u8) -> Encoded {
        Encoded { head: vec![byte; 16], tail: Bytes::from(vec![byte; 4]) }
    }

    fn firsts<'a>(frames: impl Iterator<Item = &'a Encoded>) -> Vec<u8> {
        frames.map(|frame| frame.head[0]).collect()
    }

    #[test]
    fn what_has_not_arrived_is_sent_again() {
        let mut record = Record::default();
        (1..=5).for_each(|byte| record.keep(frame(byte)));
        record.arrived(2);
        assert_eq!((record.sent(), record.dropped()), (5, 2));
        assert_eq!(record.behind(2).map(firsts), Some(vec![3, 4, 5]));
        assert_eq!(record.behind(4).map(firsts), Some(vec![5]));
        assert_eq!(record.behind(5).map(firsts), Some(vec![]));
        assert_eq!(record.behind(1).map(firsts), None, "it is kept no more");
        assert_eq!(record.behind(6).map(firsts), None, "it was never sent");
    }

    #[test]
    fn a_lying_receipt_drops_nothing() {
        let mut record = Record::after(7);
        record.keep(frame(8));
        for number in [9, u64::MAX, 6, 0] {
            record.arrived(number);
            assert_eq!(record.behind(7).map(firsts), Some(vec![8]), "{number}");
        }
        for number in [9, 6, 0, u32::MAX] {
            record.arrived_modulo(number);
            assert_eq!(record.behind(7).map(firsts), Some(vec![8]), "{number}");
        }
        record.arrived_modulo(8);
        assert_eq!((record.sent(), record.dropped(), record.byte_len), (8, 8, 0));
    }

    #[test]
    fn the_oldest_give_way() {
        let mut record = Record::default();
        (1..=10).for_each(|byte| record.keep(frame(byte)));
        record.trim(3 * len(&frame(0)));
        assert_eq!((record.sent(), record.dropped()), (10, 7));
        assert_eq!(record.behind(7).map(firsts), Some(vec![8, 9, 10]));
        assert_eq!(record.behind(6).map(firsts), None);
        record.trim(0);
        assert_eq!((record.sent(), record.dropped(), record.byte_len), (10, 10, 0));
    }

    #[test]
    fn numbers_go_on_beyond_32_bits() {
        let start = u64::from(u32::MAX) - 1;
        let mut record = Record::after(start);
        (1..=4).for_each(|byte| record.keep(frame(byte)));
        record.arrived_modulo(u32::MAX);
        assert_eq!(record.dropped(), start + 1);
        record.arrived_modulo(1);
        assert_eq!(record.dropped(), start + 3);
        assert_eq!(record.behind(start + 3).map(firsts), Some(vec![4]));
    }
}
