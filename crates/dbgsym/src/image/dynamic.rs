//! The dynamic table (`PT_DYNAMIC`): what an image tells the dynamic linker. It is the only way to
//! an image's symbols when its section headers are gone. It knows no loader and resolves nothing.

use std::ops::Range;

use dbgbase::LinkAddress;
use object::LittleEndian;
use object::elf::{self, FileHeader64};
use object::read::elf::{Dyn as _, GnuHashTable, HashTable};

use super::{Segment, c_string_at};

/// Longer names are damage.
const NAME_LEN_MAX_BYTES: usize = 4096;

/// One entry of a symbol table (`Elf64_Sym`).
const SYMBOL_SIZE_BYTES: u64 = 24;

/// What is of use in a dynamic table. Default: there is none.
#[derive(Clone, Debug, Default)]
pub(crate) struct DynamicTable {
    /// `DT_SONAME`.
    pub(crate) soname: Option<String>,
    /// `DF_1_PIE` in `DT_FLAGS_1`.
    pub(crate) is_pie: bool,
    /// Where the dynamic symbols lie in the file.
    pub(crate) symbols: Option<Range<u64>>,
    /// Where their names lie in the file.
    pub(crate) strings: Option<Range<u64>>,
}

/// Reads the table that `range` of the file holds.
pub(super) fn read(file: &[u8], segments: &[Segment], range: Range<u64>) -> DynamicTable {
    let mut table = DynamicTable::default();
    let Some(entries) = entries(file, range) else {
        return table;
    };
    let value = |tag: elf::DynamicTag| {
        let entry = entries.iter().find(|entry| entry.tag(LittleEndian) == tag)?;
        Some(entry.val(LittleEndian))
    };
    table.is_pie = value(elf::DT_FLAGS_1).is_some_and(|flags| flags & elf::DF_1_PIE.0 != 0);
    let strings = value(elf::DT_STRTAB).and_then(|address| {
        let start = file_offset(segments, address)?;
        let end = start.checked_add(value(elf::DT_STRSZ)?)?;
        (end <= file.len() as u64).then_some(start..end)
    });
    let Some(strings) = strings else {
        return table;
    };
    table.soname = value(elf::DT_SONAME)
        .and_then(|offset| strings.start.checked_add(offset))
        .and_then(|offset| c_string_at(file, offset, NAME_LEN_MAX_BYTES))
        .filter(|name| !name.is_empty())
        .map(|name| String::from_utf8_lossy(name).into_owned());
    let count = symbol_count(file, segments, value(elf::DT_GNU_HASH), value(elf::DT_HASH));
    table.symbols = value(elf::DT_SYMTAB).zip(count).and_then(|(address, count)| {
        let start = file_offset(segments, address)?;
        Some(start..start.checked_add(count.checked_mul(SYMBOL_SIZE_BYTES)?)?)
    });
    table.strings = Some(strings);
    table
}

/// The entries up to `DT_NULL`.
fn entries(file: &[u8], range: Range<u64>) -> Option<&[elf::Dyn64<LittleEndian>]> {
    let start = usize::try_from(range.start).ok()?;
    let end = usize::try_from(range.end).ok()?.min(file.len());
    let bytes = file.get(start..end)?;
    let count = bytes.len() / size_of::<elf::Dyn64<LittleEndian>>();
    let (entries, _) = object::pod::slice_from_bytes(bytes, count).ok()?;
    let is_null = |entry: &elf::Dyn64<LittleEndian>| entry.tag(LittleEndian) == elf::DT_NULL;
    let used = entries.iter().position(is_null).unwrap_or(entries.len());
    entries.get(..used)
}

/// The dynamic table has no count of symbols; the hash tables made for the dynamic linker imply it.
fn symbol_count(
    file: &[u8],
    segments: &[Segment],
    gnu_hash: Option<u64>,
    sysv_hash: Option<u64>,
) -> Option<u64> {
    type Elf = FileHeader64<LittleEndian>;
    let table_at = |address: Option<u64>| {
        let start = usize::try_from(file_offset(segments, address?)?).ok()?;
        file.get(start..)
    };
    let from_sysv = || {
        let table = HashTable::<Elf>::parse(LittleEndian, table_at(sysv_hash)?).ok()?;
        Some(u64::from(table.symbol_table_length()))
    };
    let from_gnu = || {
        let table = GnuHashTable::<Elf>::parse(LittleEndian, table_at(gnu_hash)?).ok()?;
        table.symbol_table_length(LittleEndian).map(u64::from)
    };
    from_sysv().or_else(from_gnu)
}

/// Where the file has the byte that is loaded at `address`.
fn file_offset(segments: &[Segment], address: u64) -> Option<u64> {
    segments.iter().find_map(|segment| {
        let inside = LinkAddress::new(address).offset_from(segment.address)?;
        let in_file = inside < segment.file_size_bytes;
        in_file.then(|| segment.file_offset.checked_add(inside)).flatten()
    })
}
