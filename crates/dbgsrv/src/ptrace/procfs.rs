//! Pure parsers of the files in /proc/PID (proc(5)), and thin functions that read them. They take
//! what the kernel writes and give up quietly on anything else.

use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use dbgbase::{Address, AddressRange, Pid, Tid};

/// What /proc/PID/stat says (proc_pid_stat(5)).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Stat {
    /// The kernel's short name.
    pub(crate) name: String,
    /// The state's letter.
    pub(crate) state: u8,
    /// The parent.
    pub(crate) parent: u32,
    /// The process group.
    pub(crate) group: u32,
    /// The session.
    pub(crate) session: u32,
    /// The kernel's flags.
    pub(crate) flags: u64,
    /// How many threads.
    pub(crate) threads: u32,
    /// When it started, in clock ticks since boot.
    pub(crate) start_time: u64,
}

/// Parses /proc/PID/stat.
pub(crate) fn parse_stat(text: &[u8]) -> Option<Stat> {
    let fields = StatFields::of(text)?;
    Some(Stat {
        name: fields.name(),
        state: fields.state()?,
        parent: fields.number(4)?,
        // Both are -1 of a process that is just being reaped.
        group: fields.number::<i32>(5)?.cast_unsigned(),
        session: fields.number::<i32>(6)?.cast_unsigned(),
        flags: fields.number(9)?,
        threads: fields.number(20)?,
        start_time: fields.number(22)?,
    })
}

/// A file /proc/PID/stat, cut into its fields, which the manual numbers from 1.
pub(crate) struct StatFields<'a> {
    name: &'a [u8],
    /// From field 3 on.
    rest: Vec<&'a str>,
}

impl<'a> StatFields<'a> {
    /// Cuts the file. The name, in parentheses, may itself hold parentheses and blanks.
    pub(crate) fn of(text: &'a [u8]) -> Option<StatFields<'a>> {
        let open = text.iter().position(|byte| *byte == b'(')?;
        let close = text.iter().rposition(|byte| *byte == b')')?;
        let name = text.get(open + 1..close)?;
        let rest = std::str::from_utf8(text.get(close + 1..)?).ok()?;
        Some(StatFields { name, rest: rest.split_ascii_whitespace().collect() })
    }

    /// The kernel's short name.
    pub(crate) fn name(&self) -> String {
        String::from_utf8_lossy(self.name).into_owned()
    }

    /// The state's letter.
    pub(crate) fn state(&self) -> Option<u8> {
        self.rest.first()?.as_bytes().first().copied()
    }

    /// The field of this number, from 3 on.
    pub(crate) fn number<T: std::str::FromStr>(&self, number: usize) -> Option<T> {
        self.rest.get(number.checked_sub(3)?)?.parse().ok()
    }
}

/// A line `Key:\tvalue` of /proc/PID/status.
pub(crate) fn status_field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim)
}

/// One line of /proc/PID/maps (proc_pid_maps(5)).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Mapping {
    /// The addresses.
    pub(crate) range: AddressRange,
    /// 1 readable, 2 writable, 4 executable, 8 shared.
    pub(crate) protection: u32,
    /// Where in the file it begins.
    pub(crate) offset: u64,
    /// The file's number on its device; 0 without a file.
    pub(crate) inode: u64,
    /// The path, a name in brackets, or nothing.
    pub(crate) name: Vec<u8>,
}

/// Parses /proc/PID/maps; lines that do not parse are left out.
pub(crate) fn parse_maps(text: &[u8]) -> Vec<Mapping> {
    text.split(|byte| *byte == b'\n').filter_map(parse_mapping).collect()
}

fn parse_mapping(line: &[u8]) -> Option<Mapping> {
    let mut fields = line.splitn(6, |byte| *byte == b' ');
    let range = std::str::from_utf8(fields.next()?).ok()?;
    let (start, end) = range.split_once('-')?;
    let start = Address::new(u64::from_str_radix(start, 16).ok()?);
    let end = Address::new(u64::from_str_radix(end, 16).ok()?);
    let flags = fields.next()?;
    let offset = std::str::from_utf8(fields.next()?).ok()?;
    let inode = fields.nth(1).and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
    let name = fields.next().unwrap_or_default().trim_ascii_start();
    let bit = |index: usize, letter: u8, value: u32| {
        if flags.get(index) == Some(&letter) { value } else { 0 }
    };
    Some(Mapping {
        range: AddressRange::new(start, end)?,
        protection: bit(0, b'r', 1) | bit(1, b'w', 2) | bit(2, b'x', 4) | bit(3, b's', 8),
        offset: u64::from_str_radix(offset, 16).ok()?,
        inode: inode.unwrap_or_default(),
        name: name.to_vec(),
    })
}

/// The value of one entry of /proc/PID/auxv (getauxval(3)).
pub(crate) fn auxv_value(auxv: &[u8], key: u64) -> Option<u64> {
    let word = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_le_bytes);
    auxv.chunks_exact(16).find_map(|entry| {
        let (found, value) = entry.split_at_checked(8)?;
        (word(found)? == key).then(|| word(value)).flatten()
    })
}

/// Reads a file of a process, as far as it exists.
pub(crate) fn read(pid: Pid, file: &str) -> std::io::Result<Vec<u8>> {
    std::fs::read(format!("/proc/{pid}/{file}"))
}

/// Reads the first `len_max` bytes of a file whose length is up to the process: its arguments and
/// its environment are where it says that they are (prctl(2), `PR_SET_MM_MAP`).
pub(crate) fn read_head(path: &str, len_max: usize) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    std::fs::File::open(path)?.take(len_max as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// The status file of a thread, by its folder in /proc (proc_pid_status(5)). The kernel puts the
/// name into it as it is, which need not be UTF-8.
pub(crate) fn status(folder: &str) -> std::io::Result<String> {
    let text = std::fs::read(format!("{folder}/status"))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Reads a file that is the same for all threads of a process, such as its memory map. A leader
/// that has ended before the others shows nothing there.
pub(crate) fn read_shared(pid: Pid, file: &str) -> Vec<u8> {
    let of = |tid: Tid| std::fs::read(format!("/proc/{tid}/{file}")).unwrap_or_default();
    let bytes = of(Tid::from(pid));
    if bytes.is_empty() { living_thread(pid).map(of).unwrap_or_default() } else { bytes }
}

/// The memory map of a process, with files named as the process itself would: below its own root
/// directory. What it has mapped from elsewhere, as before it has called chroot(2), keeps the name
/// by which this process sees it.
pub(crate) fn maps(pid: Pid) -> Vec<Mapping> {
    let mut maps = parse_maps(&read_shared(pid, "maps"));
    let root = living_thread(pid).map(root_of).and_then(|root| std::fs::read_link(root).ok());
    let root = root.unwrap_or_default().into_os_string().into_vec();
    for mapping in &mut maps {
        if let Some(own) = own_name(&root, &mapping.name) {
            mapping.name = own.to_vec();
        }
    }
    maps
}

/// Where the kernel shows the root directory of a thread, in its mount namespace.
pub(crate) fn root_of(tid: Tid) -> PathBuf {
    PathBuf::from(format!("/proc/{tid}/root"))
}

/// What a file is called below a root directory, if it lies there. Both names begin where the
/// kernel's do: at the root of this process, or of the mount namespace they are in.
fn own_name<'a>(root: &[u8], name: &'a [u8]) -> Option<&'a [u8]> {
    name.strip_prefix(root).filter(|own| !root.is_empty() && own.starts_with(b"/"))
}

/// The first thread of a process that has not ended: its leader, as a rule.
pub(crate) fn living_thread(pid: Pid) -> Option<Tid> {
    let leader = Tid::from(pid);
    if !is_zombie(pid, leader) {
        return Some(leader);
    }
    tids(pid).ok()?.into_iter().find(|tid| !is_zombie(pid, *tid))
}

/// A process's stat.
pub(crate) fn stat(pid: Pid) -> Option<Stat> {
    parse_stat(&read(pid, "stat").ok()?)
}

/// Whether a process is in the calling process's group (credentials(7)).
pub(crate) fn is_in_our_group(pid: Pid) -> bool {
    let ours = rustix::process::getpgrp().as_raw_pid();
    stat(pid).is_some_and(|stat| u32::try_from(ours) == Ok(stat.group))
}

/// The path a process's link points to.
pub(crate) fn link(pid: Pid, file: &str) -> Option<Vec<u8>> {
    let path: PathBuf = std::fs::read_link(format!("/proc/{pid}/{file}")).ok()?;
    Some(path.into_os_string().into_vec())
}

/// The threads a process has now.
pub(crate) fn tids(pid: Pid) -> std::io::Result<Vec<Tid>> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/task"))?;
    let tid = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.ok()?.file_name().to_str()?.parse().ok().map(Tid::new)
    };
    Ok(entries.filter_map(tid).collect())
}

/// What the program that a process executes is, as `a 32-bit program`, if it is none of 64 bits,
/// which this server debugs. `None` too where its file may not be read.
pub(crate) fn unsupported_program(pid: Pid) -> Option<&'static str> {
    let mut head = [0; 20];
    let file = std::fs::File::open(format!("/proc/{pid}/exe"));
    file.and_then(|mut file| file.read_exact(&mut head)).ok()?;
    narrow_program(&head)
}

/// The same of the first bytes of a file: `EI_CLASS`, and `e_machine` to tell i386 from x32, which
/// has 32-bit pointers on a CPU in 64-bit mode (elf(5)).
fn narrow_program(head: &[u8; 20]) -> Option<&'static str> {
    const EM_X86_64: [u8; 2] = [62, 0];
    match head {
        [0x7f, b'E', b'L', b'F', 1, .., low, high] if [*low, *high] == EM_X86_64 => {
            Some("an x32 program (one with 32-bit pointers)")
        }
        [0x7f, b'E', b'L', b'F', 1, ..] => Some("a 32-bit program"),
        _ => None,
    }
}

/// Whether the program that a process executes is mapped where it is each time (personality(2)).
/// Only its tracer may ask.
pub(crate) fn has_fixed_addresses(pid: Pid) -> bool {
    const ADDR_NO_RANDOMIZE: u32 = 0x004_0000;
    let text = read(pid, "personality").unwrap_or_default();
    let digits = std::str::from_utf8(text.trim_ascii()).unwrap_or_default();
    u32::from_str_radix(digits, 16).is_ok_and(|bits| bits & ADDR_NO_RANDOMIZE != 0)
}

/// Whether a thread belongs to a process.
pub(crate) fn is_thread(pid: Pid, tid: Tid) -> bool {
    std::path::Path::new(&format!("/proc/{pid}/task/{tid}")).exists()
}

/// The process that a thread belongs to.
pub(crate) fn process_of(tid: Tid) -> Option<Pid> {
    let text = status(&format!("/proc/{tid}")).ok()?;
    status_field(&text, "Tgid")?.parse().ok().map(Pid::new)
}

/// The parent of a process; `None` if the id is a thread's that does not lead its process, or
/// nobody's.
pub(crate) fn parent_of_process(tid: Tid) -> Option<Pid> {
    let text = status(&format!("/proc/{tid}")).ok()?;
    let number = |key| status_field(&text, key)?.parse::<u32>().ok();
    (number("Tgid")? == tid.value()).then_some(())?;
    number("PPid").map(Pid::new)
}

/// Whether a thread is dead, reaped or not. One of which nothing can be learnt, as without a free
/// descriptor, is not.
pub(crate) fn is_zombie(pid: Pid, tid: Tid) -> bool {
    match read(pid, &format!("task/{tid}/stat")) {
        Ok(text) => parse_stat(&text).is_some_and(|stat| matches!(stat.state, b'Z' | b'X')),
        Err(error) => is_gone(&error),
    }
}

/// Whether a file of /proc cannot be read because its process or thread is gone.
pub(crate) fn is_gone(error: &std::io::Error) -> bool {
    const ESRCH: i32 = 3;
    error.kind() == std::io::ErrorKind::NotFound || error.raw_os_error() == Some(ESRCH)
}

/// A thread's name.
pub(crate) fn thread_name(pid: Pid, tid: Tid) -> String {
    let name = read(pid, &format!("task/{tid}/comm")).unwrap_or_default();
    String::from_utf8_lossy(name.trim_ascii_end()).into_owned()
}

/// Who traces a thread; `None` if nobody does or the thread is gone.
pub(crate) fn tracer_of(tid: Tid) -> Option<u32> {
    let text = status(&format!("/proc/{tid}")).ok()?;
    status_field(&text, "TracerPid")?.parse().ok().filter(|tracer| *tracer != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_is_a_name() {
        let text = b"42 (a) (b c) S 1 2 3 0 -1 0 0 0 0 0 0 0 0 0 20 0 7 0 12345 0 0";
        let stat = parse_stat(text).expect("parses");
        assert_eq!(stat.name, "a) (b c");
        assert_eq!((stat.state, stat.parent, stat.session), (b'S', 1, 3));
        assert_eq!(stat.group, 2);
        assert_eq!((stat.threads, stat.start_time), (7, 12345));
        assert_eq!(parse_stat(b"42 (cut"), None);
    }

    #[test]
    fn the_dead_have_a_state_too() {
        let text = b"42 (a) X 0 -1 -1 0 -1 0 0 0 0 0 0 0 0 0 20 0 0 0 12345 0 0";
        assert_eq!(parse_stat(text).map(|stat| stat.state), Some(b'X'));
    }

    #[test]
    fn programs_that_are_not_of_64_bits_are_told_apart() {
        let head = |class: u8, machine: u8| {
            let mut head = *b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0";
            (head[4], head[18]) = (class, machine);
            narrow_program(&head)
        };
        assert_eq!(head(2, 62), None);
        assert!(head(1, 3).is_some_and(|why| why.contains("a 32-bit program")));
        assert!(head(1, 62).is_some_and(|why| why.contains("an x32 program")));
        assert_eq!(narrow_program(b"#!/bin/sh -e\n#23456\n"), None);
    }

    #[test]
    fn only_what_is_gone_is_dead() {
        let of = std::io::Error::from_raw_os_error;
        assert!(is_gone(&of(2)) && is_gone(&of(3)));
        assert!(!is_gone(&of(24)) && !is_gone(&of(13)));
    }

    #[test]
    fn files_are_named_below_the_root() {
        assert_eq!(own_name(b"/jail", b"/jail/lib/a"), Some(&b"/lib/a"[..]));
        assert_eq!(own_name(b"/jail", b"/jailer/lib/a"), None);
        assert_eq!(own_name(b"/", b"/lib/a"), None);
        assert_eq!(own_name(b"", b"/lib/a"), None);
        assert_eq!(own_name(b"/jail", b"[vdso]"), None);
    }

    #[test]
    fn mappings_keep_blanks_in_names() {
        let text = b"7f00-7f10 r-xp 00001000 08:01 99                 /opt/a b/c (deleted)\n\
            7ffc0000-7ffc1000 rw-s 00000000 00:00 0 \n\
            garbage\n";
        let maps = parse_maps(text);
        assert_eq!(maps.len(), 2);
        assert_eq!(maps[0].name, b"/opt/a b/c (deleted)");
        assert_eq!((maps[0].protection, maps[0].offset, maps[0].inode), (5, 0x1000, 99));
        assert_eq!(maps[1].name, b"");
        assert_eq!(maps[1].protection, 11);
    }

    #[test]
    fn this_process_is_readable() {
        let pid = Pid::new(std::process::id());
        assert!(stat(pid).is_some_and(|stat| stat.threads >= 1 && stat.start_time > 0));
        assert!(tids(pid).is_ok_and(|tids| tids.contains(&Tid::from(pid))));
        let auxv = read(pid, "auxv").expect("readable");
        assert_eq!(auxv_value(&auxv, 6), Some(4096)); // AT_PAGESZ
        assert_eq!(auxv_value(&auxv, 0x1234_5678), None);
    }
}
