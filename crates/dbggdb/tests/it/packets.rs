//! Packets one by one, on a real program.

use testkit::{Guard, Testee};

use crate::stub::{Stub, field};

/// Where a symbol is in the running program.
pub(crate) fn address_of(stub: &mut Stub, program: &Testee, name: &str) -> u64 {
    // The entry point of the auxiliary vector tells where a position-independent program lies.
    let auxv = stub.ask_bytes(b"qXfer:auxv:read::0,1000");
    let (pairs, _) = auxv[1..].as_chunks::<16>();
    let value = |key: u64| {
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight"));
        let entry = pairs.iter().find(|pair| number(&pair[..8]) == key);
        number(&entry.expect("is in the vector")[8..])
    };
    let bias = value(9) - program.symbol("_start").value();
    bias + program.symbol(name).value()
}

fn number(digits: &str) -> u64 {
    let bytes = crate::stub::bytes(digits);
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

#[test]
fn a_program_runs_to_a_breakpoint_and_to_its_end() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let mut stub = Stub::run(&guard, &program, &["3"]);
    let work = address_of(&mut stub, &program, "work");
    assert_eq!(stub.ask(&format!("Z0,{work:x},1")), "OK");
    for _ in 0..3 {
        let reply = stub.go("vCont;c");
        assert!(reply.starts_with("T05swbreak:;"), "{reply}");
        assert_eq!(field(&reply, "10").map(number), Some(work));
    }
    assert_eq!(stub.ask(&format!("z0,{work:x},1")), "OK");
    let reply = stub.go("vCont;c");
    assert!(reply.starts_with("W00;process:"), "{reply}");
    assert_eq!(stub.ask("?"), "W00");
    assert_eq!(stub.leave(), Some(0));
}

#[test]
fn memory_is_read_and_written_in_all_forms() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let mut stub = Stub::run(&guard, &program, &["3"]);
    let done = address_of(&mut stub, &program, "done");
    stub.ask(&format!("Z0,{done:x},1"));
    stub.go("vCont;c");
    let calls = address_of(&mut stub, &program, "calls");
    assert_eq!(stub.ask(&format!("m{calls:x},8")), "0300000000000000");
    assert_eq!(stub.ask_bytes(format!("x{calls:x},8").as_bytes()), b"b\x03\0\0\0\0\0\0\0");
    assert_eq!(stub.ask(&format!("M{calls:x},2:2324")), "OK");
    assert_eq!(stub.ask(&format!("m{calls:x},3")), "232400");
    assert_eq!(stub.ask_bytes(format!("x{calls:x},3").as_bytes()), b"b#$\0");
    let written = [format!("X{calls:x},2:").as_bytes(), b"}\x03*"].concat();
    assert_eq!(stub.ask_bytes(&written), b"OK");
    assert_eq!(stub.ask(&format!("m{calls:x},2")), "232a");
    assert!(stub.ask("m0,8").starts_with("E.memory at"), "nothing is mapped there");
    assert!(stub.ask("M0,1:00").starts_with("E."));
    assert!(stub.ask("m").starts_with("E.malformed"));
    assert!(stub.ask(&format!("M{calls:x},3:00")).starts_with("E.malformed"));
}

#[test]
fn reads_stop_at_a_hole() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let mut stub = Stub::run(&guard, &program, &["3"]);
    let stop = stub.ask("?");
    let sp = field(&stop, "07").map(number).expect("a stack pointer");
    // A stack ends within a page or two above its first pointer.
    let reply = stub.ask(&format!("m{sp:x},10000"));
    let len = reply.len() as u64 / 2;
    assert!(len < 0x10000 && (sp + len).is_multiple_of(4096), "{len:#x} bytes from {sp:#x}");
}

#[test]
fn registers_are_read_and_written() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let mut stub = Stub::run(&guard, &program, &["3"]);
    let all = stub.ask("g");
    assert_eq!(stub.ask("p0"), all[..16]);
    assert_eq!(stub.ask("P0=0102030405060708"), "OK");
    assert_eq!(stub.ask("p0"), "0102030405060708");
    let mut changed = stub.ask("g");
    assert_eq!(changed[..16], *"0102030405060708");
    changed.replace_range(..16, &all[..16]);
    assert_eq!(stub.ask(&format!("G{changed}")), "OK");
    assert_eq!(stub.ask("g"), all);
    // xmm0, and the control word of the x87, whose initial value is known.
    assert_eq!(stub.ask("P28=000102030405060708090a0b0c0d0e0f"), "OK");
    assert_eq!(stub.ask("p28"), "000102030405060708090a0b0c0d0e0f");
    assert_eq!(stub.ask("p20"), "7f030000");
    assert!(stub.ask("pffff").starts_with("E.there is no register"));
    assert!(stub.ask("P0=01").starts_with("E.malformed"));
}

#[test]
fn a_packet_that_was_repeated_while_nobody_listened_is_answered_once() {
    let guard = Guard::new();
    let mut stub = Stub::start_silent(&guard, &[]);
    // All are there before the bridge looks: it connects to its server first.
    stub.write(b"+$?#3f$?#3f$?#3f");
    assert_eq!(stub.read_acknowledgement(), b'+');
    assert_eq!(stub.receive(), "W00");
    stub.write(b"+");
    stub.send("vMustReplyEmpty");
    assert_eq!(stub.read_acknowledgement(), b'+');
    assert_eq!(stub.receive(), "", "it is the other packet's");
    stub.write(b"+");
}

#[test]
fn what_is_damaged_is_asked_for_again_and_what_is_unknown_is_answered_with_nothing() {
    let guard = Guard::new();
    let mut stub = Stub::start_silent(&guard, &[]);
    stub.write(b"$?#00");
    assert_eq!(stub.read_acknowledgement(), b'-');
    stub.write(b"$?#3f");
    assert_eq!(stub.read_acknowledgement(), b'+');
    assert_eq!(stub.receive(), "W00");
    stub.write(b"-");
    assert_eq!(stub.receive(), "W00");
    stub.write(b"+");
    assert_eq!(stub.ask("vMustReplyEmpty"), "");
    assert_eq!(stub.ask("qNobodyKnowsThis:1"), "");
    assert_eq!(stub.ask("g"), "E02", "there is no process");
}

#[test]
fn a_running_program_is_interrupted() {
    let guard = Guard::new();
    let program = Testee::build("spin", &[]);
    let mut stub = Stub::run(&guard, &program, &[]);
    stub.send("vCont;c");
    stub.interrupt();
    let reply = stub.receive();
    assert!(reply.starts_with("T02"), "{reply}");
}

#[test]
fn what_was_asked_at_a_stop_is_not_asked_of_the_server_again() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let mut stub = Stub::run(&guard, &program, &["3"]);
    let stop = stub.ask("?");
    let sp = field(&stop, "07").map(number).expect("a stack pointer");
    stub.ask(&format!("m{sp:x},40"));
    let before = stub.round_trips();
    stub.ask(&format!("m{sp:x},40"));
    stub.ask(&format!("x{:x},20", sp + 16));
    stub.ask("p0");
    assert_eq!(stub.round_trips(), before);
}
