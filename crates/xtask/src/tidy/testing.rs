//! Tests run, and debuggees are there for tests: none of either lies idle.

use std::collections::BTreeSet;

use super::finding::Finding;
use super::source::{Source, Token};
use super::tree::Tree;

/// Every debuggee is named by some test, or by what tests share, as a string: `"spin"` or
/// `"spin.c"`.
pub(super) fn check_testees(tree: &Tree) -> Vec<Finding> {
    let tests = tree.sources().flat_map(|(file, source)| {
        let is_shared = file.path.starts_with("crates/testkit/");
        source.tokens.iter().filter(move |token| token.test || is_shared)
    });
    let named: BTreeSet<&str> = tests.filter_map(Token::string).collect();
    let testees = tree.files().filter_map(|file| {
        let name = file.path.strip_prefix("testees/")?;
        // Headers belong to the debuggees that include them.
        (!name.ends_with(".h") && !name.ends_with(".md")).then_some((file, name))
    });
    let idle = testees.filter(|(_, name)| {
        let stem = name.rsplit_once('.').map_or(*name, |(stem, _)| stem);
        !named.contains(name) && !named.contains(stem)
    });
    idle.map(|(file, _)| {
        let message = "no test names this debuggee";
        Finding::new(&file.path, 1, message, "test something with it, or remove it")
    })
    .collect()
}

/// No test is switched off.
pub(super) fn check_ignored(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in tree.sources() {
        for line in ignored_tests(source).into_iter().chain(ignored_examples(&file.text)) {
            let way_out = "make it pass, or remove it: a skipped test is not a passed one";
            findings.push(Finding::new(&file.path, line, "a test is ignored", way_out));
        }
    }
    findings
}

/// Every test of the process server that `docs/ptrace.md` names, as `module::test` or `module::*`,
/// is there.
pub(super) fn check_named(tree: &Tree) -> Vec<Finding> {
    const DOCUMENT: &str = "docs/ptrace.md";
    let Some(document) = tree.file(DOCUMENT) else { return Vec::new() };
    let is_there = |name: &str| {
        let Some((module, test)) = name.split_once("::") else { return true };
        let file = tree.file(&format!("crates/dbgsrv/tests/it/{module}.rs"));
        file.is_some_and(|file| test == "*" || file.text.contains(&format!("fn {test}()")))
    };
    let mut findings = Vec::new();
    for (index, line) in document.text.lines().enumerate() {
        // What is between an odd and an even mark is code.
        let named = line.split('`').skip(1).step_by(2);
        for name in named.filter(|name| !is_there(name)) {
            let message = format!("there is no test {name}");
            let way_out = "name one that would notice, or none";
            findings.push(Finding::new(DOCUMENT, index + 1, &message, way_out));
        }
    }
    findings
}

/// Lines of `#[ignore …]` and of `#[cfg_attr(…, ignore …)]`.
fn ignored_tests(source: &Source) -> Vec<usize> {
    let code = source.code();
    let mut lines = Vec::new();
    for (index, window) in code.windows(3).enumerate() {
        if !(window[0].is("#") && window[1].is("[")) {
            continue;
        }
        let attribute = code[index + 2..].iter().take_while(|token| !token.is("]"));
        let is_conditional = window[2].is("cfg_attr");
        if window[2].is("ignore") || is_conditional && attribute.clone().any(|t| t.is("ignore")) {
            lines.push(window[0].line);
        }
    }
    lines
}

/// Lines of documentation that open an example which is not run.
fn ignored_examples(text: &str) -> Vec<usize> {
    let is_ignored = |line: &str| {
        let comment = line.trim_start();
        let documentation =
            ["///", "//!"].iter().find_map(|mark| comment.strip_prefix(mark)).map(str::trim);
        let fence = documentation.and_then(|text| text.strip_prefix("```"));
        fence.is_some_and(|words| words.split(',').any(|word| word.trim().starts_with("ignore")))
    };
    text.lines().enumerate().filter(|(_, line)| is_ignored(line)).map(|(i, _)| i + 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(check: fn(&Tree) -> Vec<Finding>, files: &[(&str, &str)]) -> Vec<String> {
        let pairs = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        let findings = check(&Tree::new(pairs));
        findings.iter().map(|finding| format!("{}:{}", finding.path, finding.line)).collect()
    }

    #[test]
    fn debuggees_are_named_by_tests() {
        let files = |test: &'static str| {
            [
                ("testees/spin.c", "int main() {}"),
                ("testees/shared.h", ""),
                ("crates/dbgsrv/src/lib.rs", "const A: &str = \"spin\";"),
                ("crates/dbgsrv/tests/it/live.rs", test),
            ]
        };
        let named = ["fn a() { b(\"spin\"); }", "fn a() { b!(c, \"spin.c\"); }"];
        for test in named {
            assert_eq!(found(check_testees, &files(test)), Vec::<String>::new());
        }
        let others = "// spin\nfn a() { spin(); b(\"spinning\"); }";
        assert_eq!(found(check_testees, &files(others)), ["testees/spin.c:1"]);
    }

    #[test]
    fn tests_that_a_document_names_are_looked_for() {
        let files = [
            ("docs/ptrace.md", "`ends::one` `ends::two`\n`gone::*`, `ends::*` and `popf`"),
            ("crates/dbgsrv/tests/it/ends.rs", "#[test]\nfn one() {}"),
        ];
        assert_eq!(found(check_named, &files), ["docs/ptrace.md:1", "docs/ptrace.md:2"]);
    }

    #[test]
    fn ignored_tests_are_found() {
        let bad = "#[test]\n#[ignore = \"slow\"]\nfn a() {}\n\
                   #[test]\n#[cfg_attr(not(root), ignore)]\nfn b() {}\n";
        assert_eq!(found(check_ignored, &[("a.rs", bad)]), ["a.rs:2", "a.rs:5"]);
        let fine = "#[test]\nfn a() { let ignore = 1; }\n#[cfg_attr(unix, inline)]\nfn ignore() {}";
        assert_eq!(found(check_ignored, &[("a.rs", fine)]), Vec::<String>::new());
    }

    #[test]
    fn ignored_examples_are_found() {
        let bad = "/// ```ignore\n/// x\n/// ```\nfn a() {}\n    //! ```rust,ignore\n";
        assert_eq!(ignored_examples(bad), [1, 5]);
        let fine = "/// ```text\n/// ```\n/// ```no_run\n// ```ignore\n";
        assert_eq!(ignored_examples(fine), Vec::<usize>::new());
    }
}
