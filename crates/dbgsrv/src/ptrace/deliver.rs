//! Which signals a thread is given as it leaves a stop. Only a signal-delivery-stop takes one; what is
//! due beyond that is sent to the thread anew, and recognised when it arrives.

use dbgbase::{Pid, Signal};

use super::sys;
use super::thread::{DueSignal, StopClass, Thread};

/// The signal to inject as a thread leaves its stop. Others that are due are sent anew.
pub(super) fn due_signal(pid: Pid, thread: &mut Thread, class: StopClass) -> Option<Signal> {
    if let Some(due) = thread.inject.take() {
        thread.held.push_front(due);
    }
    let mut injected = None;
    if class == StopClass::SignalDelivery
        && let Some(due) = thread.held.pop_front()
    {
        if let Some(info) = due.info {
            // It fails only for a thread that has just been killed.
            let _ = sys::set_siginfo(thread.tid, &info);
        }
        injected = Some(due.signal);
    }
    for due in std::mem::take(&mut thread.held) {
        resend(pid, thread, due);
    }
    injected
}

fn resend(pid: Pid, thread: &mut Thread, due: DueSignal) {
    // Of signals that are merged while they wait, one arrives (signal(7)).
    let merges = |other: &DueSignal| other.signal == due.signal && !due.signal.is_real_time();
    if sys::signal_thread(pid, thread.tid, due.signal).is_ok() && !thread.resent.iter().any(merges)
    {
        thread.resent.push(due);
    }
}

/// The signal that was sent anew and has now arrived, if this is one.
pub(super) fn take_resent(thread: &mut Thread, signal: Signal) -> Option<DueSignal> {
    let index = thread.resent.iter().position(|due| due.signal == signal)?;
    Some(thread.resent.remove(index))
}
