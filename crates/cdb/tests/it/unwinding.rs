//! Stacks at every single instruction of real programs: a stepper keeps account of calls and
//! returns (`unwinding/shadow.rs`), and the unwinder must find exactly those frames, each with its
//! place, its stack pointer and the registers that functions preserve.
//!
//! The steps go wherever the programs go: prologues and epilogues, the procedure linkage table and
//! the dynamic linker that it leads to, signal handlers on their own stack, the vDSO, long jumps,
//! the C++ unwinder, exits that never return.

mod shadow;

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use dbgbase::{Address, GeneralRegisters, LoadBias, ReadMemory, StopReason, Unreadable};
use dbgsym::unwind::{Frame, StackEnd, walk};
use dbgsym::{Image, ImageBytes};
use dbgwire::verbs::resume::{RunKind, ThreadAction};
use testkit::{Client, Event, Guard, Server, Stop, Target, Testee, programs};

use crate::console::Console;
use shadow::Shadow;

/// No stack of these programs is so deep.
const FRAMES_MAX: usize = 200;

/// The whole stack is walked where a frame comes or goes, and now and then. Between, only the
/// innermost caller is looked for: it is the same as before, and so are those outside it.
const WHOLE_EACH: usize = 50;

/// The programs end before that.
const STEPS_MAX: usize = 60_000;

/// The memory of a stopped process.
struct Memory(File);

impl Memory {
    fn of(target: Target) -> Memory {
        let path = format!("/proc/{}/mem", target.pid.value());
        Memory(File::open(path).expect("a process of this test"))
    }

    fn u64(&self, address: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, address).expect("it is mapped");
        u64::from_le_bytes(bytes)
    }
}

impl ReadMemory for Memory {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<usize, Unreadable> {
        self.0.read_at(buffer, address.value()).map_err(|_| Unreadable { address })
    }
}

/// The images of a process.
struct Images(Vec<(u64, u64, Image, LoadBias)>);

impl Images {
    fn new(stop: &Stop, memory: &Memory) -> Images {
        let image = |module: &dbgwire::verbs::module::ModuleDescription| {
            let path = String::from_utf8(module.path.clone()).expect("a plain path");
            let bytes = match path.starts_with('[') {
                true => {
                    let mut bytes = vec![0; module.size as usize];
                    let address = Address::new(module.base);
                    let count = memory.read(address, &mut bytes).expect("it is mapped");
                    bytes.truncate(count);
                    bytes
                }
                false => std::fs::read(&path).expect("the module's file"),
            };
            let image = Image::parse(ImageBytes::from(bytes)).expect("an image");
            (module.base, module.base + module.size, image, LoadBias::new(module.bias))
        };
        Images(stop.modules().iter().map(image).collect())
    }

    fn locate(&self, address: Address) -> Option<(&Image, LoadBias)> {
        let around = |(start, end, ..): &&(u64, u64, Image, LoadBias)| {
            (*start..*end).contains(&address.value())
        };
        let (_, _, image, bias) = self.0.iter().find(around)?;
        Some((image, *bias))
    }

    fn name(&self, address: Address) -> String {
        let found = self.locate(address).and_then(|(image, bias)| {
            let (symbol, offset) = image.symbols().containing(address.to_link(bias))?;
            Some(format!("{}+{offset:#x}", symbol.name()))
        });
        found.unwrap_or_else(|| format!("{address}"))
    }
}

/// A process that is stepped.
struct Stepper {
    client: Client,
    target: Target,
    memory: Memory,
    images: Images,
    registers: GeneralRegisters,
    stop: Stop,
}

impl Stepper {
    /// Runs to the first function whose name has this in it.
    fn new(server: &Server, testee: &Testee, from: &str) -> Stepper {
        let mut client = server.connect();
        let (target, stop) = client.start(testee, &[]);
        let symbols = testee.symbols();
        let start = symbols.get(from).or_else(|| {
            symbols.iter().find(|(name, _)| name.contains(from)).map(|(_, address)| address)
        });
        let start = start.unwrap_or_else(|| panic!("no {from}")).to_address(stop.bias());
        let memory = Memory::of(target);
        client.insert(target, 1, start);
        client.go(target);
        let at_start = client.wait_stop();
        client.remove(target, &[1]);
        let modules = client_modules(&stop, &at_start);
        let images = Images::new(modules, &memory);
        let registers = at_start.registers();
        Stepper { client, target, memory, images, registers, stop: at_start }
    }

    /// Executes one instruction. `false` if the program has ended.
    fn step(&mut self) -> bool {
        let mut signal = 0;
        loop {
            let tid = self.stop.tid().value();
            let run = RunKind::Step as i32;
            let action = ThreadAction { tid, run, signal, ..ThreadAction::default() };
            self.client.resume(self.target, &[action]);
            match self.client.wait_event() {
                Event::Stopped(stop) => self.stop = *stop,
                Event::Exited { .. } => return false,
                other => panic!("{other:?}"),
            }
            match self.stop.reason() {
                StopReason::Step => break,
                StopReason::Signal { signal: number, .. } => {
                    signal = number.number().unsigned_abs();
                }
                other => panic!("{other:?}"),
            }
        }
        self.registers = self.stop.registers();
        true
    }

    /// Its innermost frames.
    fn frames(&self, frames_max: usize) -> (Vec<Frame>, StackEnd) {
        let locate = |address| self.images.locate(address);
        walk(&self.registers, &locate, &self.memory, frames_max)
    }

    fn describe(&self, frames: &[Frame]) -> String {
        let line = |frame: &Frame| {
            let name = self.images.name(frame.pc.lookup_pc());
            format!("{:?} {name} sp {:?}", frame.pc, frame.registers.sp())
        };
        frames.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// The stop that brings the modules: the last one at which they had changed.
fn client_modules<'a>(first: &'a Stop, later: &'a Stop) -> &'a Stop {
    if later.event.modules.is_some() { later } else { first }
}

/// What a run came to.
#[derive(Clone, Copy, Default, Debug)]
struct Steps {
    checked: usize,
    /// Between setting the stack pointer and the jump, where a thread is in no function.
    jumping: usize,
    /// In functions that leave several frames at once, where the stack is already told as it will
    /// be: libgcc's unwinder writes the handler into its own frame, and the call frame information
    /// of `__longjmp` says so.
    rewriting: usize,
}

/// Steps through a program and checks the stack each time.
fn check(name: &str, flags: &[&str], from: &str, steps_max: usize) -> Steps {
    let guard = Guard::with_patience(std::time::Duration::from_secs(300));
    let server = Server::npipe(&guard, programs::dbgsrv());
    let testee = Testee::build(name, flags);
    let mut stepper = Stepper::new(&server, &testee, from);
    let (frames, end) = stepper.frames(FRAMES_MAX);
    assert_eq!(end, StackEnd::Outermost, "{}", stepper.describe(&frames));
    let mut shadow = Shadow::new(&frames);
    let mut steps = Steps::default();
    let mut differences: Vec<(usize, String)> = Vec::new();
    for _ in 0..steps_max {
        let before = stepper.registers;
        if !stepper.step() {
            break;
        }
        let jumps = shadow.step(&before, &stepper.registers, &stepper.memory);
        if let Some(since) = jumps {
            let count = differences.len();
            differences.retain(|(step, _)| *step < since);
            steps.rewriting += count - differences.len();
        }
        if shadow.has_returned() {
            break;
        }
        if shadow.is_jumping() {
            steps.jumping += 1;
            continue;
        }
        steps.checked += 1;
        let is_whole = shadow.has_changed() || steps.checked % WHOLE_EACH == 0;
        let (frames, end) = stepper.frames(if is_whole { FRAMES_MAX } else { 2 });
        if let Some(difference) = shadow.difference(&frames, end) {
            let at = stepper.images.name(stepper.registers.pc());
            let frames = stepper.describe(&frames);
            differences.push((shadow.steps(), format!("{at}: {difference}\n{frames}")));
        }
    }
    let first = differences.first().map(|(_, text)| text.as_str()).unwrap_or_default();
    assert!(differences.is_empty(), "{name} {flags:?}: {} differences: {first}", differences.len());
    steps
}

/// All that was not compared is some instructions of each jump.
#[track_caller]
fn assert_enough(steps: Steps, checked_min: usize, jumps_max: usize) {
    assert!(steps.checked >= checked_min, "{steps:?}");
    assert!(steps.jumping <= 4 * jumps_max && steps.rewriting <= 40 * jumps_max, "{steps:?}");
}

#[test]
fn c_at_every_instruction() {
    let bare = ["-g0", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-Wl,-z,now"];
    for flags in [
        vec!["-O0"],
        vec!["-O2", "-fomit-frame-pointer", "-Wl,-z,now"],
        vec!["-O2", "-static-pie"],
        [&["-O0"][..], &bare].concat(),
        [&["-O2"][..], &bare].concat(),
    ] {
        assert_enough(check("ways_out", &flags, "main", STEPS_MAX), 5_000, 1);
    }
}

#[test]
fn cpp_at_every_instruction() {
    assert_enough(check("tour.cc", &["-O2", "-static-pie"], "careful", STEPS_MAX), 10_000, 3);
}

#[test]
fn rust_at_every_instruction() {
    let flags = ["-Copt-level=2", "-Ctarget-feature=+crt-static"];
    assert_enough(check("tour.rs", &flags, "tour6caught", STEPS_MAX), 10_000, 1);
}

#[test]
fn guesses_are_marked_and_damaged_stacks_end() {
    let guard = Guard::new();
    let bare = ["-g0", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables"];
    let testee = Testee::build("depths", &bare);
    let mut cdb = Console::start(&guard, &[testee.path().to_str().expect("a plain path")]);
    cdb.command("bp inner");
    cdb.command("g");
    let stack = cdb.command("k");
    let warning = "WARNING: Stack unwind information not available. Following frames may be wrong.";
    assert_eq!(stack.lines().nth(2), Some(warning), "{stack}");
    let guessed = stack.lines().filter(|line| line.ends_with(" [by instructions]")).count();
    assert!(guessed >= 2 && stack.contains("!_start"), "{stack}");
    // A frame pointer that leads to itself, and to where the thread executes.
    cdb.command("r rbp=@rsp+8;eq @rsp 41414141 @rsp+8 @rip");
    let own = cdb.command("k");
    assert!(own.lines().count() < 8, "{own}");
    assert!(own.contains("(no frames beyond this one: "), "{own}");
    cdb.command("f @rsp L400 41");
    let overwritten = cdb.command("k");
    let end = overwritten.lines().last().expect("a line");
    assert!(end.starts_with("(no frames beyond this one: nothing tells"), "{overwritten}");
    for place in ["@rsp+1", "10", "0xfffffffffffffff8", "@rip"] {
        let elsewhere = cdb.command(&format!("k = {place}"));
        assert!(elsewhere.lines().count() < 8, "{elsewhere}");
        assert!(elsewhere.contains("(no frames beyond this one: "), "{place}: {elsewhere}");
    }
    cdb.finish("q");
}
