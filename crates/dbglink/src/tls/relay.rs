//! Standing between an encrypted socket and a plain one: one thread that waits for either and keeps
//! no more than a record or so of what the other does not take yet.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::net::{self, SendAncillaryBuffer, SendFlags};
use rustls::Connection;

use super::handshake::{Encrypted, say_last_words};

/// How much of the plain side is encrypted at once.
const CHUNK_LEN: usize = 64 * 1024;

/// A descriptor that does not block, as a stream.
pub(super) struct Raw<'a>(pub(super) &'a OwnedFd);

impl Read for Raw<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(self.0, buffer)?)
    }
}

impl Write for Raw<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(net::send(self.0, bytes, SendFlags::NOSIGNAL)?)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut no_control = SendAncillaryBuffer::default();
        Ok(net::sendmsg(self.0, buffers, &mut no_control, SendFlags::NOSIGNAL)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// See [`Encrypted::relay`].
pub(super) fn relay(encrypted: Encrypted, plain: OwnedFd) {
    let Encrypted { mut tls, socket } = encrypted;
    if rustix::io::ioctl_fionbio(&plain, true).is_err() {
        return;
    }
    // No more is read of the plain side than is sent; what TLS says of itself is beside that.
    tls.set_buffer_limit(None);
    let chunk = vec![0; CHUNK_LEN];
    let mut between = Between { tls, socket, plain, decrypted: Vec::new(), chunk, is_over: false };
    // The handshake may have read more than its own, and even the end.
    match between.collect() {
        Ok(false) => {}
        Ok(true) => {
            let _ = between.deliver();
            return;
        }
        Err(_) => return,
    }
    // Whatever fails has ended one of the sides, and the other one learns of it by our end.
    while between.pass_on().is_ok_and(|goes_on| goes_on) {}
}

struct Between {
    tls: Connection,
    socket: OwnedFd,
    plain: OwnedFd,
    /// What the plain side has not taken yet.
    decrypted: Vec<u8>,
    /// What has just been read of the plain side.
    chunk: Vec<u8>,
    /// Whether the plain side has ended: what was encrypted is still sent.
    is_over: bool,
}

impl Between {
    /// Waits, and passes on what there is. Whether there may be more.
    fn pass_on(&mut self) -> io::Result<bool> {
        let mut outside = PollFlags::empty();
        outside.set(PollFlags::OUT, self.tls.wants_write());
        outside.set(PollFlags::IN, self.decrypted.is_empty() && self.tls.wants_read());
        let mut inside = PollFlags::empty();
        inside.set(PollFlags::OUT, !self.decrypted.is_empty());
        // What has not been sent yet is enough for now.
        inside.set(PollFlags::IN, !self.is_over && !self.tls.wants_write());
        // An end is reported also of who is not asked about, again and again.
        let wanted = [(self.socket.as_fd(), outside), (self.plain.as_fd(), inside)];
        let wanted = wanted.into_iter().filter(|(_, flags)| !flags.is_empty());
        let mut fds: Vec<PollFd<'_>> =
            wanted.map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags)).collect();
        if fds.is_empty() {
            return Ok(false);
        }
        match rustix::event::poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut found = fds.iter().map(PollFd::revents);
        let mut of = |asked: PollFlags| match asked.is_empty() {
            true => PollFlags::empty(),
            false => found.next().unwrap_or(PollFlags::empty()),
        };
        let (outside, came) = (of(outside), of(inside));
        // An end may have something before it.
        let ended = PollFlags::IN | PollFlags::HUP | PollFlags::ERR;
        if outside.intersects(ended) && self.decrypted.is_empty() && !self.decrypt()? {
            return Ok(false);
        }
        if outside.contains(PollFlags::OUT) {
            moved(self.tls.write_tls(&mut Raw(&self.socket)))?;
        }
        if !self.decrypted.is_empty() {
            match moved(Raw(&self.plain).write(&self.decrypted)) {
                Ok(count) => drop(self.decrypted.drain(..count.unwrap_or(0))),
                // Nobody hears it; what was said before is still sent.
                Err(_) => self.decrypted.clear(),
            }
        }
        if inside.contains(PollFlags::IN) && came.intersects(ended) {
            self.encrypt()?;
        }
        Ok(!self.is_over || self.tls.wants_write())
    }

    /// Takes what has come from outside. Whether more may come.
    fn decrypt(&mut self) -> io::Result<bool> {
        let count = moved(self.tls.read_tls(&mut Raw(&self.socket)))?;
        let has_closed = self.collect()?;
        // An end without a word is one: messages have lengths, so that none is taken for whole.
        let is_end = count == Some(0) || has_closed;
        if is_end {
            self.deliver()?;
        }
        Ok(!is_end)
    }

    /// Passes on the last that was decrypted, however long it takes.
    fn deliver(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.decrypted);
        rustix::io::ioctl_fionbio(&self.plain, false)?;
        Raw(&self.plain).write_all(&bytes)
    }

    /// Takes what has been read and is decrypted. Whether the other side has said that it was all.
    fn collect(&mut self) -> io::Result<bool> {
        let state = self.tls.process_new_packets().map_err(|error| {
            say_last_words(&mut self.tls, &self.socket);
            io::Error::other(error)
        })?;
        let mut plain = vec![0; state.plaintext_bytes_to_read()];
        if !plain.is_empty() {
            self.tls.reader().read_exact(&mut plain)?;
        }
        self.decrypted = plain;
        Ok(state.peer_has_closed())
    }

    /// Takes what has come from inside.
    fn encrypt(&mut self) -> io::Result<()> {
        // Who has gone in the middle has ended.
        match moved(Raw(&self.plain).read(&mut self.chunk)).unwrap_or(Some(0)) {
            Some(0) => {
                self.is_over = true;
                self.tls.send_close_notify();
            }
            Some(count) => {
                let chunk = self.chunk.get(..count).unwrap_or_default();
                self.tls.writer().write_all(chunk)?;
                // Most often there is room, and no need to ask for it.
                moved(self.tls.write_tls(&mut Raw(&self.socket)))?;
            }
            None => {}
        }
        Ok(())
    }
}

/// How much was moved; `None` if nothing could be at this moment.
fn moved(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
            _ => Err(error),
        },
    }
}
