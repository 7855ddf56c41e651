//! The index of names: every function is found by each of its names, and what is kept in a file is
//! either the same index or refused.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use dbgbase::LinkAddress;
use dbgsym::dwarf::IndexError;
use dbgsym::{Image, Pattern};

use crate::debug_builds::{BUILDS, Build, decoded_rows, sequences};
use crate::programs::{Workshop, image, run, tool};

/// Names and entries of all functions at any row of any line table.
fn functions(image: &Image, path: &Path) -> BTreeMap<u64, (String, Option<String>)> {
    let info = image.debug_info().expect("it was built with -g");
    let mut functions = BTreeMap::new();
    let rows = sequences(image, decoded_rows(path)).into_iter().flat_map(|(rows, _)| rows);
    let mut addresses: Vec<u64> = rows.map(|row| row.address).collect();
    addresses.dedup();
    let step = addresses.len().div_ceil(500);
    for address in addresses.into_iter().step_by(step) {
        if let Some(function) = info.function_at(LinkAddress::new(address)) {
            let names = (function.name, function.linkage_name);
            functions.insert(function.entry.value(), names);
        }
    }
    functions
}

fn check(build: &Build) {
    let (_workshop, path) = build.make();
    let image = image(&path);
    let info = image.debug_info().expect("it was built with -g");
    let functions = functions(&image, &path);
    assert!(functions.len() > 3, "{}: only {functions:?}", build.name());
    let entries = |name: &str| -> Vec<u64> {
        info.functions_named(name).iter().map(|function| function.entry.value()).collect()
    };
    for (entry, (name, linkage_name)) in &functions {
        let described = format!("{}: {name} at {entry:#x}", build.name());
        assert!(entries(name).contains(entry), "{described}");
        assert!(entries(&name.to_ascii_uppercase()).contains(entry), "{described}, any case");
        if let Some(linkage_name) = linkage_name {
            assert!(entries(linkage_name).contains(entry), "{described}, {linkage_name}");
        }
    }
    let all = info.functions_matching(&Pattern::new("*"));
    let all: Vec<u64> = all.iter().map(|function| function.entry.value()).collect();
    for (entry, (name, _)) in &functions {
        assert!(all.contains(entry), "{}: * does not match {name}", build.name());
    }
    assert!(entries("no_such_function").is_empty());
    check_afresh(build, &path, &image, &functions);
}

/// What names are inside of is found in another way where a unit was not read in whole before: each
/// question is the first one to an image.
fn check_afresh(
    build: &Build,
    path: &Path,
    read: &Image,
    functions: &BTreeMap<u64, (String, Option<String>)>,
) {
    let read = read.debug_info().expect("it was built with -g");
    let index = read.stored_name_index().expect("made before");
    let step = functions.len().div_ceil(5);
    for (entry, (name, _)) in functions.iter().step_by(step) {
        let image = image(path);
        let info = image.debug_info().expect("the same");
        info.load_name_index(&index).expect("the same image's");
        let found = info.functions_named(name);
        let entries: Vec<u64> = found.iter().map(|function| function.entry.value()).collect();
        assert!(entries.contains(entry), "{}: {name} at {entry:#x}: {entries:x?}", build.name());
    }
    let variables = read.variables_matching(&Pattern::new("*"));
    let step = variables.len().div_ceil(5).max(1);
    for variable in variables.iter().step_by(step) {
        let image = image(path);
        let info = image.debug_info().expect("the same");
        info.load_name_index(&index).expect("the same image's");
        let found = info.variables_named(&variable.name);
        let is_there = found.iter().any(|one| one.entry() == variable.entry());
        assert!(is_there, "{}: {}: {found:?}", build.name(), variable.name);
    }
}

#[test]
fn every_function_is_found_by_all_of_its_names() {
    BUILDS.iter().for_each(check);
}

#[test]
fn inlined_calls_are_found_by_the_name_of_the_function() {
    for flags in [["-g", "-O2", "-gdwarf-5"], ["-g", "-O2", "-flto"]] {
        let workshop = Workshop::new();
        let path = workshop.compile("inlined", "inlined.c", &flags);
        let image = image(&path);
        let info = image.debug_info().expect("it was built with -g");
        let calls = info.inlined_calls_named("clamp");
        let lines: Vec<u32> =
            calls.iter().map(|call| call.call_site.as_ref().expect("it is known").line).collect();
        assert!(lines.contains(&33) && lines.contains(&51), "{flags:?}: {lines:?}");
        for call in calls {
            let around = info.inlined_at(call.entry);
            assert!(around.iter().any(|inlined| inlined.id == call.id), "{call:?}");
        }
    }
}

/// Many functions of one name, each inlined in the unit that has it or, after optimising the whole
/// program, in another one.
#[test]
fn inlined_calls_of_all_functions_of_a_name_are_found() {
    const UNITS: usize = 6;
    for flags in [&["-g", "-O2"][..], &["-g", "-O2", "-flto", "-flto-partition=max"]] {
        let workshop = Workshop::new();
        let path = workshop.path("program");
        let mut compiler = tool("gcc");
        compiler.args(flags).arg("-o").arg(&path);
        for number in 0..UNITS {
            let source = workshop.path(&format!("unit{number}.c"));
            let text = format!(
                "extern volatile int sink;
                 static inline int twice(int n) {{ return n * {number} + sink; }}
                 int unit{number}(int n) {{ return twice(n); }}"
            );
            std::fs::write(&source, text).expect("it can be written");
            compiler.arg(source);
        }
        let main = workshop.path("main.c");
        let calls: String = (0..UNITS).map(|n| format!("sum += unit{n}(sum);")).collect();
        let declarations: String = (0..UNITS).map(|n| format!("int unit{n}(int);")).collect();
        let text = format!(
            "volatile int sink; {declarations}
             int main(int argc, char **argv) {{ int sum = argc; {calls} return sum; }}"
        );
        std::fs::write(&main, text).expect("it can be written");
        run(compiler.arg(main));
        let image = image(&path);
        let info = image.debug_info().expect("it was built with -g");
        let calls = info.inlined_calls_named("twice");
        let functions: BTreeSet<_> = calls.iter().map(|call| call.function).collect();
        assert_eq!(functions.len(), UNITS, "{flags:?}: {calls:?}");
    }
}

#[test]
fn a_kept_index_is_the_same_or_refused() {
    let workshop = Workshop::new();
    let path = workshop.compile("shapes", "shapes.cpp", &["-g"]);
    let fresh = || image(&path);
    let (maker, user) = (fresh(), fresh());
    let info = maker.debug_info().expect("it was built with -g");
    assert!(info.stored_name_index().is_none(), "nothing is made before it is asked for");
    let seen = Mutex::new(Vec::new());
    let index = info.make_name_index(&AtomicBool::new(false), &|progress| {
        seen.lock().expect("no one panicked").push(progress);
    });
    let index = index.expect("it was not cancelled");
    let last = seen.into_inner().expect("no one panicked").pop().expect("there is a unit");
    assert_eq!(last.done_bytes, last.total_bytes);
    let bytes = info.stored_name_index().expect("it was made");
    let info = user.debug_info().expect("it was built with -g");
    assert_eq!(info.load_name_index(&bytes), Ok(index));
    assert_eq!(info.functions_named("shapes::twice<int>").len(), 1);
    let load = |bytes: &[u8]| {
        fresh().debug_info().expect("it was built with -g").load_name_index(bytes).map(|_| ())
    };
    for at in (0..bytes.len()).step_by(bytes.len() / 300) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        assert!(load(&damaged).is_err(), "byte {at} was changed");
        assert!(load(&bytes[..at]).is_err(), "only {at} bytes are left");
    }
    assert_eq!(load(b""), Err(IndexError::NotAnIndex));
    let other = image(&workshop.compile("plain", "plain.c", &["-g", "-lm"]));
    let other = other.debug_info().expect("it was built with -g");
    assert_eq!(other.load_name_index(&bytes).map(|_| ()), Err(IndexError::OtherImage));
}

#[test]
fn a_cancelled_index_is_not_kept() {
    let workshop = Workshop::new();
    let path = workshop.compile("crate", "crate.rs", &["-g"]);
    let image = image(&path);
    let info = image.debug_info().expect("it was built with -g");
    let cancelled = AtomicBool::new(false);
    // There are many units; it is cancelled after the first.
    let made = info.make_name_index(&cancelled, &|_| cancelled.store(true, Ordering::Relaxed));
    assert!(made.is_none() && info.name_index().is_none());
    assert!(info.make_name_index(&AtomicBool::new(false), &|_| {}).is_some());
}
