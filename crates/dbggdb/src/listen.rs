//! Listening for debuggers: who may connect, and a stream from each that does. It knows sockets,
//! and no packet.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};

use dbglink::same_user;

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
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A debugger's connection, both ways.
pub(crate) struct Connection {
    /// What it sends.
    pub(crate) reader: Box<dyn Read + Send>,
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
                Ok(Listener { socket: Socket::Tcp(socket), place })
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
                Ok(Listener { socket: Socket::Unix(socket), place: place.clone() })
            }
        }
    }

    /// Where it really listens.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The next debugger that may connect. Those that may not are told nothing but the end of their
    /// connection; `refused` is told why.
    pub(crate) fn accept(&self, refused: impl Fn(String)) -> io::Result<Connection> {
        loop {
            match &self.socket {
                Socket::Tcp(socket) => {
                    let (stream, peer) = socket.accept()?;
                    let is_unprotected =
                        matches!(self.place, Place::Tcp { is_unprotected: true, .. });
                    let uid = stream
                        .local_addr()
                        .ok()
                        .and_then(|local| same_user::local_peer_uid(peer, local));
                    if !is_unprotected && !uid.is_some_and(may_connect) {
                        refused(format!("{peer} is no process of this user or root"));
                        continue;
                    }
                    return tcp(stream);
                }
                Socket::Unix(socket) => {
                    let (stream, _) = socket.accept()?;
                    let credentials = rustix::net::sockopt::socket_peercred(&stream)?;
                    if !may_connect(credentials.uid.as_raw()) {
                        refused(format!("user {} may not connect", credentials.uid.as_raw()));
                        continue;
                    }
                    let reader = Box::new(stream.try_clone()?);
                    return Ok(Connection { reader, writer: Box::new(Closing(stream)) });
                }
            }
        }
    }
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

fn tcp(stream: TcpStream) -> io::Result<Connection> {
    stream.set_nodelay(true)?;
    let reader = Box::new(stream.try_clone()?);
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
