//! cdb, the console debugger: a terminal on the command language. It reads the command line,
//! connects, and hands every line that is typed to the interpreter.

#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "a program speaks to its user")]

mod args;
mod banner;
mod console;
mod interrupts;
mod line_editor;
mod options;
mod progress;
mod server;
mod servers;
mod session;
mod terminal;
mod typing;

use std::ffi::OsString;
use std::process::ExitCode;

use args::Invocation;

fn main() -> ExitCode {
    if let Some(code) = dbgsrv::local::run_if_session() {
        return code;
    }
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let Err(error) = dbglink::hide_passwords() {
        eprintln!("cdb: passwords on the command line can be seen by others: {error}");
    }
    let options = match args::parse(&words) {
        Ok(Invocation::Debug(options)) => options,
        Ok(Invocation::Help) => {
            print!("{}", options::help());
            return ExitCode::SUCCESS;
        }
        Ok(Invocation::Version) => {
            println!("{}", banner::version());
            return ExitCode::SUCCESS;
        }
        Ok(Invocation::ListServers(host)) => return report(servers::list(&host).map(|()| true)),
        Err(error) => {
            eprintln!("cdb: {error}\ncdb: cdb -? shows what can be said");
            return ExitCode::from(2);
        }
    };
    let connection = match &options.server {
        Some(endpoint) => server::connect(endpoint),
        None => server::start(),
    };
    report(connection.and_then(|connection| session::run(&options, connection)))
}

/// The exit status of what went as wanted, did not, or could not be done at all.
fn report(result: anyhow::Result<bool>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cdb: {error:#}");
            ExitCode::FAILURE
        }
    }
}
