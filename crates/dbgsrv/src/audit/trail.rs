//! Writing entries where they belong, each in one piece, whoever else writes there. It does not
//! know what they are about.
//!
//! What cannot be written is lost: a server that stopped because a disk is full would leave its
//! targets to whoever fills it. It is said once on standard error, and the next entry that can be
//! written is preceded by one that says how many are missing.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use rustix::fs::OFlags;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

use super::place::{JOURNAL, Place};
use super::record::Record;
use crate::complain::complain;
use crate::crowd::Crowd;
use crate::error::ServerError;

/// An audit trail.
pub(super) struct Trail {
    place: Place,
    state: Mutex<State>,
}

/// What changes.
#[derive(Default)]
struct State {
    file: Option<File>,
    journal: Option<OwnedFd>,
    /// How many entries could not be written since one could.
    lost: u64,
    has_complained: bool,
    /// Those who were turned away.
    crowd: Crowd,
}

impl Trail {
    /// The trail at a place; `None` if it is nowhere.
    ///
    /// **Errors**: [`ServerError::Audit`] if nothing can be written there.
    pub(super) fn open(place: Place) -> Result<Option<Trail>, ServerError> {
        let place = match place {
            Place::Nowhere => return Ok(None),
            // Its sessions have the same directory, and a program of -c may not.
            Place::File(path) => Place::File(std::path::absolute(&path).unwrap_or(path)),
            Place::Journal => Place::Journal,
        };
        let trail = Trail::lazy(place);
        let opened = match &trail.place {
            Place::File(path) => open_file(path).map(|file| trail.state().file = Some(file)),
            _ => send(&mut trail.state(), b""),
        };
        match opened {
            Ok(()) => Ok(Some(trail)),
            Err(reason) => Err(ServerError::Audit { place: trail.in_words(), reason }),
        }
    }

    /// One that is opened by its first entry.
    pub(super) fn lazy(place: Place) -> Trail {
        Trail { place, state: Mutex::default() }
    }

    /// Where it is.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Writes an entry.
    pub(super) fn write(&self, record: &Record) {
        self.write_in(&mut self.state(), record);
    }

    /// Writes an entry about somebody who was turned away now, unless there are too many of them.
    pub(super) fn write_some(&self, now: Instant, record: impl FnOnce() -> Record) {
        let state = &mut *self.state();
        let Some(untold) = state.crowd.tells(now) else { return };
        if untold > 0 {
            let record = Record::new("logins-left-out").number("count", untold).refused();
            self.write_in(state, &record);
        }
        self.write_in(state, &record());
    }

    fn write_in(&self, state: &mut State, record: &Record) {
        let lost = state.lost;
        if lost > 0 && self.put(state, &Record::new("lost").number("count", lost)).is_ok() {
            state.lost = 0;
        }
        let Err(reason) = self.put(state, record) else { return };
        state.lost += 1;
        if !std::mem::replace(&mut state.has_complained, true) {
            let place = self.in_words();
            complain(&format!("cannot write {place}: {reason}; the server goes on"));
        }
    }

    fn put(&self, state: &mut State, record: &Record) -> io::Result<()> {
        match &self.place {
            Place::Nowhere => Ok(()),
            Place::Journal => send(state, &record.to_datagram()),
            Place::File(path) => {
                let line = record.to_line(SystemTime::now(), std::process::id());
                append(state, path, &line)
            }
        }
    }

    fn in_words(&self) -> String {
        match &self.place {
            Place::File(path) => format!("the audit trail {}", path.display()),
            _ => format!("the audit trail to the journal at {JOURNAL}"),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Appends a line, in one piece, to the file that has the path now: it may have been renamed, as
/// those do that keep logs short.
fn append(state: &mut State, path: &Path, line: &[u8]) -> io::Result<()> {
    let is_same = |file: &File| {
        let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let (ours, there) = (file.metadata(), std::fs::symlink_metadata(path));
        ours.ok().map(identity) == there.ok().map(identity)
    };
    let file = match state.file.take().filter(is_same) {
        Some(file) => file,
        None => open_file(path)?,
    };
    let written = state.file.insert(file).write(line)?;
    if written == line.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

fn open_file(path: &Path) -> io::Result<File> {
    // Of a fifo it must not be waited for a reader.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).custom_flags(flags.bits().cast_signed());
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    Ok(file)
}

/// Sends a message to the journal. One that does not take it now does not hold the server up.
fn send(state: &mut State, message: &[u8]) -> io::Result<()> {
    let socket = match state.journal.take() {
        Some(socket) => socket,
        None => {
            let flags = SocketFlags::CLOEXEC;
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?
        }
    };
    let address = SocketAddrUnix::new(JOURNAL)?;
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    rustix::net::sendto(state.journal.insert(socket), message, flags, &address)?;
    Ok(())
}

#[cfg(test)]
#[path = "trail/tests.rs"]
mod tests;
