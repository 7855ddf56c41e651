//! One instruction at a time, over everything that is hard to step over.

use dbgbase::{Address, ExitStatus, LinkAddress, StopReason};
use testkit::{Client, Stop, Target, Testee};

use crate::{address_of, begin};

/// Steps once, which must succeed.
#[track_caller]
fn step(client: &mut Client, target: Target, at: &Stop) -> Stop {
    client.step(target, at.tid());
    let stop = client.wait_stop();
    assert_eq!(stop.reason(), StopReason::Step);
    stop
}

/// Whether two addresses are as far apart as in the file.
fn is_at(stop: &Stop, bias: dbgbase::LoadBias, link: LinkAddress) -> bool {
    stop.pc() == link.to_address(bias)
}

#[test]
fn steps_stop_at_every_instruction() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("minimal", &[]);
    let instructions = testee.instructions("_start", "end_of_code");
    let (target, mut stop) = client.start(&testee, &[]);
    let bias = stop.bias();
    let routine = testee.symbol("routine");
    let mut visited: Vec<String> = Vec::new();
    let mut position = 0;
    loop {
        let (link, text) = &instructions[position];
        assert!(is_at(&stop, bias, *link), "{:?} is not at {link:?} {text}", stop.pc());
        visited.push(text.clone());
        if text.starts_with("syscall") && is_at(&stop, bias, last_syscall(&instructions)) {
            break;
        }
        let is_repeated = text.starts_with("rep ");
        stop = step(&mut client, target, &stop);
        position = if text.starts_with("call") {
            instructions.iter().position(|(link, _)| *link == routine).expect("routine")
        } else if text.starts_with("ret") {
            let after_call = instructions.iter().position(|(_, text)| text.starts_with("call"));
            after_call.expect("a call") + 1
        } else if is_repeated && is_at(&stop, bias, *link) {
            position
        } else {
            position + 1
        };
    }
    let repetitions = visited.iter().filter(|text| text.starts_with("rep ")).count();
    assert_eq!(repetitions, 16, "one for each repetition");
    assert!(visited.iter().any(|text| text.starts_with("inc")), "into the call");
    client.step(target, stop.tid());
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

/// The system call by which the program ends well.
fn last_syscall(instructions: &[(LinkAddress, String)]) -> LinkAddress {
    let syscalls: Vec<&(LinkAddress, String)> =
        instructions.iter().filter(|(_, text)| text.starts_with("syscall")).collect();
    syscalls[1].0
}

#[test]
fn steps_over_armed_instructions_are_the_same() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("minimal", &[]);
    let instructions = testee.instructions("_start", "end_of_code");
    let (target, mut stop) = client.start(&testee, &[]);
    let bias = stop.bias();
    for (index, (link, _)) in instructions.iter().enumerate() {
        client.insert(target, index as u32 + 1, link.to_address(bias));
    }
    let mut pcs: Vec<Address> = Vec::new();
    while !is_at(&stop, bias, last_syscall(&instructions)) {
        pcs.push(stop.pc());
        stop = step(&mut client, target, &stop);
    }
    client.step(target, stop.tid());
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
    // 15 instructions up to the call's return and the comparison behind it, then 16 repetitions.
    assert_eq!(pcs.len(), instructions_run(&instructions));
}

/// How many steps the program takes to its last system call.
fn instructions_run(instructions: &[(LinkAddress, String)]) -> usize {
    let end = last_syscall(instructions);
    let straight = instructions.iter().take_while(|(link, _)| *link != end).count();
    // The routine's two instructions, and fifteen repetitions more than one.
    straight + 2 + 15
}

#[test]
fn running_over_armed_instructions_hits_each_once() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("minimal", &[]);
    let instructions = testee.instructions("_start", "end_of_code");
    let (target, stop) = client.start(&testee, &[]);
    let bias = stop.bias();
    for (index, (link, _)) in instructions.iter().enumerate() {
        client.insert(target, index as u32 + 1, link.to_address(bias));
    }
    let mut hits = 1; // The first instruction, at which it stands.
    loop {
        client.go(target);
        match client.wait_event() {
            testkit::Event::Stopped(stop) => assert_eq!(stop.sites().len(), 1),
            testkit::Event::Exited { status, .. } => {
                assert_eq!(status, ExitStatus::Exited(0));
                break;
            }
            other => panic!("{other:?}"),
        }
        hits += 1;
    }
    assert_eq!(hits, instructions_run(&instructions) + 1 - 15);
}

#[test]
fn a_step_onto_a_site_is_a_step() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("minimal", &[]);
    let (target, stop) = client.start(&testee, &[]);
    let ordinary = address_of(&testee, &stop, "ordinary");
    client.insert(target, 1, ordinary);
    let stop = step(&mut client, target, &stop);
    assert_eq!(stop.pc(), ordinary);
    // It has been seen there, and is not hit again.
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}
