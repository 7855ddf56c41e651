//! Which crate may use which: the table in docs/architecture.md and the manifests say the same, and
//! the crates that must never meet do not meet through others.

use std::collections::BTreeSet;

use super::finding::Finding;
use super::tree::Tree;
use super::workspace::{Member, Use};

const TABLE_PATH: &str = "docs/architecture.md";
const BEGIN: &str = "<!-- edges:begin -->";
const END: &str = "<!-- edges:end -->";

/// The crate with what tests share. Any test may use it.
const TEST_CRATE: &str = "testkit";

/// Crates that must not reach each other, and why.
const SEPARATE: &[(&str, &str, &str)] = &[
    ("dbgeng", "dbgsrv", "the engine must not reach ptrace, even locally"),
    ("dbgsrv", "dbgsym", "the server stays small and holds no symbols"),
    ("dbgsrv", "dbgeng", "the server controls programs, it does not understand them"),
];

/// One line of the table.
struct Row {
    line: usize,
    name: String,
    uses: Vec<String>,
    /// Of `uses`, those that no manifest needs to declare yet.
    reserved: BTreeSet<String>,
}

/// The table and the manifests agree.
pub(super) fn check_table(tree: &Tree) -> Vec<Finding> {
    let way_out = format!("write the table between {BEGIN} and {END}");
    let Some(file) = tree.file(TABLE_PATH) else {
        return vec![Finding::new(TABLE_PATH, 1, "the table of crates is missing", way_out)];
    };
    let rows = rows(&file.text);
    if rows.is_empty() {
        return vec![Finding::new(TABLE_PATH, 1, "the table of crates is missing", way_out)];
    }
    let mut findings = Vec::new();
    for member in &tree.workspace.members {
        match rows.iter().find(|row| row.name == member.name) {
            Some(row) => findings.extend(compare(row, member, &rows)),
            None => findings.push(Finding::new(
                manifest(&member.name),
                1,
                format!("{} has no row in {TABLE_PATH}", member.name),
                "add the row: a new crate is a decision",
            )),
        }
    }
    let is_member = |row: &&Row| tree.workspace.members.iter().any(|m| m.name == row.name);
    let strays = rows.iter().filter(|row| !is_member(row));
    findings.extend(strays.map(|row| {
        Finding::new(
            TABLE_PATH,
            row.line,
            format!("there is no crate {}", row.name),
            "remove the row",
        )
    }));
    findings
}

/// No crate reaches one it must be separate from.
pub(super) fn check_separation(tree: &Tree) -> Vec<Finding> {
    let reaches = |from: &str, to: &str| tree.workspace.reach(from).contains(to);
    let broken = SEPARATE.iter().filter(|(from, to, _)| reaches(from, to));
    broken
        .map(|(from, to, reason)| {
            let message = format!("{from} depends on {to}, directly or through another crate");
            Finding::new(manifest(from), 1, message, *reason)
        })
        .collect()
}

fn compare(row: &Row, member: &Member, rows: &[Row]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let from = &member.name;
    for (to, used_in) in &member.edges {
        let allowed = match used_in {
            Use::Product => row.uses.contains(to),
            Use::Tests => to == TEST_CRATE || below(from, rows).contains(to.as_str()),
        };
        if !allowed {
            let (what, way_out) = match used_in {
                Use::Product => {
                    (format!("{from} uses {to}"), "remove the dependency; a new edge is a decision")
                }
                Use::Tests => (
                    format!("tests of {from} use {to}"),
                    "tests may use testkit and crates below their own",
                ),
            };
            let message = format!("{what}, which the table in {TABLE_PATH} lacks");
            findings.push(Finding::new(manifest(from), 1, message, way_out));
        }
    }
    let is_declared = |to: &String| member.edges.contains(&(to.clone(), Use::Product));
    for to in row.uses.iter().filter(|to| !is_declared(to) && !row.reserved.contains(*to)) {
        let message = format!("{from} does not use {to}");
        findings.push(Finding::new(TABLE_PATH, row.line, message, "remove it from the row"));
    }
    for to in row.reserved.iter().filter(|to| is_declared(to)) {
        let message = format!("{from} uses {to} by now");
        findings.push(Finding::new(TABLE_PATH, row.line, message, "remove the word (reserved)"));
    }
    findings
}

/// Every crate that the table lets `name` reach.
fn below<'a>(name: &str, rows: &'a [Row]) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![name];
    while let Some(next) = open.pop() {
        for to in rows.iter().filter(|row| row.name == next).flat_map(|row| &row.uses) {
            if reached.insert(to.as_str()) {
                open.push(to);
            }
        }
    }
    reached
}

/// The rows between the marks, without the heading: `| name | uses uses (reserved) |`.
fn rows(text: &str) -> Vec<Row> {
    let lines = text.lines().enumerate().skip_while(|(_, line)| line.trim() != BEGIN);
    let lines = lines.skip(1).take_while(|(_, line)| line.trim() != END);
    lines.filter_map(|(index, line)| row(index + 1, line)).collect()
}

fn row(line: usize, text: &str) -> Option<Row> {
    let cells: Vec<&str> = text.trim().strip_prefix('|')?.split('|').map(str::trim).collect();
    let (name, uses) = (cells.first()?.trim_matches('`'), cells.get(1)?);
    if name == "crate" || name.is_empty() || name.chars().all(|c| "-: ".contains(c)) {
        return None;
    }
    let mut row = Row { line, name: name.to_owned(), uses: Vec::new(), reserved: BTreeSet::new() };
    for word in uses.split([' ', ',']).map(|word| word.trim_matches('`')) {
        match word {
            "" | "-" | "–" => {}
            "(reserved)" => row.reserved.extend(row.uses.last().cloned()),
            name => row.uses.push(name.to_owned()),
        }
    }
    Some(row)
}

fn manifest(name: &str) -> String {
    format!("crates/{name}/Cargo.toml")
}

#[cfg(test)]
#[path = "edges/tests.rs"]
mod tests;
