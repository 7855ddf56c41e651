//! Who debugs a process already, in words for the one who cannot: a session of a process server, or
//! a debugger. It reads /proc and decides nothing.

use std::os::unix::fs::MetadataExt;

use dbgbase::{Pid, Tid};
use dbglink::registry::SessionLine;
use dbgwire::verbs::process::ARGUMENTS_LEN_MAX;

use super::procfs;

/// The debugger that a tracing thread belongs to, as `by session 3 of alice (process server 4711)`
/// or `by process 4711 (gdb)`.
pub(crate) fn who_debugs(tracer: Tid) -> String {
    let pid = procfs::process_of(tracer).unwrap_or(Pid::new(tracer.value()));
    let line = procfs::read_head(&format!("/proc/{pid}/cmdline"), ARGUMENTS_LEN_MAX);
    let line = line.ok().and_then(|line| SessionLine::parse(&line));
    let parent = procfs::stat(pid).map(|stat| Pid::new(stat.parent));
    match (line, parent) {
        (Some(line), parent) if line.has_server => {
            let client = line.user.or(line.peer).unwrap_or_else(|| "an unknown client".to_owned());
            let server = match parent.filter(|parent| is_server_of(pid, *parent)) {
                Some(server) => format!("process server {server}"),
                None => "its process server is gone".to_owned(),
            };
            format!("by session {} of {client} ({server})", line.number)
        }
        // The session process of a debugger is known by the debugger.
        (Some(_), Some(debugger)) if debugger.value() > 1 => by_process(debugger),
        _ => by_process(pid),
    }
}

fn by_process(pid: Pid) -> String {
    let name = procfs::stat(pid).map_or_else(String::new, |stat| stat.name);
    format!("by process {pid} ({name})")
}

/// Whether the parent of a session process is its server, which executes the same file. A session
/// outlives a server that is killed, and is given another parent then.
fn is_server_of(session: Pid, parent: Pid) -> bool {
    let file = |pid: Pid| {
        let file = std::fs::metadata(format!("/proc/{pid}/exe")).ok()?;
        Some((file.dev(), file.ino()))
    };
    match (file(session), file(parent)) {
        (Some(program), Some(other)) => program == other,
        // This user may not know. Orphans are given to the first process, if to nobody nearer.
        _ => parent.value() != 1,
    }
}
