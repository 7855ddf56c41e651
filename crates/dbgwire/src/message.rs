//! Frames of verbs and events, made and read. It knows which message belongs to which frame, not
//! what is in it.

use bytes::Bytes;
use prost::Message;

use crate::codec;
use crate::error::{DecodeError, Fault, FaultMessage};
use crate::frame::{self, FRAME_LEN_MAX, Frame, FrameError, FrameKind, HELLO_LEN_MAX};

/// A request's message type, tied to its reply's.
pub trait Verb: Message + Default + Sized {
    /// The number in the frame.
    const OPCODE: u16;
    /// The name in documents and logs.
    const NAME: &'static str;
    /// Whether doing it twice is the same as doing it once, so that it may be repeated on a new
    /// link when the old one is lost.
    const IDEMPOTENT: bool;
    /// The protocol version that brought it.
    const SINCE: u32;
    /// What a server answers.
    type Reply: Message + Default + Sized + 'static;
}

/// An event's message type.
pub trait WireEvent: Message + Default + Sized {
    /// The number in the frame.
    const OPCODE: u16;
    /// The name in documents and logs.
    const NAME: &'static str;
}

/// A frame ready to be written: first `head`, then `tail`, in one vectored write.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// Header and message.
    pub head: Vec<u8>,
    /// Raw bytes behind them; shared, not copied.
    pub tail: Bytes,
}

fn encode(
    kind: FrameKind,
    opcode: u16,
    id: u32,
    message: &impl Message,
    tail: Bytes,
) -> Result<Encoded, FrameError> {
    encode_within(FRAME_LEN_MAX, kind, opcode, id, message, tail)
}

fn encode_within(
    length_max: u32,
    kind: FrameKind,
    opcode: u16,
    id: u32,
    message: &impl Message,
    tail: Bytes,
) -> Result<Encoded, FrameError> {
    let body = codec::encode(message);
    let length = body.len() as u64 + tail.len() as u64;
    if length > u64::from(length_max) {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        return Err(FrameError::TooLong { length, length_max });
    }
    let header = frame::header(kind, opcode, id, body.len() as u32, tail.len() as u32);
    let mut head = Vec::with_capacity(header.len() + body.len());
    head.extend_from_slice(&header);
    head.extend_from_slice(&body);
    Ok(Encoded { head, tail })
}

/// The frame of a request. **Errors**: [`FrameError::TooLong`].
pub fn request<V: Verb>(id: u32, verb: &V, tail: Bytes) -> Result<Encoded, FrameError> {
    encode(FrameKind::Request, V::OPCODE, id, verb, tail)
}

/// The frame of a reply. **Errors**: [`FrameError::TooLong`].
pub fn reply<V: Verb>(id: u32, reply: &V::Reply, tail: Bytes) -> Result<Encoded, FrameError> {
    encode(FrameKind::Reply, V::OPCODE, id, reply, tail)
}

/// The most bytes of a fault's or a refusal's detail that are sent; the rest is cut.
pub const DETAIL_LEN_MAX: usize = 1024;

/// What the other side says for people, on one line and without what a terminal would obey or show
/// as something else.
pub fn sentence(text: &str) -> String {
    let mut said = String::new();
    for letter in text.chars() {
        match letter {
            '"' | '\'' | '\\' => said.push(letter),
            _ => said.extend(letter.escape_debug()),
        }
    }
    said
}

/// Cuts a detail at the last whole character that the limit leaves room for.
pub(crate) fn cut_detail(detail: &mut String) {
    let mut end = detail.len().min(DETAIL_LEN_MAX);
    while !detail.is_char_boundary(end) {
        end -= 1;
    }
    detail.truncate(end);
}

/// The frame of a fault. Its detail is cut to [`DETAIL_LEN_MAX`], so it always fits.
pub fn fault(id: u32, opcode: u16, fault: &Fault) -> Encoded {
    let mut message = FaultMessage::from(fault);
    cut_detail(&mut message.detail);
    let body = codec::encode(&message);
    let header = frame::header(FrameKind::Fault, opcode, id, body.len() as u32, 0);
    Encoded { head: [&header[..], &body].concat(), tail: Bytes::new() }
}

/// The frame of an event. **Errors**: [`FrameError::TooLong`].
pub fn event<E: WireEvent>(number: u32, event: &E, tail: Bytes) -> Result<Encoded, FrameError> {
    encode(FrameKind::Event, E::OPCODE, number, event, tail)
}

/// The frame that says how many frames have arrived since the session began.
pub fn receipt(arrived: u64) -> [u8; frame::HEADER_LEN] {
    // The server knows the upper half: it cannot be 2^32 frames ahead.
    frame::header(FrameKind::Receipt, 0, (arrived & 0xffff_ffff) as u32, 0, 0)
}

/// The frame with which a client ends the session.
pub fn farewell() -> [u8; frame::HEADER_LEN] {
    frame::header(FrameKind::Farewell, 0, 0, 0, 0)
}

/// The frame of a handshake message. **Errors**: [`FrameError::TooLong`] for one that the peer
/// would not take, because the small limit is in force until the handshake is done.
pub(crate) fn handshake(opcode: u16, message: &impl Message) -> Result<Encoded, FrameError> {
    encode_within(HELLO_LEN_MAX, FrameKind::Handshake, opcode, 0, message, Bytes::new())
}

/// What a server answered: the reply with its tail, or the fault.
///
/// **Errors**: [`DecodeError`] if the frame answers another verb or does not decode.
pub fn read_answer<V: Verb>(frame: Frame) -> Result<Result<(V::Reply, Bytes), Fault>, DecodeError> {
    if frame.opcode != V::OPCODE {
        return Err(DecodeError::Unexpected);
    }
    match frame.kind {
        FrameKind::Reply => Ok(Ok((codec::decode(frame.message)?, frame.tail))),
        FrameKind::Fault => Ok(Err(codec::decode::<FaultMessage>(frame.message)?.into())),
        _ => Err(DecodeError::Unexpected),
    }
}

#[cfg(test)]
#[path = "message/tests.rs"]
mod tests;
