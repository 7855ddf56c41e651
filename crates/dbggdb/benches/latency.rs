//! How long debuggers take over a slow link, with the bridge and with their own stubs, in one run:
//! `cargo bench -p dbggdb --bench latency`. What counts are the ratios and the round trips;
//! machines are noisy.
//!
//! Arguments choose: delays in milliseconds, sessions and stubs by their names in the table.

#![expect(clippy::print_stdout, reason = "a benchmark tells its figures")]

#[path = "latency/debuggers.rs"]
mod debuggers;
#[path = "latency/stubs.rs"]
mod stubs;

use std::time::Duration;

use testkit::{Guard, Testee};

use debuggers::{Debugger, Session};
use stubs::Stub;

/// The round trips of the links, in milliseconds.
const DELAYS: [u64; 3] = [0, 20, 50];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let delays: Vec<u64> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let delays = if delays.is_empty() { DELAYS.to_vec() } else { delays };
    let program = Testee::build("workers", &[]);
    println!(
        "{:<9} {:<24} {:<11} {:>6} {:>8} {:>10}",
        "link", "session", "stub", "s", "turns", "kB"
    );
    for delay in delays {
        for session in Session::ALL.iter().filter(|session| is_wanted(&words, session.name())) {
            let serves = |stub: &&Stub| stub.serves(session.debugger());
            for stub in Stub::ALL.iter().filter(serves) {
                if is_wanted(&words, stub.name()) {
                    measure(&program, *session, *stub, Duration::from_millis(delay));
                }
            }
        }
    }
}

/// Whether a session or a stub is to be measured: if no word names any of its kind, or one does.
fn is_wanted(words: &[String], name: &str) -> bool {
    let sessions = Session::ALL.map(Session::name);
    let stubs = Stub::ALL.map(Stub::name);
    let kind: &[&str] = if stubs.contains(&name) { &stubs } else { &sessions };
    let mut named = words.iter().filter(|word| kind.contains(&word.as_str())).peekable();
    named.peek().is_none() || named.any(|word| word == name)
}

/// Runs one session, and tells how long it took.
fn measure(program: &Testee, session: Session, stub: Stub, delay: Duration) {
    let guard = Guard::with_patience(Duration::from_secs(600));
    let threads = session.threads().to_string();
    let mut target = guard.start(program.path(), &[&threads]);
    assert_eq!(target.read_line().trim(), "ready");
    let served = stub.serve(&guard, target.pid(), session.debugger(), delay);
    let figures = session.run(&guard, &served.connect, program, target.pid());
    assert!(figures.is_some() || stub != Stub::Bridge, "{} failed", session.name());
    let seconds = figures.as_ref().map(|figures| format!("{:.2}", figures.seconds));
    let (to, from) = served.relay.bytes();
    println!(
        "{:<9} {:<24} {:<11} {:>6} {:>8} {:>10.1}",
        format!("{} ms", delay.as_millis()),
        session.name(),
        stub.name(),
        seconds.as_deref().unwrap_or("failed"),
        served.relay.turns(),
        (to + from) as f64 / 1000.0,
    );
    if std::env::var_os("LATENCY_STEPS").is_some() {
        for (name, seconds) in figures.iter().flat_map(|figures| &figures.steps) {
            println!("    {name:<24} {seconds:>6.2}");
        }
    }
}

/// Which debugger speaks to which stub.
impl Stub {
    fn serves(self, debugger: Debugger) -> bool {
        match self {
            Stub::Bridge => true,
            Stub::Gdbserver => debugger == Debugger::Gdb,
            Stub::LldbServer => debugger == Debugger::Lldb,
        }
    }
}
