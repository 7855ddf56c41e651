//! Filters of events at the engine's door: before a target runs, its server learns what has changed
//! of them. What a stop means under a filter is not decided here.

use dbgbase::{Signal, TargetId};
use dbgwire::verbs::resume::{CatchSyscalls, ChildPolicy, SetEvents, SetSignals, SignalPolicy};

use crate::client::Client;
use crate::filters::{self, Interest, SignalInterest, SyscallFilter};
use crate::{Engine, Error, EventFilters, ProcessNumber};

impl Engine {
    /// What of all that happens to targets is to be told.
    ///
    /// **Cost**: none.
    pub fn filters(&self) -> &EventFilters {
        &self.filters
    }

    /// Says what of all that happens to targets is to be told, and which of them stop for it, from
    /// the next [`Engine::execute`] on.
    ///
    /// **Cost**: none; one round trip for each target when it runs next, if the system calls are
    /// others.
    pub fn set_filters(&mut self, filters: EventFilters) {
        self.filters = filters;
    }

    /// Tells the server what has changed for a process since it was told last, before it runs.
    ///
    /// **Errors**: what keeps system calls from being caught.
    pub(crate) fn tell_filters(&mut self, number: ProcessNumber) -> Result<(), Error> {
        let Some(process) = self.processes.get_mut(&number) else { return Ok(()) };
        let (target, wanted) = (process.target, &self.filters);
        // A stop for every change of modules is needed as long as a breakpoint's symbol may turn
        // up, or vanish, with one of them. A server that does not know the request tells of modules
        // at the next stop, and their constructors have run by then.
        let modules = &process.modules;
        let stays = |address| modules.at(address).is_some_and(|module| module.stays);
        let mut events = set_events(target, wanted);
        events.modules |= self.breakpoints.depend_on_modules(number, stays);
        if process.events != Some(events) {
            self.client.post(&events);
            process.events = Some(events);
        }
        if process.filters.as_ref() == Some(wanted) {
            return Ok(());
        }
        let known = process.filters.as_ref();
        let is_new = |signal: &Signal| {
            let policy = |filters| policy(filters, *signal);
            known.is_none_or(|known| policy(known) != policy(wanted))
        };
        let policies: Vec<_> =
            filters::signals().filter(is_new).map(|signal| policy(wanted, signal)).collect();
        if !policies.is_empty() {
            self.client.post(&SetSignals { target: target.value(), policies });
        }
        if known.is_none_or(|known| caught(known) != caught(wanted)) {
            catch(&self.client, target, caught(wanted))?;
        }
        process.filters = Some(wanted.clone());
        Ok(())
    }
}

fn set_events(target: TargetId, filters: &EventFilters) -> SetEvents {
    let children = match filters.follows_children {
        true => ChildPolicy::Follow,
        false => ChildPolicy::LetGo,
    };
    SetEvents {
        target: target.value(),
        modules: filters.modules == Interest::Stop,
        children: children as i32,
        forks: filters.forks != Interest::Ignore || filters.vforks != Interest::Ignore,
        thread_births: filters.thread_births != Interest::Ignore,
        thread_ends: filters.thread_ends != Interest::Ignore,
        vfork_ends: false,
    }
}

fn policy(filters: &EventFilters, signal: Signal) -> SignalPolicy {
    let filter = filters.signal(signal);
    SignalPolicy {
        signal: signal.number() as u32,
        stop: !matches!(filter.interest, SignalInterest::Ignore | SignalInterest::Output),
        pass: filter.is_passed,
        print: filter.interest == SignalInterest::Output,
    }
}

/// The system calls that the server has to catch.
fn caught(filters: &EventFilters) -> &SyscallFilter {
    match filters.syscalls {
        Interest::Ignore => &SyscallFilter::None,
        Interest::Output | Interest::Stop => &filters.syscalls_caught,
    }
}

fn catch(client: &Client, target: TargetId, caught: &SyscallFilter) -> Result<(), Error> {
    let (all, numbers) = match caught {
        SyscallFilter::None => (false, Vec::new()),
        SyscallFilter::All => (true, Vec::new()),
        SyscallFilter::Some(numbers) => (false, numbers.iter().copied().collect()),
    };
    match client.call(&CatchSyscalls { target: target.value(), all, numbers }) {
        Ok(_) => Ok(()),
        // Its end is told by an event.
        Err(error) if error.is_about_end() => Ok(()),
        Err(error) => Err(Error::from(error).context("system calls cannot be caught")),
    }
}
