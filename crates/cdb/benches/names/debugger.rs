//! Debuggers, started on a program and asked for a breakpoint by name. It knows their words.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use testkit::Guard;

/// A clock tick of /proc/PID/stat in seconds.
const TICK: f64 = 0.01;

/// What is asked for.
pub(crate) struct Question<'a> {
    pub(crate) program: &'a Path,
    pub(crate) name: &'a str,
    /// Where debuggers keep what they made; nowhere without it.
    pub(crate) kept: Option<&'a Path>,
}

/// What it took until the breakpoint had an address.
#[derive(Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) seconds: f64,
    /// User and system, of the debugger and the processes that it started.
    pub(crate) cpu_seconds: f64,
    /// The most memory that the debugger and its own processes had together.
    pub(crate) peak_mb: f64,
}

/// A debugger.
pub(crate) struct Debugger {
    pub(crate) name: &'static str,
    /// Its command, which the program's path ends.
    command: fn(&Guard, Option<&Path>) -> Command,
    /// What is typed for a breakpoint.
    typed: fn(&str) -> String,
    /// What it shows once the breakpoint has an address.
    shown: &'static str,
    /// What ends it.
    end: &'static str,
    /// Whether it is asked only for what symbol tables have, and nothing is kept: lldb 14 finds
    /// neither inlined functions by their whole names nor anything in the index that it kept.
    pub(crate) is_limited: bool,
}

pub(crate) const DEBUGGERS: [Debugger; 3] = [
    Debugger {
        name: "cdb",
        command: cdb,
        typed: |name| format!("bp {name}; bl"),
        shown: " 0 e 0",
        end: "q",
        is_limited: false,
    },
    Debugger {
        name: "gdb",
        command: gdb,
        typed: |name| format!("break {name}"),
        shown: "Breakpoint 1 at 0x",
        end: "quit",
        is_limited: false,
    },
    Debugger {
        name: "lldb",
        command: lldb,
        typed: |name| format!("breakpoint set --name {name}"),
        shown: "Breakpoint 1: where = ",
        end: "quit",
        is_limited: true,
    },
];

/// It launches the program, too, where the others only read it.
fn cdb(guard: &Guard, kept: Option<&Path>) -> Command {
    let mut command = guard.command(env!("CARGO_BIN_EXE_cdb"));
    let cache = kept.map_or(Path::new("/dev/null"), |kept| kept);
    command.env("XDG_CACHE_HOME", cache).env("DEBUGINFOD_URLS", "");
    command
}

fn gdb(guard: &Guard, kept: Option<&Path>) -> Command {
    let mut command = guard.command("gdb");
    command.args(["-nx", "-q", "-iex", "set debuginfod enabled off"]);
    if let Some(kept) = kept {
        let directory = format!("set index-cache directory {}", kept.display());
        command.args(["-iex", &directory, "-iex", "set index-cache enabled on"]);
    }
    command
}

fn lldb(guard: &Guard, _kept: Option<&Path>) -> Command {
    let mut command = guard.command("lldb");
    command.arg("--no-lldbinit");
    command
}

impl Debugger {
    pub(crate) fn ask(&self, guard: &Guard, question: &Question<'_>) -> Figures {
        let mut command = (self.command)(guard, question.kept);
        command.arg(question.program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let began = Instant::now();
        let mut child = command.spawn().expect("it is installed");
        let mut input = child.stdin.take().expect("piped");
        writeln!(input, "{}", (self.typed)(question.name)).expect("it reads");
        self.read_answer(&mut child);
        let seconds = began.elapsed().as_secs_f64();
        let own: Vec<u32> = own_processes(child.id());
        let figures = Figures {
            seconds,
            cpu_seconds: own.iter().map(|pid| cpu_seconds(*pid)).sum(),
            peak_mb: own.iter().map(|pid| peak_mb(*pid)).sum(),
        };
        writeln!(input, "{}", self.end).expect("it reads");
        drop(input);
        let mut rest = Vec::new();
        child.stdout.take().expect("piped").read_to_end(&mut rest).expect("it ends");
        child.wait().expect("it ends");
        figures
    }

    fn read_answer(&self, child: &mut Child) {
        let output = child.stdout.as_mut().expect("piped");
        let mut text = Vec::new();
        let mut piece = [0; 4096];
        while !String::from_utf8_lossy(&text).contains(self.shown) {
            let len = output.read(&mut piece).expect("it writes");
            assert!(len > 0, "{} ended: {}", self.name, String::from_utf8_lossy(&text));
            text.extend_from_slice(&piece[..len]);
        }
    }
}

/// The process and its children, without the debuggee: that has another program.
fn own_processes(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    [pid].into_iter().chain(children).collect()
}

fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let behind_name = stat.rsplit_once(") ").map_or("", |(_, behind)| behind);
    let ticks =
        behind_name.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() * TICK
}

fn peak_mb(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|peak| peak.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}
