//! Threads that people suspend, freeze, or let run alone.

use dbgbase::{Address, Pid};
use testkit::{Guard, Process, Testee, memory_file, until};

use crate::console::Console;

/// cdb attached to a program whose threads 1 to 4 each count in a place of their own.
struct Scene {
    process: Process,
    cdb: Console,
    counters: Address,
    _guard: Guard,
}

impl Scene {
    fn attached() -> Scene {
        let guard = Guard::new();
        let testee = Testee::build("counters", &[]);
        let mut process = guard.start(testee.path(), &["4"]);
        assert_eq!(process.read_line(), "ready");
        let mut cdb = Console::start(&guard, &["-p", &process.pid().to_string()]);
        let text = cdb.command("? counters");
        let number = text.trim().rsplit_once("= ").expect("a value").1.replace('`', "");
        let counters = Address::new(u64::from_str_radix(&number, 16).expect("a number"));
        Scene { process, cdb, counters, _guard: guard }
    }

    fn pid(&self) -> Pid {
        self.process.pid()
    }

    fn counts(&self) -> [u64; 4] {
        let place = |index: usize| self.counters.wrapping_offset(8 * index as i64);
        std::array::from_fn(|index| memory_file::read_u64(self.pid(), place(index)))
    }

    /// Runs until these threads have counted, breaks in, and checks that no other has.
    #[track_caller]
    fn only_these_count(&mut self, command: &str, threads: &[usize]) -> String {
        let before = self.counts();
        self.cdb.type_line(command);
        until("the threads to count", || {
            let now = self.counts();
            threads.iter().all(|thread| now[thread - 1] > before[thread - 1] + 100).then_some(())
        });
        let stop = self.cdb.break_in();
        let now = self.counts();
        let counted: Vec<usize> =
            (1..=4).filter(|thread| now[thread - 1] != before[thread - 1]).collect();
        assert_eq!(counted, threads, "{command}: {stop}");
        stop
    }

    /// What `~` says of the threads: how often suspended, and whether frozen.
    fn holds(&mut self) -> Vec<String> {
        let list = self.cdb.command("~");
        let of = |line: &str| {
            let suspends = line.split("Suspend: ").nth(1)?.split(' ').next()?;
            Some(format!("{suspends}{}", if line.contains(" Frozen") { "f" } else { "" }))
        };
        list.lines().filter_map(of).collect()
    }
}

#[test]
fn suspended_and_frozen_threads_stay_while_others_run() {
    let mut scene = Scene::attached();
    scene.only_these_count("g", &[1, 2, 3, 4]);
    assert_eq!(scene.cdb.command("~2n; ~2n; ~4f; ~4n"), "");
    assert_eq!(scene.holds(), ["1", "1", "3", "1", "2f"]);
    scene.only_these_count("g", &[1, 3]);
    // One suspend is left of thread 2, and the freeze of thread 4.
    scene.cdb.command("~2m; ~4m");
    assert_eq!(scene.holds(), ["1", "1", "2", "1", "1f"]);
    scene.only_these_count("g", &[1, 3]);
    scene.cdb.command("~2m; ~4u; ~1f");
    scene.only_these_count("g", &[2, 3, 4]);
    scene.cdb.command("~*n");
    assert_eq!(scene.holds(), ["2", "2f", "2", "2", "2"]);
    assert_eq!(scene.cdb.command("g"), "Every thread is suspended or frozen\n");
    scene.cdb.command("~*m; ~*u");
    assert_eq!(scene.holds(), ["1"; 5]);
    assert_eq!(scene.cdb.command("~*m"), "No thread is suspended\n");
    scene.only_these_count("g", &[1, 2, 3, 4]);
    let (_, status) = scene.cdb.finish("qd");
    assert_eq!(status, 0);
}

#[test]
fn detaching_takes_all_holds_back() {
    let mut scene = Scene::attached();
    scene.cdb.command("~*n; ~2f");
    let Scene { mut process, cdb, counters, _guard } = scene;
    cdb.finish("qd");
    let count =
        |index: i64| memory_file::read_u64(process.pid(), counters.wrapping_offset(8 * index));
    let before: Vec<u64> = (0..4).map(count).collect();
    until("all to count", || {
        (0..4).all(|index| count(index) > before[index as usize]).then_some(())
    });
    process.close_input();
}

#[test]
fn one_thread_runs_alone() {
    let mut scene = Scene::attached();
    scene.only_these_count("~3g", &[3]);
    assert_eq!(scene.cdb.prompt, "0:003", "it is the current one");
    scene.only_these_count("~.g", &[3]);
    scene.only_these_count("~*g", &[1, 2, 3, 4]);
    // Steps, too; and a breakpoint in the way of one only.
    scene.cdb.command("~2s");
    let before = scene.counts();
    for command in ["~2p", "~2t 5", "~2p 3"] {
        let shown = scene.cdb.command(command);
        assert!(shown.contains("rip="), "{command}: {shown}");
        assert_eq!(scene.cdb.prompt, "0:002");
    }
    let now = scene.counts();
    assert_eq!([before[0], before[2], before[3]], [now[0], now[2], now[3]]);
    scene.cdb.command("bp count_one");
    let stop = scene.cdb.command("~4g");
    assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
    assert_eq!(scene.cdb.prompt, "0:004");
    let hit = scene.counts();
    let stop = scene.cdb.command("~4gu");
    assert!(!stop.contains("hit"), "{stop}");
    assert_eq!(scene.counts()[3], hit[3] + 1, "{stop}");
    scene.cdb.command("bc *");
    scene.only_these_count("g", &[1, 2, 3, 4]);
    scene.cdb.finish("qd");
}

#[test]
fn what_cannot_run_is_said() {
    let mut scene = Scene::attached();
    scene.cdb.command("~1s; ~1f");
    let refused = scene.cdb.command("t");
    assert!(refused.starts_with("Thread 1 (") && refused.ends_with(") is suspended or frozen\n"));
    assert_eq!(scene.cdb.command("~1g"), refused);
    assert_eq!(scene.cdb.command("~9f"), "Process 0 has no thread 9\n");
    assert!(scene.cdb.command("~1fx").contains("Syntax error"));
    assert_eq!(scene.cdb.command("~3m"), "No thread is suspended\n");
    scene.cdb.finish("qd");
}
