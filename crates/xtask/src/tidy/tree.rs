//! The repository in memory: every text file, Rust files parsed, and the crates. Building one from
//! pairs of path and text is pure, so that rules are tested on small made-up repositories.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{ParseError, Source};
use super::workspace::Workspace;

/// A text file.
pub(crate) struct File {
    /// From the root, with `/`.
    pub(crate) path: String,
    /// What it holds.
    pub(crate) text: String,
    rust: Option<Result<Source, ParseError>>,
}

impl File {
    /// The Rust source, if it is one and can be read.
    pub(crate) fn rust(&self) -> Option<&Source> {
        self.rust.as_ref()?.as_ref().ok()
    }

    /// Why a Rust file cannot be read.
    pub(crate) fn parse_error(&self) -> Option<&ParseError> {
        self.rust.as_ref()?.as_ref().err()
    }

    /// The crate it belongs to: the folder below `crates`.
    pub(crate) fn krate(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split_once('/').map(|(name, _)| name)
    }

    /// Whether the path is below `folder`, or is the file of the same name with `.rs`.
    pub(crate) fn is_in(&self, folder: &str) -> bool {
        self.path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/') || rest == ".rs" || rest.is_empty())
    }
}

/// The repository.
#[derive(Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, File>,
    /// The crates and what they use.
    pub(crate) workspace: Workspace,
}

impl Tree {
    /// The tree of these files, as `(path, text)`.
    pub(crate) fn new(files: impl IntoIterator<Item = (String, String)>) -> Tree {
        let file = |(path, text): (String, String)| {
            let rust = path.ends_with(".rs").then(|| Source::parse(&text));
            (path.clone(), File { path, text, rust })
        };
        let mut tree =
            Tree { files: files.into_iter().map(file).collect(), workspace: Workspace::default() };
        tree.mark_test_files();
        tree
    }

    /// Every file, by path.
    pub(crate) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.values()
    }

    /// The file of this path.
    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.get(path)
    }

    /// Every Rust file that can be read, with its source.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (&File, &Source)> {
        self.files().filter_map(|file| Some((file, file.rust()?)))
    }

    /// Marks files that are tests by their place, or by a `mod` under `#[cfg(test)]`, and the files
    /// of the modules they declare.
    fn mark_test_files(&mut self) {
        let is_test_by_place =
            |file: &File| file.path.contains("/tests/") || file.path.ends_with("/tests.rs");
        let mut tests: BTreeSet<String> = self
            .files()
            .filter(|file| is_test_by_place(file))
            .map(|file| file.path.clone())
            .collect();
        loop {
            let declared: Vec<String> = self
                .sources()
                .flat_map(|(file, source)| {
                    let in_test = tests.contains(&file.path);
                    let is_test = move |child: &&super::source::ChildModule| child.test || in_test;
                    let paths = |child| self.module_path(&file.path, child);
                    source.children.iter().filter(is_test).filter_map(paths)
                })
                .collect();
            let before = tests.len();
            tests.extend(declared);
            if tests.len() == before {
                break;
            }
        }
        for path in &tests {
            if let Some(File { rust: Some(Ok(source)), .. }) = self.files.get_mut(path) {
                source.mark_as_test();
            }
        }
    }

    /// The file of a module that `parent` declares, if there is one.
    fn module_path(&self, parent: &str, child: &super::source::ChildModule) -> Option<String> {
        let (folder, name) = parent.rsplit_once('/')?;
        if let Some(path) = &child.path {
            return Some(format!("{folder}/{path}"));
        }
        let is_root = ["lib.rs", "main.rs", "mod.rs"].contains(&name);
        let stem = if is_root { "" } else { name.strip_suffix(".rs")? };
        let base = [folder, stem, &child.name].join("/").replace("//", "/");
        let candidates = [format!("{base}.rs"), format!("{base}/mod.rs")];
        candidates.into_iter().find(|path| self.files.contains_key(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        Tree::new(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())))
    }

    #[test]
    fn test_files_are_found_by_place_and_by_declaration() {
        let tree = tree(&[
            ("crates/a/src/lib.rs", "mod one; mod two;"),
            ("crates/a/src/one.rs", "#[cfg(test)] mod samples; mod deep;"),
            ("crates/a/src/one/deep.rs", "fn f() {}"),
            ("crates/a/src/one/samples.rs", "mod more;"),
            ("crates/a/src/one/samples/more.rs", "fn f() {}"),
            ("crates/a/src/two/checks.rs", "fn f() {}"),
            ("crates/a/src/two/mod.rs", "#[cfg(test)] #[path = \"checks.rs\"] mod c; fn f() {}"),
            ("crates/a/src/two/tests.rs", "fn f() {}"),
            ("crates/a/tests/it/main.rs", "fn f() {}"),
        ]);
        let is_test = |source: &Source| source.tokens.iter().all(|token| token.test);
        let tests = tree.sources().filter(|(_, source)| is_test(source));
        let paths: Vec<&str> = tests.map(|(file, _)| file.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "crates/a/src/one/samples.rs",
                "crates/a/src/one/samples/more.rs",
                "crates/a/src/two/checks.rs",
                "crates/a/src/two/tests.rs",
                "crates/a/tests/it/main.rs",
            ]
        );
    }

    #[test]
    fn places_are_folders_or_files_of_that_name() {
        let tree = tree(&[("crates/a/src/ptrace.rs", ""), ("crates/a/src/ptraces/x.rs", "")]);
        let is_in =
            |path: &str| tree.file(path).is_some_and(|file| file.is_in("crates/a/src/ptrace"));
        assert!(is_in("crates/a/src/ptrace.rs"));
        assert!(!is_in("crates/a/src/ptraces/x.rs"));
        assert_eq!(tree.files().next().and_then(File::krate), Some("a"));
    }
}
