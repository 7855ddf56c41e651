//! C++ expressions: values and types that gdb gives the same text, and what records look like.

use std::path::Path;

use testkit::{Guard, Testee};

use crate::console::Console;
use crate::frames::at_marker;

/// A random expression of integers of at most this depth.
fn expression(random: &mut fastrand::Rng, depth: u32) -> String {
    const LEAVES: [&str; 24] = [
        "0",
        "1",
        "7",
        "200",
        "65535u",
        "0x7fffffff",
        "3l",
        "small",
        "byte",
        "narrow",
        "port",
        "far",
        "wide",
        "yes",
        "no",
        "here.x",
        "pointer->y",
        "numbers[1]",
        "matrix[1][2]",
        "*elsewhere",
        "first.weights[2]",
        "first.next->at.x",
        "bits.count",
        "letter",
    ];
    const BETWEEN: [&str; 14] =
        ["+", "-", "*", "&", "|", "^", "<", "<=", ">", ">=", "==", "!=", "&&", "||"];
    if depth == 0 {
        return LEAVES[random.usize(..LEAVES.len())].to_owned();
    }
    let inside = |random: &mut fastrand::Rng| expression(random, depth - 1);
    match random.u32(..12) {
        0 => format!("-({})", inside(random)),
        1 => format!("~({})", inside(random)),
        2 => format!("!({})", inside(random)),
        3 => {
            const TYPES: [&str; 8] = [
                "char",
                "unsigned char",
                "short",
                "unsigned short",
                "int",
                "unsigned int",
                "long",
                "unsigned long",
            ];
            format!("({})({})", TYPES[random.usize(..8)], inside(random))
        }
        4 => format!("({}) << {}", inside(random), random.u32(..31)),
        5 => format!("({}) >> {}", inside(random), random.u32(..31)),
        6 => format!("({}) / {}", inside(random), ["3", "-7", "1000u", "5l"][random.usize(..4)]),
        7 => format!("({}) % {}", inside(random), ["3", "-7", "1000u", "5l"][random.usize(..4)]),
        8 => format!("({}) ? ({}) : ({})", inside(random), inside(random), inside(random)),
        _ => {
            let operator = BETWEEN[random.usize(..BETWEEN.len())];
            format!("({}) {operator} ({})", inside(random), inside(random))
        }
    }
}

/// Value and size of what `??` shows: `int 0n5`, `unsigned int64 0x5`, `bool true`.
fn shown(cdb: &mut Console, text: &str) -> Option<(i128, u64)> {
    let line = cdb.command(&format!("?? {text}"));
    let line = line.trim_end();
    // A character stands behind its number.
    let line = line.split(" '").next().unwrap_or(line);
    let (ty, value) = line.rsplit_once(' ')?;
    let has = |word: &str| ty.contains(word);
    let size = match () {
        () if has("bool") || has("Bool") || has("char") => 1,
        () if has("short") => 2,
        () if has("long") || has("int64") => 8,
        () if has("int") => 4,
        () => return None,
    };
    let value = match value {
        "true" => 1,
        "false" => 0,
        value => match value.strip_prefix("0n") {
            Some(decimal) => decimal.parse().ok()?,
            None => i128::from(u64::from_str_radix(value.strip_prefix("0x")?, 16).ok()?),
        },
    };
    Some((value, size))
}

#[test]
fn integers_have_the_values_that_gdb_computes() {
    let guard = Guard::new();
    let testee = Testee::build("values", &[]);
    let mut random = fastrand::Rng::with_seed(0x5eed);
    let texts: Vec<String> = (0..400).map(|index| expression(&mut random, index % 4)).collect();
    let place = format!("{}:{}", testee.source().display(), testee.line("inner"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cxx.py");
    let mut gdb = guard.command("gdb");
    gdb.args(["-nx", "-batch", "-iex", "set debuginfod enabled off", "-x"]).arg(script);
    gdb.arg(testee.path()).env("PLACE", &place).env("EXPRESSIONS", texts.join("\n"));
    let output = gdb.output().expect("gdb is installed");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_answer = |line: &&str| line.starts_with("VALUE ") || line.starts_with("ERROR ");
    let answers: Vec<&str> = said.lines().filter(is_answer).collect();
    assert_eq!(answers.len(), texts.len(), "{said}");
    let (mut cdb, _) = at_marker(&guard, &testee, "inner");
    cdb.command(".frame 1");
    let mut compared = 0;
    for (text, answer) in texts.iter().zip(answers) {
        let words: Vec<_> = answer.split(' ').collect();
        let ["VALUE", value, size] = words[..] else { panic!("{text}: {answer}") };
        let (value, size): (i128, u64) =
            (value.parse().expect("a number"), size.parse().expect("a number"));
        let ours = shown(&mut cdb, text);
        let ours = ours.unwrap_or_else(|| panic!("{text}: {}", cdb.command(&format!("?? {text}"))));
        // In C a comparison is an int; here it is a bool, as in C++.
        assert_eq!(ours.0, value, "{text}: {answer}");
        assert!(ours.1 == size || ours.1 == 1, "{text}: {ours:?}: {answer}");
        compared += 1;
    }
    assert_eq!(compared, 400);
    cdb.finish("q");
}

#[test]
fn values_have_their_types_and_records_their_members() {
    let guard = Guard::new();
    let testee = Testee::build("values", &[]);
    let (mut cdb, _) = at_marker(&guard, &testee, "inner");
    cdb.command(".frame 1");
    for (text, expected) in [
        ("colour", "enum colour BLUE (0n-7)"),
        ("pi + single", "double 4.64159265358979"),
        ("bits.level", "int 0n-3"),
        ("first.name[0]", "char 0n102 'f'"),
        ("*pointer->next", "Type does not have given member error at 'next'"),
        ("first.next->name", "\"last\""),
        ("sizeof(struct node)", "unsigned int64 0x30"),
        ("sizeof first + sizeof(node)", "unsigned int64 0x60"),
        ("((struct node *)&first)->at.y", "int 0n2"),
        ("&matrix[1][1] - &matrix[0][0]", "int64 0n4"),
        ("(enum colour)5", "enum colour GREEN (0n5)"),
        ("function == doubled", "bool true"),
        ("*untyped", "Type conflict error at '*untyped'"),
        ("calls + global_count", "int 0n45"),
        ("precise + 1", "Type conflict error at"),
        ("*null", "Memory access error at '*null'"),
        ("!null", "bool true"),
    ] {
        let shown = cdb.command(&format!("?? {text}"));
        assert!(shown.contains(expected), "{text}: {shown}");
    }
    let record = cdb.command("?? *first.next");
    assert!(record.starts_with("struct node 0x"), "{record}");
    let members = cdb.command("dt first next.");
    let inner = members
        .lines()
        .filter_map(|line| line.strip_prefix("   ").filter(|line| line.starts_with("   +")));
    assert!(record.lines().skip(1).eq(inner), "{record}{members}");
    cdb.finish("q");
}

#[test]
fn members_of_this_have_names() {
    let guard = Guard::new();
    let testee = Testee::build("members", &[]);
    let (mut cdb, _) = at_marker(&guard, &testee, "looked_at");
    let frames = cdb.command("kc").lines().count() - 1;
    let mut found = false;
    for number in 0..frames {
        cdb.command(&format!(".frame 0n{number}"));
        let this = cdb.command("?? this");
        if this.contains(" *") {
            let members = cdb.command("?? *this");
            let row = members.lines().find(|line| line.contains("   +") && !line.contains("::"));
            let name = row.and_then(|row| row.split_whitespace().nth(1)).expect("a member");
            let (bare, whole) =
                (cdb.command(&format!("?? {name}")), cdb.command(&format!("?? this->{name}")));
            assert_eq!(bare, whole, "{name}");
            found = true;
        }
    }
    assert!(found || cdb.command("k").contains("main"), "no method is on the stack");
    cdb.finish("q");
}
