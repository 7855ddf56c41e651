//! The route to one process server, for a client that needs more than one link: another one when
//! the first is lost. It reads certificates and passwords once, and listens once. It does not know
//! what is said on a link.

use std::time::Duration;

use crate::connect::{HANDSHAKE_PATIENCE, Way, connect_by};
use crate::connect_string::{ClientTransport, HostName};
use crate::reverse::Awaited;
use crate::ssh::Asking;
use crate::this_machine::is_this_machine;
use crate::{ClientEndpoint, Link, LinkError, RunDir, await_server};

/// How long a process server may take to answer at first.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a server's first call is awaited: somebody may have to start it on another machine.
const CALL_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// The route to one process server.
pub struct Route {
    endpoint: ClientEndpoint,
    run_dir: RunDir,
    by: By,
}

/// Who opens the links.
enum By {
    /// The client.
    Us(Way),
    /// The server: it calls.
    Server(Awaited),
}

impl Route {
    /// The route to the server of an endpoint. `run_dir` is where pipes are looked for. With
    /// `clicon=` the client listens from now on.
    ///
    /// **Errors**: [`LinkError`], of ports, certificates and passwords.
    /// **Cost**: no connection; the files of certificates and passwords are read.
    pub fn new(endpoint: &ClientEndpoint, run_dir: RunDir) -> Result<Route, LinkError> {
        let by = match await_server(endpoint)? {
            Some(awaited) => By::Server(awaited),
            None => By::Us(Way::new(endpoint, HANDSHAKE_PATIENCE)?),
        };
        Ok(Route { endpoint: endpoint.clone(), run_dir, by })
    }

    /// Whose call the route begins with, and at which port it is awaited; `None` if it is the
    /// client that connects.
    pub fn awaited(&self) -> Option<(&HostName, u16)> {
        match &self.by {
            By::Us(_) => None,
            By::Server(awaited) => Some((awaited.server(), awaited.port())),
        }
    }

    /// How long it is worth waiting for the first link.
    pub fn patience(&self) -> Duration {
        match self.by {
            By::Us(_) => CONNECT_TIMEOUT,
            By::Server(_) => CALL_TIMEOUT,
        }
    }

    /// Opens a link, as [`connect`](crate::connect) does. `report` is told of callers that turn out
    /// not to be the server: it is waited for nevertheless.
    ///
    /// **Errors**: [`LinkError`].
    pub fn open(
        &self,
        timeout: Duration,
        report: impl FnMut(&LinkError),
    ) -> Result<Link, LinkError> {
        self.open_by(timeout, report, Asking::Nobody)
    }

    /// The same for a program whose user sits at its terminal and is waiting for this: `ssh`, by
    /// which pipes of other machines are reached, may ask there for passwords and the like. Until
    /// it is done, nobody else in this process may read the terminal.
    ///
    /// **Errors**: [`LinkError`].
    pub fn open_asking(
        &self,
        timeout: Duration,
        report: impl FnMut(&LinkError),
    ) -> Result<Link, LinkError> {
        self.open_by(timeout, report, Asking::AtTerminal)
    }

    fn open_by(
        &self,
        timeout: Duration,
        report: impl FnMut(&LinkError),
        asking: Asking,
    ) -> Result<Link, LinkError> {
        match &self.by {
            By::Us(way) => connect_by(way, &self.endpoint, &self.run_dir, timeout, asking),
            By::Server(awaited) => awaited.accept(timeout, report),
        }
    }

    /// Whether a link may be lost that another one, to the same server, can follow. A socket
    /// between two processes of one machine is lost only with one of them, and a command is started
    /// anew with a server of its own.
    pub fn leads_back(&self) -> bool {
        match &self.endpoint.transport {
            ClientTransport::Exec(_) => false,
            ClientTransport::Npipe(npipe) => {
                self.endpoint.password.is_some() || !is_this_machine(npipe.server.as_str())
            }
            _ => true,
        }
    }
}
