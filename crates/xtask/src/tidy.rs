//! The rules of this repository that no compiler checks, run over the working tree. Every rule is a
//! pure function from a tree in memory to findings; this file holds the table of rules and does the
//! reading and printing.
//!
//! Reading order: [`tree`] and [`source`], then any rule, then [`allow`].

mod allow;
mod edges;
mod finding;
mod numbers;
mod paths;
mod places;
mod policy;
mod protocol;
mod roots;
mod shape;
pub(crate) mod source;
mod supply;
mod testing;
pub(crate) mod tree;
mod unsafe_code;
mod words;
mod workspace;

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::programs;
use finding::Finding;
use policy::Policy;
use tree::Tree;
use workspace::Workspace;

/// A rule, by the name that findings and the allow-list call it.
struct Rule {
    name: &'static str,
    check: fn(&Tree) -> Vec<Finding>,
}

const fn rule(name: &'static str, check: fn(&Tree) -> Vec<Finding>) -> Rule {
    Rule { name, check }
}

const RULES: &[Rule] = &[
    rule("crate-edges", edges::check_table),
    rule("crate-separation", edges::check_separation),
    rule("fence", places::check_fences),
    rule("server-door", places::check_server_door),
    rule("codec", places::check_codec),
    rule("hresult", places::check_hresult),
    rule("unsafe-place", unsafe_code::check_place),
    rule("unsafe-forbidden", unsafe_code::check_forbidden),
    rule("unsafe-reason", unsafe_code::check_reason),
    rule("panic-lints", roots::check_panics),
    rule("syntax", shape::check_syntax),
    rule("file-doc", shape::check_documentation),
    rule("file-length", shape::check_file_length),
    rule("function-length", shape::check_function_length),
    rule("line-length", shape::check_line_length),
    rule("file-name", words::check_names),
    rule("banned-word", words::check_words),
    rule("protocol-hash", protocol::check),
    rule("numbers", numbers::check),
    rule("idle-testee", testing::check_testees),
    rule("ignored-test", testing::check_ignored),
    rule("named-test", testing::check_named),
    rule("licence", supply::check_licences),
    rule("banned-crate", supply::check_bans),
    rule("duplicate-crate", supply::check_duplicates),
];

/// Checks every rule and prints what it finds.
pub(crate) fn run(root: &Path) -> Result<()> {
    let tree = load(root)?;
    let findings = check(&tree);
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("{} findings", findings.len());
    }
    println!("{} files keep {} rules", tree.files().count(), RULES.len());
    Ok(())
}

/// Prints the line that the protocol's document must hold.
pub(crate) fn print_protocol_hash(root: &Path) -> Result<()> {
    println!("{}", protocol::mark(&load_files(root)?));
    Ok(())
}

/// Adds what is new to the lock files of numbers.
pub(crate) fn bless_numbers(root: &Path) -> Result<()> {
    for (path, text) in numbers::bless(&load_files(root)?) {
        std::fs::write(root.join(path), text)
            .with_context(|| format!("{path} cannot be written"))?;
        println!("wrote {path}");
    }
    Ok(())
}

fn check(tree: &Tree) -> Vec<Finding> {
    let findings = RULES.iter().flat_map(|rule| {
        (rule.check)(tree).into_iter().map(|finding| Finding { rule: rule.name, ..finding })
    });
    let names: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
    let list = tree.file(allow::ALLOW_PATH).map_or("", |file| &file.text);
    let mut kept = allow::apply(list, findings.collect(), &names);
    kept.sort();
    kept.dedup();
    kept
}

/// The working tree with its crates.
fn load(root: &Path) -> Result<Tree> {
    let mut tree = load_files(root)?;
    let policy = Policy::parse(tree.file("deny.toml").map_or("", |file| &file.text))?;
    let mut args = vec!["metadata", "--format-version", "1", "--quiet"];
    args.extend(policy.targets.iter().flat_map(|target| ["--filter-platform", target]));
    tree.workspace = Workspace::parse(&programs::output(root, "cargo", &args)?)?;
    Ok(tree)
}

/// The text files that git knows or would add. Those it knows and that are not there are left out:
/// they are about to be removed.
pub(crate) fn load_files(root: &Path) -> Result<Tree> {
    let args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listing = programs::output(root, "git", &args)?;
    let mut files = Vec::new();
    for path in listing.split('\0').filter(|path| !path.is_empty()) {
        let absolute = root.join(path);
        if !absolute.is_file() || absolute.is_symlink() {
            continue;
        }
        let bytes = std::fs::read(&absolute).with_context(|| format!("{path} cannot be read"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push((path.to_owned(), text));
        } else if path.ends_with(".rs") {
            bail!("{path} is not UTF-8");
        }
    }
    Ok(Tree::new(files))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_have_different_names() {
        let names: std::collections::BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
        assert_eq!(names.len(), RULES.len());
    }

    #[test]
    fn findings_carry_their_rule_and_the_allow_list_is_heard() {
        let sample = ("crates/a/src/utils.rs".to_owned(), "//! A.\n".to_owned());
        let entry = "crates/a/src/utils.rs file-name 1 for this test";
        let list = (allow::ALLOW_PATH.to_owned(), entry.to_owned());
        let is_there = |tree: Tree| {
            check(&tree)
                .iter()
                .any(|f| (f.path.as_str(), f.rule) == ("crates/a/src/utils.rs", "file-name"))
        };
        assert!(is_there(Tree::new([sample.clone()])));
        assert!(!is_there(Tree::new([sample, list])));
    }
}
