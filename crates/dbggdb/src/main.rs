//! dbggdb, the bridge between debuggers that speak the GDB remote protocol and a process server. It
//! reads the command line and connects both sides.

#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "a program speaks to its user")]

mod args;
mod listen;
mod place;
mod server;

use std::error::Error;
use std::ffi::OsString;
use std::io::{ErrorKind, IsTerminal};
use std::process::ExitCode;

use args::{Invocation, Options};
use dbgeng::{ImageStore, SymbolEnvironment};
use dbggdb::{FileSettings, Session, Start};
use listen::Listener;

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
    let Some(place) = &options.listen else {
        if std::io::stdin().is_terminal() {
            eprintln!("dbggdb: a debugger is expected at standard input; -listen opens a port");
        }
        let mut session = begin(options)?;
        // gdb shows what its pipe's command says.
        session.speak_aside(|text| eprintln!("dbggdb: {text}"));
        return Ok(session.serve(std::io::stdin(), std::io::stdout())?);
    };
    let listener = Listener::new(place)?;
    let announce = || println!("dbggdb: listening at {}", listener.place());
    let refused = |why| eprintln!("dbggdb: a debugger is refused: {why}");
    if options.target != Start::Nothing {
        let mut session = begin(options)?;
        announce();
        let debugger = listener.accept(refused)?;
        return Ok(session.serve(debugger.reader, debugger.writer)?);
    }
    announce();
    loop {
        let debugger = match listener.accept(refused) {
            Ok(debugger) => debugger,
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
            Err(error) => return Err(error.into()),
        };
        // An embedded server is started here: its process is this thread's child.
        let session = match begin(options) {
            Ok(mut session) => {
                session.set_other_connections(listener.place().for_session());
                session
            }
            Err(error) => {
                eprintln!("dbggdb: a debugger is turned away: {error}");
                continue;
            }
        };
        let serve = move || {
            let mut session = session;
            if let Err(error) = session.serve(debugger.reader, debugger.writer) {
                eprintln!("dbggdb: {error}");
            }
        };
        std::thread::Builder::new().name("session".to_owned()).spawn(serve)?;
    }
}

/// A session of the server, with what is debugged from the start.
fn begin(options: &Options) -> Result<Session, Box<dyn Error>> {
    let environment = SymbolEnvironment::from_variables(|name| std::env::var_os(name));
    let store = ImageStore::new(&environment);
    let files = FileSettings { allow_writes: options.allow_writes, store };
    let mut session = Session::connect(server::connect(options.server.as_ref())?, files)?;
    session.begin(&options.target)?;
    Ok(session)
}
