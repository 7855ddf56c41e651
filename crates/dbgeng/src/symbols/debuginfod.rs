//! A client of debuginfod servers: files by build-id over HTTP. It knows how to ask and how to be
//! patient, not what a file is for or where it will be kept.
//!
//! **Source**: debuginfod(8), "WEBAPI".

use std::cell::OnceCell;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, http::Response};

use crate::SymbolEnvironment;

/// The longest file that is taken.
const FILE_LEN_MAX: u64 = 8 << 30;
/// One piece on its way from the connection's thread.
const PIECE_LEN: usize = 64 * 1024;
const PIECES_UNDER_WAY: usize = 16;
/// A server that is there answers sooner.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How soon a wish to cancel is noticed.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Where systems keep the certificates of those who vouch for others.
const CERTIFICATES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Why a file was not fetched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum FetchError {
    /// The server does not have it.
    Absent,
    /// The user wants it to end.
    Cancelled,
    /// The server could not be asked, or broke off: in one line.
    Failed(String),
}

/// What arrives from the connection's thread.
enum Piece {
    /// The answer has begun; how long it is, if the server says.
    Begun(Option<u64>),
    Bytes(Vec<u8>),
    End,
    Error(FetchError),
}

/// Connections to servers; they are kept open between requests.
pub(super) struct Debuginfod {
    environment: SymbolEnvironment,
    agent: OnceCell<Agent>,
}

impl Debuginfod {
    /// Connects to nobody.
    pub(super) fn new(environment: &SymbolEnvironment) -> Debuginfod {
        Debuginfod { environment: environment.clone(), agent: OnceCell::new() }
    }

    /// Fetches what is at `url` into `sink`; `progress` is told how many bytes are here and how
    /// many there are, 0 if the server does not say.
    ///
    /// **Cost**: one HTTP request. It returns within 50 ms once `cancelled` is true.
    pub(super) fn fetch(
        &self,
        url: &str,
        cancelled: &AtomicBool,
        progress: &mut dyn FnMut(u64, u64),
        sink: &mut dyn Write,
    ) -> Result<(), FetchError> {
        let agent = self.agent.get_or_init(|| agent(&self.environment)).clone();
        let (sender, pieces) = mpsc::sync_channel(PIECES_UNDER_WAY);
        let thread = thread::Builder::new().name("dbgeng-debuginfod".to_owned());
        let asked = url.to_owned();
        // A request that is given up ends with its next piece or its timeout; nobody waits for it.
        thread
            .spawn(move || request(&agent, &asked, &sender))
            .map_err(|error| FetchError::Failed(format!("no thread: {error}")))?;
        receive(&pieces, cancelled, progress, sink)
    }
}

fn receive(
    pieces: &Receiver<Piece>,
    cancelled: &AtomicBool,
    progress: &mut dyn FnMut(u64, u64),
    sink: &mut dyn Write,
) -> Result<(), FetchError> {
    let (mut done, mut total) = (0, None);
    loop {
        if cancelled.load(Ordering::Acquire) {
            return Err(FetchError::Cancelled);
        }
        let bytes = match pieces.recv_timeout(POLL_INTERVAL) {
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(FetchError::Failed("the connection broke off".to_owned()));
            }
            Ok(Piece::Begun(len)) => {
                total = len;
                Vec::new()
            }
            Ok(Piece::Bytes(bytes)) => bytes,
            Ok(Piece::Error(error)) => return Err(error),
            Ok(Piece::End) => break,
        };
        sink.write_all(&bytes).map_err(|error| FetchError::Failed(error.to_string()))?;
        done += bytes.len() as u64;
        if done > FILE_LEN_MAX {
            let message = format!("the file is longer than {} GiB", FILE_LEN_MAX >> 30);
            return Err(FetchError::Failed(message));
        }
        progress(done, total.unwrap_or(0));
    }
    match total.filter(|total| *total != done) {
        Some(total) => Err(FetchError::Failed(format!("the server sent {done} bytes of {total}"))),
        None => Ok(()),
    }
}

/// The connection's thread: one request from beginning to end.
fn request(agent: &Agent, url: &str, pieces: &SyncSender<Piece>) {
    let failed =
        |error: &dyn std::fmt::Display| Piece::Error(FetchError::Failed(error.to_string()));
    // Nobody receives any more: the request was given up.
    let send = |piece| pieces.send(piece).is_ok();
    let mut response: Response<Body> = match agent.get(url).call() {
        Ok(response) => response,
        Err(error) => {
            send(failed(&error));
            return;
        }
    };
    let status = response.status().as_u16();
    if status != 200 {
        send(match status {
            404 | 410 => Piece::Error(FetchError::Absent),
            _ => failed(&format!("the server answers {}", response.status())),
        });
        return;
    }
    if !send(Piece::Begun(response.body().content_length())) {
        return;
    }
    let mut reader = response.body_mut().as_reader();
    loop {
        let mut bytes = vec![0; PIECE_LEN];
        let piece = match reader.read(&mut bytes) {
            Ok(0) => Piece::End,
            Ok(len) => {
                bytes.truncate(len);
                Piece::Bytes(bytes)
            }
            Err(error) => failed(&error),
        };
        let goes_on = matches!(piece, Piece::Bytes(_));
        if !send(piece) || !goes_on {
            return;
        }
    }
}

fn agent(environment: &SymbolEnvironment) -> Agent {
    let timeout = Some(environment.timeout);
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(certificates(environment.certificates.as_deref()))
        .build();
    Agent::config_builder()
        .user_agent(concat!("dbgsrv/", env!("CARGO_PKG_VERSION")))
        .http_status_as_error(false)
        .tls_config(tls)
        .timeout_connect(Some(CONNECT_TIMEOUT.min(environment.timeout)))
        .timeout_recv_response(timeout)
        .timeout_per_read(timeout)
        .build()
        .new_agent()
}

/// Whom the system believes. With nobody to believe, no https server is spoken to.
fn certificates(chosen: Option<&Path>) -> RootCerts {
    let files = match chosen {
        Some(file) => vec![file],
        None => CERTIFICATES.iter().map(Path::new).collect(),
    };
    let pem = files.into_iter().find_map(|file| std::fs::read(file).ok()).unwrap_or_default();
    let certificates = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    RootCerts::Specific(Arc::new(certificates.collect()))
}

#[cfg(test)]
#[path = "debuginfod/tests.rs"]
mod tests;
