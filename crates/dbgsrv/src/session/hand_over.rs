//! A client that goes from one session process to another: to the one that keeps the process that
//! it claims. Its link goes with it, and what it has sent and nobody has read; it does not notice.

use std::os::fd::{AsFd, OwnedFd};

use bytes::Bytes;
use dbgbase::Pid;
use dbglink::Link;
use dbgwire::verbs::process::Claim as ClaimVerb;
use dbgwire::{ErrorCode, Fault, Frame, Record, message};
use rustix::event::{PollFd, PollFlags};

use super::callers::Callers;
use super::{Frames, Terms};
use crate::audit;
use crate::backend::Backend;
use crate::control::{BYTES_MAX, Claim, Message, Progress};
use crate::outbox::Outbox;

/// What came of handing a client over.
pub(super) enum HandOver {
    /// Another session process serves it.
    Done,
    /// No session keeps that process.
    Nobody,
    /// This client cannot be handed over.
    Refused(Fault),
}

/// Hands the client over to the session that keeps the process `pid`, if one does. `frame` is the
/// request that claims it.
pub(super) fn hand_over(
    frame: &Frame,
    pid: u32,
    frames: &Frames,
    outbox: &Outbox,
    callers: &Callers,
    terms: &Terms,
) -> HandOver {
    if outbox.has_sent_events() {
        let detail = "a client that has had targets cannot take over an abandoned process; connect \
                      once more for it";
        return HandOver::Refused(Fault::new(ErrorCode::Unsupported, detail));
    }
    let Ok(request) = message::request(frame.id, &ClaimVerb { pid }, Bytes::new()) else {
        return HandOver::Nobody;
    };
    let bytes = [request.head, frames.unread()].concat();
    if bytes.len() > BYTES_MAX {
        let detail = "too many requests follow the one that takes over a process; wait for it";
        return HandOver::Refused(Fault::new(ErrorCode::TooLarge, detail));
    }
    let link = match frames.link().try_clone_to_owned() {
        Ok(link) => link,
        Err(error) => {
            let detail = format!("cannot hand over the link: {error}");
            return HandOver::Refused(Fault::new(ErrorCode::SystemError, detail));
        }
    };
    let Terms { version, stack_window_len, requests } = *terms;
    // The request that claims is taken by the other session.
    let progress = outbox.sent().map(|sent| Progress { sent, requests: requests - 1 });
    let pid = Pid::new(pid);
    let claim = Claim { pid, version, stack_window_len, progress, bytes, link };
    // A listener that is gone knows of no other session.
    match callers.ask(&Message::Claim(claim)) {
        true => {
            audit::handed_over(pid.value());
            HandOver::Done
        }
        false => HandOver::Nobody,
    }
}

/// Goes on with a client that another session process has greeted.
pub(super) fn take_over(
    claim: Claim,
    backend: &mut dyn Backend,
    outbox: &Outbox,
) -> (Frames, Terms) {
    audit::took_over(claim.pid);
    let Claim { version, stack_window_len, progress, bytes, link, .. } = claim;
    let link = Link::from(link);
    let shutdown = link.shutdown_handle();
    let (reader, writer) = link.split();
    outbox.reopen(writer, shutdown, progress.map(|progress| Record::after(progress.sent)));
    backend.welcome(u64::from(stack_window_len));
    let requests = progress.map_or(0, |progress| progress.requests);
    (Frames::greeted(&bytes, reader), Terms { version, stack_window_len, requests })
}

/// A session without a client, which keeps abandoned targets.
pub(super) struct Parking<'a> {
    /// Where clients come from.
    pub(super) callers: Option<&'a Callers>,
    /// Readable when the process is asked to end.
    pub(super) termination: Option<&'a OwnedFd>,
    /// Readable when a target has ended.
    pub(super) exited: &'a OwnedFd,
}

impl Parking<'_> {
    /// Waits for a client that claims a target. `None` if none is abandoned, or all have ended, or
    /// the process is asked to end, or nobody can come any more.
    pub(super) fn wait(&self, backend: &mut dyn Backend) -> Option<Claim> {
        let callers = self.callers?;
        loop {
            let abandoned = backend.abandoned();
            let is_told = || callers.control().send(&Message::Parked(abandoned.clone())).is_ok();
            if abandoned.is_empty() || callers.are_gone() || !is_told() {
                return None;
            }
            let wanted = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
            let mut fds = vec![wanted(callers.as_fd()), wanted(self.exited.as_fd())];
            fds.extend(self.termination.map(|fd| wanted(fd.as_fd())));
            while rustix::event::poll(&mut fds, None) == Err(rustix::io::Errno::INTR) {}
            let is_ready = |index: usize| fds.get(index).is_some_and(|fd| !fd.revents().is_empty());
            if is_ready(2) {
                return None;
            }
            if let Some(claim) = callers.take_claim() {
                return Some(claim);
            }
            while matches!(rustix::io::read(self.exited, &mut [0; 64]), Ok(1..)) {}
        }
    }
}
