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

/// What gdb says of each of the texts at a marker, one frame out: `VALUE`, a number and the size of
/// its type, or `ERROR`.
fn answers(guard: &Guard, testee: &Testee, marker: &str, texts: &[String]) -> Vec<String> {
    let place = format!("{}:{}", testee.source().display(), testee.line(marker));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cxx.py");
    let mut gdb = guard.command("gdb");
    gdb.args(["-nx", "-batch", "-iex", "set debuginfod enabled off", "-x"]).arg(script);
    gdb.arg(testee.path()).env("PLACE", &place).env("EXPRESSIONS", texts.join("\n"));
    let output = gdb.output().expect("gdb is installed");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_answer = |line: &&str| line.starts_with("VALUE ") || line.starts_with("ERROR ");
    let answers: Vec<String> = said.lines().filter(is_answer).map(str::to_owned).collect();
    assert_eq!(answers.len(), texts.len(), "{said}");
    answers
}

/// Value and size of what `??` shows: `int 0n5`, `unsigned int64 0x5`, `bool true`; and whether it
/// is a truth value.
fn shown(cdb: &mut Console, text: &str) -> Option<(i128, u64, bool)> {
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
    Some((value, size, has("bool")))
}

#[test]
fn integers_have_the_values_that_gdb_computes() {
    let guard = Guard::new();
    let testee = Testee::build("values", &[]);
    let mut random = fastrand::Rng::with_seed(0x5eed);
    let texts: Vec<String> = (0..400).map(|index| expression(&mut random, index % 4)).collect();
    let answers = answers(&guard, &testee, "inner", &texts);
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
        assert_eq!(ours.0, value, "{text}: {answer}");
        // In C a comparison is an int; here it is a bool, as in C++.
        let is_same = ours.1 == size || ours.2 && size == 4;
        assert!(is_same, "{text}: {ours:?}: {answer}");
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

/// The program `objects`, of two files.
fn objects() -> Testee {
    let other = Testee::build("objects_other", &["-O0", "-c"]);
    Testee::build("objects", &["-O0", other.path().to_str().expect("a path in the target folder")])
}

/// What is asked about the program `objects`.
const OF_OBJECTS: [&str; 42] = [
    // Members hide globals, locals hide both; `::` leaves them out.
    "d",
    "row[2]",
    "::d",
    "::row[2]",
    "this->d + local",
    "whole->d",
    "far",
    "left",
    "tally",
    // Names of numbers.
    "0 + Few",
    "plain == Many",
    "tone == Low",
    "tone == High",
    "(int)Small::B",
    "outer::In + 0",
    "(Plain)5 == Few",
    // Casts move pointers to bases and back.
    "(char *)(Base *)whole - (char *)whole",
    "(char *)(Right *)whole - (char *)whole",
    "(char *)(Far *)whole - (char *)whole",
    "(char *)(Whole *)base - (char *)whole",
    "((Right *)whole)->right",
    "((Base *)whole)->base",
    "(long)(Base *)(Whole *)0",
    // Members of bases, virtual ones as well, and static ones.
    "whole->far",
    "this->base",
    "far_away->far",
    "whole->Left::left",
    "three.count",
    "Row<int,3>::count",
    "outer::Shared::made",
    "sizeof(Row<int,3>) == sizeof three",
    // Functions have addresses.
    "function == &outer::twice",
    "function == outer::twice",
    "*outer::twice == function",
    // What a name in parentheses is decides what follows.
    "(size_t)-1 + 0",
    "(byte)-1",
    "+(uint8_t)(local - 6)",
    "(size_t)*pointer + 0",
    "(int *const)pointer == pointer",
    "bits.low",
    "bits.plain == Many",
    "'\\x41' + '\\101' + '\\a'",
];

#[test]
fn names_casts_and_members_are_those_that_gdb_finds() {
    let guard = Guard::new();
    let testee = objects();
    let texts = OF_OBJECTS.map(str::to_owned);
    let answers = answers(&guard, &testee, "inner", &texts);
    let (mut cdb, _) = at_marker(&guard, &testee, "inner");
    cdb.command(".frame 1");
    for (text, answer) in texts.iter().zip(answers) {
        let words: Vec<_> = answer.split(' ').collect();
        let ["VALUE", value, _] = words[..] else { panic!("{text}: {answer}") };
        let ours = shown(&mut cdb, text);
        let ours = ours.unwrap_or_else(|| panic!("{text}: {}", cdb.command(&format!("?? {text}"))));
        assert_eq!(ours.0, value.parse::<i128>().expect("a number"), "{text}");
    }
    // gdb takes these numbers for unsigned ones (253, 15), and comparisons for the arguments of a
    // template; C++ does not.
    for (text, expected) in [
        ("small", "Small 0n-3 (No matching name)"),
        ("(int)small", "int 0n-3"),
        ("(int)bits.small", "int 0n-1"),
        ("Plain::Few", "Plain Few (0n5)"),
        ("local<byte&&byte>-1", "bool true"),
        ("local<byte && byte>'a'", "bool true"),
    ] {
        assert_eq!(cdb.command(&format!("?? {text}")).trim_end(), expected, "{text}");
    }
    cdb.finish("q");
}

#[test]
fn what_a_file_has_for_itself_hides_what_others_have() {
    let guard = Guard::new();
    let testee = objects();
    let (mut cdb, _) = at_marker(&guard, &testee, "inner");
    let both = |cdb: &mut Console| {
        ["tally", "Few + 0"].map(|text| cdb.command(&format!("?? {text}")).trim_end().to_owned())
    };
    assert_eq!(both(&mut cdb), ["int 0n1", "unsigned int 0x5"]);
    let stop = cdb.command("bp other; g");
    assert!(stop.contains("Breakpoint 1 hit"), "{stop}");
    assert_eq!(both(&mut cdb), ["int 0n77", "int 0n-1"]);
    let shown = cdb.command("dt tally");
    assert!(shown.contains("0n77"), "{shown}");
    cdb.command(".frame 1");
    assert_eq!(both(&mut cdb), ["int 0n1", "unsigned int 0x5"]);
    cdb.finish("q");
}
