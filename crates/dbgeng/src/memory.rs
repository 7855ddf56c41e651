//! Memory of a debuggee as the engine sees it: what the server sent or was asked for at the present
//! stop is kept, in pages; while the debuggee runs nothing is kept. It knows how to read and write
//! through a client; it does not know why anyone does.

pub(crate) mod allocation;
pub(crate) mod bulk;
pub(crate) mod gather;
mod page;
mod transfer;

use std::cell::{Cell, RefCell};

use dbgbase::{Address, AddressRange, ReadMemory, TargetId, Unreadable};
use dbgwire::verbs::memory::{ListRegions, ReadMemory as ReadRanges};

use crate::client::Client;
use crate::{Engine, Error, ErrorKind};
use page::{Found, PageCache};

pub(crate) use page::PAGE_LEN;

/// Longer reads are not kept: they are dumps and searches, which nobody repeats.
const KEPT_LEN_MAX: usize = 256 * 1024;

/// The current process's memory, through the engine's cache.
///
/// **Cost**: as [`Engine::read_memory`].
#[derive(Clone, Copy)]
pub struct EngineMemory<'a> {
    pub(crate) engine: &'a Engine,
}

impl ReadMemory for EngineMemory<'_> {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<usize, Unreadable> {
        self.engine.read_memory(address, buffer).map_err(|_| Unreadable { address })
    }
}

/// One mapping of a process (proc_pid_maps(5)).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Region {
    /// What it spans.
    pub range: AddressRange,
    /// Whether it can be read.
    pub is_readable: bool,
    /// Whether it can be written.
    pub is_writable: bool,
    /// Whether it can be executed.
    pub is_executable: bool,
    /// Whether writes are shared with others.
    pub is_shared: bool,
    /// Where in its file it begins.
    pub offset: u64,
    /// Its file's path, or a name in brackets, or nothing.
    pub name: Vec<u8>,
}

/// Memory of one debuggee.
#[derive(Debug)]
pub(crate) struct Memory {
    target: TargetId,
    pages: RefCell<PageCache>,
    /// Whether the debuggee stands still, so that what was read stays true.
    is_still: Cell<bool>,
}

impl Memory {
    /// Nothing known; the debuggee runs.
    pub(crate) fn new(target: TargetId) -> Memory {
        Memory { target, pages: RefCell::default(), is_still: Cell::new(false) }
    }

    /// The debuggee stands still anew: everything is forgotten, then filled with what came along.
    /// Windows that are longer than the bytes are cut; empty ones cannot be read.
    pub(crate) fn stopped<'a>(&self, windows: impl Iterator<Item = (Address, &'a [u8])>) {
        let mut pages = self.pages.borrow_mut();
        pages.clear();
        for (address, bytes) in windows {
            match bytes {
                [] => pages.insert_unreadable(address.value()),
                bytes => pages.insert(address.value(), bytes),
            }
        }
        self.is_still.set(true);
    }

    /// The debuggee runs: everything is forgotten.
    pub(crate) fn running(&self) {
        self.pages.borrow_mut().clear();
        self.is_still.set(false);
    }

    /// The debuggee did not run after all: what is read from now on stays true.
    pub(crate) fn still(&self) {
        self.is_still.set(true);
    }

    /// Memory is written by other ways than [`Memory::write`]: everything is forgotten.
    pub(crate) fn changed(&self) {
        self.pages.borrow_mut().clear();
    }

    /// Reads as much of `buffer` as is known already.
    ///
    /// **Shape**: how many bytes of the head; 0 if not even the first is known.
    /// **Cost**: none.
    pub(crate) fn read_known(&self, address: Address, buffer: &mut [u8]) -> usize {
        self.pages.borrow().read(address.value(), buffer).len
    }

    /// Reads a range, from the cache as far as possible.
    ///
    /// **Shape**: how many bytes of the head could be read.
    /// **Errors**: `Unreadable` if not even the first could be, or those of the connection.
    /// **Cost**: none if all is known, else one round trip.
    pub(crate) fn read(
        &self,
        client: &Client,
        address: Address,
        buffer: &mut [u8],
    ) -> Result<usize, Error> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let len = if !self.is_still.get() || buffer.len() > KEPT_LEN_MAX {
            transfer::read_into(client, self.target, address, buffer)?
        } else {
            self.read_kept(client, address, buffer)?
        };
        if len == 0 {
            return Err(unreadable(address));
        }
        Ok(len)
    }

    fn read_kept(
        &self,
        client: &Client,
        address: Address,
        buffer: &mut [u8],
    ) -> Result<usize, Error> {
        let found = self.pages.borrow().read(address.value(), buffer);
        let len = match found {
            Found { len, ends_unreadable: true } => return Ok(len),
            Found { len, .. } => len,
        };
        if len == buffer.len() {
            return Ok(len);
        }
        self.fetch(client, address, buffer.len() as u64)?;
        Ok(self.pages.borrow().read(address.value(), buffer).len)
    }

    /// Makes sure that all readable bytes of a range are known, whole pages at a time. Does nothing
    /// while the debuggee runs.
    ///
    /// **Cost**: none if they are, else one round trip.
    pub(crate) fn fetch(&self, client: &Client, address: Address, len: u64) -> Result<(), Error> {
        if !self.is_still.get() {
            return Ok(());
        }
        self.fetch_all(client, &[(address, len)], PAGE_LEN)
    }

    /// The same for several ranges at once, rounded to blocks of so many bytes, which divide a
    /// page. Short ranges are a habit for the server: it sends them along with the next stop.
    ///
    /// **Cost**: none if all are known, else one round trip.
    fn fetch_all(
        &self,
        client: &Client,
        ranges: &[(Address, u64)],
        block_len: u64,
    ) -> Result<(), Error> {
        let mut missing: Vec<(u64, u64)> = Vec::new();
        for (address, len) in ranges {
            missing.extend(self.pages.borrow().missing(address.value(), *len, block_len));
        }
        missing.sort_unstable();
        missing.dedup_by(|later, kept| {
            let behind = kept.0.saturating_add(kept.1);
            let overlaps = later.0 < behind;
            if overlaps {
                kept.1 = behind.max(later.0.saturating_add(later.1)) - kept.0;
            }
            overlaps
        });
        if missing.is_empty() {
            return Ok(());
        }
        let heads = transfer::read_ranges(client, self.target, &missing)?;
        let mut pages = self.pages.borrow_mut();
        for ((address, len), head) in missing.iter().zip(heads) {
            pages.insert(*address, &head);
            if (head.len() as u64) < *len {
                pages.insert_unreadable(address.wrapping_add(head.len() as u64));
            }
        }
        Ok(())
    }

    /// Writes bytes.
    ///
    /// **Shape**: how many bytes of the head were written.
    /// **Errors**: `Unwritable` if not even the first could be, or those of the connection.
    /// **Cost**: one round trip.
    pub(crate) fn write(
        &self,
        client: &Client,
        address: Address,
        bytes: &[u8],
    ) -> Result<usize, Error> {
        if bytes.is_empty() {
            return Ok(0);
        }
        // The same memory may be mapped at other addresses too: what was known of them is stale.
        self.pages.borrow_mut().clear();
        let written = transfer::write(client, self.target, address, bytes)?;
        if self.is_still.get() {
            let bytes = bytes.get(..written).unwrap_or_default();
            self.pages.borrow_mut().insert(address.value(), bytes);
        }
        if written == 0 {
            let message = format!("memory at {address} cannot be written");
            return Err(Error::new(ErrorKind::Unwritable, message));
        }
        Ok(written)
    }
}

/// The error for memory that cannot be read.
pub(crate) fn unreadable(address: Address) -> Error {
    Error::new(ErrorKind::Unreadable, format!("memory at {address} cannot be read"))
}

/// What is mapped in a target, in ascending order.
///
/// **Cost**: one round trip for every 8,192 regions.
pub(crate) fn list_regions(client: &Client, target: TargetId) -> Result<Vec<Region>, Error> {
    let mut regions = Vec::new();
    let mut from = 0;
    loop {
        let reply = client.call(&ListRegions { target: target.value(), from })?;
        let Some(last) = reply.regions.last() else { break };
        // A server that does not move on is not asked for ever.
        let goes_on = reply.more && last.end > from;
        from = last.end;
        regions.extend(reply.regions.into_iter().filter_map(region));
        if !goes_on {
            break;
        }
    }
    Ok(regions)
}

fn region(wire: dbgwire::verbs::memory::Region) -> Option<Region> {
    Some(Region {
        range: AddressRange::new(Address::new(wire.start), Address::new(wire.end))?,
        is_readable: wire.protection & 1 != 0,
        is_writable: wire.protection & 2 != 0,
        is_executable: wire.protection & 4 != 0,
        is_shared: wire.protection & 8 != 0,
        offset: wire.offset,
        name: wire.name,
    })
}

/// The request for these ranges.
fn read_request(target: TargetId, ranges: &[(u64, u32)]) -> ReadRanges {
    use dbgwire::verbs::memory::Range;
    let range = |(address, len): &(u64, u32)| Range { address: *address, len: *len };
    ReadRanges { target: target.value(), ranges: ranges.iter().map(range).collect() }
}
