//! What becomes of events and signals, as the `sx` commands say it: the names, what holds at the
//! beginning, and what the engine is asked for. It parses and executes nothing.

use std::collections::BTreeMap;

use dbgbase::Signal;
use dbgeng::{EventFilters, Interest, SignalFilter, SignalInterest, StopCause, SyscallFilter};

/// An event that is no signal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Event {
    /// A thread is born.
    CreateThread,
    /// A thread ends.
    ExitThread,
    /// A target's process becomes a target.
    CreateProcess,
    /// A target has ended, or was let go.
    ExitProcess,
    /// A library is loaded.
    LoadModule,
    /// A library is unloaded.
    UnloadModule,
    /// A program is loaded, or a process attached to.
    InitialBreak,
    /// A target makes a process.
    Fork,
    /// The same, and the process borrows its memory.
    Vfork,
    /// A target executes a program.
    Exec,
    /// System calls.
    Syscall,
}

/// The events in the order of the list: name, what it is, what becomes of it at the beginning.
pub(crate) const EVENTS: &[(&str, Event, &str, Mode)] = &[
    ("ct", Event::CreateThread, "Create thread", Mode::Ignore),
    ("et", Event::ExitThread, "Exit thread", Mode::Ignore),
    ("cpr", Event::CreateProcess, "Create process", Mode::Ignore),
    ("epr", Event::ExitProcess, "Exit process", Mode::Break),
    ("ld", Event::LoadModule, "Load module", Mode::Output),
    ("ud", Event::UnloadModule, "Unload module", Mode::Output),
    ("ibp", Event::InitialBreak, "Initial breakpoint", Mode::Break),
    ("fork", Event::Fork, "Fork", Mode::Ignore),
    ("vfork", Event::Vfork, "Fork that borrows memory", Mode::Ignore),
    ("exec", Event::Exec, "Execute program", Mode::Output),
    ("syscall", Event::Syscall, "System call", Mode::Ignore),
];

/// Signals that have names of exceptions, with what those mean.
pub(crate) const EXCEPTIONS: &[(&str, Signal, &str)] = &[
    ("av", Signal::SIGSEGV, "Access violation"),
    ("dm", Signal::SIGBUS, "Data misaligned"),
    ("dz", Signal::SIGFPE, "Integer division by zero"),
    ("ii", Signal::SIGILL, "Illegal instruction"),
    ("asrt", Signal::SIGABRT, "Assertion failure"),
    ("bpe", Signal::SIGTRAP, "Break instruction exception"),
    ("cce", Signal::SIGINT, "Control-C exception"),
    ("isc", Signal::SIGSYS, "Invalid system call"),
];

/// What something is said about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Subject {
    /// An event.
    Event(Event),
    /// A signal.
    Signal(Signal),
    /// Signals that nothing else is said about: real-time ones.
    OtherSignals,
}

/// Whether targets stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// They do.
    Break,
    /// They do for a signal that would end the program; all else is only told.
    SecondChance,
    /// It is only told.
    Output,
    /// It is not even told.
    Ignore,
}

/// What becomes of something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Filter {
    /// Whether targets stop.
    pub(crate) mode: Mode,
    /// Whether the signal counts as handled by the debugger, so that the program does not get it.
    pub(crate) is_handled: bool,
    /// Commands to execute when it happens; for a signal, before the program gets it.
    pub(crate) command: String,
    /// Commands for a signal's second chance.
    pub(crate) second_command: String,
}

impl Filter {
    fn new(mode: Mode) -> Filter {
        let (command, second_command) = (String::new(), String::new());
        Filter { mode, is_handled: false, command, second_command }
    }

    /// Whether it ends a run.
    pub(crate) fn breaks(&self, is_second_chance: bool) -> bool {
        match self.mode {
            Mode::Break => true,
            Mode::SecondChance => is_second_chance,
            Mode::Output | Mode::Ignore => false,
        }
    }

    /// What is executed when it happens.
    pub(crate) fn command(&self, is_second_chance: bool) -> &str {
        if is_second_chance { &self.second_command } else { &self.command }
    }

    fn interest(&self) -> Interest {
        match self.mode {
            // Commands are executed only while targets stand still.
            _ if !self.command.is_empty() => Interest::Stop,
            Mode::Break => Interest::Stop,
            Mode::SecondChance | Mode::Output => Interest::Output,
            Mode::Ignore => Interest::Ignore,
        }
    }

    fn signal_filter(&self) -> SignalFilter {
        let has_command = !self.command.is_empty();
        let interest = match self.mode {
            Mode::Break => SignalInterest::Stop,
            Mode::SecondChance if has_command => SignalInterest::Each,
            Mode::SecondChance => SignalInterest::Unhandled,
            Mode::Output | Mode::Ignore if has_command => SignalInterest::Stop,
            Mode::Output => SignalInterest::Output,
            Mode::Ignore => SignalInterest::Ignore,
        };
        SignalFilter { interest, is_passed: !self.is_handled }
    }
}

impl Subject {
    /// What is called so: an event, an exception, or a signal by its name or decimal number.
    pub(crate) fn named(name: &str) -> Option<Subject> {
        let is_it = |known: &str| known.eq_ignore_ascii_case(name);
        if name == "*" {
            return Some(Subject::OtherSignals);
        }
        if let Some((_, event, ..)) = EVENTS.iter().find(|(known, ..)| is_it(known)) {
            return Some(Subject::Event(*event));
        }
        if let Some((_, signal, _)) = EXCEPTIONS.iter().find(|(known, ..)| is_it(known)) {
            return Some(Subject::Signal(*signal));
        }
        let by_number = name.parse().ok().and_then(Signal::new);
        let signal = by_number.or_else(|| Signal::from_name(name));
        // Nobody can do anything about SIGKILL.
        signal.filter(|signal| *signal != Signal::SIGKILL).map(Subject::Signal)
    }

    /// What a stop is about, if anything can be said about it.
    pub(crate) fn of(cause: &StopCause) -> Option<Subject> {
        let event = match cause {
            StopCause::Signal { signal, .. } => return Some(Subject::Signal(*signal)),
            StopCause::ProgramTrap => return Some(Subject::Signal(Signal::SIGTRAP)),
            StopCause::InitialBreak | StopCause::Attached => Event::InitialBreak,
            StopCause::Exec => Event::Exec,
            StopCause::SyscallEntry { .. } | StopCause::SyscallExit { .. } => Event::Syscall,
            StopCause::Forked { borrows: false, .. } => Event::Fork,
            StopCause::Forked { borrows: true, .. } => Event::Vfork,
            StopCause::ThreadBorn => Event::CreateThread,
            StopCause::ThreadEnding(_) => Event::ExitThread,
            StopCause::Born => Event::CreateProcess,
            StopCause::ModulesChanged => Event::LoadModule,
            StopCause::Interrupted
            | StopCause::Breakpoints(_)
            | StopCause::TemporaryBreakpoint
            | StopCause::Step => return None,
        };
        Some(Subject::Event(event))
    }

    /// What holds at the beginning.
    fn initial(self) -> Filter {
        let mode = match self {
            Subject::Event(event) => {
                let row = EVENTS.iter().find(|(_, known, ..)| *known == event);
                row.map_or(Mode::Ignore, |(.., mode)| *mode)
            }
            Subject::Signal(signal) => match SignalFilter::initial(signal).interest {
                SignalInterest::Ignore => Mode::Ignore,
                _ => Mode::Break,
            },
            Subject::OtherSignals => Mode::Break,
        };
        Filter::new(mode)
    }
}

/// What becomes of everything.
#[derive(Clone, Debug)]
pub(crate) struct Filters {
    /// What differs from the beginning.
    set: BTreeMap<Subject, Filter>,
    /// Which modules are meant: patterns of the names of their files.
    patterns: BTreeMap<Event, String>,
    /// Which system calls are meant.
    pub(crate) syscalls: SyscallFilter,
}

impl Default for Filters {
    fn default() -> Filters {
        Filters { set: BTreeMap::new(), patterns: BTreeMap::new(), syscalls: SyscallFilter::All }
    }
}

impl Filters {
    /// What becomes of something.
    pub(crate) fn get(&self, subject: Subject) -> Filter {
        let is_other = matches!(subject, Subject::Signal(signal) if is_other(signal));
        let fallback = is_other.then(|| self.set.get(&Subject::OtherSignals)).flatten();
        let set = self.set.get(&subject).or(fallback);
        set.cloned().unwrap_or_else(|| subject.initial())
    }

    /// Says what becomes of something.
    pub(crate) fn set(&mut self, subject: Subject, filter: Filter) {
        self.set.insert(subject, filter);
    }

    /// Which modules the event is about; `None` for all.
    pub(crate) fn pattern(&self, event: Event) -> Option<&str> {
        self.patterns.get(&event).map(String::as_str)
    }

    /// Says which modules the event is about.
    pub(crate) fn set_pattern(&mut self, event: Event, pattern: Option<String>) {
        match pattern {
            Some(pattern) => self.patterns.insert(event, pattern),
            None => self.patterns.remove(&event),
        };
    }

    /// Real-time signals that something of their own is said about.
    pub(crate) fn other_signals(&self) -> impl Iterator<Item = Signal> {
        self.set.keys().filter_map(|subject| match subject {
            Subject::Signal(signal) if is_other(*signal) => Some(*signal),
            _ => None,
        })
    }

    /// What the engine is asked for.
    pub(crate) fn for_engine(&self, follows_children: bool) -> EventFilters {
        let mut filters = EventFilters::initial();
        let interest = |event| self.get(Subject::Event(event)).interest();
        filters.follows_children = follows_children;
        filters.new_processes = match interest(Event::InitialBreak) {
            Interest::Stop => Interest::Stop,
            _ => interest(Event::CreateProcess),
        };
        filters.forks = interest(Event::Fork);
        filters.vforks = interest(Event::Vfork);
        // What there is to tell has to be looked at, and what is loaded next is no beginning.
        filters.executions = Interest::Stop;
        filters.thread_births = interest(Event::CreateThread);
        filters.thread_ends = interest(Event::ExitThread);
        let modules = [interest(Event::LoadModule), interest(Event::UnloadModule)];
        filters.modules = match modules {
            [Interest::Stop, _] | [_, Interest::Stop] => Interest::Stop,
            [Interest::Ignore, Interest::Ignore] => Interest::Ignore,
            _ => Interest::Output,
        };
        filters.syscalls = interest(Event::Syscall);
        filters.syscalls_caught = self.syscalls.clone();
        for signal in (1..=64).filter_map(Signal::new) {
            filters.set_signal(signal, self.get(Subject::Signal(signal)).signal_filter());
        }
        filters
    }
}

/// Whether a signal is one of those that `*` stands for.
fn is_other(signal: Signal) -> bool {
    signal.number() > 33
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_the_engines_but_for_what_is_shown() {
        let filters = Filters::default().for_engine(false);
        let mut initial = EventFilters::initial();
        initial.modules = Interest::Output;
        initial.syscalls_caught = SyscallFilter::All;
        assert_eq!(filters, initial);
    }

    #[test]
    fn everything_has_its_names() {
        let usr1 = Some(Subject::Signal(Signal::SIGUSR1));
        for name in ["usr1", "SIGUSR1", "sigusr1", "10"] {
            assert_eq!(Subject::named(name), usr1, "{name}");
        }
        assert_eq!(Subject::named("AV"), Some(Subject::Signal(Signal::SIGSEGV)));
        assert_eq!(Subject::named("ct"), Some(Subject::Event(Event::CreateThread)));
        assert_eq!(Subject::named("*"), Some(Subject::OtherSignals));
        for name in ["", "nosuch", "0", "65", "kill", "9"] {
            assert_eq!(Subject::named(name), None, "{name}");
        }
    }

    #[test]
    fn others_are_the_real_time_signals_that_have_nothing_of_their_own() {
        let mut filters = Filters::default();
        let (first, second) = (Signal::new(34).expect("one"), Signal::new(40).expect("one"));
        filters.set(Subject::OtherSignals, Filter::new(Mode::Ignore));
        filters.set(Subject::Signal(second), Filter::new(Mode::Output));
        let interest = |signal| filters.for_engine(false).signal(signal).interest;
        assert_eq!(interest(first), SignalInterest::Ignore);
        assert_eq!(interest(second), SignalInterest::Output);
        assert_eq!(interest(Signal::SIGUSR1), SignalInterest::Stop);
        assert_eq!(filters.other_signals().collect::<Vec<_>>(), [second]);
    }

    #[test]
    fn commands_need_a_stop() {
        let mut filters = Filters::default();
        let with_command = |mode| Filter { command: "k".to_owned(), ..Filter::new(mode) };
        filters.set(Subject::Event(Event::Fork), with_command(Mode::Ignore));
        filters.set(Subject::Signal(Signal::SIGUSR1), with_command(Mode::Ignore));
        filters.set(Subject::Signal(Signal::SIGUSR2), with_command(Mode::SecondChance));
        let handled = Filter { is_handled: true, ..Filter::new(Mode::SecondChance) };
        filters.set(Subject::Signal(Signal::SIGTERM), handled);
        let asked = filters.for_engine(true);
        assert!(asked.follows_children);
        assert_eq!(asked.forks, Interest::Stop);
        let signal = |signal| (asked.signal(signal).interest, asked.signal(signal).is_passed);
        assert_eq!(signal(Signal::SIGUSR1), (SignalInterest::Stop, true));
        assert_eq!(signal(Signal::SIGUSR2), (SignalInterest::Each, true));
        assert_eq!(signal(Signal::SIGTERM), (SignalInterest::Unhandled, false));
    }
}
