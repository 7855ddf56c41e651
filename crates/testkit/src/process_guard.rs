//! What a test starts, and the proof that nothing of it is left when the test ends, however it
//! ends. Processes are recognised by an entry in their environment, which their children inherit.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dbgbase::{ExitStatus, Pid, Signal, Tid};
use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};

use crate::wait::{DEADLINE, is_readable_before, pause};
use crate::{procfs, until};

/// The entry by which a test's processes are known.
const MARKER: &str = "DBGSRV_TEST";
/// How long one test may take before the watchdog ends it.
const TEST_TIME_MAX: Duration = Duration::from_secs(120);

static LAST: AtomicU32 = AtomicU32::new(0);

/// One test's room: a folder of its own, its processes, and a watchdog. To be made first and so
/// dropped last.
///
/// When it is dropped, every process that the test has started, directly or through a server, must
/// be gone or go soon; otherwise they are killed and the test fails. A test that takes longer than
/// two minutes is ended together with its test program, with a message that says where everything
/// stood.
pub struct Guard {
    entry: String,
    directory: tempfile::TempDir,
    watchdog: Watchdog,
}

impl Guard {
    /// The guard of the running test.
    #[expect(clippy::new_without_default, reason = "making one begins a test")]
    pub fn new() -> Guard {
        Guard::with_patience(TEST_TIME_MAX)
    }

    /// The same for a test that is known to take longer than others.
    pub fn with_patience(time_max: Duration) -> Guard {
        let name = std::thread::current().name().unwrap_or("a test without a name").to_owned();
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        // With an end of its own, so that it is not the beginning of another test's.
        let entry = format!("{}{number}.", entry_of_all());
        Guard {
            directory: tempfile::tempdir().expect("a temporary directory"),
            watchdog: Watchdog::start(name, entry.clone(), time_max),
            entry,
        }
    }

    /// The test's folder. It is removed with everything in it.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A command whose process, and its children, are known to be this test's.
    #[expect(clippy::disallowed_methods, reason = "this is where tests start programs")]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let (name, value) = self.entry.split_once('=').unwrap_or_default();
        command.env(name, value).stdin(Stdio::null());
        command
    }

    /// Starts a program whose input and output are the test's.
    pub fn start(&self, program: impl AsRef<OsStr>, arguments: &[&str]) -> Process {
        let mut command = self.command(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        Process::spawn(&mut command)
    }

    /// What a program prints.
    ///
    /// **Panics** unless it ends with success.
    #[track_caller]
    pub fn output(&self, program: impl AsRef<OsStr>, arguments: &[&str]) -> String {
        let mut process = self.start(program, arguments);
        let text = process.read_rest();
        assert_eq!(process.wait(), ExitStatus::Exited(0), "{arguments:?} printed {text:?}");
        text
    }

    /// The processes of this test that live.
    pub fn processes(&self) -> Vec<Pid> {
        procfs::with_environment(&self.entry)
    }

    /// What they and their threads are and do, for people.
    pub fn describe_processes(&self) -> String {
        let described: Vec<String> = self.processes().into_iter().map(describe).collect();
        described.join("\n")
    }

    /// The entry that marks this test's processes, as `NAME=VALUE`.
    pub fn entry(&self) -> &str {
        &self.entry
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.watchdog.end();
        let deadline = Instant::now() + DEADLINE;
        let mut left = self.processes();
        while let Some(pid) = left.first().filter(|_| !std::thread::panicking()) {
            if !has_ended_before(*pid, deadline) {
                break;
            }
            left = self.processes();
        }
        if left.is_empty() {
            return;
        }
        let described: Vec<String> = left.iter().map(|pid| describe(*pid)).collect();
        kill_all(&self.entry);
        if !std::thread::panicking() {
            panic!("the test left processes behind:\n{}", described.join("\n"));
        }
    }
}

/// A process that is killed and reaped when it is dropped.
pub struct Process {
    child: Child,
    pidfd: OwnedFd,
    unread: Vec<u8>,
}

impl Process {
    /// Starts a command.
    ///
    /// **Panics** if it cannot be started.
    #[track_caller]
    pub fn spawn(command: &mut Command) -> Process {
        let child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("cannot start {command:?}: {error}"),
        };
        let pid = rustix::process::Pid::from_child(&child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).expect("a child that is not reaped");
        Process { child, pidfd, unread: Vec::new() }
    }

    /// Its id.
    pub fn pid(&self) -> Pid {
        Pid::new(self.child.id())
    }

    /// The id of its first thread.
    pub fn leader(&self) -> Tid {
        Tid::from(self.pid())
    }

    /// The next line it prints, without its end.
    ///
    /// **Panics** if it prints none before it ends, or none for a long time.
    #[track_caller]
    pub fn read_line(&mut self) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).take(end).collect();
                return String::from_utf8_lossy(&line).into_owned();
            }
            assert!(self.read_more(deadline), "{} ended without a line", self.pid());
        }
    }

    /// Everything it prints until it closes its output.
    ///
    /// **Panics** if that takes for ever.
    #[track_caller]
    pub fn read_rest(&mut self) -> String {
        let deadline = Instant::now() + DEADLINE;
        while self.read_more(deadline) {}
        String::from_utf8_lossy(&std::mem::take(&mut self.unread)).into_owned()
    }

    #[track_caller]
    fn read_more(&mut self, deadline: Instant) -> bool {
        let output = self.child.stdout.as_mut().expect("its output is the test's");
        assert!(is_readable_before(&*output, deadline), "waited in vain for output");
        let mut buffer = [0; 4096];
        let count = output.read(&mut buffer).expect("a pipe");
        self.unread.extend_from_slice(buffer.get(..count).unwrap_or_default());
        count > 0
    }

    /// The next line that it prints on standard error, which is the test's.
    ///
    /// **Panics** if it prints none.
    #[track_caller]
    pub fn read_complaint(&mut self) -> String {
        let deadline = Instant::now() + DEADLINE;
        let complaints = self.child.stderr.as_mut().expect("its standard error is the test's");
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            assert!(is_readable_before(&*complaints, deadline), "waited in vain for a complaint");
            let mut byte = [0];
            let count = complaints.read(&mut byte).expect("a pipe");
            assert_eq!(count, 1, "it ended without a line: {}", String::from_utf8_lossy(&line));
            line.extend(byte);
        }
        String::from_utf8_lossy(line.trim_ascii_end()).into_owned()
    }

    /// Writes to its input, at once: it may end by the line's first word.
    ///
    /// **Panics** if it does not read any more.
    #[track_caller]
    pub fn write_line(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("its input is the test's");
        let line = format!("{line}\n");
        input.write_all(line.as_bytes()).expect("it lives and reads");
    }

    /// Ends its input.
    pub fn close_input(&mut self) {
        self.child.stdin = None;
    }

    /// Sends a signal to the process.
    ///
    /// **Panics** for a real-time signal, and if the process has been reaped.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        let named = rustix::process::Signal::from_named_raw(signal.number());
        pidfd_send_signal(&self.pidfd, named.expect("a signal with a name")).expect("it lives");
    }

    /// Whether it has ended, reaped or not.
    pub fn has_ended(&self) -> bool {
        is_readable_before(&self.pidfd, Instant::now())
    }

    /// Waits for its end.
    ///
    /// **Panics** if it does not come.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        let ended = is_readable_before(&self.pidfd, deadline);
        assert!(ended, "waited in vain for the end of {}", describe(self.pid()));
        // A tracer that has not taken the end in yet holds it back from us.
        let status = until("the exit status", || self.child.try_wait().expect("our child"));
        exit_status(status)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended, and then that is all there is to do.
        let _ = self.child.kill();
        let deadline = Instant::now() + DEADLINE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            is_readable_before(&self.pidfd, deadline);
            std::thread::yield_now();
        }
    }
}

fn exit_status(status: std::process::ExitStatus) -> ExitStatus {
    use std::os::unix::process::ExitStatusExt;
    let signal = status.signal().and_then(Signal::new).map(ExitStatus::Killed);
    signal.unwrap_or_else(|| ExitStatus::Exited(status.code().unwrap_or(-1) as u8))
}

/// Sends a signal to a process that need not be our child.
///
/// **Panics** for a real-time signal, and if there is no such process.
#[track_caller]
pub fn send_signal(pid: Pid, signal: Signal) {
    let raw = rustix::process::Pid::from_raw(pid.value().cast_signed()).expect("a process id");
    let named = rustix::process::Signal::from_named_raw(signal.number());
    let named = named.expect("a signal with a name");
    rustix::process::kill_process(raw, named).expect("the process exists");
}

/// Ends a hung test with its whole test program.
struct Watchdog {
    is_done: Arc<(Mutex<bool>, Condvar)>,
}

impl Watchdog {
    fn start(name: String, entry: String, time_max: Duration) -> Watchdog {
        let is_done = Arc::new((Mutex::new(false), Condvar::new()));
        let shared = Arc::clone(&is_done);
        let watch = move || {
            let (lock, ended) = &*shared;
            let guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = ended.wait_timeout_while(guard, time_max, |is_done| !*is_done);
            if waited.is_ok_and(|(_, result)| result.timed_out()) {
                give_up(&name, &entry, time_max);
            }
        };
        std::thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(watch)
            .expect("a thread for the watchdog");
        Watchdog { is_done }
    }

    fn end(&self) {
        let (lock, ended) = &*self.is_done;
        *lock.lock().unwrap_or_else(PoisonError::into_inner) = true;
        ended.notify_all();
    }
}

fn give_up(name: &str, entry: &str, time_max: Duration) {
    let processes = procfs::with_environment(entry);
    let described: Vec<String> = processes.into_iter().map(describe).collect();
    let seconds = time_max.as_secs();
    let message = format!(
        "\n{name} hangs: it has not ended after {seconds} s. Its processes:\n{}\n",
        described.join("\n")
    );
    // Past the capturing of tests' output, which would be lost.
    let _ = std::io::stderr().write_all(message.as_bytes());
    // The guards of other tests will not run.
    kill_all(&entry_of_all());
    std::process::abort();
}

/// How the entries of all tests of this program begin.
fn entry_of_all() -> String {
    format!("{MARKER}={}-", std::process::id())
}

/// Whether a process that need not be our child ends in time.
fn has_ended_before(pid: Pid, deadline: Instant) -> bool {
    let raw = rustix::process::Pid::from_raw(pid.value().cast_signed());
    let pidfd = raw.map(|pid| pidfd_open(pid, PidfdFlags::empty()));
    match pidfd {
        Some(Ok(pidfd)) => is_readable_before(pidfd, deadline),
        _ => true,
    }
}

/// Kills marked processes until there are none: one may be making another.
fn kill_all(entry: &str) {
    let start = Instant::now();
    loop {
        let left = procfs::with_environment(entry);
        if left.is_empty() || start.elapsed() > DEADLINE {
            return;
        }
        for pid in left {
            let pid = rustix::process::Pid::from_raw(pid.value().cast_signed());
            let _ =
                pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL));
        }
        pause(start);
    }
}

/// A process and its threads: what they are, and what they do.
fn describe(pid: Pid) -> String {
    let line = std::fs::read(procfs::path(pid, "cmdline")).unwrap_or_default();
    let words: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    let mut text = format!("  process {pid}: {}", words.join(" "));
    for tid in procfs::tids(pid) {
        let read = |file: &str| {
            let text = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/{file}"));
            text.unwrap_or_default().trim().to_owned()
        };
        let state = procfs::status(pid, tid, "State").unwrap_or_default();
        let tracer = procfs::tracer(pid, tid).unwrap_or(0);
        text.push_str(&format!(
            "\n    thread {tid} ({}) {state}, in {}, system call {}, traced by {tracer}",
            read("comm"),
            read("wchan"),
            read("syscall")
        ));
    }
    text
}
