//! What debuggers' questions cost: how often the bridge waits for the server.

use testkit::{Guard, Testee};

use crate::gdb::{gdb, pipe};

/// The round trips so far, each time gdb was told to ask for them.
fn round_trips(said: &str) -> Vec<u64> {
    let counts = said.lines().filter_map(|line| line.split_once("round trips "));
    counts.map(|(_, count)| count.trim().parse().expect("a number")).collect()
}

/// What each step of gdb costs, on a process with this many threads beside the first.
fn costs(threads: &str, steps: &[&str]) -> Vec<u64> {
    let guard = Guard::new();
    let program = Testee::build("workers", &[]);
    let mut target = guard.start(program.path(), &[threads]);
    assert_eq!(target.read_line().trim(), "ready");
    let attach = format!("attach {}", target.pid());
    let mut commands = vec!["set sysroot /".to_owned(), pipe(""), attach];
    for step in steps {
        commands.extend(["monitor stats".to_owned(), (*step).to_owned()]);
    }
    commands.extend(["monitor stats".to_owned(), "detach".to_owned()]);
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let said = gdb(&guard, &commands);
    let counts = round_trips(&said);
    assert_eq!(counts.len(), steps.len() + 1, "{said}");
    counts.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn a_hundred_threads_are_shown_in_a_few_round_trips() {
    let costs = costs("100", &["info threads", "thread apply all bt", "bt"]);
    assert!(costs[0] <= 2, "info threads: {costs:?}");
    assert!(costs[1] <= 4, "all backtraces: {costs:?}");
    assert_eq!(costs[2], 0, "everything is known: {costs:?}");
}

#[test]
fn a_stop_costs_the_round_trip_of_its_resume() {
    let steps = [
        "break finish_job",
        "continue",
        "backtrace",
        "info locals",
        "continue",
        "backtrace",
        "info locals",
        "next",
        "next",
        "info threads",
    ];
    let costs = costs("3", &steps);
    let by_step: Vec<(&str, u64)> = steps.into_iter().zip(costs.iter().copied()).collect();
    // What was asked at the first stop has been learnt at the second. gdb steps off the breakpoint
    // before it continues: that is a stop of its own.
    assert_eq!(costs[4..7], [2, 0, 0], "{by_step:?}");
    assert!(costs.iter().all(|cost| *cost <= 3), "{by_step:?}");
}
