//! The login processes of a listener: started, limited in number and time, reaped. It knows that
//! they let somebody in, not by what.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::time::{Duration, Instant};

use dbglink::Link;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{PidfdFlags, pidfd_open};

use crate::audit;
use crate::complain::complain;
use crate::control::{Control, Message};
use crate::crowd::Crowd;
use crate::error::{ServerError, system};
use crate::guesses::{Guesser, Guesses};
use crate::listener::TaskSource;
use crate::login::{GUESSED, Turn};
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

/// How many clients of one guesser may wait for their turns at once, one behind the other. They do
/// not wait for each other's ends, so that one who says nothing keeps nobody out for longer than
/// one turn.
const TURNS_MAX: u32 = 3;
/// How many more are told at once to come again later. The others go without a word: a crowd is not
/// worth a process each.
const TOLD_AT_ONCE: usize = 4;

/// One login process.
struct Login {
    child: Child,
    pidfd: OwnedFd,
    /// `None` once its client has been let in.
    control: Option<Control>,
    deadline: Instant,
    peer: Option<String>,
    /// Why its client is not let in, once that is so.
    why: Option<String>,
    guesser: Option<Guesser>,
    /// When its client may try; `None` if it is only told when to come again.
    turn_at: Option<Instant>,
}

impl Login {
    /// Whose guess it was, if that counts, when it is ended before it has come to an end itself.
    fn unfinished_guess(&self, limits: &LoginLimits) -> Option<Guesser> {
        let counts = limits.counts_unfinished && self.turn_at.is_some();
        self.guesser.filter(|_| counts)
    }

    /// Tells the audit trail of a client that was not let in, if it was not, and people, if not of
    /// too many.
    fn tell_end(&mut self, crowd: &mut Crowd) {
        let Some(control) = &self.control else { return };
        // What it said last may not have been looked at.
        if let Some(Message::Turned(why)) = control.try_receive() {
            self.why = Some(why);
        }
        let why = self.why.as_deref().unwrap_or("its login process died");
        audit::turned_away(None, self.peer.as_deref(), why);
        let Some(untold) = crowd.tells(Instant::now()) else { return };
        if untold > 0 {
            complain(&format!("{untold} others were not let in"));
        }
        complain(&format!("{} was not let in: {why}", self.peer.as_deref().unwrap_or("a client")));
    }
}

/// A client that was let in.
pub(crate) struct Entrant {
    /// The link to its login process.
    pub(crate) link: Link,
    /// Who it is.
    pub(crate) words: ClientWords,
    /// How it has shown that.
    pub(crate) how: String,
}

/// The login processes of one server, the oldest first.
pub(crate) struct Logins {
    limits: LoginLimits,
    task: TaskSource,
    guesses: Guesses,
    logins: VecDeque<Login>,
    /// Those who were not let in.
    crowd: Crowd,
}

impl Logins {
    /// None yet. Each will be told what `task` says.
    pub(crate) fn new(limits: LoginLimits, task: TaskSource) -> Logins {
        let (guesses, logins, crowd) = (Guesses::default(), VecDeque::new(), Crowd::default());
        Logins { limits, task, guesses, logins, crowd }
    }

    /// Whether there is no login process.
    pub(crate) fn is_empty(&self) -> bool {
        self.logins.is_empty()
    }

    /// Starts one for a client, which is called `peer` for people.
    ///
    /// **Errors**: [`ServerError`].
    pub(crate) fn start(&mut self, link: Link, peer: Option<String>) -> Result<(), ServerError> {
        let now = Instant::now();
        let guesser = link.peer().ok().map(|peer| Guesser::of(&peer));
        let turn = guesser.map_or(Some(Turn::After(Duration::ZERO)), |it| self.turn_of(it, now));
        let Some(turn) = turn else {
            audit::turned_away(None, peer.as_deref(), "too many from there wait for their turn");
            return Ok(());
        };
        if self.waiting().count() >= self.limits.at_once {
            self.end_oldest();
        }
        let (control, theirs) = Control::pair().map_err(system("make a control socket"))?;
        let told = (self.task)().map_err(ServerError::NoTask)?;
        let task = task::keep(&told).map_err(system("tell a login process its task"))?;
        let inheritance =
            LoginInheritance { link: link.into_fd()?, control: theirs.into_fd(), task, turn };
        let mut child = spawn::start_login(inheritance)?;
        let pid = rustix::process::Pid::from_child(&child);
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => {
                let turn_at = match turn {
                    Turn::After(wait) => Some(now + wait),
                    Turn::NotBefore(_) => None,
                };
                let deadline = turn_at.unwrap_or(now) + self.limits.patience;
                self.logins.push_back(Login {
                    child,
                    pidfd,
                    control: Some(control),
                    deadline,
                    peer,
                    why: None,
                    guesser,
                    turn_at,
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
            let told = control.try_receive();
            if let Some(Message::Turned(why)) = told {
                login.why = Some(why);
            } else if let Some(Message::Admitted(admitted)) = told {
                login.control = None;
                if let Some(guesser) = login.guesser {
                    self.guesses.forgive(guesser);
                }
                let words = ClientWords { user: Some(admitted.user), peer: login.peer.take() };
                let (link, how) = (Link::from(admitted.link), admitted.how);
                entrants.push(Entrant { link, words, how });
            } else if login.deadline <= now {
                end(&mut login.child);
                login.why = Some("it took too long".to_owned());
                if let Some(guesser) = login.unfinished_guess(&self.limits) {
                    self.guesses.note(guesser, now);
                }
            }
        }
        let (guesses, crowd) = (&mut self.guesses, &mut self.crowd);
        self.logins.retain_mut(|login| {
            let Ok(ended) = login.child.try_wait() else { return false };
            let has_guessed = ended.and_then(|status| status.code()) == Some(GUESSED.into());
            if let Some(guesser) = login.guesser.filter(|_| has_guessed) {
                guesses.note(guesser, now);
            }
            if ended.is_some() {
                login.tell_end(crowd);
            }
            ended.is_none()
        });
        entrants
    }

    /// When a client has its turn. Who guesses has one after the other, so far apart that nothing
    /// is won by guessing with many; `None` if so many of them are being told to come again that
    /// one more is not.
    fn turn_of(&self, guesser: Guesser, now: Instant) -> Option<Turn> {
        let wait = self.guesses.wait(guesser, now);
        let same = || self.waiting().filter(|login| login.guesser == Some(guesser));
        let last = same().filter_map(|login| login.turn_at).max();
        let before = last.map_or(Duration::ZERO, |last| last.saturating_duration_since(now));
        let turn = if wait.is_zero() { wait } else { before + wait };
        if turn <= wait * TURNS_MAX {
            return Some(Turn::After(turn));
        }
        let told = same().filter(|login| login.turn_at.is_none()).count();
        (told < TOLD_AT_ONCE).then_some(Turn::NotBefore(before))
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
            login.why = Some("too many were on their way in".to_owned());
            login.tell_end(&mut self.crowd);
            if let Some(guesser) = login.unfinished_guess(&self.limits) {
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
