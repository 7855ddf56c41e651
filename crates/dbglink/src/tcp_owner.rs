//! Whose is the other end of a TCP connection within this machine? The kernel's table of
//! connections tells, `/proc/net/tcp` and `/proc/net/tcp6` (proc(5)), which lists both ends of such
//! a connection, each with the user who made the socket. It knows the table, and no policy.
//!
//! ```text
//!   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
//!    3: 0100007F:AC30 0100007F:D3C3 01 00000000:00000000 00:00000000 00000000  1000        0 6887
//! ```
//!
//! An address is printed as one number of 32 bits (IPv4) or four (IPv6) in the machine's byte
//! order, a port as a plain number. The wanted row is the **peer's** socket: its local address is
//! our peer address, and its remote address is ours.
//!
//! Only an established connection with an inode counts. A socket that its process has closed, and
//! one that a listener has not accepted yet, belong to no process and are listed as user 0, inode
//! 0; a peer could connect, send and close, and be taken for root.
//!
//! What it cannot know: who stands behind a local proxy. A port forwarded by a root process, as
//! some container engines do, looks like root.

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, SocketAddr};

use crate::this_machine::is_own_address;

/// `TCP_ESTABLISHED`, as the column `st` shows it.
const ESTABLISHED: &str = "01";

/// The user of the process of this machine that is the peer of a TCP connection: `peer` and `local`
/// are the connection's addresses as we see them. `None` if there is no such process in our network
/// namespace, if it closed its end, or if the tables cannot be read.
///
/// **Cost**: for a peer of this machine, reading both tables, which have a line for each connection
/// and take milliseconds at the least; for others, a few system calls.
pub fn local_peer_uid(peer: SocketAddr, local: SocketAddr) -> Option<u32> {
    let (ip, own) = (peer.ip().to_canonical(), local.ip().to_canonical());
    if ip != own && !is_own_address(ip) {
        return None;
    }
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .find_map(|table| find_uid(&table, peer, local))
}

/// Searches one table, of either family, for the peer's socket. `None` if it is not there; lines of
/// another form are passed over.
fn find_uid(table: &str, peer: SocketAddr, local: SocketAddr) -> Option<u32> {
    // The addresses are written as the kernel would and compared as text. An IPv4 connection may be
    // that of an IPv6 socket, and then stands in the other table in another form.
    let plain = (column(peer), column(local));
    let mapped = (column(mapped(peer)), column(mapped(local)));
    table.lines().find_map(|line| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let (row_local, row_remote) = (columns.next()?, columns.next()?);
        let is_wanted = |(peer, local): &(String, String)| row_local == peer && row_remote == local;
        if !(is_wanted(&plain) || is_wanted(&mapped)) || columns.next()? != ESTABLISHED {
            return None;
        }
        let uid = columns.nth(3)?.parse().ok()?;
        let inode: u64 = columns.nth(1)?.parse().ok()?;
        (inode != 0).then_some(uid)
    })
}

/// An address as the table shows it.
fn column(address: SocketAddr) -> String {
    let octets = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let mut text = String::new();
    for word in octets.as_chunks::<4>().0 {
        // Writing to a `String` does not fail.
        let _ = write!(text, "{:08X}", u32::from_ne_bytes(*word));
    }
    let _ = write!(text, ":{:04X}", address.port());
    text
}

/// The address in the form that an IPv6 socket uses for it.
fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) => SocketAddr::from((ip.to_ipv6_mapped(), address.port())),
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod tests;
