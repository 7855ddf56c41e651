//! From the bytes of an ELF file to an [`Image`]: header, program headers, section headers. Sizes
//! and offsets in the file are claims; each is checked where it is used.

use std::ops::Range;
use std::sync::OnceLock;

use dbgbase::{Arch, LinkAddress};
use object::LittleEndian;
use object::elf::{self, FileHeader64, ProgramHeader64, SectionHeader64};
use object::read::elf::{FileHeader as _, ProgramHeader as _, SectionHeader as _};
use object::read::{CompressedData, CompressionFormat};

use super::dynamic::{self, DynamicTable};
use super::thread_local::ThreadLocalBlock;
use super::{
    BuildId, DebugLink, Image, ImageBytes, ImageKind, Section, Segment, build_id_of_notes,
    c_string_at,
};
use crate::ImageError;

const LE: LittleEndian = LittleEndian;

const SECTION_NAME_LEN_MAX_BYTES: usize = 255;
const PATH_LEN_MAX_BYTES: usize = 4096;

/// No real debug section compresses better than this; a header that claims more wants memory.
const COMPRESSION_RATIO_MAX: u64 = 1024;

pub(super) fn parse(bytes: ImageBytes, known: Option<&[Range<u64>]>) -> Result<Image, ImageError> {
    let file = bytes.as_slice();
    let header = header(file)?;
    let arch = match header.e_machine(LE) {
        elf::EM_X86_64 => Arch::X86_64,
        elf::EM_AARCH64 => Arch::Aarch64,
        other => return Err(ImageError::UnsupportedMachine(other.0)),
    };
    let programs = header.program_headers(LE, file).map_err(|_| ImageError::ProgramHeaders)?;
    let segments = segments(programs)?;
    let mut sections = sections(header, file)?;
    for section in &mut sections {
        section.file_offset = section.file_offset.filter(|start| {
            let end = start.saturating_add(section.size_bytes);
            let is_inside = |range: &Range<u64>| range.start <= *start && end <= range.end;
            known.is_none_or(|known| known.iter().any(is_inside))
        });
    }
    let program_range = |kind: elf::ProgramType| {
        let program = programs.iter().find(|program| program.p_type(LE) == kind)?;
        file_range(program)
    };
    let dynamic = program_range(elf::PT_DYNAMIC)
        .map_or_else(DynamicTable::default, |range| dynamic::read(file, &segments, range));
    let interpreter = program_range(elf::PT_INTERP).and_then(|range| interpreter(file, range));
    let kind = match header.e_type(LE) {
        elf::ET_EXEC => ImageKind::Executable,
        // Linkers before DF_1_PIE left a program without a name of its own as the only sign.
        elf::ET_DYN if dynamic.is_pie || interpreter.is_some() && dynamic.soname.is_none() => {
            ImageKind::PositionIndependentExecutable
        }
        elf::ET_DYN => ImageKind::SharedObject,
        other => return Err(ImageError::UnsupportedFileType(other.0)),
    };
    let eh_frame_hdr = programs
        .iter()
        .find(|program| program.p_type(LE) == elf::PT_GNU_EH_FRAME)
        .map(|program| LinkAddress::new(program.p_vaddr(LE)));
    let thread_local =
        programs.iter().find(|program| program.p_type(LE) == elf::PT_TLS).map(|program| {
            ThreadLocalBlock {
                size_bytes: program.p_memsz(LE),
                alignment_bytes: program.p_align(LE),
            }
        });
    let entry = header.e_entry(LE);
    Ok(Image {
        arch,
        kind,
        entry: (entry != 0).then(|| LinkAddress::new(entry)),
        build_id: build_id(file, programs, &sections),
        debug_link: debug_link(file, &sections),
        segments,
        sections,
        interpreter,
        dynamic,
        eh_frame_hdr,
        known: known.map(<[_]>::to_vec),
        thread_local,
        debug_file: None,
        symbols: OnceLock::new(),
        call_frame_info: OnceLock::new(),
        debug_info: OnceLock::new(),
        bytes,
    })
}

/// The sections and the build-id of a file that need not be loadable: an object file, or one with
/// debugging information only. `None` if it is no ELF file or damaged.
pub(crate) fn sections_of_file(bytes: &ImageBytes) -> Option<(Vec<Section>, Option<BuildId>)> {
    let file = bytes.as_slice();
    let sections = sections(header(file).ok()?, file).ok()?;
    let build_id = build_id(file, &[], &sections);
    Some((sections, build_id))
}

/// The build-id of an ELF file that need not be loadable. `None` if it has none, or is no ELF file.
pub fn build_id_of_file(bytes: &ImageBytes) -> Option<BuildId> {
    sections_of_file(bytes)?.1
}

fn header(file: &[u8]) -> Result<&FileHeader64<LittleEndian>, ImageError> {
    if file.get(..elf::ELFMAG.len()) != Some(&elf::ELFMAG) {
        return Err(ImageError::NotElf);
    }
    let class = file.get(4).ok_or(ImageError::HeaderTruncated)?;
    let data = file.get(5).ok_or(ImageError::HeaderTruncated)?;
    if (*class, *data) != (elf::ELFCLASS64.0, elf::ELFDATA2LSB.0) {
        return Err(ImageError::UnsupportedClass);
    }
    object::pod::from_bytes(file)
        .map(|(header, _)| header)
        .map_err(|()| ImageError::HeaderTruncated)
}

fn segments(programs: &[ProgramHeader64<LittleEndian>]) -> Result<Vec<Segment>, ImageError> {
    let mut segments = Vec::new();
    for program in programs.iter().filter(|program| program.p_type(LE) == elf::PT_LOAD) {
        let address = program.p_vaddr(LE);
        let size_bytes = program.p_memsz(LE);
        address.checked_add(size_bytes).ok_or(ImageError::SegmentOverflow)?;
        let flags = program.p_flags(LE);
        segments.push(Segment {
            address: LinkAddress::new(address),
            size_bytes,
            file_offset: program.p_offset(LE),
            file_size_bytes: program.p_filesz(LE).min(size_bytes),
            is_readable: flags.contains(elf::PF_R),
            is_writable: flags.contains(elf::PF_W),
            is_executable: flags.contains(elf::PF_X),
        });
    }
    if segments.is_empty() {
        return Err(ImageError::NoSegments);
    }
    segments.sort_by_key(|segment| segment.address);
    Ok(segments)
}

fn sections(header: &FileHeader64<LittleEndian>, file: &[u8]) -> Result<Vec<Section>, ImageError> {
    let damaged = |_| ImageError::SectionHeaders;
    let headers = header.section_headers(LE, file).map_err(damaged)?;
    let names = match headers.is_empty() {
        true => 0..0,
        false => {
            let index = header.section_strings_index(LE, file).map_err(damaged)?;
            let names = headers.get(index.0).ok_or(ImageError::SectionHeaders)?;
            names.file_range(LE).map_or(0..0, |(start, size)| start..start.saturating_add(size))
        }
    };
    // The first section header is null (System V ABI, chapter 4, "Sections").
    Ok(headers.iter().skip(1).map(|header| section(header, file, &names)).collect())
}

fn section(header: &SectionHeader64<LittleEndian>, file: &[u8], names: &Range<u64>) -> Section {
    let name = names
        .start
        .checked_add(u64::from(header.sh_name(LE)))
        .filter(|offset| *offset < names.end)
        .and_then(|offset| c_string_at(file, offset, SECTION_NAME_LEN_MAX_BYTES))
        .unwrap_or_default();
    let flags = header.sh_flags(LE);
    Section {
        name: String::from_utf8_lossy(name).into_owned(),
        address: LinkAddress::new(header.sh_addr(LE)),
        size_bytes: header.sh_size(LE),
        file_offset: header.file_range(LE).map(|(offset, _)| offset),
        is_loaded: flags.contains(elf::SHF_ALLOC),
        is_executable: flags.contains(elf::SHF_EXECINSTR),
        is_compressed: flags.contains(elf::SHF_COMPRESSED),
    }
}

fn file_range(program: &ProgramHeader64<LittleEndian>) -> Option<Range<u64>> {
    let start = program.p_offset(LE);
    Some(start..start.checked_add(program.p_filesz(LE))?)
}

fn bytes_of(file: &[u8], range: Range<u64>) -> Option<&[u8]> {
    file.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
}

fn interpreter(file: &[u8], range: Range<u64>) -> Option<String> {
    let path = c_string_at(bytes_of(file, range)?, 0, PATH_LEN_MAX_BYTES)?;
    (!path.is_empty()).then(|| String::from_utf8_lossy(path).into_owned())
}

/// Segments say it for loaded images, sections for separate debug files, whose segments are empty.
fn build_id(
    file: &[u8],
    programs: &[ProgramHeader64<LittleEndian>],
    sections: &[Section],
) -> Option<BuildId> {
    let in_segments = programs
        .iter()
        .filter(|program| program.p_type(LE) == elf::PT_NOTE)
        .filter_map(|program| bytes_of(file, file_range(program)?))
        .find_map(build_id_of_notes);
    in_segments.or_else(|| {
        let section = sections.iter().find(|section| section.name == ".note.gnu.build-id")?;
        build_id_of_notes(section_bytes(file, section)?)
    })
}

fn section_bytes<'a>(file: &'a [u8], section: &Section) -> Option<&'a [u8]> {
    let start = section.file_offset?;
    bytes_of(file, start..start.checked_add(section.size_bytes)?)
}

/// ```text
/// +----------------------+-----+-----+-------------------+
/// | file name            |  0  | pad | CRC-32, 4 bytes   |   pad to a multiple of 4
/// +----------------------+-----+-----+-------------------+
/// ```
///
/// **Source**: GDB manual, "Debugging Information in Separate Files".
fn debug_link(file: &[u8], sections: &[Section]) -> Option<DebugLink> {
    let section = sections.iter().find(|section| section.name == ".gnu_debuglink")?;
    let bytes = section_bytes(file, section)?;
    let name = c_string_at(bytes, 0, PATH_LEN_MAX_BYTES)?;
    let crc_at = (name.len() + 1).next_multiple_of(4);
    let crc32 = u32::from_le_bytes(*bytes.get(crc_at..)?.first_chunk()?);
    let file_name = String::from_utf8_lossy(name).into_owned();
    (!file_name.is_empty()).then_some(DebugLink { file_name, crc32 })
}

/// The bytes of a section, decompressed if need be.
pub(crate) fn bytes_of_section(file: &ImageBytes, section: &Section) -> Option<ImageBytes> {
    let start = section.file_offset?;
    let stored = file.slice(start..start.checked_add(section.size_bytes)?)?;
    if section.is_compressed {
        return decompress(&stored);
    }
    if section.name.starts_with(".zdebug") { decompress_old(&stored) } else { Some(stored) }
}

/// Decompresses a section as linkers did before `SHF_COMPRESSED`, when the name said it:
///
/// ```text
/// 0      4                    12
/// +------+--------------------+-----------------
/// | ZLIB | size, big-endian   | compressed ...
/// +------+--------------------+-----------------
/// ```
fn decompress_old(stored: &ImageBytes) -> Option<ImageBytes> {
    let rest = stored.as_slice().strip_prefix(b"ZLIB")?;
    let (size, data) = rest.split_first_chunk()?;
    inflate(CompressionFormat::Zlib, data, u64::from_be_bytes(*size))
}

/// Decompresses a section that begins with `Elf64_Chdr`:
///
/// ```text
/// 0        4          8           16             24
/// +--------+----------+-----------+--------------+-----------------
/// |  type  | reserved |  size     |  alignment   | compressed ...
/// +--------+----------+-----------+--------------+-----------------
///   1 zlib, 2 zstd     when whole
/// ```
fn decompress(stored: &ImageBytes) -> Option<ImageBytes> {
    let stored = stored.as_slice();
    let header: &elf::CompressionHeader64<LittleEndian> = object::pod::from_bytes(stored).ok()?.0;
    let data = stored.get(size_of_val(header)..)?;
    let format = match header.ch_type.get(LE) {
        elf::ELFCOMPRESS_ZLIB => CompressionFormat::Zlib,
        elf::ELFCOMPRESS_ZSTD => CompressionFormat::Zstandard,
        _ => return None,
    };
    inflate(format, data, header.ch_size.get(LE))
}

fn inflate(format: CompressionFormat, data: &[u8], uncompressed_size: u64) -> Option<ImageBytes> {
    if uncompressed_size > (data.len() as u64).saturating_mul(COMPRESSION_RATIO_MAX) {
        return None;
    }
    let whole = CompressedData { format, data, uncompressed_size }.decompress().ok()?;
    Some(ImageBytes::from(whole.into_owned()))
}
