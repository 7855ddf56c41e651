//! Sites and many threads: every hit is told once, and to the thread it belongs to.

use std::collections::BTreeMap;

use dbgbase::{Address, ExitStatus, Tid};
use dbgwire::verbs::site::Site;
use testkit::{Client, Event, Target, Testee, memory_file, site, until};

use crate::{address_of, begin};

#[test]
fn a_site_for_one_thread_is_hit_by_it_alone() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("threads", &[]);
    let (target, stop) = client.start(&testee, &["20", "10"]);
    client.insert(target, 1, address_of(&testee, &stop, "all_started"));
    client.go(target);
    assert_eq!(client.wait_stop().sites(), [1]);
    let tids = address_of(&testee, &stop, "tids");
    let tid_of = |client: &mut Client, index: u64| {
        let at = Address::new(tids.value() + 4 * index);
        client.read_u64(target, at) as u32
    };
    let (seventh, ninth) = (tid_of(&mut client, 7), tid_of(&mut client, 9));
    let hit = address_of(&testee, &stop, "hit");
    client.insert_site(target, Site { tid: seventh, ..site(70, hit) });
    client.insert_site(target, Site { tid: ninth, ..site(90, hit) });
    client.go(target);
    let hits = hits_to_the_end(&mut client, target);
    let of = |tid| (Tid::new(tid), 10);
    assert_eq!(hits, BTreeMap::from([of(seventh), of(ninth)]));
}

#[test]
fn fifty_threads_hit_one_site_and_each_hit_is_told_once() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("threads", &[]);
    let (target, stop) = client.start(&testee, &["50", "6"]);
    client.insert(target, 1, address_of(&testee, &stop, "hit"));
    client.go(target);
    let hits = hits_to_the_end(&mut client, target);
    assert_eq!(hits.len(), 50);
    assert!(hits.values().all(|count| *count == 6), "{hits:?}");
}

#[test]
fn a_hit_that_waits_to_be_told_goes_with_its_site() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("threads", &[]);
    let (target, stop) = client.start(&testee, &["50", "20"]);
    let (hit, total) = (address_of(&testee, &stop, "hit"), address_of(&testee, &stop, "total"));
    let all_ended = address_of(&testee, &stop, "all_ended");
    client.insert(target, 1000, all_ended);
    let mut executed = 0;
    for id in 1..=10 {
        client.insert(target, id, hit);
        let before = client.read_u64(target, total);
        for _ in 0..5 {
            client.go(target);
            assert_eq!(client.wait_stop().sites(), [id]);
        }
        // Others may stand at the site and wait to be told, or have passed it; none has slipped by.
        executed = client.read_u64(target, total);
        assert!(executed - before <= 50 + 5, "{} calls were not told", executed - before);
        client.remove(target, &[id]);
    }
    client.go(target);
    assert_eq!(client.wait_stop().sites(), [1000], "no hit of a removed site is told");
    assert!(executed < 1000);
    assert_eq!(client.read_u64(target, total), 1000, "every call was made once");
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn stepping_one_thread_leaves_the_others_hits_to_be_told() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("threads", &[]);
    let (target, stop) = client.start(&testee, &["10", "5"]);
    client.insert(target, 1, address_of(&testee, &stop, "hit"));
    client.go(target);
    let mut hits: BTreeMap<Tid, u32> = BTreeMap::new();
    loop {
        match client.wait_event() {
            Event::Stopped(stop) => {
                if stop.sites() == [1] {
                    *hits.entry(stop.tid()).or_default() += 1;
                    client.step(target, stop.tid());
                } else {
                    client.go(target);
                }
            }
            Event::Exited { status, .. } => {
                assert_eq!(status, ExitStatus::Exited(0));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(hits.len(), 10);
    assert!(hits.values().all(|count| *count == 5), "{hits:?}");
}

/// Threads that pass a site all the time keep the server busy; who lets them run is answered all
/// the same, before they have done much more. A busy machine may be slow now and then.
#[test]
fn a_resume_is_answered_while_threads_pass_a_site() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("counters", &[]);
    let mut process = guard.start(testee.path(), &["4"]);
    assert_eq!(process.read_line(), "ready");
    let (target, stop) = client.attach(process.pid());
    let at = address_of(&testee, &stop, "count_one");
    client.insert_site(target, Site { ignore: u64::MAX, ..site(1, at) });
    let counters = address_of(&testee, &stop, "counters");
    let calls = || {
        let at = |index: i64| counters.wrapping_offset(8 * index);
        let count = |index| memory_file::read_u64(target.pid, at(index));
        (0..4).map(count).sum::<u64>()
    };
    let calls_until_answered = || {
        let before = calls();
        client.go(target);
        let done = calls() - before;
        until("the site to be passed", || (calls() > before + done + 100).then_some(()));
        client.interrupt(target);
        client.wait_stop();
        done
    };
    let mut answered: Vec<u64> = std::iter::repeat_with(calls_until_answered).take(15).collect();
    answered.sort_unstable();
    assert!(answered[10] < 5000, "{answered:?}");
    client.detach(target);
}

/// Runs a target to its good end. How often each thread has hit a site.
#[track_caller]
fn hits_to_the_end(client: &mut Client, target: Target) -> BTreeMap<Tid, u32> {
    let mut hits = BTreeMap::new();
    loop {
        match client.wait_event() {
            Event::Stopped(stop) => {
                assert_eq!(stop.sites().len(), 1, "{:?}", stop.reason());
                *hits.entry(stop.tid()).or_default() += 1;
                client.go(target);
            }
            Event::Exited { status, .. } => {
                assert_eq!(status, ExitStatus::Exited(0));
                return hits;
            }
            other => panic!("{other:?}"),
        }
    }
}
