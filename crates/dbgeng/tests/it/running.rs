//! Running, stepping, breaking in, and ending.

use std::time::Duration;

use dbgbase::{Address, ExitStatus, Pid, Signal};
use dbgeng::{ErrorKind, EventKind, Execution, SignalAction, StopCause};
use dbgwire::ErrorCode;
use dbgwire::event::{Exited, StopKind};
use dbgwire::verbs::process::{
    Attach, AttachReply, Detach, DetachReply, Kill, KillReply, ListProcesses, ListProcessesReply,
    ProcessDescription,
};
use dbgwire::verbs::resume::{Resume, ResumeReply, RunKind, SendSignal, SendSignalReply};
use dbgwire::verbs::site::{InsertSites, InsertSitesReply, SiteFault};

use crate::peer::Session;
use crate::scene::{CALL, CODE, GO, REP, SP, Scene, launch, next_event, next_stop, serve_launch};

const STEP_INTO: Execution = Execution::StepInto { signal: SignalAction::Default };
const STEP_OVER: Execution = Execution::StepOver { signal: SignalAction::Default };

/// What the actions of a Resume say: thread, what it does, its signal.
fn actions(resume: &Resume) -> Vec<(u32, RunKind, u32)> {
    let action = |action: &dbgwire::verbs::resume::ThreadAction| {
        (action.tid, RunKind::try_from(action.run).expect("known"), action.signal)
    };
    resume.actions.iter().map(action).collect()
}

#[test]
fn a_run_resumes_from_the_stop_it_saw_and_ends_with_the_process() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        let resume = peer.resume();
        assert_eq!((resume.target, resume.stop), (1, 1));
        assert_eq!(actions(&resume), [(0, RunKind::Continue, 0)]);
        assert!(resume.insert.is_empty() && resume.remove.is_empty());
        peer.event(&Exited { target: 1, status: Some(3), signal: None, left: String::new() }, &[]);
    });
    let engine = session.engine();
    launch(engine);
    let process = engine.processes()[0];
    assert_eq!((process.number.0, process.pid, process.created), (0, Pid::new(1001), true));
    assert!(!engine.is_running());
    engine.execute(GO).expect("runs");
    assert!(engine.is_running());
    assert_eq!(engine.execute(GO).expect_err("runs already").kind(), ErrorKind::NotStopped);
    assert_eq!(engine.registers().expect_err("runs").kind(), ErrorKind::NotStopped);
    let event = next_event(engine);
    assert_eq!(event.kind, EventKind::Exited(ExitStatus::Exited(3)));
    assert_eq!((event.pid, event.thread), (Pid::new(1001), None));
    assert!(engine.processes().is_empty() && engine.current().is_none());
    let idle = engine.wait_for_event(None).expect_err("nothing is debugged");
    assert_eq!(idle.kind(), ErrorKind::NoTarget);
    session.end();
}

#[test]
fn a_process_that_the_server_lets_go_is_gone_and_not_ended() {
    let left = "it has executed a 32-bit program".to_owned();
    let why = left.clone();
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        peer.resume();
        peer.event(&Exited { target: 1, status: None, signal: None, left }, &[]);
    });
    let engine = session.engine();
    launch(engine);
    engine.execute(GO).expect("runs");
    assert_eq!(next_event(engine).kind, EventKind::Left(why));
    assert!(engine.processes().is_empty() && engine.current().is_none());
    session.end();
}

#[test]
fn waiting_without_a_run_is_an_error_and_a_timeout_is_none() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        peer.resume();
        peer.interrupt();
        Scene::new(2, 1, 1001, StopKind::Interrupted, CODE).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    let idle = engine.wait_for_event(None).expect_err("nothing runs");
    assert_eq!(idle.kind(), ErrorKind::Invalid);
    engine.execute(GO).expect("runs");
    assert_eq!(engine.wait_for_event(Some(Duration::from_millis(1))).expect("no failure"), None);
    engine.interrupter().interrupt();
    assert_eq!(next_stop(engine), StopCause::Interrupted);
    assert!(!engine.take_interrupt(), "the wish is fulfilled");
    session.end();
}

#[test]
fn an_interrupt_from_another_thread_wakes_the_wait() {
    let (started, has_started) = std::sync::mpsc::channel();
    let mut session = Session::new(move |peer| {
        serve_launch(peer, 1);
        peer.resume();
        started.send(()).expect("the test waits");
        assert_eq!(peer.interrupt(), 1);
        Scene::new(2, 1, 1001, StopKind::Interrupted, CODE).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    let interrupter = engine.interrupter();
    let user = std::thread::spawn(move || {
        has_started.recv().expect("the server tells");
        interrupter.interrupt();
    });
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Interrupted);
    user.join().expect("no panic");
    session.end();
}

#[test]
fn a_loop_of_steps_ends_when_an_interrupt_is_wanted() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        peer.resume();
        peer.interrupt();
        // The step was done before the interrupt came: the next run is interrupted at once.
        Scene::new(2, 1, 1001, StopKind::Step, CODE + 1).push(peer);
        peer.resume();
        peer.interrupt();
        Scene::new(3, 1, 1001, StopKind::Interrupted, CODE + 1).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    engine.execute(STEP_INTO).expect("steps");
    engine.interrupter().interrupt();
    assert_eq!(next_stop(engine), StopCause::Step);
    engine.execute(STEP_INTO).expect("steps");
    assert_eq!(next_stop(engine), StopCause::Interrupted);
    assert!(!engine.take_interrupt(), "the wish is fulfilled");
    session.end();
}

#[test]
fn a_step_into_steps_the_current_thread_and_lets_the_others_run() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        let resume = peer.resume();
        assert_eq!(actions(&resume), [(1001, RunKind::Step, 0), (0, RunKind::Continue, 0)]);
        Scene::new(2, 1, 1001, StopKind::Step, CODE + 1).born(&[1002]).push(peer);
        let resume = peer.resume();
        assert_eq!(actions(&resume), [(1002, RunKind::Step, 0), (0, RunKind::Continue, 0)]);
        Scene::new(3, 1, 1002, StopKind::Step, CODE + 2).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    engine.execute(STEP_INTO).expect("steps");
    assert_eq!(next_stop(engine), StopCause::Step);
    let (process, _) = engine.current().expect("one");
    engine.set_current_thread(process, dbgeng::ThreadNumber(1)).expect("the new one");
    engine.execute(STEP_INTO).expect("steps");
    let event = next_event(engine);
    assert_eq!(event.thread.map(|(number, tid)| (number.0, tid.value())), Some((1, 1002)));
    session.end();
}

#[test]
fn a_step_over_an_ordinary_instruction_is_a_step() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        let resume = peer.resume();
        assert_eq!(actions(&resume), [(1001, RunKind::Step, 0), (0, RunKind::Continue, 0)]);
        Scene::new(2, 1, 1001, StopKind::Step, CODE + 1).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    engine.execute(STEP_OVER).expect("steps, without asking for the code");
    assert_eq!(next_stop(engine), StopCause::Step);
    session.end();
}

#[test]
fn a_step_over_a_call_runs_to_the_instruction_behind_it_and_not_to_a_deeper_return() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        peer.resume();
        Scene::new(2, 1, 1001, StopKind::Step, CALL).push(peer);
        let resume = peer.resume();
        assert_eq!(actions(&resume), [(0, RunKind::Continue, 0)]);
        let [site] = &resume.insert[..] else { panic!("{resume:?}") };
        assert_eq!((site.address, site.tid, site.sp_above), (REP, 1001, SP - 1));
        let id = site.id;
        // A server that does not filter: a deeper recursion returns, another thread passes by.
        Scene::with_sp(3, 1, 1001, StopKind::Breakpoint, REP, SP - 64).sites(&[id]).push(peer);
        let resume = peer.resume();
        assert_eq!((resume.stop, resume.insert.len(), resume.remove.len()), (3, 0, 0));
        Scene::new(4, 1, 1002, StopKind::Breakpoint, REP).born(&[1002]).sites(&[id]).push(peer);
        assert_eq!(peer.resume().stop, 4);
        Scene::new(5, 1, 1001, StopKind::Breakpoint, REP).sites(&[id]).push(peer);
        // The next step is over a repeated instruction: the old site goes, a new one comes.
        let resume = peer.resume();
        assert_eq!(resume.remove, [id]);
        assert_eq!(resume.insert[0].address, REP + 2);
        assert_ne!(resume.insert[0].id, id, "ids are never reused");
        let sites = [resume.insert[0].id];
        Scene::new(6, 1, 1001, StopKind::Breakpoint, REP + 2).sites(&sites).push(peer);
        assert_eq!(peer.resume().remove, sites);
        Scene::new(7, 1, 1001, StopKind::Step, CODE).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    engine.execute(STEP_INTO).expect("steps");
    assert_eq!(next_stop(engine), StopCause::Step);
    for pc in [REP, REP + 2, CODE] {
        engine.execute(STEP_OVER).expect("steps");
        assert_eq!(next_stop(engine), StopCause::Step);
        assert_eq!(engine.registers().expect("known").pc(), Address::new(pc));
    }
    session.end();
}

#[test]
fn another_event_cancels_a_step_over_and_its_site_goes_with_the_next_run() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        peer.resume();
        Scene::new(2, 1, 1001, StopKind::Step, CALL).push(peer);
        let site = peer.resume().insert[0].id;
        Scene::new(3, 1, 1001, StopKind::Signal, 0x40_2000).signal(11, 1).push(peer);
        let resume = peer.resume();
        assert_eq!(resume.remove, [site]);
        assert_eq!(actions(&resume), [(1001, RunKind::Continue, 11), (0, RunKind::Continue, 0)]);
        peer.event(&Exited { target: 1, status: None, signal: Some(11), left: String::new() }, &[]);
    });
    let engine = session.engine();
    launch(engine);
    engine.execute(STEP_INTO).expect("steps");
    next_stop(engine);
    engine.execute(STEP_OVER).expect("steps");
    assert!(matches!(next_stop(engine), StopCause::Signal { signal: Signal::SIGSEGV, .. }));
    engine.execute(GO).expect("runs");
    assert_eq!(next_event(engine).kind, EventKind::Exited(ExitStatus::Killed(Signal::SIGSEGV)));
    session.end();
}

#[test]
fn what_becomes_of_a_signal_is_the_callers_choice() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        peer.resume();
        for (stop, kind, expected) in [
            (2, StopKind::Signal, 10),     // passed by default
            (3, StopKind::Signal, 0),      // handled
            (4, StopKind::ProgramTrap, 0), // not passed by default
            (5, StopKind::ProgramTrap, 5), // not handled: SIGTRAP
            (6, StopKind::Interrupted, 0), // there is none
        ] {
            Scene::new(stop, 1, 1001, kind, CODE).signal(10, 0).push(peer);
            let resume = peer.resume();
            let signals: u32 = resume.actions.iter().map(|action| action.signal).sum();
            assert_eq!(signals, expected, "after stop {stop}");
        }
        // A step that nobody asked for is run on from.
        Scene::new(7, 1, 1001, StopKind::Step, CODE).push(peer);
        assert_eq!(peer.resume().stop, 7);
        Scene::new(8, 1, 1001, StopKind::ProgramTrap, CODE).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    engine.execute(GO).expect("runs");
    let choices = [
        SignalAction::Default,
        SignalAction::Handled,
        SignalAction::Default,
        SignalAction::NotHandled,
        SignalAction::NotHandled,
    ];
    for signal in choices {
        next_stop(engine);
        engine.execute(Execution::Go { signal, until: Vec::new() }).expect("runs");
    }
    assert_eq!(next_stop(engine), StopCause::ProgramTrap);
    session.end();
}

#[test]
fn a_choice_that_came_to_nothing_does_not_bind() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        peer.resume();
        Scene::new(2, 1, 1001, StopKind::Signal, CODE).signal(10, 0).push(peer);
        let resume = peer.expect::<Resume>();
        assert_eq!(actions(&resume.verb), [(0, RunKind::Continue, 0)]);
        peer.refuse(&resume, ErrorCode::Unwritable, "not there");
        let insert = peer.expect::<InsertSites>();
        let fault = Some((&dbgwire::Fault::new(ErrorCode::Unwritable, "not there")).into());
        let faults = vec![SiteFault { id: insert.verb.sites[0].id, fault }];
        peer.answer(&insert, InsertSitesReply { faults });
        let resume = peer.resume();
        assert_eq!(actions(&resume), [(1001, RunKind::Continue, 10), (0, RunKind::Continue, 0)]);
        Scene::new(3, 1, 1001, StopKind::ProgramTrap, CODE).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    engine.execute(GO).expect("runs");
    next_stop(engine);
    let until = vec![Address::new(0x10)];
    let handled = Execution::Go { signal: SignalAction::Handled, until };
    let error = engine.execute(handled).expect_err("cannot be set");
    assert_eq!(
        error.to_string(),
        "no temporary breakpoint can be set at 00000000`00000010: not there"
    );
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::ProgramTrap);
    session.end();
}

#[test]
fn a_process_that_is_attached_to_is_named_at_once_and_left_again() {
    let mut session = Session::new(|peer| {
        let list = peer.expect::<ListProcesses>();
        let attach = peer.expect::<Attach>();
        assert_eq!((attach.verb.pid, list.verb.pid), (1001, 1001));
        peer.answer(&attach, AttachReply { target: 1 });
        let description = ProcessDescription {
            pid: 1001,
            name: "sleep".to_owned(),
            state: u32::from('T'),
            ..Default::default()
        };
        peer.answer(&list, ListProcessesReply { processes: vec![description], more: false });
        Scene::new(1, 1, 1001, StopKind::Attached, CODE).born(&[1001, 1002]).push(peer);
        let signal = peer.expect::<SendSignal>();
        assert_eq!((signal.verb.target, signal.verb.tid, signal.verb.signal), (1, 0, 18));
        peer.answer(&signal, SendSignalReply {});
        let detach = peer.expect::<Detach>();
        peer.answer(&detach, DetachReply {});
        // What still comes from a target that was left is nobody's.
        Scene::new(2, 1, 1001, StopKind::Interrupted, CODE).push(peer);

        let list = peer.expect::<ListProcesses>();
        let attach = peer.expect::<Attach>();
        peer.answer(&list, ListProcessesReply { processes: Vec::new(), more: false });
        peer.refuse(&attach, ErrorCode::AlreadyTraced, "4711 is debugged by 42");
    });
    let engine = session.engine();
    let number = engine.attach(Pid::new(1001)).expect("attaches");
    let process = engine.process(number).expect("there");
    assert_eq!(
        (process.name.as_str(), process.created, process.is_running()),
        ("sleep", false, true)
    );
    assert_eq!(next_stop(engine), StopCause::Attached);
    assert_eq!(engine.process(number).expect("there").threads().len(), 2);
    assert!(engine.process(number).expect("there").is_suspended, "a signal had stopped it");
    engine.continue_suspended(number).expect("it can be continued");
    assert!(!engine.process(number).expect("there").is_suspended);
    engine.detach(number).expect("leaves");
    assert!(engine.processes().is_empty());
    let idle = engine.wait_for_event(Some(Duration::from_millis(1))).expect_err("dormant");
    assert_eq!(idle.kind(), ErrorKind::NoTarget);
    let error = engine.attach(Pid::new(4711)).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::AlreadyTraced);
    session.end();
}

#[test]
fn killing_needs_no_event() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        let kill = peer.expect::<Kill>();
        peer.event(&Exited { target: 1, status: None, signal: Some(9), left: String::new() }, &[]);
        peer.answer(&kill, KillReply {});
        serve_launch(peer, 2);
    });
    let engine = session.engine();
    launch(engine);
    let (process, _) = engine.current().expect("one");
    engine.kill(process).expect("ends");
    assert_eq!(engine.kill(process).expect_err("gone").kind(), ErrorKind::NoSuchProcess);
    launch(engine);
    assert_eq!(engine.current().expect("one").0.0, 0, "numbers begin anew");
    session.end();
}

#[test]
fn a_run_that_is_refused_is_told_by_the_wait_and_can_be_repeated() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        let resume = peer.expect::<Resume>();
        peer.refuse(&resume, ErrorCode::Internal, "the tracer is confused");
        assert_eq!(peer.resume().stop, 1);
        let resume = Scene::new(2, 1, 1001, StopKind::Interrupted, CODE);
        resume.push(peer);
        // A target that ended meanwhile is told of by its event alone.
        let resume = peer.expect::<Resume>();
        peer.refuse(&resume, ErrorCode::TargetEnded, "it is gone");
        peer.event(&Exited { target: 1, status: None, signal: Some(9), left: String::new() }, &[]);
    });
    let engine = session.engine();
    launch(engine);
    engine.execute(GO).expect("is sent");
    let error = engine.wait_for_event(None).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(error.to_string().contains("the tracer is confused"), "{error}");
    assert!(!engine.is_running());
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Interrupted);
    engine.execute(GO).expect("is sent");
    assert_eq!(next_event(engine).kind, EventKind::Exited(ExitStatus::Killed(Signal::SIGKILL)));
    session.end();
}

#[test]
fn a_reply_to_a_resume_may_come_after_the_stop() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        let resume = peer.expect::<Resume>();
        Scene::new(2, 1, 1001, StopKind::Step, CODE + 1).push(peer);
        peer.answer(&resume, ResumeReply {});
        let resume = peer.expect::<Resume>();
        Scene::new(3, 1, 1001, StopKind::Step, CODE + 2).push(peer);
        peer.answer(&resume, ResumeReply {});
    });
    let engine = session.engine();
    launch(engine);
    for _ in 0..2 {
        engine.execute(STEP_INTO).expect("steps");
        assert_eq!(next_stop(engine), StopCause::Step);
    }
    session.end();
}
