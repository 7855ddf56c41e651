//! Very many clients of one process server: a hundred debuggers at once that attach, launch, set
//! breakpoints, step, detach, abandon and take over, and are killed or end in no order, for a given
//! time. Afterwards nothing may be left of them, and the processes that they attached to must be as
//! they were: `cargo test -p cdb --test chaos -- SECONDS SEED`.

use std::io::Write;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use dbgbase::{ExitStatus, Pid, Signal};
use rustix::event::Timespec;
use testkit::footprint::changed_code;
use testkit::{Footprint, Guard, Process, Server, Testee, procfs, programs, until};

/// How many debuggers there are at once.
const CLIENTS: usize = 100;
/// How many processes they may attach to.
const VICTIMS: usize = 12;
/// How long it goes on unless the command line says otherwise.
const SECONDS_DEFAULT: u64 = 15;
/// How long the rest of the test may take.
const AFTERMATH: Duration = Duration::from_secs(120);
/// How long to wait between two deeds.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// What debuggers do at their first prompts. Those that do not end then wait to be killed.
const DEEDS: [&str; 10] = [
    "bp tick;g",
    "bp tick;k;~*;lm;g",
    "k;r;u;qd",
    "p;p;p;t;t;t;qd",
    "bp tick;bp main;bl;.detach;.tlist;q",
    "bp tick;bp libc_so!write;bc 0;g",
    ".abandon;q",
    "g",
    "db rsp;dq rsp L40;qd",
    "bp tick;.abandon;.tlist",
];
/// What they do with programs that they have started, besides.
const DEEDS_OF_OWNERS: [&str; 3] = ["bp main;g;eb rsp-1000 90;.kill", ".restart;.restart", "q"];

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|word| word.parse::<u64>().ok());
    let seconds = arguments.next().unwrap_or(SECONDS_DEFAULT);
    let seed = arguments.next().unwrap_or_else(|| fastrand::u64(..1_000_000));
    // With the seed the same deeds are done in the same order; what they meet differs.
    announce(&format!("chaos for {seconds} s with seed {seed}"));
    fastrand::seed(seed);
    let guard = Guard::with_patience(Duration::from_secs(seconds) + AFTERMATH);
    let mut chaos = Chaos::begin(&guard);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(seconds) {
        chaos.do_something(&guard);
        pause();
    }
    let done = chaos.done;
    chaos.end(&guard);
    announce(&format!("chaos is over: {done:?}"));
}

/// What has been done so often.
#[derive(Clone, Copy, Default, Debug)]
struct Done {
    started: u32,
    at_once: usize,
    killed: u32,
    ended: u32,
    ticked: u32,
}

struct Chaos {
    server: Server,
    victims: Vec<Victim>,
    clients: Vec<Child>,
    done: Done,
    /// The server's descriptors before the first client came.
    descriptors: usize,
}

/// A process that debuggers attach to.
struct Victim {
    process: Process,
    footprint: Footprint,
}

impl Chaos {
    fn begin(guard: &Guard) -> Chaos {
        let server = Server::npipe(guard, programs::dbgsrv());
        drop(server.connect());
        let victims = (0..VICTIMS).map(|_| Victim::start(guard)).collect();
        server.wait_until_idle();
        let descriptors = procfs::descriptors(server.pid()).len();
        Chaos { server, victims, clients: Vec::new(), done: Done::default(), descriptors }
    }

    /// A debugger comes, goes, is killed, or a victim has something to do.
    fn do_something(&mut self, guard: &Guard) {
        let count = self.clients.len();
        self.clients.retain_mut(|client| matches!(client.try_wait(), Ok(None)));
        self.done.ended += (count - self.clients.len()) as u32;
        match fastrand::u32(..10) {
            0..=6 if self.clients.len() < CLIENTS => self.start_client(guard),
            7 if !self.clients.is_empty() => {
                let index = fastrand::usize(..self.clients.len());
                let mut client = self.clients.swap_remove(index);
                client.kill().expect("a child that is not reaped");
                client.wait().expect("a child that is not reaped");
                self.done.killed += 1;
            }
            _ => {
                let victim = &mut self.victims[fastrand::usize(..VICTIMS)];
                victim.process.write_line("");
                self.done.ticked += 1;
            }
        }
    }

    fn start_client(&mut self, guard: &Guard) {
        let mut command = guard.command(env!("CARGO_BIN_EXE_cdb"));
        command.env("DBGSRV_RUN_DIR", self.server.run_dir()).env("XDG_STATE_HOME", "/nonexistent");
        command.args(["-premote", &self.server.endpoint().to_connect_string()]);
        let is_owner = fastrand::u32(..4) == 0;
        let mut deeds = DEEDS.to_vec();
        if is_owner {
            deeds.extend(DEEDS_OF_OWNERS);
        }
        command.args(["-c", deeds[fastrand::usize(..deeds.len())]]);
        let pid = self.victims[fastrand::usize(..VICTIMS)].process.pid().to_string();
        match fastrand::u32(..3) {
            _ if is_owner => command.arg(Testee::build("ticks", &[]).path()).arg("3"),
            0 => command.args(["-pe", "-pd", "-p", &pid]),
            _ => command.args(["-pd", "-p", &pid]),
        };
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        self.clients.push(command.spawn().expect("cdb starts"));
        self.done.started += 1;
        self.done.at_once = self.done.at_once.max(self.clients.len());
    }

    /// Ends everything, and looks at what is left.
    fn end(mut self, guard: &Guard) {
        for mut client in self.clients.drain(..) {
            client.kill().expect("a child that is not reaped");
            client.wait().expect("a child that is not reaped");
        }
        // Sessions that keep an abandoned process stay, and end with the server.
        until("sessions without targets to end", || {
            self.server.sessions().into_iter().all(has_targets).then_some(())
        });
        if self.server.sessions().is_empty() {
            self.server.wait_until_idle();
            assert_eq!(procfs::descriptors(self.server.pid()).len(), self.descriptors);
        }
        self.server.process().signal(Signal::SIGTERM);
        assert_eq!(self.server.process().wait(), ExitStatus::Exited(0));
        assert_eq!(self.server.files_left(), Vec::<std::path::PathBuf>::new());
        self.end_detached(guard);
        for victim in self.victims {
            victim.assert_unharmed(guard);
        }
    }
}

impl Chaos {
    /// Programs that were launched and then detached live on, untraced, with terminals that nobody
    /// looks at; they are the test's to end.
    fn end_detached(&self, guard: &Guard) {
        let program = Testee::build("ticks", &[]);
        let is_victim = |pid: Pid| self.victims.iter().any(|victim| victim.process.pid() == pid);
        for pid in guard.processes() {
            let exe = std::fs::read_link(format!("/proc/{pid}/exe"));
            if exe.is_ok_and(|exe| exe == program.path()) && !is_victim(pid) {
                assert_eq!(procfs::tracer(pid, pid.into()), Some(0));
                assert_eq!(changed_code(pid), []);
                testkit::send_signal(pid, Signal::SIGKILL);
            }
        }
    }
}

impl Victim {
    fn start(guard: &Guard) -> Victim {
        let testee = Testee::build("ticks", &[]);
        let mut process = guard.start(testee.path(), &["3"]);
        assert_eq!(process.read_line(), "ready");
        // A thread that has just been made blocks all signals for a moment.
        let pid = process.pid();
        let is_asleep = |tid: &dbgbase::Tid| procfs::state(pid, *tid) == Some('S');
        until("its threads to sleep", || procfs::tids(pid).iter().all(is_asleep).then_some(()));
        let footprint = Footprint::take(guard, process.pid());
        Victim { process, footprint }
    }

    /// It has ticked as often as it was asked to, and is as it was.
    fn assert_unharmed(mut self, guard: &Guard) {
        let pid = self.process.pid();
        let is_free = |tid: &dbgbase::Tid| procfs::tracer(pid, *tid) == Some(0);
        until("nobody to trace it", || procfs::tids(pid).iter().all(is_free).then_some(()));
        assert_eq!(changed_code(pid), []);
        self.process.write_line("");
        assert_eq!(Footprint::take(guard, pid), self.footprint);
        self.process.close_input();
        let said = self.process.read_rest();
        assert_eq!(self.process.wait(), ExitStatus::Exited(0));
        for (index, line) in said.lines().enumerate() {
            assert_eq!(line, format!("ticked {}", index + 1));
        }
    }
}

/// Whether a session process has any target.
fn has_targets(session: Pid) -> bool {
    let threads = procfs::tids(session);
    let is_traced = |pid: &Pid| {
        let tracer = procfs::tracer(*pid, (*pid).into()).unwrap_or(0);
        threads.iter().any(|tid| tid.value() == tracer)
    };
    procfs::pids().iter().any(is_traced)
}

fn pause() {
    let _ = rustix::event::poll(&mut [], Some(&PAUSE));
}

fn announce(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
