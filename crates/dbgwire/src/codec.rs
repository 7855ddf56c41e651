//! The only place that knows how messages are encoded: protobuf, with unknown fields skipped. It
//! knows nothing of frames.

use bytes::Bytes;
use prost::Message;

use crate::error::DecodeError;

/// The bytes of `message`.
pub(crate) fn encode(message: &impl Message) -> Vec<u8> {
    message.encode_to_vec()
}

/// The message that `bytes` hold. Fields this build does not know are skipped; fields that are
/// missing have their defaults.
pub(crate) fn decode<M: Message + Default>(bytes: Bytes) -> Result<M, DecodeError> {
    M::decode(bytes).map_err(|_| DecodeError::Malformed)
}
