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

use std::process::ExitCode;
use std::time::Duration;

use args::Invocation;
use dbglink::Arguments;

/// How long what was written last may take to leave.
const FINISH_PATIENCE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    if let Some(code) = dbgsrv::local::run_if_session() {
        return code;
    }
    let arguments = Arguments::of_this_process();
    if let Err(error) = dbglink::hide_passwords() {
        eprintln!("cdb: passwords on the command line can be seen by others: {error}");
    }
    let options = match args::parse(arguments.get(1..).unwrap_or_default()) {
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
    let status = report(connection.and_then(|connection| session::run(&options, connection)));
    // What was said last is still being encrypted.
    dbglink::finish_links(FINISH_PATIENCE);
    status
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
