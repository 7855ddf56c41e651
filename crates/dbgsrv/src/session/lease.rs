//! How long a session waits for a client whose link was lost, and how that one takes it up again:
//! it shows what the Welcome gave it and says how far it is; both sides send once more what has
//! not arrived. It does not know how links come about.
//!
//! ```text
//!   link lost           HOLD                         lease over
//!   ──┬──────────────────┬────────────────────────────┬──────────►
//!     │ targets stay     │ those that were attached   │ those that were launched end
//!     │ as they are      │ to run on, without sites   │
//! ```

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use dbglink::Link;
use dbgwire::ErrorCode;
use dbgwire::handshake::Welcome;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::rand::GetRandomFlags;

use super::callers::Callers;
use super::{Frames, Terms};
use crate::audit;
use crate::backend::Backend;
use crate::control::{Message, Return, Secret};
use crate::outbox::Outbox;
use crate::refuse;

/// How long processes that were running before anybody debugged them are kept as they are, and
/// perhaps stopped, for a client that may not come again.
const HOLD: Duration = Duration::from_secs(10);
/// How often it is looked whether the session has ended of its own, of which nothing tells here.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Bytes of a token in front of its secret: the session's number.
const NUMBER_LEN: usize = 4;

/// A session without a link, whose client may come again.
pub(super) struct Lease<'a> {
    /// Where it comes from.
    pub(super) callers: &'a Callers,
    /// Readable when the process is asked to end.
    pub(super) termination: Option<&'a OwnedFd>,
    /// How long it may take.
    pub(super) length: Duration,
}

/// What a client shows to take its session up again.
///
/// ```text
///   0         4                20
///   +---------+----------------+
///   | session | secret         |
///   +---------+----------------+
/// ```
pub(super) struct Token {
    /// The session's number, little-endian.
    pub(super) session: u32,
    /// What nobody else knows.
    pub(super) secret: Secret,
}

impl Token {
    /// A new one. `None` if the system has no randomness.
    pub(super) fn new(session: u32) -> Option<Token> {
        let mut secret = Secret::default();
        let count = rustix::rand::getrandom(&mut secret, GetRandomFlags::empty()).ok()?;
        (count == secret.len()).then_some(Token { session, secret })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        [&self.session.to_le_bytes()[..], &self.secret].concat()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Token> {
        let (session, secret) = bytes.split_first_chunk::<NUMBER_LEN>()?;
        Some(Token { session: u32::from_le_bytes(*session), secret: secret.try_into().ok()? })
    }
}

impl Lease<'_> {
    /// Waits for the client to come again. `None` if it does not, or cannot.
    pub(super) fn wait(
        &self,
        backend: &mut dyn Backend,
        outbox: &Outbox,
        terms: &Terms,
        welcome: impl Fn(&Terms) -> Welcome,
    ) -> Option<Frames> {
        if !outbox.lose() {
            return None;
        }
        backend.pause_output(true);
        let frames = self.wait_paused(backend, outbox, terms, welcome);
        backend.pause_output(false);
        frames
    }

    fn wait_paused(
        &self,
        backend: &mut dyn Backend,
        outbox: &Outbox,
        terms: &Terms,
        welcome: impl Fn(&Terms) -> Welcome,
    ) -> Option<Frames> {
        let say = |message: Message| {
            // A listener that is gone is noticed below.
            let _ = self.callers.control().send(&message);
        };
        let lost = Instant::now();
        let hold = self.length.min(HOLD);
        let mut is_held = true;
        loop {
            let deadline = lost + if is_held { hold } else { self.length };
            let left = deadline.saturating_duration_since(Instant::now());
            // It may have come before its loss was noticed.
            if let Some(comer) = self.callers.take_comer()
                && let Some(frames) = take_up(comer, outbox, &welcome(terms))
            {
                say(Message::TakenUp);
                audit::came_back();
                return Some(frames);
            }
            // A server that calls its client calls it again. Whoever comes with something wrong
            // makes the listener believe that nobody waits any more, so that is said again.
            say(Message::Waiting);
            if self.sleep(left.min(LOOK_AGAIN)) || self.callers.are_gone() || !outbox.keeps() {
                return None;
            }
            if !left.is_zero() {
                continue;
            }
            if !is_held {
                return None;
            }
            is_held = false;
            backend.leave_attached(&format!(
                "the connection was lost for more than {} seconds, so the process runs on without \
                 being debugged",
                hold.as_secs()
            ));
        }
    }

    /// Sleeps until somebody has come, for so long at most. Whether the process is asked to end.
    fn sleep(&self, time: Duration) -> bool {
        let wanted = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        let mut fds = vec![wanted(self.callers.as_fd())];
        fds.extend(self.termination.map(|fd| wanted(fd.as_fd())));
        // The time is far below what a Timespec holds.
        let _ = rustix::event::poll(&mut fds, Timespec::try_from(time).ok().as_ref());
        fds.get(1).is_some_and(|fd| !fd.revents().is_empty())
    }
}

/// Goes on with the client on its new link. `None` if it lacks what is kept no more: it is told.
fn take_up(comer: Return, outbox: &Outbox, welcome: &Welcome) -> Option<Frames> {
    let Ok(for_refusal) = comer.link.try_clone() else { return None };
    let link = Link::from(comer.link);
    let shutdown = link.shutdown_handle();
    let (reader, writer) = link.split();
    if !outbox.resume(writer, shutdown, &welcome.encode(), comer.arrived) {
        refuse(for_refusal);
        return None;
    }
    Some(Frames::greeted(&[], reader))
}

/// Tells a client that its session cannot be taken up again.
pub(super) fn refuse(link: OwnedFd) {
    let detail = "the session has ended, or cannot be taken up again";
    refuse::refuse(Link::from(link), ErrorCode::NoSuchSession, detail);
}
