//! Tests of the rule on numbers, on a protocol of two verbs, an event and two errors.

use super::*;

const TABLE: &str = "
    macro_rules! verbs { ($($opcode:literal $name:ident;)*) => {}; }
    verbs! {
        // number request => reply
        0x0101 Ping => PingReply, idempotent, since 1, \"a sign of life\";

        0x0501 ReadMemory => ReadMemoryReply, once, since 1, \"read\";
    }
    events! { 0x8001 Stopped, since 1, \"a target stands still\"; }
";
const ERRORS: &str = "error_codes! { /// One.\n Internal = 1, /// Two.\n Malformed = 2, }";
const OPCODES_LOCK: &str = "# Heading\n0x0101 Ping\n0x0501 ReadMemory\n0x8001 Stopped\n";
const ERRORS_LOCK: &str = "1 Internal\n2 Malformed\n";

fn tree(table: &str, errors: &str, opcodes_lock: &str, errors_lock: &str) -> Tree {
    let files = [
        ("crates/dbgwire/src/table.rs", table),
        ("crates/dbgwire/src/error.rs", errors),
        ("docs/opcodes.lock", opcodes_lock),
        ("docs/errors.lock", errors_lock),
    ];
    Tree::new(files.map(|(path, text)| (path.to_owned(), text.to_owned())))
}

fn messages(tree: &Tree) -> Vec<String> {
    check(tree).iter().map(|f| format!("{}:{} {}", f.path, f.line, f.message)).collect()
}

#[test]
fn what_is_locked_and_declared_passes() {
    let good = tree(TABLE, ERRORS, OPCODES_LOCK, ERRORS_LOCK);
    assert_eq!(messages(&good), Vec::<String>::new());
}

#[test]
fn a_number_that_went_away_is_found() {
    let removed = TABLE.replace("events! { 0x8001 Stopped", "events! { 0x8002 Exited");
    let lock = format!("{OPCODES_LOCK}0x8002 Exited\n");
    assert_eq!(
        messages(&tree(&removed, ERRORS, &lock, ERRORS_LOCK)),
        ["docs/opcodes.lock:4 0x8001 Stopped is not declared any more"]
    );
}

#[test]
fn a_renamed_number_is_found_on_both_sides() {
    let renamed = ERRORS.replace("Malformed", "Broken");
    assert_eq!(
        messages(&tree(TABLE, &renamed, OPCODES_LOCK, ERRORS_LOCK)),
        [
            "docs/errors.lock:2 2 Malformed is not declared any more",
            "crates/dbgwire/src/error.rs:3 2 Broken is not in docs/errors.lock",
        ]
    );
}

#[test]
fn a_number_given_twice_is_found() {
    let twice = ERRORS.replace("= 2", "= 1");
    let lock = "1 Internal\n1 Malformed\n";
    assert_eq!(
        messages(&tree(TABLE, &twice, OPCODES_LOCK, lock)),
        ["crates/dbgwire/src/error.rs:3 Malformed has the number of Internal"]
    );
}

#[test]
fn a_damaged_lock_is_found() {
    let damaged = OPCODES_LOCK.replace("0x0501 ", "0x05z1 ");
    let found = messages(&tree(TABLE, ERRORS, &damaged, ERRORS_LOCK));
    assert!(found.contains(&"docs/opcodes.lock:3 no number and name".to_owned()));
}

#[test]
fn a_missing_lock_is_found_once() {
    let unlocked = Tree::new([
        ("crates/dbgwire/src/table.rs".to_owned(), TABLE.to_owned()),
        ("crates/dbgwire/src/error.rs".to_owned(), ERRORS.to_owned()),
        ("docs/errors.lock".to_owned(), ERRORS_LOCK.to_owned()),
    ]);
    assert_eq!(messages(&unlocked), ["docs/opcodes.lock:1 the numbers are not locked"]);
}

#[test]
fn a_table_of_another_shape_is_found() {
    let found = messages(&tree("verbs! {}", ERRORS, OPCODES_LOCK, ERRORS_LOCK));
    assert_eq!(found, ["crates/dbgwire/src/table.rs:1 verbs! with its rows is missing"]);
    assert_eq!(messages(&Tree::default()).len(), FAMILIES.len());
}

#[test]
fn blessing_adds_and_removes_nothing() {
    let new = tree(TABLE, ERRORS, "# Heading\n0x0101 Ping\n0x0777 Gone\n", "");
    let blessed: BTreeMap<&str, String> = bless(&new).into_iter().collect();
    assert_eq!(
        blessed["docs/opcodes.lock"],
        "# Heading\n0x0101 Ping\n0x0777 Gone\n0x0501 ReadMemory\n0x8001 Stopped\n"
    );
    assert_eq!(blessed["docs/errors.lock"], ERRORS_LOCK);
    let from_nothing = Tree::new([("crates/dbgwire/src/error.rs".to_owned(), ERRORS.to_owned())]);
    let blessed: BTreeMap<&str, String> = bless(&from_nothing).into_iter().collect();
    assert!(blessed["docs/errors.lock"].starts_with("# Error numbers"));
    assert!(blessed["docs/errors.lock"].ends_with(ERRORS_LOCK));
}
