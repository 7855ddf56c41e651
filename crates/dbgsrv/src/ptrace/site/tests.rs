//! The table of armed addresses: what readers see, what writers change, who is hit.

use dbgbase::Pid;

use super::*;
use crate::journal::{Entry, Journal};

const AT: u64 = 0x1000;

/// A table with sites at these addresses, over bytes that count up from the address's lowest byte.
fn table(arch: Arch, addresses: &[u64]) -> SiteTable {
    let mut journal = Journal::create().expect("a journal");
    let mut table = SiteTable::new(arch);
    for address in addresses {
        let original = std::array::from_fn(|index| *address as u8 + index as u8);
        let address = Address::new(*address);
        let len = table.trap_len();
        let entry = Entry::Bytes { pid: Pid::new(1), start_time: 1, address, original, len };
        let entry = journal.add(entry).expect("room");
        let site = Site {
            original,
            is_armed: true,
            is_call: false,
            entry,
            carried: Carried::Untried,
            was_carried: false,
            reasons: Vec::new(),
        };
        table.add(address, site);
    }
    table
}

fn client(id: u32, tid: Option<u32>, sp_above: Option<u64>) -> Reason {
    Reason::Client(ClientReason {
        id: SiteId::new(id),
        tid: tid.map(Tid::new),
        sp_above: sp_above.map(Address::new),
        condition: None,
        commands: Arc::default(),
        hits: 0,
        ignore: 0,
    })
}

/// What a reader of `len` bytes at an address sees of memory that holds the traps of the sites, and
/// 0xcc everywhere else.
fn seen(table: &SiteTable, address: u64, len: usize) -> Vec<u8> {
    let trap = table.arch.trap_instruction();
    let byte = |index: usize| {
        let at = Address::new(address.wrapping_add(index as u64));
        let in_site = |site: &Address| at.offset_from(*site).map(|offset| offset as usize);
        let of_trap = table.addresses().iter().find_map(|site| trap.get(in_site(site)?).copied());
        of_trap.unwrap_or(0xcc)
    };
    let mut bytes: Vec<u8> = (0..len).map(byte).collect();
    table.hide(Address::new(address), &mut bytes);
    bytes
}

#[test]
fn what_the_program_has_put_over_a_trap_is_seen() {
    let table = table(Arch::X86_64, &[AT]);
    let mut bytes = [0x90];
    table.hide(Address::new(AT), &mut bytes);
    assert_eq!(bytes, [0x90]);
}

#[test]
fn readers_see_the_programs_own_bytes() {
    let table = table(Arch::X86_64, &[AT, AT + 3]);
    assert_eq!(seen(&table, AT, 4), [0x00, 0xcc, 0xcc, 0x03]);
    assert_eq!(seen(&table, AT - 1, 2), [0xcc, 0x00]);
    assert_eq!(seen(&table, AT + 1, 2), [0xcc, 0xcc]);
    assert_eq!(seen(&table, AT + 3, 1), [0x03]);
    assert_eq!(seen(&table, AT + 4, 3), [0xcc; 3]);
    assert_eq!(seen(&table, AT, 0), []);
    assert_eq!(seen(&table, u64::MAX, 4), [0xcc; 4], "beyond the last address");
}

#[test]
fn readers_see_parts_of_long_traps() {
    let table = table(Arch::Aarch64, &[AT]);
    assert_eq!(seen(&table, AT, 8), [0, 1, 2, 3, 0xcc, 0xcc, 0xcc, 0xcc]);
    assert_eq!(seen(&table, AT - 2, 4), [0xcc, 0xcc, 0, 1]);
    assert_eq!(seen(&table, AT + 2, 4), [2, 3, 0xcc, 0xcc]);
    assert_eq!(seen(&table, AT + 3, 1), [3]);
    assert_eq!(seen(&table, AT + 4, 2), [0xcc; 2]);
}

#[test]
fn what_is_written_under_a_site_is_kept_for_it() {
    let mut table = table(Arch::X86_64, &[AT, AT + 2]);
    let mut bytes = *b"abcd";
    let changed = table.absorb(Address::new(AT - 1), &mut bytes);
    assert_eq!(bytes, [b'a', 0xcc, b'c', 0xcc], "the traps stay");
    let firsts: Vec<u8> = changed.iter().map(|(_, original)| original[0]).collect();
    assert_eq!(firsts, *b"bd");
    assert_eq!(seen(&table, AT - 1, 4), [0xcc, b'b', 0xcc, b'd']);
}

#[test]
fn what_is_written_over_a_lifted_site_goes_to_memory() {
    let mut table = table(Arch::X86_64, &[AT]);
    table.get_mut(Address::new(AT)).expect("it is there").is_armed = false;
    let mut bytes = *b"x";
    assert_eq!(table.absorb(Address::new(AT), &mut bytes).len(), 1);
    assert_eq!(bytes, *b"x");
    assert_eq!(seen(&table, AT, 1), *b"x");
}

#[test]
fn writes_over_parts_of_long_traps_are_kept_in_parts() {
    let mut table = table(Arch::Aarch64, &[AT]);
    let trap = Arch::Aarch64.trap_instruction();
    let mut bytes = *b"xy";
    table.absorb(Address::new(AT + 3), &mut bytes);
    assert_eq!(bytes, [trap[3], b'y']);
    let mut bytes = *b"vw";
    table.absorb(Address::new(AT - 1), &mut bytes);
    assert_eq!(bytes, [b'v', trap[0]]);
    assert_eq!(seen(&table, AT, 4), [b'w', 1, 2, b'x']);
}

#[test]
fn writes_beside_sites_change_none() {
    let mut table = table(Arch::X86_64, &[AT]);
    for (address, len) in [(AT - 4, 4), (AT + 1, 4), (AT, 0), (u64::MAX, 1)] {
        let mut bytes = vec![1; len];
        assert_eq!(table.absorb(Address::new(address), &mut bytes), []);
        assert_eq!(bytes, vec![1; len]);
    }
}

#[test]
fn reasons_apply_to_their_thread_and_depth() {
    let mut table = table(Arch::X86_64, &[AT]);
    let at = Address::new(AT);
    table.get_mut(at).expect("it is there").reasons = vec![
        client(3, None, None),
        Reason::Rendezvous,
        client(1, Some(42), None),
        client(2, None, Some(0x7000)),
        client(4, Some(42), Some(0x7000)),
        Reason::Entry,
    ];
    let mut hits = |tid: u32, sp: u64| -> Vec<u32> {
        let candidates = table.candidates(at, Tid::new(tid), Address::new(sp));
        let hit: Vec<_> = candidates.into_iter().map(|candidate| candidate.site).collect();
        let hits = table.take_hits(at, &hit);
        hits.into_iter().map(SiteId::value).collect()
    };
    assert_eq!(hits(42, 0x7001), [3, 1, 2, 4], "in the order of their insertion");
    assert_eq!(hits(42, 0x7000), [3, 1], "above is not at");
    assert_eq!(hits(43, 0x8000), [3, 2]);
    assert_eq!(table.candidates(Address::new(AT + 1), Tid::new(42), Address::ZERO), []);
    assert_eq!(table.take_hits(Address::new(AT + 1), &[SiteId::new(1)]), []);
}

#[test]
fn calls_are_known() {
    let mut table = table(Arch::X86_64, &[AT, AT + 8]);
    assert!(!table.has_calls());
    let site = table.forget(Address::new(AT + 8)).expect("it is there");
    table.add(Address::new(AT + 8), Site { is_call: true, ..site });
    assert!(table.has_calls());
    table.forget(Address::new(AT + 8));
    assert!(!table.has_calls());
}

#[test]
fn reasons_are_found_by_the_clients_name() {
    let mut table = table(Arch::X86_64, &[AT, AT + 8]);
    for (address, id) in [(AT, 1), (AT + 8, 2), (AT + 8, 3)] {
        table.add_reason(Address::new(address), client(id, None, None)).expect("it is there");
    }
    assert_eq!(table.client_count(), 3);
    assert!(table.add_reason(Address::new(AT + 4), Reason::Entry).is_err());
    assert_eq!(table.find(SiteId::new(1)), Some(Address::new(AT)));
    assert_eq!(table.find(SiteId::new(3)), Some(Address::new(AT + 8)));
    assert_eq!(table.find(SiteId::new(4)), None);
    assert!(table.forget(Address::new(AT)).is_some());
    assert_eq!(table.find(SiteId::new(1)), None);
    assert_eq!(table.addresses(), [Address::new(AT + 8)]);
    let is_third = |reason: &Reason| reason.client().is_some_and(|it| it.id == SiteId::new(3));
    assert!(!table.drop_reasons(Address::new(AT + 8), is_third), "one is left");
    assert_eq!(table.find(SiteId::new(3)), None);
    assert_eq!(table.client_count(), 1);
    let patch = Patch { address: Address::new(AT + 8), ours: vec![0xcc], original: vec![8] };
    assert_eq!(table.patches(), [patch]);
}
