//! Units whose entries can be read: gimli's, with the sections they need and the identities of
//! what they refer to. It reads roots only.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::{Deref, Range};
use std::rc::Rc;

use gimli::{AttributeValue, DebuggingInformationEntry, UnitOffset, UnitRef};

use super::super::split::SplitName;
use super::super::{DebugInfo, Dwarf, Reader};
use super::{EntryId, PartId, SourceLanguage, UnitFacts, UnitId};

/// No unit has so many ranges; a damaged list may go on for long.
const UNIT_RANGES_MAX: usize = 1 << 20;

/// No function, block or call has so many. All of them may refer to the same long list.
const ENTRY_RANGES_MAX: usize = 1 << 12;

/// A unit whose entries can be read. It is a [`gimli::Unit`].
pub(crate) struct OpenUnit<'a> {
    info: &'a DebugInfo,
    id: UnitId,
    dwarf: Dwarf<'a>,
    unit: gimli::Unit<Reader<'a>>,
}

impl<'a> Deref for OpenUnit<'a> {
    type Target = gimli::Unit<Reader<'a>>;

    fn deref(&self) -> &Self::Target {
        &self.unit
    }
}

impl<'a> OpenUnit<'a> {
    pub(in super::super) fn new(
        info: &'a DebugInfo,
        id: UnitId,
        dwarf: Dwarf<'a>,
        unit: gimli::Unit<Reader<'a>>,
    ) -> OpenUnit<'a> {
        OpenUnit { info, id, dwarf, unit }
    }

    /// Which one it is.
    pub(crate) fn id(&self) -> UnitId {
        self.id
    }

    /// What it is part of.
    pub(crate) fn info(&self) -> &'a DebugInfo {
        self.info
    }

    /// The unit and its sections, as gimli wants them.
    pub(crate) fn refs(&self) -> UnitRef<'_, Reader<'a>> {
        UnitRef::new(&self.dwarf, &self.unit)
    }

    /// What it was written in.
    pub(crate) fn language(&self) -> SourceLanguage {
        self.info.facts(self.id).map_or(SourceLanguage::Other, |facts| facts.language)
    }

    /// The identity of the entry at an offset of this unit.
    pub(crate) fn entry_id(&self, offset: UnitOffset<usize>) -> EntryId {
        EntryId::new(self.id, offset.0)
    }

    /// What an attribute refers to: an entry of this unit, of another one, or a type by its
    /// signature (DWARF 5, 7.5.5, class `reference`).
    pub(crate) fn reference(&self, value: AttributeValue<Reader<'a>>) -> Option<EntryId> {
        match value {
            AttributeValue::UnitRef(offset) => Some(self.entry_id(offset)),
            AttributeValue::DebugInfoRef(offset) => self.info.entry_at(self.id.part(), offset.0),
            AttributeValue::DebugInfoRefSup(offset) => {
                self.info.entry_at(PartId::Supplementary, offset.0)
            }
            AttributeValue::DebugTypesRef(signature) => {
                self.info.type_by_signature(self.id.part(), signature.0)
            }
            _ => None,
        }
    }

    /// What the attribute `name` of `entry` refers to.
    pub(crate) fn reference_of(
        &self,
        entry: &DebuggingInformationEntry<Reader<'a>>,
        name: gimli::DwAt,
    ) -> Option<EntryId> {
        self.reference(entry.attr_value(name)?)
    }

    /// The text of the attribute `name` of `entry`.
    pub(crate) fn text_of(
        &self,
        entry: &DebuggingInformationEntry<Reader<'a>>,
        name: gimli::DwAt,
    ) -> Option<&'a [u8]> {
        Some(self.refs().attr_string(entry.attr_value(name)?).ok()?.slice())
    }

    /// The addresses of an entry. Those of functions that the linker removed are left out.
    pub(crate) fn ranges_of(
        &self,
        entry: &DebuggingInformationEntry<Reader<'a>>,
    ) -> Vec<Range<u64>> {
        if self.passes_the_end(entry) {
            return Vec::new();
        }
        let Ok(mut ranges) = self.refs().die_ranges(entry) else { return Vec::new() };
        collect(|| ranges.next(), |start| self.info.has_code_at(start), ENTRY_RANGES_MAX)
    }

    /// Whether the addresses of a damaged entry pass the end of the address space, which gimli does
    /// not expect.
    fn passes_the_end(&self, entry: &DebuggingInformationEntry<Reader<'a>>) -> bool {
        let size = entry.attr(gimli::DW_AT_high_pc).and_then(gimli::Attribute::udata_value);
        let start = entry.attr_value(gimli::DW_AT_low_pc);
        let start = start.and_then(|value| self.refs().attr_address(value).ok().flatten());
        start.zip(size).is_some_and(|(start, size)| start.checked_add(size).is_none())
    }

    /// Up to DWARF 4 this was an extension of GNU.
    fn split_name(&self) -> Option<SplitName> {
        let name = self.refs().attr_string(self.unit.dwo_name().ok()??).ok()?;
        let dwo_id = self.unit.dwo_id?.0;
        Some(SplitName { path: name.to_string_lossy().into_owned(), dwo_id })
    }

    pub(super) fn read_facts(&self) -> UnitFacts {
        let mut facts = UnitFacts {
            comp_dir: self.unit.comp_dir.as_ref().map(|dir| dir.to_string_lossy().into_owned()),
            producer: None,
            language: SourceLanguage::Other,
            ranges: Vec::new(),
            split: self.split_name(),
        };
        if let Ok(root) = self.unit.entry(self.unit.header.root_offset()) {
            let producer = self.text_of(&root, gimli::DW_AT_producer);
            facts.producer = producer.map(|text| String::from_utf8_lossy(text).into_owned());
            if let Some(AttributeValue::Language(language)) = root.attr_value(gimli::DW_AT_language)
            {
                facts.language = SourceLanguage::new(language);
            }
        }
        let root = self.unit.entry(self.unit.header.root_offset());
        let is_sound = root.is_ok_and(|root| !self.passes_the_end(&root));
        if is_sound && let Ok(mut ranges) = self.refs().unit_ranges() {
            facts.ranges = collect(|| ranges.next(), |_| true, UNIT_RANGES_MAX);
        }
        facts
    }
}

fn collect(
    mut next: impl FnMut() -> gimli::Result<Option<gimli::Range>>,
    is_wanted: impl Fn(u64) -> bool,
    count_max: usize,
) -> Vec<Range<u64>> {
    let mut found = Vec::new();
    for _ in 0..count_max {
        let Ok(Some(range)) = next() else { break };
        if range.begin < range.end && is_wanted(range.begin) {
            found.push(range.begin..range.end);
        }
    }
    found
}

/// The units that one question has opened. References lead from unit to unit, mostly to the same
/// few.
pub(crate) struct OpenUnits<'a> {
    info: &'a DebugInfo,
    open: RefCell<HashMap<UnitId, Option<Rc<OpenUnit<'a>>>>>,
    /// Whether questions are about few entries of each unit, for which not all are to be read.
    descends: bool,
}

impl<'a> OpenUnits<'a> {
    pub(crate) fn new(info: &'a DebugInfo) -> OpenUnits<'a> {
        OpenUnits { info, open: RefCell::new(HashMap::new()), descends: false }
    }

    /// For questions about few entries of many units.
    pub(crate) fn for_few(info: &'a DebugInfo) -> OpenUnits<'a> {
        OpenUnits { descends: true, ..OpenUnits::new(info) }
    }

    /// Whether what an entry is in is found without reading all entries of its unit.
    pub(crate) fn descends(&self) -> bool {
        self.descends
    }

    /// What the units are part of.
    pub(crate) fn info(&self) -> &'a DebugInfo {
        self.info
    }

    /// Opens a unit, or finds it open. `None` if it is damaged.
    pub(crate) fn unit(&self, id: UnitId) -> Option<Rc<OpenUnit<'a>>> {
        let mut open = self.open.borrow_mut();
        open.entry(id).or_insert_with(|| self.info.open(id).map(Rc::new)).clone()
    }

    /// Reads an entry, and opens its unit.
    pub(crate) fn entry(
        &self,
        id: EntryId,
    ) -> Option<(Rc<OpenUnit<'a>>, DebuggingInformationEntry<Reader<'a>>)> {
        let unit = self.unit(id.unit())?;
        let entry = unit.entry(id.offset()).ok()?;
        Some((unit, entry))
    }
}
