//! What people do with lldb, through the bridge.

use testkit::{Guard, Testee};

use crate::gdb::assert_says;
use crate::lldb::lldb;

#[test]
fn a_program_is_run_stopped_and_looked_at() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let path = program.path().to_str().expect("text");
    let line = program.line("work");
    let set = format!("breakpoint set --file count.c --line {line} --condition number==2");
    let said = lldb(
        &guard,
        &["--", path, "3"],
        &[
            &set,
            "continue",
            "bt",
            "print calls",
            "expression calls = 7",
            "print calls",
            "expression work(100)",
            "breakpoint delete --force",
            "finish",
            "process status",
            "continue",
        ],
    );
    assert_says(
        &said,
        &[
            "stop reason = signal SIGSTOP",
            "Breakpoint 1: where = count",
            "stop reason = breakpoint 1.1",
            "frame #0: ",
            "work(number=2)",
            "frame #1: ",
            "main(count=2",
            "libc_start_call_main",
            "= 2\n",
            "= 7\n",
            "= 7\n",
            "= 300\n",
            "stop reason = step out",
            "Return value: (unsigned long) $",
            "= 6\n",
            "exited with status = 1",
        ],
    );
}

#[test]
fn steps_of_all_kinds_lead_where_they_should() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let path = program.path().to_str().expect("text");
    let until = format!("thread until {}", program.line("work") + 1);
    let said = lldb(
        &guard,
        &["--", path, "3"],
        &[
            "breakpoint set --name main --one-shot true",
            "continue",
            "next",
            "next",
            "next",
            "step",
            &until,
            "stepi",
            "register write rax 0x1122334455667788",
            "register read eax ax al",
            "kill",
        ],
    );
    assert_says(
        &said,
        &[
            "stop reason = one-shot breakpoint 1",
            "stop reason = step over",
            "stop reason = step over",
            "stop reason = step over",
            "stop reason = step in",
            "work(number=0)",
            "return number * 3",
            "stop reason = instruction step into",
            "eax = 0x55667788",
            "ax = 0x7788",
            "al = 0x88",
            "exited with status = 9",
        ],
    );
}

#[test]
fn watched_memory_stops_where_it_is_written() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let path = program.path().to_str().expect("text");
    let said = lldb(
        &guard,
        &["--", path, "3"],
        &[
            "breakpoint set --name main",
            "continue",
            "watchpoint set variable calls",
            "continue",
            "continue",
            "watchpoint delete --force",
            "continue",
        ],
    );
    assert_says(
        &said,
        &[
            "Watchpoint created: Watchpoint 1",
            "old value: 0",
            "new value: 1",
            "stop reason = watchpoint 1",
            "old value: 1",
            "new value: 2",
            "exited with status = 0",
        ],
    );
}

#[test]
fn all_threads_are_told_with_names_and_frames() {
    let guard = Guard::new();
    let program = Testee::build("workers", &[]);
    let path = program.path().to_str().expect("text");
    let said = lldb(
        &guard,
        &["--", path, "20"],
        &[
            "breakpoint set --name finish_job",
            "continue",
            "thread list",
            "thread backtrace all",
            "kill",
        ],
    );
    let threads = said.matches("tid = ").count();
    assert_eq!(threads, 21, "{said}");
    assert!(said.matches("name = 'workers-").count() >= 21, "{said}");
    assert!(said.matches("wait_for_ever(depth=").count() > 19, "{said}");
}

#[test]
fn a_running_process_is_attached_to_by_id_and_left() {
    let guard = Guard::new();
    let program = Testee::build("workers", &[]);
    let mut target = guard.start(program.path(), &["2"]);
    assert_eq!(target.read_line().trim(), "ready");
    let pid = target.pid().to_string();
    let said = lldb(
        &guard,
        &["-p", &pid],
        &[
            "breakpoint set --name finish_job",
            "continue",
            "bt 3",
            "image list --basename",
            "memory region $pc",
            "memory region 0",
            "process detach",
        ],
    );
    assert_says(
        &said,
        &[
            "stop reason = signal SIGSTOP",
            "stop reason = breakpoint 1.1",
            "finish_job(",
            "descend(",
            "workers",
            "libc.so.6",
            "r-x",
            "workers",
            "[0x0000000000000000-",
            "---",
            "detached",
        ],
    );
    assert!(!target.has_ended(), "{said}");
}

#[test]
fn signals_are_told_and_delivered() {
    let guard = Guard::new();
    let program = Testee::build("signals", &[]);
    let path = program.path().to_str().expect("text");
    // In batch mode a signal is a crash, behind which nothing is carried out.
    let said = lldb(&guard, &["--", path, "usr1", "2"], &["continue"]);
    assert_says(&said, &["stop reason = signal SIGSTOP", "stop reason = signal SIGUSR1"]);
    let said = lldb(
        &guard,
        &["--", path, "usr1", "2"],
        &[
            "process handle --stop false --notify false SIGUSR1",
            "breakpoint set --name after_raise",
            "continue",
            "continue",
            "print handled",
            "kill",
        ],
    );
    assert_says(&said, &["stop reason = breakpoint 1.1", "= 2\n"]);
}
