//! Breakpoints at the engine's door: whose they are, and what their symbols mean now. Numbers,
//! counts and sites are the business of the table they are kept in.

use std::sync::atomic::Ordering;

use dbgbase::{Address, SiteId};
use dbgwire::verbs::site::ListSites;

use crate::{
    BreakpointId, BreakpointLocation, BreakpointSpec, BreakpointView, Engine, Error, ErrorKind,
    EventKind, ProcessNumber, StopCause, SymbolKind, SymbolMatch,
};

impl Engine {
    /// Makes a breakpoint in the current process, or in that of its thread. It takes effect at the
    /// next [`Engine::execute`]; one whose symbol no module has stays unresolved and is tried again
    /// when the modules change.
    ///
    /// **Errors**: `NoTarget`, `NoSuchProcess`, `NoSuchThread`, `LimitReached`; `BadExpression` for
    /// a condition that cannot be understood; `Invalid` for what no CPU watches; `Cancelled` and
    /// those of the connection, if symbols have to be fetched.
    /// **Cost**: none for an address; as [`Engine::resolve`] for a symbol. While a symbol is
    /// unresolved, or lies in a module that may be unloaded, one round trip each time that the
    /// process loads or unloads one.
    pub fn add_breakpoint(&mut self, spec: BreakpointSpec) -> Result<BreakpointId, Error> {
        self.add(spec, None)
    }

    /// As [`Engine::add_breakpoint`], for a symbol of which it is known what it means now.
    ///
    /// **Cost**: none now; later as for any symbol.
    pub fn add_breakpoint_at(
        &mut self,
        spec: BreakpointSpec,
        addresses: Vec<Address>,
    ) -> Result<BreakpointId, Error> {
        self.add(spec, Some(addresses))
    }

    fn add(
        &mut self,
        spec: BreakpointSpec,
        known: Option<Vec<Address>>,
    ) -> Result<BreakpointId, Error> {
        let number = match spec.thread {
            Some((process, _)) => self.process(process)?.number,
            None => self.current_process()?.number,
        };
        let process = self.process(number)?;
        let thread = match spec.thread {
            Some((_, thread)) => {
                Some(process.thread(thread).map(|thread| (thread.number, thread.tid))?)
            }
            None => None,
        };
        let addresses = match (known, &spec.location) {
            (Some(addresses), _) => addresses,
            (None, BreakpointLocation::Address(address)) => vec![*address],
            (None, BreakpointLocation::Symbol(name)) => self.addresses_of(number, name)?,
        };
        if let Some(watch) = spec.watch {
            addresses.iter().try_for_each(|address| watch.check(*address))?;
        }
        let code = match &spec.condition {
            Some(condition) => self.condition_code(number, condition, addresses.is_empty())?,
            None => Vec::new(),
        };
        self.breakpoints.add(spec, number, thread, &addresses, code)
    }

    /// Asks how many hits are still passed of breakpoints whose passes the server counts, which are
    /// those with one address whose condition, if there is one, it evaluates. Until then
    /// [`BreakpointView`] tells what was known when the breakpoint was armed.
    ///
    /// **Errors**: those of the connection.
    /// **Cost**: one round trip for each process that has such a breakpoint; else none.
    pub fn count_passes(&mut self) -> Result<(), Error> {
        self.check_connected()?;
        let numbers: Vec<_> = self.processes.keys().copied().collect();
        numbers.into_iter().try_for_each(|number| self.count_passes_of(number))
    }

    pub(crate) fn count_passes_of(&mut self, number: ProcessNumber) -> Result<(), Error> {
        let Ok(process) = self.process(number) else { return Ok(()) };
        if !self.breakpoints.are_passes_there(number, &process.armed) {
            return Ok(());
        }
        match self.client.call(&ListSites { target: process.target.value() }) {
            Ok(reply) => {
                for site in reply.sites {
                    self.breakpoints.counted(SiteId::new(site.id), site.ignore);
                }
                Ok(())
            }
            // Its end is told by an event.
            Err(error) if error.is_about_end() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// All breakpoints, in the order of their numbers.
    ///
    /// **Cost**: none.
    pub fn breakpoints(&self) -> Vec<BreakpointView> {
        self.breakpoints.views()
    }

    /// Removes a breakpoint. It is disarmed at the next [`Engine::execute`], and never heard of
    /// again.
    ///
    /// **Errors**: `NoSuchBreakpoint`.
    /// **Cost**: none.
    pub fn remove_breakpoint(&mut self, id: BreakpointId) -> Result<(), Error> {
        self.breakpoints.remove(id)?;
        self.forget_hits(id);
        Ok(())
    }

    /// Enables or disables a breakpoint, from the next [`Engine::execute`] on.
    ///
    /// **Errors**: `NoSuchBreakpoint`; those of the connection.
    /// **Cost**: as [`Engine::count_passes`] to disable; else none.
    pub fn enable_breakpoint(&mut self, id: BreakpointId, enabled: bool) -> Result<(), Error> {
        if !enabled {
            // What is taken back cannot be asked any more.
            self.count_passes()?;
        }
        self.breakpoints.enable(id, enabled)?;
        if !enabled {
            self.forget_hits(id);
        }
        Ok(())
    }

    /// Events that wait to be told do not tell of this breakpoint.
    fn forget_hits(&mut self, id: BreakpointId) {
        self.pending.retain_mut(|event| match &mut event.kind {
            EventKind::Stopped(StopCause::Breakpoints(ids)) => {
                event.undecided.retain(|undecided| undecided.breakpoint != id);
                ids.retain(|hit| *hit != id);
                !ids.is_empty()
            }
            _ => true,
        });
    }

    /// The modules of a process have changed: what do its symbols mean now? One that cannot be
    /// looked up at the moment keeps its meaning.
    pub(crate) fn resolve_breakpoints(&mut self, number: ProcessNumber) {
        // Sites that move begin with the passes that are left, as far as that can be learned.
        let _ = self.count_passes_of(number);
        for (id, name) in self.breakpoints.by_symbol(number) {
            match self.addresses_of(number, &name) {
                Ok(addresses) => self.breakpoints.resolved(id, &addresses),
                Err(error) if error.kind() == ErrorKind::Cancelled => {
                    // The user wanted the target to stop, not just this to end.
                    self.interrupt.store(true, Ordering::Release);
                    return;
                }
                Err(_) => return,
            }
        }
    }

    /// The addresses of a symbol; none if no module has it.
    fn addresses_of(&self, number: ProcessNumber, name: &str) -> Result<Vec<Address>, Error> {
        match self.symbols_of(self.process(number)?).resolve(name) {
            Ok(found) => {
                let is_data = |found: &SymbolMatch| found.kind == SymbolKind::Data;
                // Code is meant where a name stands for both.
                let has_code = found.iter().any(|found| !is_data(found) && has_address(found));
                let is_meant =
                    |found: &&SymbolMatch| has_address(found) && !(has_code && is_data(found));
                Ok(found.iter().filter(is_meant).map(|found| found.address).collect())
            }
            Err(error) if error.kind() == ErrorKind::UnknownSymbol => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// Thread-local variables have one in each thread.
fn has_address(found: &SymbolMatch) -> bool {
    found.kind != SymbolKind::ThreadLocal
}
