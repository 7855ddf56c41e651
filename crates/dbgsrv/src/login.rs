//! The login process of one client: it stands between a link and the session process, for
//! transports that ask who is there. Nothing that a peer sends before it is let in reaches a
//! process with rights over others; and what a transport encrypts ends here. Once the client is let
//! in this process passes bytes on, without looking at them, until either side ends. It does not
//! know how a client shows who it is.
//!
//! ```text
//!   peer ══ link ══► login process ── socket pair ──► session process
//!                         │ control: "let in, as USER", with the session's end of the pair
//!                         ▼
//!                      listener
//! ```

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::time::Duration;

use dbglink::{Arguments, Link, LinkReader, LinkWriter};

use crate::complain::complain;
use crate::control::{Admitted, Control, Message};
use crate::error::{ServerError, system};
use crate::{spawn, task};

/// How much is passed on at once.
const CHUNK_LEN: usize = 64 * 1024;

/// A client that is let in.
pub struct Passage {
    /// As whom.
    pub user: String,
    /// How it has shown that, for people.
    pub how: String,
    /// Passes bytes on between the client and the session, whose end of a socket pair it is given,
    /// until either of them ends.
    pub carry: Box<dyn FnOnce(OwnedFd)>,
}

impl Passage {
    /// One on which nothing is encrypted.
    pub fn plain(user: String, reader: LinkReader, writer: LinkWriter) -> Passage {
        let carry = Box::new(|inner: OwnedFd| relay(reader, writer, Link::from(inner)));
        Passage { user, how: "words".to_owned(), carry }
    }
}

/// Why a client is not let in. What there was to say to it has been said.
pub struct Turned {
    /// For the person who runs the server.
    pub why: String,
    /// Whether it has shown a wrong password, and is to wait longer next time.
    pub is_guess: bool,
}

impl Turned {
    /// A reason that is no guess.
    pub fn because(why: String) -> Turned {
        Turned { why, is_guess: false }
    }
}

/// When a client may show who it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// After this time, for which it is kept waiting.
    After(Duration),
    /// Not this time: another one from the same place is kept waiting. It is to be told to come
    /// again after so long.
    NotBefore(Duration),
}

/// Decides who is let in, on the link that a client has opened, by what the listener has said
/// ([`Admission::Login`](crate::listener::Admission)), and when that client has its turn.
///
/// **Errors**: why the client is not let in.
pub type Authenticate = fn(Link, &[u8], Turn) -> Result<Passage, Turned>;

/// The exit status of a login process whose client has shown a wrong password.
pub(crate) const GUESSED: u8 = 3;

/// Serves as a login process, if that is what this process was started for; otherwise `None`, at
/// once.
///
/// **Threads**: first thing in `main`.
pub fn run_if_login(authenticate: Authenticate) -> Option<ExitCode> {
    let arguments = Arguments::of_this_process();
    if !spawn::is_login(&arguments) {
        return None;
    }
    let status = run(&arguments, authenticate).unwrap_or_else(|error| {
        complain(&error.to_string());
        ExitCode::FAILURE
    });
    Some(status)
}

/// Lets the client in and serves it, or tells the listener why not. The exit status.
fn run(
    arguments: &[std::ffi::OsString],
    authenticate: Authenticate,
) -> Result<ExitCode, ServerError> {
    let inheritance = spawn::adopt_login(arguments)?;
    let listener = Control::adopt(inheritance.control);
    let told = task::read(&inheritance.task).map_err(system("read the task of a login process"))?;
    drop(inheritance.task);
    let link = Link::from(inheritance.link);
    let passage = match authenticate(link, &told, inheritance.turn) {
        Ok(passage) => passage,
        Err(Turned { why, is_guess }) => {
            // A listener that is gone does not keep count of it.
            let _ = listener.send(&Message::Turned(why));
            return Ok(if is_guess { ExitCode::from(GUESSED) } else { ExitCode::SUCCESS });
        }
    };
    drop(told);
    let (inner, theirs) = Link::pair()?;
    let admitted = Admitted { user: passage.user, how: passage.how, link: theirs.into_fd()? };
    listener
        .send(&Message::Admitted(admitted))
        .map_err(system("tell the listener of a client that was let in"))?;
    drop(listener);
    (passage.carry)(inner.into_fd()?);
    Ok(ExitCode::SUCCESS)
}

/// Passes bytes on in both directions, until either side ends.
fn relay(mut reader: LinkReader, mut writer: LinkWriter, inner: Link) {
    let end = inner.shutdown_handle();
    let (mut from_session, mut to_session) = inner.split();
    let inward = std::thread::spawn(move || {
        pass_on(&mut reader, &mut to_session);
        // The peer is gone; the session is told.
        let _ = end.shutdown();
    });
    pass_on(&mut from_session, &mut writer);
    // The session is over. The process ends, and with it the link; the other thread may be waiting
    // for a peer that has nothing to say.
    drop(inward);
}

fn pass_on(from: &mut LinkReader, to: &mut LinkWriter) {
    let mut chunk = vec![0; CHUNK_LEN];
    loop {
        let count = match from.read(&mut chunk) {
            Ok(0) => return,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        if to.write_all(chunk.get(..count).unwrap_or_default()).is_err() {
            return;
        }
    }
}
