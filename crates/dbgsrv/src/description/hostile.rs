//! What must hold for any bytes whatever that files of /proc have: nothing panics, and what comes
//! of them is no more than they are. Tests replay what this machine has, and mutations, through
//! this; a fuzz target compiles this very file.

use super::{container, parse};
use crate::ptrace::procfs;

/// The bytes as every kind of file in turn.
pub(crate) fn check_proc_files(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let maps = procfs::parse_maps(bytes);
    assert!(maps.iter().map(|mapping| mapping.name.len() + 1).sum::<usize>() <= bytes.len());
    assert!(maps.iter().all(|mapping| mapping.range.start() <= mapping.range.end()));
    let _ = procfs::parse_stat(bytes);
    let _ = procfs::status_field(&text, "Tgid");
    let _ = procfs::auxv_value(bytes, 3);
    let _ = (parse::thread_stat(bytes), parse::descriptor(&text), parse::security(&text));
    let _ = (parse::pids(&text), parse::namespace(&text));
    assert!(parse::limits(&text).len() <= text.lines().count());
    for is_narrow in [false, true] {
        assert!(parse::auxiliary(bytes, is_narrow).len() <= bytes.len() / 8);
    }
    let entries = parse::environment(bytes);
    assert!(entries.iter().map(|entry| entry.len()).sum::<usize>() <= bytes.len());
    assert!(container::parse(bytes).path.len() <= bytes.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [&str; 9] =
        ["stat", "status", "maps", "auxv", "limits", "cgroup", "environ", "cmdline", "fdinfo/0"];

    #[test]
    fn files_of_any_kind_are_survived() {
        let mut random = fastrand::Rng::with_seed(3);
        for file in FILES {
            let whole = std::fs::read(format!("/proc/self/{file}")).unwrap_or_default();
            check_proc_files(&whole);
            for _ in 0..300 {
                let mut bytes = whole.get(..whole.len().min(4096)).unwrap_or_default().to_vec();
                for _ in 0..random.usize(..8).min(bytes.len()) {
                    let at = random.usize(..bytes.len());
                    bytes[at] = random.choice(*b" :-()\n\t\\/0x\0\xff\xc3").expect("some");
                }
                bytes.truncate(random.usize(..=bytes.len()));
                check_proc_files(&bytes);
            }
        }
    }
}
