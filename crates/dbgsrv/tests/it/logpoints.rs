//! Sites whose commands print instead of stopping: what is printed, by whom, in which order, what
//! is lost, and what is refused.

use std::collections::HashMap;

use dbgbase::{Address, Arch, ConditionTrouble, ExitStatus, Tid};
use dbgwire::agent::{Code, Instruction, PRINTED_LEN_MAX};
use dbgwire::event::Printed;
use dbgwire::verbs::site::{COMMANDS_MAX, InsertSites, ListSites, Site, SiteKind};
use dbgwire::{ErrorCode, convert};
use testkit::{Client, Event, Target, Testee, site};

use crate::{address_of, begin};

/// The numbers for GDB of the registers with the first two arguments.
const FIRST: Instruction = Instruction::Register(5);
const SECOND: Instruction = Instruction::Register(4);

const X86: Arch = Arch::X86_64;

/// Code that prints once.
fn printing(numbers: &[Instruction], format: &[u8]) -> Vec<u8> {
    Code::assemble_printing(numbers, format, X86).expect("sound").bytes().to_vec()
}

fn condition(instructions: &[Instruction]) -> Vec<u8> {
    Code::assemble(instructions, X86).expect("sound").bytes().to_vec()
}

/// A site that prints the first argument.
fn logpoint(id: u32, at: Address) -> Site {
    Site { commands: vec![printing(&[FIRST], b"%d\\n")], ..site(id, at) }
}

/// What is printed up to the target's end.
#[track_caller]
fn printed_until_exit(client: &mut Client) -> Vec<(Printed, Vec<u8>)> {
    let mut all = Vec::new();
    loop {
        match client.wait_event() {
            Event::Printed { event, text } => all.push((event, text)),
            Event::Exited { status, .. } => {
                assert_eq!(status, ExitStatus::Exited(0));
                return all;
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The lines that a site has printed.
fn lines(printed: &[(Printed, Vec<u8>)], site: u32) -> Vec<u64> {
    let texts = printed.iter().filter(|(event, _)| event.site == site).map(|(_, text)| text);
    let text: Vec<u8> = texts.flatten().copied().collect();
    let text = String::from_utf8(text).expect("UTF-8");
    text.lines().map(|line| line.parse().expect("a number")).collect()
}

/// Formats made of everything that they may have.
fn formats() -> Vec<String> {
    let mut all = Vec::new();
    let mut seed = 1_u32;
    let mut pick = |count: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) as usize % count
    };
    for letter in ["d", "i", "u", "o", "x", "X", "c", "p", "s"] {
        for _ in 0..24 {
            let is_number = !["c", "p", "s"].contains(&letter);
            // What the C standard gives no meaning to.
            let flags: &[&str] = match letter {
                "d" | "i" => &["", "-", "+", " ", "0", "-+", "+0", " 0", "-0", "+ "],
                "u" => &["", "-", "0", "-0"],
                "o" | "x" | "X" => &["", "-", "#", "0", "#0", "-#", "#-0"],
                _ => &["", "-"],
            };
            let sizes: &[&str] =
                if is_number { &["", "hh", "h", "l", "ll", "z", "j"] } else { &[""] };
            let precisions: &[&str] = match letter {
                "c" | "p" => &[""],
                _ => &["", "", ".", ".0", ".1", ".3", ".12"],
            };
            let width = ["", "1", "5", "20"][pick(4)];
            let parts = [
                flags[pick(flags.len())],
                width,
                precisions[pick(precisions.len())],
                sizes[pick(sizes.len())],
            ];
            all.push(format!("<%{}{letter}>", parts.concat()));
        }
    }
    all
}

#[test]
fn texts_are_those_of_printf() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("prints", &["-Wno-format-nonliteral", "-Wno-format-security"]);
    let formats = formats();
    let words: Vec<&str> = formats.iter().map(String::as_str).collect();
    let expected = guard.output(testee.path().to_str().expect("UTF-8"), &words);
    let (target, stop) = client.start(&testee, &words);
    let told = address_of(&testee, &stop, "told");
    for (id, format) in (1..).zip(&formats) {
        let is_its = condition(&[FIRST, Instruction::Constant(u64::from(id)), Instruction::Equal]);
        let commands = vec![printing(&[SECOND], format!("{format}\\n").as_bytes())];
        client.insert_site(target, Site { condition: is_its, commands, ..site(id, told) });
    }
    client.go(target);
    let printed = printed_until_exit(&mut client);
    assert!(printed.iter().all(|(event, _)| event.fault.is_none() && event.lost == 0));
    let found: Vec<u8> = printed.into_iter().flat_map(|(_, text)| text).collect();
    let found = String::from_utf8_lossy(&found).into_owned();
    let mut checked = 0;
    for (found, expected) in found.split(">\n").zip(expected.split(">\n")) {
        assert_eq!(found, expected, "{}", formats[(checked / 10).min(formats.len() - 1)]);
        checked += 1;
    }
    assert_eq!(found, expected);
    assert!(checked > 1500, "{checked}");
}

#[test]
fn ten_thousand_hits_of_many_threads_are_told() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("threads", &[]);
    let (target, stop) = client.start(&testee, &["8", "1250"]);
    let hit = address_of(&testee, &stop, "hit");
    let counts = address_of(&testee, &stop, "counts").value();
    // counts[index], which is what the thread counts.
    let count = [
        FIRST,
        Instruction::Constant(8),
        Instruction::Multiply,
        Instruction::Constant(counts),
        Instruction::Add,
        Instruction::Read64,
    ];
    let commands = vec![printing(&count, b"%lu"), printing(&[], b"\\n")];
    client.insert_site(target, Site { commands, ..site(1, hit) });
    client.go(target);
    let mut told: HashMap<u32, Vec<u64>> = HashMap::new();
    let mut lost = 0;
    for (event, text) in printed_until_exit(&mut client) {
        assert_eq!((event.target, event.site, event.fault), (target.id, 1, None));
        lost += event.lost;
        let text = String::from_utf8(text).expect("UTF-8");
        let numbers = text.lines().map(|line| line.parse::<u64>().expect("a number"));
        told.entry(event.tid).or_default().extend(numbers);
    }
    let count: usize = told.values().map(Vec::len).sum();
    assert_eq!(count as u64 + lost, 10_000);
    assert!(count > 100, "{count}");
    assert_eq!(told.len(), 8);
    for numbers in told.values() {
        assert!(numbers.is_sorted_by(|one, next| one < next), "in the order of the hits");
    }
}

/// What a thread has printed before it stops is told before its stop, and no more.
#[test]
fn a_stop_at_the_same_place_comes_behind_the_text() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["300"]);
    let work = address_of(&testee, &stop, "work");
    client.insert_site(target, logpoint(1, work));
    client.insert_site(target, Site { ignore: 99, ..site(2, work) });
    client.insert_site(target, Site { ignore: 290, ..logpoint(3, work) });
    client.go(target);
    let mut printed = Vec::new();
    let mut wait_stop = |client: &mut Client| {
        loop {
            match client.wait_event() {
                Event::Printed { event, text } => printed.push((event, text)),
                Event::Stopped(stop) => return (stop, printed.clone()),
                other => panic!("{other:?}"),
            }
        }
    };
    let (stop, before) = wait_stop(&mut client);
    assert_eq!((stop.sites(), stop.pc()), (vec![2], work));
    assert_eq!(lines(&before, 1), (0..100).collect::<Vec<_>>());
    // A step is no hit, and what is stepped onto is one when it is executed.
    client.step(target, stop.tid());
    let (stop, after) = wait_stop(&mut client);
    assert_eq!((stop.sites(), after.len()), (Vec::new(), before.len()));
    client.remove(target, &[2]);
    client.go(target);
    let rest = printed_until_exit(&mut client);
    assert_eq!(lines(&rest, 1), (100..300).collect::<Vec<_>>());
    assert_eq!(lines(&rest, 3), (290..300).collect::<Vec<_>>());
}

#[test]
fn the_thread_the_stack_and_the_condition_decide() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["100"]);
    let work = address_of(&testee, &stop, "work");
    let tens =
        [FIRST, Instruction::Constant(10), Instruction::RemainderUnsigned, Instruction::LogicalNot];
    let leader = Tid::from(target.pid).value();
    client.insert_site(target, Site { condition: condition(&tens), ..logpoint(1, work) });
    client.insert_site(target, Site { tid: leader + 1, ..logpoint(2, work) });
    client.insert_site(target, Site { sp_above: u64::MAX, ..logpoint(3, work) });
    client.insert_site(target, Site { tid: leader, ignore: 97, ..logpoint(4, work) });
    let done = address_of(&testee, &stop, "done");
    client.insert(target, 5, done);
    client.go(target);
    let mut printed = Vec::new();
    let stop = loop {
        match client.wait_event() {
            Event::Printed { event, text } => printed.push((event, text)),
            Event::Stopped(stop) => break stop,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(stop.sites(), [5]);
    assert_eq!(lines(&printed, 1), (0..10).map(|ten| ten * 10).collect::<Vec<_>>());
    assert_eq!((lines(&printed, 2), lines(&printed, 3)), (vec![], vec![]));
    assert_eq!(lines(&printed, 4), [97, 98, 99]);
    let list = client.call(&ListSites { target: target.id }).expect("sites").sites;
    let hits: HashMap<u32, u64> = list.iter().map(|site| (site.id, site.hits)).collect();
    assert_eq!((hits[&1], hits[&2], hits[&4]), (10, 0, 100));
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn what_the_cpu_watches_prints_too() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["200"]);
    let work = address_of(&testee, &stop, "work");
    let calls = address_of(&testee, &stop, "calls");
    let value = [Instruction::Constant(calls.value()), Instruction::Read64];
    let write = SiteKind::HardwareWrite as i32;
    let commands = vec![printing(&value, b"%lu\\n")];
    client.insert_site(target, Site { kind: write, len: 8, commands, ..site(1, calls) });
    let execute = SiteKind::HardwareExecute as i32;
    client.insert_site(target, Site { kind: execute, len: 1, ..logpoint(2, work) });
    client.go(target);
    let printed = printed_until_exit(&mut client);
    // The first write is the loader's or the program's own; each call makes it one more.
    assert!(lines(&printed, 1).ends_with(&(1..=200).collect::<Vec<_>>()));
    assert_eq!(lines(&printed, 2), (0..200).collect::<Vec<_>>());
}

#[test]
fn code_without_an_end_says_why_and_stops_nobody() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["1"]);
    let work = address_of(&testee, &stop, "work");
    let nowhere = Instruction::Constant(0x10);
    // The last number comes first.
    let unreadable = printing(&[nowhere, Instruction::Constant(7)], b"before %d, string %s, after");
    let first = printing(&[], b"first, ");
    let commands = vec![first, unreadable, printing(&[], b"never")];
    client.insert_site(target, Site { commands, ..site(1, work) });
    // const8 7, const8 0, const8 0, printf "%d", goto 0
    let endless =
        [&[0x22, 7, 0x22, 0, 0x22, 0, 0x34, 1, 0, 3][..], b"%d\0", &[0x21, 0, 0, 0x27]].concat();
    client.insert_site(target, Site { commands: vec![endless], ..site(2, work) });
    let divides = condition(&[Instruction::Constant(1), FIRST, Instruction::DivideUnsigned]);
    client.insert_site(target, Site { condition: divides, ..logpoint(3, work) });
    client.go(target);
    let printed = printed_until_exit(&mut client);
    let told: Vec<_> = printed
        .iter()
        .map(|(event, text)| {
            let fault = event.fault.as_ref().map(convert::condition_fault);
            (event.site, event.command, fault.map(|fault| fault.trouble), text.as_slice())
        })
        .collect();
    let no_memory = Some(ConditionTrouble::Unreadable(Address::new(0x10)));
    assert_eq!(told[0], (1, 2, no_memory, &b"first, before 7, string "[..]));
    let (site, command, trouble, text) = told[1];
    assert_eq!((site, command, trouble), (2, 1, Some(ConditionTrouble::TooManySteps)));
    assert!(text.len() > 1000 && text.iter().all(|byte| *byte == b'7'), "{}", text.len());
    assert_eq!(told[2], (3, 0, Some(ConditionTrouble::DivisionByZero), &b""[..]));
    assert_eq!(told[3], (3, 0, None, &b"0\n"[..]));
    assert_eq!(told.len(), 4);
}

/// Strings up to what is mapped, and no more than one hit may print.
#[test]
fn strings_end_where_they_have_to() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["1"]);
    let work = address_of(&testee, &stop, "work");
    // The end of the stack's mapping, behind which nothing is.
    let regions = dbgwire::verbs::memory::ListRegions { target: target.id, from: 0 };
    let regions = client.call(&regions).expect("it lives").regions;
    let stack = regions.iter().find(|region| region.name == b"[stack]").expect("a stack");
    client.write(target, Address::new(stack.end - 4), b"wxyz").expect("it can be written");
    client.write(target, Address::new(stack.start), &[b'a'; 8192]).expect("it can be written");
    let print = |id: u32, address: u64, format: &[u8]| {
        let commands = vec![printing(&[Instruction::Constant(address)], format)];
        Site { commands, ..site(id, work) }
    };
    client.insert_site(target, print(1, stack.end - 4, b"%s!"));
    client.insert_site(target, print(2, stack.end - 4, b"%.4s!"));
    client.insert_site(target, print(3, stack.start, b"%s!"));
    client.insert_site(target, print(4, stack.start, b"%4096s!"));
    client.go(target);
    let printed = printed_until_exit(&mut client);
    let fault = printed[0].0.fault.as_ref().map(convert::condition_fault).expect("no more");
    assert_eq!(fault.trouble, ConditionTrouble::Unreadable(Address::new(stack.end)));
    assert_eq!(printed[0].1, b"wxyz");
    assert_eq!((printed[1].0.fault, &printed[1].1[..]), (None, &b"wxyz!"[..]));
    for (event, text) in &printed[2..] {
        assert_eq!((event.fault, text.len()), (None, PRINTED_LEN_MAX));
        assert!(text.iter().all(|byte| *byte == b'a'));
    }
    assert_eq!(printed.len(), 4);
}

/// A client that takes nothing holds up no thread; what it misses is counted.
#[test]
fn what_a_slow_client_misses_is_counted() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("threads", &[]);
    let mut process = guard.start(testee.path(), &["4", "0"]);
    assert_eq!(process.read_line(), "ready");
    let (target, stop) = client.attach(process.pid());
    let hit = address_of(&testee, &stop, "hit");
    let commands = vec![printing(&[FIRST], b"%2000d\\n")];
    client.insert_site(target, Site { commands, ..site(1, hit) });
    client.go(target);
    // Nothing is read from the link until so much was printed that no queue holds it.
    testkit::until("thousands of hits", || {
        let total =
            testkit::memory_file::read(process.pid(), address_of(&testee, &stop, "total"), 8);
        (u64::from_le_bytes(total.try_into().expect("eight bytes")) > 6000).then_some(())
    });
    // Commands are taken all the same.
    client.interrupt(target);
    let (mut lost, mut taken) = (0, 0);
    loop {
        match client.wait_event() {
            Event::Printed { event, text } => {
                lost += event.lost;
                taken += text.len() as u64 / 2001;
            }
            Event::Stopped(_) => break,
            other => panic!("{other:?}"),
        }
    }
    let sites = client.call(&ListSites { target: target.id }).expect("sites").sites;
    assert_eq!(taken + lost, sites[0].hits);
    assert!(lost > 0 && taken > 0, "{lost} lost, {taken} taken");
    client.detach(target);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn what_is_not_sound_is_refused() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["10"]);
    let work = address_of(&testee, &stop, "work");
    let insert = |client: &mut Client, target: Target, commands: Vec<Vec<u8>>| {
        let sites = vec![Site { commands, ..site(1, work) }];
        let reply = client.call(&InsertSites { target: target.id, sites }).expect("answered");
        let fault = reply.faults[0].fault.clone().expect("a fault");
        (fault.code, fault.detail)
    };
    let bad =
        vec![printing(&[], b"fine"), vec![0x22, 0, 0x22, 0, 0x34, 0, 0, 3, b'%', b'f', 0, 0x27]];
    let (code, detail) = insert(&mut client, target, bad);
    assert_eq!(code, ErrorCode::Malformed.number());
    assert_eq!(detail, "printf, whose format has a conversion by 'f', at offset 4 of the commands");
    let many = vec![printing(&[], b"x"); COMMANDS_MAX + 1];
    let (code, _) = insert(&mut client, target, many);
    assert_eq!(code, ErrorCode::TooLarge.number());
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}
