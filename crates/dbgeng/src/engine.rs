//! The engine's door: who is debugged, over which connection, and which process and thread are
//! meant. It only routes; what can be done with memory, registers, symbols, breakpoints is told by
//! the files of those names.

mod breakpoints;
mod conditions;
mod cxx;
mod files;
mod filters;
mod holds;
mod inspection;
mod names;
mod scope;
mod targets;

pub(crate) use conditions::Answers;
pub use cxx::CxxValue;
pub use holds::Hold;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dbgbase::{Arch, Pid, StopNumber, TargetId, Tid};
use dbglink::Link;
use dbgwire::convert;
use dbgwire::handshake::Hello;
use dbgwire::verbs::server::{EndServer, ServerInfo};

use crate::breakpoints::Breakpoints;
use crate::client::{CallError, Client, Return};
use crate::expr::ExprSettings;
use crate::interrupt::Interrupter;
use crate::sources::SourceFinder;
use crate::step::Plan;
use crate::symbols::{ImageFinder, ProcessSymbols};
use crate::terminal::{OutputCallback, TerminalInput, TerminalState};
use crate::{
    DebugEvent, Error, ErrorKind, EventFilters, Process, ProcessNumber, ServerDescription, Thread,
    ThreadNumber,
};

/// A debugger, connected to one process server.
///
/// Everything that is not told otherwise acts on the current thread of the current process. Events
/// make their thread the current one.
///
/// **Threads**: one owner, which need not always be the same thread; breaking in is possible from
/// any, by an [`Interrupter`].
pub struct Engine {
    pub(crate) client: Client,
    pub(crate) server: ServerDescription,
    pub(crate) processes: BTreeMap<ProcessNumber, Process>,
    next_process: u32,
    pub(crate) context: Context,
    pub(crate) breakpoints: Breakpoints,
    /// What conditions of breakpoints see of the front end.
    expr_settings: ExprSettings,
    pub(crate) filters: EventFilters,
    pub(crate) plan: Option<Plan>,
    /// What was being carried out when the last event was told, and by which thread alone.
    pub(crate) cut_short: Option<(Plan, Option<(ProcessNumber, Tid)>)>,
    /// The only thread that carries the plan out; all others stay where they are.
    pub(crate) alone: Option<(ProcessNumber, Tid)>,
    /// Events that wait until all targets stand still.
    pub(crate) pending: VecDeque<DebugEvent>,
    /// Events that nothing stops for.
    pub(crate) passed: VecDeque<DebugEvent>,
    pub(crate) finder: ImageFinder,
    pub(crate) sources: SourceFinder,
    /// Whether the user wants a stop.
    pub(crate) interrupt: Arc<AtomicBool>,
    /// Whether the server has said good-bye.
    pub(crate) has_ended: bool,
    pub(crate) terminal: Arc<TerminalState>,
    /// What the user's terminal is called, as in TERM.
    pub(crate) terminal_name: Option<String>,
    pub(crate) output: Option<OutputCallback>,
}

/// The frame that was chosen: of which thread, at which of its process's stops, and its number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChosenFrame {
    pub(crate) thread: (ProcessNumber, ThreadNumber),
    pub(crate) stop: StopNumber,
    pub(crate) number: usize,
}

/// Which process and thread are meant.
#[derive(Clone, Copy, Default)]
pub(crate) struct Context {
    pub(crate) current: Option<(ProcessNumber, ThreadNumber)>,
    pub(crate) event: Option<(ProcessNumber, ThreadNumber)>,
    /// The frame that was chosen.
    pub(crate) frame: Option<ChosenFrame>,
}

impl Engine {
    /// Takes up the conversation with a process server. `program` names this client in the server's
    /// log: `cdb 0.1.0`.
    ///
    /// **Errors**: `VersionMismatch` and the server's own reasons for letting nobody in, with its
    /// words; `NotConnected`; `Unsupported` for a server of another CPU than x86-64 and aarch64.
    /// **Cost**: one round trip.
    ///
    /// With a `comeback` a lost link is taken up again, without anybody noticing but `comeback`'s
    /// owner.
    pub fn connect(link: Link, program: &str, comeback: Option<Return>) -> Result<Engine, Error> {
        let hello = Hello::new(program);
        let (client, welcome, info) = Client::connect(link, &hello, &ServerInfo {}, comeback)?;
        let (info, _) = info.wait()?;
        let arch = Arch::from_name(&welcome.arch).ok_or_else(|| {
            let message = format!(
                "the server's machine is {}; x86_64 and aarch64 are supported",
                welcome.arch
            );
            Error::new(ErrorKind::Unsupported, message)
        })?;
        let server = ServerDescription {
            arch,
            machine: info.machine,
            system: info.system,
            version: info.version,
            pid: Pid::new(info.pid),
            uid: info.uid,
            cpus: info.cpus,
            uptime_ms: info.uptime_ms,
            clock_s: info.clock_s,
            session: welcome.session,
            xsave: Arc::new(info.xsave.as_ref().map(convert::xsave).unwrap_or_default()),
            capabilities: welcome.capabilities(),
        };
        let interrupt = Arc::new(AtomicBool::new(false));
        Ok(Engine {
            client,
            server,
            processes: BTreeMap::new(),
            next_process: 0,
            context: Context::default(),
            breakpoints: Breakpoints::default(),
            expr_settings: ExprSettings::default(),
            filters: EventFilters::initial(),
            passed: VecDeque::new(),
            plan: None,
            cut_short: None,
            alone: None,
            pending: VecDeque::new(),
            finder: ImageFinder::new(Arc::clone(&interrupt)),
            sources: SourceFinder::default(),
            interrupt,
            has_ended: false,
            terminal: Arc::default(),
            terminal_name: None,
            output: None,
        })
    }

    /// Who the server is.
    ///
    /// **Cost**: none.
    pub fn server(&self) -> &ServerDescription {
        &self.server
    }

    /// What breaks in from other threads.
    ///
    /// **Cost**: none.
    pub fn interrupter(&self) -> Interrupter {
        Interrupter { wanted: Arc::clone(&self.interrupt), nudger: self.client.nudger() }
    }

    /// What types into terminals of launched programs, from any thread.
    ///
    /// **Cost**: none.
    pub fn terminal_input(&self) -> TerminalInput {
        TerminalInput { sender: self.client.sender(), state: Arc::clone(&self.terminal) }
    }

    /// Sets who is handed what launched programs write to their terminals, and what the terminal
    /// that shows it is called (environ(7), `TERM`).
    ///
    /// **Cost**: none.
    pub fn set_output(&mut self, output: Option<OutputCallback>, name: Option<String>) {
        self.output = output;
        self.terminal_name = name;
    }

    /// Whether a break-in was asked for and nothing has come of it yet; the wish is forgotten.
    ///
    /// A wish is fulfilled by the next event that is no `Step`, or by the operation that it
    /// cancels. So a loop of steps ends by an `Interrupted` event, and a front end calls this
    /// before it prompts, to forget a key that came too late.
    ///
    /// **Cost**: none.
    pub fn take_interrupt(&self) -> bool {
        self.interrupt.swap(false, Ordering::AcqRel)
    }

    /// Ends the process server, with all its sessions.
    ///
    /// **Errors**: `NotPermitted`, `Unsupported` as the server says; those of the connection.
    /// **Cost**: one round trip.
    pub fn end_server(&self) -> Result<(), Error> {
        self.client.call(&EndServer {})?;
        Ok(())
    }

    /// The processes being debugged, in the order of their numbers.
    ///
    /// **Cost**: none.
    pub fn processes(&self) -> Vec<&Process> {
        self.processes.values().collect()
    }

    /// The process with this number.
    ///
    /// **Errors**: `NoSuchProcess`.
    /// **Cost**: none.
    pub fn process(&self, number: ProcessNumber) -> Result<&Process, Error> {
        self.processes.get(&number).ok_or_else(|| {
            let message = format!("there is no process {number} among those being debugged");
            Error::new(ErrorKind::NoSuchProcess, message)
        })
    }

    /// The current process and thread; `None` if nothing is debugged.
    ///
    /// **Cost**: none.
    pub fn current(&self) -> Option<(ProcessNumber, ThreadNumber)> {
        self.context.current
    }

    /// The process and thread of the last stop; `None` before the first, and when the process is
    /// gone.
    ///
    /// **Cost**: none.
    pub fn event_thread(&self) -> Option<(ProcessNumber, ThreadNumber)> {
        self.context.event
    }

    /// Makes a thread, and with it its process, the current one.
    ///
    /// **Errors**: `NoSuchProcess`, `NoSuchThread`.
    /// **Cost**: none.
    pub fn set_current_thread(
        &mut self,
        process: ProcessNumber,
        thread: ThreadNumber,
    ) -> Result<(), Error> {
        self.process(process)?.thread(thread)?;
        self.context.current = Some((process, thread));
        self.context.frame = None;
        Ok(())
    }

    /// Makes a process the current one, with the thread of the last stop if that is one of its,
    /// else its first.
    ///
    /// **Errors**: `NoSuchProcess`.
    /// **Cost**: none.
    pub fn set_current_process(&mut self, process: ProcessNumber) -> Result<(), Error> {
        self.process(process)?;
        self.context.current = self.default_thread(process);
        self.context.frame = None;
        Ok(())
    }

    /// How many round trips to the server the engine has waited for so far. What the calls cost is
    /// stated in these.
    ///
    /// **Cost**: none.
    pub fn round_trips(&self) -> u64 {
        self.client.round_trips()
    }

    /// Whether any target runs, as far as the engine has heard.
    ///
    /// **Cost**: none.
    pub fn is_running(&self) -> bool {
        self.processes.values().any(Process::is_running)
    }

    pub(crate) fn default_thread(
        &self,
        number: ProcessNumber,
    ) -> Option<(ProcessNumber, ThreadNumber)> {
        let event = self.context.event.filter(|(process, _)| *process == number);
        let first = || self.processes.get(&number)?.threads.list().first().copied();
        event.or_else(|| Some((number, first()?.number)))
    }

    /// Whether the server is still there and serves this session.
    ///
    /// **Cost**: none.
    pub fn is_connected(&self) -> bool {
        self.check_connected().is_ok()
    }

    /// The error if there is no connection any more.
    pub(crate) fn check_connected(&self) -> Result<(), Error> {
        if self.has_ended {
            return Err(Error::new(ErrorKind::NotConnected, "the server has ended the session"));
        }
        self.client.lost().map_or(Ok(()), |reason| Err(CallError::Lost(reason).into()))
    }

    /// The current process and thread.
    pub(crate) fn current_thread(&self) -> Result<(&Process, Thread), Error> {
        self.check_connected()?;
        let (process, thread) = self.context.current.ok_or_else(Error::no_target)?;
        let process = self.process(process)?;
        Ok((process, *process.thread(thread)?))
    }

    /// The current process.
    pub(crate) fn current_process(&self) -> Result<&Process, Error> {
        self.check_connected()?;
        let (process, _) = self.context.current.ok_or_else(Error::no_target)?;
        self.process(process)
    }

    /// The current process and thread, which must stand still.
    pub(crate) fn current_still(&self) -> Result<(&Process, Thread), Error> {
        let (process, thread) = self.current_thread()?;
        process.check_still()?;
        Ok((process, thread))
    }

    /// The symbols of a process.
    pub(crate) fn symbols_of<'a>(&'a self, process: &'a Process) -> ProcessSymbols<'a> {
        ProcessSymbols { client: &self.client, finder: &self.finder, process }
    }

    pub(crate) fn number_of(&self, target: TargetId) -> Option<ProcessNumber> {
        let mut processes = self.processes.values();
        processes.find(|process| process.target == target).map(|process| process.number)
    }

    /// A process is gone, with all that belongs to it.
    pub(crate) fn forget(&mut self, number: ProcessNumber) -> Option<Process> {
        let process = self.processes.remove(&number)?;
        self.breakpoints.forget_process(number);
        self.pending.retain(|event| event.process != number);
        let is_its = |context: &Option<(ProcessNumber, ThreadNumber)>| {
            context.is_some_and(|(process, _)| process == number)
        };
        if is_its(&self.context.event) {
            self.context.event = None;
        }
        if is_its(&self.context.current) {
            let other = self.processes.keys().next().copied();
            self.context.current = other.and_then(|other| self.default_thread(other));
        }
        let on_terminal = self.processes.values().rev().find(|process| process.has_terminal);
        let target = on_terminal.map_or(0, |process| process.target.value());
        self.terminal.target.store(target, Ordering::Release);
        if self.processes.is_empty() {
            // Dormant: numbers begin anew.
            self.next_process = 0;
        }
        Some(process)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_can_move_and_the_interrupter_be_shared() {
        fn can_move<T: Send>() {}
        fn can_be_shared<T: Send + Sync + Clone>() {}
        can_move::<Engine>();
        can_be_shared::<Interrupter>();
    }
}
