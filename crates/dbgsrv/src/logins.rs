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
use crate::spawn::{self, ClientWords, LoginInheritance};

/// What clients may cost that have not been let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoginLimits {
    /// How many there may be at once. One more makes the oldest go.
    pub at_once: usize,
    /// How long one may take.
    pub patience: Duration,
}

/// One login process.
struct Login {
    child: Child,
    pidfd: OwnedFd,
    /// `None` once its client has been let in.
    control: Option<Control>,
    deadline: Instant,
    peer: Option<String>,
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
    logins: VecDeque<Login>,
}

impl Logins {
    /// None yet.
    pub(crate) fn new(limits: LoginLimits) -> Logins {
        Logins { limits, logins: VecDeque::new() }
    }

    /// Starts one for a client, which is called `peer` for people.
    ///
    /// **Errors**: [`ServerError`].
    pub(crate) fn start(&mut self, link: Link, peer: Option<String>) -> Result<(), ServerError> {
        if self.waiting().count() >= self.limits.at_once {
            self.end_oldest();
        }
        let (control, theirs) = Control::pair().map_err(system("make a control socket"))?;
        let inheritance = LoginInheritance { link: link.into_fd()?, control: theirs.into_fd() };
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
                let words = ClientWords { user: Some(admitted.user), peer: login.peer.take() };
                entrants.push(Entrant { link: Link::from(admitted.link), words });
            } else if login.deadline <= now {
                end(&mut login.child);
            }
        }
        self.logins.retain_mut(|login| matches!(login.child.try_wait(), Ok(None)));
        entrants
    }

    fn waiting(&self) -> impl Iterator<Item = &Login> {
        self.logins.iter().filter(|login| login.control.is_some())
    }

    fn end_oldest(&mut self) {
        if let Some(index) = self.logins.iter().position(|login| login.control.is_some())
            && let Some(mut login) = self.logins.remove(index)
        {
            end(&mut login.child);
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
