//! Reads what `refusal` decides over: who a process is and who we are, from /proc, and whether
//! ptrace(2) is there at all. It judges nothing. Every file is read anew: what counts is the moment
//! of the refusal.

use std::os::unix::fs::MetadataExt;

use dbgbase::{Pid, Tid};
use dbgwire::{ErrorCode, Fault};
use rustix::io::Errno;

use super::super::debugger::who_debugs;
use super::super::procfs;
use super::super::sys;
use super::{Credentials, Facts, Namespace, refusal};

/// `PF_KTHREAD` of the kernel's `<linux/sched.h>`, in the flags of proc_pid_stat(5).
const KERNEL_THREAD: u64 = 0x0020_0000;

/// Security modules that decide over ptrace(2) beside capabilities and Yama.
const DECIDING: [&str; 6] = ["apparmor", "bpf", "landlock", "selinux", "smack", "tomoyo"];

/// Why a thread of a process, which may be its leader, could not be seized or its memory not be
/// opened.
pub(in super::super) fn explain(pid: Pid, tid: Tid, errno: Errno) -> Fault {
    let facts = if errno == Errno::SRCH { None } else { read(pid, tid) };
    match facts {
        Some(facts) => refusal(pid, &facts, errno),
        None => Fault::new(ErrorCode::NoSuchProcess, format!("there is no process {pid}")),
    }
}

/// Whether there is a process that /proc does not show.
pub(in super::super) fn is_hidden(pid: Pid) -> bool {
    let raw = pid.value().try_into().ok().and_then(rustix::process::Pid::from_raw);
    raw.is_some_and(|pid| {
        matches!(rustix::process::test_kill_process(pid), Ok(()) | Err(Errno::PERM))
    })
}

/// The facts about a thread of a process, which may be its leader. `None` if it is gone.
fn read(pid: Pid, tid: Tid) -> Option<Facts> {
    let folder = format!("/proc/{pid}/task/{tid}");
    let stat = procfs::parse_stat(&std::fs::read(format!("{folder}/stat")).ok()?)?;
    let status = procfs::status(&folder).ok()?;
    let own_status = procfs::status("/proc/thread-self").unwrap_or_default();
    let tracer = number(&status, "TracerPid", 10).filter(|tracer| *tracer != 0);
    let tracer = tracer.map(|tracer| Tid::new(tracer as u32));
    let is_ours = |tracer: &Tid| procfs::is_thread(Pid::new(std::process::id()), *tracer);
    let theirs = credentials(&status)?;
    let owner = std::fs::metadata(format!("{folder}/stat")).map(|stat| stat.uid()).ok();
    let effective = theirs.uids.get(1).copied();
    Some(Facts {
        is_kernel_thread: stat.flags & KERNEL_THREAD != 0,
        name: stat.name,
        state: stat.state,
        is_seized: tracer.as_ref().is_some_and(is_ours),
        debugger: tracer.filter(|tracer| !is_ours(tracer)).map(who_debugs),
        // Root's are root's in any case (proc(5)).
        is_dumpable: (effective != Some(0)).then_some(owner == effective),
        theirs,
        ours: credentials(&own_status)?,
        namespace: namespace(&folder),
        is_first_namespace: is_first_namespace(),
        is_filtered: !sys::is_reachable(),
        yama: yama(),
        modules: modules(),
        labels: labels(&folder),
        program: program(),
        server: std::os::unix::process::parent_id(),
    })
}

/// Reads the ids and capabilities of a status file (proc_pid_status(5)).
pub(super) fn credentials(status: &str) -> Option<Credentials> {
    let ids = |key: &str| -> Option<[u32; 3]> {
        let ids = procfs::status_field(status, key)?.split_ascii_whitespace();
        let ids: Vec<u32> = ids.map_while(|id| id.parse().ok()).take(3).collect();
        ids.try_into().ok()
    };
    let set = |key| number(status, key, 16).unwrap_or(0);
    Some(Credentials {
        uids: ids("Uid")?,
        gids: ids("Gid")?,
        permitted: set("CapPrm"),
        effective: set("CapEff"),
        bounding: set("CapBnd"),
        no_new_privileges: number(status, "NoNewPrivs", 10) == Some(1),
    })
}

fn number(status: &str, key: &str, radix: u32) -> Option<u64> {
    u64::from_str_radix(procfs::status_field(status, key)?, radix).ok()
}

fn namespace(folder: &str) -> Namespace {
    let of = |folder: &str| std::fs::read_link(format!("{folder}/ns/user"));
    match (of(folder), of("/proc/thread-self")) {
        (Ok(theirs), Ok(ours)) if theirs == ours => Namespace::Same,
        (Ok(_), Ok(_)) => Namespace::Other,
        _ => Namespace::Unknown,
    }
}

/// The machine's first user namespace maps every id to itself (user_namespaces(7)).
fn is_first_namespace() -> bool {
    let map = std::fs::read_to_string("/proc/thread-self/uid_map").unwrap_or_default();
    map.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

fn yama() -> Option<u32> {
    let text = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").ok()?;
    text.trim().parse().ok()
}

fn modules() -> Vec<String> {
    let text = std::fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    let modules = text.trim().split(',').filter(|module| DECIDING.contains(module));
    modules.map(str::to_owned).collect()
}

fn labels(folder: &str) -> Option<(String, String)> {
    let of = |folder: &str| {
        let text = std::fs::read_to_string(format!("{folder}/attr/current")).ok()?;
        let label = text.trim_end_matches(['\n', '\0']).to_owned();
        (!label.is_empty()).then_some(label)
    };
    Some((of(folder)?, of("/proc/thread-self")?))
}

fn program() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    path.display().to_string()
}
