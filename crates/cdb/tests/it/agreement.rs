//! Stacks and variables as gdb sees them, all over programs in C, C++ and Rust: both debuggers stop
//! at the same places of the same run, and everything that either shows is compared: frames with
//! their functions, places, stack pointers and return addresses; parameters and locals with their
//! values, addresses in them included, as both run without randomised addresses.
//!
//! The places follow from the debugging information (`agreement/stops.py`): of every function of
//! the program's own the first instruction, some lines and some instructions between. What is not
//! compared is counted by its reason, and must be little.
//!
//! gcc, g++ and rustc are always there. Go's compiler and clang are not among the packages that
//! tests need, so nothing is said about what they write.

mod stops;
mod text;

use std::collections::BTreeMap;
use std::time::Duration;

use testkit::{Guard, Testee};

use crate::console::Console;
use stops::{Event, Frame, Stop};

/// Two debuggers stop hundreds of times in each program, and other tests run beside.
const TIME_MAX: Duration = Duration::from_secs(900);

/// What a program's comparison came to.
#[derive(Debug, Default)]
struct Outcome {
    stops: usize,
    frames: usize,
    variables: usize,
    /// What was not compared, by the reason.
    excluded: BTreeMap<&'static str, usize>,
    differences: Vec<String>,
}

impl Outcome {
    fn exclude(&mut self, why: &'static str, count: usize) {
        if count > 0 {
            *self.excluded.entry(why).or_default() += count;
        }
    }
}

/// A frame as `kn` shows it.
#[derive(Debug)]
struct Row {
    sp: Option<u64>,
    return_address: Option<u64>,
    name: String,
    place: String,
}

impl Row {
    fn parse(line: &str) -> Row {
        let mut words = line.split_whitespace();
        let _number = words.next();
        let (first, second) = (words.next().expect(line), words.next().expect(line));
        let is_inline = first == "(Inline";
        if is_inline {
            words.next();
        }
        let rest = words.collect::<Vec<_>>().join(" ");
        let (name, place) = match rest.rsplit_once(" [") {
            Some((name, place)) if place.contains(" @ ") => (name, place.trim_end_matches("]:")),
            _ => (rest.as_str(), ""),
        };
        let name = name.split_once('!').map_or(name, |(_, name)| name);
        let name = match name.rsplit_once("+0x") {
            Some((name, _)) => name,
            None => name,
        };
        Row {
            sp: (!is_inline).then(|| address(first)),
            return_address: (!is_inline).then(|| address(second)),
            name: name.to_owned(),
            place: place.trim_end_matches(']').to_owned(),
        }
    }
}

fn address(text: &str) -> u64 {
    u64::from_str_radix(&text.replace('`', ""), 16).expect(text)
}

/// Runs both debuggers over a program and compares them.
fn compare(guard: &Guard, name: &str, flags: &[&str]) -> Outcome {
    let testee = Testee::build(name, flags);
    let said = stops::of_gdb(guard, &testee);
    let mut cdb = start(guard, &testee);
    let mut outcome = Outcome::default();
    for address in &said.places {
        let refusal = cdb.command(&format!("bp 0x{address:x}"));
        assert_eq!(refusal, "", "{address:x}");
    }
    for event in &said.events {
        match event {
            Event::Clear(place) => assert_eq!(cdb.command(&format!("bc {place}")), ""),
            Event::Pass(place) => run_to(&mut cdb, *place),
            Event::Stop(stop) => {
                run_to(&mut cdb, stop.place);
                let before = outcome.differences.len();
                compare_stop(&mut cdb, stop, &mut outcome);
                let at = said.places[stop.place];
                for difference in &mut outcome.differences[before..] {
                    *difference = format!("{name} {flags:?} {at:x}: {difference}");
                }
            }
        }
    }
    let end = cdb.command("g");
    assert!(end.contains("exit"), "{end}");
    cdb.finish("q");
    outcome
}

fn start(guard: &Guard, testee: &Testee) -> Console {
    let mut command = guard.command("setarch");
    command.arg("-R").arg(env!("CARGO_BIN_EXE_cdb")).arg(testee.path());
    command.env_clear().envs(stops::environment(guard).iter().map(|pair| {
        let (name, value) = pair.split_once('=').expect("a variable");
        (name.to_owned(), value.to_owned())
    }));
    let mut cdb = Console::spawn(command);
    for line in ["sxi sigusr1", ".lines -e"] {
        cdb.command(line);
    }
    cdb
}

fn run_to(cdb: &mut Console, place: usize) {
    let stop = cdb.command("g");
    assert!(stop.contains(&format!("Breakpoint {place} hit")), "{place}: {stop}");
}

fn compare_stop(cdb: &mut Console, stop: &Stop, outcome: &mut Outcome) {
    outcome.stops += 1;
    let shown = cdb.command("kn 0n400");
    let rows: Vec<Row> = shown.lines().skip(1).map(Row::parse).collect();
    let hidden = stop.hidden(rows.iter().take_while(|row| row.sp.is_none()).count());
    outcome.exclude("gdb shows inlined calls that begin right here as not yet entered", hidden);
    outcome.exclude("gdb guesses at functions that left by a tail call", stop.tail_calls);
    let mut line = "kn 1".to_owned();
    let wanted = stop.frames.iter().enumerate().filter(|(_, frame)| frame.has_variables);
    for (number, _) in wanted {
        line += &format!(";.echo @@{number};.frame 0n{};dv", number + hidden);
    }
    let shown = cdb.command(&line);
    let mut variables = shown.split("@@").skip(1);
    if rows.len() != stop.frames.len() + hidden {
        let ours: Vec<_> = rows.iter().map(|row| &row.name).collect();
        let theirs: Vec<_> = stop.frames.iter().map(|frame| &frame.name).collect();
        outcome.differences.push(format!("frames {ours:?}, not {theirs:?}"));
        return;
    }
    let mut pc = stop.frames[0].pc;
    for (number, theirs) in stop.frames.iter().enumerate() {
        let ours = &rows[number + hidden];
        compare_frame(pc, ours, theirs, number, outcome);
        pc = ours.return_address.unwrap_or(pc);
        if theirs.has_variables {
            let shown = variables.next().unwrap_or_default();
            compare_variables(shown, theirs, number, outcome);
        }
    }
}

fn compare_frame(pc: u64, ours: &Row, theirs: &Frame, number: usize, outcome: &mut Outcome) {
    outcome.frames += 1;
    let mut differs = |what: &str, ours: String, theirs: String| {
        if ours != theirs {
            outcome.differences.push(format!("{what} of frame {number}: {ours}, not {theirs}"));
        }
    };
    differs("pc", format!("{pc:x}"), format!("{:x}", theirs.pc));
    differs("inline", (ours.sp.is_none()).to_string(), theirs.is_inline.to_string());
    if let Some(sp) = ours.sp {
        differs("sp", format!("{sp:x}"), format!("{:x}", theirs.sp));
    }
    if !text::is_same_function(&ours.name, &theirs.name) {
        differs("name", ours.name.clone(), theirs.name.clone());
    }
    // Of paths relative to the compiler's folder, gdb keeps the relative part.
    if !theirs.place().is_empty() && !ours.place.ends_with(&theirs.place()) {
        differs("place", ours.place.clone(), theirs.place());
    }
}

fn compare_variables(shown: &str, theirs: &Frame, number: usize, outcome: &mut Outcome) {
    let lines: Vec<&str> = shown.lines().skip(2).collect();
    let mut ours: Vec<(&str, &str)> = Vec::new();
    for line in lines {
        match line.trim_start().split_once(" = ") {
            Some(pair) => ours.push(pair),
            None if theirs.variables.is_empty() => {}
            None => outcome.differences.push(format!("frame {number}: {line}")),
        }
    }
    let mut left = theirs.variables.clone();
    // GCC puts a block around the variables of an inlined call, and gdb then lists them twice, once
    // those of the function itself, which are nowhere. It also lists those of blocks of the
    // function that do not reach to the place.
    let has_origin = theirs.is_inline || theirs.has_origin;
    for (name, value) in &theirs.variables {
        let theirs = left.iter().filter(|(again, _)| again == name).count();
        let shown = ours.iter().filter(|(known, _)| known == name).count();
        if text::is_nowhere(value) && shown < theirs && (theirs > 1 || has_origin) {
            let same = left.iter().position(|one| one == &(name.clone(), value.clone()));
            left.remove(same.expect("it is there"));
            outcome.exclude("gdb lists what is not visible", 1);
        }
    }
    for (name, value) in &left {
        // Blocks may have variables of the same name.
        let agrees = |(known, shown): &(&str, &str)| {
            known == name && matches!(text::agreement(shown, value), text::Agreement::Same)
        };
        let found = ours.iter().position(agrees);
        let found = found.or_else(|| ours.iter().position(|(known, _)| known == name));
        let Some(found) = found else {
            outcome.differences.push(format!("{name} in frame {number} is missing"));
            continue;
        };
        let (_, shown) = ours.remove(found);
        match text::agreement(shown, value) {
            text::Agreement::Same => outcome.variables += 1,
            text::Agreement::Excluded(why) => outcome.exclude(why, 1),
            // There, the stack has what was there before, and random bytes are among that. gdb
            // also takes empty ranges of a location list for places that are valid there.
            text::Agreement::Differs if theirs.is_at_entry => {
                outcome.exclude("the function is just being entered", 1);
            }
            text::Agreement::Differs => {
                let difference = format!("{name} in frame {number}: {shown}, not {value}");
                outcome.differences.push(difference);
            }
        }
    }
    if !ours.is_empty() {
        outcome.differences.push(format!("gdb has no {ours:?} in frame {number}"));
    }
}

/// What is no difference: there is nothing of ours to compare it with.
const ONLY_THEIRS: [&str; 2] =
    ["gdb guesses at functions that left by a tail call", "gdb lists what is not visible"];

/// Compares programs at no fewer stops than these. What is excluded must be little.
fn agree(stops_min: usize, programs: &[(&str, &[&str])]) {
    let guard = Guard::with_patience(TIME_MAX);
    let mut all = Outcome::default();
    for (name, flags) in programs {
        let outcome = compare(&guard, name, flags);
        all.stops += outcome.stops;
        all.frames += outcome.frames;
        all.variables += outcome.variables;
        all.differences.extend(outcome.differences);
        for (why, count) in outcome.excluded {
            all.exclude(why, count);
        }
    }
    assert!(all.differences.is_empty(), "{}", all.differences.join("\n"));
    assert!(all.stops >= stops_min && all.frames >= 4 * stops_min, "{all:?}");
    let ours = all.excluded.iter().filter(|(why, _)| !ONLY_THEIRS.contains(why));
    let excluded: usize = ours.map(|(_, count)| count).sum();
    assert!(excluded * 20 <= all.variables, "{all:?}");
}

#[test]
fn c_is_as_gdb_sees_it() {
    agree(
        600,
        &[
            ("tour.c", &["-O0"]),
            ("tour.c", &["-O2", "-Wno-clobbered"]),
            ("tour.c", &["-O2", "-Wno-clobbered", "-static", "-no-pie"]),
            ("tour.c", &["-O1", "-Wno-clobbered", "-flto", "-gdwarf-4"]),
            ("values.c", &[]),
            ("values.c", &["-O2", "-gdwarf-4"]),
        ],
    );
}

#[test]
fn cpp_is_as_gdb_sees_it() {
    agree(
        600,
        &[
            ("tour.cc", &["-O0"]),
            ("tour.cc", &["-O2"]),
            ("tour.cc", &["-O1", "-static-pie"]),
            ("tour.cc", &["-O2", "-flto"]),
            ("members.cc", &[]),
            ("members.cc", &["-O1"]),
        ],
    );
}

#[test]
fn rust_is_as_gdb_sees_it() {
    agree(
        300,
        &[
            ("tour.rs", &["-Copt-level=0"]),
            ("tour.rs", &["-Copt-level=2"]),
            ("tour.rs", &["-Copt-level=3", "-Clto=fat", "-Ctarget-feature=+crt-static"]),
            ("choices.rs", &["-Copt-level=1"]),
        ],
    );
}
