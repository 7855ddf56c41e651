//! Taking rights away from a login process before it reads a byte of a peer: it becomes nobody,
//! keeps its descriptors and memory, and may make only the few system calls that passing bytes on
//! takes. It does not know what they are made for.

use std::collections::BTreeMap;

use rustix::process::{DumpableBehavior, Resource, Rlimit, geteuid};
use rustix::thread::{Gid, Uid};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

/// The user and group without rights (`nobody`, in every distribution).
const NOBODY: u32 = 65_534;
/// How many descriptors it may have: what it was started with, a socket pair, and some to spare.
const DESCRIPTORS_MAX: u64 = 32;

/// The system calls that it may make.
const ALLOWED: &[libc::c_long] = &[
    // Bytes.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_ppoll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    // The descriptors that it has, and the pair that leads to the session.
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_fcntl,
    libc::SYS_ioctl,
    libc::SYS_shutdown,
    libc::SYS_socketpair,
    // Its own memory, time, random numbers, signals.
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_getpid,
    libc::SYS_gettid,
    // Its end.
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Takes the rights away, for good. Any other system call ends the process from then on.
///
/// **Errors**: what could not be done; the process must not go on then.
/// **Threads**: the process must have no other thread.
/// **Source**: seccomp(2), `PR_SET_NO_NEW_PRIVS` of prctl(2), setrlimit(2).
pub(crate) fn enter() -> Result<(), String> {
    let failed = |what: &str, reason: &dyn std::fmt::Display| format!("cannot {what}: {reason}");
    let limits = [(Resource::Nofile, DESCRIPTORS_MAX), (Resource::Nproc, 0), (Resource::Core, 0)];
    for (resource, limit) in limits {
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        rustix::process::setrlimit(resource, limit)
            .map_err(|errno| failed("set the limits of a login process", &errno))?;
    }
    if geteuid().is_root() {
        // A root without that right, as in some containers, has little else; and what follows takes
        // that, too.
        let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
        let _ = rustix::thread::set_thread_groups(&[])
            .and_then(|()| rustix::thread::set_thread_res_gid(group, group, group))
            .and_then(|()| rustix::thread::set_thread_res_uid(user, user, user));
    }
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|errno| failed("hide the memory of a login process", &errno))?;
    rustix::thread::set_no_new_privs(true)
        .map_err(|errno| failed("give up all rights to come", &errno))?;
    let filter = filter().map_err(|error| failed("make a filter of system calls", &error))?;
    seccompiler::apply_filter(&filter)
        .map_err(|error| failed("filter the system calls of a login process", &error))
}

fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let rules: BTreeMap<i64, Vec<_>> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_filter_for_this_cpu() {
        let filter = filter().expect("it is known");
        assert!(filter.len() > ALLOWED.len());
    }
}
