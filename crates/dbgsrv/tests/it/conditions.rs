//! Conditions of sites: what is told and what is not, what has no result, and what is refused.

use dbgbase::{Address, Arch, ConditionTrouble, ExitStatus, SiteId, StopReason};
use dbgwire::agent::{Code, Instruction};
use dbgwire::verbs::site::{InsertSites, ListSites, Site, SiteKind};
use dbgwire::{ErrorCode, convert};
use testkit::{Client, Stop, Target, Testee, site};

use crate::{address_of, begin};

/// The number for GDB of the register with the first argument.
const ARGUMENT: Instruction = Instruction::Register(5);

/// A site with a condition.
fn conditional(id: u32, at: Address, instructions: &[Instruction]) -> Site {
    let arch = Arch::native().expect("a CPU with a table");
    let code = Code::assemble(instructions, arch).expect("sound");
    Site { condition: code.bytes().to_vec(), ..site(id, at) }
}

/// The arguments with which a function was called at the stops up to the target's end.
fn arguments_told(client: &mut Client, target: Target) -> Vec<u64> {
    let mut told = Vec::new();
    loop {
        client.go(target);
        match client.wait_event() {
            testkit::Event::Stopped(stop) => {
                assert_eq!(stop.event.condition_faults, []);
                told.push(stop.registers().get(dbgbase::x86_64::RDI));
            }
            testkit::Event::Exited { status, .. } => {
                assert_eq!(status, ExitStatus::Exited(0));
                return told;
            }
            other => panic!("{other:?}"),
        }
    }
}

/// What a stop says of conditions without a result.
fn troubles(stop: &Stop) -> Vec<(u32, ConditionTrouble)> {
    let faults = stop.event.condition_faults.iter().map(convert::condition_fault);
    faults.map(|fault| (fault.site.value(), fault.trouble)).collect()
}

#[test]
fn ten_thousand_false_ones_are_not_told() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["10002"]);
    let work = address_of(&testee, &stop, "work");
    // Of a register: number == 5000 || number == 10001.
    let is = |number| [ARGUMENT, Instruction::Constant(number), Instruction::Equal];
    let condition = [&is(5000)[..], &is(10001), &[Instruction::Or]].concat();
    client.insert_site(target, conditional(1, work, &condition));
    let trips = client.round_trips();
    assert_eq!(arguments_told(&mut client, target), [5000, 10001]);
    assert!(client.round_trips() - trips <= 6, "three runs");
}

#[test]
fn memory_and_several_reasons_decide() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["100"]);
    let work = address_of(&testee, &stop, "work");
    let calls = address_of(&testee, &stop, "calls");
    // calls % 40 == 39, and calls % 20 == 19: the second holds whenever the first does.
    let every = |count| {
        [
            Instruction::Constant(calls.value()),
            Instruction::Read64,
            Instruction::Constant(count),
            Instruction::RemainderUnsigned,
            Instruction::Constant(count - 1),
            Instruction::Equal,
        ]
    };
    client.insert_site(target, conditional(1, work, &every(40)));
    client.insert_site(target, conditional(2, work, &every(20)));
    // What lies under the site is the program's own.
    let is_trap = [
        Instruction::Constant(work.value()),
        Instruction::Read8,
        Instruction::Constant(0xcc),
        Instruction::Equal,
    ];
    client.insert_site(target, conditional(3, work, &is_trap));
    let mut told = Vec::new();
    for _ in 0..5 {
        client.go(target);
        told.push(client.wait_stop().sites());
    }
    assert_eq!(told, [vec![2], vec![1, 2], vec![2], vec![1, 2], vec![2]]);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn each_of_eight_threads_is_asked() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("threads", &[]);
    let (target, stop) = client.start(&testee, &["8", "1250"]);
    let hit = address_of(&testee, &stop, "hit");
    let counts = address_of(&testee, &stop, "counts").value();
    // index == 5 && counts[index] % 500 == 0, at the call that makes it more.
    let condition = [
        ARGUMENT,
        Instruction::Constant(5),
        Instruction::Equal,
        ARGUMENT,
        Instruction::Constant(8),
        Instruction::Multiply,
        Instruction::Constant(counts),
        Instruction::Add,
        Instruction::Read64,
        Instruction::Constant(500),
        Instruction::RemainderUnsigned,
        Instruction::LogicalNot,
        Instruction::And,
    ];
    client.insert_site(target, conditional(1, hit, &condition));
    let mut counted = Vec::new();
    loop {
        client.go(target);
        match client.wait_event() {
            testkit::Event::Stopped(stop) => {
                assert_eq!(stop.registers().get(dbgbase::x86_64::RDI), 5);
                counted.push(client.read_u64(target, Address::new(counts + 5 * 8)));
            }
            testkit::Event::Exited { status, .. } => {
                assert_eq!(status, ExitStatus::Exited(0));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(counted, [0, 500, 1000]);
}

#[test]
fn what_the_cpu_watches_is_asked_too() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["1000"]);
    let work = address_of(&testee, &stop, "work");
    let calls = address_of(&testee, &stop, "calls");
    // Written to by each call; behind the write it has the new value.
    let value = [Instruction::Constant(calls.value()), Instruction::Read64];
    let is_700 = [&value[..], &[Instruction::Constant(700), Instruction::Equal]].concat();
    let write = SiteKind::HardwareWrite as i32;
    client.insert_site(target, Site { kind: write, len: 8, ..conditional(1, calls, &is_700) });
    let is_800 = [ARGUMENT, Instruction::Constant(800), Instruction::Equal];
    let execute = SiteKind::HardwareExecute as i32;
    client.insert_site(target, Site { kind: execute, len: 1, ..conditional(2, work, &is_800) });
    client.go(target);
    let stop = client.wait_stop();
    let sites = vec![SiteId::new(1)];
    assert_eq!(stop.reason(), StopReason::Watchpoint { sites, address: calls });
    assert_eq!(client.read_u64(target, calls), 700);
    client.go(target);
    let stop = client.wait_stop();
    assert_eq!((stop.sites(), stop.pc()), (vec![2], work));
    assert_eq!(stop.registers().get(dbgbase::x86_64::RDI), 800);
    // Without a result.
    let unreadable = [Instruction::Constant(0x10), Instruction::Read8];
    client.insert_site(target, Site { kind: write, len: 8, ..conditional(3, calls, &unreadable) });
    client.go(target);
    let stop = client.wait_stop();
    let sites = vec![SiteId::new(3)];
    assert_eq!(stop.reason(), StopReason::Watchpoint { sites, address: calls });
    let no_memory = ConditionTrouble::Unreadable(Address::new(0x10));
    assert_eq!(troubles(&stop), [(3, no_memory)]);
    client.remove(target, &[3]);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn hits_are_counted_and_ignored_where_it_holds() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["100"]);
    let work = address_of(&testee, &stop, "work");
    let tens = [
        ARGUMENT,
        Instruction::Constant(10),
        Instruction::RemainderUnsigned,
        Instruction::LogicalNot,
    ];
    client.insert_site(target, Site { ignore: 3, ..conditional(1, work, &tens) });
    client.go(target);
    let stop = client.wait_stop();
    assert_eq!(stop.registers().get(dbgbase::x86_64::RDI), 30, "0, 10 and 20 were ignored");
    let list = client.call(&ListSites { target: target.id }).expect("sites");
    assert_eq!((list.sites[0].hits, list.sites[0].ignore), (4, 0));
    client.remove(target, &[1]);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn without_a_result_it_stops_and_says_why() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["3"]);
    let work = address_of(&testee, &stop, "work");
    let unreadable = [Instruction::Constant(0x10), Instruction::Read32];
    let divides = [Instruction::Constant(1), ARGUMENT, Instruction::DivideUnsigned];
    let arch = Arch::native().expect("a CPU with a table");
    let endless = Code::verify(&[0x21, 0, 0, 0x27], arch).expect("sound");
    client.insert_site(target, conditional(1, work, &unreadable));
    client.insert_site(target, conditional(2, work, &divides));
    client.insert_site(target, Site { condition: endless.bytes().to_vec(), ..site(3, work) });
    client.insert_site(target, conditional(4, work, &[Instruction::Constant(0)]));
    client.go(target);
    let stop = client.wait_stop();
    assert_eq!(stop.sites(), [1, 2, 3]);
    let no_memory = ConditionTrouble::Unreadable(Address::new(0x10));
    let endless = (3, ConditionTrouble::TooManySteps);
    let expected = [(1, no_memory), (2, ConditionTrouble::DivisionByZero), endless];
    assert_eq!(troubles(&stop), expected);
    assert_eq!(stop.event.condition_faults[0].offset, 2);
    // 1 / 1 is true.
    client.remove(target, &[3]);
    client.go(target);
    let stop = client.wait_stop();
    assert_eq!((stop.sites(), troubles(&stop)), (vec![1, 2], vec![(1, no_memory)]));
    // 1 / 2 is not.
    client.remove(target, &[1]);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn what_is_not_sound_is_refused_and_arms_nothing() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["10"]);
    let work = address_of(&testee, &stop, "work");
    let own = testkit::memory_file::read(target.pid, work, 16);
    let site = |condition: &[u8]| Site { condition: condition.to_vec(), ..site(1, work) };
    let cases: [(&[u8], &str); 5] = [
        (&[0x22, 1, 0x02, 0x27], "too few numbers on the stack at offset 2 of the condition"),
        (&[0x22, 1], "an instruction other than end is the last, at offset 0 of the condition"),
        (
            &[0x22, 1, 0x22, 0, 0x34, 0, 0, 1, 0, 0x27],
            "printf, which is for commands alone, at offset 4 of the condition",
        ),
        (
            &[0x21, 0, 9, 0x27],
            "a jump to offset 9, where no instruction begins, at offset 0 of the \
            condition",
        ),
        (&[0x2b; 4097], "more than 4096 bytes of code at offset 4096 of the condition"),
    ];
    for (condition, sentence) in cases {
        let request = InsertSites { target: target.id, sites: vec![site(condition)] };
        let reply = client.call(&request).expect("answered");
        let fault = reply.faults[0].fault.as_ref().expect("a fault");
        let found = (fault.code, fault.detail.as_str());
        assert_eq!(found, (ErrorCode::Malformed.number(), sentence));
    }
    assert_eq!(testkit::memory_file::read(target.pid, work, 16), own);
    assert_eq!(arguments_told(&mut client, target), Vec::<u64>::new());
}
