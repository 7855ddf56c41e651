//! What is mapped in a target, as far as it is known at this stop.

use bytes::Bytes;
use dbgbase::{Address, TargetId};
use dbgwire::verbs::memory::{ListRegions, Region};

use crate::error::PacketError;
use crate::memory_cache::Lookup;
use crate::session::Session;
use crate::target::Target;

impl Session {
    /// Everything that is mapped, by address.
    ///
    /// **Cost**: none if it is known at this stop; otherwise a round trip for each 8,192 regions.
    pub(crate) fn regions(&mut self, id: TargetId) -> Result<&[Region], PacketError> {
        let target = self.target(id)?;
        if target.regions.is_none() || target.is_running {
            let mut regions: Vec<Region> = Vec::new();
            loop {
                let from = regions.last().map_or(0, |last| last.end);
                let request = ListRegions { target: id.value(), from };
                let (reply, _) = self.client.send(&request, Bytes::new()).wait()?;
                let is_more =
                    reply.more && reply.regions.last().is_some_and(|last| last.end > from);
                regions.extend(reply.regions);
                if !is_more {
                    break;
                }
            }
            self.target_mut(id)?.regions = Some(regions);
        }
        Ok(self.target(id)?.regions.as_deref().unwrap_or_default())
    }

    /// Makes sure that something is mapped at an address, as far as that can be told. Where it
    /// cannot, the next resume is refused, and that is told.
    ///
    /// **Errors**: [`PacketError::Unwritable`].
    pub(crate) fn check_is_mapped(
        &mut self,
        id: TargetId,
        address: Address,
    ) -> Result<(), PacketError> {
        let target = self.target(id)?;
        // What was read can be written by a debugger.
        let is_known = matches!(
            target.memory.get(address, 1),
            Lookup::Known(bytes) if !bytes.is_empty()
        );
        let at = address.value();
        let mut modules = target.modules.iter();
        let is_code = modules.any(|module| at.wrapping_sub(module.base) < module.size);
        if is_known || is_code {
            return Ok(());
        }
        let regions = self.regions(id)?;
        if is_mapped(regions, at) { Ok(()) } else { Err(PacketError::Unwritable(address)) }
    }
}

impl Target {
    /// Whether it is known that nothing is mapped at an address.
    pub(crate) fn is_known_gap(&self, address: Address) -> bool {
        let regions = self.regions.as_deref().filter(|_| !self.is_running);
        regions.is_some_and(|regions| !is_mapped(regions, address.value()))
    }
}

fn is_mapped(regions: &[Region], at: u64) -> bool {
    let index = regions.partition_point(|region| region.end <= at);
    regions.get(index).is_some_and(|region| region.start <= at)
}
