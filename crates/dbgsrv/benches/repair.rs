//! How long it takes until the targets of a killed session process have their own code again, and
//! how many survive it: `cargo bench -p dbgsrv --bench repair`. The figures are those of
//! `docs/reliability.md`.

#![expect(clippy::print_stdout, reason = "a benchmark tells its figures")]

use std::time::{Duration, Instant};

use dbgbase::{Address, Pid, Signal};
use dbgwire::verbs::server::ServerInfo;
use dbgwire::verbs::site::Site;
use rustix::event::Timespec;
use testkit::{Client, Guard, Process, Server, Testee, memory_file, procfs, send_signal, site};

const PROGRAM: &str = env!("CARGO_BIN_EXE_dbgsrv");
const ROUNDS: u32 = 200;
/// How often the code is looked at.
const INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000 };
/// When nothing more is expected to happen to a target.
const AFTERMATH: Duration = Duration::from_millis(20);

/// The same, for a target to get going.
const SETTLING: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// One kind of target.
struct Kind {
    name: &'static str,
    /// Its program, arguments, and the function that has a breakpoint.
    program: &'static str,
    arguments: &'static [&'static str],
    function: &'static str,
    /// Whether breakpoints are hit all the time, and the server runs on from them by itself.
    is_hot: bool,
}

const KINDS: [Kind; 5] = [
    Kind {
        name: "cold code, 1 thread",
        program: "ticks",
        arguments: &["0"],
        function: "tick",
        is_hot: false,
    },
    Kind {
        name: "cold code, 100 threads",
        program: "ticks",
        arguments: &["100"],
        function: "tick",
        is_hot: false,
    },
    Kind {
        name: "called every 50 us by each of 4 threads",
        program: "threads",
        arguments: &["4", "0"],
        function: "hit",
        is_hot: true,
    },
    Kind {
        name: "called without a pause, 1 thread",
        program: "spin",
        arguments: &[],
        function: "turn",
        is_hot: true,
    },
    Kind {
        name: "standing at a breakpoint, at rest",
        program: "ticks",
        arguments: &["3"],
        function: "tick",
        is_hot: false,
    },
];

fn main() {
    println!("{:<44} {:>9} {:>9} {:>9} {:>9}", "target", "median", "90 %", "worst", "survived");
    for kind in &KINDS {
        let mut times = Vec::new();
        let mut survived = 0;
        for _ in 0..ROUNDS {
            let (time, is_alive) = round(kind);
            times.extend(time);
            survived += u32::from(is_alive);
        }
        times.sort();
        let at = |percent: usize| match times
            .get((times.len() * percent / 100).min(times.len().saturating_sub(1)))
        {
            Some(time) => format!("{:.0} us", time.as_secs_f64() * 1e6),
            None => "-".to_owned(),
        };
        let survived = format!("{survived}/{ROUNDS}");
        println!("{:<44} {:>9} {:>9} {:>9} {survived:>9}", kind.name, at(50), at(90), at(100));
    }
}

/// Kills a session process. How long the trap instruction stayed, if it could be seen to go, and
/// whether the target lives on.
fn round(kind: &Kind) -> (Option<Duration>, bool) {
    let guard = Guard::new();
    let server = Server::npipe(&guard, PROGRAM);
    let mut client = server.connect();
    let testee = Testee::build(kind.program, &[]);
    let mut process = guard.start(testee.path(), kind.arguments);
    assert_eq!(process.read_line(), "ready");
    let address = prepare(kind, &mut client, &testee, &mut process);
    let session = Pid::new(client.call(&ServerInfo {}).expect("it answers").pid);
    let pid = process.pid();
    let began = Instant::now();
    send_signal(session, Signal::SIGKILL);
    let mut time = None;
    while procfs::is_alive(pid) && began.elapsed() < AFTERMATH {
        if memory_file::try_read(pid, address).is_some_and(|byte: [u8; 1]| byte != [0xcc]) {
            time = Some(began.elapsed());
            break;
        }
        pause(INTERVAL);
    }
    client.wait_end();
    pause(SETTLING);
    (time, !process.has_ended())
}

/// Arms the function and lets the target run.
fn prepare(kind: &Kind, client: &mut Client, testee: &Testee, process: &mut Process) -> Address {
    let (target, stop) = client.attach(process.pid());
    let address = testee.symbol(kind.function).to_address(stop.bias());
    // Hits of no thread that there is are passed over by the server.
    let tid = if kind.is_hot { 1 } else { 0 };
    client.insert_site(target, Site { tid, ..site(1, address) });
    client.go(target);
    if kind.name.starts_with("standing") {
        process.write_line("");
        client.wait_stop();
        pause(SETTLING);
    }
    if kind.is_hot {
        pause(SETTLING);
    }
    address
}

/// Lets time pass: what is measured must not be disturbed by looking at it.
fn pause(time: Timespec) {
    let _ = rustix::event::poll(&mut [], Some(&time));
}
