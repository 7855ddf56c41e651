//! The sessions that people have, and how debuggers are made to have them.

use std::process::Stdio;

use dbgbase::Pid;
use testkit::{Guard, Testee};

/// Who debugs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Debugger {
    Gdb,
    Lldb,
}

/// What is done.
#[derive(Clone, Copy)]
pub(crate) enum Session {
    /// From connect to detach, with backtraces, breakpoints, steps.
    Gdb,
    /// Attach to 100 threads, and all their backtraces.
    GdbThreads,
    /// Libraries and their symbols over the link.
    GdbLibraries,
    /// As the first, as far as its commands go.
    Lldb,
    /// As the second.
    LldbThreads,
}

/// What it took.
pub(crate) struct Figures {
    pub(crate) seconds: f64,
    pub(crate) steps: Vec<(String, f64)>,
}

/// What gdb is told beforehand. (`file` comes before the time is taken.)
const GDB_SETTINGS: [&str; 7] = [
    "set debuginfod enabled off",
    "set confirm off",
    "set pagination off",
    "set width 0",
    "set height 0",
    "set auto-load off",
    "set sysroot /",
];

/// The steps of the session: name, command.
const GDB_STEPS: [(&str, &str); 22] = [
    ("bt", "bt"),
    ("info-threads", "info threads"),
    ("all-bt", "thread apply all bt"),
    ("break", "break finish_job"),
    ("continue", "continue"),
    ("hit-bt", "bt"),
    ("hit-locals", "info locals"),
    ("hit-args", "info args"),
    ("up", "up"),
    ("up-locals", "info locals"),
    ("down", "down"),
    ("next1", "next"),
    ("next2", "next"),
    ("next3", "next"),
    ("next4", "next"),
    ("next-locals", "info locals"),
    ("finish", "finish"),
    ("continue-2", "continue"),
    ("hit2-bt", "bt"),
    ("bt-full", "bt full"),
    ("delete", "delete"),
    ("detach", "detach"),
];

const GDB_THREAD_STEPS: [(&str, &str); 3] =
    [("info-threads", "info threads"), ("all-bt", "thread apply all bt"), ("detach", "detach")];

const GDB_LIBRARY_STEPS: [(&str, &str); 2] =
    [("sharedlibrary", "info sharedlibrary"), ("detach", "detach")];

const LLDB_STEPS: [(&str, &str); 14] = [
    ("bt", "bt"),
    ("all-bt", "thread backtrace all"),
    ("break", "breakpoint set --name finish_job"),
    ("continue", "continue"),
    ("hit-bt", "bt"),
    ("hit-locals", "frame variable"),
    ("next1", "next"),
    ("next2", "next"),
    ("next3", "next"),
    ("finish", "finish"),
    ("continue-2", "continue"),
    ("hit2-bt", "bt"),
    ("delete", "breakpoint disable"),
    ("detach", "detach"),
];

const LLDB_THREAD_STEPS: [(&str, &str); 3] =
    [("list", "thread list"), ("all-bt", "thread backtrace all"), ("detach", "detach")];

impl Session {
    pub(crate) const ALL: [Session; 5] = [
        Session::Gdb,
        Session::GdbThreads,
        Session::GdbLibraries,
        Session::Lldb,
        Session::LldbThreads,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Session::Gdb => "gdb-session",
            Session::GdbThreads => "gdb-100-threads",
            Session::GdbLibraries => "gdb-libraries",
            Session::Lldb => "lldb-session",
            Session::LldbThreads => "lldb-100-threads",
        }
    }

    pub(crate) fn debugger(self) -> Debugger {
        match self {
            Session::Gdb | Session::GdbThreads | Session::GdbLibraries => Debugger::Gdb,
            Session::Lldb | Session::LldbThreads => Debugger::Lldb,
        }
    }

    pub(crate) fn threads(self) -> u32 {
        match self {
            Session::GdbThreads | Session::LldbThreads => 100,
            _ => 3,
        }
    }

    /// Has the session. `None` if a step of it has failed: a debugger's own stub may be too slow
    /// for its debugger's patience.
    pub(crate) fn run(
        self,
        guard: &Guard,
        connect: &str,
        program: &Testee,
        pid: Pid,
    ) -> Option<Figures> {
        let path = program.path().display().to_string();
        let attach = format!("attach {pid}");
        let start = [("connect", connect), ("attach", attach.as_str())];
        let steps: &[(&str, &str)] = match self {
            Session::Gdb => &GDB_STEPS,
            Session::GdbThreads => &GDB_THREAD_STEPS,
            Session::GdbLibraries => &GDB_LIBRARY_STEPS,
            Session::Lldb => &LLDB_STEPS,
            Session::LldbThreads => &LLDB_THREAD_STEPS,
        };
        let said = match self.debugger() {
            Debugger::Gdb => {
                let steps: Vec<_> = start.iter().chain(steps).copied().collect();
                let mut settings = GDB_SETTINGS.to_vec();
                if matches!(self, Session::GdbLibraries) {
                    settings.push("set sysroot target:");
                }
                let file = format!("file {path}");
                settings.push(&file);
                gdb(guard, &settings, &steps)
            }
            // Its stub is attached already.
            Debugger::Lldb => {
                let steps: Vec<_> = start.iter().take(1).chain(steps).copied().collect();
                lldb(guard, &path, &steps)
            }
        };
        figures(&said)
    }
}

/// Runs gdb with a script that tells how long each step takes.
fn gdb(guard: &Guard, settings: &[&str], steps: &[(&str, &str)]) -> String {
    let script = guard.directory().join("steps.py");
    let text = format!(
        "import gdb, time\n\
         gdb.execute('python import time')\n\
         for name, command in {steps}:\n    \
             start = time.monotonic()\n    \
             try:\n        said = gdb.execute(command, to_string=True)\n    \
             except gdb.error as error:\n        said = 'ERROR ' + str(error)\n    \
             print('STEP', name, time.monotonic() - start)\n    \
             if 'ERROR' in said: print(name, said)\n",
        steps = python(steps),
    );
    std::fs::write(&script, text).expect("a script is written");
    let mut command = guard.command("gdb");
    command.args(["-nx", "-batch", "-q"]);
    for setting in settings {
        command.args(["-ex", setting]);
    }
    command.arg("-x").arg(&script);
    output(command)
}

/// Runs lldb, whose start counts as well: Debian's cannot be scripted in Python everywhere.
fn lldb(guard: &Guard, path: &str, steps: &[(&str, &str)]) -> String {
    let mut command = guard.command("lldb");
    command.args(["--no-lldbinit", "--batch", "-o", &format!("target create {path}")]);
    for (_, step) in steps {
        command.args(["-o", step]);
    }
    let start = std::time::Instant::now();
    let output = command.stdin(Stdio::null()).output().expect("lldb runs");
    let seconds = start.elapsed().as_secs_f64();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !said.contains("detached") {
        return String::new();
    }
    format!("STEP all {seconds}\n")
}

/// The steps as Python writes them.
fn python(steps: &[(&str, &str)]) -> String {
    let pairs: Vec<String> =
        steps.iter().map(|(name, command)| format!("({name:?}, {command:?})")).collect();
    format!("[{}]", pairs.join(", "))
}

fn output(mut command: std::process::Command) -> String {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.output().expect("the debugger runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_whole = said.contains("STEP detach") && !said.contains("ERROR");
    if is_whole { said } else { String::new() }
}

fn figures(said: &str) -> Option<Figures> {
    let step = |line: &str| {
        let mut words = line.strip_prefix("STEP ")?.split(' ');
        Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
    };
    let steps: Vec<(String, f64)> = said.lines().filter_map(step).collect();
    let seconds = steps.iter().map(|(_, seconds)| seconds).sum();
    (!steps.is_empty()).then_some(Figures { seconds, steps })
}
