//! What must hold for any bytes whatever of people who write connection strings, and of strangers
//! who have come to a port: nothing panics or waits for ever, and nobody is let in. Tests replay
//! the corpus through this; the fuzz targets compile this very file.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use dbglink::tls::{self, Credentials, Identity, Verifier};
use dbglink::{ClientEndpoint, ParseError, ServerEndpoint};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, SignatureScheme};

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(20);
/// What the server wants, and nobody says.
const PASSWORD: &[u8] = b"open sesame";

/// A connection string, of either role.
pub(crate) fn check_connect_string(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match text.parse::<ServerEndpoint>() {
        Ok(endpoint) => {
            assert_eq!(endpoint.to_connect_string().parse(), Ok(endpoint.clone()), "{text:?}");
            let shown = [endpoint.to_string(), endpoint.listing().to_string()].concat();
            let masks = if endpoint.password.is_some() { 2 } else { 0 };
            let found = shown.to_ascii_lowercase().matches("password=*").count();
            assert!(found >= masks, "{text:?} is shown as {shown:?}");
        }
        Err(error) => check_parse_error(text, &error),
    }
    match text.parse::<ClientEndpoint>() {
        Ok(endpoint) => {
            assert_eq!(endpoint.to_connect_string().parse(), Ok(endpoint.clone()), "{text:?}");
        }
        Err(error) => check_parse_error(text, &error),
    }
}

fn check_parse_error(text: &str, error: &ParseError) {
    assert!(text.get(error.at.start..error.at.end).is_some(), "{text:?}: {error:?}");
    assert!(!error.to_string().is_empty() && !error.explain(text).to_string().is_empty());
}

/// A stranger's bytes: the first says to whom, and what is true of them. Nobody is let in by them.
///
/// | first byte, of 4 | the others |
/// |---|---|
/// | 0 | to a server, instead of TLS |
/// | 1 | to a server, behind a handshake: instead of what proves a password |
/// | 2 | to a client, instead of TLS |
/// | 3 | to a client, behind a handshake: instead of what a server says then |
pub(crate) fn check_stranger(bytes: &[u8]) {
    let Some((kind, said)) = bytes.split_first() else { return };
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    let is_to_server = kind % 4 < 2;
    let is_behind = kind % 2 == 1;
    let outcome = std::thread::scope(|scope| {
        let stranger = scope.spawn(move || match (is_behind, is_to_server) {
            (false, _) => say_plainly(&theirs, said),
            (true, true) => say_as_client(&theirs, said),
            (true, false) => say_as_server(&theirs, said),
        });
        let socket = OwnedFd::from(ours);
        let outcome = match is_to_server {
            true => tls::accept(socket, Identity::Ephemeral, Some(verifier()), PATIENCE),
            false => tls::connect(socket, Identity::Ephemeral, "box17", Some(PASSWORD), PATIENCE),
        };
        stranger.join().expect("the stranger does not panic");
        outcome
    });
    // What is wrong has a sentence.
    let fault = outcome.expect_err("nobody has the password");
    assert!(!matches!(fault, tls::TlsError::TimedOut(_)), "it waits for what cannot come");
    assert!(!fault.to_string().is_empty());
}

fn verifier() -> &'static Verifier {
    static VERIFIER: OnceLock<Verifier> = OnceLock::new();
    VERIFIER.get_or_init(|| Verifier::of(PASSWORD).expect("a password"))
}

/// Says it, says no more, and listens until the other side has ended.
fn say_plainly(mut socket: &UnixStream, said: &[u8]) {
    // The other side may have had enough.
    let _ = socket.write_all(said);
    let _ = socket.shutdown(Shutdown::Write);
    let _ = socket.read_to_end(&mut Vec::new());
}

fn say_as_client(mut socket: &UnixStream, said: &[u8]) {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("there is one")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody));
        Arc::new(config.with_no_client_auth())
    });
    let name = ServerName::try_from("box17").expect("a name");
    let mut tls = ClientConnection::new(Arc::clone(config), name).expect("a client");
    let _ = rustls::Stream::new(&mut tls, &mut socket).write_all(said);
    say_plainly(socket, b"");
}

fn say_as_server(mut socket: &UnixStream, said: &[u8]) {
    static CONFIG: OnceLock<Arc<ServerConfig>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = rcgen::CertificateParams::default().self_signed(&key);
        let chain = vec![certificate.expect("a certificate").der().clone()];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("there is one")
            .with_no_client_auth();
        Arc::new(config.with_single_cert(chain, key).expect("they belong together"))
    });
    let mut tls = ServerConnection::new(Arc::clone(config)).expect("a server");
    let _ = rustls::Stream::new(&mut tls, &mut socket).write_all(said);
    say_plainly(socket, b"");
}

/// Trusts everybody.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider: CryptoProvider = ring::default_provider();
        provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Those whom this side knows, of the corpus.
const KNOWN: [&[u8]; 4] = [
    include_bytes!("../corpus/certificate/seed-own"),
    include_bytes!("../corpus/certificate/seed-trusted"),
    include_bytes!("../corpus/certificate/seed-signed"),
    include_bytes!("../corpus/certificate/seed-signed-by-another"),
];
/// Behind the first byte: a length, and so many bytes.
const FIRST_AT: usize = 3;
/// When they are valid: in January 2027, in seconds since 1970.
const NOW_S: u64 = 1_800_000_000;

/// What a peer shows as its certificates: a byte that says to whom, then each with its length in
/// two bytes, little-endian. Only those that are known are trusted.
pub(crate) fn check_certificates(bytes: &[u8]) {
    let Some((kind, mut rest)) = bytes.split_first() else { return };
    let mut shown = Vec::new();
    while let Some((len, behind)) = rest.split_first_chunk::<2>() {
        let len = usize::from(u16::from_le_bytes(*len)).min(behind.len());
        let (der, behind) = behind.split_at(len);
        shown.push(der);
        rest = behind;
    }
    for der in &shown {
        if let Some(facts) = tls::CertificateFacts::of(der) {
            assert!(!facts.title().is_empty() && !facts.thumbprint().is_empty());
        }
    }
    let wanted = match kind % 3 {
        0 => None,
        1 => Some("box17"),
        _ => Some("192.0.2.17"),
    };
    let years = Duration::from_secs(u64::from(*kind >> 4) * 100_000_000);
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW_S) + years;
    match judging().judge(&shown, wanted, now) {
        Ok(()) => {
            let known = KNOWN.iter().map(|seed| first(seed));
            assert!(shown.first().is_some_and(|first| known.clone().any(|der| der == *first)));
        }
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
}

/// The first certificate of an input.
fn first(input: &[u8]) -> &[u8] {
    let len = usize::from(u16::from_le_bytes([input[1], input[2]]));
    &input[FIRST_AT..FIRST_AT + len]
}

/// A side that has the first of those certificates, and trusts the second.
fn judging() -> &'static Credentials {
    static CREDENTIALS: OnceLock<Credentials> = OnceLock::new();
    CREDENTIALS.get_or_init(|| {
        let key = rcgen::KeyPair::generate().expect("a key").serialize_der();
        let [own, trusted, ..] = KNOWN.map(first);
        let mut bytes = vec![0];
        for piece in [&key[..], b"trusted", &1u32.to_le_bytes(), own, trusted] {
            bytes.extend((piece.len() as u32).to_le_bytes());
            bytes.extend(piece);
        }
        Credentials::from_bytes(&bytes).expect("credentials")
    })
}
