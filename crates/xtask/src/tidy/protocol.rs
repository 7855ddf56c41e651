//! The protocol's document follows the protocol's code: it carries a hash of what the code says, so
//! that nobody changes one without looking at the other.

use sha2::{Digest, Sha256};

use super::finding::Finding;
use super::tree::{File, Tree};

const DOCUMENT: &str = "docs/protocol.md";
const FILES: &[&str] = &["event.rs", "frame.rs", "handshake.rs", "table.rs", "version.rs"];
const FOLDER: &str = "crates/dbgwire/src/";

/// The document carries the present hash.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mark = mark(tree);
    let (line, message) = match tree.file(DOCUMENT) {
        None => (1, "the document is missing"),
        Some(file) => {
            let lines = file.text.lines().map(str::trim).enumerate();
            let mut marks = lines.filter(|(_, line)| line.starts_with("<!-- protocol: "));
            match marks.next() {
                Some((_, line)) if line == mark => return Vec::new(),
                Some((index, _)) => (index + 1, "the protocol's code has changed"),
                None => (1, "the document has no line <!-- protocol: … -->"),
            }
        }
    };
    let way_out = "bring the document up to date, then replace the line by what \
                   `cargo xtask tidy --protocol-hash` prints";
    vec![Finding::new(DOCUMENT, line, message, way_out)]
}

/// The line that the document must hold: the hash of the protocol's files, each by name and tokens,
/// so that formatting, comments and tests do not count.
pub(super) fn mark(tree: &Tree) -> String {
    let mut hash = Sha256::new();
    for (file, source) in tree.sources().filter(|(file, _)| is_protocol(file)) {
        hash.update(&file.path);
        for token in source.product_code() {
            hash.update(" ");
            hash.update(&token.text);
        }
        hash.update("\n");
    }
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("<!-- protocol: {hex} -->")
}

fn is_protocol(file: &File) -> bool {
    let name = file.path.strip_prefix(FOLDER).unwrap_or_default();
    FILES.contains(&name) || name.starts_with("verbs/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(verb: &str, document: &str) -> Tree {
        let files = [("crates/dbgwire/src/verbs/memory.rs", verb), (DOCUMENT, document)];
        Tree::new(files.map(|(path, text)| (path.to_owned(), text.to_owned())))
    }

    const VERB: &str = "//! Memory.\nstruct Read { a: u8 }\n";

    #[test]
    fn the_present_hash_passes_and_another_does_not() {
        let mark = mark(&tree(VERB, ""));
        assert!(check(&tree(VERB, &format!("# Protocol\n\n{mark}\n"))).is_empty());
        let changed = VERB.replace("u8", "u16");
        let found = check(&tree(&changed, &format!("# Protocol\n\n{mark}\n")));
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn formatting_comments_and_tests_do_not_count() {
        let same = "//! Memory of targets.\n\n// Why.\nstruct Read {\n    /// A.\n    a: u8 }\n\
                    #[cfg(test)] mod tests { fn f() {} }";
        assert_eq!(mark(&tree(VERB, "")), mark(&tree(same, "")));
        assert_ne!(mark(&tree(VERB, "")), mark(&tree("struct Read { b: u8 }", "")));
    }

    #[test]
    fn a_document_without_hash_is_found() {
        assert_eq!(check(&tree(VERB, "# Protocol\n")).len(), 1);
        assert_eq!(check(&Tree::default()).len(), 1);
    }
}
