//! The least privileged way out of a refusal, in words for whoever runs the server. Pure.

use super::{CAP_DAC_OVERRIDE, CAP_SYS_PTRACE, Facts, Rule, capability_names};

/// What to do, as part of a sentence.
pub(super) fn remedy(facts: &Facts, rule: Rule) -> String {
    match rule {
        Rule::Filtered => "start the server outside of that filter (docker and podman: \
                           --cap-add=SYS_PTRACE; systemd: SystemCallFilter=@debug)"
            .to_owned(),
        Rule::Ids if would_do_as_its_user(facts) => as_its_user(facts),
        Rule::MoreCapabilities => same_capabilities(facts),
        Rule::UserNamespace => in_its_namespace(facts),
        Rule::Yama(1) => format!(
            "launch it from the debugger, have it call prctl(PR_SET_PTRACER, {}), or {}",
            facts.server,
            capability(facts)
        ),
        Rule::Yama(2) => {
            format!(
                "{}, or set that to 1 by sysctl(8) and launch the program from the debugger",
                capability(facts)
            )
        }
        Rule::Yama(_) => "that can be changed only by restarting the machine".to_owned(),
        Rule::SecurityModule => "its policy has to allow it (AppArmor: a rule `ptrace (trace)` in \
                                 the server's profile; SELinux: the boolean deny_ptrace off; \
                                 Landlock: a server that is not restricted)"
            .to_owned(),
        Rule::Ids | Rule::NotDumpable | Rule::Memory | Rule::KernelThread | Rule::Unknown => {
            capability(facts)
        }
    }
}

/// Whether a server that runs as the process's user could attach to it.
fn would_do_as_its_user(facts: &Facts) -> bool {
    let is_one = |ids: [u32; 3]| ids.iter().all(|id| *id == ids[0]);
    is_one(facts.theirs.uids)
        && is_one(facts.theirs.gids)
        && facts.is_dumpable != Some(false)
        && facts.theirs.permitted == 0
}

fn as_its_user(facts: &Facts) -> String {
    let (uid, gid) = (facts.theirs.uids[0], facts.theirs.gids[0]);
    format!("run a server as that user: setpriv --reuid={uid} --regid={gid} --init-groups dbgsrv")
}

/// Capabilities need not be more than the process's; with all of those, no other is needed.
fn same_capabilities(facts: &Facts) -> String {
    let missing = facts.missing_capabilities();
    let is_few = missing.count_ones() <= 4 && missing & CAP_SYS_PTRACE == 0;
    if is_few && missing & !facts.ours.bounding == 0 && !facts.ours.no_new_privileges {
        let names = capability_names(missing);
        return format!("give the server those: setcap {names}=ep {}", facts.program);
    }
    capability(facts)
}

fn in_its_namespace(facts: &Facts) -> String {
    if facts.is_first_namespace {
        capability(facts)
    } else {
        "run a server in that namespace, or in the one around it".to_owned()
    }
}

/// How the server gets `CAP_SYS_PTRACE`, and what it needs beside it: what /proc has of a process
/// that is another user's, or not dumpable, may be opened by its owner alone.
fn capability(facts: &Facts) -> String {
    let are_files_ours = facts.has_our_ids() && facts.is_dumpable != Some(false);
    let (needed, names) = if are_files_ours {
        (CAP_SYS_PTRACE, "cap_sys_ptrace")
    } else {
        (CAP_SYS_PTRACE | CAP_DAC_OVERRIDE, "cap_sys_ptrace,cap_dac_override")
    };
    if facts.ours.bounding & needed != needed {
        return format!(
            "start the server where it may have {} (docker and podman: --cap-add=SYS_PTRACE; \
             systemd: CapabilityBoundingSet=)",
            names.to_uppercase().replace(',', " and ")
        );
    }
    let file = format!("setcap {names}=ep {}", facts.program);
    if facts.ours.no_new_privileges {
        return format!(
            "start the server without no_new_privs (systemd: NoNewPrivileges=no) and give it the \
             right: {file}"
        );
    }
    format!("give the server the right: {file}")
}
