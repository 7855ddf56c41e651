//! What the debugger wants armed, and what is armed. Debuggers take all breakpoints out at every
//! stop and put them in again before they resume; only what differs in the end travels, with the
//! resume. It knows places and sites; it sends nothing. Pure.

use std::collections::BTreeMap;

use dbgbase::{Address, SiteId};
use dbgwire::verbs::site::{Site, SiteKind};

/// How many places x86-64 and most aarch64 CPUs can watch at once.
const HARDWARE_MAX: usize = 4;

/// What the debugger names a breakpoint by (manual, "Packets", `Z`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Place {
    /// The packet's type: 0 software, 1 hardware, 2 write, 4 access.
    pub(crate) kind: Kind,
    /// Where.
    pub(crate) address: Address,
    /// How many bytes are watched; of a breakpoint, the kind of its instruction.
    pub(crate) len: u64,
}

/// The types of breakpoints.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Kind {
    /// `Z0`
    Software,
    /// `Z1`
    Hardware,
    /// `Z2`
    Write,
    /// `Z4`
    Access,
}

/// What is to be done at a place. Nothing in either means: stop.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Wish {
    /// Conditions as agent code; one that holds is enough.
    pub(crate) conditions: Vec<Vec<u8>>,
    /// Agent code that is run instead of stopping.
    pub(crate) commands: Vec<Vec<u8>>,
}

/// The breakpoints of one target.
#[derive(Default, Debug)]
pub(crate) struct Breakpoints {
    wanted: BTreeMap<Place, Wish>,
    armed: BTreeMap<Place, Armed>,
    last_id: u32,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Armed {
    wish: Wish,
    ids: Vec<SiteId>,
}

/// What has to change in the target.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Changes {
    /// Sites to insert.
    pub(crate) insert: Vec<Site>,
    /// Sites to remove.
    pub(crate) remove: Vec<u32>,
    /// Sites to remove before any is inserted: the CPU has no more places to watch.
    pub(crate) remove_first: Vec<u32>,
    /// What is to be undone if the server refuses.
    pub(crate) undo: Undo,
}

/// How changes that counted as done are undone.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Undo {
    armed: Vec<Place>,
    disarmed: Vec<(Place, Armed)>,
}

impl Kind {
    /// The type with this number; `None` for reads alone, which no supported CPU can watch, and for
    /// what is none.
    pub(crate) fn from_number(number: u8) -> Option<Kind> {
        match number {
            b'0' => Some(Kind::Software),
            b'1' => Some(Kind::Hardware),
            b'2' => Some(Kind::Write),
            b'4' => Some(Kind::Access),
            _ => None,
        }
    }

    fn site_kind(self) -> SiteKind {
        match self {
            Kind::Software => SiteKind::Software,
            Kind::Hardware => SiteKind::HardwareExecute,
            Kind::Write => SiteKind::HardwareWrite,
            Kind::Access => SiteKind::HardwareReadWrite,
        }
    }
}

impl Place {
    /// What the CPU can watch in one place: 1, 2, 4 or 8 aligned bytes.
    fn pieces(&self) -> Vec<(Address, u32)> {
        match self.kind {
            Kind::Software => vec![(self.address, 0)],
            Kind::Hardware => vec![(self.address, 1)],
            Kind::Write | Kind::Access => {
                let mut pieces = Vec::new();
                let (mut at, mut left) = (self.address, self.len);
                while left > 0 && pieces.len() <= HARDWARE_MAX {
                    let fits = |len: &u64| at.value() % len == 0 && *len <= left;
                    let len = [8, 4, 2].into_iter().find(fits).unwrap_or(1);
                    pieces.push((at, len as u32));
                    let Some(next) = at.checked_add(len) else { break };
                    (at, left) = (next, left - len);
                }
                pieces
            }
        }
    }
}

impl Breakpoints {
    /// Wants a breakpoint. One that is wanted already gets the new conditions and commands.
    ///
    /// **Shape**: false if the CPU cannot watch so much.
    pub(crate) fn insert(&mut self, place: Place, wish: Wish) -> bool {
        if place.kind != Kind::Software {
            let used: usize = self
                .wanted
                .keys()
                .filter(|other| other.kind != Kind::Software && **other != place)
                .map(|other| other.pieces().len())
                .sum();
            if used + place.pieces().len() > HARDWARE_MAX {
                return false;
            }
        }
        self.wanted.insert(place, wish);
        true
    }

    /// Wants it no longer. One that was not wanted is no error.
    pub(crate) fn remove(&mut self, place: &Place) {
        self.wanted.remove(place);
    }

    /// Nothing is armed or wanted any more: the target has executed a program, and the places were
    /// the old one's. Debuggers do not take them out.
    pub(crate) fn forget(&mut self) {
        self.wanted.clear();
        self.armed.clear();
    }

    /// What has to change so that what is wanted is armed. It counts as done.
    pub(crate) fn take_changes(&mut self) -> Changes {
        let mut changes = Changes::default();
        let wanted = &self.wanted;
        let is_over = |place: &Place, armed: &mut Armed| wanted.get(place) != Some(&armed.wish);
        let over: Vec<(Place, Armed)> = self.armed.extract_if(.., is_over).collect();
        for (place, wish) in &self.wanted {
            if self.armed.contains_key(place) {
                continue;
            }
            let sites = sites(place, wish, &mut self.last_id);
            let ids = sites.iter().map(|site| SiteId::new(site.id)).collect();
            self.armed.insert(*place, Armed { wish: wish.clone(), ids });
            changes.insert.extend(sites);
            changes.undo.armed.push(*place);
        }
        let is_watched = |place: &Place| place.kind != Kind::Software;
        let watches_more = changes.undo.armed.iter().any(is_watched);
        for (place, armed) in over {
            let ids = armed.ids.iter().map(|id| id.value());
            if watches_more && is_watched(&place) {
                // They are gone, whatever becomes of the rest.
                changes.remove_first.extend(ids);
            } else {
                changes.remove.extend(ids);
                changes.undo.disarmed.push((place, armed));
            }
        }
        changes
    }

    /// The server refused changes.
    pub(crate) fn undo(&mut self, undo: Undo) {
        undo.armed.iter().for_each(|place| drop(self.armed.remove(place)));
        self.armed.extend(undo.disarmed);
    }

    /// Whether the debugger wants a thread to stop before the instruction at an address.
    pub(crate) fn wants(&self, address: Address) -> bool {
        let is_there = |place: &Place| {
            let is_instruction = matches!(place.kind, Kind::Software | Kind::Hardware);
            is_instruction && place.address == address
        };
        self.wanted.keys().any(is_there)
    }

    /// The place that a site is for.
    pub(crate) fn place_of(&self, id: SiteId) -> Option<Place> {
        let has = |(_, armed): &(&Place, &Armed)| armed.ids.contains(&id);
        self.armed.iter().find(has).map(|(place, _)| *place)
    }
}

/// The sites that a wish makes: one for each piece that is watched, and for each condition.
fn sites(place: &Place, wish: &Wish, last_id: &mut u32) -> Vec<Site> {
    let mut sites = Vec::new();
    let always = [Vec::new()];
    let conditions = if wish.conditions.is_empty() { &always } else { wish.conditions.as_slice() };
    for (address, len) in place.pieces() {
        for condition in conditions {
            *last_id += 1;
            sites.push(Site {
                id: *last_id,
                address: address.value(),
                kind: place.kind.site_kind() as i32,
                len,
                condition: condition.clone(),
                commands: wish.commands.clone(),
                ..Site::default()
            });
        }
    }
    sites
}

#[cfg(test)]
#[path = "breakpoints/tests.rs"]
mod tests;
