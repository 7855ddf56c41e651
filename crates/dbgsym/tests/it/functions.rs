//! Functions and inlined calls, compared with addr2line(1) at addresses all over the code.

use dbgbase::LinkAddress;
use dbgsym::demangle::{demangled_path, is_mangled};
use dbgsym::dwarf::{DebugInfo, SourcePlace};

use crate::debug_builds::{Around, BUILDS, Build, addr2line, decoded_rows, sequences};
use crate::programs::image;

/// Builds that addr2line 2.40 does not understand, and why.
const EXCLUDED: [(&[&str], &str); 3] = [
    (&["-gdwarf64"], "it reads no lines of 64-bit DWARF"),
    (&["-flto"], "it counts the files of DWARF 5 wrong when the first two differ"),
    (&["-gdwarf-5", "-fdebug-types-section"], "it loses its way at type units in .debug_info"),
];

fn place(place: Option<SourcePlace>) -> (Option<String>, u32) {
    place.map_or((None, 0), |place| (Some(place.file.to_string()), place.line))
}

/// What lies around an address, innermost first, as addr2line tells it.
fn around(info: &DebugInfo, address: LinkAddress) -> Option<Vec<Around>> {
    let function = info.function_at(address)?;
    let inlined = info.inlined_at(address);
    let name = |linkage: Option<String>, name: String| Some(linkage.unwrap_or(name));
    let mut names = vec![name(function.linkage_name, function.name)];
    names.extend(inlined.iter().map(|call| name(call.linkage_name.clone(), call.name.clone())));
    let mut places: Vec<_> = inlined.into_iter().map(|call| place(call.call_site)).collect();
    let line = info.line_at(address);
    places.push(line.map_or((None, 0), |line| (Some(line.file.to_string()), line.line)));
    let frames = names.into_iter().zip(places);
    Some(frames.rev().map(|(function, (file, line))| Around { function, file, line }).collect())
}

/// Where a function has no linker's name in the debugging information, addr2line tells either its
/// name without its scope, or the symbol's.
fn is_same_name(found: &str, expected: &str) -> bool {
    let path = demangled_path(expected);
    let is_lambda = |name: &str| name.contains("{lambda") && name.ends_with("::operator()");
    found == expected
        || found == path
        || found.strip_suffix(expected).is_some_and(|scope| scope.ends_with("::"))
        || is_lambda(found) && is_lambda(&path)
}

fn is_same(found: &[Around], expected_all: &[Around]) -> bool {
    found.len() == expected_all.len()
        && found.iter().zip(expected_all).enumerate().all(|(index, (found, expected))| {
            let same_name = match (&found.function, &expected.function) {
                (Some(found), Some(name)) => {
                    // Inlined functions without a linker's name get the name of the symbol around.
                    let is_symbol =
                        expected_all.last().is_some_and(|o| o.function == expected.function);
                    is_same_name(found, name) || is_symbol && !is_mangled(found)
                }
                (found, expected) => found == expected,
            };
            // The innermost line is the line table's, which is compared elsewhere.
            same_name
                && (index == 0 || (&found.file, found.line) == (&expected.file, expected.line))
        })
}

fn check(build: &Build) {
    if EXCLUDED.iter().any(|(flags, _)| flags.iter().all(|flag| build.flags.contains(flag))) {
        return;
    }
    let (workshop, path) = build.make();
    let image = image(&path);
    let info = image.debug_info().expect("it was built with -g");
    let ranges: Vec<_> = sequences(&image, decoded_rows(&path))
        .into_iter()
        .filter_map(|(rows, end)| Some(rows.first()?.address..end))
        .collect();
    // A Rust program contains thousands of functions of its standard library.
    let size: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    let step = 7 * (size as usize / 7).div_ceil(3_000);
    let addresses: Vec<u64> = ranges.into_iter().flatten().step_by(step).collect();
    let (mut compared, mut deepest) = (0, 0);
    let mut differences = Vec::new();
    for (address, expected) in addresses.iter().zip(addr2line(&workshop, &path, &addresses)) {
        let Some(found) = around(info, LinkAddress::new(*address)) else {
            // Functions of other objects have symbols only, and padding belongs to nobody, except
            // to the last row of a line table.
            let in_function = image.symbols().containing(LinkAddress::new(*address));
            let in_function = in_function.is_some_and(|(symbol, at)| at < symbol.size_bytes());
            if in_function && expected.iter().any(|around| around.line != 0) {
                differences.push(format!("\n  {address:#x}: none\n    addr2line: {expected:?}"));
            }
            continue;
        };
        compared += 1;
        deepest = deepest.max(found.len());
        if !is_same(&found, &expected) {
            let difference = format!("\n  {address:#x}: {found:?}\n    addr2line: {expected:?}");
            differences.push(difference);
        }
    }
    let (name, few) = (build.name(), differences.iter().take(4).cloned().collect::<String>());
    assert!(differences.is_empty(), "{name}: {} of {compared}:{few}", differences.len());
    assert!(compared > 20, "{name}: only {compared} addresses");
    let inlines = build.flags.iter().any(|flag| ["-O2", "-Copt-level=3"].contains(flag));
    assert!(!inlines || deepest > 1, "{name}: nothing was inlined");
}

#[test]
fn functions_and_inlined_calls_are_those_that_addr2line_finds() {
    BUILDS.iter().for_each(check);
}
