//! What a module is called in expressions, from its file's path. Pure.
//!
//! | path | name |
//! |---|---|
//! | `/usr/lib/x86_64-linux-gnu/libc.so.6` | `libc_so` |
//! | `/usr/lib/libstdc++.so.6.0.30` | `libstdc___so` |
//! | `/lib64/ld-linux-x86-64.so.2` | `ld_linux_x86_64_so` |
//! | `[vdso]` | `linux_vdso_so` |
//! | `/home/me/my-prog` | `my_prog` |

use std::collections::HashSet;

use dbgbase::Address;

/// What the server puts behind the path of a file that is no longer there (proc_pid_maps(5)).
const DELETED: &[u8] = b" (deleted)";

/// The path without the kernel's remark that the file is gone, and whether there was one.
pub(crate) fn without_deleted(path: &[u8]) -> (&[u8], bool) {
    match path.strip_suffix(DELETED) {
        Some(bare) => (bare, true),
        None => (path, false),
    }
}

/// The file's name of a path, without directories and remarks.
pub(crate) fn file_name(path: &[u8]) -> &[u8] {
    let (path, _) = without_deleted(path);
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// What a module with this path is called if no other has the name.
pub(crate) fn module_name(path: &[u8]) -> String {
    if path == b"[vdso]" {
        return "linux_vdso_so".to_owned();
    }
    let file_name = String::from_utf8_lossy(file_name(path));
    let name: String = without_version(&file_name)
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' })
        .collect();
    if name.is_empty() { "module".to_owned() } else { name }
}

/// `libc.so` of `libc.so.6`: what follows `.so` is dropped if it is a version, digits and dots.
fn without_version(file_name: &str) -> &str {
    for (at, found) in file_name.match_indices(".so.") {
        let end = at + found.len();
        let version = file_name.get(end..).unwrap_or_default();
        if version.chars().all(|letter| letter.is_ascii_digit() || letter == '.') {
            return file_name.get(..end - 1).unwrap_or(file_name);
        }
    }
    file_name
}

/// The name of a module at `base`, different from all that are taken: the second of a name has its
/// base behind it.
pub(crate) fn unique_name(path: &[u8], base: Address, taken: &mut HashSet<String>) -> String {
    let plain = module_name(path);
    let name = if taken.contains(&plain) { format!("{plain}_{base:x}") } else { plain };
    taken.insert(name.clone());
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_fit_for_expressions() {
        let cases: [(&[u8], &str); 13] = [
            (b"/usr/lib/x86_64-linux-gnu/libc.so.6", "libc_so"),
            (b"/usr/lib/libstdc++.so.6.0.30", "libstdc___so"),
            (b"/lib64/ld-linux-x86-64.so.2", "ld_linux_x86_64_so"),
            (b"/usr/lib/libfoo-1.2.so", "libfoo_1_2_so"),
            (b"/usr/lib/libfoo.so.6.debug", "libfoo_so_6_debug"),
            (b"/opt/a.so.1.so.2", "a_so_1_so"),
            (b"[vdso]", "linux_vdso_so"),
            (b"/home/me/my-prog", "my_prog"),
            (b"/home/me/prog (deleted)", "prog"),
            (b"prog", "prog"),
            (b"/", "module"),
            (b"", "module"),
            ("/x/größe".as_bytes(), "gr__e"),
        ];
        for (path, name) in cases {
            assert_eq!(module_name(path), name, "{}", String::from_utf8_lossy(path));
        }
    }

    #[test]
    fn the_second_of_a_name_carries_its_base() {
        let mut taken = HashSet::new();
        let first = unique_name(b"/a/libx.so", Address::new(0x1000), &mut taken);
        let second = unique_name(b"/b/libx.so.1", Address::new(0x7f00_0000), &mut taken);
        assert_eq!((first.as_str(), second.as_str()), ("libx_so", "libx_so_7f000000"));
    }
}
