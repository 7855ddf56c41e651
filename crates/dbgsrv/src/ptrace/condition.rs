//! Conditions of sites: read from requests, evaluated at a hit, and told of where they have no
//! result. How code is run is the business of `agent`; what follows a hit is that of `traps`.

use std::sync::Arc;

use dbgbase::{Arch, ConditionFault, GeneralRegisters, ReadMemory, SiteId};
use dbgwire::agent::Code;
use dbgwire::event::Stopped;
use dbgwire::verbs::site::Site;
use dbgwire::{ErrorCode, Fault, convert};

use crate::agent;

/// The condition of a site; `None` if it has none.
///
/// **Errors**: [`ErrorCode::Malformed`] with what is wrong, and where.
pub(super) fn read(site: &Site, arch: Arch) -> Result<Option<Arc<Code>>, Fault> {
    if site.condition.is_empty() {
        return Ok(None);
    }
    let code = Code::verify(&site.condition, arch);
    code.map(|code| Some(Arc::new(code)))
        .map_err(|error| Fault::new(ErrorCode::Malformed, error.to_string()))
}

/// The conditions of sites, asked for one thread that has come to them.
pub(super) struct Conditions<'a> {
    registers: &'a GeneralRegisters,
    memory: &'a dyn ReadMemory,
    faults: Vec<ConditionFault>,
}

impl<'a> Conditions<'a> {
    /// For a thread with these registers.
    pub(super) fn new(
        registers: &'a GeneralRegisters,
        memory: &'a dyn ReadMemory,
    ) -> Conditions<'a> {
        Conditions { registers, memory, faults: Vec::new() }
    }

    /// Whether the condition of a site, if it has one, lets the thread stop. One that has no result
    /// does: a stop too many can be told from one that was wanted; one that is missed is never
    /// heard of.
    pub(super) fn hold(&mut self, site: SiteId, condition: Option<&Code>) -> bool {
        let result = condition.map(|code| agent::run(code, self.registers, self.memory));
        if let Some(Err(halt)) = result {
            let offset = halt.offset as u32;
            self.faults.push(ConditionFault { site, offset, trouble: halt.trouble });
        }
        result != Some(Ok(0))
    }

    /// What is to be told of those without a result.
    pub(super) fn into_faults(self) -> Vec<ConditionFault> {
        self.faults
    }
}

/// Tells of conditions without a result. Those of sites that were removed since are not told of.
pub(super) fn tell(event: &mut Stopped, faults: &[ConditionFault]) {
    let told = faults.iter().filter(|fault| event.sites.contains(&fault.site.value()));
    event.condition_faults = told.map(convert::condition_fault_message).collect();
}
