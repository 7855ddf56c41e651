//! Where `unsafe` may be written, and that whoever writes it says why it is sound.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::finding::Finding;
use super::tree::{File, Tree};

/// The rooms of `unsafe`: a folder, or the file of that name.
const ROOMS: &[&str] = &[
    "crates/dbgsrv/src/ptrace",
    "crates/dbgsrv/src/spawn",
    "crates/dbgsrv/src/journal",
    "crates/dbgsrv/src/sandbox",
    "crates/dbglink/src/serial/port",
    "crates/dbgeng/src/symbol_files",
    "crates/dbgeng-capi",
];

/// `unsafe` is written in its rooms only.
pub(super) fn check_place(tree: &Tree) -> Vec<Finding> {
    let is_outside = |file: &File| {
        file.path.starts_with("crates/") && !ROOMS.iter().any(|room| file.is_in(room))
    };
    let mut findings = Vec::new();
    for (file, source) in tree.sources().filter(|(file, _)| is_outside(file)) {
        for token in source.code().into_iter().filter(|token| token.is("unsafe")) {
            findings.push(Finding::new(
                &file.path,
                token.line,
                "unsafe outside its rooms",
                format!("use a safe call, or move the code into one of: {}", ROOMS.join(", ")),
            ));
        }
    }
    findings
}

/// A crate that has no such room forbids `unsafe` in its roots.
pub(super) fn check_forbidden(tree: &Tree) -> Vec<Finding> {
    let is_crate_root =
        |file: &File| file.path.ends_with("/src/lib.rs") || file.path.ends_with("/src/main.rs");
    let has_room = |file: &File| {
        let folder = format!("crates/{}", file.krate().unwrap_or_default());
        let is_of_crate =
            |room: &str| room.strip_prefix(&folder).is_some_and(|rest| !rest.starts_with('-'));
        let mut rooms = ROOMS.iter().filter(|room| is_of_crate(room));
        rooms.any(|room| tree.files().any(|other| other.is_in(room)))
    };
    let roots = tree.sources().filter(|(file, _)| {
        file.path.starts_with("crates/") && is_crate_root(file) && !has_room(file)
    });
    roots
        .filter(|(_, source)| {
            !levels(&source.ast.attrs, &["forbid"]).contains(&"unsafe_code".to_owned())
        })
        .map(|(file, _)| {
            let message = "the crate does not forbid unsafe code";
            Finding::new(&file.path, 1, message, "add #![forbid(unsafe_code)]")
        })
        .collect()
}

/// The lints in attributes such as `#![deny(…)]`, also under a `cfg_attr` for all but tests.
pub(super) fn levels(attributes: &[syn::Attribute], level_names: &[&str]) -> Vec<String> {
    let mut lints = Vec::new();
    for attribute in attributes {
        if let syn::Meta::List(list) = &attribute.meta {
            let text: String = list.tokens.to_string().split_whitespace().collect();
            let name = list.path.get_ident().map(ToString::to_string).unwrap_or_default();
            if level_names.contains(&name.as_str()) {
                lints.extend(text.split(',').map(str::to_owned));
            } else if let Some(rest) =
                text.strip_prefix("not(test),").filter(|_| name == "cfg_attr")
            {
                let inner = level_names.iter().find_map(|level| {
                    rest.trim_end_matches(',').strip_prefix(&format!("{level}("))?.strip_suffix(')')
                });
                lints.extend(inner.into_iter().flat_map(|text| text.split(',')).map(str::to_owned));
            }
        }
    }
    lints
}

/// Every `unsafe` says why it is sound (`// SAFETY:`) or what its caller owes (`# Safety`).
pub(super) fn check_reason(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in tree.sources().filter(|(file, _)| file.path.starts_with("crates/")) {
        let mut finder = Finder { lines: Vec::new() };
        finder.visit_file(&source.ast);
        let text: Vec<&str> = file.text.lines().collect();
        for (line, what) in finder.lines {
            if !is_explained(&text, line) {
                let message = format!("{what} without a reason");
                let way_out = "write `// SAFETY: …` above it, or `# Safety` in its documentation";
                findings.push(Finding::new(&file.path, line, message, way_out));
            }
        }
    }
    findings
}

/// Whether the line, or the comments and attributes directly above it, say why.
fn is_explained(text: &[&str], line: usize) -> bool {
    let says_why = |line: &str| line.contains("SAFETY:") || line.contains("# Safety");
    let above = text.iter().take(line.saturating_sub(1)).rev();
    let mut attached = above.take_while(|line| {
        let line = line.trim_start();
        line.starts_with("//") || line.starts_with('#')
    });
    text.get(line.saturating_sub(1)).is_some_and(|line| says_why(line))
        || attached.any(|line| says_why(line))
}

/// Collects the lines of unsafe functions, implementations, traits and foreign items. Blocks are
/// clippy's (`undocumented_unsafe_blocks`), which knows statements.
struct Finder {
    lines: Vec<(usize, &'static str)>,
}

impl Finder {
    fn add(&mut self, keyword: Option<impl Spanned>, what: &'static str) {
        if let Some(keyword) = keyword {
            self.lines.push((keyword.span().start().line, what));
        }
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        if let syn::Safety::Unsafe(keyword) = &signature.safety {
            self.add(Some(keyword), "an unsafe function");
        }
        visit::visit_signature(self, signature);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.add(item.unsafety.as_ref(), "an unsafe implementation");
        visit::visit_item_impl(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.add(item.unsafety.as_ref(), "an unsafe trait");
        visit::visit_item_trait(self, item);
    }

    fn visit_item_foreign_mod(&mut self, item: &'ast syn::ItemForeignMod) {
        self.add(item.unsafety.as_ref(), "unsafe foreign items");
        visit::visit_item_foreign_mod(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(check: fn(&Tree) -> Vec<Finding>, path: &str, text: &str) -> Vec<usize> {
        let tree = Tree::new([(path.to_owned(), text.to_owned())]);
        assert!(tree.files().all(|file| file.rust().is_some()), "the sample is Rust");
        check(&tree).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn unsafe_stays_in_its_rooms() {
        let text = "// unsafe\nfn f() { \"unsafe\"; }\nfn g() { unsafe { h() } }";
        let check = |path| check_one(check_place, path, text);
        assert_eq!(check("crates/dbgeng/src/engine.rs"), [3]);
        assert_eq!(check("crates/dbgsrv/src/session.rs"), [3]);
        assert_eq!(check("crates/dbgsrv/tests/it/live.rs"), [3]);
        assert_eq!(check("crates/dbgsrv/src/ptrace/attach.rs"), Vec::<usize>::new());
        assert_eq!(check("crates/dbgsrv/src/journal.rs"), Vec::<usize>::new());
        assert_eq!(check("crates/dbgeng-capi/src/com.rs"), Vec::<usize>::new());
        assert_eq!(check("testees/crash.rs"), Vec::<usize>::new());
    }

    #[test]
    fn macros_hide_nothing() {
        let text = "macro_rules! m { () => { unsafe { f() } } }";
        assert_eq!(check_one(check_place, "crates/cdb/src/main.rs", text), [1]);
    }

    #[test]
    fn crates_without_a_room_forbid_it() {
        let check = |path, text| check_one(check_forbidden, path, text);
        let good = "//! A.\n#![forbid(unsafe_code)]\nmod a;";
        assert_eq!(check("crates/dbgsym/src/lib.rs", good), Vec::<usize>::new());
        assert_eq!(check("crates/dbgsym/src/lib.rs", "//! A.\nmod a;"), [1]);
        assert_eq!(check("crates/cdb/src/main.rs", "#![deny(unsafe_code)]"), [1]);
        assert_eq!(check("crates/dbgsrv/src/lib.rs", "mod a;"), [1], "its rooms are empty");
        assert_eq!(check("crates/dbgeng-capi/src/lib.rs", "mod a;"), Vec::<usize>::new());
        assert_eq!(check("crates/dbgsym/src/elf.rs", "mod a;"), Vec::<usize>::new());
    }

    #[test]
    fn crates_with_a_room_need_not_forbid_it() {
        let with_room = |room: &str| {
            let files = [("crates/dbgeng/src/lib.rs", "mod a;"), (room, "")];
            let tree = Tree::new(files.map(|(path, text)| (path.to_owned(), text.to_owned())));
            check_forbidden(&tree).len()
        };
        assert_eq!(with_room("crates/dbgeng/src/symbol_files.rs"), 0);
        assert_eq!(with_room("crates/dbgeng/src/symbols.rs"), 1);
        assert_eq!(with_room("crates/dbgeng-capi/src/com.rs"), 1, "another crate's room");
    }

    #[test]
    fn every_unsafe_thing_has_a_reason() {
        let check = |text| check_one(check_reason, "crates/dbgsrv/src/ptrace.rs", text);
        let bare = "unsafe fn f() {}\n\nunsafe impl Send for X {}\n\nunsafe trait T {}\n\n\
                    unsafe extern \"C\" {}";
        assert_eq!(check(bare), [1, 3, 5, 7]);
        let good = "/// Does.\n///\n/// # Safety\n///\n/// The caller holds it.\n#[inline]\n\
                    pub unsafe fn f() {}\n// SAFETY: X has no pointer.\nunsafe impl Send for X {}";
        assert_eq!(check(good), Vec::<usize>::new());
        let detached = "// SAFETY: of something else.\n\nunsafe impl Send for X {}";
        assert_eq!(check(detached), [3]);
        assert_eq!(check("type F = unsafe extern \"C\" fn();"), Vec::<usize>::new());
    }

    #[test]
    fn lint_levels_are_read_in_both_forms() {
        let attributes = |text| syn::parse_file(text).expect("a good sample").attrs;
        let plain = attributes("#![deny(clippy::panic, clippy::todo)]\n#![warn(x)]");
        assert_eq!(levels(&plain, &["deny"]), ["clippy::panic", "clippy::todo"]);
        let conditional = attributes("#![cfg_attr(not(test), deny(clippy::panic,))]");
        assert!(levels(&conditional, &["deny"]).contains(&"clippy::panic".to_owned()));
        let elsewhere = attributes("#![cfg_attr(windows, deny(clippy::panic))]");
        assert!(levels(&elsewhere, &["deny"]).is_empty());
    }
}
