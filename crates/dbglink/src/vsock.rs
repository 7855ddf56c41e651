//! `vsock`: sockets between a virtual machine and its host (vsock(7)), which need no network. It
//! knows sockets and numbers, and no policy: who is at the other end the kernel does not say, only
//! on which machine.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sys::socket::{VsockAddr, bind, connect, getpeername, getsockname};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::socket_error as pending_error;
use rustix::net::{AddressFamily, SocketFlags, SocketType, listen, socket_with};

use crate::connect_string::{ContextId, VsockPort};
use crate::error::{ConnectFault, VsockFault, socket_error};
use crate::listen::BACKLOG;
use crate::{Link, LinkError};

/// What binds to any machine or port (`VMADDR_CID_ANY`, `VMADDR_PORT_ANY`).
const ANY: u32 = u32::MAX;

/// Listens at a port of this machine: at all its numbers, or at this one. The socket does not
/// block. Also returns the port in use.
pub(crate) fn listen_at(
    cid: Option<ContextId>,
    port: VsockPort,
) -> Result<(OwnedFd, VsockPort), LinkError> {
    let socket = new_socket().map_err(|errno| listen_error(cid, port, errno))?;
    let number = if port == VsockPort::ANY { ANY } else { port.number() };
    let address = VsockAddr::new(cid.map_or(ANY, ContextId::number), number);
    let bound = bind(socket.as_raw_fd(), &address).map_err(plain).and_then(|()| {
        listen(&socket, BACKLOG)?;
        own_port(socket.as_fd()).ok_or(Errno::ADDRNOTAVAIL)
    });
    let port = bound.map_err(|errno| listen_error(cid, port, errno))?;
    Ok((socket, port))
}

/// Connects to a port of a machine.
pub(crate) fn connect_to(
    cid: ContextId,
    port: VsockPort,
    timeout: Duration,
) -> Result<Link, LinkError> {
    let failed = |errno| connect_error(cid, port, timeout, errno);
    let socket = new_socket().map_err(failed)?;
    let address = VsockAddr::new(cid.number(), port.number());
    match connect(socket.as_raw_fd(), &address).map_err(plain) {
        Ok(()) => {}
        Err(Errno::INPROGRESS) => wait(&socket, timeout).map_err(failed)?,
        Err(errno) => return Err(failed(errno)),
    }
    rustix::io::ioctl_fionbio(&socket, false).map_err(socket_error("use a vsock socket"))?;
    Ok(Link::from(socket))
}

/// Waits until a connection is there, or will not be.
fn wait(socket: &OwnedFd, timeout: Duration) -> Result<(), Errno> {
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
        let mut fds = [PollFd::new(socket, PollFlags::OUT)];
        match poll(&mut fds, Some(&left)) {
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
            Ok(0) => return Err(Errno::TIMEDOUT),
            Ok(_) => return pending_error(socket)?,
        }
    }
}

/// The machine and port at the other end; `None` if there is none any more.
pub(crate) fn peer_of(socket: BorrowedFd<'_>) -> Option<(u32, u32)> {
    let address: VsockAddr = getpeername(socket.as_raw_fd()).ok()?;
    Some((address.cid(), address.port()))
}

/// The port at which a socket is.
pub(crate) fn own_port(socket: BorrowedFd<'_>) -> Option<VsockPort> {
    let address: VsockAddr = getsockname(socket.as_raw_fd()).ok()?;
    VsockPort::new(address.port())
}

fn new_socket() -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::VSOCK, SocketType::STREAM, flags, None)
}

fn plain(errno: nix::Error) -> Errno {
    Errno::from_raw_os_error(errno as i32)
}

/// What a failure to listen means.
fn listen_error(cid: Option<ContextId>, port: VsockPort, errno: Errno) -> LinkError {
    match (errno, cid) {
        (Errno::AFNOSUPPORT, _) => VsockFault::Missing.into(),
        (Errno::ADDRNOTAVAIL, Some(cid)) => VsockFault::ForeignContextId { cid }.into(),
        (Errno::ADDRINUSE, _) => VsockFault::PortInUse { port }.into(),
        _ => LinkError::Listen { at: format!("vsock port {port}"), reason: errno.into() },
    }
}

/// What a failure to connect means.
fn connect_error(cid: ContextId, port: VsockPort, timeout: Duration, errno: Errno) -> LinkError {
    let to = format!("vsock cid {cid} port {port}");
    match errno {
        Errno::AFNOSUPPORT => VsockFault::Missing.into(),
        // No transport leads there: of virtio and VMware to the host, of vhost to guests, the
        // loopback one to this machine itself.
        Errno::NODEV => VsockFault::NoSuchContextId { cid }.into(),
        Errno::CONNRESET | Errno::CONNREFUSED => {
            ConnectFault::Refused { host: format!("vsock cid {cid}"), port: port.number() }.into()
        }
        Errno::TIMEDOUT => ConnectFault::TimedOut { to, timeout }.into(),
        _ => ConnectFault::Other { to, reason: errno.into() }.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ClientEndpoint;
    use crate::connect_string::ClientTransport;

    #[test]
    fn each_failure_has_words() {
        let endpoint: ClientEndpoint = "vsock:cid=7,port=1025".parse().expect("an endpoint");
        let ClientTransport::Vsock(vsock) = endpoint.transport else { panic!("vsock") };
        let time = Duration::from_secs(3);
        for (errno, said) in [
            (Errno::AFNOSUPPORT, "this kernel has no vsock"),
            (Errno::NODEV, "no way leads from here to the machine with cid 7"),
            (Errno::CONNRESET, "vsock cid 7 refuses connections to port 1025"),
            (Errno::TIMEDOUT, "vsock cid 7 port 1025 did not answer within 3 s"),
            (Errno::NETUNREACH, "cannot connect to vsock cid 7 port 1025: Network is unreach"),
        ] {
            let text = connect_error(vsock.cid, vsock.port, time, errno).to_string();
            assert!(text.starts_with(said), "{text}");
        }
        for (errno, said) in [
            (Errno::AFNOSUPPORT, "this kernel has no vsock"),
            (Errno::ADDRNOTAVAIL, "cid 7 is none of this machine's"),
            (Errno::ADDRINUSE, "vsock port 1025 is already in use"),
            (Errno::ACCESS, "cannot listen at vsock port 1025: Permission denied"),
        ] {
            let text = listen_error(Some(vsock.cid), vsock.port, errno).to_string();
            assert!(text.starts_with(said), "{text}");
        }
    }
}
