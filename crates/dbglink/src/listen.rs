//! From a server's endpoint to links: which transport listens, and the listener itself.

use crate::connect_string::{
    NpipeServer, PipeName, PipeTemplate, ServerTransport, SpipeServer, SslServer, TcpServer,
    VsockServer,
};
use crate::error::socket_error;
use crate::unix::{Access, SocketFile};
use crate::{Link, LinkError, RunDir, ServerEndpoint, tcp, unix, vsock};
use dbgbase::{Pid, Tid};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How many connections may wait to be accepted, at any transport.
pub(crate) const BACKLOG: i32 = 128;

/// Listens where a process server shall be reached.
///
/// A pipe gets its final name, with the codes replaced by this process and thread. Its socket file
/// is open to its owner only or, if the endpoint has a password, to everybody, as it is the
/// password that decides then. A TCP port listens on all addresses of the machine; peers without
/// business here are to be told so by the caller, see
/// [`PeerInfo::local_uid`](crate::PeerInfo::local_uid).
///
/// Of `spipe` and `ssl` it gives the sockets, on which TLS is for the caller to speak
/// ([`tls::accept`](crate::tls::accept)).
///
/// **Errors**: [`LinkError`]; for `com`, with `clicon=`, where the server calls
/// ([`call_client`](crate::call_client)), and for `stdio` ([`adopt_stdio`](crate::adopt_stdio)),
/// [`LinkError::NotAvailable`].
pub fn listen(endpoint: &ServerEndpoint, run_dir: &RunDir) -> Result<Listener, LinkError> {
    let mut endpoint = endpoint.clone();
    let named = endpoint.transport();
    // Everybody may knock where a password or a certificate decides.
    let is_proved = endpoint.password.is_some() || endpoint.transport.tls().is_some();
    let access = if is_proved { Access::Everybody } else { Access::Owner };
    let (accepts, socket) = match &mut endpoint.transport {
        ServerTransport::Npipe(NpipeServer { pipe, .. })
        | ServerTransport::Spipe(SpipeServer { pipe, .. }) => {
            let name = expand(pipe);
            let (socket, file) = unix::listen_at(&name, access, run_dir)?;
            *pipe = name.into();
            (Accepts::Unix(Some(file)), socket)
        }
        ServerTransport::Tcp(TcpServer { port, .. })
        | ServerTransport::Ssl(SslServer { port, .. }) => {
            let (socket, used) = tcp::listen_at(*port)?;
            *port = used;
            (Accepts::Tcp, socket)
        }
        ServerTransport::Vsock(VsockServer { cid, port, .. }) => {
            let (socket, used) = vsock::listen_at(*cid, *port)?;
            *port = used;
            (Accepts::Vsock, socket)
        }
        ServerTransport::TcpReverse(_)
        | ServerTransport::Com { .. }
        | ServerTransport::SslReverse(_)
        | ServerTransport::Stdio => return Err(LinkError::NotAvailable { transport: named }),
    };
    Ok(Listener::new(accepts, socket, endpoint))
}

/// A pipe's name with its codes replaced by this process and thread.
pub(crate) fn expand(pipe: &PipeTemplate) -> PipeName {
    let tid = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
    pipe.expand(Pid::new(std::process::id()), Tid::new(tid))
}

/// A place where clients can connect. Dropping it ends that, and removes the socket file of a pipe.
#[derive(Debug)]
pub struct Listener {
    // Dropped in this order: the file must go while the socket still listens.
    accepts: Accepts,
    socket: OwnedFd,
    endpoint: ServerEndpoint,
}

#[derive(Debug)]
pub(crate) enum Accepts {
    /// With the socket's file, if it is ours.
    Unix(#[expect(dead_code, reason = "held for its drop")] Option<SocketFile>),
    Tcp,
    Vsock,
}

impl Listener {
    /// One with a socket that listens there and does not block.
    pub(crate) fn new(accepts: Accepts, socket: OwnedFd, endpoint: ServerEndpoint) -> Listener {
        Listener { accepts, socket, endpoint }
    }

    /// The endpoint with what is really in use: a pipe's final name, a TCP port with the upper end
    /// of its range. This is what is to be listed.
    pub fn endpoint(&self) -> &ServerEndpoint {
        &self.endpoint
    }

    /// Waits for a client.
    ///
    /// **Errors**: [`LinkError::Socket`]. Without descriptors left, that comes back at once and
    /// again and again; the caller should close something before it asks anew.
    pub fn accept(&self) -> Result<Link, LinkError> {
        loop {
            if let Some(link) = self.try_accept()? {
                return Ok(link);
            }
            let mut wanted = [PollFd::new(&self.socket, PollFlags::IN)];
            match poll(&mut wanted, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(socket_error("wait for a client")(errno)),
            }
        }
    }

    /// The next client that waits to be accepted; `None` if there is none, which can happen even
    /// after poll(2) reported one, as clients go away.
    ///
    /// **Errors**: as [`accept`](Listener::accept).
    pub fn try_accept(&self) -> Result<Option<Link>, LinkError> {
        // The accepted socket does not inherit that the listening one does not block (accept(2)).
        let socket = match accept_with(&self.socket, SocketFlags::CLOEXEC) {
            Ok(socket) => socket,
            Err(errno) if is_transient(errno) => return Ok(None),
            Err(errno) => return Err(socket_error("accept a client")(errno)),
        };
        match self.accepts {
            Accepts::Unix(_) | Accepts::Vsock => {}
            Accepts::Tcp => match tcp::tune(socket.as_fd()) {
                // The client has gone already.
                Err(Errno::INVAL | Errno::NOTCONN) => return Ok(None),
                result => result.map_err(socket_error("set the options of a tcp socket"))?,
            },
        }
        Ok(Some(Link::from(socket)))
    }
}

impl AsFd for Listener {
    /// For poll(2); readable means that a client waits.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Whether accept(2) reports no fault of the listener: nobody waits, or the one who did has gone,
/// or its network has.
fn is_transient(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::AGAIN
            | Errno::INTR
            | Errno::CONNABORTED
            | Errno::NETDOWN
            | Errno::PROTO
            | Errno::NOPROTOOPT
            | Errno::HOSTDOWN
            | Errno::NONET
            | Errno::HOSTUNREACH
            | Errno::OPNOTSUPP
            | Errno::NETUNREACH
    )
}
