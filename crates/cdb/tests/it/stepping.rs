//! Steps by line of source: compared with gdb's `next` and `step` through whole programs, and where
//! gdb has no answer, with what the source says.

use std::collections::BTreeMap;
use std::path::Path;

use testkit::{Guard, Testee};

use crate::console::Console;

/// Where a step has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Place {
    /// In the program's file.
    address: u64,
    line: u32,
    file: String,
    function: String,
    /// The lines of all places with this address that follow each other.
    lines: Vec<u32>,
}

/// What gdb says of a program.
struct Reference {
    places: Vec<Place>,
    /// The rows of its line tables, and whether they begin statements.
    rows: BTreeMap<u64, bool>,
}

impl Reference {
    fn begins_statement(&self, place: &Place) -> bool {
        self.rows.get(&place.address) == Some(&true)
    }
}

fn reference(guard: &Guard, testee: &Testee, step: &str, count: usize) -> Reference {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/stepping.py");
    let mut gdb = guard.command("gdb");
    let nothing = ["-iex", "set debuginfod enabled off", "-iex", "set auto-load no"];
    gdb.args(["-nx", "-batch"]).args(nothing).arg("-x").arg(script).arg(testee.path());
    gdb.env("STEP", step).env("COUNT", count.to_string());
    let output = gdb.output().expect("gdb is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    let mut found = Reference { places: Vec::new(), rows: BTreeMap::new() };
    for line in said.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["AT", address, line, file, function] => found.places.push(Place {
                address: u64::from_str_radix(address, 16).expect("hexadecimal"),
                line: line.parse().expect("a number"),
                file: file.to_owned(),
                function: function.to_owned(),
                lines: Vec::new(),
            }),
            ["ROW", address, is_statement] => {
                let address = u64::from_str_radix(address, 16).expect("hexadecimal");
                *found.rows.entry(address).or_default() |= is_statement == "1";
            }
            _ => {}
        }
    }
    assert!(!found.places.is_empty(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    found
}

/// A debuggee that stands at the first instruction of `walk`.
struct Walk {
    cdb: Console,
    module: String,
    entry: u64,
}

impl Walk {
    fn new(guard: &Guard, testee: &Testee) -> Walk {
        let mut cdb = Console::start(guard, &[testee.path().to_str().expect("a path")]);
        let module = testee.module();
        cdb.command("sxi SIGUSR1");
        // At the address, as in the script for gdb: at the name, calls inlined there are ahead.
        assert_eq!(cdb.command(&format!("bp {module}!walk+0")), "");
        let stop = cdb.command("g");
        assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
        cdb.command("bc *");
        cdb.command("l+t");
        cdb.command("l-s");
        Walk { cdb, module, entry: testee.symbol("walk").value() }
    }

    /// Where it is. `None` outside the program's file.
    fn place(&mut self) -> Option<Place> {
        let stack = self.cdb.command("kn 1");
        let row = stack.lines().find(|line| line.trim_start().starts_with("00 "));
        let row = row.unwrap_or_else(|| panic!("{stack}"));
        let (_, name) = row.split_once(&format!(" {}!", self.module))?;
        let (name, source) = match name.rsplit_once(" [") {
            Some((name, source)) => (name, source.trim_end_matches(']')),
            None => (name, "- @ 0"),
        };
        let (file, line) = source.rsplit_once(" @ ").expect("a line");
        let (function, _) = name.rsplit_once("+0x").unwrap_or((name, ""));
        let said = self.cdb.command(&format!("? @$ip-{}!walk", self.module));
        let (_, offset) = said.trim().rsplit_once(" = ").expect("a value");
        let offset = u64::from_str_radix(&offset.replace('`', ""), 16).expect("hexadecimal");
        Some(Place {
            address: self.entry.wrapping_add(offset),
            line: line.parse().expect("a number"),
            file: file.rsplit('/').next().unwrap_or_default().to_owned(),
            function: function.replace(' ', ""),
            lines: Vec::new(),
        })
    }
}

/// The places of gdb that are compared. It takes a piece of an inlined call for a new call, and
/// stops in front of it; with the next steps it is in the call again, at the same address. So of
/// several places with one address only the last counts.
fn of_gdb(reference: &Reference) -> Vec<Place> {
    folded(last_of_each_address(&reference.places))
}

fn last_of_each_address(places: &[Place]) -> Vec<Place> {
    let runs = places.chunk_by(|place, next| place.address == next.address);
    let last = |run: &[Place]| {
        let lines = run.iter().map(|place| place.line).collect();
        run.last().map(|last| Place { lines, ..last.clone() })
    };
    runs.filter_map(last).collect()
}

/// The same of cdb. Left out are places behind a call in the middle of its line: there the original
/// stops when a function has returned, and gdb goes on to the next line.
fn of_cdb(places: &[Place], reference: &Reference) -> Vec<Place> {
    let places = last_of_each_address(places);
    let kept = places.iter().enumerate();
    let is_kept = |index: usize, place: &Place| {
        index == 0 || place.line == 0 || reference.begins_statement(place)
    };
    let kept = kept.filter(|(index, place)| is_kept(*index, place));
    folded(kept.map(|(_, place)| place.clone()).collect())
}

/// Compares the places that both have come to; returns how many those are. gdb also stops where a
/// piece of an inlined call begins but no statement, because the compiler has moved an instruction
/// there. Those places are left out, but a line that gdb has seen so early may be the next of cdb.
fn check(gdb: &[Place], cdb: &[Place], reference: &Reference, what: &str) -> usize {
    let is_exact = |place: &Place| place.line == 0 || reference.begins_statement(place);
    let (mut early, mut expected) = (Vec::new(), Vec::<(Place, Vec<Place>)>::new());
    for place in gdb {
        let last = expected.last().map(|(last, _)| last);
        if !is_exact(place) {
            early.push(place.clone());
        } else if last.is_none_or(|last| !is_same_line(last, place)) {
            expected.push((place.clone(), std::mem::take(&mut early)));
        }
    }
    let mut others = cdb.iter();
    for (index, (place, early)) in expected.iter().enumerate() {
        let mut passed = Vec::new();
        let found = others.by_ref().find(|other| {
            let is_early = early.iter().any(|early| is_same_line(early, other));
            passed.push((*other).clone());
            is_same_place(place, other) || !is_early
        });
        let is_it = found.is_some_and(|found| is_same_place(place, found));
        let before = &expected[index.saturating_sub(2)..index];
        assert!(is_it, "{what}: behind {before:x?} gdb {place:x?}, cdb {passed:x?}");
    }
    expected.len()
}

fn is_same_place(one: &Place, other: &Place) -> bool {
    one.address == other.address && one.lines.iter().any(|line| other.lines.contains(line))
}

fn is_same_line(one: &Place, other: &Place) -> bool {
    (one.line, &one.file, &one.function) == (other.line, &other.file, &other.function)
}

/// Without repetitions of one line: gdb takes the same line of an outer instance of the function
/// for the line it steps, and leaves and enters inlined calls where the compiler has mixed them.
fn folded(mut places: Vec<Place>) -> Vec<Place> {
    places.dedup_by(|next, last| is_same_line(next, last));
    places
}

/// Steps through `walk` with both debuggers; returns how many places were compared.
fn compare(guard: &Guard, testee: &Testee, is_into: bool, count: usize) -> usize {
    let (step, command) = if is_into { ("step", "t") } else { ("next", "p") };
    let reference = reference(guard, testee, step, count);
    let expected = of_gdb(&reference);
    let mut walk = Walk::new(guard, testee);
    let mut places = Vec::new();
    for _ in 0..2 * count {
        if walk.cdb.prompt == "NoTarget" {
            break;
        }
        let Some(place) = walk.place() else { break };
        places.push(place);
        if of_cdb(&places, &reference).len() > expected.len() {
            break;
        }
        walk.cdb.command(command);
    }
    walk.cdb.finish("q");
    let what = format!("{} {step}", testee.path().display());
    check(&expected, &of_cdb(&places, &reference), &reference, &what)
}

#[test]
fn steps_through_c_end_where_those_of_gdb_do() {
    let guard = Guard::new();
    let mut compared = 0;
    for flags in [&["-O0"][..], &["-O1"], &["-O2"], &["-O3"], &["-O2", "-flto"]] {
        let testee = Testee::build("strides", &[flags, &["-static"]].concat());
        compared += compare(&guard, &testee, false, 150) + compare(&guard, &testee, true, 150);
    }
    println!("compared {compared}");
    assert!(compared > 300, "{compared}");
}

#[test]
fn steps_through_cpp_end_where_those_of_gdb_do() {
    let guard = Guard::new();
    let mut compared = 0;
    for flags in [&["-O0"][..], &["-O2"]] {
        let testee = Testee::build("strolls", &[flags, &["-static"]].concat());
        compared += compare(&guard, &testee, false, 100) + compare(&guard, &testee, true, 100);
    }
    println!("compared {compared}");
    assert!(compared > 100, "{compared}");
}

#[test]
fn steps_through_rust_end_where_those_of_gdb_do() {
    let guard = Guard::new();
    let mut compared = 0;
    for flags in [&["-Copt-level=0"][..], &["-Copt-level=2"]] {
        let testee =
            Testee::build("saunters", &[flags, &["-Ctarget-feature=+crt-static"]].concat());
        compared += compare(&guard, &testee, false, 100) + compare(&guard, &testee, true, 100);
    }
    println!("compared {compared}");
    assert!(compared > 100, "{compared}");
}
