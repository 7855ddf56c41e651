//! Sites and steps on system calls, which may block for what other threads do.

use dbgbase::{Address, ExitStatus, StopReason, Tid, x86_64};
use dbgwire::verbs::resume::{RunKind, ThreadAction};
use dbgwire::verbs::site::Site;
use testkit::{Client, Event, Target, Testee, site};

use crate::{address_of, begin};

/// Starts the debuggee. Where the instruction is by which it makes its calls.
#[track_caller]
fn start(client: &mut Client, rounds: &str) -> (Target, Address) {
    let testee = Testee::build("pipes", &[]);
    let (target, stop) = client.start(&testee, &[rounds]);
    (target, address_of(&testee, &stop, "call_instruction"))
}

#[test]
fn every_call_under_a_site_is_told_and_blocks_nobody() {
    let (_guard, _server, mut client) = begin();
    let (target, instruction) = start(&mut client, "50");
    client.insert(target, 1, instruction);
    let mut hits = 0;
    client.go(target);
    loop {
        match client.wait_event() {
            Event::Stopped(stop) => {
                assert_eq!((stop.sites(), stop.pc()), (vec![1], instruction));
                hits += 1;
                client.go(target);
            }
            Event::Exited { status, .. } => {
                assert_eq!(status, ExitStatus::Exited(0));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(hits, 200, "four calls in each round");
}

#[test]
fn calls_under_a_site_nobody_is_told_of_block_nobody() {
    let (_guard, _server, mut client) = begin();
    let (target, instruction) = start(&mut client, "100");
    client.insert_site(target, Site { tid: 1, ..site(1, instruction) });
    client.insert_site(target, Site { tid: 1, ..site(2, Address::new(instruction.value() + 2)) });
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn a_step_over_a_call_ends_behind_it() {
    let (_guard, _server, mut client) = begin();
    let (target, instruction) = start(&mut client, "20");
    let behind = Address::new(instruction.value() + 2);
    for armed in [true, false] {
        client.insert(target, 1, instruction);
        client.go(target);
        let stop = client.wait_stop();
        assert_eq!(stop.sites(), [1]);
        if !armed {
            client.remove(target, &[1]);
        }
        let run = RunKind::Step as i32;
        let step = ThreadAction { tid: stop.tid().value(), run, ..ThreadAction::default() };
        let others =
            ThreadAction { tid: 0, run: RunKind::Continue as i32, ..ThreadAction::default() };
        client.resume(target, &[step, others]);
        // The other thread may get to the site in the meantime.
        let mut next = client.wait_stop();
        while next.tid() != stop.tid() {
            assert_eq!(next.sites(), [1]);
            client.resume(target, &[step, others]);
            next = client.wait_stop();
        }
        assert_eq!((next.reason(), next.pc()), (StopReason::Step, behind));
        client.remove(target, &[1]);
    }
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn a_step_into_a_call_that_blocks_is_interrupted() {
    let (_guard, _server, mut client) = begin();
    let (target, instruction) = start(&mut client, "5");
    client.insert(target, 1, instruction);
    client.go(target);
    let mut stop = client.wait_stop();
    while stop.registers().get(x86_64::RAX) != 0 {
        client.go(target);
        stop = client.wait_stop();
    }
    // A read whose writer is made to stay: it may have been served already, or it blocks. The
    // writer may have a hit of its own to tell first.
    let mut next = stop.clone();
    while next.sites() == [1] {
        client.step(target, stop.tid());
        client.interrupt(target);
        next = client.wait_stop();
    }
    assert!(
        matches!(next.reason(), StopReason::Interrupted | StopReason::Step),
        "{:?}",
        next.reason()
    );
    client.remove(target, &[1]);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0), "the call was begun anew");
}

#[test]
fn a_target_stops_when_the_only_thread_that_runs_has_ended() {
    let (_guard, _server, mut client) = begin();
    for run in [RunKind::Step, RunKind::Continue] {
        let (target, instruction) = start(&mut client, "5");
        client.insert(target, 1, instruction);
        client.go(target);
        let mut stop = client.wait_stop();
        while stop.tid() == Tid::from(target.pid) {
            client.go(target);
            stop = client.wait_stop();
        }
        // Instead of its call the thread makes exit(2), which ends it alone.
        client.set_register(target, stop.tid(), x86_64::RAX, 60);
        let action =
            ThreadAction { tid: stop.tid().value(), run: run as i32, ..ThreadAction::default() };
        client.resume(target, &[action]);
        let mut next = client.wait_stop();
        if next.sites() == [1] {
            // The leader had a hit of its own to tell first, and nothing has run.
            client.resume(target, &[action]);
            next = client.wait_stop();
        }
        assert_eq!(next.reason(), StopReason::Interrupted, "nothing runs any more");
        assert_eq!(next.tid(), Tid::from(target.pid));
        assert_eq!(next.event.threads_ended, [stop.tid().value()]);
        client.kill(target);
    }
}
