//! How a source file looks: that it can be read, says what it is, and is short in all three
//! directions.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::finding::Finding;
use super::tree::{File, Tree};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
const LINE_COLUMNS_MAX: usize = 100;

/// Files that people write as code.
const CODE: &[&str] = &[".S", ".c", ".cc", ".cpp", ".h", ".rs", ".sh"];

/// Every Rust file can be read.
pub(super) fn check_syntax(tree: &Tree) -> Vec<Finding> {
    let broken = tree.files().filter_map(|file| Some((file, file.parse_error()?)));
    broken
        .map(|(file, error)| Finding::new(&file.path, error.line, &error.message, "mend it"))
        .collect()
}

/// Every Rust file begins by saying what it knows.
pub(super) fn check_documentation(tree: &Tree) -> Vec<Finding> {
    let says_what = |file: &File| {
        let first = file.text.lines().next().and_then(|line| line.strip_prefix("//!"));
        first.is_some_and(|text| !text.trim().is_empty())
    };
    let silent = tree.files().filter(|file| file.path.ends_with(".rs") && !says_what(file));
    silent
        .map(|file| {
            let message = "the file does not begin with a //! paragraph";
            Finding::new(&file.path, 1, message, "say what it knows and what it must not know")
        })
        .collect()
}

/// No file of code is too long.
pub(super) fn check_file_length(tree: &Tree) -> Vec<Finding> {
    let long = code(tree).map(|file| (file, file.text.lines().count()));
    long.filter(|(_, lines)| *lines > FILE_LINES_MAX)
        .map(|(file, lines)| {
            let message = format!("{lines} lines; the limit is {FILE_LINES_MAX}");
            let way_out = "split it by what its parts know";
            Finding::new(&file.path, lines, message, way_out).with_amount(lines)
        })
        .collect()
}

/// No line of code or prose is too wide. Rows of tables and lines with an address are left alone:
/// they cannot be broken.
pub(super) fn check_line_length(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files().filter(|file| is_code(file) || file.path.ends_with(".md")) {
        for (index, line) in file.text.lines().enumerate() {
            let columns = line.chars().count();
            // Rows of tables and headings cannot be broken.
            let is_whole = file.path.ends_with(".md") && line.starts_with(['|', '#']);
            if columns > LINE_COLUMNS_MAX && !is_whole && !line.contains("://") {
                let message = format!("{columns} columns; the limit is {LINE_COLUMNS_MAX}");
                findings.push(Finding::new(&file.path, index + 1, message, "break the line"));
            }
        }
    }
    findings
}

/// No function is too long, from its signature to its closing brace.
pub(super) fn check_function_length(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in tree.sources() {
        let mut functions = Functions { found: Vec::new() };
        functions.visit_file(&source.ast);
        for (name, line, lines) in functions.found {
            if lines > FUNCTION_LINES_MAX {
                let message =
                    format!("{name} has {lines} lines; the limit is {FUNCTION_LINES_MAX}");
                let way_out = "give its parts names";
                findings.push(Finding::new(&file.path, line, message, way_out).with_amount(lines));
            }
        }
    }
    findings
}

fn code(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.files().filter(|file| is_code(file))
}

fn is_code(file: &File) -> bool {
    CODE.iter().any(|ending| file.path.ends_with(ending))
}

/// Collects name, first line and count of lines of every function.
struct Functions {
    found: Vec<(String, usize, usize)>,
}

impl Functions {
    fn add(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let start = signature.span().start().line;
        let end = block.brace_token.span.close().end().line;
        self.found.push((signature.ident.to_string(), start, end + 1 - start));
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.add(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(check: fn(&Tree) -> Vec<Finding>, path: &str, text: &str) -> Vec<(usize, usize)> {
        let tree = Tree::new([(path.to_owned(), text.to_owned())]);
        check(&tree).iter().map(|finding| (finding.line, finding.amount)).collect()
    }

    const NONE: [(usize, usize); 0] = [];

    #[test]
    fn files_that_are_no_rust_are_found() {
        assert_eq!(check_one(check_syntax, "a.rs", "fn f() {}\nfn fn"), [(2, 1)]);
        assert_eq!(check_one(check_syntax, "a.rs", "fn f() {}"), NONE);
        assert_eq!(check_one(check_syntax, "a.c", "fn fn"), NONE);
    }

    #[test]
    fn files_begin_with_a_paragraph() {
        assert_eq!(check_one(check_documentation, "a.rs", "//! It knows.\nfn f() {}"), NONE);
        for bad in ["", "fn f() {}", "// It knows.", "//!\n//! It knows.", "\n//! It knows."] {
            assert_eq!(check_one(check_documentation, "a.rs", bad), [(1, 1)], "{bad:?}");
        }
    }

    #[test]
    fn files_are_short() {
        assert_eq!(check_one(check_file_length, "a.c", &"x\n".repeat(600)), NONE);
        assert_eq!(check_one(check_file_length, "a.c", &"x\n".repeat(601)), [(601, 601)]);
        assert_eq!(check_one(check_file_length, "a.md", &"x\n".repeat(601)), NONE);
    }

    #[test]
    fn lines_are_short() {
        let line = "ü".repeat(100);
        assert_eq!(check_one(check_line_length, "a.rs", &line), NONE);
        assert_eq!(check_one(check_line_length, "a.md", &format!("x\n{line}x")), [(2, 1)]);
        assert_eq!(check_one(check_line_length, "a.md", &format!("|{line}|")), NONE);
        assert_eq!(check_one(check_line_length, "a.md", &format!("# {line}")), NONE);
        assert_eq!(check_one(check_line_length, "a.rs", &format!("// https://{line}")), NONE);
        assert_eq!(check_one(check_line_length, "Cargo.toml", &format!("{line}x")), NONE);
    }

    #[test]
    fn functions_are_short_wherever_they_are() {
        let body = |lines: usize| format!("fn f() {{\n{}}}", "    x();\n".repeat(lines - 2));
        assert_eq!(check_one(check_function_length, "a.rs", &body(70)), NONE);
        let long = body(71);
        assert_eq!(check_one(check_function_length, "a.rs", &long), [(1, 71)]);
        let documented = format!("/// It\n/// does.\n#[inline]\npub {long}");
        assert_eq!(check_one(check_function_length, "a.rs", &documented), [(4, 71)]);
        for outside in ["impl X {\n", "trait X {\n", "mod x {\n", "fn g() {\n"] {
            let found = check_one(check_function_length, "a.rs", &format!("{outside}{long}}}"));
            assert!(found.contains(&(2, 71)), "{outside}");
        }
    }
}
