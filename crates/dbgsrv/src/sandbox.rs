//! Taking rights away from a login process before it reads a byte of a peer: it becomes nobody,
//! keeps its descriptors and memory, and may make only the few system calls that passing bytes on
//! takes. It does not know what they are made for.

use std::collections::BTreeMap;

use rustix::process::{DumpableBehavior, Resource, Rlimit, geteuid};
use rustix::thread::{Gid, Uid};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// The user and group without rights (`nobody`, in every distribution).
const NOBODY: u32 = 65_534;
/// How many descriptors it may have: what it was started with, a socket pair, and some to spare.
const DESCRIPTORS_MAX: u64 = 32;
/// How much it may map, in bytes, with its program and libraries: four times what it has been seen
/// to. Passwords take memory on the client's side only.
const MEMORY_MAX: u64 = 64 * 1024 * 1024;

/// The system calls that it may make, whatever their arguments.
const ALLOWED: &[libc::c_long] = &[
    // Bytes.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_ppoll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    // The descriptors that it has, and the pair that leads to the session.
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_shutdown,
    // Its own memory, time, random numbers, signals.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
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
    // Its time is not limited: it encrypts for as long as a session lasts. Before that the listener
    // ends it when its patience does.
    let limits = [
        (Resource::Nofile, DESCRIPTORS_MAX),
        (Resource::Nproc, 0),
        (Resource::Core, 0),
        (Resource::As, MEMORY_MAX),
    ];
    for (resource, limit) in limits {
        // A service manager may have set a lower one, which nobody but root may raise.
        let limit = match rustix::process::getrlimit(resource).maximum {
            Some(maximum) => limit.min(maximum),
            None => limit,
        };
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        rustix::process::setrlimit(resource, limit)
            .map_err(|errno| failed("set the limits of a login process", &errno))?;
    }
    if geteuid().is_root() {
        // A root without that right, as in some containers, has little else; and what follows takes
        // that, too.
        let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
        let _ = rustix::thread::set_thread_groups(&[]);
        let _ = rustix::thread::set_thread_res_gid(group, group, group);
        let _ = rustix::thread::set_thread_res_uid(user, user, user);
    }
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|errno| failed("hide the memory of a login process", &errno))?;
    rustix::thread::set_no_new_privs(true)
        .map_err(|errno| failed("give up all rights to come", &errno))?;
    // The C library may open a file for its first random number (glibc 2.41).
    let _ = std::collections::hash_map::RandomState::new();
    let filter = filter().map_err(|error| failed("make a filter of system calls", &error))?;
    seccompiler::apply_filter(&filter)
        .map_err(|error| failed("filter the system calls of a login process", &error))
}

/// A call, and what one of its arguments may be, or each of several.
type Restricted = (libc::c_long, Vec<Vec<Wanted>>);

/// The number of an argument, how many of its bits count, and what they may be.
type Wanted = (u8, SeccompCmpArgLen, SeccompCmpOp, u64);

/// The calls that it may make with some arguments: any of the lists, all that is in it. A terminal
/// could be typed into by ioctl(2), and code made by mmap(2). A socket that is no stream, or
/// sendto(2) with an address, would reach whoever has one in the file system; on the stream sockets
/// that are left, sendmsg(2) goes to the peer.
fn restricted() -> [Restricted; 6] {
    use SeccompCmpArgLen::{Dword, Qword};
    use SeccompCmpOp::{Eq, MaskedEq};
    let is = |argument, values: &[libc::c_int]| {
        let only =
            |value: &libc::c_int| vec![(argument, Dword, Eq, u64::from(value.unsigned_abs()))];
        values.iter().map(only).collect()
    };
    let no_code = || vec![vec![(2, Dword, MaskedEq(libc::PROT_EXEC as u64), 0)]];
    let flags = [libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL];
    // C libraries differ in the type of this constant, and agree on its 32 bits.
    let fionbio = u64::from(libc::FIONBIO as u32);
    let stream = (libc::SOCK_STREAM | libc::SOCK_CLOEXEC).unsigned_abs().into();
    let pair = vec![(0, Dword, Eq, libc::AF_UNIX.unsigned_abs().into()), (1, Dword, Eq, stream)];
    [
        (libc::SYS_ioctl, vec![vec![(1, Dword, Eq, fionbio)]]),
        (libc::SYS_fcntl, is(1, &flags)),
        (libc::SYS_mmap, no_code()),
        (libc::SYS_mprotect, no_code()),
        (libc::SYS_socketpair, vec![pair]),
        (libc::SYS_sendto, vec![vec![(4, Qword, Eq, 0)]]),
    ]
}

fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let mut rules: BTreeMap<i64, Vec<_>> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    for (call, ways) in restricted() {
        let condition = |(argument, width, operator, value)| {
            SeccompCondition::new(argument, width, operator, value)
        };
        let rule = |way: Vec<Wanted>| {
            SeccompRule::new(way.into_iter().map(condition).collect::<Result<_, _>>()?)
        };
        rules.insert(call, ways.into_iter().map(rule).collect::<Result<_, _>>()?);
    }
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
