//! What transports are compared with: the same traffic, between two threads or by ssh, without a
//! process server and without frames.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use testkit::{Guard, TwoMachines};

use crate::figures::{Figures, Peer};

/// How long the smallest request is, and its answer: about as long as a frame without a body.
const FRAME_LEN: usize = 16;

/// What lies below a transport.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reference {
    /// A pair of unix sockets.
    Unix,
    /// A connection of TCP within this machine.
    Tcp,
    /// TLS on such a connection, by the library that we use.
    Tls,
    /// ssh, and a program at its other end.
    Ssh,
}

impl Reference {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Reference::Unix => "unix",
            Reference::Tcp => "tcp",
            Reference::Tls => "plain TLS",
            Reference::Ssh => "plain ssh",
        }
    }

    /// Measures it.
    pub(crate) fn measure(self, guard: &Guard, machines: Option<&TwoMachines>) -> Figures {
        match (self, machines) {
            (Reference::Unix, _) => {
                let (ours, theirs) = UnixStream::pair().expect("a pair");
                std::thread::spawn(move || serve(theirs));
                Figures::of(&mut Asker::new(ours))
            }
            (Reference::Tcp, _) => {
                let (ours, theirs) = tcp();
                std::thread::spawn(move || serve(theirs));
                Figures::of(&mut Asker::new(ours))
            }
            (Reference::Tls, _) => tls(),
            (Reference::Ssh, Some(machines)) => {
                let this = std::env::current_exe().expect("it runs");
                let mut command = machines.near(guard, this);
                command.arg("@reference");
                crate::figures_of(command)
            }
            (Reference::Ssh, None) => panic!("there is no other machine"),
        }
    }
}

/// Both ends of a connection.
fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let ours = TcpStream::connect(listener.local_addr().expect("an address")).expect("it listens");
    let (theirs, _) = listener.accept().expect("a client");
    for end in [&ours, &theirs] {
        end.set_nodelay(true).expect("an option");
    }
    (ours, theirs)
}

fn tls() -> Figures {
    let key = rcgen::KeyPair::generate().expect("a key");
    let parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]);
    let certificate = parameters.expect("a name").self_signed(&key).expect("a certificate");
    let der = certificate.der().clone();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(ring::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("a version")
        .with_no_client_auth()
        .with_single_cert(vec![der.clone()], key)
        .expect("they belong together");
    let mut roots = RootCertStore::empty();
    roots.add(der).expect("a certificate");
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("a version")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (ours, theirs) = tcp();
    std::thread::spawn(move || {
        let tls = ServerConnection::new(Arc::new(server)).expect("a server");
        serve(rustls::StreamOwned::new(tls, theirs));
    });
    let name = ServerName::try_from("localhost").expect("a name");
    let tls = ClientConnection::new(Arc::new(client), name).expect("a client");
    Figures::of(&mut Asker::new(rustls::StreamOwned::new(tls, ours)))
}

/// Serves whoever has the other ends of standard input and output.
pub(crate) fn serve_stdio() {
    serve(Both(io::stdin(), io::stdout()));
}

/// Measures ssh to a program on another machine, from this one.
#[expect(clippy::disallowed_methods, reason = "this is what is measured")]
pub(crate) fn measure_ssh() -> Figures {
    let this = std::env::current_exe().expect("it runs");
    let mut command = Command::new("ssh");
    command.args(["-T", TwoMachines::FAR]).arg(this).arg("@serve");
    let mut ssh = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let (input, output) = (ssh.stdin.take(), ssh.stdout.take());
    let mut asker = Asker::new(Both(output.expect("a pipe"), input.expect("a pipe")));
    let figures = Figures::of(&mut asker);
    drop(asker);
    ssh.wait().expect("it ends with its input");
    figures
}

/// Answers until nobody asks any more: the first bytes of a request say how long its answer is.
fn serve(mut stream: impl Read + Write) {
    let mut request = [0; FRAME_LEN];
    while stream.read_exact(&mut request).is_ok() {
        let [first, second, third, fourth, ..] = request;
        let len = u32::from_le_bytes([first, second, third, fourth]) as usize;
        let answer = vec![0; FRAME_LEN + len];
        if stream.write_all(&answer).and_then(|()| stream.flush()).is_err() {
            return;
        }
    }
}

/// A stream on which is asked, and what has been asked.
struct Asker<S> {
    stream: S,
    asked: VecDeque<u32>,
    buffer: Vec<u8>,
}

impl<S> Asker<S> {
    fn new(stream: S) -> Asker<S> {
        Asker { stream, asked: VecDeque::new(), buffer: Vec::new() }
    }
}

impl<S: Read + Write> Peer for Asker<S> {
    fn ask(&mut self, len: u32) {
        let mut request = [0; FRAME_LEN];
        request[..4].copy_from_slice(&len.to_le_bytes());
        self.stream.write_all(&request).and_then(|()| self.stream.flush()).expect("it reads");
        self.asked.push_back(len);
    }

    fn take(&mut self) {
        let len = self.asked.pop_front().expect("something was asked") as usize;
        self.buffer.resize(FRAME_LEN + len, 0);
        self.stream.read_exact(&mut self.buffer).expect("an answer");
    }
}

/// Two streams as one.
struct Both<R, W>(R, W);

impl<R: Read, W> Read for Both<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R, W: Write> Write for Both<R, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.1.flush()
    }
}
