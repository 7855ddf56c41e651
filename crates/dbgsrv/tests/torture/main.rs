//! Torture: rounds of programs that check themselves, and of clients of a process server that do to
//! them whatever the protocol allows, in no order. After each round the programs must have noticed
//! nothing and the server must have left nothing. `cargo xtask torture` runs it; docs/testing.md
//! says how. A round follows from the seed and its number; what it meets differs.

#![expect(clippy::print_stdout, reason = "a program for terminals")]

mod binary; // the debuggees: their code, and which instructions it is
mod borrow; // having targets do something for clients
mod client; // a client: what it does next
mod deeds; // what clients do to targets that stand still, and to those that run
mod hold; // a target that a client has
mod listener; // the server as its clients know it
mod offspring; // processes that are targets for a while
mod options; // the command line
mod round; // one round, and what is looked at afterwards
mod tally; // what has been done so often, and what was done last
mod victim; // a debuggee of a round
mod wishes; // what clients want to be told, watched and kept

use std::process::ExitCode;
use std::time::{Duration, Instant};

use binary::Binaries;
use options::Options;
use round::Round;
use tally::Tally;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_dbgsrv");
/// After how many rounds progress is told.
const NEWS: u64 = 25;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let options = match Options::parse(&words) {
        Ok(Some(options)) => options,
        // The name of another test.
        Ok(None) => return ExitCode::SUCCESS,
        Err(complaint) => {
            println!("torture: {complaint}");
            return ExitCode::FAILURE;
        }
    };
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    println!("torture with seed {seed}, {}", options.extent);
    let binaries = Binaries::build();
    let tally = Tally::default();
    let start = Instant::now();
    let mut number = options.first;
    while !options.extent.is_over(number - options.first, start.elapsed()) {
        if let Err(failure) = Round::new(seed, number).run(&binaries, &tally) {
            println!("{failure}");
            println!("torture: FAILED in round {number}; to do the same again:");
            println!("  cargo xtask torture --seed {seed} --first {number} --rounds 1");
            return ExitCode::FAILURE;
        }
        number += 1;
        if (number - options.first).is_multiple_of(NEWS) {
            println!("{} rounds, {}", number - options.first, seconds(start.elapsed()));
        }
    }
    let done = number - options.first;
    println!("torture: {done} rounds passed in {}: {tally}", seconds(start.elapsed()));
    ExitCode::SUCCESS
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
