//! Non-stop mode: threads stop alone, and the debugger is notified of it (manual, "Remote
//! Non-Stop"). One notification is under way at a time; the debugger fetches what else there is by
//! `vStopped`.

use dbgbase::{Signal, TargetId};
use dbgwire::verbs::resume::{SendSignal, SetStopMode, StopMode};

use crate::launch::flag;
use crate::report::{News, Report};
use crate::session::{Handled, Reply, Session, SessionError};

impl Session {
    /// `QNonStop:0|1`
    ///
    /// **Cost**: none; nobody waits.
    pub(crate) fn packet_non_stop(&mut self, arguments: &[u8]) -> Handled {
        self.dialogue.non_stop = flag(arguments)?;
        let ids: Vec<TargetId> = self.targets.keys().copied().collect();
        ids.into_iter().for_each(|id| self.send_stop_mode(id));
        Ok(Reply::Ok)
    }

    /// Has the threads of a target stop as the debugger wants it. One that runs is told at its
    /// next stop.
    pub(crate) fn send_stop_mode(&mut self, id: TargetId) {
        let is_alone = self.dialogue.non_stop;
        let Some(target) = self.targets.get_mut(&id) else { return };
        if target.is_running || target.stops_alone == is_alone {
            return;
        }
        target.stops_alone = is_alone;
        let mode = if is_alone { StopMode::Alone } else { StopMode::Together };
        self.client.post(&SetStopMode { target: id.value(), mode: mode as i32 });
    }

    /// Notifies the debugger of the next report, unless it is still fetching others.
    pub(crate) fn notify(&mut self) -> Result<(), SessionError> {
        if self.is_notifying {
            return Ok(());
        }
        let Some(payload) = self.next_report() else { return Ok(()) };
        self.is_notifying = true;
        let notification = [b"Stop:", payload.as_slice()].concat();
        self.debugger.notify(&notification).map_err(SessionError::Debugger)
    }

    /// `vStopped`: the last report has arrived; the next one, or `OK`.
    pub(crate) fn packet_next_report(&mut self, _: &[u8]) -> Handled {
        if self.is_notifying
            && let Some(payload) = self.next_report()
        {
            return Ok(Reply::Payload(payload));
        }
        self.is_notifying = false;
        Ok(Reply::Ok)
    }

    /// `?`: what is known of every thread that stands still. The first is told, the others are
    /// fetched as behind a notification.
    pub(crate) fn tell_all_again(&mut self) -> Handled {
        self.is_notifying = false;
        // What nobody has been told of a thread counts; ends are told in any case.
        for target in self.targets.values() {
            for (tid, thread) in target.threads.iter().filter(|(_, thread)| !thread.is_running) {
                let is_its = |report: &Report| report.pid == target.pid && report.tid == *tid;
                if thread.is_ending || self.reports.iter().any(is_its) {
                    continue;
                }
                let news = thread.told.clone().unwrap_or(News::Stopped(None));
                self.reports.push_back(Report { pid: target.pid, tid: *tid, news });
            }
        }
        let Some(payload) = self.next_report() else { return Ok(Reply::Ok) };
        self.is_notifying = true;
        Ok(Reply::Payload(payload))
    }

    /// `vCtrlC` in non-stop mode: as from a terminal, a signal, which one thread stops for.
    pub(crate) fn send_interrupt_signal(&mut self) {
        for target in self.targets.values().filter(|target| target.is_running) {
            let signal = Signal::SIGINT.number() as u32;
            self.client.post(&SendSignal { target: target.id.value(), tid: 0, signal });
        }
    }

    /// Takes the next report, as a payload.
    fn next_report(&mut self) -> Option<Vec<u8>> {
        let report = self.reports.pop_front()?;
        self.note_told(report.clone());
        Some(self.stop_reply(&report))
    }
}
