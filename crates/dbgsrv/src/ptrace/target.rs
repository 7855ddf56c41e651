//! One target: its threads, its memory and sites, and the phase it is in. It makes no calls; the
//! tracer does, and keeps this up to date.

use std::collections::BTreeMap;
use std::sync::Arc;

use dbgbase::{Address, AddressRange, Arch, Pid, StopNumber, TargetId, Tid};
use dbgwire::verbs::process::{DetachReply, KillReply, LaunchReply};

use super::hold::Hold;
use super::inject::{Call, Injection};
use super::memory::TargetMemory;
use super::modules::Rendezvous;
use super::modules::announce::Modules;
use super::policy::Policy;
use super::recent::RecentReads;
use super::spawn::Begun;
use super::syscalls::Caught;
use super::thread::{State, Thread, Wish};
use super::tracer::Command;
use super::watch::WatchTable;
use crate::answer::Answer;
use crate::journal::EntryIndex;
use crate::terminal::Terminal;

/// What a target is doing as a whole.
pub(super) enum Phase {
    /// The child exists and will execute the program; who asked is waiting.
    Launching(Launching),
    /// Threads run as they are wished to.
    Running,
    /// Threads have been asked to stop, and some have not yet.
    Stopping,
    /// Every thread stands still, and the client knows.
    Stopped,
    /// Every thread stands still but this one, which steps off a site that is disarmed meanwhile.
    SteppingOff {
        /// Which thread.
        tid: Tid,
        /// Which site.
        site: Address,
    },
    /// Every thread stands still but one, which makes a system call for the debugger.
    Injecting(Box<Injection>),
}

/// A launch under way.
pub(super) struct Launching {
    /// Who asked.
    pub(super) answer: Answer<LaunchReply>,
    /// What the answer says of an implicit command line.
    pub(super) words: Vec<Vec<u8>>,
    /// Whether it stops as soon as it has executed the program.
    pub(super) stops_at_exec: bool,
    /// What is known of the child that is to become the program.
    pub(super) child: Begun,
}

/// What has been asked of a target that can be done only when all its threads stand still, or when
/// it is gone.
#[derive(Default)]
pub(super) struct Asked {
    /// A stop.
    pub(super) interrupt: bool,
    /// To be left; who asked. `None` in the inner place when nobody waits for it.
    pub(super) detach: Option<Option<Answer<DetachReply>>>,
    /// To be ended.
    pub(super) end: bool,
    /// Who asked for that, and waits for it.
    pub(super) kill: Vec<Answer<KillReply>>,
    /// What is to be done when all threads stand still, where threads stop alone.
    pub(super) standing: Vec<Command>,
}

impl Asked {
    /// Whether anything has been asked for which threads must stand still.
    pub(super) fn any(&self) -> bool {
        self.interrupt || self.detach.is_some() || !self.standing.is_empty()
    }
}

/// Why a target is let go that nobody has asked to leave.
pub(super) enum Unwanted {
    /// It could not be attached to; the client was told, and knows of no target.
    Refused,
    /// The client is told this once it is left.
    Told(String),
}

/// One target.
pub(super) struct Target {
    /// What the session calls it.
    pub(super) id: TargetId,
    /// Its process.
    pub(super) pid: Pid,
    /// Its CPU.
    pub(super) arch: Arch,
    /// When that started.
    pub(super) start_time: u64,
    /// Whether the session created it; otherwise it attached.
    pub(super) is_created: bool,
    /// Whether its client has left it stopped, for another one.
    pub(super) is_abandoned: bool,
    /// Whether it was launched on the terminal of the session process.
    pub(super) shares_terminal: bool,
    /// The session's hold on its terminal, if it was launched on one of its own.
    pub(super) terminal: Option<Terminal>,
    /// The journal's entry for it.
    pub(super) entry: EntryIndex,
    /// The journal's entries for signals that wait for what the client says.
    pub(super) signal_entries: Vec<EntryIndex>,
    /// Its memory, shared with the session thread.
    pub(super) memory: Arc<TargetMemory>,
    /// Its threads by id; `Thread::ordinal` keeps the order in which they were met.
    pub(super) threads: BTreeMap<Tid, Thread>,
    /// The ordinal of the next thread.
    pub(super) next_ordinal: u64,
    /// What it is doing.
    pub(super) phase: Phase,
    /// The function that one of its threads calls for the debugger, if it does.
    pub(super) call: Option<Box<Call>>,
    /// Where an instruction was found last by which its threads can be made to call the kernel.
    pub(super) call_place: Option<Address>,
    /// Memory that the client has allocated and not freed.
    pub(super) allocations: Vec<AddressRange>,
    /// Whether it stands still and its sites are lifted meanwhile.
    pub(super) is_at_rest: bool,
    /// Whether its client has sent it a SIGCONT that has not arrived.
    pub(super) continue_sent: bool,
    /// What has been asked of it.
    pub(super) asked: Asked,
    /// Its last stop.
    pub(super) stop: StopNumber,
    /// The thread that stop was about.
    pub(super) event_thread: Tid,
    /// What threads born while it runs are to do.
    pub(super) wish_of_newborn: Wish,
    /// Whether its first stop has been reported.
    pub(super) has_begun: bool,
    /// Whether it has executed a program and not come to that one's initial break yet.
    pub(super) awaits_initial_break: bool,
    /// The dynamic linker's interface, if it has one.
    pub(super) rendezvous: Option<Rendezvous>,
    /// Whether the module list may be another than the client knows.
    pub(super) modules_changed: bool,
    /// What is known of its modules.
    pub(super) modules: Modules,
    /// How many vforked children still use its memory. Sites are disarmed meanwhile.
    pub(super) vforks: u32,
    /// Why it is being let go, if nobody has asked for that.
    pub(super) unwanted: Option<Unwanted>,
    /// Threads born and ended since the last stop.
    pub(super) born: Vec<Tid>,
    /// See `born`.
    pub(super) ended: Vec<Tid>,
    /// What the CPU watches for it.
    pub(super) watches: WatchTable,
    /// What its client wants to be told.
    pub(super) policy: Policy,
    /// The system calls its client wants to stop at.
    pub(super) caught: Caught,
    /// What the client read at its last stops.
    pub(super) recent: Arc<RecentReads>,
}

impl Target {
    /// Whether no thread runs.
    pub(super) fn all_stopped(&self) -> bool {
        self.threads.values().all(Thread::is_stopped)
    }

    /// Whether every thread stands still and the client knows.
    pub(super) fn is_stopped(&self) -> bool {
        matches!(self.phase, Phase::Stopped)
    }

    /// Whether threads have been asked to stop and may not have yet.
    pub(super) fn awaits_stops(&self) -> bool {
        matches!(self.phase, Phase::Stopping) || self.stops_alone() && self.wants_thread()
    }

    /// Whether no thread runs, and none is wished to: those that were have ended.
    pub(super) fn is_idle(&self) -> bool {
        let stays = |thread: &Thread| thread.is_stopped() && thread.wish == Wish::Stay;
        !self.threads.is_empty() && self.threads.values().all(stays)
    }

    /// Takes note of a new thread.
    pub(super) fn add_thread(&mut self, mut thread: Thread) {
        thread.ordinal = self.next_ordinal;
        self.next_ordinal += 1;
        self.born.push(thread.tid);
        self.threads.insert(thread.tid, thread);
    }

    /// Takes note that a thread is gone.
    pub(super) fn remove_thread(&mut self, tid: Tid) {
        if self.threads.remove(&tid).is_none() {
            return;
        }
        if let Some(index) = self.born.iter().position(|born| *born == tid) {
            self.born.remove(index);
        } else {
            self.ended.push(tid);
        }
    }

    /// The threads' ids and what holds them, in the order in which they were met.
    pub(super) fn holds(&self) -> Vec<(Tid, Hold)> {
        let hold = |tid| Some((tid, self.threads.get(&tid)?.hold));
        self.tids().into_iter().filter_map(hold).collect()
    }

    /// The threads' ids, in the order in which they were met.
    pub(super) fn tids(&self) -> Vec<Tid> {
        let mut threads: Vec<&Thread> = self.threads.values().collect();
        threads.sort_by_key(|thread| thread.ordinal);
        threads.into_iter().map(|thread| thread.tid).collect()
    }

    /// The thread whose report is to be told first: the one that the client makes step, then by the
    /// order in which reports came.
    pub(super) fn next_report(&self) -> Option<Tid> {
        let rank = |thread: &Thread| {
            let report = thread.report.as_ref()?;
            Some((thread.wish != Wish::Step, report.sequence, thread.tid))
        };
        self.threads.values().filter_map(rank).min().map(|(_, _, tid)| tid)
    }

    /// The threads that run and have not been asked to stop.
    pub(super) fn undisturbed(&self) -> Vec<Tid> {
        let is_undisturbed =
            |thread: &&Thread| matches!(thread.state, State::Running { is_interrupted: false, .. });
        self.threads.values().filter(is_undisturbed).map(|thread| thread.tid).collect()
    }
}

/// The targets of a session.
pub(super) type Targets = BTreeMap<TargetId, Target>;
