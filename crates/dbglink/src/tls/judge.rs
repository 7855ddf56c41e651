//! Whether the certificate that the other side shows will do: it is trusted by itself, or by whom
//! it was signed; its time is now; it is for this use and machine. Both sides judge by the same
//! rules.
//!
//! | certificate | is trusted if |
//! |---|---|
//! | the one that this side shows itself | always |
//! | one in the store's `trusted/` | always, and for a machine of any name |
//! | another one | it chains to one in `trusted/`, and is for the machine that was asked for |

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, SignatureScheme};
use webpki::{EndEntityCert, KeyUsage};

use super::certificate::CertificateFacts;
use super::credentials::Credentials;
use super::error::CertificateFault;

/// Judges one peer.
#[derive(Debug)]
pub(super) struct Judge {
    own: CertificateDer<'static>,
    trusted: Vec<CertificateDer<'static>>,
    trusted_place: String,
    /// The machine that was asked for; none if the peer is a client.
    wanted: Option<String>,
    provider: Arc<CryptoProvider>,
    /// What was wrong, for the person on this side.
    fault: Mutex<Option<CertificateFault>>,
}

impl Judge {
    /// For a peer that is to be this machine, or for a client.
    pub(super) fn new(
        credentials: &Credentials,
        wanted: Option<&str>,
        provider: &Arc<CryptoProvider>,
    ) -> Judge {
        Judge {
            own: credentials.certificate(),
            trusted: credentials.trusted(),
            trusted_place: credentials.trusted_place().to_owned(),
            wanted: wanted.map(str::to_owned),
            provider: Arc::clone(provider),
            fault: Mutex::new(None),
        }
    }

    /// What was wrong with the peer's certificate, if it was refused.
    pub(super) fn fault(&self) -> Option<CertificateFault> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        self.judge(certificate, others, now).map_err(|fault| {
            let error = alert_of(&fault);
            *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
            rustls::Error::InvalidCertificate(error)
        })
    }

    fn judge(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), CertificateFault> {
        let facts = CertificateFacts::of(certificate).ok_or(CertificateFault::Malformed)?;
        let title = facts.title();
        let is_known = *certificate == self.own || self.trusted.contains(certificate);
        let is_server = self.wanted.is_some();
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(now.as_secs());
        match facts.is_early_or_late(time) {
            (true, _) => return Err(CertificateFault::NotYetValid { title }),
            (_, true) => return Err(CertificateFault::Expired { title }),
            (false, false) => {}
        }
        if is_server && !facts.is_for_servers {
            return Err(CertificateFault::NotForServers { title });
        }
        // Both sides may be given the same certificate, which is a server's then.
        if !facts.is_for_servers && !facts.is_for_clients {
            return Err(CertificateFault::NotForClients { title });
        }
        if is_known {
            return Ok(());
        }
        let parsed = EndEntityCert::try_from(certificate);
        let parsed = parsed.map_err(|_| CertificateFault::Malformed)?;
        // Every server that such an authority has signed for would be a client otherwise.
        let usage = if is_server { KeyUsage::server_auth() } else { KeyUsage::client_auth() };
        // Who is trusted may sign for others only if it says so of itself: a trust anchor is not
        // asked for that any more (RFC 5280, 6.1.1).
        let is_authority = |der: &&CertificateDer<'_>| {
            CertificateFacts::of(der).is_some_and(|facts| {
                facts.is_authority && facts.is_early_or_late(time) == (false, false)
            })
        };
        let authorities = self.trusted.iter().filter(is_authority);
        let anchors: Vec<_> =
            authorities.filter_map(|der| webpki::anchor_from_trusted_cert(der).ok()).collect();
        let algorithms = webpki::ALL_VERIFICATION_ALGS;
        let chain = parsed.verify_for_usage(algorithms, &anchors, others, now, usage, None, None);
        if let Err(error) = chain {
            return Err(match error {
                webpki::Error::RequiredEkuNotFoundContext(_) => {
                    CertificateFault::NotForClients { title }
                }
                webpki::Error::UnknownIssuer => CertificateFault::Untrusted {
                    title,
                    trusted: self.trusted_place.clone(),
                    thumbprint: facts.thumbprint(),
                },
                error => CertificateFault::Unsound { title, detail: error.to_string() },
            });
        }
        let Some(wanted) = &self.wanted else { return Ok(()) };
        let name = ServerName::try_from(wanted.as_str());
        let is_for = |name| parsed.verify_is_valid_for_subject_name(&name).is_ok();
        if name.is_ok_and(is_for) {
            return Ok(());
        }
        Err(CertificateFault::WrongName { title, wanted: wanted.clone(), machines: facts.machines })
    }
}

impl Credentials {
    /// What a handshake would say of certificates in DER form that the other side shows, its own
    /// first: a server's on this machine, or a client's if none is named.
    ///
    /// **Errors**: [`CertificateFault`]. Whether the other side has the key is not asked.
    pub fn judge(
        &self,
        shown: &[&[u8]],
        wanted: Option<&str>,
        now: SystemTime,
    ) -> Result<(), CertificateFault> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let shown: Vec<_> = shown.iter().map(|der| CertificateDer::from(*der)).collect();
        let (first, others) = shown.split_first().ok_or(CertificateFault::Malformed)?;
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Judge::new(self, wanted, &provider).judge(first, others, UnixTime::since_unix_epoch(now))
    }
}

/// The error by which rustls tells the other side (RFC 8446, 6.2); [`super::Refused`] reads it.
fn alert_of(fault: &CertificateFault) -> CertificateError {
    match fault {
        CertificateFault::Expired { .. } | CertificateFault::NotYetValid { .. } => {
            CertificateError::Expired
        }
        CertificateFault::Untrusted { .. } => CertificateError::UnknownIssuer,
        CertificateFault::WrongName { .. } => CertificateError::NotValidForName,
        CertificateFault::NotForServers { .. } | CertificateFault::NotForClients { .. } => {
            CertificateError::InvalidPurpose
        }
        CertificateFault::Malformed | CertificateFault::Unsound { .. } => {
            CertificateError::BadSignature
        }
    }
}

macro_rules! verify_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            let algorithms = &self.provider.signature_verification_algorithms;
            rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            let algorithms = &self.provider.signature_verification_algorithms;
            rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.provider.signature_verification_algorithms.supported_schemes()
        }
    };
}

/// Takes any certificate: a password proves who the server is, and that nobody is in the middle.
#[derive(Debug)]
pub(super) struct Anybody {
    provider: Arc<CryptoProvider>,
}

impl Anybody {
    /// With the algorithms of this provider.
    pub(super) fn new(provider: &Arc<CryptoProvider>) -> Anybody {
        Anybody { provider: Arc::clone(provider) }
    }
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    verify_signatures!();
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(certificate, others, now).map(|()| ServerCertVerified::assertion())
    }

    verify_signatures!();
}

impl ClientCertVerifier for Judge {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Clients know what to show, and need not hear whom the server trusts.
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.check(certificate, others, now).map(|()| ClientCertVerified::assertion())
    }

    verify_signatures!();
}
