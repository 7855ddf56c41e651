//! TLS over a stream socket, for `ssl:` and `spipe:`: which certificate a side shows, whom it
//! trusts, the handshake, and the process or thread that stands between the encrypted socket and a
//! plain one. It knows no frames. A password that one side has to prove is proved inside.
//!
//! Reading order: [`store`](self) (where certificates are kept), `certificate` (what one says),
//! [`Credentials`] (what one side needs), `judge` (whether the other side's certificate will do),
//! `handshake`, `relay`.
//!
//! ```text
//!   peer ══ TLS ══ socket ──► relay ──► socket pair ── plain bytes ── whoever has the link
//! ```
//!
//! A link stays a socket that way: it can be polled, handed to another process, and split, and the
//! state of the encryption never moves.

mod certificate;
mod credentials;
mod error;
mod handshake;
mod judge;
mod password;
mod relay;
mod store;

pub use certificate::CertificateFacts;
pub use credentials::Credentials;
pub use error::{CertificateFault, Refused, TlsError};
pub use handshake::{Encrypted, Identity, accept, connect, turn_away};
pub use password::Verifier;
pub use store::{
    PEM_LEN_MAX, Store, StoreError, StoredCertificate, read_certificates, read_pem_file,
};

#[cfg(test)]
#[path = "tls/tests.rs"]
mod tests;
