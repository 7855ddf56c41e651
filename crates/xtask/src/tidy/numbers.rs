//! Numbers that are promises: opcodes and error numbers. Each declared one stands in a lock file
//! that only grows, so that none is removed, renamed or given away again.

use std::collections::BTreeMap;

use super::finding::Finding;
use super::source::{Kind, Token};
use super::tree::Tree;

/// One family of numbers.
struct Family {
    /// The file that declares them.
    source: &'static str,
    /// The macros whose invocations there hold the rows.
    macros: &'static [&'static str],
    /// The rows' form.
    form: Form,
    /// The file that remembers them.
    lock: &'static str,
    /// The first line of that file.
    heading: &'static str,
}

/// How a row of a macro's invocation begins.
#[derive(Clone, Copy)]
enum Form {
    /// `0x0501 ReadMemory …;`
    NumberName,
    /// `Unreadable = 13,`
    NameNumber,
}

/// A number and its name, where it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Row {
    line: usize,
    number: u32,
    name: String,
}

const BLESS: &str = "run cargo xtask tidy --bless-opcodes";

const FAMILIES: &[Family] = &[
    Family {
        source: "crates/dbgwire/src/table.rs",
        macros: &["verbs", "events"],
        form: Form::NumberName,
        lock: "docs/opcodes.lock",
        heading: "# Opcodes of verbs and events, never reused. Rows are only added.\n",
    },
    Family {
        source: "crates/dbgwire/src/error.rs",
        macros: &["error_codes"],
        form: Form::NameNumber,
        lock: "docs/errors.lock",
        heading: "# Error numbers of the wire, never reused. Rows are only added.\n",
    },
];

/// Declarations and lock files agree.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    FAMILIES.iter().flat_map(|family| check_family(tree, family)).collect()
}

/// The lock files, as `(path, text)`, with what is declared and not yet in them.
pub(super) fn bless(tree: &Tree) -> Vec<(&'static str, String)> {
    let blessed = FAMILIES.iter().map(|family| {
        let old = tree.file(family.lock).map_or(family.heading, |file| &file.text);
        let locked = locked(old);
        let mut text = old.to_owned();
        for row in declared(tree, family).unwrap_or_default() {
            if !locked.iter().any(|old| old.number == row.number) {
                text.push_str(&format!("{}\n", family.form.line(&row)));
            }
        }
        (family.lock, text)
    });
    blessed.collect()
}

fn check_family(tree: &Tree, family: &Family) -> Vec<Finding> {
    let declared = match declared(tree, family) {
        Ok(rows) => rows,
        Err(finding) => return vec![finding],
    };
    let mut findings = Vec::new();
    let mut seen: BTreeMap<u32, &str> = BTreeMap::new();
    for row in &declared {
        if let Some(other) = seen.insert(row.number, &row.name) {
            let message = format!("{} has the number of {other}", row.name);
            findings.push(Finding::new(family.source, row.line, message, "take a new number"));
        }
    }
    let Some(lock) = tree.file(family.lock).map(|file| &file.text) else {
        let message = "the numbers are not locked";
        findings.push(Finding::new(family.lock, 1, message, BLESS));
        return findings;
    };
    for line in damaged(lock) {
        findings.push(Finding::new(family.lock, line, "no number and name", "restore the row"));
    }
    let locked_rows = locked(lock);
    let has = |rows: &[Row], row: &Row| {
        rows.iter().any(|other| (other.number, &other.name) == (row.number, &row.name))
    };
    for row in locked_rows.iter().filter(|row| !has(&declared, row)) {
        let message = format!("{} is not declared any more", family.form.line(row));
        let way_out = format!("put it back into {}: numbers are never reused", family.source);
        findings.push(Finding::new(family.lock, row.line, message, way_out));
    }
    for row in declared.iter().filter(|row| !has(&locked_rows, row)) {
        let message = format!("{} is not in {}", family.form.line(row), family.lock);
        findings.push(Finding::new(family.source, row.line, message, BLESS));
    }
    findings
}

/// The rows of a family's source.
fn declared(tree: &Tree, family: &Family) -> Result<Vec<Row>, Finding> {
    let problem = |message: &str| {
        let way_out = "keep it, or teach crates/xtask/src/tidy/numbers.rs its new shape";
        Finding::new(family.source, 1, message, way_out)
    };
    let source = tree.file(family.source).and_then(|file| file.rust());
    let source = source.ok_or_else(|| problem("the file that declares numbers is missing"))?;
    let code = source.product_code();
    let mut rows = Vec::new();
    for name in family.macros {
        let invocation = invocation(&code, name);
        let found = invocation.map(|tokens| family.form.rows(tokens)).unwrap_or_default();
        if found.is_empty() {
            return Err(problem(&format!("{name}! with its rows is missing")));
        }
        rows.extend(found);
    }
    Ok(rows)
}

/// The tokens in the braces of `name! { … }`.
fn invocation<'a>(code: &'a [&'a Token], name: &str) -> Option<&'a [&'a Token]> {
    let start = code.windows(3).position(|w| w[0].is(name) && w[1].is("!") && w[2].is("{"))? + 3;
    let mut depth = 1;
    let end = code[start..].iter().position(|token| {
        depth += i32::from(token.is("{")) - i32::from(token.is("}"));
        depth == 0
    })?;
    Some(&code[start..start + end])
}

/// The rows of a lock file: `number name`.
fn locked(text: &str) -> Vec<Row> {
    let rows = text.lines().enumerate().filter(|(_, line)| is_row(line));
    rows.filter_map(|(index, line)| locked_row(index + 1, line)).collect()
}

/// The lines of a lock file that are neither row nor remark.
fn damaged(text: &str) -> Vec<usize> {
    let rows = text.lines().enumerate().filter(|(_, line)| is_row(line));
    rows.filter(|(_, line)| locked_row(1, line).is_none()).map(|(index, _)| index + 1).collect()
}

fn locked_row(line: usize, text: &str) -> Option<Row> {
    let (number, name) = text.split_once(' ')?;
    Some(Row { line, number: parse(number)?, name: name.to_owned() })
}

fn is_row(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with('#')
}

fn parse(number: &str) -> Option<u32> {
    match number.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => number.parse().ok(),
    }
}

impl Form {
    fn rows(self, tokens: &[&Token]) -> Vec<Row> {
        let row = |number: &Token, name: &Token| {
            let is_pair = number.kind == Kind::Literal && name.kind == Kind::Word;
            let number = parse(&number.text).filter(|_| is_pair)?;
            Some(Row { line: name.line, number, name: name.text.clone() })
        };
        match self {
            // `since 1` of one row and the `;` behind it never look like a literal and a name.
            Form::NumberName => tokens.windows(2).filter_map(|w| row(w[0], w[1])).collect(),
            Form::NameNumber => {
                let pairs = tokens.windows(3).filter(|w| w[1].is("="));
                pairs.filter_map(|w| row(w[2], w[0])).collect()
            }
        }
    }

    fn line(self, row: &Row) -> String {
        match self {
            Form::NumberName => format!("{:#06x} {}", row.number, row.name),
            Form::NameNumber => format!("{} {}", row.number, row.name),
        }
    }
}

#[cfg(test)]
#[path = "numbers/tests.rs"]
mod tests;
