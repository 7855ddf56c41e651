//! How fast threads are controlled, beside gdbserver on the same work in the same run:
//! `cargo bench -p dbgsrv --bench control`. What counts are the ratios; machines are noisy.

#![expect(clippy::print_stdout, reason = "a benchmark tells its figures")]

#[path = "control/gdbserver.rs"]
mod gdbserver;
#[path = "control/ours.rs"]
mod ours;

use std::time::{Duration, Instant};

use dbgbase::{Address, LoadBias, Pid};
use testkit::{Guard, Process, Testee, memory_file};

/// How long each measurement goes on.
const SPAN: Duration = Duration::from_millis(1000);
/// How often each is made; the medians are told.
const ROUNDS: usize = 5;

/// A process of which one thread calls a function without end, and the others wait.
pub(crate) struct Scene {
    process: Process,
    function: Address,
    counters: Address,
    /// Dropped last, it sees that nothing is left.
    guard: Guard,
}

impl Scene {
    fn begin(threads: u64) -> Scene {
        let guard = Guard::new();
        let testee = Testee::build("counters", &[]);
        let mut process = guard.start(testee.path(), &["1", &(threads - 1).to_string()]);
        assert_eq!(process.read_line(), "ready");
        let bias = LoadBias::new(first_mapping(process.pid()));
        Scene {
            function: testee.symbol("count_one").to_address(bias),
            counters: testee.symbol("counters").to_address(bias),
            guard,
            process,
        }
    }

    fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// How often the function has been called.
    fn calls(&self) -> u64 {
        memory_file::read_u64(self.pid(), self.counters)
    }
}

/// What is measured. Each runs on a scene with a debugger that has attached to it.
pub(crate) trait Debugger {
    /// Attaches, and stops the process.
    fn attach(scene: &Scene) -> Self;
    /// One instruction of one thread, told with its registers.
    fn step(&mut self);
    /// Puts a breakpoint on the function.
    fn break_at(&mut self, scene: &Scene);
    /// Runs to the breakpoint from where it stands, as a debugger does.
    fn hit(&mut self, scene: &Scene);
    /// Puts a breakpoint on the function whose condition never holds, and runs.
    fn run_over(&mut self, scene: &Scene);
    /// Has writes to the first counter watched.
    fn watch(&mut self, scene: &Scene);
    /// Runs to the next write.
    fn hit_watch(&mut self);
}

/// Where the program itself is mapped: it is position-independent.
fn first_mapping(pid: Pid) -> u64 {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("it lives");
    let start = maps.split('-').next().expect("a mapping");
    u64::from_str_radix(start, 16).expect("an address")
}

/// How often `action` is done in a second.
fn rate(mut action: impl FnMut()) -> f64 {
    let began = Instant::now();
    let mut count = 0_u32;
    while began.elapsed() < SPAN {
        action();
        count += 1;
    }
    f64::from(count) / began.elapsed().as_secs_f64()
}

fn steps<D: Debugger>() -> f64 {
    let scene = Scene::begin(1);
    let mut debugger = D::attach(&scene);
    rate(|| debugger.step())
}

fn hits<D: Debugger>(threads: u64) -> f64 {
    let scene = Scene::begin(threads);
    let mut debugger = D::attach(&scene);
    debugger.break_at(&scene);
    rate(|| debugger.hit(&scene))
}

fn false_hits<D: Debugger>(threads: u64) -> f64 {
    let scene = Scene::begin(threads);
    let mut debugger = D::attach(&scene);
    debugger.run_over(&scene);
    let (before, began) = (scene.calls(), Instant::now());
    while began.elapsed() < SPAN {
        std::thread::yield_now();
    }
    (scene.calls() - before) as f64 / began.elapsed().as_secs_f64()
}

fn watches<D: Debugger>() -> f64 {
    let scene = Scene::begin(1);
    let mut debugger = D::attach(&scene);
    debugger.watch(&scene);
    rate(|| debugger.hit_watch())
}

/// Attaches in a second.
fn attaches<D: Debugger>(threads: &str) -> f64 {
    let guard = Guard::new();
    let testee = Testee::build("waits", &[]);
    let mut process = guard.start(testee.path(), &[threads]);
    assert_eq!(process.read_line(), "ready");
    let nowhere = Address::new(0);
    let scene = Scene { guard, process, function: nowhere, counters: nowhere };
    let began = Instant::now();
    drop(D::attach(&scene));
    1.0 / began.elapsed().as_secs_f64()
}

type Measurement = (&'static str, fn() -> f64, fn() -> f64);

const MEASUREMENTS: [Measurement; 8] = [
    ("steps/s", steps::<ours::Ours>, steps::<gdbserver::Theirs>),
    ("hits/s", || hits::<ours::Ours>(1), || hits::<gdbserver::Theirs>(1)),
    ("hits/s, 100 threads", || hits::<ours::Ours>(100), || hits::<gdbserver::Theirs>(100)),
    ("false conditions/s", || false_hits::<ours::Ours>(1), || false_hits::<gdbserver::Theirs>(1)),
    (
        "false conditions/s, 100 threads",
        || false_hits::<ours::Ours>(100),
        || false_hits::<gdbserver::Theirs>(100),
    ),
    ("watched writes/s", watches::<ours::Ours>, watches::<gdbserver::Theirs>),
    (
        "attaches/s, 1000 threads",
        || attaches::<ours::Ours>("1000"),
        || attaches::<gdbserver::Theirs>("1000"),
    ),
    (
        "attaches/s, 4000 threads",
        || attaches::<ours::Ours>("4000"),
        || attaches::<gdbserver::Theirs>("4000"),
    ),
];

fn main() {
    let wanted = std::env::args().nth(1).filter(|word| !word.starts_with('-')).unwrap_or_default();
    println!("{:<34} {:>12} {:>12} {:>9}", "", "dbgsrv", "gdbserver", "ratio");
    for (name, ours, theirs) in MEASUREMENTS.iter().filter(|(name, ..)| name.contains(&wanted)) {
        let (mut of_ours, mut of_theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            of_ours.push(ours());
            of_theirs.push(theirs());
        }
        let (ours, theirs) = (median(of_ours), median(of_theirs));
        println!("{name:<34} {ours:>12.1} {theirs:>12.1} {:>8.1}x", ours / theirs);
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
