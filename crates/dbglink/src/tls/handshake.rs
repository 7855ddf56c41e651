//! The TLS handshake on a stream socket, and behind it what the server says of its being content:
//! bounded in time, with errors for people. Neither side takes up an earlier session: each time
//! certificates and passwords are shown and judged.
//!
//! A client of TLS 1.3 is done before the server has judged its certificate. So the server sends
//! one byte when it is content, or wants a password (`password.rs`), and the client waits for it:
//! what a server has against it is told before anything else is sent.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::NoServerSessionStorage;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection, version};

use super::certificate::CertificateFacts;
use super::credentials::Credentials;
use super::error::{Refused, TlsError};
use super::judge::{Anybody, Judge};
use super::password::{Checker, MESSAGE_LEN_MAX, Prover, Verifier};
use super::relay;

/// What a server sends when it is content.
const CONTENT: u8 = 0;
/// What it sends when it wants a password.
const ASKS: u8 = 1;
/// What it sends to whom it does not listen now, with a number of seconds behind it: `u16`,
/// little-endian.
const NOT_NOW: u8 = 2;
/// What its connection is called where a password is bound to it (RFC 5705).
const LABEL: &[u8] = b"EXPORTER-dbgsrv-password";

/// What a side shows of itself.
#[derive(Clone, Copy, Debug)]
pub enum Identity<'a> {
    /// A certificate; the other side's is judged.
    Certificate(&'a Credentials),
    /// Nothing that anybody could know it by: a password has to prove the other side.
    Ephemeral,
}

/// A socket on which TLS is spoken, behind its handshake.
#[derive(Debug)]
pub struct Encrypted {
    pub(super) tls: Connection,
    pub(super) socket: OwnedFd,
}

impl Encrypted {
    /// What the other side's certificate says. `None` if it has shown none.
    pub fn peer(&self) -> Option<CertificateFacts> {
        CertificateFacts::of(self.tls.peer_certificates()?.first()?)
    }

    /// Passes bytes on between the encrypted socket and a plain one, until either side ends.
    ///
    /// **Threads**: takes the calling one for as long.
    pub fn relay(self, plain: OwnedFd) {
        relay::relay(self, plain);
    }
}

/// Speaks the server's part on a connected socket, and asks for the password of `verifier`, if
/// there is one.
///
/// **Errors**: [`TlsError`].
/// **Cost**: two round trips at most, one more for a password.
pub fn accept(
    socket: OwnedFd,
    identity: Identity<'_>,
    verifier: Option<&Verifier>,
    timeout: Duration,
) -> Result<Encrypted, TlsError> {
    let mut shaking = answer(socket, identity, timeout)?;
    if let Some(verifier) = verifier {
        shaking.send(&[ASKS])?;
        let binding = shaking.binding()?;
        let first = shaking.receive_message()?;
        let answered = Checker::begin(verifier, &first, &binding);
        let (checker, second) = answered.ok_or(TlsError::Password)?;
        // Who has seen that has had its guess, however it goes: the client finds out by it.
        let sent = shaking.send_message(&second);
        let third = sent.and_then(|()| shaking.receive_message());
        let third = third.map_err(|_| TlsError::Password)?;
        if !checker.finish(&third) {
            return Err(TlsError::Password);
        }
    }
    shaking.send(&[CONTENT])?;
    Ok(shaking.encrypted)
}

/// Speaks the server's part to somebody who is only told to come again after `wait`.
///
/// **Errors**: [`TlsError`].
/// **Cost**: two round trips at most.
pub fn turn_away(
    socket: OwnedFd,
    identity: Identity<'_>,
    wait: Duration,
    timeout: Duration,
) -> Result<(), TlsError> {
    let wait_s = wait.as_secs().saturating_add(1).try_into().unwrap_or(u16::MAX);
    let [low, high] = u16::to_le_bytes(wait_s);
    answer(socket, identity, timeout)?.send(&[NOT_NOW, low, high])
}

/// Shakes hands with a client.
fn answer(socket: OwnedFd, identity: Identity<'_>, timeout: Duration) -> Result<Shaking, TlsError> {
    let (config, judge) = match identity {
        Identity::Certificate(credentials) => certified_server(credentials)?,
        Identity::Ephemeral => (ephemeral_server()?, None),
    };
    let tls = ServerConnection::new(Arc::new(config)).map_err(own)?;
    Shaking::begin(tls.into(), socket, judge, timeout)
}

/// Speaks the client's part on a connected socket with a server on the machine `wanted`, and proves
/// the password, if there is one.
///
/// **Errors**: [`TlsError`]; also if there is a password and the server does not ask for it:
/// nothing says then that it is the right one.
/// **Cost**: two round trips, three with TLS 1.2, and one more for a password.
pub fn connect(
    socket: OwnedFd,
    identity: Identity<'_>,
    wanted: &str,
    password: Option<&[u8]>,
    timeout: Duration,
) -> Result<Encrypted, TlsError> {
    let (config, judge) = match identity {
        Identity::Certificate(credentials) => certified_client(credentials, wanted)?,
        Identity::Ephemeral => (ephemeral_client()?, None),
    };
    // A name that no certificate can have is the judge's to refuse.
    let name = ServerName::try_from(wanted.to_owned()).or_else(|_| ServerName::try_from("invalid"));
    let name = name.map_err(|_| TlsError::OwnCertificate("no name of a server".to_owned()))?;
    let tls = ClientConnection::new(Arc::new(config), name).map_err(own)?;
    let mut shaking = Shaking::begin(tls.into(), socket, judge, timeout)?;
    match (shaking.receive_byte()?, password) {
        (CONTENT, None) => return Ok(shaking.encrypted),
        (CONTENT, Some(_)) => return Err(TlsError::NoPasswordWanted),
        (ASKS, None) => return Err(TlsError::PasswordWanted),
        (ASKS, Some(password)) => {
            let begun = Prover::begin(password);
            let (prover, first) = begun.ok_or(TlsError::Password)?;
            shaking.send_message(&first)?;
            let second = shaking.receive_message()?;
            let third = prover.finish(&second, &shaking.binding()?);
            shaking.send_message(&third.ok_or(TlsError::Password)?)?;
        }
        (NOT_NOW, _) => {
            let mut wait_s = [0; 2];
            shaking.receive(&mut wait_s)?;
            return Err(TlsError::NotNow(u16::from_le_bytes(wait_s)));
        }
        _ => return Err(TlsError::NotTls),
    }
    match shaking.receive_byte() {
        Ok(CONTENT) => Ok(shaking.encrypted),
        Ok(_) | Err(TlsError::Ended) => Err(TlsError::Password),
        Err(error) => Err(error),
    }
}

type Judged<C> = Result<(C, Option<Arc<Judge>>), TlsError>;

fn certified_server(credentials: &Credentials) -> Judged<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let judge = Arc::new(Judge::new(credentials, None, &provider));
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(credentials.versions())
        .map_err(own)?
        .with_client_cert_verifier(Arc::clone(&judge) as Arc<_>)
        .with_single_cert(credentials.chain(), credentials.key());
    let mut config = without_resumption(config.map_err(own)?);
    // Without it what a password is bound to need not be this connection's alone (RFC 7627).
    config.require_ems = true;
    Ok((config, Some(judge)))
}

fn ephemeral_server() -> Result<ServerConfig, TlsError> {
    let made = |error: rcgen::Error| TlsError::OwnCertificate(error.to_string());
    let key = rcgen::KeyPair::generate().map_err(made)?;
    let certificate = rcgen::CertificateParams::default().self_signed(&key).map_err(made)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .map_err(own)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key);
    Ok(without_resumption(config.map_err(own)?))
}

fn without_resumption(mut config: ServerConfig) -> ServerConfig {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config
}

fn certified_client(credentials: &Credentials, wanted: &str) -> Judged<ClientConfig> {
    let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
    let judge = Arc::new(Judge::new(credentials, Some(wanted), &provider));
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(credentials.versions())
        .map_err(own)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&judge) as Arc<_>)
        .with_client_auth_cert(credentials.chain(), credentials.key());
    let mut config = config.map_err(own)?;
    config.require_ems = true;
    config.resumption = rustls::client::Resumption::disabled();
    Ok((config, Some(judge)))
}

fn ephemeral_client() -> Result<ClientConfig, TlsError> {
    let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
    let anybody = Arc::new(Anybody::new(&provider));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .map_err(own)?
        .dangerous()
        .with_custom_certificate_verifier(anybody)
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// A connection on which both sides are not content yet.
struct Shaking {
    encrypted: Encrypted,
    judge: Option<Arc<Judge>>,
    deadline: Instant,
    timeout: Duration,
}

impl Shaking {
    /// Shakes hands.
    fn begin(
        tls: Connection,
        socket: OwnedFd,
        judge: Option<Arc<Judge>>,
        timeout: Duration,
    ) -> Result<Shaking, TlsError> {
        rustix::io::ioctl_fionbio(&socket, true).map_err(io::Error::from)?;
        let deadline = Instant::now() + timeout;
        let mut shaking =
            Shaking { encrypted: Encrypted { tls, socket }, judge, deadline, timeout };
        while shaking.encrypted.tls.is_handshaking() || shaking.encrypted.tls.wants_write() {
            shaking.go_on()?;
        }
        Ok(shaking)
    }

    /// What is the same for both ends of this connection, and of no other (RFC 9266).
    fn binding(&self) -> Result<[u8; 32], TlsError> {
        let exported = match &self.encrypted.tls {
            Connection::Client(tls) => tls.export_keying_material([0; 32], LABEL, None),
            Connection::Server(tls) => tls.export_keying_material([0; 32], LABEL, None),
        };
        exported.map_err(|error| TlsError::Protocol(error.to_string()))
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), TlsError> {
        self.encrypted.tls.writer().write_all(bytes)?;
        while self.encrypted.tls.wants_write() {
            self.go_on()?;
        }
        Ok(())
    }

    fn send_message(&mut self, message: &[u8]) -> Result<(), TlsError> {
        let len = (message.len() as u16).to_le_bytes();
        self.send(&[&len[..], message].concat())
    }

    fn receive_byte(&mut self) -> Result<u8, TlsError> {
        let mut byte = [0];
        self.receive(&mut byte)?;
        let [byte] = byte;
        Ok(byte)
    }

    fn receive_message(&mut self) -> Result<Vec<u8>, TlsError> {
        let mut len = [0; 2];
        self.receive(&mut len)?;
        let len = usize::from(u16::from_le_bytes(len));
        if len > MESSAGE_LEN_MAX {
            return Err(TlsError::Password);
        }
        let mut message = vec![0; len];
        self.receive(&mut message)?;
        Ok(message)
    }

    /// Fills the buffer, and takes nothing behind it.
    fn receive(&mut self, mut buffer: &mut [u8]) -> Result<(), TlsError> {
        while !buffer.is_empty() {
            match self.encrypted.tls.reader().read(buffer) {
                Ok(0) => return Err(TlsError::Ended),
                Ok(count) => buffer = buffer.get_mut(count..).unwrap_or_default(),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => self.go_on()?,
                    io::ErrorKind::UnexpectedEof => return Err(TlsError::Ended),
                    _ => return Err(error.into()),
                },
            }
        }
        Ok(())
    }

    /// Waits for the peer, or for room, and takes one step.
    fn go_on(&mut self) -> Result<(), TlsError> {
        let Encrypted { tls, socket } = &mut self.encrypted;
        let mut wanted = PollFlags::empty();
        wanted.set(PollFlags::OUT, tls.wants_write());
        wanted.set(PollFlags::IN, tls.wants_read());
        let left = self.deadline.saturating_duration_since(Instant::now());
        let late = || TlsError::TimedOut(self.timeout);
        if left.is_zero() {
            return Err(late());
        }
        let left = Timespec::try_from(left).map_err(|_| late())?;
        let mut fds = [PollFd::from_borrowed_fd(socket.as_fd(), wanted)];
        match rustix::event::poll(&mut fds, Some(&left)) {
            Ok(0) => return Err(late()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(io::Error::from(errno).into()),
        }
        if tls.wants_write() {
            transient(tls.write_tls(&mut relay::Raw(socket)))?;
        }
        if !wanted.contains(PollFlags::IN) {
            return Ok(());
        }
        match transient(tls.read_tls(&mut relay::Raw(socket)))? {
            Some(0) => Err(TlsError::Ended),
            Some(_) => tls.process_new_packets().map(drop).map_err(|error| {
                say_last_words(tls, socket);
                fault(error, self.judge.as_deref())
            }),
            None => Ok(()),
        }
    }
}

/// Sends what there is to send, as far as there is room and the other side still listens: what is
/// wrong with it, most often.
pub(super) fn say_last_words(tls: &mut Connection, socket: &OwnedFd) {
    while tls.wants_write() && tls.write_tls(&mut relay::Raw(socket)).is_ok() {}
}

/// What was done; `None` if nothing could be at this moment.
fn transient(result: io::Result<usize>) -> Result<Option<usize>, TlsError> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Err(TlsError::Ended),
            _ => Err(error.into()),
        },
    }
}

fn own(error: rustls::Error) -> TlsError {
    TlsError::OwnCertificate(error.to_string())
}

fn fault(error: rustls::Error, judge: Option<&Judge>) -> TlsError {
    if let Some(fault) = judge.and_then(Judge::fault) {
        return fault.into();
    }
    match error {
        rustls::Error::AlertReceived(alert) => Refused::from(alert).into(),
        rustls::Error::PeerIncompatible(_) => TlsError::Version,
        rustls::Error::NoCertificatesPresented => TlsError::NoCertificate,
        rustls::Error::InvalidMessage(_) => TlsError::NotTls,
        other => TlsError::Protocol(other.to_string()),
    }
}
