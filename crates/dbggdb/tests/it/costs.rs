//! What debuggers' questions cost: how often the bridge waits for the server.

use std::time::{Duration, Instant};

use testkit::{Guard, Testee};

use crate::gdb::{gdb, pipe};
use crate::lldb::lldb;
use crate::packets::address_of;
use crate::stub::Stub;

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

/// How many round trips there were before the first step of lldb, and what each of them costs, on
/// such a process.
fn costs_of_lldb(threads: &str, steps: &[&str]) -> Vec<u64> {
    /// `monitor stats`, for which lldb has no command.
    const STATS: &str = "process plugin packet send qRcmd,7374617473";
    let guard = Guard::new();
    let program = Testee::build("workers", &[]);
    let mut target = guard.start(program.path(), &[threads]);
    assert_eq!(target.read_line().trim(), "ready");
    let mut commands = vec![STATS];
    for step in steps {
        commands.extend([step, STATS]);
    }
    commands.push("detach");
    let said = lldb(&guard, &["-p", &target.pid().to_string()], &commands);
    let digits = said.lines().filter_map(|line| line.trim().strip_prefix("response: "));
    let text = |digits: &str| {
        let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("digits");
        let bytes = (0..digits.len()).step_by(2).map(byte).collect();
        String::from_utf8(bytes).expect("text")
    };
    let counts = round_trips(&digits.map(text).collect::<String>());
    assert_eq!(counts.len(), steps.len() + 1, "{said}");
    let costs = counts.windows(2).map(|pair| pair[1] - pair[0]);
    counts[..1].iter().copied().chain(costs).collect()
}

#[test]
fn lldb_is_told_of_a_hundred_threads_in_a_few_round_trips() {
    let costs = costs_of_lldb("100", &["thread list", "thread backtrace all", "bt"]);
    // The server, the attach, the overview, all threads; and of the first thread's stack and the
    // linker's lists what lies elsewhere, depending on where it stopped.
    assert!(costs[0] <= 8, "until lldb is ready: {costs:?}");
    assert_eq!(costs[1], 0, "thread list: {costs:?}");
    assert!(costs[2] <= 4, "all backtraces: {costs:?}");
    assert_eq!(costs[3], 0, "everything is known: {costs:?}");
}

#[test]
fn a_stop_costs_lldb_the_round_trip_of_its_resume() {
    let steps = [
        "breakpoint set --name finish_job",
        "continue",
        "bt",
        "frame variable",
        "continue",
        "bt",
        "frame variable",
        "thread list",
        "stepi",
        "stepi",
        "stepi",
    ];
    let costs = costs_of_lldb("3", &steps);
    let by_step: Vec<(&str, u64)> = steps.into_iter().zip(costs.iter().copied().skip(1)).collect();
    // LLDB steps off the breakpoint before it continues.
    assert!(by_step[4].1 <= 3, "the second stop: {by_step:?}");
    assert_eq!((by_step[5].1, by_step[6].1), (0, 0), "it is known: {by_step:?}");
    assert_eq!([by_step[9].1, by_step[10].1], [1, 1], "{by_step:?}");
    assert!(by_step.iter().all(|(_, cost)| *cost <= 3), "{by_step:?}");
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

#[test]
fn thousands_of_threads_are_listed_in_packets_that_fit() {
    const THREADS: usize = 2000;
    let guard = Guard::new();
    let program = Testee::build("threads", &[]);
    let mut stub = Stub::run(&guard, &program, &[&THREADS.to_string(), "1"]);
    let features = stub.greet();
    let size = features.split(';').find_map(|feature| feature.strip_prefix("PacketSize="));
    let size = usize::from_str_radix(size.expect("a size"), 16).expect("digits");
    // All of them wait there.
    let started = address_of(&mut stub, &program, "all_started");
    assert_eq!(stub.ask(&format!("Z0,{started:x},1")), "OK");
    assert!(stub.go("vCont;c").starts_with("T05swbreak:;"));
    let start = Instant::now();
    let before = stub.round_trips();
    let mut listed = Vec::new();
    let mut reply = stub.ask("qfThreadInfo");
    while let Some(part) = reply.strip_prefix('m') {
        assert!(reply.len() <= size, "{} bytes", reply.len());
        listed.extend(part.split(',').map(str::to_owned));
        reply = stub.ask("qsThreadInfo");
    }
    assert_eq!(reply, "l");
    listed.sort_unstable();
    listed.dedup();
    assert_eq!(listed.len(), THREADS + 1);
    let mut document = String::new();
    loop {
        let asked = format!("qXfer:threads:read::{:x},{:x}", document.len(), size - 100);
        let piece = stub.ask(&asked);
        assert!(piece.len() <= size, "{} bytes", piece.len());
        document.push_str(&piece[1..]);
        if piece.starts_with('l') {
            break;
        }
    }
    assert_eq!(document.matches("<thread id=").count(), THREADS + 1);
    assert!(listed.iter().all(|id| document.contains(&format!("\"{id}\""))));
    // Generous, for a machine that is busy: it is a few milliseconds.
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(stub.round_trips() - before <= 3, "{} round trips", stub.round_trips() - before);
    stub.send("k");
}
