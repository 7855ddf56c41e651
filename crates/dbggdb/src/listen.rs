//! Listening for debuggers: who may connect, and a stream from each that does. It knows sockets,
//! and no packet.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};

use dbglink::tcp_owner;
use rustix::io::Errno;

use crate::place::Place;

/// Why nobody can connect.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    /// The system refuses.
    #[error("cannot listen at {0}: {1}")]
    Bind(String, #[source] io::Error),
    /// A process listens there.
    #[error("cannot listen at {0}: another process listens there")]
    Taken(String),
}

/// A place where debuggers connect. A socket's file goes with it.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: Socket,
    place: Place,
    /// So that there is room to send somebody away where there is none for more.
    spare: Option<File>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A debugger's connection, both ways.
pub(crate) struct Connection {
    /// What it sends.
    pub(crate) reader: File,
    /// What it is sent.
    pub(crate) writer: Box<dyn Write + Send>,
}

impl Listener {
    /// Listens.
    pub(crate) fn new(place: &Place) -> Result<Listener, ListenError> {
        let bind = |error| ListenError::Bind(place.to_string(), error);
        match place {
            Place::Tcp { address, is_unprotected } => {
                let socket = TcpListener::bind(address).map_err(bind)?;
                // With port 0 the system has chosen one.
                let address = socket.local_addr().map_err(bind)?;
                let place = Place::Tcp { address, is_unprotected: *is_unprotected };
                Ok(Listener { socket: Socket::Tcp(socket), place, spare: spare() })
            }
            Place::Unix(path) => {
                if UnixStream::connect(path).is_ok() {
                    return Err(ListenError::Taken(place.to_string()));
                }
                let is_socket = fs::symlink_metadata(path).is_ok_and(|metadata| {
                    use std::os::unix::fs::FileTypeExt;
                    metadata.file_type().is_socket()
                });
                if is_socket {
                    // Its process is gone.
                    fs::remove_file(path).map_err(bind)?;
                }
                let socket = bind_private(path).map_err(bind)?;
                let (socket, place) = (Socket::Unix(socket), place.clone());
                Ok(Listener { socket, place, spare: spare() })
            }
        }
    }

    /// Where it really listens.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The next debugger that may connect. Those that may not, or cannot, are told nothing but the
    /// end of their connection; `refused` is told why.
    ///
    /// **Errors**: nobody can connect any more.
    pub(crate) fn accept(&mut self, refused: impl Fn(String)) -> io::Result<Connection> {
        loop {
            match self.next() {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(reason)) => refused(reason),
                Err(error) if has_left(&error) => refused(error.to_string()),
                // There is room for one that is sent away at once. If there is none by now, as
                // others have taken it, the listener is at its end.
                Err(error) if has_no_room(&error) && self.spare.take().is_some() => {
                    self.next().map(drop)?;
                    self.spare = spare();
                    refused(error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The next connection, or why it is none; an error if none can be accepted now.
    fn next(&self) -> io::Result<Result<Connection, String>> {
        match &self.socket {
            Socket::Tcp(socket) => {
                let (stream, peer) = socket.accept()?;
                let is_unprotected = matches!(self.place, Place::Tcp { is_unprotected: true, .. });
                let local = stream.local_addr().ok();
                let uid = local.and_then(|local| tcp_owner::local_peer_uid(peer, local));
                if !is_unprotected && !uid.is_some_and(may_connect) {
                    return Ok(Err(format!("{peer} is no process of this user or root")));
                }
                Ok(tcp(stream).map_err(|error| error.to_string()))
            }
            Socket::Unix(socket) => {
                let (stream, _) = socket.accept()?;
                let credentials = rustix::net::sockopt::socket_peercred(&stream);
                let uid = credentials.map(|credentials| credentials.uid.as_raw());
                Ok(match uid {
                    Ok(uid) if may_connect(uid) => unix(stream).map_err(|error| error.to_string()),
                    Ok(uid) => Err(format!("user {uid} may not connect")),
                    Err(error) => Err(error.to_string()),
                })
            }
        }
    }
}

/// A file for nothing, in whose place another one can be opened.
fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

/// Whether the other end was gone before it could be accepted (accept(2)).
fn has_left(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(code, Some(Errno::CONNABORTED | Errno::INTR | Errno::PERM | Errno::PROTO))
}

/// Whether there are too many open files.
fn has_no_room(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(code, Some(Errno::MFILE | Errno::NFILE))
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Place::Unix(path) = &self.place {
            // It may have been removed already.
            let _ = fs::remove_file(path);
        }
    }
}

/// A socket file that nobody else can ever open.
fn bind_private(path: &std::path::Path) -> io::Result<UnixListener> {
    // Between its making and the change of its mode another user may connect; who does is found
    // out at accept(2) all the same.
    let socket = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(socket)
}

fn unix(stream: UnixStream) -> io::Result<Connection> {
    let reader = File::from(OwnedFd::from(stream.try_clone()?));
    Ok(Connection { reader, writer: Box::new(Closing(stream)) })
}

fn tcp(stream: TcpStream) -> io::Result<Connection> {
    stream.set_nodelay(true)?;
    let reader = File::from(OwnedFd::from(stream.try_clone()?));
    Ok(Connection { reader, writer: Box::new(Closing(stream)) })
}

/// A stream that ends both ways when it is dropped, so that its reader ends too.
struct Closing<S: AsFd>(S);

impl<S: AsFd> Drop for Closing<S> {
    fn drop(&mut self) {
        // If it cannot be ended it has ended.
        let _ = rustix::net::shutdown(&self.0, rustix::net::Shutdown::Both);
    }
}

impl<S: AsFd + Write> Write for Closing<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The same user, and root.
fn may_connect(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}
