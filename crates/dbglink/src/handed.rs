//! Listening on a socket that somebody else has opened, as a service manager does. It says whether
//! the socket is what the connection string says, not where it comes from.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::net::sockopt::{socket_acceptconn, socket_type};
use rustix::net::{AddressFamily, SocketAddrAny, SocketAddrUnix, SocketType, getsockname};

use crate::connect_string::{
    NpipeServer, PipeTemplate, PortRange, ServerTransport, SpipeServer, SslServer, TcpServer,
    VsockPort, VsockServer,
};
use crate::error::{HandedFault, socket_error};
use crate::listen::{Accepts, Listener, expand};
use crate::{LinkError, RunDir, ServerEndpoint, tcp, unix, vsock};

/// Listens on a socket that listens already, if it is where the endpoint says: at a port of its
/// range, or of any number with `port=0`, or at the pipe's path in the run directory. What the
/// socket file's mode lets in is for whoever made it to say; it is not removed.
///
/// **Errors**: [`LinkError::Handed`] if it is something else.
pub fn listen_on(
    endpoint: &ServerEndpoint,
    socket: OwnedFd,
    run_dir: &RunDir,
) -> Result<Listener, LinkError> {
    let fail = |fault| LinkError::Handed { fault, wanted: endpoint.to_string() };
    let place = Place::of(socket.as_fd()).ok_or_else(|| fail(HandedFault::NotListening))?;
    let name = |template: &PipeTemplate| {
        let pipe = expand(template);
        let path = run_dir.path().join(pipe.as_str());
        match place.is_path(&path) {
            true => Ok(pipe),
            false => Err(fail(HandedFault::NotThere { found: place.to_string(), path })),
        }
    };
    let mut used = endpoint.clone();
    let accepts = match &mut used.transport {
        ServerTransport::Npipe(NpipeServer { pipe, .. })
        | ServerTransport::Spipe(SpipeServer { pipe, .. }) => {
            *pipe = name(pipe)?.into();
            Accepts::Unix(None)
        }
        ServerTransport::Tcp(TcpServer { port, .. })
        | ServerTransport::Ssl(SslServer { port, .. }) => {
            *port = place.port(*port).ok_or_else(|| fail(place.elsewhere()))?;
            Accepts::Tcp
        }
        ServerTransport::Vsock(VsockServer { port, .. }) => {
            *port = place.vsock_port(*port).ok_or_else(|| fail(place.elsewhere()))?;
            Accepts::Vsock
        }
        ServerTransport::TcpReverse(_)
        | ServerTransport::SslReverse(_)
        | ServerTransport::Com { .. }
        | ServerTransport::Stdio => return Err(fail(HandedFault::Unwanted)),
    };
    rustix::io::ioctl_fionbio(&socket, true).map_err(socket_error("take over a socket"))?;
    Ok(Listener::new(accepts, socket, used))
}

/// Where a socket listens.
enum Place {
    Port(std::num::NonZeroU16),
    Path(PathBuf),
    Vsock(VsockPort),
    Elsewhere,
}

impl Place {
    /// That of a stream socket; `None` if it does not listen.
    fn of(socket: BorrowedFd<'_>) -> Option<Place> {
        let listens = socket_acceptconn(socket) == Ok(true);
        if !listens || socket_type(socket) != Ok(SocketType::STREAM) {
            return None;
        }
        let address = getsockname(socket).ok()?;
        Some(match address.address_family() {
            AddressFamily::INET | AddressFamily::INET6 => Place::Port(tcp::port_of(socket).ok()?),
            AddressFamily::VSOCK => Place::Vsock(vsock::own_port(socket)?),
            AddressFamily::UNIX => path_of(address).map_or(Place::Elsewhere, Place::Path),
            _ => Place::Elsewhere,
        })
    }

    /// The range as it is listed, if the port is in it.
    fn port(&self, range: PortRange) -> Option<PortRange> {
        let Place::Port(port) = *self else { return None };
        let is_in = range == PortRange::ANY || (range.low()..=range.high()).contains(&port.get());
        is_in.then(|| range.at(port))
    }

    /// The port, if it is the wanted one.
    fn vsock_port(&self, wanted: VsockPort) -> Option<VsockPort> {
        let Place::Vsock(port) = *self else { return None };
        (wanted == VsockPort::ANY || wanted == port).then_some(port)
    }

    fn is_path(&self, wanted: &Path) -> bool {
        let Place::Path(path) = self else { return false };
        // One directory may have several names.
        path == wanted || unix::identity(path).is_some_and(|it| unix::identity(wanted) == Some(it))
    }

    fn elsewhere(&self) -> HandedFault {
        HandedFault::Elsewhere { found: self.to_string() }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Port(port) => write!(f, "tcp port {port}"),
            Place::Path(path) => write!(f, "{}", path.display()),
            Place::Vsock(port) => write!(f, "vsock port {port}"),
            Place::Elsewhere => f.write_str("an address of another kind"),
        }
    }
}

fn path_of(address: SocketAddrAny) -> Option<PathBuf> {
    let address = SocketAddrUnix::try_from(address).ok()?;
    let path = address.path()?;
    Some(PathBuf::from(OsStr::from_bytes(path.to_bytes())))
}
