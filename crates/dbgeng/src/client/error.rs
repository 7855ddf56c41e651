//! Why a call on the server did not give a reply. It knows the engine's kinds of errors, so that
//! callers can pass a failure on with `?`.

use dbgwire::{DecodeError, ErrorCode, Fault, FrameError};

use crate::{Error, ErrorKind};

/// Why a call on the server did not give a reply.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CallError {
    /// The server said no, and why.
    #[error("{0}")]
    Refused(Fault),
    /// The link is lost, for this reason.
    #[error("the connection to the process server is lost: {0}")]
    Lost(String),
    /// The peer is some other program.
    #[error("the peer does not speak the dbgsrv protocol")]
    Stranger,
    /// The reply cannot be read.
    #[error("the server's reply to {verb}: {error}")]
    Malformed {
        /// What was asked.
        verb: &'static str,
        /// What is wrong with the reply.
        error: DecodeError,
    },
    /// The request is longer than a frame may be.
    #[error("the request {verb} is too long: {error}")]
    TooLong {
        /// What was to be asked.
        verb: &'static str,
        /// By how much.
        error: FrameError,
    },
    /// The wait was given up.
    #[error("interrupted by the user")]
    Cancelled,
}

impl CallError {
    /// The server's code, if it refused.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            CallError::Refused(fault) => Some(fault.code),
            _ => None,
        }
    }

    /// Whether the server refused because the target has ended, which an event tells.
    pub(crate) fn is_about_end(&self) -> bool {
        matches!(self.code(), Some(ErrorCode::TargetEnded | ErrorCode::NoSuchTarget))
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Error {
        let kind = match &error {
            CallError::Refused(fault) => ErrorKind::of_code(fault.code),
            CallError::Lost(_) => ErrorKind::NotConnected,
            CallError::Stranger => ErrorKind::VersionMismatch,
            CallError::Malformed { .. } | CallError::TooLong { .. } => ErrorKind::Internal,
            CallError::Cancelled => ErrorKind::Cancelled,
        };
        Error::new(kind, error.to_string())
    }
}
