//! The protocol from outside: what is sent, what a peer of another version or a hostile one may
//! send, and whether `docs/protocol.md` says the same. Everything here is bytes; nothing is opened
//! but the corpus and the document.

// Bytes and messages the tests share.
mod replay; // What must hold for any bytes; the fuzz targets use the same file.
mod samples; // One message of every kind, with all its fields.
mod wire; // Protobuf written and read by hand, independently of the codec.

// The tests.
mod conditions; // The tables of instructions and registers in docs/protocol.md.
mod convert; // Between numbers and the vocabulary.
mod corpus; // Replays the fuzz corpus, and keeps its generated part fresh.
mod document; // The tables and transcripts of docs/protocol.md against the code.
mod future; // Peers of later versions.
mod golden; // The exact bytes of every message.
mod hostile; // Bytes that nobody sane sends.
mod round_trip; // Random messages, encoded and decoded.
