//! dbgsrv, the process server: reads the command line, listens, and is silent while all is well.
//! The same program, started by itself, is a session process, a login process, or the far end of
//! somebody's ssh, and does only that then.

#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "a program speaks to its user")]

mod far_end;

use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use dbglink::connect_string::{HostName, Password, PasswordSource, ServerTransport};
use dbglink::{Arguments, RunDir, ServerEndpoint, registry};
use dbgsrv::args::{self, Invocation, Service};
use dbgsrv::listener::{self, Admission, Source};
use dbgsrv::ptrace::Termination;
use dbgsrv::spawn::{self, Handed, Inherited};
use dbgsrv::supervisor::Supervisor;
use dbgsrv::{ServerError, audit, entrance, firewall};

/// How long to keep calling a client with `clicon=` that is not there yet.
const CALL_PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let started = dbgsrv::local::run_if_session().or_else(far_end::run_if_far_end);
    if let Some(code) = started.or_else(|| dbgsrv::login::run_if_login(entrance::authenticate)) {
        return code;
    }
    // What it was started with is neither its sessions' nor its login processes'.
    let inherited = spawn::take_inherited();
    let arguments = Arguments::of_this_process();
    if let Err(error) = dbglink::hide_passwords() {
        eprintln!("dbgsrv: passwords on the command line can be seen by others: {error}");
    }
    let service = match args::parse(arguments.get(1..).unwrap_or_default()) {
        Ok(Invocation::Help) => {
            print!("{}", args::USAGE);
            return ExitCode::SUCCESS;
        }
        Ok(Invocation::Serve(service)) => *service,
        Err(error) => {
            eprint!("Invalid Command Line: {error}\n\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    drop(arguments);
    match inherited.and_then(|inherited| serve(service, inherited)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dbgsrv: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(service: Service, inherited: Inherited) -> Result<(), ServerError> {
    let Service { mut endpoint, program, sessions, audit: place } = service;
    if let Some(PasswordSource::Environment(name)) =
        endpoint.password.as_ref().map(Password::source)
    {
        spawn::keep_from_children(name);
    }
    let task = entrance::task(&endpoint)?;
    let admission = match task {
        Some(task) => Admission::Login { limits: entrance::limits(&endpoint), task },
        None if endpoint.transport.is_unprotected() => Admission::Unprotected,
        None => Admission::SameUser,
    };
    // What recognises it is enough from here on.
    if let Some(password) = &mut endpoint.password {
        password.forget();
    }
    let run_dir = RunDir::of_this_user();
    let supervisor = Supervisor::at(inherited.notify).map_err(ServerError::Handed)?;
    let Opened { source, termination, writing } = open(&endpoint, inherited.sockets, &run_dir)?;
    open_firewall(&source)?;
    audit::begin(place, endpoint.transport().word(), &place_of(&source, &endpoint))?;
    if let Some(program) = &program {
        dbgsrv::ptrace::start(program)?;
    }
    let _registration = match &source {
        // A server that cannot be listed works all the same.
        Source::Listener(listener) => registry::register(listener.endpoint(), &run_dir).ok(),
        Source::Call(..) => None,
    };
    let served = listener::run(source, &termination, admission, sessions, supervisor);
    let Some(writing) = writing else { return served };
    // What the session said last is still on its way.
    let _ = writing.join();
    match served {
        // That is how it is to end.
        Err(ServerError::ClientGone) => Ok(()),
        other => other,
    }
}

/// Opens the firewall for where clients connect, if the connection string asks for that.
fn open_firewall(source: &Source) -> Result<(), ServerError> {
    let Source::Listener(listener) = source else { return Ok(()) };
    match &listener.endpoint().transport {
        ServerTransport::Tcp(tcp) if tcp.icf_enable => {
            firewall::open(tcp.port.low()).map_err(ServerError::Firewall)
        }
        ServerTransport::Npipe(npipe) if npipe.icf_enable => {
            eprintln!("dbgsrv: IcfEnable: a pipe is a unix socket, which no firewall filters");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Where clients connect, in words.
fn place_of(source: &Source, endpoint: &ServerEndpoint) -> String {
    match source {
        Source::Listener(listener) => listener.endpoint().to_string(),
        Source::Call(..) => endpoint.to_string(),
    }
}

/// Where clients come from, and what goes with it.
struct Opened {
    source: Source,
    termination: Termination,
    /// Of `stdio`: the thread that writes.
    writing: Option<JoinHandle<()>>,
}

/// Opens what the connection string says.
fn open(
    endpoint: &ServerEndpoint,
    handed: Vec<Handed>,
    run_dir: &RunDir,
) -> Result<Opened, ServerError> {
    if let Some(socket) = the_one(handed)? {
        let listener = dbglink::listen_on(endpoint, socket, run_dir)?;
        let (source, termination) = (Source::Listener(listener), listener::prepare()?);
        return Ok(Opened { source, termination, writing: None });
    }
    if endpoint.transport == ServerTransport::Stdio {
        // Before there are threads. From here on its output is not the link any more.
        let termination = listener::prepare()?;
        let (link, writing) = dbglink::adopt_stdio()?;
        return Ok(Opened {
            source: Source::Call(link, None),
            termination,
            writing: Some(writing),
        });
    }
    let source = match &endpoint.transport {
        ServerTransport::TcpReverse(tcp) => call(&tcp.client, tcp.port)?,
        ServerTransport::SslReverse(ssl) => call(&ssl.client, ssl.port)?,
        _ => Source::Listener(dbglink::listen(endpoint, run_dir)?),
    };
    // Behind the calls: until a client has answered, a signal ends the server at once.
    Ok(Opened { source, termination: listener::prepare()?, writing: None })
}

/// The socket that a service supervisor has handed over, if it has.
fn the_one(mut handed: Vec<Handed>) -> Result<Option<OwnedFd>, ServerError> {
    if let [_, _, ..] = handed.as_slice() {
        let names: Vec<String> = handed.into_iter().map(|handed| handed.name).collect();
        return Err(ServerError::Handed(format!(
            "{} sockets are handed over ({}), and a server has one; a port alone, as in \
             ListenStream=1025, is one for IPv4 and IPv6",
            names.len(),
            names.join(", ")
        )));
    }
    Ok(handed.pop().map(|handed| handed.fd))
}

fn call(client: &HostName, port: NonZeroU16) -> Result<Source, ServerError> {
    let client = client.clone();
    let call = move || dbglink::call_client(&client, port, CALL_PATIENCE);
    Ok(Source::Call(call()?, Some(Arc::new(call))))
}
