//! The signals that wait to be delivered to a stopped tracee (ptrace(2), `PTRACE_PEEKSIGINFO`). It
//! takes none of them.

use dbgbase::{Signal, Tid};
use libc::siginfo_t;

use super::SigInfo;

/// How many are asked for at once.
const COUNT: usize = 16;

/// Whether a SIGTRAP that the CPU raised waits to be delivered to a stopped tracee.
pub(in crate::ptrace) fn has_pending_trap(tid: Tid) -> bool {
    has_pending(tid, 0, |info| info.si_signo == libc::SIGTRAP && info.si_code > 0)
}

/// Whether a signal by which a filter of system calls refuses one waits to be delivered to a
/// stopped tracee (seccomp(2), `SECCOMP_RET_TRAP`).
pub(in crate::ptrace) fn has_pending_refusal(tid: Tid) -> bool {
    has_pending(tid, 0, |info| info.si_signo == libc::SIGSYS && info.si_code > 0)
}

/// Whether a SIGCONT waits to be delivered to a stopped tracee or to its whole process.
pub(in crate::ptrace) fn has_pending_continue(tid: Tid) -> bool {
    let is_continue = |info: &siginfo_t| info.si_signo == libc::SIGCONT;
    has_pending(tid, 0, is_continue)
        || has_pending(tid, libc::PTRACE_PEEKSIGINFO_SHARED, is_continue)
}

/// Whether one of these signals waits to be delivered to a stopped tracee itself.
pub(in crate::ptrace) fn has_pending_of(tid: Tid, kinds: &[Signal]) -> bool {
    has_pending(tid, 0, |info| kinds.iter().any(|kind| kind.number() == info.si_signo))
}

/// All that wait to be delivered to a stopped tracee or to its whole process.
pub(in crate::ptrace) fn pending(tid: Tid) -> Vec<SigInfo> {
    let mut found = Vec::new();
    for flags in [0, libc::PTRACE_PEEKSIGINFO_SHARED] {
        has_pending(tid, flags, |info| {
            found.push(SigInfo { raw: *info });
            false
        });
    }
    found
}

/// The faults that will be reported as soon as a stopped tracee runs: what the CPU has raised, and
/// what the thread does not block, as it may what it has sent itself to look like one.
pub(in crate::ptrace) fn pending_faults(tid: Tid) -> Vec<SigInfo> {
    let mut faults = pending(tid);
    // Without a mask it has just been killed.
    let blocked = super::signal_mask(tid).unwrap_or(0);
    let is_blocked = |signal: Signal| blocked & 1 << (signal.number() - 1) != 0;
    faults.retain(|info| info.is_fault() && !info.signal().is_none_or(is_blocked));
    faults
}

/// Whether one of the signals that wait in the queue that `flags` choose is wanted.
fn has_pending(
    tid: Tid,
    flags: libc::__u32,
    mut is_wanted: impl FnMut(&siginfo_t) -> bool,
) -> bool {
    let mut offset = 0;
    loop {
        // SAFETY: siginfo_t is plain data; all zero is one of its values.
        let mut infos: [siginfo_t; COUNT] = unsafe { std::mem::zeroed() };
        let mut wanted =
            libc::ptrace_peeksiginfo_args { off: offset, flags, nr: COUNT as libc::c_int };
        // SAFETY: the kernel reads `wanted` and fills at most `nr` elements of `infos`; both
        // outlive the call.
        let count = unsafe {
            libc::ptrace(
                libc::PTRACE_PEEKSIGINFO,
                tid.value() as libc::pid_t,
                &raw mut wanted,
                infos.as_mut_ptr(),
            )
        };
        let found = infos.get(..usize::try_from(count).unwrap_or(0)).unwrap_or_default();
        if found.iter().any(&mut is_wanted) {
            return true;
        }
        if found.len() < COUNT {
            return false;
        }
        offset += COUNT as u64;
    }
}
