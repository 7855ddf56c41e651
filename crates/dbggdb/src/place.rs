//! Where debuggers connect, as it is written behind `-listen`. Pure.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use dbggdb::OtherConnections;

/// A place to listen at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// An address of this machine.
    Tcp {
        /// Which.
        address: SocketAddr,
        /// Whether whoever reaches it is served.
        is_unprotected: bool,
    },
    /// A socket in the file system.
    Unix(PathBuf),
}

/// Why something is no place to listen at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PlaceError {
    /// Nothing is recognised.
    Unknown,
    /// There is no port.
    Port,
    /// Other machines reach it, and nobody said that they may.
    Reachable,
}

impl Place {
    /// How a session names it.
    pub(crate) fn for_session(&self) -> OtherConnections {
        match self {
            Place::Tcp { address, .. } => OtherConnections::Port(address.port()),
            Place::Unix(path) => OtherConnections::Socket(path.clone()),
        }
    }

    /// The place that a text names: `PORT`, `:PORT`, `ADDRESS:PORT[,unprotected]`, `unix:PATH`.
    pub(crate) fn parse(text: &str) -> Result<Place, PlaceError> {
        if let Some(path) = text.strip_prefix("unix:") {
            let is_path = !path.is_empty() && !path.contains('\0');
            return if is_path { Ok(Place::Unix(path.into())) } else { Err(PlaceError::Unknown) };
        }
        let (address, is_unprotected) = match text.strip_suffix(",unprotected") {
            Some(address) => (address, true),
            None => (text, false),
        };
        let port = address.strip_prefix(':').unwrap_or(address);
        let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let address = if is_port {
            let port = port.parse().map_err(|_| PlaceError::Port)?;
            SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
        } else if let Some(port) = address.strip_prefix("localhost:") {
            let port = port.parse().map_err(|_| PlaceError::Port)?;
            SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
        } else if address.parse::<IpAddr>().is_ok() {
            return Err(PlaceError::Port);
        } else {
            address.parse().map_err(|_| PlaceError::Unknown)?
        };
        if !address.ip().is_loopback() && !is_unprotected {
            return Err(PlaceError::Reachable);
        }
        Ok(Place::Tcp { address, is_unprotected })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Tcp { address, .. } => address.fmt(f),
            Place::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PlaceError::Unknown => "expected [ADDRESS]:PORT or unix:PATH",
            PlaceError::Port => "a port from 0 to 65535 is missing behind the address",
            PlaceError::Reachable => {
                "other machines reach this address, and nothing asks debuggers who they are: \
                 whoever connects can do to processes what the process server can; listen at \
                 127.0.0.1 and forward the port by ssh -L, or add ,unprotected to allow it"
            }
        })
    }
}

impl std::error::Error for PlaceError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(address: &str, is_unprotected: bool) -> Result<Place, PlaceError> {
        let address = address.parse().expect("an address");
        Ok(Place::Tcp { address, is_unprotected })
    }

    #[test]
    fn places_are_loopback_unless_somebody_says_otherwise() {
        for text in ["1234", ":1234", "127.0.0.1:1234", "localhost:1234"] {
            assert_eq!(Place::parse(text), tcp("127.0.0.1:1234", false), "{text}");
        }
        assert_eq!(Place::parse("[::1]:0"), tcp("[::1]:0", false));
        assert_eq!(Place::parse("0.0.0.0:1234"), Err(PlaceError::Reachable));
        assert_eq!(Place::parse("[::]:1234"), Err(PlaceError::Reachable));
        assert_eq!(Place::parse("0.0.0.0:1234,unprotected"), tcp("0.0.0.0:1234", true));
        assert_eq!(Place::parse("unix:/tmp/x"), Ok(Place::Unix("/tmp/x".into())));
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in ["", "host:1234", "unix:", "1.2.3.4:x", "stdio"] {
            assert_eq!(Place::parse(text), Err(PlaceError::Unknown), "{text}");
        }
        for text in ["70000", "127.0.0.1", "localhost:", "::1"] {
            assert_eq!(Place::parse(text), Err(PlaceError::Port), "{text}");
        }
    }
}
