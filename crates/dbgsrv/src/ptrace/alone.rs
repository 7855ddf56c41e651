//! Threads that stop alone: a target whose client wants it so tells of each thread for itself, and
//! the others run on. It knows which threads the client believes to stand still; how threads are
//! stopped and let go it leaves to `settle` and `release`.
//!
//! Sites are still changed, and the rare ones stepped off in their place, while every thread stands
//! still. The client does not see that: threads it has not been told of run on afterwards.

use std::collections::HashSet;

use dbgbase::{StopNumber, StopReason, TargetId, Tid};
use dbgwire::verbs::resume::{Interrupt, SetStopMode, StopMode};
use dbgwire::{ErrorCode, Fault};

use super::resume::no_such_thread;
use super::target::{Phase, Target};
use super::thread::{Thread, Wish};
use super::tracer::{Command, Tracer};
use crate::answer::Answer;

impl Thread {
    /// Whether it stands still and has something to tell, or has been asked to stop.
    fn is_telling(&self) -> bool {
        let is_new = self.told.is_none() && self.is_stopped();
        is_new && (self.is_wanted || self.report.is_some())
    }
}

impl Target {
    /// Whether its threads stop alone.
    pub(super) fn stops_alone(&self) -> bool {
        self.policy.stops_alone
    }

    /// Whether they do so now: some thread runs, or may.
    fn is_moving_alone(&self) -> bool {
        let moves =
            matches!(self.phase, Phase::Running | Phase::Stopping | Phase::SteppingOff { .. });
        self.stops_alone() && self.call.is_none() && moves
    }

    /// A call is over: threads that the client knows to stand still do so, others run on. Whether
    /// there are such.
    pub(super) fn stand_after_call(&mut self) -> bool {
        let stops_alone = self.stops_alone();
        if stops_alone {
            self.wish_of_newborn = Wish::Run;
        }
        let mut runs_on = false;
        for thread in self.threads.values_mut() {
            let is_unknown = stops_alone && thread.told.is_none();
            thread.wish = if is_unknown { Wish::Run } else { Wish::Stay };
            runs_on |= is_unknown;
        }
        runs_on
    }

    /// Whether a thread has been asked to stop alone.
    pub(super) fn wants_thread(&self) -> bool {
        self.threads.values().any(|thread| thread.is_wanted && thread.told.is_none())
    }

    /// A thread that the client knows to stand still.
    pub(super) fn standing(&self, tid: Tid) -> Result<&Thread, Fault> {
        let thread = self.threads.get(&tid).ok_or_else(|| no_such_thread(self, tid))?;
        if self.stops_alone() && thread.told.is_none() {
            let detail = format!("thread {tid} is running; interrupt it first");
            return Err(Fault::new(ErrorCode::NotStopped, detail));
        }
        Ok(thread)
    }

    /// Marks every thread as one that the client knows to stand still at `stop`.
    fn tell_all(&mut self, stop: StopNumber) {
        for thread in self.threads.values_mut() {
            thread.told = Some(stop);
            thread.is_wanted = false;
        }
    }
}

impl Tracer {
    /// Says whether the threads of a target that stands still stop alone.
    pub(super) fn set_stop_mode(&mut self, request: &SetStopMode) -> Result<(), Fault> {
        let Ok(mode) = StopMode::try_from(request.mode) else {
            let detail = format!("stop mode {} is not known to this server", request.mode);
            return Err(Fault::new(ErrorCode::Unsupported, detail));
        };
        let target = self.stopped(TargetId::new(request.target))?;
        target.policy.stops_alone = mode == StopMode::Alone;
        target.wish_of_newborn = Wish::Run;
        target.tell_all(target.stop);
        Ok(())
    }

    /// Asks threads of a target to stop alone: those that are named, or all.
    pub(super) fn interrupt_alone(&mut self, request: &Interrupt) -> Result<(), Fault> {
        let id = TargetId::new(request.target);
        let target = self.target(id)?;
        let named: HashSet<Tid> = request.tids.iter().map(|tid| Tid::new(*tid)).collect();
        if let Some(tid) = named.iter().find(|tid| !target.threads.contains_key(tid)) {
            return Err(no_such_thread(target, *tid));
        }
        for thread in target.threads.values_mut().filter(|thread| thread.told.is_none()) {
            thread.is_wanted |= named.is_empty() || named.contains(&thread.tid);
        }
        self.dirty.insert(id);
        Ok(())
    }

    /// The target with this id, if threads of it can be resumed now.
    pub(super) fn resumable(&mut self, id: TargetId) -> Result<&mut Target, Fault> {
        if !self.target(id)?.is_moving_alone() {
            return self.stopped(id);
        }
        self.target(id)
    }

    /// Carries out a request for which every thread of a target has to stand still: at once, or
    /// where threads stop alone, as soon as they do.
    pub(super) fn when_standing<R: 'static>(
        &mut self,
        id: TargetId,
        answer: Answer<R>,
        carry_out: impl FnOnce(&mut Tracer) -> Result<R, Fault> + Send + 'static,
    ) {
        let is_moving = self.target(id).is_ok_and(|target| target.is_moving_alone());
        let finish = move |tracer: &mut Tracer| match carry_out(tracer) {
            Ok(reply) => answer.reply(reply),
            Err(fault) => answer.fault(fault),
        };
        match self.targets.get_mut(&id) {
            Some(target) if is_moving => {
                target.asked.standing.push(Box::new(finish) as Command);
                self.dirty.insert(id);
            }
            _ => finish(self),
        }
    }

    /// Every thread of a target whose threads stop alone stands still: tells of those that have
    /// something to tell, and does what was waiting for this. Whether threads are to run on.
    pub(super) fn decide_alone(&mut self, id: TargetId) -> bool {
        self.tell_alone(id);
        let asked = self.targets.get_mut(&id).map(|target| &mut target.asked);
        let waiting = asked.map(|asked| std::mem::take(&mut asked.standing)).unwrap_or_default();
        for carry_out in waiting {
            carry_out(self);
        }
        let Some(target) = self.targets.get_mut(&id) else { return false };
        target.asked.interrupt = false;
        if target.is_idle() {
            self.stand_still(id);
            return false;
        }
        true
    }

    /// Where threads stop alone: the client is about to know that this one stands still.
    pub(super) fn note_told(&mut self, id: TargetId, tid: Tid, stop: StopNumber) {
        self.forget_signals(id);
        let target = self.targets.get_mut(&id).filter(|target| target.stops_alone());
        if let Some(thread) = target.and_then(|target| target.threads.get_mut(&tid)) {
            thread.told = Some(stop);
            thread.is_wanted = false;
            thread.wish = Wish::Stay;
        }
    }

    /// The last thread that ran stands still, and the client knows of all.
    pub(super) fn stand_still(&mut self, id: TargetId) {
        self.set_phase(id, Phase::Stopped);
        self.restless.insert(id);
    }

    /// Tells the client of each thread that stands still and has something to tell, in the order in
    /// which it came.
    pub(super) fn tell_alone(&mut self, id: TargetId) {
        if self.awaits_birth(id) {
            return;
        }
        let Some(target) = self.targets.get(&id) else { return };
        let mut telling: Vec<_> = target
            .threads
            .values()
            .filter(|thread| thread.is_telling())
            .map(|thread| (thread.report.as_ref().map(|report| report.sequence), thread.tid))
            .collect();
        telling.sort_unstable();
        for (sequence, tid) in telling {
            match sequence {
                Some(_) => self.tell_report(id, tid),
                None => self.tell(id, tid, &StopReason::Interrupted, &[]),
            }
        }
    }
}
