//! Who is at the other end of a socket. It finds out; whether that one may speak is decided
//! elsewhere.

use crate::error::socket_error;
use crate::{LinkError, tcp_owner, vsock};
use dbgbase::Pid;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use rustix::net::{AddressFamily, SocketAddrAny, getpeername, getsockname};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;

/// The other end of a [`Link`](crate::Link).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PeerInfo {
    /// A process of this machine, by a unix socket; what it was when it connected or, of a
    /// listening peer, when it began to listen (unix(7), `SO_PEERCRED`). Of a socket pair: who made
    /// it.
    Process {
        /// The process; `None` if our pid namespace cannot see it.
        pid: Option<Pid>,
        /// Its effective user.
        uid: u32,
        /// Its effective group.
        gid: u32,
    },
    /// A virtual machine, or the host of this one, by vsock.
    Machine {
        /// Its number: 2 is the host, 1 this machine itself.
        cid: u32,
        /// The port at its end.
        port: u32,
    },
    /// The two ends of a TCP connection, neither ever an IPv4 address in IPv6 form.
    Tcp {
        /// The peer's.
        peer: SocketAddr,
        /// Ours.
        local: SocketAddr,
    },
}

impl PeerInfo {
    /// The user of a peer that is a process of this machine. For a TCP peer this searches the
    /// system's table of connections, see [`tcp_owner`]; `None` if it is not there, and so for
    /// every other machine and container.
    pub fn local_uid(&self) -> Option<u32> {
        match *self {
            PeerInfo::Process { uid, .. } => Some(uid),
            // The kernel does not say.
            PeerInfo::Machine { .. } => None,
            PeerInfo::Tcp { peer, local } => tcp_owner::local_peer_uid(peer, local),
        }
    }

    pub(crate) fn of(socket: BorrowedFd<'_>) -> Result<PeerInfo, LinkError> {
        let failed = socket_error("find out the peer of a link");
        let local = getsockname(socket).map_err(&failed)?;
        if local.address_family() == AddressFamily::UNIX {
            // rustix has this call too, but its type for process ids has no 0, which is what the
            // kernel reports for a process outside our pid namespace.
            let credentials = getsockopt(&socket, PeerCredentials)
                .map_err(|errno| failed(rustix::io::Errno::from_raw_os_error(errno as i32)))?;
            let pid = u32::try_from(credentials.pid()).ok().filter(|pid| *pid != 0);
            let (uid, gid) = (credentials.uid(), credentials.gid());
            return Ok(PeerInfo::Process { pid: pid.map(Pid::new), uid, gid });
        }
        if local.address_family() == AddressFamily::VSOCK {
            let peer = vsock::peer_of(socket).ok_or(rustix::io::Errno::NOTCONN);
            let (cid, port) = peer.map_err(&failed)?;
            return Ok(PeerInfo::Machine { cid, port });
        }
        let peer = getpeername(socket).map_err(&failed)?.ok_or(rustix::io::Errno::NOTCONN);
        let peer = internet(peer.map_err(&failed)?).map_err(&failed)?;
        Ok(PeerInfo::Tcp { peer, local: internet(local).map_err(&failed)? })
    }
}

impl fmt::Display for PeerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerInfo::Process { pid: Some(pid), uid, .. } => {
                write!(f, "process {pid} of uid {uid}")
            }
            PeerInfo::Process { pid: None, uid, .. } => write!(f, "a process of uid {uid}"),
            PeerInfo::Machine { cid, port } => write!(f, "vsock cid {cid} port {port}"),
            PeerInfo::Tcp { peer, .. } => write!(f, "{peer}"),
        }
    }
}

fn internet(address: SocketAddrAny) -> rustix::io::Result<SocketAddr> {
    let address = SocketAddr::try_from(address)?;
    // A socket for both families writes IPv4 addresses as ::ffff:192.0.2.1 (RFC 4291 2.5.5.2).
    Ok(match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::from((ip, address.port())),
        IpAddr::V6(_) => address,
    })
}
