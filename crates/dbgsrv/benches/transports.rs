//! What a transport costs: round trips of the smallest request, and memory in bulk, over each of
//! them; beside the same traffic over what lies below it, in the same run:
//! `cargo bench -p dbgsrv --bench transports`. What counts are the ratios; machines are noisy.
//!
//! Arguments choose transports by their names in the table, with their references. A pipe of
//! another machine needs root, and sshd; both of its ends are on this machine.

#![expect(clippy::print_stdout, reason = "a benchmark tells its figures")]

#[path = "transports/figures.rs"]
mod figures;
#[path = "transports/ours.rs"]
mod ours;
#[path = "transports/references.rs"]
mod references;

use testkit::{Guard, TwoMachines};

use figures::Figures;
use references::Reference;

/// How often each is measured, in turns; the medians are told.
const ROUNDS: usize = 3;

/// A transport, its reference, and what both are called.
struct Row {
    name: &'static str,
    reference: Reference,
}

const ROWS: [Row; 8] = [
    Row { name: "npipe", reference: Reference::Unix },
    Row { name: "npipe, password", reference: Reference::Tls },
    Row { name: "spipe", reference: Reference::Tls },
    Row { name: "tcp", reference: Reference::Tcp },
    Row { name: "tcp, password", reference: Reference::Tls },
    Row { name: "ssl", reference: Reference::Tls },
    Row { name: "exec", reference: Reference::Unix },
    Row { name: "npipe by ssh", reference: Reference::Ssh },
];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    // Parts of this program that other machines run.
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["@serve"] => return references::serve_stdio(),
        ["@reference"] => return println!("{}", references::measure_ssh()),
        ["@transport", endpoint, run_dir] => {
            return println!("{}", ours::measure_at(endpoint, run_dir));
        }
        _ => {}
    }
    println!(
        "{:<16} {:>9} {:>9} {:>9}   {:<10} {:>9} {:>9} {:>9}   {:>6} {:>6}",
        "", "µs", "99 %", "MB/s", "reference", "µs", "99 %", "MB/s", "time", "rate"
    );
    for row in &ROWS {
        if words.is_empty() || words.iter().any(|word| row.name == word) {
            measure(row);
        }
    }
}

fn measure(row: &Row) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let guard = Guard::new();
        let machines = match row.reference {
            Reference::Ssh => match TwoMachines::new(&guard) {
                Some(machines) => Some(machines),
                None => return println!("{:<16} needs root", row.name),
            },
            _ => None,
        };
        ours.push(ours::measure(&guard, row.name, machines.as_ref()));
        theirs.push(row.reference.measure(&guard, machines.as_ref()));
    }
    let (ours, theirs) = (Figures::median(&ours), Figures::median(&theirs));
    println!(
        "{:<16} {ours:#}   {:<10} {theirs:#}   {:>6.2} {:>6.2}",
        row.name,
        row.reference.name(),
        ours.median_us / theirs.median_us,
        ours.mb_per_s / theirs.mb_per_s,
    );
}

/// What a process of this program prints.
fn figures_of(mut command: std::process::Command) -> Figures {
    let output = command.stderr(std::process::Stdio::inherit()).output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().unwrap_or_else(|()| panic!("{text:?} are no figures"))
}
