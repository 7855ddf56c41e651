//! Tests.

use super::*;
use crate::synthetic::{SHF_COMPRESSED, SyntheticElf};

fn segment(address: u64, size: u64, file_offset: u64) -> Segment {
    Segment {
        address: LinkAddress::new(address),
        size_bytes: size,
        file_offset,
        file_size_bytes: size,
        is_readable: true,
        is_writable: false,
        is_executable: false,
    }
}

fn with_segments(segments: Vec<Segment>) -> Image {
    Image { segments, ..SyntheticElf::new(Arch::X86_64).image() }
}

#[test]
fn the_bias_follows_from_any_mapping() {
    // As ld lays out a position independent program; the data segment begins inside a page.
    let image = with_segments(vec![
        segment(0, 0x628, 0),
        segment(0x1000, 0x185, 0x1000),
        segment(0x2000, 0xc4, 0x2000),
        segment(0x3db8, 0x258, 0x2db8),
    ]);
    let base = 0x5555_5555_4000;
    for (mapped_at, offset) in [(0, 0), (0x1000, 0x1000), (0x2000, 0x2000)] {
        let bias = image.load_bias(Address::new(base + mapped_at), offset);
        assert_eq!(bias, Some(LoadBias::new(base)), "offset {offset:#x}");
    }
    assert_eq!(image.load_bias(Address::new(base), 0x9000), None);
    let range = image.loaded_range(LoadBias::new(base)).expect("in range");
    assert_eq!((range.start().value(), range.len_bytes()), (base, 0x5000));
}

#[test]
fn the_bias_of_the_lowest_mapping_is_right_when_segments_share_pages() {
    // As lld and `-z noseparate-code` lay it out: everything in the first page of the file.
    let image = with_segments(vec![segment(0x20_0000, 0x300, 0), segment(0x20_1300, 0x80, 0x300)]);
    let bias = image.load_bias(Address::new(0x7f00_0020_0000), 0);
    assert_eq!(bias, Some(LoadBias::new(0x7f00_0000_0000)));
}

#[test]
fn a_prelinked_image_may_be_loaded_below_its_link_address() {
    let image = with_segments(vec![segment(0x40_0000, 0x1000, 0)]);
    let bias = image.load_bias(Address::new(0x1000), 0).expect("offset 0 is mapped");
    assert_eq!(LinkAddress::new(0x40_0010).to_address(bias), Address::new(0x1010));
}

#[test]
fn damaged_headers_are_refused_by_name() {
    let whole = SyntheticElf::new(Arch::X86_64).bytes();
    let parse = |bytes: &[u8]| Image::parse(ImageBytes::from(bytes.to_vec())).map(|_| ());
    let changed = |at: usize, byte: u8| {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        parse(&bytes)
    };
    assert_eq!(parse(&whole), Ok(()));
    assert_eq!(parse(b""), Err(ImageError::NotElf));
    assert_eq!(changed(1, b'e'), Err(ImageError::NotElf));
    assert_eq!(parse(&whole[..5]), Err(ImageError::HeaderTruncated));
    assert_eq!(parse(&whole[..63]), Err(ImageError::HeaderTruncated));
    assert_eq!(changed(4, 1), Err(ImageError::UnsupportedClass), "32 bits");
    assert_eq!(changed(5, 2), Err(ImageError::UnsupportedClass), "big-endian");
    assert_eq!(changed(16, 4), Err(ImageError::UnsupportedFileType(4)), "a core file");
    assert_eq!(changed(18, 3), Err(ImageError::UnsupportedMachine(3)), "i386");
    assert_eq!(changed(33, 0xff), Err(ImageError::ProgramHeaders), "e_phoff");
    assert_eq!(changed(54, 32), Err(ImageError::ProgramHeaders), "e_phentsize");
    assert_eq!(parse(&whole[..whole.len() - 1]), Err(ImageError::SectionHeaders));
    assert_eq!(changed(62, 99), Err(ImageError::SectionHeaders), "e_shstrndx");
    assert_eq!(changed(64, 2), Err(ImageError::NoSegments), "p_type");
    assert_eq!(changed(64 + 47, 0xff).and(changed(64 + 23, 0xff)), Ok(()));
}

#[test]
fn a_segment_beyond_the_address_space_is_refused() {
    let mut bytes = SyntheticElf::new(Arch::X86_64).bytes();
    bytes[64 + 16..64 + 24].copy_from_slice(&u64::MAX.to_le_bytes());
    let error = Image::parse(ImageBytes::from(bytes)).map(|_| ());
    assert_eq!(error, Err(ImageError::SegmentOverflow));
}

#[test]
fn buffers_need_no_alignment() {
    let mut bytes = vec![0];
    bytes.extend(SyntheticElf::new(Arch::Aarch64).bytes());
    let len = bytes.len() as u64;
    for start in [0, 1] {
        let shifted = ImageBytes::from(bytes[1 - start..].to_vec());
        let shifted = shifted.slice(start as u64..len - 1 + start as u64).expect("inside");
        assert_eq!(Image::parse(shifted).expect("sound").arch(), Arch::Aarch64);
    }
}

#[test]
fn compressed_sections_that_claim_too_much_are_refused() {
    // zlib, uncompressed size, alignment, then a stored block of five bytes.
    let section = |claimed: u64| {
        let mut bytes = vec![1, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend(claimed.to_le_bytes());
        bytes.extend(1u64.to_le_bytes());
        bytes.extend([0x78, 0x01, 0x01, 5, 0, 0xfa, 0xff]);
        bytes.extend(b"abcde\x05\xc8\x01\xf0");
        let mut elf = SyntheticElf::new(Arch::X86_64);
        elf.unloaded_section(".debug_frame", SHF_COMPRESSED, &bytes);
        elf.image().section_bytes(".debug_frame")
    };
    assert_eq!(section(5).expect("sound").as_slice(), b"abcde");
    assert!(section(6).is_none());
    assert!(section(1 << 40).is_none(), "must not be allocated");
}

#[test]
fn bytes_at_stops_where_the_file_does() {
    let mut elf = SyntheticElf::new(Arch::X86_64);
    let text = elf.section(".text", &[1, 2, 3]);
    let image = elf.image();
    let bytes = image.bytes_at(text).expect("in the file");
    assert_eq!(bytes.as_slice().get(..3), Some(&[1, 2, 3][..]));
    assert!(image.bytes_at(LinkAddress::new(1 << 30)).is_none());
    assert_eq!(image.section_at(text).map(|section| section.name.as_str()), Some(".text"));
}

#[test]
fn a_debug_file_must_belong_to_the_image() {
    let image = || SyntheticElf::new(Arch::X86_64).image();
    let named = |id: u8| Image { build_id: BuildId::new(&[id; 20]), ..image() };
    let join = |image: Image, debug: Image| image.with_debug_file(Arc::new(debug)).map(|_| ());
    assert_eq!(join(named(1), named(1)), Ok(()));
    assert_eq!(join(image(), named(1)), Ok(()), "there is nothing to compare");
    assert_eq!(join(named(1), named(2)), Err(ImageError::DebugFileMismatch));
    let other_cpu = SyntheticElf::new(Arch::Aarch64).image();
    assert_eq!(join(image(), other_cpu), Err(ImageError::DebugFileMismatch));
}
