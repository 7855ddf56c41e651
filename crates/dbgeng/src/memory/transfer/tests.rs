//! How ranges are distributed over requests; the transfers themselves are in `tests/it`.

use super::*;

fn pieces(ranges: &[(u64, u64)], len_max: u32) -> Vec<Vec<(usize, u64, u32)>> {
    let triple = |piece: &Piece| (piece.range, piece.address, piece.len);
    requests(ranges, len_max).iter().map(|request| request.iter().map(triple).collect()).collect()
}

#[test]
fn ranges_that_fit_travel_together() {
    assert_eq!(pieces(&[(0x1000, 10), (0x9000, 20)], 30), [[(0, 0x1000, 10), (1, 0x9000, 20)]]);
}

#[test]
fn ranges_are_cut_at_the_limit() {
    assert_eq!(
        pieces(&[(0x1000, 25), (0x9000, 20)], 20),
        [vec![(0, 0x1000, 20)], vec![(0, 0x1014, 5), (1, 0x9000, 15)], vec![(1, 0x900f, 5)],]
    );
}

#[test]
fn no_request_has_more_ranges_than_its_limit() {
    let ranges: Vec<_> = (0..2500).map(|index| (index * 0x2000, 1)).collect();
    let counts: Vec<_> = requests(&ranges, 1 << 20).iter().map(Vec::len).collect();
    assert_eq!(counts, [RANGES_MAX, RANGES_MAX, 452]);
}

#[test]
fn nothing_asks_for_nothing() {
    assert!(requests(&[], 10).is_empty());
    assert!(requests(&[(0x1000, 0)], 10).is_empty());
}
