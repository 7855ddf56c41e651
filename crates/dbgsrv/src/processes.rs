//! The verbs that look at the server's machine without touching a process: who it is, and what runs
//! on it. Everything comes from /proc and uname(2).

use dbgbase::{Pid, Tid};
use dbglink::UserNames;
use dbgwire::convert;
use dbgwire::verbs::process::{
    ARGUMENTS_LEN_MAX, ListProcesses, ListProcessesReply, PROCESSES_MAX, ProcessDescription,
};
use dbgwire::verbs::server::ServerInfoReply;

use crate::description::{self, Clock};
use crate::ptrace::{procfs, registers, who_debugs};

/// The most bytes of one list, so that it always fits a frame.
const LIST_LEN_MAX: usize = 2 * 1024 * 1024;
/// What a description takes beside what is as long as it likes, and an entry of its lists.
const FIXED_LEN: usize = 128;
const ENTRY_LEN: usize = 32;

/// Who this server is.
pub(crate) fn server_info() -> ServerInfoReply {
    let uname = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let uptime_s = uptime.split_ascii_whitespace().next().and_then(|s| s.parse::<f64>().ok());
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    ServerInfoReply {
        machine: text(uname.nodename()),
        system: format!("{} {}", text(uname.sysname()), text(uname.release())),
        arch: std::env::consts::ARCH.to_owned(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uid: rustix::process::geteuid().as_raw(),
        uptime_ms: (uptime_s.unwrap_or(0.0) * 1000.0) as u64,
        clock_s: clock.map_or(0, |since| since.as_secs()),
        cpus: std::thread::available_parallelism().map_or(1, |count| count.get() as u32),
        xsave: registers::xsave_layout().map(convert::xsave_to_wire),
    }
}

/// The processes of this machine, in ascending order of their ids.
pub(crate) fn list(request: &ListProcesses) -> ListProcessesReply {
    let mut pids = match request.pid {
        0 => all_pids(),
        pid => vec![pid],
    };
    pids.retain(|pid| *pid > request.after);
    pids.sort_unstable();
    let lookup =
        Lookup { details: request.details, users: UserNames::read(), clock: Clock::read() };
    let mut reply = ListProcessesReply::default();
    let mut len = 0;
    for pid in pids {
        let Some(process) = lookup.describe(Pid::new(pid)) else { continue };
        len += len_of(&process);
        if reply.processes.len() == PROCESSES_MAX || len > LIST_LEN_MAX {
            reply.more = true;
            break;
        }
        reply.processes.push(process);
    }
    reply
}

/// One process with its details; `None` if it is gone.
pub(crate) fn one(pid: Pid) -> Option<ProcessDescription> {
    Lookup { details: true, users: UserNames::read(), clock: Clock::read() }.describe(pid)
}

/// About how long a description is on the wire; never less.
fn len_of(process: &ProcessDescription) -> usize {
    let arguments: usize =
        process.arguments.iter().map(|argument| argument.len() + ENTRY_LEN).sum();
    let container = process
        .container
        .as_ref()
        .map_or(0, |container| container.engine.len() + container.id.len());
    FIXED_LEN
        + arguments
        + container
        + ENTRY_LEN * process.namespaces.len()
        + process.executable.len()
        + process.name.len()
        + process.user.len()
        + process.debugger.len()
}

fn all_pids() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pid = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.ok()?.file_name().to_str()?.parse::<u32>().ok()
    };
    entries.filter_map(pid).collect()
}

/// What one look at processes has in common.
struct Lookup {
    details: bool,
    users: UserNames,
    clock: Clock,
}

impl Lookup {
    fn describe(&self, pid: Pid) -> Option<ProcessDescription> {
        let stat = procfs::stat(pid)?;
        let status = procfs::status(&format!("/proc/{pid}")).unwrap_or_default();
        let uid = procfs::status_field(&status, "Uid")
            .and_then(|uids| uids.split_ascii_whitespace().nth(1))
            .and_then(|uid| uid.parse().ok())
            .unwrap_or(0);
        let tracer = procfs::status_field(&status, "TracerPid").and_then(|pid| pid.parse().ok());
        let tracer = tracer.unwrap_or(0);
        let executable = procfs::link(pid, "exe").unwrap_or_default();
        let file = executable.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let file = file.strip_suffix(b" (deleted)").unwrap_or(file);
        let name = match file {
            [] => stat.name,
            file => String::from_utf8_lossy(file).into_owned(),
        };
        let description = ProcessDescription {
            pid: pid.value(),
            parent: stat.parent,
            name,
            uid,
            user: self.users.get(uid).map_or_else(|| uid.to_string(), str::to_owned),
            threads: stat.threads,
            start_time: stat.start_time,
            tracer,
            session: stat.session,
            state: u32::from(stat.state),
            started_ms: self.clock.date_ms(stat.start_time),
            container: description::container_of(pid),
            ..ProcessDescription::default()
        };
        if !self.details {
            return Some(description);
        }
        // Where they may not be seen, nothing is said of them.
        let mut namespaces = description::namespaces(&format!("/proc/{pid}")).unwrap_or_default();
        namespaces.retain(|namespace| !namespace.is_servers);
        Some(ProcessDescription {
            executable,
            arguments: arguments(pid),
            namespaces,
            debugger: if tracer == 0 { String::new() } else { who_debugs(Tid::new(tracer)) },
            ..description
        })
    }
}

fn arguments(pid: Pid) -> Vec<Vec<u8>> {
    let path = format!("/proc/{pid}/cmdline");
    let mut line = procfs::read_head(&path, ARGUMENTS_LEN_MAX).unwrap_or_default();
    if line.last() == Some(&0) {
        line.pop();
    }
    if line.is_empty() {
        return Vec::new();
    }
    line.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
}
