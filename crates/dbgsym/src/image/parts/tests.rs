//! Files fetched in parts say the same as whole ones, and damaged ones ask for no more than all.

use super::*;
use crate::{Image, ImageBytes};

/// Fetches what is asked for, as somebody far away would; how often it was asked.
fn fetch(file: &[u8], purpose: Purpose) -> (Vec<u8>, Vec<Range<u64>>, usize) {
    let mut bytes = vec![0; file.len()];
    let mut known: Vec<Range<u64>> = Vec::new();
    for turn in 0.. {
        let needed = needed_parts(&bytes, &known, purpose);
        if needed.is_empty() {
            return (bytes, known, turn);
        }
        assert!(turn < 6, "it asks for ever: {needed:?} of {known:?}");
        for range in needed {
            assert!(range.start < range.end && range.end <= file.len() as u64, "{range:?}");
            assert!(!is_known(&known, &range), "{range:?} is known");
            let place = range.start as usize..range.end as usize;
            bytes[place.clone()].copy_from_slice(&file[place]);
            known.push(range);
        }
        known.sort_by_key(|range| range.start);
        // Ranges that touch are one.
        known.dedup_by(|next, last| {
            let touches = next.start <= last.end;
            if touches {
                last.end = last.end.max(next.end);
            }
            touches
        });
    }
    unreachable!()
}

fn own_program() -> Vec<u8> {
    std::fs::read("/proc/self/exe").expect("readable")
}

#[test]
fn parts_have_the_same_names_as_the_whole() {
    let file = own_program();
    let (bytes, known, turns) = fetch(&file, Purpose::Names);
    assert!(turns <= 4, "{turns}");
    let fetched: u64 = known.iter().map(|range| range.end - range.start).sum();
    assert!(fetched < file.len() as u64 / 2, "{fetched} of {}", file.len());
    let part = Image::parse_part(ImageBytes::from(bytes), &known).expect("parses");
    let whole = Image::parse(ImageBytes::from(file)).expect("parses");
    assert_eq!(part.build_id(), whole.build_id());
    assert_eq!(part.debug_link(), whole.debug_link());
    let symbols = |image: &Image| -> Vec<String> {
        image.symbols().iter().map(|symbol| format!("{symbol:?} {:?}", symbol.kind())).collect()
    };
    assert!(symbols(&whole).len() > 1000);
    assert!(symbols(&part) == symbols(&whole));
    for name in [".eh_frame", ".eh_frame_hdr", ".symtab"] {
        let bytes_in = |image: &Image| image.section_bytes(name).map(|it| it.as_slice().to_vec());
        assert!(bytes_in(&whole).is_some() && bytes_in(&part) == bytes_in(&whole), "{name}");
    }
    // What is not there is not taken for zeros.
    assert!(part.section_bytes(".text").is_none() && part.section_bytes(".debug_info").is_none());
    let text = whole.section(".text").expect("code").address;
    assert!(part.bytes_at(text).is_none() && whole.bytes_at(text).is_some());
}

#[test]
fn debug_sections_are_another_part() {
    let file = own_program();
    let (bytes, known, _) = fetch(&file, Purpose::DebugInfo);
    let part = Image::parse_part(ImageBytes::from(bytes), &known).expect("parses");
    let whole = Image::parse(ImageBytes::from(file)).expect("parses");
    for section in whole.sections().iter().filter(|section| section.file_offset.is_some()) {
        let is_there = part.has_section(&section.name);
        let is_debug = section.name.starts_with(".debug_") && is_read(section.name.as_bytes());
        assert!(is_there || !is_debug, "{}", section.name);
    }
    assert!(!part.has_section(".symtab") || part.section_bytes(".text").is_none());
}

#[test]
fn what_is_no_elf_file_with_sections_is_taken_whole() {
    for file in [vec![7; 100_000], Vec::new(), b"\x7fELF".to_vec()] {
        let (_, known, _) = fetch(&file, Purpose::Names);
        let all: u64 = known.iter().map(|range| range.end - range.start).sum();
        assert_eq!(all, file.len() as u64);
    }
}

#[test]
fn damaged_headers_end_the_asking() {
    let file = own_program();
    let header: &FileHeader64<LittleEndian> = object::pod::from_bytes(&file).expect("ELF").0;
    let (table, count) = (header.e_shoff.get(LE) as usize, header.e_shnum.get(LE));
    let mut places: Vec<usize> = (0..64).collect();
    places.extend((0..usize::from(count) * 64).map(|offset| table + offset));
    for place in places.into_iter().step_by(17) {
        let mut damaged = file.clone();
        damaged[place] ^= 0xff;
        fetch(&damaged, Purpose::Names);
    }
}
