//! Conditions of breakpoints: as code on their way to the server, or evaluated by the engine.

use dbgbase::Address;
use dbgeng::expr::ExprSettings;
use dbgeng::{
    BreakpointId, BreakpointLocation, BreakpointSpec, Condition, ErrorKind, Execution,
    SignalAction, StopCause, Undecided,
};
use dbgwire::event::{ConditionFault, ConditionTrouble, Modules, StopKind};
use dbgwire::verbs::memory::{ReadMemory, ReadMemoryReply};

use crate::elf::image;
use crate::peer::Session;
use crate::scene::{CALL, CODE, GO, REP, SP, Scene, launch, next_event, next_stop, serve_launch};
use crate::symbols::{HERE, local, program, serve_launch_with};

fn at(address: u64, condition: &str) -> BreakpointSpec {
    let location = BreakpointLocation::Address(Address::new(address));
    let condition = Some(Condition::new(condition));
    BreakpointSpec { condition, ..BreakpointSpec::new(format!("{address:#x}"), location) }
}

/// `const64 HERE + moved; ref32; const8 5; equal; end`.
fn landmark_is_5(moved: u64) -> Vec<u8> {
    let address = HERE.value() + moved;
    [&[0x25][..], &address.to_be_bytes(), &[0x19, 0x22, 5, 0x13, 0x27]].concat()
}

#[test]
fn the_server_evaluates_what_it_can_and_says_what_it_cannot() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        let resume = peer.resume();
        // reg rdi; const8 5; equal; end
        assert_eq!(resume.insert[0].condition, [0x26, 0, 5, 0x22, 5, 0x13, 0x27]);
        let mut scene = Scene::new(2, 1, 1001, StopKind::Breakpoint, CALL).sites(&[1]);
        let trouble = ConditionTrouble::Unreadable as i32;
        let fault = ConditionFault { site: 1, trouble, offset: 2, address: 0x10 };
        scene.stopped.condition_faults = vec![fault, ConditionFault { site: 9, ..fault }];
        scene.push(peer);
    });
    let engine = session.engine();
    launch(engine);
    let id = engine.add_breakpoint(at(CALL, "rdi == 5")).expect("added");
    assert!(engine.breakpoints()[0].is_condition_served);
    engine.execute(GO).expect("runs");
    let event = next_event(engine);
    let why = "memory at 00000000`00000010 cannot be read".to_owned();
    assert_eq!(event.undecided, [Undecided { breakpoint: id, why }]);
    session.end();
}

#[test]
fn the_engine_evaluates_the_rest_and_lets_the_target_run_on() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        assert_eq!(peer.resume().insert[0].condition, []);
        for stop in 2..=4 {
            // The stack pointer is $t0 at the third.
            let sp = SP + 8 * (stop - 2);
            Scene::with_sp(stop, 1, 1001, StopKind::Breakpoint, CALL, sp).sites(&[1]).push(peer);
            if stop < 4 {
                assert_eq!(peer.resume().stop, stop);
            }
        }
        peer.resume();
        // Nothing can be read there.
        Scene::with_sp(5, 1, 1001, StopKind::Breakpoint, REP, SP).sites(&[2]).push(peer);
        let read = peer.expect::<ReadMemory>();
        peer.answer_with(&read, ReadMemoryReply { lengths: vec![0] }, &[]);
    });
    let engine = session.engine();
    launch(engine);
    let mut settings = ExprSettings::default();
    settings.user_registers[0] = SP + 16;
    engine.set_expr_settings(settings);
    let first = engine.add_breakpoint(at(CALL, "@$t0 == rsp")).expect("added");
    assert!(!engine.breakpoints()[0].is_condition_served);
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Breakpoints(vec![first]));
    assert_eq!(engine.breakpoints()[0].hits, 1, "the others were none");
    let second = engine.add_breakpoint(at(REP, "poi(@$t0 - @$t0)")).expect("added");
    engine.execute(GO).expect("runs");
    let event = next_event(engine);
    let why = "Memory access error at 'poi(@$t0 - @$t0)'".to_owned();
    assert_eq!(event.undecided, [Undecided { breakpoint: second, why }]);
    session.end();
}

#[test]
fn a_step_onto_a_breakpoint_asks_its_condition() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        peer.resume();
        Scene::new(2, 1, 1001, StopKind::Step, CODE + 1).push(peer);
        peer.resume();
        Scene::new(3, 1, 1001, StopKind::Step, CALL).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    engine.add_breakpoint(at(CODE + 1, "rsp == 0")).expect("added");
    let second = engine.add_breakpoint(at(CALL, "rsp != 0")).expect("added");
    let step = Execution::StepInto { signal: SignalAction::Default };
    engine.execute(step.clone()).expect("steps");
    assert_eq!(next_stop(engine), StopCause::Step);
    engine.execute(step).expect("steps");
    assert_eq!(next_stop(engine), StopCause::Breakpoints(vec![second]));
    session.end();
}

#[test]
fn code_follows_its_symbols() {
    let (_directory, file) = local("prog", &image(Some(1), true, 0));
    let here = program(&file);
    let moved = dbgwire::verbs::module::ModuleDescription {
        base: here.base + 0x1000,
        bias: here.bias + 0x1000,
        ..here.clone()
    };
    let mut session = Session::new(move |peer| {
        serve_launch_with(peer, 1, vec![here]);
        let resume = peer.resume();
        assert_eq!(resume.insert[0].condition, landmark_is_5(0));
        // What stops it also tells that the modules have changed: the hit counts all the same.
        let mut scene = Scene::new(2, 1, 1001, StopKind::Breakpoint, CALL).sites(&[1]);
        scene.stopped.modules = Some(Modules { modules: vec![moved] });
        scene.push(peer);
        let resume = peer.resume();
        assert_eq!((resume.remove, resume.insert[0].id), (vec![1], 2));
        assert_eq!(resume.insert[0].condition, landmark_is_5(0x1000));
        // The name is gone: nobody but the engine can say so.
        let mut scene = Scene::new(3, 1, 1001, StopKind::Interrupted, CODE);
        scene.stopped.modules = Some(Modules { modules: Vec::new() });
        scene.push(peer);
        let resume = peer.resume();
        assert_eq!((resume.remove, resume.insert[0].id), (vec![2], 3));
        assert_eq!(resume.insert[0].condition, []);
        Scene::new(4, 1, 1001, StopKind::Breakpoint, CALL).sites(&[3]).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    let id = engine.add_breakpoint(at(CALL, "dwo(landmark) == 5")).expect("added");
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Breakpoints(vec![id]));
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Interrupted);
    engine.execute(GO).expect("runs");
    let event = next_event(engine);
    let why = "Couldn't resolve error at 'landmark) == 5'".to_owned();
    assert_eq!(event.undecided, [Undecided { breakpoint: id, why }]);
    session.end();
}

#[test]
fn what_cannot_be_understood_is_no_breakpoint() {
    let mut session = Session::new(|peer| serve_launch(peer, 1));
    let engine = session.engine();
    launch(engine);
    for condition in ["", "rax ==", "1 2", "@nosuch", "nosuch == 1"] {
        let error = engine.add_breakpoint(at(CALL, condition)).expect_err(condition);
        assert_eq!(error.kind(), ErrorKind::BadExpression, "{condition}");
    }
    assert!(engine.breakpoints().is_empty());
    // One that waits for its module may wait for its condition's, too.
    let location = BreakpointLocation::Symbol("lib!f".to_owned());
    let condition = Some(Condition::new("dwo(lib!v) == 1"));
    let spec = BreakpointSpec { condition, ..BreakpointSpec::new("lib!f", location) };
    assert_eq!(engine.add_breakpoint(spec).expect("added"), BreakpointId(0));
    session.end();
}
