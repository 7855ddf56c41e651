//! The login processes of a listener: started, limited in number and time, reaped. It knows that
//! they let somebody in, not by what.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::time::{Duration, Instant};

use dbglink::Link;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{PidfdFlags, pidfd_open};

use crate::control::{Control, Message};
use crate::error::{ServerError, system};
use crate::guesses::{Guesser, Guesses};
use crate::listener::TaskSource;
use crate::login::GUESSED;
use crate::spawn::{self, ClientWords, LoginInheritance};
use crate::task;

/// What clients may cost that have not been let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoginLimits {
    /// How many there may be at once. One more makes the oldest go of whoever has most.
    pub at_once: usize,
    /// How long one may take.
    pub patience: Duration,
    /// Whether one that is ended counts as a wrong password.
    pub counts_unfinished: bool,
}

/// One login process.
struct Login {
    child: Child,
    pidfd: OwnedFd,
    /// `None` once its client has been let in.
    control: Option<Control>,
    deadline: Instant,
    peer: Option<String>,
    guesser: Option<Guesser>,
}

/// A client that was let in.
pub(crate) struct Entrant {
    /// The link to its login process.
    pub(crate) link: Link,
    /// Who it is.
    pub(crate) words: ClientWords,
}

/// The login processes of one server, the oldest first.
pub(crate) struct Logins {
    limits: LoginLimits,
    task: TaskSource,
    guesses: Guesses,
    logins: VecDeque<Login>,
}

impl Logins {
    /// None yet. Each will be told what `task` says.
    pub(crate) fn new(limits: LoginLimits, task: TaskSource) -> Logins {
        Logins { limits, task, guesses: Guesses::default(), logins: VecDeque::new() }
    }

    /// Whether there is no login process.
    pub(crate) fn is_empty(&self) -> bool {
        self.logins.is_empty()
    }

    /// Starts one for a client, which is called `peer` for people.
    ///
    /// **Errors**: [`ServerError`].
    pub(crate) fn start(&mut self, link: Link, peer: Option<String>) -> Result<(), ServerError> {
        let guesser = link.peer().ok().map(|peer| Guesser::of(&peer));
        let wait = guesser.map(|guesser| self.guesses.wait(guesser, Instant::now()));
        let wait = wait.unwrap_or_default();
        // Who guesses does so one by one.
        let is_same = |login: &&Login| login.guesser.is_some() && login.guesser == guesser;
        if !wait.is_zero() && self.waiting().any(|login| is_same(&login)) {
            return Ok(());
        }
        if self.waiting().count() >= self.limits.at_once {
            self.end_oldest();
        }
        let (control, theirs) = Control::pair().map_err(system("make a control socket"))?;
        let told = (self.task)().map_err(ServerError::NoTask)?;
        let task = task::keep(&told).map_err(system("tell a login process its task"))?;
        let inheritance =
            LoginInheritance { link: link.into_fd()?, control: theirs.into_fd(), task, wait };
        let mut child = spawn::start_login(inheritance)?;
        let pid = rustix::process::Pid::from_child(&child);
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => {
                let deadline = Instant::now() + self.limits.patience;
                self.logins.push_back(Login {
                    child,
                    pidfd,
                    control: Some(control),
                    deadline,
                    peer,
                    guesser,
                });
                Ok(())
            }
            Err(errno) => {
                end(&mut child);
                Err(system("watch a login process")(errno))
            }
        }
    }

    /// What to poll for: messages and ends.
    pub(crate) fn poll_fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        let fds = |login| {
            let Login { pidfd, control, .. }: &Login = login;
            let control = control.as_ref().map(AsFd::as_fd);
            let fds = control.into_iter().chain([pidfd.as_fd()]);
            fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
        };
        self.logins.iter().flat_map(fds)
    }

    /// When the next one has taken too long, if any is at work.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.waiting().map(|login| login.deadline).min()
    }

    /// Ends those that have taken too long, forgets those that have ended, and returns the clients
    /// that have been let in.
    pub(crate) fn attend(&mut self) -> Vec<Entrant> {
        let now = Instant::now();
        let mut entrants = Vec::new();
        for login in &mut self.logins {
            let Some(control) = &login.control else { continue };
            if let Some(Message::Admitted(admitted)) = control.try_receive() {
                login.control = None;
                if let Some(guesser) = login.guesser {
                    self.guesses.forgive(guesser);
                }
                let words = ClientWords { user: Some(admitted.user), peer: login.peer.take() };
                entrants.push(Entrant { link: Link::from(admitted.link), words });
            } else if login.deadline <= now {
                end(&mut login.child);
                if let Some(guesser) = login.guesser.filter(|_| self.limits.counts_unfinished) {
                    self.guesses.note(guesser, now);
                }
            }
        }
        let guesses = &mut self.guesses;
        self.logins.retain_mut(|login| {
            let Ok(ended) = login.child.try_wait() else { return false };
            let has_guessed = ended.and_then(|status| status.code()) == Some(GUESSED.into());
            if let Some(guesser) = login.guesser.filter(|_| has_guessed) {
                guesses.note(guesser, now);
            }
            ended.is_none()
        });
        entrants
    }

    fn waiting(&self) -> impl Iterator<Item = &Login> {
        self.logins.iter().filter(|login| login.control.is_some())
    }

    /// Ends the oldest of whoever has most of them, so that a crowd keeps only itself out.
    fn end_oldest(&mut self) {
        let count =
            |login: &Login| self.waiting().filter(|other| other.guesser == login.guesser).count();
        let waiting = self.logins.iter().enumerate().filter(|(_, login)| login.control.is_some());
        // Of equals the first, which is the oldest.
        let chosen = waiting.rev().max_by_key(|(_, login)| count(login));
        if let Some(mut login) =
            chosen.map(|(index, _)| index).and_then(|at| self.logins.remove(at))
        {
            end(&mut login.child);
            if let Some(guesser) = login.guesser.filter(|_| self.limits.counts_unfinished) {
                self.guesses.note(guesser, Instant::now());
            }
        }
    }

    /// Ends those whose clients have not been let in. The others end with their sessions.
    pub(crate) fn end(self) {
        for mut login in self.logins {
            if login.control.is_some() {
                end(&mut login.child);
            }
        }
    }
}

fn end(child: &mut Child) {
    // Both fail only for a process that has been reaped.
    let _ = child.kill();
    let _ = child.wait();
}
