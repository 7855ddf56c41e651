//! Types and objects by members, as gdb knows them.

use std::path::Path;

use testkit::{Guard, Testee};

use crate::console::Console;
use crate::frames::at_marker;

#[test]
fn types_and_objects_are_shown_by_members() {
    let guard = Guard::new();
    let testee = Testee::build("values", &[]);
    let (mut cdb, _) = at_marker(&guard, &testee, "inner");
    cdb.command(".frame 1");
    // Offsets and sizes are those that gdb knows.
    let program = testee.path().to_str().expect("a path in the target folder");
    let layout = cdb.command("dt struct node");
    for name in ["name", "at", "next", "weights"] {
        let offset = format!("output (int)&((struct node *)0)->{name}");
        let offset = guard.output("gdb", &["-nx", "-batch", "-ex", &offset, program]);
        let offset: u64 = offset.trim().parse().unwrap_or_else(|_| panic!("{offset}"));
        let row = format!("   +0x{offset:03x} {name:<16} : ");
        assert!(layout.lines().any(|ours| ours.starts_with(&row)), "{row}: {layout}");
    }
    let size = cdb.command("dt -v node");
    assert!(size.contains("struct node, 0n6 elements, 0x30 bytes\n"), "{size}");
    for (command, rows) in [
        ("dt -r1 node bits", &["      +0x000 level            : Pos 1, 3 Bits of int"][..]),
        ("dt enum colour", &["   RED = 0n0", "   GREEN = 0n5", "   BLUE = 0n-7"]),
        ("dt node last", &["   +0x008 at               : {x=0n-3 y=0n4}"]),
        ("dt first", &["   +0x008 at               : {x=0n1 y=0n2}"]),
        ("dt -r first", &["      +0x004 y                : 0n2"]),
        (
            "dt pointer",
            &["   +0x000 x                : 0n10", "   +0x004 y                : 0n-20"],
        ),
        ("dt far", &["0n-1234567890123"]),
        ("dt values*!packed*", &[]),
    ] {
        let shown = cdb.command(command);
        for row in rows {
            assert!(shown.lines().any(|shown| shown == *row), "{command}: {row}: {shown}");
        }
        assert!(!rows.is_empty() || shown.trim_end().ends_with("!struct packed_bits"), "{shown}");
    }
    for member in ["first.nothing", "first.weights[1]"] {
        let shown = cdb.command(&format!("dt {member}"));
        let (_, path) = member.split_once('.').expect("of a variable");
        assert_eq!(shown, format!("There is no member {path} in struct node\n"));
    }
    let unknown = cdb.command("dt nothing_of_that_name");
    assert!(unknown.contains("No type or variable is called nothing_of_that_name"), "{unknown}");
    cdb.finish("q");
}

/// Names, offsets and sizes of the members of types, as gdb knows them: `TYPE name`, then
/// `FIELD offset name` for each that has a name, `END size`.
fn gdb_types(guard: &Guard, testee: &Testee, names: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/members.py");
    let mut gdb = guard.command("gdb");
    gdb.args(["-nx", "-batch", "-iex", "set debuginfod enabled off"]).arg(testee.path());
    let output = gdb.arg("-x").arg(script).env("NAMES", names.join("\n")).output();
    String::from_utf8_lossy(&output.expect("gdb is installed").stdout).into_owned()
}

/// Compares all types of a program that gdb finds by their names; returns how many types and
/// members.
fn compare_types(guard: &Guard, testee: &Testee) -> (usize, usize) {
    let mut cdb = Console::start(guard, &[testee.path().to_str().expect("a path")]);
    let module = cdb.command("lm1m").lines().next().expect("the program").to_owned();
    let listed = cdb.command(&format!("dt {module}!*"));
    let prefix = format!("{module}!");
    let names: Vec<&str> =
        listed.lines().filter_map(|line| line.trim_start().strip_prefix(&prefix)).collect();
    let said = gdb_types(guard, testee, &names);
    let (mut types, mut fields) = (0, 0);
    let mut shown = String::new();
    for line in said.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "TYPE" => {
                // C's keyword is for people.
                let plain = rest.trim_start_matches("struct ").trim_start_matches("union ");
                shown = cdb.command(&format!("dt -t -v \"{module}!{plain}\""));
                types += 1;
            }
            "FIELD" => {
                let (offset, name) = rest.split_once(' ').expect("two words");
                let offset: u64 = offset.parse().expect("a number");
                let row = format!("   +0x{offset:03x} {name:<16} : ");
                assert!(shown.lines().any(|ours| ours.starts_with(&row)), "{row}: {shown}");
                fields += 1;
            }
            "END" => {
                let size: u64 = rest.parse().expect("a number");
                let size = format!("0x{size:x} bytes");
                assert!(shown.contains(&size), "{size}: {shown}");
            }
            _ => {}
        }
    }
    cdb.finish("q");
    (types, fields)
}

#[test]
fn every_type_of_a_program_has_the_members_that_gdb_sees() {
    let guard = Guard::new();
    for (name, least) in [("values", (5, 40)), ("members", (8, 35)), ("choices", (80, 130))] {
        let testee = Testee::build(name, &[]);
        let compared = compare_types(&guard, &testee);
        assert!(compared.0 >= least.0 && compared.1 >= least.1, "{name}: {compared:?}");
    }
}

/// The rows below the heading.
fn rows_of(shown: &str) -> String {
    let lines = shown.lines().filter(|line| line.starts_with("   "));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn members_are_chosen_and_expanded() {
    let guard = Guard::new();
    let testee = Testee::build("values", &[]);
    let (mut cdb, _) = at_marker(&guard, &testee, "inner");
    cdb.command(".frame 1");
    let address = cdb.command("dv /v first").split_whitespace().next().expect("one").to_owned();
    let object = format!("dt node {address}");
    let at = "   +0x008 at               : {x=0n1 y=0n2}\n";
    let x = "      +0x000 x                : 0n1\n";
    let y = "      +0x004 y                : 0n2\n";
    for (command, rows) in [
        ("dt first at", vec![at]),
        ("dt first at.", vec![at, x, y]),
        ("dt first at.x", vec![at, x]),
        ("dt first at->x", vec![at, x]),
        ("dt first.at.y", vec![at, y]),
        ("dt first -y a", vec![at]),
        ("dt first -n at", vec![at]),
        ("dt first at.*", vec![at, x, y]),
        (
            "dt first next.",
            vec![
                "   +0x010 next             : 0x",
                "      +0x000 name             : 0x",
                "      +0x008 at               : {x=0n-3 y=0n4}\n",
                "      +0x010 next             : 0x00000000`00000000\n",
                "      +0x018 <unnamed>        : {number=0n7",
                "      +0x020 bits ",
                "      +0x024 weights ",
            ],
        ),
        ("dt first number", vec!["   +0x018 number           : 0n-9\n"]),
        (
            "dt first next->at.x",
            vec![
                "   +0x010 next             : 0x",
                "      +0x008 at  ",
                "         +0x000 x                : 0n-3\n",
            ],
        ),
        (
            "dt -o first at.x",
            vec!["   at               : {x=0n1 y=0n2}\n", "      x                : 0n1\n"],
        ),
        ("dt -i first at.x", vec![at, &x[3..]]),
        ("dt -c first at.x", vec!["   +0x008 at : {x=0n1 y=0n2}  +0x000 x : 0n1\n"]),
        (
            "dt -a first weights",
            vec!["   +0x02a weights", "      [00] 0n9\n", "      [01] 0n8\n", "      [02] 0n7\n"],
        ),
        ("dt -a2 numbers", vec!["   [00] 0n1\n", "   [01] 0n-2\n"]),
        ("dt point first", vec!["   +0x000 x  ", "   +0x004 y  "]),
    ] {
        let shown = rows_of(&cdb.command(command));
        let whole: Vec<_> = shown.split_inclusive('\n').collect();
        assert_eq!(whole.len(), rows.len(), "{command}: {shown}");
        for (row, expected) in whole.iter().zip(rows) {
            let expected = expected.replace("+0x02a", row.get(3..9).unwrap_or_default());
            assert!(row.starts_with(&expected), "{command}: {expected}: {shown}");
        }
    }
    // The same by address, by the name of the variable, and by a pointer.
    let by_address = rows_of(&cdb.command(&object));
    assert_eq!(by_address, rows_of(&cdb.command("dt first")));
    assert_eq!(by_address, rows_of(&cdb.command("dt node first")));
    cdb.finish("q");
}

#[test]
fn lists_pointers_and_globals_are_followed() {
    let guard = Guard::new();
    let testee = Testee::build("values", &[]);
    let (mut cdb, _) = at_marker(&guard, &testee, "inner");
    cdb.command(".frame 1");
    let x = "      +0x000 x                : 0n1\n";
    // Two nodes, the second without a next one.
    let list = cdb.command("dt -l next first name");
    let names: Vec<_> = list.lines().filter(|line| line.contains(" name ")).collect();
    assert_eq!(names.len(), 2, "{list}");
    assert!(names[0].contains("first") && names[1].contains("\"last\""), "{list}");
    assert_eq!(list.matches("struct node at 0x").count(), 2, "{list}");
    let deep = cdb.command("dt -r first");
    assert!(
        deep.contains("\n      +0x000 name             : 0x") && deep.contains("\"last\""),
        "{deep}"
    );
    let flat = cdb.command("dt -b first");
    assert!(flat.contains(x) && !flat.contains("\n      +0x000 name "), "{flat}");
    // What lives as long as the program.
    let global = cdb.command("dt last name");
    assert!(global.starts_with("Global var @ 0x") && global.contains("\"last\""), "{global}");
    let count = cdb.command("dt global_count");
    assert!(count.trim_end().ends_with(" Type int\n0n42"), "{count}");
    for (command, refusal) in [
        ("dt first nothing", "struct node has no such member; 'dt struct node' lists them"),
        ("dt -l at first", "The member to follow is no pointer"),
        ("dt -l nothing first", "The type has no such member to follow"),
        ("dt -l next node", "A list begins at an object; give its address"),
        ("dt -t global_count", "No type is called global_count"),
        ("dt -q node", "'dt -q' is not available; see '.help dt'"),
        ("dt no*thing", "No type matches no*thing"),
        ("dt node first last", "Syntax error"),
        ("dt", "Syntax error"),
    ] {
        let said = cdb.command(command);
        assert!(said.contains(refusal), "{command}: {said}");
    }
    cdb.finish("q");
}

#[test]
fn types_are_listed_by_pattern_and_size() {
    let guard = Guard::new();
    let testee = Testee::build("values", &[]);
    let (mut cdb, _) = at_marker(&guard, &testee, "inner");
    let module = cdb.command("lm1m").lines().next().expect("the program").to_owned();
    let one = format!("          {module}!struct node\n");
    assert_eq!(cdb.command(&format!("dt {module}!no*")), one);
    assert_eq!(cdb.command(&format!("dt -y {module}!no")), one);
    let sized = cdb.command(&format!("dt -s 30 {module}!*"));
    assert_eq!(sized, one.replace('\n', ", 0x30 bytes\n"));
    let members = cdb.command(&format!("dt -d {module}!no*"));
    assert_eq!(members, cdb.command(&format!("dt -t {module}!node")));
    cdb.finish("q");
}
