//! What names are inside of: namespaces, types, functions. Entries do not say what they are in, so
//! one pass through a unit writes down where each scope begins and ends.

use gimli::{AttributeValue, DwAt, DwForm, DwTag, UnitOffset};

use super::{EntryId, OpenUnit, OpenUnits, RangeTable, SourceLanguage};
use crate::demangle::{demangled_path, is_mangled};
use crate::symtab::contains_all;

/// No program nests so deeply.
const DEPTH_MAX: usize = 64;

/// So many entries are looked at one by one on the way to a single one. It is less than a unit has
/// whose compiler tells no siblings.
const DESCENT_MAX: usize = 20_000;

/// The outline of one unit: its scopes and functions.
#[derive(Debug)]
pub(crate) struct Outline {
    /// By the offsets of the entries inside, with the offset of the scope's own entry.
    scopes: RangeTable<usize>,
    /// By address, with the offset of the function's entry.
    functions: RangeTable<usize>,
    /// Of functions with instructions that complete another entry of the unit, that entry and their
    /// own, sorted.
    instances: Vec<(usize, usize)>,
    /// Whether variables move: the unit was optimised.
    pub(crate) has_location_lists: bool,
}

impl Outline {
    /// **Cost**: reads all entries of the unit, some 300 MB/s.
    pub(crate) fn read(unit: &OpenUnit<'_>) -> Outline {
        let mut scopes = Vec::new();
        let mut functions = Vec::new();
        let mut instances = Vec::new();
        let mut has_location_lists = false;
        let mut open: Vec<(isize, usize)> = Vec::new();
        let mut entry = gimli::DebuggingInformationEntry::null();
        let Ok(mut entries) = unit.entries_raw(None) else { return Outline::empty() };
        let mut end = 0;
        while !entries.is_empty() {
            let (depth, offset) = (entries.next_depth(), entries.next_offset());
            end = offset.0;
            while let Some((_, begun)) = open.pop_if(|(outer, _)| *outer >= depth) {
                scopes.push((begun as u64..offset.0 as u64, begun));
            }
            let Ok(abbreviation) = entries.read_abbreviation() else { break };
            let Some(abbreviation) = abbreviation else { continue };
            if is_scope(abbreviation.tag()) && abbreviation.has_children() {
                open.push((depth, offset.0));
            }
            let attributes = abbreviation.attributes();
            let has = |name: DwAt| attributes.iter().any(|attribute| attribute.name() == name);
            let is_function = abbreviation.tag() == gimli::DW_TAG_subprogram;
            if is_function && (has(gimli::DW_AT_low_pc) || has(gimli::DW_AT_ranges)) {
                let mut values = std::mem::take(&mut entry.attrs);
                if entries.read_attributes(attributes, &mut values).is_err() {
                    break;
                }
                entry.attrs = values;
                let ranges = unit.ranges_of(&entry);
                let origins = [gimli::DW_AT_abstract_origin, gimli::DW_AT_specification];
                let origin = origins.into_iter().find_map(|name| entry.attr_value(name));
                if let (Some(AttributeValue::UnitRef(origin)), false) = (origin, ranges.is_empty())
                {
                    instances.push((origin.0, offset.0));
                }
                functions.extend(ranges.into_iter().map(|range| (range, offset.0)));
            } else {
                has_location_lists |= attributes.iter().any(|attribute| {
                    attribute.name() == gimli::DW_AT_location && is_list(attribute.form())
                });
                if entries.skip_attributes(attributes).is_err() {
                    break;
                }
            }
        }
        // What damage cuts off ends where reading ended.
        scopes.extend(open.into_iter().map(|(_, begun)| (begun as u64..end as u64 + 1, begun)));
        instances.sort_unstable();
        Outline {
            scopes: RangeTable::new(scopes),
            functions: RangeTable::new(functions),
            instances,
            has_location_lists,
        }
    }

    fn empty() -> Outline {
        Outline {
            scopes: RangeTable::new(Vec::new()),
            functions: RangeTable::new(Vec::new()),
            instances: Vec::new(),
            has_location_lists: false,
        }
    }

    /// The function around `address`: its entry.
    pub(crate) fn function_at(&self, address: u64) -> Option<usize> {
        self.functions.at(address).next().copied()
    }

    /// The function with instructions that completes the entry at `origin`: an abstract instance
    /// (DWARF 5, 3.3.8), or a declaration.
    pub(crate) fn instance_of(&self, origin: usize) -> Option<UnitOffset<usize>> {
        let first = self.instances.partition_point(|(of, _)| *of < origin);
        let (_, function) = self.instances.get(first).filter(|(of, _)| *of == origin)?;
        Some(UnitOffset(*function))
    }

    /// The entries that the one at `offset` is in, innermost first.
    pub(crate) fn scopes_of(&self, offset: usize) -> impl Iterator<Item = UnitOffset<usize>> {
        let around = self.scopes.at(offset as u64).copied();
        around.filter(move |scope| *scope != offset).map(UnitOffset).take(DEPTH_MAX)
    }
}

fn is_scope(tag: DwTag) -> bool {
    matches!(
        tag,
        gimli::DW_TAG_namespace
            | gimli::DW_TAG_module
            | gimli::DW_TAG_structure_type
            | gimli::DW_TAG_class_type
            | gimli::DW_TAG_interface_type
            | gimli::DW_TAG_union_type
            | gimli::DW_TAG_enumeration_type
            | gimli::DW_TAG_subprogram
    )
}

/// Whether an attribute of this form refers to a location list (DWARF 5, 7.5.5).
fn is_list(form: DwForm) -> bool {
    matches!(form, gimli::DW_FORM_sec_offset | gimli::DW_FORM_loclistx)
}

/// What an entry and those that it stands for say together: an instance of an abstract function,
/// the definition of something declared elsewhere.
#[derive(Clone, Default, Debug)]
pub(crate) struct Identity {
    pub(crate) name: Option<String>,
    /// The name that the linker knows.
    pub(crate) linkage_name: Option<String>,
    /// File (as a number of `unit`), line and column of the declaration.
    pub(crate) declaration: Option<Declaration>,
    /// The entry that began it all, whose place in its unit says what the name is in.
    pub(crate) origin: Option<EntryId>,
}

/// Where something is declared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Declaration {
    /// The entry that says it; the file's number is one of its unit.
    pub(crate) entry: EntryId,
    pub(crate) file: u64,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// References from entry to entry end sooner; a damaged one may lead in a circle.
pub(super) const REFERENCES_MAX: usize = 16;

/// Follows an entry to what it stands for (`DW_AT_abstract_origin`, `DW_AT_specification`; of a
/// type in a unit of its own `DW_AT_signature`), and collects what is said on the way. What is said
/// first holds.
pub(crate) fn identity(units: &OpenUnits<'_>, id: EntryId) -> Identity {
    let mut identity = Identity::default();
    let mut next = Some(id);
    for _ in 0..REFERENCES_MAX {
        let Some((id, (unit, entry))) = next.and_then(|id| Some((id, units.entry(id)?))) else {
            break;
        };
        identity.origin = Some(id);
        let text = |name| {
            unit.text_of(&entry, name).map(|text| String::from_utf8_lossy(text).into_owned())
        };
        if identity.name.is_none() {
            identity.name = text(gimli::DW_AT_name);
        }
        if identity.linkage_name.is_none() {
            identity.linkage_name =
                text(gimli::DW_AT_linkage_name).or_else(|| text(gimli::DW_AT_MIPS_linkage_name));
        }
        let number = |name| entry.attr(name).and_then(gimli::Attribute::udata_value);
        if let (None, Some(line)) = (identity.declaration, number(gimli::DW_AT_decl_line)) {
            let clamp = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
            identity.declaration = Some(Declaration {
                entry: id,
                file: 0,
                line: clamp(line),
                column: number(gimli::DW_AT_decl_column).map_or(0, clamp),
            });
        }
        if let (Some(declaration), Some(AttributeValue::FileIndex(file))) =
            (&mut identity.declaration, entry.attr_value(gimli::DW_AT_decl_file))
            && declaration.file == 0
        {
            declaration.entry = id;
            declaration.file = file;
        }
        next = unit
            .reference_of(&entry, gimli::DW_AT_abstract_origin)
            .or_else(|| unit.reference_of(&entry, gimli::DW_AT_specification))
            .or_else(|| unit.reference_of(&entry, gimli::DW_AT_signature));
    }
    identity
}

/// The name of an entry with what it is in, as its language writes it: `ns::Type::name`. `None` if
/// it has no name.
pub(crate) fn qualified_name(units: &OpenUnits<'_>, id: EntryId) -> Option<String> {
    let identity = identity(units, id);
    let name = identity.name?;
    Some(in_scope(units, identity.origin?, name))
}

/// The names that an entry may be asked for by, if it is asked for by one with these words (see
/// [`identifiers`](crate::symtab::identifiers)): as people see it, as its language writes it, as
/// the linker knows it.
pub(crate) fn names_with(units: &OpenUnits<'_>, id: EntryId, words: &[String]) -> Vec<String> {
    let identity = identity(units, id);
    let mut names = Vec::with_capacity(3);
    if may_be_called(units, id, &identity, words)
        && let (Some(name), Some(origin)) = (&identity.name, identity.origin)
    {
        names.push(in_scope(units, origin, name.clone()));
    }
    if let Some(linkage_name) = identity.linkage_name {
        let path = demangled_path(&linkage_name);
        if names.first().is_none_or(|name| **name != *path) {
            names.push(path.into_owned());
        }
        names.push(linkage_name);
    }
    names
}

/// Whether what an entry is in may complete its name to one with these words: names that C++
/// mangles contain those of all that is around. What it is in takes longer to find out.
fn may_be_called(
    units: &OpenUnits<'_>,
    id: EntryId,
    identity: &Identity,
    words: &[String],
) -> bool {
    let mangled = identity.linkage_name.as_deref().filter(|name| is_mangled(name));
    let is_cpp = || {
        let unit = units.unit(id.unit());
        unit.is_some_and(|unit| unit.language() == SourceLanguage::CPlusPlus)
    };
    mangled.is_none_or(|name| contains_all(name.as_bytes(), words) || !is_cpp())
}

/// `name`, which `origin` was given, behind the names of what `origin` is in.
pub(crate) fn in_scope(units: &OpenUnits<'_>, origin: EntryId, name: String) -> String {
    let Some(unit) = units.unit(origin.unit()) else { return name };
    let language = unit.language();
    // In C nothing is in anything, and Go writes the package into the name.
    if matches!(language, SourceLanguage::C | SourceLanguage::Go) {
        return name;
    }
    let mut parts = vec![name];
    let mut inner = origin;
    while let Some(scope) = scope_of(units, inner)
        && parts.len() < DEPTH_MAX
    {
        let identity = identity(units, scope);
        // A class without a name that can be called is what a lambda makes.
        let is_lambda = identity.name.is_none()
            && parts.len() == 1
            && parts.iter().all(|name| name == "operator()");
        let stand_in = if is_lambda { "{lambda}" } else { unnamed(units, scope) };
        parts.push(identity.name.unwrap_or_else(|| stand_in.to_owned()));
        inner = identity.origin.unwrap_or(scope);
    }
    parts.reverse();
    parts.join(language.separator())
}

/// What an entry is directly in.
fn scope_of(units: &OpenUnits<'_>, id: EntryId) -> Option<EntryId> {
    if units.descends()
        && !units.info().has_outline(id.unit())
        && let Some(scope) = units.unit(id.unit()).and_then(|unit| descend(&unit, id.offset().0))
    {
        return scope.map(|scope| EntryId::new(id.unit(), scope));
    }
    let outline = units.info().outline(id.unit())?;
    let scope = outline.scopes_of(id.offset().0).next()?;
    Some(EntryId::new(id.unit(), scope.0))
}

/// What the entry at `target` is directly in, found from the root downwards by what entries say of
/// their siblings (DWARF 5, 2.3).
///
/// **Shape**: `None` if too few say it; then all entries have to be read.
///
/// **Cost**: reads the entries beside those around `target`, mostly a small part of all.
fn descend(unit: &OpenUnit<'_>, target: usize) -> Option<Option<usize>> {
    let mut entries = unit.entries_raw(None).ok()?;
    let mut entry = gimli::DebuggingInformationEntry::null();
    let mut open: Vec<(isize, usize)> = Vec::new();
    let mut base_depth = 0;
    for _ in 0..DESCENT_MAX {
        if entries.is_empty() {
            return None;
        }
        let (depth, offset) = (base_depth + entries.next_depth(), entries.next_offset().0);
        while open.pop_if(|(outer, _)| *outer >= depth).is_some() {}
        if offset >= target {
            return (offset == target).then(|| open.last().map(|(_, scope)| *scope));
        }
        let Some(abbreviation) = entries.read_abbreviation().ok()? else { continue };
        entries.read_attributes(abbreviation.attributes(), &mut entry.attrs).ok()?;
        if !abbreviation.has_children() {
            continue;
        }
        match entry.attr_value(gimli::DW_AT_sibling) {
            Some(AttributeValue::UnitRef(sibling)) if sibling.0 <= target => {
                // Damaged ones may lead in a circle.
                (sibling.0 > offset).then_some(())?;
                entries = unit.entries_raw(Some(sibling)).ok()?;
                base_depth = depth;
            }
            _ if is_scope(abbreviation.tag()) => open.push((depth, offset)),
            _ => {}
        }
    }
    None
}

/// What stands for a scope without a name.
fn unnamed(units: &OpenUnits<'_>, scope: EntryId) -> &'static str {
    match units.entry(scope).map(|(_, entry)| entry.tag()) {
        Some(gimli::DW_TAG_namespace) => "(anonymous namespace)",
        Some(gimli::DW_TAG_structure_type) => "(anonymous struct)",
        Some(gimli::DW_TAG_union_type) => "(anonymous union)",
        Some(gimli::DW_TAG_class_type) => "(anonymous class)",
        _ => "(anonymous)",
    }
}
