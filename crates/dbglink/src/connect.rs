//! From a client's endpoint to a link: which transport opens it, and what is put around it.

use crate::connect_string::{
    ClientTransport, HostName, Password, PasswordSource, PipeName, SslReverseClient,
    TcpReverseClient,
};
use crate::reverse::Awaited;
use crate::secret::{Secret, read_password};
use crate::ssh::{self, Asking};
use crate::this_machine::is_this_machine;
use crate::tls::{self, Credentials, Identity};
use crate::{ClientEndpoint, Link, LinkError, RunDir, exec, relays, tcp, unix, vsock};
use std::time::Duration;

/// How long a server that has been reached, or has called, may take to say who it is.
pub(crate) const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(30);

/// Connects to a process server, and proves to it what the endpoint says: a certificate, a
/// password.
///
/// With `clicon=` it is the server that connects; see [`await_server`](crate::await_server) for
/// saying where.
///
/// **Units**: `timeout` bounds the waiting for the server; the resolver's time is not counted, and
/// a TLS handshake may take as long again.
/// `run_dir` is where pipes of this machine are looked for; those of others are reached by ssh(1),
/// which may take longer, and asks nobody who sits at a terminal.
///
/// **Errors**: [`LinkError`]; for `com`, [`LinkError::NotAvailable`].
pub fn connect(
    endpoint: &ClientEndpoint,
    run_dir: &RunDir,
    timeout: Duration,
) -> Result<Link, LinkError> {
    connect_by(&Way::new(endpoint, timeout)?, endpoint, run_dir, timeout, Asking::Nobody)
}

/// As [`connect`], with what the way to the endpoint takes, and whom ssh may ask.
pub(crate) fn connect_by(
    way: &Way,
    endpoint: &ClientEndpoint,
    run_dir: &RunDir,
    timeout: Duration,
    asking: Asking,
) -> Result<Link, LinkError> {
    let pipe_link = |server: &HostName, pipe: &PipeName| match is_this_machine(server.as_str()) {
        true => unix::connect_to(pipe, run_dir, timeout),
        false => ssh::connect_to(server, pipe, timeout, asking, variable_of(endpoint)),
    };
    match &endpoint.transport {
        ClientTransport::Npipe(npipe) => {
            way.encrypt(pipe_link(&npipe.server, &npipe.pipe)?, &npipe.server)
        }
        ClientTransport::Tcp(tcp) => {
            way.encrypt(tcp::connect_to(&tcp.server, tcp.port, timeout)?, &tcp.server)
        }
        ClientTransport::Spipe(spipe) => {
            way.encrypt(pipe_link(&spipe.server, &spipe.pipe)?, &spipe.server)
        }
        ClientTransport::Ssl(ssl) => {
            way.encrypt(tcp::connect_to(&ssl.server, ssl.port, timeout)?, &ssl.server)
        }
        ClientTransport::TcpReverse(TcpReverseClient { port, server, .. })
        | ClientTransport::SslReverse(SslReverseClient { port, server, .. }) => {
            Awaited::at(*port, server, endpoint)?.accept(timeout, |_| ())
        }
        ClientTransport::Vsock(vsock) => {
            let link = vsock::connect_to(vsock.cid, vsock.port, timeout)?;
            way.encrypt_as(link, &format!("vsock cid {}", vsock.cid))
        }
        ClientTransport::Exec(command) => exec::start(command),
        ClientTransport::Com(_) => Err(LinkError::NotAvailable { transport: endpoint.transport() }),
    }
}

/// The variable of the environment that holds the password, if one does.
fn variable_of(endpoint: &ClientEndpoint) -> Option<&str> {
    match endpoint.password.as_ref().map(Password::source) {
        Some(PasswordSource::Environment(name)) => Some(name),
        _ => None,
    }
}

/// What is put around a link: TLS, if the transport says so or there is a password to prove.
pub(crate) struct Way {
    credentials: Option<Credentials>,
    password: Option<Secret>,
    timeout: Duration,
}

impl Way {
    /// That of an endpoint.
    ///
    /// **Errors**: [`LinkError::Certificate`], [`LinkError::Password`].
    pub(crate) fn new(endpoint: &ClientEndpoint, timeout: Duration) -> Result<Way, LinkError> {
        let credentials = endpoint.transport.tls().map(Credentials::load).transpose()?;
        let password = endpoint.password.as_ref().map(read_password).transpose()?;
        Ok(Way { credentials, password, timeout })
    }

    /// Speaks TLS on a link with the server on a machine, if the endpoint asks for it. What comes
    /// of it is the end of a socket pair then, at whose other end a thread encrypts.
    pub(crate) fn encrypt(&self, link: Link, server: &HostName) -> Result<Link, LinkError> {
        self.encrypt_as(link, ssh::machine(server))
    }

    fn encrypt_as(&self, link: Link, server: &str) -> Result<Link, LinkError> {
        let identity = match &self.credentials {
            Some(credentials) => Identity::Certificate(credentials),
            None if self.password.is_some() => Identity::Ephemeral,
            None => return Ok(link),
        };
        let password = self.password.as_ref().map(Secret::as_bytes);
        let failed = |reason| LinkError::Tls { with: server.to_owned(), reason };
        let socket = link.into_fd()?;
        let encrypted = tls::connect(socket, identity, server, password, self.timeout);
        let encrypted = encrypted.map_err(failed)?;
        let (link, inner) = Link::pair()?;
        let inner = inner.into_fd()?;
        relays::start(&link, move || encrypted.relay(inner))?;
        Ok(link)
    }
}
