//! The guardian of one session process: a thread, in the process that started it, that waits for
//! its end, and repairs what it leaves behind if it was killed. It knows when; what there is to
//! repair is in the journal, and how is in `ptrace`.

use std::os::fd::OwnedFd;
use std::process::Child;

use dbgbase::Pid;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{PidfdFlags, pidfd_open};

use crate::error::{ServerError, system};
use crate::journal::Journal;
use crate::ptrace::{Repaired, repair};

/// What a guardian found to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The session process that was killed.
    pub session: Pid,
    /// The processes that it had for targets.
    pub repaired: Vec<Repaired>,
}

/// Watches a session process, and hands what was to be repaired after its end to `report`: nothing,
/// and so no call, if it left its targets itself. Whoever started it waits for it.
///
/// **Errors**: [`ServerError::System`].
/// **Threads**: starts one, which ends after the session process.
pub(crate) fn watch(
    session: &Child,
    journal: Journal,
    report: impl FnOnce(Report) + Send + 'static,
) -> Result<(), ServerError> {
    watch_then(rustix::process::Pid::from_child(session), journal, report, || ())
}

/// The same for a session process that nobody else waits for.
///
/// **Errors**: [`ServerError::System`].
/// **Threads**: starts one, which ends after the session process.
pub(crate) fn watch_and_reap(
    session: Child,
    journal: Journal,
    report: impl FnOnce(Report) + Send + 'static,
) -> Result<(), ServerError> {
    let pid = rustix::process::Pid::from_child(&session);
    let reap = move || {
        let mut session = session;
        // It is our child and nobody else waits for it: this does not fail.
        let _ = session.wait();
    };
    watch_then(pid, journal, report, reap)
}

fn watch_then(
    pid: rustix::process::Pid,
    journal: Journal,
    report: impl FnOnce(Report) + Send + 'static,
    reap: impl FnOnce() + Send + 'static,
) -> Result<(), ServerError> {
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(system("watch a session process"))?;
    let session = Pid::new(pid.as_raw_nonzero().get().unsigned_abs());
    let watch = move || {
        journal.wait_for_death(|| has_ended(&pidfd));
        let repaired = repair(&journal, session);
        if !repaired.is_empty() {
            report(Report { session, repaired });
        }
        reap();
    };
    let thread = std::thread::Builder::new().name("guardian".to_owned()).spawn(watch);
    thread.map(drop).map_err(system("start a guardian thread"))
}

fn has_ended(pidfd: &OwnedFd) -> bool {
    const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    matches!(rustix::event::poll(&mut fds, Some(&AT_ONCE)), Ok(1..))
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "session process {} was killed", self.session)?;
        for Repaired { pid, sites, is_alive } in &self.repaired {
            let fate = if *is_alive { "runs on" } else { "has ended" };
            let plural = if *sites == 1 { "" } else { "s" };
            write!(f, "; process {pid} {fate}, {sites} breakpoint{plural} taken back")?;
        }
        Ok(())
    }
}
