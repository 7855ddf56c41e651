//! Breakpoints as people know them: numbers, pass counts, conditions of place and thread. Each has
//! locations, the addresses it stands for, and each location has a site, the server's name for it.
//! Pure: which sites are armed, and how, is not its business.

mod condition;
mod hardware;
mod passes;

use std::collections::BTreeMap;

use dbgbase::{Address, SiteId, Tid};
use dbgsym::dwarf::SourcePattern;
use dbgwire::verbs::site::{SITES_MAX, Site, SiteKind};

pub(crate) use condition::Encounter;
pub use condition::{Condition, Undecided};
pub use hardware::{Access, Watch};

use crate::source_line::line_asked;
use crate::{BreakpointId, Error, ErrorKind, ProcessNumber, ThreadNumber};

/// The most locations of all breakpoints together. They must fit a request, with room for
/// temporary sites.
const LOCATIONS_MAX: usize = SITES_MAX - 64;

/// A breakpoint to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BreakpointSpec {
    /// Its number; `None` for the smallest free one. A breakpoint that has it already is replaced.
    pub id: Option<BreakpointId>,
    /// What the user typed, for lists.
    pub expression: String,
    /// Where it is.
    pub location: BreakpointLocation,
    /// The hit at which it stops the targets, counted from 1 (as 0 is, too); those before are
    /// passed.
    pub passes: u32,
    /// Commands that the front end executes when it is hit. The engine only keeps them.
    pub command: String,
    /// Whether its first hit that stops the targets removes it.
    pub one_shot: bool,
    /// Only this thread, or any.
    pub thread: Option<(ProcessNumber, ThreadNumber)>,
    /// What must hold, if anything must.
    pub condition: Option<Condition>,
    /// What the CPU watches for at the address; `None` for a trap instruction there.
    pub watch: Option<Watch>,
}

impl BreakpointSpec {
    /// An ordinary breakpoint: any thread, first pass, no command.
    pub fn new(expression: impl Into<String>, location: BreakpointLocation) -> BreakpointSpec {
        BreakpointSpec {
            id: None,
            expression: expression.into(),
            location,
            passes: 1,
            command: String::new(),
            one_shot: false,
            thread: None,
            condition: None,
            watch: None,
        }
    }
}

/// Where a breakpoint is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BreakpointLocation {
    /// At this address.
    Address(Address),
    /// At the symbol `name` or `module!name`, once a module has it; at all of them if several
    /// functions of one module have the name. Or at a line of source, `` `file:line` `` or
    /// `` `module!file:line` ``, wherever that has code.
    Symbol(String),
}

/// A breakpoint as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BreakpointView {
    /// Its number.
    pub id: BreakpointId,
    /// The process it belongs to.
    pub process: ProcessNumber,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Its addresses in ascending order; empty while it is unresolved.
    pub addresses: Vec<Address>,
    /// How many hits it takes until it stops the targets; 1 for the next. See
    /// [`Engine::count_passes`](crate::Engine::count_passes).
    pub passes_left: u32,
    /// How many it took at the beginning.
    pub passes_initial: u32,
    /// How often it was reached, passed hits included.
    pub hits: u64,
    /// Only this thread, or any.
    pub thread: Option<ThreadNumber>,
    /// What the user typed.
    pub expression: String,
    /// Where it is.
    pub location: BreakpointLocation,
    /// Commands of the front end.
    pub command: String,
    /// Whether its first hit that stops the targets removes it.
    pub one_shot: bool,
    /// What must hold, if anything must.
    pub condition: Option<Condition>,
    /// Whether the server evaluates the condition.
    pub is_condition_served: bool,
    /// What the CPU watches for; `None` for a trap instruction.
    pub watch: Option<Watch>,
}

/// One breakpoint.
#[derive(Debug)]
struct Breakpoint {
    spec: BreakpointSpec,
    process: ProcessNumber,
    thread: Option<(ThreadNumber, Tid)>,
    enabled: bool,
    passes_left: u32,
    hits: u64,
    /// The condition as code for the server; empty if there is none or the engine evaluates it.
    code: Vec<u8>,
    locations: Vec<Location>,
}

impl Breakpoint {
    /// Whether a thread that has come to these places has come to this breakpoint.
    fn is_reached(&self, process: ProcessNumber, tid: Tid, encounter: Encounter<'_>) -> bool {
        let is_for_thread = self.thread.is_none_or(|(_, wanted)| wanted == tid);
        let is_there = |location: &Location| match encounter {
            Encounter::Sites(sites) => sites.contains(&location.site),
            Encounter::Step(pc) => location.address == pc && !self.is_for_data(),
        };
        let is_its = self.process == process && self.enabled && is_for_thread;
        is_its && self.locations.iter().any(is_there)
    }

    /// Whether it is about accesses to data, which no step leads to.
    fn is_for_data(&self) -> bool {
        self.spec.watch.is_some_and(|watch| watch.access != Access::Execute)
    }
}

/// One address of a breakpoint.
#[derive(Clone, Copy, Debug)]
struct Location {
    address: Address,
    site: SiteId,
}

/// All breakpoints, of all processes.
#[derive(Debug, Default)]
pub(crate) struct Breakpoints {
    by_id: BTreeMap<BreakpointId, Breakpoint>,
    last_site: u32,
}

impl Breakpoints {
    /// Makes a breakpoint of a process, enabled. `code` is its condition for the server.
    ///
    /// **Errors**: `LimitReached`.
    pub(crate) fn add(
        &mut self,
        spec: BreakpointSpec,
        process: ProcessNumber,
        thread: Option<(ThreadNumber, Tid)>,
        addresses: &[Address],
        code: Vec<u8>,
    ) -> Result<BreakpointId, Error> {
        let count: usize = self.by_id.values().map(|breakpoint| breakpoint.locations.len()).sum();
        if count + addresses.len() > LOCATIONS_MAX {
            let message = format!(
                "{} has {} locations; all breakpoints together may have {LOCATIONS_MAX}",
                spec.expression,
                addresses.len()
            );
            return Err(Error::new(ErrorKind::LimitReached, message));
        }
        let id = spec.id.unwrap_or_else(|| self.free_id());
        let passes_left = spec.passes.max(1);
        let breakpoint = Breakpoint {
            spec,
            process,
            thread,
            enabled: true,
            passes_left,
            hits: 0,
            code,
            locations: Vec::new(),
        };
        self.by_id.insert(id, breakpoint);
        self.relocate(id, addresses);
        Ok(id)
    }

    fn free_id(&self) -> BreakpointId {
        let taken = |id: &u32| self.by_id.contains_key(&BreakpointId(*id));
        BreakpointId((0..).find(|id| !taken(id)).unwrap_or(u32::MAX))
    }

    /// A site id that was never given before.
    pub(crate) fn new_site(&mut self) -> SiteId {
        self.last_site += 1;
        SiteId::new(self.last_site)
    }

    /// Gives a breakpoint these addresses. One that it has already keeps its site.
    fn relocate(&mut self, id: BreakpointId, addresses: &[Address]) {
        let Some(breakpoint) = self.by_id.get_mut(&id) else { return };
        let was_counted_there = breakpoint.is_counted_there();
        let mut old = std::mem::take(&mut breakpoint.locations);
        let mut addresses = addresses.to_vec();
        addresses.sort_unstable();
        addresses.dedup();
        let stays_alone = was_counted_there && addresses.len() == 1;
        if breakpoint.passes_left > 1 && !old.is_empty() && !stays_alone {
            // Somebody else counts its passes from now on.
            old.clear();
        }
        let mut locations = Vec::with_capacity(addresses.len());
        for address in addresses {
            let known = old.iter().find(|location| location.address == address);
            let site = known.map_or_else(|| self.new_site(), |location| location.site);
            locations.push(Location { address, site });
        }
        if let Some(breakpoint) = self.by_id.get_mut(&id) {
            breakpoint.locations = locations;
        }
    }

    /// Removes a breakpoint.
    ///
    /// **Errors**: `NoSuchBreakpoint`.
    pub(crate) fn remove(&mut self, id: BreakpointId) -> Result<(), Error> {
        self.by_id.remove(&id).map(|_| ()).ok_or_else(|| no_such(id))
    }

    /// Enables or disables a breakpoint. One that is enabled anew has new sites.
    ///
    /// **Errors**: `NoSuchBreakpoint`.
    pub(crate) fn enable(&mut self, id: BreakpointId, enabled: bool) -> Result<(), Error> {
        let breakpoint = self.by_id.get_mut(&id).ok_or_else(|| no_such(id))?;
        let is_anew = enabled && !breakpoint.enabled;
        breakpoint.enabled = enabled;
        if is_anew {
            self.renew_sites(id);
        }
        Ok(())
    }

    /// Gives each location of a breakpoint a site that was never used.
    fn renew_sites(&mut self, id: BreakpointId) {
        let Some(breakpoint) = self.by_id.get_mut(&id) else { return };
        let locations = breakpoint.locations.drain(..);
        let addresses: Vec<_> = locations.map(|location| location.address).collect();
        self.relocate(id, &addresses);
    }

    /// The process is gone, and its breakpoints with it.
    pub(crate) fn forget_process(&mut self, process: ProcessNumber) {
        self.by_id.retain(|_, breakpoint| breakpoint.process != process);
    }

    /// The process executes another program: addresses mean something else, so breakpoints by
    /// address are disabled, and those by symbol are unresolved.
    pub(crate) fn executed(&mut self, process: ProcessNumber) {
        for breakpoint in self.of_process_mut(process) {
            match breakpoint.spec.location {
                BreakpointLocation::Address(_) => breakpoint.enabled = false,
                BreakpointLocation::Symbol(_) => breakpoint.locations.clear(),
            }
        }
    }

    /// The breakpoints of a process that are by symbol.
    pub(crate) fn by_symbol(&self, process: ProcessNumber) -> Vec<(BreakpointId, String)> {
        let of_process = self.by_id.iter().filter(|(_, breakpoint)| breakpoint.process == process);
        let by_symbol = of_process.filter_map(|(id, breakpoint)| match &breakpoint.spec.location {
            BreakpointLocation::Symbol(name) => Some((*id, name.clone())),
            BreakpointLocation::Address(_) => None,
        });
        by_symbol.collect()
    }

    /// Whether loading or unloading a module may change what one of the enabled breakpoints means:
    /// one by symbol that no module has, or of which a location does not stay.
    pub(crate) fn depend_on_modules(
        &self,
        process: ProcessNumber,
        stays: impl Fn(Address) -> bool,
    ) -> bool {
        let depends = |breakpoint: &Breakpoint| {
            let mut locations = breakpoint.locations.iter();
            breakpoint.locations.is_empty() || locations.any(|location| !stays(location.address))
        };
        self.by_id.values().any(|breakpoint| {
            breakpoint.process == process
                && breakpoint.enabled
                && matches!(breakpoint.spec.location, BreakpointLocation::Symbol(_))
                && depends(breakpoint)
        })
    }

    /// A symbol means these addresses now.
    pub(crate) fn resolved(&mut self, id: BreakpointId, addresses: &[Address]) {
        self.relocate(id, addresses);
    }

    /// What the server is to have armed for a process that is let run, and whose passes count or
    /// not meanwhile.
    pub(crate) fn sites(&self, process: ProcessNumber, counts_passes: bool) -> Vec<Site> {
        let wanted = self.by_id.values().filter(|breakpoint| {
            let is_counted = counts_passes || !breakpoint.has_passes_there();
            breakpoint.process == process && breakpoint.enabled && is_counted
        });
        let sites = wanted.flat_map(|breakpoint| {
            let watch = breakpoint.spec.watch;
            let passes = if breakpoint.has_passes_there() { breakpoint.passes_left - 1 } else { 0 };
            breakpoint.locations.iter().map(move |location| Site {
                id: location.site.value(),
                address: location.address.value(),
                kind: watch.map_or(SiteKind::Software, Watch::site_kind) as i32,
                len: watch.map_or(0, |watch| watch.len_bytes),
                tid: breakpoint.thread.map_or(0, |(_, tid)| tid.value()),
                ignore: u64::from(passes),
                condition: breakpoint.code.clone(),
                ..Site::default()
            })
        });
        sites.collect()
    }

    /// The file and line that a breakpoint is at, if it is at one.
    pub(crate) fn line_of(&self, id: BreakpointId) -> Option<(SourcePattern, u32)> {
        match &self.by_id.get(&id)?.spec.location {
            BreakpointLocation::Symbol(name) => line_asked(name),
            BreakpointLocation::Address(_) => None,
        }
    }

    /// How the code that a breakpoint is at was named, which may have been by a number; `None` for
    /// one about accesses to data.
    pub(crate) fn name_of(&self, id: BreakpointId) -> Option<&str> {
        let breakpoint = self.by_id.get(&id).filter(|breakpoint| !breakpoint.is_for_data())?;
        let name = match &breakpoint.spec.location {
            BreakpointLocation::Symbol(name) => name,
            BreakpointLocation::Address(_) => &breakpoint.spec.expression,
        };
        let quoted = name.strip_prefix("@!\"").and_then(|name| name.strip_suffix('"'));
        Some(quoted.unwrap_or(name))
    }

    /// Which breakpoint a site belongs to.
    pub(crate) fn owner(&self, site: SiteId) -> Option<BreakpointId> {
        let has = |breakpoint: &Breakpoint| {
            breakpoint.locations.iter().any(|location| location.site == site)
        };
        self.by_id.iter().find(|(_, breakpoint)| has(breakpoint)).map(|(id, _)| *id)
    }

    /// A thread has come to breakpoints, of which the conditions of `unmet` do not hold. Returns
    /// those that stop the targets for it.
    ///
    /// Passes are counted only if the target was let run freely, not while it is stepped.
    pub(crate) fn reached(
        &mut self,
        process: ProcessNumber,
        tid: Tid,
        encounter: Encounter<'_>,
        unmet: &[BreakpointId],
        counts_passes: bool,
    ) -> Vec<BreakpointId> {
        let mut stopping = Vec::new();
        for (id, breakpoint) in &mut self.by_id {
            if !breakpoint.is_reached(process, tid, encounter) || unmet.contains(id) {
                continue;
            }
            if matches!(encounter, Encounter::Sites(_)) && breakpoint.has_passes_there() {
                // The server tells of the hit behind the last that was to be passed.
                breakpoint.hits += u64::from(breakpoint.passes_left - 1);
                breakpoint.passes_left = 1;
            }
            breakpoint.hits += 1;
            if breakpoint.passes_left <= 1 {
                stopping.push(*id);
            } else if counts_passes {
                breakpoint.passes_left -= 1;
            }
        }
        stopping
    }

    /// These breakpoints were told of: those for one shot are spent.
    pub(crate) fn told(&mut self, ids: &[BreakpointId]) {
        self.by_id.retain(|id, breakpoint| !(breakpoint.spec.one_shot && ids.contains(id)));
    }

    /// All breakpoints as they stand, in the order of their numbers.
    pub(crate) fn views(&self) -> Vec<BreakpointView> {
        let view = |(id, breakpoint): (&BreakpointId, &Breakpoint)| BreakpointView {
            id: *id,
            process: breakpoint.process,
            enabled: breakpoint.enabled,
            addresses: breakpoint.locations.iter().map(|location| location.address).collect(),
            passes_left: breakpoint.passes_left,
            passes_initial: breakpoint.spec.passes.max(1),
            hits: breakpoint.hits,
            thread: breakpoint.thread.map(|(number, _)| number),
            expression: breakpoint.spec.expression.clone(),
            location: breakpoint.spec.location.clone(),
            command: breakpoint.spec.command.clone(),
            one_shot: breakpoint.spec.one_shot,
            condition: breakpoint.spec.condition.clone(),
            is_condition_served: !breakpoint.code.is_empty(),
            watch: breakpoint.spec.watch,
        };
        self.by_id.iter().map(view).collect()
    }

    fn of_process_mut(&mut self, process: ProcessNumber) -> impl Iterator<Item = &mut Breakpoint> {
        self.by_id.values_mut().filter(move |breakpoint| breakpoint.process == process)
    }
}

fn no_such(id: BreakpointId) -> Error {
    Error::new(ErrorKind::NoSuchBreakpoint, format!("there is no breakpoint {id}"))
}

#[cfg(test)]
#[path = "breakpoints/tests.rs"]
mod tests;
