//! What a certificate says of itself: names, times, uses, and the digests by which people name it
//! (RFC 5280). It trusts nobody.

use std::time::SystemTime;

use ring::digest;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::connect_string::Certificate;

/// What people want to know of a certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateFacts {
    /// The common name of its subject; empty if it has none.
    pub common_name: String,
    /// The names and addresses of machines that it is for.
    pub machines: Vec<String>,
    /// The common name of who signed it.
    pub issuer: String,
    /// In seconds since 1970: from when on it is valid.
    pub valid_from_s: i64,
    /// In seconds since 1970: until when it is valid.
    pub valid_until_s: i64,
    /// Whether it may sign other certificates.
    pub is_authority: bool,
    /// Whether servers may show it.
    pub is_for_servers: bool,
    /// Whether clients may show it.
    pub is_for_clients: bool,
    /// The SHA-1 digest of its DER form.
    pub sha1: [u8; 20],
    /// The SHA-256 digest of its DER form.
    pub sha256: [u8; 32],
}

impl CertificateFacts {
    /// Reads a certificate in DER form. `None` if it is none.
    pub fn of(der: &[u8]) -> Option<CertificateFacts> {
        let (rest, certificate) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let common_name = |name: &x509_parser::x509::X509Name<'_>| {
            let first = name.iter_common_name().next();
            first.and_then(|name| name.as_str().ok()).unwrap_or_default().to_owned()
        };
        let alternatives = certificate.subject_alternative_name().ok().flatten();
        let alternatives = alternatives.map(|names| names.value.general_names.as_slice());
        let usage = certificate.extended_key_usage().ok().flatten().map(|usage| usage.value);
        let may = |which: fn(&x509_parser::extensions::ExtendedKeyUsage<'_>) -> bool| {
            usage.is_none_or(|usage| usage.any || which(usage))
        };
        Some(CertificateFacts {
            common_name: common_name(certificate.subject()),
            machines: alternatives.unwrap_or_default().iter().filter_map(machine).collect(),
            issuer: common_name(certificate.issuer()),
            valid_from_s: certificate.validity().not_before.timestamp(),
            valid_until_s: certificate.validity().not_after.timestamp(),
            is_authority: certificate.is_ca(),
            is_for_servers: may(|usage| usage.server_auth),
            is_for_clients: may(|usage| usage.client_auth),
            sha1: digest_of(&digest::SHA1_FOR_LEGACY_USE_ONLY, der),
            sha256: digest_of(&digest::SHA256, der),
        })
    }

    /// Whether this is what a person means by `wanted`.
    pub fn is_called(&self, wanted: &Certificate) -> bool {
        match wanted {
            Certificate::Name(name) => {
                let mut names = std::iter::once(&self.common_name).chain(&self.machines);
                names.any(|own| own.eq_ignore_ascii_case(name.as_str()))
            }
            Certificate::Sha1(digest) => *digest == self.sha1,
            Certificate::Sha256(digest) => *digest == self.sha256,
        }
    }

    /// Its name for people: the common name, or a machine's, or its thumbprint.
    pub fn title(&self) -> String {
        let mut names = std::iter::once(&self.common_name).chain(&self.machines);
        match names.find(|name| !name.is_empty()) {
            Some(name) => name.escape_debug().to_string(),
            None => self.thumbprint(),
        }
    }

    /// The SHA-256 digest as people write it.
    pub fn thumbprint(&self) -> String {
        Certificate::Sha256(self.sha256).to_string()
    }

    /// Whether its time has not come, or has passed.
    pub fn is_early_or_late(&self, now: SystemTime) -> (bool, bool) {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        (now < self.valid_from_s, now > self.valid_until_s)
    }
}

fn machine(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.escape_debug().to_string()),
        GeneralName::IPAddress(bytes) => match <[u8; 4]>::try_from(*bytes) {
            Ok(bytes) => Some(std::net::Ipv4Addr::from(bytes).to_string()),
            Err(_) => <[u8; 16]>::try_from(*bytes)
                .ok()
                .map(|bytes| std::net::Ipv6Addr::from(bytes).to_string()),
        },
        _ => None,
    }
}

/// A digest of the length that its algorithm has.
fn digest_of<const LEN: usize>(algorithm: &'static digest::Algorithm, bytes: &[u8]) -> [u8; LEN] {
    let digest = digest::digest(algorithm, bytes);
    std::array::from_fn(|index| digest.as_ref().get(index).copied().unwrap_or_default())
}
