//! Links over real sockets of this machine.

#![expect(clippy::disallowed_methods, reason = "adopting a socket takes a child process")]

mod corpus; // the fuzz corpus, made and replayed
mod links; // what every open link does
mod npipe; // unix sockets with names
mod replay; // what must hold for any bytes; the fuzz targets use the same file
mod reverse; // servers that call, and clients that wait
mod tcp; // ports and addresses

use dbglink::{ClientEndpoint, Link, LinkError, Listener, RunDir, ServerEndpoint};
use std::io::{Read, Write};
use std::time::Duration;

/// Longer than anything takes here; only a hung test waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A run directory of its own for one test; removed with all that is in it.
struct Home {
    directory: tempfile::TempDir,
    run_dir: RunDir,
}

impl Home {
    fn new() -> Home {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let run_dir = RunDir::at(directory.path().join("run"));
        Home { directory, run_dir }
    }

    fn listen(&self, text: &str) -> Result<Listener, LinkError> {
        let endpoint: ServerEndpoint = text.parse().expect(text);
        dbglink::listen(&endpoint, &self.run_dir)
    }

    fn connect(&self, text: &str) -> Result<Link, LinkError> {
        self.connect_within(text, PATIENCE)
    }

    fn connect_within(&self, text: &str, timeout: Duration) -> Result<Link, LinkError> {
        let endpoint: ClientEndpoint = text.parse().expect(text);
        dbglink::connect(&endpoint, &self.run_dir, timeout)
    }
}

/// Sends a few bytes from each to the other.
fn assert_connected(one: Link, other: Link) {
    let (mut one_reader, mut one_writer) = one.split();
    let (mut other_reader, mut other_writer) = other.split();
    let mut answer = [0; 4];
    one_writer.write_all(b"ping").expect("open");
    other_reader.read_exact(&mut answer).expect("open");
    assert_eq!(&answer, b"ping");
    other_writer.write_all(b"pong").expect("open");
    one_reader.read_exact(&mut answer).expect("open");
    assert_eq!(&answer, b"pong");
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[test]
fn transports_without_code_say_so() {
    let home = Home::new();
    // With clicon= a server calls, and does not listen.
    for text in [
        "com:port=1,baud=9600,channel=0",
        "tcp:port=1025,clicon=localhost",
        "ssl:proto=tls1,certuser=a,port=1025,clicon=localhost",
    ] {
        let error = home.listen(text).expect_err(text);
        assert!(matches!(error, LinkError::NotAvailable { .. }), "{text}: {error}");
    }
    let error = home.connect("com:port=1,baud=9600,channel=0").expect_err("not available");
    assert_eq!(
        error.to_string(),
        "com cannot be opened here; there are npipe, tcp, spipe, ssl and vsock, exec:COMMAND for \
         clients, and stdio for servers"
    );
}
