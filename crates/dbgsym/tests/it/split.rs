//! Debugging information in other files: what was split off when compiling, packages of that, and
//! what dwz(1) moved. The answers must be those for the same program with all in one file.

use std::path::{Path, PathBuf};

use dbgbase::LinkAddress;
use dbgsym::dwarf::{DebugInfo, ProvideError, WantedFile};
use dbgsym::{Image, ImageBytes, Pattern, build_id_of_file};

use crate::debug_builds::{decoded_rows, sequences};
use crate::programs::{Workshop, image, run, tool};

fn bytes(path: &Path) -> ImageBytes {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    ImageBytes::from(bytes)
}

/// Gives every split unit its file, as a debugger does.
fn provide_all(info: &DebugInfo) -> usize {
    info.provide(&WantedFile::Package, None).expect("it is wanted");
    let wanted = info.wanted_files();
    for file in &wanted {
        let WantedFile::Split { path, directory, .. } = file else { panic!("{file:?}") };
        let path = Path::new(directory.as_deref().unwrap_or_default()).join(path);
        info.provide(file, Some(bytes(&path))).unwrap_or_else(|error| panic!("{file:?}: {error}"));
    }
    wanted.len()
}

/// What is around each row of the line tables.
fn facts(image: &Image, path: &Path) -> Vec<String> {
    let info = image.debug_info().expect("it was built with -g");
    let rows = sequences(image, decoded_rows(path)).into_iter().flat_map(|(rows, _)| rows);
    let mut addresses: Vec<_> = rows.map(|row| LinkAddress::new(row.address)).collect();
    addresses.dedup();
    let step = addresses.len().div_ceil(800);
    let place = |address| {
        let function = info.function_at(address).map(|function| {
            let body = info.body_of(&function);
            (function.name, function.linkage_name, function.ranges, function.declared_at, body)
        });
        let inlined = info.inlined_at(address);
        let inlined: Vec<_> =
            inlined.into_iter().map(|call| (call.name, call.call_site, call.ranges)).collect();
        format!("{address:?}: {:?} {function:?} {inlined:?}", info.line_at(address))
    };
    let mut facts: Vec<_> = addresses.into_iter().step_by(step).map(place).collect();
    let mut names: Vec<_> = info
        .functions_matching(&Pattern::new("*"))
        .into_iter()
        .map(|function| format!("{} {:?}", function.name, function.entry))
        .collect();
    names.sort();
    facts.append(&mut names);
    facts
}

fn assert_same(name: &str, found: &[String], expected: &[String]) {
    let differs = found.iter().zip(expected).find(|(found, expected)| found != expected);
    assert!(differs.is_none(), "{name}: {differs:#?}");
    assert_eq!(found.len(), expected.len(), "{name}");
    assert!(found.len() > 20 && found.iter().filter(|fact| fact.contains("Some")).count() > 10);
}

/// The same program with and without splitting.
fn both(source: &str, flags: &[&str], split: &[&str]) -> (Workshop, PathBuf, PathBuf) {
    let workshop = Workshop::new();
    let whole = workshop.compile("whole", source, flags);
    let split = workshop.compile("split", source, &[flags, split].concat());
    (workshop, whole, split)
}

const SPLIT: &[&str] = &["-gsplit-dwarf"];

/// Languages and versions of the format.
const BUILDS: [(&str, &[&str], &[&str]); 7] = [
    ("shapes.cpp", &["-g", "-O0", "-gdwarf-4"], SPLIT),
    ("shapes.cpp", &["-g", "-O2", "-gdwarf-4"], SPLIT),
    ("shapes.cpp", &["-g", "-O2", "-gdwarf-5"], SPLIT),
    ("shapes.cpp", &["-g", "-O2", "-gdwarf-5", "-fdebug-types-section"], SPLIT),
    ("inlined.c", &["-g", "-O2", "-gdwarf-4"], SPLIT),
    ("inlined.c", &["-g", "-O2", "-gdwarf-5"], SPLIT),
    ("crate.rs", &["-g"], &["-Csplit-debuginfo=unpacked"]),
];

#[test]
fn split_units_answer_as_whole_ones() {
    for (source, flags, split) in BUILDS {
        let name = format!("{source} {flags:?}");
        let (_workshop, whole, split) = both(source, flags, split);
        let expected = facts(&image(&whole), &whole);
        let image = image(&split);
        let info = image.debug_info().expect("it was built with -g");
        assert!(info.wanted_files().contains(&WantedFile::Package), "{name}");
        // Asked before, they must not remember that nothing was there.
        let before = facts(&image, &split);
        assert_ne!(before, expected, "{name}: nothing was split off");
        assert!(provide_all(info) > 0, "{name}");
        assert_same(&name, &facts(&image, &split), &expected);
        assert!(info.wanted_files().is_empty(), "{name}");
    }
}

/// Packages are made by dwp, which of DWARF knows version 4, and by rustc.
const PACKED: [(&str, &[&str], &[&str]); 4] = [
    ("shapes.cpp", &["-g", "-O2", "-gdwarf-4"], SPLIT),
    ("shapes.cpp", &["-g", "-O0", "-gdwarf-4", "-fdebug-types-section"], SPLIT),
    ("crate.rs", &["-g"], &["-Csplit-debuginfo=packed"]),
    ("crate.rs", &["-g", "-Cdwarf-version=5"], &["-Csplit-debuginfo=packed"]),
];

#[test]
fn a_package_answers_for_all_of_its_units() {
    for (source, flags, split) in PACKED {
        let name = format!("{source} {flags:?}");
        let (workshop, whole, split) = both(source, flags, split);
        let package = workshop.path("split.dwp");
        if source != "crate.rs" {
            run(tool("dwp").arg("-e").arg(&split).arg("-o").arg(&package));
        }
        let expected = facts(&image(&whole), &whole);
        let image = image(&split);
        let info = image.debug_info().expect("it was built with -g");
        info.provide(&WantedFile::Package, Some(bytes(&package)))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(info.wanted_files(), [], "{name}");
        assert_same(&name, &facts(&image, &split), &expected);
    }
}

/// dwz moves what two programs share into a third file.
#[test]
fn shared_information_answers_as_if_it_had_stayed() {
    let workshop = Workshop::new();
    let flags = ["-g", "-O1", "-gdwarf-4", "-Wl,--build-id"];
    let path = workshop.compile("one", "shapes.cpp", &flags);
    workshop.compile("two", "shapes.cpp", &flags);
    let expected = facts(&image(&path), &path);
    let shared = workshop.path("shared");
    run(tool("dwz").arg("-m").arg(&shared).args([&path, &workshop.path("two")]));
    let image = image(&path);
    let info = image.debug_info().expect("it was built with -g");
    let wanted = info.wanted_files();
    let [file @ WantedFile::Supplementary { path: named, build_id }] = wanted.as_slice() else {
        panic!("{wanted:?}");
    };
    assert!(shared.ends_with(Path::new(named).file_name().expect("a name")), "{named}");
    assert_ne!(facts(&image, &path), expected, "nothing was moved");
    // Whoever fetches it can tell that it is the right one, although nothing can be loaded from it.
    assert_eq!(build_id_of_file(&bytes(&shared)).as_ref(), Some(build_id));
    assert_ne!(build_id_of_file(&bytes(&path)).as_ref(), Some(build_id));
    assert_eq!(build_id_of_file(&ImageBytes::from(vec![0; 100])), None);
    let other = info.provide(file, Some(bytes(&path)));
    assert_eq!(other, Err(ProvideError::OtherBuild));
    info.provide(file, Some(bytes(&shared))).expect("it is what was asked for");
    assert_eq!(info.wanted_files(), []);
    assert_same("dwz", &facts(&image, &path), &expected);
}

#[test]
fn files_of_other_builds_are_refused() {
    let (workshop, whole, split) = both("inlined.c", &["-g", "-O2"], SPLIT);
    let image = image(&split);
    let info = image.debug_info().expect("it was built with -g");
    let main = image.symbols().by_name("main")[0].address();
    let wanted = info.wanted_files_at(main);
    let [WantedFile::Package, file @ WantedFile::Split { .. }] = wanted.as_slice() else {
        panic!("{wanted:?}");
    };
    let nothing = ImageBytes::from(vec![0; 100]);
    assert_eq!(info.provide(file, Some(nothing)), Err(ProvideError::NoDebugInfo));
    assert_eq!(info.provide(file, Some(bytes(&whole))), Err(ProvideError::NoDebugInfo));
    let other = workshop.compile("other", "plain.c", &["-g", "-gsplit-dwarf", "-lm"]);
    let other = crate::programs::image(&other);
    let other = other.debug_info().expect("it was built with -g").wanted_files();
    let Some(WantedFile::Split { path, directory, .. }) = other.last() else { panic!("{other:?}") };
    let other = bytes(&Path::new(directory.as_deref().unwrap_or_default()).join(path));
    assert_eq!(info.provide(file, Some(other)), Err(ProvideError::OtherBuild));
    assert_eq!(info.wanted_files_at(main), wanted, "they stay wanted");
    info.provide(file, None).expect("it is wanted");
    assert_eq!(info.provide(file, None), Err(ProvideError::NotWanted));
    assert!(info.wanted_files().is_empty() || info.wanted_files() == [WantedFile::Package]);
}
