//! Variables of frames: as gdb sees them, in C, C++ and Rust, and the commands that choose a frame.

use std::path::Path;

use testkit::{Guard, Testee};

use crate::console::Console;

/// A debuggee that stands at the line with a marker, and what gdb says of its variables there.
struct Scene {
    cdb: Console,
    /// For each frame up to `main` name and value.
    gdb: Vec<(usize, String, String)>,
}

impl Scene {
    fn new(guard: &Guard, testee: &Testee, marker: &str) -> Scene {
        let program = testee.path().to_str().expect("a path in the target folder");
        let place = format!("{}:{}", testee.source().display(), testee.line(marker));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/locals.py");
        let mut gdb = guard.command("gdb");
        let nothing = ["-iex", "set debuginfod enabled off", "-iex", "set auto-load no"];
        gdb.args(["-nx", "-batch"]).args(nothing).arg("-x").arg(script).arg(program);
        let output = gdb.env("PLACE", &place).output().expect("gdb is installed");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let variable = |line: &str| {
            let (frame, rest) = line.strip_prefix("VAR ")?.split_once(' ')?;
            let (name, value) = rest.split_once(" = ")?;
            Some((frame.parse().ok()?, name.to_owned(), value.to_owned()))
        };
        let gdb: Vec<_> = said.lines().filter_map(variable).collect();
        assert!(!gdb.is_empty(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        let at = said.lines().find_map(|line| line.strip_prefix("PC ")).expect("a place");
        let mut cdb = Console::start(guard, &[program]);
        let module = cdb.command("lm1m");
        let module = module.lines().next().expect("the program").to_owned();
        cdb.command(&format!("bp {module}+{at}"));
        let stop = cdb.command("g");
        assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
        Scene { cdb, gdb }
    }

    /// Compares all frames; returns how many variables were compared and how many were not.
    fn compare(&mut self) -> (usize, usize) {
        let (mut compared, mut excluded) = (0, 0);
        let frames = self.gdb.last().expect("some").0;
        for number in 0..=frames {
            self.cdb.command(&format!(".frame 0n{number}"));
            let shown = self.cdb.command("dv");
            let theirs: Vec<_> = self.gdb.iter().filter(|(frame, ..)| *frame == number).collect();
            let mut ours: Vec<(&str, String)> = shown.lines().map(split).collect();
            for (_, name, value) in theirs {
                let found = ours.iter().position(|(known, _)| known == name);
                let (_, text) = ours.remove(found.unwrap_or_else(|| panic!("{name}: {shown}")));
                // gdb's script cannot look behind pointers to what is not in memory.
                if value == "?" || text.starts_with("<pointer to ") {
                    excluded += 1;
                } else if value == "<value unavailable>" {
                    // For gdb, a missing bit between the members is enough.
                    let has_parts = text.starts_with('{');
                    assert!(has_parts || &text == value, "{name} in frame {number}: {text}");
                    excluded += usize::from(has_parts);
                    compared += usize::from(!has_parts);
                } else {
                    assert_eq!(&text, value, "{name} in frame {number}");
                    compared += 1;
                }
            }
            assert!(ours.is_empty(), "gdb has no {ours:?} in frame {number}");
        }
        (compared, excluded)
    }
}

/// Name and value of a line of `dv`, as the script writes them: without the types of what has
/// parts, and without the addresses and symbols of pointers, which differ from run to run.
fn split(line: &str) -> (&str, String) {
    let (name, value) = line.trim_start().split_once(" = ").unwrap_or_else(|| panic!("{line}"));
    let has_type = ["struct ", "union ", "class "].iter().any(|word| value.starts_with(word))
        || value.split(['{', '"']).next().is_some_and(|head| head.contains('['));
    let value = match has_type {
        true => &value[value.find(['{', '"']).unwrap_or(0)..],
        false => value,
    };
    // The type of a lambda is written with braces as well.
    (name, without_pointers(value.trim_start_matches("{...} ")))
}

fn without_pointers(value: &str) -> String {
    let mut text = String::new();
    let mut rest = value;
    while let Some(at) = rest.find("0x").filter(|at| rest.as_bytes().get(at + 10) == Some(&b'`')) {
        text.push_str(&rest[..at]);
        text.push_str("POINTER");
        rest = &rest[at + 19..];
        if rest.starts_with(" \"--- memory read error") {
            text.push_str(" UNREADABLE");
            rest = &rest[rest.find("---\"").expect("its end") + 4..];
        }
        let word = rest.get(1..).unwrap_or_default().split([' ', '}', ',']).next();
        if let Some(word) = word.filter(|word| rest.starts_with(' ') && word.contains('!')) {
            rest = &rest[1 + word.len()..];
        }
    }
    text + rest
}

#[test]
fn variables_of_c_are_those_that_gdb_sees() {
    let guard = Guard::new();
    for flags in [&[][..], &["-gdwarf-4"], &["-O1"]] {
        let testee = Testee::build("values", flags);
        let mut scene = Scene::new(&guard, &testee, "inner");
        let (compared, excluded) = scene.compare();
        assert!(compared >= 38 || !flags.is_empty(), "{compared}");
        assert!(excluded <= if flags == ["-O1"] { 12 } else { 3 }, "{excluded}");
        scene.cdb.finish("q");
    }
}

#[test]
fn what_gdb_does_not_hand_out_is_shown_as_well() {
    let guard = Guard::new();
    let testee = Testee::build("values", &[]);
    let mut scene = Scene::new(&guard, &testee, "outer");
    let shown = scene.cdb.command("dv");
    for line in [
        "           huge = 0n1267650600228229401496703205377",
        "        precise = 2.500000000000000000000e+0000",
        "           turn = 1 - 2i",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
    }
    // Symbols of what is pointed to.
    for (name, symbol) in [("function", "doubled"), ("elsewhere", "global_count")] {
        let line = scene.cdb.command(&format!("dv {name}"));
        assert!(line.trim_end().ends_with(&format!("!{symbol}")), "{line}");
    }
    scene.cdb.finish("q");
}

#[test]
fn variables_of_cpp_are_those_that_gdb_sees() {
    let guard = Guard::new();
    for flags in [&[][..], &["-O1"]] {
        let testee = Testee::build("members", flags);
        let mut scene = Scene::new(&guard, &testee, "looked_at");
        let (compared, excluded) = scene.compare();
        assert!(compared >= 15 || !flags.is_empty(), "{compared}");
        assert!(excluded <= if flags == ["-O1"] { 8 } else { 4 }, "{excluded}");
        scene.cdb.finish("q");
    }
}

#[test]
fn variables_of_rust_look_as_people_write_them() {
    let guard = Guard::new();
    let testee = Testee::build("choices", &[]);
    let mut scene = Scene::new(&guard, &testee, "looked_at");
    let shown = scene.cdb.command("dv");
    let ours: Vec<_> = shown.lines().map(split).collect();
    let expected = [
        ("count", "0x3"),
        ("name", "\"Noether\""),
        ("bytes", "{len=0x3} {0x1, 0x2, 0xff}"),
        ("negative", "0n-5"),
        ("byte", "0xc8"),
        ("large", "0x10000000000000000000000000"),
        ("ratio", "2.5"),
        ("letter", "0x78 'x'"),
        ("yes", "true"),
        ("nothing", "()"),
        ("colours", "{Red (0n0), Green (0n7)}"),
        ("empty", "Empty"),
        ("circle", "Circle(1.5)"),
        ("rectangle", "Rectangle {width=0x3 height=0n-4}"),
        ("some", "Some(0x11)"),
        ("none", "None"),
        ("niche", "Some(POINTER 0x3)"),
        ("no_niche", "None"),
        ("result", "Err(\"wrong \\\"thing\\\"\")"),
        ("pair", "{first=0n1 second=(0x2, \"two\")}"),
        ("metres", "(0n-9)"),
        ("text", "\"some text\""),
        ("numbers", "{len=0x3} {0n1, 0n-2, 0n3}"),
        ("slice", "{len=0x2} {0n-2, 0n3}"),
        ("boxed", "POINTER 0n42"),
    ];
    for (name, value) in expected {
        let found = ours.iter().find(|(known, _)| *known == name);
        let (_, text) = found.unwrap_or_else(|| panic!("{name}: {shown}"));
        assert_eq!(text, value, "{name}");
    }
    assert_eq!(ours.len(), expected.len(), "{shown}");
    scene.cdb.finish("q");
}

#[test]
fn a_frame_is_chosen_until_anything_runs() {
    let guard = Guard::new();
    let testee = Testee::build("values", &[]);
    let mut scene = Scene::new(&guard, &testee, "inner");
    let cdb = &mut scene.cdb;
    let has = |shown: &str, name: &str| shown.contains(&format!("{name} = "));
    assert!(has(&cdb.command("dv"), "is_deep"));
    let row = cdb.command(".frame 1");
    let numbered = cdb.command("kn");
    assert_eq!(Some(row.trim_end()), numbered.lines().nth(2), "as in the stack");
    assert!(has(&cdb.command("dv"), "matrix"));
    let row = cdb.command(".f+");
    assert!(row.starts_with("02 ") && row.contains("!main+0x"), "{row}");
    let typed = cdb.command("dv /t /i /V re*");
    assert!(typed.starts_with("prv local  00007ff") && typed.contains(" @sp+0x"), "{typed}");
    assert!(typed.trim_end().contains("int result = 0n"), "{typed}");
    assert_eq!(cdb.command("dv nothing*"), "");
    let registers = cdb.command(".f-;.frame /r");
    assert!(registers.contains("rax=----------------"), "{registers}");
    let listed = cdb.command("x ma*");
    assert!(listed.starts_with("prv local  00007ff") && has(&listed, "matrix"), "{listed}");
    let sorted = cdb.command("dv /n n*");
    let names: Vec<_> = sorted.lines().map(|line| split(line).0).collect();
    assert_eq!(names, ["narrow", "no", "nowhere", "null", "number", "numbers"]);
    for (command, refusal) in [
        (".frame 40", "The stack has no frame 0x40"),
        (".f-;.f-", "This is the innermost frame"),
        ("dv /x", "'dv /x' is not available"),
    ] {
        let said = cdb.command(command);
        assert!(said.contains(refusal), "{command}: {said}");
    }
    cdb.command(".frame 2");
    cdb.command("p");
    assert!(has(&cdb.command("dv"), "is_deep"), "the innermost frame again");
    cdb.command(".frame 1");
    cdb.command("~0s");
    assert!(has(&cdb.command("dv"), "is_deep"), "the innermost frame again");
    scene.cdb.finish("q");
}
