//! What the interpreter remembers from one command to the next. It executes nothing.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use dbgbase::{Address, AddressRange, Pid};
use dbgeng::expr::ExprSettings;
use dbgeng::{BreakpointId, BreakpointView, LaunchOptions, ProcessNumber, SourceFile};

use crate::commands::calls::PendingCall;
use crate::commands::registers::RegisterMask;
use crate::filters::Filters;
use crate::format::memory::Layout;

/// How a front end wants the interpreter to behave.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// Whether targets run on from their initial breakpoint at once (`-g`).
    pub runs_at_start: bool,
    /// Whether the end of the session detaches from targets instead of ending them (`-pd`).
    pub detaches_at_end: bool,
    /// Whether processes that targets make are debugged too (`-o`).
    pub debugs_children: bool,
    /// The program's name and version, for the command `version`.
    pub program: String,
    /// The connection string of the process server; `None` for the front end's own, which nobody
    /// else can reach.
    pub server: Option<String>,
}

/// How much of the source is made use of: the options of `l+` and `l-`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SourceOptions {
    /// Whether places are shown with file and line (`l`).
    pub(crate) shows_lines: bool,
    /// Whether steps are made by line (`t`).
    pub(crate) steps_lines: bool,
    /// Whether stops show the text of the line (`s`).
    pub(crate) shows_text: bool,
    /// Whether stops show nothing else where there is such a text (`o`).
    pub(crate) shows_only_text: bool,
}

/// How stacks are shown: what `.kframes` and `.inline` set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct StackOptions {
    /// How many frames `k` shows if it is not told.
    pub(crate) frames: u64,
    /// Whether calls that are inlined are shown.
    pub(crate) shows_inlined: bool,
}

impl Default for StackOptions {
    fn default() -> StackOptions {
        StackOptions { frames: 256, shows_inlined: true }
    }
}

/// The file that `ls` lists.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    /// Its path where the compiler saw it, or as it was typed.
    pub(crate) path: Arc<str>,
    /// Its text.
    pub(crate) file: Arc<SourceFile>,
    /// The line with which the next listing begins, counted from 1.
    pub(crate) next: usize,
}

impl Default for SourceOptions {
    fn default() -> SourceOptions {
        SourceOptions {
            shows_lines: true,
            steps_lines: false,
            shows_text: false,
            shows_only_text: false,
        }
    }
}

/// What the interpreter remembers.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// What the front end set.
    pub(crate) settings: Settings,
    /// Radix and pseudo-registers.
    pub(crate) expressions: ExprSettings,
    /// What becomes of events and signals.
    pub(crate) filters: Filters,
    /// Which registers stops and `r` show.
    pub(crate) register_mask: RegisterMask,
    /// Whether stops show no registers; `r` behind `p` or `t` toggles it.
    pub(crate) hides_registers: bool,
    /// What the last display of memory showed, and where the next one goes on.
    pub(crate) last_display: Option<(Layout, Option<Address>)>,
    /// What the last search saved.
    pub(crate) search_hits: Vec<Address>,
    /// The kind of the last change of memory, for a bare `e`.
    pub(crate) last_edit: Option<&'static str>,
    /// The file that `ls` lists.
    pub(crate) listing: Option<Listing>,
    /// What is shown of the source.
    pub(crate) source: SourceOptions,
    /// How stacks are shown.
    pub(crate) stacks: StackOptions,
    /// The frame that `k` begins with, as long as it is the current one.
    pub(crate) stack_begins_at: Option<usize>,
    /// Where the next `u` goes on; forgotten at each stop.
    pub(crate) next_code: Option<Address>,
    /// Whether the next target stops at its start whatever the settings say.
    pub(crate) stops_at_next_start: bool,
    /// Whether only the current thread runs.
    pub(crate) runs_alone: bool,
    /// Whether all places where symbols are looked for are shown.
    pub(crate) shows_searches: bool,
    /// The call that the next `g` makes.
    pub(crate) pending_call: Option<PendingCall>,
    /// Targets that the next executions get, the first in front.
    pub(crate) acquisitions: VecDeque<Acquisition>,
    /// How the processes that this session created were launched.
    pub(crate) launched: HashMap<ProcessNumber, LaunchOptions>,
    /// How the last one was, which may be gone.
    pub(crate) last_launched: Option<LaunchOptions>,
    /// The modules whose loading was told, for each process.
    pub(crate) modules: HashMap<ProcessNumber, Vec<(AddressRange, Vec<u8>)>>,
    /// The processes that have executed a new program whose libraries are not mapped yet.
    pub(crate) executed: HashSet<ProcessNumber>,
    /// The processes that targets have made and whose first stop was told.
    pub(crate) met: HashSet<ProcessNumber>,
    /// The processes that were attached to without breaking in and have not told their first stop.
    pub(crate) passing: HashSet<ProcessNumber>,
    /// The breakpoints as they were before the targets ran: one that is hit may be gone when its
    /// hit is told and its commands are due.
    pub(crate) breakpoints_before: HashMap<BreakpointId, BreakpointView>,
    /// Whether the user has ended the process server.
    pub(crate) has_ended_server: bool,
    /// The last event in one line.
    pub(crate) last_event: Option<String>,
    /// Where `.create` starts programs.
    pub(crate) create_directory: Option<Vec<u8>>,
}

impl State {
    /// A process is gone; its number may be given to another one.
    pub(crate) fn forget(&mut self, number: ProcessNumber) {
        self.modules.remove(&number);
        self.launched.remove(&number);
        self.executed.remove(&number);
        self.met.remove(&number);
        self.passing.remove(&number);
        self.pending_call.take_if(|call| call.process == number);
    }

    /// The connection is lost, and all processes with it.
    pub(crate) fn forget_all(&mut self) {
        self.modules.clear();
        self.launched.clear();
        self.executed.clear();
        self.met.clear();
        self.passing.clear();
        self.pending_call = None;
    }
}

/// A target to get.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Acquisition {
    /// Start a program.
    Launch(LaunchOptions),
    /// Take a running process.
    Attach {
        /// Which.
        pid: Pid,
        /// Whether it stops, for the user to see; otherwise it runs on, also if it was stopped by a
        /// signal.
        breaks_in: bool,
    },
    /// Take over a process that was abandoned.
    Claim(Pid),
}
