//! Real gdb, given commands as on its command line. It knows how to start it, not what it is asked.

use std::process::{Command, Stdio};

use testkit::Guard;

/// How gdb reaches the bridge.
pub(crate) fn pipe(arguments: &str) -> String {
    format!("target extended-remote | {} {arguments}", env!("CARGO_BIN_EXE_dbggdb"))
}

/// What gdb says to these commands, output and errors as they come. It is told nothing else, reads
/// no configuration, and asks nothing of the network.
pub(crate) fn gdb(guard: &Guard, commands: &[&str]) -> String {
    gdb_by(guard.command("gdb"), commands)
}

/// The same by a command that becomes gdb.
pub(crate) fn gdb_by(mut command: Command, commands: &[&str]) -> String {
    command.args(["-nx", "-batch", "-q"]);
    for setting in
        ["debuginfod enabled off", "confirm off", "width 0", "height 0", "style enabled off"]
    {
        command.args(["-iex", &format!("set {setting}")]);
    }
    for line in commands {
        command.args(["-ex", line]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.output().expect("gdb runs");
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text
}

/// Panics with all that gdb said unless each of these stands in it, in this order.
#[track_caller]
pub(crate) fn assert_says(text: &str, wanted: &[&str]) {
    let mut rest = text;
    for piece in wanted {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => panic!("{piece:?} is missing, or not in its place, in:\n{text}"),
        }
    }
}
