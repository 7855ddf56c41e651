//! Breakpoints on their way to the server, and their hits on the way back.

use dbgbase::Address;
use dbgeng::{
    Access, BreakpointId, BreakpointLocation, BreakpointSpec, ErrorKind, EventKind, Execution,
    ProcessNumber, SignalAction, StopCause, ThreadNumber, Watch,
};
use dbgwire::ErrorCode;
use dbgwire::error::FaultMessage;
use dbgwire::event::StopKind;
use dbgwire::verbs::resume::Resume;
use dbgwire::verbs::site::{
    InsertSites, InsertSitesReply, ListSites, ListSitesReply, RemoveSites, RemoveSitesReply,
    SiteFault, SiteKind, SiteState,
};

use crate::peer::{Peer, Session};
use crate::scene::{CALL, CODE, GO, REP, Scene, launch, next_stop, serve_launch};

fn at(address: u64) -> BreakpointSpec {
    BreakpointSpec::new(format!("{address:#x}"), BreakpointLocation::Address(Address::new(address)))
}

fn sites(resume: &Resume) -> Vec<(u32, u64)> {
    resume.insert.iter().map(|site| (site.id, site.address)).collect()
}

#[test]
fn breakpoints_travel_with_the_run_and_only_changes_do() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        let resume = peer.resume();
        assert_eq!(sites(&resume), [(1, CALL), (2, REP)]);
        Scene::new(2, 1, 1001, StopKind::Breakpoint, CALL).sites(&[1]).push(peer);
        let resume = peer.resume();
        assert!(resume.insert.is_empty() && resume.remove.is_empty(), "nothing has changed");
        Scene::new(3, 1, 1001, StopKind::Breakpoint, REP).sites(&[2]).push(peer);
        let resume = peer.resume();
        assert_eq!((sites(&resume), resume.remove), (vec![(3, CODE)], vec![1]));
        Scene::new(4, 1, 1001, StopKind::Breakpoint, CODE).sites(&[3]).push(peer);
        let resume = peer.resume();
        assert_eq!((sites(&resume), resume.remove), (vec![], vec![3]));
        Scene::new(5, 1, 1001, StopKind::Breakpoint, REP).sites(&[2]).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    let first = engine.add_breakpoint(at(CALL)).expect("added");
    let second = engine.add_breakpoint(at(REP)).expect("added");
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Breakpoints(vec![first]));
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Breakpoints(vec![second]));
    engine.remove_breakpoint(first).expect("there");
    let third = engine.add_breakpoint(at(CODE)).expect("added");
    assert_eq!(third, first, "the smallest free number");
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Breakpoints(vec![third]));
    engine.enable_breakpoint(third, false).expect("there");
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Breakpoints(vec![second]));
    let views = engine.breakpoints();
    assert_eq!((views[0].enabled, views[1].hits), (false, 2));
    session.end();
}

#[test]
fn passes_are_counted_by_the_server() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        let resume = peer.resume();
        assert_eq!(resume.insert[0].ignore, 4);
        Scene::new(2, 1, 1001, StopKind::Interrupted, CODE).push(peer);
        list_sites(peer, &[(1, 2)]);
        let resume = peer.resume();
        assert!(resume.insert.is_empty() && resume.remove.is_empty(), "the server knows");
        Scene::new(3, 1, 1001, StopKind::Breakpoint, CALL).sites(&[1]).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    let spec = BreakpointSpec { passes: 5, ..at(CALL) };
    let id = engine.add_breakpoint(spec).expect("added");
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Interrupted);
    engine.count_passes().expect("told");
    let view = &engine.breakpoints()[0];
    assert_eq!((view.hits, view.passes_left, view.passes_initial), (2, 3, 5));
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Breakpoints(vec![id]));
    engine.count_passes().expect("nothing is left to ask");
    let view = &engine.breakpoints()[0];
    assert_eq!((view.hits, view.passes_left, view.passes_initial), (5, 1, 5));
    session.end();
}

#[test]
fn passes_do_not_count_while_stepping() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        assert!(peer.resume().insert.is_empty(), "it would not stop the step");
        Scene::new(2, 1, 1001, StopKind::Step, CALL).push(peer);
        let resume = peer.resume();
        assert_eq!((sites(&resume), resume.insert[0].ignore), (vec![(1, 0x40_2000)], 3));
        Scene::new(3, 1, 1001, StopKind::Interrupted, CALL).push(peer);
        list_sites(peer, &[(1, 2)]);
        let over = peer.resume();
        assert_eq!((over.insert.len(), over.remove), (1, vec![1]));
        let behind = over.insert[0].id;
        Scene::new(4, 1, 1001, StopKind::Breakpoint, REP).sites(&[behind]).push(peer);
        let resume = peer.resume();
        let anew: Vec<_> = resume.insert.iter().map(|site| (site.address, site.ignore)).collect();
        assert_eq!((anew, resume.remove), (vec![(0x40_2000, 2)], vec![behind]));
        Scene::new(5, 1, 1001, StopKind::Interrupted, CODE).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    engine.add_breakpoint(BreakpointSpec { passes: 4, ..at(0x40_2000) }).expect("added");
    engine.execute(Execution::StepInto { signal: SignalAction::Default }).expect("steps");
    assert_eq!(next_stop(engine), StopCause::Step);
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Interrupted);
    engine.execute(Execution::StepOver { signal: SignalAction::Default }).expect("steps");
    assert_eq!(next_stop(engine), StopCause::Step);
    assert_eq!(engine.breakpoints()[0].passes_left, 3);
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Interrupted);
    session.end();
}

fn list_sites(peer: &mut Peer, left: &[(u32, u64)]) {
    let list = peer.expect::<ListSites>();
    let state =
        |(id, ignore): &(u32, u64)| SiteState { id: *id, ignore: *ignore, ..SiteState::default() };
    let sites = left.iter().map(state).collect();
    peer.answer(&list, ListSitesReply { sites, hardware_total: 4, hardware_used: 0 });
}

fn watching(address: u64, access: Access, len_bytes: u32) -> BreakpointSpec {
    BreakpointSpec { watch: Some(Watch { access, len_bytes }), ..at(address) }
}

#[test]
fn what_the_cpu_watches_travels_with_kind_and_length() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        let resume = peer.resume();
        let kinds: Vec<_> = resume.insert.iter().map(|site| (site.kind(), site.len)).collect();
        assert_eq!(kinds, [(SiteKind::HardwareWrite, 4), (SiteKind::HardwareExecute, 1)]);
        let mut scene = Scene::new(2, 1, 1001, StopKind::Watchpoint, REP).sites(&[1]);
        scene.stopped.watched = 0x40_3000;
        scene.push(peer);
        // The place must be free before another can have it.
        let remove = peer.expect::<RemoveSites>();
        assert_eq!(remove.verb.ids, [1]);
        peer.answer(&remove, RemoveSitesReply {});
        let resume = peer.resume();
        assert_eq!((sites(&resume), resume.remove), (vec![(3, 0x40_3008)], vec![]));
        Scene::new(3, 1, 1001, StopKind::Breakpoint, CALL).sites(&[2]).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    let data = engine.add_breakpoint(watching(0x40_3000, Access::Write, 4)).expect("added");
    let code = engine.add_breakpoint(watching(CALL, Access::Execute, 1)).expect("added");
    let odd = engine.add_breakpoint(watching(0x40_3001, Access::Write, 4)).expect_err("odd");
    assert_eq!(odd.kind(), ErrorKind::Invalid);
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Breakpoints(vec![data]));
    engine.remove_breakpoint(data).expect("there");
    engine.add_breakpoint(watching(0x40_3008, Access::ReadWrite, 8)).expect("added");
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Breakpoints(vec![code]));
    session.end();
}

#[test]
fn when_no_place_is_free_those_who_have_them_are_named() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        let resume = peer.expect::<Resume>();
        peer.refuse(&resume, ErrorCode::LimitReached, "all 4 are in use");
        let insert = peer.expect::<InsertSites>();
        let fault = dbgwire::Fault::new(ErrorCode::LimitReached, "all 4 are in use");
        let fault = SiteFault { id: 5, fault: Some(FaultMessage::from(&fault)) };
        peer.answer(&insert, InsertSitesReply { faults: vec![fault] });
    });
    let engine = session.engine();
    launch(engine);
    for index in 0..5 {
        engine.add_breakpoint(watching(0x40_3000 + index, Access::Write, 1)).expect("added");
    }
    let error = engine.execute(GO).expect_err("one too many");
    assert_eq!(error.kind(), ErrorKind::LimitReached);
    assert!(error.to_string().ends_with("the CPU watches for breakpoints 0, 1, 2, 3"), "{error}");
    session.end();
}

#[test]
fn one_shots_and_temporary_ones_are_gone_after_a_stop() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        let resume = peer.resume();
        assert_eq!(sites(&resume), [(1, CALL), (2, REP), (3, CODE)]);
        Scene::new(2, 1, 1001, StopKind::Breakpoint, REP).sites(&[2]).push(peer);
        let resume = peer.resume();
        assert_eq!((sites(&resume), resume.remove), (vec![], vec![2, 3]));
        Scene::new(3, 1, 1001, StopKind::Breakpoint, CALL).sites(&[1]).push(peer);
        assert_eq!(peer.resume().remove, [1]);
        Scene::new(4, 1, 1001, StopKind::Signal, CALL).signal(10, 0).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    let id = engine.add_breakpoint(BreakpointSpec { one_shot: true, ..at(CALL) }).expect("added");
    let until = vec![Address::new(REP), Address::new(CODE)];
    engine.execute(Execution::Go { signal: SignalAction::Default, until }).expect("runs");
    assert_eq!(next_stop(engine), StopCause::TemporaryBreakpoint);
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Breakpoints(vec![id]));
    assert!(engine.breakpoints().is_empty());
    engine.execute(GO).expect("runs");
    assert!(matches!(next_stop(engine), StopCause::Signal { .. }));
    let until = vec![Address::new(CODE); 11];
    let error = engine.execute(Execution::Go { signal: SignalAction::Default, until });
    assert_eq!(error.expect_err("too many").kind(), ErrorKind::LimitReached);
    session.end();
}

#[test]
fn a_breakpoint_of_one_thread_is_filtered_by_both_ends() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        peer.resume();
        Scene::new(2, 1, 1001, StopKind::Signal, CODE).signal(10, 0).born(&[1002]).push(peer);
        let resume = peer.resume();
        assert_eq!(resume.insert[0].tid, 1002);
        // A server that does not filter.
        Scene::new(3, 1, 1001, StopKind::Breakpoint, CALL).sites(&[1]).push(peer);
        peer.resume();
        Scene::new(4, 1, 1002, StopKind::Breakpoint, CALL).sites(&[1]).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    engine.execute(GO).expect("runs");
    next_stop(engine);
    let thread = Some((ProcessNumber(0), ThreadNumber(1)));
    let id = engine.add_breakpoint(BreakpointSpec { thread, ..at(CALL) }).expect("added");
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Breakpoints(vec![id]));
    assert_eq!(engine.event_thread(), thread);
    let thread = Some((ProcessNumber(0), ThreadNumber(7)));
    let error = engine.add_breakpoint(BreakpointSpec { thread, ..at(CALL) });
    assert_eq!(error.expect_err("no such thread").kind(), ErrorKind::NoSuchThread);
    session.end();
}

#[test]
fn a_breakpoint_that_cannot_be_set_is_named_and_nothing_runs() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        let resume = peer.expect::<Resume>();
        peer.refuse(&resume, ErrorCode::Unwritable, "nothing is mapped at 0x10");
        // Which one it was is found out by setting them one by one.
        let insert = peer.expect::<InsertSites>();
        assert_eq!(insert.verb.sites, resume.verb.insert);
        let fault = FaultMessage {
            code: ErrorCode::Unwritable.number(),
            errno: None,
            detail: "nothing is mapped there".to_owned(),
        };
        let faults = vec![SiteFault { id: insert.verb.sites[1].id, fault: Some(fault) }];
        peer.answer(&insert, InsertSitesReply { faults });
        // The good one is set already; the bad one is gone.
        let resume = peer.resume();
        assert!(resume.insert.is_empty() && resume.remove.is_empty());
        Scene::new(2, 1, 1001, StopKind::Breakpoint, CALL).sites(&[1]).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    let good = engine.add_breakpoint(at(CALL)).expect("added");
    let bad = engine.add_breakpoint(at(0x10)).expect("added");
    let error = engine.execute(GO).expect_err("cannot be set");
    assert_eq!(error.kind(), ErrorKind::Unwritable);
    assert_eq!(
        error.to_string(),
        "breakpoint 1 at 00000000`00000010 cannot be set: nothing is mapped there"
    );
    assert!(!engine.is_running());
    engine.remove_breakpoint(bad).expect("there");
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Breakpoints(vec![good]));
    session.end();
}

#[test]
fn a_step_onto_a_breakpoint_tells_of_it() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        peer.resume();
        Scene::new(2, 1, 1001, StopKind::Step, CODE + 1).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    let id = engine.add_breakpoint(at(CODE + 1)).expect("added");
    engine.execute(Execution::StepInto { signal: SignalAction::Default }).expect("steps");
    assert_eq!(next_stop(engine), StopCause::Breakpoints(vec![id]));
    session.end();
}

#[test]
fn a_new_program_forgets_sites_and_disables_addresses() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        assert_eq!(sites(&peer.resume()), [(1, CALL)]);
        Scene::new(2, 1, 1001, StopKind::Exec, CODE).push(peer);
        let resume = peer.resume();
        assert!(resume.insert.is_empty() && resume.remove.is_empty(), "the old sites are no more");
        Scene::new(3, 1, 1001, StopKind::Signal, CODE).signal(10, 0).push(peer);
        assert_eq!(sites(&peer.resume()), [(2, CALL)]);
        Scene::new(4, 1, 1001, StopKind::Breakpoint, CALL).sites(&[2]).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    let id = engine.add_breakpoint(at(CALL)).expect("added");
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Exec);
    assert!(!engine.breakpoints()[0].enabled);
    engine.execute(GO).expect("runs");
    next_stop(engine);
    engine.enable_breakpoint(id, true).expect("there");
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Breakpoints(vec![id]));
    session.end();
}

#[test]
fn breakpoints_need_a_target_and_vanish_with_it() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        peer.resume();
        let exited = dbgwire::event::Exited {
            target: 1,
            status: Some(0),
            signal: None,
            left: String::new(),
        };
        peer.event(&exited, &[]);
    });
    let engine = session.engine();
    assert_eq!(engine.add_breakpoint(at(CODE)).expect_err("dormant").kind(), ErrorKind::NoTarget);
    launch(engine);
    engine.add_breakpoint(at(CODE)).expect("added");
    let unknown = engine.remove_breakpoint(BreakpointId(9)).expect_err("no such");
    assert_eq!(unknown.kind(), ErrorKind::NoSuchBreakpoint);
    engine.execute(GO).expect("runs");
    assert!(matches!(crate::scene::next_event(engine).kind, EventKind::Exited(_)));
    assert!(engine.breakpoints().is_empty());
    session.end();
}
