//! Certificates that dbgsrvctl does not make: signed by an authority, or with something wrong. It
//! knows X.509, and nothing of who shows them.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

/// A certificate and its private key, in PEM form.
pub struct Made {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// Nothing.
    None,
    /// Its time was over in 2020.
    Expired,
    /// Its time comes in the year 4000.
    NotYetValid,
    /// Only clients may show it.
    NotForServers,
    /// It is for signing programs.
    NotForTls,
}

impl Made {
    /// One with this name, for this machine, that signs itself.
    ///
    /// **Panics** if it cannot be made, as for a machine that cannot be called so.
    #[track_caller]
    pub fn new(name: &str, host: &str, flaw: Flaw) -> Made {
        let key = KeyPair::generate().expect("a key");
        let made = parameters(name, host, flaw).self_signed(&key).expect("a certificate");
        Made { certificate: made.pem(), key: key.serialize_pem() }
    }
}

/// Who signs for others.
pub struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// One that is called `authority`.
    ///
    /// **Panics** if it cannot be made.
    #[expect(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Authority {
        let mut parameters = CertificateParams::new(Vec::new()).expect("no machine");
        parameters.distinguished_name.push(DnType::CommonName, "authority");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.self_signed(&key).expect("a certificate").pem();
        Authority { certificate, issuer: Issuer::new(parameters, key) }
    }

    /// Its certificate, in PEM form.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// One with this name, for this machine, that it has signed.
    ///
    /// **Panics** as [`Made::new`].
    #[track_caller]
    pub fn sign(&self, name: &str, host: &str, flaw: Flaw) -> Made {
        let key = KeyPair::generate().expect("a key");
        let made = parameters(name, host, flaw).signed_by(&key, &self.issuer);
        Made { certificate: made.expect("a certificate").pem(), key: key.serialize_pem() }
    }
}

#[track_caller]
fn parameters(name: &str, host: &str, flaw: Flaw) -> CertificateParams {
    let mut parameters = CertificateParams::new(vec![host.to_owned()]).expect("a machine");
    parameters.distinguished_name.push(DnType::CommonName, name);
    let (server, client) =
        (ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth);
    parameters.extended_key_usages = match flaw {
        Flaw::NotForServers => vec![client],
        Flaw::NotForTls => vec![ExtendedKeyUsagePurpose::CodeSigning],
        Flaw::None | Flaw::Expired | Flaw::NotYetValid => vec![server, client],
    };
    match flaw {
        Flaw::Expired => parameters.not_after = rcgen::date_time_ymd(2020, 1, 1),
        Flaw::NotYetValid => parameters.not_before = rcgen::date_time_ymd(4000, 1, 1),
        _ => {}
    }
    parameters
}
