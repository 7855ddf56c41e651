//! Errors of the protocol: what a peer answers instead of a reply, by number, and what this crate
//! says of bytes it cannot decode. It knows no text but the numbers' names.

use std::fmt;

/// Bytes that are no message of the kind they should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeError {
    /// They do not decode.
    Malformed,
    /// The frame is of another kind or opcode than the one expected.
    Unexpected,
    /// The message decodes, but a field holds what its documentation rules out.
    BadField {
        /// The field's name.
        field: &'static str,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Malformed => f.write_str("the message cannot be decoded"),
            DecodeError::Unexpected => f.write_str("another message was expected"),
            DecodeError::BadField { field } => write!(f, "the field {field} has no valid value"),
        }
    }
}

impl std::error::Error for DecodeError {}

macro_rules! error_codes {
    ($($(#[doc = $doc:literal])* $name:ident = $number:literal,)*) => {
        /// Why a request was not carried out. Clients branch on this and on nothing else. Numbers
        /// are never reused; a number this build does not know reads as [`ErrorCode::Unknown`].
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[doc = $doc])* $name,)*
            /// A number of a later version.
            Unknown(u32),
        }

        impl ErrorCode {
            /// Every code this build knows.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name),*];

            /// The number on the wire.
            pub const fn number(self) -> u32 {
                match self {
                    $(ErrorCode::$name => $number,)*
                    ErrorCode::Unknown(number) => number,
                }
            }

            /// The code with this number.
            pub const fn from_number(number: u32) -> ErrorCode {
                match number {
                    $($number => ErrorCode::$name,)*
                    _ => ErrorCode::Unknown(number),
                }
            }
        }
    };
}

error_codes! {
    /// The server met a state it did not expect. Its log says more; the session goes on.
    Internal = 1,
    /// The request's message cannot be decoded or a field holds what its documentation rules out.
    Malformed = 2,
    /// The server does not know the verb. It is older than the client.
    UnknownVerb = 3,
    /// A list, length or count in the request is above its limit.
    TooLarge = 4,
    /// No version of the protocol is spoken by both sides.
    VersionMismatch = 5,
    /// The system, or the server's configuration, forbids it.
    NotPermitted = 6,
    /// There is no process with this id.
    NoSuchProcess = 7,
    /// The session has no target with this id (any more).
    NoSuchTarget = 8,
    /// The target has no thread with this id (any more).
    NoSuchThread = 9,
    /// The process is being debugged already.
    AlreadyTraced = 10,
    /// The verb needs a stopped target, and it runs.
    NotStopped = 11,
    /// The request names a stop that is not the target's present one.
    StaleStop = 12,
    /// No byte can be read at the address.
    Unreadable = 13,
    /// No byte can be written at the address.
    Unwritable = 14,
    /// There is no file of this name, or no open file with this handle.
    NoSuchFile = 15,
    /// The file exists already.
    FileExists = 16,
    /// The program could not be started.
    LaunchFailed = 17,
    /// The site's id is in use or unknown in this target.
    NoSuchSite = 18,
    /// No more of this is to be had: sites, slots, targets, open files.
    LimitReached = 19,
    /// The server, its machine, or this target cannot do that.
    Unsupported = 20,
    /// The target ended before the request was carried out.
    TargetEnded = 21,
    /// A file or system call failed; `errno` says how.
    SystemError = 22,
    /// The session, or the server, is ending.
    Ending = 23,
    /// A call that a thread was made to make did not come to its end; the thread is as before.
    CallUnwound = 24,
    /// The session that was to be taken up again has ended, or is another user's.
    NoSuchSession = 25,
}

/// Why a request was not carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What clients branch on.
    pub code: ErrorCode,
    /// The system's error number (errno(3)), where a system call failed.
    pub errno: Option<i32>,
    /// A sentence for people, naming the thing, the number and the way out.
    pub detail: String,
}

impl Fault {
    /// A fault without a system error.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Fault {
        Fault { code, errno: None, detail: detail.into() }
    }

    /// The same fault with the system's error number.
    pub fn with_errno(self, errno: i32) -> Fault {
        Fault { errno: Some(errno), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() {
            write!(f, "error {}", self.code.number())
        } else {
            f.write_str(&self.detail)
        }
    }
}

impl std::error::Error for Fault {}

/// [`Fault`] as it travels.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FaultMessage {
    /// [`ErrorCode::number`].
    #[prost(uint32, tag = "1")]
    pub code: u32,
    /// [`Fault::errno`].
    #[prost(int32, optional, tag = "2")]
    pub errno: Option<i32>,
    /// [`Fault::detail`].
    #[prost(string, tag = "3")]
    pub detail: String,
}

impl From<&Fault> for FaultMessage {
    fn from(fault: &Fault) -> FaultMessage {
        FaultMessage { code: fault.code.number(), errno: fault.errno, detail: fault.detail.clone() }
    }
}

impl From<FaultMessage> for Fault {
    fn from(message: FaultMessage) -> Fault {
        Fault {
            code: ErrorCode::from_number(message.code),
            errno: message.errno,
            detail: crate::message::sentence(&message.detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_read_back() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_number(code.number()), *code);
        }
        assert_eq!(ErrorCode::from_number(9999), ErrorCode::Unknown(9999));
    }
}
