//! Sites: hit, counted, hidden, filtered, moved.

use dbgbase::{Address, ExitStatus, SiteId, StopReason};
use dbgwire::ErrorCode;
use dbgwire::verbs::resume::{Resume, RunKind, ThreadAction};
use dbgwire::verbs::site::{InsertSites, Site};
use testkit::{Client, Stop, Target, Testee, memory_file, site, until};

use crate::{address_of, begin};

const ALL: ThreadAction =
    ThreadAction { tid: 0, run: RunKind::Continue as i32, signal: 0, range_start: 0, range_end: 0 };

#[test]
fn every_call_is_hit_once() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["1000"]);
    let (work, calls) = (address_of(&testee, &stop, "work"), address_of(&testee, &stop, "calls"));
    client.insert(target, 7, work);
    for hit in 0..1000 {
        client.go(target);
        let stop = client.wait_stop();
        assert_eq!((stop.sites(), stop.pc()), (vec![7], work));
        assert_eq!(client.read_u64(target, calls), hit);
    }
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn reading_shows_the_programs_own_bytes() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["2"]);
    let work = address_of(&testee, &stop, "work");
    let own = client.read(target, work, 16);
    client.insert(target, 1, work);
    client.insert(target, 2, Address::new(work.value() + 4));
    assert_eq!(client.read(target, work, 16), own);
    assert_eq!(client.read(target, Address::new(work.value() + 3), 2), own[3..5]);
    // That they are armed the stop tells. They are not in memory all the time: a target that stands
    // still for long has none.
    client.go(target);
    let stop = client.wait_stop();
    assert_eq!(stop.reason(), StopReason::Breakpoint { sites: vec![SiteId::new(1)] });
    assert_eq!(stop.window(work, 16), Some(&own[..]));
    client.remove(target, &[1, 2]);
    assert_eq!(memory_file::read(target.pid, work, 16), own);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn writing_over_a_site_keeps_it_armed() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("answers", &[]);
    let (target, stop) = client.start(&testee, &[]);
    let answer = address_of(&testee, &stop, "answer");
    client.insert(target, 1, answer);
    let mut code = client.read(target, answer, 16);
    // push %rbp; mov %rsp,%rbp; mov $42,%eax
    let immediate = code.iter().position(|byte| *byte == 42).expect("mov $42,%eax");
    code[0] = 0x90; // Instead of push %rbp, as pop %rbp is taken out below.
    code[immediate] = 17;
    let pop = code.iter().position(|byte| *byte == 0x5d).expect("pop %rbp");
    code[pop] = 0x90;
    // A moment later the target is at rest, and nothing is armed.
    until("it to be armed still", || {
        client.remove(target, &[1]);
        client.insert(target, 1, answer);
        assert_eq!(client.write(target, answer, &code), Ok(16));
        (memory_file::read(target.pid, answer, 1) == [0xcc]).then_some(())
    });
    assert_eq!(client.read(target, answer, 16), code);
    client.go(target);
    assert_eq!(client.wait_stop().sites(), [1]);
    client.remove(target, &[1]);
    assert_eq!(memory_file::read(target.pid, answer, 16), code);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(17));
}

#[test]
fn several_reasons_share_an_address() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["3"]);
    let work = address_of(&testee, &stop, "work");
    for id in [30, 10, 20] {
        client.insert(target, id, work);
    }
    client.go(target);
    assert_eq!(client.wait_stop().sites(), [30, 10, 20]);
    client.remove(target, &[10, 99]);
    client.go(target);
    assert_eq!(client.wait_stop().sites(), [30, 20]);
    client.remove(target, &[30, 20]);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn what_cannot_be_armed_is_reported_one_by_one() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["1"]);
    let work = address_of(&testee, &stop, "work");
    let sites = vec![
        site(1, work),
        site(1, Address::new(work.value() + 1)),
        site(2, Address::new(0x10)),
        Site { kind: 99, ..site(3, work) },
        site(4, work),
    ];
    let reply = client.call(&InsertSites { target: target.id, sites }).expect("it stands still");
    let faults: Vec<(u32, u32)> = reply
        .faults
        .iter()
        .map(|entry| (entry.id, entry.fault.as_ref().expect("a fault").code))
        .collect();
    let expected = [
        (1, ErrorCode::NoSuchSite.number()),
        (2, ErrorCode::Unreadable.number()),
        (3, ErrorCode::Unsupported.number()),
    ];
    assert_eq!(faults, expected);
    client.go(target);
    assert_eq!(client.wait_stop().sites(), [1, 4]);
    client.kill(target);
}

#[test]
fn a_resume_changes_sites_whole_or_not_at_all() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["5"]);
    let (work, done) = (address_of(&testee, &stop, "work"), address_of(&testee, &stop, "done"));
    let mut resume = Resume {
        target: target.id,
        stop: 0,
        actions: vec![ALL],
        insert: vec![site(1, work)],
        remove: Vec::new(),
    };
    client.call(&resume).expect("it stands still");
    assert_eq!(client.wait_stop().sites(), [1]);
    resume.insert = vec![site(2, work), site(4, done), site(3, Address::new(0x10))];
    resume.remove = vec![1];
    let fault = client.call(&resume).expect_err("nothing is mapped at 0x10");
    assert_eq!(fault.code, ErrorCode::Unreadable);
    client.go(target);
    assert_eq!(client.wait_stop().sites(), [1], "nothing was changed");
    resume.insert.pop();
    client.call(&resume).expect("it stands still");
    assert_eq!(client.wait_stop().sites(), [2]);
    let remove = Resume { insert: Vec::new(), remove: vec![2], ..resume };
    client.call(&remove).expect("it stands still");
    let stop = client.wait_stop();
    assert_eq!((stop.sites(), stop.pc()), (vec![4], done));
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn too_many_sites_are_refused() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["1"]);
    let work = address_of(&testee, &stop, "work");
    let sites: Vec<Site> = (0..=4096).map(|id| site(id, work)).collect();
    let insert = InsertSites { target: target.id, sites: sites.clone() };
    assert_eq!(client.call(&insert).expect_err("too many").code, ErrorCode::TooLarge);
    let resume = Resume {
        target: target.id,
        stop: 0,
        actions: vec![ALL],
        insert: sites,
        remove: Vec::new(),
    };
    assert_eq!(client.call(&resume).expect_err("too many").code, ErrorCode::TooLarge);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn depth_is_checked_by_the_server() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("recurse", &[]);
    let (target, stop) = client.start(&testee, &["50"]);
    let descend = address_of(&testee, &stop, "descend");
    // At the third call its own return address is known; every deeper call returns to the same one.
    client.insert(target, 1, descend);
    let mut stop = stop;
    for _ in 0..4 {
        client.go(target);
        stop = client.wait_stop();
    }
    let sp = stop.registers().sp();
    let back = Address::new(client.read_u64(target, sp));
    client.remove(target, &[1]);
    client.insert_site(target, Site { sp_above: sp.value(), ..site(2, back) });
    let trips = client.round_trips();
    client.go(target);
    let stop = client.wait_stop();
    assert_eq!((stop.sites(), stop.pc()), (vec![2], back));
    assert_eq!(stop.registers().sp().value(), sp.value() + 8, "of this very call");
    assert_eq!(stop.registers().get(dbgbase::x86_64::RAX), 48);
    assert!(client.round_trips() - trips <= 2, "the deeper returns were not told");
    client.go(target);
    let hits = count_hits(&mut client, target);
    assert_eq!(hits, 2, "the two calls above return to the same address");
}

#[test]
fn exceptions_pass_armed_code() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("throws", &[]);
    let (target, stop) = client.start(&testee, &[]);
    client.insert(target, 1, address_of(&testee, &stop, "throw_one"));
    client.insert(target, 2, address_of(&testee, &stop, "_ZN7CounterD1Ev"));
    client.go(target);
    assert_eq!(count_hits(&mut client, target), 20);
}

#[test]
fn functions_of_rust_are_hit() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("sums", &[]);
    let (target, stop) = client.start(&testee, &[]);
    client.insert(target, 1, address_of(&testee, &stop, "add"));
    client.go(target);
    assert_eq!(count_hits(&mut client, target), 100);
}

#[test]
fn a_repeated_instruction_is_hit_once() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("minimal", &[]);
    let (target, stop) = client.start(&testee, &[]);
    let instructions = testee.instructions("repeated", "flags");
    let (repeated, _) = instructions
        .iter()
        .find(|(_, text)| text.starts_with("rep movs"))
        .expect("the program has one");
    client.insert(target, 1, repeated.to_address(stop.bias()));
    client.go(target);
    assert_eq!(count_hits(&mut client, target), 1);
}

#[test]
fn the_programs_own_traps_are_told_from_sites() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("traps", &[]);
    let (target, stop) = client.start(&testee, &[]);
    let trap = address_of(&testee, &stop, "trap");
    let code = client.read(target, trap, 16);
    let offset = code.iter().position(|byte| *byte == 0xcc).expect("int3");
    let own = Address::new(trap.value() + offset as u64);
    client.go(target);
    let stop = client.wait_stop();
    assert_eq!(stop.reason(), StopReason::ProgramTrap);
    assert_eq!(stop.pc().value(), own.value() + 1);
    // Now with a site on it: first the site, then what is under it.
    client.insert(target, 1, own);
    client.go_with_signal(target, stop.tid(), dbgbase::Signal::SIGTRAP);
    let stop = client.wait_stop();
    assert_eq!((stop.sites(), stop.pc()), (vec![1], own));
    client.go(target);
    let stop = client.wait_stop();
    assert_eq!(stop.reason(), StopReason::ProgramTrap);
    assert_eq!(stop.pc().value(), own.value() + 1);
    client.go_with_signal(target, stop.tid(), dbgbase::Signal::SIGTRAP);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

/// Runs a target that stops at sites only to its good end. How often it stopped.
#[track_caller]
fn count_hits(client: &mut Client, target: Target) -> usize {
    let mut hits = 0;
    loop {
        match client.wait_event() {
            testkit::Event::Stopped(stop) => {
                assert!(!stop.sites().is_empty(), "{:?}", stop.reason());
                hits += 1;
                client.go(target);
            }
            testkit::Event::Exited { status, .. } => {
                assert_eq!(status, ExitStatus::Exited(0));
                return hits;
            }
            other => panic!("{other:?} is no stop"),
        }
    }
}

#[test]
fn the_stop_brings_what_was_read_at_the_last_one() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["3"]);
    let calls = address_of(&testee, &stop, "calls");
    client.insert(target, 1, address_of(&testee, &stop, "work"));
    client.go(target);
    let stop: Stop = client.wait_stop();
    assert_eq!(stop.window(calls, 8), None, "nobody has asked for it yet");
    assert_eq!(client.read_u64(target, calls), 0);
    client.go(target);
    assert_eq!(client.wait_stop().window(calls, 8), Some(&1u64.to_le_bytes()[..]));
    client.kill(target);
}
