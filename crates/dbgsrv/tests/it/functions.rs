//! Functions that a thread is made to call: they do what they do, and the thread goes on with what
//! it was doing as if nothing had been, whatever became of the call.

use bytes::Bytes;
use dbgbase::{Address, ExitStatus, GeneralRegisters, Signal, StopReason, Tid, x86_64};
use dbgwire::verbs::inject::{CallFunction, CallFunctionReply};
use dbgwire::verbs::process::Detach;
use dbgwire::verbs::resume::{Interrupt, SendSignal};
use dbgwire::verbs::site::Site;
use dbgwire::{ErrorCode, Fault};
use testkit::footprint::changed_code;
use testkit::{
    Client, Event, Footprint, Guard, Process, Stop, Target, Testee, memory_file, procfs,
    send_signal, until,
};

use crate::guardian::{assert_repaired, kill_session};
use crate::inject::{SYS_READ, ready, wait_for_call};
use crate::{address_of, begin};

/// A debuggee that stands still, and how to call its functions.
struct Scene {
    process: Process,
    testee: Testee,
    target: Target,
    stop: Stop,
}

impl Scene {
    /// Attaches to one that does what its arguments say.
    #[track_caller]
    fn attach(guard: &Guard, client: &mut Client, arguments: &[&str]) -> Scene {
        let (process, testee) = ready(guard, "borrowed", arguments);
        if arguments[0] != "registers" {
            wait_for_call(&process, SYS_READ);
        }
        let (target, stop) = client.attach(process.pid());
        Scene { process, testee, target, stop }
    }

    fn address(&self, symbol: &str) -> Address {
        address_of(&self.testee, &self.stop, symbol)
    }

    fn request(&self, function: &str, arguments: &[u64]) -> CallFunction {
        CallFunction {
            target: self.target.id,
            tid: self.stop.tid().value(),
            address: self.address(function).value(),
            arguments: arguments.to_vec(),
            ..CallFunction::default()
        }
    }

    /// Calls a function that returns, and checks that the registers are those of before.
    #[track_caller]
    fn call(&self, client: &mut Client, function: &str, arguments: &[u64]) -> CallFunctionReply {
        let before = client.registers(self.target, self.stop.tid());
        let reply = client.call(&self.request(function, arguments));
        assert_eq!(client.registers(self.target, self.stop.tid()), before, "{function}");
        reply.expect("it returns")
    }

    /// Calls a function that does not return, and checks that the registers are those of before.
    #[track_caller]
    fn fault(&self, client: &mut Client, request: &CallFunction) -> Fault {
        let before = client.registers(self.target, self.stop.tid());
        let fault = client.call(request).expect_err("a fault");
        assert_eq!(client.registers(self.target, self.stop.tid()), before, "{fault}");
        let mut events = client.pending_events();
        // A thread cannot end before a library is loaded for that.
        events.retain(|event| !matches!(event, Event::ModulesChanged(_)));
        assert_eq!(events, [], "{fault}");
        fault
    }

    /// The debuggee ends as it does when nobody has called anything.
    #[track_caller]
    fn end(mut self, client: &mut Client) {
        client.detach(self.target);
        self.process.close_input();
        assert_eq!(self.process.wait(), ExitStatus::Exited(0));
    }
}

#[test]
fn results_come_back() {
    let (guard, _server, mut client) = begin();
    let (process, testee) = ready(&guard, "borrowed", &["blocked"]);
    wait_for_call(&process, SYS_READ);
    let before = Footprint::take(&guard, process.pid());
    let (target, stop) = client.attach(process.pid());
    let scene = Scene { process, testee, target, stop };
    assert_eq!(scene.call(&mut client, "add", &[2, 40]).integer, 42);
    assert_eq!(scene.call(&mut client, "add", &[5, u64::MAX]).integer, 4);
    assert_eq!(scene.call(&mut client, "eight", &[1, 2, 3, 4, 5, 6, 7, 8]).integer, 87_654_321);
    for count in [0, 6, 7, 8, 200] {
        let kept = scene.call(&mut client, "promises", &vec![0; count]).integer;
        assert_eq!(kept, 1, "with {count} arguments");
    }
    let half = scene.call(&mut client, "spoils", &[3]).vector;
    assert_eq!(half.len(), 16);
    assert_eq!(f64::from_le_bytes(half[..8].try_into().expect("eight bytes")), 1.5);
    let memory = scene.call(&mut client, "allocates", &[100_000]).integer;
    assert_eq!(client.read(target, Address::new(memory + 99_998), 2), b"xx");
    scene.call(&mut client, "frees", &[memory]);
    client.detach(target);
    wait_for_call(&scene.process, SYS_READ);
    assert_eq!(Footprint::take(&guard, scene.process.pid()), before);
    let mut process = scene.process;
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn arguments_may_point_to_bytes_that_travel_along() {
    let (guard, _server, mut client) = begin();
    let scene = Scene::attach(&guard, &mut client, &["blocked"]);
    for (text, expected) in [(&b"hello\0"[..], 5), (b"\0", 0), (&[b'a'; 65_536][..65_535], 65_535)]
    {
        let request = CallFunction { in_tail: vec![0], ..scene.request("length", &[0]) };
        let mut bytes = text.to_vec();
        bytes.resize(text.len().max(expected + 1), 0);
        let id = client.send(&request, Bytes::from(bytes));
        let (reply, _) = client.answer::<CallFunction>(id).expect("it returns");
        assert_eq!(reply.integer, expected as u64);
    }
    let request = CallFunction { in_tail: vec![0], ..scene.request("length", &[3]) };
    let id = client.send(&request, Bytes::from_static(b"no\0four\0"));
    assert_eq!(client.answer::<CallFunction>(id).map(|(reply, _)| reply.integer), Ok(4));
    scene.end(&mut client);
}

#[test]
fn calls_that_make_no_sense_are_refused() {
    let (guard, _server, mut client) = begin();
    let scene = Scene::attach(&guard, &mut client, &["blocked"]);
    let add = scene.request("add", &[1, 2]);
    let refused = [
        (CallFunction { in_tail: vec![2], ..add.clone() }, ErrorCode::Malformed),
        (CallFunction { in_tail: vec![0], ..add.clone() }, ErrorCode::Malformed),
        (CallFunction { arguments: vec![0; 257], ..add.clone() }, ErrorCode::TooLarge),
        (CallFunction { tid: 1, ..add.clone() }, ErrorCode::NoSuchThread),
        (CallFunction { target: 99, ..add.clone() }, ErrorCode::NoSuchTarget),
        (CallFunction { address: 0x10, ..add.clone() }, ErrorCode::Unreadable),
        (scene.request("rounds", &[]), ErrorCode::Unreadable),
    ];
    for (request, code) in refused {
        assert_eq!(scene.fault(&mut client, &request).code, code);
    }
    let id = client.send(&add, Bytes::from(vec![0; 65_537]));
    assert_eq!(client.answer::<CallFunction>(id).expect_err("too much").code, ErrorCode::TooLarge);
    client.go(scene.target);
    assert_eq!(client.call(&add).expect_err("it runs").code, ErrorCode::NotStopped);
    client.interrupt(scene.target);
    client.wait_stop();
    assert_eq!(scene.call(&mut client, "add", &[1, 2]).integer, 3);
    scene.end(&mut client);
}

#[test]
fn every_register_keeps_its_value() {
    let (guard, _server, mut client) = begin();
    let scene = Scene::attach(&guard, &mut client, &["registers"]);
    let (turns, limit) = (scene.address("turns"), scene.address("limit"));
    for round in 0..20 {
        scene.call(&mut client, "spoils", &[round]);
        assert_eq!(scene.call(&mut client, "promises", &[]).integer, 1);
        if round % 2 == 0 {
            client.step(scene.target, scene.stop.tid());
            assert_eq!(client.wait_stop().reason(), StopReason::Step);
            scene.fault(&mut client, &scene.request("crashes", &[]));
        }
        let done = client.read_u64(scene.target, turns);
        client.go(scene.target);
        let pid = scene.process.pid();
        until("a turn", || (memory_file::read_u64(pid, turns) != done).then_some(()));
        client.interrupt(scene.target);
        client.wait_stop();
    }
    let last = client.read_u64(scene.target, turns) + 2;
    client.write(scene.target, limit, &last.to_le_bytes()).expect("it can be written");
    scene.end(&mut client);
}

#[test]
fn a_call_that_does_not_return_is_undone() {
    let (guard, _server, mut client) = begin();
    let scene = Scene::attach(&guard, &mut client, &["blocked"]);
    client.insert(scene.target, 1, scene.address("breakpoint"));
    let calls: [(&str, &[u64], &str); 8] = [
        ("crashes", &[], "got SIGSEGV at"),
        ("divides", &[0], "got SIGFPE at"),
        ("aborts", &[], "got SIGABRT at"),
        ("breaks", &[], "hit a breakpoint at"),
        ("exits", &[3], "about to end the thread or the process"),
        ("exits_thread", &[], "about to end the thread or the process"),
        ("blocks_and_spins", &[], "did not return within 50 ms"),
        ("sleeps", &[100_000], "did not return within 50 ms"),
    ];
    for (function, arguments, expected) in calls {
        let request = CallFunction { patience_ms: 50, ..scene.request(function, arguments) };
        let patience_ms = if expected.contains("50 ms") { 50 } else { 0 };
        let fault = scene.fault(&mut client, &CallFunction { patience_ms, ..request });
        assert_eq!(fault.code, ErrorCode::CallUnwound, "{function}: {fault}");
        assert!(fault.detail.contains(expected), "{function}: {fault}");
        assert_eq!(scene.call(&mut client, "add", &[1, 2]).integer, 3, "after {function}");
    }
    client.remove(scene.target, &[1]);
    assert_eq!(scene.call(&mut client, "breaks", &[]).integer, 5);
    scene.end(&mut client);
}

#[test]
fn who_asks_for_a_stop_ends_a_call() {
    let (guard, _server, mut client) = begin();
    for function in ["spins", "sleeps"] {
        let scene = Scene::attach(&guard, &mut client, &["blocked"]);
        let before = client.registers(scene.target, scene.stop.tid());
        let pid = scene.process.pid();
        let rounds = scene.address("rounds");
        let request = scene.request(function, &[100_000]);
        let begin = |client: &mut Client| {
            let id = client.send(&request, Bytes::new());
            until("it to be called", || {
                let is_asleep = procfs::is_sleeping_in(pid, scene.stop.tid(), 230);
                (is_asleep || memory_file::read_u64(pid, rounds) != 0).then_some(id)
            })
        };
        let id = begin(&mut client);
        client
            .call(&Interrupt { target: scene.target.id, tids: Vec::new() })
            .expect("it can be asked");
        let ended = client.answer::<CallFunction>(id).expect_err("a fault");
        assert_eq!(ended.code, ErrorCode::CallUnwound);
        assert!(ended.detail.contains("asked to stop"), "{ended}");
        assert_eq!(client.registers(scene.target, scene.stop.tid()), before);
        assert_eq!(client.pending_events(), []);
        let id = begin(&mut client);
        let detach = client.send(&Detach { target: scene.target.id }, Bytes::new());
        let ended = client.answer::<CallFunction>(id).expect_err("a fault");
        assert_eq!(ended.code, ErrorCode::CallUnwound);
        client.answer::<Detach>(detach).expect("it can be detached");
        let mut process = scene.process;
        process.close_input();
        assert_eq!(process.wait(), ExitStatus::Exited(0));
    }
}

#[test]
fn signals_from_outside_wait_until_a_call_is_over() {
    let (guard, _server, mut client) = begin();
    let scene = Scene::attach(&guard, &mut client, &["threads", "0"]);
    let pid = scene.process.pid();
    let tid = scene.stop.tid();
    for (function, is_ended) in [("sleeps", false), ("spins", true)] {
        // One that is told, and awaits what the client says of it.
        client.go(scene.target);
        send_signal(pid, Signal::SIGUSR1);
        let told = client.wait_stop().reason();
        assert!(matches!(told, StopReason::Signal { signal: Signal::SIGUSR1, .. }), "{told:?}");
        let id = client.send(&scene.request(function, &[300]), Bytes::new());
        let refused = client.call(&scene.request("add", &[]));
        assert_eq!(refused.expect_err("it is busy").code, ErrorCode::NotStopped);
        for signal in [Signal::SIGUSR2, Signal::SIGWINCH, Signal::SIGUSR1] {
            send_signal(pid, signal);
        }
        if is_ended {
            client.interrupt(scene.target);
        }
        let outcome = client.answer::<CallFunction>(id);
        assert_eq!(outcome.is_err(), is_ended, "{outcome:?}");
        // None of them is passed on: nobody handles them.
        client.go(scene.target);
        let mut then = [client.wait_stop().reason(), StopReason::Exec];
        client.go(scene.target);
        then[1] = client.wait_stop().reason();
        then.sort_by_key(|reason| {
            matches!(reason, StopReason::Signal { signal: Signal::SIGUSR2, .. })
        });
        assert_eq!(then[0], told, "with the same sender");
        assert!(matches!(then[1], StopReason::Signal { signal: Signal::SIGUSR2, .. }), "{then:?}");
        assert_eq!(scene.call(&mut client, "add", &[1, 2]).integer, 3);
        assert_eq!(client.pending_events(), [], "{tid}");
    }
    // The last one that was told would be delivered.
    client.go(scene.target);
    client.interrupt(scene.target);
    client.wait_stop();
    scene.end(&mut client);
}

#[test]
fn what_a_function_raises_itself_ends_its_call() {
    let (guard, _server, mut client) = begin();
    let scene = Scene::attach(&guard, &mut client, &["threads", "0"]);
    for signal in [Signal::SIGUSR2, Signal::SIGTERM] {
        let number = signal.number().unsigned_abs();
        let fault = scene.fault(&mut client, &scene.request("raises", &[u64::from(number)]));
        assert_eq!(fault.code, ErrorCode::CallUnwound);
        assert!(fault.detail.contains(&format!("got {signal}")), "{fault}");
    }
    // One that stops nothing stops no call.
    scene.call(&mut client, "raises", &[28]);
    scene.end(&mut client);
}

#[test]
fn the_other_threads_run_if_that_is_wanted() {
    let (guard, _server, mut client) = begin();
    let scene = Scene::attach(&guard, &mut client, &["threads", "10"]);
    let alone = CallFunction { patience_ms: 50, ..scene.request("waits_for_others", &[]) };
    let fault = scene.fault(&mut client, &alone);
    assert!(fault.detail.contains("did not return"), "{fault}");
    let together = CallFunction { run_others: true, patience_ms: 0, ..alone };
    assert_eq!(client.call(&together).map(|reply| reply.integer), Ok(7));
    // A thread that is made stays at its beginning, or runs with the others.
    assert_eq!(scene.call(&mut client, "makes_thread", &[]).integer, 1);
    let made = CallFunction { run_others: true, ..scene.request("makes_thread", &[]) };
    assert_eq!(client.call(&made).map(|reply| reply.integer), Ok(1));
    // What another thread has to tell ends the call, and is told.
    let site = scene.address("wait_in_its_way_again");
    client.insert(scene.target, 1, site);
    let spins = CallFunction { run_others: true, ..scene.request("spins", &[]) };
    let fault = client.call(&spins).expect_err("another thread hits the breakpoint");
    assert!(fault.detail.contains("another thread hit a breakpoint"), "{fault}");
    client.go(scene.target);
    assert_eq!(client.wait_stop().sites(), [1]);
    client.remove(scene.target, &[1]);
    scene.end(&mut client);
}

/// The fault by which a function returns, and one of its own, may be raised in the moment in which
/// the thread is interrupted: they are not left to the program.
#[test]
fn no_fault_of_a_call_that_is_broken_off_comes_later() {
    let (guard, _server, mut client) = begin();
    let scene = Scene::attach(&guard, &mut client, &["raises"]);
    let caller = Tid::new(scene.process.pid().value());
    let request = scene.request("provokes", &[]);
    let mut broken_off = 0;
    for round in 0..1000 {
        let request = CallFunction {
            tid: caller.value(),
            arguments: vec![round % 500 * 20, round % 2],
            run_others: true,
            ..request.clone()
        };
        let outcome = client.call(&request).map(|reply| reply.integer);
        broken_off += u32::from(outcome.is_err());
        client.go(scene.target);
        let stop = client.wait_stop();
        assert_ne!(stop.tid(), caller, "after {outcome:?}: {:?}", stop.reason());
        client.go(scene.target);
        client.interrupt(scene.target);
        assert_eq!(client.wait_stop().reason(), StopReason::Interrupted, "after {outcome:?}");
    }
    assert!(broken_off >= 500, "{broken_off}: those that have a fault of their own at least");
    scene.end(&mut client);
}

/// The registers but for how an interrupted call is gone on with: the kernel's notes of it are lost
/// when the function sleeps, and it is begun anew.
fn own_state(registers: &GeneralRegisters) -> GeneralRegisters {
    let mut registers = *registers;
    if matches!(registers.get(x86_64::RAX) as i64, -516 | -513) {
        registers.set(x86_64::RAX, 0);
        registers.set(x86_64::ORIG_RAX, 0);
    }
    registers
}

#[test]
fn every_one_of_fifty_threads_calls() {
    let (guard, _server, mut client) = begin();
    let (process, testee) = ready(&guard, "borrowed", &["threads", "50"]);
    wait_for_call(&process, SYS_READ);
    let (target, stop) = client.attach(process.pid());
    let scene = Scene { process, testee, target, stop };
    for round in 0..2 {
        for tid in client.tids(target) {
            let before = own_state(&client.registers(target, tid));
            let ask = |function, arguments: &[u64]| CallFunction {
                tid: tid.value(),
                ..scene.request(function, arguments)
            };
            let sum = client.call(&ask("add", &[u64::from(tid.value()), 1])).expect("it returns");
            assert_eq!(sum.integer, u64::from(tid.value()) + 1);
            client.call(&ask("spoils", &[1])).expect("it returns");
            client.call(&ask("sleeps", &[1])).expect("it returns");
            client.call(&ask("crashes", &[])).expect_err("it crashes");
            assert_eq!(own_state(&client.registers(target, tid)), before, "round {round}");
        }
        client.go(target);
        client.interrupt(target);
        client.wait_stop();
    }
    scene.end(&mut client);
}

#[test]
fn processes_that_a_function_makes_are_let_go() {
    let (guard, _server, mut client) = begin();
    let scene = Scene::attach(&guard, &mut client, &["threads", "3"]);
    client.insert(scene.target, 1, scene.address("breakpoint"));
    assert_eq!(scene.call(&mut client, "makes_process", &[]).integer, 3 << 8);
    let fault = scene.fault(&mut client, &scene.request("breaks", &[]));
    assert!(fault.detail.contains("breakpoint"), "{fault}");
    scene.end(&mut client);
}

#[test]
fn a_program_that_a_function_executes_is_told() {
    let (guard, _server, mut client) = begin();
    let scene = Scene::attach(&guard, &mut client, &["threads", "3"]);
    let program = Testee::build("plain", &[]);
    let mut path = program.path().to_string_lossy().into_owned().into_bytes();
    path.push(0);
    let request = CallFunction { in_tail: vec![0], ..scene.request("becomes", &[0]) };
    let id = client.send(&request, Bytes::from(path));
    let fault = client.answer::<CallFunction>(id).expect_err("nothing returns");
    assert_eq!(fault.code, ErrorCode::TargetEnded);
    assert!(fault.detail.contains("another program"), "{fault}");
    assert_eq!(client.wait_stop().reason(), StopReason::Exec);
    client.kill(scene.target);
}

#[test]
fn the_effects_of_a_call_stay() {
    let (guard, _server, mut client) = begin();
    let scene = Scene::attach(&guard, &mut client, &["threads", "0"]);
    let (pid, tid) = (scene.process.pid(), scene.stop.tid());
    let mask = || procfs::status(pid, tid, "SigBlk").expect("it lives");
    assert_eq!(mask(), "0000000000000000");
    assert_eq!(scene.call(&mut client, "blocks_usr1", &[]).integer, 0);
    assert_eq!(mask(), "0000000000000200");
    // What an undone call has blocked is not.
    let request = CallFunction { patience_ms: 50, ..scene.request("blocks_and_spins", &[]) };
    scene.fault(&mut client, &request);
    assert_eq!(mask(), "0000000000000200");
    scene.end(&mut client);
}

#[test]
fn a_thread_that_calls_is_put_back_when_the_session_is_killed() {
    let (guard, server, mut client) = begin();
    for (way, function) in [("blocked", "sleeps"), ("registers", "sleeps"), ("registers", "spins")]
    {
        let scene = Scene::attach(&guard, &mut client, &[way]);
        let (pid, tid) = (scene.process.pid(), scene.stop.tid());
        let (turns, limit, rounds) =
            (scene.address("turns"), scene.address("limit"), scene.address("rounds"));
        client.send(&scene.request(function, &[100_000]), Bytes::new());
        until("it to be called", || {
            let is_asleep = procfs::is_sleeping_in(pid, tid, 230);
            (is_asleep || memory_file::read_u64(pid, rounds) != 0).then_some(())
        });
        kill_session(&server, &mut client);
        assert_repaired(pid);
        if way == "registers" {
            let done = memory_file::read_u64(pid, turns);
            memory_file::write(pid, limit, &(done + 3).to_le_bytes()).expect("it lives");
        }
        let mut process = scene.process;
        process.close_input();
        assert_eq!(process.wait(), ExitStatus::Exited(0), "{way} {function}");
        client = server.connect();
    }
}

#[test]
fn a_target_that_is_killed_in_a_call_is_gone() {
    let (guard, _server, mut client) = begin();
    let mut scene = Scene::attach(&guard, &mut client, &["threads", "5"]);
    let id = client.send(&scene.request("spins", &[]), Bytes::new());
    let (pid, rounds) = (scene.process.pid(), scene.address("rounds"));
    until("it to be called", || (memory_file::read_u64(pid, rounds) != 0).then_some(()));
    let kill = SendSignal { target: scene.target.id, tid: 0, signal: 9 };
    client.call(&kill).expect("it can be killed");
    assert_eq!(client.answer::<CallFunction>(id).expect_err("gone").code, ErrorCode::TargetEnded);
    assert_eq!(client.wait_exit(), ExitStatus::Killed(Signal::SIGKILL));
    scene.process.wait();
}

#[test]
fn a_thread_at_its_exec_calls() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("executes", &[]);
    let (target, _) = client.start(&testee, &["at-once"]);
    client.go(target);
    assert_eq!(client.wait_stop().reason(), StopReason::Exec);
    client.go(target);
    let stop = client.wait_stop();
    assert_eq!(stop.reason(), StopReason::InitialBreak);
    let request = CallFunction {
        target: target.id,
        address: address_of(&testee, &stop, "second").value(),
        ..CallFunction::default()
    };
    client.call(&request).expect("it returns");
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(5));
}

/// Threads that are on their way over sites all the time, and are interrupted by a timer, call the
/// very function that they are in. Everybody's results are right, and nobody sees a slot.
#[test]
fn threads_at_sites_call() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("carried", &["-O1"]);
    let mut process = guard.start(testee.path(), &["4", "1000000000", "500"]);
    assert_eq!(process.read_line(), "ready");
    let pid = process.pid();
    let (target, stop) = client.attach(pid);
    for (id, name) in (1..).zip(["at_push", "at_call", "at_popf", "at_repeat", "at_stack"]) {
        let at = address_of(&testee, &stop, name);
        client.insert_site(target, Site { ignore: u64::MAX, ..testkit::site(id, at) });
    }
    let function = address_of(&testee, &stop, "all_shapes").value();
    for round in 0..60 {
        client.go(target);
        client.interrupt(target);
        client.wait_stop();
        for tid in client.tids(target) {
            let before = client.registers(target, tid);
            let request = CallFunction {
                target: target.id,
                tid: tid.value(),
                address: function,
                arguments: vec![round, 0],
                in_tail: vec![1],
                run_others: round % 2 == 1,
                ..CallFunction::default()
            };
            let id = client.send(&request, Bytes::from_static(&[0; 16]));
            let reply = client.answer::<CallFunction>(id);
            assert_eq!(reply.map(|(reply, _)| reply.integer), Ok(32_088), "{round}, thread {tid}");
            assert_eq!(client.registers(target, tid), before, "{round}, thread {tid}");
        }
    }
    // One that stands at a site which it has told calls, and does not tell it again.
    // It is the only one, so that no other's hit waits to be told.
    let alone = client.tids(target)[1].value();
    client.insert_site(target, Site { tid: alone, ..testkit::site(50, Address::new(function)) });
    client.go(target);
    let hit = client.wait_stop();
    assert_eq!((hit.sites(), hit.pc().value()), (vec![50], function));
    let request = CallFunction { target: target.id, address: function, ..CallFunction::default() };
    let fault = client.call(&request).expect_err("a site in the way");
    assert!(fault.detail.contains("hit a breakpoint"), "{fault}");
    assert_eq!(client.registers(target, hit.tid()), hit.registers());
    client.step(target, hit.tid());
    let stepped = client.wait_stop();
    assert_eq!((stepped.reason(), stepped.tid()), (StopReason::Step, hit.tid()));
    client.detach(target);
    let strays = address_of(&testee, &stop, "strays");
    assert_eq!(memory_file::read_u64(pid, strays), 0);
    assert_eq!(changed_code(pid), []);
    process.signal(Signal::SIGKILL);
    process.wait();
}

/// A client that is lost in the middle of a call leaves the target as one that is lost without.
#[test]
fn a_client_that_is_lost_ends_its_call() {
    let (guard, server, client) = begin();
    drop(client);
    for (way, function) in
        [("blocked", "sleeps"), ("registers", "spins"), ("registers", "blocks_and_spins")]
    {
        let mut client = server.connect();
        let scene = Scene::attach(&guard, &mut client, &[way]);
        let (pid, tid) = (scene.process.pid(), scene.stop.tid());
        let (turns, limit, rounds) =
            (scene.address("turns"), scene.address("limit"), scene.address("rounds"));
        let mask = procfs::status(pid, tid, "SigBlk");
        client.send(&scene.request(function, &[100_000]), Bytes::new());
        until("it to be called", || {
            let is_asleep = procfs::is_sleeping_in(pid, tid, 230);
            (is_asleep || memory_file::read_u64(pid, rounds) != 0).then_some(())
        });
        drop(client);
        until("it to be left", || (procfs::tracer(pid, tid) == Some(0)).then_some(()));
        assert_eq!(procfs::status(pid, tid, "SigBlk"), mask, "{way} {function}");
        assert_eq!(changed_code(pid), [], "{way} {function}");
        if way == "registers" {
            let done = memory_file::read_u64(pid, turns);
            memory_file::write(pid, limit, &(done + 3).to_le_bytes()).expect("it lives");
        }
        let mut process = scene.process;
        process.close_input();
        assert_eq!(process.wait(), ExitStatus::Exited(0), "{way} {function}");
    }
}
