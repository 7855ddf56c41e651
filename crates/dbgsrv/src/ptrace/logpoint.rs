//! Logpoints: sites whose commands print for a thread instead of having it stop. Commands are read
//! from requests and run at hits; how code is run is the business of `agent`, and how texts travel
//! that of `printed`.

use std::sync::Arc;

use dbgbase::{Arch, ConditionFault, GeneralRegisters, ReadMemory, SiteId, TargetId, Tid};
use dbgwire::agent::{Code, Purpose};
use dbgwire::event::Printed;
use dbgwire::verbs::site::{COMMANDS_MAX, Site};
use dbgwire::{ErrorCode, Fault, convert};

use super::printed::Printer;
use super::site::Candidate;
use crate::agent;

/// The commands of a site.
///
/// **Errors**: [`ErrorCode::Malformed`] with what is wrong, and where; [`ErrorCode::TooLarge`].
pub(super) fn read(site: &Site, arch: Arch) -> Result<Arc<[Code]>, Fault> {
    if site.commands.len() > COMMANDS_MAX {
        let detail = format!("a site has at most {COMMANDS_MAX} commands");
        return Err(Fault::new(ErrorCode::TooLarge, detail));
    }
    let codes = site.commands.iter().map(|code| Code::verify_for(Purpose::Commands, code, arch));
    let codes: Result<Arc<[Code]>, _> = codes.collect();
    codes.map_err(|error| Fault::new(ErrorCode::Malformed, error.to_string()))
}

/// A thread that has come to sites.
pub(super) struct Hits<'a> {
    pub(super) target: TargetId,
    pub(super) tid: Tid,
    pub(super) registers: &'a GeneralRegisters,
    pub(super) memory: &'a dyn ReadMemory,
}

impl Hits<'_> {
    /// Prints for those of `hit` that are to be told and have commands, and takes them out of
    /// `told`. `faults` are those of conditions.
    pub(super) fn print(
        &self,
        hit: &[Candidate],
        told: &mut Vec<SiteId>,
        faults: &[ConditionFault],
        printer: &mut Printer,
    ) {
        let has_commands = |candidate: &&Candidate| !candidate.commands.is_empty();
        for candidate in hit.iter().filter(has_commands) {
            let Some(index) = told.iter().position(|site| *site == candidate.site) else {
                continue;
            };
            told.remove(index);
            for fault in faults.iter().filter(|fault| fault.site == candidate.site) {
                printer.print(self.event(candidate.site, Some(*fault), 0), Vec::new());
            }
            self.run(candidate, printer);
        }
    }

    fn run(&self, candidate: &Candidate, printer: &mut Printer) {
        let mut text = Vec::new();
        let mut fault = None;
        for (number, code) in (1..).zip(candidate.commands.iter()) {
            if let Err(halt) = agent::print(code, self.registers, self.memory, &mut text) {
                let (site, offset) = (candidate.site, halt.offset as u32);
                fault = Some((ConditionFault { site, offset, trouble: halt.trouble }, number));
                break;
            }
        }
        let (fault, command) = fault.unzip();
        if fault.is_some() || !text.is_empty() {
            printer.print(self.event(candidate.site, fault, command.unwrap_or(0)), text);
        }
    }

    fn event(&self, site: SiteId, fault: Option<ConditionFault>, command: u32) -> Printed {
        Printed {
            target: self.target.value(),
            tid: self.tid.value(),
            site: site.value(),
            lost: 0,
            fault: fault.as_ref().map(convert::condition_fault_message),
            command,
        }
    }
}
