//! dbgsrv, the process server: reads the command line, listens, and is silent while all is well. In
//! a session process, serves one client instead.

#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "a program speaks to its user")]

use std::ffi::OsString;
use std::process::ExitCode;

use dbglink::connect_string::ServerTransport;
use dbglink::{RunDir, registry};
use dbgsrv::args::{self, Invocation, Service};
use dbgsrv::listener::{self, Admission};

fn main() -> ExitCode {
    if let Some(code) = dbgsrv::local::run_if_session() {
        return code;
    }
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
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
    let Service { endpoint, program, implicit } = service;
    let admission = match &endpoint.transport {
        ServerTransport::Tcp(tcp) if tcp.unprotected => Admission::Unprotected,
        _ => Admission::SameUser,
    };
    if endpoint.password.is_some() {
        eprintln!(
            "dbgsrv: password= is not available yet; without it the server is open to its own \
             user and root only"
        );
        return ExitCode::FAILURE;
    }
    let run_dir = RunDir::of_this_user();
    let result = dbglink::listen(&endpoint, &run_dir).map_err(dbgsrv::ServerError::from).and_then(
        |listener| {
            let termination = listener::prepare()?;
            if let Some(program) = &program {
                dbgsrv::ptrace::start(program)?;
            }
            // A server that cannot be listed works all the same.
            let _registration = registry::register(listener.endpoint(), &run_dir);
            listener::run(&listener, &termination, admission, implicit)
        },
    );
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dbgsrv: {error}");
            ExitCode::FAILURE
        }
    }
}
