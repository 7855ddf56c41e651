//! Non-stop mode with real gdb, whose prompt is there while threads run: each thread stops, steps,
//! runs and is interrupted by itself.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use testkit::{Guard, Testee};

use crate::gdb::pipe;

/// A gdb at whose prompt commands are typed.
struct Prompt {
    gdb: Child,
    input: ChildStdin,
    output: ChildStdout,
    unread: String,
}

impl Prompt {
    fn start(guard: &Guard, commands: &[&str]) -> Prompt {
        let mut command = guard.command("gdb");
        command.args(["-nx", "-q"]);
        let settings = ["debuginfod enabled off", "confirm off", "width 0", "height 0"];
        for setting in settings.iter().chain(&["style enabled off", "non-stop on"]) {
            command.args(["-iex", &format!("set {setting}")]);
        }
        for line in commands {
            command.args(["-ex", line]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut gdb = command.spawn().expect("gdb runs");
        let input = gdb.stdin.take().expect("a pipe");
        let output = gdb.stdout.take().expect("a pipe");
        Prompt { gdb, input, output, unread: String::new() }
    }

    /// Types a line.
    fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("gdb reads");
    }

    /// Waits until gdb has written this, and returns what it wrote up to there.
    fn hear(&mut self, wanted: &str) -> String {
        loop {
            if let Some(at) = self.unread.find(wanted) {
                let rest = self.unread.split_off(at + wanted.len());
                return std::mem::replace(&mut self.unread, rest);
            }
            let mut bytes = [0; 4096];
            let count = self.output.read(&mut bytes).expect("gdb writes");
            assert_ne!(count, 0, "gdb has ended; it said {:?}", self.unread);
            self.unread.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    }

    /// All that a command writes before the next one is read.
    fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.say("echo <end>\\n");
        self.hear("<end>")
    }

    /// How many threads gdb shows as running.
    fn running(&mut self) -> usize {
        self.ask("info threads").matches("(running)").count()
    }
}

impl Drop for Prompt {
    fn drop(&mut self) {
        // One that has ended already is no failure.
        let _ = self.gdb.kill();
        let _ = self.gdb.wait();
    }
}

#[test]
fn threads_stop_step_and_run_one_by_one() {
    let guard = Guard::new();
    let program = Testee::build("threads", &[]);
    let mut process = guard.start(program.path(), &["2", "0"]);
    assert_eq!(process.read_line(), "ready");
    let file = format!("file {}", program.path().display());
    let mut gdb = Prompt::start(&guard, &[&file, &pipe("")]);
    let attach = format!("attach {}", process.pid());
    gdb.ask(&attach);
    gdb.ask("break hit");
    // The first thread waits, the others come there.
    gdb.say("continue -a&");
    gdb.hear("hit Breakpoint 1, hit (index=");
    gdb.hear("hit Breakpoint 1, hit (index=");
    assert_eq!(gdb.running(), 1);
    gdb.ask("thread 2");
    let step = gdb.ask("step");
    assert!(!step.contains("Breakpoint"), "{step}");
    let listed = gdb.ask("info threads");
    assert_eq!(listed.matches(" hit (index=").count(), 2, "{listed}");
    assert_eq!(listed.matches("(running)").count(), 1, "{listed}");
    gdb.ask("delete");
    gdb.ask("continue -a&");
    assert_eq!(gdb.running(), 3);
    gdb.ask("thread 3");
    gdb.say("interrupt");
    gdb.hear("Thread 3 ");
    gdb.hear(" stopped.");
    assert_eq!(gdb.running(), 2);
    gdb.say("interrupt -a");
    gdb.hear(" stopped.");
    gdb.hear(" stopped.");
    assert_eq!(gdb.running(), 0);
    gdb.say("detach");
    gdb.hear("detached]");
    process.close_input();
    assert_eq!(process.wait(), dbgbase::ExitStatus::Exited(0));
}
