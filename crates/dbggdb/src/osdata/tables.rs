//! Tables of `osdata`, and how the kernel's files are read into them. Columns are called as
//! gdbserver calls them. Pure.
//!
//! **Source**: proc(5): /proc/net/tcp, /proc/sysvipc, /proc/modules, /proc/cpuinfo.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::xml;

/// Names by numbers.
pub(super) type Names = BTreeMap<u32, String>;

/// Whom numbers mean.
pub(super) struct Who {
    pub(super) users: Names,
    pub(super) groups: Names,
    /// Processes.
    pub(super) commands: Names,
}

/// A table. A row without a column's value leaves it out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Table {
    kind: &'static str,
    rows: Vec<Vec<(String, String)>>,
}

impl Table {
    /// A table whose rows have these columns.
    pub(super) fn new(kind: &'static str, columns: &[&str], rows: Vec<Vec<String>>) -> Table {
        let name = |row: Vec<String>| {
            columns.iter().map(|column| (*column).to_owned()).zip(row).collect::<Vec<_>>()
        };
        Table { kind, rows: rows.into_iter().map(name).collect() }
    }

    /// The document that says it.
    pub(super) fn document(&self) -> String {
        let mut text = String::from("<?xml version=\"1.0\"?>\n");
        text.push_str("<!DOCTYPE osdata SYSTEM \"osdata.dtd\">\n");
        let _ = writeln!(text, "<osdata type=\"{}\">", xml::escape(self.kind));
        for row in &self.rows {
            text.push_str("<item>");
            for (name, value) in row {
                let (name, value) = (xml::escape(name), xml::escape(value));
                let _ = write!(text, "<column name=\"{name}\">{value}</column>");
            }
            text.push_str("</item>\n");
        }
        text.push_str("</osdata>\n");
        text
    }
}

/// Which tables there are.
pub(super) fn types() -> Table {
    let types = [
        ("cpus", "Listing of all cpus/cores on the system", "CPUs"),
        ("files", "Listing of all file descriptors", "File descriptors"),
        ("modules", "Listing of all loaded kernel modules", "Kernel modules"),
        ("msg", "Listing of all message queues", "Message queues"),
        ("processes", "Listing of all processes", "Processes"),
        ("procgroups", "Listing of all process groups", "Process groups"),
        ("semaphores", "Listing of all semaphores", "Semaphores"),
        ("shm", "Listing of all shared-memory regions", "Shared-memory regions"),
        ("sockets", "Listing of all internet-domain sockets", "Sockets"),
        ("threads", "Listing of all threads", "Threads"),
    ];
    let row = |(name, description, title): (&str, &str, &str)| {
        [name, description, title].map(str::to_owned).to_vec()
    };
    Table::new("types", &["Type", "Description", "Title"], types.map(row).to_vec())
}

/// Names by numbers, of a file whose lines are `NAME:PASSWORD:NUMBER:...`.
pub(super) fn names(text: &str) -> Names {
    let entry = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((fields.nth(1)?.parse().ok()?, name))
    };
    text.lines().filter_map(entry).collect()
}

fn name_of(names: &Names, number: &str) -> String {
    let known = number.parse().ok().and_then(|number: u32| names.get(&number));
    known.map_or_else(|| number.to_owned(), Clone::clone)
}

/// The group of a process, by its `stat` (proc_pid_stat(5), field 5).
pub(super) fn process_group(stat: &str) -> Option<u32> {
    // The name may hold anything, also parentheses.
    let behind_name = stat.rsplit_once(')')?.1;
    behind_name.split_whitespace().nth(2)?.parse().ok()
}

/// The rows of one of the kernel's lists of sockets.
pub(super) fn sockets(list: &str, text: &str, users: &Names) -> Vec<Vec<String>> {
    let (family, protocol) = match list {
        "tcp" => ("INET", "STREAM"),
        "udp" => ("INET", "DGRAM"),
        "tcp6" => ("INET6", "STREAM"),
        _ => ("INET6", "DGRAM"),
    };
    let row = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, local_port) = endpoint(fields.get(1)?)?;
        let (remote, remote_port) = endpoint(fields.get(2)?)?;
        let state = u8::from_str_radix(fields.get(3)?, 16).ok()?;
        let user = name_of(users, fields.get(7)?);
        let state = socket_state(state, protocol == "DGRAM").to_owned();
        let (family, protocol) = (family.to_owned(), protocol.to_owned());
        Some(vec![local, local_port, remote, remote_port, state, user, family, protocol])
    };
    text.lines().skip(1).filter_map(row).collect()
}

/// All sockets.
pub(super) fn sockets_table(rows: Vec<Vec<String>>) -> Table {
    let columns = [
        "local address",
        "local port",
        "remote address",
        "remote port",
        "state",
        "user",
        "family",
        "protocol",
    ];
    Table::new("I sockets", &columns, rows)
}

/// An address and a port, `0100007F:1538`: words of 32 bits in the machine's order, which is the
/// opposite of the network's on the machines that are served.
fn endpoint(text: &str) -> Option<(String, String)> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut words = Vec::new();
    let mut rest = address;
    while let Some((word, behind)) = rest.split_at_checked(8) {
        words.extend(u32::from_str_radix(word, 16).ok()?.to_le_bytes());
        rest = behind;
    }
    let address = match <[u8; 16]>::try_from(words.as_slice()) {
        Ok(bytes) => Ipv6Addr::from(bytes).to_string(),
        Err(_) => Ipv4Addr::from(<[u8; 4]>::try_from(words.as_slice()).ok()?).to_string(),
    };
    Some((address, port.to_string()))
}

/// A socket's state by the kernel's number of it (`enum` of `<netinet/tcp.h>`). One without a
/// connection uses two of them.
fn socket_state(number: u8, is_datagram: bool) -> &'static str {
    const STATES: [&str; 11] = [
        "ESTABLISHED",
        "SYN_SENT",
        "SYN_RECV",
        "FIN_WAIT1",
        "FIN_WAIT2",
        "TIME_WAIT",
        "CLOSE",
        "CLOSE_WAIT",
        "LAST_ACK",
        "LISTEN",
        "CLOSING",
    ];
    if is_datagram && number == 7 {
        return "";
    }
    let index = usize::from(number).checked_sub(1);
    index.and_then(|index| STATES.get(index)).copied().unwrap_or("UNKNOWN")
}

/// How a field of a file of /proc/sysvipc is shown.
#[derive(Clone, Copy)]
enum Shown {
    Plain,
    User,
    Group,
    Command,
    Time,
}

/// The rows of a file of /proc/sysvipc: which of its fields are which columns.
fn ipc_table(kind: &'static str, text: &str, who: &Who, columns: &[(&str, usize, Shown)]) -> Table {
    let row = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let show = |(_, field, shown): &(&str, usize, Shown)| {
            let field = fields.get(*field).copied().unwrap_or_default();
            match shown {
                Shown::Plain => field.to_owned(),
                Shown::User => name_of(&who.users, field),
                Shown::Group => name_of(&who.groups, field),
                Shown::Command => name_of(&who.commands, field),
                Shown::Time => field.parse().map(time).unwrap_or_default(),
            }
        };
        columns.iter().map(show).collect::<Vec<_>>()
    };
    let rows = text.lines().skip(1).map(row).collect();
    let names: Vec<&str> = columns.iter().map(|(name, ..)| *name).collect();
    Table::new(kind, &names, rows)
}

/// /proc/sysvipc/shm
pub(super) fn shared_memory(text: &str, who: &Who) -> Table {
    let columns = [
        ("key", 0, Shown::Plain),
        ("shmid", 1, Shown::Plain),
        ("permissions", 2, Shown::Plain),
        ("size", 3, Shown::Plain),
        ("creator command", 4, Shown::Command),
        ("last op. command", 5, Shown::Command),
        ("num attached", 6, Shown::Plain),
        ("user", 7, Shown::User),
        ("group", 8, Shown::Group),
        ("creator user", 9, Shown::User),
        ("creator group", 10, Shown::Group),
        ("last shmat() time", 11, Shown::Time),
        ("last shmdt() time", 12, Shown::Time),
        ("last shmctl() time", 13, Shown::Time),
    ];
    ipc_table("shared memory", text, who, &columns)
}

/// /proc/sysvipc/sem
pub(super) fn semaphores(text: &str, who: &Who) -> Table {
    let columns = [
        ("key", 0, Shown::Plain),
        ("semid", 1, Shown::Plain),
        ("permissions", 2, Shown::Plain),
        ("num semaphores", 3, Shown::Plain),
        ("user", 4, Shown::User),
        ("group", 5, Shown::Group),
        ("creator user", 6, Shown::User),
        ("creator group", 7, Shown::Group),
        ("last semop() time", 8, Shown::Time),
        ("last semctl() time", 9, Shown::Time),
    ];
    ipc_table("semaphores", text, who, &columns)
}

/// /proc/sysvipc/msg
pub(super) fn message_queues(text: &str, who: &Who) -> Table {
    let columns = [
        ("key", 0, Shown::Plain),
        ("msqid", 1, Shown::Plain),
        ("permissions", 2, Shown::Plain),
        ("num used bytes", 3, Shown::Plain),
        ("num messages", 4, Shown::Plain),
        ("last msgsnd() command", 5, Shown::Command),
        ("last msgrcv() command", 6, Shown::Command),
        ("user", 7, Shown::User),
        ("group", 8, Shown::Group),
        ("creator user", 9, Shown::User),
        ("creator group", 10, Shown::Group),
        ("last msgsnd() time", 11, Shown::Time),
        ("last msgrcv() time", 12, Shown::Time),
        ("last msgctl() time", 13, Shown::Time),
    ];
    ipc_table("message queues", text, who, &columns)
}

/// /proc/modules
pub(super) fn modules(text: &str) -> Table {
    let row = |line: &str| line.split_whitespace().take(6).map(str::to_owned).collect::<Vec<_>>();
    let columns = ["name", "size", "num uses", "dependencies", "status", "address"];
    Table::new("modules", &columns, text.lines().map(row).collect())
}

/// /proc/cpuinfo: a paragraph for each, whose lines name the columns.
pub(super) fn cpus(text: &str) -> Table {
    let row = |paragraph: &str| {
        let pair = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        };
        paragraph.lines().filter_map(pair).collect::<Vec<_>>()
    };
    let rows = text.split("\n\n").map(row).filter(|row| !row.is_empty()).collect();
    Table { kind: "cpus", rows }
}

/// A time, seconds since 1970, as ctime(3) writes it, in UTC; 0 is never.
fn time(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    if seconds == 0 {
        return String::new();
    }
    let days = seconds / 86_400;
    // Years begin in March, so that the day that some have more is the last of theirs; 719,468
    // days before 1970 begins one that is a multiple of 400.
    let shifted = days.saturating_add(719_468);
    let (cycle, day_of_cycle) = (shifted / 146_097, shifted % 146_097);
    let year_of_cycle =
        (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year =
        day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = cycle * 400 + year_of_cycle + u64::from(month < 2);
    let name = |names: &[&'static str], index: u64| names.get(index as usize).copied();
    let weekday = name(&DAYS, days % 7).unwrap_or_default();
    let month = name(&MONTHS, month).unwrap_or_default();
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{weekday} {month} {day:2} {hours:02}:{minutes:02}:{:02} {year}", seconds % 60)
}

#[cfg(test)]
#[path = "tables/tests.rs"]
mod tests;
