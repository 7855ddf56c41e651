//! Places for breakpoints at lines and at functions, compared with those that gdb finds.

use std::collections::BTreeSet;
use std::path::Path;

use dbgbase::LinkAddress;
use dbgsym::dwarf::SourcePattern;

use crate::debug_builds::{BUILDS, Build};
use crate::programs::{Workshop, image, run, tool};

/// The addresses of gdb's breakpoints at each location.
fn gdb_breakpoints(workshop: &Workshop, path: &Path, locations: &[String]) -> Vec<Vec<u64>> {
    let questions = workshop.path("locations");
    std::fs::write(&questions, locations.join("\n")).expect("the workshop is writable");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/programs/breakpoints.py");
    let mut gdb = tool("gdb");
    gdb.args(["-nx", "-batch", "-iex", "set debuginfod enabled off"]);
    gdb.args(["-iex", "set breakpoint pending off", "-x"]).arg(script).arg(path);
    let number = |hex: &str| u64::from_str_radix(hex, 16).expect("an address");
    let answers = run(gdb.env("LOCATIONS", &questions));
    let of_line = |line: &str| line.split_whitespace().map(number).collect();
    answers.lines().map(of_line).collect()
}

fn check_lines(build: &Build) {
    let (workshop, path) = build.make();
    let image = image(&path);
    let info = image.debug_info().expect("it was built with -g");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/programs").join(build.source);
    let lines = std::fs::read_to_string(source).expect("it was compiled").lines().count();
    let locations: Vec<_> = (1..=lines).map(|line| format!("{}:{line}", build.source)).collect();
    let mut differences = String::new();
    let mut compared = 0;
    for (line, expected) in (1..).zip(gdb_breakpoints(&workshop, &path, &locations)) {
        if line as usize == lines && expected.is_empty() {
            // gdb does not find a file's last line if only what initialises its variables has it.
            continue;
        }
        let found = info.places_of(&SourcePattern::new(build.source), line);
        let found: Vec<u64> = found.iter().map(|place| place.address.value()).collect();
        // gdb forgets rows where another file's rows begin at the same address.
        let is_forgotten = found.iter().any(|address| {
            let address = LinkAddress::new(*address);
            let rows = info.line_rows(address..LinkAddress::new(address.value() + 1));
            rows.iter().any(|row| row.address == address && row.file != rows[0].file)
        });
        if is_forgotten {
            continue;
        }
        compared += expected.len();
        // gdb moves places in the part of a function that is rarely needed to the function's
        // beginning if they lie before it.
        let moved = |address: &u64| {
            let function = info.function_at(LinkAddress::new(*address));
            let entry = function.map_or(0, |function| function.entry.value());
            if entry > *address { entry } else { *address }
        };
        let found: BTreeSet<u64> = found.iter().map(moved).collect();
        // gdb stops at a line once in each block of a function.
        let function = |address: &u64| Some(info.function_at(LinkAddress::new(*address))?.id);
        let known: Vec<_> = found.iter().map(function).collect();
        let are_gdbs = found.iter().all(|address| expected.contains(address));
        let are_all = expected.iter().all(|address| known.contains(&function(address)));
        if !are_gdbs || !are_all {
            differences += &format!("\n  line {line}: {found:x?}, gdb: {expected:x?}");
        }
    }
    assert!(differences.is_empty(), "{}: {differences}", build.name());
    assert!(compared > 20, "{}: only {compared} places", build.name());
}

/// Behind the prologue of each function that has a symbol.
fn check_functions(build: &Build) {
    let (workshop, path) = build.make();
    let image = image(&path);
    let info = image.debug_info().expect("it was built with -g");
    let mut functions = Vec::new();
    for symbol in image.symbols().iter().filter(|symbol| symbol.is_code()) {
        let function = info.function_at(symbol.address());
        if let Some(function) = function.filter(|function| function.entry == symbol.address()) {
            functions.push((symbol.raw_name().into_owned(), info.body_of(&function).value()));
        }
    }
    let step = functions.len().div_ceil(300);
    let functions: Vec<_> = functions.into_iter().step_by(step).collect();
    let locations: Vec<_> = functions.iter().map(|(name, _)| format!("-function {name}")).collect();
    let mut differences = String::new();
    let mut compared = 0;
    let answers = gdb_breakpoints(&workshop, &path, &locations);
    for ((name, body), expected) in functions.iter().zip(answers) {
        compared += usize::from(!expected.is_empty());
        if !expected.contains(body) {
            differences += &format!("\n  {name}: {body:x}, gdb: {expected:x?}");
        }
    }
    // Some marks of rustc in optimised code lie behind branches, where gdb does not look for them.
    let allowed = if build.source == "crate.rs" { compared / 100 } else { 0 };
    assert!(differences.lines().count() <= allowed + 1, "{}: {differences}", build.name());
    assert!(compared > 3, "{}: only {compared} functions", build.name());
}

#[test]
fn bodies_begin_where_gdb_stops() {
    BUILDS.iter().for_each(check_functions);
}

#[test]
fn lines_lead_to_the_places_that_gdb_finds() {
    BUILDS.iter().for_each(check_lines);
}
