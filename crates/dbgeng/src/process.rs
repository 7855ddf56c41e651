//! One process that is being debugged: what the server has told of it, and whether it runs. It
//! knows no plan and no breakpoint, and sends nothing of its own.

use std::collections::BTreeSet;

use bytes::Bytes;
use dbgbase::{Address, Arch, Pid, Signal, SiteId, StopNumber, TargetId, Tid};
use dbgwire::event::{StopKind, Stopped};
use dbgwire::verbs::resume::SetEvents;

use crate::memory::Memory;
use crate::modules::Modules;
use crate::modules::name::file_name;
use crate::registers::Registers;
use crate::thread::Threads;
use crate::{Error, ErrorKind, EventFilters, Module, ProcessNumber, Thread, ThreadNumber};

/// One process that is being debugged.
#[derive(Debug)]
pub struct Process {
    /// Its number in the prompt.
    pub number: ProcessNumber,
    /// Its id on the server's machine.
    pub pid: Pid,
    /// What the session with the server calls it.
    pub target: TargetId,
    /// Whether it was launched for debugging; otherwise it was attached to.
    pub created: bool,
    /// The name of its program's file, without directories.
    pub name: String,
    /// The process that made it, if that is or was a target too.
    pub parent: Option<ProcessNumber>,
    /// Whether it was stopped by a signal, as SIGSTOP, when it was attached to, and has not been
    /// continued since.
    pub is_suspended: bool,
    /// Whether it has a pseudo-terminal whose other side is ours.
    pub(crate) has_terminal: bool,
    pub(crate) run: Run,
    /// The stop it stands at, or stood at last; 0 before the first.
    pub(crate) stop: StopNumber,
    pub(crate) threads: Threads,
    pub(crate) modules: Modules,
    pub(crate) memory: Memory,
    pub(crate) registers: Registers,
    /// The inlined calls that a thread stands in front of.
    pub(crate) calls_ahead: Option<CallsAhead>,
    /// The sites that the server has armed for us.
    pub(crate) armed: BTreeSet<SiteId>,
    /// The sites that were armed before the last run, should that be refused.
    armed_before: BTreeSet<SiteId>,
    /// Whether its modules have changed since conditions were compiled.
    pub(crate) has_moved_symbols: bool,
    /// Whether its modules have changed while it ran, and breakpoints were not resolved since.
    pub(crate) has_new_modules: bool,
    /// The signal its present stop was about.
    pub(crate) signal: Option<StopSignal>,
    /// What the server knows of the filters; `None` if that is not certain.
    pub(crate) filters: Option<EventFilters>,
    /// Which events it was asked for last.
    pub(crate) events: Option<SetEvents>,
    /// What the thread is given when the process runs on.
    pub(crate) deliver: Option<(Tid, Signal)>,
}

/// Inlined calls that begin where a thread is and that it has not entered, as the user sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CallsAhead {
    pub(crate) tid: Tid,
    pub(crate) pc: Address,
    pub(crate) count: usize,
}

/// The signal that a stop was about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct StopSignal {
    pub(crate) tid: Tid,
    pub(crate) signal: Signal,
    /// Whether the thread is given it if nobody says otherwise.
    pub(crate) is_passed: bool,
}

/// Whether a process runs, as far as the engine has heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Run {
    /// Its first stop has not been announced.
    Starting {
        /// Whether it was told to stop.
        is_interrupted: bool,
    },
    /// It runs.
    Running {
        /// The request that let it run.
        resume: u32,
        /// Whether it was told to stop.
        is_interrupted: bool,
    },
    /// It stands still.
    Still,
}

impl Process {
    /// A process whose first stop is under way. Its leader is thread 0.
    pub(crate) fn new(
        number: ProcessNumber,
        pid: Pid,
        target: TargetId,
        arch: Arch,
        created: bool,
        name: String,
    ) -> Process {
        let mut threads = Threads::default();
        threads.met(Tid::from(pid));
        Process {
            number,
            pid,
            target,
            created,
            name,
            parent: None,
            is_suspended: false,
            has_terminal: false,
            run: Run::Starting { is_interrupted: false },
            stop: StopNumber::default(),
            threads,
            modules: Modules::default(),
            memory: Memory::new(target),
            registers: Registers::new(target, arch),
            calls_ahead: None,
            armed: BTreeSet::new(),
            armed_before: BTreeSet::new(),
            has_moved_symbols: false,
            has_new_modules: false,
            signal: None,
            filters: Some(EventFilters::initial()),
            events: Some(SetEvents { target: target.value(), ..SetEvents::default() }),
            deliver: None,
        }
    }

    /// Whether it runs, as far as the engine has heard.
    ///
    /// **Cost**: none.
    pub fn is_running(&self) -> bool {
        self.run != Run::Still
    }

    /// Its threads in the order of their numbers.
    ///
    /// **Shape**: as of the last stop.
    /// **Cost**: none.
    pub fn threads(&self) -> Vec<&Thread> {
        self.threads.list().iter().collect()
    }

    /// The thread with this number.
    ///
    /// **Errors**: `NoSuchThread`.
    /// **Cost**: none.
    pub fn thread(&self, number: ThreadNumber) -> Result<&Thread, Error> {
        self.threads.numbered(number).ok_or_else(|| {
            let message = format!("process {} has no thread {}", self.number, number.0);
            Error::new(ErrorKind::NoSuchThread, message)
        })
    }

    /// Its images: the program itself first, then the others in the order of the dynamic linker,
    /// then those that it does not list, by address.
    ///
    /// **Shape**: as of the last stop, or newer if the server has told since; empty before the
    /// first.
    /// **Cost**: none.
    pub fn modules(&self) -> &[Module] {
        self.modules.list()
    }

    /// Takes a stop event: what it carries fills the caches, all else is forgotten. Returns whether
    /// the modules are others than before.
    pub(crate) fn stopped(&mut self, event: &mut Stopped, tail: &Bytes) -> bool {
        self.run = Run::Still;
        self.stop = StopNumber::new(event.stop);
        self.set_signal(None);
        for tid in &event.threads_ended {
            self.threads.ended(Tid::new(*tid));
        }
        for tid in &event.threads_born {
            self.threads.met(Tid::new(*tid));
        }
        let tid = Tid::new(event.tid);
        if event.tid != 0 {
            self.threads.met(tid);
        }
        self.registers.clear();
        self.registers.keep(tid, &event.general);
        self.memory.stopped(windows(event, tail));
        let has_new_modules = std::mem::take(&mut self.has_new_modules);
        let Some(modules) = event.modules.take() else { return has_new_modules };
        self.modules.update(modules.modules);
        if event.kind == StopKind::InitialBreak as i32 {
            // What a program is linked with is never unloaded.
            self.modules.all_stay();
        }
        self.has_moved_symbols = true;
        if let Some(program) = self.modules.program() {
            self.name = String::from_utf8_lossy(file_name(&program.path)).into_owned();
        }
        true
    }

    /// How many of the innermost inlined calls around `pc` a thread that is there has not entered.
    pub(crate) fn calls_ahead(&self, tid: Tid, pc: Address) -> usize {
        let here = self.calls_ahead.filter(|ahead| (ahead.tid, ahead.pc) == (tid, pc));
        here.map_or(0, |ahead| ahead.count)
    }

    /// What its stop was about, and with that what its thread is given if nobody says otherwise.
    pub(crate) fn set_signal(&mut self, signal: Option<StopSignal>) {
        self.signal = signal;
        let passed = signal.filter(|signal| signal.is_passed);
        self.deliver = passed.map(|signal| (signal.tid, signal.signal));
    }

    /// The request that lets it run, and after which these sites are armed, is under way.
    pub(crate) fn resumed(&mut self, resume: u32, armed: BTreeSet<SiteId>) {
        self.run = Run::Running { resume, is_interrupted: false };
        self.armed_before = std::mem::replace(&mut self.armed, armed);
        self.set_signal(None);
        self.calls_ahead = None;
        self.registers.clear();
        self.memory.running();
    }

    /// The request that was to let it run was refused.
    pub(crate) fn not_resumed(&mut self) {
        self.run = Run::Still;
        self.armed = std::mem::take(&mut self.armed_before);
        self.memory.still();
    }

    /// One of its threads calls a function: until that returns nothing of it is known for sure.
    pub(crate) fn calling(&mut self) {
        self.run = Run::Running { resume: 0, is_interrupted: false };
        self.registers.clear();
        self.memory.running();
    }

    /// The call is over, and it stands at the same stop as before.
    pub(crate) fn called(&mut self) {
        self.run = Run::Still;
        self.memory.still();
    }

    /// The error if it runs.
    pub(crate) fn check_still(&self) -> Result<(), Error> {
        if self.is_running() { Err(Error::not_stopped()) } else { Ok(()) }
    }
}

/// The memory that came along with a stop. Windows that pass the tail's end are cut there.
fn windows<'a>(event: &'a Stopped, tail: &'a Bytes) -> impl Iterator<Item = (Address, &'a [u8])> {
    let mut rest: &[u8] = tail;
    event.windows.iter().map(move |window| {
        let (bytes, behind) = rest.split_at(rest.len().min(window.len as usize));
        rest = behind;
        (Address::new(window.address), bytes)
    })
}
