//! Symbols packed into stripped images, made as GDB's manual says, against nm and gdb.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dbgbase::LinkAddress;
use dbgsym::{Image, SymbolKind};

use crate::binutils;
use crate::programs::{Workshop, image, run, tool};

/// The commands of "Debugging information in a special section".
const PACK: &str = r#"set -e
nm -D $1 --format=posix --defined-only | awk '{ print $1 }' | sort > dynsyms
nm $1 --format=posix --defined-only \
    | awk '{ if ($2 == "T" || $2 == "t" || $2 == "D") print $1 }' | sort > funcsyms
comm -13 dynsyms funcsyms > keep_symbols
objcopy --only-keep-debug $1 debug
objcopy -S --remove-section .gdb_index --remove-section .comment \
    --keep-symbols=keep_symbols debug mini_debuginfo
strip --strip-all -R .comment -o $2 $1
rm -f mini_debuginfo.xz
xz mini_debuginfo
objcopy --add-section .gnu_debugdata=mini_debuginfo.xz $2
"#;

/// A stripped copy of a program, with its symbols packed into it.
fn packed(workshop: &Workshop, program: &Path) -> PathBuf {
    let packed = workshop.path("packed");
    let mut shell = tool("sh");
    shell.args(["-c", PACK, "sh"]).arg(program).arg(&packed);
    run(shell.current_dir(workshop.path("")));
    packed
}

fn functions(image: &Image) -> BTreeSet<(u64, u64, String)> {
    let symbols = image.symbols().iter();
    symbols
        .filter(|symbol| symbol.kind() == SymbolKind::Function)
        .map(|symbol| {
            (symbol.address().value(), symbol.size_bytes(), symbol.raw_name().into_owned())
        })
        .collect()
}

#[test]
fn all_functions_of_the_unstripped_program_have_names() {
    for (source, flags) in [
        ("plain.c", &["-O1", "-g", "-lm"][..]),
        ("shapes.cpp", &["-O0", "-g"]),
        ("crate.rs", &["-g"]),
    ] {
        let workshop = Workshop::new();
        let program = workshop.compile("whole", source, flags);
        let packed = packed(&workshop, &program);
        let stripped = image(&packed);
        assert!(!stripped.has_section(".symtab") && !stripped.has_full_symbols());
        let mini = stripped.mini_debug_file().expect("it was packed");
        assert!(mini.has_section(".symtab"));
        let found = functions(&stripped);
        // nm's letters leave weak and local kinds out, and so did the recipe.
        let kept = std::fs::read_to_string(workshop.path("keep_symbols")).expect("made above");
        let kept: BTreeSet<&str> = kept.lines().collect();
        let rows = binutils::symbols(&program, ".symtab").into_iter();
        let expected: Vec<_> = rows
            .filter(|row| row.kind == "FUNC" && row.section != "UND")
            .filter(|row| kept.contains(row.name.as_str()))
            .collect();
        assert!(expected.len() > 5, "{source}: {} functions", expected.len());
        for row in expected {
            let symbol = (row.address, row.size, row.name.clone());
            assert!(found.contains(&symbol), "{source}: {row:?} is missing");
        }
        assert_gdb_agrees(&packed, &stripped, &found);
    }
}

/// gdb reads the same section: what it calls each function's address.
fn assert_gdb_agrees(file: &Path, image: &Image, found: &BTreeSet<(u64, u64, String)>) {
    let mut gdb = tool("gdb");
    gdb.args(["-nx", "-batch", "-ex", "set print demangle off"]);
    let addresses: BTreeSet<u64> = found.iter().map(|(address, ..)| *address).collect();
    for address in &addresses {
        gdb.args(["-ex", &format!("info symbol {address:#x}")]);
    }
    let answers = run(gdb.arg(file));
    let answers: Vec<&str> = answers.lines().filter(|line| line.contains("section")).collect();
    assert_eq!(answers.len(), addresses.len(), "gdb knows a name for each: {answers:?}");
    for (address, answer) in addresses.iter().zip(answers) {
        let names = image.symbols().at(LinkAddress::new(*address));
        let has = |name: &str| answer.split(" in section").next() == Some(name);
        let agrees = names.iter().any(|symbol| has(&symbol.raw_name()) || has(&symbol.full_name()));
        assert!(agrees, "{address:#x}: gdb says {answer}, we {names:?}");
    }
}

#[test]
fn a_damaged_or_foreign_section_gives_no_symbols() {
    let workshop = Workshop::new();
    let program = workshop.compile("whole", "plain.c", &["-O1", "-g", "-lm"]);
    let packed_file = packed(&workshop, &program);
    let packed_image = image(&packed_file);
    let section = packed_image.section(".gnu_debugdata").expect("it was packed");
    let start = section.file_offset.expect("in the file") as usize;
    let whole = std::fs::read(&packed_file).expect("readable");
    let dynamic_only = functions(&image(&packed_file)).len();
    for at in (0..section.size_bytes as usize).step_by(97) {
        let mut bytes = whole.clone();
        bytes[start + at] ^= 0x41;
        let damaged = Image::parse(bytes.into()).expect("the headers are whole");
        assert!(damaged.mini_debug_file().is_none(), "byte {at}");
        assert!(functions(&damaged).len() < dynamic_only);
    }
    // Another build's: the build-id lies in the image, not in the section.
    let mut bytes = whole;
    let id = packed_image.build_id().expect("gcc gives one").as_bytes().to_vec();
    let at = bytes.windows(id.len()).position(|window| window == id).expect("in the file");
    bytes[at] ^= 1;
    let foreign = Image::parse(bytes.into()).expect("an image");
    assert!(foreign.mini_debug_file().is_none());
}
