//! The audit trail: one line for each client that asks to be let in, and for each request that a
//! server carries out with its rights. It knows what is told and when; `trail` knows where it goes.
//! docs/security.md has the table of what is told.
//!
//! A process of a server has one trail, opened when it starts, and the rest of the server tells it
//! of what happens by the functions here, which do nothing where there is none. Each process writes
//! its lines itself: a session process outlives a listener that is killed, and has the rights.

mod deed;
mod place;
mod record;
mod session;
mod trail;

use std::ffi::OsString;
use std::sync::OnceLock;
use std::time::Instant;

pub use place::Place;
pub(crate) use session::{answered, asked, came_back, followed, handed_over, took_over};

use crate::error::ServerError;
use crate::spawn::ClientWords;
use record::Record;
use trail::Trail;

/// The variable that tells a session process where its lines go. No other process gets it.
pub(crate) const VARIABLE: &str = "DBGSRV_AUDIT";

/// The trail of this process.
static TRAIL: OnceLock<Trail> = OnceLock::new();
/// How clients come to this server: the word of its transport.
static TRANSPORT: OnceLock<&'static str> = OnceLock::new();

/// How a client that was let in has shown who it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum How {
    /// It runs as the server's user.
    SameUser,
    /// It runs as root.
    Root,
    /// It did not have to.
    Unprotected,
    /// To its login process, in these words: a password, a certificate.
    Login(String),
}

/// Opens the trail of a server, and tells that it begins: where clients connect. If no place is
/// said, it is the journal, where there is one that takes messages.
///
/// **Errors**: [`ServerError::Audit`] if nothing can be written where it was said.
/// **Threads**: once, before there are clients.
pub fn begin(
    place: Option<Place>,
    transport: &'static str,
    endpoint: &str,
) -> Result<(), ServerError> {
    let trail = match place {
        Some(place) => Trail::open(place)?,
        None => Trail::open(Place::Journal).ok().flatten(),
    };
    let Some(trail) = trail else { return Ok(()) };
    let uid = rustix::process::getuid().as_raw();
    let record = Record::new("begin-server").text("at", endpoint).number("uid", uid.into());
    trail.write(&record);
    // There is one server in a process.
    let _ = (TRAIL.set(trail), TRANSPORT.set(transport));
    Ok(())
}

/// Tells that the server ends, and why.
pub(crate) fn end(why: &str) {
    tell(|| Record::new("end-server").text("why", why));
}

/// Tells of a client that was let in, to the session of this number.
pub(crate) fn let_in(session: u32, client: &ClientWords, how: &How) {
    tell(|| {
        let how = match how {
            How::SameUser => "same user",
            How::Root => "root",
            How::Unprotected => "unprotected",
            How::Login(how) => how,
        };
        login(client.user.as_deref(), client.peer.as_deref())
            .text("how", how)
            .number("session", session.into())
            .text("result", "let in")
    });
}

/// Tells of a client that was not let in, and why. A crowd of them is told of as a number.
pub(crate) fn turned_away(user: Option<&str>, peer: Option<&str>, why: &str) {
    if let Some(trail) = TRAIL.get() {
        trail.write_some(Instant::now(), || {
            login(user, peer).text("result", "turned away").text("why", why).refused()
        });
    }
}

fn login(user: Option<&str>, peer: Option<&str>) -> Record {
    let transport = TRANSPORT.get().copied().unwrap_or_default();
    Record::new("login").known("client", peer).known("user", user).text("transport", transport)
}

fn tell(record: impl FnOnce() -> Record) {
    if let Some(trail) = TRAIL.get() {
        trail.write(&record());
    }
}

/// What a session process is told of the trail; `None` if there is none.
pub(crate) fn for_sessions() -> Option<OsString> {
    TRAIL.get().map(|trail| trail.place().to_word())
}

/// Goes on with the trail of a server in one of its session processes. What is wrong with the place
/// is complained of, and does not keep the session from its work.
///
/// **Threads**: once, before the session begins.
pub(crate) fn go_on(word: Option<OsString>, number: u32, client: ClientWords) {
    let Some(place) = word.and_then(|word| Place::from_word(&word)) else { return };
    // There is one session in a process.
    let _ = TRAIL.set(Trail::lazy(place));
    session::begin(number, client);
}

/// Tells that the session of this process is over.
pub(crate) fn session_over() {
    session::tell(Record::new("end-session"));
}
