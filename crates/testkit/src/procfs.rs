//! What /proc says of processes, as far as tests ask: an own reading, so that the server's parsers
//! do not check themselves. See proc(5).

use std::path::PathBuf;

use dbgbase::{Address, Pid, Tid};

/// One line of /proc/PID/maps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// The first address.
    pub start: Address,
    /// The first address behind.
    pub end: Address,
    /// As printed, such as `r-xp`.
    pub permissions: String,
    /// Where in the file it begins.
    pub offset: u64,
    /// The file, a name in brackets, or nothing.
    pub name: String,
}

/// The processes there are.
pub fn pids() -> Vec<Pid> {
    numbers("/proc").into_iter().map(Pid::new).collect()
}

/// The threads of a process; none if it is gone.
pub fn tids(pid: Pid) -> Vec<Tid> {
    let mut tids: Vec<Tid> =
        numbers(&format!("/proc/{pid}/task")).into_iter().map(Tid::new).collect();
    tids.sort_unstable();
    tids
}

fn numbers(directory: &str) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// A field of a thread's status file, such as `TracerPid`; `None` if the thread is gone.
pub fn status(pid: Pid, tid: Tid, field: &str) -> Option<String> {
    // The name in it may be no UTF-8.
    let text = std::fs::read(format!("/proc/{pid}/task/{tid}/status")).ok()?;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

/// The letter of a thread's state; `None` if it is gone.
pub fn state(pid: Pid, tid: Tid) -> Option<char> {
    status(pid, tid, "State")?.chars().next()
}

/// Who traces a thread, as the kernel says: a thread id, or 0. `None` if the thread is gone.
pub fn tracer(pid: Pid, tid: Tid) -> Option<u32> {
    status(pid, tid, "TracerPid")?.parse().ok()
}

/// A thread's name (proc_pid_comm(5)).
pub fn thread_name(pid: Pid, tid: Tid) -> Option<String> {
    let name = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/comm")).ok()?;
    Some(name.trim_end_matches('\n').to_owned())
}

/// Whether a process exists and has not ended.
pub fn is_alive(pid: Pid) -> bool {
    state(pid, Tid::from(pid)).is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Whether a thread sleeps in the system call of this number.
pub fn is_sleeping_in(pid: Pid, tid: Tid, number: u64) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall"));
    let first = text.ok().and_then(|text| text.split(' ').next()?.trim().parse().ok());
    first == Some(number) && state(pid, tid) == Some('S')
}

/// What is mapped.
pub fn mappings(pid: Pid) -> Vec<Mapping> {
    let text = std::fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().filter_map(mapping).collect()
}

fn mapping(line: &str) -> Option<Mapping> {
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let permissions = fields.next()?.to_owned();
    let offset = u64::from_str_radix(fields.next()?, 16).ok()?;
    let name = fields.nth(2).unwrap_or_default().trim_start().to_owned();
    Some(Mapping {
        start: Address::new(u64::from_str_radix(start, 16).ok()?),
        end: Address::new(u64::from_str_radix(end, 16).ok()?),
        permissions,
        offset,
        name,
    })
}

/// What a process's descriptors are open on, each as `number -> what`.
pub fn descriptors(pid: Pid) -> Vec<String> {
    let mut numbers = numbers(&format!("/proc/{pid}/fd"));
    numbers.sort_unstable();
    let describe = |number: u32| {
        let target = std::fs::read_link(format!("/proc/{pid}/fd/{number}")).ok()?;
        Some(format!("{number} -> {}", target.display()))
    };
    numbers.into_iter().filter_map(describe).collect()
}

/// The processes whose environment has an entry that begins so, `NAME=VALUE`. Processes that have
/// ended have no environment.
pub fn with_environment(start: &str) -> Vec<Pid> {
    let has_entry = |pid: &Pid| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry.starts_with(start.as_bytes()))
    };
    pids().into_iter().filter(has_entry).collect()
}

/// The port at which a process listens, found by its sockets' inodes in the kernel's table;
/// `None` if it listens at none.
pub fn listening_port(pid: Pid) -> Option<u16> {
    let sockets = sockets(pid);
    let tables = ["/proc/net/tcp6", "/proc/net/tcp"];
    let tables = tables.into_iter().filter_map(|path| std::fs::read_to_string(path).ok());
    let rows: Vec<String> =
        tables.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    rows.iter().find_map(|row| {
        let columns: Vec<&str> = row.split_ascii_whitespace().collect();
        let is_listening = *columns.get(3)? == "0A";
        let is_ours = sockets.iter().any(|inode| columns.get(9) == Some(&inode.as_str()));
        let (_, port) = columns.get(1)?.rsplit_once(':')?;
        (is_listening && is_ours).then(|| u16::from_str_radix(port, 16).ok())?
    })
}

/// The inodes of a process's sockets.
pub(crate) fn sockets(pid: Pid) -> Vec<String> {
    let inode = |descriptor: String| {
        let (_, inode) = descriptor.split_once("socket:[")?;
        Some(inode.trim_end_matches(']').to_owned())
    };
    descriptors(pid).into_iter().filter_map(inode).collect()
}

/// A file of a process.
pub(crate) fn path(pid: Pid, file: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{file}"))
}
