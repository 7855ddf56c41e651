//! Starting a program that the server does not debug, for `-c` and `-cs`: as a shell would, in a
//! process group of its own, or stopped before its first instruction. It knows no targets.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use dbgbase::{Pid, Signal, Tid};

use super::wait::{self, Stop, WaitStatus};
use super::{spawn, sys};
use crate::args::StartedProgram;
use crate::error::{ServerError, system};
use crate::spawn::forget_password;

/// Starts the program. Its input is /dev/null, its output the server's; signals that the terminal
/// sends to the server do not reach it. Suspended, it is left before its first instruction as
/// SIGSTOP leaves a process, traced by nobody.
///
/// **Errors**: [`ServerError::Start`] if it cannot be executed.
/// **Threads**: the calling thread becomes its parent, and for a moment its tracer. A thread that
/// is started waits for its end.
pub fn start(program: &StartedProgram) -> Result<(), ServerError> {
    let name = program.words.first().map(Vec::as_slice).unwrap_or_default();
    #[expect(clippy::disallowed_methods, reason = "this is where -c starts its program")]
    let mut command = Command::new(OsStr::from_bytes(name));
    command.args(program.words.iter().skip(1).map(|word| OsStr::from_bytes(word)));
    command.stdin(Stdio::null()).process_group(0);
    forget_password(&mut command);
    let is_suspended = program.is_suspended;
    // SAFETY: the child calls only system calls in there, which are async-signal-safe.
    unsafe { command.pre_exec(move || prepare(is_suspended)) };
    let failed = |error: std::io::Error| {
        let fault = spawn::failed(name, error.raw_os_error().unwrap_or(libc::EIO));
        ServerError::Start { reason: fault.detail }
    };
    let mut child = command.spawn().map_err(failed)?;
    if is_suspended {
        suspend(Pid::new(child.id()));
    }
    // Nobody else can reap it. What becomes of it is not our business.
    let reap = move || drop(child.wait());
    let thread = std::thread::Builder::new().name("reaper".to_owned()).spawn(reap);
    thread.map(drop).map_err(system("start a thread"))
}

/// What the child does before it executes the program.
fn prepare(is_suspended: bool) -> std::io::Result<()> {
    spawn::shed_inheritance();
    if is_suspended { sys::be_traced().map_err(std::io::Error::from) } else { Ok(()) }
}

/// Lets a program that has just been executed go, stopped. Its first stop is the SIGTRAP that
/// execve(2) sends to a traced process (ptrace(2), `PTRACE_TRACEME`).
fn suspend(pid: Pid) {
    let tid = Tid::from(pid);
    if let Some(WaitStatus::Stopped(Stop::Signal(_))) = wait::report_of(tid) {
        // In place of the SIGTRAP. It fails only for a process that has just been killed.
        let _ = sys::detach(tid, Some(Signal::SIGSTOP));
    }
}
