//! A process server whose clients have to say who they are: `doorkeeper SOCKET-NAME`, in the run
//! directory that `DBGSRV_RUN_DIR` names. It shows how a transport that asks for a login is put in
//! front of sessions. Do not use it for anything else: it believes whoever knows the line
//! `let me in as NAME`.

use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use dbglink::{LinkReader, LinkWriter, RunDir, ServerEndpoint};
use dbgsrv::listener::{self, Admission};
use dbgsrv::logins::LoginLimits;

/// What a client says, in front of its name.
const GREETING: &str = "let me in as ";
/// The longest line that is read.
const LINE_LEN_MAX: usize = 64;

fn main() -> ExitCode {
    let started = dbgsrv::local::run_if_session();
    if let Some(code) = started.or_else(|| dbgsrv::login::run_if_login(ask)) {
        return code;
    }
    let name = std::env::args().nth(1).unwrap_or_default();
    let endpoint: Result<ServerEndpoint, _> = format!("npipe:pipe={name}").parse();
    let Ok(endpoint) = endpoint else { return ExitCode::from(2) };
    let limits = LoginLimits { at_once: 4, patience: Duration::from_secs(1) };
    let served = dbglink::listen(&endpoint, &RunDir::of_this_user())
        .map_err(dbgsrv::ServerError::from)
        .and_then(|listener| {
            let termination = listener::prepare()?;
            listener::run(&listener, &termination, Admission::Login(limits), Vec::new())
        });
    if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Reads one line, byte by byte, as what follows it is the session's.
fn ask(reader: &mut LinkReader, writer: &mut LinkWriter) -> Option<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while byte != [b'\n'] && line.len() < LINE_LEN_MAX {
        reader.read_exact(&mut byte).ok()?;
        line.extend(byte);
    }
    let line = String::from_utf8(line).ok()?;
    let name = line.strip_suffix('\n')?.strip_prefix(GREETING)?;
    writer.write_all(b"welcome\n").ok()?;
    Some(name.to_owned())
}
