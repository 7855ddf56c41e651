//! Lines of source, compared with readelf(1) row by row and with gdb(1) address by address.

use std::path::Path;

use dbgbase::LinkAddress;
use dbgsym::dwarf::{DebugInfo, LineRow};

use crate::debug_builds::{BUILDS, Build, DecodedRow, decoded_rows, sequences};
use crate::programs::{Workshop, image, run, tool};

/// Every row of every table is there, in order, as readelf decodes it.
fn check_rows(build: &Build) {
    let (_workshop, path) = build.make();
    let image = image(&path);
    let info = image.debug_info().expect("it was built with -g");
    let mut compared = 0;
    for (expected, end) in sequences(&image, decoded_rows(&path)) {
        let start = expected[0].address;
        let rows = info.line_rows(LinkAddress::new(start)..LinkAddress::new(end));
        let found: Vec<_> = rows
            .iter()
            .zip(&expected)
            .map(|(row, expected)| DecodedRow {
                address: row.address.value(),
                file_name: match row.file.ends_with(&expected.file_name) {
                    true => expected.file_name.clone(),
                    false => row.file.to_string(),
                },
                line: Some(row.line),
                is_statement: row.is_statement,
            })
            .collect();
        assert_eq!(rows.len(), expected.len(), "{} at {start:#x}", build.name());
        if let Some(at) =
            (0..found.len().max(expected.len())).find(|at| found.get(*at) != expected.get(*at))
        {
            let show = |rows: &[DecodedRow]| -> String {
                let around = rows.iter().skip(at.saturating_sub(2)).take(5);
                around.map(|row| format!("\n  {row:x?}")).collect()
            };
            panic!(
                "{}: row {at} of {start:#x}: {}\nreadelf: {}",
                build.name(),
                show(&found),
                show(&expected)
            );
        }
        let ends = rows.iter().skip(1).map(|row| row.address.value()).chain([end]);
        assert!(rows.iter().map(|row| row.end.value()).eq(ends), "rows follow each other");
        compared += found.len();
    }
    assert!(compared > 20, "{}: only {compared} rows", build.name());
}

/// What gdb says about an address: full path and line.
fn gdb_lines(workshop: &Workshop, path: &Path, addresses: &[u64]) -> Vec<Option<(String, u32)>> {
    let questions = workshop.path("addresses");
    let text: String = addresses.iter().map(|address| format!("{address:#x}\n")).collect();
    std::fs::write(&questions, text).expect("the workshop is writable");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/programs/lines.py");
    let mut gdb = tool("gdb");
    gdb.args(["-nx", "-batch", "-iex", "set debuginfod enabled off", "-x"])
        .arg(script)
        .arg(path)
        .env("ADDRESSES", &questions);
    let answer = |line: &str| {
        let (number, path) = line.split_once(' ')?;
        Some((path.to_owned(), number.parse().expect("a line")))
    };
    let answers: Vec<_> = run(&mut gdb).lines().map(answer).collect();
    assert_eq!(answers.len(), addresses.len());
    answers
}

/// Whether gdb answers for a row that it does not keep: rows that follow each other and have the
/// same line are one to gdb, and if no statement begins with the first of them, gdb means the
/// statement at the same address.
fn is_merged_by_gdb(info: &DebugInfo, address: u64, theirs: &Option<(String, u32)>) -> bool {
    let Some((file, line)) = theirs else { return false };
    let before = address.saturating_sub(4096);
    let rows = info.line_rows(LinkAddress::new(before)..LinkAddress::new(address + 1));
    let Some(last) = rows.iter().rfind(|row| row.line != 0) else { return false };
    let is_same = |row: &&LineRow| row.line == 0 || row.line == last.line && row.file == last.file;
    let Some(first) = rows.iter().rev().take_while(is_same).last() else { return false };
    first.address < last.address
        && rows.iter().any(|row| {
            row.address == first.address
                && row.line == *line
                && *row.file == **file
                && row.is_statement
        })
}

/// The file and line of an address at every row, and behind it.
fn check_lines(build: &Build) {
    let (workshop, path) = build.make();
    let image = image(&path);
    let info = image.debug_info().expect("it was built with -g");
    let mut addresses: Vec<u64> = Vec::new();
    for (rows, end) in sequences(&image, decoded_rows(&path)) {
        let both = rows.iter().flat_map(|row| [row.address, row.address + 1]);
        addresses.extend(both.filter(|address| *address < end));
    }
    // A Rust program contains thousands of functions of its standard library.
    let step = addresses.len().div_ceil(20_000);
    let addresses: Vec<u64> = addresses.into_iter().step_by(step).collect();
    let mut differences = Vec::new();
    for (address, expected) in addresses.iter().zip(gdb_lines(&workshop, &path, &addresses)) {
        let found = info.line_at(LinkAddress::new(*address));
        let found = found.map(|found| (found.file.to_string(), found.line));
        if found != expected && !is_merged_by_gdb(info, *address, &expected) {
            differences.push(format!("\n  {address:#x}: {found:?}, gdb: {expected:?}"));
        }
    }
    let (name, few) = (build.name(), differences.iter().take(5).cloned().collect::<String>());
    assert!(differences.is_empty(), "{name}: {} of {}:{few}", differences.len(), addresses.len());
    assert!(addresses.len() > 40, "{name}: only {} addresses", addresses.len());
}

#[test]
fn rows_are_those_that_readelf_decodes() {
    BUILDS.iter().for_each(check_rows);
}

#[test]
fn lines_are_those_that_gdb_finds() {
    BUILDS.iter().for_each(check_lines);
}

/// Programs that are built alike everywhere have no directory of the machine in them.
#[test]
fn a_mapped_directory_comes_once() {
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let workshop = Workshop::new();
        let source = workshop.path("main.c");
        let (root, program) = (source.parent().expect("it has one"), workshop.path("program"));
        std::fs::create_dir(workshop.path("sub")).expect("it can be made");
        std::fs::write(workshop.path("sub/one.h"), "static int one(void) { return 1; }\n")
            .expect("it can be written");
        std::fs::write(&source, "#include \"sub/one.h\"\nint main(void) { return one(); }\n")
            .expect("it can be written");
        let map = format!("-fdebug-prefix-map={}=mapped/here", root.display());
        let mut compiler = tool("gcc");
        compiler.current_dir(root).args(["-g", version, &map, "-o"]);
        run(compiler.arg(&program).arg("main.c"));
        let image = image(&program);
        let info = image.debug_info().expect("it was built with -g");
        let files: Vec<&str> = info.source_files().map(AsRef::as_ref).collect();
        assert_eq!(files, ["mapped/here/main.c", "mapped/here/sub/one.h"], "{version}");
    }
}

/// A table of few bytes can name very many files that all have the same long text.
#[test]
fn the_paths_of_a_damaged_table_are_bounded() {
    const FILES: usize = 2000;
    const TEXT_LEN: usize = 1 << 18;
    let names: String = (1..=FILES).map(|at| format!("        .4byte {at}\n")).collect();
    let assembly = format!(
        "        .text
main:   ret
        .globl main
main_end:
        .section .debug_abbrev, \"\", @progbits
        .uleb128 1, 0x11
        .byte 0
        .uleb128 0x10, 0x17, 0x11, 0x01, 0x12, 0x07, 0, 0, 0
        .section .debug_line_str, \"MS\", @progbits, 1
        .fill {TEXT_LEN}, 1, 0x78
        .byte 0
        .section .debug_line, \"\", @progbits
lines:  .4byte lines_end - lines_start
lines_start:
        .2byte 5
        .byte 8, 0
        .4byte head_end - head_start
head_start:
        .byte 1, 1, 1, 0xfb, 14, 1
        .byte 1, 1, 0x1f, 1
        .4byte 0
        .byte 1, 1, 0x1f
        .uleb128 {FILES}
{names}
head_end:
lines_end:
        .section .debug_info, \"\", @progbits
        .4byte info_end - info_start
info_start:
        .2byte 5
        .byte 1, 8
        .4byte 0
        .uleb128 1
        .4byte 0
        .8byte main, main_end - main
info_end:
"
    );
    let workshop = Workshop::new();
    let (source, program) = (workshop.path("files.s"), workshop.path("files"));
    std::fs::write(&source, assembly).expect("it can be written");
    run(tool("gcc").arg("-nostdlib").arg("-Wl,-emain").arg("-o").arg(&program).arg(&source));
    let image = image(&program);
    let info = image.debug_info().expect("it has a unit");
    let size: usize = info.source_files().map(|path| path.len()).sum();
    assert!((TEXT_LEN..FILES * TEXT_LEN / 4).contains(&size), "{size} bytes");
}
