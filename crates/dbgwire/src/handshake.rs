//! How a connection begins: the client says who it is and which versions it speaks, the server
//! welcomes or refuses it. Pure: both sides hand in frames and get frames out. It knows no verb.
//!
//! A login, where a transport asks for one, happens below: what arrives here is already let in.

use prost::Message;

use crate::codec;
use crate::error::{DecodeError, ErrorCode, Fault};
use crate::frame::{FRAME_LEN_MAX, Frame, FrameKind};
use crate::message;
use crate::version::{self, Capabilities, PREFACE, PROTOCOL_VERSION, PROTOCOL_VERSION_MIN};

const HELLO: u16 = 1;
const WELCOME: u16 = 2;
const REFUSAL: u16 = 3;

/// The client's first message.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Hello {
    /// The oldest version it speaks.
    #[prost(uint32, tag = "1")]
    pub version_min: u32,
    /// The newest version it speaks.
    #[prost(uint32, tag = "2")]
    pub version_max: u32,
    /// Its program's name and version, for logs.
    #[prost(string, tag = "3")]
    pub program: String,
    /// Its [`Capabilities`].
    #[prost(fixed64, tag = "4")]
    pub capabilities: u64,
    /// How much of a stopped thread's stack stop events should carry; 0 leaves it to the server.
    #[prost(uint32, tag = "5")]
    pub stack_window_len: u32,
    /// The token of a session whose link was lost, to take it up again; empty for a new session.
    #[prost(bytes = "vec", tag = "6")]
    pub resume_token: Vec<u8>,
    /// With a token: how many frames of the session have arrived, the Welcome not counted.
    #[prost(uint64, tag = "7")]
    pub frames_arrived: u64,
}

/// The server lets the client in.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Welcome {
    /// The version both will speak.
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// The server's name and version, for logs.
    #[prost(string, tag = "2")]
    pub program: String,
    /// Its [`Capabilities`].
    #[prost(fixed64, tag = "3")]
    pub capabilities: u64,
    /// The CPU of its machine, as uname(2) calls it.
    #[prost(string, tag = "4")]
    pub arch: String,
    /// The most bytes a frame may hold behind its header, both ways.
    #[prost(uint32, tag = "5")]
    pub frame_len_max: u32,
    /// What the server calls this session.
    #[prost(uint32, tag = "6")]
    pub session: u32,
    /// What to show to take this session up again after a lost link; empty if that cannot be.
    #[prost(bytes = "vec", tag = "7")]
    pub resume_token: Vec<u8>,
    /// How long a lost session waits to be taken up.
    #[prost(uint32, tag = "8")]
    pub lease_s: u32,
    /// To a client that takes its session up again: how many of its requests have arrived.
    #[prost(uint64, tag = "9")]
    pub requests_arrived: u64,
}

/// The server does not let the client in.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Refusal {
    /// [`ErrorCode::number`].
    #[prost(uint32, tag = "1")]
    pub code: u32,
    /// Why, for people.
    #[prost(string, tag = "2")]
    pub detail: String,
    /// The oldest version the server speaks.
    #[prost(uint32, tag = "3")]
    pub version_min: u32,
    /// The newest version the server speaks.
    #[prost(uint32, tag = "4")]
    pub version_max: u32,
}

impl Hello {
    /// A Hello for a new session by this build.
    pub fn new(program: impl Into<String>) -> Hello {
        Hello {
            version_min: PROTOCOL_VERSION_MIN,
            version_max: PROTOCOL_VERSION,
            program: program.into(),
            ..Hello::default()
        }
    }

    /// What the client writes first: the preface and this message.
    pub fn encode(&self) -> Vec<u8> {
        opening(HELLO, self)
    }

    /// The client's Hello.
    ///
    /// **Errors**: [`DecodeError`] if the frame is something else.
    pub fn decode(frame: &Frame) -> Result<Hello, DecodeError> {
        if frame.kind != FrameKind::Handshake || frame.opcode != HELLO {
            return Err(DecodeError::Unexpected);
        }
        codec::decode(frame.message.clone())
    }

    /// The version to speak with this client, or the refusal that tells it that there is none.
    pub fn negotiate(&self) -> Result<u32, Refusal> {
        let ours = (PROTOCOL_VERSION_MIN, PROTOCOL_VERSION);
        version::negotiate(ours, (self.version_min, self.version_max)).ok_or_else(|| Refusal {
            code: ErrorCode::VersionMismatch.number(),
            detail: format!(
                "the client is not using the same version of the remoting protocol as the server: \
                 the client speaks {} to {}, the server {} to {}",
                self.version_min, self.version_max, ours.0, ours.1
            ),
            version_min: ours.0,
            version_max: ours.1,
        })
    }
}

impl Welcome {
    /// What the server writes first to a client it lets in: the preface and this message.
    pub fn encode(&self) -> Vec<u8> {
        opening(WELCOME, self)
    }

    /// What the server said to a Hello.
    ///
    /// **Errors**: the server's refusal as a fault, or [`ErrorCode::Malformed`] if the frame is
    /// neither.
    pub fn decode(frame: &Frame) -> Result<Welcome, Fault> {
        let malformed = |error: DecodeError| {
            Fault::new(ErrorCode::Malformed, format!("the server's greeting: {error}"))
        };
        match (frame.kind, frame.opcode) {
            (FrameKind::Handshake, WELCOME) => {
                let welcome: Welcome = codec::decode(frame.message.clone()).map_err(malformed)?;
                let spoken = PROTOCOL_VERSION_MIN..=PROTOCOL_VERSION;
                if !spoken.contains(&welcome.version) {
                    return Err(malformed(DecodeError::BadField { field: "version" }));
                }
                Ok(welcome)
            }
            (FrameKind::Handshake, REFUSAL) => {
                let refusal: Refusal = codec::decode(frame.message.clone()).map_err(malformed)?;
                Err(Fault::new(
                    ErrorCode::from_number(refusal.code),
                    message::sentence(&refusal.detail),
                ))
            }
            _ => Err(malformed(DecodeError::Unexpected)),
        }
    }

    /// The limit for frames on this connection, kept within what this build can take.
    pub fn frame_len_max(&self) -> u32 {
        match self.frame_len_max {
            0 => FRAME_LEN_MAX,
            announced => announced.min(FRAME_LEN_MAX),
        }
    }

    /// The server's capabilities.
    pub fn capabilities(&self) -> Capabilities {
        Capabilities(self.capabilities)
    }
}

impl Refusal {
    /// What the server writes to a client it does not let in, before it closes the link. The detail
    /// is cut to [`message::DETAIL_LEN_MAX`], so it always fits.
    pub fn encode(&self) -> Vec<u8> {
        let mut refusal = self.clone();
        message::cut_detail(&mut refusal.detail);
        opening(REFUSAL, &refusal)
    }
}

fn opening(opcode: u16, message: &impl Message) -> Vec<u8> {
    let mut bytes = PREFACE.to_vec();
    // A handshake message is far below the limit of its frame; one that is not is sent as nothing,
    // and the peer reports that the connection ended.
    if let Ok(encoded) = message::handshake(opcode, message) {
        bytes.extend_from_slice(&encoded.head);
    }
    bytes
}

#[cfg(test)]
#[path = "handshake/tests.rs"]
mod tests;
