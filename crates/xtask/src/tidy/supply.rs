//! Other people's crates: their licences, those that are banned, and versions that exist twice, all
//! by the lists in `deny.toml`.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::Finding;
use super::policy::{Ban, Policy};
use super::tree::Tree;
use super::workspace::Package;

const POLICY_PATH: &str = "deny.toml";
const LOCK_PATH: &str = "Cargo.lock";

/// Every package may be used under licences of the list.
pub(super) fn check_licences(tree: &Tree) -> Vec<Finding> {
    with_policy(tree, |policy| {
        let refused = tree.workspace.packages.iter().filter(|package| {
            let licence = package.licence.as_deref().unwrap_or_default();
            !is_allowed(licence, &policy.licences)
        });
        refused
            .map(|package| {
                let licence = package.licence.as_deref().unwrap_or("no known licence");
                let message = format!("{} is under {licence}", full_name(package));
                let way_out = format!("use another crate; {POLICY_PATH} lists the licences");
                Finding::new(LOCK_PATH, 1, message, way_out)
            })
            .collect()
    })
}

/// No banned package is used, but by those who may.
pub(super) fn check_bans(tree: &Tree) -> Vec<Finding> {
    with_policy(tree, |policy| {
        let ban_of = |package: &Package| policy.bans.iter().find(|ban| ban.name == package.name);
        let banned = tree.workspace.packages.iter().filter_map(|p| Some((p, ban_of(p)?)));
        banned.flat_map(|(package, ban)| banned_uses(package, ban)).collect()
    })
}

/// No package is there in two versions, but those of the list; and the list holds no others.
pub(super) fn check_duplicates(tree: &Tree) -> Vec<Finding> {
    with_policy(tree, |policy| {
        let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for package in &tree.workspace.packages {
            versions.entry(&package.name).or_default().insert(&package.version);
        }
        let mut findings = Vec::new();
        for (name, versions) in &versions {
            let listed = |version: &&str| {
                policy.duplicates.iter().any(|(n, v)| (n.as_str(), v.as_str()) == (*name, *version))
            };
            let unlisted: Vec<&str> = versions.iter().copied().filter(|v| !listed(v)).collect();
            if unlisted.len() > 1 {
                let message = format!("{name} is there in versions {}", unlisted.join(", "));
                let way_out = format!("use one, or list the others in {POLICY_PATH} with a reason");
                findings.push(Finding::new(LOCK_PATH, 1, message, way_out));
            }
        }
        for (name, version) in &policy.duplicates {
            let present = versions.get(name.as_str());
            let is_needed = present.is_some_and(|v| v.len() > 1 && v.contains(version.as_str()));
            if !is_needed {
                let message = format!("{name}@{version} is no duplicate");
                findings.push(Finding::new(POLICY_PATH, 1, message, "remove it from bans.skip"));
            }
        }
        findings
    })
}

fn with_policy(tree: &Tree, check: impl Fn(&Policy) -> Vec<Finding>) -> Vec<Finding> {
    let text = tree.file(POLICY_PATH).map_or("", |file| &file.text);
    match Policy::parse(text) {
        Ok(policy) => check(&policy),
        Err(error) => vec![Finding::new(POLICY_PATH, 1, format!("{error:#}"), "mend it")],
    }
}

fn banned_uses(package: &Package, ban: &Ban) -> Vec<Finding> {
    let users = package.users.iter().filter(|user| !ban.wrappers.contains(user));
    users
        .map(|user| {
            let message = format!("{} is banned and used by {user}", full_name(package));
            Finding::new(LOCK_PATH, 1, message, &ban.reason)
        })
        .collect()
}

fn full_name(package: &Package) -> String {
    format!("{}@{}", package.name, package.version)
}

/// Whether a licence expression of SPDX can be met with licences of the list. `AND` binds closer
/// than `OR`; `/` is an old way to write `OR`; a licence `WITH` an exception is listed as a whole.
fn is_allowed(expression: &str, list: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader { words: &words, list };
    reader.any() == Some(true) && reader.words.is_empty()
}

struct Reader<'a> {
    words: &'a [&'a str],
    list: &'a BTreeSet<String>,
}

impl<'a> Reader<'a> {
    fn any(&mut self) -> Option<bool> {
        let mut allowed = self.all()?;
        while self.take("OR") {
            allowed |= self.all()?;
        }
        Some(allowed)
    }

    fn all(&mut self) -> Option<bool> {
        let mut allowed = self.one()?;
        while self.take("AND") {
            allowed &= self.one()?;
        }
        Some(allowed)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let allowed = self.any()?;
            return self.take(")").then_some(allowed);
        }
        let name = self.next()?;
        if ["AND", "OR", "WITH", ")"].contains(&name) {
            return None;
        }
        if self.take("WITH") {
            let exception = self.next()?;
            return Some(self.list.contains(&format!("{name} WITH {exception}")));
        }
        Some(self.list.contains(name))
    }

    fn next(&mut self) -> Option<&'a str> {
        let (word, rest) = self.words.split_first()?;
        self.words = rest;
        Some(word)
    }

    fn take(&mut self, word: &str) -> bool {
        let is_next = self.words.first() == Some(&word);
        if is_next {
            self.words = &self.words[1..];
        }
        is_next
    }
}

#[cfg(test)]
#[path = "supply/tests.rs"]
mod tests;
