//! Getting a link: to the process server that `-premote` names, or to an embedded one.

use std::time::Duration;

use dbglink::{ClientEndpoint, Link, LinkError, RunDir};

/// How long a process server may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The connection string asks for what is not there yet.
    #[error("-premote {0}: password= is not available yet")]
    Password(Box<ClientEndpoint>),
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
    if endpoint.password.is_some() {
        return Err(ConnectError::Password(Box::new(endpoint.clone())));
    }
    dbglink::connect(endpoint, &RunDir::of_this_user(), CONNECT_TIMEOUT)
        .map_err(|error| ConnectError::Unreachable(Box::new(endpoint.clone()), error))
}
