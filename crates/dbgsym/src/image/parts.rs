//! Which parts of a file are needed for what, so that a file far away need not be fetched whole. It
//! asks for ranges and is given their bytes; from where is not its business.

use std::ops::Range;

use object::LittleEndian;
use object::elf::{self, FileHeader64, SectionHeader64};
use object::read::elf::{FileHeader as _, SectionHeader as _};

use super::c_string_at;

const LE: LittleEndian = LittleEndian;

/// ELF header, program headers and, as linkers order things, the notes.
const HEAD_LEN: u64 = 4096;
/// Linkers write section headers and their names last; those of most files fit.
const TAIL_LEN: u64 = 32 * 1024;
/// Ranges that are this close are asked for as one.
const GAP_LEN_MAX: u64 = 512;
/// Relocations that are not needed for the procedure linkage table are left out above this size;
/// then calls of functions whose address is taken elsewhere, too, go without a name.
const OTHER_RELOCATIONS_LEN_MAX: u64 = 64 * 1024;

/// What parts of a file are for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Headers, symbols and call frame information.
    Names,
    /// What compilers wrote down: the sections that [`DebugInfo`](crate::dwarf::DebugInfo) reads.
    DebugInfo,
}

/// The ranges of a file of `bytes.len()` bytes that are needed next. `known` are those whose bytes
/// are there, in ascending order, those that touch as one; all other bytes are zero.
///
/// It is asked again with what it asked for, until it asks for nothing: once for a file whose
/// section headers are at its end and which is known in its head and tail, twice otherwise.
///
/// **Shape**: in ascending order, without overlaps. Empty when all is known; all of the file if it
/// is no ELF file with section headers.
pub fn needed_parts(bytes: &[u8], known: &[Range<u64>], purpose: Purpose) -> Vec<Range<u64>> {
    let len = bytes.len() as u64;
    let head = 0..HEAD_LEN.min(len);
    let tail = len.saturating_sub(TAIL_LEN)..len;
    if !is_known(known, &head) {
        return missing(vec![head, tail], known, len);
    }
    let wanted = match section_table(bytes, known) {
        Ok((headers, names)) => {
            let wanted = headers.iter().filter(|header| is_wanted(header, bytes, names, purpose));
            let ranges = wanted.filter_map(|header| header.file_range(LE));
            ranges.map(|(start, size)| start..start.saturating_add(size)).collect()
        }
        Err(range) => vec![range.unwrap_or(0..len)],
    };
    missing(wanted, known, len)
}

/// The section headers and where their names are; or what must be known first, or nothing if there
/// are none.
type Table<'a> = Result<(&'a [SectionHeader64<LittleEndian>], u64), Option<Range<u64>>>;

fn section_table<'a>(bytes: &'a [u8], known: &[Range<u64>]) -> Table<'a> {
    let header: &FileHeader64<LittleEndian> = object::pod::from_bytes(bytes).map_err(|()| None)?.0;
    let (start, count) = (header.e_shoff.get(LE), header.e_shnum.get(LE));
    let size = u64::from(count) * size_of::<SectionHeader64<LittleEndian>>() as u64;
    // More than 65,279 sections are counted in the first of them; such a file is taken whole.
    if header.e_ident.magic != elf::ELFMAG || start == 0 || count == 0 {
        return Err(None);
    }
    let range = start..start.saturating_add(size);
    if range.end > bytes.len() as u64 {
        return Err(None);
    }
    if !is_known(known, &range) {
        return Err(Some(range));
    }
    let headers = header.section_headers(LE, bytes).map_err(|_| None)?;
    let index = header.section_strings_index(LE, bytes).map_err(|_| None)?;
    let (start, size) = headers.get(index.0).and_then(|it| it.file_range(LE)).ok_or(None)?;
    let names = start..start.saturating_add(size).min(bytes.len() as u64);
    if is_known(known, &names) { Ok((headers, start)) } else { Err(Some(names)) }
}

fn is_wanted(
    header: &SectionHeader64<LittleEndian>,
    bytes: &[u8],
    names: u64,
    purpose: Purpose,
) -> bool {
    let at = names.saturating_add(u64::from(header.sh_name(LE)));
    let name = c_string_at(bytes, at, 64).unwrap_or_default();
    let is_debug = name.starts_with(b".debug_") || name.starts_with(b".zdebug_");
    match purpose {
        Purpose::DebugInfo => is_debug && is_read(name),
        Purpose::Names => match header.sh_type(LE) {
            elf::SHT_SYMTAB | elf::SHT_DYNSYM | elf::SHT_STRTAB | elf::SHT_DYNAMIC => !is_debug,
            elf::SHT_NOTE | elf::SHT_GNU_VERSYM | elf::SHT_GNU_VERDEF => true,
            elf::SHT_RELA => {
                name.ends_with(b".plt") || header.sh_size(LE) <= OTHER_RELOCATIONS_LEN_MAX
            }
            elf::SHT_NOBITS => false,
            // x86-64 gives `.eh_frame` a type of its own; the name is the same.
            _ => is_table(name),
        },
    }
}

/// Sections of symbols and call frames that are known by name only.
fn is_table(name: &[u8]) -> bool {
    let named: [&[u8]; 6] = [
        b".eh_frame",
        b".eh_frame_hdr",
        b".debug_frame",
        b".gnu_debugdata",
        b".gnu_debuglink",
        b".interp",
    ];
    named.contains(&name)
        || name.starts_with(b".plt")
        || matches!(name, b".iplt" | b".zdebug_frame" | b".gnu_debugaltlink")
}

/// Tables for other tools' lookups, and macros, are not read.
fn is_read(name: &[u8]) -> bool {
    let kind = name.strip_prefix(b".z").or_else(|| name.strip_prefix(b".")).unwrap_or(name);
    let unread: [&[u8]; 9] = [
        b"debug_aranges",
        b"debug_frame",
        b"debug_gnu_pubnames",
        b"debug_gnu_pubtypes",
        b"debug_macinfo",
        b"debug_macro",
        b"debug_pubnames",
        b"debug_pubtypes",
        b"debug_gdb_scripts",
    ];
    !unread.contains(&kind)
}

fn is_known(known: &[Range<u64>], wanted: &Range<u64>) -> bool {
    wanted.is_empty()
        || known.iter().any(|range| range.start <= wanted.start && wanted.end <= range.end)
}

/// What of `wanted` is not known, in order, what is close together as one.
fn missing(mut wanted: Vec<Range<u64>>, known: &[Range<u64>], len: u64) -> Vec<Range<u64>> {
    for range in &mut wanted {
        range.end = range.end.min(len);
    }
    wanted.retain(|range| !is_known(known, range));
    wanted.sort_by_key(|range| range.start);
    let mut parts: Vec<Range<u64>> = Vec::new();
    for range in wanted {
        match parts.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(GAP_LEN_MAX) => {
                last.end = last.end.max(range.end);
            }
            _ => parts.push(range),
        }
    }
    parts
}

#[cfg(test)]
#[path = "parts/tests.rs"]
mod tests;
