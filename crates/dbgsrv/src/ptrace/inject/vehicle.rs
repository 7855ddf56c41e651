//! A signal of the debugger's own, by which a thread is made to stop about to be given a signal:
//! only then can it be given the one that is due to it, whatever else has come meanwhile.

use dbgbase::{Pid, Signal, Tid};

use super::super::sys::{self, SigInfo};

/// One on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vehicle {
    signal: Signal,
    has_arrived: bool,
}

impl Vehicle {
    /// Sends one, of the kind of what is due.
    pub(super) fn send(pid: Pid, tid: Tid, signal: Signal) -> Option<Vehicle> {
        // The only failure is ESRCH: it has just been killed.
        let is_sent = sys::signal_thread(pid, tid, signal).is_ok();
        is_sent.then_some(Vehicle { signal, has_arrived: false })
    }

    /// A signal has arrived. Whether it is this, which is nobody's. Others of its kind, which have
    /// waited before it was sent, come first; but for those of the old signals, of which one of a
    /// kind arrives for all (signal(7)).
    pub(super) fn takes(&mut self, signal: Signal, info: &SigInfo) -> bool {
        let is_its_kind = signal == self.signal;
        let is_it = is_its_kind && info.is_sent_by_us();
        self.has_arrived |= is_it || is_its_kind && !signal.is_real_time();
        is_it
    }

    /// Whether it has yet to arrive.
    pub(super) fn is_awaited(self) -> bool {
        !self.has_arrived
    }
}
