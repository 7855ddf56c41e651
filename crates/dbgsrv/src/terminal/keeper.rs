//! The keeper of a terminal: a process that holds the master while the session lives, and reads and
//! discards what is written once it does not. A terminal without a master would send its processes
//! SIGHUP and fail their output; one that nobody reads would block them. It knows its two
//! descriptors and nothing else.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use crate::memory_shortage;
use crate::ptrace::signals;
use crate::spawn;

/// How often a terminal that no process has open, but that some may open anew, is looked at.
const CLOSED_RECHECK: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Keeps a terminal until no process uses it, if that is what this process was started for;
/// otherwise `None`, at once. Standard input is the master, and standard output a pipe that ends
/// with the session's hold on the terminal.
pub(crate) fn run_if_keeper(arguments: &[OsString]) -> Option<ExitCode> {
    let score = spawn::keeper_score(arguments)?;
    signals::outlive();
    spawn::close_inherited();
    // It cannot fail: a process that was just started leads no group.
    let _ = rustix::process::setsid();
    memory_shortage::adjust(score);
    let (master, lifeline) = (std::io::stdin(), std::io::stdout());
    while !has_ended(&lifeline) {}
    discard(&master);
    Some(ExitCode::SUCCESS)
}

/// Waits for the pipe's end. Nobody writes to it.
fn has_ended(lifeline: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(lifeline, PollFlags::IN)];
    rustix::event::poll(&mut fds, None) != Err(Errno::INTR)
}

/// Reads the master until no process has the terminal open, nor can open it by being in its
/// session.
fn discard(master: &impl AsFd) {
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match rustix::io::read(master, &mut chunk) {
            Ok(1..) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let mut fds = [PollFd::new(master, PollFlags::IN)];
                let _ = rustix::event::poll(&mut fds, None);
            }
            Ok(0) | Err(Errno::IO) => {
                if rustix::termios::tcgetsid(master).is_err() {
                    return;
                }
                let _ = rustix::event::poll(&mut [], Some(&CLOSED_RECHECK));
            }
            Err(_) => return,
        }
    }
}
