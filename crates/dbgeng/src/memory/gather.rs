//! Reading much with few round trips: a computation is done with what is known, what it lacked is
//! asked for in one request, and it is done again. It knows nothing of what is computed.

use std::cell::RefCell;

use dbgbase::{Address, ReadMemory, Unreadable};

use super::Memory;
use crate::Error;
use crate::client::Client;

/// What a pointer to a pointer points to is known after so many rounds; what lies further off is
/// taken for unreadable.
const ROUNDS_MAX: usize = 8;

/// Objects are read in blocks of this size: those that pointers lead to are mostly small, and lie
/// in many places.
const BLOCK_LEN: u64 = 256;

/// Computes something of the memory of a debuggee that stands still.
///
/// `compute` may be called several times, and must take what cannot be read as a fact.
///
/// **Errors**: those of the connection.
/// **Cost**: none if all it reads is known; else one round trip for everything that it reads, and
/// one more each time it follows what it has read there.
pub(crate) fn gathered<T>(
    memory: &Memory,
    client: &Client,
    mut compute: impl FnMut(&dyn ReadMemory) -> T,
) -> Result<T, Error> {
    let known = Known { memory, wanted: RefCell::default() };
    for _ in 0..ROUNDS_MAX {
        let result = compute(&known);
        let wanted = known.wanted.take();
        if wanted.is_empty() {
            return Ok(result);
        }
        memory.fetch_all(client, &wanted, BLOCK_LEN)?;
    }
    Ok(compute(&known))
}

/// What is known of a memory, and a list of what else was asked for.
struct Known<'a> {
    memory: &'a Memory,
    wanted: RefCell<Vec<(Address, u64)>>,
}

impl ReadMemory for Known<'_> {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<usize, Unreadable> {
        let found = self.memory.pages.borrow().read(address.value(), buffer);
        if found.len == buffer.len() {
            return Ok(found.len);
        }
        if !found.ends_unreadable {
            self.wanted.borrow_mut().push((address, buffer.len() as u64));
        }
        if found.len == 0 { Err(Unreadable { address }) } else { Ok(found.len) }
    }
}
