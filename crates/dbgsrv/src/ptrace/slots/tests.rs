//! Which slots are free, what readers see of the others, and where threads in them go on.

use dbgbase::{Arch, Pid};

use super::*;
use crate::journal::{Entry, Journal};
use crate::ptrace::displace::{Progress, displace};

const SITE: Address = Address::new(0x5555_5555_5000);
const GAP: u64 = 0x5555_5555_6fc8;

fn gap() -> AddressRange {
    AddressRange::with_len(Address::new(GAP), 0x5555_5555_7000 - GAP).expect("a range")
}

fn slot(code: &[u8], at: Address) -> Slot {
    let entry = Entry::Target { pid: Pid::new(1), start_time: 1, created: true };
    let entry = Journal::create().expect("a journal").add(entry).expect("room");
    let displaced = displace(Arch::X86_64, code, SITE, at, false).expect("it can be carried");
    Slot { site: SITE, displaced, entry }
}

#[test]
fn free_places_lie_in_the_gap_and_in_reach() {
    let mut table = SlotTable::default();
    let free = |table: &SlotTable| table.free_in(gap(), SITE).collect::<Vec<_>>();
    let first = Address::new(0x5555_5555_6fd0);
    assert_eq!(free(&table), [first], "aligned, and whole");
    table.add(first, slot(&[0x55], first));
    assert_eq!(free(&table), []);
    table.remove(first);
    assert_eq!(free(&table), [first]);
    let far = Address::new(0x7fff_0000_0000);
    assert_eq!(table.free_in(gap(), far).count(), 0);
    let small = AddressRange::with_len(first, 31).expect("a range");
    assert_eq!(table.free_in(small, SITE).count(), 0);
}

#[test]
fn readers_see_zeros() {
    let mut table = SlotTable::default();
    let at = Address::new(0x5555_5555_6fd0);
    table.add(at, slot(&[0x55], at));
    let code = table.get(at).expect("it is there").displaced.code;
    for (start, len) in [(0, 32), (-8, 48), (3, 5), (31, 1), (-4, 8)] {
        let mut bytes = vec![0; len];
        for (index, byte) in bytes.iter_mut().enumerate() {
            let offset = start + index as i64;
            let inside = usize::try_from(offset).ok().and_then(|offset| code.get(offset));
            *byte = inside.copied().unwrap_or(0x99);
        }
        table.hide(at.wrapping_offset(start), &mut bytes);
        let outside = |index: &usize| !(0..32).contains(&(start + *index as i64));
        for (index, byte) in bytes.iter().enumerate() {
            assert_eq!(*byte, if outside(&index) { 0x99 } else { 0 }, "{start} {len} {index}");
        }
    }
    assert!(table.overlaps(at.wrapping_offset(-1), 2) && table.overlaps(at.wrapping_offset(31), 1));
    assert!(
        !table.overlaps(at.wrapping_offset(-1), 1) && !table.overlaps(at.wrapping_offset(32), 1)
    );
}

#[test]
fn threads_go_on_where_the_instruction_leads() {
    let mut table = SlotTable::default();
    let at = Address::new(0x5555_5555_6fd0);
    // call *(%r11), three bytes
    table.add(at, slot(&[0x41, 0xff, 0x13], at));
    let way_out = |offset| table.way_out(at.wrapping_offset(offset));
    let before = WayOut { pc: SITE, sp_offset: 0, progress: Progress::Before };
    assert_eq!(way_out(0), Some(before));
    let pushed = WayOut { pc: SITE, sp_offset: 8, progress: Progress::Pushed };
    assert_eq!(way_out(6), Some(pushed));
    assert_eq!((way_out(1), way_out(-1), way_out(32)), (None, None, None));
    table.add(at, slot(&[0xe8, 0, 1, 0, 0], at));
    let target = table.way_out(at.wrapping_offset(6)).expect("behind the push");
    assert_eq!((target.pc, target.progress), (SITE.wrapping_offset(0x105), Progress::Target));
    table.add(at, slot(&[0x55], at));
    let next = table.way_out(at.wrapping_offset(1)).expect("behind the instruction");
    assert_eq!((next.pc, next.progress), (SITE.wrapping_offset(1), Progress::Next));
}
