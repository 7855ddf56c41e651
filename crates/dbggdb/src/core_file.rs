//! The head of an ELF core file (core(5), elf(5)): header, program headers, notes. It is given what
//! is known of a process and says where the bytes of its memory go; it reads nothing. Pure.

mod notes;

use dbgwire::verbs::memory::Region;

pub(crate) use notes::{CoreProcess, CoreThread};

/// Where pages begin: segments lie in the file as in memory.
const PAGE_LEN: u64 = 4096;
const HEADER_LEN: u64 = 64;
const SEGMENT_LEN: u64 = 56;
/// The most segments: beyond it the file's header has no room for their number (elf(5), `PN_XNUM`).
const SEGMENTS_MAX: usize = 0xfffe;

const ET_CORE: u16 = 4;
const EM_X86_64: u16 = 62;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;

/// Why there can be no core file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum CoreError {
    /// There are more mappings than a core file can have.
    #[error("a core file has at most {SEGMENTS_MAX} segments, and there are {0} mappings")]
    TooMany(usize),
}

/// Memory whose bytes are in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Segment {
    /// Its first address.
    pub(crate) address: u64,
    /// How many of its bytes are in the file; the rest can be had from the file that is mapped.
    pub(crate) len: u64,
    /// Where in the file they are.
    pub(crate) offset: u64,
}

/// The head of a core file, and what follows it.
///
/// **Errors**: [`CoreError`].
pub(crate) fn head(process: &CoreProcess) -> Result<(Vec<u8>, Vec<Segment>), CoreError> {
    let regions: Vec<&Region> = process.regions.iter().filter(|region| is_memory(region)).collect();
    if regions.len() >= SEGMENTS_MAX {
        return Err(CoreError::TooMany(regions.len()));
    }
    let notes = notes::write(process);
    let notes_at = HEADER_LEN + SEGMENT_LEN * (regions.len() as u64 + 1);
    let mut end = (notes_at + notes.len() as u64).next_multiple_of(PAGE_LEN);
    let mut bytes = header(regions.len() as u16 + 1);
    segment(&mut bytes, PT_NOTE, 0, (notes_at, notes.len() as u64), (0, 0), 4);
    let mut segments = Vec::new();
    let nexts = regions.iter().skip(1).map(Some).chain([None]);
    for (region, next) in regions.iter().zip(nexts) {
        let len = len_in_file(region, next);
        // The bits of the protocol are the other way round (elf(5), `p_flags`).
        let may = |bit: u32, flag: u32| if region.protection & bit == 0 { 0 } else { flag };
        let flags = may(1, 4) | may(2, 2) | may(4, 1);
        let memory = (region.start, region.end - region.start);
        segment(&mut bytes, PT_LOAD, flags, (end, len), memory, PAGE_LEN);
        segments.push(Segment { address: region.start, len, offset: end });
        end += len;
    }
    bytes.extend(notes);
    Ok((bytes, segments))
}

/// Whether a region is memory that can be read: neither the kernel's own nor a device's.
fn is_memory(region: &Region) -> bool {
    let is_devices = region.name.starts_with(b"/dev/") && region.protection & 8 != 0;
    let is_kernels = matches!(&*region.name, b"[vvar]" | b"[vvar_vclock]" | b"[vsyscall]");
    region.end > region.start && !is_devices && !is_kernels
}

/// How many bytes of a region are written: all of what the program may have changed, of a file
/// that is only mapped its first page, by which it is known, as the kernel does (core(5)).
fn len_in_file(region: &Region, next: Option<&&Region>) -> u64 {
    let may = |bit: u32| region.protection & bit != 0;
    let is_file = region.name.starts_with(b"/");
    let is_constant = !may(2) && (may(4) || is_more_constant(region, next));
    match (is_file, is_constant || may(8)) {
        _ if !may(1) => 0,
        (true, true) if region.offset == 0 => PAGE_LEN.min(region.end - region.start),
        (true, true) => 0,
        _ => region.end - region.start,
    }
}

/// Whether more of a file's constant data follows. The last of it is what the dynamic linker has
/// filled in and then protected, if it has done so.
fn is_more_constant(region: &Region, next: Option<&&Region>) -> bool {
    next.is_some_and(|next| {
        next.start == region.end && next.name == region.name && next.protection & 2 == 0
    })
}

fn header(segments: u16) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    bytes.extend(ET_CORE.to_le_bytes());
    bytes.extend(EM_X86_64.to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    // Entry point, program headers, section headers.
    for value in [0, HEADER_LEN, 0] {
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend(0u32.to_le_bytes());
    for value in [HEADER_LEN as u16, SEGMENT_LEN as u16, segments, 0, 0, 0] {
        bytes.extend(value.to_le_bytes());
    }
    bytes
}

/// Writes a program header. Places are pairs of start and length.
fn segment(
    bytes: &mut Vec<u8>,
    kind: u32,
    flags: u32,
    in_file: (u64, u64),
    in_memory: (u64, u64),
    alignment: u64,
) {
    bytes.extend(kind.to_le_bytes());
    bytes.extend(flags.to_le_bytes());
    for value in [in_file.0, in_memory.0, 0, in_file.1, in_memory.1, alignment] {
        bytes.extend(value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(start: u64, end: u64, protection: u32, offset: u64, name: &[u8]) -> Region {
        Region { start, end, protection, offset, name: name.to_vec() }
    }

    #[test]
    fn segments_follow_the_head_in_whole_pages() {
        let regions = vec![
            region(0x1000, 0x5000, 5, 0, b"/a"),
            region(0x5000, 0x6000, 1, 0x4000, b"/a"),
            region(0x6000, 0x7000, 1, 0x4000, b"/a"),
            region(0x7000, 0x9000, 3, 0x5000, b"/a"),
            region(0x9000, 0xa000, 0, 0, b""),
            region(0xb000, 0xc000, 11, 0, b"/dev/dri/card0"),
            region(0xd000, 0xe000, 1, 0, b"[vvar]"),
        ];
        let process = CoreProcess { regions, ..CoreProcess::default() };
        let (head, segments) = head(&process).expect("is small");
        let start = (head.len() as u64).next_multiple_of(PAGE_LEN);
        let expected = [
            (0x1000, 0x1000, 0),
            (0x5000, 0, 0x1000),
            (0x6000, 0x1000, 0x1000),
            (0x7000, 0x2000, 0x2000),
            (0x9000, 0, 0x4000),
        ];
        let expected =
            expected.map(|(address, len, at)| Segment { address, len, offset: start + at });
        assert_eq!(segments, expected);
        assert_eq!(head[..7], *b"\x7fELF\x02\x01\x01");
        assert_eq!(u16::from_le_bytes([head[56], head[57]]), 6);
    }

    #[test]
    fn too_many_mappings_are_refused() {
        let regions = vec![region(0x1000, 0x2000, 3, 0, b""); SEGMENTS_MAX];
        let process = CoreProcess { regions, ..CoreProcess::default() };
        assert_eq!(head(&process).err(), Some(CoreError::TooMany(SEGMENTS_MAX)));
    }
}
