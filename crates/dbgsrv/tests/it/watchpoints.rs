//! What the CPU watches: accesses and instructions, in every thread, also those that are born
//! later, and nothing of it is left behind.

use dbgbase::{Address, ExitStatus, StopReason, Tid};
use dbgwire::ErrorCode;
use dbgwire::verbs::site::{InsertSites, ListSites, Site, SiteKind};
use testkit::{Client, Footprint, Target, Testee};

use crate::{address_of, begin};

fn watch(id: u32, address: Address, len: u32, kind: SiteKind) -> Site {
    Site { len, kind: kind as i32, ..testkit::site(id, address) }
}

/// What a stop at a watchpoint says.
#[track_caller]
fn watched(stop: &testkit::Stop) -> (Vec<u32>, Address) {
    match stop.reason() {
        StopReason::Watchpoint { sites, address } => {
            (sites.iter().map(|site| site.value()).collect(), address)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_access_is_seen_by_its_length_and_kind() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("accesses", &[]);
    let (target, stop) = client.start(&testee, &["20"]);
    let place = address_of(&testee, &stop, "place");
    let done = address_of(&testee, &stop, "done");
    client.insert(target, 9, done);
    // Each round writes and reads 1, 2, 4 and 8 bytes, at 0, 8, 16 and 24.
    let kinds = [SiteKind::HardwareWrite, SiteKind::HardwareReadWrite];
    let mut id = 10;
    for kind in kinds {
        for (offset, len) in [(0, 1), (8, 2), (16, 4), (24, 8)] {
            let at = place.wrapping_offset(offset);
            client.insert_site(target, watch(id, at, len, kind));
            let mut count = 0;
            // Each round has one write and one read of it.
            let rounds = 2;
            let expected = rounds * if kind == SiteKind::HardwareWrite { 1 } else { 2 };
            while count < expected {
                client.go(target);
                let stop = client.wait_stop();
                assert_eq!(watched(&stop), (vec![id], at), "{kind:?} of {len}");
                count += 1;
            }
            client.remove(target, &[id]);
            id += 1;
        }
    }
    client.go(target);
    assert_eq!(client.wait_stop().sites(), [9]);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn threads_are_watched_from_their_first_instruction() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("threads", &[]);
    let (target, stop) = client.start(&testee, &["8", "3"]);
    let counts = address_of(&testee, &stop, "counts");
    // Threads 2, 3 and 5 of those that do not exist yet count here.
    for index in [2, 3, 5] {
        let at = counts.wrapping_offset(8 * i64::from(index));
        client.insert_site(target, watch(index, at, 8, SiteKind::HardwareWrite));
    }
    let mut hits = [0; 8];
    let mut tids = std::collections::BTreeSet::new();
    for _ in 0..9 {
        client.go(target);
        let stop = client.wait_stop();
        let (sites, _) = watched(&stop);
        hits[sites[0] as usize] += 1;
        tids.insert(stop.tid());
    }
    assert_eq!(hits, [0, 0, 3, 3, 0, 3, 0, 0]);
    assert_eq!(tids.len(), 3);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn an_instruction_is_watched_without_being_changed() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["30"]);
    let work = address_of(&testee, &stop, "work");
    client.insert_site(target, watch(1, work, 1, SiteKind::HardwareExecute));
    let code = testkit::memory_file::read(target.pid, work, 8);
    for round in 0..10 {
        client.go(target);
        let stop = client.wait_stop();
        assert_eq!((stop.sites(), stop.pc()), (vec![1], work), "{round}");
        assert_eq!(testkit::memory_file::read(target.pid, work, 8), code);
    }
    // A step from there executes it; a step onto it does not tell it again.
    client.step(target, stop.tid());
    let stop = client.wait_stop();
    assert_eq!(stop.reason(), StopReason::Step);
    assert_ne!(stop.pc(), work);
    // Beside a trap instruction at the same place each is told.
    client.insert(target, 2, work);
    client.insert_site(target, Site { ignore: 5, ..watch(3, work, 1, SiteKind::HardwareExecute) });
    let mut told = std::collections::BTreeSet::new();
    for _ in 0..4 {
        client.go(target);
        told.extend(client.wait_stop().sites());
    }
    assert!(told.contains(&2) || told.contains(&1), "{told:?}");
    client.remove(target, &[1, 2, 3]);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn places_are_counted_and_end() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("counters", &[]);
    let mut process = guard.start(testee.path(), &["3"]);
    assert_eq!(process.read_line(), "ready");
    let before = Footprint::take(&guard, process.pid());
    let (target, stop) = client.attach(process.pid());
    let counters = address_of(&testee, &stop, "counters");
    let insert = |client: &mut Client, site: Site| {
        let request = InsertSites { target: target.id, sites: vec![site] };
        let reply = client.call(&request).expect("it stands still");
        reply.faults.first().and_then(|fault| fault.fault.clone())
    };
    let code = |fault: Option<dbgwire::error::FaultMessage>| {
        fault.map(|fault| ErrorCode::from_number(fault.code))
    };
    let kind = SiteKind::HardwareWrite;
    for (id, len) in [(1, 3), (2, 16), (3, 0)] {
        let refused = insert(&mut client, watch(id, counters, len, kind));
        assert_eq!(code(refused), Some(ErrorCode::Unsupported), "{len}");
    }
    let odd = counters.wrapping_offset(4);
    let refused = insert(&mut client, watch(4, odd, 8, kind));
    assert_eq!(code(refused), Some(ErrorCode::Unsupported));
    let kernel = Address::new(0xffff_8000_0000_0000);
    assert_eq!(code(insert(&mut client, watch(5, kernel, 8, kind))), Some(ErrorCode::Unwritable));
    // Far from what the threads count: nothing is hit.
    for id in 10..14 {
        let at = counters.wrapping_offset(8 * (50 + i64::from(id)));
        assert_eq!(insert(&mut client, watch(id, at, 8, kind)), None);
    }
    let same = watch(20, counters.wrapping_offset(8 * 60), 8, kind);
    assert_eq!(insert(&mut client, same), None, "what is watched already takes no place");
    let full = watch(21, counters, 8, kind);
    assert_eq!(code(insert(&mut client, full)), Some(ErrorCode::LimitReached));
    let again = watch(10, counters, 8, kind);
    assert_eq!(code(insert(&mut client, again)), Some(ErrorCode::NoSuchSite));
    let list = client.call(&ListSites { target: target.id }).expect("sites");
    assert_eq!((list.hardware_total, list.hardware_used), (4, 4));
    client.go(target);
    client.interrupt(target);
    client.wait_stop();
    client.remove(target, &[10]);
    let list = client.call(&ListSites { target: target.id }).expect("sites");
    assert_eq!((list.sites.len(), list.hardware_used), (4, 4), "20 still needs its place");
    client.remove(target, &[20, 11]);
    let list = client.call(&ListSites { target: target.id }).expect("sites");
    assert_eq!((list.sites.len(), list.hardware_used), (2, 2));
    client.detach(target);
    assert_eq!(Footprint::take(&guard, process.pid()), before);
}

#[test]
fn one_thread_alone_is_watched() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("counters", &[]);
    let mut process = guard.start(testee.path(), &["4"]);
    assert_eq!(process.read_line(), "ready");
    let before = Footprint::take(&guard, process.pid());
    let (target, stop) = client.attach(process.pid());
    let count = address_of(&testee, &stop, "count_one");
    let third = client.tids(target)[3];
    let site = Site { tid: third.value(), ..watch(1, count, 1, SiteKind::HardwareExecute) };
    client.insert_site(target, site);
    for _ in 0..20 {
        client.go(target);
        assert_eq!(stopped_at(&mut client, target), (third, vec![1]));
    }
    client.detach(target);
    assert_eq!(Footprint::take(&guard, process.pid()), before);
}

fn stopped_at(client: &mut Client, target: Target) -> (Tid, Vec<u32>) {
    let stop = client.wait_stop();
    assert_eq!(stop.event.target, target.id);
    (stop.tid(), stop.sites())
}

#[test]
fn a_new_program_is_not_watched() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("executes", &[]);
    let (target, stop) = client.start(&testee, &["leader"]);
    let second = address_of(&testee, &stop, "second");
    client.insert_site(target, watch(1, second, 1, SiteKind::HardwareExecute));
    client.go(target);
    assert_eq!(client.wait_stop().reason(), StopReason::Exec);
    let list = client.call(&ListSites { target: target.id }).expect("sites");
    assert_eq!((list.sites.len(), list.hardware_used), (0, 0));
    client.go(target);
    assert_eq!(client.wait_stop().reason(), StopReason::InitialBreak);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(5));
}

#[test]
fn a_killed_session_leaves_nothing_watched() {
    let (guard, server, mut client) = begin();
    let testee = Testee::build("counters", &[]);
    let mut process = guard.start(testee.path(), &["2"]);
    assert_eq!(process.read_line(), "ready");
    let before = Footprint::take(&guard, process.pid());
    let (target, stop) = client.attach(process.pid());
    let counters = address_of(&testee, &stop, "counters");
    // Something that is never written, so that the repair has the time it needs.
    let at = counters.wrapping_offset(8 * 60);
    client.insert_site(target, watch(1, at, 8, SiteKind::HardwareWrite));
    client.go(target);
    crate::guardian::kill_session(&server, &mut client);
    assert_eq!(Footprint::take(&guard, process.pid()), before);
}
