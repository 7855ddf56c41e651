//! Real lldb in batch mode, with the bridge listening.

use std::process::Stdio;

use testkit::{Guard, Process};

use crate::listening::listen;

/// lldb gives up on whom does not answer within five seconds, and this machine may have much to do.
const WAIT: &str = "settings set plugin.process.gdb-remote.packet-timeout 60";

/// What lldb says to these commands, connected to a bridge that was started with these arguments.
/// In batch mode it ends behind the last one, or behind the first that fails.
pub(crate) fn lldb(guard: &Guard, arguments: &[&str], commands: &[&str]) -> String {
    let arguments = [&["-listen", "127.0.0.1:0"], arguments].concat();
    let (_bridge, place): (Process, String) = listen(guard, &arguments);
    run(guard, &[&[&*format!("gdb-remote {place}")], commands].concat())
}

/// What lldb says to these commands.
pub(crate) fn run(guard: &Guard, commands: &[&str]) -> String {
    let mut command = guard.command("lldb");
    command.args(["--batch", "--no-lldbinit", "--no-use-colors"]);
    command.args(["--one-line-before-file", WAIT]);
    for line in commands {
        command.args(["--one-line", line]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.output().expect("lldb runs");
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text
}
