//! Programs that do what debuggers do, or may do next to nothing: debugged, they work as without.

use dbgbase::{Address, ExitStatus, Signal, StopReason, x86_64};
use dbgwire::verbs::resume::{RunKind, SetSignals, SignalPolicy, ThreadAction};
use dbgwire::verbs::site::{Site, SiteKind};
use testkit::{Client, Event, Footprint, Stop, Target, Testee, site};

use crate::{address_of, begin};

/// From now on the program's traps are its own affair.
#[track_caller]
fn pass_traps(client: &mut Client, target: Target) {
    let signal = Signal::SIGTRAP.number() as u32;
    let policies = vec![SignalPolicy { signal, stop: false, pass: true, print: false }];
    client.call(&SetSignals { target: target.id, policies }).expect("it lives");
}

/// Arms every instruction of the sequence that steps itself, for nobody.
fn arm_all(client: &mut Client, target: Target, testee: &Testee, stop: &Stop) {
    let traced = testee.instructions("traced", "main");
    assert!(traced.len() >= 14, "the whole sequence");
    for (id, (at, _)) in (100..).zip(traced.iter().take(14)) {
        let armed = site(id, at.to_address(stop.bias()));
        client.insert_site(target, Site { ignore: u64::MAX, ..armed });
    }
}

#[test]
fn a_program_that_steps_itself_sees_its_traps() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("traces_itself", &[]);
    for armed in [false, true] {
        let (target, stop) = client.start(&testee, &["50"]);
        pass_traps(&mut client, target);
        if armed {
            arm_all(&mut client, target, &testee, &stop);
        }
        client.go(target);
        assert_eq!(client.wait_exit(), ExitStatus::Exited(0), "armed: {armed}");
    }
}

#[test]
fn traps_that_a_program_makes_are_told_and_delivered() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("traces_itself", &[]);
    for armed in [false, true] {
        let (target, stop) = client.start(&testee, &["5"]);
        let first = address_of(&testee, &stop, "traced_0");
        if armed {
            arm_all(&mut client, target, &testee, &stop);
        }
        client.go(target);
        let mut traps = 0;
        let status = loop {
            match client.wait_event() {
                Event::Stopped(stop) => {
                    let StopReason::Signal { signal: Signal::SIGTRAP, code, .. } = stop.reason()
                    else {
                        panic!("armed: {armed}, {:?}", stop.reason());
                    };
                    assert_eq!(code, 2, "TRAP_TRACE");
                    if traps % 10 == 0 {
                        assert_eq!(stop.pc(), first, "armed: {armed}");
                    }
                    traps += 1;
                    client.go_with_signal(target, stop.tid(), Signal::SIGTRAP);
                }
                Event::Exited { status, .. } => break status,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((traps, status), (50, ExitStatus::Exited(0)), "armed: {armed}");
    }
}

#[test]
fn steps_through_a_program_that_steps_itself_are_its_own_too() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("traces_itself", &[]);
    let (target, stop) = client.start(&testee, &["5"]);
    client.insert(target, 1, address_of(&testee, &stop, "traced"));
    client.go(target);
    let mut stop = client.wait_stop();
    assert_eq!(stop.sites(), [1]);
    let mut reasons = String::new();
    for _ in 0..13 {
        client.step(target, stop.tid());
        stop = client.wait_stop();
        reasons.push(match stop.reason() {
            StopReason::Step => 's',
            StopReason::Signal { signal: Signal::SIGTRAP, code: 2, .. } => 't',
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(reasons, "ssstttttttttt", "from the flag on, each is a trap of the program's");
    let sum = stop.registers().get(x86_64::RAX);
    assert_eq!(sum, 5 + 2 + 0x100, "the program sees its flag");
    assert_eq!(client.kill(target), ExitStatus::Killed(Signal::SIGKILL));
}

#[test]
fn a_program_that_may_do_next_to_nothing_is_debugged() {
    debug_at_work("confined");
}

#[test]
fn a_program_that_blocks_every_signal_keeps_its_mask() {
    debug_at_work("blocks");
}

/// Debugs a program that works for each byte of its input: breakpoints, steps and watched writes
/// leave it as it was.
#[track_caller]
fn debug_at_work(name: &str) {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build(name, &[]);
    let mut process = guard.start(testee.path(), &[]);
    assert_eq!(process.read_line(), "ready");
    process.write_line("");
    assert_eq!(process.read_line(), "done");
    let before = Footprint::take(&guard, process.pid());
    let (target, stop) = client.attach(process.pid());
    let (work, done) = (address_of(&testee, &stop, "work"), address_of(&testee, &stop, "done"));
    client.insert(target, 1, work);
    client.go(target);
    process.write_line("");
    for hits in 0..10 {
        let stop = client.wait_stop();
        assert_eq!((stop.sites(), stop.pc()), (vec![1], work));
        assert_eq!(client.read_u64(target, done), 10 + hits);
        // Out of the function, one instruction at a time.
        let mut at = stop;
        for _ in 0..5 {
            client.step(target, at.tid());
            at = client.wait_stop();
            assert_eq!(at.reason(), StopReason::Step);
        }
        client.go(target);
    }
    assert_eq!(process.read_line(), "done");
    client.interrupt(target);
    client.wait_stop();
    client.remove(target, &[1]);
    let kind = SiteKind::HardwareWrite as i32;
    client.insert_site(target, Site { kind, len: 8, ..site(2, done) });
    client.go(target);
    process.write_line("");
    for writes in 1..=10 {
        let stop = client.wait_stop();
        assert!(matches!(stop.reason(), StopReason::Watchpoint { .. }), "{:?}", stop.reason());
        assert_eq!(client.read_u64(target, done), 20 + writes);
        client.go(target);
    }
    assert_eq!(process.read_line(), "done");
    client.detach(target);
    assert_eq!(Footprint::take(&guard, process.pid()), before);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(30));
}

#[test]
fn steps_lead_into_a_handler_and_out_of_it() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("signals", &[]);
    let (target, stop) = client.start(&testee, &["usr1", "3"]);
    let handle = address_of(&testee, &stop, "handle");
    for armed in [false, true, false] {
        client.go(target);
        let told = client.wait_stop();
        let StopReason::Signal { signal: Signal::SIGUSR1, .. } = told.reason() else {
            panic!("{:?}", told.reason());
        };
        if armed {
            client.insert(target, 1, handle);
        }
        let step = ThreadAction {
            tid: told.event.tid,
            run: RunKind::Step as i32,
            signal: Signal::SIGUSR1.number() as u32,
            ..ThreadAction::default()
        };
        client.resume(target, &[step]);
        let mut stop = client.wait_stop();
        assert_eq!((stop.reason(), stop.pc()), (StopReason::Step, handle), "its first instruction");
        assert!(stop.registers().sp() < told.registers().sp(), "on the frame of the signal");
        let back = step_until(&mut client, target, &mut stop, told.pc());
        assert!(back > 5, "through the handler and sigreturn(2)");
        let without_call = |stop: &Stop| {
            let mut registers = stop.registers();
            registers.set(x86_64::ORIG_RAX, 0);
            registers
        };
        assert_eq!(without_call(&stop), without_call(&told), "as if nothing had been");
        if armed {
            client.remove(target, &[1]);
        }
    }
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

/// Steps until a thread stands at `end`. How many steps that were.
#[track_caller]
fn step_until(client: &mut Client, target: Target, at: &mut Stop, end: Address) -> usize {
    for steps in 0..1000 {
        if at.pc() == end {
            return steps;
        }
        client.step(target, at.tid());
        *at = client.wait_stop();
        assert_eq!(at.reason(), StopReason::Step);
    }
    panic!("after a thousand steps it is at {}", at.pc());
}
