//! What can keep a server or a session from running. Faults of single requests are
//! [`dbgwire::Fault`]s instead.

/// Why a server or session cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The place to listen at, or a link, cannot be had.
    #[error(transparent)]
    Link(#[from] dbglink::LinkError),
    /// The command line of a session process is none that a listener writes.
    #[error("session processes are started by dbgsrv itself, not by hand")]
    NotASession,
    /// The program of `-c` or `-cs` cannot be started.
    #[error("{reason}")]
    Start {
        /// Which, and why.
        reason: String,
    },
    /// What a login process has to know cannot be had.
    #[error("{0}")]
    NoTask(String),
    /// What a service manager has handed over cannot be used.
    #[error("{0}")]
    Handed(String),
    /// The firewall cannot be opened.
    #[error("{0}")]
    Firewall(String),
    /// The audit trail cannot be written.
    #[error("cannot write {place}: {reason}; -audit says where else, or none")]
    Audit {
        /// Which.
        place: String,
        /// The system's answer.
        reason: std::io::Error,
    },
    /// The client that was called has gone, and a server with `clicon=` has no other.
    #[error("the client has gone; start this server again for the next one")]
    ClientGone,
    /// This machine's CPU is none that is supported.
    #[error("this server does not know the CPU it was compiled for")]
    UnknownCpu,
    /// A system call failed.
    #[error("cannot {what}: {reason}")]
    System {
        /// What was to be done.
        what: &'static str,
        /// Why it failed.
        reason: std::io::Error,
    },
}

/// Makes a [`ServerError::System`] of a failed call.
pub(crate) fn system<E: Into<std::io::Error>>(what: &'static str) -> impl Fn(E) -> ServerError {
    move |error| ServerError::System { what, reason: error.into() }
}
