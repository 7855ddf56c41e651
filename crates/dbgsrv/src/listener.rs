//! The listener: lets clients in and gives each one a session process. It never reads a byte of a
//! peer; whether a peer is let in is decided by what the system says of it.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Child;

use dbglink::{Link, Listener, PeerInfo};
use dbgwire::ErrorCode;
use dbgwire::handshake::Refusal;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::error::{ServerError, system};
use crate::guardian;
use crate::journal::Journal;
use crate::ptrace::Termination;
use crate::spawn::{self, ClientWords, Inheritance};

/// What a session process writes on its control socket to end the whole server.
pub(crate) const END_SERVER: u8 = b'E';

/// Who may connect without having shown a password or certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// Processes of this machine that run as the server's user or as root.
    SameUser,
    /// Anybody.
    Unprotected,
}

/// One session process.
struct Session {
    child: Child,
    pidfd: OwnedFd,
    control: UnixStream,
}

/// Serves clients until a session ends the server, or the process is asked to end. All sessions
/// have ended then.
///
/// A client that cannot be given a session, because the system has no more processes or
/// descriptors, is turned away, and the server goes on.
///
/// **Errors**: [`ServerError`] if clients cannot be waited for at all.
pub fn run(listener: &Listener, admission: Admission) -> Result<(), ServerError> {
    let termination = Termination::open().map_err(system("prepare for signals"))?;
    let mut sessions: Vec<Session> = Vec::new();
    let mut last_number = 0;
    // While nothing can be accepted the listener is left alone until a session ends.
    let mut is_accepting = true;
    loop {
        let woken = wait(&termination, is_accepting.then_some(listener), &sessions)?;
        if woken.is_terminated || sessions.iter().any(wants_end) {
            end_sessions(sessions);
            return Ok(());
        }
        let count = sessions.len();
        sessions.retain_mut(|session| matches!(session.child.try_wait(), Ok(None)));
        is_accepting |= sessions.len() < count;
        if !woken.has_client {
            continue;
        }
        match listener.try_accept() {
            Ok(Some(link)) => {
                let peer = link.peer().ok();
                let uid = peer.as_ref().and_then(PeerInfo::local_uid);
                match refusal(uid, admission) {
                    Some(reason) => refuse(link, reason),
                    None => {
                        last_number += 1;
                        match start_session(link, last_number, &client_words(uid, peer)) {
                            Ok(session) => sessions.push(session),
                            Err(error) => complain(&error),
                        }
                    }
                }
            }
            Ok(None) => {}
            Err(error) => {
                complain(&error.into());
                is_accepting = sessions.is_empty();
            }
        }
    }
}

/// Says on standard error what a client could not be given.
fn complain(error: &ServerError) {
    warn(&format!("a client was turned away: {error}"));
}

/// Says something on standard error.
fn warn(text: &str) {
    #[expect(clippy::print_stderr, reason = "a listener has nobody else to tell")]
    {
        eprintln!("dbgsrv: {text}");
    }
}

/// What there is to do.
struct Woken {
    /// The process is asked to end.
    is_terminated: bool,
    /// A client may wait to be accepted.
    has_client: bool,
}

/// Sleeps until a client, a control message, the end of a session or the server's own comes.
fn wait(
    termination: &Termination,
    listener: Option<&Listener>,
    sessions: &[Session],
) -> Result<Woken, ServerError> {
    let mut fds = vec![PollFd::new(termination, PollFlags::IN)];
    for session in sessions {
        fds.push(PollFd::new(&session.control, PollFlags::IN));
        fds.push(PollFd::new(&session.pidfd, PollFlags::IN));
    }
    if let Some(listener) = listener {
        fds.push(PollFd::new(listener, PollFlags::IN));
    }
    match rustix::event::poll(&mut fds, None) {
        Ok(_) => {
            let is_ready = |fd: Option<&PollFd<'_>>| fd.is_some_and(|fd| !fd.revents().is_empty());
            let has_client = is_ready(fds.last().filter(|_| listener.is_some()));
            Ok(Woken { is_terminated: is_ready(fds.first()), has_client })
        }
        Err(rustix::io::Errno::INTR) => Ok(Woken { is_terminated: false, has_client: false }),
        Err(errno) => Err(system("wait for clients")(errno)),
    }
}

fn wants_end(session: &Session) -> bool {
    let mut byte = [0];
    let flags = rustix::net::RecvFlags::DONTWAIT;
    matches!(rustix::net::recv(&session.control, &mut byte, flags), Ok((1, 1)))
        && byte == [END_SERVER]
}

/// Asks every session process to leave its targets, and waits until they have.
fn end_sessions(sessions: Vec<Session>) {
    for session in &sessions {
        // The only failure is ESRCH: it has ended already.
        let _ = pidfd_send_signal(&session.pidfd, Signal::TERM);
    }
    for mut session in sessions {
        let _ = session.child.wait();
    }
}

fn start_session(link: Link, number: u32, client: &ClientWords) -> Result<Session, ServerError> {
    let journal = Journal::create().map_err(system("create a journal"))?;
    let (control, theirs) = UnixStream::pair().map_err(system("make a control socket"))?;
    let theirs_journal = journal
        .as_fd()
        .try_clone_to_owned()
        .map_err(system("hand a journal to a session process"))?;
    let inheritance = Inheritance {
        link: link.into_fd()?,
        journal: theirs_journal,
        control: Some(OwnedFd::from(theirs)),
        number,
        may_share_terminal: false,
    };
    let child = spawn::start(inheritance, client)?;
    guardian::watch(&child, journal, |report| warn(&report.to_string()))?;
    let pid = rustix::process::Pid::from_child(&child);
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(system("watch a session process"))?;
    Ok(Session { child, pidfd, control })
}

/// Why a peer is not let in, if it is not. `uid` is the user of a peer of this machine.
fn refusal(uid: Option<u32>, admission: Admission) -> Option<String> {
    if admission == Admission::Unprotected {
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
        PeerInfo::Tcp { peer, .. } => Some(peer.to_string()),
    });
    ClientWords { user: uid.map(dbglink::user_name), peer }
}

fn refuse(link: Link, detail: String) {
    use std::io::Write;
    let refusal = Refusal {
        code: ErrorCode::NotPermitted.number(),
        detail,
        version_min: dbgwire::version::PROTOCOL_VERSION_MIN,
        version_max: dbgwire::version::PROTOCOL_VERSION,
    };
    let (_, mut writer) = link.split();
    // A peer that is gone need not be told.
    let _ = writer.write_all(&refusal.encode());
}
