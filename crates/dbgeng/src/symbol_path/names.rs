//! Under which names files are kept in directories: by build-id, as stores keep them, and as debug
//! links say. Pure: names in, names out.

use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Shorter ids are no hashes; files of several builds might share one.
const BUILD_ID_LEN_MIN: usize = 8;

/// Systems take 255 bytes.
const SOURCE_NAME_LEN_MAX: usize = 240;

/// A path as the system has it: bytes.
pub(crate) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// A build-id as text: two digits for each byte, as everybody writes them.
pub(crate) fn hex(build_id: &[u8]) -> String {
    build_id.iter().fold(String::new(), |mut text, byte| {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `.build-id/ab/cdef….debug`, as GDB's manual describes it in "Debugging Information in Separate
/// Files". `None` for an id too short to have a rest.
pub(crate) fn debug_by_build_id(build_id: &[u8]) -> Option<PathBuf> {
    let (first, rest) = build_id.split_first().filter(|(_, rest)| !rest.is_empty())?;
    Some(PathBuf::from(format!(".build-id/{first:02x}/{}.debug", hex(rest))))
}

/// `.build-id/ab/cdef…`: the image itself, as Fedora links it.
pub(crate) fn image_by_build_id(build_id: &[u8]) -> Option<PathBuf> {
    debug_by_build_id(build_id).map(|name| name.with_extension(""))
}

/// `abcdef…/debuginfo`: the layout of the caches of debuginfod's clients, ours among them. `None`
/// for an id too short to be unique.
pub(crate) fn in_store(build_id: &[u8], what: &str) -> Option<PathBuf> {
    let is_long = build_id.len() >= BUILD_ID_LEN_MIN;
    is_long.then(|| PathBuf::from(format!("{}/{what}", hex(build_id))))
}

/// The name under which a source file is kept: its path in one word, as debuginfod's client writes
/// it. Of a path that is too long for a name, the end and a checksum of all.
pub(crate) fn source(path: &str) -> String {
    let word = path.replace('/', "#");
    let name = format!("source{word}");
    if name.len() <= SOURCE_NAME_LEN_MAX {
        return name;
    }
    let start = word.len().saturating_sub(SOURCE_NAME_LEN_MAX / 2);
    let end = (start..word.len()).find_map(|start| word.get(start..)).unwrap_or_default();
    format!("source-{:08x}{end}", crc32fast::hash(path.as_bytes()))
}

/// A path in a URL: letters, digits and `/-_.~` stand for themselves.
pub(crate) fn url_path(path: &str) -> String {
    path.bytes().fold(String::new(), |mut url, byte| {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
        url
    })
}

/// Where a debug link's file may be: beside the image, in `.debug` beside it, and under each of
/// `global` in the image's directory. In a global directory itself, too: people who collect debug
/// files in one make no tree of them.
pub(crate) fn by_debug_link<'a>(
    name: &str,
    image_path: &Path,
    global: impl Iterator<Item = &'a Path>,
) -> Vec<PathBuf> {
    // A link names a file, not a way out of a directory.
    if name.contains('/') {
        return Vec::new();
    }
    let directory = image_path.parent().filter(|directory| directory.is_absolute());
    let beside = directory
        .into_iter()
        .flat_map(|directory| [directory.join(name), directory.join(".debug").join(name)]);
    let mut files: Vec<PathBuf> = beside.collect();
    for root in global {
        let inside = directory.and_then(|directory| directory.strip_prefix("/").ok());
        files.extend(inside.map(|inside| root.join(inside).join(name)));
        files.push(root.join(name));
    }
    files
}
