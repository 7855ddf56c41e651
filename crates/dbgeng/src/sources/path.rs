//! The source path: in which files of this machine the text of a source file may be that a compiler
//! saw elsewhere. Pure: it opens nothing.
//!
//! ```text
//! DIR          a directory: the file is looked for with as much of its path as is there
//! FROM=TO      what was below FROM when it was compiled is below TO here
//! srv*URL      a debuginfod server to ask; those of the symbol path are asked anyway
//! ```

use std::path::{Component, Path, PathBuf};

use crate::SymbolEnvironment;
use crate::symbol_path::{ServerPlace, SymbolPath};

/// The source path as typed, and what it means.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct SourcePath {
    text: String,
    directories: Vec<PathBuf>,
    /// Longest first.
    mappings: Vec<(PathBuf, PathBuf)>,
    /// The elements that name servers.
    servers: SymbolPath,
}

impl SourcePath {
    /// Reads a path: elements separated by `;`. A path of nothing but directories may use `:`.
    pub(crate) fn new(text: &str) -> SourcePath {
        let is_plain = !text.contains([';', '*', '=']) && !text.contains("://");
        let separator = if is_plain { ':' } else { ';' };
        let mut path = SourcePath { text: text.to_owned(), ..SourcePath::default() };
        let mut servers = Vec::new();
        for element in text.split(separator).map(str::trim).filter(|element| !element.is_empty()) {
            if element.contains('*') || element.contains("://") {
                servers.push(element);
            } else if let Some((from, to)) = element.split_once('=') {
                path.mappings.push((normal(Path::new(from)), PathBuf::from(to)));
            } else {
                path.directories.push(PathBuf::from(element));
            }
        }
        path.mappings.sort_by_key(|(from, _)| std::cmp::Reverse(from.components().count()));
        // `srv*` alone stands for servers that are asked anyway.
        servers.retain(|element| !element.eq_ignore_ascii_case("srv*"));
        path.servers = SymbolPath::new(&servers.join(";"));
        path
    }

    /// The path as typed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The servers that it names.
    pub(crate) fn servers(&self, environment: &SymbolEnvironment) -> Vec<ServerPlace> {
        self.servers.servers(environment)
    }

    /// Files that may have the text of `compiled`, the path that the compiler saw, in the order
    /// they are to be tried: where mappings lead, then below each directory with as much of its
    /// path as possible, then the same path here.
    pub(crate) fn files(&self, compiled: &str) -> Vec<PathBuf> {
        let compiled = normal(Path::new(compiled));
        let mut files: Vec<PathBuf> = Vec::new();
        for (from, to) in &self.mappings {
            files.extend(compiled.strip_prefix(from).ok().map(|rest| to.join(rest)));
        }
        let names: Vec<Component<'_>> = compiled
            .components()
            .filter(|component| matches!(component, Component::Normal(_)))
            .collect();
        for directory in &self.directories {
            for start in 0..names.len() {
                let tail: PathBuf = names.get(start..).into_iter().flatten().collect();
                files.push(directory.join(tail));
            }
        }
        if compiled.is_absolute() && !files.contains(&compiled) {
            files.push(compiled);
        }
        files
    }
}

/// A path without `.` and without `..` where that can be told from the path alone.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        let is_up = matches!(component, Component::ParentDir);
        let is_below = matches!(normal.components().next_back(), Some(Component::Normal(_)));
        match component {
            Component::CurDir => {}
            Component::ParentDir if is_below => {
                normal.pop();
            }
            _ if is_up && normal.has_root() => {}
            component => normal.push(component),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(path: &str, compiled: &str) -> Vec<String> {
        let files = SourcePath::new(path).files(compiled);
        files.iter().map(|file| file.display().to_string()).collect()
    }

    #[test]
    fn without_a_path_the_compilers_own_counts() {
        assert_eq!(files("", "/b/./src/../main.c"), ["/b/main.c"]);
        assert!(files("", "main.c").is_empty());
    }

    #[test]
    fn directories_are_tried_with_as_much_of_the_path_as_possible() {
        assert_eq!(
            files("/d", "/b/src/main.c"),
            ["/d/b/src/main.c", "/d/src/main.c", "/d/main.c", "/b/src/main.c"]
        );
        assert_eq!(files("/d:/e", "main.c"), ["/d/main.c", "/e/main.c"]);
        assert_eq!(files("/", "/b/main.c"), ["/b/main.c", "/main.c"]);
    }

    #[test]
    fn the_longest_prefix_is_mapped_first_and_only_whole_names_count() {
        let path = "/b=/short;/b/src/=/long;srv*";
        assert_eq!(
            files(path, "/b/src/main.c"),
            ["/long/main.c", "/short/src/main.c", "/b/src/main.c"]
        );
        assert_eq!(files(path, "/bb/main.c"), ["/bb/main.c"]);
        assert_eq!(files("/b/../c=/to", "/c/x/../main.c"), ["/to/main.c", "/c/main.c"]);
    }

    #[test]
    fn no_path_leads_above_the_root() {
        assert_eq!(normal(Path::new("/../../etc/x")), Path::new("/etc/x"));
        assert_eq!(normal(Path::new("../../x/./y/..")), Path::new("../../x"));
    }

    #[test]
    fn servers_of_its_own_can_be_named() {
        let environment = SymbolEnvironment::default();
        let servers = |path: &str| SourcePath::new(path).servers(&environment);
        assert!(servers("/d;srv*;/b=/c").is_empty());
        assert_eq!(servers("/d;DebugInfoD*http://a")[0].url, "http://a");
    }
}
