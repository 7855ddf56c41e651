//! The symbol path: in which directories of this machine files are looked for, and under which
//! names. Pure: it opens nothing.

use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::modules::name::file_name;

/// Where distributions put separate debug files.
const SYSTEM_DEBUG_DIRECTORY: &str = "/usr/lib/debug";

/// The symbol path as typed, and what it means.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct SymbolPath {
    text: String,
    directories: Vec<PathBuf>,
}

impl SymbolPath {
    /// Reads a path: directories separated by `;`, or by `:` if there is no `;`. Elements that name
    /// symbol servers (`srv*…`, `cache*…`) are kept in the text and not searched.
    pub(crate) fn new(text: &str) -> SymbolPath {
        let separator = if text.contains(';') { ';' } else { ':' };
        let elements = text.split(separator).map(str::trim);
        let is_directory = |element: &&str| !element.is_empty() && !element.contains('*');
        let directories = elements.filter(is_directory).map(PathBuf::from).collect();
        SymbolPath { text: text.to_owned(), directories }
    }

    /// The path as typed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Files that may be the image of a module with this path, in the order they are to be tried:
    /// the same path on this machine, then the file's name in each directory.
    pub(crate) fn image_files(&self, module_path: &[u8]) -> Vec<PathBuf> {
        let (bare, _) = crate::modules::name::without_deleted(module_path);
        let here = Path::new(OsStr::from_bytes(bare));
        let name = OsStr::from_bytes(file_name(module_path));
        let same = here.is_absolute().then(|| here.to_owned());
        let elsewhere = self.directories.iter().filter(|_| !name.is_empty());
        same.into_iter().chain(elsewhere.map(|directory| directory.join(name))).collect()
    }

    /// Files that may be the separate debug file of an image with this build-id, in the order they
    /// are to be tried: `.build-id/xx/rest.debug` in each directory, then in the system's.
    pub(crate) fn debug_files(&self, build_id: &[u8]) -> Vec<PathBuf> {
        let Some(name) = debug_file_name(build_id) else { return Vec::new() };
        let system = Path::new(SYSTEM_DEBUG_DIRECTORY);
        let directories = self.directories.iter().map(PathBuf::as_path).chain([system]);
        directories.map(|directory| directory.join(&name)).collect()
    }
}

/// `.build-id/ab/cdef….debug`, as GDB's manual describes it in "Debugging Information in Separate
/// Files". `None` for an id too short to have a rest.
fn debug_file_name(build_id: &[u8]) -> Option<PathBuf> {
    let (first, rest) = build_id.split_first()?;
    if rest.is_empty() {
        return None;
    }
    let mut name = format!(".build-id/{first:02x}/");
    for byte in rest {
        // Writing into a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name.push_str(".debug");
    Some(PathBuf::from(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(files: Vec<PathBuf>) -> Vec<String> {
        files.iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn a_path_is_cut_at_semicolons_or_else_at_colons() {
        let path = SymbolPath::new("/a; /b b ;;srv*/cache*https://example.org;c");
        assert_eq!(paths(path.image_files(b"/bin/p")), ["/bin/p", "/a/p", "/b b/p", "c/p"]);
        assert_eq!(path.text(), "/a; /b b ;;srv*/cache*https://example.org;c");
        let path = SymbolPath::new("/a:/b:");
        assert_eq!(paths(path.image_files(b"/bin/p (deleted)")), ["/bin/p", "/a/p", "/b/p"]);
    }

    #[test]
    fn what_has_no_file_is_not_looked_for() {
        let path = SymbolPath::new("/a");
        assert_eq!(paths(path.image_files(b"relative")), ["/a/relative"]);
        assert!(path.image_files(b"").is_empty());
    }

    #[test]
    fn debug_files_are_named_by_build_id() {
        let path = SymbolPath::new("/s");
        assert_eq!(
            paths(path.debug_files(&[0xab, 0xcd, 0x0f])),
            ["/s/.build-id/ab/cd0f.debug", "/usr/lib/debug/.build-id/ab/cd0f.debug"]
        );
        assert!(path.debug_files(&[1]).is_empty());
        assert!(path.debug_files(&[]).is_empty());
    }
}
