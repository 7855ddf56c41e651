//! dbgsrv, the process server: reads the command line, listens, and is silent while all is well. In
//! a session process, serves one client instead.

#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "a program speaks to its user")]

mod far_end;

use std::ffi::OsString;
use std::num::NonZeroU16;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use dbglink::connect_string::{HostName, Password, PasswordSource, ServerTransport};
use dbglink::{RunDir, registry};
use dbgsrv::args::{self, Invocation, Service};
use dbgsrv::listener::{self, Admission, Source};
use dbgsrv::{ServerError, entrance, spawn};

/// How long a client with `clicon=` is called that is not there yet.
const CALL_PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let started = dbgsrv::local::run_if_session().or_else(far_end::run_if_far_end);
    if let Some(code) = started.or_else(|| dbgsrv::login::run_if_login(entrance::authenticate)) {
        return code;
    }
    // What it was started with by mistake is neither its own nor its login processes'.
    spawn::close_inherited();
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let Err(error) = dbglink::hide_passwords() {
        eprintln!("dbgsrv: passwords on the command line can be seen by others: {error}");
    }
    let service = match args::parse(&arguments) {
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
    match serve(service) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dbgsrv: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(service: Service) -> Result<(), ServerError> {
    let Service { endpoint, program, sessions } = service;
    if let Some(PasswordSource::Environment(name)) =
        endpoint.password.as_ref().map(Password::source)
    {
        spawn::keep_from_children(name);
    }
    let task = entrance::task(&endpoint)?;
    let admission = match (&endpoint.transport, task) {
        (_, Some(task)) => Admission::Login { limits: entrance::limits(&endpoint), task },
        (ServerTransport::Tcp(tcp), _) if tcp.unprotected => Admission::Unprotected,
        (ServerTransport::TcpReverse(tcp), _) if tcp.unprotected => Admission::Unprotected,
        // Who has started it has its ends, and whoever that gave them to.
        (ServerTransport::Stdio, _) => Admission::Unprotected,
        _ => Admission::SameUser,
    };
    let run_dir = RunDir::of_this_user();
    if endpoint.transport == ServerTransport::Stdio {
        let termination = listener::prepare()?;
        let (link, writing) = dbglink::adopt_stdio()?;
        // Its output is not the link any more.
        if let Some(program) = &program {
            dbgsrv::ptrace::start(program)?;
        }
        let served = listener::run(Source::Call(link, None), &termination, admission, sessions);
        // What the session said last is still on its way.
        let _ = writing.join();
        return match served {
            // That is how it is to end.
            Err(ServerError::ClientGone) => Ok(()),
            other => other,
        };
    }
    let source = match &endpoint.transport {
        ServerTransport::TcpReverse(tcp) => call(&tcp.client, tcp.port)?,
        ServerTransport::SslReverse(ssl) => call(&ssl.client, ssl.port)?,
        _ => Source::Listener(dbglink::listen(&endpoint, &run_dir)?),
    };
    let termination = listener::prepare()?;
    if let Some(program) = &program {
        dbgsrv::ptrace::start(program)?;
    }
    let _registration = match &source {
        // A server that cannot be listed works all the same.
        Source::Listener(listener) => registry::register(listener.endpoint(), &run_dir).ok(),
        Source::Call(..) => None,
    };
    listener::run(source, &termination, admission, sessions)
}

fn call(client: &HostName, port: NonZeroU16) -> Result<Source, ServerError> {
    let client = client.clone();
    let call = move || dbglink::call_client(&client, port, CALL_PATIENCE);
    Ok(Source::Call(call()?, Some(Arc::new(call))))
}
