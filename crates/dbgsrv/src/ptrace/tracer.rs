//! The tracer: the one thread that owns every ptrace call and every wait of a session. It wakes on
//! commands and on SIGCHLD, lets reports change its targets, and settles each target afterwards.
//!
//! The rooms around it: `report` says what a report means, `settle` decides what a target does
//! next, `arm` changes code bytes, `attach`, `launch` and `leave` bring targets in and out.

use std::collections::{BTreeSet, HashMap};
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::{Duration, Instant};

use dbgbase::{Arch, Pid, StopNumber, TargetId, Tid};
use dbgwire::verbs::resume::ResumeReply;
use dbgwire::{ErrorCode, Fault};
use rustix::event::{PollFd, PollFlags, Timespec};

use super::SharedTargets;
use super::children::Departing;
use super::modules::announce;
use super::printed::Printer;
use super::probe::Probe;
use super::rest;
use super::signals::ChildSignals;
use super::target::{Target, Targets};
use super::thread::Thread;
use super::wait::{self, WaitStatus};
use crate::answer::Answer;
use crate::journal::Journal;
use crate::terminal::Events;

/// How often a target whose threads do not stop is looked at again: a thread may have died without
/// a report (a leader whose other threads live on).
const STOPPING_RECHECK: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };

/// How long news is looked for before this thread sleeps. Falling asleep and being woken takes
/// about as long.
const MOMENT: Duration = Duration::from_micros(50);

/// How many reports are taken in before the targets are settled, and how often that is done before
/// commands are looked at.
const REPORTS_MAX: usize = 256;
const ROUNDS_MAX: usize = 8;

/// Something for the tracer thread to do.
pub(super) type Command = Box<dyn FnOnce(&mut Tracer) + Send>;

/// The tracer's state.
pub(super) struct Tracer {
    pub(super) arch: Arch,
    pub(super) targets: Targets,
    /// The same targets' memory, for the session thread.
    pub(super) shared: SharedTargets,
    /// Whose thread it is.
    pub(super) owner: HashMap<Tid, TargetId>,
    /// Reports of threads and processes that nobody has announced yet.
    pub(super) early: HashMap<Tid, WaitStatus>,
    /// Processes on their way out.
    pub(super) departing: HashMap<Tid, Departing>,
    pub(super) journal: Journal,
    pub(super) events: Events,
    /// What sites' commands print, on its way to the client.
    pub(super) printer: Printer,
    pub(super) probe: Probe,
    pub(super) stack_window_len: u64,
    pub(super) last_target: u32,
    pub(super) last_stop: StopNumber,
    pub(super) last_sequence: u64,
    /// The resumes that have been carried out and are still to be answered.
    pub(super) resumed: Vec<Answer<ResumeReply>>,
    /// Whether threads have been let go, or the client has been told of a stop, since this thread
    /// last looked for what comes of it.
    pub(super) expects_news: bool,
    /// Targets to be settled.
    pub(super) dirty: BTreeSet<TargetId>,
    /// Targets that stand still and are not at rest yet.
    pub(super) restless: BTreeSet<TargetId>,
    /// Targets whose modules have changed, and whose client is not told yet.
    pub(super) modules_due: BTreeSet<TargetId>,
    /// Once the session is over: who waits for the last target to be gone.
    pub(super) ended: Option<Sender<()>>,
    /// Whether abandoned targets stay then.
    pub(super) keeps_abandoned: bool,
}

impl Tracer {
    /// Runs until all senders of commands are gone.
    pub(super) fn run(&mut self, commands: &Receiver<Command>, signals: &ChildSignals) {
        self.journal.hold();
        let mut is_quiet = true;
        loop {
            // An answer may wait for what comes of its resume at once, and no longer: threads that
            // pass sites all the time keep this thread awake.
            let is_due = !self.resumed.is_empty();
            if is_quiet && !self.linger(commands) {
                self.send_answers();
                if !self.wait(signals) {
                    self.rest();
                }
            }
            loop {
                match commands.try_recv() {
                    Ok(command) => command(self),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return self.send_answers(),
                }
            }
            self.cut_late_injections();
            is_quiet = self.take_reports();
            if is_due {
                self.send_answers();
            }
            self.tell_modules();
            if self.is_empty()
                && let Some(ended) = self.ended.take()
            {
                // The link may be another client's after this.
                self.send_answers();
                self.printer.flush();
                let _ = ended.send(());
            }
        }
    }

    /// Looks for news for a moment, if some are to be expected: most steps are done, and many
    /// breakpoints hit, before this thread would be asleep, and a client that steps goes on at
    /// once. Whether any have come. The target of a report is settled later, behind the commands
    /// that have come meanwhile.
    fn linger(&mut self, commands: &Receiver<Command>) -> bool {
        if !std::mem::take(&mut self.expects_news) {
            return false;
        }
        let begin = Instant::now();
        while begin.elapsed() < MOMENT {
            if let Some((tid, status)) = wait::next_report() {
                self.take_report(tid, status);
                return true;
            }
            if let Ok(command) = commands.try_recv() {
                command(self);
                return true;
            }
            // Who is waited for may want this very CPU.
            std::thread::yield_now();
        }
        false
    }

    /// Sleeps until there is a command, a report, or a target to be looked at again. Returns
    /// whether there is, or may be, a command or a report.
    fn wait(&self, signals: &ChildSignals) -> bool {
        let mut fds = [
            PollFd::from_borrowed_fd(signals.commands(), PollFlags::IN),
            PollFd::from_borrowed_fd(signals.children(), PollFlags::IN),
        ];
        let timeout = match self.restless.is_empty() {
            true if self.targets.values().any(Target::awaits_stops) => Some(&STOPPING_RECHECK),
            true => (!self.modules_due.is_empty()).then_some(&announce::PATIENCE),
            false => Some(&rest::PATIENCE),
        };
        let deadline = self.next_deadline();
        let timeout = [timeout, deadline.as_ref()].into_iter().flatten().min();
        // EINTR and time-outs alike lead to another look at everything.
        let is_woken = rustix::event::poll(&mut fds, timeout) != Ok(0);
        signals.take();
        is_woken
    }

    /// Takes in the reports there are, and settles the targets they concern. Whether none is left:
    /// threads that pass sites all the time must not keep commands waiting.
    pub(super) fn take_reports(&mut self) -> bool {
        self.drop_dead_leaders();
        for _ in 0..ROUNDS_MAX {
            let mut count = 0;
            while count < REPORTS_MAX
                && let Some((tid, status)) = wait::next_report()
            {
                count += 1;
                self.take_report(tid, status);
            }
            while let Some(id) = self.dirty.pop_first() {
                self.settle(id);
            }
            if count == 0 {
                return true;
            }
        }
        false
    }

    /// The target with this id, which must stand still.
    pub(super) fn stopped(&mut self, id: TargetId) -> Result<&mut Target, Fault> {
        let target = self.target(id)?;
        if target.is_stopped() {
            Ok(target)
        } else {
            let detail = format!("process {} is running; interrupt it first", target.pid);
            Err(Fault::new(ErrorCode::NotStopped, detail))
        }
    }

    /// The target with this id.
    pub(super) fn target(&mut self, id: TargetId) -> Result<&mut Target, Fault> {
        let target = self.targets.get_mut(&id).filter(|target| !target.is_abandoned);
        target.ok_or_else(|| no_such_target(id))
    }

    /// A thread of a target.
    pub(super) fn thread_mut(&mut self, id: TargetId, tid: Tid) -> Option<&mut Thread> {
        self.targets.get_mut(&id)?.threads.get_mut(&tid)
    }

    /// The number of the next report.
    pub(super) fn next_sequence(&mut self) -> u64 {
        self.last_sequence += 1;
        self.last_sequence
    }

    /// The id of the next target.
    pub(super) fn next_target(&mut self) -> TargetId {
        self.last_target += 1;
        TargetId::new(self.last_target)
    }

    /// The target whose process this is.
    pub(super) fn target_of(&self, pid: Pid) -> Option<&Target> {
        self.targets.values().find(|target| target.pid == pid)
    }
}

/// The fault for an id that names no target.
pub(super) fn no_such_target(id: TargetId) -> Fault {
    Fault::new(ErrorCode::NoSuchTarget, format!("this session has no target {id}"))
}
