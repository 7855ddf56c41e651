//! Getting a link: to the process server that `-premote` names, or to an embedded one.

use dbgeng::client::Return;
use dbglink::{ClientEndpoint, Link, LinkError, Route, RunDir};

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

/// A new link to the server, or to a new embedded one, and how it is followed by another when it is
/// lost, if it can be.
pub(crate) fn connect(
    endpoint: Option<&ClientEndpoint>,
) -> Result<(Link, Option<Return>), ConnectError> {
    let Some(endpoint) = endpoint else {
        let report = |report: dbgsrv::local::Report| eprintln!("dbggdb: {report}");
        return Ok((dbgsrv::local::start(report)?, None));
    };
    let unreachable = |error| ConnectError::Unreachable(Box::new(endpoint.clone()), error);
    let route = Route::new(endpoint, RunDir::of_this_user()).map_err(unreachable)?;
    if let Some((server, port)) = route.awaited() {
        eprintln!("dbggdb: waiting for the process server on {server} to connect to port {port}");
    }
    let report = |error: &LinkError| eprintln!("dbggdb: {error}; still waiting for the server");
    let link = route.open(route.patience(), report).map_err(unreachable)?;
    Ok((link, Return::along(route, |news| eprintln!("dbggdb: {news}"))))
}
