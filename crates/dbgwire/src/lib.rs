//! The protocol between a smart client and a process server: frames, verbs, events, handshake.
//! Bytes in, bytes out: this crate opens no socket, reads no clock and starts no thread.
//!
//! The whole protocol stands in one table, [`table`]. A conversation is
//!
//! ```text
//!   client                                server
//!     │ preface, Hello ─────────────────────►│
//!     │◄───────────────────── preface, Welcome│   or a Refusal, and the end
//!     │ Request 1, Request 2, Request 3 ────►│   pipelined: no need to wait
//!     │◄───────────── Reply 1, Fault 2, Event 1, Reply 3
//! ```
//!
//! [`frame`] cuts bytes into frames, [`handshake`] agrees on a version, [`message`] turns frames
//! into verbs and events and back, [`agent`] proves conditions of sites sound.
//! `docs/protocol.md` is the normative description.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod agent;
mod codec;
pub mod convert;
pub mod error;
pub mod event;
pub mod frame;
pub mod handshake;
pub mod message;
pub mod record;
pub mod table;
pub mod verbs;
pub mod version;

pub use error::{DecodeError, ErrorCode, Fault};
pub use frame::{Deframer, Frame, FrameError, FrameKind};
pub use message::{Encoded, Verb, WireEvent};
pub use record::Record;
pub use table::{AnyEvent, Request};
