//! Which signals a thread is given as it leaves a stop. Only a signal-delivery-stop takes one; what
//! is due beyond that is sent to the thread anew, and recognised when it arrives.

use dbgbase::{Pid, Signal};

use super::sys;
use super::thread::{DueSignal, StopClass, Thread};

/// The signal to inject as a thread leaves its stop. Others that are due are sent anew.
pub(super) fn due_signal(pid: Pid, thread: &mut Thread, class: StopClass) -> Option<Signal> {
    if let Some(due) = thread.inject.take() {
        thread.held.push_front(due);
    }
    // What continues the process and is still on its way would have revoked what stops it, had the
    // kernel still had that.
    if thread.held.iter().any(|due| is_stop(due.signal)) && sys::has_pending_continue(thread.tid) {
        thread.held.retain(|due| !is_stop(due.signal));
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

/// Takes note that a signal has been sent to a target: one that continues it revokes those that
/// stop it and are still to be delivered, and the other way round (signal(7), "Signal mask and
/// pending signals"). The kernel does so with those that are pending in it.
pub(super) fn revoke_opposites<'a>(threads: impl Iterator<Item = &'a mut Thread>, signal: Signal) {
    let is_opposite = |due: &DueSignal| match signal {
        Signal::SIGCONT => is_stop(due.signal),
        signal => is_stop(signal) && due.signal == Signal::SIGCONT,
    };
    for thread in threads {
        thread.held.retain(|due| !is_opposite(due));
        thread.resent.retain(|due| !is_opposite(due));
    }
}

/// Whether a signal's default action is to stop the process.
fn is_stop(signal: Signal) -> bool {
    [Signal::SIGSTOP, Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU].contains(&signal)
}

/// The signal that was sent anew and has now arrived, if this is one.
pub(super) fn take_resent(thread: &mut Thread, signal: Signal) -> Option<DueSignal> {
    let index = thread.resent.iter().position(|due| due.signal == signal)?;
    Some(thread.resent.remove(index))
}
