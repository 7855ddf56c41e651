//! Getting an engine: connected to the process server that `-premote` names, or to an embedded one.
//! It knows no command.

use anyhow::{Context as _, Result, anyhow};
use dbgeng::client::{LinkNews, Return};
use dbgeng::{Engine, hresult};
use dbglink::{ClientEndpoint, LinkError, Route, RunDir};

/// What the server's log calls this program.
const PROGRAM: &str = concat!("cdb ", env!("CARGO_PKG_VERSION"));

/// An engine, and what keeps its server.
pub(crate) struct Connection {
    /// The engine.
    pub(crate) engine: Engine,
    /// The server's connection string without its password; `None` for an embedded one.
    pub(crate) server: Option<String>,
}

/// Connects to a server.
pub(crate) fn connect(endpoint: &ClientEndpoint) -> Result<Connection> {
    let what = || format!("cannot connect to {endpoint}");
    let route = Route::new(endpoint, RunDir::of_this_user()).with_context(what)?;
    if let Some((server, port)) = route.awaited() {
        eprintln!("Waiting for the process server on {server} to connect to port {port}...");
    }
    let report = |error: &LinkError| eprintln!("cdb: {error}; still waiting for the server");
    let link = route.open_asking(route.patience(), report).with_context(what)?;
    let comeback = Return::along(route, |news| match news {
        LinkNews::Lost { .. } => eprintln!("cdb: {news}; Ctrl+C twice gives up"),
        LinkNews::Resumed { .. } => eprintln!("cdb: {news}"),
    });
    let engine = Engine::connect(link, PROGRAM, comeback);
    let engine = engine.map_err(numbered).with_context(what)?;
    Ok(Connection { engine, server: Some(endpoint.to_string()) })
}

/// Starts an embedded server.
pub(crate) fn start() -> Result<Connection> {
    let what = "cannot start a process server of its own";
    let report = |report: dbgsrv::local::Report| eprintln!("cdb: {report}");
    let link = dbgsrv::local::start(report).context(what)?;
    let engine = Engine::connect(link, PROGRAM, None).map_err(numbered).context(what)?;
    Ok(Connection { engine, server: None })
}

/// The engine's error with its HRESULT, by which the original's messages are looked up.
pub(crate) fn numbered(error: dbgeng::Error) -> anyhow::Error {
    anyhow!("{error} (0x{:08x})", hresult(error.kind()))
}
