//! Breakpoints that the CPU watches for: which accesses to which bytes. How many places it can
//! watch, and whether one is free, only the server knows.

use dbgbase::Address;
use dbgwire::verbs::site::SiteKind;

use super::Breakpoints;
use crate::{BreakpointId, Error, ErrorKind, ProcessNumber};

/// An access that the CPU stops at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// An instruction that begins at the address; the stop is before it.
    Execute,
    /// A write; the stop is behind the instruction.
    Write,
    /// A read or a write; the stop is behind the instruction. (x86 cannot watch for reads alone.)
    ReadWrite,
}

/// What the CPU watches for a breakpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watch {
    /// Which accesses.
    pub access: Access,
    /// How many bytes, which divide the address: 1, 2, 4 or 8, and 1 for [`Access::Execute`].
    pub len_bytes: u32,
}

impl Watch {
    /// **Errors**: `Invalid` for what no CPU watches.
    pub(crate) fn check(self, address: Address) -> Result<(), Error> {
        let Watch { access, len_bytes } = self;
        let refused = |message: String| Err(Error::new(ErrorKind::Invalid, message));
        if access == Access::Execute && len_bytes != 1 {
            return refused(format!(
                "an instruction is watched by its first byte, so its length is 1, not {len_bytes}"
            ));
        }
        if ![1, 2, 4, 8].contains(&len_bytes) {
            return refused(format!("the CPU watches 1, 2, 4 or 8 bytes, not {len_bytes}"));
        }
        if !address.value().is_multiple_of(u64::from(len_bytes)) {
            return refused(format!(
                "{len_bytes} bytes are watched at multiples of {len_bytes}, which {address} is not"
            ));
        }
        Ok(())
    }

    pub(crate) fn site_kind(self) -> SiteKind {
        match self.access {
            Access::Execute => SiteKind::HardwareExecute,
            Access::Write => SiteKind::HardwareWrite,
            Access::ReadWrite => SiteKind::HardwareReadWrite,
        }
    }
}

impl Breakpoints {
    /// The breakpoints of a process that the CPU is to watch for.
    pub(crate) fn watching(&self, process: ProcessNumber) -> Vec<BreakpointId> {
        let watching = self.by_id.iter().filter(|(_, breakpoint)| {
            breakpoint.process == process && breakpoint.enabled && breakpoint.spec.watch.is_some()
        });
        watching.map(|(id, _)| *id).collect()
    }
}
