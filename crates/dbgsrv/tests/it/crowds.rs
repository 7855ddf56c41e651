//! Very many threads: each is stopped, listed, hit and let go like one of a few.

use std::collections::BTreeMap;

use dbgbase::{ExitStatus, StopReason, Tid};
use dbgwire::verbs::registers::ReadRegisters;
use testkit::{Event, Footprint, Testee, procfs};

use crate::{address_of, begin};

#[test]
fn four_thousand_threads_stand_still_and_go_on() {
    let (guard, _server, mut client) = begin();
    let mut process = guard.start(Testee::build("waits", &[]).path(), &["4000"]);
    assert_eq!(process.read_line(), "ready");
    let before = Footprint::take(&guard, process.pid());
    let (target, stop) = client.attach(process.pid());
    assert_eq!(stop.event.threads_born.len(), 4000);
    for round in 0..3 {
        let all = ReadRegisters { target: target.id, ..ReadRegisters::default() };
        let reply = client.call(&all).expect("all stand still");
        assert!(!reply.more, "one reply has them all");
        let mut tids: Vec<Tid> = reply.threads.iter().map(|thread| Tid::new(thread.tid)).collect();
        tids.sort_unstable();
        assert_eq!(tids, procfs::tids(process.pid()), "round {round}");
        client.go(target);
        client.interrupt(target);
        assert_eq!(client.wait_stop().reason(), StopReason::Interrupted);
    }
    client.detach(target);
    assert_eq!(Footprint::take(&guard, process.pid()), before);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn each_of_a_thousand_threads_hits_a_site() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("threads", &[]);
    let (target, stop) = client.start(&testee, &["1000", "2"]);
    client.insert(target, 1, address_of(&testee, &stop, "hit"));
    client.go(target);
    let mut hits: BTreeMap<Tid, u32> = BTreeMap::new();
    let status = loop {
        match client.wait_event() {
            Event::Stopped(stop) => {
                assert_eq!(stop.sites(), [1]);
                *hits.entry(stop.tid()).or_default() += 1;
                client.go(target);
            }
            Event::Exited { status, .. } => break status,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(status, ExitStatus::Exited(0));
    assert_eq!(hits.len(), 1000);
    assert!(hits.values().all(|count| *count == 2), "{hits:?}");
}
