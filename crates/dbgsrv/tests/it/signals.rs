//! Signals: told, passed, dropped, and never twice.

use dbgbase::{Address, ExitStatus, Pid, Signal, StopReason};
use dbgwire::event::Stopped;
use dbgwire::verbs::inject::{CallFunction, InjectSyscall};
use dbgwire::verbs::resume::{RunKind, ThreadAction};
use dbgwire::verbs::site::Site;
use testkit::footprint::changed_code;
use testkit::{
    Client, Event, Guard, Process, Stop, Target, Testee, memory_file, procfs, send_signal, site,
    until,
};

use crate::{address_of, begin};

/// The signal that a stop is about.
#[track_caller]
fn signal_of(stop: &Stop) -> Signal {
    match stop.reason() {
        StopReason::Signal { signal, .. } => signal,
        other => panic!("{other:?} is no signal"),
    }
}

/// Lets a target run on with the signal that it stopped for.
#[track_caller]
fn pass(client: &mut Client, target: Target, stop: &Stop) {
    client.go_with_signal(target, stop.tid(), signal_of(stop));
}

#[test]
fn a_signal_is_passed_or_dropped_as_the_client_says() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("signals", &[]);
    let (target, stop) = client.start(&testee, &["usr1", "6"]);
    let handled = address_of(&testee, &stop, "handled");
    client.insert(target, 1, address_of(&testee, &stop, "after_raise"));
    let mut passed = 0;
    for round in 0..6 {
        client.go(target);
        let stop = client.wait_stop();
        assert_eq!(signal_of(&stop), Signal::SIGUSR1);
        if round % 2 == 0 {
            pass(&mut client, target, &stop);
            passed += 1;
        } else {
            client.go(target);
        }
        assert_eq!(client.wait_stop().sites(), [1]);
        assert_eq!(client.read_u64(target, handled), passed);
    }
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(1), "three of six were handled");
}

#[test]
fn another_signal_may_be_given_instead() {
    let (_guard, _server, mut client) = begin();
    let (target, _) = client.start(&Testee::build("signals", &[]), &["usr1", "1"]);
    client.go(target);
    let stop = client.wait_stop();
    assert_eq!(signal_of(&stop), Signal::SIGUSR1);
    client.go_with_signal(target, stop.tid(), Signal::SIGKILL);
    assert_eq!(client.wait_exit(), ExitStatus::Killed(Signal::SIGKILL));
}

#[test]
fn a_signal_may_be_given_at_any_stop() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("signals", &[]);
    let (target, stop) = client.start(&testee, &["usr1", "0"]);
    client.insert(target, 1, address_of(&testee, &stop, "main"));
    client.go(target);
    let stop = client.wait_stop();
    assert_eq!(stop.sites(), [1]);
    // No handler is set at the first instruction of main.
    client.go_with_signal(target, stop.tid(), Signal::SIGUSR2);
    assert_eq!(client.wait_exit(), ExitStatus::Killed(Signal::SIGUSR2));
    // At a site, and at an interruption, the signal is delivered before the program goes on.
    let (target, stop) = client.start(&testee, &["usr1", "1"]);
    client.insert(target, 1, address_of(&testee, &stop, "before_raise"));
    client.insert(target, 2, address_of(&testee, &stop, "handle"));
    client.go(target);
    let stop = client.wait_stop();
    client.go_with_signal(target, stop.tid(), Signal::SIGUSR1);
    assert_eq!(client.wait_stop().sites(), [2], "without a stop for a signal");
    client.kill(target);
}

#[test]
fn a_fault_is_told_with_its_address_and_handled() {
    let (_guard, _server, mut client) = begin();
    let (target, _) = client.start(&Testee::build("signals", &[]), &["segv"]);
    client.go(target);
    let stop = client.wait_stop();
    let StopReason::Signal { signal, address, sender, .. } = stop.reason() else {
        panic!("{:?} is no signal", stop.reason());
    };
    assert_eq!((signal, sender), (Signal::SIGSEGV, None));
    assert_eq!(address, Some(Address::new(0x1234_5678_9000)));
    pass(&mut client, target, &stop);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn a_fault_under_a_site_is_raised_again_and_handled() {
    let (_guard, _server, mut client) = begin();
    let (target, _) = client.start(&Testee::build("signals", &[]), &["segv"]);
    client.go(target);
    let stop = client.wait_stop();
    assert_eq!(signal_of(&stop), Signal::SIGSEGV);
    let at = stop.pc();
    client.insert(target, 1, at);
    client.go(target);
    let stop = client.wait_stop();
    assert_eq!((signal_of(&stop), stop.pc()), (Signal::SIGSEGV, at));
    pass(&mut client, target, &stop);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

/// At rest a thread that was stepped stands where the kernel takes no signal for it. The fault that
/// it was told of is given to it all the same as it is left, with its address.
#[test]
fn a_thread_that_was_stepped_into_a_fault_is_left_with_it() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("signals", &[]);
    let mut process = guard.start(testee.path(), &["segv", "later"]);
    assert_eq!(process.read_line(), "ready");
    let (target, stop) = client.attach(process.pid());
    client.insert(target, 1, address_of(&testee, &stop, "before_raise"));
    process.close_input();
    client.go(target);
    let stop = client.wait_stop();
    assert_eq!(stop.sites(), [1]);
    let told = loop {
        client.step(target, stop.tid());
        match client.wait_stop().reason() {
            StopReason::Step => {}
            told => break told,
        }
    };
    assert!(matches!(told, StopReason::Signal { signal: Signal::SIGSEGV, .. }), "{told:?}");
    until("it to be at rest", || changed_code(target.pid).is_empty().then_some(()));
    client.detach(target);
    assert_eq!(process.wait(), ExitStatus::Exited(0), "the handler checks the address");
}

#[test]
fn signals_of_everyday_use_pass_without_a_stop() {
    let (_guard, _server, mut client) = begin();
    let (target, _) = client.start(&Testee::build("signals", &[]), &["quiet"]);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn real_time_signals_keep_order_and_value() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("signals", &[]);
    let (target, stop) = client.start(&testee, &["realtime"]);
    let handled = address_of(&testee, &stop, "handled");
    client.go(target);
    for count in 0..5 {
        let stop = client.wait_stop();
        let StopReason::Signal { signal, code, sender, .. } = stop.reason() else {
            panic!("{:?} is no signal", stop.reason());
        };
        assert_eq!((signal.number(), code, sender), (37, -1, Some(target.pid)));
        assert_eq!(client.read_u64(target, handled), count);
        pass(&mut client, target, &stop);
    }
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0), "the handler checks each value");
}

/// Those of a thread's own queue: what is sent anew goes behind the others there.
#[test]
fn real_time_signals_keep_order_and_value_however_their_thread_goes_on() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("signals", &[]);
    for seed in 0..25 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (target, stop) = client.start(&testee, &["private"]);
        client.insert(target, 1, address_of(&testee, &stop, "before_raise"));
        client.go(target);
        let mut signals = 0;
        let status = loop {
            let stop = match client.wait_news() {
                Event::Stopped(stop) => *stop,
                Event::Exited { status, .. } => break status,
                other => panic!("waited for a stop or an end, not {other:?}"),
            };
            let signal = match stop.reason() {
                StopReason::Step | StopReason::Breakpoint { .. } => 0,
                _ => signal_of(&stop).number().unsigned_abs(),
            };
            signals += usize::from(signal != 0);
            // A thread that was stepped is taken out of its stop at rest.
            if signal != 0 && random.bool() {
                until("it to be at rest", || changed_code(target.pid).is_empty().then_some(()));
            }
            let run = match random.u32(..20) {
                0 => RunKind::StepRange,
                // Its way to its end is long.
                1.. if signals < 5 => RunKind::Step,
                _ => RunKind::Continue,
            };
            let (range_start, range_end) = match run {
                RunKind::StepRange => (stop.pc().value() - 8, stop.pc().value() + 8),
                _ => (0, 0),
            };
            let (tid, run) = (stop.tid().value(), run as i32);
            client.resume(target, &[ThreadAction { tid, run, signal, range_start, range_end }]);
        };
        assert_eq!(signals, 5);
        assert_eq!(status, ExitStatus::Exited(0), "seed {seed}: the handler checks each value");
    }
}

/// A process that stands before the first of its real-time signals; the others wait behind it.
fn at_first_of_five(guard: &Guard, client: &mut Client) -> (Process, Target, Stop, Testee) {
    let testee = Testee::build("signals", &[]);
    let mut process = guard.start(testee.path(), &["realtime", "later"]);
    assert_eq!(process.read_line(), "ready");
    let (target, attached) = client.attach(process.pid());
    client.go(target);
    process.close_input();
    let stop = client.wait_stop();
    assert_eq!(signal_of(&stop).number(), 37);
    (
        process,
        target,
        Stop { event: Stopped { modules: attached.event.modules, ..stop.event }, ..stop },
        testee,
    )
}

#[test]
fn signals_keep_order_and_value_when_a_target_is_left_in_their_middle() {
    let (guard, _server, mut client) = begin();
    let (mut process, target, stop, _) = at_first_of_five(&guard, &mut client);
    // Those that arrive in the call have to be sent anew.
    let getpid = InjectSyscall {
        target: target.id,
        tid: stop.tid().value(),
        number: 39,
        ..InjectSyscall::default()
    };
    let reply = client.call(&getpid).expect("it can be made");
    assert_eq!(reply.result, u64::from(target.pid.value()));
    client.detach(target);
    assert_eq!(process.wait(), ExitStatus::Exited(0), "the handler checks each value");
}

#[test]
fn signals_that_wait_are_none_of_a_called_function() {
    let (guard, _server, mut client) = begin();
    let (mut process, target, stop, testee) = at_first_of_five(&guard, &mut client);
    let call = CallFunction {
        target: target.id,
        tid: stop.tid().value(),
        address: address_of(&testee, &stop, "after_raise").value(),
        ..CallFunction::default()
    };
    client.call(&call).expect("the function returns");
    pass(&mut client, target, &stop);
    for _ in 1..5 {
        let stop = client.wait_stop();
        assert_eq!(signal_of(&stop).number(), 37);
        pass(&mut client, target, &stop);
    }
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
    assert_eq!(process.wait(), ExitStatus::Exited(0), "the handler checks each value");
}

/// Waits until the handler has counted so many, or has seen the last of them.
#[track_caller]
fn until_handled(process: &Process, handled: Address, count: u64) {
    until("the handler", || {
        let has_ended = process.has_ended();
        (has_ended || memory_file::try_read_u64(process.pid(), handled) == Some(count))
            .then_some(())
    });
}

#[test]
fn signals_from_elsewhere_are_handled_once_while_a_site_is_hit() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("signals", &[]);
    let mut process = guard.start(testee.path(), &["spin", "200"]);
    assert_eq!(process.read_line(), "ready");
    let (target, stop) = client.attach(process.pid());
    let handled = address_of(&testee, &stop, "handled");
    // Nobody is told of these hits: the server steps off the site again and again.
    let at = address_of(&testee, &stop, "before_raise");
    client.insert_site(target, Site { tid: 1, ..site(1, at) });
    client.go(target);
    for count in 0..200 {
        process.signal(Signal::SIGUSR1);
        let stop = client.wait_stop();
        let StopReason::Signal { signal, sender, .. } = stop.reason() else {
            panic!("{:?} is no signal", stop.reason());
        };
        let own = Pid::new(std::process::id());
        assert_eq!((signal, sender), (Signal::SIGUSR1, Some(own)));
        assert_eq!(memory_file::read_u64(target.pid, handled), count);
        pass(&mut client, target, &stop);
        until_handled(&process, handled, count + 1);
    }
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn signals_of_everyday_use_survive_interruptions() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("signals", &[]);
    let mut process = guard.start(testee.path(), &["spin", "301"]);
    assert_eq!(process.read_line(), "ready");
    let (target, stop) = client.attach(process.pid());
    let handled = address_of(&testee, &stop, "handled");
    client.go(target);
    for count in 0..300 {
        if count % 3 == 0 {
            client.interrupt(target);
            process.signal(Signal::SIGWINCH);
        } else {
            process.signal(Signal::SIGWINCH);
            client.interrupt(target);
        }
        let stop = client.wait_stop();
        assert_eq!(stop.reason(), StopReason::Interrupted);
        if count % 2 == 0 {
            client.step(target, stop.tid());
            assert_eq!(client.wait_stop().reason(), StopReason::Step);
        }
        client.go(target);
        until_handled(&process, handled, count + 1);
    }
    process.signal(Signal::SIGWINCH);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0), "each was handled once");
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn stops_by_signal_work_as_without_a_debugger() {
    let (guard, _server, mut client) = begin();
    let mut process = guard.start(Testee::build("signals", &[]).path(), &["stop"]);
    assert_eq!(process.read_line(), "ready");
    let (pid, leader) = (process.pid(), process.leader());
    until("it to stop", || (procfs::state(pid, leader) == Some('T')).then_some(()));
    let (target, _) = client.attach(pid);
    client.go(target);
    assert_eq!(client.pending_events(), []);
    process.signal(Signal::SIGCONT);
    let stop = client.wait_stop();
    assert_eq!(signal_of(&stop), Signal::SIGCONT);
    pass(&mut client, target, &stop);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
    // The same with the debugger there from the beginning.
    let (target, _) = client.start(&Testee::build("signals", &[]), &["stop"]);
    client.go(target);
    let stop = client.wait_stop();
    assert_eq!(signal_of(&stop), Signal::SIGSTOP);
    pass(&mut client, target, &stop);
    let leader = stop.tid();
    let is_stopped = || {
        let status = procfs::status(target.pid, leader, "State")?;
        status.contains("stop").then_some(())
    };
    until("it to stop", is_stopped);
    assert_eq!(client.pending_events(), []);
    send_signal(target.pid, Signal::SIGCONT);
    let stop = client.wait_stop();
    assert_eq!(signal_of(&stop), Signal::SIGCONT);
    pass(&mut client, target, &stop);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn a_whole_group_is_stopped_in_the_middle_of_hits_and_goes_on() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("threads", &[]);
    let mut process = guard.start(testee.path(), &["8", "0"]);
    assert_eq!(process.read_line(), "ready");
    let (target, stop) = client.attach(process.pid());
    let total = address_of(&testee, &stop, "total");
    let at = address_of(&testee, &stop, "hit");
    client.insert_site(target, Site { tid: 1, ..site(1, at) });
    client.go(target);
    for _ in 0..20 {
        process.signal(Signal::SIGSTOP);
        let stop = client.wait_stop();
        assert_eq!(signal_of(&stop), Signal::SIGSTOP);
        pass(&mut client, target, &stop);
        process.signal(Signal::SIGCONT);
        let stop = client.wait_stop();
        assert_eq!(signal_of(&stop), Signal::SIGCONT);
        pass(&mut client, target, &stop);
        let counted = memory_file::read_u64(target.pid, total);
        until("calls", || (memory_file::read_u64(target.pid, total) > counted).then_some(()));
    }
    process.close_input();
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}
