//! Why a process may not be attached to: the rule that applied, and the least privileged way out.
//! Pure: it decides over facts that `facts` reads, in the order in which the kernel decides. It
//! makes no calls.
//!
//! Sources: ptrace(2), "Ptrace access mode checking"; capabilities(7); user_namespaces(7);
//! Documentation/admin-guide/LSM/Yama.rst of the kernel.

pub(super) mod facts;
mod remedy;

use dbgbase::Pid;
use dbgwire::{ErrorCode, Fault};
use rustix::io::Errno;

/// Two capabilities of `<linux/capability.h>`, as bits of a set.
const CAP_DAC_OVERRIDE: u64 = 1 << 1;
/// See `CAP_DAC_OVERRIDE`.
const CAP_SYS_PTRACE: u64 = 1 << 19;

/// Who a process acts as, from its status file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Credentials {
    /// Real, effective and saved user id.
    pub(super) uids: [u32; 3],
    /// Real, effective and saved group id.
    pub(super) gids: [u32; 3],
    /// The permitted capabilities, a bit each.
    pub(super) permitted: u64,
    /// The effective ones.
    pub(super) effective: u64,
    /// Those that it can get at all.
    pub(super) bounding: u64,
    /// Whether executing a file gives it nothing new (`PR_SET_NO_NEW_PRIVS`).
    pub(super) no_new_privileges: bool,
}

/// How the user namespace of a process and ours relate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Namespace {
    /// It is the same.
    Same,
    /// It is another one.
    Other,
    /// We may not know, which the same rules say that keep us from attaching.
    Unknown,
}

/// What is known of a process that could not be attached to, and of us.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// The kernel's short name of the process.
    pub(super) name: String,
    /// Its state's letter.
    pub(super) state: u8,
    /// Whether it is a thread of the kernel.
    pub(super) is_kernel_thread: bool,
    /// Whether we trace it already, and failed at what comes next, its memory.
    pub(super) is_seized: bool,
    /// Who else debugs it, in words.
    pub(super) debugger: Option<String>,
    /// Who it acts as.
    pub(super) theirs: Credentials,
    /// Who we act as.
    pub(super) ours: Credentials,
    /// Whether it is dumpable (prctl(2), `PR_SET_DUMPABLE`); `None` if that cannot be told.
    pub(super) is_dumpable: Option<bool>,
    /// Its user namespace and ours.
    pub(super) namespace: Namespace,
    /// Whether ours is the machine's first one.
    pub(super) is_first_namespace: bool,
    /// Whether ptrace(2) does not even reach the kernel from here.
    pub(super) is_filtered: bool,
    /// `kernel.yama.ptrace_scope`; `None` without Yama.
    pub(super) yama: Option<u32>,
    /// The security modules that may have a word in it, and the labels they gave: theirs, ours.
    pub(super) modules: Vec<String>,
    /// See `modules`.
    pub(super) labels: Option<(String, String)>,
    /// The program that serves the session.
    pub(super) program: String,
    /// The process that has started the session: the server, or the debugger.
    pub(super) server: u32,
}

/// The rule that forbids it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rule {
    KernelThread,
    Filtered,
    Memory,
    Ids,
    NotDumpable,
    MoreCapabilities,
    UserNamespace,
    Yama(u32),
    SecurityModule,
    Unknown,
}

impl Facts {
    /// Whether we have `CAP_SYS_PTRACE` where the process lives, which is beyond most rules.
    fn is_capable(&self) -> bool {
        let reaches = self.namespace == Namespace::Same || self.is_first_namespace;
        self.ours.effective & CAP_SYS_PTRACE != 0 && reaches
    }

    /// Whether the ids that we act with are all of those that the process has.
    fn has_our_ids(&self) -> bool {
        let is_all = |ids: [u32; 3], ours: u32| ids.iter().all(|id| *id == ours);
        is_all(self.theirs.uids, self.ours.uids[0]) && is_all(self.theirs.gids, self.ours.gids[0])
    }

    /// The capabilities that the process may use and we may not.
    fn missing_capabilities(&self) -> u64 {
        self.theirs.permitted & !self.ours.permitted
    }
}

/// The first rule that forbids it, in the kernel's order.
fn rule(facts: &Facts, errno: Errno) -> Rule {
    if facts.is_seized {
        return Rule::Memory;
    }
    if facts.is_filtered {
        return Rule::Filtered;
    }
    if facts.is_kernel_thread {
        return Rule::KernelThread;
    }
    if !facts.is_capable() {
        // With the capability, it is of use only in namespaces that are ours to rule.
        let is_out_of_reach = facts.ours.effective & CAP_SYS_PTRACE != 0;
        if is_out_of_reach && facts.namespace != Namespace::Same {
            return Rule::UserNamespace;
        }
        if !facts.has_our_ids() {
            return Rule::Ids;
        }
        if facts.is_dumpable == Some(false) {
            return Rule::NotDumpable;
        }
        if facts.missing_capabilities() != 0 {
            return Rule::MoreCapabilities;
        }
        if facts.namespace != Namespace::Same {
            return Rule::UserNamespace;
        }
    }
    match facts.yama {
        Some(level @ (1 | 2)) if !facts.is_capable() => return Rule::Yama(level),
        Some(level) if level > 2 => return Rule::Yama(level),
        _ => {}
    }
    // Of the rules, only those of security modules answer with EACCES.
    if errno == Errno::ACCESS || !facts.modules.is_empty() {
        return Rule::SecurityModule;
    }
    Rule::Unknown
}

/// The fault for a process, or a thread of one, that could not be seized.
///
/// **Shape**: [`ErrorCode::AlreadyTraced`] if it has a debugger, [`ErrorCode::NoSuchProcess`] if it
/// has ended, [`ErrorCode::LimitReached`] where a limit of ours is the reason, otherwise
/// [`ErrorCode::NotPermitted`] with the rule and the way out.
pub(super) fn refusal(pid: Pid, facts: &Facts, errno: Errno) -> Fault {
    let name = &facts.name;
    if matches!(facts.state, b'Z' | b'X') {
        let detail = format!("process {pid} ({name}) has ended and waits to be reaped");
        return Fault::new(ErrorCode::NoSuchProcess, detail);
    }
    if let Some(debugger) = &facts.debugger {
        let detail = format!("process {pid} ({name}) is being debugged already, {debugger}");
        return Fault::new(ErrorCode::AlreadyTraced, detail);
    }
    let (code, why) = match errno {
        Errno::PERM | Errno::ACCESS => (ErrorCode::NotPermitted, why(facts, errno)),
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN => {
            (ErrorCode::LimitReached, errno.to_string())
        }
        _ => (ErrorCode::SystemError, errno.to_string()),
    };
    let word = if code == ErrorCode::NotPermitted { "not permitted; " } else { "" };
    Fault::new(code, format!("attach to process {pid} ({name}): {word}{why}"))
        .with_errno(errno.raw_os_error())
}

/// The rule and the way out, as part of a sentence.
fn why(facts: &Facts, errno: Errno) -> String {
    let rule = rule(facts, errno);
    let what = match rule {
        Rule::KernelThread => return "it is a thread of the kernel".to_owned(),
        Rule::Filtered => {
            "a system-call filter (seccomp) keeps this server from using ptrace(2)".to_owned()
        }
        Rule::Memory => "only its owner may open its memory, /proc/PID/mem".to_owned(),
        Rule::Ids => ids(facts),
        Rule::NotDumpable => not_dumpable().to_owned(),
        Rule::MoreCapabilities => {
            let missing = capability_names(facts.missing_capabilities());
            format!("it has capabilities that this server lacks ({missing})")
        }
        Rule::UserNamespace => user_namespace(facts),
        Rule::Yama(1) => "kernel.yama.ptrace_scope is 1: a process may attach only to what it \
                          has started itself, and to those that have named it"
            .to_owned(),
        Rule::Yama(2) => {
            "kernel.yama.ptrace_scope is 2: attaching takes the capability CAP_SYS_PTRACE"
                .to_owned()
        }
        Rule::Yama(level) => {
            format!("kernel.yama.ptrace_scope is {level}: nothing on this machine may be debugged")
        }
        Rule::SecurityModule => security_module(facts),
        Rule::Unknown => return format!("the system says: {errno}"),
    };
    format!("{what}; {}", remedy::remedy(facts, rule))
}

fn ids(facts: &Facts) -> String {
    let (kind, theirs, ours) = if facts.theirs.uids.iter().any(|id| *id != facts.ours.uids[0]) {
        ("user", facts.theirs.uids, facts.ours.uids[0])
    } else {
        ("group", facts.theirs.gids, facts.ours.gids[0])
    };
    let [real, effective, saved] = theirs;
    if real == effective && real == saved {
        format!("its {kind} id is {real} and this server's {ours}")
    } else {
        format!(
            "its {kind} ids are {real}, {effective} and {saved} (real, effective, saved) and this \
             server's is {ours}"
        )
    }
}

fn not_dumpable() -> &'static str {
    "it is not dumpable: it has said so by prctl(2), has changed its ids, or its file is setuid, \
     setgid, has capabilities or may not be read"
}

fn user_namespace(facts: &Facts) -> String {
    let is_capable = facts.ours.effective & CAP_SYS_PTRACE != 0;
    let reach = if is_capable { ", where this server's CAP_SYS_PTRACE does not reach" } else { "" };
    format!("it lives in another user namespace{reach}")
}

fn security_module(facts: &Facts) -> String {
    let modules = match facts.modules.as_slice() {
        [] => "a security module".to_owned(),
        [module] => format!("the security module {module}"),
        modules => format!("one of the security modules {}", modules.join(", ")),
    };
    match &facts.labels {
        Some((theirs, ours)) => {
            format!("{modules} forbids it (its label is {theirs}, this server's {ours})")
        }
        None => format!("{modules} forbids it"),
    }
}

/// The names of capabilities, as setcap(8) takes them; a number for one that is newer than this
/// program.
pub(crate) fn capability_names(set: u64) -> String {
    const SHOWN_MAX: usize = 4;
    let bits: Vec<usize> = (0..64).filter(|bit| set >> bit & 1 == 1).collect();
    let name = |bit: &usize| {
        CAPABILITIES.get(*bit).map_or_else(|| bit.to_string(), |name| (*name).to_owned())
    };
    let mut names: Vec<String> = bits.iter().take(SHOWN_MAX).map(name).collect();
    if bits.len() > SHOWN_MAX {
        names.push(format!("{} more", bits.len() - SHOWN_MAX));
    }
    names.join(",")
}

/// The capabilities in the order of `<linux/capability.h>`.
const CAPABILITIES: &[&str] = &[
    "cap_chown",
    "cap_dac_override",
    "cap_dac_read_search",
    "cap_fowner",
    "cap_fsetid",
    "cap_kill",
    "cap_setgid",
    "cap_setuid",
    "cap_setpcap",
    "cap_linux_immutable",
    "cap_net_bind_service",
    "cap_net_broadcast",
    "cap_net_admin",
    "cap_net_raw",
    "cap_ipc_lock",
    "cap_ipc_owner",
    "cap_sys_module",
    "cap_sys_rawio",
    "cap_sys_chroot",
    "cap_sys_ptrace",
    "cap_sys_pacct",
    "cap_sys_admin",
    "cap_sys_boot",
    "cap_sys_nice",
    "cap_sys_resource",
    "cap_sys_time",
    "cap_sys_tty_config",
    "cap_mknod",
    "cap_lease",
    "cap_audit_write",
    "cap_audit_control",
    "cap_setfcap",
    "cap_mac_override",
    "cap_mac_admin",
    "cap_syslog",
    "cap_wake_alarm",
    "cap_block_suspend",
    "cap_audit_read",
    "cap_perfmon",
    "cap_bpf",
    "cap_checkpoint_restore",
];

#[cfg(test)]
#[path = "refusal/tests.rs"]
mod tests;
