//! What is told of events and signals, what stops targets, and what the server learns of that.

use std::collections::BTreeSet;

use dbgbase::{ExitStatus, Pid, Signal};
use dbgeng::{
    Engine, ErrorKind, EventFilters, EventKind, Interest, ProcessNumber, SignalFilter,
    SignalInterest, StopCause, SyscallFilter,
};
use dbgwire::ErrorCode;
use dbgwire::event::{Created, Modules, SignalDetail, Signalled, StopKind};
use dbgwire::verbs::file::{
    CloseFile, CloseFileReply, OpenFile, OpenFileReply, ReadFile, ReadFileReply,
};
use dbgwire::verbs::module::ModuleDescription;
use dbgwire::verbs::resume::{
    CatchSyscalls, CatchSyscallsReply, ChildPolicy, Resume, SetEvents, SetEventsReply, SetSignals,
    SetSignalsReply,
};

use crate::peer::{Peer, Session};
use crate::scene::{CODE, GO, Scene, launch, next_event, next_stop, serve_launch};

/// The kernel's numbers of the tests' signals.
const USR1: u32 = 10;

fn filters(change: impl FnOnce(&mut EventFilters)) -> EventFilters {
    let mut filters = EventFilters::initial();
    change(&mut filters);
    filters
}

fn for_usr1(interest: SignalInterest, is_passed: bool) -> EventFilters {
    let filter = SignalFilter { interest, is_passed };
    filters(|filters| filters.set_signal(Signal::SIGUSR1, filter))
}

fn serve_events(peer: &mut Peer) -> SetEvents {
    let events = peer.expect::<SetEvents>();
    peer.answer(&events, SetEventsReply {});
    events.verb
}

/// The policies that come: signal, stop, pass, print.
fn serve_signals(peer: &mut Peer) -> Vec<(u32, bool, bool, bool)> {
    let signals = peer.expect::<SetSignals>();
    peer.answer(&signals, SetSignalsReply {});
    let policies = signals.verb.policies.iter();
    policies.map(|policy| (policy.signal, policy.stop, policy.pass, policy.print)).collect()
}

/// What a Resume gives threads.
fn given(resume: &Resume) -> Vec<(u32, u32)> {
    let given = resume.actions.iter().filter(|action| action.signal != 0);
    given.map(|action| (action.tid, action.signal)).collect()
}

fn signal_stop(stop: u64, peer: &mut Peer) {
    Scene::new(stop, 1, 1001, StopKind::Signal, CODE).signal(USR1, 0).push(peer);
}

#[test]
fn the_server_learns_of_changes_before_the_target_runs() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        let events = serve_events(peer);
        assert_eq!((events.target, events.children()), (1, ChildPolicy::Follow));
        assert!(events.forks && events.thread_births && !events.thread_ends && !events.modules);
        assert_eq!(serve_signals(peer), [(USR1, false, true, true), (14, true, false, false)]);
        let calls = peer.expect::<CatchSyscalls>();
        assert_eq!((calls.verb.all, calls.verb.numbers.as_slice()), (false, &[0, 257][..]));
        peer.answer(&calls, CatchSyscallsReply {});
        peer.resume();
        Scene::new(2, 1, 1001, StopKind::Interrupted, CODE).push(peer);
        // Only what has changed since.
        let calls = peer.expect::<CatchSyscalls>();
        assert_eq!((calls.verb.all, calls.verb.numbers.len()), (false, 0));
        peer.answer(&calls, CatchSyscallsReply {});
        peer.resume();
        Scene::new(3, 1, 1001, StopKind::Interrupted, CODE).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    let mut wanted = for_usr1(SignalInterest::Output, true);
    let stops = SignalFilter { interest: SignalInterest::Stop, is_passed: false };
    wanted.set_signal(Signal::SIGALRM, stops);
    wanted.follows_children = true;
    wanted.vforks = Interest::Output;
    wanted.thread_births = Interest::Stop;
    wanted.syscalls = Interest::Stop;
    wanted.syscalls_caught = SyscallFilter::Some(BTreeSet::from([257, 0]));
    engine.set_filters(wanted.clone());
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Interrupted);
    wanted.syscalls = Interest::Ignore;
    engine.set_filters(wanted);
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Interrupted);
    session.end();
}

#[test]
fn system_calls_that_cannot_be_caught_keep_the_target_where_it_is() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        let calls = peer.expect::<CatchSyscalls>();
        peer.refuse(&calls, ErrorCode::Unsupported, "this kernel does not tell");
        peer.resume();
        Scene::new(2, 1, 1001, StopKind::Interrupted, CODE).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    engine.set_filters(filters(|filters| {
        filters.syscalls = Interest::Stop;
        filters.syscalls_caught = SyscallFilter::All;
    }));
    let refused = engine.execute(GO).expect_err("refused");
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(refused.to_string().starts_with("system calls cannot be caught: "), "{refused}");
    assert!(!engine.is_running());
    engine.set_filters(EventFilters::initial());
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Interrupted);
    session.end();
}

#[test]
fn what_nobody_stops_for_is_told_and_the_run_goes_on() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        serve_events(peer);
        peer.resume();
        let mut scene = Scene::new(2, 1, 1002, StopKind::ThreadBorn, CODE).born(&[1002]);
        scene.push(peer);
        peer.resume();
        scene = Scene::new(3, 1, 1001, StopKind::Forked, CODE);
        scene.stopped.child = 4711;
        scene.push(peer);
        peer.resume();
        let detail = SignalDetail { number: 14, code: 0x80, address: None, sender: None };
        peer.event(&Signalled { target: 1, tid: 1002, signal: Some(detail) }, &[]);
        peer.event(&Signalled { target: 9, tid: 1, signal: Some(detail) }, &[]);
        Scene::new(4, 1, 1001, StopKind::ThreadEnding, CODE).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    engine.set_filters(filters(|filters| {
        filters.thread_births = Interest::Output;
        filters.forks = Interest::Output;
        filters.thread_ends = Interest::Stop;
    }));
    engine.execute(GO).expect("runs");
    let event = next_event(engine);
    assert_eq!(event.kind, EventKind::Passed(StopCause::ThreadBorn));
    assert_eq!(event.thread.map(|(thread, tid)| (thread.0, tid.value())), Some((1, 1002)));
    assert_eq!(engine.current().map(|(_, thread)| thread.0), Some(0), "nothing has stopped");
    let forked = StopCause::Forked { child: Pid::new(4711), borrows: false };
    assert_eq!(next_event(engine).kind, EventKind::Passed(forked));
    let event = next_event(engine);
    assert!(engine.is_running());
    let EventKind::Passed(StopCause::Signal { signal, is_second_chance: false, .. }) = event.kind
    else {
        panic!("{event:?}");
    };
    assert_eq!(signal, Signal::SIGALRM);
    assert_eq!(next_stop(engine), StopCause::ThreadEnding(ExitStatus::Exited(0)));
    session.end();
}

#[test]
fn a_signal_that_counts_as_handled_is_not_given() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        assert_eq!(serve_signals(peer), [(USR1, true, false, false)]);
        peer.resume();
        signal_stop(2, peer);
        assert_eq!(given(&peer.resume()), []);
        signal_stop(3, peer);
        let not_handled = peer.resume();
        assert_eq!(given(&not_handled), [(1001, USR1)]);
        Scene::new(4, 1, 1001, StopKind::Interrupted, CODE).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    engine.set_filters(for_usr1(SignalInterest::Stop, false));
    engine.execute(GO).expect("runs");
    assert!(matches!(next_stop(engine), StopCause::Signal { .. }));
    engine.execute(GO).expect("runs");
    assert!(matches!(next_stop(engine), StopCause::Signal { .. }));
    let signal = dbgeng::SignalAction::NotHandled;
    engine.execute(dbgeng::Execution::Go { signal, until: Vec::new() }).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Interrupted);
    session.end();
}

/// Answers what a program does with signals.
fn serve_status(peer: &mut Peer, text: &str) {
    let open = peer.expect::<OpenFile>();
    assert_eq!(open.verb.path, b"/proc/1001/status");
    peer.answer(&open, OpenFileReply { file: 3, size: 0, ..OpenFileReply::default() });
    let read = peer.expect::<ReadFile>();
    peer.answer_with(&read, ReadFileReply::default(), text.as_bytes());
    let close = peer.expect::<CloseFile>();
    assert_eq!(close.verb.file, 3);
    peer.answer(&close, CloseFileReply {});
}

#[test]
fn the_second_chance_is_known_by_asking_the_system() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        // To the server it is a stop like any.
        peer.resume();
        signal_stop(2, peer);
        serve_status(peer, "SigIgn:\t0000000000000000\nSigCgt:\t0000000000000200\n");
        assert_eq!(given(&peer.resume()), [(1001, USR1)]);
        signal_stop(3, peer);
        serve_status(peer, "SigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n");
        assert_eq!(given(&peer.resume()), [(1001, USR1)]);
        signal_stop(4, peer);
        let open = peer.expect::<OpenFile>();
        peer.refuse(&open, ErrorCode::NoSuchFile, "no such file");
    });
    let engine = session.engine();
    launch(engine);
    engine.set_filters(for_usr1(SignalInterest::Unhandled, true));
    engine.execute(GO).expect("runs");
    let first = next_event(engine);
    let EventKind::Passed(StopCause::Signal { is_second_chance: false, .. }) = first.kind else {
        panic!("{first:?}");
    };
    assert!(matches!(next_stop(engine), StopCause::Signal { is_second_chance: true, .. }));
    engine.execute(GO).expect("runs");
    // What cannot be asked is told.
    assert!(matches!(next_stop(engine), StopCause::Signal { is_second_chance: true, .. }));
    session.end();
}

fn module(path: &str, base: u64, is_program: bool) -> ModuleDescription {
    let path = path.as_bytes().to_vec();
    ModuleDescription { base, size: 0x1000, path, is_program, ..Default::default() }
}

fn follow(engine: &mut Engine, change: impl FnOnce(&mut EventFilters)) {
    engine.set_filters(filters(|filters| {
        filters.follows_children = true;
        change(filters);
    }));
}

#[test]
fn a_process_that_a_target_makes_is_another_one() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        serve_events(peer);
        peer.resume();
        peer.event(&Created { target: 2, parent: 1, pid: 1002, created: true }, &[]);
        Scene::new(2, 2, 1002, StopKind::Born, CODE).born(&[1002]).push(peer);
        assert_eq!(peer.interrupt(), 1);
        Scene::new(3, 1, 1001, StopKind::Interrupted, CODE).push(peer);
        // It begins with what its maker has: nothing is to be said again.
        assert_eq!((peer.resume().target, peer.resume().target), (1, 2));
        Scene::new(4, 2, 1002, StopKind::Interrupted, CODE).push(peer);
        assert_eq!(peer.interrupt(), 1);
        Scene::new(5, 1, 1001, StopKind::Interrupted, CODE).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    follow(engine, |_| {});
    engine.execute(GO).expect("runs");
    let event = next_event(engine);
    assert_eq!(
        (event.process, event.kind),
        (ProcessNumber(1), EventKind::Stopped(StopCause::Born))
    );
    let child = engine.process(ProcessNumber(1)).expect("there");
    let facts = (child.pid, child.parent, child.created, child.name.as_str());
    assert_eq!(facts, (Pid::new(1002), Some(ProcessNumber(0)), true, "prog"));
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Interrupted);
    session.end();
}

#[test]
fn one_that_executes_a_program_at_once_begins_as_a_launched_one() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        serve_events(peer);
        peer.resume();
        peer.event(&Created { target: 2, parent: 1, pid: 1002, created: true }, &[]);
        let linked = [module("/bin/child", 0x1000, true), module("/lib/ld.so", 0x9000, false)];
        let mut scene = Scene::new(2, 2, 1002, StopKind::Exec, CODE);
        scene.stopped.modules = Some(Modules { modules: linked.to_vec() });
        scene.push(peer);
        assert_eq!(peer.resume().target, 2);
        Scene::new(3, 2, 1002, StopKind::InitialBreak, CODE).push(peer);
        assert_eq!(peer.interrupt(), 1);
        Scene::new(4, 1, 1001, StopKind::Interrupted, CODE).push(peer);
        assert_eq!((peer.resume().target, peer.resume().target), (1, 2));
        // A static one has nothing to wait for.
        peer.event(&Created { target: 3, parent: 1, pid: 1003, created: true }, &[]);
        let alone = [module("/bin/static", 0x1000, true), module("[vdso]", 0x9000, false)];
        let mut scene = Scene::new(5, 3, 1003, StopKind::Exec, CODE);
        scene.stopped.modules = Some(Modules { modules: alone.to_vec() });
        scene.push(peer);
        assert_eq!((peer.interrupt(), peer.interrupt()), (1, 2));
        Scene::new(6, 1, 1001, StopKind::Interrupted, CODE).push(peer);
        Scene::new(7, 2, 1002, StopKind::Interrupted, CODE).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    follow(engine, |filters| filters.executions = Interest::Output);
    engine.execute(GO).expect("runs");
    let event = next_event(engine);
    assert_eq!(event.process, ProcessNumber(1));
    assert_eq!(event.kind, EventKind::Stopped(StopCause::InitialBreak));
    assert_eq!(engine.process(ProcessNumber(1)).expect("there").name, "child");
    engine.execute(GO).expect("runs");
    let event = next_event(engine);
    assert_eq!(event.process, ProcessNumber(2));
    assert_eq!(event.kind, EventKind::Stopped(StopCause::InitialBreak));
    session.end();
}
