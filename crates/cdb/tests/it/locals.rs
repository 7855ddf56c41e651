//! Variables of frames as they are written, and the commands that choose a frame. That they are
//! what gdb sees, `agreement.rs` makes sure of.

use testkit::{Guard, Testee};

use crate::console::Console;

/// A debuggee that stands at the line with a marker.
struct Scene {
    cdb: Console,
}

impl Scene {
    fn new(guard: &Guard, testee: &Testee, marker: &str) -> Scene {
        let mut cdb = Console::start(guard, &[testee.path().to_str().expect("a plain path")]);
        let source = testee.source().file_name().and_then(|name| name.to_str());
        let place = format!("{}:{}", source.expect("a plain name"), testee.line(marker));
        let module = cdb.command("lm1m");
        let module = module.lines().next().expect("the program").to_owned();
        cdb.command(&format!("bp `{module}!{place}`"));
        let stop = cdb.command("g");
        assert!(stop.contains("Breakpoint 0 hit"), "{place}: {stop}");
        Scene { cdb }
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
    // Of a function in which no thread is: what the frame of one that is there has.
    let names = |shown: &str| {
        let all = shown.lines().map(|line| split(line).0.to_owned());
        all.collect::<std::collections::BTreeSet<_>>()
    };
    let here = cdb.command(".frame 1;dv");
    let here = names(here.split_once('\n').expect("the frame").1);
    let mut at = names(&cdb.command("dv /f outer"));
    // That of the loop's block, in which the thread is not, is there as well.
    assert!(at.remove("index"), "{at:?}");
    assert_eq!(at, here);
    let all = names(&cdb.command("dv /f main"));
    assert!(all.contains("result"), "{all:?}");
    let statics = cdb.command("dv /f outer, calls");
    assert_eq!(statics.trim(), "calls = 0n3");
    let plain = cdb.command("dv /t /f doubled");
    assert_eq!(plain, "int value = <no frame>\n");
    for (command, refusal) in [
        (".frame 40", "The stack has no frame 0x40"),
        (".f-;.f-", "This is the innermost frame"),
        ("dv /x", "'dv /x' is not available"),
        ("dv /f 0", "No debugging information is known for the code at"),
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
