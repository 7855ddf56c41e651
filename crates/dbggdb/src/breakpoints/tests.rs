//! What travels of what debuggers put in and take out.

use super::*;

fn place(kind: Kind, address: u64, len: u64) -> Place {
    Place { kind, address: Address::new(address), len }
}

#[test]
fn taking_out_and_putting_in_again_changes_nothing() {
    let mut breakpoints = Breakpoints::default();
    let one = place(Kind::Software, 0x1000, 1);
    assert!(breakpoints.insert(one, Wish::default()));
    let changes = breakpoints.take_changes();
    assert_eq!((changes.insert.len(), changes.remove.len()), (1, 0));
    breakpoints.remove(&one);
    breakpoints.insert(one, Wish::default());
    assert_eq!(breakpoints.take_changes(), Changes::default());
    breakpoints.remove(&one);
    let id = changes.insert[0].id;
    let changes = breakpoints.take_changes();
    assert_eq!((changes.insert.len(), changes.remove), (0, vec![id]));
}

#[test]
fn other_conditions_are_other_sites_and_ids_are_never_reused() {
    let mut breakpoints = Breakpoints::default();
    let one = place(Kind::Software, 0x1000, 1);
    breakpoints.insert(one, Wish::default());
    let first = breakpoints.take_changes();
    let conditions = vec![vec![1], vec![2]];
    breakpoints.insert(one, Wish { conditions, ..Wish::default() });
    let second = breakpoints.take_changes();
    assert_eq!(second.remove, [first.insert[0].id]);
    let ids: Vec<u32> = second.insert.iter().map(|site| site.id).collect();
    assert_eq!(ids, [2, 3]);
    assert_eq!(breakpoints.place_of(SiteId::new(3)), Some(one));
    assert_eq!(breakpoints.place_of(SiteId::new(1)), None);
}

#[test]
fn what_was_refused_is_tried_again() {
    let mut breakpoints = Breakpoints::default();
    breakpoints.insert(place(Kind::Software, 0x1000, 1), Wish::default());
    let first = breakpoints.take_changes();
    breakpoints.undo(first.undo);
    let second = breakpoints.take_changes();
    assert_eq!((first.insert.len(), second.insert.len()), (1, 1));
    let ids: Vec<u32> = second.insert.iter().map(|site| site.id).collect();
    breakpoints.remove(&place(Kind::Software, 0x1000, 1));
    let third = breakpoints.take_changes();
    assert_eq!(third.remove, ids);
    breakpoints.undo(third.undo);
    assert_eq!(breakpoints.take_changes().remove, ids, "they are still armed");
}

#[test]
fn watched_ranges_are_cut_into_what_the_cpu_can_watch() {
    let pieces = |address, len| {
        let pieces = place(Kind::Write, address, len).pieces();
        pieces.iter().map(|(address, len)| (address.value(), *len)).collect::<Vec<_>>()
    };
    assert_eq!(pieces(0x1000, 8), [(0x1000, 8)]);
    assert_eq!(pieces(0x1003, 6), [(0x1003, 1), (0x1004, 4), (0x1008, 1)]);
    assert_eq!(pieces(0x1000, 0), []);
    let mut breakpoints = Breakpoints::default();
    assert!(breakpoints.insert(place(Kind::Write, 0x1000, 32), Wish::default()));
    assert!(!breakpoints.insert(place(Kind::Hardware, 0x2000, 1), Wish::default()));
    assert!(!breakpoints.insert(place(Kind::Write, 0x1000, 1 << 40), Wish::default()));
    assert!(breakpoints.insert(place(Kind::Software, 0x2000, 1), Wish::default()));
}
