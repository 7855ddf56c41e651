//! Which TLS version and which certificate a string asks for. It knows no store and no key.

use super::{ParseErrorKind, RefusedProto};
use std::fmt;

/// What `proto=` asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Proto {
    /// `tls1`: TLS in the best version that both sides have, never below 1.2. The original used the
    /// word for the family.
    Tls1,
    /// `tls12`: exactly TLS 1.2. Ours.
    Tls12,
    /// `tls13`: exactly TLS 1.3. Ours.
    Tls13,
}

impl Proto {
    pub(super) fn parse(text: &str) -> Result<Proto, ParseErrorKind> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "tls1" => Proto::Tls1,
            "tls12" => Proto::Tls12,
            "tls13" => Proto::Tls13,
            "pct1" => return Err(ParseErrorKind::RefusedProto(RefusedProto::Pct1)),
            "ssl2" => return Err(ParseErrorKind::RefusedProto(RefusedProto::Ssl2)),
            "ssl3" => return Err(ParseErrorKind::RefusedProto(RefusedProto::Ssl3)),
            _ => return Err(ParseErrorKind::UnknownProto),
        })
    }
}

impl fmt::Display for Proto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Proto::Tls1 => "tls1",
            Proto::Tls12 => "tls12",
            Proto::Tls13 => "tls13",
        })
    }
}

/// The certificate that this side presents.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CertificateSelector {
    /// Where to look for it.
    pub store: CertificateStore,
    /// Which one.
    pub certificate: Certificate,
}

/// A place where certificates are kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CertificateStore {
    /// The store of the user: `certuser=`.
    User,
    /// The store of the machine: `machuser=`.
    Machine,
}

/// A certificate, by what its owner knows of it.
///
/// A value of 40 or 64 hexadecimal digits, with blanks or colons anywhere between them, is a
/// thumbprint; every other value is a name.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Certificate {
    /// By name.
    Name(CertificateName),
    /// By the SHA-1 digest of its DER form.
    Sha1([u8; 20]),
    /// By the SHA-256 digest of its DER form.
    Sha256([u8; 32]),
}

/// A certificate's name: not empty, no quotation mark, no control character, and not to be taken
/// for a thumbprint.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CertificateName(String);

impl CertificateName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// From this many pairs of digits with separators on, a value is meant as a thumbprint, and a wrong
/// length is a slip. Less might be a name such as `ca fe`.
const PAIRS_MEANT_AS_THUMBPRINT_MIN: usize = 8;

impl Certificate {
    /// Reads a name or a thumbprint.
    ///
    /// **Errors**: [`ParseErrorKind::Thumbprint`] if it can only be meant as a thumbprint and is
    /// not 20 or 32 bytes long; [`ParseErrorKind::CertificateName`] if it can be no name.
    pub fn new(text: &str) -> Result<Certificate, ParseErrorKind> {
        // The certificate snap-in puts an invisible left-to-right mark before what is copied from
        // it.
        let text = text.trim_start_matches('\u{200e}');
        if let Some(bytes) = hex_bytes(text) {
            if let Ok(sha1) = bytes.as_slice().try_into() {
                return Ok(Certificate::Sha1(sha1));
            }
            if let Ok(sha256) = bytes.as_slice().try_into() {
                return Ok(Certificate::Sha256(sha256));
            }
            if bytes.len() >= PAIRS_MEANT_AS_THUMBPRINT_MIN && text.contains([' ', ':']) {
                return Err(ParseErrorKind::Thumbprint);
            }
        }
        if text.is_empty() || text.contains(|c: char| c == '"' || c.is_control()) {
            return Err(ParseErrorKind::CertificateName);
        }
        Ok(Certificate::Name(CertificateName(text.to_owned())))
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: &[u8] = match self {
            Certificate::Name(name) => return f.write_str(&name.0),
            Certificate::Sha1(bytes) => bytes,
            Certificate::Sha256(bytes) => bytes,
        };
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The bytes of a text of hexadecimal digits, blanks and colons. `None` for another text, and for
/// one with an odd number of digits.
fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    let mut digits = Vec::new();
    for c in text.chars().filter(|c| !matches!(c, ' ' | ':')) {
        digits.push(u8::try_from(c.to_digit(16)?).ok()?);
    }
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}
