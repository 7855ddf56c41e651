//! What is known of a target's memory at one stop. It knows bytes and what cannot be read; who
//! fetched them, and for whom, it does not. Pure.

use std::collections::BTreeMap;

use dbgbase::Address;

/// Linux's page size on both CPUs; a page is readable as a whole or not at all.
pub(crate) const PAGE_LEN: u64 = 4096;

/// How many pages are known at once; of more, the debugger takes a copy anyway.
const PAGES_MAX: usize = 16 * 1024;

/// The bytes and holes that are known.
#[derive(Default, Debug)]
pub(crate) struct MemoryCache {
    pages: BTreeMap<u64, Page>,
}

#[derive(Debug)]
enum Page {
    /// It cannot be read.
    Absent,
    /// Some of its bytes, and which.
    Bytes(Box<Known>),
}

#[derive(Debug)]
struct Known {
    bytes: [u8; PAGE_LEN as usize],
    /// A bit for each byte.
    which: [u64; PAGE_LEN as usize / 64],
}

/// What is known of a range.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Lookup {
    /// All that can be read of it, from its start: less than was asked for only if what follows
    /// cannot be read.
    Known(Vec<u8>),
    /// Not all of it. The first byte that is not known.
    Missing(Address),
}

impl MemoryCache {
    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.pages.clear();
    }

    /// Takes note of bytes.
    pub(crate) fn insert(&mut self, address: Address, bytes: &[u8]) {
        let mut at = address.value();
        let mut rest = bytes;
        while !rest.is_empty() {
            let offset = (at % PAGE_LEN) as usize;
            let (now, behind) = rest.split_at(rest.len().min(PAGE_LEN as usize - offset));
            let page = self.page(at / PAGE_LEN);
            if matches!(page, Page::Absent) {
                *page = Page::Bytes(Box::new(Known {
                    bytes: [0; PAGE_LEN as usize],
                    which: [0; PAGE_LEN as usize / 64],
                }));
            }
            if let Page::Bytes(known) = page {
                known.insert(offset, now);
            }
            let Some(next) = at.checked_add(now.len() as u64) else { return };
            (at, rest) = (next, behind);
        }
    }

    /// Takes note that the page that holds `address` cannot be read.
    pub(crate) fn insert_hole(&mut self, address: Address) {
        *self.page(address.value() / PAGE_LEN) = Page::Absent;
    }

    /// A page, to change it. If there are too many all others are forgotten.
    fn page(&mut self, number: u64) -> &mut Page {
        if self.pages.len() >= PAGES_MAX && !self.pages.contains_key(&number) {
            self.pages.clear();
        }
        self.pages.entry(number).or_insert(Page::Absent)
    }

    /// What is known of a range.
    pub(crate) fn get(&self, address: Address, len: u64) -> Lookup {
        let mut bytes = Vec::new();
        let mut at = address.value();
        let Some(end) = at.checked_add(len) else {
            // Nothing can be read at the very end of the address space.
            return Lookup::Known(bytes);
        };
        while at < end {
            let offset = (at % PAGE_LEN) as usize;
            let wanted = ((end - at) as usize).min(PAGE_LEN as usize - offset);
            match self.pages.get(&(at / PAGE_LEN)) {
                None => return Lookup::Missing(Address::new(at)),
                Some(Page::Absent) => return Lookup::Known(bytes),
                Some(Page::Bytes(known)) => {
                    let found = known.head(offset, wanted);
                    bytes.extend_from_slice(found);
                    if found.len() < wanted {
                        return Lookup::Missing(Address::new(at + found.len() as u64));
                    }
                }
            }
            at += wanted as u64;
        }
        Lookup::Known(bytes)
    }
}

impl Known {
    fn insert(&mut self, offset: usize, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(offset..offset + bytes.len()) {
            place.copy_from_slice(bytes);
        }
        for at in offset..offset + bytes.len() {
            if let Some(word) = self.which.get_mut(at / 64) {
                *word |= 1 << (at % 64);
            }
        }
    }

    fn has(&self, at: usize) -> bool {
        self.which.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// The known bytes from `offset` on, at most `len`.
    fn head(&self, offset: usize, len: usize) -> &[u8] {
        let end = (offset..offset + len).find(|at| !self.has(*at)).unwrap_or(offset + len);
        self.bytes.get(offset..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: u64) -> Address {
        Address::new(address)
    }

    #[test]
    fn what_is_put_in_is_found_across_pages() {
        let mut cache = MemoryCache::default();
        let bytes: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        cache.insert(at(0x1ff0), &bytes);
        assert_eq!(cache.get(at(0x1ff0), 10_000), Lookup::Known(bytes.clone()));
        assert_eq!(cache.get(at(0x2000), 16), Lookup::Known(bytes[16..32].to_vec()));
        assert_eq!(cache.get(at(0x1fef), 2), Lookup::Missing(at(0x1fef)));
        assert_eq!(cache.get(at(0x1ff0), 10_001), Lookup::Missing(at(0x1ff0 + 10_000)));
        cache.clear();
        assert_eq!(cache.get(at(0x2000), 1), Lookup::Missing(at(0x2000)));
    }

    #[test]
    fn a_hole_ends_what_can_be_read() {
        let mut cache = MemoryCache::default();
        cache.insert(at(0x1000), &[7; 4096]);
        cache.insert_hole(at(0x2fff));
        assert_eq!(cache.get(at(0x1ffe), 8), Lookup::Known(vec![7, 7]));
        assert_eq!(cache.get(at(0x2000), 8), Lookup::Known(Vec::new()));
        assert_eq!(cache.get(at(0x1000), 0), Lookup::Known(Vec::new()));
    }

    #[test]
    fn gaps_in_a_page_are_missing() {
        let mut cache = MemoryCache::default();
        cache.insert(at(0x1010), &[1; 8]);
        cache.insert(at(0x1020), &[2; 8]);
        assert_eq!(cache.get(at(0x1010), 0x18), Lookup::Missing(at(0x1018)));
        cache.insert(at(0x1018), &[3; 8]);
        assert_eq!(cache.get(at(0x1014), 8), Lookup::Known(vec![1, 1, 1, 1, 3, 3, 3, 3]));
    }

    #[test]
    fn a_copy_of_everything_is_not_kept() {
        let mut cache = MemoryCache::default();
        for page in 0..2 * PAGES_MAX as u64 + 1 {
            cache.insert(at(page * PAGE_LEN), &[1]);
            assert!(cache.pages.len() <= PAGES_MAX);
            assert_eq!(cache.get(at(page * PAGE_LEN), 1), Lookup::Known(vec![1]));
        }
        (0..2 * PAGES_MAX as u64).for_each(|page| cache.insert_hole(at(page * PAGE_LEN)));
        assert!(cache.pages.len() <= PAGES_MAX);
    }

    #[test]
    fn the_end_of_the_address_space_is_no_trouble() {
        let mut cache = MemoryCache::default();
        cache.insert(at(u64::MAX - 3), &[1; 8]);
        assert_eq!(cache.get(at(u64::MAX - 3), 8), Lookup::Known(Vec::new()));
        assert_eq!(cache.get(at(u64::MAX - 3), 3), Lookup::Known(vec![1; 3]));
    }
}
