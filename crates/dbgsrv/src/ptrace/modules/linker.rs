//! The dynamic linker's lists of what it has loaded, one for each of its namespaces, and whether it
//! is changing them. Pure, over a target's memory, which may hold anything: every walk is bounded,
//! and ends where it has been before.
//!
//! ```text
//! struct r_debug                              struct link_map
//!  0 r_version  4   (2: r_next is there)       0 l_addr  8
//!  8 r_map      8 ───────────────────────────► 8 l_name  8
//! 16 r_brk      8                             16 l_ld    8  the dynamic section, in the image
//! 24 r_state    4                             24 l_next  8 ──► the next link_map
//! 32 r_ldbase   8                             32 l_prev  8
//! 40 r_next     8 ──► the next namespace's
//! ```
//!
//! Source: `<link.h>` of glibc, whose first 40 bytes every linker for ELF has.

use std::collections::HashSet;

use dbgbase::{Address, ReadMemory, read_u32, read_u64};

const R_MAP: u64 = 8;
const R_BRK: u64 = 16;
const R_STATE: u64 = 24;
const R_NEXT: u64 = 40;
const L_LD: u64 = 16;
const L_NEXT: u64 = 24;

/// `RT_CONSISTENT`: the list is whole.
const RT_CONSISTENT: u32 = 0;

/// The most link maps of all namespaces together that are looked at.
const LINK_MAPS_MAX: usize = 16 * 1024;
/// The most namespaces; glibc has 16.
const NAMESPACES_MAX: usize = 64;

/// Whether the linker is changing none of its lists. One whose state cannot be read counts as
/// whole.
pub(super) fn is_whole(r_debug: Address, memory: &impl ReadMemory) -> bool {
    namespaces(r_debug, memory).into_iter().all(|namespace| {
        let state = namespace.checked_add(R_STATE).map(|at| read_u32(memory, at));
        !matches!(state, Some(Ok(state)) if state != RT_CONSISTENT)
    })
}

/// The function that the linker calls when it changes its lists, if it has written it down yet.
pub(super) fn notify(r_debug: Address, memory: &impl ReadMemory) -> Option<Address> {
    pointer(memory, r_debug, R_BRK)
}

/// One entry of the linker's lists, for an image that has a dynamic section.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Loaded {
    /// The `struct link_map`.
    pub(super) link_map: Address,
    /// Where the image's dynamic section lies.
    pub(super) dynamic: Address,
    /// The `struct r_debug` whose list it is in.
    pub(super) namespace: Address,
}

/// Everything loaded, in the linker's order: first the program's namespace, then those made by
/// dlmopen(3). The linker itself is in each of them.
pub(super) fn loaded(r_debug: Address, memory: &impl ReadMemory) -> Vec<Loaded> {
    let mut loaded = Vec::new();
    let mut seen = HashSet::new();
    for namespace in namespaces(r_debug, memory) {
        let mut next = pointer(memory, namespace, R_MAP);
        while let Some(map) = next
            && seen.insert(map)
            && seen.len() <= LINK_MAPS_MAX
        {
            let dynamic = pointer(memory, map, L_LD);
            loaded.extend(dynamic.map(|dynamic| Loaded { link_map: map, dynamic, namespace }));
            next = pointer(memory, map, L_NEXT);
        }
    }
    loaded
}

/// The `struct r_debug` of each namespace.
fn namespaces(r_debug: Address, memory: &impl ReadMemory) -> Vec<Address> {
    let mut found = Vec::new();
    let mut next = Some(r_debug);
    while let Some(namespace) = next
        && !found.contains(&namespace)
        && found.len() < NAMESPACES_MAX
    {
        found.push(namespace);
        // Without this there is nothing behind the first five fields.
        let has_next = read_u32(memory, namespace).is_ok_and(|version| version >= 2);
        next = if has_next { pointer(memory, namespace, R_NEXT) } else { None };
    }
    found
}

/// The pointer in a field; `None` if it is null.
fn pointer(memory: &impl ReadMemory, start: Address, offset: u64) -> Option<Address> {
    let value = read_u64(memory, start.checked_add(offset)?).ok()?;
    (value != 0).then(|| Address::new(value))
}

#[cfg(test)]
#[path = "linker/tests.rs"]
mod tests;
