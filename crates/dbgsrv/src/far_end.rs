//! `dbgsrv @pipe NAME`: what clients on other machines start here by ssh, to reach a pipe. It
//! serves nobody itself, and runs as whoever they have logged in as.

use std::ffi::OsStr;
use std::process::ExitCode;

use dbglink::{FAR_END_MARK, RunDir};

/// Connects standard input and output to a pipe, if that is what this process was started for;
/// otherwise `None`, at once.
///
/// **Threads**: first thing in `main`.
pub(crate) fn run_if_far_end() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let (mark, pipe) = (arguments.next()?, arguments.next().unwrap_or_default());
    (mark == FAR_END_MARK).then(|| run(&pipe))
}

fn run(pipe: &OsStr) -> ExitCode {
    // What has gone wrong has been told to the client.
    match dbglink::serve_far_end(pipe, &RunDir::of_this_user()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
