//! What goes wrong in the engine: one opaque error with a kind to branch on, one sentence for
//! people, and the error below it. It knows how the kinds of the lower crates map to its own.

use dbgwire::{ErrorCode, Fault};

/// What kind of failure it is. Front ends branch on this and on nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ErrorKind {
    /// The link to the process server is lost.
    NotConnected,
    /// The server did not carry out the request for a reason of its own.
    ServerRefused,
    /// Client and server share no version of the protocol.
    VersionMismatch,
    /// The system, or the server's configuration, forbids it.
    NotPermitted,
    /// There is no such process.
    NoSuchProcess,
    /// The process is being debugged by someone else.
    AlreadyTraced,
    /// The target must stand still for this, and it runs.
    NotStopped,
    /// Nothing is being debugged.
    NoTarget,
    /// There is no such thread.
    NoSuchThread,
    /// There is no such breakpoint.
    NoSuchBreakpoint,
    /// No symbol has this name.
    UnknownSymbol,
    /// Several symbols have this name.
    AmbiguousSymbol,
    /// The expression cannot be understood.
    BadExpression,
    /// The memory cannot be read.
    Unreadable,
    /// The memory cannot be written.
    Unwritable,
    /// The program could not be started.
    LaunchFailed,
    /// The server, the target or this build cannot do that.
    Unsupported,
    /// The target ended before it was done.
    TargetEnded,
    /// What was named does not exist: a module, a file, a register.
    NotFound,
    /// No more of this is to be had.
    LimitReached,
    /// The user interrupted it.
    Cancelled,
    /// The caller's arguments make no sense together.
    Invalid,
    /// A state that should not be; the engine's or the server's mistake.
    Internal,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: &'static [ErrorKind] = &[
        ErrorKind::NotConnected,
        ErrorKind::ServerRefused,
        ErrorKind::VersionMismatch,
        ErrorKind::NotPermitted,
        ErrorKind::NoSuchProcess,
        ErrorKind::AlreadyTraced,
        ErrorKind::NotStopped,
        ErrorKind::NoTarget,
        ErrorKind::NoSuchThread,
        ErrorKind::NoSuchBreakpoint,
        ErrorKind::UnknownSymbol,
        ErrorKind::AmbiguousSymbol,
        ErrorKind::BadExpression,
        ErrorKind::Unreadable,
        ErrorKind::Unwritable,
        ErrorKind::LaunchFailed,
        ErrorKind::Unsupported,
        ErrorKind::TargetEnded,
        ErrorKind::NotFound,
        ErrorKind::LimitReached,
        ErrorKind::Cancelled,
        ErrorKind::Invalid,
        ErrorKind::Internal,
    ];

    /// The kind that a server's error code means to a caller of the engine.
    pub(crate) fn of_code(code: ErrorCode) -> ErrorKind {
        match code {
            ErrorCode::Internal | ErrorCode::Malformed | ErrorCode::StaleStop => {
                ErrorKind::Internal
            }
            ErrorCode::UnknownVerb | ErrorCode::Unsupported => ErrorKind::Unsupported,
            ErrorCode::TooLarge | ErrorCode::LimitReached => ErrorKind::LimitReached,
            ErrorCode::VersionMismatch => ErrorKind::VersionMismatch,
            ErrorCode::NotPermitted => ErrorKind::NotPermitted,
            ErrorCode::NoSuchProcess => ErrorKind::NoSuchProcess,
            ErrorCode::NoSuchTarget | ErrorCode::TargetEnded => ErrorKind::TargetEnded,
            ErrorCode::NoSuchThread => ErrorKind::NoSuchThread,
            ErrorCode::AlreadyTraced => ErrorKind::AlreadyTraced,
            ErrorCode::NotStopped => ErrorKind::NotStopped,
            ErrorCode::Unreadable => ErrorKind::Unreadable,
            ErrorCode::Unwritable => ErrorKind::Unwritable,
            ErrorCode::NoSuchFile => ErrorKind::NotFound,
            ErrorCode::LaunchFailed => ErrorKind::LaunchFailed,
            ErrorCode::Ending => ErrorKind::NotConnected,
            ErrorCode::NoSuchSite => ErrorKind::Internal,
            _ => ErrorKind::ServerRefused,
        }
    }
}

/// Why the engine could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of this kind. The message is one sentence: lower case, no full stop, naming the
    /// thing and the number, and the way out if one is known.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into(), source: None }
    }

    /// The same error, caused by `source`.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Error {
        self.source = Some(source.into());
        self
    }

    /// The same error with what was being done in front of its sentence.
    #[must_use]
    pub fn context(mut self, doing: impl std::fmt::Display) -> Error {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// What callers branch on.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The error for a target that must stand still.
    pub(crate) fn not_stopped() -> Error {
        Error::new(ErrorKind::NotStopped, "the target is running; interrupt it first")
    }

    /// The error when nothing is debugged.
    pub(crate) fn no_target() -> Error {
        Error::new(ErrorKind::NoTarget, "nothing is being debugged; launch or attach first")
    }
}

impl From<Fault> for Error {
    /// The server's own sentence, with the kind of its code.
    fn from(fault: Fault) -> Error {
        Error::new(ErrorKind::of_code(fault.code), fault.to_string())
    }
}
