//! dbggdb, the bridge between debuggers that speak the GDB remote protocol and a process server. It
//! reads the command line and connects both sides.

#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "a program speaks to its user")]

mod args;
mod server;

use std::error::Error;
use std::ffi::OsString;
use std::process::ExitCode;

use args::{Invocation, Options};
use dbggdb::Session;

fn main() -> ExitCode {
    if let Some(code) = dbgsrv::local::run_if_session() {
        return code;
    }
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let options = match args::parse(&words) {
        Ok(Invocation::Serve(options)) => options,
        Ok(Invocation::Help) => {
            print!("{}", args::HELP);
            return ExitCode::SUCCESS;
        }
        Ok(Invocation::Version) => {
            println!("dbggdb {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("dbggdb: {error}\ndbggdb: dbggdb --help shows what can be said");
            return ExitCode::from(2);
        }
    };
    match serve(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dbggdb: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: &Options) -> Result<(), Box<dyn Error>> {
    let link = server::connect(options.server.as_ref())?;
    let mut session = Session::connect(link, std::io::stdin(), std::io::stdout())?;
    session.begin(&options.target)?;
    Ok(session.serve()?)
}
