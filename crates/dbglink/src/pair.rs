//! A pipe without a name, whose two ends are made together: for a server process of one's own, and
//! for tests.

use crate::error::socket_error;
use crate::{Link, LinkError};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

impl Link {
    /// Two links, each the peer of the other. Both sockets are close-on-exec.
    ///
    /// **Errors**: [`LinkError::Socket`] if there are no descriptors left.
    pub fn pair() -> Result<(Link, Link), LinkError> {
        let (one, other) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
                .map_err(socket_error("make a socket pair"))?;
        Ok((Link::from(one), Link::from(other)))
    }
}
