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
use std::process::ExitCode;

use dbglink::{Link, LinkReader, LinkWriter};

use crate::control::{Admitted, Control, Message};
use crate::error::{ServerError, system};
use crate::spawn;

/// How much is passed on at once.
const CHUNK_LEN: usize = 64 * 1024;

/// Decides who is let in: exchanges what it takes with the peer, and names the user as whom the
/// client is let in. `None`: it is not; what there was to say has been said.
pub type Authenticate = fn(&mut LinkReader, &mut LinkWriter) -> Option<String>;

/// Serves as a login process, if that is what this process was started for; otherwise `None`, at
/// once.
///
/// **Threads**: first thing in `main`.
pub fn run_if_login(authenticate: Authenticate) -> Option<ExitCode> {
    let arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    if !spawn::is_login(&arguments) {
        return None;
    }
    match run(&arguments, authenticate) {
        Ok(()) => Some(ExitCode::SUCCESS),
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "a login process has nowhere else to say it")]
            {
                eprintln!("dbgsrv: {error}");
            }
            Some(ExitCode::FAILURE)
        }
    }
}

fn run(arguments: &[std::ffi::OsString], authenticate: Authenticate) -> Result<(), ServerError> {
    let inheritance = spawn::adopt_login(arguments)?;
    let listener = Control::adopt(inheritance.control);
    let (mut reader, mut writer) = Link::from(inheritance.link).split();
    let Some(user) = authenticate(&mut reader, &mut writer) else { return Ok(()) };
    let (inner, theirs) = Link::pair()?;
    let admitted = Admitted { user, link: theirs.into_fd()? };
    listener
        .send(&Message::Admitted(admitted))
        .map_err(system("tell the listener of a client that was let in"))?;
    drop(listener);
    relay(reader, writer, inner);
    Ok(())
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
