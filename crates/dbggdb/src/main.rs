//! dbggdb, the bridge between debuggers that speak the GDB remote protocol and a process server. It
//! reads the command line and connects both sides.

#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "a program speaks to its user")]

mod args;
mod listen;
mod place;
mod server;

use std::error::Error;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use args::{Invocation, Options};
use dbgeng::{ImageStore, SymbolEnvironment};
use dbggdb::{FileSettings, Session, Start};
use dbglink::Arguments;
use listen::{Connection, Listener};

/// How long what was written last may take to leave.
const FINISH_PATIENCE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    if let Some(code) = dbgsrv::local::run_if_session() {
        return code;
    }
    let arguments = Arguments::of_this_process();
    if let Err(error) = dbglink::hide_passwords() {
        eprintln!("dbggdb: passwords on the command line can be seen by others: {error}");
    }
    let options = match args::parse(arguments.get(1..).unwrap_or_default()) {
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
    let served = serve(&options);
    // What was said last is still being encrypted.
    dbglink::finish_links(FINISH_PATIENCE);
    match served {
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
        let input = std::fs::File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
        return Ok(session.serve(input, std::io::stdout())?);
    };
    let mut listener = Listener::new(place)?;
    let announcement = format!("dbggdb: listening at {}", listener.place());
    let refused = |why| eprintln!("dbggdb: a debugger is refused: {why}");
    if options.target != Start::Nothing {
        let mut session = begin(options)?;
        println!("{announcement}");
        let debugger = listener.accept(refused)?;
        // Nobody else is served: whoever connects is to find out at once.
        drop(listener);
        return Ok(session.serve(debugger.reader, debugger.writer)?);
    }
    println!("{announcement}");
    loop {
        let debugger = listener.accept(refused)?;
        // An embedded server is started here: its process is this thread's child. Another one may
        // let us wait, and other debuggers are not to wait with us.
        let is_embedded = options.server.is_none();
        let begun = is_embedded.then(|| begin(options).map_err(|error| error.to_string()));
        let (options, place) = (options.clone(), listener.place().for_session());
        let serve = move || {
            let begin = || begin(&options).map_err(|error| error.to_string());
            match begun.unwrap_or_else(begin) {
                Ok(mut session) => {
                    session.set_other_connections(place);
                    serve_one(session, debugger);
                }
                Err(error) => eprintln!("dbggdb: a debugger is turned away: {error}"),
            }
        };
        let thread = std::thread::Builder::new().name("session".to_owned()).spawn(serve);
        if let Err(error) = thread {
            eprintln!("dbggdb: a debugger is turned away: {error}");
        }
    }
}

fn serve_one(session: Session, debugger: Connection) {
    let mut session = session;
    if let Err(error) = session.serve(debugger.reader, debugger.writer) {
        eprintln!("dbggdb: {error}");
    }
}

/// A session of the server, with what is debugged from the start.
fn begin(options: &Options) -> Result<Session, Box<dyn Error>> {
    let environment = SymbolEnvironment::from_variables(|name| std::env::var_os(name));
    let store = ImageStore::new(&environment);
    let files = FileSettings { allow_writes: options.allow_writes, store };
    let (link, comeback) = server::connect(options.server.as_ref())?;
    let mut session = Session::connect(link, comeback, files)?;
    session.begin(&options.target)?;
    Ok(session)
}
