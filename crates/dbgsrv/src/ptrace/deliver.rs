//! Which signals a thread is given as it leaves a stop. Only a signal-delivery-stop takes one; what
//! is due beyond that is sent to the thread anew, and recognised when it arrives. While a target
//! stands still, the journal has those that are due: the kernel would drop them with its tracer.

use dbgbase::{Pid, Signal, TargetId};

use super::report;
use super::sys::{self, SigInfo};
use super::thread::{DueSignal, Resent, StopClass, Thread};
use super::tracer::Tracer;
use super::wait::{self, Stop, WaitStatus};
use crate::journal::Entry;

impl Tracer {
    /// Writes the signals that are due to a target's threads into the journal, but for those that
    /// their instructions raise again.
    pub(super) fn journal_signals(&mut self, id: TargetId) {
        let Some(target) = self.targets.get_mut(&id) else { return };
        let (pid, start_time) = (target.pid, target.start_time);
        // Where threads stop alone, those that run on are given theirs now.
        let stays = |thread: &&Thread| !target.policy.stops_alone || thread.told.is_some();
        for thread in target.threads.values().filter(stays) {
            // What the CPU has raised it raises again.
            let due = thread.inject.iter().chain(&thread.held);
            for due in due.filter(|due| !due.is_raised()) {
                let entry = Entry::Signal { pid, start_time, tid: thread.tid, signal: due.signal };
                // A journal without room keeps what is worse to lose.
                target.signal_entries.extend(self.journal.add(entry));
            }
        }
    }

    /// Takes those entries back.
    pub(super) fn forget_signals(&mut self, id: TargetId) {
        let Some(target) = self.targets.get_mut(&id) else { return };
        for entry in target.signal_entries.drain(..) {
            self.journal.remove(entry);
        }
    }
}

/// The signal to inject as a thread leaves its stop. Others that are due are sent anew.
pub(super) fn due_signal(pid: Pid, thread: &mut Thread, class: StopClass) -> Option<Signal> {
    let injected = take_injected(thread, class);
    let others = std::mem::take(&mut thread.held);
    send_anew(pid, thread, others.into_iter().map(|due| Resent { due, is_news: false }));
    injected
}

/// The same for a thread that is left. Nobody will look at what arrives then, so that all that is
/// due to it has to wait in the kernel in the right order.
pub(super) fn last_signal(pid: Pid, thread: &mut Thread, class: StopClass) -> Option<Signal> {
    thread.hold_injected();
    // What the CPU has raised nobody can send: it is given where the kernel takes a signal, and
    // sent to get there.
    if class == StopClass::Other && thread.held.iter().any(DueSignal::is_raised) {
        let held = std::mem::take(&mut thread.held);
        send_anew(pid, thread, held.into_iter().map(|due| Resent { due, is_news: false }));
    }
    let must_wait = thread.held.len() + thread.resent.len() > 1 || !thread.resent.is_empty();
    let class = if must_wait { take_back(thread, class) } else { class };
    due_signal(pid, thread, class)
}

/// Takes all signals of the kinds that are due to a thread out of the kernel, by letting it run
/// into the stop before each of them; it executes nothing. What stop it is in then.
fn take_back(thread: &mut Thread, class: StopClass) -> StopClass {
    let tid = thread.tid;
    let Ok(mask) = sys::signal_mask(tid) else { return class };
    if !matches!(class, StopClass::SignalDelivery | StopClass::Other) {
        return class;
    }
    let resent = thread.resent.iter().map(|resent| resent.due.signal);
    let kinds: Vec<Signal> = thread.held.iter().map(|due| due.signal).chain(resent).collect();
    let bit = |signal: Signal| 1_u64 << (signal.number() - 1);
    let set = kinds.iter().fold(0, |set, kind| set | bit(*kind));
    let mut class = class;
    // What fails here fails because it has just been killed.
    let _ = sys::set_signal_mask(tid, mask & !set);
    while sys::has_pending_of(tid, &kinds) && sys::cont(tid, None).is_ok() {
        let status = wait::report_of(tid);
        let Some(WaitStatus::Stopped(stop)) = status else { return class };
        class = report::class_of(stop);
        if let Stop::Signal(signal) = stop {
            let info = sys::siginfo(tid).ok();
            let resent = take_resent(thread, signal, info.as_ref());
            thread.held.push_back(resent.map_or(DueSignal { signal, info }, |resent| resent.due));
        } else if class != StopClass::Other {
            break;
        }
    }
    let _ = sys::set_signal_mask(tid, mask);
    // It came before all others.
    thread.held.make_contiguous().sort_by_key(|due| !due.is_raised());
    let is_blocked = thread.held.front().is_some_and(|due| mask & bit(due.signal) != 0);
    // The kernel would put one that is blocked behind the others.
    if is_blocked && class == StopClass::SignalDelivery { StopClass::Other } else { class }
}

fn take_injected(thread: &mut Thread, class: StopClass) -> Option<Signal> {
    thread.hold_injected();
    // What continues the process and is still on its way would have revoked what stops it, had the
    // kernel still had that.
    if thread.held.iter().any(|due| is_stop(due.signal)) && sys::has_pending_continue(thread.tid) {
        thread.held.retain(|due| !is_stop(due.signal));
    }
    let is_taken = class == StopClass::SignalDelivery;
    let due = if is_taken { thread.held.pop_front() } else { None }?;
    if let Some(info) = due.info {
        // It fails only for a thread that has just been killed.
        let _ = sys::set_siginfo(thread.tid, &info);
    }
    Some(due.signal)
}

/// Sends signals to a thread that had got them before, and therefore before those that have been
/// sent anew already and have not arrived again.
pub(super) fn send_anew(pid: Pid, thread: &mut Thread, signals: impl IntoIterator<Item = Resent>) {
    let later = std::mem::take(&mut thread.resent);
    for Resent { due, is_news } in signals {
        // Of signals that are merged while they wait, one arrives (signal(7)).
        let merges = |other: &Resent| other.due.signal == due.signal && !due.signal.is_real_time();
        // What is known of it goes with it, where the kernel allows that.
        let queued = due.info.map(|info| sys::queue_signal(pid, thread.tid, &info));
        let is_sent =
            queued == Some(Ok(())) || sys::signal_thread(pid, thread.tid, due.signal).is_ok();
        if is_sent && !thread.resent.iter().chain(&later).any(merges) {
            thread.resent.push(Resent { due, is_news });
        }
        if is_sent && due.signal.is_real_time() {
            let info = due.info.filter(|_| queued == Some(Ok(())));
            thread.on_the_way.push(DueSignal { signal: due.signal, info });
        }
    }
    thread.resent.extend(later);
}

/// Takes note that a signal has been sent to a target: one that continues it revokes those that
/// stop it and are still to be delivered, and the other way round (signal(7), "Signal mask and
/// pending signals"). The kernel does so with those that are pending in it.
pub(super) fn revoke_opposites<'a>(threads: impl Iterator<Item = &'a mut Thread>, signal: Signal) {
    for thread in threads {
        thread.resent.retain(|resent| !revokes(signal, resent.due.signal));
        thread.held.retain(|due| !revokes(signal, due.signal));
    }
}

/// Whether a signal that is sent revokes another that waits.
pub(super) fn revokes(signal: Signal, waiting: Signal) -> bool {
    match signal {
        Signal::SIGCONT => is_stop(waiting),
        signal => is_stop(signal) && waiting == Signal::SIGCONT,
    }
}

/// Whether a signal's default action is to stop the process.
fn is_stop(signal: Signal) -> bool {
    [Signal::SIGSTOP, Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU].contains(&signal)
}

/// The signal that is to be taken for the one that has just arrived, if some of its kind have been
/// sent anew. Those went behind others of their kind that have waited in the kernel, though they
/// came before them: so the first of the list is taken, and what has arrived, if it is none of
/// those, takes its place at the end.
pub(super) fn take_resent(
    thread: &mut Thread,
    signal: Signal,
    info: Option<&SigInfo>,
) -> Option<Resent> {
    let index = thread.resent.iter().position(|resent| resent.due.signal == signal)?;
    if signal.is_real_time() && !has_come_back(thread, signal, info) {
        let due = DueSignal { signal, info: info.copied() };
        thread.resent.push(Resent { due, is_news: true });
    }
    Some(thread.resent.remove(index))
}

/// Whether a real-time signal that has arrived is one of those that were sent anew, which then is
/// on its way no more. It may have been taken for another one long since.
fn has_come_back(thread: &mut Thread, signal: Signal, info: Option<&SigInfo>) -> bool {
    let index = thread.on_the_way.iter().position(|sent| {
        let is_it = info.is_none_or(|info| match sent.info {
            Some(sent) => sent.is_same(info),
            None => info.is_sent_by_us(),
        });
        is_it && sent.signal == signal
    });
    index.map(|index| thread.on_the_way.remove(index)).is_some()
}
