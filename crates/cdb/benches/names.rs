//! How long it takes, and how much memory, from the start of a debugger to the first breakpoint by
//! name, in a program with 300 MB of debugging information; beside gdb and lldb in the same run:
//! `cargo bench -p cdb --bench names`. What counts are the ratios; machines are noisy.
//!
//! Each debugger is asked for a function that symbol tables have and for one that was inlined,
//! which only debugging information has; with nothing kept from before, and with what its first run
//! kept. Files are in the system's cache in either case.

#![expect(clippy::print_stdout, reason = "a benchmark tells its figures")]

#[path = "names/debugger.rs"]
mod debugger;
#[path = "names/program.rs"]
mod program;

use std::path::Path;
use std::time::Duration;

use testkit::Guard;

use debugger::{DEBUGGERS, Debugger, Figures, Question};

/// How often each is measured; the medians are told.
const ROUNDS: usize = 3;

/// What is asked for, in what the table calls it.
const QUESTIONS: [(&str, &str); 2] =
    [("a function", "unit033::work7"), (INLINED, "unit033::fold7")];
const INLINED: &str = "an inlined function";

fn main() {
    let program = program::built();
    println!("{}", program::describe(&program));
    println!("{:<20} {:<22} {:>8} {:>8} {:>8}", "", "", "s", "CPU s", "MB");
    for (what, name) in QUESTIONS {
        for debugger in DEBUGGERS.iter().filter(|one| what != INLINED || !one.is_limited) {
            let cold = median(|guard| ask(guard, debugger, &program, name, None));
            tell(what, debugger.name, "nothing kept", cold);
            if debugger.is_limited {
                continue;
            }
            let keeper = guard();
            let kept = Some(keeper.directory());
            // Fills what is kept.
            let filled = ask(&guard(), debugger, &program, name, kept);
            tell(what, debugger.name, "filling", filled);
            let cached = median(|guard| ask(guard, debugger, &program, name, kept));
            tell(what, debugger.name, "kept", cached);
        }
    }
}

fn guard() -> Guard {
    Guard::with_patience(Duration::from_secs(600))
}

fn ask(
    guard: &Guard,
    debugger: &Debugger,
    program: &Path,
    name: &str,
    kept: Option<&Path>,
) -> Figures {
    debugger.ask(guard, &Question { program, name, kept })
}

fn tell(what: &str, debugger: &str, state: &str, figures: Figures) {
    let Figures { seconds, cpu_seconds, peak_mb } = figures;
    let who = format!("{debugger}, {state}");
    println!("{what:<20} {who:<22} {seconds:>8.2} {cpu_seconds:>8.2} {peak_mb:>8.0}");
}

fn median(measure: impl Fn(&Guard) -> Figures) -> Figures {
    let mut all: Vec<Figures> = (0..ROUNDS).map(|_| measure(&guard())).collect();
    all.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    all[ROUNDS / 2]
}
