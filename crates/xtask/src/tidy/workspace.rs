//! The crates: ours with the edges their manifests declare, and the row of other people's packages
//! they pull in, all from the text that `cargo metadata` prints.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::Value;

/// How one crate uses another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Use {
    /// In the product, or to build it.
    Product,
    /// In tests only.
    Tests,
}

/// A crate of ours.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its name.
    pub(crate) name: String,
    /// The crates of ours that it uses.
    pub(crate) edges: BTreeSet<(String, Use)>,
}

/// A package that is not ours.
#[derive(Debug)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// The licence expression its author wrote.
    pub(crate) licence: Option<String>,
    /// The names of the packages that use it directly, ours included.
    pub(crate) users: BTreeSet<String>,
}

/// All of them.
#[derive(Default, Debug)]
pub(crate) struct Workspace {
    /// Ours, by name.
    pub(crate) members: Vec<Member>,
    /// The others, by name and version.
    pub(crate) packages: Vec<Package>,
}

impl Workspace {
    /// The workspace that `cargo metadata --format-version 1` describes.
    pub(crate) fn parse(metadata: &str) -> Result<Workspace> {
        let metadata: Value =
            serde_json::from_str(metadata).context("cargo metadata is no JSON")?;
        let packages = list(&metadata, "packages")?;
        let ours: BTreeSet<&str> =
            list(&metadata, "workspace_members")?.iter().filter_map(Value::as_str).collect();
        let is_ours = |package: &Value| text(package, "id").is_ok_and(|id| ours.contains(id));
        let our_names: BTreeSet<&str> = packages
            .iter()
            .filter(|package| is_ours(package))
            .map(|package| text(package, "name"))
            .collect::<Result<_>>()?;
        let users = users(&metadata)?;
        let mut workspace = Workspace::default();
        for package in packages {
            if is_ours(package) {
                workspace.members.push(member(package, &our_names)?);
            } else if let Some(users) = users.get(text(package, "id")?) {
                workspace.packages.push(Package {
                    name: text(package, "name")?.to_owned(),
                    version: text(package, "version")?.to_owned(),
                    licence: text(package, "license").ok().map(str::to_owned),
                    users: users.clone(),
                });
            }
        }
        workspace.members.sort_by(|a, b| a.name.cmp(&b.name));
        workspace.packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        Ok(workspace)
    }

    /// Every crate of ours that `name` reaches through product edges, itself not included.
    pub(crate) fn reach(&self, name: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut open = vec![name];
        while let Some(next) = open.pop() {
            let Some(member) = self.members.iter().find(|member| member.name == next) else {
                continue;
            };
            for (to, used_in) in &member.edges {
                if *used_in == Use::Product && reached.insert(to.as_str()) {
                    open.push(to);
                }
            }
        }
        reached
    }
}

fn member(package: &Value, our_names: &BTreeSet<&str>) -> Result<Member> {
    let mut edges = BTreeSet::new();
    for dependency in list(package, "dependencies")? {
        let name = text(dependency, "name")?;
        let has_path = dependency.get("path").is_some_and(|path| !path.is_null());
        if has_path && our_names.contains(name) {
            let is_dev = text(dependency, "kind").is_ok_and(|kind| kind == "dev");
            let used_in = if is_dev { Use::Tests } else { Use::Product };
            edges.insert((name.to_owned(), used_in));
        }
    }
    Ok(Member { name: text(package, "name")?.to_owned(), edges })
}

/// The direct users' names of every package in the resolved graph, by id.
fn users(metadata: &Value) -> Result<BTreeMap<&str, BTreeSet<String>>> {
    let names: BTreeMap<&str, &str> = list(metadata, "packages")?
        .iter()
        .map(|package| Ok((text(package, "id")?, text(package, "name")?)))
        .collect::<Result<_>>()?;
    let nodes = list(metadata.get("resolve").context("cargo metadata has no graph")?, "nodes")?;
    let mut users: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for node in nodes {
        let user = names.get(text(node, "id")?).context("a package without a name")?;
        users.entry(text(node, "id")?).or_default();
        for dependency in list(node, "deps")? {
            users.entry(text(dependency, "pkg")?).or_default().insert((*user).to_owned());
        }
    }
    Ok(users)
}

fn list<'a>(value: &'a Value, name: &str) -> Result<&'a Vec<Value>> {
    value.get(name).and_then(Value::as_array).with_context(|| format!("no list {name:?}"))
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value.get(name).and_then(Value::as_str).with_context(|| format!("no text {name:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"{
        "workspace_members": ["a 1", "b 1"],
        "packages": [
            { "id": "a 1", "name": "a", "version": "1.0.0", "license": null, "dependencies": [
                { "name": "b", "path": "/x/b", "kind": null },
                { "name": "libc", "path": null, "kind": null }
            ] },
            { "id": "b 1", "name": "b", "version": "1.0.0", "license": null, "dependencies": [
                { "name": "a", "path": "/x/a", "kind": "dev" }
            ] },
            { "id": "libc 0.2", "name": "libc", "version": "0.2.1", "license": "MIT",
              "dependencies": [] },
            { "id": "windows 1", "name": "windows", "version": "1.0.0", "license": "MIT",
              "dependencies": [] }
        ],
        "resolve": { "nodes": [
            { "id": "a 1", "deps": [{ "pkg": "b 1" }, { "pkg": "libc 0.2" }] },
            { "id": "b 1", "deps": [{ "pkg": "a 1" }] },
            { "id": "libc 0.2", "deps": [] }
        ] }
    }"#;

    #[test]
    fn ours_have_edges_and_the_others_have_users() {
        let workspace = Workspace::parse(SAMPLE).expect("a good sample");
        let edges: Vec<_> =
            workspace.members.iter().map(|member| (member.name.as_str(), &member.edges)).collect();
        assert_eq!(
            edges,
            [
                ("a", &BTreeSet::from([("b".to_owned(), Use::Product)])),
                ("b", &BTreeSet::from([("a".to_owned(), Use::Tests)])),
            ]
        );
        let packages: Vec<&str> =
            workspace.packages.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(packages, ["libc"], "what no platform of ours uses is left out");
        assert_eq!(workspace.packages[0].users, BTreeSet::from(["a".to_owned()]));
    }

    #[test]
    fn tests_edges_reach_nothing() {
        let workspace = Workspace::parse(SAMPLE).expect("a good sample");
        assert_eq!(workspace.reach("a"), BTreeSet::from(["b"]));
        assert!(workspace.reach("b").is_empty());
    }

    #[test]
    fn another_programs_output_is_an_error() {
        assert!(Workspace::parse("{}").is_err());
        assert!(Workspace::parse("hello").is_err());
    }
}
