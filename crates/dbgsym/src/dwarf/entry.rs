//! Entries as others read them: what they complete, what is in them, where functions begin. It
//! knows the attributes that all entries have.

use std::rc::Rc;

use dbgbase::LinkAddress;
use gimli::{DebuggingInformationEntry, DwAt, UnitOffset, constants as dw};

use super::unit::EntryId;
use super::{OpenUnit, OpenUnits, Reader};

/// An entry as gimli reads it.
pub(super) type Entry<'a> = DebuggingInformationEntry<Reader<'a>>;

/// A declaration, its definition and copies of that make three; damaged ones lead in circles.
const ORIGINS_MAX: usize = 8;
/// An entry and those that it completes: its abstract instance (DWARF 5, 3.3.8) and its declaration
/// (2.13.2), nearest first.
pub(super) fn origins<'a>(
    units: &OpenUnits<'a>,
    id: EntryId,
) -> impl Iterator<Item = (EntryId, Rc<OpenUnit<'a>>, Entry<'a>)> {
    let mut next = Some(id);
    std::iter::from_fn(move || {
        let id = next.take()?;
        let (unit, entry) = units.entry(id)?;
        next = unit
            .reference_of(&entry, dw::DW_AT_abstract_origin)
            .or_else(|| unit.reference_of(&entry, dw::DW_AT_specification));
        Some((id, unit, entry))
    })
    .take(ORIGINS_MAX)
}

/// The nearest of an entry's origins that has an attribute.
pub(super) fn having<'a>(
    units: &OpenUnits<'a>,
    id: EntryId,
    name: DwAt,
) -> Option<(Rc<OpenUnit<'a>>, Entry<'a>)> {
    let found = origins(units, id).find(|(_, _, entry)| entry.has_attr(name));
    found.map(|(_, unit, entry)| (unit, entry))
}

/// Where a function is entered (DWARF 5, 2.18).
pub(super) fn entry_pc(units: &OpenUnits<'_>, function: EntryId) -> Option<LinkAddress> {
    let (unit, entry) = units.entry(function)?;
    for name in [dw::DW_AT_entry_pc, dw::DW_AT_low_pc] {
        let address = entry.attr_value(name).map(|value| unit.refs().attr_address(value));
        if let Some(Ok(Some(address))) = address {
            return Some(LinkAddress::new(address));
        }
    }
    unit.ranges_of(&entry).first().map(|range| LinkAddress::new(range.start))
}

/// The entries directly in the one at `offset`. What comes behind damage is left out.
pub(super) fn children<'a>(unit: &OpenUnit<'a>, offset: UnitOffset<usize>) -> Vec<Entry<'a>> {
    let mut found = Vec::new();
    let Ok(mut cursor) = unit.entries_at_offset(offset) else { return found };
    if !matches!(cursor.next_entry(), Ok(true)) {
        return found;
    }
    if !cursor.current().is_some_and(Entry::has_children) {
        return found;
    }
    let mut is_there = matches!(cursor.next_entry(), Ok(true));
    while is_there {
        let Some(entry) = cursor.current() else { break };
        found.push(entry.clone());
        is_there = matches!(cursor.next_sibling(), Ok(Some(_)));
    }
    found
}

/// The name of an entry, without those of the scopes around it.
pub(super) fn name_of(units: &OpenUnits<'_>, id: EntryId) -> Option<String> {
    let (unit, entry) = having(units, id, dw::DW_AT_name)?;
    let text = unit.text_of(&entry, dw::DW_AT_name)?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// Whether an entry is declared in a function.
pub(super) fn is_in_function(units: &OpenUnits<'_>, id: EntryId) -> bool {
    let Some((declared, unit, _)) = origins(units, id).last() else { return false };
    let Some(outline) = units.info().outline(declared.unit()) else { return false };
    let mut around = outline.scopes_of(declared.offset().0);
    around.any(|offset| unit.entry(offset).is_ok_and(|entry| entry.tag() == dw::DW_TAG_subprogram))
}
