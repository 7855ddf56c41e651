//! Units: what compilers made of one source file each. They are listed here by offset, and opened
//! for whoever wants to read their entries. It knows headers and roots; what else is in a unit,
//! others read.

mod open;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use gimli::{
    AttributeValue, DebugAbbrevOffset, DebugAddrBase, DebugInfoOffset, DebugLocListsBase,
    DebugRngListsBase, DebugStrOffsetsBase, DwLang, UnitOffset, UnitType,
};
use gimli::{EndianSlice, LittleEndian, Section as _, SectionId};

use super::line::is_bounded;
use super::sections::Sections;
use super::split::SplitName;
use super::{Dwarf, Reader};

pub(crate) use open::{OpenUnit, OpenUnits};

/// Whose information: the image's, or that of a file beside it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum PartId {
    /// The image's own, or that of its separate debug file.
    Main,
    /// What the image shares with other programs.
    Supplementary,
    /// What was split off the unit with this index.
    Split(u32),
    /// The unit of a type in this row of a package's index.
    PackagedType(u32),
}

/// One unit of a [`DebugInfo`](super::DebugInfo).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UnitId {
    part: PartId,
    index: u32,
}

impl UnitId {
    pub(crate) fn new(part: PartId, index: u32) -> UnitId {
        UnitId { part, index }
    }

    pub(crate) fn part(self) -> PartId {
        self.part
    }

    pub(crate) fn index(self) -> u32 {
        self.index
    }
}

/// One entry of a [`DebugInfo`](super::DebugInfo): a function, a variable, a type. It stays the
/// same as long as the information lives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EntryId {
    unit: UnitId,
    offset: usize,
}

impl EntryId {
    pub(crate) fn new(unit: UnitId, offset: usize) -> EntryId {
        EntryId { unit, offset }
    }

    /// The unit that it is in.
    pub(crate) fn unit(self) -> UnitId {
        self.unit
    }

    /// Where it lies in its unit.
    pub(crate) fn offset(self) -> UnitOffset<usize> {
        UnitOffset(self.offset)
    }
}

/// What a unit was written in, as far as names and values are written differently.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SourceLanguage {
    /// C of any year.
    C,
    /// C++ of any year.
    CPlusPlus,
    /// Rust.
    Rust,
    /// Go.
    Go,
    /// Assembly.
    Assembly,
    /// One that is written like C here.
    Other,
}

impl SourceLanguage {
    fn new(language: DwLang) -> SourceLanguage {
        use gimli::constants as dw;
        match language {
            dw::DW_LANG_C89
            | dw::DW_LANG_C
            | dw::DW_LANG_C99
            | dw::DW_LANG_C11
            | dw::DW_LANG_C17 => SourceLanguage::C,
            dw::DW_LANG_C_plus_plus
            | dw::DW_LANG_C_plus_plus_03
            | dw::DW_LANG_C_plus_plus_11
            | dw::DW_LANG_C_plus_plus_14
            | dw::DW_LANG_C_plus_plus_17
            | dw::DW_LANG_C_plus_plus_20 => SourceLanguage::CPlusPlus,
            dw::DW_LANG_Rust => SourceLanguage::Rust,
            dw::DW_LANG_Go => SourceLanguage::Go,
            dw::DW_LANG_Mips_Assembler => SourceLanguage::Assembly,
            _ => SourceLanguage::Other,
        }
    }

    /// What stands between a scope and a name in it.
    pub fn separator(self) -> &'static str {
        if self == SourceLanguage::Go { "." } else { "::" }
    }
}

/// What the root of a unit says.
#[derive(Clone, Debug)]
pub(crate) struct UnitFacts {
    /// The directory that the compiler worked in.
    pub(crate) comp_dir: Option<String>,
    /// Who made it.
    pub(crate) producer: Option<String>,
    pub(crate) language: SourceLanguage,
    /// Where its instructions are. Some may have been removed by the linker.
    pub(crate) ranges: Vec<Range<u64>>,
    /// What was split off, if the unit is only a skeleton.
    pub(super) split: Option<SplitName>,
}

/// The units of one file.
pub(super) struct Units {
    /// Those of `.debug_info` by offset, then those of `.debug_types` by offset.
    entries: Vec<UnitEntry>,
    info_count: usize,
    /// Tables of abbreviations by offset. Units may share one.
    abbreviations: Vec<(usize, OnceLock<Option<Arc<gimli::Abbreviations>>>)>,
    /// Type units by signature: index and offset of the type.
    signatures: HashMap<u64, (u32, usize)>,
}

/// What the header of a unit says.
struct UnitEntry {
    start: usize,
    end: usize,
    header_size: usize,
    /// Index of its table of abbreviations.
    abbreviations: usize,
    is_type_unit: bool,
    facts: OnceLock<Option<UnitFacts>>,
}

impl Units {
    /// Reads all headers.
    ///
    /// **Cost**: some 50 nanoseconds for each unit.
    pub(super) fn new(sections: &Sections) -> Units {
        let dwarf = sections.dwarf();
        let mut units = Units {
            entries: Vec::new(),
            info_count: 0,
            abbreviations: Vec::new(),
            signatures: HashMap::new(),
        };
        let mut tables = Vec::new();
        let mut headers = dwarf.units();
        while let Ok(Some(header)) = headers.next() {
            let start = header.debug_info_offset().map_or(0, |offset| offset.0);
            units.push(&header, start, &mut tables);
        }
        units.info_count = units.entries.len();
        let mut headers = dwarf.type_units();
        while let Ok(Some(header)) = headers.next() {
            let start = header.debug_types_offset().map_or(0, |offset| offset.0);
            units.push(&header, start, &mut tables);
        }
        tables.sort_unstable();
        tables.dedup();
        for entry in &mut units.entries {
            entry.abbreviations = tables.binary_search(&entry.abbreviations).unwrap_or(0);
        }
        units.abbreviations = tables.into_iter().map(|offset| (offset, OnceLock::new())).collect();
        units
    }

    /// Adds a unit, with the offset of its abbreviations instead of their index.
    fn push(
        &mut self,
        header: &gimli::UnitHeader<Reader<'_>>,
        start: usize,
        tables: &mut Vec<usize>,
    ) {
        let Ok(index) = u32::try_from(self.entries.len()) else { return };
        let abbreviations = header.debug_abbrev_offset().0;
        // Neighbours often share one.
        if tables.last() != Some(&abbreviations) {
            tables.push(abbreviations);
        }
        let mut is_type_unit = false;
        if let UnitType::Type { type_signature, type_offset }
        | UnitType::SplitType { type_signature, type_offset } = header.type_()
        {
            is_type_unit = true;
            self.signatures.entry(type_signature.0).or_insert((index, type_offset.0));
        }
        self.entries.push(UnitEntry {
            start,
            end: start.saturating_add(header.length_including_self()),
            header_size: header.size_of_header(),
            abbreviations,
            is_type_unit,
            facts: OnceLock::new(),
        });
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn entry(&self, index: u32) -> Option<&UnitEntry> {
        self.entries.get(index as usize)
    }

    /// Units that are not type units.
    pub(super) fn compile_units(&self) -> impl Iterator<Item = u32> {
        let all = self.entries.iter().zip(0..);
        all.filter(|(entry, _)| !entry.is_type_unit).map(|(_, index)| index)
    }

    /// The unit around an offset of `.debug_info`, and the offset in the unit.
    pub(super) fn entry_at(&self, offset: usize) -> Option<(u32, usize)> {
        let in_info = self.entries.get(..self.info_count)?;
        let behind = in_info.partition_point(|entry| entry.start <= offset);
        let index = behind.checked_sub(1)?;
        let entry = in_info.get(index)?;
        let inside = offset.checked_sub(entry.start)?;
        let is_entry = inside >= entry.header_size && offset < entry.end;
        is_entry.then_some((u32::try_from(index).ok()?, inside))
    }

    pub(super) fn by_signature(&self, signature: u64) -> Option<(u32, usize)> {
        self.signatures.get(&signature).copied()
    }

    pub(super) fn facts<'a>(
        &self,
        index: u32,
        open: impl FnOnce() -> Option<OpenUnit<'a>>,
    ) -> Option<&UnitFacts> {
        let facts = &self.entry(index)?.facts;
        facts.get_or_init(|| Some(open()?.read_facts())).as_ref()
    }

    /// How many bytes its entries take: what reading it whole costs.
    pub(super) fn size_bytes(&self, index: u32) -> usize {
        self.entry(index).map_or(0, |entry| entry.end.saturating_sub(entry.start))
    }

    pub(super) fn open<'a>(
        &self,
        index: u32,
        dwarf: &Dwarf<'a>,
    ) -> Option<gimli::Unit<Reader<'a>>> {
        let entry = self.entry(index)?;
        let header = match (index as usize) < self.info_count {
            true => dwarf.debug_info.header_from_offset(DebugInfoOffset(entry.start)).ok()?,
            false => type_unit_header(dwarf, entry.start)?,
        };
        let (offset, table) = self.abbreviations.get(entry.abbreviations)?;
        let read = || dwarf.debug_abbrev.abbreviations(DebugAbbrevOffset(*offset)).ok();
        let abbreviations = Arc::clone(table.get_or_init(|| read().map(Arc::new)).as_ref()?);
        if has_bounded_lines(dwarf, &header, &abbreviations) {
            let whole =
                gimli::Unit::new_with_abbreviations(dwarf, header, Arc::clone(&abbreviations));
            if let Ok(unit) = whole {
                return Some(unit);
            }
        }
        without_lines(dwarf, header, abbreviations).ok()
    }
}

/// Whether the head of the unit's line table can be read: gimli does that when it opens a unit.
fn has_bounded_lines(
    dwarf: &Dwarf<'_>,
    header: &gimli::UnitHeader<Reader<'_>>,
    abbreviations: &gimli::Abbreviations,
) -> bool {
    let Ok(root) = header.entry(abbreviations, header.root_offset()) else { return false };
    let Some(AttributeValue::DebugLineRef(offset)) = root.attr_value(gimli::DW_AT_stmt_list) else {
        return true;
    };
    let table = dwarf.debug_line.reader().slice().get(offset.0..);
    table.is_some_and(|table| is_bounded(EndianSlice::new(table, LittleEndian)))
}

/// Opens a unit whose line table is damaged, for all that it has beside: gimli opens no unit
/// without its lines.
fn without_lines<'a>(
    dwarf: &Dwarf<'a>,
    header: gimli::UnitHeader<Reader<'a>>,
    abbreviations: Arc<gimli::Abbreviations>,
) -> gimli::Result<gimli::Unit<Reader<'a>>> {
    let (encoding, file_type) = (header.encoding(), dwarf.file_type);
    let mut unit = gimli::Unit {
        abbreviations,
        name: None,
        comp_dir: None,
        low_pc: 0,
        str_offsets_base: DebugStrOffsetsBase::default_for_encoding_and_file(encoding, file_type),
        addr_base: DebugAddrBase(0),
        loclists_base: DebugLocListsBase::default_for_encoding_and_file(encoding, file_type),
        rnglists_base: DebugRngListsBase::default_for_encoding_and_file(encoding, file_type),
        line_program: None,
        dwo_id: match header.type_() {
            UnitType::Skeleton(id) | UnitType::SplitCompilation(id) => Some(id),
            _ => None,
        },
        header,
    };
    let root = unit.header.entry(&unit.abbreviations, unit.header.root_offset())?;
    // Where its strings and addresses are must be known before they are read.
    for attribute in root.attrs() {
        match attribute.value() {
            AttributeValue::DebugStrOffsetsBase(base) => unit.str_offsets_base = base,
            AttributeValue::DebugAddrBase(base) => unit.addr_base = base,
            AttributeValue::DebugLocListsBase(base) => unit.loclists_base = base,
            AttributeValue::DebugRngListsBase(base) => unit.rnglists_base = base,
            AttributeValue::DwoId(id) => unit.dwo_id = unit.dwo_id.or(Some(id)),
            _ => {}
        }
    }
    let text = |name| dwarf.attr_string(&unit, root.attr_value(name)?).ok();
    let (name, comp_dir) = (text(gimli::DW_AT_name), text(gimli::DW_AT_comp_dir));
    let low_pc = root.attr_value(gimli::DW_AT_low_pc);
    let low_pc = low_pc.map(|value| dwarf.attr_address(&unit, value)).transpose()?.flatten();
    (unit.name, unit.comp_dir, unit.low_pc) = (name, comp_dir, low_pc.unwrap_or(0));
    Ok(unit)
}

/// A header in `.debug_types`, which gimli finds only by iteration; so it begins at the header. The
/// entries of a type unit are only referred to by signature, so it does no harm that offsets count
/// from there.
fn type_unit_header<'a>(dwarf: &Dwarf<'a>, start: usize) -> Option<gimli::UnitHeader<Reader<'a>>> {
    let bytes: &'a [u8] = dwarf.debug_types.reader().slice();
    let rest = EndianSlice::new(bytes.get(start..)?, LittleEndian);
    debug_assert_eq!(gimli::DebugTypes::<Reader<'_>>::id(), SectionId::DebugTypes);
    gimli::DebugTypes::from(rest).units().next().ok().flatten()
}
