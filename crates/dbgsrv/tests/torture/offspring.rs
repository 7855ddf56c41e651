//! Processes that are targets for a while: those that debuggees make, if clients follow them, and
//! those that clients launch. They compute a little and end, and must end well.

use std::time::Duration;

use dbgbase::{ExitStatus, Signal, StopReason};
use dbgwire::ErrorCode;
use dbgwire::event::Created;
use dbgwire::verbs::process::{Detach, Kill};
use dbgwire::verbs::resume::{Interrupt, Resume, RunKind, ThreadAction};
use dbgwire::verbs::site::{InsertSites, SiteKind};
use testkit::{Stop, Target, site};

use crate::client::Tormentor;
use crate::tally::Deed;

/// How many a client has at most before it launches none any more.
const LAUNCHED_MAX: usize = 3;
/// How many steps one makes at once.
const STEPS: std::ops::Range<u32> = 1..20;

/// Such a process.
pub(crate) struct Offspring {
    target: Target,
    stop: Option<Stop>,
    is_launched: bool,
    is_killed: bool,
    /// What its file's addresses are off by, once that is known.
    bias: Option<dbgbase::LoadBias>,
    /// The debuggee whose program it has, if that is known.
    victim: Option<usize>,
    last_site: u32,
    steps: u32,
}

impl Tormentor<'_> {
    /// Launches one.
    pub(crate) fn launch(&mut self) {
        if self.offspring.len() >= LAUNCHED_MAX {
            return;
        }
        let victim = self.random.usize(..self.victims.len());
        let path = self.victims[victim].binary.testee.path().to_owned();
        let seed = self.random.u32(1..).to_string();
        let launched = self.client().launch(&path, &["child", &seed]);
        let target = launched.expect("it can be launched");
        self.note(format!("launches {} as {}", target.pid, target.id));
        self.offspring
            .push(Offspring { is_launched: true, ..Offspring::new(target, Some(victim)) });
        self.tally.add(Deed::Launch);
    }

    /// A target has made one that is followed.
    #[track_caller]
    pub(crate) fn take_created(&mut self, event: &Created) {
        let target = Target { id: event.target, pid: dbgbase::Pid::new(event.pid) };
        self.note(format!("{} is target {} of {}", target.pid, target.id, event.parent));
        let Some(parent) = self.holds.iter().find(|hold| hold.target.id == event.parent) else {
            // Its parent has been left meanwhile.
            self.offspring.push(Offspring::new(target, None));
            return;
        };
        assert!(parent.follows, "nobody wanted to follow {event:?}");
        let victim = Some(parent.victim.number);
        self.offspring.push(Offspring::new(target, victim));
        self.tally.add(Deed::Follow);
    }

    /// Takes note of a stop of one. Whether it was one of those.
    #[track_caller]
    pub(crate) fn take_offspring_stop(&mut self, stop: &Stop) -> bool {
        let told = stop.event.target;
        let Some(index) = self.offspring.iter().position(|child| child.target.id == told) else {
            return false;
        };
        self.note(format!("target {told} stops: {:?} at {}", stop.reason(), stop.pc()));
        let child = &mut self.offspring[index];
        assert!(child.stop.is_none(), "it has two stops");
        match stop.reason() {
            StopReason::InitialBreak
            | StopReason::Exec
            | StopReason::Born
            | StopReason::Interrupted
            | StopReason::ModulesChanged
            | StopReason::ThreadEnding { .. } => {}
            StopReason::Breakpoint { .. } => assert!(child.last_site > 0, "it has no sites"),
            StopReason::Step => assert!(child.steps > 0, "it was not to step"),
            reason => panic!("nothing leads to {reason:?}"),
        }
        if let Some(modules) = &stop.event.modules
            && let Some(program) = modules.modules.iter().find(|module| module.is_program)
        {
            child.bias = Some(dbgbase::LoadBias::new(program.bias));
        }
        child.stop = Some(stop.clone());
        true
    }

    /// A target has ended.
    #[track_caller]
    pub(crate) fn take_exit(&mut self, target: u32, status: ExitStatus) {
        let index = self.offspring.iter().position(|child| child.target.id == target);
        let Some(index) = index else { panic!("target {target} has ended: {status:?}") };
        let child = self.offspring.swap_remove(index);
        self.note(format!("target {target} ends: {status:?}"));
        let killed = ExitStatus::Killed(Signal::SIGKILL);
        let is_expected = status == ExitStatus::Exited(0) || child.is_killed && status == killed;
        assert!(is_expected, "process {} ended so: {status:?}", child.target.pid);
    }

    /// Does something to one of them.
    pub(crate) fn torment_offspring(&mut self) {
        let index = self.random.usize(..self.offspring.len());
        let is_stopped = self.offspring[index].stop.is_some();
        match (is_stopped, self.random.u32(..20)) {
            (true, 0..10) => self.resume_offspring(index, RunKind::Continue),
            (true, 10..14) => {
                self.offspring[index].steps = self.random.u32(STEPS);
                self.resume_offspring(index, RunKind::Step);
            }
            (true, 14..17) => self.insert_into_offspring(index),
            (true, 17) => self.kill_offspring(index),
            (true, _) => self.leave_offspring(index),
            (false, 0..3) => {
                let target = self.offspring[index].target.id;
                let interrupted = self.client().call(&Interrupt { target, ..Interrupt::default() });
                assert_gone(interrupted.err().map(|fault| fault.code));
            }
            (false, 3) => self.leave_offspring(index),
            (false, _) => self.pump(Duration::from_micros(500)),
        }
    }

    fn resume_offspring(&mut self, index: usize, run: RunKind) {
        let child = &mut self.offspring[index];
        let Some(stop) = child.stop.take() else { return };
        let (target, tid) = (child.target.id, stop.event.tid);
        self.note(format!("target {target} resumes, {run:?}"));
        let action = ThreadAction { tid, run: run as i32, ..ThreadAction::default() };
        let resume =
            Resume { target, stop: stop.event.stop, actions: vec![action], ..Resume::default() };
        let resumed = self.client().call(&resume);
        assert_gone(resumed.err().map(|fault| fault.code));
    }

    fn insert_into_offspring(&mut self, index: usize) {
        let Some(victim) = self.offspring[index].victim else { return };
        let binary = self.victims[victim].binary;
        let place = binary.places[self.random.usize(..binary.places.len())];
        let child = &mut self.offspring[index];
        let Some(bias) = child.bias else { return };
        child.last_site += 1;
        let wanted = site(child.last_site, place.to_address(bias));
        assert_eq!(wanted.kind, SiteKind::Software as i32);
        let target = child.target.id;
        self.note(format!("target {target} inserts {:x}", wanted.address));
        let insert = InsertSites { target, sites: vec![wanted] };
        match self.client().call(&insert) {
            Ok(reply) => assert_eq!(reply.faults, []),
            Err(fault) => assert_gone(Some(fault.code)),
        }
    }

    /// Ends one that nobody waits for.
    fn kill_offspring(&mut self, index: usize) {
        let child = &mut self.offspring[index];
        if !child.is_launched {
            return;
        }
        child.is_killed = true;
        let target = child.target.id;
        self.note(format!("kills target {target}"));
        self.client().call(&Kill { target }).expect("it can be killed");
        self.pump(Duration::ZERO);
    }

    fn leave_offspring(&mut self, index: usize) {
        let target = self.offspring[index].target.id;
        self.note(format!("leaves target {target}"));
        match self.client().call(&Detach { target }) {
            Ok(_) => {
                // What it told before is of no interest any more.
                self.offspring.retain(|child| child.target.id != target);
            }
            Err(fault) => assert_gone(Some(fault.code)),
        }
    }

    /// Leaves all of them.
    pub(crate) fn leave_all_offspring(&mut self) {
        while !self.offspring.is_empty() {
            self.leave_offspring(0);
            self.pump(Duration::ZERO);
        }
    }
}

impl Offspring {
    fn new(target: Target, victim: Option<usize>) -> Offspring {
        Offspring {
            target,
            stop: None,
            is_launched: false,
            is_killed: false,
            bias: None,
            victim,
            last_site: 0,
            steps: 0,
        }
    }
}

/// It may have ended at this moment, which is told next.
#[track_caller]
fn assert_gone(code: Option<ErrorCode>) {
    let is_gone =
        |code: &ErrorCode| matches!(code, ErrorCode::NoSuchTarget | ErrorCode::TargetEnded);
    assert!(code.as_ref().is_none_or(is_gone), "{code:?}");
}
