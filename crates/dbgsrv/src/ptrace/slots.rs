//! The places in a target where carried instructions stand: the unused end of the last page behind
//! an image's code. It knows which are free and what stands in the others; it writes nothing.
//!
//! One slot serves all threads: an instruction leads out of it by itself. A slot is taken only
//! where nothing but zeros is, so that zeros are what to put back.

use std::collections::BTreeMap;

use dbgbase::{Address, AddressRange};

use super::displace::{Displaced, SLOT_LEN, WayOut};
use crate::journal::EntryIndex;

/// How far from the instructions they are for slots may lie.
const REACH: u64 = 0x7000_0000;

/// A slot in use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// Where the instruction's own place is.
    pub(super) site: Address,
    /// The instruction.
    pub(super) displaced: Displaced,
    /// The journal's entry for it.
    pub(super) entry: EntryIndex,
}

/// The slots of one target.
#[derive(Debug, Default)]
pub(super) struct SlotTable {
    used: BTreeMap<Address, Slot>,
}

impl SlotTable {
    /// Places for a slot in the gap behind an image's code, none of which is in use, the nearest to
    /// the gap's start first. They begin at multiples of 16.
    pub(super) fn free_in(
        &self,
        gap: AddressRange,
        site: Address,
    ) -> impl Iterator<Item = Address> {
        let len = SLOT_LEN as u64;
        let first = gap.start().value().next_multiple_of(16);
        let fits = move |at: &u64| at.checked_add(len).is_some_and(|end| end <= gap.end().value());
        let is_near = move |at: &u64| at.abs_diff(site.value()) < REACH;
        (0..)
            .map(move |index| first.saturating_add(index * len))
            .take_while(fits)
            .filter(is_near)
            .map(Address::new)
            .filter(|at| !self.used.contains_key(at))
    }

    /// Takes note of a slot that is written.
    pub(super) fn add(&mut self, at: Address, slot: Slot) {
        self.used.insert(at, slot);
    }

    /// Forgets a slot that is restored.
    pub(super) fn remove(&mut self, at: Address) -> Option<Slot> {
        self.used.remove(&at)
    }

    /// The slot that begins here.
    pub(super) fn get(&self, at: Address) -> Option<&Slot> {
        self.used.get(&at)
    }

    /// Every slot in use.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Address, &Slot)> {
        self.used.iter().map(|(at, slot)| (*at, slot))
    }

    /// Where a thread goes on that stands here, if that is in a slot.
    pub(super) fn way_out(&self, pc: Address) -> Option<WayOut> {
        let (at, slot) = self.used.range(..=pc).next_back()?;
        let offset = pc.offset_from(*at).filter(|offset| *offset < SLOT_LEN as u64)?;
        slot.displaced.outline.way_out(slot.site, offset)
    }

    /// Whether a slot lies in these bytes.
    pub(super) fn overlaps(&self, address: Address, len: usize) -> bool {
        let Some(range) = AddressRange::with_len(address, len as u64) else { return false };
        let lies_in = |(at, _): (&Address, &Slot)| {
            let slot = AddressRange::with_len(*at, SLOT_LEN as u64);
            slot.is_some_and(|slot| slot.intersection(&range).is_some())
        };
        self.used.range(..range.end()).next_back().is_some_and(lies_in)
    }

    /// Puts zeros over the slots in `bytes`, which were read at `address`.
    pub(super) fn hide(&self, address: Address, bytes: &mut [u8]) {
        let first = Address::new(address.value().saturating_sub(SLOT_LEN as u64 - 1));
        let Some(range) = AddressRange::with_len(address, bytes.len() as u64) else { return };
        for (at, slot) in self.used.range(first..range.end()) {
            for (index, code) in slot.displaced.code.iter().enumerate() {
                let offset = at.wrapping_offset(index as i64).offset_from(address);
                let byte = offset
                    .and_then(|offset| usize::try_from(offset).ok())
                    .and_then(|offset| bytes.get_mut(offset));
                if let Some(byte) = byte
                    && byte == code
                {
                    *byte = 0;
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "slots/tests.rs"]
mod tests;
