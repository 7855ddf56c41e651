//! The source files that units name, with full paths. Paths are text: nothing is opened, and links
//! of the file system are not known here.

use std::collections::HashMap;
use std::sync::Arc;

use gimli::LineProgramHeader;

use super::super::{DebugInfo, OpenUnit, Reader, UnitId};

/// The paths of no unit have so many bytes together. In a damaged table each of very many files may
/// refer to the same long text.
const PATHS_LEN_MAX_BYTES: usize = 1 << 26;

/// The source files of one unit, by the numbers that its line table and its entries
/// (`DW_AT_decl_file`, `DW_AT_call_file`) use.
#[derive(Clone, Debug)]
pub(crate) struct UnitFiles {
    /// By number. Up to DWARF 4 files were counted from 1; 0 is then the unit's own.
    paths: Vec<Arc<str>>,
}

impl UnitFiles {
    pub(crate) fn new<'a>(
        unit: &OpenUnit<'a>,
        header: &LineProgramHeader<Reader<'a>>,
    ) -> UnitFiles {
        let count = header.file_names().len() as u64 + u64::from(header.version() <= 4);
        let mut left = PATHS_LEN_MAX_BYTES;
        let mut path = |number| {
            // What comes behind the damage has no path.
            let path = if left == 0 { Arc::from("") } else { full_path(unit, header, number) };
            left = left.saturating_sub(path.len());
            path
        };
        UnitFiles { paths: (0..count).map(&mut path).collect() }
    }

    /// The full path of a file. Empty if the number is wrong.
    pub(crate) fn path(&self, number: u64) -> Arc<str> {
        let path = usize::try_from(number).ok().and_then(|index| self.paths.get(index));
        path.map_or_else(|| Arc::from(""), Arc::clone)
    }

    /// The numbers of the files, with their paths.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Arc<str>)> {
        (0..).zip(&self.paths)
    }
}

/// A name in a directory in the directory that the compiler worked in; each may be absolute.
fn full_path<'a>(
    unit: &OpenUnit<'a>,
    header: &LineProgramHeader<Reader<'a>>,
    number: u64,
) -> Arc<str> {
    let Some(file) = header.file(number) else { return Arc::from("") };
    let text = |value| {
        let text: Option<Reader<'_>> = unit.refs().attr_string(value).ok();
        text.map(|text| text.to_string_lossy()).unwrap_or_default()
    };
    let comp_dir = unit.comp_dir.as_ref().map(|dir| dir.to_string_lossy().into_owned());
    let mut path = comp_dir.unwrap_or_default();
    let directory = file.directory(header).map(text).unwrap_or_default();
    // Directory 0 is the compiler's itself, which is relative if prefixes were mapped.
    if file.directory_index() != 0 || *directory != *path {
        push(&mut path, &directory);
    }
    push(&mut path, &text(file.path_name()));
    Arc::from(path)
}

fn push(path: &mut String, part: &str) {
    if part.starts_with('/') {
        path.clear();
    } else if !path.is_empty() && !path.ends_with('/') && !part.is_empty() {
        path.push('/');
    }
    path.push_str(part);
}

/// The source files of all units.
#[derive(Debug)]
pub(crate) struct FileIndex {
    /// By path, with the units whose line tables name it.
    files: Vec<(Arc<str>, Vec<UnitId>)>,
}

impl FileIndex {
    pub(crate) fn new(info: &DebugInfo) -> FileIndex {
        let mut files: HashMap<Arc<str>, Vec<UnitId>> = HashMap::new();
        for id in info.compile_units() {
            let Some(unit) = info.open_plain(id) else { continue };
            let Some(program) = &unit.line_program else { continue };
            for (_, path) in UnitFiles::new(&unit, program.header()).iter() {
                let units = files.entry(Arc::clone(path)).or_default();
                // A file may be listed twice, next to each other or not.
                if units.last() != Some(&id) {
                    units.push(id);
                }
            }
        }
        let mut files: Vec<_> = files.into_iter().filter(|(path, _)| !path.is_empty()).collect();
        files.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        FileIndex { files }
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &Arc<str>> {
        self.files.iter().map(|(path, _)| path)
    }

    /// The files that a pattern means, with the units that name them.
    pub(crate) fn matching<'a>(
        &'a self,
        pattern: &'a SourcePattern,
    ) -> impl Iterator<Item = &'a (Arc<str>, Vec<UnitId>)> {
        self.files.iter().filter(|(path, _)| pattern.matches(path))
    }
}

/// A source file as people name it: by its path, or by any number of the last parts of it.
///
/// `main.c` means every file of that name, `src/main.c` those in a directory `src`, `/src/main.c`
/// one. Parts `.` and `..` count for nothing where that makes no difference: `/a/b/../c.c` is
/// `/a/c.c`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourcePattern {
    is_absolute: bool,
    /// From the file's name backwards.
    parts: Vec<String>,
}

impl SourcePattern {
    /// Reads a path or the end of one.
    pub fn new(text: &str) -> SourcePattern {
        let parts = parts_backwards(text).into_iter().map(str::to_owned).collect();
        SourcePattern { is_absolute: text.starts_with('/'), parts }
    }

    /// The path in its shortest form.
    pub(crate) fn to_path(&self) -> String {
        let mut path = String::from(if self.is_absolute { "/" } else { "" });
        for (index, part) in self.parts.iter().rev().enumerate() {
            if index > 0 {
                path.push('/');
            }
            path.push_str(part);
        }
        path
    }

    /// Whether `path`, the full path of a source file, is meant.
    pub fn matches(&self, path: &str) -> bool {
        let Some(name) = self.parts.first() else { return false };
        // Most files have another name, so the rest of their paths need not be looked at.
        if path.rsplit('/').next() != Some(name) {
            return false;
        }
        let parts = parts_backwards(path);
        let ends_so =
            parts.len() >= self.parts.len() && parts.iter().zip(&self.parts).all(|(a, b)| a == b);
        ends_so && (!self.is_absolute || parts.len() == self.parts.len())
    }
}

fn parts_backwards(path: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." && parts.last().is_some_and(|last| *last != "..") {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.reverse();
    parts
}

impl DebugInfo {
    /// The full paths of all source files that units name, sorted. Not all of them have code.
    ///
    /// **Cost**: the first call reads the heads of all line tables.
    pub fn source_files(&self) -> impl Iterator<Item = &Arc<str>> {
        self.file_index().paths()
    }

    /// The path of a file by the number that entries of a unit use. `None` for number 0 of DWARF 4,
    /// which means that there is none, and for wrong numbers.
    pub(crate) fn file_of(&self, unit: &OpenUnit<'_>, number: u64) -> Option<Arc<str>> {
        if number == 0 && unit.version() <= 4 {
            return None;
        }
        let line_unit = self.line_unit(unit.id());
        let tables = self.tables(line_unit)?;
        let read = || {
            let unit = self.open_plain(line_unit)?;
            let program = unit.line_program.as_ref()?;
            Some(UnitFiles::new(&unit, program.header()))
        };
        let files = tables.files.get_or_init(read).as_ref()?;
        Some(files.path(number)).filter(|path| !path.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_unless_they_are_absolute() {
        let join = |parts: &[&str]| {
            let mut path = String::new();
            parts.iter().for_each(|part| push(&mut path, part));
            path
        };
        assert_eq!(join(&["/home/build", "src", "main.c"]), "/home/build/src/main.c");
        assert_eq!(join(&["/home/build/", "", "main.c"]), "/home/build/main.c");
        assert_eq!(join(&["/home/build", "/usr/include", "stdio.h"]), "/usr/include/stdio.h");
        assert_eq!(join(&["", "", "main.c"]), "main.c");
    }

    #[test]
    fn a_pattern_means_the_last_parts_of_a_path() {
        let means = |pattern: &str, path: &str| SourcePattern::new(pattern).matches(path);
        assert!(means("main.c", "/a/b/main.c"));
        assert!(means("b/main.c", "/a/b/main.c"));
        assert!(means("/a/b/main.c", "/a/b/main.c"));
        assert!(means("./main.c", "/a/b/main.c"));
        assert!(means("/a/main.c", "/a/b/../main.c"));
        assert!(means("a/main.c", "/a/./b/../main.c"));
        assert!(!means("ain.c", "/a/b/main.c"));
        assert!(!means("a/main.c", "/a/b/main.c"));
        assert!(!means("/b/main.c", "/a/b/main.c"));
        assert!(!means("Main.c", "/a/b/main.c"));
        assert!(!means("", "/a/b/main.c"));
        assert!(!means("/x/a/b/main.c", "/a/b/main.c"));
    }
}
