//! The armed addresses of one target: what was there before, and why each is armed. Pure
//! book-keeping plus the overlay that hides trap instructions from readers; it writes no memory
//! itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use dbgbase::{Address, AddressRange, Arch, SiteId, Tid};
use dbgwire::agent::Code;

use super::slots::SlotTable;
use crate::journal::{BYTES_MAX, EntryIndex};

/// Why an address is armed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Reason {
    /// The client asked for it.
    Client(ClientReason),
    /// The dynamic linker calls this address when the list of modules changes.
    Rendezvous,
    /// The program's entry point, where it stops first if it has no dynamic linker that tells more.
    Entry,
}

impl Reason {
    fn client(&self) -> Option<&ClientReason> {
        match self {
            Reason::Client(client) => Some(client),
            Reason::Rendezvous | Reason::Entry => None,
        }
    }
}

/// A client's reason to stop at an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ClientReason {
    /// The client's name for it.
    pub(super) id: SiteId,
    /// Only this thread.
    pub(super) tid: Option<Tid>,
    /// Only with the stack pointer above this.
    pub(super) sp_above: Option<Address>,
    /// Only if this is not 0.
    pub(super) condition: Option<Arc<Code>>,
    /// What is run for a thread instead of its stopping; empty if it stops.
    pub(super) commands: Arc<[Code]>,
    /// How often it was hit by a thread it is for, and its condition held.
    pub(super) hits: u64,
    /// How many of the hits to come are passed.
    pub(super) ignore: u64,
}

impl ClientReason {
    /// Whether it is for a thread with this stack pointer.
    pub(super) fn is_for(&self, thread: Tid, sp: Address) -> bool {
        self.tid.is_none_or(|tid| tid == thread) && self.sp_above.is_none_or(|limit| sp > limit)
    }

    /// Counts a hit. Whether it is to be told.
    pub(super) fn take_hit(&mut self) -> bool {
        self.hits += 1;
        let is_passed = self.ignore > 0;
        self.ignore = self.ignore.saturating_sub(1);
        !is_passed
    }
}

/// Bytes of the debugger's in a target's code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Patch {
    /// Where.
    pub(super) address: Address,
    /// What the debugger has put there.
    pub(super) ours: Vec<u8>,
    /// What the program has there.
    pub(super) original: Vec<u8>,
}

/// One armed address.
#[derive(Debug)]
pub(super) struct Site {
    /// What the program has there.
    pub(super) original: [u8; BYTES_MAX],
    /// Whether the trap instruction is in memory now. It is not while a thread steps over it.
    pub(super) is_armed: bool,
    /// Whether the program's instruction there enters the kernel.
    pub(super) is_call: bool,
    /// The journal's entry for it.
    pub(super) entry: EntryIndex,
    /// Where threads execute what is under it.
    pub(super) carried: Carried,
    /// Whether it was carried when a thread last had to step over it.
    pub(super) was_carried: bool,
    /// Why; never empty.
    pub(super) reasons: Vec<Reason>,
}

/// A client's reason for a thread that is at its site, which counts if its condition holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Candidate {
    /// The client's name for it.
    pub(super) site: SiteId,
    /// Its condition.
    pub(super) condition: Option<Arc<Code>>,
    /// What is run instead of a stop.
    pub(super) commands: Arc<[Code]>,
}

impl Candidate {
    /// The part of a reason that is needed at a hit.
    pub(super) fn of(reason: &ClientReason) -> Candidate {
        Candidate {
            site: reason.id,
            condition: reason.condition.clone(),
            commands: Arc::clone(&reason.commands),
        }
    }
}

/// Where threads execute the instruction under a site.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum Carried {
    /// Nobody had to yet.
    #[default]
    Untried,
    /// Where it is, with the site disarmed and all other threads standing still.
    InPlace,
    /// In this slot.
    To(Address),
    /// Where it is, because the program has changed it since it was carried to this slot. Threads
    /// may still be on their way through that.
    Stale(Address),
}

/// The armed addresses of one target.
#[derive(Debug)]
pub(super) struct SiteTable {
    arch: Arch,
    sites: BTreeMap<Address, Site>,
    /// Where each of the client's reasons is.
    clients: HashMap<SiteId, Address>,
    /// How many sites are on an instruction that enters the kernel.
    calls: usize,
    /// The slots of carried instructions.
    pub(super) slots: SlotTable,
}

impl SiteTable {
    /// None armed.
    pub(super) fn new(arch: Arch) -> SiteTable {
        SiteTable {
            arch,
            sites: BTreeMap::new(),
            clients: HashMap::new(),
            calls: 0,
            slots: SlotTable::default(),
        }
    }

    /// How many bytes a trap instruction covers.
    pub(super) fn trap_len(&self) -> usize {
        self.arch.trap_instruction().len()
    }

    /// The site at exactly this address.
    pub(super) fn get(&self, address: Address) -> Option<&Site> {
        self.sites.get(&address)
    }

    /// The same, to change it.
    pub(super) fn get_mut(&mut self, address: Address) -> Option<&mut Site> {
        self.sites.get_mut(&address)
    }

    /// Adds a site whose journal entry is written.
    pub(super) fn add(&mut self, address: Address, site: Site) {
        let ids = site.reasons.iter().filter_map(Reason::client).map(|client| client.id);
        self.clients.extend(ids.map(|id| (id, address)));
        self.calls += usize::from(site.is_call);
        self.sites.insert(address, site);
    }

    /// Adds a reason to a site, if there is one at this address. Otherwise the reason comes back.
    pub(super) fn add_reason(&mut self, address: Address, reason: Reason) -> Result<(), Reason> {
        let Some(site) = self.sites.get_mut(&address) else { return Err(reason) };
        if let Some(client) = reason.client() {
            self.clients.insert(client.id, address);
        }
        site.reasons.push(reason);
        Ok(())
    }

    /// Takes those reasons of a site back that `is_wanted` picks. Whether none is left.
    pub(super) fn drop_reasons(
        &mut self,
        address: Address,
        is_wanted: impl Fn(&Reason) -> bool,
    ) -> bool {
        let Some(site) = self.sites.get_mut(&address) else { return false };
        let clients = &mut self.clients;
        site.reasons.retain(|reason| {
            let is_dropped = is_wanted(reason);
            if is_dropped && let Some(client) = reason.client() {
                clients.remove(&client.id);
            }
            !is_dropped
        });
        site.reasons.is_empty()
    }

    /// Forgets a site whose bytes are restored.
    pub(super) fn forget(&mut self, address: Address) -> Option<Site> {
        self.drop_reasons(address, |_| true);
        let site = self.sites.remove(&address)?;
        self.calls -= usize::from(site.is_call);
        Some(site)
    }

    /// How many reasons the client has.
    pub(super) fn client_count(&self) -> usize {
        self.clients.len()
    }

    /// Whether any site is on an instruction that enters the kernel.
    pub(super) fn has_calls(&self) -> bool {
        self.calls > 0
    }

    /// All addresses in ascending order.
    pub(super) fn addresses(&self) -> Vec<Address> {
        self.sites.keys().copied().collect()
    }

    /// Everything of the debugger's in the target's code.
    pub(super) fn patches(&self) -> Vec<Patch> {
        let trap = self.arch.trap_instruction();
        let sites = self.sites.iter().map(|(address, site)| Patch {
            address: *address,
            ours: trap.to_vec(),
            original: site.original.iter().take(trap.len()).copied().collect(),
        });
        let slots = self.slots.iter().map(|(address, slot)| Patch {
            address,
            ours: slot.displaced.code.to_vec(),
            original: vec![0; slot.displaced.code.len()],
        });
        sites.chain(slots).collect()
    }

    /// Where the client's reason `id` is.
    pub(super) fn find(&self, id: SiteId) -> Option<Address> {
        self.clients.get(&id).copied()
    }

    /// The client's reasons for a thread with this stack pointer at this address.
    pub(super) fn candidates(&self, address: Address, thread: Tid, sp: Address) -> Vec<Candidate> {
        let Some(site) = self.sites.get(&address) else {
            return Vec::new();
        };
        let of_client = site.reasons.iter().filter_map(Reason::client);
        of_client.filter(|client| client.is_for(thread, sp)).map(Candidate::of).collect()
    }

    /// Counts a hit of these reasons of the client's at this address, which are in the order in
    /// which [`SiteTable::candidates`] gave them. Those that are to be told of it.
    pub(super) fn take_hits(&mut self, address: Address, hit: &[SiteId]) -> Vec<SiteId> {
        let Some(site) = self.sites.get_mut(&address) else {
            return Vec::new();
        };
        let mut hit = hit.iter().peekable();
        let take = |reason: &mut Reason| match reason {
            Reason::Client(client) if hit.next_if_eq(&&client.id).is_some() => {
                client.take_hit().then_some(client.id)
            }
            _ => None,
        };
        site.reasons.iter_mut().filter_map(take).collect()
    }

    /// The client's reasons, each with its address, by address.
    pub(super) fn client_reasons(&self) -> impl Iterator<Item = (Address, &Site, &ClientReason)> {
        self.sites.iter().flat_map(|(address, site)| {
            let of_client = site.reasons.iter().filter_map(Reason::client);
            of_client.map(move |client| (*address, site, client))
        })
    }

    /// Puts the program's own bytes over the trap instructions in `bytes`, which were read at
    /// `address`. Where the program has put something else meanwhile, that is shown.
    pub(super) fn hide(&self, address: Address, bytes: &mut [u8]) {
        self.slots.hide(address, bytes);
        let trap = self.arch.trap_instruction();
        self.each_overlap(address, bytes.len(), |site, in_bytes, in_site| {
            if let (Some(byte), Some(original)) =
                (bytes.get_mut(in_bytes), site.original.get(in_site))
                && Some(&*byte) == trap.get(in_site)
            {
                *byte = *original;
            }
        });
    }

    /// Takes note that the program's own bytes at `address` become `bytes`, and puts the trap
    /// instructions that stay armed over them, ready to be written.
    ///
    /// **Shape**: the sites whose originals changed, each with its entry and new bytes.
    pub(super) fn absorb(
        &mut self,
        address: Address,
        bytes: &mut [u8],
    ) -> Vec<(EntryIndex, [u8; BYTES_MAX])> {
        let trap = self.arch.trap_instruction();
        let mut changed = Vec::new();
        let len = bytes.len();
        for (start, site) in overlapping(&mut self.sites, trap.len(), address, len) {
            for (in_site, trap_byte) in trap.iter().enumerate() {
                let at = start.wrapping_offset(in_site as i64);
                let Some(in_bytes) = at.offset_from(address) else {
                    continue;
                };
                let slot = usize::try_from(in_bytes).ok().and_then(|index| bytes.get_mut(index));
                if let (Some(byte), Some(original)) = (slot, site.original.get_mut(in_site)) {
                    *original = *byte;
                    if site.is_armed {
                        *byte = *trap_byte;
                    }
                }
            }
            changed.push((site.entry, site.original));
        }
        changed
    }

    /// What the sites that overlap `len` bytes at `address` keep.
    pub(super) fn kept(&self, address: Address, len: usize) -> Vec<(Address, [u8; BYTES_MAX])> {
        let mut kept = Vec::new();
        for (start, site) in &self.sites {
            let range = AddressRange::with_len(*start, self.trap_len() as u64);
            let written = AddressRange::with_len(address, len as u64);
            if let (Some(range), Some(written)) = (range, written)
                && range.intersection(&written).is_some()
            {
                kept.push((*start, site.original));
            }
        }
        kept
    }

    fn each_overlap(
        &self,
        address: Address,
        len: usize,
        mut visit: impl FnMut(&Site, usize, usize),
    ) {
        let trap_len = self.trap_len();
        let first = Address::new(address.value().saturating_sub(trap_len as u64 - 1));
        let Some(range) = AddressRange::with_len(address, len as u64) else {
            return;
        };
        for (start, site) in self.sites.range(first..range.end()) {
            for in_site in 0..trap_len {
                let at = start.wrapping_offset(in_site as i64);
                if let Some(in_bytes) = at.offset_from(address)
                    && in_bytes < len as u64
                {
                    visit(site, in_bytes as usize, in_site);
                }
            }
        }
    }
}

fn overlapping(
    sites: &mut BTreeMap<Address, Site>,
    trap_len: usize,
    address: Address,
    len: usize,
) -> impl Iterator<Item = (Address, &mut Site)> {
    let first = Address::new(address.value().saturating_sub(trap_len as u64 - 1));
    let end = Address::new(address.value().saturating_add(len as u64)).max(first);
    sites.range_mut(first..end).map(|(start, site)| (*start, site))
}

#[cfg(test)]
#[path = "site/tests.rs"]
mod tests;
