//! How targets go out: left as they were found, ended, or gone by themselves.

use std::sync::PoisonError;
use std::sync::mpsc::Sender;

use bytes::Bytes;
use dbgbase::{ExitStatus, TargetId};
use dbgwire::verbs::process::{DetachReply, KillReply};
use dbgwire::{AnyEvent, ErrorCode, Fault, convert};

use super::report;
use super::sys;
use super::target::{Phase, Target, Unwanted};
use super::thread::{State, StopClass};
use super::tracer::Tracer;
use super::watch::DebugRegisters;
use crate::answer::Answer;

impl Tracer {
    /// Asks for a target to be left. It is answered when every thread has been let go.
    pub(super) fn ask_detach(&mut self, id: TargetId, answer: Answer<DetachReply>) {
        let Some(target) = self.targets.get_mut(&id) else {
            return answer.fault(super::tracer::no_such_target(id));
        };
        if target.asked.detach.is_some() {
            let detail = format!("process {} is being detached already", target.pid);
            return answer.fault(Fault::new(ErrorCode::NoSuchTarget, detail));
        }
        target.asked.detach = Some(Some(answer));
        self.dirty.insert(id);
    }

    /// Ends a target. It is answered when the process is gone.
    pub(super) fn ask_kill(&mut self, id: TargetId, answer: Answer<KillReply>) {
        let Some(target) = self.targets.get_mut(&id) else {
            return answer.fault(super::tracer::no_such_target(id));
        };
        target.asked.kill.push(answer);
        end(target);
    }

    /// Leaves a target whose threads all stand still: its code restored, signals that were about to
    /// be delivered delivered.
    pub(super) fn leave(&mut self, id: TargetId) {
        self.abandon_injection(id);
        self.disarm_all(id);
        self.forget_signals(id);
        self.flush_terminal(id);
        self.printer.flush();
        let Some(mut target) = self.targets.remove(&id) else {
            return;
        };
        let pid = target.pid;
        for thread in target.threads.values_mut() {
            let State::Stopped(class) = thread.state else {
                continue;
            };
            if thread.watches != DebugRegisters::default() {
                sys::clear_debug_registers(thread.tid);
            } else if thread.has_stepped || !target.watches.is_empty() {
                sys::forget_steps(thread.tid);
            }
            let signal = super::deliver::last_signal(pid, thread, class);
            // A thread that cannot be detached has just been killed.
            let _ = sys::detach(thread.tid, signal);
        }
        self.forget(&target);
        self.leave_sharers(id);
        for carry_out in std::mem::take(&mut target.asked.standing) {
            carry_out(self);
        }
        // The keeper takes over; nothing is told of it after the answer.
        target.terminal = None;
        match (target.asked.detach.take(), target.unwanted.take()) {
            (Some(Some(answer)), _) => answer.reply(DetachReply {}),
            (_, Some(Unwanted::Told(why))) => {
                let event = convert::left(id.value(), why);
                self.send(AnyEvent::Exited(event), Bytes::new());
            }
            _ => {}
        }
        for answer in target.asked.kill.drain(..) {
            let detail = format!("process {pid} was detached");
            answer.fault(Fault::new(ErrorCode::NoSuchTarget, detail));
        }
    }

    /// A target's process is gone.
    pub(super) fn end_target(&mut self, id: TargetId, status: ExitStatus) {
        let patches = self.forget_sites(id);
        self.forget_signals(id);
        self.flush_terminal(id);
        let Some(mut target) = self.targets.remove(&id) else {
            return;
        };
        self.forget(&target);
        self.leave_sharers(id);
        self.release_orphans(target.pid, &patches);
        self.lose_call(target.call.take(), "has ended the process, or something else has");
        for carry_out in std::mem::take(&mut target.asked.standing) {
            carry_out(self);
        }
        match std::mem::replace(&mut target.phase, Phase::Stopped) {
            Phase::Launching(launching) => {
                launching.answer.fault(launching.child.why_it_ended());
                return;
            }
            Phase::Injecting(injection) => self.lose_injection(id, *injection),
            _ => {}
        }
        // Nobody has heard of one that could not be attached to.
        if !matches!(target.unwanted, Some(Unwanted::Refused)) {
            let event = convert::exited(id.value(), status);
            self.send(AnyEvent::Exited(event), Bytes::new());
        }
        for answer in target.asked.kill.drain(..) {
            answer.reply(KillReply {});
        }
        if let Some(Some(answer)) = target.asked.detach.take() {
            let detail = format!("process {} ended before it could be detached", target.pid);
            answer.fault(Fault::new(ErrorCode::TargetEnded, detail));
        }
    }

    fn forget(&mut self, target: &Target) {
        self.journal.remove(target.entry);
        self.owner.retain(|_, owner| *owner != target.id);
        self.dirty.remove(&target.id);
        self.restless.remove(&target.id);
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).remove(&target.id);
    }

    /// The session is over: targets it created end, others are left. `ended` is told when all are
    /// gone. Abandoned ones may be kept.
    pub(super) fn end_session(&mut self, ended: Sender<()>, keeps_abandoned: bool) {
        self.ended = Some(ended);
        self.keeps_abandoned = keeps_abandoned;
        for id in self.leavable(keeps_abandoned) {
            let Some(target) = self.targets.get_mut(&id) else {
                continue;
            };
            if target.is_created && target.asked.detach.is_none() {
                end(target);
            } else if target.asked.detach.is_none() {
                target.asked.detach = Some(None);
                self.dirty.insert(id);
            }
        }
    }

    /// Has all targets left that were attached to, and the client told why. Abandoned ones stay.
    pub(super) fn leave_attached(&mut self, why: &str) {
        let goes = |target: &&Target| {
            !target.is_created && !target.is_abandoned && target.unwanted.is_none()
        };
        let ids: Vec<TargetId> =
            self.targets.values().filter(goes).map(|target| target.id).collect();
        for id in ids {
            self.let_go(id, Unwanted::Told(why.to_owned()));
        }
    }

    /// Leaves every target as it is, because some do not stop or the tracer can go on no longer:
    /// code is restored and threads that stand still are let go properly. The kernel lets the
    /// others go with the tracer thread.
    pub(super) fn leave_all(&mut self, keeps_abandoned: bool) {
        for id in self.leavable(keeps_abandoned) {
            self.leave(id);
        }
    }

    /// Whether every target is gone that is to go.
    pub(super) fn is_empty(&self) -> bool {
        self.leavable(self.keeps_abandoned).is_empty() && self.departing.is_empty()
    }

    fn leavable(&self, keeps_abandoned: bool) -> Vec<TargetId> {
        let goes = |target: &&Target| !(keeps_abandoned && target.is_abandoned);
        self.targets.values().filter(goes).map(|target| target.id).collect()
    }
}

/// Ends a target.
fn end(target: &mut Target) {
    target.asked.end = true;
    // The only failure is ESRCH: it is ending already, and that is reported next.
    let _ = sys::kill(target.pid);
    // The kernel drops the signal if the process is on its way out, as one may be of which a thread
    // has stopped to tell so.
    for thread in target.threads.values_mut() {
        if thread.state == State::Stopped(StopClass::Exit) {
            report::let_end(thread);
        }
    }
}
