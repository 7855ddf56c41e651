//! Pure parsers of those files in /proc/PID that say what a process is, beside the ones that
//! process control needs. They take what the kernel writes and pass over anything else.

use dbgwire::verbs::description::{AuxiliaryEntry, ProcessSecurity, ResourceLimit};

use crate::ptrace::procfs::{StatFields, status_field};

/// `AT_NULL` of `<elf.h>`, the end of the vector.
const AT_NULL: u64 = 0;

/// Cuts /proc/PID/environ into its entries.
pub(super) fn environment(text: &[u8]) -> Vec<Vec<u8>> {
    let entries = text.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
    entries.map(<[u8]>::to_vec).collect()
}

/// Reads /proc/PID/auxv: pairs of words, eight bytes each or, of a 32-bit program, four.
pub(super) fn auxiliary(bytes: &[u8], is_narrow: bool) -> Vec<AuxiliaryEntry> {
    let len = if is_narrow { 4 } else { 8 };
    let word = |bytes: &[u8]| {
        let mut word = [0; 8];
        word.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        u64::from_le_bytes(word)
    };
    let entries = bytes.chunks_exact(2 * len).map(|pair| {
        let (key, value) = pair.split_at(len);
        AuxiliaryEntry { key: word(key), value: word(value) }
    });
    entries.take_while(|entry| entry.key != AT_NULL).collect()
}

/// What /proc/PID/fdinfo/N says (proc_pid_fdinfo(5)): the flags and the offset.
pub(super) fn descriptor(text: &str) -> (u32, u64) {
    let field = |key| status_field(text, key);
    let flags = field("flags").and_then(|flags| u32::from_str_radix(flags, 8).ok());
    let offset = field("pos").and_then(|offset| offset.parse().ok());
    (flags.unwrap_or(0), offset.unwrap_or(0))
}

/// Reads /proc/PID/limits, a table in columns of a fixed width (proc_pid_limits(5)).
pub(super) fn limits(text: &str) -> Vec<ResourceLimit> {
    text.lines().skip(1).filter_map(limit).collect()
}

fn limit(line: &str) -> Option<ResourceLimit> {
    const NAME_LEN: usize = 26;
    let (name, rest) = line.split_at_checked(NAME_LEN)?;
    let mut fields = rest.split_ascii_whitespace();
    let mut value = || match fields.next()? {
        "unlimited" => Some(None),
        number => Some(Some(number.parse().ok()?)),
    };
    Some(ResourceLimit {
        name: name.trim_end().strip_prefix("Max ")?.to_owned(),
        soft: value()?,
        hard: value()?,
        unit: fields.next().unwrap_or_default().to_owned(),
    })
}

/// What /proc/PID/task/TID/stat says of a thread's times (proc_pid_stat(5)). Times are in clock
/// ticks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ThreadStat {
    pub(super) name: String,
    pub(super) state: u8,
    pub(super) user: u64,
    pub(super) system: u64,
    pub(super) nice: i32,
    pub(super) start_time: u64,
    pub(super) cpu: u32,
    pub(super) realtime_priority: u32,
    pub(super) policy: u32,
}

/// Parses the file.
pub(super) fn thread_stat(text: &[u8]) -> Option<ThreadStat> {
    let fields = StatFields::of(text)?;
    Some(ThreadStat {
        name: fields.name(),
        state: fields.state()?,
        user: fields.number(14)?,
        system: fields.number(15)?,
        nice: fields.number(19)?,
        start_time: fields.number(22)?,
        cpu: fields.number(39)?,
        realtime_priority: fields.number(40)?,
        policy: fields.number(41)?,
    })
}

/// The kind and the inode of a namespace, from its link `mnt:[4026531841]`.
pub(super) fn namespace(link: &str) -> Option<(&str, u64)> {
    let (kind, inode) = link.split_once(":[")?;
    Some((kind, inode.strip_suffix(']')?.parse().ok()?))
}

/// What the status file says of what a process may do (proc_pid_status(5)).
pub(super) fn security(status: &str) -> ProcessSecurity {
    let numbers = |key| -> Vec<u32> {
        let text = status_field(status, key).unwrap_or_default();
        text.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect()
    };
    let set = |key| {
        status_field(status, key).and_then(|set| u64::from_str_radix(set, 16).ok()).unwrap_or(0)
    };
    let number = |key| numbers(key).first().copied().unwrap_or(0);
    ProcessSecurity {
        uids: numbers("Uid"),
        gids: numbers("Gid"),
        groups: numbers("Groups"),
        inheritable: set("CapInh"),
        permitted: set("CapPrm"),
        effective: set("CapEff"),
        bounding: set("CapBnd"),
        ambient: set("CapAmb"),
        seccomp: number("Seccomp"),
        filters: number("Seccomp_filters"),
        no_new_privileges: number("NoNewPrivs") == 1,
        dumpable: None,
    }
}

/// The ids of a process in the pid namespaces it is in. A kernel without them has one.
pub(super) fn pids(status: &str) -> Vec<u32> {
    let text = status_field(status, "NSpid").or_else(|| status_field(status, "Pid"));
    let numbers = text.unwrap_or_default().split_ascii_whitespace();
    numbers.filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_its_entries() {
        assert_eq!(environment(b"A=1\0B=\0=odd\0"), [&b"A=1"[..], b"B=", b"=odd"]);
        assert_eq!(environment(b"A=1\0cut"), [&b"A=1"[..], b"cut"]);
        assert!(environment(b"").is_empty());
        assert!(environment(b"\0\0").is_empty());
    }

    #[test]
    fn the_auxiliary_vector_ends_at_its_end() {
        let words = |words: &[u64]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_le_bytes()).collect()
        };
        let wide = words(&[6, 4096, 3, 0x5555_5555_4040, 0, 0, 9, 9]);
        let expected =
            [(6, 4096), (3, 0x5555_5555_4040)].map(|(key, value)| AuxiliaryEntry { key, value });
        assert_eq!(auxiliary(&wide, false), expected);
        let narrow = [6_u32, 4096, 3, 0x0804_8034, 0, 0];
        let narrow: Vec<u8> = narrow.iter().flat_map(|word| word.to_le_bytes()).collect();
        let read = auxiliary(&narrow, true);
        assert_eq!(read.get(1), Some(&AuxiliaryEntry { key: 3, value: 0x0804_8034 }));
        assert_eq!(auxiliary(&wide[..20], false).len(), 1);
    }

    #[test]
    fn limits_have_names_of_several_words() {
        let text = "\
Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max open files            1024                 1048576              files     
Max nice priority         0                    0                    
short
";
        let read = limits(text);
        assert_eq!(read.len(), 3);
        assert_eq!((read[0].name.as_str(), read[0].soft), ("cpu time", None));
        assert_eq!((read[1].soft, read[1].hard), (Some(1024), Some(1_048_576)));
        assert_eq!((read[1].unit.as_str(), read[2].unit.as_str()), ("files", ""));
        assert_eq!(read[2].name, "nice priority");
    }

    #[test]
    fn a_descriptors_flags_are_octal() {
        assert_eq!(descriptor("pos:\t42\nflags:\t02100002\nmnt_id:\t9\n"), (0o2_100_002, 42));
        assert_eq!(descriptor(""), (0, 0));
    }

    #[test]
    fn a_thread_has_its_times() {
        let text = b"42 (a) b) R 1 2 3 0 -1 4194304 7 0 0 0 150 25 0 0 20 -5 3 0 99000 0 0 0 \
            0 0 0 0 0 0 0 0 0 0 0 0 17 1 50 2 0 0 0";
        let read = thread_stat(text).expect("it parses");
        assert_eq!((read.name.as_str(), read.state), ("a) b", b'R'));
        assert_eq!((read.user, read.system, read.start_time), (150, 25, 99000));
        assert_eq!((read.nice, read.cpu, read.realtime_priority, read.policy), (-5, 1, 50, 2));
        assert_eq!(thread_stat(b"42 (a) R 1 2"), None);
        assert_eq!(thread_stat(b") ("), None);
    }

    #[test]
    fn namespaces_have_kinds_and_inodes() {
        assert_eq!(namespace("mnt:[4026531841]"), Some(("mnt", 4_026_531_841)));
        assert_eq!(namespace("mnt:[x]"), None);
        assert_eq!(namespace("/a"), None);
    }

    #[test]
    fn security_is_read_from_the_status_file() {
        let text = "Name:\ta\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t10 20 \n\
            CapInh:\t01\nCapPrm:\t02\nCapEff:\t04\nCapBnd:\t000001ffffffffff\nCapAmb:\t08\n\
            NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n";
        let read = security(text);
        assert_eq!((read.uids, read.gids), (vec![1, 2, 3, 4], vec![5, 6, 7, 8]));
        assert_eq!(read.groups, [10, 20]);
        assert_eq!((read.inheritable, read.permitted, read.effective), (1, 2, 4));
        assert_eq!((read.bounding, read.ambient), (0x1ff_ffff_ffff, 8));
        assert_eq!((read.seccomp, read.filters, read.no_new_privileges), (2, 3, true));
    }

    #[test]
    fn a_process_has_an_id_in_each_namespace() {
        assert_eq!(pids("Name:\ta\nPid:\t4711\nNSpid:\t4711\t1\n"), [4711, 1]);
        assert_eq!(pids("Name:\ta\nPid:\t4711\n"), [4711]);
        assert!(pids("").is_empty());
    }
}
