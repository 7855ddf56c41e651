//! Headers of images against readelf.

use std::path::Path;
use std::sync::Arc;

use dbgbase::{Address, Arch, LinkAddress, LoadBias};
use dbgsym::{Image, ImageBytes, ImageError, ImageKind, build_id_of_notes};

use crate::programs::{Workshop, image, loaded_library, run, tool, vdso};

fn readelf(path: &Path, option: &str) -> String {
    run(tool("readelf").args(["--wide", option]).arg(path))
}

fn hex(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("a hexadecimal number")
}

/// Everything that readelf knows as well.
fn assert_as_readelf_says(path: &Path, image: &Image) {
    let header = readelf(path, "--file-header");
    let field = |name: &str| {
        let line = header.lines().find(|line| line.trim_start().starts_with(name));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim()).expect(name)
    };
    let entry = hex(field("Entry point address"));
    assert_eq!(image.entry(), (entry != 0).then(|| LinkAddress::new(entry)));
    assert_eq!(image.arch(), Arch::X86_64);

    let notes = readelf(path, "--notes");
    let id = notes.lines().find_map(|line| line.split_once("Build ID: "));
    assert_eq!(image.build_id().map(|id| id.to_string()).as_deref(), id.map(|(_, id)| id.trim()));

    let dynamic = readelf(path, "--dynamic");
    let soname = dynamic.lines().find_map(|line| line.split_once("Library soname: ["));
    assert_eq!(image.soname(), soname.map(|(_, name)| name.trim_end_matches(']')));

    let programs = readelf(path, "--program-headers");
    let interpreter = programs
        .lines()
        .find_map(|line| line.trim().strip_prefix("[Requesting program interpreter: "));
    assert_eq!(image.interpreter(), interpreter.map(|path| path.trim_end_matches(']')));
    let loads: Vec<Vec<&str>> = programs
        .lines()
        .filter(|line| line.trim_start().starts_with("LOAD "))
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(image.segments().len(), loads.len());
    for (segment, load) in image.segments().iter().zip(&loads) {
        let flags = load[6..].concat();
        assert_eq!(segment.file_offset, hex(load[1]));
        assert_eq!(segment.address.value(), hex(load[2]));
        assert_eq!(segment.file_size_bytes, hex(load[4]));
        assert_eq!(segment.size_bytes, hex(load[5]));
        assert_eq!(segment.is_readable, flags.contains('R'));
        assert_eq!(segment.is_writable, flags.contains('W'));
        assert_eq!(segment.is_executable, flags.contains('E'));
    }
    assert_sections(path, image);
}

fn assert_sections(path: &Path, image: &Image) {
    let text = readelf(path, "--sections");
    let rows: Vec<(&str, Vec<&str>)> = text
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix('[')?.split_once(']'))
        .filter(|(number, _)| number.trim().parse::<u32>().is_ok_and(|number| number > 0))
        .map(|(number, row)| (number, row.split_whitespace().collect()))
        .collect();
    assert_eq!(image.sections().len(), rows.len());
    for (section, (_, row)) in image.sections().iter().zip(rows) {
        assert_eq!(section.name, row[0]);
        assert_eq!(section.address.value(), hex(row[2]), "{}", section.name);
        assert_eq!(section.size_bytes, hex(row[4]), "{}", section.name);
        let in_file = (row[1] != "NOBITS").then(|| hex(row[3]));
        assert_eq!(section.file_offset, in_file, "{}", section.name);
        let flags = if row.len() == 10 { row[6] } else { "" };
        assert_eq!(section.is_loaded, flags.contains('A'), "{}", section.name);
        assert_eq!(section.is_executable, flags.contains('X'), "{}", section.name);
        assert_eq!(section.is_compressed, flags.contains('C'), "{}", section.name);
    }
}

#[test]
fn compiled_images_are_what_readelf_says() {
    use ImageKind::{Executable, PositionIndependentExecutable, SharedObject};
    let workshop = Workshop::new();
    for (name, flags, kind) in [
        ("pie", &["-pie", "-fPIE", "-lm"][..], PositionIndependentExecutable),
        ("fixed", &["-no-pie", "-lm"], Executable),
        ("static", &["-static", "-lm"], Executable),
        ("static-pie", &["-static-pie", "-lm"], PositionIndependentExecutable),
        ("stripped", &["-s", "-lm"], PositionIndependentExecutable),
        ("compressed", &["-g", "-gz=zlib", "-lm"], PositionIndependentExecutable),
        ("libplain.so", &["-shared", "-fPIC", "-Wl,-soname,libplain.so.7"], SharedObject),
        ("no-id", &["-Wl,--build-id=none", "-lm"], PositionIndependentExecutable),
        ("short-id", &["-Wl,--build-id=0x0123456789abcdef", "-lm"], PositionIndependentExecutable),
    ] {
        let path = workshop.compile(name, "plain.c", flags);
        let image = image(&path);
        assert_as_readelf_says(&path, &image);
        assert_eq!(image.kind(), kind, "{name}");
        assert_eq!(image.has_section(".symtab"), name != "stripped", "{name}");
        assert_eq!(image.has_section(".dynsym"), name != "static", "{name}");
        assert_eq!(image.has_section(".debug_info"), name == "compressed", "{name}");
        assert!(image.has_section(".eh_frame"), "{name}");
        assert!(!image.has_section(".bss"), "the file has no bytes for it");
    }
}

#[test]
fn loaded_images_are_what_readelf_says() {
    for path in [
        std::env::current_exe().expect("the test has a file"),
        loaded_library("libc.so"),
        loaded_library("ld-linux"),
    ] {
        assert_as_readelf_says(&path, &image(&path));
    }
}

#[test]
fn the_vdso_is_an_image() {
    let workshop = Workshop::new();
    let bytes = vdso();
    let path = workshop.path("vdso");
    std::fs::write(&path, &bytes).expect("the directory is writable");
    let image = Image::parse(ImageBytes::from(bytes)).expect("the vDSO is sound");
    assert_as_readelf_says(&path, &image);
    assert_eq!(image.soname(), Some("linux-vdso.so.1"));
    assert!(image.build_id().is_some());
}

#[test]
fn load_biases_explain_the_mappings_of_this_process() {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("/proc is mounted");
    let path = loaded_library("libc.so");
    let libc = image(&path);
    let mappings: Vec<(u64, u64)> = maps
        .lines()
        .filter(|line| line.ends_with(path.to_str().expect("a plain name")))
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            (hex(words[0].split_once('-').expect("a range").0), hex(words[2]))
        })
        .collect();
    let (lowest, offset) = mappings[0];
    let bias = libc.load_bias(Address::new(lowest), offset).expect("offset 0 is loaded");
    let range = libc.loaded_range(bias).expect("in range");
    assert_eq!(range.start(), Address::new(lowest));
    for (address, offset) in mappings {
        assert!(range.contains(Address::new(address)));
        // A mapping of relocated data was split by mprotect(2); its offset still tells.
        assert_eq!(libc.load_bias(Address::new(address), offset), Some(bias), "{offset:#x}");
    }
    // The bias leads to the same bytes in memory as in the file.
    let header = libc.bytes_at(libc.link_start()).expect("the header is loaded");
    assert_eq!(header.as_slice().get(..4), Some(&b"\x7fELF"[..]));
    assert_ne!(bias, LoadBias::NONE);
}

#[test]
fn separate_debug_files_bring_their_symbols() {
    let workshop = Workshop::new();
    let path = workshop.compile("whole", "plain.c", &["-g", "-gz=zlib", "-lm"]);
    let stripped = workshop.path("stripped");
    let debug = workshop.path("stripped.debug");
    let objcopy = |arguments: &[&str], to: &Path| {
        run(tool("objcopy").args(arguments).arg(&path).arg(to));
    };
    objcopy(&["--only-keep-debug"], &debug);
    let link = format!("--add-gnu-debuglink={}", debug.display());
    objcopy(&["--strip-all", &link], &stripped);

    let image_alone = image(&stripped);
    let debug_link = image_alone.debug_link().expect("objcopy has added it");
    assert_eq!(debug_link.file_name, "stripped.debug");
    assert_eq!(debug_link.crc32, crc32(&std::fs::read(&debug).expect("it was made")));
    assert!(image_alone.symbols().by_name("local_function").is_empty());

    let debug = Arc::new(image(&debug));
    assert_eq!(debug.build_id(), image_alone.build_id());
    assert!(debug.has_section(".debug_info"));
    assert!(!debug.has_section(".text"));
    let info = debug.section_bytes(".debug_info").expect("it can be decompressed");
    assert_eq!(info.as_slice().get(4..6), Some(&5u16.to_le_bytes()[..]), "DWARF 5");
    let both = image_alone.with_debug_file(debug).expect("they belong together");
    let whole = image(&path);
    let all = |image: &Image| -> Vec<String> {
        image.symbols().iter().map(|symbol| format!("{symbol:?}")).collect()
    };
    assert_eq!(all(&both), all(&whole));

    let other = workshop.compile("other", "plain.c", &["-O1", "-lm"]);
    let mismatch = image(&other).with_debug_file(Arc::new(image(&path))).map(|_| ());
    assert_eq!(mismatch, Err(ImageError::DebugFileMismatch));
}

/// CRC-32 by its definition: the polynomial 0x04c11db7, bits reversed.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc: u32, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
        })
    })
}

#[test]
fn build_ids_are_found_in_memory() {
    let path = loaded_library("libc.so");
    let libc = image(&path);
    let note = libc.section(".note.gnu.build-id").expect("libc has one");
    let bytes = libc.bytes_at(note.address).expect("it is loaded");
    let bytes = bytes.as_slice().get(..note.size_bytes as usize).expect("whole");
    assert_eq!(build_id_of_notes(bytes).as_ref(), libc.build_id());
}
