//! Breakpoints at the engine's door: whose they are, and what their symbols mean now. Numbers,
//! counts and sites are the business of the table they are kept in.

use std::sync::atomic::Ordering;

use dbgbase::Address;

use crate::{
    BreakpointId, BreakpointLocation, BreakpointSpec, BreakpointView, Engine, Error, ErrorKind,
    EventKind, ProcessNumber, StopCause, SymbolKind,
};

impl Engine {
    /// Makes a breakpoint in the current process, or in that of its thread. It takes effect at the
    /// next [`Engine::execute`]; one whose symbol no module has stays unresolved and is tried again
    /// when the modules change.
    ///
    /// **Errors**: `NoTarget`, `NoSuchProcess`, `NoSuchThread`, `LimitReached`; `BadExpression` for
    /// a condition that cannot be understood; `Cancelled` and those of the connection, if symbols
    /// have to be fetched.
    /// **Cost**: none for an address; as [`Engine::resolve`] for a symbol.
    pub fn add_breakpoint(&mut self, spec: BreakpointSpec) -> Result<BreakpointId, Error> {
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
        let addresses = match &spec.location {
            BreakpointLocation::Address(address) => vec![*address],
            BreakpointLocation::Symbol(name) => self.addresses_of(number, name)?,
        };
        let code = match &spec.condition {
            Some(condition) => self.condition_code(number, condition, addresses.is_empty())?,
            None => Vec::new(),
        };
        self.breakpoints.add(spec, number, thread, &addresses, code)
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
    /// **Errors**: `NoSuchBreakpoint`.
    /// **Cost**: none.
    pub fn enable_breakpoint(&mut self, id: BreakpointId, enabled: bool) -> Result<(), Error> {
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
                let found = found.iter().filter(|found| found.kind != SymbolKind::ThreadLocal);
                Ok(found.map(|found| found.address).collect())
            }
            Err(error) if error.kind() == ErrorKind::UnknownSymbol => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}
