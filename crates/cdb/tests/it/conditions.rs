//! Breakpoints with conditions as people set them, and whether server and debugger, who both
//! evaluate conditions, mean the same by them.

use dbgbase::{Address, Arch, ExitStatus, GeneralRegisters, ReadMemory, RegisterId, Unreadable};
use dbgeng::expr::{EvalContext, Program, Radix, RegisterMiss, RegisterPart, SymbolMiss};
use testkit::{Guard, Testee, memory_file, until};

use crate::console::Console;

fn start(guard: &Guard, arguments: &[&str]) -> Console {
    let testee = Testee::build("count", &[]);
    let path = testee.path().to_str().expect("a path in the target folder");
    Console::start(guard, &[&[path], arguments].concat())
}

#[track_caller]
fn value(cdb: &mut Console, expression: &str) -> u64 {
    let text = cdb.command(&format!("? {expression}"));
    let number = text.trim().rsplit_once("= ").expect("a value").1.replace('`', "");
    u64::from_str_radix(&number, 16).expect("a number")
}

#[test]
fn one_hit_of_ten_thousand_is_told() {
    let guard = Guard::new();
    let mut cdb = start(&guard, &["10000"]);
    cdb.command("bp /w \"rdi == 0n7777 and qwo(calls) == rdi\" work");
    let stop = cdb.command("g");
    assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
    assert_eq!((value(&mut cdb, "rdi"), value(&mut cdb, "qwo(calls)")), (7777, 7777));
    let end = cdb.command("g");
    assert!(end.contains("exited with status 0"), "{end}");
    cdb.finish("q");
}

#[test]
fn what_only_the_debugger_knows_decides_too() {
    let guard = Guard::new();
    let mut cdb = start(&guard, &["300"]);
    // The command changes what the condition asks for.
    cdb.command("r $t0=0n100");
    cdb.command("bp /w \"rdi == @$t0\" work \"r $t0=@$t0+0n100; ? @rdi; g\"");
    let text = cdb.command("g");
    let values: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("Evaluate expression: ")).collect();
    let expected = ["100 = 00000000`00000064", "200 = 00000000`000000c8"];
    assert_eq!(values, expected, "{text}");
    assert!(text.contains("exited with status 0"), "{text}");
    cdb.finish("q");
}

#[test]
fn passes_count_only_where_it_holds() {
    let guard = Guard::new();
    let mut cdb = start(&guard, &["100"]);
    cdb.command("bp /w \"(rdi & 0n15) == 0\" work 3");
    let stop = cdb.command("g");
    assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
    assert_eq!(value(&mut cdb, "rdi"), 32, "at 0 and 16 it was passed");
    cdb.finish("q");
}

#[test]
fn without_a_value_it_stops_and_says_why() {
    let guard = Guard::new();
    let mut cdb = start(&guard, &["100"]);
    cdb.command("bp /w \"poi(0n16) == 1\" work");
    let stop = cdb.command("g");
    let expected = "Breakpoint 0 hit\nThe condition of breakpoint 0 has no value: memory at \
                    00000000`00000010 cannot be read\n";
    assert!(stop.starts_with(expected), "{stop}");
    cdb.command("bc 0;bp /w \"@$t0 / (rdi - 1)\" work");
    let stop = cdb.command("g");
    let expected = "Breakpoint 0 hit\nThe condition of breakpoint 0 has no value: Operand error at \
                    '/ (rdi - 1)'\n";
    assert!(stop.starts_with(expected), "{stop}");
    cdb.finish("q");
}

#[test]
fn a_break_in_ends_the_wait_for_what_never_holds() {
    let guard = Guard::new();
    let mut spin = guard.start(Testee::build("spin", &[]).path(), &[]);
    assert_eq!(spin.read_line(), "ready");
    let mut cdb = Console::start(&guard, &["-p", &spin.pid().to_string()]);
    let turns = Address::new(value(&mut cdb, "turns"));
    // Asked by the server, and by the debugger.
    for condition in ["rip == 0", "@$t0 == 1"] {
        cdb.command(&format!("bc *;bp /w \"{condition}\" turn"));
        let before = value(&mut cdb, "qwo(turns)");
        cdb.type_line("g");
        until("it to pass some hits", || {
            let bytes = memory_file::read(spin.pid(), turns, 8);
            let now = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
            (now > before + 10).then_some(())
        });
        let text = cdb.break_in();
        assert!(text.contains("Break-in") && !text.contains("hit"), "{text}");
    }
    cdb.command("bc *;eq limit 0");
    cdb.finish("qd");
    assert_eq!(spin.wait(), ExitStatus::Exited(3));
}

#[test]
fn a_step_onto_it_is_no_hit_where_it_does_not_hold() {
    let guard = Guard::new();
    let mut cdb = start(&guard, &["100"]);
    cdb.command("bp work");
    cdb.command("g");
    let next = value(&mut cdb, "@rip + 1");
    cdb.command(&format!("bp /w \"rdi != 0\" {next:x}"));
    let stop = cdb.command("t");
    assert!(!stop.contains("hit"), "{stop}");
    assert_eq!(value(&mut cdb, "@rip"), next);
    cdb.command("g");
    let stop = cdb.command("t");
    assert!(stop.contains("Breakpoint 1 hit"), "{stop}");
    cdb.finish("q");
}

#[test]
fn lists_show_it_and_what_is_wrong_is_refused() {
    let guard = Guard::new();
    let mut cdb = start(&guard, &["100"]);
    let refused = [
        ("bp /w \"rdi ==\" work", "Numeric expression missing from '<EOL>'\n"),
        ("bp /w \"nosuch == 1\" work", "Couldn't resolve error at 'nosuch == 1'\n"),
        ("bp /w \"@nosuch\" work", "Bad register error at '@nosuch'\n"),
        ("bp /w \"1 2\" work", "Extra character error in '2'\n"),
        ("bp /x \"1\" work", "The option /x of breakpoints is not available\n"),
    ];
    for (command, message) in refused {
        assert_eq!(cdb.command(command), message, "{command}");
    }
    assert!(cdb.command("bp /w work").contains("^ Syntax error"));
    assert_eq!(cdb.command("bl"), "");
    cdb.command("bp3 /1 /w \"rdi == 5\" work 2 \"k; g\"");
    cdb.command("bu /w \"dwo(lib!v) == 1\" lib!f");
    cdb.command("~0 bu4 /w \"@$t0\" done");
    let list = cdb.command("bl");
    assert!(list.contains("] /1 /w \"rdi == 5\" \"k; g\"\n"), "{list}");
    assert!(list.contains("(lib!f) /w \"dwo(lib!v) == 1\"\n"), "{list}");
    // What .bpcmds shows makes the same again.
    let commands = cdb.command(".bpcmds");
    assert!(commands.starts_with("bu0 /w \"dwo(lib!v) == 1\" @!\"lib!f\";\n"), "{commands}");
    cdb.command("bc *");
    for command in commands.lines() {
        cdb.command(command);
    }
    assert_eq!(cdb.command(".bpcmds"), commands);
    cdb.finish("q");
}

/// A thread and some memory, as expressions and as agent code see them.
struct Thread(GeneralRegisters);

impl ReadMemory for Thread {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<usize, Unreadable> {
        let mut count = 0;
        for (index, slot) in buffer.iter_mut().enumerate() {
            let at = address.value().checked_add(index as u64);
            let Some(at) = at.filter(|at| *at < 0x1000) else { break };
            *slot = (at as u8).wrapping_mul(37);
            count += 1;
        }
        if count == 0 { Err(Unreadable { address }) } else { Ok(count) }
    }
}

impl EvalContext for Thread {
    fn radix(&self) -> Radix {
        Radix::default()
    }

    fn is_common_register(&self, name: &str) -> bool {
        RegisterPart::is_common(Arch::X86_64, name)
    }

    fn register(&self, name: &str) -> Result<u64, RegisterMiss> {
        let part = RegisterPart::from_name(Arch::X86_64, name).ok_or(RegisterMiss::Unknown)?;
        Ok(part.read(&self.0))
    }

    fn symbol(&self, _name: &str) -> Result<u64, SymbolMiss> {
        Ok(0x123)
    }

    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<(), Unreadable> {
        let count = ReadMemory::read(self, address, buffer)?;
        if count < buffer.len() { Err(Unreadable { address }) } else { Ok(()) }
    }
}

/// A random expression of at most this depth.
fn expression(random: &mut fastrand::Rng, depth: u32) -> String {
    const LEAVES: [&str; 14] = [
        "0",
        "1",
        "3f",
        "40",
        "ffffffffffffffff",
        "8000000000000000",
        "rax",
        "@rdi",
        "@eax",
        "@ah",
        "@r9w",
        "@zf",
        "efl",
        "symbol",
    ];
    const UNARY: [&str; 10] =
        ["-", "+", "not ", "hi ", "low ", "by ", "wo ", "dwo ", "qwo ", "poi "];
    const BINARY: [&str; 18] = [
        "*", "/", "%", "+", "-", "<<", ">>", ">>>", "==", "=", "!=", "<", ">", "<=", ">=", "&",
        "^", "|",
    ];
    if depth == 0 || random.u32(..5) == 0 {
        return random.choice(LEAVES).expect("some").to_owned();
    }
    let left = expression(random, depth - 1);
    match random.u32(..3) {
        0 => format!("{}({left})", random.choice(UNARY).expect("some")),
        _ => {
            let operator = random.choice(BINARY).expect("some");
            format!("({left}) {operator} ({})", expression(random, depth - 1))
        }
    }
}

#[test]
fn server_and_debugger_mean_the_same() {
    let mut random = fastrand::Rng::with_seed(4711);
    let mut registers = GeneralRegisters::zeroed(Arch::X86_64);
    let (mut with_value, mut without) = (0, 0);
    for _ in 0..20_000 {
        for index in 0..registers.values().len() as u16 {
            let value = random.u64(..) >> random.u32(..64);
            registers.set(RegisterId::new(index), value);
        }
        let thread = Thread(registers);
        let text = expression(&mut random, 4);
        let program = Program::compile_whole(&text, Radix::default()).expect("an expression");
        let code = program.agent_code(Arch::X86_64, &thread).expect("names are known");
        let code = code.expect("nothing but registers and numbers");
        let here = program.run(&thread).ok();
        let there = dbgsrv::agent::run(&code, &registers, &thread).ok();
        assert_eq!(here, there, "{text}");
        let count = if here.is_some() { &mut with_value } else { &mut without };
        *count += 1;
    }
    assert!(with_value > 5_000 && without > 1_000, "{with_value} {without}");
}
