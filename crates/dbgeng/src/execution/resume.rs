//! Letting targets run: which sites change, what each thread does, and what to say if a site cannot
//! be armed. It makes plans and sends them; what their stops mean is not its business.

use std::collections::BTreeSet;

use bytes::Bytes;
use dbgbase::{SiteId, Tid};
use dbgwire::ErrorCode;
use dbgwire::verbs::resume::Resume;
use dbgwire::verbs::site::{InsertSites, RemoveSites, Site, SiteKind};

use super::{Execution, SignalAction, UNTIL_MAX};
use crate::client::CallError;
use crate::disassembly::instruction_at;
use crate::step::line::LineGoal;
use crate::step::{Plan, TemporarySite};
use crate::{Engine, Error, ErrorKind, ProcessNumber};

/// What one process is sent.
struct Request {
    number: ProcessNumber,
    resume: Resume,
    /// The sites that are armed once it is granted.
    armed: BTreeSet<SiteId>,
}

impl Engine {
    /// Lets the targets run: the current thread as `execution` says, all others freely. The event
    /// that ends the run comes by [`Engine::wait_for_event`]. If an event of another target is
    /// waiting to be told, nothing runs, and that event comes next.
    ///
    /// Breakpoints that were added, removed or changed since the last run travel in the same
    /// request.
    ///
    /// **Errors**: `NoTarget`, `NotStopped`; `LimitReached` for more than [`UNTIL_MAX`] addresses;
    /// `Invalid` if every thread, or the one that is to make a step, is suspended or frozen.
    /// If a breakpoint cannot be set, an error that names it, and nothing runs.
    /// **Cost**: none if no site is new, else one round trip, at whose end the target runs already.
    /// A step over asks for the thread's registers and code first, unless they are known.
    pub fn execute(&mut self, execution: Execution) -> Result<(), Error> {
        self.run(&execution, false)
    }

    /// As [`Engine::execute`], but every thread except the current one stays where it is, in all
    /// targets. Threads that it makes run.
    ///
    /// **Errors**: those of [`Engine::execute`]; `Invalid` if the thread is suspended or frozen.
    /// **Cost**: that of [`Engine::execute`].
    pub fn execute_alone(&mut self, execution: Execution) -> Result<(), Error> {
        self.run(&execution, true)
    }

    /// Takes the run up again that the last event cut short: who only wanted to look at the event
    /// lets it go on so, to the same end. Without one, as [`Execution::Go`].
    ///
    /// **Errors**: those of [`Engine::execute`].
    /// **Cost**: that of [`Engine::execute`].
    pub fn execute_on(&mut self) -> Result<(), Error> {
        self.check_connected()?;
        let (process, _) = self.current_still()?;
        let free_run = Plan::Go { process: process.number, until: Vec::new() };
        self.decide_signal(SignalAction::Default);
        if !self.pending.is_empty() {
            // Still cut short.
            return Ok(());
        }
        let cut_short = self.cut_short.take();
        let cut_short = cut_short.filter(|(plan, _)| self.processes.contains_key(&plan.process()));
        let (plan, alone) = cut_short.unwrap_or((free_run, None));
        self.start(plan, alone)
    }

    fn run(&mut self, execution: &Execution, is_alone: bool) -> Result<(), Error> {
        self.check_connected()?;
        let enters = matches!(execution, Execution::StepLine { is_into: true, .. });
        if enters && self.pending.is_empty() && self.enter_call() {
            return Ok(());
        }
        self.check_holds(is_alone, !matches!(execution, Execution::Go { .. }))?;
        self.decide_signal(execution.signal());
        let plan = self.make_plan(execution)?;
        let (process, thread) = self.current_still()?;
        let current = (process.number, thread.tid);
        if !self.pending.is_empty() {
            return Ok(());
        }
        self.start(plan, is_alone.then_some(current))
    }

    fn start(&mut self, plan: Plan, alone: Option<(ProcessNumber, Tid)>) -> Result<(), Error> {
        self.plan = Some(plan);
        self.alone = alone;
        let still = self.processes.values().filter(|process| {
            let has_part = alone.is_none_or(|(number, _)| process.number == number);
            !process.is_running() && has_part && process.threads.can_run()
        });
        let still: Vec<_> = still.map(|process| process.number).collect();
        let started = self.resume(&still);
        if started.is_err() {
            self.plan = None;
        }
        started
    }

    fn make_plan(&mut self, execution: &Execution) -> Result<Plan, Error> {
        let (process, thread) = self.current_still()?;
        let (number, tid) = (process.number, thread.tid);
        match execution {
            Execution::Go { until, .. } if until.len() > UNTIL_MAX => {
                let message =
                    format!("{} addresses; at most {UNTIL_MAX} are possible", until.len());
                Err(Error::new(ErrorKind::LimitReached, message))
            }
            Execution::Go { until, .. } => {
                let mut temporary =
                    |address| TemporarySite { site: self.breakpoints.new_site(), address };
                let until = until.iter().map(|address| temporary(*address)).collect();
                Ok(Plan::Go { process: number, until })
            }
            Execution::StepInto { .. } => Ok(Plan::Step { process: number, tid }),
            Execution::StepOver { .. } => {
                let registers = process.registers.read(&self.client, tid)?;
                let symbols = self.symbols_of(process);
                let instruction = instruction_at(symbols, self.server.arch, registers.pc(), 64)?;
                let site = self.breakpoints.new_site();
                Ok(Plan::over(number, tid, &instruction, registers.sp(), site))
            }
            Execution::StepLine { is_into, signal } => {
                let goal = if *is_into { LineGoal::Into } else { LineGoal::Over };
                match self.plan_line(goal)? {
                    Some(plan) => Ok(plan),
                    None if *is_into => self.make_plan(&Execution::StepInto { signal: *signal }),
                    None => self.make_plan(&Execution::StepOver { signal: *signal }),
                }
            }
            Execution::StepOut { .. } => self.plan_line(LineGoal::Out)?.ok_or_else(|| {
                let message = "the function's return address is not known";
                Error::new(ErrorKind::NotFound, message)
            }),
        }
    }

    /// What becomes of the signal the event thread stopped with.
    fn decide_signal(&mut self, action: SignalAction) {
        let event = self.context.event.map(|(number, _)| number);
        let Some(process) = event.and_then(|number| self.processes.get_mut(&number)) else {
            return;
        };
        let passed = process.signal.filter(|signal| match action {
            SignalAction::Default => signal.is_passed,
            SignalAction::Handled => false,
            SignalAction::NotHandled => true,
        });
        process.deliver = passed.map(|signal| (signal.tid, signal.signal));
    }

    /// Lets these processes, which stand still, carry out the plan.
    ///
    /// **Errors**: what keeps a site from being armed; then nothing runs.
    pub(crate) fn resume(&mut self, numbers: &[ProcessNumber]) -> Result<(), Error> {
        let Some(first) = numbers.first() else { return Ok(()) };
        let free_run = Plan::Go { process: *first, until: Vec::new() };
        let plan = self.plan.clone().unwrap_or(free_run);
        for number in numbers {
            self.tell_filters(*number)?;
            self.refresh_conditions(*number);
            self.take_back_sites(&plan, *number)?;
        }
        let mut requests: Vec<_> =
            numbers.iter().filter_map(|number| self.request(&plan, *number)).collect();
        let inserting = requests.iter().filter(|request| !request.resume.insert.is_empty()).count();
        if inserting > 1 {
            // None may run before all are armed.
            for request in &mut requests {
                let sites = std::mem::take(&mut request.resume.insert);
                self.arm(request.number, sites)?;
            }
        }
        // What can fail goes first.
        requests.sort_by_key(|request| request.resume.insert.is_empty());
        for Request { number, resume, armed } in requests {
            let has_news = !resume.insert.is_empty();
            let id = if has_news {
                match self.client.send(&resume, Bytes::new()).wait() {
                    Ok(_) => 0,
                    Err(error) => return Err(self.blame(number, resume.insert, error)),
                }
            } else {
                self.client.post(&resume)
            };
            if let Some(process) = self.processes.get_mut(&number) {
                process.resumed(id, armed);
            }
        }
        Ok(())
    }

    /// Takes those sites back before the run that must be gone when others are armed: passes that
    /// do not count meanwhile, and what the CPU watches, of which there can be but few.
    fn take_back_sites(&mut self, plan: &Plan, number: ProcessNumber) -> Result<(), Error> {
        if !plan.counts_passes() {
            self.count_passes_of(number)?;
            if let Some(process) = self.processes.get(&number) {
                self.breakpoints.set_passes_aside(number, &process.armed);
            }
        }
        let Some(Request { resume, .. }) = self.request(plan, number) else { return Ok(()) };
        let is_watched = |site: &Site| site.kind != SiteKind::Software as i32;
        if resume.remove.is_empty() || !resume.insert.iter().any(is_watched) {
            return Ok(());
        }
        if let Some(process) = self.processes.get_mut(&number) {
            process.armed.retain(|site| !resume.remove.contains(&site.value()));
            self.client.post(&RemoveSites { target: resume.target, ids: resume.remove });
        }
        Ok(())
    }

    fn request(&self, plan: &Plan, number: ProcessNumber) -> Option<Request> {
        let process = self.processes.get(&number)?;
        let mut insert = self.breakpoints.sites(number, plan.counts_passes());
        insert.extend(plan.sites(number));
        let armed: BTreeSet<_> = insert.iter().map(|site| SiteId::new(site.id)).collect();
        insert.retain(|site| !process.armed.contains(&SiteId::new(site.id)));
        let remove = process.armed.difference(&armed).map(|site| site.value()).collect();
        let resume = Resume {
            target: process.target.value(),
            stop: process.stop.value(),
            actions: plan.actions(number, process.deliver, self.alone.map(|(_, tid)| tid)),
            insert,
            remove,
        };
        Some(Request { number, resume, armed })
    }

    /// Arms and disarms what has changed since a process ran, while it stays where it is.
    ///
    /// **Errors**: what keeps a site from being armed; those of the connection.
    /// **Cost**: a round trip if there is something to arm, and one if there is something to
    /// disarm.
    pub(crate) fn update_sites(&mut self, number: ProcessNumber) -> Result<(), Error> {
        self.refresh_conditions(number);
        let free_run = Plan::Go { process: number, until: Vec::new() };
        let Some(Request { resume, .. }) = self.request(&free_run, number) else { return Ok(()) };
        if !resume.remove.is_empty() {
            let Resume { target, remove: ids, .. } = &resume;
            self.client.call(&RemoveSites { target: *target, ids: ids.clone() })?;
            if let Some(process) = self.processes.get_mut(&number) {
                process.armed.retain(|site| !ids.contains(&site.value()));
            }
        }
        self.arm(number, resume.insert)
    }

    /// Arms sites of a process that stays where it is.
    fn arm(&mut self, number: ProcessNumber, sites: Vec<Site>) -> Result<(), Error> {
        let Some(process) = self.processes.get_mut(&number).filter(|_| !sites.is_empty()) else {
            return Ok(());
        };
        let verb = InsertSites { target: process.target.value(), sites };
        let reply = self.client.call(&verb)?;
        let refused: BTreeSet<_> = reply.faults.iter().map(|fault| fault.id).collect();
        let armed = verb.sites.iter().filter(|site| !refused.contains(&site.id));
        process.armed.extend(armed.map(|site| SiteId::new(site.id)));
        let complaint = |fault: dbgwire::verbs::site::SiteFault| {
            let site = verb.sites.iter().find(|site| site.id == fault.id)?;
            Some(self.complaint(number, site, fault.fault?.into()))
        };
        let complaints: Vec<_> = reply.faults.into_iter().filter_map(complaint).collect();
        let mut complaints = complaints.into_iter();
        let Some(first) = complaints.next() else { return Ok(()) };
        let (kind, mut message) = (first.kind(), first.to_string());
        for other in complaints {
            message = format!("{message}; {other}");
        }
        Err(Error::new(kind, message))
    }

    fn complaint(&self, number: ProcessNumber, site: &Site, fault: dbgwire::Fault) -> Error {
        let address = dbgbase::Address::new(site.address);
        let owner = self.breakpoints.owner(SiteId::new(site.id));
        let what = match owner {
            Some(id) => format!("breakpoint {id} at {address} cannot be set"),
            None => format!("no temporary breakpoint can be set at {address}"),
        };
        let is_full = fault.code == ErrorCode::LimitReached;
        if !is_full || site.kind == SiteKind::Software as i32 {
            return Error::from(fault).context(what);
        }
        let watching = self.breakpoints.watching(number).into_iter();
        let others = watching.filter(|id| Some(*id) != owner).map(|id| id.to_string());
        let others = others.collect::<Vec<_>>().join(", ");
        let message = format!("{what}: {fault}; the CPU watches for breakpoints {others}");
        Error::new(ErrorKind::LimitReached, message)
    }

    /// Why a process could not be let run with new sites: the sites are tried one by one, so that
    /// the guilty ones can be named.
    fn blame(&mut self, number: ProcessNumber, sites: Vec<Site>, error: CallError) -> Error {
        let is_about_site = !matches!(
            error.code(),
            None | Some(ErrorCode::TargetEnded | ErrorCode::NoSuchTarget | ErrorCode::NoSuchThread)
        );
        if !is_about_site {
            return error.into();
        }
        self.arm(number, sites).err().unwrap_or_else(|| error.into())
    }
}
