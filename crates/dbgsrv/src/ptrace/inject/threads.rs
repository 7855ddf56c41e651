//! Which thread of a target can be made to call the kernel, and why another one cannot.

use dbgbase::Tid;
use dbgwire::{ErrorCode, Fault};
use rustix::io::Errno;

use super::super::procfs;
use super::super::target::Target;
use super::super::thread::{State, StopClass};
use super::context::Context;
use super::convention::{self, Convention};

/// The wanted thread, or if none is wanted one that can: that of the last stop, or another.
///
/// **Errors**: [`ErrorCode::NoSuchThread`]; [`ErrorCode::Unsupported`] for a thread in a
/// group-stop; [`ErrorCode::NotPermitted`] for one with a seccomp filter.
pub(super) fn choose(
    target: &Target,
    wanted: Option<Tid>,
    despite_seccomp: bool,
) -> Result<Tid, Fault> {
    let check = |tid: Tid| check(target, tid, despite_seccomp).map(|()| tid);
    match wanted {
        Some(tid) => check(tid),
        None => {
            let first = check(target.event_thread);
            let other = || target.tids().into_iter().find_map(|tid| check(tid).ok());
            first.or_else(|fault| other().ok_or(fault))
        }
    }
}

fn check(target: &Target, tid: Tid, despite_seccomp: bool) -> Result<(), Fault> {
    let Some(thread) = target.threads.get(&tid) else {
        let detail = format!("process {} has no thread {tid}", target.pid);
        return Err(Fault::new(ErrorCode::NoSuchThread, detail));
    };
    let unable = |why: &str| {
        let detail = format!("thread {tid} cannot be made to call: {why}");
        Err(Fault::new(ErrorCode::Unsupported, detail))
    };
    match thread.state {
        State::Stopped(StopClass::Group) => {
            return unable("a signal has stopped its process; continue that with SIGCONT first");
        }
        State::Stopped(StopClass::Exit) => return unable("it is about to end"),
        State::Stopped(StopClass::Syscall) if thread.in_syscall.is_some() => {
            return unable("it stands at the entry into a system call; step it once first");
        }
        State::Stopped(StopClass::SignalDelivery | StopClass::Syscall | StopClass::Other) => {}
        State::Running { .. } => return unable("it is running"),
    }
    if !despite_seccomp && has_filter(target, tid) {
        let detail = format!(
            "thread {tid} has a seccomp filter, which may end the process for a call that the \
             program does not make itself"
        );
        return Err(Fault::new(ErrorCode::NotPermitted, detail));
    }
    Ok(())
}

/// Whether a thread's system calls are restricted (proc_pid_status(5), `Seccomp`).
fn has_filter(target: &Target, tid: Tid) -> bool {
    let status = procfs::read(target.pid, &format!("task/{tid}/status")).unwrap_or_default();
    let status = String::from_utf8_lossy(&status);
    procfs::status_field(&status, "Seccomp").is_some_and(|mode| mode != "0")
}

/// Whether a thread's own call could be gone on with after this one: of a call that has been gone
/// on with before, nothing may be known but the kernel's notes, and some calls overwrite them.
pub(super) fn check_notes(
    target: &Target,
    tid: Tid,
    context: &Context,
    number: u64,
    convention: &Convention,
) -> Result<(), Fault> {
    let depends = convention::is_gone_on_with(&context.registers);
    if depends && convention.leaves_notes(number) && context.first_number(target).is_none() {
        let detail = format!(
            "thread {tid} waits in a call that the kernel goes on with by its notes, which system \
             call {number} overwrites; let another thread make it"
        );
        return Err(Fault::new(ErrorCode::NotPermitted, detail));
    }
    Ok(())
}

/// The fault for a thread of which ptrace(2) says that it is none.
pub(super) fn gone(tid: Tid, errno: Errno) -> Fault {
    let detail = format!("thread {tid} is being ended: {errno}");
    Fault::new(ErrorCode::NoSuchThread, detail).with_errno(errno.raw_os_error())
}
