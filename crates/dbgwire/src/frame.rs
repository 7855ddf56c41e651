//! How bytes are cut into frames, and frames are laid out as bytes. It does not know what a message
//! means, and reads nothing itself: the caller fills the buffer that [`Deframer::want`] hands out.
//!
//! ```text
//!   0            4      5      6           8           12          16
//!   +------------+------+------+-----------+-----------+-----------+-----------------+--------+
//!   | length     | kind | flags| opcode    | id        | tail len  | message         | tail   |
//!   | u32        | u8   | u8   | u16       | u32       | u32       | length-tail len | tail   |
//!   +------------+------+------+-----------+-----------+-----------+-----------------+--------+
//! ```
//!
//! All numbers are little-endian. `length` counts what follows the 16 bytes of the header: the
//! message (protobuf) and the tail (raw bytes, never copied on the way). `id` is the request's
//! number in requests, replies and faults, the event's in events, and in receipts how many frames
//! have arrived. Frames of an unknown kind are skipped whole, and unknown flags make a frame be
//! skipped likewise, so that later versions can add both.

use bytes::Bytes;

/// Bytes in a header.
pub const HEADER_LEN: usize = 16;
/// The most a frame may hold behind its header once the handshake is done.
pub const FRAME_LEN_MAX: u32 = 8 * 1024 * 1024;
/// The most a frame may hold behind its header before the handshake is done.
pub const HELLO_LEN_MAX: u32 = 4 * 1024;

/// What a frame is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameKind {
    /// The first frame of each direction: Hello, Welcome or Refusal.
    Handshake,
    /// Client to server: do this.
    Request,
    /// Server to client: done, and this is the result.
    Reply,
    /// Server to client: not done, and this is why.
    Fault,
    /// Server to client: this happened.
    Event,
    /// Client to server: so many frames have arrived; the id is their number modulo 2^32. They need
    /// not be kept for a new link any more.
    Receipt,
    /// Client to server: it ends the session, and will not come again.
    Farewell,
}

impl FrameKind {
    const fn number(self) -> u8 {
        match self {
            FrameKind::Handshake => 0,
            FrameKind::Request => 1,
            FrameKind::Reply => 2,
            FrameKind::Fault => 3,
            FrameKind::Event => 4,
            FrameKind::Receipt => 5,
            FrameKind::Farewell => 6,
        }
    }

    const fn from_number(number: u8) -> Option<FrameKind> {
        match number {
            0 => Some(FrameKind::Handshake),
            1 => Some(FrameKind::Request),
            2 => Some(FrameKind::Reply),
            3 => Some(FrameKind::Fault),
            4 => Some(FrameKind::Event),
            5 => Some(FrameKind::Receipt),
            6 => Some(FrameKind::Farewell),
            _ => None,
        }
    }
}

/// One frame, whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// What it is for.
    pub kind: FrameKind,
    /// Which verb or event the message belongs to.
    pub opcode: u16,
    /// The request's or event's number; in a receipt, how many frames have arrived.
    pub id: u32,
    /// The encoded message.
    pub message: Bytes,
    /// Raw bytes that belong to the message.
    pub tail: Bytes,
}

/// Bytes are no frames, or a message fits in none. When a peer's bytes are to blame, the link
/// cannot be used any further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameError {
    /// The peer does not begin as this protocol does; it is some other program.
    WrongPreface,
    /// A peer's header announces, or a message of our own needs, more than the limit in force.
    TooLong {
        /// How much, behind the header.
        length: u32,
        /// The limit.
        length_max: u32,
    },
    /// The header announces a tail longer than the frame.
    TailOutside {
        /// The tail's length.
        tail_length: u32,
        /// The frame's length.
        length: u32,
    },
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FrameError::WrongPreface => f.write_str("the peer does not speak the dbgsrv protocol"),
            FrameError::TooLong { length, length_max } => {
                write!(f, "a frame of {length} bytes is too long; the limit is {length_max}")
            }
            FrameError::TailOutside { tail_length, length } => {
                write!(f, "the peer announced a tail of {tail_length} bytes in a frame of {length}")
            }
        }
    }
}

impl std::error::Error for FrameError {}

/// The 16 bytes in front of a frame whose message and tail have these lengths.
pub(crate) fn header(
    kind: FrameKind,
    opcode: u16,
    id: u32,
    message_len: u32,
    tail_len: u32,
) -> [u8; HEADER_LEN] {
    let mut bytes = [0; HEADER_LEN];
    let [a, b, c, d] = message_len.saturating_add(tail_len).to_le_bytes();
    let [o, p] = opcode.to_le_bytes();
    let [i, j, k, l] = id.to_le_bytes();
    let [s, t, u, v] = tail_len.to_le_bytes();
    bytes.copy_from_slice(&[a, b, c, d, kind.number(), 0, o, p, i, j, k, l, s, t, u, v]);
    bytes
}

/// What a header says.
#[derive(Clone, Copy)]
struct Header {
    /// `None` for a frame to be skipped.
    kind: Option<FrameKind>,
    opcode: u16,
    id: u32,
    tail_len: u32,
    length: u32,
}

fn parse_header(bytes: [u8; HEADER_LEN], length_max: u32) -> Result<Header, FrameError> {
    let [a, b, c, d, kind, flags, o, p, i, j, k, l, s, t, u, v] = bytes;
    let length = u32::from_le_bytes([a, b, c, d]);
    let tail_len = u32::from_le_bytes([s, t, u, v]);
    if length > length_max {
        return Err(FrameError::TooLong { length, length_max });
    }
    if tail_len > length {
        return Err(FrameError::TailOutside { tail_length: tail_len, length });
    }
    Ok(Header {
        kind: FrameKind::from_number(kind).filter(|_| flags == 0),
        opcode: u16::from_le_bytes([o, p]),
        id: u32::from_le_bytes([i, j, k, l]),
        tail_len,
        length,
    })
}

enum State {
    Preface { bytes: [u8; crate::version::PREFACE.len()], filled: usize },
    Header { bytes: [u8; HEADER_LEN], filled: usize },
    Body { header: Header, bytes: Vec<u8>, filled: usize },
}

/// Cuts a peer's bytes into frames, without reading them itself and without copying their bodies.
///
/// Call [`want`](Deframer::want), put as many bytes as there are at the front of the slice, and
/// tell [`filled`](Deframer::filled) how many.
pub struct Deframer {
    state: State,
    length_max: u32,
}

impl Deframer {
    /// At the very start of a connection: the preface is expected, then small frames.
    pub fn new() -> Deframer {
        Deframer {
            state: State::Preface { bytes: [0; crate::version::PREFACE.len()], filled: 0 },
            length_max: HELLO_LEN_MAX,
        }
    }

    /// Sets how long frames may be from the next header on.
    pub fn set_length_max(&mut self, length_max: u32) {
        self.length_max = length_max;
    }

    /// Where the peer's next bytes belong. Never empty.
    pub fn want(&mut self) -> &mut [u8] {
        let (bytes, filled): (&mut [u8], usize) = match &mut self.state {
            State::Preface { bytes, filled } => (bytes, *filled),
            State::Header { bytes, filled } => (bytes, *filled),
            State::Body { bytes, filled, .. } => (bytes, *filled),
        };
        bytes.get_mut(filled..).unwrap_or_default()
    }

    /// Takes note that the first `count` bytes of [`want`](Deframer::want) are the peer's.
    ///
    /// **Shape**: `None` until a frame is whole. Frames of unknown kind are swallowed.
    /// **Errors**: [`FrameError`]; the deframer must not be used after one.
    pub fn filled(&mut self, count: usize) -> Result<Option<Frame>, FrameError> {
        match &mut self.state {
            State::Preface { bytes, filled } => {
                *filled += count;
                let got = bytes.get(..*filled).unwrap_or_default();
                if !crate::version::PREFACE.starts_with(got) {
                    return Err(FrameError::WrongPreface);
                }
                if *filled == bytes.len() {
                    self.expect_header();
                }
                Ok(None)
            }
            State::Header { bytes, filled } => {
                *filled += count;
                if *filled < HEADER_LEN {
                    return Ok(None);
                }
                let header = parse_header(*bytes, self.length_max)?;
                if header.length == 0 {
                    self.expect_header();
                    return Ok(finish(header, Vec::new()));
                }
                let bytes = vec![0; header.length as usize];
                self.state = State::Body { header, bytes, filled: 0 };
                Ok(None)
            }
            State::Body { header, bytes, filled } => {
                *filled += count;
                if *filled < bytes.len() {
                    return Ok(None);
                }
                let (header, bytes) = (*header, std::mem::take(bytes));
                self.expect_header();
                Ok(finish(header, bytes))
            }
        }
    }

    /// Whether the peer's bytes end between two frames: an end of file here is an orderly one.
    pub fn is_between_frames(&self) -> bool {
        matches!(self.state, State::Header { filled: 0, .. })
    }

    fn expect_header(&mut self) {
        self.state = State::Header { bytes: [0; HEADER_LEN], filled: 0 };
    }
}

impl Default for Deframer {
    fn default() -> Deframer {
        Deframer::new()
    }
}

fn finish(header: Header, bytes: Vec<u8>) -> Option<Frame> {
    let kind = header.kind?;
    let mut message = Bytes::from(bytes);
    let tail = message.split_off(message.len().saturating_sub(header.tail_len as usize));
    Some(Frame { kind, opcode: header.opcode, id: header.id, message, tail })
}

#[cfg(test)]
#[path = "frame/tests.rs"]
mod tests;
