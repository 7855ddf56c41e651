//! What /proc says of processes, as far as listings need it (proc(5)). Processes come and go while
//! it is read: whatever is gone says nothing. It knows no servers.

use std::io::Read;

use dbgbase::{Pid, Tid};

/// One process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Process {
    /// Its id.
    pub(crate) pid: Pid,
    /// Its name, with what terminals could obey replaced.
    pub(crate) name: String,
    /// Who started it, or took it over.
    pub(crate) parent: u32,
    /// The thread that traces it.
    pub(crate) tracer: Option<Tid>,
}

/// The processes there are, in ascending order of their ids.
pub(crate) fn processes() -> Vec<Process> {
    let mut processes: Vec<Process> = numbers("/proc").into_iter().filter_map(process).collect();
    processes.sort_unstable_by_key(|process| process.pid);
    processes
}

fn process(pid: u32) -> Option<Process> {
    let text = read(&format!("/proc/{pid}/status"))?;
    let number = |key| field(&text, key)?.parse::<u32>().ok();
    let traced_by = |text: &str| {
        let tracer = field(text, "TracerPid")?.parse().ok();
        tracer.filter(|tracer| *tracer != 0).map(Tid::new)
    };
    let tracer = traced_by(&text).or_else(|| {
        // A leader that has ended before the other threads may have no tracer any more.
        let has_ended = field(&text, "State")?.starts_with('Z');
        let tids = if has_ended { numbers(&format!("/proc/{pid}/task")) } else { Vec::new() };
        tids.into_iter()
            .find_map(|tid| traced_by(&read(&format!("/proc/{pid}/task/{tid}/status"))?))
    });
    let name: String = field(&text, "Name")?.chars().map(printable).collect();
    Some(Process { pid: Pid::new(pid), name, parent: number("PPid")?, tracer })
}

fn printable(letter: char) -> char {
    if letter.is_control() { '?' } else { letter }
}

/// The process that a thread belongs to.
pub(crate) fn process_of(tid: Tid) -> Option<Pid> {
    let text = read(&format!("/proc/{tid}/status"))?;
    field(&text, "Tgid")?.parse().ok().map(Pid::new)
}

/// A process's command line, each word ended by a zero byte. A process may say that its is as long
/// as it likes; no session's has more than this.
pub(crate) fn command_line(pid: Pid) -> Option<Vec<u8>> {
    const LEN_MAX: u64 = 4096;
    let mut line = Vec::new();
    let file = std::fs::File::open(format!("/proc/{pid}/cmdline")).ok()?;
    file.take(LEN_MAX).read_to_end(&mut line).ok()?;
    Some(line)
}

/// When a process started, in seconds since 1970.
pub(crate) fn started_s(pid: Pid) -> Option<u64> {
    let ticks = start_ticks(&read(&format!("/proc/{pid}/stat"))?)?;
    let boot = read("/proc/stat")?;
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime "))?;
    let ticks_per_second = rustix::param::clock_ticks_per_second().max(1);
    Some(boot.trim().parse::<u64>().ok()? + ticks / ticks_per_second)
}

/// Field 22 of /proc/PID/stat. The name, in parentheses, may itself hold parentheses and blanks.
fn start_ticks(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// A line `Key:\tvalue` of a status file.
fn field<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim)
}

fn numbers(directory: &str) -> Vec<u32> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn read(path: &str) -> Option<String> {
    std::fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_among_them() {
        let this = Pid::new(std::process::id());
        let all = processes();
        assert!(all.is_sorted_by_key(|process| process.pid));
        let found = all.iter().find(|process| process.pid == this).expect("it lives");
        assert_eq!(found.parent, std::os::unix::process::parent_id());
        assert_eq!(found.tracer, None);
        assert_eq!(process_of(Tid::new(this.value())), Some(this));
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.expect("after 1970").as_secs();
        assert!(started_s(this).is_some_and(|started| started.abs_diff(now) < 600));
    }

    #[test]
    fn nobody_says_nothing() {
        let nobody = Pid::new(u32::MAX >> 1);
        assert_eq!(process(nobody.value()), None);
        assert_eq!((command_line(nobody), started_s(nobody)), (None, None));
        assert_eq!(process_of(Tid::new(nobody.value())), None);
    }

    #[test]
    fn a_name_with_parentheses_is_a_name() {
        let stat = "42 (a) (b c) S 1 2 3 0 -1 0 0 0 0 0 0 0 0 0 20 0 7 0 12345 0 0";
        assert_eq!(start_ticks(stat), Some(12345));
        assert_eq!(start_ticks("42 (cut"), None);
        assert_eq!(printable('\u{1b}'), '?');
    }
}
