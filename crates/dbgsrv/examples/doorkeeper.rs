//! A process server whose clients have to say who they are: `doorkeeper SOCKET-NAME`, in the run
//! directory that `DBGSRV_RUN_DIR` names. It shows how a transport that asks for a login is put in
//! front of sessions. Do not use it for anything else: it believes whoever knows the line
//! `let me in as NAME`.

use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use dbglink::{Link, RunDir, ServerEndpoint};
use dbgsrv::listener::{self, Admission, SessionOptions, Source};
use dbgsrv::login::{Passage, Turn, Turned};
use dbgsrv::logins::LoginLimits;
use dbgsrv::supervisor::Supervisor;

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
    let limits =
        LoginLimits { at_once: 4, patience: Duration::from_secs(1), counts_unfinished: false };
    let served = dbglink::listen(&endpoint, &RunDir::of_this_user())
        .map_err(dbgsrv::ServerError::from)
        .and_then(|listener| {
            let termination = listener::prepare()?;
            let task = Box::new(|| Ok(GREETING.as_bytes().to_vec()));
            let admission = Admission::Login { limits, task };
            listener::run(
                Source::Listener(listener),
                &termination,
                admission,
                SessionOptions { implicit: Vec::new(), lease: Duration::from_secs(60) },
                Supervisor::default(),
            )
        });
    if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Reads one line, byte by byte, as what follows it is the session's. `greeting` is what a client
/// has to say in front of its name.
fn ask(link: Link, greeting: &[u8], _turn: Turn) -> Result<Passage, Turned> {
    let turned = |error: std::io::Error| Turned::because(error.to_string());
    let (mut reader, mut writer) = link.split();
    let mut line = Vec::new();
    let mut byte = [0];
    while byte != [b'\n'] && line.len() < LINE_LEN_MAX {
        reader.read_exact(&mut byte).map_err(turned)?;
        line.extend(byte);
    }
    let name = line.strip_suffix(b"\n").and_then(|line| line.strip_prefix(greeting));
    let name = name.and_then(|name| String::from_utf8(name.to_vec()).ok());
    let name = name.ok_or_else(|| Turned::because("it did not say the words".to_owned()))?;
    writer.write_all(b"welcome\n").map_err(turned)?;
    Ok(Passage::plain(name, reader, writer))
}
