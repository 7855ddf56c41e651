//! What people do with gdb, through the bridge.

use testkit::{Guard, Testee};

use crate::gdb::{assert_says, gdb, pipe};
use crate::listening::listen;

#[test]
fn a_program_is_run_stopped_and_looked_at() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let path = program.path().display();
    let said = gdb(
        &guard,
        &[
            &format!("file {path}"),
            &pipe(""),
            &format!("set remote exec-file {path}"),
            "set args 3",
            "break work if number == 2",
            "run",
            "backtrace",
            "print calls",
            "finish",
            "print work(100)",
            "delete",
            "continue",
        ],
    );
    assert_says(
        &said,
        &[
            "Breakpoint 1, work (number=2)",
            "#0  work (number=2)",
            "in main",
            "$1 = 2",
            "Value returned is $2 = 6",
            "exited with code 01",
        ],
    );
}

#[test]
fn what_cannot_be_done_is_said_with_its_reason() {
    let guard = Guard::new();
    let said = gdb(
        &guard,
        &[
            &pipe(""),
            "attach 4194304",
            "set remote exec-file /nonexistent",
            "run",
            "monitor nonsense",
            "x/x 0",
        ],
    );
    for reason in [
        "there is no process 4194304",
        "cannot start /nonexistent: there is no such file",
        "no monitor command is called 'nonsense'",
        "Cannot access memory at address 0x0",
    ] {
        assert!(said.contains(reason), "{reason:?} is missing in:\n{said}");
    }
}

#[test]
fn what_a_breakpoint_prints_is_printed_by_the_server() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let path = program.path().display();
    let said = gdb(
        &guard,
        &[
            &format!("file {path}"),
            &pipe(""),
            &format!("set remote exec-file {path}"),
            "set args 4",
            "set dprintf-style agent",
            "dprintf work,\"called with %lu, %d so far\\n\", number, (int) calls",
            "break done",
            "run",
            "print calls",
            "info breakpoints",
            "continue",
        ],
    );
    let printed = |number: u32| format!("called with {number}, {number} so far");
    let printed: Vec<String> = (0..4).map(printed).collect();
    let printed: Vec<&str> = printed.iter().map(String::as_str).collect();
    let end = ["Breakpoint 2, done", "$1 = 4", "agent-printf", "exited normally"];
    // gdb writes what targets print to its standard error.
    assert_says(&said, &end);
    assert_says(&said, &printed);
    let program = Testee::build("workers", &[]);
    let path = program.path().display();
    let said = gdb(
        &guard,
        &[
            &format!("file {path}"),
            &pipe(&format!("-- {path} 1")),
            "set dprintf-style agent",
            "dprintf finish_job,\"%d is %s\\n\", job->number, job->name",
            "tbreak descend if job->number == 3",
            "continue",
            "kill",
        ],
    );
    assert_says(&said, &["Temporary breakpoint 2, descend"]);
    assert_says(&said, &["1 is ", "2 is "]);
}

#[test]
fn values_are_printed_by_pretty_printers() {
    let guard = Guard::new();
    let program = Testee::build("workers", &[]);
    let script = guard.directory().join("printers.py");
    let text = "
import gdb
import gdb.printing

class Job:
    def __init__(self, value):
        self.value = value
    def to_string(self):
        return 'job %d called %s' % (int(self.value['number']), self.value['name'].string())
    def children(self):
        parts = self.value['parts']
        return ((str(at), parts[at]) for at in range(2))

printers = gdb.printing.RegexpCollectionPrettyPrinter('workers')
printers.add_printer('job', '^job$', Job)
gdb.printing.register_pretty_printer(None, printers)
";
    std::fs::write(&script, text).expect("is written");
    let path = program.path().display();
    let said = gdb(
        &guard,
        &[
            &format!("file {path}"),
            &pipe(&format!("-- {path} 1")),
            &format!("source {}", script.display()),
            "break finish_job",
            "continue",
            "print *job",
            "print/r job->number",
            "kill",
        ],
    );
    assert_says(&said, &["Breakpoint 1, finish_job", " = job ", " called ", "{0 = ", ", 1 = "]);
}

#[test]
fn breakpoints_are_set_by_patterns_and_for_once() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let path = program.path().display();
    let said = gdb(
        &guard,
        &[
            &format!("file {path}"),
            &pipe(&format!("-- {path} 3")),
            "rbreak count.c:^[wd]o",
            "tbreak main",
            "continue",
            "continue",
            "info breakpoints",
            "delete 2",
            "continue",
            "kill",
        ],
    );
    assert_says(
        &said,
        &[
            "Breakpoint 1 at ",
            "Breakpoint 2 at ",
            "Temporary breakpoint 3, main",
            "Breakpoint 2, work",
            "already hit 1 time",
            "Breakpoint 1, done",
            "killed",
        ],
    );
    assert_eq!(said.matches("Temporary breakpoint 3").count(), 2, "{said}");
}

#[test]
fn a_bridge_that_was_left_is_connected_to_again() {
    let guard = Guard::new();
    let program = Testee::build("threads", &[]);
    let mut process = guard.start(program.path(), &["2", "0"]);
    assert_eq!(process.read_line(), "ready");
    let (_bridge, place) = listen(&guard, &["-listen", "127.0.0.1:0"]);
    let connect = format!("target extended-remote {place}");
    let attach = format!("attach {}", process.pid());
    // `disconnect` leaves the process attached as far as gdb knows; the bridge lets it go.
    let look = [&connect, &attach, "break hit", "continue", "disconnect"].map(|line| line as &str);
    let file = format!("file {}", program.path().display());
    let list = [&connect, "info os processes", &attach, "detach"].map(|line| line as &str);
    let said = gdb(&guard, &[&[file.as_str()], &look[..], &look[..], &list[..]].concat());
    let pid = process.pid().to_string();
    assert_says(&said, &["hit Breakpoint", "hit Breakpoint", &pid, "detached"]);
    process.close_input();
    assert_eq!(process.wait(), dbgbase::ExitStatus::Exited(0));
}

/// What gdb shows of the registers that this process's first thread computes with.
fn vectors(said: &str) -> Vec<String> {
    let is_value = |line: &&str| {
        let name = line.split(' ').next().unwrap_or_default();
        let kinds = ["st", "xmm", "ymm", "zmm", "k"];
        let of =
            |kind: &&str| name.strip_prefix(kind).is_some_and(|rest| rest.parse::<u8>().is_ok());
        kinds.iter().any(of) || name == "mxcsr"
    };
    said.lines().filter(is_value).map(str::to_owned).collect()
}

#[test]
fn vector_registers_are_what_gdb_reads_itself() {
    let guard = Guard::new();
    let program = Testee::build("vectors", &[]);
    let process = guard.start(program.path(), &["2"]);
    let mut process = process;
    assert_eq!(process.read_line(), "ready");
    let file = format!("file {}", program.path().display());
    let attach = format!("attach {}", process.pid());
    let show = ["info registers vector", "info registers float"];
    let native = || {
        let said = gdb(&guard, &[&[file.as_str(), &attach], &show[..], &["detach"]].concat());
        vectors(&said)
    };
    let expected = native();
    assert!(expected.len() > 16 + 8, "{expected:?}");
    let has = |name: &str| expected.iter().any(|line| line.starts_with(name));
    let mut changes = vec!["set var $xmm3.v4_int32[1] = 77"];
    if has("ymm15 ") {
        changes.push("set var $ymm7.v4_int64[3] = 78");
    }
    if has("zmm31 ") {
        changes.extend(["set var $zmm31.v8_int64[7] = 79", "set var $k5 = 80"]);
    }
    let begin = [file.as_str(), &pipe(""), &attach];
    let said = gdb(&guard, &[&begin, &show[..], &changes, &show[..], &["detach"]].concat());
    let shown = vectors(&said);
    let (before, after) = shown.split_at(expected.len());
    assert_eq!(before, expected);
    assert_ne!(after, expected);
    assert_eq!(native(), after, "what was written is there");
    process.close_input();
    process.wait();
}
