//! Pages that are known in parts.

use super::*;

fn cache(parts: &[(u64, &[u8])]) -> PageCache {
    let mut cache = PageCache::default();
    for (address, bytes) in parts {
        cache.insert(*address, bytes);
    }
    cache
}

fn read(cache: &PageCache, address: u64, len: usize) -> (Vec<u8>, bool) {
    let mut buffer = vec![0xee; len];
    let found = cache.read(address, &mut buffer);
    assert!(buffer[found.len..].iter().all(|byte| *byte == 0xee), "only the head is written");
    buffer.truncate(found.len);
    (buffer, found.ends_unreadable)
}

#[test]
fn windows_that_are_parts_of_pages_answer_only_for_themselves() {
    let cache = cache(&[(0x1010, &[1, 2, 3, 4])]);
    assert_eq!(read(&cache, 0x1010, 4), (vec![1, 2, 3, 4], false));
    assert_eq!(read(&cache, 0x1012, 4), (vec![3, 4], false));
    assert_eq!(read(&cache, 0x100f, 4), (vec![], false));
    assert_eq!(read(&cache, 0x1014, 1), (vec![], false));
    assert_eq!(read(&cache, 0x2010, 1), (vec![], false));
}

#[test]
fn neighbouring_windows_join_within_and_across_pages() {
    let cache = cache(&[(0x1ffe, &[1, 2]), (0x2000, &[3]), (0x2001, &[4, 5])]);
    assert_eq!(read(&cache, 0x1ffe, 9).0, [1, 2, 3, 4, 5]);
    let long: Vec<u8> = (0..200).collect();
    let mut cache = PageCache::default();
    cache.insert(0x3001, &long);
    assert_eq!(read(&cache, 0x3001, 200).0, long, "valid bits over several words");
    assert_eq!(read(&cache, 0x3041, 500).0, long[64..], "from the middle of a word on");
}

#[test]
fn what_is_missing_is_asked_for_in_whole_pages() {
    let mut cache = cache(&[(0x1010, &[1, 2, 3, 4])]);
    assert_eq!(cache.missing(0x1010, 4, PAGE_LEN), []);
    assert_eq!(cache.missing(0x1010, 5, PAGE_LEN), [(0x1000, 0x1000)]);
    assert_eq!(cache.missing(0x2fff, 2, PAGE_LEN), [(0x2000, 0x2000)], "neighbours are joined");
    cache.insert(0x3000, &[0; 4096]);
    assert_eq!(cache.missing(0x2fff, 0x1002, PAGE_LEN), [(0x2000, 0x1000), (0x4000, 0x1000)]);
    assert_eq!(cache.missing(0x5000, 0, PAGE_LEN), []);
}

#[test]
fn blocks_are_parts_of_pages() {
    let mut cache = cache(&[(0x1000, &[0; 256])]);
    assert_eq!(cache.missing(0x1010, 4, 256), []);
    assert_eq!(cache.missing(0x10ff, 2, 256), [(0x1000, 0x200)]);
    assert_eq!(cache.missing(0x1110, 0x80, 256), [(0x1100, 0x100)]);
    assert_eq!(cache.missing(0x1ff0, 0x20, 256), [(0x1f00, 0x200)], "neighbours are joined");
    assert_eq!(cache.missing(0x1f10, 0x1000, 256), [(0x1f00, 0x1100)]);
    cache.insert_unreadable(0x1800);
    assert_eq!(cache.missing(0x1110, 0x80, 256), [], "what is unknown in this page is unreadable");
}

#[test]
fn unreadable_pages_are_not_asked_for_again() {
    let mut cache = cache(&[(0x1000, &[7; 4096])]);
    cache.insert_unreadable(0x2000);
    assert_eq!(cache.missing(0x1ff0, 0x100, PAGE_LEN), []);
    assert_eq!(read(&cache, 0x1ffe, 4), (vec![7, 7], true));
    assert_eq!(read(&cache, 0x2000, 4), (vec![], true));
    cache.clear();
    assert_eq!(read(&cache, 0x2000, 4), (vec![], false));
}

#[test]
fn a_newer_window_wins() {
    let cache = cache(&[(0x1000, &[1, 1, 1, 1]), (0x1001, &[2, 2])]);
    assert_eq!(read(&cache, 0x1000, 4).0, [1, 2, 2, 1]);
}

#[test]
fn the_end_of_the_address_space_ends_ranges() {
    let mut cache = PageCache::default();
    cache.insert(u64::MAX - 1, &[1, 2, 3, 4]);
    assert_eq!(read(&cache, u64::MAX - 1, 4).0, [1, 2]);
    assert_eq!(read(&cache, 0, 4).0, []);
    assert_eq!(cache.missing(u64::MAX, u64::MAX, PAGE_LEN), []);
    assert_eq!(cache.missing(u64::MAX - 2, 8, PAGE_LEN), [(u64::MAX - 0xfff, 0x1000)]);
}
