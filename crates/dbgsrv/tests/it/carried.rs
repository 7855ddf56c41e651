//! Stepping over sites out of line: instructions of every shape do in a slot what they do in their
//! own place, no program ever sees that it is in one, and nothing of it is left.

use dbgbase::{Address, ExitStatus, Pid, Signal, StopReason};
use dbgwire::verbs::inject::InjectSyscall;
use dbgwire::verbs::site::{ListSites, Site, SiteState};
use testkit::footprint::changed_code;
use testkit::{Client, Target, Testee, memory_file, until};

use crate::{address_of, begin};

/// The labelled instructions of the testee, and how often a round executes each.
const SHAPES: [(&str, u64); 22] = [
    ("at_push", 1),
    ("at_move", 1),
    ("at_load", 1),
    ("at_lea", 1),
    ("at_add", 1),
    ("at_compare", 1),
    ("at_taken", 1),
    ("at_passed", 1),
    ("at_jump", 1),
    ("at_loop", 4),
    ("at_no_count", 1),
    ("at_call", 1),
    ("at_indirect", 1),
    ("at_register", 1),
    ("at_stack", 1),
    ("at_pushf", 1),
    ("at_popf", 1),
    ("at_repeat", 1),
    ("at_sse", 1),
    ("at_return", 1),
    ("at_double", 4),
    ("all_shapes", 1),
];

/// Arms every shape with something that stops nobody.
fn arm_all(client: &mut Client, target: Target, bias: dbgbase::LoadBias, testee: &Testee) {
    for (id, (name, _)) in (1..).zip(SHAPES) {
        let at = testee.symbol(name).to_address(bias);
        client.insert_site(target, Site { ignore: u64::MAX, ..testkit::site(id, at) });
    }
}

fn states(client: &mut Client, target: Target) -> Vec<SiteState> {
    let mut sites = client.call(&ListSites { target: target.id }).expect("sites").sites;
    sites.sort_by_key(|site| site.id);
    sites
}

#[test]
fn instructions_of_every_shape_keep_their_meaning() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("carried", &["-O1"]);
    for threads in [1, 4] {
        let rounds = 300 / threads;
        let arguments = [threads.to_string(), rounds.to_string()];
        let (target, stop) = client.start(&testee, &[&arguments[0], &arguments[1], "500"]);
        arm_all(&mut client, target, stop.bias(), &testee);
        let exit = address_of(&testee, &stop, "strays");
        // The end of the program is a stop at which the counts can still be asked for.
        let last = SHAPES.len() as u32 + 1;
        let watch = Site {
            kind: dbgwire::verbs::site::SiteKind::HardwareReadWrite as i32,
            len: 8,
            ..testkit::site(last, exit)
        };
        client.insert_site(target, watch);
        client.go(target);
        let stop = client.wait_stop();
        assert!(matches!(stop.reason(), StopReason::Watchpoint { .. }), "{:?}", stop.reason());
        let states = states(&mut client, target);
        for ((name, times), state) in SHAPES.iter().zip(&states) {
            assert_eq!(state.hits, times * rounds * threads, "{name} in {threads} threads");
            // A call through the stack pointer is the one that cannot be carried.
            assert_eq!(state.out_of_line, *name != "at_stack", "{name}");
        }
        client.go(target);
        assert_eq!(client.wait_exit(), ExitStatus::Exited(0), "{threads}");
    }
}

#[test]
fn slots_are_invisible_and_leave_nothing() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("carried", &["-O1"]);
    let mut process = guard.start(testee.path(), &["3", "1000000000", "500"]);
    assert_eq!(process.read_line(), "ready");
    let pid = process.pid();
    for round in 0..10 {
        let (target, stop) = client.attach(pid);
        let bias = stop.bias();
        arm_all(&mut client, target, bias, &testee);
        let etext = testee.symbol("etext").to_address(bias);
        let gap = Address::new(etext.value().next_multiple_of(16));
        let at_push = testee.symbol("at_push").to_address(bias);
        let hits =
            |client: &mut Client| states(client, target).iter().map(|site| site.hits).sum::<u64>();
        client.go(target);
        until("hits", || (hits(&mut client) > 200).then_some(()));
        // What a reader sees of unused bytes is that they are unused.
        assert_ne!(memory_file::read(pid, gap, 64), vec![0; 64], "slots are there");
        assert_eq!(client.read(target, gap, 64), vec![0; 64]);
        let refused = client.write(target, gap, &[1, 2, 3]);
        assert!(refused.is_err_and(|fault| fault.detail.contains("unused")), "{round}");
        client.interrupt(target);
        let stop = client.wait_stop();
        assert_eq!(stop.reason(), StopReason::Interrupted);
        for tid in client.tids(target) {
            let pc = client.registers(target, tid).pc();
            assert!(pc < etext || pc.value() > etext.value() + 4096, "{pc} is in a slot");
        }
        client.remove(target, &(1..=10).collect::<Vec<u32>>());
        client.insert(target, 99, at_push);
        client.go(target);
        assert_eq!(client.wait_stop().sites(), [99]);
        client.detach(target);
        assert_eq!(changed_code(pid), [], "{round}");
    }
    process.signal(Signal::SIGKILL);
    process.wait();
}

#[test]
fn slots_are_emptied_also_while_a_thread_makes_a_call_for_the_debugger() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("carried", &["-O1"]);
    let mut process = guard.start(testee.path(), &["3", "1000000000", "500"]);
    assert_eq!(process.read_line(), "ready");
    let pid = process.pid();
    let (target, stop) = client.attach(pid);
    arm_all(&mut client, target, stop.bias(), &testee);
    client.go(target);
    let hits =
        |client: &mut Client| states(client, target).iter().map(|site| site.hits).sum::<u64>();
    until("hits", || (hits(&mut client) > 200).then_some(()));
    client.interrupt(target);
    client.wait_stop();
    // It sleeps for longer than it takes until a target is at rest.
    let poll = InjectSyscall { target: target.id, number: 7, ..InjectSyscall::default() };
    let sleep = client.send(&InjectSyscall { arguments: vec![0, 0, 1000], ..poll }, Vec::new());
    until("it to be at rest", || changed_code(pid).is_empty().then_some(()));
    assert_eq!(client.answer::<InjectSyscall>(sleep).expect("it sleeps").0.result, 0);
    client.detach(target);
    assert_eq!(changed_code(pid), []);
    process.signal(Signal::SIGKILL);
    process.wait();
}

#[test]
fn a_stop_in_the_middle_of_a_slot_is_one_at_its_place() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("carried", &["-O1"]);
    let mut process = guard.start(testee.path(), &["4", "1000000000", "500"]);
    assert_eq!(process.read_line(), "ready");
    let pid = process.pid();
    let (target, stop) = client.attach(pid);
    let bias = stop.bias();
    arm_all(&mut client, target, bias, &testee);
    let etext = testee.symbol("etext").to_address(bias);
    for _ in 0..150 {
        client.go(target);
        client.interrupt(target);
        let stop = client.wait_stop();
        assert_eq!(stop.reason(), StopReason::Interrupted);
        for tid in client.tids(target) {
            let pc = client.registers(target, tid).pc();
            assert!(pc < etext || pc.value() > etext.value() + 4096, "{pc} is in a slot");
        }
    }
    client.detach(target);
    assert_eq!(strays(pid, &testee, bias), 0);
    assert_eq!(changed_code(pid), []);
    process.signal(Signal::SIGKILL);
    process.wait();
}

fn strays(pid: Pid, testee: &Testee, bias: dbgbase::LoadBias) -> u64 {
    memory_file::read_u64(pid, testee.symbol("strays").to_address(bias))
}

#[test]
fn steps_through_slots_are_single_steps() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("carried", &["-O1"]);
    let (target, stop) = client.start(&testee, &["1", "2", "0"]);
    let bias = stop.bias();
    let start = address_of(&testee, &stop, "all_shapes");
    client.insert(target, 50, start);
    // The first round without other sites, the second with: the same addresses.
    let mut traces: Vec<Vec<Address>> = Vec::new();
    for round in 0..2 {
        client.go(target);
        let mut stop = client.wait_stop();
        assert!(stop.sites().contains(&50), "{round}: {:?}", stop.reason());
        if round == 1 {
            arm_all(&mut client, target, bias, &testee);
        }
        let back = client.read_u64(target, stop.registers().sp());
        let mut trace = Vec::new();
        while stop.pc().value() != back {
            trace.push(stop.pc());
            client.step(target, stop.tid());
            stop = client.wait_stop();
            assert_eq!(stop.reason(), StopReason::Step, "behind {:?}", trace.last());
        }
        traces.push(trace);
    }
    assert!(traces[0].len() > 60, "{}", traces[0].len());
    assert_eq!(traces[0], traces[1]);
    client.remove(target, &(1..=50).collect::<Vec<u32>>());
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}
