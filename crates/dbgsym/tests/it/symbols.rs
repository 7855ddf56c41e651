//! Symbol tables against readelf, nm and objdump: every symbol, not a sample.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use dbgbase::LinkAddress;
use dbgsym::{Image, ImageBytes, Pattern, Symbol, SymbolBinding, SymbolKind};

use crate::binutils::{self, ReadelfSymbol};
use crate::programs::{Workshop, image, loaded_library, run, tool, vdso};

fn kind(row: &ReadelfSymbol) -> Option<SymbolKind> {
    Some(match row.kind.as_str() {
        "FUNC" => SymbolKind::Function,
        "IFUNC" => SymbolKind::IndirectFunction,
        "OBJECT" | "COMMON" => SymbolKind::Object,
        "TLS" => SymbolKind::Tls,
        "NOTYPE" => SymbolKind::NoType,
        _ => return None,
    })
}

fn binding(row: &ReadelfSymbol) -> SymbolBinding {
    match row.binding.as_str() {
        "LOCAL" => SymbolBinding::Local,
        "WEAK" => SymbolBinding::Weak,
        "GLOBAL" | "UNIQUE" => SymbolBinding::Global,
        other => panic!("readelf says {other}"),
    }
}

/// The rows that name something in the image, the full table's first.
fn defined(path: &Path) -> Vec<ReadelfSymbol> {
    let tables = [".symtab", ".dynsym"].into_iter().flat_map(|t| binutils::symbols(path, t));
    tables
        .filter(|row| !["UND", "ABS"].contains(&row.section.as_str()))
        .filter(|row| !row.name.is_empty() && kind(row).is_some())
        .collect()
}

type Key = (u64, SymbolKind, String, Option<String>);

/// Both directions: each row is a symbol with the same facts, each symbol is a row.
fn assert_all_symbols(path: &Path, image: &Image) {
    let rows = defined(path);
    let key = |row: &ReadelfSymbol| -> Key {
        (row.address, kind(row).expect("filtered"), row.name.clone(), row.version.clone())
    };
    let mut known: HashMap<Key, Vec<Symbol<'_>>> = HashMap::new();
    for symbol in image.symbols().iter().filter(|symbol| symbol.kind() != SymbolKind::PltEntry) {
        let version = symbol.version().map(|version| version.name.to_owned());
        let name = symbol.raw_name().into_owned();
        let key = (symbol.address().value(), symbol.kind(), name, version);
        known.entry(key).or_default().push(symbol);
    }
    let mut seen = HashSet::new();
    for row in &rows {
        let versionless = (row.address, kind(row).expect("filtered"), row.name.clone(), None);
        // A version that only the file's needs tell is not kept (copies of others' variables).
        let found = [key(row), versionless].into_iter().find_map(|key| {
            let found = known.get(&key)?.first().copied();
            seen.insert(key);
            found
        });
        let Some(symbol) = found else {
            // What .dynsym repeats of .symtab may be known there by version.
            let again = known
                .keys()
                .any(|(address, _, name, _)| *address == row.address && *name == row.name);
            assert!(again, "{} lacks {row:?}", path.display());
            continue;
        };
        assert_eq!(symbol.size_bytes(), row.size, "{row:?}");
        assert_eq!(symbol.binding(), binding(row), "{row:?}");
        if let Some(version) = symbol.version() {
            assert_eq!(version.is_default, !row.is_hidden, "{row:?}");
        }
    }
    let invented: Vec<_> = known.keys().filter(|key| !seen.contains(*key)).collect();
    assert!(invented.is_empty(), "{} has no {invented:?}", path.display());
    assert_all_names_found(image, &rows);
    assert_all_addresses_found(path, image);
}

/// Every name leads back to its symbol.
fn assert_all_names_found(image: &Image, rows: &[ReadelfSymbol]) {
    let mut by_name: BTreeMap<&str, Vec<&ReadelfSymbol>> = BTreeMap::new();
    for row in rows {
        by_name.entry(&row.name).or_default().push(row);
    }
    for (name, rows) in by_name.iter().filter(|(name, _)| !name.contains("::")) {
        let found: HashSet<u64> =
            image.symbols().by_name(name).iter().map(|symbol| symbol.address().value()).collect();
        let has_default = rows.iter().any(|row| !row.is_hidden);
        let expected: HashSet<u64> = rows
            .iter()
            .filter(|row| !row.is_hidden || !has_default)
            .map(|row| row.address)
            .collect();
        assert_eq!(found, expected, "{name}");
    }
}

/// Every byte around a symbol's start and end belongs to the symbol that begins last.
fn assert_all_addresses_found(path: &Path, image: &Image) {
    let sized: Vec<(u64, u64)> = image
        .symbols()
        .iter()
        .filter(|symbol| symbol.kind() != SymbolKind::Tls && symbol.size_bytes() > 0)
        .map(|symbol| (symbol.address().value(), symbol.address().value() + symbol.size_bytes()))
        .collect();
    let longest = sized.iter().map(|(start, end)| end - start).max().unwrap_or(0);
    for probe in sized.iter().flat_map(|(start, end)| [*start, start + (end - start) / 2, end - 1])
    {
        // Starts are in order; only those within the longest size can reach the probe.
        let first = sized.partition_point(|(start, _)| start + longest < probe);
        let behind = sized.partition_point(|(start, _)| *start <= probe);
        let around = sized[first..behind].iter().filter(|(_, end)| probe < *end);
        let expected = around.map(|(start, _)| *start).max();
        let found = image.symbols().containing(LinkAddress::new(probe));
        let found = found.map(|(symbol, inside)| {
            assert_eq!(symbol.address().value() + inside, probe);
            symbol.address().value()
        });
        assert_eq!(found, expected, "{} at {probe:#x}", path.display());
    }
}

fn compiled(workshop: &Workshop) -> Vec<PathBuf> {
    let rust = |mangling: &'static str| ["-Cdebuginfo=0", "-Copt-level=1", mangling];
    vec![
        workshop.compile("pie", "plain.c", &["-lm"]),
        workshop.compile("optimised", "plain.c", &["-O2", "-no-pie", "-lm"]),
        workshop.compile("static", "plain.c", &["-static", "-lm"]),
        workshop.compile("stripped", "plain.c", &["-s", "-lm"]),
        workshop.compile("libplain.so", "plain.c", &["-shared", "-fPIC", "-lm"]),
        workshop.compile("shapes", "shapes.cpp", &["-O1"]),
        workshop.compile("legacy", "crate.rs", &rust("-Csymbol-mangling-version=legacy")),
        workshop.compile("v0", "crate.rs", &rust("-Csymbol-mangling-version=v0")),
    ]
}

#[test]
fn compiled_images_have_all_their_symbols() {
    let workshop = Workshop::new();
    for path in compiled(&workshop) {
        assert_all_symbols(&path, &image(&path));
    }
}

#[test]
fn loaded_images_have_all_their_symbols() {
    for path in [loaded_library("libc.so"), loaded_library("ld-linux"), loaded_library("libgcc_s")]
    {
        assert_all_symbols(&path, &image(&path));
    }
}

#[test]
fn the_running_test_and_the_cpp_library_have_all_their_symbols() {
    let workshop = Workshop::new();
    let shapes = workshop.compile("shapes", "shapes.cpp", &[]);
    let libraries = run(tool("ldd").arg(&shapes));
    let library = libraries
        .lines()
        .find(|line| line.contains("libstdc++"))
        .and_then(|line| line.split_whitespace().nth(2))
        .expect("a C++ program needs its library");
    for path in [std::env::current_exe().expect("the test has a file"), PathBuf::from(library)] {
        assert_all_symbols(&path, &image(&path));
    }
}

#[test]
fn the_vdso_has_all_its_symbols() {
    let workshop = Workshop::new();
    let path = workshop.path("vdso");
    std::fs::write(&path, vdso()).expect("the directory is writable");
    let image = Image::parse(ImageBytes::from(vdso())).expect("the vDSO is sound");
    assert_all_symbols(&path, &image);
    let found = image.symbols().by_name("__vdso_clock_gettime");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].version().map(|version| version.name), Some("LINUX_2.6"));
}

#[test]
fn dynamic_symbols_survive_the_loss_of_section_headers() {
    let path = loaded_library("libc.so");
    let mut bytes = std::fs::read(&path).expect("libc can be read");
    bytes[40..48].fill(0); // e_shoff
    bytes[60..64].fill(0); // e_shnum, e_shstrndx
    let without = Image::parse(ImageBytes::from(bytes)).expect("sections are optional");
    assert!(without.sections().is_empty());
    let with = image(&path);
    let addresses = |image: &Image| -> Vec<(u64, String)> {
        let symbols = image.symbols().iter();
        symbols
            .filter(|symbol| symbol.kind() != SymbolKind::PltEntry)
            .map(|symbol| (symbol.address().value(), symbol.raw_name().into_owned()))
            .collect()
    };
    let unversioned: HashSet<_> = addresses(&without).into_iter().collect();
    let versioned: HashSet<_> = addresses(&with).into_iter().collect();
    assert!(unversioned.len() > 2000);
    assert_eq!(unversioned, versioned);
}

#[test]
fn entries_of_the_linkage_table_are_named_as_objdump_names_them() {
    let workshop = Workshop::new();
    for (name, flags) in [
        ("plain", &["-lm"][..]),
        ("lazy", &["-Wl,-z,lazy", "-lm"]),
        ("protected", &["-fcf-protection=full", "-Wl,-z,ibtplt,-z,lazy", "-lm"]),
        ("fixed", &["-no-pie", "-lm"]),
        ("libplain.so", &["-shared", "-fPIC", "-lm"]),
    ] {
        let path = workshop.compile(name, "plain.c", flags);
        let image = image(&path);
        let expected: HashSet<(u64, String)> = binutils::plt_labels(&path)
            .into_iter()
            // objdump has no name for the target of an indirect function.
            .filter(|(_, label)| !label.starts_with("*ABS*"))
            .collect();
        let found: HashSet<(u64, String)> = image
            .symbols()
            .iter()
            .filter(|symbol| symbol.kind() == SymbolKind::PltEntry)
            .map(|symbol| (symbol.address().value(), symbol.name().into_owned()))
            .collect();
        assert!(expected.iter().any(|(_, label)| label == "puts@plt"), "{name}: {expected:?}");
        let missing: Vec<_> = expected.difference(&found).collect();
        assert!(missing.is_empty(), "{name}: {missing:?}");
        let resolved = |entry: &&(u64, String)| entry.1 == "indirect_function@plt";
        let invented: Vec<_> =
            found.difference(&expected).filter(|entry| !resolved(entry)).collect();
        assert!(invented.is_empty(), "{name}: {invented:?}");
        let (address, _) = expected.iter().find(|(_, label)| label == "puts@plt").expect("above");
        let (symbol, inside) =
            image.symbols().containing(LinkAddress::new(address + 6)).expect("in the entry");
        assert_eq!((symbol.name().as_ref(), inside), ("puts@plt", 6));
        assert!(image.symbols().by_name("puts").is_empty(), "it is not puts itself");
        assert_eq!(image.symbols().by_name("puts@plt").len(), 1);
    }
}

#[test]
fn libc_functions_have_the_names_people_know() {
    let libc = image(&loaded_library("libc.so"));
    for name in ["puts", "write", "read", "malloc", "free", "printf", "raise", "qsort", "open"] {
        let found = libc.symbols().by_name(name);
        let symbol = found.first().unwrap_or_else(|| panic!("libc has {name}"));
        let (shown, inside) = libc.symbols().containing(symbol.address()).expect("it is there");
        assert!(shown.is_code() && inside == 0);
        let aliases: Vec<_> = libc.symbols().at(symbol.address());
        let aliases: Vec<_> = aliases.iter().map(Symbol::name).collect();
        assert!(!shown.name().starts_with('_'), "{name} is shown as the first of {aliases:?}");
        assert!(aliases.iter().any(|alias| alias == name), "{name} is one of {aliases:?}");
    }
    let memcpy = libc.symbols().by_name("memcpy");
    assert!(memcpy.iter().all(|symbol| symbol.version().is_some_and(|v| v.is_default)));
    let old = libc.symbols().by_name("memcpy@GLIBC_2.2.5");
    assert_eq!(old.first().map(Symbol::name).as_deref(), Some("memcpy@GLIBC_2.2.5"));
}

/// `nm -C` and this crate use different demanglers, which agree on ordinary names.
#[test]
fn cpp_names_are_found_as_people_write_them() {
    let workshop = Workshop::new();
    let path = workshop.compile("shapes", "shapes.cpp", &[]);
    let image = image(&path);
    let demangled = run(tool("nm").args(["-C", "--defined-only"]).arg(&path));
    for (name, full_names) in [
        ("shapes::twice<int>", &["int shapes::twice<int>(int)"][..]),
        ("shapes::twice", &["int shapes::twice<int>(int)", "double shapes::twice<double>(double)"]),
        ("shapes::overloaded", &["shapes::overloaded(int)", "shapes::overloaded(char const*)"]),
        ("shapes::(anonymous namespace)::hidden", &["shapes::(anonymous namespace)::hidden(int)"]),
        ("plain", &["plain(int)"]),
        ("shapes::Square::area", &["shapes::Square<int>::area() const"]),
        ("shapes::Square<int>::operator<<", &["shapes::Square<int>::operator<<(int)"]),
        ("shapes::Square<int>::operator bool", &["shapes::Square<int>::operator bool() const"]),
        ("SHAPES::TWICE<INT>", &["int shapes::twice<int>(int)"]),
    ] {
        let found: HashSet<String> = image
            .symbols()
            .by_name(name)
            .iter()
            .map(|symbol| symbol.full_name().into_owned())
            .collect();
        let expected: HashSet<String> = full_names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(found, expected, "{name}");
        for full_name in full_names {
            assert!(demangled.contains(full_name), "nm does not know {full_name}");
        }
    }
    let count = |pattern: &str| image.symbols().matching(&Pattern::new(pattern)).count();
    assert_eq!(count("shapes::t[vw]ice*"), 2);
    assert_eq!(count("*"), image.symbols().len());
}

#[test]
fn rust_names_are_found_without_their_hashes() {
    let workshop = Workshop::new();
    for mangling in ["legacy", "v0"] {
        let flag = format!("-Csymbol-mangling-version={mangling}");
        let flags = ["-Cdebuginfo=0", "--crate-name=krate", flag.as_str()];
        let path = workshop.compile(mangling, "crate.rs", &flags);
        let image = image(&path);
        let names = |name: &str| -> Vec<String> {
            let found = image.symbols().by_name(name);
            found.iter().map(|symbol| symbol.name().into_owned()).collect()
        };
        assert_eq!(names("krate::outer::inner::plain"), ["krate::outer::inner::plain"]);
        assert_eq!(names("krate::main"), ["krate::main"]);
        assert_eq!(names("krate::outer::generic").len(), 2, "{mangling}: two instances");
        assert_eq!(names("<krate::Meter as core::fmt::Display>::fmt").len(), 1, "{mangling}");
        assert_eq!(names("main"), ["main"], "the C library's entry");
    }
}
