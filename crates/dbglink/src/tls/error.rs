//! Why two sides do not come to speak TLS with each other, worded for the person on either of them.

use std::io;
use std::time::Duration;

use rustls::AlertDescription;
use thiserror::Error;

/// What is wrong with the certificate that the other side has shown.
#[derive(Clone, PartialEq, Eq, Error, Debug)]
pub enum CertificateFault {
    /// Its time is over.
    #[error("the other side's certificate {title} has expired; it needs a new one")]
    Expired {
        /// Its name.
        title: String,
    },
    /// Its time has not come.
    #[error("the other side's certificate {title} is not valid yet; is a clock wrong?")]
    NotYetValid {
        /// Its name.
        title: String,
    },
    /// Nobody whom this side trusts has signed it.
    #[error(
        "the other side's certificate {title} is not trusted here; if it is the right one, put it \
         into {trusted} (dbgsrvctl cert trust); its thumbprint is {thumbprint}"
    )]
    Untrusted {
        /// Its name.
        title: String,
        /// The directory of what is trusted.
        trusted: String,
        /// Its SHA-256 thumbprint.
        thumbprint: String,
    },
    /// It is for other machines than the one that was asked for.
    #[error(
        "the other side's certificate {title} is not for {wanted} but for {}; name the machine as \
         the certificate does, or trust the certificate itself (dbgsrvctl cert trust)",
        list(.machines)
    )]
    WrongName {
        /// Its name.
        title: String,
        /// What `server=` or `clicon=` says.
        wanted: String,
        /// What it is for.
        machines: Vec<String>,
    },
    /// It is not for authenticating servers (RFC 5280, 4.2.1.12).
    #[error("the other side's certificate {title} is not for server authentication")]
    NotForServers {
        /// Its name.
        title: String,
    },
    /// It is not for authenticating clients (RFC 5280, 4.2.1.12).
    #[error("the other side's certificate {title} is not for client authentication")]
    NotForClients {
        /// Its name.
        title: String,
    },
    /// It is no certificate.
    #[error("what the other side has sent is no certificate")]
    Malformed,
    /// Its signature is not its key's, or the chain does not hold.
    #[error("the other side's certificate {title} does not hold: {detail}")]
    Unsound {
        /// Its name.
        title: String,
        /// What is wrong.
        detail: String,
    },
}

/// Why the other side refuses us.
#[derive(Clone, Copy, PartialEq, Eq, Error, Debug)]
pub enum Refused {
    /// Our certificate's time is over, or not come, by its clock.
    #[error("the other side refuses our certificate: it has expired there, or is not valid yet")]
    Time,
    /// It does not trust our certificate.
    #[error(
        "the other side does not trust our certificate; it has to be put into that machine's store \
         (dbgsrvctl cert trust)"
    )]
    Untrusted,
    /// Our certificate is not for the machine that it has asked for.
    #[error("the other side refuses our certificate: it is for another machine than was asked for")]
    WrongName,
    /// Our certificate is not for what we do.
    #[error(
        "the other side refuses our certificate: it is not for server or client authentication"
    )]
    NotForServers,
    /// We have shown none.
    #[error("the other side wants a certificate (certuser= or machuser=)")]
    NoCertificate,
    /// It does not speak the versions that we do.
    #[error("the other side speaks no version of TLS that is wanted here (proto=)")]
    Version,
    /// Something else.
    #[error("the other side refuses to go on (TLS alert {0})")]
    Other(u8),
}

impl From<AlertDescription> for Refused {
    fn from(alert: AlertDescription) -> Refused {
        match alert {
            AlertDescription::CertificateExpired => Refused::Time,
            AlertDescription::UnknownCA => Refused::Untrusted,
            AlertDescription::BadCertificate => Refused::WrongName,
            AlertDescription::UnsupportedCertificate => Refused::NotForServers,
            AlertDescription::CertificateRequired => Refused::NoCertificate,
            AlertDescription::ProtocolVersion => Refused::Version,
            other => Refused::Other(u8::from(other)),
        }
    }
}

/// Why there is no encrypted link.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The other side's certificate will not do.
    #[error(transparent)]
    Certificate(#[from] CertificateFault),
    /// The other side does not want us.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It speaks no version of TLS that this side does.
    #[error("the other side speaks no version of TLS that is wanted here (proto=)")]
    Version,
    /// It speaks something else than TLS.
    #[error("the other side does not speak TLS; are the transports the same (ssl, tcp)?")]
    NotTls,
    /// It has shown no certificate.
    #[error("the other side has shown no certificate; it needs certuser= or machuser=")]
    NoCertificate,
    /// It wants a password, and there is none.
    #[error("the process server wants a password (password=); error 0x80004005")]
    PasswordWanted,
    /// It wants none, so that nothing says that it is the right server.
    #[error(
        "the other side asks for no password, so nothing proves that it is the right server; leave \
         password= out if it has none"
    )]
    NoPasswordWanted,
    /// The passwords differ.
    #[error("the password is wrong; error 0x80004005")]
    Password,
    /// It looks at one try after another, and has others to look at first.
    #[error(
        "wrong passwords have come from here, so that others from here have to wait; come again in \
         {0} s; error 0x80004005"
    )]
    NotNow(u16),
    /// It has gone in the middle of the handshake.
    #[error(
        "the other side went away during the TLS handshake; are the transports the same, or have \
         wrong passwords come from here?"
    )]
    Ended,
    /// It did not do its part in time.
    #[error("the other side did not finish the TLS handshake within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    /// Our own certificate or key is not usable.
    #[error("certificate and key do not fit: {0}")]
    OwnCertificate(String),
    /// Anything else that TLS says of itself.
    #[error("TLS: {0}")]
    Protocol(String),
    /// A system call failed.
    #[error("TLS link: {0}")]
    System(#[from] io::Error),
}

fn list(machines: &[String]) -> String {
    if machines.is_empty() { "no machine".to_owned() } else { machines.join(", ") }
}
