//! Telling a service manager how the server is: sd_notify(3), datagrams of lines `NAME=VALUE` to
//! the socket that it names. It knows how things are told, not when.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

/// How long a manager may take to take what it is told.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who has started the server and wants to know how it is; often nobody.
#[derive(Default)]
pub struct Supervisor {
    place: Option<(OwnedFd, SocketAddrUnix)>,
    /// What it was told last of what the server does.
    status: String,
}

impl Supervisor {
    /// The one at a socket, as `NOTIFY_SOCKET` names it: a path, or `@NAME` in the abstract
    /// namespace.
    ///
    /// **Errors**: a sentence that names it.
    pub fn at(place: Option<OsString>) -> Result<Supervisor, String> {
        let Some(place) = place.filter(|place| !place.is_empty()) else {
            return Ok(Supervisor::default());
        };
        let failed = |why: &dyn std::fmt::Display| {
            format!("the service manager at {} cannot be told: {why}", place.display())
        };
        let address = address(&place).ok_or_else(|| failed(&"it is no unix socket"))?;
        let flags = SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None);
        let socket = socket.map_err(|errno| failed(&errno))?;
        set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE)).map_err(|it| failed(&it))?;
        Ok(Supervisor { place: Some((socket, address)), status: String::new() })
    }

    /// The server is ready for clients.
    ///
    /// **Errors**: a sentence; so do the others.
    pub fn ready(&mut self, status: &str) -> Result<(), String> {
        status.clone_into(&mut self.status);
        let pid = std::process::id();
        self.tell(&format!("READY=1\nMAINPID={pid}\nSTATUS={status}\n"))
    }

    /// What the server does. It is told only if it has changed.
    pub fn status(&mut self, status: &str) -> Result<(), String> {
        if self.place.is_none() || self.status == status {
            return Ok(());
        }
        status.clone_into(&mut self.status);
        self.tell(&format!("STATUS={status}\n"))
    }

    /// The server begins to end.
    pub fn stopping(&mut self, status: &str) -> Result<(), String> {
        self.tell(&format!("STOPPING=1\nSTATUS={status}\n"))
    }

    fn tell(&self, text: &str) -> Result<(), String> {
        let Some((socket, address)) = &self.place else { return Ok(()) };
        let flags = SendFlags::NOSIGNAL;
        let sent = rustix::net::sendto(socket, text.as_bytes(), flags, address);
        sent.map(drop).map_err(|errno| format!("the service manager cannot be told: {errno}"))
    }
}

fn address(place: &OsStr) -> Option<SocketAddrUnix> {
    match place.as_bytes() {
        [b'@', name @ ..] => SocketAddrUnix::new_abstract_name(name).ok(),
        path @ [b'/', ..] => SocketAddrUnix::new(path).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_nothing() {
        for place in [None, Some(OsString::new())] {
            let mut nobody = Supervisor::at(place).expect("there is none");
            nobody.ready("x").and_then(|()| nobody.stopping("y")).expect("nothing to do");
        }
    }

    #[test]
    fn a_place_that_is_none_is_named() {
        for place in ["vsock:2:1234", "relative", &format!("/{}", "x".repeat(200))] {
            let said = Supervisor::at(Some(place.into())).err().expect("no unix socket");
            assert!(said.contains(place), "{said}");
        }
        let mut gone = Supervisor::at(Some("/nonexistent/notify".into())).expect("a path");
        assert!(gone.ready("x").expect_err("nobody is there").contains("cannot be told"));
    }
}
