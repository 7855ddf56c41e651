//! The listener: lets clients in and gives each one a session process. It never reads a byte of a
//! peer: whether one is let in is decided by what the system says of it, or by a login process.

use std::time::{Duration, Instant};

use dbglink::{Link, Listener, PeerInfo};
use dbgwire::ErrorCode;
use rustix::event::{PollFd, PollFlags, Timespec};

use crate::audit::{self, How};
pub use crate::calls::Call;
use crate::calls::Calls;
use crate::complain::complain;
use crate::error::{ServerError, system};
use crate::logins::{Entrant, LoginLimits, Logins};
use crate::ptrace::Termination;
use crate::refuse::refuse;
pub use crate::sessions::SessionOptions;
use crate::sessions::Sessions;
use crate::spawn::ClientWords;
use crate::supervisor::Supervisor;

/// How long a client that cannot be accepted, for want of descriptors, waits for the next attempt.
const RETRY: Duration = Duration::from_secs(1);

/// Who may connect without having shown a password or certificate.
pub enum Admission {
    /// Processes of this machine that run as the server's user or as root.
    SameUser,
    /// Anybody.
    Unprotected,
    /// Whom a login process lets in. The program must call
    /// [`run_if_login`](crate::login::run_if_login) first thing in `main`.
    Login {
        /// What clients may cost meanwhile.
        limits: LoginLimits,
        /// What a login process is told. It is asked for each of them; if it cannot be had now, the
        /// client is turned away.
        task: TaskSource,
    },
}

/// What is asked for what a login process is told.
pub type TaskSource = Box<dyn Fn() -> Result<Vec<u8>, String>>;

/// Where clients come from.
pub enum Source {
    /// They connect.
    Listener(Listener),
    /// The only one is here. The server ends when it is gone. If its link is lost it is called
    /// again, if it can be.
    Call(Link, Option<Call>),
}

/// Prepares the process for being asked to end.
///
/// **Errors**: [`ServerError::System`].
/// **Threads**: before the process has any other thread.
pub fn prepare() -> Result<Termination, ServerError> {
    Termination::open().map_err(system("prepare for signals"))
}

/// Serves clients until a session ends the server, the process is asked to end, or the client that
/// was called is gone. All sessions have ended then.
///
/// A client that cannot be given a session, because the system has no more processes or
/// descriptors, is turned away, and the server goes on. `supervisor` is told how the server is.
///
/// **Errors**: [`ServerError`] if clients cannot be waited for at all;
/// [`ServerError::ClientGone`].
pub fn run(
    source: Source,
    termination: &Termination,
    admission: Admission,
    options: SessionOptions,
    mut supervisor: Supervisor,
) -> Result<(), ServerError> {
    let mut sessions = Sessions::new(|report| complain(&report.to_string()), options);
    let (admission, mut logins) = match admission {
        Admission::Login { limits, task } => (Admission::SameUser, Some(Logins::new(limits, task))),
        other => (other, None),
    };
    let (listener, mut calls) = match source {
        Source::Listener(listener) => (Some(listener), None),
        Source::Call(link, call) => {
            begin(link, &admission, &mut logins, &mut sessions)?;
            (None, call.map(Calls::new).transpose()?)
        }
    };
    let mut is_accepting = true;
    let place = listener.as_ref().map_or_else(|| "calling".to_owned(), place_in_words);
    supervisor.ready(&status(&place, &sessions)).unwrap_or_else(|why| complain(&why));
    loop {
        supervisor.status(&status(&place, &sessions)).unwrap_or_else(|why| complain(&why));
        let is_idle = sessions.is_empty() && logins.as_ref().is_none_or(Logins::is_empty);
        if listener.is_none() && is_idle {
            audit::end("its client has gone");
            return Err(ServerError::ClientGone);
        }
        let accepting = listener.as_ref().filter(|_| is_accepting);
        let retries = listener.is_some() && !is_accepting;
        let calling = calls.as_mut().filter(|_| is_lonely(&sessions, logins.as_ref()));
        calling.into_iter().for_each(Calls::start);
        let places = Places { listener: accepting, calls: calls.as_ref(), retries };
        let woken = wait(termination, places, &sessions, logins.as_ref())?;
        is_accepting = true;
        sessions.attend();
        if woken.is_terminated || sessions.want_end() {
            audit::end(if woken.is_terminated { "signal" } else { "asked for" });
            supervisor.stopping("leaving all targets").unwrap_or_else(|why| complain(&why));
            logins.into_iter().for_each(Logins::end);
            sessions.end();
            return Ok(());
        }
        for Entrant { link, words, how } in logins.as_mut().map(Logins::attend).unwrap_or_default()
        {
            let started = start(link, &words, &How::Login(how), &mut sessions);
            started.unwrap_or_else(|error| complain(&turned_away(&error)));
        }
        if let Some(link) = calls.as_mut().and_then(Calls::attend) {
            let begun = begin(link, &admission, &mut logins, &mut sessions);
            begun.unwrap_or_else(|error| complain(&turned_away(&error)));
        }
        let Some(listener) = listener.as_ref().filter(|_| woken.has_client) else { continue };
        match listener.try_accept() {
            Ok(Some(link)) => {
                let begun = begin(link, &admission, &mut logins, &mut sessions);
                begun.unwrap_or_else(|error| complain(&turned_away(&error)));
            }
            Ok(None) => {}
            Err(error) => {
                complain(&turned_away(&error.into()));
                // The client still waits; it is looked at again when something has changed, or
                // after a while.
                is_accepting = false;
            }
        }
    }
}

/// Whether all that is left are sessions whose clients have lost their links.
fn is_lonely(sessions: &Sessions, logins: Option<&Logins>) -> bool {
    sessions.all_wait() && logins.is_none_or(Logins::is_empty)
}

/// Where clients come from now.
struct Places<'a> {
    listener: Option<&'a Listener>,
    calls: Option<&'a Calls>,
    /// Whether the listener is to be looked at again after a while.
    retries: bool,
}

/// Where clients connect, for people.
fn place_in_words(listener: &Listener) -> String {
    format!("listening at {}", listener.endpoint())
}

/// What the server does, for people.
fn status(place: &str, sessions: &Sessions) -> String {
    match sessions.count() {
        0 => format!("{place}; no session"),
        1 => format!("{place}; 1 session"),
        count => format!("{place}; {count} sessions"),
    }
}

/// Begins with a client.
fn begin(
    link: Link,
    admission: &Admission,
    logins: &mut Option<Logins>,
    sessions: &mut Sessions,
) -> Result<(), ServerError> {
    match logins {
        Some(logins) => {
            let words = client_words(None, link.peer().ok());
            logins.start(link, words.peer)
        }
        None => admit(link, admission, sessions),
    }
}

/// Gives a client a session, or tells it why not.
fn admit(link: Link, admission: &Admission, sessions: &mut Sessions) -> Result<(), ServerError> {
    let peer = link.peer().ok();
    let uid = peer.as_ref().and_then(PeerInfo::local_uid);
    let words = client_words(uid, peer);
    if let Some(reason) = refusal(uid, admission) {
        audit::turned_away(words.user.as_deref(), words.peer.as_deref(), &reason);
        refuse(link, ErrorCode::NotPermitted, &reason);
        return Ok(());
    }
    let how = match (admission, uid) {
        (Admission::Unprotected, _) => How::Unprotected,
        (_, Some(0)) if !rustix::process::geteuid().is_root() => How::Root,
        _ => How::SameUser,
    };
    start(link, &words, &how, sessions)
}

/// Starts the session of a client that is let in.
fn start(
    link: Link,
    words: &ClientWords,
    how: &How,
    sessions: &mut Sessions,
) -> Result<(), ServerError> {
    match sessions.start(link, words) {
        Ok(number) => {
            audit::let_in(number, words, how);
            Ok(())
        }
        Err(error) => {
            audit::turned_away(words.user.as_deref(), words.peer.as_deref(), &error.to_string());
            Err(error)
        }
    }
}

/// What is said of a client that could not be served.
fn turned_away(error: &ServerError) -> String {
    format!("a client was turned away: {error}")
}

/// What there is to do.
struct Woken {
    /// The process is asked to end.
    is_terminated: bool,
    /// A client may wait to be accepted.
    has_client: bool,
}

/// Sleeps until a client, a control message, the end of a session or the server's own comes; while
/// no client can be accepted, only for a while.
fn wait(
    termination: &Termination,
    Places { listener, calls, retries }: Places<'_>,
    sessions: &Sessions,
    logins: Option<&Logins>,
) -> Result<Woken, ServerError> {
    let mut fds = vec![PollFd::new(termination, PollFlags::IN)];
    fds.extend(sessions.poll_fds());
    fds.extend(logins.iter().flat_map(|logins| logins.poll_fds()));
    fds.extend(calls.map(|calls| PollFd::new(calls, PollFlags::IN)));
    fds.extend(listener.map(|listener| PollFd::new(listener, PollFlags::IN)));
    let deadline = logins.and_then(Logins::deadline);
    let login_left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
    let retry = retries.then_some(RETRY);
    // Both are far below what a Timespec holds.
    let timeout = [login_left, retry].into_iter().flatten().min();
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    match rustix::event::poll(&mut fds, timeout.as_ref()) {
        Ok(_) => {
            let is_ready = |fd: Option<&PollFd<'_>>| fd.is_some_and(|fd| !fd.revents().is_empty());
            let has_client = is_ready(fds.last().filter(|_| listener.is_some()));
            Ok(Woken { is_terminated: is_ready(fds.first()), has_client })
        }
        Err(rustix::io::Errno::INTR) => Ok(Woken { is_terminated: false, has_client: false }),
        Err(errno) => Err(system("wait for clients")(errno)),
    }
}

/// Why a peer is not let in, if it is not. `uid` is the user of a peer of this machine.
fn refusal(uid: Option<u32>, admission: &Admission) -> Option<String> {
    if !matches!(admission, Admission::SameUser) {
        return None;
    }
    let ours = rustix::process::geteuid().as_raw();
    match uid {
        Some(uid) if uid == ours || uid == 0 => None,
        Some(uid) => Some(format!(
            "this process server serves uid {ours}, as which it runs, and root; you are uid {uid}"
        )),
        None => Some(
            "this process server has no password and serves only its own machine; reach it through \
             ssh -L, or start it with ,unprotected in a network where everybody is trusted"
                .to_owned(),
        ),
    }
}

/// What the command line of a session process says of its client.
fn client_words(uid: Option<u32>, peer: Option<PeerInfo>) -> ClientWords {
    let peer = peer.and_then(|peer| match peer {
        PeerInfo::Process { pid, .. } => pid.map(|pid| format!("process {pid}")),
        PeerInfo::Machine { .. } | PeerInfo::Tcp { .. } => Some(peer.to_string()),
    });
    ClientWords { user: uid.map(dbglink::user_name), peer }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_servers_user_and_root_are_let_in() {
        let ours = rustix::process::geteuid().as_raw();
        let other = if ours == 4321 { 4322 } else { 4321 };
        assert_eq!(refusal(Some(ours), &Admission::SameUser), None);
        assert_eq!(refusal(Some(0), &Admission::SameUser), None);
        let text = refusal(Some(other), &Admission::SameUser).expect("a stranger");
        assert!(text.contains(&format!("you are uid {other}")), "{text}");
        let text = refusal(None, &Admission::SameUser).expect("another machine");
        assert!(text.contains("ssh -L") && text.contains(",unprotected"), "{text}");
        assert!(!text.contains('\n'), "it is one line");
        assert_eq!(refusal(None, &Admission::Unprotected), None);
        assert_eq!(refusal(Some(other), &Admission::Unprotected), None);
    }
}
