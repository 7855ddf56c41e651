//! Processes that a target makes become targets, clean of its sites, if its client wants so.

use dbgbase::{ExitStatus, Pid, StopReason, Tid};
use dbgwire::event::Created;
use dbgwire::verbs::resume::{ChildPolicy, SetEvents};
use testkit::{Client, Event, Stop, Target, Testee, memory_file, procfs, until};

use crate::{address_of, begin};

fn follow(client: &mut Client, target: Target) {
    let children = ChildPolicy::Follow as i32;
    let events = SetEvents { target: target.id, children, ..SetEvents::default() };
    client.call(&events).expect("events");
}

/// The next target that is made, and what others than it have told until then.
#[track_caller]
fn created(client: &mut Client) -> (Created, Target, Vec<Stop>) {
    let mut stops = Vec::new();
    loop {
        match client.wait_event() {
            Event::Created(event) => {
                let child = Target { id: event.target, pid: Pid::new(event.pid) };
                return (event, child, stops);
            }
            Event::Stopped(stop) => stops.push(*stop),
            other => panic!("waited for a new target, not {other:?}"),
        }
    }
}

/// The next stop of a target, and what others have told until then.
#[track_caller]
fn stop_of(client: &mut Client, target: Target) -> (Stop, Vec<Stop>) {
    let mut stops = Vec::new();
    loop {
        match client.wait_event() {
            Event::Stopped(stop) if stop.event.target == target.id => return (*stop, stops),
            Event::Stopped(stop) => stops.push(*stop),
            other => panic!("waited for a stop, not {other:?}"),
        }
    }
}

/// Waits until a target has ended well; what others tell is passed over.
#[track_caller]
fn end_of(client: &mut Client, target: Target) {
    loop {
        match client.wait_event() {
            Event::Exited { target: ended, status } if ended == target.id => {
                return assert_eq!(status, ExitStatus::Exited(0));
            }
            Event::Stopped(_) => {}
            other => panic!("waited for an end, not {other:?}"),
        }
    }
}

#[test]
fn a_forked_child_is_a_target_of_its_own() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("children", &[]);
    let (parent, stop) = client.start(&testee, &["fork"]);
    let work = address_of(&testee, &stop, "work");
    follow(&mut client, parent);
    client.insert(parent, 1, work);
    client.go(parent);
    assert_eq!(client.wait_stop().sites(), [1]);
    client.go(parent);
    // The parent, which runs on meanwhile, hits its site before, between or behind these.
    let (event, child, mut of_parent) = created(&mut client);
    assert_eq!((event.parent, event.created), (parent.id, true));
    let (stop, more) = stop_of(&mut client, child);
    of_parent.extend(more);
    if of_parent.is_empty() {
        of_parent.push(client.wait_stop());
    }
    assert_eq!((of_parent.len(), of_parent[0].sites()), (1, vec![1]));
    assert_eq!(stop.reason(), StopReason::Born);
    assert_eq!(stop.tid(), Tid::from(child.pid));
    assert!(!stop.modules().is_empty());
    assert_ne!(memory_file::read(child.pid, work, 1), [0xcc], "it is clean of its parent's site");
    // The same id in another target.
    client.insert(child, 1, work);
    for _ in 0..1000 {
        client.go(child);
        let stop = client.wait_stop();
        assert_eq!((stop.event.target, stop.sites()), (child.id, vec![1]));
    }
    client.remove(child, &[1]);
    client.go(child);
    assert_eq!(
        client.wait_event(),
        Event::Exited { target: child.id, status: ExitStatus::Exited(0) }
    );
    client.go(parent);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn a_borrower_is_followed_into_its_program() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("children", &[]);
    for how in ["vfork", "spawn"] {
        let (parent, stop) = client.start(&testee, &[how]);
        let work = address_of(&testee, &stop, "work");
        follow(&mut client, parent);
        client.insert(parent, 1, work);
        client.go(parent);
        assert_eq!(client.wait_stop().sites(), [1], "{how}");
        client.go(parent);
        // The parent runs on as soon as its memory is its own again, and may be told of first.
        let (_, child, _) = created(&mut client);
        let (stop, _) = stop_of(&mut client, child);
        assert_eq!(stop.reason(), StopReason::Exec, "{how}");
        let work = address_of(&testee, &stop, "work");
        client.insert(child, 1, work);
        client.go(child);
        let (stop, _) = stop_of(&mut client, child);
        assert_eq!(stop.reason(), StopReason::InitialBreak, "{how}");
        client.go(child);
        let (stop, _) = stop_of(&mut client, child);
        assert_eq!((stop.sites(), stop.pc()), (vec![1], work), "{how}");
        client.go(child);
        end_of(&mut client, child);
        client.kill(parent);
    }
}

/// The parent is told of the end of vfork before or behind its child's first stop.
#[test]
fn a_borrowers_parent_is_told_when_it_has_its_memory_back() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("children", &[]);
    for words in [&["vfork"][..], &["vfork", "ends"], &["spawn"]] {
        let (parent, _) = client.start(&testee, words);
        let children = ChildPolicy::Follow as i32;
        let target = parent.id;
        let events = SetEvents { target, children, vfork_ends: true, ..SetEvents::default() };
        client.call(&events).expect("events");
        client.go(parent);
        let (mut made, mut done, mut begun) = (None, None, words.len() > 1);
        while done.is_none() || !begun {
            match client.wait_event() {
                Event::Created(event) => made = Some(event),
                Event::Stopped(stop) if stop.event.target == parent.id => {
                    let StopReason::VforkDone { child } = stop.reason() else {
                        panic!("{words:?}: {:?}", stop.reason());
                    };
                    done = Some(child);
                }
                Event::Stopped(stop) => {
                    assert_eq!((stop.reason(), begun), (StopReason::Exec, false));
                    begun = true;
                }
                other => panic!("{words:?}: {other:?}"),
            }
        }
        assert_eq!(made.is_some(), words.len() == 1, "{words:?}");
        if let Some(event) = made {
            assert_eq!(done, Some(Pid::new(event.pid)), "{words:?}");
            let child = Target { id: event.target, pid: Pid::new(event.pid) };
            // The same is wanted of it.
            client.go(child);
            assert_eq!(client.wait_stop().reason(), StopReason::InitialBreak);
            client.detach(child);
        }
        client.go(parent);
        assert_eq!(client.wait_exit(), ExitStatus::Exited(0), "{words:?}");
    }
}

#[test]
fn followed_children_share_their_parents_end() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("children", &[]);
    let mut process = guard.start(testee.path(), &["waiting"]);
    assert_eq!(process.read_line(), "ready");
    let (parent, _) = client.attach(process.pid());
    follow(&mut client, parent);
    client.go(parent);
    process.write_line("");
    let (event, child, _) = created(&mut client);
    assert!(!event.created);
    assert_eq!(client.wait_stop().reason(), StopReason::Born);
    client.go(child);
    assert_eq!(process.read_line(), child.pid.to_string());
    // Left by the end of the session, both run on.
    drop(client);
    until("both to be let go", || {
        let is_free = |pid: Pid| procfs::tracer(pid, Tid::from(pid)) == Some(0);
        (is_free(parent.pid) && is_free(child.pid)).then_some(())
    });
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn a_storm_of_children_is_followed() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("children", &[]);
    let mut process = guard.start(testee.path(), &["many"]);
    assert_eq!(process.read_line(), "ready");
    let (parent, _) = client.attach(process.pid());
    follow(&mut client, parent);
    client.go(parent);
    for round in 0..50 {
        let (_, child, _) = created(&mut client);
        let stop = client.wait_stop();
        assert_eq!((stop.event.target, stop.reason()), (child.id, StopReason::Born), "{round}");
        match round % 3 {
            0 => client.detach(child),
            _ => {
                client.go(child);
                let end = Event::Exited { target: child.id, status: ExitStatus::Exited(0) };
                assert_eq!(client.wait_event(), end, "{round}");
            }
        }
    }
    // One may be on its way when the parent is left.
    client.detach(parent);
    process.close_input();
    drop(client);
    assert_eq!(process.wait(), ExitStatus::Exited(0), "every child ended well");
}
