//! From a client's endpoint to a link: which transport opens it.

use crate::connect_string::ClientTransport;
use crate::{ClientEndpoint, Link, LinkError, RunDir, tcp, unix};
use std::time::Duration;

/// Connects to a process server. Who it is and what it wants to know first is not looked at: the
/// password of the endpoint is the caller's to use.
///
/// **Units**: `timeout` bounds the waiting for the server; the resolver's time is not counted.
/// `run_dir` is where pipes are looked for.
///
/// **Errors**: [`LinkError`]; for transports that cannot be opened yet,
/// [`LinkError::NotAvailable`].
pub fn connect(
    endpoint: &ClientEndpoint,
    run_dir: &RunDir,
    timeout: Duration,
) -> Result<Link, LinkError> {
    match &endpoint.transport {
        ClientTransport::Npipe(npipe) => {
            unix::connect_to(&npipe.server, &npipe.pipe, run_dir, timeout)
        }
        ClientTransport::Tcp(tcp) => tcp::connect_to(&tcp.server, tcp.port, timeout),
        ClientTransport::TcpReverse(_)
        | ClientTransport::Com(_)
        | ClientTransport::Spipe(_)
        | ClientTransport::Ssl(_)
        | ClientTransport::SslReverse(_) => {
            Err(LinkError::NotAvailable { transport: endpoint.transport() })
        }
    }
}
