//! Which events of a process the engine asks the server for, beyond those that are always told. The
//! wishes travel in front of the request that lets the process run, and only when they change.

use dbgwire::verbs::module::ModuleDescription;
use dbgwire::verbs::resume::SetEvents;

use crate::{Engine, ProcessNumber};

/// What was asked for of one process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Wishes {
    /// A stop whenever its modules change, before code of a new one has run.
    modules: bool,
}

impl Engine {
    /// Asks for the events of a process that are needed now, if others were asked for before.
    ///
    /// A stop for every change of modules is needed as long as a breakpoint's symbol may turn up,
    /// or vanish, with one of them.
    ///
    /// **Cost**: none; nobody waits for the answer. A server that does not know the request tells
    /// of modules at the next stop, and their constructors have run by then.
    pub(crate) fn wish_for_events(&mut self, number: ProcessNumber) {
        let Some(process) = self.processes.get_mut(&number) else { return };
        let modules = &process.modules;
        let stays = |address| modules.at(address).is_some_and(|module| module.stays);
        let wishes = Wishes { modules: self.breakpoints.depend_on_modules(number, stays) };
        if std::mem::replace(&mut process.wishes, wishes) != wishes {
            let target = process.target.value();
            let verb = SetEvents { target, modules: wishes.modules, ..SetEvents::default() };
            self.client.post(&verb);
        }
    }

    /// The server tells that a process has other modules, without a stop. Breakpoints are resolved
    /// anew when it stands still: who waits for one to be there has asked for a stop.
    pub(crate) fn modules_changed(
        &mut self,
        number: ProcessNumber,
        described: Vec<ModuleDescription>,
    ) {
        let Some(process) = self.processes.get_mut(&number) else { return };
        process.modules.update(described);
        process.has_moved_symbols = true;
        if process.is_running() {
            process.has_new_modules = true;
        } else {
            self.resolve_breakpoints(number);
        }
    }
}
