//! What is known of one target: its threads, its memory at this stop, its breakpoints. It holds;
//! asking the server is done elsewhere.

use std::collections::BTreeMap;

use dbgbase::{Address, Arch, GeneralRegisters, Pid, Signal, StopNumber, TargetId, Tid};
use dbgwire::event::Stopped;
use dbgwire::verbs::description::{AuxiliaryEntry, DescribeProcessReply};
use dbgwire::verbs::memory::Region;
use dbgwire::verbs::module::ModuleDescription;
use dbgwire::verbs::resume::{RunKind, ThreadAction};

use crate::breakpoints::{Breakpoints, Undo};
use crate::catching::Caught;
use crate::habits::Habits;
use crate::memory_cache::MemoryCache;
use crate::report::{News, Report};

/// A target of the session.
#[derive(Debug)]
pub(crate) struct Target {
    /// What the session calls it.
    pub(crate) id: TargetId,
    /// Its process id.
    pub(crate) pid: Pid,
    /// Whether it was started for the debugger; otherwise it was attached to.
    pub(crate) is_created: bool,
    /// Whether any of its threads runs.
    pub(crate) is_running: bool,
    /// Its last stop.
    pub(crate) stop: StopNumber,
    /// The thread that stop was about.
    pub(crate) event_thread: Tid,
    /// Its threads.
    pub(crate) threads: BTreeMap<Tid, Thread>,
    /// Whether all threads are known, and not only those that stops told of.
    pub(crate) knows_threads: bool,
    /// Whether nothing has been asked about the program that it is.
    pub(crate) is_unseen: bool,
    /// What the kernel gave the program, if that is known.
    pub(crate) auxiliary: Option<Vec<AuxiliaryEntry>>,
    /// What the system says of the process, until it is told: it may be otherwise the next time.
    pub(crate) described: Option<DescribeProcessReply>,
    /// Symbols that the debugger has looked up.
    pub(crate) symbols: BTreeMap<&'static str, Address>,
    /// Its modules, program first.
    pub(crate) modules: Vec<ModuleDescription>,
    /// What is known of its memory at this stop.
    pub(crate) memory: MemoryCache,
    /// What the debugger reads at its stops.
    pub(crate) habits: Habits,
    /// What is mapped at this stop, if that is known.
    pub(crate) regions: Option<Vec<Region>>,
    /// Its breakpoints.
    pub(crate) breakpoints: Breakpoints,
    /// The stop that the debugger was told last, and would be told again.
    pub(crate) last_report: Option<Report>,
    /// The requests by which threads were resumed, as long as none of these has stopped.
    pub(crate) resumptions: Vec<Resumption>,
    /// Whether it is being stopped only because another one has.
    pub(crate) is_interrupted: bool,
    /// Whether it is a shell that is about to execute the program it was started for.
    pub(crate) is_shell: bool,
    /// What it was let do last, as the server was told.
    pub(crate) actions: Vec<ThreadAction>,
    /// Whether its threads stop alone.
    pub(crate) stops_alone: bool,
    /// The system calls at which it stops.
    pub(crate) caught: Caught,
}

/// Threads that were let run by one request. Should the server refuse it, they have not moved.
#[derive(Debug)]
pub(crate) struct Resumption {
    /// The request's number.
    pub(crate) request: u32,
    /// The threads.
    pub(crate) tids: Vec<Tid>,
    /// How the changes of breakpoints that it took along are undone.
    pub(crate) undo: Undo,
}

/// A thread of a target.
#[derive(Clone, Default, Debug)]
pub(crate) struct Thread {
    /// Whether it runs.
    pub(crate) is_running: bool,
    /// Its general registers at this stop, if they are known.
    pub(crate) general: Option<GeneralRegisters>,
    /// Its extended registers at this stop, if they are known.
    pub(crate) extended: Option<Vec<u8>>,
    /// Its name at this stop, if that is known.
    pub(crate) name: Option<String>,
    /// What the debugger was told of it last, since when it has not run.
    pub(crate) told: Option<News>,
    /// Whether the debugger has been told that it ends: it is gone for it, and runs on.
    pub(crate) is_ending: bool,
    /// A signal that the debugger has given it, with a resume that was answered before it ran.
    pub(crate) owed: Option<Signal>,
}

impl Target {
    /// A target that has not stopped yet.
    pub(crate) fn new(id: TargetId, pid: Pid, is_created: bool) -> Target {
        Target {
            id,
            pid,
            is_created,
            is_running: true,
            stop: StopNumber::default(),
            event_thread: Tid::from(pid),
            threads: BTreeMap::new(),
            knows_threads: false,
            is_unseen: true,
            auxiliary: None,
            described: None,
            symbols: BTreeMap::new(),
            modules: Vec::new(),
            memory: MemoryCache::default(),
            habits: Habits::default(),
            regions: None,
            breakpoints: Breakpoints::default(),
            last_report: None,
            resumptions: Vec::new(),
            is_interrupted: false,
            is_shell: false,
            actions: Vec::new(),
            stops_alone: false,
            caught: Caught::default(),
        }
    }

    /// Takes what a stop brings along.
    pub(crate) fn take_stop(&mut self, arch: Arch, event: &Stopped, tail: &[u8]) {
        self.stop = StopNumber::new(event.stop);
        // What was asked while threads ran was so then.
        self.regions = None;
        self.event_thread = Tid::new(event.tid);
        self.resumptions
            .retain(|resumption| event.alone && !resumption.tids.contains(&self.event_thread));
        for tid in &event.threads_ended {
            self.threads.remove(&Tid::new(*tid));
        }
        for tid in &event.threads_born {
            self.threads.entry(Tid::new(*tid)).or_default().is_running = event.alone;
        }
        self.threads.entry(self.event_thread).or_default().is_running = false;
        if !event.alone {
            self.threads.values_mut().for_each(|thread| thread.is_running = false);
        }
        self.is_running = self.threads.values().any(|thread| thread.is_running);
        if let Some(thread) = self.threads.get_mut(&self.event_thread) {
            thread.general = GeneralRegisters::from_values(arch, &event.general);
            // Empty is what is not brought along.
            thread.name = Some(event.name.clone()).filter(|name| !name.is_empty());
            thread.extended = Some(event.extended.clone()).filter(|area| !area.is_empty());
        }
        for read in &event.threads {
            let thread = self.threads.entry(Tid::new(read.tid)).or_default();
            thread.general = GeneralRegisters::from_values(arch, &read.general);
            thread.name = Some(read.name.clone());
        }
        if let Some(modules) = &event.modules {
            self.modules.clone_from(&modules.modules);
        }
        if !self.is_running {
            self.take_windows(event, tail);
        }
    }

    /// Takes the memory that a stop brings along. While other threads run it would be stale at
    /// once.
    fn take_windows(&mut self, event: &Stopped, tail: &[u8]) {
        let mut rest = tail;
        for window in &event.windows {
            let Some((bytes, behind)) = rest.split_at_checked(window.len as usize) else { return };
            self.memory.insert(Address::new(window.address), bytes);
            rest = behind;
        }
    }

    /// Forgets what is no longer so once `tids` run.
    pub(crate) fn note_running(&mut self, tids: &[Tid]) {
        for tid in tids {
            if let Some(thread) = self.threads.get_mut(tid) {
                let is_ending = thread.is_ending;
                *thread = Thread { is_running: true, is_ending, ..Thread::default() };
            }
        }
        self.is_running = true;
        self.forget_memory();
    }

    /// The image that is the program itself, if it is known.
    pub(crate) fn program(&self) -> Option<&ModuleDescription> {
        self.modules.iter().find(|module| module.is_program)
    }

    /// The threads that the debugger has not been told the end of.
    pub(crate) fn living_threads(&self) -> impl Iterator<Item = &Tid> {
        self.threads.iter().filter(|(_, thread)| !thread.is_ending).map(|(tid, _)| tid)
    }

    /// What a thread was let do last; `None` if it was to stay where it is.
    pub(crate) fn action_of(&self, tid: Tid) -> Option<ThreadAction> {
        let named = self.actions.iter().find(|action| action.tid == tid.value());
        named.or_else(|| self.actions.iter().find(|action| action.tid == 0)).copied()
    }

    /// Whether a thread was let execute one instruction only.
    pub(crate) fn is_stepping(&self, tid: Tid) -> bool {
        self.action_of(tid).is_some_and(|action| action.run == RunKind::Step as i32)
    }

    /// Forgets what is known of memory: something has changed it.
    pub(crate) fn forget_memory(&mut self) {
        self.memory.clear();
        self.regions = None;
    }

    /// Takes note of a program that was executed: nothing of the old one is left.
    pub(crate) fn note_exec(&mut self) {
        self.forget_memory();
        self.breakpoints.forget();
        self.knows_threads = false;
        self.is_unseen = true;
        self.auxiliary = None;
        self.symbols.clear();
        let survivor = self.event_thread;
        self.threads.retain(|tid, _| *tid == survivor);
    }
}
