//! The places and the registers they make.

use super::*;

fn reason(id: u32, tid: Option<u32>) -> ClientReason {
    let id = SiteId::new(id);
    let (tid, commands) = (tid.map(Tid::new), std::sync::Arc::default());
    ClientReason { id, tid, sp_above: None, condition: None, commands, hits: 0, ignore: 0 }
}

fn watch(address: u64, len: u32, access: Access) -> Watch {
    Watch::new(Address::new(address), len, access).expect("it can be watched")
}

#[test]
fn only_what_the_cpu_can_watch_is_taken() {
    let new = |address, len, access| Watch::new(Address::new(address), len, access);
    assert_eq!(new(0x1000, 3, Access::Write), Err(Unwatchable::Length));
    assert_eq!(new(0x1000, 0, Access::Write), Err(Unwatchable::Length));
    assert_eq!(new(0x1000, 16, Access::ReadWrite), Err(Unwatchable::Length));
    assert_eq!(new(0x1000, 2, Access::Execute), Err(Unwatchable::Length));
    assert_eq!(new(0x1004, 8, Access::Write), Err(Unwatchable::Alignment));
    assert!(new(0x1003, 1, Access::Execute).is_ok());
    assert!(new(0x1004, 4, Access::ReadWrite).is_ok());
}

#[test]
#[cfg(target_arch = "x86_64")]
fn registers_are_laid_out_as_the_manual_says() {
    let mut table = WatchTable::default();
    table.insert(watch(0x1000, 8, Access::Write), reason(1, None)).expect("room");
    table.insert(watch(0x2001, 1, Access::Execute), reason(2, None)).expect("room");
    table.insert(watch(0x3000, 4, Access::ReadWrite), reason(3, Some(42))).expect("room");
    table.insert(watch(0x4000, 2, Access::Write), reason(4, None)).expect("room");
    let full = table.insert(watch(0x5000, 1, Access::Write), reason(5, None));
    assert_eq!(full, Err(Unwatchable::Full));
    table.insert(watch(0x1000, 8, Access::Write), reason(6, None)).expect("it is there already");
    assert_eq!(table.used(), 4);
    let all = table.registers(Tid::new(42));
    assert_eq!(all.addresses, [0x1000, 0x2001, 0x3000, 0x4000]);
    assert_eq!(all.control, 0b0101_1111_0000_1001 << 16 | 0b0101_0101);
    let others = table.registers(Tid::new(43));
    assert_eq!(others.addresses, [0x1000, 0x2001, 0, 0x4000]);
    assert_eq!(others.control, 0b0101_0000_0000_1001 << 16 | 0b0100_0101);
    table.remove(SiteId::new(1));
    assert!(table.has(SiteId::new(6)) && !table.has(SiteId::new(1)));
    assert_eq!(table.used(), 4, "one reason is left");
    table.remove(SiteId::new(6));
    assert_eq!(table.registers(Tid::new(42)).addresses, [0, 0x2001, 0x3000, 0x4000]);
    assert!(table.executes_at(Address::new(0x2001)) && !table.executes_at(Address::new(0x3000)));
}

#[test]
#[cfg(target_arch = "x86_64")]
fn hits_are_told_to_those_they_are_for() {
    let mut table = WatchTable::default();
    let mut late = reason(2, None);
    late.ignore = 1;
    table.insert(watch(0x1000, 8, Access::Write), reason(1, Some(42))).expect("room");
    table.insert(watch(0x2000, 4, Access::ReadWrite), late).expect("room");
    table.insert(watch(0x3000, 1, Access::Execute), reason(3, None)).expect("room");
    let mut hits =
        |status, tid| table.take_hits(status, Tid::new(tid), Address::new(0x7000), |_| true);
    assert_eq!(hits(0xffff_0ff0, 42), Seen::default());
    let accessed = |address, id| Some((Address::new(address), vec![SiteId::new(id)]));
    assert_eq!(hits(0b0011, 42).accessed, accessed(0x1000, 1), "the other is passed once");
    assert_eq!(hits(0b1011, 43).accessed, accessed(0x2000, 2));
    assert_eq!(hits(0b0100, 43).executed, [SiteId::new(3)]);
    let counts: Vec<u64> = table.reasons().map(|(_, reason)| reason.hits).collect();
    assert_eq!(counts, [1, 2, 1]);
}
