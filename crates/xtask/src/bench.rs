//! The benchmarks: which there are, and running them. It knows their names and crates, not what
//! they measure.

use std::path::Path;

use anyhow::{Result, bail};

use crate::programs;

/// Name, crate, what it measures beside whom.
const BENCHES: [(&str, &str, &str); 5] = [
    ("control", "dbgsrv", "steps, breakpoints, watchpoints, attaching; beside gdbserver"),
    ("repair", "dbgsrv", "what becomes of targets whose session is killed"),
    ("transports", "dbgsrv", "round trips and bulk; beside plain sockets, TLS and ssh"),
    ("names", "cdb", "the first breakpoint by name in a big program; beside gdb and lldb"),
    ("latency", "dbggdb", "gdb and lldb over slow links; beside gdbserver and lldb-server"),
];

/// Runs one benchmark with its own arguments, or all of them.
pub(crate) fn run(root: &Path, words: &[&str]) -> Result<()> {
    let Some((name, arguments)) = words.split_first() else {
        return BENCHES.iter().try_for_each(|(name, krate, _)| bench(root, name, krate, &[]));
    };
    let Some((name, krate, _)) = BENCHES.iter().find(|(known, ..)| known == name) else {
        bail!("there is no benchmark '{name}'; cargo xtask bench --list shows them");
    };
    bench(root, name, krate, arguments)
}

/// Prints which there are.
pub(crate) fn list() {
    for (name, krate, what) in BENCHES {
        println!("{name:<10} {krate:<7} {what}");
    }
}

fn bench(root: &Path, name: &str, krate: &str, arguments: &[&str]) -> Result<()> {
    let mut words = vec!["bench", "--package", krate, "--bench", name, "--"];
    words.extend(arguments);
    programs::run(root, "cargo", &words, &[])
}
