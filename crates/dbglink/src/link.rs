//! An open byte pipe and its halves. It knows that a pipe is a stream socket, and nothing of who
//! opened it or what is sent.

use crate::error::socket_error;
use crate::{LinkError, PeerInfo};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{SendAncillaryBuffer, SendFlags, Shutdown};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// The most buffers that one sendmsg(2) takes (`UIO_MAXIOV`).
const BUFFERS_MAX: usize = 1024;

/// A byte pipe to a peer: reliable, ordered, in both directions, without boundaries.
///
/// **Threads**: reading and writing are independent; [`split`](Link::split) it to do them in two
/// threads. The socket closes when the link, or both halves, are dropped.
#[derive(Debug)]
pub struct Link {
    socket: Arc<OwnedFd>,
}

/// The half of a [`Link`] that reads.
#[derive(Debug)]
pub struct LinkReader {
    socket: Arc<OwnedFd>,
}

/// The half of a [`Link`] that writes. Nothing is buffered here.
#[derive(Debug)]
pub struct LinkWriter {
    socket: Arc<OwnedFd>,
}

/// Ends a [`Link`] from any thread. It does not keep the link open.
#[derive(Clone, Debug)]
pub struct LinkShutdown {
    socket: Weak<OwnedFd>,
}

impl Link {
    /// The two halves.
    pub fn split(self) -> (LinkReader, LinkWriter) {
        (LinkReader { socket: Arc::clone(&self.socket) }, LinkWriter { socket: self.socket })
    }

    /// What ends this link later, when its halves are with other threads.
    pub fn shutdown_handle(&self) -> LinkShutdown {
        LinkShutdown { socket: Arc::downgrade(&self.socket) }
    }

    /// Who is at the other end, as the system knows it now.
    ///
    /// **Errors**: [`LinkError::Socket`], also if a TCP peer has reset the connection meanwhile.
    pub fn peer(&self) -> Result<PeerInfo, LinkError> {
        PeerInfo::of(self.socket.as_fd())
    }

    /// The socket, for another process to adopt. It is close-on-exec.
    ///
    /// **Errors**: [`LinkError::Socket`] if a [`LinkShutdown`] is at work in this moment and the
    /// descriptor cannot be duplicated.
    pub fn into_fd(self) -> Result<OwnedFd, LinkError> {
        Arc::try_unwrap(self.socket).or_else(|shared| {
            shared.try_clone().map_err(|reason| LinkError::Socket {
                what: "duplicate the descriptor of a link",
                reason,
            })
        })
    }
}

impl From<OwnedFd> for Link {
    /// Adopts a connected stream socket in blocking mode, such as one that another process
    /// accepted. Reading and writing fail if it is something else.
    fn from(socket: OwnedFd) -> Link {
        Link { socket: Arc::new(socket) }
    }
}

impl From<UnixStream> for Link {
    fn from(stream: UnixStream) -> Link {
        Link::from(OwnedFd::from(stream))
    }
}

impl From<TcpStream> for Link {
    /// Leaves the options of the socket as they are.
    fn from(stream: TcpStream) -> Link {
        Link::from(OwnedFd::from(stream))
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsFd for LinkReader {
    /// For poll(2); readable means that a read does not block.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Read for LinkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&*self.socket, buffer)?)
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let len = buffers.len().min(BUFFERS_MAX);
        let first = buffers.get_mut(..len).unwrap_or_default();
        Ok(rustix::io::readv(&*self.socket, first)?)
    }
}

impl LinkReader {
    /// Bounds how long a read waits from now on; `None` is for ever. A read that waits in vain
    /// fails with [`io::ErrorKind::WouldBlock`].
    ///
    /// **Errors**: [`LinkError::Socket`].
    pub fn set_patience(&self, patience: Option<Duration>) -> Result<(), LinkError> {
        set_socket_timeout(&*self.socket, Timeout::Recv, patience)
            .map_err(socket_error("bound the waiting on a link"))
    }
}

impl LinkWriter {
    /// Writes all bytes of all buffers, in order, with as few system calls as the socket allows.
    /// `buffers` is used up in doing so.
    ///
    /// **Errors**: as [`Write::write_all`]; how much was written before is not known then.
    pub fn write_all_vectored(&mut self, mut buffers: &mut [IoSlice<'_>]) -> io::Result<()> {
        // Empty buffers are dropped first: a write of nothing would look like a full pipe.
        IoSlice::advance_slices(&mut buffers, 0);
        while !buffers.is_empty() {
            match self.write_vectored(buffers) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => IoSlice::advance_slices(&mut buffers, len),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl LinkWriter {
    /// Writes as many bytes as the socket has room for, without waiting.
    ///
    /// **Errors**: as [`Write::write`]; [`io::ErrorKind::WouldBlock`] if there is no room.
    pub fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        Ok(rustix::net::send(&*self.socket, bytes, flags)?)
    }
}

impl Write for LinkWriter {
    // MSG_NOSIGNAL: a library must not depend on its program's ignoring SIGPIPE.

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(&*self.socket, bytes, SendFlags::NOSIGNAL)?)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let first = buffers.get(..BUFFERS_MAX).unwrap_or(buffers);
        let mut no_control = SendAncillaryBuffer::default();
        Ok(rustix::net::sendmsg(&*self.socket, first, &mut no_control, SendFlags::NOSIGNAL)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl LinkShutdown {
    /// Ends the link in both directions: a blocked or later read returns 0 bytes once what had
    /// arrived is read, a write fails, and the peer reads the end. Does nothing if the link is
    /// closed or ended already.
    ///
    /// **Errors**: [`LinkError::Socket`].
    pub fn shutdown(&self) -> Result<(), LinkError> {
        self.end(Shutdown::Both)
    }

    /// Ends the link in one direction: a write fails, and the peer reads the end behind what was
    /// written before.
    ///
    /// **Errors**: as [`shutdown`](LinkShutdown::shutdown).
    pub(crate) fn finish_writing(&self) -> Result<(), LinkError> {
        self.end(Shutdown::Write)
    }

    fn end(&self, direction: Shutdown) -> Result<(), LinkError> {
        let Some(socket) = self.socket.upgrade() else {
            return Ok(());
        };
        match rustix::net::shutdown(&*socket, direction) {
            Err(rustix::io::Errno::NOTCONN) => Ok(()),
            other => other.map_err(socket_error("end a link")),
        }
    }
}
