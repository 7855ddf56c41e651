//! What people do with gdb, through the bridge.

use testkit::{Guard, Testee};

use crate::gdb::{assert_says, gdb, pipe};

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
