//! Lists as linkers write them, and as nobody should.

use std::collections::BTreeMap;

use dbgbase::Unreadable;

use super::*;

/// Memory of 64-bit words.
#[derive(Default)]
struct Words(BTreeMap<u64, u64>);

impl Words {
    fn put(&mut self, address: u64, value: u64) {
        self.0.insert(address, value);
    }

    /// An `r_debug` of this version, whose list begins at `map`.
    fn namespace(&mut self, at: u64, version: u64, map: u64, state: u64, next: u64) {
        self.put(at, version);
        self.put(at + R_MAP, map);
        self.put(at + R_BRK, 0x42);
        self.put(at + R_STATE, state);
        self.put(at + R_NEXT, next);
    }

    /// A link map.
    fn map(&mut self, at: u64, section: u64, next: u64) {
        self.put(at + L_LD, section);
        self.put(at + L_NEXT, next);
    }
}

impl ReadMemory for Words {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<usize, Unreadable> {
        let word = self.0.get(&address.value()).ok_or(Unreadable { address })?;
        let len = buffer.len().min(8);
        buffer[..len].copy_from_slice(&word.to_le_bytes()[..len]);
        Ok(len)
    }
}

fn sections(words: &Words) -> Vec<u64> {
    let found = loaded(Address::new(0x100), words);
    found.into_iter().map(|entry| entry.dynamic.value()).collect()
}

#[test]
fn the_order_is_the_linkers() {
    let mut words = Words::default();
    words.namespace(0x100, 2, 0x1000, 0, 0x200);
    words.map(0x1000, 0xa, 0x3000);
    words.map(0x3000, 0xb, 0x2000);
    // The linker knows no dynamic section of this one.
    words.map(0x2000, 0, 0x4000);
    words.map(0x4000, 0xc, 0);
    words.namespace(0x200, 2, 0x5000, 0, 0);
    words.map(0x5000, 0xd, 0);
    assert_eq!(sections(&words), [0xa, 0xb, 0xc, 0xd]);
    let entries = loaded(Address::new(0x100), &words).into_iter();
    let places: Vec<(u64, u64)> =
        entries.map(|entry| (entry.link_map.value(), entry.namespace.value())).collect();
    assert_eq!(places, [(0x1000, 0x100), (0x3000, 0x100), (0x4000, 0x100), (0x5000, 0x200)]);
    assert_eq!(notify(Address::new(0x100), &words), Some(Address::new(0x42)));
    // Before version 2 something else may lie behind the structure.
    words.put(0x100, 1);
    assert_eq!(sections(&words), [0xa, 0xb, 0xc]);
}

#[test]
fn circles_end() {
    let mut words = Words::default();
    words.namespace(0x100, 2, 0x1000, 0, 0x100);
    words.map(0x1000, 0xa, 0x2000);
    words.map(0x2000, 0xb, 0x1000);
    assert_eq!(sections(&words), [0xa, 0xb]);
    words.map(0x2000, 0xb, 0x2000);
    assert_eq!(sections(&words), [0xa, 0xb]);
}

#[test]
fn endless_lists_end() {
    /// Every link map leads to another one.
    struct Endless;
    impl ReadMemory for Endless {
        fn read(&self, address: Address, buffer: &mut [u8]) -> Result<usize, Unreadable> {
            buffer.fill(0);
            let next = address.value().wrapping_add(4096).to_le_bytes();
            let len = buffer.len().min(8);
            buffer[..len].copy_from_slice(&next[..len]);
            Ok(len)
        }
    }
    assert_eq!(loaded(Address::new(0x100), &Endless).len(), LINK_MAPS_MAX);
}

#[test]
fn a_list_that_leads_nowhere_ends_there() {
    let mut words = Words::default();
    assert_eq!(sections(&words), []);
    words.namespace(0x100, 1, 0x1000, 0, 0);
    words.put(0x1000 + L_LD, 0xa);
    words.put(0x1000 + L_NEXT, 0x9999);
    assert_eq!(sections(&words), [0xa]);
    words.put(0x1000 + L_NEXT, u64::MAX - 8);
    assert_eq!(sections(&words), [0xa]);
}

#[test]
fn every_namespace_must_be_whole() {
    let mut words = Words::default();
    let whole = |words: &Words| is_whole(Address::new(0x100), words);
    assert!(whole(&words), "what cannot be read is not waited for");
    words.namespace(0x100, 2, 0, 0, 0x200);
    words.namespace(0x200, 2, 0, 0, 0);
    assert!(whole(&words));
    words.put(0x200 + R_STATE, 1);
    assert!(!whole(&words));
    words.namespace(0x100, 1, 0, 2, 0);
    assert!(!whole(&words));
}
