//! Steps by line of source: which sites a step needs, and what to do when a thread has come to one
//! of them. What a line is, where its code leads and how a frame is told from others is looked up
//! and computed elsewhere; here it becomes a plan.

mod callee;
mod code;
mod escape;

use std::collections::BTreeSet;

use dbgbase::{Address, Arch, GeneralRegisters, StopReason, Tid};
use dbgsym::unwind::{Frame, LandingPad};

use self::code::{FunctionCode, Walked, calls_ahead_of_function, calls_ahead_of_line};
use crate::process::CallsAhead;
use crate::stack::{Images, unwind};
use crate::step::flow::{Code, Flow, explore};
use crate::step::guard::Guard;
use crate::step::line::{LineGoal, LineStep, Meaning, Scope, StepSite};
use crate::step::{Plan, TemporarySite};
use crate::symbols::ProcessSymbols;
use crate::{BreakpointId, Engine, Error, ProcessNumber, StopCause};

/// The frame that is stepped, the one that called it, and if that is a signal trampoline the one
/// that was interrupted.
const FRAMES_NEEDED: usize = 3;

/// A site of a step without its number.
struct Draft {
    address: Address,
    meaning: Meaning,
    guard: Guard,
}

/// What is known of a thread that is stepped.
struct Stepper<'a> {
    symbols: ProcessSymbols<'a>,
    arch: Arch,
    goal: LineGoal,
    scope: &'a Scope,
    /// The frame that is stepped.
    cfa: Option<Address>,
    /// Where that returns to, if it is known.
    return_address: Option<Address>,
}

/// Where a step begins or goes on.
#[derive(Clone, Copy)]
struct Start {
    at: Address,
    /// Whether the thread is there, or will be when a call returns.
    is_here: bool,
    /// Whether the step may end there.
    may_end: bool,
}

/// Sites in the function that is stepped.
#[derive(Default)]
struct Inside {
    sites: Vec<Draft>,
    /// Whether the first instruction has to be executed to see where it leads.
    looks_first: bool,
    /// Whether an exception may come from there, or from where it leads.
    calls: bool,
}

impl Engine {
    /// The step of the current thread to the next line. `None` if no line is known where it is, and
    /// for [`LineGoal::Out`] if it is not known where the function returns to.
    pub(super) fn plan_line(&mut self, goal: LineGoal) -> Result<Option<Plan>, Error> {
        let (process, thread) = self.current_still()?;
        let (number, tid) = (process.number, thread.tid);
        let registers = process.registers.read(&self.client, tid)?;
        let (pc, symbols) = (registers.pc(), self.symbols_of(process));
        let code = FunctionCode::around(symbols, pc)?;
        let calls_ahead = process.calls_ahead(tid, pc);
        let scope = code.as_ref().map(|code| code.scope(pc, calls_ahead)).unwrap_or_default();
        if goal != LineGoal::Out && scope.line.is_none() {
            return Ok(None);
        }
        let (frames, _) = unwind(&Images::new(symbols), &registers, FRAMES_NEEDED)?;
        let returns = returns(self.server.arch, &frames);
        let stepper = Stepper {
            symbols,
            arch: self.server.arch,
            goal,
            scope: &scope,
            cfa: frames.first().and_then(|frame| frame.cfa),
            return_address: frames.get(1).map(|frame| frame.pc.address()),
        };
        let leaves_inlined = !scope.calls.is_empty();
        if goal == LineGoal::Out && !leaves_inlined && returns.is_none() {
            return Ok(None);
        }
        let inside = match code.filter(|_| goal != LineGoal::Out || leaves_inlined) {
            Some(code) => stepper.inside(&code, Start { at: pc, is_here: true, may_end: false })?,
            None => Inside { calls: true, ..Inside::default() },
        };
        let mut outer = Vec::from_iter(returns);
        if inside.calls {
            outer.extend(stepper.escapes());
        }
        let (cfa, return_address) = (stepper.cfa, stepper.return_address);
        // A handler is entered as a function is.
        let is_signalled = process.deliver.is_some_and(|(to, _)| to == tid);
        let enters_handler = is_signalled && goal == LineGoal::Into;
        let looks_at = (inside.looks_first || enters_handler).then_some(pc);
        let (sites, outer) = (self.number_sites(inside.sites), self.number_sites(outer));
        let step = LineStep {
            process: number,
            tid,
            goal,
            scope,
            cfa,
            return_address,
            sites,
            outer,
            looks_at,
        };
        Ok(Some(Plan::Line(step)))
    }

    fn number_sites(&mut self, drafts: Vec<Draft>) -> Vec<StepSite> {
        let mut site = |draft: Draft| StepSite {
            place: TemporarySite { site: self.breakpoints.new_site(), address: draft.address },
            meaning: draft.meaning,
            guard: draft.guard,
        };
        drafts.into_iter().map(&mut site).collect()
    }

    /// Enters the next of the inlined calls that begin where the current thread is, if there are
    /// any: as the user sees it that is a step, though nothing is executed.
    pub(super) fn enter_call(&mut self) -> bool {
        let Ok((process, thread)) = self.current_still() else { return false };
        let (number, tid) = (process.number, thread.tid);
        let pc = process.registers.known(tid).map(|registers| registers.pc());
        let count = pc.map_or(0, |pc| process.calls_ahead(tid, pc));
        let Some(process) = self.processes.get_mut(&number).filter(|_| count > 0) else {
            return false;
        };
        process.calls_ahead = pc.map(|pc| CallsAhead { tid, pc, count: count - 1 });
        self.tell(number, tid, StopCause::Step, Vec::new());
        true
    }

    /// A thread has stopped at breakpoints, or where it was let run to: if one of them is at a line
    /// in front of what is inlined there, and if one is at a function in front of what is inlined
    /// into its first instruction.
    pub(crate) fn stopped_at_code(
        &mut self,
        number: ProcessNumber,
        tid: Tid,
        reached: &[BreakpointId],
    ) {
        let line = reached.iter().find_map(|id| self.breakpoints.line_of(*id));
        let names = reached.iter().filter_map(|id| self.breakpoints.name_of(*id));
        let names: Vec<String> = names.map(str::to_owned).collect();
        let Some(process) = self.processes.get(&number) else { return };
        let Some(pc) = process.registers.known(tid).map(|registers| registers.pc()) else { return };
        let symbols = self.symbols_of(process);
        let count = match line {
            Some((file, line)) => calls_ahead_of_line(symbols, pc, &file, line),
            // Accesses to data are told of behind them, wherever that is.
            None if names.len() < reached.len() => return,
            None => calls_ahead_of_function(symbols, pc, &names),
        };
        if let (Some(process), Some(count)) = (self.processes.get_mut(&number), count) {
            process.calls_ahead = Some(CallsAhead { tid, pc, count });
        }
    }

    /// A thread that is stepped by line has come to a place that the plan has to look at. Whether
    /// the step is over; otherwise the plan knows how it goes on.
    ///
    /// **Cost**: none for most ends; for exceptions and jumps what their stacks cost.
    pub(crate) fn step_on(
        &mut self,
        number: ProcessNumber,
        tid: Tid,
        reason: &StopReason,
    ) -> Result<bool, Error> {
        let Some(Plan::Line(mut step)) = self.plan.clone() else { return Ok(false) };
        let Some(process) = self.processes.get(&number) else { return Ok(false) };
        let registers = process.registers.read(&self.client, tid)?;
        let symbols = self.symbols_of(process);
        let (outcome, escapes) = {
            let scope = step.scope.clone();
            let stepper = Stepper {
                symbols,
                arch: self.server.arch,
                goal: step.goal,
                scope: &scope,
                cfa: step.cfa,
                return_address: step.return_address,
            };
            let outcome = match step.reached(reason) {
                Some(site) => stepper.at_site(site, &registers)?,
                None => stepper.behind_look(&registers, step.looks_at)?,
            };
            let lacks_escapes =
                matches!(&outcome, Outcome::Inside(inside) if inside.calls) && !step.has_escapes();
            (outcome, if lacks_escapes { stepper.escapes() } else { Vec::new() })
        };
        let pc = registers.pc();
        step.looks_at = None;
        match outcome {
            Outcome::Over { calls_ahead } => {
                if let Some(process) = self.processes.get_mut(&number) {
                    process.calls_ahead = Some(CallsAhead { tid, pc, count: calls_ahead });
                }
                return Ok(true);
            }
            Outcome::Look => step.looks_at = Some(pc),
            Outcome::Inside(inside) => {
                step.looks_at = inside.looks_first.then_some(pc);
                step.sites = self.number_sites(inside.sites);
                step.outer.extend(self.number_sites(escapes));
            }
            Outcome::RunsOn => {}
            Outcome::Thrown(landing) => {
                // The frames around the one that is stepped do not change, so whatever else is
                // thrown before it is left may land in the same places, and nowhere else.
                step.outer.retain(|site| site.meaning != Meaning::Throw);
                step.outer.extend(self.number_sites(landing));
            }
            Outcome::Jumped(landing) => step.outer.extend(self.number_sites(landing)),
        }
        self.plan = Some(Plan::Line(step));
        Ok(false)
    }
}

/// What a look has told.
enum Outcome {
    /// The step is over.
    Over { calls_ahead: usize },
    /// The thread is to execute one instruction.
    Look,
    /// It goes on in the function, or will.
    Inside(Inside),
    /// An exception may leave the frame, to there.
    Thrown(Vec<Draft>),
    /// A jump leaves the frame, to there.
    Jumped(Vec<Draft>),
    /// It was not about the frame that is stepped.
    RunsOn,
}

impl Stepper<'_> {
    fn at_site(&self, site: &StepSite, registers: &GeneralRegisters) -> Result<Outcome, Error> {
        if !self.is_meant(&site.guard, registers)? {
            return Ok(Outcome::RunsOn);
        }
        Ok(match site.meaning {
            Meaning::End { calls_ahead } => Outcome::Over { calls_ahead },
            Meaning::Look => Outcome::Look,
            Meaning::Throw => {
                let handlers = self.handlers(registers)?;
                handlers.map_or(Outcome::RunsOn, Outcome::Thrown)
            }
            Meaning::LongJump => Outcome::Jumped(self.jump_target(registers)?),
        })
    }

    /// Whether what the server could not judge is so.
    fn is_meant(&self, guard: &Guard, registers: &GeneralRegisters) -> Result<bool, Error> {
        let (wanted_cfa, wanted_caller) = match guard {
            Guard::Frame(cfa) => (Some(*cfa), None),
            Guard::ReturnsTo(address) => (None, Some(*address)),
            Guard::None | Guard::SpFrom(_) | Guard::Code(_) => return Ok(true),
        };
        let (frames, _) = unwind(&Images::new(self.symbols), registers, 2)?;
        let cfa = frames.first().and_then(|frame| frame.cfa);
        let caller = frames.get(1).map(|frame| frame.pc.address());
        // What is not known is believed.
        let agrees = |wanted: Option<Address>, found: Option<Address>| {
            wanted.is_none() || found.is_none() || wanted == found
        };
        Ok(agrees(wanted_cfa, cfa) && agrees(wanted_caller, caller))
    }

    /// A thread has executed the instruction that was to tell where it goes.
    fn behind_look(
        &self,
        registers: &GeneralRegisters,
        looked_at: Option<Address>,
    ) -> Result<Outcome, Error> {
        let pc = registers.pc();
        let Some(looked_at) = looked_at else { return Ok(Outcome::RunsOn) };
        let Some(code) = FunctionCode::around(self.symbols, looked_at)? else {
            return Ok(Outcome::RunsOn);
        };
        let (frames, _) = unwind(&Images::new(self.symbols), registers, FRAMES_NEEDED)?;
        let is_ours = |frame: &Frame| self.cfa.is_none() || frame.cfa == self.cfa;
        if code.is_inside(pc) && frames.first().is_none_or(is_ours) {
            return self.go_on(&code, Start { at: pc, is_here: true, may_end: true });
        }
        let caller = frames.get(1);
        if self.goal == LineGoal::Into
            && let Some(callee) = self.callee(pc)?
        {
            if callee.body == pc {
                return Ok(Outcome::Over { calls_ahead: callee.calls_ahead });
            }
            let sites = caller.map(|caller| callee.end(self.arch, caller.pc.address()));
            let sites = Vec::from_iter(sites);
            return Ok(Outcome::Inside(Inside { sites, calls: true, ..Inside::default() }));
        }
        if caller.is_some_and(|caller| caller.is_signal_frame)
            && let Some(interrupted) = frames.get(2).filter(|frame| is_ours(frame))
        {
            let at = interrupted.pc.address();
            return self.go_on(&code, Start { at, is_here: false, may_end: false });
        }
        // A call goes on in the function when it has returned, a jump to another one does not.
        match caller.filter(|caller| is_ours(caller) && code.is_inside(caller.pc.lookup_pc())) {
            Some(caller) => {
                let at = caller.pc.address();
                self.go_on(&code, Start { at, is_here: false, may_end: true })
            }
            None => Ok(Outcome::Inside(Inside { calls: true, ..Inside::default() })),
        }
    }

    /// The step goes on in the function.
    fn go_on(&self, code: &FunctionCode<'_>, start: Start) -> Result<Outcome, Error> {
        let inside = self.inside(code, start)?;
        if let [Draft { address, meaning: Meaning::End { calls_ahead }, .. }] = inside.sites[..]
            && start.is_here
            && address == start.at
        {
            return Ok(Outcome::Over { calls_ahead });
        }
        Ok(Outcome::Inside(inside))
    }

    /// The sites in the function that a step from an instruction needs. If that is an end it is the
    /// only one.
    fn inside(&self, code: &FunctionCode<'_>, start: Start) -> Result<Inside, Error> {
        let from = start.at;
        let walked = code.walked(self.goal, self.scope);
        let end = |at: Address, calls_ahead: usize| Draft {
            address: at,
            meaning: Meaning::End { calls_ahead },
            guard: Guard::frame(self.arch, code.frame_address_rule(at), self.cfa),
        };
        if start.may_end
            && let Some(calls_ahead) = walked.end_at(from)
        {
            return Ok(Inside { sites: vec![end(from, calls_ahead)], ..Inside::default() });
        }
        let mut flow = explore(&walked, from);
        let pads = match self.goal {
            LineGoal::Out => BTreeSet::new(),
            LineGoal::Over | LineGoal::Into => pads(code, &walked, &mut flow),
        };
        let mut inside = Inside { calls: !flow.calls.is_empty(), ..Inside::default() };
        inside.sites.extend(flow.ends.iter().map(|(at, calls_ahead)| end(*at, *calls_ahead)));
        inside.sites.extend(pads.into_iter().map(|pad| end(pad, 0)));
        let mut unknown = flow.unknown;
        if self.goal == LineGoal::Into {
            for call in &flow.calls {
                match call.target() {
                    Some(target) => {
                        let callee = self.callee(target)?;
                        let end = callee.map(|callee| callee.end(self.arch, call.fallthrough()));
                        inside.sites.extend(end);
                    }
                    None => {
                        unknown.insert(call.address());
                    }
                }
            }
            for target in &flow.tail_calls {
                let Some(return_address) = self.return_address else { continue };
                let callee = self.callee(*target)?;
                inside.sites.extend(callee.map(|callee| callee.end(self.arch, return_address)));
            }
        }
        inside.looks_first = start.is_here && unknown.remove(&from);
        inside.sites.extend(unknown.into_iter().map(|at| Draft {
            address: at,
            meaning: Meaning::Look,
            guard: Guard::frame(self.arch, code.frame_address_rule(at), self.cfa),
        }));
        Ok(inside)
    }
}

/// Where exceptions take the function that leave the calls of a walk. Where that is the same line,
/// it cleans up behind itself, and the walk goes on there.
fn pads(code: &FunctionCode<'_>, walked: &Walked<'_>, flow: &mut Flow) -> BTreeSet<Address> {
    let mut ends = BTreeSet::new();
    if flow.calls.is_empty() {
        return ends;
    }
    let mut pads = code.landing_pads();
    let is_left = |pad: &LandingPad, flow: &Flow| {
        flow.calls.iter().any(|call| code.is_among(call.address(), &pad.calls))
    };
    while let Some(next) = pads.iter().position(|pad| is_left(pad, flow)) {
        let at = code.address(pads.swap_remove(next).pad);
        if walked.is_of_line(at) {
            flow.join(explore(walked, at));
        } else {
            ends.insert(at);
        }
    }
    ends
}

/// Where a frame returns to: its caller, or if it handles a signal what was interrupted.
fn returns(arch: Arch, frames: &[Frame]) -> Option<Draft> {
    let [frame, caller, rest @ ..] = frames else { return None };
    let meaning = Meaning::End { calls_ahead: 0 };
    if caller.is_signal_frame {
        let interrupted = rest.first()?;
        let guard = Guard::sp(arch, interrupted.registers.sp()?);
        return Some(Draft { address: interrupted.pc.address(), meaning, guard });
    }
    let guard = Guard::SpFrom(frame.cfa?);
    Some(Draft { address: caller.pc.address(), meaning, guard })
}
