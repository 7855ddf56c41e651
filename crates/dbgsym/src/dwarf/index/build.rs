//! The pass through all units that finds every name, on all CPUs.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use gimli::{AttributeValue, DebuggingInformationEntry, DwAt, DwTag};

use super::super::scope::{REFERENCES_MAX, identity};
use super::super::{DebugInfo, EntryId, OpenUnit, OpenUnits, Reader, SourceLanguage};
use super::{NameIndex, NameKind, Row, base_name, hash_of};
use crate::demangle::demangled_path;

/// How far the making of an index of names is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IndexProgress {
    /// How many bytes of entries are read.
    pub done_bytes: u64,
    /// How many there are.
    pub total_bytes: u64,
}

/// What one thread found in the units that it read.
#[derive(Default)]
struct Found {
    rows: Vec<Row>,
    /// The types among the rows that may be in other units as well, by the hash of their whole
    /// names; their rows.
    shared_types: Vec<(u64, Row)>,
}

pub(super) fn build(
    info: &DebugInfo,
    cancelled: &AtomicBool,
    progress: &(dyn Fn(IndexProgress) + Sync),
) -> Option<NameIndex> {
    let mut units: Vec<_> =
        info.all_units().map(|unit| (info.size_bytes(unit) as u64, unit)).collect();
    let total_bytes = units.iter().map(|(size, _)| size).sum();
    // The greatest first, so that none is left to one thread at the end.
    units.sort_by_key(|(size, unit)| (std::cmp::Reverse(*size), *unit));
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let all = Mutex::new(Found::default());
    let work = || {
        let mut found = Found::default();
        while let Some((size, id)) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
            if cancelled.load(Ordering::Relaxed) {
                return;
            }
            if let Some(unit) = info.open(*id) {
                Walk::new(info, &unit, id.index(), cancelled).run(&mut found);
            }
            let done_bytes = done.fetch_add(*size, Ordering::Relaxed) + size;
            progress(IndexProgress { done_bytes, total_bytes });
        }
        // A thread that panicked left what it had out, not in disorder.
        let mut all = all.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        all.rows.append(&mut found.rows);
        all.shared_types.append(&mut found.shared_types);
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(units.len());
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    if cancelled.load(Ordering::Relaxed) {
        return None;
    }
    let Found { mut rows, mut shared_types } =
        all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    // Units that include the same header have the same types. One of each is enough.
    shared_types.sort_unstable();
    shared_types.dedup_by_key(|(name, _)| *name);
    rows.extend(shared_types.into_iter().map(|(_, row)| row));
    rows.sort_unstable();
    rows.dedup();
    rows.shrink_to_fit();
    Some(NameIndex { rows })
}

/// The pass through one unit.
struct Walk<'u, 'a> {
    unit: &'u OpenUnit<'a>,
    units: OpenUnits<'a>,
    /// What the rows call the unit.
    index: u32,
    cancelled: &'u AtomicBool,
    /// The scopes around: their depth, whether they are functions, and the hash of their names if
    /// all have one.
    scopes: Vec<(isize, bool, Option<u64>)>,
    may_share_types: bool,
    seen_types: HashSet<u64>,
}

impl<'u, 'a> Walk<'u, 'a> {
    fn new(
        info: &'a DebugInfo,
        unit: &'u OpenUnit<'a>,
        index: u32,
        cancelled: &'u AtomicBool,
    ) -> Walk<'u, 'a> {
        // In C two files may have different types of the same name; elsewhere that is an error.
        let may_share_types =
            matches!(unit.language(), SourceLanguage::CPlusPlus | SourceLanguage::Rust);
        Walk {
            unit,
            units: OpenUnits::new(info),
            index,
            cancelled,
            scopes: Vec::new(),
            may_share_types,
            seen_types: HashSet::new(),
        }
    }

    fn run(mut self, found: &mut Found) {
        let Ok(mut entries) = self.unit.entries_raw(None) else { return };
        let mut entry = DebuggingInformationEntry::null();
        let mut count = 0u32;
        while !entries.is_empty() {
            count = count.wrapping_add(1);
            if count.is_multiple_of(65_536) && self.cancelled.load(Ordering::Relaxed) {
                return;
            }
            let (depth, offset) = (entries.next_depth(), entries.next_offset());
            let Ok(abbreviation) = entries.read_abbreviation() else { return };
            let Some(abbreviation) = abbreviation else { continue };
            while self.scopes.pop_if(|(outer, ..)| *outer >= depth).is_some() {}
            let attributes = abbreviation.attributes();
            let has = |name: DwAt| attributes.iter().any(|attribute| attribute.name() == name);
            let tag = abbreviation.tag();
            if !is_interesting(tag, &has) {
                if entries.skip_attributes(attributes).is_err() {
                    return;
                }
                continue;
            }
            if entries.read_attributes(attributes, &mut entry.attrs).is_err() {
                return;
            }
            let id = self.unit.entry_id(offset);
            let name = self.unit.text_of(&entry, gimli::DW_AT_name);
            if let Some(kind) = self.kind_of(tag, &entry) {
                self.push(found, kind, id, &entry, name);
            }
            if abbreviation.has_children() {
                let around = self.scopes.last().map_or(Some(0), |(.., hash)| *hash);
                let hash = around.zip(name).map(|(around, name)| hash_in(around, name));
                self.scopes.push((depth, tag == gimli::DW_TAG_subprogram, hash));
            }
        }
    }

    fn kind_of(
        &self,
        tag: DwTag,
        entry: &DebuggingInformationEntry<Reader<'a>>,
    ) -> Option<NameKind> {
        match tag {
            gimli::DW_TAG_namespace | gimli::DW_TAG_module => None,
            gimli::DW_TAG_subprogram => {
                let inline = entry.attr_value(gimli::DW_AT_inline);
                let is_inlined = matches!(
                    inline,
                    Some(AttributeValue::Inline(
                        gimli::DW_INL_inlined | gimli::DW_INL_declared_inlined
                    ))
                );
                let has = |name| entry.has_attr(name);
                // Programs that are optimised as a whole do not say at the function that it was
                // inlined; but it has no addresses then, and is no mere declaration.
                let is_abstract = !has(gimli::DW_AT_declaration)
                    && !has(gimli::DW_AT_low_pc)
                    && !has(gimli::DW_AT_ranges);
                if is_inlined || is_abstract {
                    return Some(NameKind::Inlined);
                }
                let has_code = !self.unit.ranges_of(entry).is_empty();
                has_code.then_some(NameKind::Function)
            }
            gimli::DW_TAG_variable => {
                let in_function = self.scopes.iter().any(|(_, is_function, _)| *is_function);
                is_static(entry, in_function).then_some(NameKind::Variable)
            }
            _ => (!entry.has_attr(gimli::DW_AT_declaration)).then_some(NameKind::Type),
        }
    }

    fn push(
        &mut self,
        found: &mut Found,
        kind: NameKind,
        id: EntryId,
        entry: &DebuggingInformationEntry<Reader<'a>>,
        name: Option<&'a [u8]>,
    ) {
        let texts = match kind {
            NameKind::Type => Texts { name, linkage_name: None },
            _ => self.texts_of(entry),
        };
        let Ok(offset) = u32::try_from(id.offset().0) else { return };
        let row = |base: &str| Row { hash: hash_of(base), kind, unit: self.index, offset };
        if let Some(other) = texts.other_name() {
            found.rows.push(row(&other));
        }
        let Some(name) = texts.name else { return };
        let row = row(&base_name(&String::from_utf8_lossy(name)));
        let around = self.scopes.last().map_or(Some(0), |(.., hash)| *hash);
        match around {
            Some(around) if kind == NameKind::Type && self.may_share_types => {
                let whole = hash_in(around, name);
                if self.seen_types.insert(whole) {
                    found.shared_types.push((whole, row));
                }
            }
            _ => found.rows.push(row),
        }
    }

    /// What the entry and those that it stands for are called.
    fn texts_of(&self, entry: &DebuggingInformationEntry<Reader<'a>>) -> Texts<'a> {
        let mut texts = Texts::default();
        let mut next = texts.read(self.unit, entry);
        for _ in 0..REFERENCES_MAX {
            let Some(id) = next else { break };
            next = if id.unit() == self.unit.id() {
                self.unit.entry(id.offset()).ok().and_then(|entry| texts.read(self.unit, &entry))
            } else {
                self.units.entry(id).and_then(|(unit, entry)| texts.read(&unit, &entry))
            };
        }
        texts
    }
}

/// The names that an entry says itself.
#[derive(Default)]
struct Texts<'a> {
    name: Option<&'a [u8]>,
    linkage_name: Option<&'a [u8]>,
}

impl<'a> Texts<'a> {
    /// Adds what `entry` says; and where to look next, unless all is known.
    fn read(
        &mut self,
        unit: &OpenUnit<'a>,
        entry: &DebuggingInformationEntry<Reader<'a>>,
    ) -> Option<EntryId> {
        let text = |name| unit.text_of(entry, name);
        self.name = self.name.or_else(|| text(gimli::DW_AT_name));
        self.linkage_name = self.linkage_name.or_else(|| text(gimli::DW_AT_linkage_name));
        if self.name.is_some() && self.linkage_name.is_some() {
            return None;
        }
        let origin = unit.reference_of(entry, gimli::DW_AT_abstract_origin);
        origin.or_else(|| unit.reference_of(entry, gimli::DW_AT_specification))
    }

    /// What the linker calls it, if that says another name than `name`. Mangled names contain the
    /// names that they are made of.
    fn other_name(&self) -> Option<String> {
        let linkage_name = self.linkage_name?;
        let name = self.name.unwrap_or_default();
        let name = name.strip_prefix(b"~").unwrap_or(name);
        let is_of_name = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
        let identifier = name.get(..name.iter().take_while(is_of_name).count())?;
        let is_special = identifier == b"operator" || name.starts_with(b"{");
        let contains = || linkage_name.windows(identifier.len()).any(|window| window == identifier);
        if is_special || !identifier.is_empty() && contains() {
            return None;
        }
        let linkage_name = String::from_utf8_lossy(linkage_name);
        Some(base_name(&demangled_path(&linkage_name)))
    }
}

fn hash_in(around: u64, name: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (around, name).hash(&mut hasher);
    hasher.finish()
}

fn is_interesting(tag: DwTag, has: &impl Fn(DwAt) -> bool) -> bool {
    match tag {
        gimli::DW_TAG_subprogram
        | gimli::DW_TAG_namespace
        | gimli::DW_TAG_module
        | gimli::DW_TAG_structure_type
        | gimli::DW_TAG_class_type
        | gimli::DW_TAG_interface_type
        | gimli::DW_TAG_union_type
        | gimli::DW_TAG_enumeration_type => true,
        gimli::DW_TAG_typedef | gimli::DW_TAG_base_type => has(gimli::DW_AT_name),
        gimli::DW_TAG_variable => has(gimli::DW_AT_location) || has(gimli::DW_AT_const_value),
        _ => false,
    }
}

/// Whether a variable lives as long as the program: outside of functions any that is somewhere,
/// inside those at a fixed address.
fn is_static(entry: &DebuggingInformationEntry<Reader<'_>>, in_function: bool) -> bool {
    if !in_function {
        return true;
    }
    let Some(AttributeValue::Exprloc(expression)) = entry.attr_value(gimli::DW_AT_location) else {
        return false;
    };
    let first = expression.0.slice().first().copied().map(gimli::DwOp);
    matches!(first, Some(gimli::DW_OP_addr | gimli::DW_OP_addrx | gimli::DW_OP_GNU_addr_index))
}

/// The entries of the inlined calls of functions, which are sorted. Those of one function are in
/// the unit that has it, except in programs that were optimised as a whole, where they are in any.
pub(super) fn calls_of(units: &OpenUnits<'_>, functions: &[EntryId]) -> Vec<EntryId> {
    let mut found = Vec::new();
    let mut left = Vec::new();
    for of_unit in functions.chunk_by(|one, other| one.unit() == other.unit()) {
        let origins = of_unit.iter().filter_map(|function| identity(units, *function).origin);
        let mut wanted = Callees::new(units, origins);
        let own = of_unit.first().and_then(|function| units.unit(function.unit()));
        found.extend(own.iter().flat_map(|unit| calls_in(unit, &mut wanted)));
        left.extend(wanted.uncalled());
    }
    // One pass is enough for all those that are not called where they are.
    if !left.is_empty() {
        let mut wanted = Callees::new(units, left.into_iter());
        let info = units.info();
        for id in info.all_units() {
            found.extend(info.open(id).iter().flat_map(|unit| calls_in(unit, &mut wanted)));
        }
    }
    found
}

/// Functions whose inlined calls are looked for. Calls name an entry that stands for the function.
struct Callees<'u, 'a> {
    units: &'u OpenUnits<'a>,
    /// What the functions stand for, and whether a call was found.
    origins: HashMap<EntryId, bool>,
    /// What entries that calls name stand for.
    known: HashMap<EntryId, Option<EntryId>>,
}

impl<'u, 'a> Callees<'u, 'a> {
    fn new(units: &'u OpenUnits<'a>, origins: impl Iterator<Item = EntryId>) -> Callees<'u, 'a> {
        let origins = origins.map(|origin| (origin, false)).collect();
        Callees { units, origins, known: HashMap::new() }
    }

    /// Whether one of the functions is called by this entry's name.
    fn has(&mut self, named: EntryId) -> bool {
        let units = self.units;
        let origin = self.known.entry(named).or_insert_with(|| identity(units, named).origin);
        let is_called = origin.as_ref().and_then(|origin| self.origins.get_mut(origin));
        is_called.map(|is_called| *is_called = true).is_some()
    }

    fn uncalled(self) -> impl Iterator<Item = EntryId> {
        self.origins.into_iter().filter(|(_, is_called)| !is_called).map(|(origin, _)| origin)
    }
}

fn calls_in(unit: &OpenUnit<'_>, wanted: &mut Callees<'_, '_>) -> Vec<EntryId> {
    let mut found = Vec::new();
    let Ok(mut entries) = unit.entries_raw(None) else { return found };
    let mut entry = DebuggingInformationEntry::null();
    while !entries.is_empty() {
        let offset = entries.next_offset();
        let Ok(abbreviation) = entries.read_abbreviation() else { break };
        let Some(abbreviation) = abbreviation else { continue };
        let attributes = abbreviation.attributes();
        if abbreviation.tag() != gimli::DW_TAG_inlined_subroutine {
            if entries.skip_attributes(attributes).is_err() {
                break;
            }
            continue;
        }
        if entries.read_attributes(attributes, &mut entry.attrs).is_err() {
            break;
        }
        if unit.reference_of(&entry, gimli::DW_AT_abstract_origin).is_some_and(|id| wanted.has(id))
        {
            found.push(unit.entry_id(offset));
        }
    }
    found
}
