//! The session processes of a listener: started, watched, asked to end, reaped. It knows processes
//! and control sockets, not who is let in.

use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::time::{Duration, Instant};

use dbgbase::Pid;
use dbglink::Link;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::control::{Control, Message};
use crate::error::{ServerError, system};
use crate::guardian::{self, Report};
use crate::journal::Journal;
use crate::spawn::{self, ClientWords, Inheritance};

/// How long all session processes together may take to leave their targets when they are asked to
/// end. Each one gives up after less; who does not answer at all is killed, and repaired.
const END_PATIENCE: Duration = Duration::from_secs(20);

/// How many may wait for clients whose links were lost.
const WAITING_MAX: usize = 64;

/// One session process.
struct Session {
    child: Child,
    pidfd: OwnedFd,
    control: Control,
    /// What it is called.
    number: u32,
    /// As whom its client was let in.
    user: Option<String>,
    /// Whether its client has lost its link, and may come again.
    is_waiting: bool,
    /// The processes that it keeps stopped for whoever claims one, while it has no client.
    parked: Vec<Pid>,
}

/// What all sessions of a server have in common.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// The words of what they start for a client that asks for the implicit command line; empty if
    /// there is none.
    pub implicit: Vec<Vec<u8>>,
    /// How long they wait for a client whose link was lost, in whole seconds; zero for not at all.
    pub lease: Duration,
}

/// The session processes of one server.
pub(crate) struct Sessions {
    sessions: Vec<Session>,
    last_number: u32,
    /// Told of what was repaired.
    report: fn(Report),
    options: SessionOptions,
    /// Whether one of them has asked for the end of the server.
    end_wanted: bool,
}

impl Sessions {
    /// None yet. `report` is called from a thread when a killed one was repaired.
    pub(crate) fn new(report: fn(Report), options: SessionOptions) -> Sessions {
        Sessions { sessions: Vec::new(), last_number: 0, report, options, end_wanted: false }
    }

    /// Whether one of them has asked for the end of the server.
    pub(crate) fn want_end(&self) -> bool {
        self.end_wanted
    }

    /// How many session processes there are.
    pub(crate) fn count(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there is no session process.
    pub(crate) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Whether they all wait for clients that have lost their links; not if there are none.
    pub(crate) fn all_wait(&self) -> bool {
        !self.is_empty() && self.sessions.iter().all(|session| session.is_waiting)
    }

    /// Starts one for a client, and returns its number.
    ///
    /// **Errors**: [`ServerError`]; there is no session process then.
    pub(crate) fn start(&mut self, link: Link, client: &ClientWords) -> Result<u32, ServerError> {
        let journal = Journal::create().map_err(system("create a journal"))?;
        let (control, theirs) = Control::pair().map_err(system("make a control socket"))?;
        let theirs_journal = journal
            .as_fd()
            .try_clone_to_owned()
            .map_err(system("hand a journal to a session process"))?;
        self.last_number += 1;
        let inheritance = Inheritance {
            link: link.into_fd()?,
            journal: theirs_journal,
            control: Some(theirs.into_fd()),
            number: self.last_number,
            may_share_terminal: false,
            lease: self.options.lease,
            implicit: self.options.implicit.clone(),
        };
        let mut child = spawn::start(inheritance, client)?;
        let pid = rustix::process::Pid::from_child(&child);
        let watched = pidfd_open(pid, PidfdFlags::empty())
            .map_err(system("watch a session process"))
            .and_then(|pidfd| guardian::watch(&child, journal, self.report).map(|()| pidfd));
        match watched {
            Ok(pidfd) => {
                self.sessions.push(Session {
                    child,
                    pidfd,
                    control,
                    number: self.last_number,
                    user: client.user.clone(),
                    is_waiting: false,
                    parked: Vec::new(),
                });
                Ok(self.last_number)
            }
            Err(error) => {
                // Nobody would repair what it does.
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// What to poll for: messages and ends.
    pub(crate) fn poll_fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        let fds = |session| {
            let Session { control, pidfd, .. }: &Session = session;
            [control.as_fd(), pidfd.as_fd()].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
        };
        self.sessions.iter().flat_map(fds)
    }

    /// Takes the messages that have arrived, and forgets the session processes that have ended.
    pub(crate) fn attend(&mut self) {
        for index in 0..self.sessions.len() {
            while let Some(message) = self.sessions.get(index).and_then(|s| s.control.try_receive())
            {
                self.take_message(index, message);
            }
        }
        self.sessions.retain_mut(|session| matches!(session.child.try_wait(), Ok(None)));
    }

    fn take_message(&mut self, index: usize, message: Message) {
        match message {
            Message::EndServer => self.end_wanted = true,
            Message::Waiting => {
                if let Some(session) = self.sessions.get_mut(index) {
                    session.is_waiting = true;
                }
                self.end_some_waiting();
            }
            Message::TakenUp => {
                if let Some(session) = self.sessions.get_mut(index) {
                    session.is_waiting = false;
                }
            }
            Message::Parked(pids) => {
                if let Some(session) = self.sessions.get_mut(index) {
                    session.parked = pids;
                    session.is_waiting = false;
                }
            }
            Message::Claim(claim) => {
                let pid = claim.pid;
                let user = self.sessions.get(index).and_then(|session| session.user.clone());
                let keeps = |session: &&mut Session| session.parked.contains(&pid);
                let keeper = self.sessions.iter_mut().find(keeps);
                let is_taken = keeper.is_some_and(|keeper| {
                    let is_sent = keeper.control.send(&Message::Claim(claim)).is_ok();
                    if is_sent {
                        // It has a client from now on, who is another one perhaps; what it still
                        // keeps then, it says when it parks.
                        keeper.parked.clear();
                        keeper.user = user;
                    }
                    is_sent
                });
                self.answer(index, is_taken);
            }
            Message::Return(comer) => {
                let user = self.sessions.get(index).map(|session| session.user.clone());
                let is_its = |session: &Session| {
                    // Whose secret it has, it must be as well.
                    session.number == comer.session && Some(&session.user) == user.as_ref()
                };
                let session = self.sessions.iter_mut().find(|session| is_its(session));
                let is_taken = session.is_some_and(|session| {
                    // It is not to be called meanwhile.
                    session.is_waiting = false;
                    session.control.send(&Message::Return(comer)).is_ok()
                });
                self.answer(index, is_taken);
            }
            // The first two are the listener's to say, the others a login process's.
            Message::Accepted | Message::Nobody => {}
            Message::Admitted(_) | Message::Turned(_) => {}
        }
    }

    /// Ends the oldest of those that wait for a lost client, if there are too many.
    fn end_some_waiting(&self) {
        let waiting = self.sessions.iter().filter(|session| session.is_waiting);
        let excess = waiting.clone().count().saturating_sub(WAITING_MAX);
        for session in waiting.take(excess) {
            // The only failure is ESRCH: it has ended already.
            let _ = pidfd_send_signal(&session.pidfd, Signal::TERM);
        }
    }

    /// Tells a session process whether another one has taken its client over.
    fn answer(&self, index: usize, is_taken: bool) {
        let answer = if is_taken { Message::Accepted } else { Message::Nobody };
        if let Some(session) = self.sessions.get(index) {
            // One that is gone meanwhile has nobody to answer to.
            let _ = session.control.send(&answer);
        }
    }

    /// Asks every session process to leave its targets, and waits until they have.
    pub(crate) fn end(mut self) {
        for session in &self.sessions {
            // The only failure is ESRCH: it has ended already.
            let _ = pidfd_send_signal(&session.pidfd, Signal::TERM);
        }
        let deadline = Instant::now() + END_PATIENCE;
        for session in &mut self.sessions {
            if !ends_before(session, deadline) {
                let _ = session.child.kill();
            }
            let _ = session.child.wait();
        }
    }
}

fn ends_before(session: &Session, deadline: Instant) -> bool {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(left) = Timespec::try_from(left) else { return false };
        let mut fds = [PollFd::new(&session.pidfd, PollFlags::IN)];
        match rustix::event::poll(&mut fds, Some(&left)) {
            Err(rustix::io::Errno::INTR) => {}
            result => return matches!(result, Ok(1..)),
        }
    }
}
