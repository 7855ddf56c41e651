//! `deny.toml`, the policy on other people's crates, as far as tidy checks it without cargo-deny:
//! licences, banned crates, duplicate versions. It knows no crate by name.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

/// What the file says.
#[derive(Default, Debug)]
pub(crate) struct Policy {
    /// SPDX identifiers of the licences that may be used.
    pub(crate) licences: BTreeSet<String>,
    /// Crates that may not be used.
    pub(crate) bans: Vec<Ban>,
    /// Versions, as `(name, version)`, that may exist beside another version of their crate.
    pub(crate) duplicates: Vec<(String, String)>,
    /// The platforms whose dependencies count.
    pub(crate) targets: Vec<String>,
}

/// A crate that may be used by `wrappers` only, as cargo-deny calls them.
#[derive(Debug)]
pub(crate) struct Ban {
    /// The crate's name.
    pub(crate) name: String,
    /// Who may depend on it directly.
    pub(crate) wrappers: Vec<String>,
    /// Why it is banned.
    pub(crate) reason: String,
}

impl Policy {
    /// The policy in the text of a `deny.toml`. What only cargo-deny checks is not looked at.
    pub(crate) fn parse(text: &str) -> Result<Policy> {
        let file: Table = text.parse().context("deny.toml is no TOML")?;
        let licences = strings(value(&file, &["licenses", "allow"])?)?;
        let bans = rows(value(&file, &["bans", "deny"])?)?;
        let skips = rows(value(&file, &["bans", "skip"])?)?;
        Ok(Policy {
            licences: licences.into_iter().collect(),
            bans: bans.into_iter().map(ban).collect::<Result<_>>()?,
            duplicates: skips.into_iter().map(skip).collect::<Result<_>>()?,
            targets: strings(value(&file, &["graph", "targets"])?)?,
        })
    }
}

fn ban(row: &Table) -> Result<Ban> {
    Ok(Ban {
        name: text(row, "crate")?,
        wrappers: row.get("wrappers").map_or(Ok(Vec::new()), strings)?,
        reason: text(row, "reason")?,
    })
}

fn skip(row: &Table) -> Result<(String, String)> {
    let package = text(row, "crate")?;
    text(row, "reason")?;
    let (name, version) = package
        .split_once('@')
        .with_context(|| format!("deny.toml: {package:?} names no version (write name@1.2.3)"))?;
    Ok((name.to_owned(), version.to_owned()))
}

fn value<'a>(file: &'a Table, path: &[&str]) -> Result<&'a Value> {
    let absent = || format!("deny.toml has no {}", path.join("."));
    let (last, tables) = path.split_last().with_context(absent)?;
    let mut table = file;
    for name in tables {
        table = table.get(*name).and_then(Value::as_table).with_context(absent)?;
    }
    table.get(*last).with_context(absent)
}

fn rows(value: &Value) -> Result<Vec<&Table>> {
    let rows = value.as_array().context("deny.toml: a list of tables was expected")?;
    rows.iter().map(|row| row.as_table().context("deny.toml: a table was expected")).collect()
}

fn strings(value: &Value) -> Result<Vec<String>> {
    let values = value.as_array().context("deny.toml: a list of strings was expected")?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    values.iter().map(|value| text(value).context("deny.toml: a string was expected")).collect()
}

fn text(row: &Table, name: &str) -> Result<String> {
    match row.get(name).and_then(Value::as_str) {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => bail!("deny.toml: {row:?} has no {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"
        [graph]
        targets = ["x86_64-unknown-linux-gnu"]
        [licenses]
        allow = ["MIT", "ISC"]
        [bans]
        deny = [{ crate = "anyhow", wrappers = ["cdb"], reason = "programs only" }]
        skip = [{ crate = "bitflags@1.3.2", reason = "an old user of it" }]
    "#;

    #[test]
    fn the_four_lists_are_read() {
        let policy = Policy::parse(SAMPLE).expect("a good file");
        assert!(policy.licences.contains("ISC"));
        assert_eq!(policy.targets, ["x86_64-unknown-linux-gnu"]);
        assert_eq!(policy.duplicates, [("bitflags".to_owned(), "1.3.2".to_owned())]);
        let names: Vec<&str> = policy.bans.iter().map(|ban| ban.name.as_str()).collect();
        assert_eq!(names, ["anyhow"]);
    }

    #[test]
    fn exceptions_need_a_version_and_a_reason() {
        assert!(Policy::parse(&SAMPLE.replace("@1.3.2", "")).is_err());
        assert!(Policy::parse(&SAMPLE.replace("an old user of it", "")).is_err());
        assert!(Policy::parse(&SAMPLE.replace("reason = \"programs only\"", "x = 1")).is_err());
        assert!(Policy::parse("[bans]").is_err());
    }

    #[test]
    fn the_projects_own_policy_can_be_read() {
        let text = include_str!("../../../../deny.toml");
        let policy = Policy::parse(text).expect("deny.toml is good");
        assert!(policy.bans.iter().any(|ban| ban.name == "openssl"));
        assert!(!policy.licences.iter().any(|licence| licence.contains("GPL")));
    }
}
