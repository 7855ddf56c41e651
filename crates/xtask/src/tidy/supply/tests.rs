//! Tests of the rules on other people's crates, on made-up packages and a made-up policy.

use super::*;

const POLICY: &str = r#"
    [graph]
    targets = []
    [licenses]
    allow = ["MIT", "ISC"]
    [bans]
    deny = [
        { crate = "openssl", reason = "C" },
        { crate = "anyhow", wrappers = ["cdb"], reason = "programs only" },
    ]
    skip = [{ crate = "old@1.0.0", reason = "one user is slow" }]
"#;

fn package(name: &str, version: &str, licence: &str, users: &[&str]) -> Package {
    Package {
        name: name.to_owned(),
        version: version.to_owned(),
        licence: (!licence.is_empty()).then(|| licence.to_owned()),
        users: users.iter().map(|user| (*user).to_owned()).collect(),
    }
}

fn messages(check: fn(&Tree) -> Vec<Finding>, packages: Vec<Package>) -> Vec<String> {
    let mut tree = Tree::new([(POLICY_PATH.to_owned(), POLICY.to_owned())]);
    tree.workspace.packages = packages;
    check(&tree).into_iter().map(|finding| finding.message).collect()
}

#[test]
fn licences_are_those_of_the_list() {
    let packages = vec![
        package("good", "1.0.0", "MIT OR GPL-3.0", &[]),
        package("bad", "2.0.0", "GPL-3.0", &[]),
        package("silent", "3.0.0", "", &[]),
    ];
    assert_eq!(
        messages(check_licences, packages),
        ["bad@2.0.0 is under GPL-3.0", "silent@3.0.0 is under no known licence"]
    );
}

#[test]
fn licence_expressions_are_read_as_spdx_says() {
    let list = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
    let allowed = |expression| is_allowed(expression, &list);
    for good in [
        "MIT",
        "MIT/GPL-2.0",
        "(GPL-2.0 OR MIT) AND ISC",
        "GPL-2.0 AND MIT OR ISC",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(allowed(good), "{good}");
    }
    for bad in [
        "",
        "GPL-2.0",
        "MIT AND GPL-2.0",
        "GPL-2.0 AND (MIT OR ISC)",
        "Apache-2.0",
        "MIT WITH LLVM-exception",
        "MIT OR",
        "(MIT",
        "MIT MIT",
        "OR",
    ] {
        assert!(!allowed(bad), "{bad}");
    }
}

#[test]
fn banned_crates_are_for_those_who_may() {
    let packages = vec![
        package("openssl", "0.1.0", "MIT", &["reqwest"]),
        package("anyhow", "1.0.0", "MIT", &["cdb", "dbgeng"]),
    ];
    assert_eq!(
        messages(check_bans, packages),
        [
            "openssl@0.1.0 is banned and used by reqwest",
            "anyhow@1.0.0 is banned and used by dbgeng"
        ]
    );
    let fine = vec![package("anyhow", "1.0.0", "MIT", &["cdb"]), package("x", "1.0.0", "MIT", &[])];
    assert_eq!(messages(check_bans, fine), Vec::<String>::new());
}

#[test]
fn duplicates_are_listed_and_the_list_is_needed() {
    let old = |versions: &[&str]| -> Vec<Package> {
        versions.iter().map(|version| package("old", version, "MIT", &[])).collect()
    };
    assert_eq!(messages(check_duplicates, old(&["1.0.0", "2.0.0"])), Vec::<String>::new());
    assert_eq!(
        messages(check_duplicates, old(&["1.0.0", "2.0.0", "3.0.0"])),
        ["old is there in versions 2.0.0, 3.0.0"]
    );
    assert_eq!(messages(check_duplicates, old(&["2.0.0"])), ["old@1.0.0 is no duplicate"]);
}

#[test]
fn without_a_policy_nothing_passes() {
    for check in [check_licences, check_bans, check_duplicates] {
        assert_eq!(check(&Tree::default()).len(), 1);
    }
}
