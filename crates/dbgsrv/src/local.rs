//! The embedded process server: a program becomes its own server by executing itself anew as a
//! session process, over a socket pair. It knows how, not what is said.

use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use dbglink::{Arguments, Link};

use crate::audit;
use crate::control::Control;
use crate::error::{ServerError, system};
use crate::guardian;
pub use crate::guardian::Report;
use crate::journal::Journal;
use crate::memory_shortage;
use crate::ptrace::{ProcessSignals, PtraceBackend};
use crate::session::{self, SessionSettings};
use crate::spawn::{self, ClientWords, Inheritance};
use crate::terminal;

/// Starts an embedded server, and returns the link to it. Its session ends when the link does.
/// Should the session process be killed, its targets are repaired, and `report` is told.
///
/// The program must call [`run_if_session`] first thing in `main`.
///
/// **Errors**: [`ServerError`].
/// **Threads**: before the program starts threads that start processes. Starts one that guards the
/// session process; `report` is called from it.
pub fn start(report: impl FnOnce(Report) + Send + 'static) -> Result<Link, ServerError> {
    let (link, theirs) = Link::pair()?;
    let journal = Journal::create().map_err(system("create a journal"))?;
    let theirs_journal = journal
        .as_fd()
        .try_clone_to_owned()
        .map_err(system("hand a journal to a session process"))?;
    // The session process ends with the link.
    let inheritance = Inheritance {
        link: theirs.into_fd()?,
        journal: theirs_journal,
        control: None,
        number: 1,
        may_share_terminal: true,
        lease: Duration::ZERO,
        implicit: Vec::new(),
    };
    let child = spawn::start(inheritance, &ClientWords::default())?;
    guardian::watch_and_reap(child, journal, report)?;
    Ok(link)
}

/// Serves as a session process, or as the keeper of a terminal that one has started, if that is
/// what this process was started for; otherwise `None`, at once.
///
/// **Threads**: first thing in `main`.
pub fn run_if_session() -> Option<ExitCode> {
    let arguments = Arguments::of_this_process();
    if !spawn::is_session(&arguments) {
        return terminal::run_if_keeper(&arguments);
    }
    match run_session(&arguments) {
        Ok(()) => Some(ExitCode::SUCCESS),
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "a session process has nowhere else to say it")]
            {
                eprintln!("dbgsrv: {error}");
            }
            Some(ExitCode::FAILURE)
        }
    }
}

fn run_session(arguments: &[std::ffi::OsString]) -> Result<(), ServerError> {
    let inheritance = spawn::adopt(arguments)?;
    audit::go_on(spawn::take_audit(), inheritance.number, spawn::client_of(arguments));
    memory_shortage::be_spared();
    let signals = ProcessSignals::prepare()?;
    let journal = Journal::open(inheritance.journal).map_err(system("open the journal"))?;
    // Until there is a tracer thread, which takes this over.
    journal.hold();
    let termination = signals.termination().as_fd().try_clone_to_owned();
    let settings = SessionSettings {
        number: inheritance.number,
        may_share_terminal: inheritance.may_share_terminal,
        lease: inheritance.lease,
        implicit: inheritance.implicit,
        listener: inheritance.control.map(Control::adopt),
        termination: Some(termination.map_err(system("watch for the end"))?),
    };
    session::serve(Link::from(inheritance.link), settings, |settings| {
        PtraceBackend::start(settings, journal, signals, None)
            .map_err(|error| dbgwire::Fault::new(dbgwire::ErrorCode::Internal, error.to_string()))
    });
    audit::session_over();
    Ok(())
}
