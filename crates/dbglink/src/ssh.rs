//! Pipes of other machines, `npipe:` and `spipe:`, by the user's own ssh(1), with whatever its
//! configuration says of the machine, its agent and its known hosts. It knows how ssh is started
//! and what becomes of it; who is let in over there is sshd's to decide, and the pipe's.
//!
//! ```text
//!   link ── socket pair ── ssh ═══ sshd ── dbgsrv @pipe NAME ── unix socket ── server
//! ```
//!
//! Until the far end has said that it has the pipe, ssh may ask at the terminal, which is lent to
//! it then. After that it is in the background, and ends with the link.

mod far_end;
mod fault;
mod greeting;
mod terminal;
mod words;

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::connect_string::{HostName, PipeName};
use crate::{Link, LinkError};
pub use far_end::serve_far_end;
pub use fault::SshFault;
use greeting::{Greeting, Heard};
use terminal::{Terminal, Whose};
pub use words::FAR_END_MARK;
pub(crate) use words::machine;
use words::{Destination, Manner};

/// Whom ssh may ask for passwords and the like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asking {
    /// Whoever sits at the terminal, if this process is in its foreground.
    AtTerminal,
    /// Nobody who does.
    Nobody,
}

/// How long a connection may take at least: sshd itself waits for a login for two minutes.
const PATIENCE: Duration = Duration::from_secs(150);
/// The same where somebody may be typing.
const PATIENCE_WITH_PEOPLE: Duration = Duration::from_secs(600);
/// How long ssh may take to end, and to say why.
const END_PATIENCE: Duration = Duration::from_secs(2);
/// How much of what it says is kept.
const SAID_LEN_MAX: usize = 8 * 1024;

/// Connects to a pipe of another machine. `withheld` is a variable of the environment that is not
/// for ssh, which might send it there.
///
/// **Errors**: [`LinkError::Ssh`].
/// **Threads**: starts one that reaps ssh.
pub(crate) fn connect_to(
    server: &HostName,
    pipe: &PipeName,
    timeout: Duration,
    asking: Asking,
    withheld: Option<&str>,
) -> Result<Link, LinkError> {
    let failed = |fault| LinkError::Ssh { server: server.to_string(), fault };
    let destination = Destination::new(server).ok_or_else(|| failed(SshFault::Name))?;
    let terminal = match (Terminal::find(), asking) {
        (Whose::Ours(terminal), Asking::AtTerminal) => Whose::Ours(terminal),
        // It would be stopped in the middle of asking, or take the keys from who reads them.
        (Whose::Ours(_) | Whose::Others, _) => Whose::Others,
        (Whose::Nobodys, _) => Whose::Nobodys,
    };
    let is_mute = matches!(terminal, Whose::Others);
    let manner = Manner { connect_timeout_s: timeout.as_secs(), is_mute };
    let program = std::env::var(words::PROGRAM_VARIABLE).ok().filter(|path| !path.is_empty());
    let arguments = words::arguments(destination, pipe, program.as_deref(), manner);
    let (link, theirs) = Link::pair()?;
    let mut call = Call::start(theirs, &arguments, withheld)?.map_err(failed)?;
    let (loan, patience) = match terminal {
        Whose::Ours(terminal) => (Some(terminal.lend(call.group)), PATIENCE_WITH_PEOPLE),
        _ => (None, PATIENCE),
    };
    let heard = call.await_greeting(&link, Instant::now() + timeout.max(patience));
    let fault = match heard {
        Outcome::Heard(Heard::Ready) => {
            drop(loan);
            return call.leave().map(|()| link);
        }
        Outcome::Heard(Heard::Refused(reason)) => SshFault::Refused(reason),
        Outcome::Heard(Heard::Nonsense) => SshFault::Nonsense,
        Outcome::Late => SshFault::Late,
        Outcome::Ended => {
            let (status, said) = call.end();
            return Err(failed(fault::of(status, said, is_mute)));
        }
    };
    call.end();
    Err(failed(fault))
}

/// What has come of waiting for the far end.
enum Outcome {
    Heard(Heard),
    Ended,
    Late,
}

/// An ssh that has been started.
struct Call {
    child: Child,
    /// Its process group, of which it is the leader.
    group: Pid,
    /// What it says, unless it says that at the user's terminal itself.
    stderr: Option<ChildStderr>,
    said: Vec<u8>,
}

impl Call {
    fn start(
        theirs: Link,
        arguments: &[String],
        withheld: Option<&str>,
    ) -> Result<Result<Call, SshFault>, LinkError> {
        let failed =
            |reason| LinkError::Socket { what: "duplicate the descriptor of a link", reason };
        let input = theirs.into_fd()?;
        let output = input.try_clone().map_err(failed)?;
        #[expect(clippy::disallowed_methods, reason = "this is where ssh is started")]
        let mut ssh = Command::new("ssh");
        ssh.args(arguments).process_group(0);
        if let Some(variable) = withheld {
            ssh.env_remove(variable);
        }
        ssh.stdin(Stdio::from(input)).stdout(Stdio::from(output));
        // At a terminal it says by itself what it waits for, as the touch of a key.
        let is_shown = rustix::termios::isatty(rustix::stdio::stderr());
        ssh.stderr(if is_shown { Stdio::inherit() } else { Stdio::piped() });
        let child = ssh.spawn();
        // The command holds our copies of its end as long as it lives.
        drop(ssh);
        Ok(child.map_err(SshFault::NotStarted).map(|mut child| Call {
            group: Pid::from_child(&child),
            stderr: child.stderr.take(),
            child,
            said: Vec::new(),
        }))
    }

    /// Waits until the far end says something, or ssh ends.
    fn await_greeting(&mut self, link: &Link, deadline: Instant) -> Outcome {
        let mut greeting = Greeting::default();
        loop {
            let (is_heard, is_said) = match self.wait(link, deadline) {
                Some(ready) => ready,
                None => return Outcome::Late,
            };
            if is_said {
                self.listen();
            }
            if !is_heard {
                continue;
            }
            let mut buffer = vec![0; greeting.room()];
            let count = match rustix::io::read(link, &mut buffer) {
                Ok(count @ 1..) => count,
                _ => return Outcome::Ended,
            };
            if let Some(heard) = greeting.take(buffer.get(..count).unwrap_or_default()) {
                return Outcome::Heard(heard);
            }
        }
    }

    /// Waits until a descriptor, or what ssh says, can be read: which of them can. `None` if it is
    /// too late.
    fn wait(&self, first: impl AsFd, deadline: Instant) -> Option<(bool, bool)> {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).unwrap_or_default();
        let mut fds = vec![PollFd::from_borrowed_fd(first.as_fd(), PollFlags::IN)];
        fds.extend(self.stderr.as_ref().map(|stderr| PollFd::new(stderr, PollFlags::IN)));
        match poll(&mut fds, Some(&left)) {
            Ok(0) => None,
            Ok(_) => {
                let is_ready =
                    |fd: Option<&PollFd<'_>>| fd.is_some_and(|fd| !fd.revents().is_empty());
                Some((is_ready(fds.first()), is_ready(fds.get(1))))
            }
            Err(rustix::io::Errno::INTR) => Some((false, false)),
            Err(_) => None,
        }
    }

    /// Keeps what it says now.
    fn listen(&mut self) {
        let mut chunk = [0; 1024];
        let count = self.stderr.as_mut().map_or(Ok(0), |stderr| stderr.read(&mut chunk));
        match count {
            Ok(count @ 1..) => {
                let room = SAID_LEN_MAX.saturating_sub(self.said.len()).min(count);
                self.said.extend_from_slice(chunk.get(..room).unwrap_or_default());
            }
            _ => self.stderr = None,
        }
    }

    /// Ends it, if it has not ended by itself. How it has ended, and what it has said.
    fn end(mut self) -> (Option<ExitStatus>, String) {
        let deadline = Instant::now() + END_PATIENCE;
        if let Ok(pidfd) = pidfd_open(self.group, PidfdFlags::empty()) {
            loop {
                match self.wait(&pidfd, deadline) {
                    // What it has said has been said by then.
                    Some((true, false)) | None => break,
                    Some((_, true)) => self.listen(),
                    Some((false, false)) => {}
                }
            }
        }
        let status = self.child.try_wait().ok().flatten();
        if status.is_none() {
            // It is not reaped yet, so the group is its own.
            let _ = kill_process_group(self.group, Signal::KILL);
            let _ = self.child.wait();
        }
        (status, String::from_utf8_lossy(&self.said).into_owned())
    }

    /// Leaves it in the background: what it still says is passed on, and it is reaped.
    fn leave(mut self) -> Result<(), LinkError> {
        let reaper = std::thread::Builder::new().name("ssh".to_owned());
        let reaper = reaper.spawn(move || {
            let _ = std::io::stderr().write_all(&self.said);
            if let Some(mut stderr) = self.stderr.take() {
                // A master for other connections (ControlPersist) may keep it open; ssh itself
                // stays unreaped for as long then.
                let _ = std::io::copy(&mut stderr, &mut std::io::stderr());
            }
            let _ = self.child.wait();
        });
        let failed = |reason| LinkError::Socket { what: "start a thread that reaps ssh", reason };
        reaper.map(drop).map_err(failed)
    }
}
