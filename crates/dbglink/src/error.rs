//! What can go wrong between an endpoint and an open link, worded for the person who gave the
//! endpoint. Reading and writing an open link fails with `std::io::Error`, as any stream does.

use crate::connect_string::{ContextId, TRANSPORTS, Transport, VsockPort};
use crate::secret::SecretError;
use crate::ssh::SshFault;
use crate::tls::{StoreError, TlsError};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// Why a link could not be opened or asked for.
///
/// Messages contain the system's reason, so `source()` is always empty.
#[derive(Debug, Error)]
pub enum LinkError {
    /// The transport is understood, but not opened by this version, or not in this way. Use another
    /// one.
    #[error("{transport} cannot be opened here; there are {TRANSPORTS}")]
    NotAvailable {
        /// Which.
        transport: Transport,
    },
    /// A server and its client do not meet at the client's port.
    #[error(transparent)]
    Call(#[from] CallFault),
    /// The two sides do not come to speak TLS with each other.
    #[error("{with}: {reason}")]
    Tls {
        /// The other side.
        with: String,
        /// Why.
        reason: TlsError,
    },
    /// The certificate of this side cannot be had.
    #[error(transparent)]
    Certificate(#[from] StoreError),
    /// The password cannot be had.
    #[error(transparent)]
    Password(#[from] SecretError),
    /// A pipe of another machine cannot be reached by ssh.
    #[error("{server}, by ssh: {fault}")]
    Ssh {
        /// The name in `server=`.
        server: String,
        /// What has become of ssh.
        fault: SshFault,
    },
    /// A pipe cannot be had or found.
    #[error(transparent)]
    Pipe(#[from] PipeFault),
    /// The directory of the sockets cannot be trusted or used.
    #[error("run directory {}: {fault}", path.display())]
    RunDir {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        fault: RunDirFault,
    },
    /// A vsock port or machine cannot be had or found.
    #[error(transparent)]
    Vsock(#[from] VsockFault),
    /// No TCP port can be had.
    #[error(transparent)]
    Port(#[from] PortFault),
    /// The server cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectFault),
    /// Listening failed otherwise.
    #[error("cannot listen at {at}: {reason}")]
    Listen {
        /// The place.
        at: String,
        /// The system's answer.
        reason: io::Error,
    },
    /// A socket that was opened by somebody else is not what the connection string says.
    #[error("the socket that was handed over {fault}; the connection string is {wanted}")]
    Handed {
        /// What is wrong with it.
        fault: HandedFault,
        /// The connection string.
        wanted: String,
    },
    /// A system call that has nothing to do with an address failed: on an open socket, or to start
    /// a thread or a command.
    #[error("cannot {what}: {reason}")]
    Socket {
        /// What was to be done.
        what: &'static str,
        /// The system's answer.
        reason: io::Error,
    },
}

/// Why a server and its client do not meet at the client's port: `clicon=`.
#[derive(Debug, Error)]
pub enum CallFault {
    /// The server has not called its client in time.
    #[error(
        "{server} has not called at port {port} within {} s{}; is its process server started with \
         clicon= and this port?", .timeout.as_secs_f32(), turned_away(.stranger)
    )]
    NotCalled {
        /// Which was awaited.
        server: String,
        /// Where.
        port: u16,
        /// Who has called instead, and was turned away.
        stranger: Option<IpAddr>,
        /// How long it was waited for.
        timeout: Duration,
    },
    /// Nobody waits for the server's call.
    #[error(
        "no client has waited at {client} port {port} for {} s ({}); start it with clicon= and \
         this port, then this server again", .patience.as_secs_f32(), of_a_call(.reason)
    )]
    NoClient {
        /// The client's machine.
        client: String,
        /// The port.
        port: u16,
        /// How long it was called.
        patience: Duration,
        /// What came of the last call.
        reason: Box<LinkError>,
    },
}

/// What is wrong with a pipe.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum PipeFault {
    /// A live server has this name. Choose another one.
    #[error("pipe name {pipe} is already in use")]
    InUse {
        /// The final name.
        pipe: String,
    },
    /// No server has this name, as far as this user can see.
    #[error("no server has pipe name {pipe}; looked in {}", list(.searched))]
    NotFound {
        /// The name.
        pipe: String,
        /// The directories that were searched, in order.
        searched: Vec<PathBuf>,
    },
    /// The server of this socket file is gone; it was killed. Start it again.
    #[error("nobody listens at {} any more; its server has ended", path.display())]
    Dead {
        /// The socket file.
        path: PathBuf,
    },
    /// The path of the socket file does not fit a socket address. Choose a shorter name.
    #[error("{} is too long for a socket; at most {len_max_bytes} bytes fit", path.display())]
    PathTooLong {
        /// The socket file.
        path: PathBuf,
        /// The longest path possible.
        len_max_bytes: usize,
    },
}

/// What is wrong with a place of vsock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum VsockFault {
    /// The kernel was built without it, or its module cannot be loaded. Use another transport.
    #[error("this kernel has no vsock; tcp and exec:COMMAND need none")]
    Missing,
    /// A machine is asked for that this one is not.
    #[error(
        "cid {cid} is none of this machine's; without cid= the server listens at all it has (cid=1 \
         takes the kernel's module vsock_loopback)"
    )]
    ForeignContextId {
        /// Its number.
        cid: ContextId,
    },
    /// No transport of vsock leads to the machine.
    #[error(
        "no way leads from here to the machine with cid {cid}; a host reaches its guests with \
         vhost_vsock, a guest its host (cid=2), and each itself with vsock_loopback"
    )]
    NoSuchContextId {
        /// Its number.
        cid: ContextId,
    },
    /// The port is taken. Choose another one.
    #[error("vsock port {port} is already in use; give another one, or 0 for any")]
    PortInUse {
        /// Which.
        port: VsockPort,
    },
}

/// Why there is no TCP port to listen at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum PortFault {
    /// The port is taken. Choose another one, or a range.
    #[error("tcp port {port} is already in use; give another one, or a range as in port=51:60")]
    InUse {
        /// Which.
        port: u16,
    },
    /// Every port of the range is taken.
    #[error("no tcp port from {low} to {high} is free")]
    NoneFree {
        /// The first port tried.
        low: u16,
        /// The last port tried.
        high: u16,
    },
}

/// Why a server cannot be reached.
#[derive(Debug, Error)]
pub enum ConnectFault {
    /// The machine's name has no address.
    #[error("cannot find the address of {host}: {reason}")]
    Resolve {
        /// The name.
        host: String,
        /// The resolver's answer.
        reason: io::Error,
    },
    /// The machine is there, but nothing listens at the port.
    #[error("{host} refuses connections to port {port}; is a process server listening there?")]
    Refused {
        /// The machine.
        host: String,
        /// The port.
        port: u32,
    },
    /// The other side did not answer in time.
    #[error("{to} did not answer within {} s", .timeout.as_secs_f32())]
    TimedOut {
        /// The server that was called.
        to: String,
        /// How long it was waited for.
        timeout: Duration,
    },
    /// Connecting failed otherwise.
    #[error("cannot connect to {to}: {reason}")]
    Other {
        /// The server that was called.
        to: String,
        /// The system's answer.
        reason: io::Error,
    },
}

/// What is wrong with a socket that somebody else has opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HandedFault {
    /// It is none, or does not wait for connections.
    NotListening,
    /// It listens elsewhere.
    Elsewhere {
        /// Where.
        found: String,
    },
    /// It is not where clients look for the pipe.
    NotThere {
        /// Where it is.
        found: String,
        /// Where they look.
        path: PathBuf,
    },
    /// The transport listens nowhere.
    Unwanted,
}

impl fmt::Display for HandedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandedFault::NotListening => f.write_str(
                "does not wait for connections (ListenStream= and Accept=no make one that does)",
            ),
            HandedFault::Elsewhere { found } => {
                write!(f, "is at {found} (port=0 takes whatever port it has)")
            }
            HandedFault::NotThere { found, path } => {
                write!(f, "is at {found}, and clients look for the pipe at {}", path.display())
            }
            HandedFault::Unwanted => f.write_str("is of no use to a transport that waits nowhere"),
        }
    }
}

/// What is wrong with the directory of the sockets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RunDirFault {
    /// It does not exist and could not be made, or cannot be looked at.
    Inaccessible(io::ErrorKind),
    /// Something else has its name; a symbolic link counts as something else.
    NotADirectory,
    /// It belongs to this user, who is neither the current one nor root.
    ForeignOwner(u32),
    /// Others than its owner may write to it; its mode.
    WritableByOthers(u32),
}

impl fmt::Display for RunDirFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunDirFault::Inaccessible(kind) => {
                write!(f, "{kind}; DBGSRV_RUN_DIR can name another one")
            }
            RunDirFault::NotADirectory => f.write_str("is not a directory"),
            RunDirFault::ForeignOwner(uid) => write!(
                f,
                "belongs to uid {uid}, who could pose as a server; DBGSRV_RUN_DIR can name \
                 another one"
            ),
            RunDirFault::WritableByOthers(mode) => write!(
                f,
                "has mode {mode:03o}, so others could pose as a server; take their write \
                 permission away"
            ),
        }
    }
}

fn turned_away(stranger: &Option<IpAddr>) -> String {
    let told = |stranger| format!(" ({stranger} has, which is not that machine)");
    stranger.map(told).unwrap_or_default()
}

/// What came of a call, in the words of who calls, and not of who connects to a server.
fn of_a_call(reason: &LinkError) -> String {
    match reason {
        LinkError::Connect(ConnectFault::Refused { .. }) => "it refuses connections".to_owned(),
        LinkError::Connect(ConnectFault::TimedOut { .. }) => "it does not answer".to_owned(),
        LinkError::Connect(ConnectFault::Other { reason, .. }) => reason.to_string(),
        other => other.to_string(),
    }
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    paths.join(", ")
}

/// Makes a [`LinkError::Socket`] of a failed system call.
pub(crate) fn socket_error(what: &'static str) -> impl Fn(rustix::io::Errno) -> LinkError {
    move |errno| LinkError::Socket { what, reason: errno.into() }
}
