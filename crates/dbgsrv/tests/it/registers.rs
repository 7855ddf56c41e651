//! Floating-point, vector and debug registers: what a thread has is told, what is written it uses.
//! gdb, another debugger, is asked about the same process.

use dbgbase::x86_64::extended::{ExtendedRegister, ExtendedValue};
use dbgbase::x86_64::xsave::{self, XsaveLayout};
use dbgbase::{Address, ExitStatus, RegisterId, Tid, x86_64};
use dbgwire::verbs::registers::{
    ExtendedPatch, ReadRegisters, ReadRegistersReply, RegisterValue, WriteRegisters,
};
use dbgwire::verbs::server::ServerInfo;
use dbgwire::{ErrorCode, convert};
use testkit::{Client, Guard, Process, Stop, Target, Testee};

use crate::{address_of, begin};

/// Where the parts of the testee's `struct image` are.
const IMAGE_LEN: usize = 2304;
const MASKS: usize = 2048;
const STACK: usize = 2112;
const MXCSR: usize = 2240;

/// The debuggee `vectors`, whose threads all hold their values.
struct Scene {
    process: Process,
    testee: Testee,
}

impl Scene {
    fn start(guard: &Guard, threads: usize) -> Scene {
        let testee = Testee::build("vectors", &[]);
        let mut process = guard.start(testee.path(), &[&threads.to_string()]);
        assert_eq!(process.read_line(), "ready");
        Scene { process, testee }
    }

    /// Lets it end. What it says of its registers.
    fn end(mut self) -> String {
        self.process.close_input();
        self.process.read_rest()
    }
}

/// What the program has loaded, and the machine it runs on.
struct Seen {
    layout: XsaveLayout,
    /// 1 SSE, 2 AVX, 3 AVX-512.
    level: u8,
    tids: Vec<u32>,
    images: Vec<u8>,
}

fn look(client: &mut Client, target: Target, stop: &Stop, scene: &Scene) -> Seen {
    let info = client.call(&ServerInfo {}).expect("it answers");
    let layout = convert::xsave(&info.xsave.expect("a CPU with x87"));
    let mut read =
        |symbol: &str, len| client.read(target, address_of(&scene.testee, stop, symbol), len);
    let level = read("level", 1)[0];
    let tids = read("tids", 800);
    let tids = tids.chunks(4).map(|tid| u32::from_le_bytes(tid.try_into().expect("four bytes")));
    let images = read("before", (200 * IMAGE_LEN) as u32);
    Seen { layout, level, tids: tids.collect(), images }
}

impl Seen {
    /// The registers that the threads load.
    fn registers(&self) -> Vec<ExtendedRegister> {
        let names = |prefix: &'static str, count| (0..count).map(move |n| format!("{prefix}{n}"));
        let (vectors, masks) = match self.level {
            3 => ("zmm", 32),
            2 => ("ymm", 16),
            _ => ("xmm", 16),
        };
        let masks_count = if self.level == 3 { 8 } else { 0 };
        let all = names(vectors, masks).chain(names("k", masks_count)).chain(names("st", 8));
        let all = all.chain(["mxcsr".to_owned()]);
        all.map(|name| ExtendedRegister::from_name(&name).expect("a register")).collect()
    }

    /// What the thread with this index has in a register.
    fn expected(&self, index: usize, register: ExtendedRegister) -> ExtendedValue {
        let name = register.name();
        let number = name.trim_start_matches(|c: char| !c.is_ascii_digit());
        let number: usize = number.parse().unwrap_or(0);
        let offset = match name.as_bytes() {
            [b'k', ..] => MASKS + 8 * number,
            [b's', ..] => STACK + 16 * number,
            b"mxcsr" => MXCSR,
            _ => 64 * number,
        };
        let start = index * IMAGE_LEN + offset;
        ExtendedValue::new(&self.images[start..start + register.size_bytes()])
    }
}

/// The extended registers of these threads, or of all.
fn read(client: &mut Client, target: Target, tids: &[u32]) -> ReadRegistersReply {
    let verb = ReadRegisters {
        target: target.id,
        tids: tids.to_vec(),
        extended: true,
        debug: true,
        ..ReadRegisters::default()
    };
    client.call(&verb).expect("the target stands still")
}

/// The extended registers of one thread.
fn area(client: &mut Client, target: Target, tid: u32) -> Vec<u8> {
    let reply = read(client, target, &[tid]);
    assert_eq!(reply.threads.len(), 1);
    reply.threads[0].extended.clone()
}

/// Gives a register of a thread a value.
fn write(
    client: &mut Client,
    target: Target,
    tid: u32,
    layout: &XsaveLayout,
    name: &str,
    value: &[u8],
) {
    let register = ExtendedRegister::from_name(name).expect("a register");
    let area = area(client, target, tid);
    let patches = register.patches(layout, &area, &ExtendedValue::new(value));
    let extended = patches.into_iter().map(|(offset, bytes)| ExtendedPatch { offset, bytes });
    let verb = WriteRegisters {
        target: target.id,
        tid,
        extended: extended.collect(),
        ..WriteRegisters::default()
    };
    client.call(&verb).expect("it can be written");
}

#[test]
fn all_registers_of_a_hundred_threads_come_in_one_reply() {
    let (guard, _server, mut client) = begin();
    let scene = Scene::start(&guard, 100);
    let (target, stop) = client.attach(scene.process.pid());
    let seen = look(&mut client, target, &stop, &scene);
    let trips = client.round_trips();
    let reply = read(&mut client, target, &[]);
    assert_eq!((client.round_trips() - trips, reply.more), (1, false));
    assert_eq!(reply.threads.len(), 102, "the first, a hundred, and one that waits");
    for index in 0..=100 {
        let thread = reply.threads.iter().find(|thread| thread.tid == seen.tids[index]);
        let thread = thread.expect("told of");
        for register in seen.registers() {
            let value = register.read(&seen.layout, &thread.extended);
            assert_eq!(value, Some(seen.expected(index, register)), "{}", register.name());
        }
        let (dr6, enabled) = (thread.debug[4], thread.debug[5] & 0xff);
        assert_eq!((thread.debug.len(), dr6 & 0xf, enabled), (6, 0, 0));
    }
    client.detach(target);
    assert_eq!(scene.end(), "changed 0\n");
}

#[test]
fn what_is_written_is_what_the_program_uses() {
    let (guard, _server, mut client) = begin();
    let scene = Scene::start(&guard, 2);
    let (target, stop) = client.attach(scene.process.pid());
    let seen = look(&mut client, target, &stop, &scene);
    let tid = seen.tids[1];
    let registers = seen.registers();
    let mut wanted = Vec::new();
    for (number, register) in (0..).zip(registers) {
        let value: Vec<u8> = match register.name().as_str() {
            "mxcsr" => 0x5fbf_u32.to_le_bytes().to_vec(),
            // A number that the CPU loads and stores as it is.
            name if name.starts_with("st") => vec![number, 1, 2, 3, 4, 5, 6, 0x87, 0xff, 0x3f],
            _ => (0..register.size_bytes()).map(|byte| (byte * 5) as u8 ^ number).collect(),
        };
        write(&mut client, target, tid, &seen.layout, &register.name(), &value);
        wanted.push((register, ExtendedValue::new(&value)));
    }
    let area = area(&mut client, target, tid);
    for (register, value) in &wanted {
        assert_eq!(register.read(&seen.layout, &area), Some(*value), "{}", register.name());
    }
    let name = ["sse_ended", "avx_ended", "avx512_ended"][usize::from(seen.level) - 1];
    let ended = address_of(&scene.testee, &stop, name);
    client.insert(target, 1, ended);
    let Scene { mut process, testee } = scene;
    process.close_input();
    client.go(target);
    let mut hit = client.wait_stop();
    while hit.tid() != Tid::new(tid) {
        client.go(target);
        hit = client.wait_stop();
    }
    let after = address_of(&testee, &stop, "after").value() + IMAGE_LEN as u64;
    let images = client.read(target, Address::new(after), IMAGE_LEN as u32);
    let told = Seen { images, ..seen };
    for (register, value) in wanted {
        assert_eq!(told.expected(0, register), value, "{}", register.name());
    }
    client.remove(target, &[1]);
    client.detach(target);
    assert_eq!(process.read_rest(), "changed 1\n");
}

#[test]
fn a_thread_that_never_computed_gets_what_is_written_and_no_more() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("plain", &[]);
    let (target, stop) = client.start(&testee, &[]);
    let info = client.call(&ServerInfo {}).expect("it answers");
    let layout = convert::xsave(&info.xsave.expect("a CPU with x87"));
    let tid = stop.tid().value();
    let value = |area: &[u8], name: &str| {
        let register = ExtendedRegister::from_name(name).expect("a register");
        register.read(&layout, area).expect("there")
    };
    let fresh = area(&mut client, target, tid);
    assert_eq!(xsave::in_use(&fresh) & 0xe7, 0, "nothing is in use");
    for register in ExtendedRegister::all().filter(|one| one.is_in(&layout)) {
        let low = register.read(&layout, &fresh).expect("there").low();
        match register.name().as_str() {
            "fpcw" => assert_eq!(low, 0x37f),
            "fptw" => assert_eq!(low, 0xffff),
            "mxcsr" => assert_eq!(low, 0x1f80),
            "pkru" => {}
            name => assert_eq!(low, 0, "{name}"),
        }
    }
    write(&mut client, target, tid, &layout, "xmm5", &[0x11; 16]);
    let area_of = |client: &mut Client| area(client, target, tid);
    let one = area_of(&mut client);
    assert_eq!(value(&one, "xmm5").bytes(), [0x11; 16]);
    assert_eq!((value(&one, "mxcsr").low(), value(&one, "xmm4").low()), (0x1f80, 0));
    write(&mut client, target, tid, &layout, "st0", &[0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f]);
    let two = area_of(&mut client);
    assert_eq!(value(&two, "st0").bytes(), [0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f]);
    assert_eq!((value(&two, "fpcw").low(), value(&two, "st1").low()), (0x37f, 0));
    if layout.offset(xsave::AVX).is_some() {
        write(&mut client, target, tid, &layout, "ymm7", &[0x22; 32]);
        let three = area_of(&mut client);
        assert_eq!(value(&three, "ymm7").bytes(), [0x22; 32]);
        assert_eq!(value(&three, "ymm5").bytes(), [[0x11; 16], [0; 16]].concat());
    }
    client.step(target, stop.tid());
    client.wait_stop();
    assert_eq!(value(&area_of(&mut client), "xmm5").bytes(), [0x11; 16]);
    client.kill(target);
}

#[test]
fn a_write_is_done_as_a_whole_or_not_at_all() {
    let (guard, _server, mut client) = begin();
    let scene = Scene::start(&guard, 0);
    let (target, _) = client.attach(scene.process.pid());
    let tid = target.pid.value();
    let before = read(&mut client, target, &[tid]);
    let patch = |offset: u32, bytes: &[u8]| ExtendedPatch { offset, bytes: bytes.to_vec() };
    let rax = RegisterValue { register: x86_64::RAX.index() as u32, value: 77 };
    let fs_base = RegisterValue { register: x86_64::FS_BASE.index() as u32, value: u64::MAX / 2 };
    type Wrong<'a> = (&'a [RegisterValue], &'a [ExtendedPatch], ErrorCode, Option<i32>);
    let wrong: [Wrong<'_>; 6] = [
        (&[rax], &[patch(160, &[1]), patch(512, &[0xff; 8])], ErrorCode::Malformed, None),
        (&[rax], &[patch(160, &[1]), patch(416, &[1])], ErrorCode::Malformed, None),
        (&[rax], &[patch(60_000, &[1])], ErrorCode::Malformed, None),
        (&[rax], &[patch(u32::MAX, &[1; 9])], ErrorCode::Malformed, None),
        (&[rax], &[patch(24, &[0xff; 4])], ErrorCode::SystemError, Some(22)),
        // An address that no segment can begin at.
        (&[rax, fs_base], &[patch(160, &[1])], ErrorCode::SystemError, Some(5)),
    ];
    for (values, extended, code, errno) in wrong {
        let verb = WriteRegisters {
            target: target.id,
            tid,
            values: values.to_vec(),
            extended: extended.to_vec(),
        };
        let fault = client.call(&verb).expect_err("refused");
        assert_eq!((fault.code, fault.errno), (code, errno), "{fault}");
        assert_eq!(read(&mut client, target, &[tid]), before, "{fault}");
    }
    client.detach(target);
    assert_eq!(scene.end(), "changed 0\n");
}

/// A pc that is moved takes a thread out of the call that it was to begin anew, unless the client
/// says itself which call that is.
#[test]
fn who_moves_the_pc_may_say_which_call_is_begun_anew() {
    let (_guard, _server, mut client) = begin();
    let (target, stop) = client.start(&Testee::build("exits", &[]), &["0"]);
    let before = stop.registers();
    let call = |client: &mut Client| client.registers(target, stop.tid()).get(x86_64::ORIG_RAX);
    let value =
        |register: RegisterId, value| RegisterValue { register: register.index() as u32, value };
    let moved = value(x86_64::RIP, before.pc().value() + 1);
    let back = value(x86_64::RIP, before.pc().value());
    let named = value(x86_64::ORIG_RAX, 35);
    for (values, expected) in [
        (vec![moved, named], 35),
        (vec![back], u64::MAX),
        (vec![named, moved], 35),
        (vec![back, value(x86_64::ORIG_RAX, before.get(x86_64::ORIG_RAX))], u64::MAX),
    ] {
        let (target, tid) = (target.id, stop.tid().value());
        let verb = WriteRegisters { target, tid, values, ..WriteRegisters::default() };
        client.call(&verb).expect("written");
        assert_eq!(call(&mut client), expected);
    }
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn gdb_sees_the_same_values() {
    let (guard, _server, mut client) = begin();
    let scene = Scene::start(&guard, 1);
    let (target, stop) = client.attach(scene.process.pid());
    let seen = look(&mut client, target, &stop, &scene);
    let tid = target.pid.value();
    let area = area(&mut client, target, tid);
    client.detach(target);
    let words = if seen.level == 3 { ["zmm", "v8_int64"] } else { ["xmm", "v2_int64"] };
    let count = if seen.level == 3 { 32 } else { 16 };
    let mut arguments = vec!["-nx".to_owned(), "-batch".to_owned(), "-p".to_owned()];
    arguments.push(tid.to_string());
    let mut ask = |what: String| arguments.extend(["-ex".to_owned(), format!("output/x {what}")]);
    let mut expected = String::new();
    let mut expect = |text: String| expected.push_str(&text);
    let value = |name: &str| {
        let register = ExtendedRegister::from_name(name).expect("a register");
        register.read(&seen.layout, &area).expect("there")
    };
    for number in 0..count {
        let [prefix, view] = words;
        for (element, bytes) in value(&format!("{prefix}{number}")).bytes().chunks(8).enumerate() {
            ask(format!("${prefix}{number}.{view}[{element}]"));
            let word = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
            expect(format!("{word:#x}"));
        }
    }
    let mut scalars = vec![
        ("fctrl", "fpcw", 0xffff),
        ("fstat", "fpsw", 0xffff),
        ("ftag", "fptw", 0xffff),
        ("fop", "fop", 0x7ff),
        ("fioff", "fip", 0xffff_ffff),
        ("mxcsr", "mxcsr", 0xffff),
    ];
    if seen.level == 3 {
        scalars.extend([("k1", "k1", u64::MAX), ("k7", "k7", u64::MAX)]);
    }
    for (theirs, ours, mask) in scalars {
        ask(format!("${theirs}"));
        expect(format!("{:#x}", value(ours).low() & mask));
    }
    // The stack holds 0.5, 1.5 and so on.
    for number in 0..8 {
        ask(format!("(int) ($st{number} * 2)"));
        expect(format!("{:#x}", 2 * number + 1));
        assert_eq!(value(&format!("st{number}")), seen.expected(0, register_of(number)));
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let told = guard.output("gdb", &arguments);
    assert!(told.contains(&expected), "gdb says:\n{told}\nand not:\n{expected}");
    assert_eq!(scene.end(), "changed 0\n");
}

fn register_of(number: usize) -> ExtendedRegister {
    ExtendedRegister::from_name(&format!("st{number}")).expect("a register")
}

#[test]
fn a_long_list_comes_in_parts() {
    let (guard, _server, mut client) = begin();
    let scene = Scene::start(&guard, 1);
    let (target, _) = client.attach(scene.process.pid());
    // The same thread many times over is as long as many threads.
    let tids = vec![target.pid.value(); 40_000];
    let mut got = 0;
    let mut parts = 0;
    while got < tids.len() {
        let reply = read(&mut client, target, &tids[got..]);
        assert!(!reply.threads.is_empty());
        got += reply.threads.len();
        parts += 1;
        assert_eq!(reply.more, got < tids.len());
    }
    assert_eq!(got, tids.len());
    assert!(parts > 2, "{parts}");
    client.detach(target);
    assert_eq!(scene.end(), "changed 0\n");
}
