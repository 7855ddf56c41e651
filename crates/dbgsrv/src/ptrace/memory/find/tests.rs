//! What is found does not depend on how the bytes are cut into windows, and is what a search that
//! tries every place finds.

use super::*;

fn pattern(pattern: &[u8], mask: &[u8], alignment: u32) -> SearchMemory {
    let (pattern, mask) = (pattern.to_vec(), mask.to_vec());
    SearchMemory { pattern, mask, alignment, ..SearchMemory::default() }
}

fn strings(kind: SearchKind, len_min: u32) -> SearchMemory {
    SearchMemory { kind: kind as i32, len_min, ..SearchMemory::default() }
}

/// What is found in `bytes` at `base`, handed over in pieces of `piece` bytes.
fn found(request: &SearchMemory, bytes: &[u8], base: u64, piece: usize) -> Vec<(u64, usize)> {
    let wanted = Wanted::of(request).expect("a search");
    let mut hits = Vec::new();
    let mut window: Vec<u8> = Vec::new();
    let mut end = base;
    let mut scan = |window: &[u8], end: u64, is_last| {
        let start = end - window.len() as u64;
        wanted.scan(window, start, is_last, |found| {
            hits.push((start + found.at as u64, found.len));
            true
        })
    };
    for bytes in bytes.chunks(piece) {
        window.extend_from_slice(bytes);
        end += bytes.len() as u64;
        let kept = scan(&window, end, false);
        window.drain(..window.len() - kept);
    }
    scan(&window, end, true);
    hits
}

/// The same by trying every place.
fn tried(request: &SearchMemory, bytes: &[u8], base: u64) -> Vec<(u64, usize)> {
    let len = request.pattern.len();
    let places = bytes.windows(len).zip(base..);
    let hits = places.filter(|(there, at)| {
        let bits = |index: usize| request.mask.get(index).copied().unwrap_or(0xff);
        let pairs = there.iter().zip(&request.pattern).enumerate();
        at.is_multiple_of(u64::from(request.alignment.max(1)))
            && pairs.into_iter().all(|(index, (one, other))| (one ^ other) & bits(index) == 0)
    });
    hits.map(|(_, at)| (at, len)).collect()
}

/// Bytes of few values, so that much is found: a linear congruential generator's.
fn noise(seed: u32, len: usize) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 29) as u8 % 3
    };
    std::iter::repeat_with(next).take(len).collect()
}

#[test]
fn patterns_are_found_as_by_trying_every_place() {
    let bytes = noise(7, 4000);
    let requests = [
        pattern(&[1], &[], 0),
        pattern(&[0, 1], &[], 1),
        pattern(&[0, 0, 0], &[], 2),
        pattern(&[1, 2, 0, 1], &[], 4),
        pattern(&[1, 0xaa, 2], &[0xff, 0, 0xff], 1),
        pattern(&[2, 1, 0, 3], &[1, 0xff, 0xff, 1], 1),
        pattern(&[3, 3], &[1, 2], 8),
        pattern(&[9, 9], &[0, 0], 16),
    ];
    for request in requests {
        let expected = tried(&request, &bytes, 0x1003);
        assert!(!expected.is_empty(), "{request:?} is in the bytes");
        for piece in [1, 2, 3, 7, 64, 5000] {
            assert_eq!(found(&request, &bytes, 0x1003, piece), expected, "{request:?} by {piece}");
        }
    }
}

#[test]
fn strings_are_found_across_windows() {
    let bytes = b"ab\0Hello, world\n\x80xyz\x7f~~~~\0\0tail";
    let expected = vec![(0x1003, 12), (0x1011, 3), (0x1015, 4), (0x101b, 4)];
    for piece in [1, 2, 5, 100] {
        assert_eq!(found(&strings(SearchKind::Ascii, 3), bytes, 0x1000, piece), expected);
    }
    assert_eq!(found(&strings(SearchKind::Ascii, 13), bytes, 0x1000, 4), []);
}

#[test]
fn wide_strings_lie_at_even_addresses() {
    let bytes = b"-w\0i\0d\0e\0\0\0x\0y\0z\0";
    let expected = vec![(0x1002, 8), (0x100c, 6)];
    for piece in [1, 2, 3, 100] {
        assert_eq!(found(&strings(SearchKind::Utf16, 3), bytes, 0x1001, piece), expected);
        // One byte further they are no characters.
        assert_eq!(found(&strings(SearchKind::Utf16, 1), bytes, 0x1000, piece), []);
    }
}

#[test]
fn a_long_string_comes_in_several() {
    let bytes = vec![b'a'; 2 * STRING_LEN_MAX + 5];
    let expected: Vec<(u64, usize)> = vec![
        (0, STRING_LEN_MAX),
        (STRING_LEN_MAX as u64, STRING_LEN_MAX),
        (2 * STRING_LEN_MAX as u64, 5),
    ];
    for piece in [100, 4096, 10_000] {
        assert_eq!(found(&strings(SearchKind::Ascii, 1), &bytes, 0, piece), expected);
    }
}

#[test]
fn what_cannot_be_searched_for_is_refused() {
    let code = |request: SearchMemory| Wanted::of(&request).err().map(|fault| fault.code);
    assert_eq!(code(pattern(b"", b"", 0)), Some(ErrorCode::Malformed));
    assert_eq!(code(pattern(b"abc", b"ab", 0)), Some(ErrorCode::Malformed));
    let long = vec![0; PATTERN_LEN_MAX + 1];
    assert_eq!(code(pattern(&long, b"", 0)), Some(ErrorCode::TooLarge));
    let kind = SearchMemory { kind: 77, ..pattern(b"abc", b"", 0) };
    assert_eq!(code(kind), Some(ErrorCode::Unsupported));
}
