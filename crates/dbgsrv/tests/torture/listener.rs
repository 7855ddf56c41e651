//! The server of a round as its clients know it: it may be killed at any moment, and then lets
//! nobody in any more, while the sessions that there are go on.

use std::sync::{PoisonError, RwLock};

use dbgbase::Signal;
use testkit::{Client, Server, send_signal};

/// A server.
pub(crate) struct Listener<'a> {
    server: &'a Server,
    /// Whether it may be killed. Then no session is, which nobody could repair after.
    pub(crate) may_die: bool,
    is_dead: RwLock<bool>,
}

impl<'a> Listener<'a> {
    /// One that lives.
    pub(crate) fn new(server: &'a Server, may_die: bool) -> Listener<'a> {
        Listener { server, may_die, is_dead: RwLock::new(false) }
    }

    /// A client, unless it is dead.
    #[track_caller]
    pub(crate) fn connect(&self) -> Option<Client> {
        let is_dead = self.is_dead.read().unwrap_or_else(PoisonError::into_inner);
        (!*is_dead).then(|| self.server.connect())
    }

    /// Kills it, while nobody connects.
    pub(crate) fn kill(&self) {
        let mut is_dead = self.is_dead.write().unwrap_or_else(PoisonError::into_inner);
        *is_dead = true;
        send_signal(self.server.pid(), Signal::SIGKILL);
    }

    /// Whether it was killed.
    pub(crate) fn is_dead(&self) -> bool {
        *self.is_dead.read().unwrap_or_else(PoisonError::into_inner)
    }
}
