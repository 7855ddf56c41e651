//! What one side needs to speak TLS: its certificate and key, whom it trusts, and the versions that
//! it speaks; and their form in the memory that a login process inherits.

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, SupportedProtocolVersion, version};

use super::store::{Store, StoreError};
use crate::connect_string::{Proto, TlsParameters};

const TLS13: &[&SupportedProtocolVersion] = &[&version::TLS13];
const TLS12: &[&SupportedProtocolVersion] = &[&version::TLS12];
const BOTH: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];

/// What one side needs to speak TLS.
///
/// `Debug` shows no key.
pub struct Credentials {
    proto: Proto,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    trusted: Vec<CertificateDer<'static>>,
    trusted_place: String,
}

impl Credentials {
    /// What a connection string asks for, from the store that it names.
    ///
    /// **Errors**: [`StoreError`].
    pub fn load(parameters: &TlsParameters) -> Result<Credentials, StoreError> {
        Credentials::load_from(&Store::of(parameters.certificate.store), parameters)
    }

    /// The same from this store.
    ///
    /// **Errors**: [`StoreError`].
    pub fn load_from(store: &Store, parameters: &TlsParameters) -> Result<Credentials, StoreError> {
        let found = store.find(&parameters.certificate.certificate)?;
        let path = found.path;
        let Some(key) = found.key else { return Err(StoreError::NoKey { path }) };
        let provider = ring::default_provider();
        match CertifiedKey::from_der(found.chain.clone(), key.clone_key(), &provider) {
            Ok(_) => {}
            Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                return Err(StoreError::KeyOfAnother { path });
            }
            Err(error) => {
                let detail = match error {
                    rustls::Error::InvalidCertificate(_) => {
                        "holds a certificate that TLS cannot use; it has to be of version 3"
                    }
                    _ => {
                        "its private key is of a kind that is not known here; ECDSA (P-256 and \
                         P-384), Ed25519 and RSA (2048 to 4096 bits) are"
                    }
                };
                return Err(StoreError::Malformed { path, detail });
            }
        }
        let trusted = store.trusted()?.into_iter().flat_map(|stored| stored.chain).collect();
        let trusted_place = store.trusted_path().display().to_string();
        Ok(Credentials { proto: parameters.proto, chain: found.chain, key, trusted, trusted_place })
    }

    pub(super) fn versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        match self.proto {
            Proto::Tls1 => BOTH,
            Proto::Tls12 => TLS12,
            Proto::Tls13 => TLS13,
        }
    }

    pub(super) fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain.clone()
    }

    pub(super) fn certificate(&self) -> CertificateDer<'static> {
        self.chain.first().cloned().unwrap_or_else(|| CertificateDer::from(Vec::new()))
    }

    pub(super) fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }

    pub(super) fn trusted(&self) -> Vec<CertificateDer<'static>> {
        self.trusted.clone()
    }

    pub(super) fn trusted_place(&self) -> &str {
        &self.trusted_place
    }

    /// Their bytes, for [`from_bytes`](Credentials::from_bytes) in another process of this machine.
    ///
    /// ```text
    ///   u8 versions   pieces: u32 length, little-endian, and so many bytes
    ///   pieces        key, place of what is trusted, u32 count of the chain, chain, trusted
    /// ```
    pub fn to_bytes(&self) -> Vec<u8> {
        let proto = match self.proto {
            Proto::Tls1 => 0,
            Proto::Tls12 => 2,
            Proto::Tls13 => 3,
        };
        let mut bytes = vec![proto];
        let mut put = |piece: &[u8]| {
            bytes.extend((piece.len() as u32).to_le_bytes());
            bytes.extend(piece);
        };
        put(self.key.secret_der());
        put(self.trusted_place.as_bytes());
        put(&(self.chain.len() as u32).to_le_bytes());
        self.chain.iter().chain(&self.trusted).for_each(|certificate| put(certificate));
        bytes
    }

    /// What [`to_bytes`](Credentials::to_bytes) has made. `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Credentials> {
        let (proto, mut rest) = bytes.split_first()?;
        let proto = match proto {
            0 => Proto::Tls1,
            2 => Proto::Tls12,
            3 => Proto::Tls13,
            _ => return None,
        };
        let mut pieces = Vec::new();
        while let Some((len, behind)) = rest.split_first_chunk::<4>() {
            let (piece, behind) = behind.split_at_checked(u32::from_le_bytes(*len) as usize)?;
            pieces.push(piece);
            rest = behind;
        }
        let [key, place, count, certificates @ ..] = pieces.as_slice() else { return None };
        let count = u32::from_le_bytes((*count).try_into().ok()?) as usize;
        let (chain, trusted) = certificates.split_at_checked(count)?;
        let certificates = |pieces: &[&[u8]]| {
            pieces.iter().map(|piece| CertificateDer::from(piece.to_vec())).collect::<Vec<_>>()
        };
        Some(Credentials {
            proto,
            chain: certificates(chain),
            key: PrivateKeyDer::try_from(key.to_vec()).ok()?,
            trusted: certificates(trusted),
            trusted_place: String::from_utf8(place.to_vec()).ok()?,
        })
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("proto", &self.proto).finish_non_exhaustive()
    }
}
