//! Tests of the rules on crate edges, on made-up rows of crates.

use super::*;

fn member(name: &str, product: &[&str], tests: &[&str]) -> Member {
    let edge = |used_in: Use| move |to: &&str| ((*to).to_owned(), used_in);
    let edges = product.iter().map(edge(Use::Product)).chain(tests.iter().map(edge(Use::Tests)));
    Member { name: name.to_owned(), edges: edges.collect() }
}

fn tree(rows: &str, members: Vec<Member>) -> Tree {
    let text = format!(
        "# Text\n| no | table |\n\n{BEGIN}\n| crate | may use |\n|---|---|\n{rows}\n{END}\n\
         | x | y |\n"
    );
    let mut tree = Tree::new([(TABLE_PATH.to_owned(), text)]);
    tree.workspace.members = members;
    tree
}

fn messages(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|f| format!("{}:{} {}", f.path, f.line, f.message)).collect()
}

#[test]
fn a_true_table_passes() {
    let tree = tree(
        "| `base` | – |\n| wire | `base` |\n| eng | base, wire |\n| testkit | base |",
        vec![
            member("base", &[], &["testkit"]),
            member("wire", &["base"], &[]),
            member("eng", &["base", "wire"], &["base", "testkit"]),
            member("testkit", &["base"], &[]),
        ],
    );
    assert_eq!(messages(&check_table(&tree)), Vec::<String>::new());
}

#[test]
fn an_edge_that_the_table_lacks_is_found() {
    let tree = tree("| a | - |\n| b | - |", vec![member("a", &["b"], &[]), member("b", &[], &[])]);
    assert_eq!(
        messages(&check_table(&tree)),
        ["crates/a/Cargo.toml:1 a uses b, which the table in docs/architecture.md lacks"]
    );
}

#[test]
fn tests_may_use_what_lies_below_and_nothing_above() {
    let rows = "| a | - |\n| b | a |\n| c | b |";
    let members = |tests: &[&str]| {
        vec![member("a", &[], &[]), member("b", &["a"], tests), member("c", &["b"], &["a"])]
    };
    assert!(check_table(&tree(rows, members(&["a"]))).is_empty());
    assert_eq!(
        messages(&check_table(&tree(rows, members(&["c"])))),
        ["crates/b/Cargo.toml:1 tests of b use c, which the table in docs/architecture.md lacks"]
    );
}

#[test]
fn an_edge_that_only_the_table_has_is_found_unless_reserved() {
    let members = |edges: &[&str]| vec![member("a", edges, &[]), member("b", &[], &[])];
    let plain = tree("| a | b |\n| b | - |", members(&[]));
    assert_eq!(messages(&check_table(&plain)), ["docs/architecture.md:7 a does not use b"]);
    let reserved = "| a | b (reserved) |\n| b | - |";
    assert!(check_table(&tree(reserved, members(&[]))).is_empty());
    assert_eq!(
        messages(&check_table(&tree(reserved, members(&["b"])))),
        ["docs/architecture.md:7 a uses b by now"]
    );
}

#[test]
fn every_crate_has_a_row_and_every_row_a_crate() {
    let tree = tree("| a | - |", vec![member("b", &[], &[])]);
    assert_eq!(
        messages(&check_table(&tree)),
        [
            "crates/b/Cargo.toml:1 b has no row in docs/architecture.md",
            "docs/architecture.md:7 there is no crate a",
        ]
    );
}

#[test]
fn a_missing_table_is_found() {
    assert_eq!(check_table(&Tree::default()).len(), 1);
    let empty = Tree::new([(TABLE_PATH.to_owned(), "| a | b |".to_owned())]);
    assert_eq!(check_table(&empty).len(), 1);
}

#[test]
fn separate_crates_must_not_meet_through_a_third() {
    let rows = "";
    let apart = tree(rows, vec![member("dbgeng", &["dbgwire"], &["dbgsrv"])]);
    assert!(check_separation(&apart).is_empty());
    let meeting =
        tree(rows, vec![member("dbgeng", &["between"], &[]), member("between", &["dbgsrv"], &[])]);
    assert_eq!(check_separation(&meeting).len(), 1);
}
