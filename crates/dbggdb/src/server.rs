//! Getting a link: to the process server that `-premote` names, or to an embedded one.

use std::time::Duration;

use dbglink::{ClientEndpoint, Link, LinkError, RunDir};

/// How long a process server may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a server's call is awaited: somebody may have to start it on another machine.
const CALL_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The server cannot be reached.
    #[error("cannot connect to {0}: {1}")]
    Unreachable(Box<ClientEndpoint>, LinkError),
    /// There can be no embedded server.
    #[error("cannot start a process server of its own: {0}")]
    Embedded(#[from] dbgsrv::error::ServerError),
}

/// A new link to the server, or to a new embedded one.
pub(crate) fn connect(endpoint: Option<&ClientEndpoint>) -> Result<Link, ConnectError> {
    let Some(endpoint) = endpoint else {
        let report = |report: dbgsrv::local::Report| eprintln!("dbggdb: {report}");
        return Ok(dbgsrv::local::start(report)?);
    };
    let unreachable = |error| ConnectError::Unreachable(Box::new(endpoint.clone()), error);
    let link = match dbglink::await_server(endpoint).map_err(unreachable)? {
        Some(awaited) => {
            let (server, port) = (awaited.server(), awaited.port());
            eprintln!(
                "dbggdb: waiting for the process server on {server} to connect to port {port}"
            );
            let report =
                |error: &LinkError| eprintln!("dbggdb: {error}; still waiting for {server}");
            awaited.accept(CALL_TIMEOUT, report)
        }
        None => dbglink::connect(endpoint, &RunDir::of_this_user(), CONNECT_TIMEOUT),
    };
    link.map_err(unreachable)
}
