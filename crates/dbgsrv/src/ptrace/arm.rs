//! Changing a target's code: arming and disarming sites, each with its journal entry written first
//! and taken back last. Tracer thread only.

use dbgbase::{Address, Arch, SiteId, TargetId};
use dbgwire::verbs::site::{ListSitesReply, SiteState};
use dbgwire::{ErrorCode, Fault};

use super::instruction::{self, Kind};
use super::memory::Inner;
use super::probe::Step;
use super::site::{Carried, ClientReason, Patch, Reason, Site};
use super::target::{Phase, Target};
use super::tracer::Tracer;
use super::watch::PLACES;
use crate::journal::{BYTES_MAX, ENTRIES_MAX, Entry};

/// How many sites a client may have in one target. As many fit into one reply that lists them.
const CLIENT_SITES_MAX: usize = ENTRIES_MAX;

impl Tracer {
    /// Adds a reason to stop at an address, arming it if it is the first.
    ///
    /// **Errors**: [`ErrorCode::NoSuchSite`] if the client's id is in use,
    /// [`ErrorCode::Unreadable`] or [`ErrorCode::Unwritable`] if the address takes no trap
    /// instruction, [`ErrorCode::LimitReached`] if the client has too many, or the journal is full.
    pub(super) fn arm(
        &mut self,
        id: TargetId,
        address: Address,
        reason: Reason,
    ) -> Result<(), Fault> {
        let target = self.targets.get_mut(&id).ok_or_else(|| super::tracer::no_such_target(id))?;
        let mut memory = target.memory.write();
        if let Reason::Client(client) = &reason
            && (memory.sites.find(client.id).is_some() || target.watches.has(client.id))
        {
            let detail = format!("the site id {} is in use", client.id);
            return Err(Fault::new(ErrorCode::NoSuchSite, detail));
        }
        if matches!(reason, Reason::Client(_)) && memory.sites.client_count() >= CLIENT_SITES_MAX {
            let detail =
                format!("a target has at most {CLIENT_SITES_MAX} sites; remove some first");
            return Err(Fault::new(ErrorCode::LimitReached, detail));
        }
        let Err(reason) = memory.sites.add_reason(address, reason) else { return Ok(()) };
        let trap = self.arch.trap_instruction();
        let mut original = [0; BYTES_MAX];
        let Some(head) = original.get_mut(..trap.len()) else {
            return Ok(());
        };
        memory.peek(address, head).map_err(|error| {
            fault_at(ErrorCode::Unreadable, address, "memory cannot be read", &error)
        })?;
        let is_call = is_call(&memory, self.arch, address);
        let entry = self
            .journal
            .add(Entry::Bytes {
                pid: target.pid,
                start_time: target.start_time,
                address,
                original,
                len: trap.len(),
            })
            .map_err(|_| {
                Fault::new(ErrorCode::LimitReached, "this session has too many breakpoints")
            })?;
        reach(&mut self.probe, Step::SiteJournaled);
        let is_armed = target.vforks == 0;
        if target.is_at_rest {
            // It is written all the same, and lifted soon: what cannot be armed is known at once.
            self.restless.insert(id);
        }
        if is_armed && let Err(error) = memory.poke(address, trap) {
            self.journal.remove(entry);
            return Err(fault_at(
                ErrorCode::Unwritable,
                address,
                "no breakpoint can be set",
                &error,
            ));
        }
        reach(&mut self.probe, Step::SiteArmed);
        let site = Site {
            original,
            is_armed,
            is_call,
            entry,
            carried: Carried::Untried,
            was_carried: false,
            reasons: vec![reason],
        };
        memory.sites.add(address, site);
        Ok(())
    }

    /// Takes the client's reason back; an id that is not known is passed over.
    pub(super) fn disarm_client(&mut self, id: TargetId, site: SiteId) {
        let is_wanted =
            |reason: &Reason| matches!(reason, Reason::Client(client) if client.id == site);
        let address =
            self.targets.get(&id).and_then(|target| target.memory.lock().sites.find(site));
        match address {
            Some(address) => self.disarm(id, address, is_wanted),
            None => self.unwatch(id, site),
        }
    }

    /// What has become of the client's sites.
    pub(super) fn list_sites(&mut self, id: TargetId) -> Result<ListSitesReply, Fault> {
        let target = self.target(id)?;
        let memory = target.memory.lock();
        let state = |(address, client): (Address, &ClientReason), out_of_line| SiteState {
            id: client.id.value(),
            address: address.value(),
            hits: client.hits,
            ignore: client.ignore,
            out_of_line,
        };
        let armed = memory.sites.client_reasons();
        let armed = armed.map(|(address, site, client)| state((address, client), site.was_carried));
        let watched = target.watches.reasons().map(|watched| state(watched, false));
        let mut sites: Vec<SiteState> = armed.chain(watched).collect();
        sites.sort_by_key(|site| site.address);
        Ok(ListSitesReply {
            sites,
            hardware_total: PLACES as u32,
            hardware_used: target.watches.used() as u32,
        })
    }

    /// Takes those reasons at an address back that `is_wanted` picks, and restores the program's
    /// bytes if no reason is left.
    pub(super) fn disarm(
        &mut self,
        id: TargetId,
        address: Address,
        is_wanted: impl Fn(&Reason) -> bool,
    ) {
        let Some(target) = self.targets.get_mut(&id) else {
            return;
        };
        let mut memory = target.memory.write();
        if !memory.sites.drop_reasons(address, is_wanted) {
            return;
        }
        drop(memory);
        self.uncarry(id, address);
        let Some(target) = self.targets.get_mut(&id) else { return };
        let mut memory = target.memory.write();
        let Some(site) = memory.sites.get_mut(address) else { return };
        let (is_armed, original) = (site.is_armed, site.original);
        let trap = self.arch.trap_instruction();
        let mut is_ours = false;
        if is_armed && let Some(bytes) = original.get(..trap.len()) {
            is_ours = exchange(&memory, address, trap, bytes) == Exchange::Refused;
            reach(&mut self.probe, Step::SiteRestored);
        }
        if let Some(site) = memory.sites.forget(address) {
            // A trap that cannot be taken back stays in the journal.
            if !is_ours {
                self.journal.remove(site.entry);
            }
            reach(&mut self.probe, Step::SiteForgotten);
        }
    }

    /// Restores the program's bytes everywhere, for good.
    pub(super) fn disarm_all(&mut self, id: TargetId) {
        let addresses = self.targets.get(&id).map(|target| target.memory.lock().sites.addresses());
        for address in addresses.unwrap_or_default() {
            self.disarm(id, address, |_| true);
        }
    }

    /// Forgets the sites of a target whose memory is gone. What was in it of the debugger's.
    pub(super) fn forget_sites(&mut self, id: TargetId) -> Vec<Patch> {
        let Some(target) = self.targets.get_mut(&id) else {
            return Vec::new();
        };
        let mut memory = target.memory.write();
        let patches = memory.sites.patches();
        let slots: Vec<_> = memory.sites.slots.iter().map(|(at, slot)| (at, slot.entry)).collect();
        for (at, entry) in slots {
            memory.sites.slots.remove(at);
            self.journal.remove(entry);
        }
        for address in memory.sites.addresses() {
            if let Some(site) = memory.sites.forget(address) {
                self.journal.remove(site.entry);
            }
        }
        patches
    }

    /// Puts the program's bytes back at one site for a while, or the trap instruction again, unless
    /// a child uses the target's memory. The journal's entry stays: it says what to undo in either
    /// case.
    pub(super) fn set_armed(&mut self, id: TargetId, address: Address, is_armed: bool) {
        let Some(target) = self.targets.get_mut(&id) else {
            return;
        };
        set_armed(target, address, is_armed);
        if !is_armed {
            reach(&mut self.probe, Step::SiteLifted);
        }
    }

    /// The same for every site.
    pub(super) fn set_all_armed(&mut self, id: TargetId, is_armed: bool) {
        let Some(target) = self.targets.get_mut(&id) else {
            return;
        };
        let addresses = target.memory.lock().sites.addresses();
        for address in addresses {
            set_armed(target, address, is_armed);
        }
    }
}

impl Tracer {
    /// Puts the trap instructions back where they are gone with the memory that they were in: an
    /// image that was unloaded and is loaded again where it was has the program's bytes there. What
    /// was carried to slots behind its code is gone, too.
    pub(super) fn renew_sites(&mut self, id: TargetId) {
        let Some(target) = self.targets.get(&id).filter(|target| !target.is_at_rest) else {
            return;
        };
        let stepped_off = match target.phase {
            Phase::SteppingOff { site, .. } => Some(site),
            _ => None,
        };
        let addresses = target.memory.lock().sites.addresses();
        for address in addresses.into_iter().filter(|address| Some(*address) != stepped_off) {
            if self.is_in_place(id, address) {
                continue;
            }
            self.uncarry_lost(id, address);
            let Some(target) = self.targets.get_mut(&id) else { return };
            if let Some(site) = target.memory.write().sites.get_mut(address) {
                site.is_armed = false;
            }
            set_armed(target, address, true);
        }
    }

    /// Whether a site's trap instruction is where it belongs.
    fn is_in_place(&self, id: TargetId, address: Address) -> bool {
        let Some(target) = self.targets.get(&id) else { return false };
        let trap = self.arch.trap_instruction();
        let mut found = [0; BYTES_MAX];
        let Some(found) = found.get_mut(..trap.len()) else { return false };
        target.memory.lock().peek(address, found).is_ok() && found == trap
    }
}

fn set_armed(target: &mut Target, address: Address, is_armed: bool) {
    let is_armed = is_armed && target.vforks == 0;
    let mut memory = target.memory.write();
    let len = memory.sites.trap_len();
    let Some(site) = memory.sites.get_mut(address) else {
        return;
    };
    if site.is_armed == is_armed {
        return;
    }
    let original = site.original;
    let trap = target.arch.trap_instruction();
    let Some(program) = original.get(..len) else {
        return;
    };
    let (expected, bytes) = if is_armed { (program, trap) } else { (trap, program) };
    let exchanged = exchange(&memory, address, expected, bytes);
    if let Some(site) = memory.sites.get_mut(address) {
        // Where the program has put something else meanwhile, the site has died.
        site.is_armed = is_armed && exchanged == Exchange::Done;
    }
}

/// What became of an exchange of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Exchange {
    /// The bytes are exchanged.
    Done,
    /// Something else is there, or nothing: the program has changed its memory.
    Other,
    /// The system does not let the bytes be written.
    Refused,
}

/// Writes `bytes` over `expected`, and over nothing else.
fn exchange(memory: &Inner, address: Address, expected: &[u8], bytes: &[u8]) -> Exchange {
    let mut found = [0; BYTES_MAX];
    let Some(found) = found.get_mut(..expected.len()) else {
        return Exchange::Other;
    };
    if memory.peek(address, found).is_err() || found != expected {
        return Exchange::Other;
    }
    match memory.poke(address, bytes) {
        Ok(_) => Exchange::Done,
        Err(_) => Exchange::Refused,
    }
}

/// Whether the program's instruction at an address enters the kernel.
fn is_call(memory: &Inner, arch: Arch, address: Address) -> bool {
    let mut code = [0; instruction::CALL_LEN];
    if memory.peek(address, &mut code).is_err() {
        return false;
    }
    memory.sites.hide(address, &mut code);
    instruction::kind(arch, &code) == Kind::EntersKernel
}

/// Calls the probe, if there is one.
pub(super) fn reach(probe: &mut super::probe::Probe, step: Step) {
    if let Some(probe) = probe {
        probe(step);
    }
}

fn fault_at(code: ErrorCode, address: Address, what: &str, error: &std::io::Error) -> Fault {
    let fault = Fault::new(code, format!("{what} at {address}: {error}"));
    match error.raw_os_error() {
        Some(errno) => fault.with_errno(errno),
        None => fault,
    }
}
