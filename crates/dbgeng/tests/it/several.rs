//! Two processes: any event stops both, and both run together.

use dbgbase::Address;
use dbgeng::{
    BreakpointLocation, BreakpointSpec, DebugEvent, Engine, EventKind, Execution, LaunchOptions,
    ProcessNumber, SignalAction, StopCause,
};
use dbgwire::event::{Exited, StopKind};
use dbgwire::verbs::process::{Kill, KillReply};
use dbgwire::verbs::site::{InsertSites, InsertSitesReply};

use crate::peer::{Peer, Session};
use crate::scene::{CALL, CODE, GO, Scene, launch, next_event, serve_launch};

/// Both are launched; the second one's start leaves the first where it is.
fn launch_two(engine: &mut Engine) {
    launch(engine);
    engine.launch(&LaunchOptions::new("/bin/other")).expect("launches");
    let event = next_event(engine);
    assert_eq!(summary(&event), (1, EventKind::Stopped(StopCause::InitialBreak)));
}

fn serve_two(peer: &mut Peer) {
    serve_launch(peer, 1);
    serve_launch(peer, 2);
}

fn summary(event: &DebugEvent) -> (u32, EventKind) {
    (event.process.0, event.kind.clone())
}

/// Two Resumes, for targets in this order.
fn resume_both(peer: &mut Peer) {
    assert_eq!((peer.resume().target, peer.resume().target), (1, 2));
}

#[test]
fn an_event_of_one_stops_the_other() {
    let mut session = Session::new(|peer| {
        serve_two(peer);
        resume_both(peer);
        Scene::new(3, 2, 1002, StopKind::Signal, CODE).signal(10, 0).push(peer);
        assert_eq!(peer.interrupt(), 1);
        Scene::new(4, 1, 1001, StopKind::Interrupted, CODE).push(peer);
        resume_both(peer);
        peer.event(&Exited { target: 1, status: Some(0), signal: None, left: String::new() }, &[]);
        assert_eq!(peer.interrupt(), 2);
        Scene::new(5, 2, 1002, StopKind::Interrupted, CODE).push(peer);
    });
    let engine = session.engine();
    launch_two(engine);
    engine.execute(GO).expect("runs");
    let event = next_event(engine);
    assert!(matches!(event.kind, EventKind::Stopped(StopCause::Signal { .. })));
    assert_eq!(event.process, ProcessNumber(1));
    assert!(engine.processes().iter().all(|process| !process.is_running()));
    engine.execute(GO).expect("runs");
    let event = next_event(engine);
    assert_eq!(summary(&event), (0, EventKind::Exited(dbgbase::ExitStatus::Exited(0))));
    assert_eq!(engine.current().map(|(process, _)| process), Some(ProcessNumber(1)));
    assert!(!engine.is_running());
    session.end();
}

#[test]
fn events_of_both_are_told_one_after_the_other() {
    let mut session = Session::new(|peer| {
        serve_two(peer);
        resume_both(peer);
        Scene::new(3, 2, 1002, StopKind::Signal, CODE).signal(10, 0).push(peer);
        assert_eq!(peer.interrupt(), 1);
        // It was stopped by something else first.
        Scene::new(4, 1, 1001, StopKind::Signal, CODE).signal(12, 0).push(peer);
        // Nothing runs in between, and each gets its own signal then.
        let (first, second) = (peer.resume(), peer.resume());
        let signals = |resume: &dbgwire::verbs::resume::Resume| {
            let all = resume.actions.iter().map(|action| (action.tid, action.signal));
            all.filter(|(_, signal)| *signal != 0).collect::<Vec<_>>()
        };
        assert_eq!((first.target, signals(&first)), (1, vec![]));
        assert_eq!((second.target, signals(&second)), (2, vec![(1002, 10)]));
        peer.event(&Exited { target: 1, status: Some(0), signal: None, left: String::new() }, &[]);
        assert_eq!(peer.interrupt(), 2);
        peer.event(&Exited { target: 2, status: Some(1), signal: None, left: String::new() }, &[]);
    });
    let engine = session.engine();
    launch_two(engine);
    engine.execute(GO).expect("runs");
    assert_eq!(next_event(engine).process, ProcessNumber(1));
    engine.execute(GO).expect("waits for the other's event to be told");
    assert!(!engine.is_running());
    assert_eq!(next_event(engine).process, ProcessNumber(0));
    let handled = Execution::Go { signal: SignalAction::Handled, until: Vec::new() };
    engine.execute(handled).expect("runs");
    assert_eq!(next_event(engine).process, ProcessNumber(0));
    assert_eq!(next_event(engine).process, ProcessNumber(1), "it ended while it was to stop");
    assert!(engine.processes().is_empty());
    session.end();
}

#[test]
fn an_interrupt_stops_both_and_tells_of_the_current_one() {
    let mut session = Session::new(|peer| {
        serve_two(peer);
        resume_both(peer);
        assert_eq!((peer.interrupt(), peer.interrupt()), (1, 2));
        Scene::new(3, 1, 1001, StopKind::Interrupted, CODE).push(peer);
        Scene::new(4, 2, 1002, StopKind::Interrupted, CODE).push(peer);
    });
    let engine = session.engine();
    launch_two(engine);
    engine.execute(GO).expect("runs");
    engine.interrupter().interrupt();
    let event = next_event(engine);
    assert_eq!(summary(&event), (1, EventKind::Stopped(StopCause::Interrupted)));
    assert_eq!(event.pid.value(), 1002);
    session.end();
}

#[test]
fn breakpoints_of_both_are_set_before_either_runs() {
    let mut session = Session::new(|peer| {
        serve_two(peer);
        for target in [1, 2] {
            let insert = peer.expect::<InsertSites>();
            assert_eq!((insert.verb.target, insert.verb.sites[0].address), (target, CALL));
            peer.answer(&insert, InsertSitesReply { faults: Vec::new() });
        }
        resume_both(peer);
        Scene::new(3, 1, 1001, StopKind::Breakpoint, CALL).sites(&[2]).push(peer);
        assert_eq!(peer.interrupt(), 2);
        Scene::new(4, 2, 1002, StopKind::Breakpoint, CALL).sites(&[1]).push(peer);
        let kill = peer.expect::<Kill>();
        peer.event(&Exited { target: 2, status: None, signal: Some(9), left: String::new() }, &[]);
        peer.answer(&kill, KillReply {});
        assert_eq!(peer.resume().target, 1);
        peer.event(&Exited { target: 1, status: Some(0), signal: None, left: String::new() }, &[]);
    });
    let engine = session.engine();
    launch_two(engine);
    let spec = || BreakpointSpec::new("call", BreakpointLocation::Address(Address::new(CALL)));
    let in_second = engine.add_breakpoint(spec()).expect("added");
    engine.set_current_process(ProcessNumber(0)).expect("there");
    let in_first = engine.add_breakpoint(spec()).expect("added");
    let owners: Vec<_> = engine.breakpoints().iter().map(|view| view.process.0).collect();
    assert_eq!(owners, [1, 0]);
    engine.execute(GO).expect("runs");
    let event = next_event(engine);
    assert_eq!(summary(&event), (0, EventKind::Stopped(StopCause::Breakpoints(vec![in_first]))));
    // The second one's hit waits to be told, and is forgotten with its process.
    assert_eq!(engine.breakpoints()[in_second.0 as usize].hits, 1);
    engine.kill(ProcessNumber(1)).expect("ends");
    engine.execute(GO).expect("runs, as no event waits any more");
    assert_eq!(next_event(engine).process, ProcessNumber(0));
    session.end();
}

#[test]
fn an_event_of_a_breakpoint_that_was_removed_is_not_told() {
    let mut session = Session::new(|peer| {
        serve_two(peer);
        peer.resume();
        peer.resume();
        Scene::new(3, 1, 1001, StopKind::Signal, CODE).signal(10, 0).push(peer);
        assert_eq!(peer.interrupt(), 2);
        Scene::new(4, 2, 1002, StopKind::Breakpoint, CALL).sites(&[1]).push(peer);
        let (first, second) = (peer.resume(), peer.resume());
        assert_eq!((first.remove, second.remove), (vec![], vec![1]));
        peer.event(&Exited { target: 1, status: Some(0), signal: None, left: String::new() }, &[]);
        assert_eq!(peer.interrupt(), 2);
        Scene::new(5, 2, 1002, StopKind::Interrupted, CODE).push(peer);
    });
    let engine = session.engine();
    launch_two(engine);
    let spec = BreakpointSpec::new("call", BreakpointLocation::Address(Address::new(CALL)));
    let id = engine.add_breakpoint(spec).expect("added");
    engine.execute(GO).expect("runs");
    assert_eq!(next_event(engine).process, ProcessNumber(0));
    engine.remove_breakpoint(id).expect("there");
    engine.execute(GO).expect("runs");
    assert_eq!(next_event(engine).kind, EventKind::Exited(dbgbase::ExitStatus::Exited(0)));
    session.end();
}
