//! Which names mean this machine. It knows the host name and asks whose an address is; it connects
//! to nothing.

use std::net::{IpAddr, ToSocketAddrs, UdpSocket};

/// Whether a name, as in `server=`, means this machine: `.`, `localhost`, the host name or its
/// first part, one of its addresses, or a longer name that begins with the host name and has such
/// an address. Case does not matter.
///
/// **Cost**: asks the resolver about such a longer name only.
pub fn is_this_machine(name: &str) -> bool {
    let uname = rustix::system::uname();
    let nodename = uname.nodename().to_str().unwrap_or_default();
    is_machine(name, nodename)
        || name.parse().is_ok_and(is_own_address)
        || is_longer(name, nodename) && has_own_address(name)
}

/// Whether a name means the machine whose host name is `nodename`, as far as names alone tell.
fn is_machine(name: &str, nodename: &str) -> bool {
    let short = nodename.split('.').next().unwrap_or(nodename);
    let is_loopback = |ip: IpAddr| ip.to_canonical().is_loopback();
    [".", "localhost", nodename, short].iter().any(|own| name.eq_ignore_ascii_case(own))
        || name.parse().is_ok_and(is_loopback)
}

/// Whether a name is a host name with a domain behind it, such as the kernel need not know.
fn is_longer(name: &str, nodename: &str) -> bool {
    let first = |name: &str| name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    name.contains('.') && first(name) == first(nodename)
}

fn has_own_address(name: &str) -> bool {
    (name, 0).to_socket_addrs().is_ok_and(|mut found| found.any(|found| is_own_address(found.ip())))
}

/// Whether an address is one of this machine's: only there can a socket have it (bind(2)).
pub(crate) fn is_own_address(ip: IpAddr) -> bool {
    !ip.is_unspecified() && !ip.is_multicast() && UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests;
