//! What a process is, in the layouts of `!peb`, `!handle`, `!runaway` and `.ttime`. Where the
//! original shows blocks of its system's memory, these show what a Linux system says of a process.
//! It knows no engine; numbers of the auxiliary vector are known to `auxiliary`.

use std::fmt::Write as _;

use dbgeng::{
    Descriptor, Namespace, ProcessDetails, ProcessPart, ProcessPlaces, ResourceLimit, ThreadStatus,
};

use super::{bytes, numbers, system::quoted};

/// Where values begin in `!peb`.
const VALUE_COLUMN: usize = 24;

/// The bits of chmod(2) that make a program run as its file's owner, and with its group.
const SET_USER_ID: u32 = 0o4000;
const SET_GROUP_ID: u32 = 0o2000;
/// `EACCES` of `<errno.h>`: for who may not debug a process.
const EACCES: i32 = 13;

/// A line of `!peb`.
pub(crate) fn field(text: &mut String, name: &str, value: &str) {
    let name = format!("{name}:");
    let line = format!("    {name:<width$}{value}", width = VALUE_COLUMN - 4);
    let _ = writeln!(text, "{}", line.trim_end());
}

/// `!peb` without the auxiliary vector and the environment.
pub(crate) fn process(details: &ProcessDetails) -> String {
    let ProcessDetails { process, .. } = details;
    let started = date(process.started_ms);
    let mut text = format!("Process 0n{} ({}), started {started}\n", process.pid, process.name);
    let mut add = |name: &str, value: &str| field(&mut text, name, value);
    if let Some(inner) = details.pids.get(1..).filter(|inner| !inner.is_empty()) {
        let inner: Vec<String> = inner.iter().map(|pid| format!("0n{pid}")).collect();
        add("IdInNamespace", &inner.join(" "));
    }
    add("Parent", &format!("0n{}", process.parent));
    add("User", &format!("{} ({})", process.user, process.uid));
    add("Session", &process.session.to_string());
    add("Threads", &process.threads.to_string());
    if let Some(tracer) = process.tracer {
        add("DebuggedBy", &debugger(tracer, &process.debugger));
    }
    let arguments: Vec<String> = process.arguments.iter().map(|word| quoted(word)).collect();
    add("CommandLine", &arguments.join(" "));
    match (&details.places, details.error_of(ProcessPart::Places)) {
        (Some(places), _) => {
            add("ImageFile", &quoted(&places.executable));
            add("FileMode", &mode(places));
            add("BuildId", &hexadecimal(&places.build_id));
            add("CurrentDirectory", &quoted(&places.working_directory));
            add("RootDirectory", &quoted(&places.root));
        }
        (None, Some(errno)) => add("ImageFile", &missing(errno)),
        (None, None) => {}
    }
    if let Some(container) = &process.container {
        add("Container", &format!("{} {}", container.engine, container.id));
    }
    match details.error_of(ProcessPart::ControlGroup) {
        None => add("ControlGroup", &quoted(&details.control_group)),
        Some(errno) => add("ControlGroup", &missing(errno)),
    }
    match details.error_of(ProcessPart::Namespaces) {
        None => add("Namespaces", &foreign(&details.namespaces)),
        Some(errno) => add("Namespaces", &missing(errno)),
    }
    text.push_str(&security(details));
    text.push_str(&limits(&details.limits, details.error_of(ProcessPart::Limits)));
    text
}

/// What is told of a process that has just executed a program: whose rights it was not given, and
/// that nobody may look into it.
pub(crate) fn executed(details: &ProcessDetails) -> String {
    if details.error_of(ProcessPart::Auxiliary) == Some(EACCES) {
        return "Its memory is closed to the process server: the program's file may be executed \
            and not read\n"
            .to_owned();
    }
    let (Some(places), Some(security)) = (&details.places, &details.security) else {
        return String::new();
    };
    const EFFECTIVE: usize = 1;
    let why = match security.no_new_privileges {
        true => "it may gain no privileges (no_new_privs)",
        false => {
            "the process server lacks the capability CAP_SYS_PTRACE, or the file system is mounted \
             with nosuid"
        }
    };
    let told = |bit: u32, promised: u32, ids: &[u32], what: &str| {
        let actual = ids.get(EFFECTIVE).copied().filter(|id| *id != promised)?;
        let is_set = places.mode & bit != 0;
        is_set.then(|| {
            format!("It runs as {what} {actual}, not {promised} as its file says: {why}\n")
        })
    };
    let user = told(SET_USER_ID, places.owner, &security.uids, "user");
    let group = told(SET_GROUP_ID, places.group, &security.gids, "group");
    user.into_iter().chain(group).collect()
}

/// Who may do what with the executable.
fn mode(places: &ProcessPlaces) -> String {
    let ProcessPlaces { mode, owner, group, .. } = places;
    let mut text = format!("{mode:04o}, owner {owner}, group {group}");
    for (bit, name) in [(SET_USER_ID, ", set-user-ID"), (SET_GROUP_ID, ", set-group-ID")] {
        if mode & bit != 0 {
            text.push_str(name);
        }
    }
    text
}

/// Who debugs a process.
pub(crate) fn debugger(tracer: dbgbase::Pid, words: &str) -> String {
    if words.is_empty() { format!("0n{tracer}") } else { format!("0n{tracer}, {words}") }
}

/// Those of the namespaces in which the server is not.
pub(crate) fn foreign(namespaces: &[Namespace]) -> String {
    let others: Vec<String> = namespaces
        .iter()
        .filter(|namespace| !namespace.is_servers)
        .map(|namespace| format!("{}:[{}]", namespace.kind, namespace.inode))
        .collect();
    if others.is_empty() {
        "the process server's".to_owned()
    } else {
        format!("of its own: {}", others.join(" "))
    }
}

/// What is shown in place of a part that could not be told.
pub(crate) fn missing(errno: i32) -> String {
    match errno {
        EACCES => "<the process server may not look: it may not debug the process>".to_owned(),
        errno => format!("<error {errno} of the process server's system>"),
    }
}

fn security(details: &ProcessDetails) -> String {
    let mut text = String::new();
    let mut add = |name: &str, value: &str| field(&mut text, name, value);
    let security = match (&details.security, details.error_of(ProcessPart::Security)) {
        (Some(security), _) => security,
        (None, Some(errno)) => {
            add("Users", &missing(errno));
            return text;
        }
        (None, None) => return text,
    };
    add("Users", &ids(&security.uids));
    add("Groups", &ids(&security.gids));
    let groups: Vec<String> = security.groups.iter().map(ToString::to_string).collect();
    add("OtherGroups", &groups.join(" "));
    let capabilities = [
        ("effective", security.effective),
        ("permitted", security.permitted),
        ("inheritable", security.inheritable),
        ("bounding", security.bounding),
        ("ambient", security.ambient),
    ];
    let capabilities = capabilities.map(|(name, set)| format!("{name} {set:x}"));
    add("Capabilities", &capabilities.join(", "));
    let seccomp = match security.seccomp {
        0 => "none".to_owned(),
        1 => "strict".to_owned(),
        _ => format!("filters: {}", security.filters),
    };
    add("Seccomp", &seccomp);
    add("NoNewPrivileges", yes(security.no_new_privileges));
    add("Dumpable", security.dumpable.map_or("unknown", yes));
    text
}

/// The four ids of a process in the kernel's order.
fn ids(ids: &[u32]) -> String {
    let names = ["real", "effective", "saved", "file system"];
    let ids = names.iter().zip(ids).map(|(name, id)| format!("{name} {id}"));
    ids.collect::<Vec<_>>().join(", ")
}

fn yes(is_so: bool) -> &'static str {
    if is_so { "Yes" } else { "No" }
}

fn limits(limits: &[ResourceLimit], error: Option<i32>) -> String {
    let mut text = String::new();
    if let Some(errno) = error {
        field(&mut text, "Limits", &missing(errno));
        return text;
    }
    let value =
        |value: Option<u64>| value.map_or("unlimited".to_owned(), |value| value.to_string());
    let _ = writeln!(text, "    {:<24}{:>20} {:>20}", "Limits:", "soft", "hard");
    for limit in limits {
        let (soft, hard) = (value(limit.soft), value(limit.hard));
        let line = format!("        {:<20}{soft:>20} {hard:>20} {}", limit.name, limit.unit);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// The environment in `!peb`.
pub(crate) fn environment(details: &ProcessDetails) -> String {
    let mut text = String::new();
    match details.error_of(ProcessPart::Environment) {
        Some(errno) => field(&mut text, "Environment", &missing(errno)),
        None => text.push_str("    Environment:\n"),
    }
    for entry in &details.environment {
        let _ = writeln!(text, "        {}", visible(entry));
    }
    if details.cut.contains(&ProcessPart::Environment) {
        text.push_str("        ... and more\n");
    }
    text
}

/// Bytes in one line: what is no printable character is escaped.
pub(crate) fn visible(entry: &[u8]) -> String {
    let escaped = |character: char| match character.is_control() {
        true => character.escape_default().to_string(),
        false => character.to_string(),
    };
    bytes(entry).chars().map(escaped).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    if text.is_empty() { "none".to_owned() } else { text }
}

/// A date with its zone.
pub(crate) fn date(milliseconds: u64) -> String {
    format!("{} UTC", numbers::time(milliseconds / 1000))
}

/// Days and the time of the day: `3 days 2:11:22.123`.
pub(crate) fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    format!(
        "{} days {}:{:02}:{:02}.{:03}",
        seconds / 86400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
        milliseconds % 1000
    )
}

/// What `!handle` shows of a descriptor: bits of its second parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Aspects(pub(crate) u64);

impl Aspects {
    /// Its kind.
    pub(crate) const KIND: u64 = 1;
    /// How it was opened.
    pub(crate) const ACCESS: u64 = 2;
    /// What it points to.
    pub(crate) const NAME: u64 = 4;
    /// Where it reads or writes next.
    pub(crate) const OFFSET: u64 = 8;

    fn has(self, aspect: u64) -> bool {
        self.0 & aspect != 0
    }
}

/// A descriptor in `!handle`.
pub(crate) fn descriptor(descriptor: &Descriptor, aspects: Aspects) -> String {
    let mut text = format!("Handle 0n{}\n", descriptor.number);
    if aspects.has(Aspects::KIND) {
        let _ = writeln!(text, "  Type          {}", kind(&descriptor.target));
    }
    if aspects.has(Aspects::ACCESS) {
        let _ = writeln!(text, "  GrantedAccess {}", access(descriptor.flags));
    }
    if aspects.has(Aspects::NAME) {
        let _ = writeln!(text, "  Name          {}", visible(&descriptor.target));
    }
    if aspects.has(Aspects::OFFSET) {
        let _ = writeln!(text, "  Offset        0x{:x}", descriptor.offset);
    }
    text
}

/// How many descriptors there are, and of which kinds.
pub(crate) fn descriptor_counts(descriptors: &[&Descriptor]) -> String {
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    for descriptor in descriptors {
        *counts.entry(kind(&descriptor.target)).or_default() += 1;
    }
    let mut text = format!("{} Handles\nType                Count\n", descriptors.len());
    for (kind, count) in counts {
        let _ = writeln!(text, "{kind:<19} {count}");
    }
    text
}

/// The kind of what a descriptor points to, by what /proc calls it.
pub(crate) fn kind(target: &[u8]) -> String {
    let target = bytes(target);
    let is_under = |folder: &str| target.starts_with(folder);
    let (before, _) = target.split_once(':').unwrap_or_default();
    match before {
        "socket" => "Socket".to_owned(),
        "pipe" => "Pipe".to_owned(),
        "anon_inode" => {
            let name = target.trim_start_matches("anon_inode:").trim_matches(['[', ']']);
            capitalised(name)
        }
        "mnt" | "pid" | "net" | "ipc" | "uts" | "user" | "cgroup" | "time" => {
            "Namespace".to_owned()
        }
        _ if is_under("/memfd:") => "Memory".to_owned(),
        _ if is_under("/dev/pts/") || is_under("/dev/tty") => "Terminal".to_owned(),
        _ if is_under("/dev/") && !is_under("/dev/shm/") => "Device".to_owned(),
        _ => "File".to_owned(),
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// How a descriptor was opened, in the names of open(2). Only flags that are the same on every CPU
/// have names here; others stay a number.
fn access(flags: u32) -> String {
    const NAMED: [(u32, &str); 7] = [
        (0o2_000, "O_APPEND"),
        (0o4_000, "O_NONBLOCK"),
        (0o20_000, "O_ASYNC"),
        (0o4_010_000, "O_SYNC"),
        (0o10_000, "O_DSYNC"),
        (0o2_000_000, "O_CLOEXEC"),
        (0o10_000_000, "O_PATH"),
    ];
    let mode = ["O_RDONLY", "O_WRONLY", "O_RDWR"].get((flags & 3) as usize).copied();
    let mut words = vec![mode.unwrap_or("O_ACCMODE").to_owned()];
    let mut left = flags & !3;
    for (bits, name) in NAMED {
        if left & bits == bits {
            words.push(name.to_owned());
            left &= !bits;
        }
    }
    if left != 0 {
        words.push(format!("0{left:o}"));
    }
    words.join(" | ")
}

/// Which times `!runaway` shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TimeKind {
    /// In the program's own code.
    User,
    /// In the kernel.
    Kernel,
    /// Since the thread's start.
    Elapsed,
}

impl TimeKind {
    /// In the order in which they are shown; each has the bit of its place.
    pub(crate) const ALL: [TimeKind; 3] = [TimeKind::User, TimeKind::Kernel, TimeKind::Elapsed];

    fn heading(self) -> &'static str {
        match self {
            TimeKind::User => " User Mode Time",
            TimeKind::Kernel => " Kernel Mode Time",
            TimeKind::Elapsed => " Elapsed Time",
        }
    }

    /// Of one thread, in microseconds.
    fn of(self, thread: &ThreadStatus, now_ms: u64) -> u64 {
        match self {
            TimeKind::User => thread.user_us,
            TimeKind::Kernel => thread.system_us,
            TimeKind::Elapsed => now_ms.saturating_sub(thread.started_ms).saturating_mul(1000),
        }
    }
}

/// A table of `!runaway`: those that have taken the most come first. Threads come with their
/// numbers in the debugger.
pub(crate) fn times(
    threads: &[(Option<u32>, &ThreadStatus)],
    kind: TimeKind,
    now_ms: u64,
) -> String {
    let mut sorted = threads.to_vec();
    sorted.sort_by_key(|(number, thread)| {
        (std::cmp::Reverse(kind.of(thread, now_ms)), *number, thread.tid)
    });
    let mut text = format!("{}\n  Thread       Time\n", kind.heading());
    for (number, thread) in sorted {
        let number = number.map_or("?".to_owned(), |number| number.to_string());
        let id = format!("{number:>4}:{:x}", thread.tid);
        let time = duration(kind.of(thread, now_ms) / 1000);
        let _ = writeln!(text, "{id:<14} {time:<22} {:?}", thread.name);
    }
    text
}

/// The lines of `.ttime`.
pub(crate) fn thread_times(thread: &ThreadStatus) -> String {
    format!(
        "Created: {}\nKernel:  {}\nUser:    {}\n",
        date(thread.started_ms),
        duration(thread.system_us / 1000),
        duration(thread.user_us / 1000)
    )
}

#[cfg(test)]
#[path = "description/tests.rs"]
mod tests;
