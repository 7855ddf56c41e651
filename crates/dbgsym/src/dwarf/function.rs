//! Functions: which one is around an address, what it is called, where it begins for people. It
//! knows no variables and no inlined calls.

use std::ops::Range;
use std::sync::Arc;

use dbgbase::LinkAddress;

use super::scope::{self, Declaration, Identity};
use super::{DebugInfo, EntryId, OpenUnits, SourceLanguage, TypeRef};
use crate::demangle::{demangled_path, is_mangled};

/// A place in the source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourcePlace {
    /// The full path of the file where the compiler saw it.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1; 0 if unknown.
    pub column: u32,
}

/// A function that has instructions.
#[derive(Clone, Debug)]
pub struct Function {
    /// Which one it is.
    pub id: EntryId,
    /// Its name for people, without parameters: `main`, `ns::Type<int>::method`,
    /// `<Type as Trait>::method`. Empty if it has none.
    pub name: String,
    /// The name that the linker knows, if it differs from what the source says.
    pub linkage_name: Option<String>,
    /// Where its instructions are. Optimisation may put those that are rarely needed elsewhere.
    pub ranges: Vec<Range<LinkAddress>>,
    /// Where it is called.
    pub entry: LinkAddress,
    /// Where it is declared.
    pub declared_at: Option<SourcePlace>,
    /// What it was written in.
    pub language: SourceLanguage,
}

impl Function {
    /// Its own type: what it returns and takes.
    pub fn ty(&self) -> TypeRef {
        TypeRef(self.id)
    }
}

impl DebugInfo {
    /// The function whose instructions `address` is among. For a return address ask for the byte
    /// before it.
    ///
    /// **Cost**: the first question in a unit reads all its entries, some 300 MB/s.
    pub fn function_at(&self, address: LinkAddress) -> Option<Function> {
        let units = OpenUnits::new(self);
        self.read_function(&units, self.function_entry_at(address.value())?)
    }

    /// The function of an entry.
    pub fn function(&self, id: EntryId) -> Option<Function> {
        self.read_function(&OpenUnits::new(self), id)
    }

    /// The entry of the function around `address`.
    pub(crate) fn function_entry_at(&self, address: u64) -> Option<EntryId> {
        self.units_at(address).into_iter().find_map(|unit| {
            let offset = self.outline(unit)?.function_at(address)?;
            Some(EntryId::new(self.full_unit(unit), offset))
        })
    }

    pub(super) fn read_function(&self, units: &OpenUnits<'_>, id: EntryId) -> Option<Function> {
        let (unit, entry) = units.entry(id)?;
        let ranges = unit.ranges_of(&entry);
        let entry_pc = entry.attr_value(gimli::DW_AT_entry_pc);
        let entry_pc = entry_pc.and_then(|value| unit.refs().attr_address(value).ok().flatten());
        let first = ranges.first()?.start;
        let identity = scope::identity(units, id);
        Some(Function {
            id,
            name: function_name(units, &identity),
            declared_at: self.place_of(units, identity.declaration),
            linkage_name: identity.linkage_name,
            ranges: link_ranges(ranges),
            entry: LinkAddress::new(entry_pc.unwrap_or(first)),
            language: unit.language(),
        })
    }

    pub(super) fn place_of(
        &self,
        units: &OpenUnits<'_>,
        declaration: Option<Declaration>,
    ) -> Option<SourcePlace> {
        let Declaration { entry, file, line, column } = declaration?;
        let unit = units.unit(entry.unit())?;
        Some(SourcePlace { file: self.file_of(&unit, file)?, line, column })
    }

    /// Where a breakpoint at `function` belongs: behind the instructions that set up its frame, so
    /// that its parameters can be read.
    ///
    /// 1. Where the compiler marked the end of the prologue.
    /// 2. In optimised code at the entry: instructions of the prologue and others are mixed, and
    ///    parameters are described at each of them.
    /// 3. Else at the second row of the line table: the first is the function's opening line.
    pub fn body_of(&self, function: &Function) -> LinkAddress {
        let entry = function.entry;
        let Some(range) = function.ranges.iter().find(|range| range.contains(&entry)) else {
            return entry;
        };
        let rows = self.line_rows(entry..range.end);
        if let Some(row) = rows.iter().find(|row| row.is_prologue_end && row.address >= entry) {
            return row.address;
        }
        if self.is_optimised(function.id) {
            return entry;
        }
        let second = rows.iter().find(|row| row.address > entry && row.line != 0);
        second.map_or(entry, |row| row.address)
    }

    /// Whether the unit of an entry was optimised, as far as it says.
    fn is_optimised(&self, id: EntryId) -> bool {
        if self.outline(id.unit()).is_some_and(|outline| outline.has_location_lists) {
            return true;
        }
        let facts = self.facts(id.unit());
        let producer = facts.and_then(|facts| facts.producer.as_deref()).unwrap_or_default();
        // gcc writes its options down.
        let level = producer.split(' ').rfind(|option| option.starts_with("-O"));
        level.is_some_and(|level| level != "-O0")
    }
}

pub(super) fn link_ranges(ranges: Vec<Range<u64>>) -> Vec<Range<LinkAddress>> {
    let link = |range: Range<u64>| LinkAddress::new(range.start)..LinkAddress::new(range.end);
    ranges.into_iter().map(link).collect()
}

/// The name for people. The linker's name tells more than entries do: which instance of a template,
/// which trait's method of which type.
pub(super) fn function_name(units: &OpenUnits<'_>, identity: &Identity) -> String {
    if let Some(linkage_name) = identity.linkage_name.as_deref().filter(|name| is_mangled(name)) {
        let path = demangled_path(linkage_name);
        if path != linkage_name {
            return path.into_owned();
        }
    }
    match (&identity.name, identity.origin) {
        (Some(name), Some(origin)) => scope::in_scope(units, origin, name.clone()),
        _ => identity.linkage_name.clone().unwrap_or_default(),
    }
}
