//! How targets come and go: listing, launching, attaching, leaving, ending. It knows what is asked
//! of the server for each; what happens to a target meanwhile is told by events.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use dbgbase::{Pid, Signal, TargetId};
use dbgwire::Verb;
use dbgwire::event::Created;
use dbgwire::verbs::process::{
    Abandon, Attach, Claim, Detach, Kill, Launch, ListProcesses, Terminal,
};
use dbgwire::verbs::resume::{SendSignal, SetEvents};
use dbgwire::verbs::thread::ListThreads;

use crate::modules::name::file_name;
use crate::{
    Engine, Error, ErrorKind, Interest, LaunchOptions, Process, ProcessDescription, ProcessNumber,
    ThreadDescription,
};

impl Engine {
    /// The processes of the server's machine, in ascending order of their ids. With `details` also
    /// executables and arguments.
    ///
    /// **Errors**: those of the connection.
    /// **Cost**: one round trip for every 2,048 processes.
    pub fn list_processes(&self, details: bool) -> Result<Vec<ProcessDescription>, Error> {
        self.check_connected()?;
        let mut list = Vec::new();
        let mut after = 0;
        loop {
            let reply = self.client.call(&ListProcesses { after, pid: 0, details })?;
            let Some(last) = reply.processes.last().map(|process| process.pid) else { break };
            list.extend(reply.processes.into_iter().map(ProcessDescription::from));
            // A server that does not move on is not asked for ever.
            if !reply.more || last <= after {
                break;
            }
            after = last;
        }
        Ok(list)
    }

    /// Starts a program as a target. It returns when the program is loaded; the first stop comes by
    /// [`Engine::wait_for_event`].
    ///
    /// **Errors**: `LaunchFailed`, `NotPermitted`, `NotFound` … with the server's words; those of
    /// the connection.
    /// **Cost**: one round trip.
    pub fn launch(&mut self, options: &LaunchOptions) -> Result<ProcessNumber, Error> {
        self.check_connected()?;
        let terminal = match options.has_terminal {
            true if self.server.shares_terminal() => Terminal::Shared,
            true if self.server.has_pty() => Terminal::Pty,
            _ => Terminal::None,
        };
        let mut environment = options.environment.clone();
        if terminal == Terminal::Pty
            && let Some(name) = &self.terminal_name
        {
            environment.push([b"TERM=", name.as_bytes()].concat());
        }
        let arguments = [&options.program].into_iter().chain(&options.arguments);
        let reply = self.client.call(&Launch {
            program: options.program.clone(),
            arguments: arguments.cloned().collect(),
            directory: options.directory.clone().unwrap_or_default(),
            environment,
            terminal: terminal as i32,
            rows: self.terminal.rows.load(Ordering::Acquire),
            columns: self.terminal.columns.load(Ordering::Acquire),
            implicit: options.is_implicit,
            ..Launch::default()
        })?;
        let program = reply.words.first().unwrap_or(&options.program);
        let name = String::from_utf8_lossy(file_name(program)).into_owned();
        let target = TargetId::new(reply.target);
        let number = self.new_process(Pid::new(reply.pid), target, true, name)?;
        if terminal == Terminal::Pty
            && let Some(process) = self.processes.get_mut(&number)
        {
            process.has_terminal = true;
            self.terminal.target.store(reply.target, Ordering::Release);
        }
        Ok(number)
    }

    /// Makes a running process a target. The stop comes by [`Engine::wait_for_event`].
    ///
    /// **Errors**: `NoSuchProcess`, `NotPermitted`, `AlreadyTraced` with the server's words; those
    /// of the connection.
    /// **Cost**: one round trip.
    pub fn attach(&mut self, pid: Pid) -> Result<ProcessNumber, Error> {
        self.check_connected()?;
        let (reply, found) = self.take_process(pid, &Attach { pid: pid.value() })?;
        let is_suspended = found.as_ref().is_some_and(|process| process.state == 'T');
        let name = found.map(|process| process.name).unwrap_or_default();
        let number = self.new_process(pid, TargetId::new(reply.target), false, name)?;
        if let Some(process) = self.processes.get_mut(&number) {
            process.is_suspended = is_suspended;
        }
        Ok(number)
    }

    /// Continues a process that a signal had stopped before it was attached to, by SIGCONT. It runs
    /// when it is executed.
    ///
    /// **Errors**: `NoSuchProcess`; those of the connection.
    /// **Cost**: one round trip.
    pub fn continue_suspended(&mut self, process: ProcessNumber) -> Result<(), Error> {
        self.check_connected()?;
        let target = self.process(process)?.target.value();
        let signal = Signal::SIGCONT.number() as u32;
        self.client.call(&SendSignal { target, tid: 0, signal })?;
        if let Some(process) = self.processes.get_mut(&process) {
            process.is_suspended = false;
        }
        Ok(())
    }

    /// Sends the request that makes a running process a target, and asks what the process is. The
    /// answer to the second tells the state before the first, in which it stands still.
    fn take_process<V: Verb>(
        &self,
        pid: Pid,
        request: &V,
    ) -> Result<(V::Reply, Option<ProcessDescription>), Error> {
        let listing = ListProcesses { after: 0, pid: pid.value(), details: false };
        let listed = self.client.send(&listing, Bytes::new());
        let taken = self.client.send(request, Bytes::new());
        // The name is told again by the first stop; until then it is not worth failing for.
        let listed = listed.wait().map(|(reply, _)| reply.processes).unwrap_or_default();
        let (reply, _) = taken.wait()?;
        Ok((reply, listed.into_iter().next().map(ProcessDescription::from)))
    }

    /// A target has made a process that is a target too.
    pub(crate) fn adopt(&mut self, created: &Created) {
        let parent = self.number_of(TargetId::new(created.parent));
        let maker = parent.and_then(|parent| self.processes.get(&parent));
        let name = maker.map(|maker| maker.name.clone()).unwrap_or_default();
        // It begins with what its maker has, but for system calls.
        let filters = maker.and_then(|maker| maker.filters.clone());
        let events = maker.and_then(|maker| maker.events);
        let filters = filters.map(|mut filters| {
            filters.syscalls = Interest::Ignore;
            filters
        });
        let (pid, target) = (Pid::new(created.pid), TargetId::new(created.target));
        let Ok(number) = self.new_process(pid, target, created.created, name) else { return };
        if let Some(process) = self.processes.get_mut(&number) {
            process.parent = parent;
            process.filters = filters;
            process.events = events.map(|events| SetEvents { target: created.target, ..events });
        }
    }

    fn new_process(
        &mut self,
        pid: Pid,
        target: TargetId,
        created: bool,
        name: String,
    ) -> Result<ProcessNumber, Error> {
        if self.number_of(target).is_some() {
            let message = format!("the server calls two targets {target}");
            return Err(Error::new(ErrorKind::Internal, message));
        }
        let number = ProcessNumber(self.next_process);
        self.next_process += 1;
        let process = Process::new(number, pid, target, self.server.arch, created, name);
        self.processes.insert(number, process);
        if self.context.current.is_none() {
            self.context.current = self.default_thread(number);
        }
        Ok(number)
    }

    /// Leaves a process as it was found: its breakpoints are gone, it runs. No event follows.
    ///
    /// **Errors**: `NoSuchProcess`; those of the connection.
    /// **Cost**: one round trip.
    pub fn detach(&mut self, process: ProcessNumber) -> Result<(), Error> {
        self.check_connected()?;
        let target = self.process(process)?.target.value();
        self.client.call(&Detach { target })?;
        self.forget(process);
        Ok(())
    }

    /// Leaves a process, which must stand still, as it stands, for whoever claims it. Its
    /// breakpoints are gone. No event follows.
    ///
    /// **Errors**: `NoSuchProcess`, `NotStopped`, `Unsupported` by an embedded server; those of the
    /// connection.
    /// **Cost**: one round trip.
    /// **Source**: IDebugClient5::AbandonCurrentProcess.
    pub fn abandon(&mut self, process: ProcessNumber) -> Result<(), Error> {
        self.check_connected()?;
        let target = self.process(process)?.target.value();
        self.client.call(&Abandon { target })?;
        self.forget(process);
        Ok(())
    }

    /// Takes over a process that was abandoned through the same server. The stop comes by
    /// [`Engine::wait_for_event`].
    ///
    /// **Errors**: `NoSuchProcess` if nobody debugs it, `AlreadyTraced` if it was not abandoned,
    /// both with the server's words; those of the connection.
    /// **Cost**: one round trip.
    /// **Source**: IDebugClient5::AttachProcess with `DEBUG_ATTACH_EXISTING`.
    pub fn claim(&mut self, pid: Pid) -> Result<ProcessNumber, Error> {
        self.check_connected()?;
        let (reply, found) = self.take_process(pid, &Claim { pid: pid.value() })?;
        let name = found.map(|process| process.name).unwrap_or_default();
        let number = self.new_process(pid, TargetId::new(reply.target), reply.created, name)?;
        if let Some(process) = self.processes.get_mut(&number) {
            // They are those of whoever has abandoned it.
            process.filters = None;
            process.events = None;
        }
        Ok(number)
    }

    /// Ends a process. No event follows.
    ///
    /// **Errors**: `NoSuchProcess`; those of the connection.
    /// **Cost**: one round trip.
    pub fn kill(&mut self, process: ProcessNumber) -> Result<(), Error> {
        self.check_connected()?;
        let target = self.process(process)?.target.value();
        self.client.call(&Kill { target })?;
        self.forget(process);
        Ok(())
    }

    /// The threads of a process with their names and holds.
    ///
    /// **Shape**: those that [`Process::threads`] has and that still exist, in the same order.
    /// **Errors**: `NoSuchProcess`; those of the connection.
    /// **Cost**: one round trip.
    pub fn list_threads(&self, process: ProcessNumber) -> Result<Vec<ThreadDescription>, Error> {
        self.check_connected()?;
        let process = self.process(process)?;
        let reply = self.client.call(&ListThreads { target: process.target.value() })?;
        let describe = |thread: &crate::Thread| {
            let listed = reply.threads.iter().find(|listed| listed.tid == thread.tid.value())?;
            Some(ThreadDescription {
                number: thread.number,
                tid: thread.tid,
                name: listed.name.clone(),
                suspends: listed.suspends,
                is_frozen: listed.frozen,
            })
        };
        Ok(process.threads.list().iter().filter_map(describe).collect())
    }
}
