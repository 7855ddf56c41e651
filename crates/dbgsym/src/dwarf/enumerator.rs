//! What is near a place in the code: the unit that was compiled with it, and names of numbers,
//! which the index of names does not have.

use dbgbase::LinkAddress;
use gimli::{DebuggingInformationEntry, constants as dw};

use super::scope::{in_scope, qualified_name};
use super::{DebugInfo, EntryId, OpenUnit, OpenUnits, TypeKind, TypeRef};

impl DebugInfo {
    /// Whether an entry is in the unit that the code at `pc` was compiled with: what a file has for
    /// itself hides what others call the same.
    pub fn is_beside(&self, entry: EntryId, pc: LinkAddress) -> bool {
        let mut units = self.units_at(pc.value()).into_iter();
        units.any(|unit| self.full_unit(unit) == entry.unit())
    }

    /// The enumeration and the number that `name` stands for in the unit of the code at `pc`. The
    /// name is written with the scopes around it; where the enumeration's own is none, without it
    /// as well; and without any if the names in that scope are the only ones.
    ///
    /// **Cost**: reads all entries of the unit, some 300 MB/s.
    pub fn enumerator_named(&self, name: &str, pc: LinkAddress) -> Option<(TypeRef, i128)> {
        let units = OpenUnits::new(self);
        let mut bare = None;
        for id in self.units_at(pc.value()) {
            let Some(unit) = units.unit(id) else { continue };
            for entry in enumerations_with(&unit, last_part(name)) {
                let ty = TypeRef(entry);
                let TypeKind::Enumeration(found) = self.type_of(ty).kind else { continue };
                let is_it = |of: &str| {
                    let outside = in_scope(&units, entry, of.to_owned());
                    let inside = qualified_name(&units, entry).map(|ty| format!("{ty}::{of}"));
                    inside.is_some_and(|inside| inside == name)
                        || !found.is_scoped && outside == name
                };
                let one = found.enumerators.iter().find(|one| one.name == last_part(name));
                let Some(one) = one else { continue };
                if is_it(&one.name) {
                    return Some((ty, one.value));
                }
                if !found.is_scoped && one.name == name && bare.is_none() {
                    bare = Some((ty, one.value));
                }
            }
        }
        bare
    }
}

/// What a name is called in its own scope.
fn last_part(name: &str) -> &str {
    name.rsplit_once("::").map_or(name, |(_, last)| last)
}

/// The enumerations of a unit that call a number so.
fn enumerations_with(unit: &OpenUnit<'_>, name: &str) -> Vec<EntryId> {
    let mut found = Vec::new();
    let Ok(mut entries) = unit.entries_raw(None) else { return found };
    let mut entry = DebuggingInformationEntry::null();
    let mut around = None;
    while !entries.is_empty() {
        let offset = entries.next_offset();
        let Ok(abbreviation) = entries.read_abbreviation() else { return found };
        let Some(abbreviation) = abbreviation else { continue };
        let attributes = abbreviation.attributes();
        if abbreviation.tag() == dw::DW_TAG_enumeration_type {
            around = Some(unit.entry_id(offset));
        }
        let read = match abbreviation.tag() {
            dw::DW_TAG_enumerator => entries.read_attributes(attributes, &mut entry.attrs),
            _ => entries.skip_attributes(attributes),
        };
        if read.is_err() {
            return found;
        }
        let is_it = abbreviation.tag() == dw::DW_TAG_enumerator
            && unit.text_of(&entry, dw::DW_AT_name) == Some(name.as_bytes());
        found.extend(around.filter(|_| is_it));
    }
    found
}
