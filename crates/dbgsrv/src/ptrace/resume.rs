//! Carrying out the verbs that let a target run, stop it, or change its sites and memory.

use std::collections::HashMap;

use dbgbase::{Address, AddressRange, SiteId, StopNumber, StopReason, TargetId, Tid};
use dbgwire::error::FaultMessage;
use dbgwire::verbs::resume::{Interrupt, Resume, ResumeReply, RunKind, SendSignal, ThreadAction};
use dbgwire::verbs::site::{
    InsertSites, InsertSitesReply, RemoveSites, RemoveSitesReply, SITES_MAX, Site, SiteFault,
    SiteKind,
};
use dbgwire::{ErrorCode, Fault, convert};

use super::site::{ClientReason, Reason};
use super::sys;
use super::target::{Phase, Target};
use super::thread::{DueSignal, State, StopClass, Thread, Wish};
use super::tracer::Tracer;
use crate::answer::Answer;

impl Tracer {
    /// Changes sites and lets threads run, or does nothing at all.
    pub(super) fn resume(&mut self, resume: Resume, answer: Answer<ResumeReply>) {
        let id = TargetId::new(resume.target);
        if !resume.insert.is_empty() || !resume.remove.is_empty() {
            return self.when_standing(id, answer, move |tracer| tracer.resume_now(&resume));
        }
        match self.resume_now(&resume) {
            // The threads run first.
            Ok(ResumeReply {}) => self.resumed.push(answer),
            Err(fault) => answer.fault(fault),
        }
    }

    fn resume_now(&mut self, resume: &Resume) -> Result<ResumeReply, Fault> {
        let id = TargetId::new(resume.target);
        let target = self.resumable(id)?;
        let actions = plan(target, &resume.actions)?;
        check_stop(target, resume.stop, &actions)?;
        check_count(resume.insert.len())?;
        check_count(resume.remove.len())?;
        let mut inserted = Vec::new();
        for site in &resume.insert {
            match self.insert_site(id, site) {
                Ok(()) => inserted.push(SiteId::new(site.id)),
                Err(fault) => {
                    for site in inserted {
                        self.disarm_client(id, site);
                    }
                    return Err(fault);
                }
            }
        }
        for site in &resume.remove {
            self.disarm_client(id, SiteId::new(*site));
        }
        self.forget_signals(id);
        self.wake(id);
        self.set_wishes(id, &actions);
        let target = self.target(id)?;
        if target.is_stopped() {
            target.phase = Phase::Running;
        }
        // Of the threads that stay where they are.
        if target.stops_alone() {
            self.journal_signals(id);
        }
        self.dirty.insert(id);
        Ok(ResumeReply {})
    }

    /// Takes over what the client wants, and drops reports that its wishes have made stale.
    fn set_wishes(&mut self, id: TargetId, actions: &Actions) {
        let Some(target) = self.targets.get_mut(&id) else {
            return;
        };
        let (event_thread, memory) = (target.event_thread, &target.memory);
        let (watches, stops_alone) = (&target.watches, target.stops_alone());
        for thread in target.threads.values_mut() {
            let action = actions.of(thread.tid);
            if stops_alone && (thread.told.is_none() || action.is_none()) {
                continue; // It is as it was.
            }
            thread.told = None;
            let passed = thread.passed;
            let remains = |site: &SiteId| {
                let is_here = passed.is_some() && memory.lock().sites.find(*site) == passed;
                is_here || watches.has(*site)
            };
            thread.begins_in_syscall = thread.state == State::Stopped(StopClass::Syscall);
            let is_held = thread.hold.is_held();
            let wish = action.filter(|_| !is_held).map(|action| (action.wish, action.range));
            (thread.wish, thread.range) = wish.unwrap_or((Wish::Stay, None));
            thread.is_in_range = false;
            let is_stale = match thread.report.as_mut().map(|report| &mut report.reason) {
                Some(StopReason::Step) => true,
                Some(StopReason::Breakpoint { sites } | StopReason::Watchpoint { sites, .. }) => {
                    sites.retain(remains);
                    sites.is_empty()
                }
                _ => false,
            };
            if is_stale {
                thread.report = None;
            }
            let signal = action.and_then(|action| action.signal);
            let is_named = actions.named.contains_key(&thread.tid);
            if thread.has_untold_signal() {
                // The client does not know of it yet, and will say at its stop what becomes of it.
                thread.held.extend(signal.map(|signal| DueSignal { signal, info: None }));
            } else if stops_alone || thread.tid == event_thread || is_named {
                let told = thread.inject.take();
                let given = signal.map(|signal| {
                    let same = told.filter(|told| told.signal == signal);
                    same.unwrap_or(DueSignal { signal, info: None })
                });
                // What is given is given, also if it does not run before the next resume.
                given.into_iter().for_each(|given| thread.hold_signal(given));
            }
        }
        let others = actions.others.as_ref().filter(|_| !stops_alone);
        target.wish_of_newborn = others.map_or(Wish::Run, |others| others.wish);
    }

    /// Arms one site for the client.
    pub(super) fn insert_site(&mut self, id: TargetId, site: &Site) -> Result<(), Fault> {
        let Ok(kind) = SiteKind::try_from(site.kind) else {
            let detail = format!("sites of kind {} are not known to this server", site.kind);
            return Err(Fault::new(ErrorCode::Unsupported, detail));
        };
        let reason = ClientReason {
            id: SiteId::new(site.id),
            condition: super::condition::read(site, self.arch)?,
            commands: super::logpoint::read(site, self.arch)?,
            tid: (site.tid != 0).then(|| Tid::new(site.tid)),
            sp_above: (site.sp_above != 0).then(|| Address::new(site.sp_above)),
            hits: 0,
            ignore: site.ignore,
        };
        if kind != SiteKind::Software {
            return self.watch(id, site, kind, reason);
        }
        self.arm(id, Address::new(site.address), Reason::Client(reason))
    }

    /// Arms sites one by one.
    pub(super) fn insert_sites(&mut self, request: InsertSites, answer: Answer<InsertSitesReply>) {
        let id = TargetId::new(request.target);
        self.when_standing(id, answer, move |tracer| tracer.insert_sites_now(id, &request.sites));
    }

    fn insert_sites_now(
        &mut self,
        id: TargetId,
        sites: &[Site],
    ) -> Result<InsertSitesReply, Fault> {
        self.resumable(id)?;
        check_count(sites.len())?;
        let mut faults = Vec::new();
        for site in sites {
            if let Err(fault) = self.insert_site(id, site) {
                let fault = Some(FaultMessage::from(&fault));
                faults.push(SiteFault { id: site.id, fault });
            }
        }
        Ok(InsertSitesReply { faults })
    }

    /// Takes sites back.
    pub(super) fn remove_sites(&mut self, request: RemoveSites, answer: Answer<RemoveSitesReply>) {
        let id = TargetId::new(request.target);
        self.when_standing(id, answer, move |tracer| tracer.remove_sites_now(id, &request.ids));
    }

    fn remove_sites_now(&mut self, id: TargetId, ids: &[u32]) -> Result<RemoveSitesReply, Fault> {
        self.resumable(id)?;
        check_count(ids.len())?;
        for site in ids {
            self.disarm_client(id, SiteId::new(*site));
        }
        Ok(RemoveSitesReply {})
    }

    /// Asks a running target to stop, or threads of it.
    pub(super) fn interrupt(&mut self, request: &Interrupt) -> Result<(), Fault> {
        let id = TargetId::new(request.target);
        let target = self.target(id)?;
        let is_busy = target.call.is_some() || matches!(target.phase, Phase::Injecting(_));
        if target.stops_alone() && !is_busy {
            return self.interrupt_alone(request);
        }
        if !target.is_stopped() {
            target.asked.interrupt = true;
            self.dirty.insert(id);
        }
        Ok(())
    }

    /// Sends a signal to a target, as any other process could.
    pub(super) fn send_signal(&mut self, request: &SendSignal) -> Result<(), Fault> {
        let target = self.target(TargetId::new(request.target))?;
        let Some(signal) = convert::signal(request.signal) else {
            let detail = format!("{} is not the number of a signal", request.signal);
            return Err(Fault::new(ErrorCode::Malformed, detail));
        };
        target.continue_sent |= signal == dbgbase::Signal::SIGCONT;
        let tid = Tid::new(request.tid);
        let sent = match request.tid {
            0 => sys::signal_process(target.pid, signal),
            _ if !target.threads.contains_key(&tid) => return Err(no_such_thread(target, tid)),
            _ => sys::signal_thread(target.pid, tid, signal),
        };
        sent.map_err(|errno| {
            let detail = format!("cannot send {signal} to process {}: {errno}", target.pid);
            Fault::new(ErrorCode::NotPermitted, detail).with_errno(errno.raw_os_error())
        })
    }

    /// Writes bytes, past protection; sites in them stay armed.
    pub(super) fn write_memory(
        &mut self,
        id: TargetId,
        address: Address,
        bytes: &[u8],
    ) -> Result<usize, Fault> {
        let target = self.targets.get_mut(&id).ok_or_else(|| super::tracer::no_such_target(id))?;
        let mut memory = target.memory.write();
        let unwritable = |error: std::io::Error| {
            let detail = format!("memory at {address} cannot be written: {error}");
            Fault::new(ErrorCode::Unwritable, detail)
        };
        if bytes.is_empty() {
            return Ok(0);
        }
        if memory.sites.slots.overlaps(address, bytes.len()) {
            let detail = format!(
                "memory at {address} is unused by the program, and the debugger keeps \
                 instructions there while breakpoints are set"
            );
            return Err(Fault::new(ErrorCode::Unwritable, detail));
        }
        let mut patched = bytes.to_vec();
        let kept = memory.sites.kept(address, bytes.len());
        let changed = memory.sites.absorb(address, &mut patched);
        for (entry, original) in &changed {
            self.journal.set_original(*entry, *original);
        }
        let written = memory.poke(address, &patched);
        let end = address.wrapping_offset(*written.as_ref().unwrap_or(&0) as i64);
        // What was not written is still what the sites behind it had kept.
        for (at, original) in kept.into_iter().filter(|(at, _)| *at >= end) {
            if let Some(site) = memory.sites.get_mut(at) {
                site.original = original;
                self.journal.set_original(site.entry, original);
            }
        }
        written.map_err(unwritable)
    }
}

pub(super) fn no_such_thread(target: &Target, tid: Tid) -> Fault {
    let detail = format!("process {} has no thread {tid}", target.pid);
    Fault::new(ErrorCode::NoSuchThread, detail)
}

fn check_count(count: usize) -> Result<(), Fault> {
    if count > SITES_MAX {
        let detail = format!("{count} sites in one request; the limit is {SITES_MAX}");
        return Err(Fault::new(ErrorCode::TooLarge, detail));
    }
    Ok(())
}

/// One thread's part of a resume.
#[derive(Clone, Copy, Debug)]
struct Action {
    wish: Wish,
    range: Option<AddressRange>,
    signal: Option<dbgbase::Signal>,
}

/// What a resume asks of threads.
#[derive(Debug, Default)]
struct Actions {
    named: HashMap<Tid, Action>,
    others: Option<Action>,
}

impl Actions {
    /// What a thread is to do; `None` if nothing is said of it.
    fn of(&self, tid: Tid) -> Option<&Action> {
        self.named.get(&tid).or(self.others.as_ref())
    }
}

/// Checks that the threads of a resume stand still, at the stop that it is about.
fn check_stop(target: &Target, stop: u64, actions: &Actions) -> Result<(), Fault> {
    let is_named = |stood: StopNumber| stop == 0 || stop == stood.value();
    if !target.stops_alone() && !is_named(target.stop) {
        let (pid, stood) = (target.pid, target.stop);
        let detail =
            format!("the request is about stop {stop}, and process {pid} is at stop {stood}");
        return Err(Fault::new(ErrorCode::StaleStop, detail));
    }
    for tid in actions.named.keys() {
        let told = target.standing(*tid)?.told.filter(|_| target.stops_alone());
        if let Some(stood) = told.filter(|stood| !is_named(*stood)) {
            let detail =
                format!("the request is about stop {stop}, and thread {tid} is at stop {stood}");
            return Err(Fault::new(ErrorCode::StaleStop, detail));
        }
    }
    Ok(())
}

/// Checks a resume's actions against the target.
fn plan(target: &Target, actions: &[ThreadAction]) -> Result<Actions, Fault> {
    let malformed = |detail: &str| Fault::new(ErrorCode::Malformed, detail);
    let mut plan = Actions::default();
    for action in actions {
        let (start, end) = (Address::new(action.range_start), Address::new(action.range_end));
        let (wish, range) = match RunKind::try_from(action.run) {
            Ok(RunKind::Stay) => (Wish::Stay, None),
            Ok(RunKind::Continue) => (Wish::Run, None),
            Ok(RunKind::Step) => (Wish::Step, None),
            Ok(RunKind::StepRange) => {
                let range = AddressRange::new(start, end).filter(|range| !range.is_empty());
                let Some(range) = range else {
                    let detail = format!("nothing can be stepped in from {start} to {end}");
                    return Err(malformed(&detail));
                };
                (Wish::Step, Some(range))
            }
            Err(_) => {
                let detail = format!("run kind {} is not known to this server", action.run);
                return Err(Fault::new(ErrorCode::Unsupported, detail));
            }
        };
        let signal = convert::signal(action.signal);
        if action.signal != 0 && signal.is_none() {
            return Err(malformed("the signal to deliver is no signal"));
        }
        let action_for = Action { wish, range, signal };
        let tid = Tid::new(action.tid);
        if action.tid == 0 {
            if wish == Wish::Step || signal.is_some() {
                return Err(malformed("only a named thread can be stepped or given a signal"));
            }
            plan.others = Some(action_for);
        } else {
            target.standing(tid)?;
            plan.named.insert(tid, action_for);
        }
    }
    let runs = |action: &Action| action.wish != Wish::Stay;
    if !plan.named.values().chain(&plan.others).any(runs) {
        return Err(malformed("a resume must let at least one thread run"));
    }
    let may_run = |thread: &Thread| {
        let is_standing = !target.stops_alone() || thread.told.is_some();
        is_standing && plan.of(thread.tid).is_some_and(runs) && !thread.hold.is_held()
    };
    if !target.threads.values().any(may_run) {
        return Err(malformed("every thread that would run is suspended or frozen"));
    }
    Ok(plan)
}
