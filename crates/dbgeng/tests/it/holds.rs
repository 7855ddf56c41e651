//! Threads that are suspended, frozen, or the only ones to run.

use dbgeng::{
    Engine, ErrorKind, Execution, Hold, LaunchOptions, ProcessNumber, SignalAction, StopCause,
    ThreadNumber,
};
use dbgwire::ErrorCode;
use dbgwire::event::StopKind;
use dbgwire::verbs::resume::{Resume, RunKind};
use dbgwire::verbs::thread::{HoldChange, HoldThreads, HoldThreadsReply};

use crate::peer::{Peer, Session};
use crate::scene::{CODE, GO, Scene, launch, next_stop, serve_launch};

const P0: ProcessNumber = ProcessNumber(0);
const STEP: Execution = Execution::StepInto { signal: SignalAction::Default };

/// Has the server answer a HoldThreads, and returns what it asked for.
fn serve_hold(peer: &mut Peer, suspends: &[u32]) -> (Vec<u32>, HoldChange) {
    let hold = peer.expect::<HoldThreads>();
    peer.answer(&hold, HoldThreadsReply { suspends: suspends.to_vec() });
    (hold.verb.tids.clone(), hold.verb.change())
}

/// A second thread, 1002, is born while the targets run.
fn serve_birth(peer: &mut Peer) {
    peer.resume();
    Scene::new(2, 1, 1001, StopKind::Interrupted, CODE).born(&[1002]).push(peer);
}

fn launch_with_two_threads(engine: &mut Engine) {
    launch(engine);
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Interrupted);
}

fn holds(engine: &Engine) -> Vec<(u32, bool)> {
    let process = engine.process(P0).expect("there");
    process.threads().iter().map(|thread| (thread.suspends, thread.is_frozen)).collect()
}

fn actions(resume: &Resume) -> Vec<(u32, RunKind, u32)> {
    let action =
        |action: &dbgwire::verbs::resume::ThreadAction| (action.tid, action.run(), action.signal);
    resume.actions.iter().map(action).collect()
}

#[test]
fn holds_are_the_servers_and_shown_with_the_threads() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        serve_birth(peer);
        assert_eq!(serve_hold(peer, &[1, 1]), (vec![1001, 1002], HoldChange::Suspend));
        assert_eq!(serve_hold(peer, &[1]), (vec![1002], HoldChange::Freeze));
        assert_eq!(serve_hold(peer, &[0]), (vec![1001], HoldChange::Resume));
        let hold = peer.expect::<HoldThreads>();
        peer.refuse(&hold, ErrorCode::NoSuchThread, "no thread 1002");
        peer.resume();
        Scene::new(3, 1, 1001, StopKind::Exec, CODE).push(peer);
    });
    let engine = session.engine();
    launch_with_two_threads(engine);
    let both = [ThreadNumber(0), ThreadNumber(1)];
    engine.hold_threads(P0, &both, Hold::Suspend).expect("held");
    engine.hold_threads(P0, &both[1..], Hold::Freeze).expect("held");
    engine.hold_threads(P0, &both[..1], Hold::Resume).expect("held");
    assert_eq!(holds(engine), [(0, false), (1, true)]);
    let gone = engine.hold_threads(P0, &both, Hold::Unfreeze).expect_err("refused");
    assert_eq!(gone.kind(), ErrorKind::NoSuchThread);
    assert_eq!(holds(engine), [(0, false), (1, true)], "all or none");
    let unknown = engine.hold_threads(P0, &[ThreadNumber(7)], Hold::Freeze).expect_err("unknown");
    assert_eq!(unknown.kind(), ErrorKind::NoSuchThread);
    engine.execute(GO).expect("one can run");
    assert_eq!(next_stop(engine), StopCause::Exec);
    assert_eq!(holds(engine), [(0, false), (0, false)], "the new program has none");
    session.end();
}

#[test]
fn nothing_runs_when_everything_is_held() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        serve_birth(peer);
        serve_hold(peer, &[0]);
        serve_hold(peer, &[1]);
    });
    let engine = session.engine();
    launch_with_two_threads(engine);
    engine.hold_threads(P0, &[ThreadNumber(0)], Hold::Freeze).expect("held");
    let step = engine.execute(STEP).expect_err("the thread is frozen");
    assert_eq!(
        (step.kind(), step.to_string().as_str()),
        (ErrorKind::Invalid, "thread 0 (1001) is suspended or frozen",)
    );
    engine.hold_threads(P0, &[ThreadNumber(1)], Hold::Suspend).expect("held");
    let run = engine.execute(GO).expect_err("both are held");
    assert_eq!(run.to_string(), "every thread is suspended or frozen");
    assert!(!engine.is_running());
    session.end();
}

#[test]
fn a_process_whose_threads_are_all_held_stays_where_it_is() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        serve_launch(peer, 2);
        serve_hold(peer, &[0]);
        assert_eq!(peer.resume().target, 2);
        // Nobody interrupts the other one, which never ran.
        Scene::new(3, 2, 1002, StopKind::Signal, CODE).signal(10, 0).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    engine.launch(&LaunchOptions::new("/bin/other")).expect("launches");
    assert_eq!(next_stop(engine), StopCause::InitialBreak);
    engine.hold_threads(P0, &[ThreadNumber(0)], Hold::Freeze).expect("held");
    engine.execute(GO).expect("the other one runs");
    assert!(matches!(next_stop(engine), StopCause::Signal { .. }));
    session.end();
}

#[test]
fn one_thread_runs_alone_and_others_keep_their_signals() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        serve_launch(peer, 2);
        let (first, second) = (peer.resume(), peer.resume());
        assert_eq!((first.target, second.target), (1, 2));
        Scene::new(3, 1, 1001, StopKind::Signal, CODE).born(&[1005]).signal(10, 0).push(peer);
        assert_eq!(peer.interrupt(), 2);
        Scene::new(4, 2, 1002, StopKind::Interrupted, CODE).push(peer);
        let alone = peer.resume();
        assert_eq!(alone.target, 1);
        let kept = [(1005, RunKind::Continue, 0), (1001, RunKind::Stay, 10)];
        assert_eq!(actions(&alone), kept);
        Scene::new(5, 1, 1005, StopKind::Interrupted, CODE).push(peer);
        let alone = peer.resume();
        assert_eq!(actions(&alone), [(1005, RunKind::Step, 0)]);
        Scene::new(6, 1, 1005, StopKind::Step, CODE + 1).push(peer);
        let (first, second) = (peer.resume(), peer.resume());
        assert_eq!((first.target, second.target), (1, 2));
        assert_eq!(actions(&first), [(0, RunKind::Continue, 0)], "all again");
        Scene::new(7, 1, 1001, StopKind::Interrupted, CODE).push(peer);
        assert_eq!(peer.interrupt(), 2);
        Scene::new(8, 2, 1002, StopKind::Interrupted, CODE).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    engine.launch(&LaunchOptions::new("/bin/other")).expect("launches");
    assert_eq!(next_stop(engine), StopCause::InitialBreak);
    engine.execute(GO).expect("runs");
    assert!(matches!(next_stop(engine), StopCause::Signal { .. }));
    engine.set_current_thread(P0, ThreadNumber(1)).expect("there");
    engine.execute_alone(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Interrupted);
    engine.execute_alone(STEP).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Step);
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Interrupted);
    session.end();
}
