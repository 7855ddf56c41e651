//! Signals that reach a thread while it does something for the debugger. They are kept, and sent to
//! the thread anew when it is back where it was: then the client is told of them, or the program
//! gets them, as if they had come that moment. Meanwhile the journal has them.

use dbgbase::{TargetId, Tid};

use super::super::deliver;
use super::super::thread::{DueSignal, Resent};
use super::super::tracer::Tracer;
use crate::journal::{Entry, EntryIndex};

/// A signal that is kept.
pub(super) struct Kept {
    due: DueSignal,
    /// Whether it has not been told or passed over yet.
    is_news: bool,
    /// The journal's entry for it, if there was room.
    pub(super) entry: Option<EntryIndex>,
}

impl Tracer {
    /// Keeps a signal that a thread has got. Of signals that are merged while they wait, the first
    /// is kept (signal(7)).
    pub(super) fn keep_signal(
        &mut self,
        id: TargetId,
        tid: Tid,
        due: DueSignal,
        kept: &mut Vec<Kept>,
    ) {
        let Some(target) = self.targets.get_mut(&id) else { return };
        let signal = due.signal;
        let is_key = due.info.is_some_and(|info| super::super::traps::is_key(target, &info));
        let (pid, start_time) = (target.pid, target.start_time);
        let Some(thread) = target.threads.get_mut(&tid) else { return };
        let resent = deliver::take_resent(thread, signal, due.info.as_ref());
        let is_news = resent.is_none_or(|resent| resent.is_news);
        if resent.is_none() {
            deliver::revoke_opposites(target.threads.values_mut(), signal);
            kept.retain(|kept| {
                let is_revoked = deliver::revokes(signal, kept.due.signal);
                if is_revoked && let Some(entry) = kept.entry {
                    self.journal.remove(entry);
                }
                !is_revoked
            });
        }
        let merges = |old: &Kept| old.due.signal == signal && !signal.is_real_time();
        if is_key || kept.iter().any(merges) {
            return;
        }
        // A journal without room keeps what is worse to lose.
        let entry = self.journal.add(Entry::Signal { pid, start_time, tid, signal }).ok();
        let due = resent.map_or(due, |resent| resent.due);
        kept.push(Kept { due, is_news, entry });
    }

    /// Sends the signals anew that were kept.
    pub(super) fn send_kept(&mut self, id: TargetId, tid: Tid, kept: Vec<Kept>) {
        let Some(target) = self.targets.get_mut(&id) else { return };
        let pid = target.pid;
        if let Some(thread) = target.threads.get_mut(&tid) {
            let signals = kept.iter().map(|kept| Resent { due: kept.due, is_news: kept.is_news });
            deliver::send_anew(pid, thread, signals);
        }
        for entry in kept.into_iter().filter_map(|kept| kept.entry) {
            self.journal.remove(entry);
        }
    }
}
