//! What the listener sends a session, while that serves its client or waits for one: clients that
//! claim a process, the client that comes again, and answers. A thread receives it. It does not
//! know what becomes of a client.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::event::EventfdFlags;
use rustix::io::Errno;

use crate::control::{Claim, Control, Message, Return, Secret};
use crate::outbox::Outbox;

/// The way to the listener, and what has come on it.
pub(super) struct Callers {
    control: Arc<Control>,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Readable when something has come that is to be taken.
    wake: OwnedFd,
    outbox: Outbox,
}

#[derive(Default)]
struct State {
    /// What the client has to show that comes again; `None` if none can.
    secret: Option<Secret>,
    answer: Option<bool>,
    claim: Option<Claim>,
    comer: Option<Return>,
    is_gone: bool,
}

impl Callers {
    /// Receives what the listener sends from now on. When the client comes again, the link that
    /// `outbox` has is ended.
    ///
    /// **Errors**: of the system, which has no descriptor or no thread more.
    pub(super) fn start(control: Control, outbox: &Outbox) -> std::io::Result<Callers> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            wake: rustix::event::eventfd(0, flags)?,
            outbox: outbox.clone(),
        });
        let control = Arc::new(control);
        let callers = Callers { control: Arc::clone(&control), shared: Arc::clone(&shared) };
        std::thread::Builder::new().name("callers".to_owned()).spawn(move || {
            while let Some(message) = control.receive() {
                shared.take(message);
            }
            shared.state().is_gone = true;
            shared.tell();
        })?;
        Ok(callers)
    }

    /// For messages that are not answered.
    pub(super) fn control(&self) -> &Control {
        &self.control
    }

    /// From now on the client has to show this when it comes again; with `None` it cannot.
    pub(super) fn expect(&self, secret: Option<Secret>) {
        let mut state = self.shared.state();
        state.secret = secret;
        state.comer = None;
    }

    /// Asks whether another session takes a client over, and waits for the answer.
    pub(super) fn ask(&self, message: &Message) -> bool {
        self.shared.state().answer = None;
        if self.control.send(message).is_err() {
            return false;
        }
        let mut state = self.shared.state();
        loop {
            if let Some(answer) = state.answer.take() {
                return answer;
            }
            if state.is_gone {
                return false;
            }
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The client that claims a process, if one does.
    pub(super) fn take_claim(&self) -> Option<Claim> {
        self.shared.rest();
        self.shared.state().claim.take()
    }

    /// The session's client with a new link, if it has come again.
    pub(super) fn take_comer(&self) -> Option<Return> {
        self.shared.rest();
        self.shared.state().comer.take()
    }

    /// Whether nobody can come any more, because the listener is gone.
    pub(super) fn are_gone(&self) -> bool {
        self.shared.state().is_gone
    }
}

impl AsFd for Callers {
    /// For poll(2): readable when something has come.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.wake.as_fd()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, message: Message) {
        let mut state = self.state();
        match message {
            Message::Accepted => state.answer = Some(true),
            Message::Nobody => state.answer = Some(false),
            Message::Claim(claim) => state.claim = Some(claim),
            Message::Return(comer) => {
                if !state.secret.is_some_and(|secret| is_same(&secret, &comer.secret)) {
                    drop(state);
                    super::refuse(comer.link);
                    return;
                }
                // Its old link is of no use, whether that is known here or not; the new one is in
                // its place as soon as this one is taken.
                self.outbox.close();
                state.comer = Some(comer);
                drop(state);
            }
            // A session says these, or a login process.
            Message::EndServer
            | Message::Parked(_)
            | Message::Admitted(_)
            | Message::Turned(_)
            | Message::Waiting
            | Message::TakenUp => {}
        }
        self.tell();
    }

    fn tell(&self) {
        self.changed.notify_all();
        // The only failures are a counter at its limit, which is a wake-up too, and EINTR.
        while rustix::io::write(&self.wake, &1u64.to_ne_bytes()) == Err(Errno::INTR) {}
    }

    fn rest(&self) {
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
    }
}

/// Whether two secrets are the same, in a time that says nothing of where they differ.
fn is_same(one: &Secret, other: &Secret) -> bool {
    one.iter().zip(other).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}
