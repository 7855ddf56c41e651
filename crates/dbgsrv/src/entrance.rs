//! How the clients of a transport show who they are, in a login process: by a certificate on `ssl`
//! and `spipe`, by a password where there is one. What a login process is told for that, and what
//! it does.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use dbglink::tls::{self, Credentials, Identity, TlsError, Verifier};
use dbglink::{Link, ServerEndpoint, read_password};
use dbgwire::ErrorCode;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::RecvFlags;

use crate::error::ServerError;
use crate::listener::TaskSource;
use crate::login::{Passage, Turn, Turned};
use crate::logins::LoginLimits;
use crate::refuse::refuse;
use crate::sandbox;

/// What clients may cost that have not been let in. Where a password is asked for, who has to be
/// ended may have had a guess.
pub fn limits(endpoint: &ServerEndpoint) -> LoginLimits {
    let counts_unfinished = endpoint.password.is_some();
    LoginLimits { at_once: 32, patience: Duration::from_secs(45), counts_unfinished }
}

/// How long a handshake may take: less, so that there is time to wait before it, and to say so.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(15);
/// The first byte of a client that speaks TLS: a handshake record (RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 22;
/// As whom a client is let in that has shown nothing but a password.
const BY_PASSWORD: &str = "password";

/// What login processes of this endpoint are told; `None` if it needs none. The store of
/// certificates is looked at anew for each client, so that it counts at once who is trusted from
/// now on, or no more.
///
/// **Errors**: [`ServerError::Link`] if the certificate or the password cannot be had now.
/// **Cost**: for a password, some hundredths of a second.
pub fn task(endpoint: &ServerEndpoint) -> Result<Option<TaskSource>, ServerError> {
    let tls = endpoint.transport.tls().cloned();
    if tls.is_none() && endpoint.password.is_none() {
        return Ok(None);
    }
    if let Some(tls) = &tls {
        Credentials::load(tls).map_err(dbglink::LinkError::from)?;
    }
    let password = endpoint.password.as_ref().map(read_password).transpose();
    let password = password.map_err(dbglink::LinkError::from)?;
    let verifier = password.and_then(|password| Verifier::of(password.as_bytes()));
    let verifier = verifier.map(|verifier| verifier.to_bytes()).unwrap_or_default();
    Ok(Some(Box::new(move || {
        let credentials = match &tls {
            Some(tls) => Credentials::load(tls).map_err(|error| error.to_string())?.to_bytes(),
            None => Vec::new(),
        };
        let len = (credentials.len() as u32).to_le_bytes();
        Ok([&len[..], &credentials, &verifier].concat())
    })))
}

/// What a login process is told: `u32` length of the credentials, those or nothing, and what a
/// password is recognised by, or nothing.
struct Told {
    credentials: Option<Credentials>,
    verifier: Option<Verifier>,
}

impl Told {
    fn read(task: &[u8]) -> Option<Told> {
        let (len, rest) = task.split_first_chunk::<4>()?;
        let (credentials, verifier) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        let told = Told {
            credentials: Credentials::from_bytes(credentials),
            verifier: Verifier::from_bytes(verifier),
        };
        let is_whole = told.credentials.is_some() != credentials.is_empty()
            && told.verifier.is_some() != verifier.is_empty();
        (is_whole && (told.credentials.is_some() || told.verifier.is_some())).then_some(told)
    }
}

/// Lets a client in that shows a certificate which is trusted, and proves the password, whichever
/// of them there is, when it has its turn.
///
/// **Errors**: why it is not let in.
pub fn authenticate(link: Link, task: &[u8], turn: Turn) -> Result<Passage, Turned> {
    let told = Told::read(task).ok_or_else(|| Turned::because("its task is none".to_owned()))?;
    let socket = link.into_fd().map_err(|error| Turned::because(error.to_string()))?;
    // From here on it reads what a peer sends.
    sandbox::enter().map_err(Turned::because)?;
    if let Turn::After(wait) = turn
        && !wait.is_zero()
    {
        let wait = Timespec::try_from(wait).ok();
        let _ = rustix::event::poll(&mut [], wait.as_ref());
    }
    if !speaks_tls(&socket) {
        let wanted = match told.verifier {
            Some(_) => "it wants a password (password=); error 0x80004005",
            None => "it speaks TLS (ssl or spipe)",
        };
        let detail = format!("this process server is not open to everybody: {wanted}");
        refuse(Link::from(socket), ErrorCode::NotPermitted, &detail);
        return Err(Turned::because("it does not speak TLS".to_owned()));
    }
    let identity = match &told.credentials {
        Some(credentials) => Identity::Certificate(credentials),
        None => Identity::Ephemeral,
    };
    if let Turn::NotBefore(wait) = turn {
        // One that is gone need not be told.
        let _ = tls::turn_away(socket, identity, wait, HANDSHAKE_PATIENCE);
        let why =
            "wrong passwords have come from there, and others from there wait already".to_owned();
        return Err(Turned::because(why));
    }
    let accepted = tls::accept(socket, identity, told.verifier.as_ref(), HANDSHAKE_PATIENCE);
    let encrypted = accepted.map_err(|error| Turned {
        is_guess: matches!(error, TlsError::Password),
        why: error.to_string(),
    })?;
    let (user, how) = match (encrypted.peer(), &told.verifier) {
        (None, _) => (BY_PASSWORD.to_owned(), "password".to_owned()),
        (Some(facts), verifier) => {
            let besides = if verifier.is_some() { " and password" } else { "" };
            let (title, thumbprint) = (facts.title(), facts.thumbprint());
            let how = format!("certificate {title}, thumbprint {thumbprint}{besides}");
            (title, how)
        }
    };
    Ok(Passage { user, how, carry: Box::new(move |inner| encrypted.relay(inner)) })
}

/// Whether the client speaks TLS, by its first byte. One that says nothing is left to the handshake
/// to give up on.
fn speaks_tls(socket: &OwnedFd) -> bool {
    let deadline = Instant::now() + HANDSHAKE_PATIENCE;
    let mut byte = [0];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).ok();
        let mut fds = [PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)];
        match rustix::event::poll(&mut fds, left.as_ref()) {
            Err(rustix::io::Errno::INTR) => continue,
            Ok(1..) => {}
            _ => return true,
        }
        return match rustix::net::recv(socket, &mut byte, RecvFlags::PEEK) {
            Ok((1, _)) => byte == [TLS_HANDSHAKE],
            _ => true,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_whole_or_none() {
        let endpoint: ServerEndpoint = "tcp:port=1,password=abc".parse().expect("an endpoint");
        let source = task(&endpoint).expect("a password").expect("it needs a login");
        let bytes = source().expect("a task");
        assert!(Told::read(&bytes).is_some_and(|told| told.verifier.is_some()));
        for len in 0..bytes.len() {
            assert!(Told::read(&bytes[..len]).is_none(), "{len}");
        }
        let endpoint: ServerEndpoint = "tcp:port=1".parse().expect("an endpoint");
        assert!(task(&endpoint).expect("nothing is needed").is_none());
    }
}
