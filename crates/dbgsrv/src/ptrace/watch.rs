//! The places that the CPU watches for one target: which addresses, for which accesses, and why.
//! Pure book-keeping, and the layout of x86's debug registers; it writes none itself.
//!
//! ```text
//!   DR7 (Intel SDM volume 3, 18.2.4), for place n of 0 to 3
//!   bit 2n         enabled for this thread
//!   bits 16+4n, +1 access: 00 execute, 01 write, 11 read or write
//!   bits 18+4n, +1 length: 00 one byte, 01 two, 11 four, 10 eight
//!   DR6            bit n: place n has seen an access
//! ```

use dbgbase::{Address, SiteId, Tid};

use super::site::ClientReason;

/// How many places there are. On AArch64 the number depends on the machine; none is used there yet.
pub(super) const PLACES: usize = if cfg!(target_arch = "x86_64") { 4 } else { 0 };

/// How many reasons there may be to watch one thing.
pub(super) const REASONS_MAX: usize = 1024;

/// The bits of DR6 that tell which place has seen an access.
const STATUS_MASK: u64 = 0xf;

/// What the CPU watches for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    /// An instruction that begins there.
    Execute,
    /// A write.
    Write,
    /// A read or a write.
    ReadWrite,
}

/// Something to watch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Watch {
    /// The first byte, a multiple of the length.
    pub(super) address: Address,
    /// How many bytes: 1, 2, 4 or 8.
    pub(super) len: u8,
    /// For what.
    pub(super) access: Access,
}

/// Why something cannot be watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unwatchable {
    /// The CPU watches only 1, 2, 4 or 8 bytes.
    Length,
    /// The address is not a multiple of the length.
    Alignment,
    /// Every place is in use.
    Full,
    /// That very thing has [`REASONS_MAX`] reasons already.
    Crowded,
}

impl Watch {
    /// Something to watch, if the CPU can. To be executed, an instruction is watched by its first
    /// byte.
    pub(super) fn new(address: Address, len: u32, access: Access) -> Result<Watch, Unwatchable> {
        let is_long = access != Access::Execute && [2, 4, 8].contains(&len);
        if len != 1 && !is_long {
            return Err(Unwatchable::Length);
        }
        if !address.value().is_multiple_of(u64::from(len)) {
            return Err(Unwatchable::Alignment);
        }
        Ok(Watch { address, len: len as u8, access })
    }

    /// The bits of DR7 that describe it in place 0, without the one that enables it.
    fn control(self) -> u64 {
        let access = match self.access {
            Access::Execute => 0b00,
            Access::Write => 0b01,
            Access::ReadWrite => 0b11,
        };
        let len = match self.len {
            2 => 0b01,
            4 => 0b11,
            8 => 0b10,
            _ => 0b00,
        };
        access | len << 2
    }
}

/// What a thread's debug registers hold.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct DebugRegisters {
    /// DR0 to DR3.
    pub(super) addresses: [u64; 4],
    /// DR7.
    pub(super) control: u64,
}

/// A place in use.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Place {
    watch: Watch,
    /// Why; never empty.
    reasons: Vec<ClientReason>,
}

/// What is told of accesses that the CPU has seen.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Seen {
    /// The client's reasons to stop before an instruction.
    pub(super) executed: Vec<SiteId>,
    /// The client's reasons to stop behind an access, with the first byte of the first of them.
    pub(super) accessed: Option<(Address, Vec<SiteId>)>,
}

/// The places of one target. They are the same in every thread; one that is watched for a single
/// thread is enabled in that alone.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct WatchTable {
    places: [Option<Place>; 4],
}

impl WatchTable {
    /// Whether nothing is watched.
    pub(super) fn is_empty(&self) -> bool {
        self.places.iter().all(Option::is_none)
    }

    /// How many places are in use.
    pub(super) fn used(&self) -> usize {
        self.places.iter().flatten().count()
    }

    /// Adds a reason to watch something. The same thing is watched once.
    ///
    /// **Errors**: [`Unwatchable::Full`], [`Unwatchable::Crowded`].
    pub(super) fn insert(&mut self, watch: Watch, why: ClientReason) -> Result<(), Unwatchable> {
        if let Some(place) = self.places.iter_mut().flatten().find(|place| place.watch == watch) {
            if place.reasons.len() >= REASONS_MAX {
                return Err(Unwatchable::Crowded);
            }
            place.reasons.push(why);
            return Ok(());
        }
        let free = self.places.iter_mut().take(PLACES).find(|place| place.is_none());
        *free.ok_or(Unwatchable::Full)? = Some(Place { watch, reasons: vec![why] });
        Ok(())
    }

    /// Takes the client's reason back; an id that is not known is passed over.
    pub(super) fn remove(&mut self, id: SiteId) {
        for slot in &mut self.places {
            if let Some(place) = slot {
                place.reasons.retain(|reason| reason.id != id);
                if place.reasons.is_empty() {
                    *slot = None;
                }
            }
        }
    }

    /// The client's reasons, each with its address.
    pub(super) fn reasons(&self) -> impl Iterator<Item = (Address, &ClientReason)> {
        let of = |place: &'_ Place| place.watch.address;
        self.places.iter().flatten().flat_map(move |place| {
            let address = of(place);
            place.reasons.iter().map(move |reason| (address, reason))
        })
    }

    /// Whether the client's reason is one of these.
    pub(super) fn has(&self, id: SiteId) -> bool {
        self.reasons().any(|(_, reason)| reason.id == id)
    }

    /// Whether an instruction that begins here is watched.
    pub(super) fn executes_at(&self, address: Address) -> bool {
        let is_there =
            |place: &Place| place.watch.access == Access::Execute && place.watch.address == address;
        self.places.iter().flatten().any(is_there)
    }

    /// What a thread's debug registers are to hold.
    pub(super) fn registers(&self, thread: Tid) -> DebugRegisters {
        let mut registers = DebugRegisters::default();
        for (index, slot) in self.places.iter().enumerate() {
            let Some(place) = slot else { continue };
            let is_for = |reason: &ClientReason| reason.tid.is_none_or(|tid| tid == thread);
            if let Some(address) = registers.addresses.get_mut(index)
                && place.reasons.iter().any(is_for)
            {
                *address = place.watch.address.value();
                registers.control |= place.watch.control() << (16 + 4 * index) | 1 << (2 * index);
            }
        }
        registers
    }

    /// Counts the accesses that a thread's DR6 tells of and for which a reason's condition
    /// `holds`, and says which are to be told.
    pub(super) fn take_hits(
        &mut self,
        status: u64,
        thread: Tid,
        sp: Address,
        mut holds: impl FnMut(&ClientReason) -> bool,
    ) -> Seen {
        let mut seen = Seen::default();
        for (index, slot) in self.places.iter_mut().enumerate() {
            let Some(place) = slot.as_mut().filter(|_| status & STATUS_MASK & 1 << index != 0)
            else {
                continue;
            };
            let reasons = place.reasons.iter_mut();
            let hit = reasons.filter(|reason| reason.is_for(thread, sp) && holds(reason));
            let told = hit.filter_map(|reason| reason.take_hit().then_some(reason.id));
            let mut told: Vec<SiteId> = told.collect();
            match place.watch.access {
                Access::Execute => seen.executed.append(&mut told),
                _ if told.is_empty() => {}
                _ => {
                    let accessed = &mut seen.accessed;
                    let (_, sites) = accessed.get_or_insert((place.watch.address, Vec::new()));
                    sites.append(&mut told);
                }
            }
        }
        seen
    }
}

#[cfg(test)]
#[path = "watch/tests.rs"]
mod tests;
