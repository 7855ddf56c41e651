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
