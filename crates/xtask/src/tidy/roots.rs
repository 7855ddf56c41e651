//! The lints that crates with untrusted input deny at their roots.

use super::finding::Finding;
use super::tree::Tree;
use super::unsafe_code::levels;

/// Crates that read what a peer sends.
const CRATES: &[&str] = &["dbgwire", "dbglink", "dbgsrv"];

/// Each is a way to panic.
const LINTS: &[&str] =
    &["clippy::expect_used", "clippy::indexing_slicing", "clippy::panic", "clippy::unwrap_used"];

/// No panic can be reached from a peer's bytes.
pub(super) fn check_panics(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in CRATES {
        let path = format!("crates/{name}/src/lib.rs");
        let Some(source) = tree.file(&path).and_then(|file| file.rust()) else {
            continue;
        };
        let denied = levels(&source.ast.attrs, &["deny", "forbid"]);
        let missing: Vec<&str> =
            LINTS.iter().copied().filter(|lint| !denied.iter().any(|name| name == lint)).collect();
        if !missing.is_empty() {
            let message = format!("the crate does not deny {}", missing.join(", "));
            let way_out = "add #![cfg_attr(not(test), deny(…))]: a peer must not cause a panic";
            findings.push(Finding::new(path, 1, message, way_out));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<String> {
        let tree = Tree::new([(path.to_owned(), text.to_owned())]);
        check_panics(&tree).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn the_four_lints_are_denied() {
        let all = LINTS.join(", ");
        for good in [format!("#![deny({all})]"), format!("#![cfg_attr(not(test), deny({all}))]")] {
            assert_eq!(messages("crates/dbgwire/src/lib.rs", &good), Vec::<String>::new());
        }
        let without_one = all.replace("clippy::panic, ", "");
        let found = messages("crates/dbglink/src/lib.rs", &format!("#![deny({without_one})]"));
        assert_eq!(found, ["the crate does not deny clippy::panic"]);
        assert_eq!(messages("crates/dbgsrv/src/lib.rs", &format!("#![warn({all})]")).len(), 1);
        assert_eq!(messages("crates/dbgsym/src/lib.rs", ""), Vec::<String>::new());
    }
}
