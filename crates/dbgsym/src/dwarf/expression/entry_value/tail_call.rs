//! Functions that left by calling another one: their frames are gone, but which one passed what is
//! still told by call sites, if there is only one way it can have gone (DWARF 5, 3.4.1). It follows
//! names of functions; values, its caller computes.

use std::collections::HashSet;
use std::rc::Rc;

use dbgbase::{Address, LinkAddress, LoadBias, ReadMemory};
use gimli::{AttributeValue, constants as dw};

use super::super::super::entry::Entry;
use super::super::super::frame_context::{Caller, FrameContext, RegisterValue};
use super::super::super::unit::EntryId;
use super::super::super::{OpenUnit, OpenUnits};
use super::{call_sites, named_target};

/// Functions that are looked through before giving up.
const FUNCTIONS_MAX: usize = 64;

/// A call that a function left by.
pub(super) struct TailCall<'a> {
    pub(super) unit: Rc<OpenUnit<'a>>,
    pub(super) function: EntryId,
    pub(super) site: Entry<'a>,
}

/// The last call on the way from `from` to the function that `is_wanted`. `None` if there is none,
/// if there are several, or if one of them calls what it does not name. `define` finds the function
/// that an entry only declares.
pub(super) fn last<'a>(
    units: &OpenUnits<'a>,
    from: EntryId,
    is_wanted: &dyn Fn(EntryId) -> bool,
    define: &dyn Fn(EntryId) -> EntryId,
) -> Option<TailCall<'a>> {
    let mut found = None;
    let mut seen = HashSet::from([from]);
    let mut open = vec![from];
    while let Some(function) = open.pop() {
        for call in tail_calls(units, function) {
            let target = named_target(&call.unit, &call.site)?;
            // Declared under one of its names, it may be defined under another.
            let defined = define(target);
            if is_wanted(target) || is_wanted(defined) {
                if found.replace(call).is_some() {
                    return None;
                }
                continue;
            }
            // There is a second way to what was seen already.
            seen.insert(defined).then_some(())?;
            open.push(defined);
        }
        if seen.len() > FUNCTIONS_MAX {
            return None;
        }
    }
    found
}

/// Whether a function may have left and come back in the same place: it calls itself in the end,
/// directly or through others, or calls what it does not name. Whoever called it before that did
/// not pass what it has now.
pub(super) fn may_come_back(
    units: &OpenUnits<'_>,
    from: EntryId,
    is_itself: &dyn Fn(EntryId) -> bool,
) -> bool {
    let mut seen = HashSet::from([from]);
    let mut open = vec![from];
    while let Some(function) = open.pop() {
        for call in tail_calls(units, function) {
            let Some(target) = named_target(&call.unit, &call.site) else { return true };
            if is_itself(target) {
                return true;
            }
            let target = definition(units, target);
            if seen.insert(target) {
                open.push(target);
            }
        }
        if seen.len() > FUNCTIONS_MAX {
            return true;
        }
    }
    false
}

/// The calls that a function may leave by.
fn tail_calls<'a>(units: &OpenUnits<'a>, function: EntryId) -> Vec<TailCall<'a>> {
    let Some(unit) = units.unit(function.unit()) else { return Vec::new() };
    let is_tail_call = |site: &Entry<'a>| {
        [dw::DW_AT_call_tail_call, dw::DW_AT_GNU_tail_call]
            .into_iter()
            .any(|name| site.attr_value(name) == Some(AttributeValue::Flag(true)))
    };
    let sites = call_sites(&unit, function).into_iter().filter(is_tail_call);
    sites.map(|site| TailCall { unit: Rc::clone(&unit), function, site }).collect()
}

/// The entry that has the calls of a function. Call sites name the abstract instance or a
/// declaration, if there is one. What is defined in another unit counts as leaving by no call.
pub(super) fn definition(units: &OpenUnits<'_>, function: EntryId) -> EntryId {
    let outline = units.info().outline(function.unit());
    let instance = outline.and_then(|outline| outline.instance_of(function.offset().0));
    instance.map_or(function, |offset| EntryId::new(function.unit(), offset.0))
}

/// The frame of a function that left by calling the one whose frame this is. Its registers are
/// gone; what it was called with, its caller tells.
pub(super) struct LeftFrame<'a>(pub(super) &'a dyn FrameContext);

impl FrameContext for LeftFrame<'_> {
    fn register(&self, _: u16) -> Option<RegisterValue> {
        None
    }

    fn cfa(&self) -> Option<Address> {
        self.0.cfa()
    }

    fn memory(&self) -> &dyn ReadMemory {
        self.0.memory()
    }

    fn bias(&self) -> LoadBias {
        self.0.bias()
    }

    fn thread_local(&self, offset: u64) -> Option<Address> {
        self.0.thread_local(offset)
    }

    fn caller(&self) -> Option<Caller<'_>> {
        self.0.caller()
    }

    fn function_named(&self, linkage_name: &[u8]) -> Option<LinkAddress> {
        self.0.function_named(linkage_name)
    }
}
