//! The one-method door through which pure code reads the memory of a debuggee. It does not know
//! whether a live process, a cache or a dump is behind it.

use crate::Address;

/// Nothing can be read at this address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unreadable {
    /// The first address that could not be read.
    pub address: Address,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "memory at {} cannot be read", self.address)
    }
}

impl std::error::Error for Unreadable {}

/// Memory of a debuggee.
pub trait ReadMemory {
    /// Reads bytes at `address` into `buffer`.
    ///
    /// **Shape**: the result counts the readable head; it is less than `buffer.len()` only if the
    /// byte behind the head cannot be read. Zero only for an empty buffer.
    /// **Errors**: [`Unreadable`] if not even the first byte can be read.
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<usize, Unreadable>;
}

impl<M: ReadMemory + ?Sized> ReadMemory for &M {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<usize, Unreadable> {
        (**self).read(address, buffer)
    }
}

fn read_array<const N: usize>(
    memory: &(impl ReadMemory + ?Sized),
    address: Address,
) -> Result<[u8; N], Unreadable> {
    let mut bytes = [0; N];
    let count = memory.read(address, &mut bytes)?;
    if count == N {
        Ok(bytes)
    } else {
        Err(Unreadable { address: address.wrapping_offset(count as i64) })
    }
}

/// Reads a little-endian 16-bit number.
pub fn read_u16(memory: &(impl ReadMemory + ?Sized), address: Address) -> Result<u16, Unreadable> {
    read_array(memory, address).map(u16::from_le_bytes)
}

/// Reads a little-endian 32-bit number.
pub fn read_u32(memory: &(impl ReadMemory + ?Sized), address: Address) -> Result<u32, Unreadable> {
    read_array(memory, address).map(u32::from_le_bytes)
}

/// Reads a little-endian 64-bit number.
pub fn read_u64(memory: &(impl ReadMemory + ?Sized), address: Address) -> Result<u64, Unreadable> {
    read_array(memory, address).map(u64::from_le_bytes)
}

/// Reads bytes up to a NUL, which is not part of the result.
///
/// **Shape**: at most `len_max_bytes` bytes; a string that is cut by that limit or by unreadable
/// memory is returned as far as it goes.
/// **Errors**: [`Unreadable`] if not even the first byte can be read.
pub fn read_c_string(
    memory: &(impl ReadMemory + ?Sized),
    address: Address,
    len_max_bytes: usize,
) -> Result<Vec<u8>, Unreadable> {
    let mut string = Vec::new();
    let mut chunk = [0; 64];
    while string.len() < len_max_bytes {
        let at = address.wrapping_offset(string.len() as i64);
        let want = chunk.len().min(len_max_bytes - string.len());
        let count = match memory.read(at, &mut chunk[..want]) {
            Ok(0) => break,
            Ok(count) => count,
            Err(unreadable) if string.is_empty() => return Err(unreadable),
            Err(_) => break,
        };
        if let Some(end) = chunk[..count].iter().position(|byte| *byte == 0) {
            string.extend_from_slice(&chunk[..end]);
            return Ok(string);
        }
        string.extend_from_slice(&chunk[..count]);
    }
    Ok(string)
}
