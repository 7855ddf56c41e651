//! Memory that is allocated, freed and protected in a debuggee, which makes the calls itself: what
//! is asked of the server, and what its refusals mean.

use dbgbase::{Address, AddressRange};
use dbgwire::verbs::inject::{AllocateMemory, FreeMemory, ProtectMemory};

use crate::client::CallError;
use crate::{Engine, Error, ErrorKind};

/// What may be done with memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Protection {
    /// Whether it can be read.
    pub is_readable: bool,
    /// Whether it can be written.
    pub is_writable: bool,
    /// Whether it can be executed.
    pub is_executable: bool,
}

impl Protection {
    /// Nothing: its addresses are only taken.
    pub const NONE: Protection =
        Protection { is_readable: false, is_writable: false, is_executable: false };
    /// It can be read and written.
    pub const READ_WRITE: Protection =
        Protection { is_readable: true, is_writable: true, is_executable: false };
    /// Everything.
    pub const ALL: Protection =
        Protection { is_readable: true, is_writable: true, is_executable: true };

    /// As the protocol says it.
    fn bits(self) -> u32 {
        let bit = |is_set, bit| if is_set { bit } else { 0 };
        bit(self.is_readable, 1) | bit(self.is_writable, 2) | bit(self.is_executable, 4)
    }
}

impl Engine {
    /// Allocates memory in the current process, filled with zeros: at `at`, which is a page's
    /// begin, or anywhere. One of its threads makes the call. What is not freed is freed when the
    /// process is left.
    ///
    /// **Shape**: what was allocated: whole pages.
    /// **Errors**: `NotPermitted` if the system, as by a security module, does not let there be
    /// memory of that protection, or if no thread may make the call; `Invalid` for no bytes, or for
    /// a range that is none; `ServerRefused` if there is no room, or not at `at`; `Unsupported` if
    /// no thread can make the call; `NoTarget`, `NotStopped`; those of the connection.
    /// **Cost**: one round trip.
    pub fn allocate_memory(
        &mut self,
        at: Option<Address>,
        len: u64,
        protection: Protection,
    ) -> Result<AddressRange, Error> {
        let (process, _) = self.current_still()?;
        let request = AllocateMemory {
            target: process.target.value(),
            len,
            protection: protection.bits(),
            address: at.map_or(0, Address::value),
            ..AllocateMemory::default()
        };
        let reply = self.client.call(&request).map_err(explain)?;
        process.memory.changed();
        AddressRange::with_len(Address::new(reply.address), reply.len).ok_or_else(|| {
            Error::new(ErrorKind::Internal, "the server has allocated what is no memory")
        })
    }

    /// Frees memory of the current process, whoever allocated it: `len` bytes, rounded up to whole
    /// pages, or all that [`Engine::allocate_memory`] allocated there.
    ///
    /// **Shape**: how many bytes are free now.
    /// **Errors**: `Invalid` for a range that is none, or if nothing was allocated there; else as
    /// [`Engine::allocate_memory`].
    /// **Cost**: one round trip.
    pub fn free_memory(&mut self, address: Address, len: Option<u64>) -> Result<u64, Error> {
        let (process, _) = self.current_still()?;
        let request = FreeMemory {
            target: process.target.value(),
            address: address.value(),
            len: len.unwrap_or(0),
            ..FreeMemory::default()
        };
        let reply = self.client.call(&request).map_err(explain)?;
        process.memory.changed();
        Ok(reply.len)
    }

    /// Changes what may be done with memory of the current process.
    ///
    /// **Errors**: as [`Engine::allocate_memory`].
    /// **Cost**: one round trip.
    pub fn protect_memory(
        &mut self,
        range: AddressRange,
        protection: Protection,
    ) -> Result<(), Error> {
        let (process, _) = self.current_still()?;
        let request = ProtectMemory {
            target: process.target.value(),
            address: range.start().value(),
            len: range.len_bytes(),
            protection: protection.bits(),
            ..ProtectMemory::default()
        };
        self.client.call(&request).map_err(explain)?;
        process.memory.changed();
        Ok(())
    }
}

/// What a refusal means to whoever asked for memory.
fn explain(error: CallError) -> Error {
    /// `EPERM` and `EACCES` (errno(3)).
    const FORBIDDEN: [i32; 2] = [1, 13];
    let kind = match &error {
        CallError::Refused(fault) if fault.code == dbgwire::ErrorCode::Malformed => {
            ErrorKind::Invalid
        }
        CallError::Refused(fault)
            if fault.errno.is_some_and(|errno| FORBIDDEN.contains(&errno)) =>
        {
            ErrorKind::NotPermitted
        }
        _ => return error.into(),
    };
    Error::new(kind, error.to_string())
}
