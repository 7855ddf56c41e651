//! All waits for tracees, and the one place where a raw wait status is read. It knows ptrace(2)'s
//! kinds of stops, not what they mean for a target.

use dbgbase::{ExitStatus, Signal, Tid};
use rustix::io::Errno;

use super::trace;

/// `PTRACE_EVENT_STOP` of `<linux/ptrace.h>`; the libc crate lacks it on some targets.
const PTRACE_EVENT_STOP: i32 = 128;

/// What a wait told of one tracee.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum WaitStatus {
    /// The thread is gone; for a leader, the whole process.
    Ended(ExitStatus),
    /// The thread is in a ptrace-stop.
    Stopped(Stop),
}

/// ptrace(2)'s kinds of stops, as a seized tracee reports them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stop {
    /// Signal-delivery-stop: a signal is about to be delivered.
    Signal(Signal),
    /// Group-stop: the process was stopped by this signal.
    Group(Signal),
    /// `PTRACE_EVENT_STOP` without a group-stop: an interrupt took effect, a new thread or process
    /// is born, or a group-stop ended.
    Event,
    /// Syscall-stop.
    Syscall,
    /// The thread made another thread.
    Clone,
    /// The thread forked.
    Fork,
    /// The thread vforked and waits for its child.
    Vfork,
    /// The thread's vforked child has let go of the memory.
    VforkDone,
    /// The process executed a new program.
    Exec,
    /// The thread is about to end.
    Exit,
    /// A ptrace-event this server did not ask for.
    Other,
}

/// The next tracee of the calling thread that has something to report; `None` if none has now.
///
/// Only the calling thread's own tracees and children are waited for (`__WNOTHREAD`), so that waits
/// elsewhere in the process are never robbed. ECHILD reads as "none".
pub(super) fn next_report() -> Option<(Tid, WaitStatus)> {
    loop {
        let mut status = 0;
        // SAFETY: `status` is a live, exclusive reference for the length of the call.
        let result = unsafe {
            libc::waitpid(-1, &mut status, libc::WNOHANG | libc::__WALL | libc::__WNOTHREAD)
        };
        match u32::try_from(result) {
            Ok(0) => return None,
            Ok(tid) => return Some((Tid::new(tid), heard(Tid::new(tid), status))),
            Err(_) => {
                let error = std::io::Error::last_os_error();
                if Errno::from_io_error(&error) != Some(Errno::INTR) {
                    return None;
                }
            }
        }
    }
}

/// Waits for the report of one tracee or child of the calling thread, which is about to stop or to
/// end. `None` if it is none.
pub(super) fn report_of(tid: Tid) -> Option<WaitStatus> {
    loop {
        let mut status = 0;
        // SAFETY: `status` is a live, exclusive reference for the length of the call.
        let result =
            unsafe { libc::waitpid(tid.value() as libc::pid_t, &mut status, libc::__WALL) };
        if result > 0 {
            return Some(heard(tid, status));
        }
        let error = std::io::Error::last_os_error();
        if Errno::from_io_error(&error) != Some(Errno::INTR) {
            return None;
        }
    }
}

/// The report of one tracee or child of the calling thread, if it has one now.
pub(super) fn try_report_of(tid: Tid) -> Option<WaitStatus> {
    let mut status = 0;
    let options = libc::WNOHANG | libc::__WALL;
    // SAFETY: `status` is a live, exclusive reference for the length of the call.
    let result = unsafe { libc::waitpid(tid.value() as libc::pid_t, &mut status, options) };
    (result > 0).then(|| heard(tid, status))
}

fn heard(tid: Tid, status: i32) -> WaitStatus {
    let status = decode(status);
    trace::note(tid, format_args!("{status:?}"));
    status
}

/// Reads a status of waitpid(2).
fn decode(status: i32) -> WaitStatus {
    if libc::WIFEXITED(status) {
        return WaitStatus::Ended(ExitStatus::Exited(libc::WEXITSTATUS(status) as u8));
    }
    if libc::WIFSIGNALED(status) {
        let signal = Signal::new(libc::WTERMSIG(status)).unwrap_or(Signal::SIGKILL);
        return WaitStatus::Ended(ExitStatus::Killed(signal));
    }
    WaitStatus::Stopped(decode_stop(libc::WSTOPSIG(status), status >> 16))
}

fn decode_stop(number: i32, event: i32) -> Stop {
    if number == libc::SIGTRAP | 0x80 {
        return Stop::Syscall;
    }
    let signal = Signal::new(number).unwrap_or(Signal::SIGTRAP);
    match event {
        0 => Stop::Signal(signal),
        PTRACE_EVENT_STOP if signal == Signal::SIGTRAP => Stop::Event,
        PTRACE_EVENT_STOP => Stop::Group(signal),
        libc::PTRACE_EVENT_CLONE => Stop::Clone,
        libc::PTRACE_EVENT_FORK => Stop::Fork,
        libc::PTRACE_EVENT_VFORK => Stop::Vfork,
        libc::PTRACE_EVENT_VFORK_DONE => Stop::VforkDone,
        libc::PTRACE_EVENT_EXEC => Stop::Exec,
        libc::PTRACE_EVENT_EXIT => Stop::Exit,
        _ => Stop::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stop status as the kernel builds it: 0x7f, the signal, the event.
    fn stop(signal: i32, event: i32) -> WaitStatus {
        decode(0x7f | signal << 8 | event << 16)
    }

    #[test]
    fn kinds_of_stops_are_told_apart() {
        let segv = WaitStatus::Stopped(Stop::Signal(Signal::SIGSEGV));
        assert_eq!(stop(libc::SIGSEGV, 0), segv);
        assert_eq!(stop(libc::SIGTRAP, 128), WaitStatus::Stopped(Stop::Event));
        assert_eq!(stop(libc::SIGSTOP, 128), WaitStatus::Stopped(Stop::Group(Signal::SIGSTOP)));
        assert_eq!(stop(libc::SIGSTOP, 0), WaitStatus::Stopped(Stop::Signal(Signal::SIGSTOP)));
        assert_eq!(stop(libc::SIGTRAP | 0x80, 0), WaitStatus::Stopped(Stop::Syscall));
        assert_eq!(stop(libc::SIGTRAP, 3), WaitStatus::Stopped(Stop::Clone));
        assert_eq!(stop(libc::SIGTRAP, 4), WaitStatus::Stopped(Stop::Exec));
        assert_eq!(stop(libc::SIGTRAP, 6), WaitStatus::Stopped(Stop::Exit));
        assert_eq!(stop(libc::SIGTRAP, 7), WaitStatus::Stopped(Stop::Other));
    }

    #[test]
    fn real_time_signals_are_signals() {
        let signal = Signal::new(37).expect("37 is a signal");
        assert_eq!(stop(37, 0), WaitStatus::Stopped(Stop::Signal(signal)));
    }

    #[test]
    fn ends_are_told_apart() {
        assert_eq!(decode(3 << 8), WaitStatus::Ended(ExitStatus::Exited(3)));
        assert_eq!(decode(9), WaitStatus::Ended(ExitStatus::Killed(Signal::SIGKILL)));
        assert_eq!(decode(11 | 0x80), WaitStatus::Ended(ExitStatus::Killed(Signal::SIGSEGV)));
    }
}
