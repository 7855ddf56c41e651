//! dbgsrvctl: what concerns process servers and is not needed in one. It asks no server anything;
//! what it shows comes from the registry, from /proc, and from the stores of certificates.

#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, reason = "a program speaks to its user")]

mod args;
mod certificates;
mod list;
mod procfs;
mod sessions;
mod table;
mod utc;

use std::ffi::OsString;
use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use args::Invocation;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let (text, code) = match args::parse(&words) {
        Ok(Invocation::Help) => (args::USAGE.to_owned(), ExitCode::SUCCESS),
        Ok(Invocation::List) => {
            let listing = list::listing();
            for error in &listing.errors {
                eprintln!("dbgsrvctl: {error}");
            }
            let is_complete = listing.errors.is_empty();
            (listing.text, if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Ok(Invocation::Cert(command)) => match certificates::run(&command) {
            Ok(text) => (text, ExitCode::SUCCESS),
            Err(error) => {
                eprintln!("dbgsrvctl: {error}");
                return ExitCode::FAILURE;
            }
        },
        Err(error) => {
            eprint!("dbgsrvctl: {error}\n\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => code,
        // Who reads has read enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => code,
        Err(error) => {
            eprintln!("dbgsrvctl: cannot print: {error}");
            ExitCode::FAILURE
        }
    }
}
