//! gdb on one machine, the server at a pipe of another one: reached by ssh, with a real sshd.

use testkit::{Guard, Process, Testee, TwoMachines, programs, until};

use crate::gdb::{assert_says, gdb_by, pipe};

/// gdb says everything twice to whom does not answer within two seconds, and logging in may take
/// longer on a machine that has much to do.
const WAIT: &str = "set remotetimeout 60";

#[test]
fn gdb_debugs_on_another_machine() {
    let guard = Guard::new();
    let Some(machines) = TwoMachines::new(&guard) else { return };
    machines.install(&guard, &programs::dbgsrv(), "/usr/local/bin");
    let mut command = machines.far(&guard, "dbgsrv");
    let _server = Process::spawn(command.args(["-t", "npipe:pipe=box,password=sesame7"]));
    until("the server's socket", || {
        let mut test = machines.far(&guard, "test");
        let status = test.args(["-S", "/run/dbgsrv/box"]).status().expect("it starts");
        status.success().then_some(())
    });
    let program = Testee::build("count", &[]);
    let path = program.path().display();
    let premote = |password| format!("-premote npipe:server=far,pipe=box,password={password}");
    let said = gdb_by(
        machines.near(&guard, "gdb"),
        &[
            &format!("file {path}"),
            WAIT,
            &pipe(&premote("sesame7")),
            "info os processes",
            &format!("set remote exec-file {path}"),
            "set args 3",
            "break work if number == 2",
            "run",
            "backtrace",
            "next",
            "delete",
            "continue",
        ],
    );
    assert_says(
        &said,
        &["sshd", "Breakpoint 1, work (number=2)", "#0  work (number=2)", "exited normally"],
    );
    let said = gdb_by(machines.near(&guard, "gdb"), &[WAIT, &pipe(&premote("wrong"))]);
    assert_says(&said, &["far: the password is wrong; error 0x80004005"]);
}
