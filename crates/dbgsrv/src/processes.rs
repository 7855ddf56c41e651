//! The verbs that look at the server's machine without touching a process: who it is, and what runs
//! on it. Everything comes from /proc and uname(2).

use dbgbase::Pid;
use dbglink::UserNames;
use dbgwire::convert;
use dbgwire::verbs::process::{
    ARGUMENTS_LEN_MAX, ListProcesses, ListProcessesReply, PROCESSES_MAX, ProcessDescription,
};
use dbgwire::verbs::server::ServerInfoReply;

use crate::ptrace::{procfs, registers};

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
    let more = pids.len() > PROCESSES_MAX;
    let users = UserNames::read();
    let processes = pids
        .into_iter()
        .take(PROCESSES_MAX)
        .filter_map(|pid| describe(Pid::new(pid), request.details, &users))
        .collect();
    ListProcessesReply { processes, more }
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

fn describe(pid: Pid, details: bool, users: &UserNames) -> Option<ProcessDescription> {
    let stat = procfs::stat(pid)?;
    let status = procfs::read(pid, "status").unwrap_or_default();
    let status = String::from_utf8_lossy(&status);
    let uid = procfs::status_field(&status, "Uid")
        .and_then(|uids| uids.split_ascii_whitespace().nth(1))
        .and_then(|uid| uid.parse().ok())
        .unwrap_or(0);
    let tracer = procfs::status_field(&status, "TracerPid").and_then(|pid| pid.parse().ok());
    let executable = procfs::link(pid, "exe").unwrap_or_default();
    let file = executable.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let file = file.strip_suffix(b" (deleted)").unwrap_or(file);
    let name = match file {
        [] => stat.name,
        file => String::from_utf8_lossy(file).into_owned(),
    };
    Some(ProcessDescription {
        pid: pid.value(),
        parent: stat.parent,
        name,
        executable: if details { executable } else { Vec::new() },
        arguments: if details { arguments(pid) } else { Vec::new() },
        uid,
        user: users.get(uid).map_or_else(|| uid.to_string(), str::to_owned),
        threads: stat.threads,
        start_time: stat.start_time,
        tracer: tracer.unwrap_or(0),
        session: stat.session,
        state: u32::from(stat.state),
    })
}

fn arguments(pid: Pid) -> Vec<Vec<u8>> {
    let mut line = procfs::read(pid, "cmdline").unwrap_or_default();
    line.truncate(ARGUMENTS_LEN_MAX);
    if line.last() == Some(&0) {
        line.pop();
    }
    if line.is_empty() {
        return Vec::new();
    }
    line.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
}
