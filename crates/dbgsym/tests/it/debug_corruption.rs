//! Damaged debugging information: fewer facts, never a panic, an endless loop, or memory beyond
//! what the file is worth.

use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use dbgbase::LinkAddress;
use dbgsym::dwarf::{SourcePattern, WantedFile};
use dbgsym::{Image, ImageBytes, Pattern};

use crate::corruption::Random;
use crate::programs::{Workshop, image};

/// No question about so small a program takes so long, even where tests run slowly.
pub(crate) const TIME_MAX: Duration = Duration::from_secs(20);

/// Asks for everything there is. Returns how many facts there were, so that the tests can see that
/// damage leaves something to look at.
fn look_at(file: Vec<u8>, split: Option<Vec<u8>>, addresses: &[u64]) -> usize {
    let begun = Instant::now();
    let Ok(image) = Image::parse(ImageBytes::from(file)) else { return 0 };
    let Some(info) = image.debug_info() else { return 0 };
    if let Some(split) = split {
        for wanted in info.wanted_files() {
            if wanted != WantedFile::Package {
                let _ = info.provide(&wanted, Some(ImageBytes::from(split.clone())));
            }
        }
    }
    let mut facts = info.source_files().count();
    for address in addresses {
        let address = LinkAddress::new(*address);
        facts += usize::from(info.line_at(address).is_some());
        facts += info.line_rows(address..LinkAddress::new(address.value() + 64)).len();
        facts += info.inlined_at(address).len();
        if let Some(function) = info.function_at(address) {
            facts += 1 + usize::from(info.body_of(&function) != function.entry);
        }
    }
    for line in [1, 33, 50] {
        facts += info.places_of(&SourcePattern::new("inlined.c"), line).len();
    }
    facts += info.functions_matching(&Pattern::new("*")).len();
    facts += info.functions_named("main").len() + info.inlined_calls_named("clamp").len();
    facts += info.wanted_files().len();
    let stored = info.stored_name_index().expect("it was just made");
    assert!(info.load_name_index(&stored).is_ok(), "what was made can be read");
    assert!(begun.elapsed() < TIME_MAX, "it took {:?}", begun.elapsed());
    facts
}

/// Where the sections with debugging information lie in a file.
pub(crate) fn sections(path: &Path) -> Vec<Range<usize>> {
    let bytes = std::fs::read(path).expect("it was compiled");
    let range = |line: &str| {
        // `[28] .debug_info PROGBITS 0000000000000000 003042 000337 ...`
        let (_, rest) = line.split_once("] .debug_")?;
        let words: Vec<&str> = rest.split_whitespace().collect();
        let number = |hex: &str| usize::from_str_radix(hex, 16).expect("a number");
        let start = number(words.get(3)?);
        Some(start..start + number(words.get(4)?))
    };
    let text = crate::programs::run(crate::programs::tool("readelf").arg("-WS").arg(path));
    let found: Vec<_> = text.lines().filter_map(range).filter(|range| !range.is_empty()).collect();
    assert!(found.len() > 4 && found.iter().all(|range| range.end <= bytes.len()));
    found
}

/// Changes a few bytes of one of the ranges.
pub(crate) fn damage(bytes: &mut [u8], ranges: &[Range<usize>], random: &mut Random) {
    let range = ranges[random.below(ranges.len())].clone();
    for _ in 0..=random.below(6) {
        let at = range.start + random.below(range.len());
        bytes[at] = match random.below(5) {
            0 => 0,
            1 => 0xff,
            2 => 0x19,
            3 => bytes[at] ^ (1 << random.below(8)),
            _ => random.below(256) as u8,
        };
    }
}

pub(crate) fn addresses(path: &Path) -> Vec<u64> {
    let image = image(path);
    let code = image.section(".text").expect("there is code");
    let start = code.address.value();
    (start..start + code.size_bytes).step_by(23).collect()
}

#[test]
fn damaged_sections_do_no_harm() {
    for flags in [["-g", "-O2", "-gdwarf-4"], ["-g", "-O2", "-gdwarf-5"]] {
        let workshop = Workshop::new();
        let path = workshop.compile("inlined", "inlined.c", &flags);
        let whole = std::fs::read(&path).expect("it was compiled");
        let (ranges, addresses) = (sections(&path), addresses(&path));
        let sound = look_at(whole.clone(), None, &addresses);
        assert!(sound > 100, "only {sound}");
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut understood = 0;
        for _ in 0..1500 {
            let mut bytes = whole.clone();
            damage(&mut bytes, &ranges, &mut random);
            understood += look_at(bytes, None, &addresses);
        }
        assert!(understood > 1500 * sound / 4, "{understood} of 1500 times {sound}");
    }
}

/// What the unit of a program has beside lines: functions with their parts, inlined calls, names.
fn entries_of(bytes: Vec<u8>, addresses: &[u64]) -> (Vec<String>, usize) {
    let image = Image::parse(ImageBytes::from(bytes)).expect("the headers are sound");
    let info = image.debug_info().expect("it was built with -g");
    let mut found = Vec::new();
    for address in addresses {
        let address = LinkAddress::new(*address);
        let function = info.function_at(address);
        let function = function.map(|one| (one.name, one.ranges, one.entry));
        let calls = info.inlined_at(address).into_iter().map(|one| (one.name, one.ranges));
        let calls: Vec<_> = calls.collect();
        let variables = info.variables_at(address).into_iter();
        let variables: Vec<_> =
            variables.map(|one| (one.name.clone(), info.type_name(one.ty))).collect();
        found.push(format!("{function:?} {calls:?} {variables:?}"));
    }
    for function in info.functions_matching(&Pattern::new("*")) {
        found.push(format!("{} at {:?}", function.name, function.ranges));
    }
    let lines = addresses.iter().filter(|at| info.line_at(LinkAddress::new(**at)).is_some());
    (found, lines.count())
}

#[test]
fn damage_in_the_head_of_a_line_table_costs_lines_only() {
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let workshop = Workshop::new();
        let path = workshop.compile("inlined", "inlined.c", &["-g", "-O2", version]);
        let whole = std::fs::read(&path).expect("it was compiled");
        let addresses = addresses(&path);
        let (sound, lines) = entries_of(whole.clone(), &addresses);
        assert!(sound.len() > 10 && sound.iter().any(|one| one.contains("clamp")), "{sound:?}");
        assert!(lines > 5, "{lines}");
        let image = image(&path);
        let table = image.section(".debug_line").expect("it has lines");
        let start = table.file_offset.expect("it is in the file") as usize;
        // Its length and its version; of version 5, how much follows. Or it is cut off.
        for (at, byte) in [(0, 0xff), (3, 0x7f), (4, 0x63), (6, 0xff)] {
            let mut bytes = whole.clone();
            bytes[start + at] = byte;
            bytes[start + at + 1] = byte;
            let (found, lines) = entries_of(bytes, &addresses);
            assert_eq!((found, lines), (sound.clone(), 0), "{version}, byte {at}");
        }
    }
}

#[test]
fn damaged_split_units_do_no_harm() {
    let workshop = Workshop::new();
    let flags = ["-g", "-O2", "-gdwarf-5", "-gsplit-dwarf"];
    let path = workshop.compile("inlined", "inlined.c", &flags);
    let whole = std::fs::read(&path).expect("it was compiled");
    let image = image(&path);
    let wanted = image.debug_info().expect("it was built with -g").wanted_files();
    let Some(WantedFile::Split { path: split, directory, .. }) = wanted.last() else {
        panic!("{wanted:?}");
    };
    let split = Path::new(directory.as_deref().unwrap_or_default()).join(split);
    let (ranges, addresses) = (sections(&split), addresses(&path));
    let split = std::fs::read(split).expect("it was compiled");
    let sound = look_at(whole.clone(), Some(split.clone()), &addresses);
    assert!(sound > 100, "only {sound}");
    let mut random = Random(0x1234_5678_9abc_def1);
    let mut understood = 0;
    for _ in 0..800 {
        let mut bytes = split.clone();
        damage(&mut bytes, &ranges, &mut random);
        understood += look_at(whole.clone(), Some(bytes), &addresses);
    }
    assert!(understood > 800 * sound / 4, "{understood} of 800 times {sound}");
}

#[test]
fn damage_in_types_and_templates_does_no_harm() {
    let workshop = Workshop::new();
    let flags = ["-g", "-O1", "-gdwarf-5", "-fdebug-types-section"];
    let path = workshop.compile("shapes", "shapes.cpp", &flags);
    let whole = std::fs::read(&path).expect("it was compiled");
    let (ranges, addresses) = (sections(&path), addresses(&path));
    let addresses: Vec<u64> = addresses.into_iter().step_by(8).collect();
    let mut random = Random(0x0fed_cba9_8765_4321);
    let mut understood = 0;
    for _ in 0..60 {
        let mut bytes = whole.clone();
        for _ in 0..3 {
            damage(&mut bytes, &ranges, &mut random);
        }
        understood += look_at(bytes, None, &addresses);
    }
    assert!(understood > 60 * 50, "only {understood}");
}
