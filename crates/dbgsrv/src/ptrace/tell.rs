//! Telling the client that a target stands still, with everything it will ask next: registers,
//! births and deaths of threads, the modules if they changed, and what `windows` brings along.

use bytes::Bytes;
use dbgbase::{ConditionFault, StopNumber, StopReason, TargetId, Tid};
use dbgwire::AnyEvent;
use dbgwire::convert;
use dbgwire::event::{Modules, Stopped};
use dbgwire::verbs::resume::ResumeReply;

use super::sys;
use super::target::Phase;
use super::trace;
use super::tracer::Tracer;
use super::windows;

impl Tracer {
    /// Tells the client of the report that `tid` has.
    pub(super) fn tell_report(&mut self, id: TargetId, tid: Tid) {
        let target = self.targets.get_mut(&id);
        let report = target.and_then(|target| target.threads.get_mut(&tid)?.report.take());
        if let Some(report) = report {
            self.tell(id, tid, &report.reason, &report.condition_faults);
        }
    }

    /// Tells the client that the target stands still without any thread's doing. It is shown at the
    /// leader, unless that is gone. Reports of threads wait for the next stop.
    pub(super) fn tell_stop(&mut self, id: TargetId, reason: StopReason) {
        let Some(target) = self.targets.get(&id) else { return };
        let leader = Tid::from(target.pid);
        let first = target.tids().first().copied().unwrap_or(leader);
        let tid = if target.threads.contains_key(&leader) { leader } else { first };
        self.tell(id, tid, &reason, &[]);
    }

    /// Sends an event, behind the answers and the texts that belong before it.
    pub(super) fn send(&mut self, event: AnyEvent, tail: Bytes) {
        self.send_answers();
        self.printer.flush();
        (self.events)(event, tail);
    }

    /// Answers the resumes that have been carried out.
    pub(super) fn send_answers(&mut self) {
        for answer in self.resumed.drain(..) {
            answer.reply(ResumeReply {});
        }
    }

    /// Tells the client what the target has written to its terminal so far, so that it is told
    /// before what comes next.
    pub(super) fn flush_terminal(&self, id: TargetId) {
        let terminal = self.targets.get(&id).and_then(|target| target.terminal.as_ref());
        if let Some(terminal) = terminal {
            terminal.flush();
        }
    }

    /// Tells the client that a thread stands still: with all others, or alone.
    pub(super) fn tell(
        &mut self,
        id: TargetId,
        tid: Tid,
        reason: &StopReason,
        faults: &[ConditionFault],
    ) {
        if self.targets.get(&id).is_some_and(|target| !target.has_begun) {
            self.arm_rendezvous(id);
        }
        let stop = StopNumber::new(self.last_stop.value() + 1);
        self.note_told(id, tid, stop);
        self.journal_signals(id);
        self.flush_terminal(id);
        let (arch, stack_len) = (self.arch, self.stack_window_len);
        let Some(target) = self.targets.get_mut(&id) else { return };
        let Some(thread) = target.threads.get_mut(&tid) else { return };
        let registers = sys::registers(tid, arch).ok();
        // Whoever looks at a thread at a site and lets it run does not want to hit it at once.
        thread.passed = registers.map(|registers| registers.pc());
        trace::note(tid, format_args!("target {id} stop {stop} {reason:?}"));
        self.last_stop = stop;
        self.restless.insert(id);
        self.expects_news = true;
        target.stop = stop;
        target.event_thread = tid;
        if !target.policy.stops_alone {
            target.phase = Phase::Stopped;
            target.asked.interrupt = false;
        }
        let is_first = !std::mem::replace(&mut target.has_begun, true);
        let mut event = Stopped {
            stop: stop.value(),
            target: id.value(),
            tid: tid.value(),
            alone: target.policy.stops_alone,
            general: registers.map(|values| values.values().to_vec()).unwrap_or_default(),
            threads_born: std::mem::take(&mut target.born).iter().map(|tid| tid.value()).collect(),
            threads_ended: std::mem::take(&mut target.ended)
                .iter()
                .map(|tid| tid.value())
                .collect(),
            ..Stopped::default()
        };
        convert::set_reason(&mut event, reason);
        super::condition::tell(&mut event, faults);
        if target.rendezvous.is_none() && !target.modules_changed && *reason != StopReason::Step {
            // Nobody announces changes.
            target.look_at_modules();
        }
        if target.modules_changed || is_first {
            event.modules = Some(Modules { modules: target.modules_to_tell() });
        }
        let tail = registers.map_or_else(Vec::new, |registers| {
            windows::fill(&mut event, target, tid, &registers, stack_len)
        });
        let is_initial_break = *reason == StopReason::InitialBreak;
        target.awaits_initial_break &= !is_initial_break;
        self.send(AnyEvent::Stopped(event), Bytes::from(tail));
        if is_initial_break {
            self.disarm_entry(id);
        }
    }
}
