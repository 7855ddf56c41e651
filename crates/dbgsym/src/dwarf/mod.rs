//! What compilers wrote down about a program (DWARF 4 and 5): units, lines, functions, inlined
//! calls, variables, types. It knows link addresses and the bytes of sections; what is loaded
//! where, and which file lies where, is known elsewhere.
//!
//! Reading order: [`DebugInfo`] is all of one image. `sections.rs` has its bytes, `unit.rs` lists
//! the units and opens them. Everything is computed when first asked for and kept. `variable.rs`
//! lists what code sees, `location.rs` and `expression.rs` say where it is (a [`Place`]) in a
//! [`FrameContext`], `types.rs` what it is.
//!
//! Damaged information gives fewer facts, never an error: what cannot be read is not there.

mod entry;
mod enumerator;
mod expression;
mod frame_context;
mod function;
mod index;
mod inline;
mod line;
mod location;
mod pieces;
mod place;
mod range_table;
mod scope;
mod sections;
mod split;
mod types;
mod unit;
mod variable;

use std::fmt;
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock, RwLock};

use dbgbase::Arch;
use gimli::{EndianSlice, LittleEndian};

use crate::image::Image;

pub use frame_context::{
    Caller, FrameContext, LocateThreadLocal, RegisterValue, Stack, StackFrame,
};
pub use function::{Function, SourcePlace};
pub use index::{IndexError, IndexProgress, NameIndex};
pub use inline::InlinedCall;
use line::{FileIndex, LineTable, UnitFiles};
pub use line::{LineAt, LineRow, SourcePattern};
pub use pieces::{LocateError, Location, ObjectBytes, Piece, Place};
pub use place::LinePlace;
pub(crate) use range_table::RangeTable;
use scope::Outline;
use sections::Sections;
use split::OtherFiles;
pub use split::{ProvideError, WantedFile};
pub use types::{
    Array, Base, BaseEncoding, Dimension, ElementCount, Enumeration, Enumerator, FunctionType,
    Member, Qualifier, Record, RecordKind, StaticMember, TemplateArgument, Type, TypeKind, TypeRef,
    Variant, VariantPart,
};
pub use unit::{EntryId, SourceLanguage, UnitId};
pub(crate) use unit::{OpenUnit, OpenUnits, PartId};
use unit::{UnitFacts, Units};
pub use variable::{Variable, VariableKind};

/// Bytes of a section, as gimli reads them.
pub(crate) type Reader<'a> = EndianSlice<'a, LittleEndian>;

/// The sections of one file, as gimli reads them.
pub(crate) type Dwarf<'a> = gimli::Dwarf<Reader<'a>>;

/// The debugging information of an image.
///
/// **Threads**: any number may ask at the same time; what one computes all others use.
pub struct DebugInfo {
    arch: Arch,
    /// Where the image has instructions. What was removed by the linker lies elsewhere.
    code: Vec<Range<u64>>,
    main: Part,
    others: OtherFiles,
    ranges: OnceLock<RangeTable<u32>>,
    files: OnceLock<FileIndex>,
    names: RwLock<Option<Arc<NameIndex>>>,
    /// Whether questions about types do without the index of names if there is none.
    leaves_names: AtomicBool,
    /// Whether one did.
    lacked_names: AtomicBool,
}

/// One file's sections and units.
struct Part {
    sections: Sections,
    units: Units,
    /// As many as there are units.
    tables: Vec<UnitTables>,
}

/// What was computed of a unit.
#[derive(Default)]
struct UnitTables {
    files: OnceLock<Option<UnitFiles>>,
    lines: OnceLock<Option<LineTable>>,
    outline: OnceLock<Option<Outline>>,
}

impl Part {
    fn new(sections: Sections) -> Part {
        let units = Units::new(&sections);
        let tables = (0..units.len()).map(|_| UnitTables::default()).collect();
        Part { sections, units, tables }
    }
}

impl DebugInfo {
    /// The information in `image`, or else in its separate debug file. `None` if neither has any.
    pub(crate) fn new(image: &Image) -> Option<DebugInfo> {
        let debug_file = image.debug_file().map(AsRef::as_ref);
        let files = [Some(image), debug_file].into_iter().flatten();
        let (file, sections) =
            files.filter_map(|file| Some((file, Sections::new(file)?))).next()?;
        let main = Part::new(sections);
        Some(DebugInfo {
            arch: image.arch(),
            code: code_of(image),
            others: OtherFiles::new(file, main.units.len()),
            main,
            ranges: OnceLock::new(),
            files: OnceLock::new(),
            names: RwLock::new(None),
            leaves_names: AtomicBool::new(false),
            lacked_names: AtomicBool::new(false),
        })
    }

    /// The CPU that the image was linked for.
    pub(crate) fn arch(&self) -> Arch {
        self.arch
    }

    /// Whether the image has instructions at this link address. Functions that the linker removed
    /// stay in the information, at address zero or thereabouts.
    pub(crate) fn has_code_at(&self, address: u64) -> bool {
        self.code.iter().any(|range| range.contains(&address))
    }

    fn part(&self, part: PartId) -> Option<&Part> {
        match part {
            PartId::Main => Some(&self.main),
            other => self.others.part(other),
        }
    }

    fn tables(&self, unit: UnitId) -> Option<&UnitTables> {
        self.part(unit.part())?.tables.get(unit.index() as usize)
    }

    /// The scopes and functions of a unit.
    ///
    /// **Cost**: the first question in a unit reads all its entries.
    pub(crate) fn outline(&self, unit: UnitId) -> Option<&Outline> {
        let unit = self.full_unit(unit);
        let outline = &self.tables(unit)?.outline;
        outline.get_or_init(|| Some(Outline::read(&self.open(unit)?))).as_ref()
    }

    /// Whether all entries of a unit were read for its scopes.
    pub(crate) fn has_outline(&self, unit: UnitId) -> bool {
        let tables = self.tables(self.full_unit(unit));
        tables.is_some_and(|tables| tables.outline.get().is_some())
    }

    /// The unit that has the entries of `unit`, if that is a skeleton whose split unit is here.
    fn full_unit(&self, unit: UnitId) -> UnitId {
        match unit.part() {
            PartId::Main => self.others.full_unit(unit.index()).unwrap_or(unit),
            _ => unit,
        }
    }

    fn file_index(&self) -> &FileIndex {
        self.files.get_or_init(|| FileIndex::new(self))
    }

    /// The unit whose line table has the lines and files of `unit`: a skeleton keeps that of the
    /// unit split off (DWARF 5, 3.1.2).
    fn line_unit(&self, unit: UnitId) -> UnitId {
        match unit.part() {
            PartId::Split(skeleton) => {
                let skeleton = UnitId::new(PartId::Main, skeleton);
                if self.full_unit(skeleton) == unit { skeleton } else { unit }
            }
            _ => unit,
        }
    }

    /// The sections of the image's own part, with what it shares with other programs.
    fn main_dwarf(&self) -> Dwarf<'_> {
        let mut dwarf = self.main.sections.dwarf();
        if let Some(shared) = self.part(PartId::Supplementary) {
            dwarf.set_sup(shared.sections.dwarf());
        }
        dwarf
    }

    /// The sections of a part.
    ///
    /// **Cost**: small, nothing is read.
    fn dwarf(&self, part: PartId) -> Option<Dwarf<'_>> {
        Some(match part {
            PartId::Main => self.main_dwarf(),
            PartId::Supplementary => self.part(part)?.sections.dwarf(),
            PartId::Split(_) | PartId::PackagedType(_) => self.dwarf_of_split(self.part(part)?),
        })
    }

    /// The units of the image itself that compilers translated, in file order.
    pub(crate) fn compile_units(&self) -> impl Iterator<Item = UnitId> {
        self.main.units.compile_units().map(|index| UnitId::new(PartId::Main, index))
    }

    /// All units of the image itself, type units as well.
    fn all_units(&self) -> impl Iterator<Item = UnitId> {
        let count = u32::try_from(self.main.units.len()).unwrap_or(u32::MAX);
        (0..count).map(|index| UnitId::new(PartId::Main, index))
    }

    /// How many bytes the entries of a unit take: what reading them costs.
    fn size_bytes(&self, unit: UnitId) -> usize {
        let unit = self.full_unit(unit);
        self.part(unit.part()).map_or(0, |part| part.units.size_bytes(unit.index()))
    }

    /// How many units there are, and how many bytes all their entries take.
    fn extent(&self) -> (usize, u64) {
        let size = self.all_units().map(|unit| self.size_bytes(unit) as u64).sum();
        (self.main.units.len(), size)
    }

    /// What the root of a unit says. For a skeleton, what the skeleton says.
    pub(crate) fn facts(&self, id: UnitId) -> Option<&UnitFacts> {
        let part = self.part(id.part())?;
        part.units.facts(id.index(), || self.open_plain(id))
    }

    /// The units that have instructions at `address`. Mostly one.
    ///
    /// **Cost**: the first call reads the roots of all units.
    pub(crate) fn units_at(&self, address: u64) -> Vec<UnitId> {
        let found = self.ranges().at(address);
        let mut units: Vec<_> = found.map(|index| UnitId::new(PartId::Main, *index)).collect();
        units.dedup();
        units
    }

    /// The units that have instructions in `range`, in file order.
    pub(crate) fn units_in(&self, range: Range<u64>) -> Vec<UnitId> {
        let found = self.ranges().overlapping(range);
        let mut units: Vec<_> = found.map(|(_, i)| UnitId::new(PartId::Main, *i)).collect();
        units.sort_unstable();
        units.dedup();
        units
    }

    fn ranges(&self) -> &RangeTable<u32> {
        self.ranges.get_or_init(|| self.unit_ranges())
    }

    fn unit_ranges(&self) -> RangeTable<u32> {
        let mut found = Vec::new();
        for id in self.compile_units() {
            let Some(facts) = self.facts(id) else { continue };
            let ranges = facts.ranges.iter().filter(|range| self.has_code_at(range.start));
            found.extend(ranges.map(|range| (range.clone(), id.index())));
        }
        RangeTable::new(found)
    }

    /// The unit that holds the entry at `offset` of `.debug_info`, and the entry.
    pub(crate) fn entry_at(&self, part: PartId, offset: usize) -> Option<EntryId> {
        let (index, offset) = self.part(part)?.units.entry_at(offset)?;
        Some(EntryId::new(UnitId::new(part, index), offset))
    }

    /// The type that a type unit of this signature defines (DWARF 5, 3.1.4), for a unit of `part`.
    pub(crate) fn type_by_signature(&self, part: PartId, signature: u64) -> Option<EntryId> {
        if part != PartId::Main
            && let Some(split) = self.split_type(part, signature)
        {
            return Some(split);
        }
        let (index, offset) = self.main.units.by_signature(signature)?;
        Some(EntryId::new(UnitId::new(PartId::Main, index), offset))
    }

    /// Opens a unit; for a skeleton the unit that was split off, if that is here.
    ///
    /// **Cost**: reads its header and root, and the first time its abbreviations: some 10
    /// microseconds. Questions that need several units ask through [`OpenUnits`].
    pub(crate) fn open(&self, id: UnitId) -> Option<OpenUnit<'_>> {
        self.open_plain(self.full_unit(id))
    }

    /// Opens a unit, even if it is only the skeleton of one.
    fn open_plain(&self, id: UnitId) -> Option<OpenUnit<'_>> {
        let part = self.part(id.part())?;
        let dwarf = self.dwarf(id.part())?;
        let mut unit = part.units.open(id.index(), &dwarf)?;
        if let PartId::Split(skeleton) = id.part() {
            let skeleton = self.main.units.open(skeleton, &self.main_dwarf())?;
            unit.copy_relocated_attributes(&skeleton);
        }
        Some(OpenUnit::new(self, id, dwarf, unit))
    }
}

impl fmt::Debug for DebugInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DebugInfo({} units)", self.main.units.len())
    }
}

/// Sections tell more exactly where instructions are: without them, zero may lie in a segment.
fn code_of(image: &Image) -> Vec<Range<u64>> {
    let range = |start: u64, size: u64| start..start.saturating_add(size);
    let sections = image.sections().iter().filter(|section| section.is_executable);
    let mut code: Vec<_> =
        sections.map(|section| range(section.address.value(), section.size_bytes)).collect();
    if code.is_empty() {
        let segments = image.segments().iter().filter(|segment| segment.is_executable);
        code = segments.map(|segment| range(segment.address.value(), segment.size_bytes)).collect();
    }
    code
}
