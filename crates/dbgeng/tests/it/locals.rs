//! What the variables of a frame cost: scripts that expect no request are budgets of none.

use std::path::Path;
use std::process::Command;

use dbgbase::{Address, x86_64};
use dbgeng::{ErrorKind, Local, ValueLimits, ValuePlace, VariableKind};
use dbgsym::{Image, ImageBytes};
use dbgwire::event::{Modules, StopKind};
use dbgwire::verbs::memory::{Range, ReadMemory, ReadMemoryReply};
use dbgwire::verbs::module::ModuleDescription;
use dbgwire::verbs::process::{Launch, LaunchReply};

use crate::peer::{Peer, Session};
use crate::scene::{GO, SP, Scene, launch, next_stop, registers};

const SOURCE: &str = "
struct pair { int first, second; };
int total(const char *name, const char *other, int count) {
    struct pair pair = {count, 7};
    return pair.first + pair.second + name[0] + other[0];
}
void _start(void) { int given = 3; total(\"a\", \"b\", given); for (;;) {} }
";

/// One whose function has an object of megabytes.
const LARGE: &str = "
struct large { int head; char rest[0x400000]; int tail; };
int total(int count) {
    static struct large large;
    return large.head + large.rest[count] + large.tail;
}
void _start(void) { int given = 3; total(given); total(given); total(given); for (;;) {} }
";

/// One with numbers that the CPU does not have, and objects without bytes.
const UNUSUAL: &str = "
struct empty {};
int total(int count) {
    static struct empty nothing[2];
    static __float128 quadruple;
    return (int)quadruple + count;
}
int __fixtfsi(__float128 number) { return 0; }
void _start(void) { int given = 3; total(given); total(given); total(given); for (;;) {} }
";

/// Where the program has its text of `name` and `other`: in different pages.
const NAME: u64 = 0x1_0000;
const OTHER: u64 = 0x1_2010;
/// How much of the stack below and above its pointer comes with a stop.
const BELOW: u64 = 128;
const ABOVE: u64 = 512;

/// The program, and its functions' addresses.
struct Program {
    directory: tempfile::TempDir,
    build_id: Vec<u8>,
    total: u64,
    start: u64,
}

#[expect(clippy::disallowed_methods, reason = "a compiler is not a debuggee")]
fn compile(text: &str) -> Program {
    let directory = tempfile::tempdir().expect("a directory");
    let (source, path) = (directory.path().join("prog.c"), directory.path().join("prog"));
    std::fs::write(&source, text).expect("written");
    let flags = ["-g", "-O0", "-static", "-nostdlib", "-no-pie", "-fcf-protection=none"];
    let mut gcc = Command::new("gcc");
    gcc.args(flags).args(["-fno-stack-protector", "-Wl,--build-id", "-o"]).arg(&path).arg(&source);
    assert!(gcc.status().expect("gcc is installed").success());
    let bytes = std::fs::read(&path).expect("it was compiled");
    let image = Image::parse(ImageBytes::from(bytes)).expect("sound");
    let address = |name: &str| {
        let symbol = image.symbols().by_name(name).into_iter().next().expect("a function");
        symbol.address().value()
    };
    let (total, start) = (address("total"), address("_start"));
    Program {
        directory,
        build_id: image.build_id().expect("it has one").as_bytes().to_vec(),
        total,
        start,
    }
}

/// The target stops in `total`, behind `push rbp; mov rbp, rsp`, called by `_start`.
fn scene(program: &Program, stop: u64) -> Scene {
    let pc = program.total + 4;
    let mut scene = Scene::new(stop, 1, 1001, StopKind::InitialBreak, pc);
    let values = [(x86_64::RIP, pc), (x86_64::RSP, SP), (x86_64::RBP, SP)];
    scene.stopped.general = registers(&values).values().to_vec();
    let mut stack: Vec<u8> = (0..BELOW + ABOVE).map(|at| at as u8).collect();
    let mut put = |address: u64, value: u64| {
        let at = (address - (SP - BELOW)) as usize;
        stack[at..at + 8].copy_from_slice(&value.to_le_bytes());
    };
    put(SP, SP + 0x40);
    // Within `_start`, behind its prologue.
    put(SP + 8, program.start + 0x20);
    put(SP + 0x40, 0);
    put(SP + 0x48, 0);
    // GCC puts parameters here, as the test checks.
    put(SP - 0x18, NAME);
    put(SP - 0x20, OTHER);
    scene.stopped.windows = vec![Range { address: SP - BELOW, len: stack.len() as u32 }];
    scene.tail = stack;
    let path = program.directory.path().join("prog");
    scene.stopped.modules = Some(Modules { modules: vec![module(program, &path)] });
    scene
}

fn module(program: &Program, path: &Path) -> ModuleDescription {
    ModuleDescription {
        base: program.total & !0xfff,
        size: 0x1000,
        bias: 0,
        path: path.to_str().expect("a plain path").as_bytes().to_vec(),
        build_id: program.build_id.clone(),
        is_program: true,
        ..ModuleDescription::default()
    }
}

fn serve(peer: &mut Peer, program: &Program) {
    let launch = peer.expect::<Launch>();
    peer.answer(&launch, LaunchReply { target: 1, pid: 1001, ..LaunchReply::default() });
    scene(program, 1).push(peer);
}

fn named<'l>(locals: &'l [Local], name: &str) -> &'l Local {
    locals.iter().find(|local| local.name == name).unwrap_or_else(|| panic!("{name}: {locals:#?}"))
}

/// What the stack of [`scene`] has at an address.
fn bytes_at(local: &Local) -> Vec<u8> {
    let ValuePlace::Memory(address) = local.place else { panic!("{local:?}") };
    let first = (address.value() - (SP - BELOW)) as u8;
    (0..local.size_bytes.expect("known") as u8).map(|at| first.wrapping_add(at)).collect()
}

#[test]
fn a_stack_and_its_variables_cost_nothing_if_the_stack_came_along() {
    let program = compile(SOURCE);
    let (start, total) = (program.start, program.total);
    let mut session = Session::new(move |peer| {
        serve(peer, &program);
        // Only what the two pointers point to is asked for, at once.
        let read = peer.expect::<ReadMemory>();
        let ranges: Vec<_> = read.verb.ranges.iter().map(|one| (one.address, one.len)).collect();
        assert_eq!(ranges, [(NAME, 0x100), (OTHER & !0xff, 0x100)]);
        let tail = [&b"some text\0"[..], &[0; 0x100 - 10]].concat();
        let reply = ReadMemoryReply { lengths: vec![0x100, 0] };
        peer.answer_with(&read, reply, &tail);
    });
    let engine = session.engine();
    launch(engine);
    let stack = engine.stack(10).expect("came along");
    let frames: Vec<_> = stack.frames.iter().map(|frame| frame.pc.value()).collect();
    assert_eq!(frames, [total + 4, start + 0x20]);
    let outer = engine.locals(1, ValueLimits::LINE).expect("came along");
    assert_eq!(outer.len(), 1, "{outer:?}");
    assert_eq!(outer[0].name, "given");
    assert_eq!(outer[0].bytes, Some(bytes_at(&outer[0])));

    let locals = engine.locals(0, ValueLimits::LINE).expect("one request");
    let again = engine.locals(0, ValueLimits::LINE).expect("none");
    assert_eq!(locals, again);
    let kinds: Vec<_> = locals.iter().map(|local| (local.name.as_str(), local.kind)).collect();
    let parameter = VariableKind::Parameter;
    let expected = [
        ("name", parameter),
        ("other", parameter),
        ("count", parameter),
        ("pair", VariableKind::Local),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(named(&locals, "name").value, "0x00000000`00010000 \"some text\"");
    assert!(named(&locals, "other").value.contains("memory read error at"), "{locals:?}");
    for name in ["count", "pair"] {
        let local = named(&locals, name);
        assert_eq!(local.bytes, Some(bytes_at(local)));
    }
    assert!(named(&locals, "pair").value.starts_with("struct pair {first=0n"), "{locals:?}");
    session.end();
}

#[test]
fn the_current_frame_is_the_innermost_one_again_when_anything_has_run() {
    let program = compile(SOURCE);
    let mut session = Session::new(move |peer| {
        serve(peer, &program);
        peer.resume();
        scene(&program, 2).push(peer);
    });
    let engine = session.engine();
    assert_eq!(engine.current_frame(), 0, "nothing is debugged");
    launch(engine);
    assert_eq!(engine.current_frame(), 0);
    let frame = engine.set_current_frame(1).expect("there are two");
    assert_eq!((frame.number, engine.current_frame()), (1, 1));
    let none = engine.set_current_frame(2).expect_err("there are two");
    assert_eq!((none.kind(), engine.current_frame()), (ErrorKind::NotFound, 1));
    let registers = engine.frame_registers(1).expect("came along");
    let value = |name: &str| {
        let found = registers.iter().find(|(_, register, _)| register.name == name);
        found.expect("the CPU has it").2
    };
    let sp = Address::new(SP).wrapping_offset(16).value();
    assert_eq!((value("rsp"), value("rbp"), value("rax")), (Some(sp), Some(SP + 0x40), None));
    let (process, thread) = engine.current().expect("a thread");
    engine.set_current_thread(process, thread).expect("it is there");
    assert_eq!(engine.current_frame(), 0, "who chooses a thread begins at its innermost frame");
    engine.set_current_frame(1).expect("there are two");
    engine.execute(GO).expect("runs");
    assert_eq!(engine.current_frame(), 0);
    next_stop(engine);
    assert_eq!(engine.current_frame(), 0);
    session.end();
}

#[test]
fn of_a_large_object_only_the_head_is_read() {
    const HEAD_LEN: u64 = 64 * 1024;
    let program = compile(LARGE);
    let mut session = Session::new(move |peer| {
        serve(peer, &program);
        let read = peer.expect::<ReadMemory>();
        let [range] = read.verb.ranges[..] else { panic!("{:?}", read.verb) };
        let len = u64::from(range.len);
        assert!((HEAD_LEN..HEAD_LEN + 0x2000).contains(&len), "{len:#x} bytes");
        let reply = ReadMemoryReply { lengths: vec![range.len] };
        peer.answer_with(&read, reply, &vec![0; range.len as usize]);
    });
    let engine = session.engine();
    launch(engine);
    let locals = engine.locals(0, ValueLimits::LINE).expect("one request");
    let large = named(&locals, "large");
    assert_eq!(large.size_bytes, Some(0x40_0008));
    assert!(large.bytes.is_none(), "they are not all known");
    assert!(large.value.starts_with("struct large {head=0n0 "), "{}", large.value);
    assert!(large.value.ends_with("tail=<value unavailable>}"), "{}", large.value);
    session.end();
}

#[test]
fn unusual_objects_are_not_taken_for_usual_ones() {
    let program = compile(UNUSUAL);
    let one_and_a_half = 0x3fff_8000_0000_0000_0000_0000_0000_0000_u128;
    let mut session = Session::new(move |peer| {
        serve(peer, &program);
        let read = peer.expect::<ReadMemory>();
        let page = one_and_a_half.to_le_bytes().repeat(256);
        peer.answer_with(&read, ReadMemoryReply { lengths: vec![0x1000] }, &page);
    });
    let engine = session.engine();
    launch(engine);
    let locals = engine.locals(0, ValueLimits::LINE).expect("one request");
    assert_eq!(named(&locals, "quadruple").value, format!("{one_and_a_half:#x}"), "not x87's");
    assert_eq!(named(&locals, "nothing").value, "struct empty [2] {{}, {}}");
    session.end();
}
