//! Inlined calls: functions whose instructions stand in their callers'. It says which calls are
//! around an address and where in the source they were made.

use std::ops::Range;

use dbgbase::LinkAddress;
use gimli::{AttributeValue, DebuggingInformationEntry, EntriesTreeNode};

use super::function::{function_name, link_ranges};
use super::scope;
use super::{DebugInfo, EntryId, OpenUnit, OpenUnits, Reader, SourceLanguage, SourcePlace};

/// No compiler nests blocks and inlined calls so deeply.
const DEPTH_MAX: usize = 256;

/// A call that was replaced by the instructions of the function called.
#[derive(Clone, Debug)]
pub struct InlinedCall {
    /// Which one it is: the variables of the call are found by it.
    pub id: EntryId,
    /// The function called. It may have no instructions of its own.
    pub function: EntryId,
    /// The name for people of the function called, as in [`Function`](super::Function).
    pub name: String,
    /// The name that the linker would know the function by.
    pub linkage_name: Option<String>,
    /// Where the call is in the source.
    pub call_site: Option<SourcePlace>,
    /// Where the function called is declared.
    pub declared_at: Option<SourcePlace>,
    /// Where the instructions of the call are.
    pub ranges: Vec<Range<LinkAddress>>,
    /// The first instruction of the call.
    pub entry: LinkAddress,
    /// What the function called was written in.
    pub language: SourceLanguage,
}

impl DebugInfo {
    /// The inlined calls that the instruction at `address` is in, outermost first. The function
    /// that they are all in is [`DebugInfo::function_at`].
    ///
    /// **Cost**: reads the entries of the function.
    pub fn inlined_at(&self, address: LinkAddress) -> Vec<InlinedCall> {
        let units = OpenUnits::new(self);
        let Some(function) = self.function_entry_at(address.value()) else { return Vec::new() };
        let found = self.inlined_entries_at(&units, function, address.value());
        found.into_iter().filter_map(|id| self.read_inlined(&units, id)).collect()
    }

    /// The entries of the inlined calls of a function that are around `address`, outermost first.
    pub(crate) fn inlined_entries_at(
        &self,
        units: &OpenUnits<'_>,
        function: EntryId,
        address: u64,
    ) -> Vec<EntryId> {
        let mut found = Vec::new();
        let Some(unit) = units.unit(function.unit()) else { return found };
        if let Ok(mut tree) = unit.entries_tree(Some(function.offset()))
            && let Ok(root) = tree.root()
        {
            // What damage hides is not there.
            let _ = descend(&unit, root, address, &mut found, 0);
        }
        found
    }

    /// The inlined call of an entry.
    pub(crate) fn read_inlined(&self, units: &OpenUnits<'_>, id: EntryId) -> Option<InlinedCall> {
        let (unit, entry) = units.entry(id)?;
        let ranges = unit.ranges_of(&entry);
        let identity = scope::identity(units, id);
        let first = ranges.iter().map(|range| range.start).min()?;
        let entry_pc = entry.attr_value(gimli::DW_AT_entry_pc);
        let entry_pc = entry_pc.and_then(|value| unit.refs().attr_address(value).ok().flatten());
        Some(InlinedCall {
            id,
            function: identity.origin.unwrap_or(id),
            name: function_name(units, &identity),
            call_site: self.call_site(&unit, &entry),
            declared_at: self.place_of(units, identity.declaration),
            linkage_name: identity.linkage_name,
            entry: LinkAddress::new(entry_pc.unwrap_or(first)),
            ranges: link_ranges(ranges),
            language: unit.language(),
        })
    }

    fn call_site(
        &self,
        unit: &OpenUnit<'_>,
        entry: &DebuggingInformationEntry<Reader<'_>>,
    ) -> Option<SourcePlace> {
        let Some(AttributeValue::FileIndex(file)) = entry.attr_value(gimli::DW_AT_call_file) else {
            return None;
        };
        let number = |name| {
            let number = entry.attr(name).and_then(gimli::Attribute::udata_value);
            number.map(|number| u32::try_from(number).unwrap_or(u32::MAX))
        };
        Some(SourcePlace {
            file: self.file_of(unit, file)?,
            line: number(gimli::DW_AT_call_line)?,
            column: number(gimli::DW_AT_call_column).unwrap_or(0),
        })
    }
}

/// Collects the inlined calls around `address` below `node`.
fn descend<'a>(
    unit: &OpenUnit<'a>,
    node: EntriesTreeNode<'_, '_, Reader<'a>>,
    address: u64,
    found: &mut Vec<EntryId>,
    depth: usize,
) -> gimli::Result<bool> {
    let mut children = node.children();
    while let Some(child) = children.next()? {
        let entry = child.entry();
        let is_call = entry.tag() == gimli::DW_TAG_inlined_subroutine;
        let is_block = matches!(
            entry.tag(),
            gimli::DW_TAG_lexical_block | gimli::DW_TAG_try_block | gimli::DW_TAG_catch_block
        );
        if !is_call && !is_block || depth >= DEPTH_MAX {
            continue;
        }
        let has_ranges = entry.has_attr(gimli::DW_AT_low_pc) || entry.has_attr(gimli::DW_AT_ranges);
        let is_around = unit.ranges_of(entry).iter().any(|range| range.contains(&address));
        if is_around && is_call {
            found.push(unit.entry_id(entry.offset()));
        }
        // A block without addresses says nothing about what is in it.
        if is_around || is_block && !has_ranges {
            let found_below = descend(unit, child, address, found, depth + 1)?;
            if is_around || found_below {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
