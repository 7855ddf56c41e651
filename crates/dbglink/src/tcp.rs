//! `tcp`: ports, host names and the options of TCP sockets. It knows no policy about peers.

use crate::connect_string::{HostName, PortRange};
use crate::error::{ConnectFault, PortFault, socket_error};
use crate::listen::BACKLOG;
use crate::{Link, LinkError};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::num::NonZeroU16;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long a connection may be silent before the peer is asked whether it still lives.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
/// How long to wait between such questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// How long sent bytes or questions may stay unanswered before the connection counts as lost
/// (tcp(7), `TCP_USER_TIMEOUT`). A network that comes back within that time is not noticed.
const UNANSWERED_MAX_MS: u32 = 30_000;

/// Listens at the first free port of the range. The socket does not block. Also returns the port in
/// use, with the upper end of the range.
///
/// It is one socket for both families where the system has IPv6, so that a client reaches it at
/// whichever address the machine's name has, and otherwise one for IPv4.
pub(crate) fn listen_at(range: PortRange) -> Result<(OwnedFd, PortRange), LinkError> {
    for port in range.low()..=range.high() {
        match listen_at_port(port) {
            Ok(socket) => {
                let used = port_of(socket.as_fd()).map_err(socket_error("find out a tcp port"))?;
                return Ok((socket, range.at(used)));
            }
            Err(Errno::ADDRINUSE) => {}
            Err(errno) => {
                return Err(LinkError::Listen {
                    at: format!("tcp port {port}"),
                    reason: errno.into(),
                });
            }
        }
    }
    if range.is_single() {
        return Err(PortFault::InUse { port: range.low() }.into());
    }
    Err(PortFault::NoneFree { low: range.low(), high: range.high() }.into())
}

fn listen_at_port(port: u16) -> rustix::io::Result<OwnedFd> {
    let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    match bind_and_listen(AddressFamily::INET6, both) {
        // The kernel was built or started without IPv6.
        Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) => {
            let only = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
            bind_and_listen(AddressFamily::INET, only)
        }
        other => other,
    }
}

fn bind_and_listen(family: AddressFamily, address: SocketAddr) -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
    if family == AddressFamily::INET6 {
        sockopt::set_ipv6_v6only(&socket, false)?;
    }
    // Old connections of an earlier server must not keep a new one from its port. Two sockets may
    // then bind one port, but only one can listen: the other gets ADDRINUSE from listen(2).
    sockopt::set_socket_reuseaddr(&socket, true)?;
    net::bind(&socket, &address)?;
    net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

pub(crate) fn port_of(socket: BorrowedFd<'_>) -> rustix::io::Result<NonZeroU16> {
    let address = SocketAddr::try_from(net::getsockname(socket)?)?;
    NonZeroU16::new(address.port()).ok_or(Errno::ADDRNOTAVAIL)
}

/// Connects to a port of a machine; tries all its addresses, IPv6 first. `timeout` is shared by the
/// addresses and does not count the time that the resolver takes.
pub(crate) fn connect_to(
    host: &HostName,
    port: NonZeroU16,
    timeout: Duration,
) -> Result<Link, LinkError> {
    let unresolved = |reason| ConnectFault::Resolve { host: host.to_string(), reason };
    let found = (host.as_str(), port.get()).to_socket_addrs().map_err(unresolved)?;
    let mut addresses: Vec<SocketAddr> = found.collect();
    addresses.sort_by_key(SocketAddr::is_ipv4);
    let start = Instant::now();
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    for (index, address) in addresses.iter().enumerate() {
        let others = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let share = timeout.saturating_sub(start.elapsed()) / others;
        match TcpStream::connect_timeout(address, share.max(Duration::from_millis(1))) {
            Ok(stream) if leads_to_itself(&stream) => {
                failure = io::ErrorKind::ConnectionRefused.into();
            }
            Ok(stream) => {
                tune(stream.as_fd()).map_err(socket_error("set the options of a tcp socket"))?;
                return Ok(Link::from(stream));
            }
            Err(reason) => failure = reason,
        }
    }
    let to = format!("{host} port {port}");
    let fault = match failure.kind() {
        io::ErrorKind::ConnectionRefused => {
            ConnectFault::Refused { host: host.to_string(), port: port.get().into() }
        }
        io::ErrorKind::TimedOut => ConnectFault::TimedOut { to, timeout },
        _ => ConnectFault::Other { to, reason: failure },
    };
    Err(fault.into())
}

/// Whether a connection is one of a socket with itself. On one machine that comes about by chance
/// where nobody listens at a port of those that the kernel gives to whoever connects: it may give
/// that port, and then both sides open at once (RFC 9293, 3.5).
fn leads_to_itself(stream: &TcpStream) -> bool {
    match (stream.local_addr(), stream.peer_addr()) {
        (Ok(local), Ok(peer)) => local == peer,
        _ => false,
    }
}

/// Sets the options of a connected socket: no delay of small messages, and a peer that is gone
/// without a word is noticed.
pub(crate) fn tune(socket: BorrowedFd<'_>) -> rustix::io::Result<()> {
    sockopt::set_tcp_nodelay(socket, true)?;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(socket, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_user_timeout(socket, UNANSWERED_MAX_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_is_connected_with_itself_is_told_from_others() {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let socket = net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("room");
        net::bind(&socket, &loopback).expect("a port is free");
        let own = SocketAddr::try_from(net::getsockname(&socket).expect("bound")).expect("TCP");
        net::connect(&socket, &own).expect("both sides open at once");
        assert!(leads_to_itself(&TcpStream::from(socket)));
        let listener = std::net::TcpListener::bind(loopback).expect("a port is free");
        let at = listener.local_addr().expect("bound");
        assert!(!leads_to_itself(&TcpStream::connect(at).expect("it listens")));
    }
}
