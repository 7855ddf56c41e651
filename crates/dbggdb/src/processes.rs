//! Packets that take, start, leave and end processes.

use dbgbase::{Pid, TargetId};
use dbgwire::verbs::process::{Attach, Detach, Kill, Launch, Terminal};

use crate::arguments::Arguments;
use crate::dialect::Dialect;
use crate::error::PacketError;
use crate::hex;
use crate::session::{Handled, Reply, Session};
use crate::target::Target;

/// What is debugged before the debugger asks for anything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Start {
    /// Nothing.
    Nothing,
    /// A running process.
    Process(Pid),
    /// A program and its arguments.
    Program(Vec<Vec<u8>>),
}

impl Session {
    /// Attaches or launches what is debugged from the start. The debugger asks why it stopped.
    ///
    /// **Errors**: [`PacketError`]: the server's refusal.
    pub fn begin(&mut self, start: &Start) -> Result<(), PacketError> {
        match start {
            Start::Nothing => Ok(()),
            Start::Process(pid) => self.attach(*pid),
            Start::Program(words) => {
                self.launching.command = Some(words.clone());
                self.run()
            }
        }
    }

    /// `!`
    pub(crate) fn packet_extended(&mut self, _: &[u8]) -> Handled {
        self.dialogue.extended = true;
        Ok(Reply::Ok)
    }

    /// `?`
    pub(crate) fn packet_why(&mut self, _: &[u8]) -> Handled {
        let latest = self.targets.values().max_by_key(|target| target.stop);
        let Some(target) = latest else {
            // What is said when there is no process.
            return Ok(Reply::from("W00"));
        };
        let Some(report) = target.last_report.clone() else {
            // It has not stopped for the first time yet.
            self.expects_stop = true;
            return Ok(Reply::Later);
        };
        let id = target.id;
        if self.dialogue.threads_in_stop_reply {
            self.know_threads_wholly(id)?;
        }
        Ok(Reply::Payload(self.stop_reply(&report)))
    }

    /// `vAttach;PID`
    pub(crate) fn packet_attach(&mut self, arguments: &[u8]) -> Handled {
        let pid = hex::number(arguments).and_then(|pid| u32::try_from(pid).ok());
        let pid = Pid::new(pid.ok_or(PacketError::Malformed("a process id was expected"))?);
        self.attach(pid)?;
        self.expects_stop = true;
        Ok(Reply::Later)
    }

    /// Attaches; the stop comes as an event.
    ///
    /// **Cost**: one round trip, and the stop.
    pub fn attach(&mut self, pid: Pid) -> Result<(), PacketError> {
        let reply = self.client.call(&Attach { pid: pid.value() })?;
        self.begin_target(TargetId::new(reply.target), pid, false);
        Ok(())
    }

    /// `vRun;PROGRAM[;ARGUMENT]...`
    pub(crate) fn packet_run(&mut self, arguments: &[u8]) -> Handled {
        let words = arguments.split(|byte| *byte == b';').map(hex::bytes);
        let words: Option<Vec<Vec<u8>>> = words.collect();
        let words = words.ok_or(PacketError::Malformed("words in digits were expected"))?;
        let mut words = words.into_iter();
        let program = words.next().unwrap_or_default();
        let mut command = self.launching.command.take().unwrap_or_default();
        if !program.is_empty() {
            command = vec![program];
            command.extend(words);
        }
        self.launching.command = Some(command);
        self.run()?;
        self.expects_stop = true;
        Ok(Reply::Later)
    }

    /// `R`: no reply; in the end the debugger asks `?`.
    pub(crate) fn packet_restart(&mut self, _: &[u8]) -> Handled {
        self.end_all()?;
        self.run()?;
        self.expects_stop = true;
        Ok(Reply::Later)
    }

    /// Starts the program that was named last; its first stop comes as an event.
    ///
    /// **Cost**: one round trip, and the stop.
    pub fn run(&mut self) -> Result<(), PacketError> {
        let request = self.launch_request()?;
        let reply = self.client.call(&request)?;
        self.begin_target(TargetId::new(reply.target), Pid::new(reply.pid), true);
        Ok(())
    }

    fn launch_request(&self) -> Result<Launch, PacketError> {
        let command = self.launching.command.clone().unwrap_or_default();
        let Some(program) = command.first() else {
            let text = "no program was named, here or before; set one with 'set remote exec-file'";
            return Err(PacketError::message(text));
        };
        Ok(Launch {
            program: program.clone(),
            arguments: command.clone(),
            directory: self.launching.directory.clone(),
            environment: self.launching.environment(),
            terminal: Terminal::Pty as i32,
            ..Launch::default()
        })
    }

    /// A process is a target from now on.
    pub(crate) fn begin_target(&mut self, id: TargetId, pid: Pid, is_created: bool) {
        self.targets.insert(id, Target::new(id, pid, is_created));
        self.selected = None;
        self.send_interests(id);
    }

    /// `D[;PID]`
    pub(crate) fn packet_detach(&mut self, arguments: &[u8]) -> Handled {
        let ids = match arguments.strip_prefix(b";").unwrap_or(arguments) {
            b"" => self.targets.keys().copied().collect(),
            pid => vec![self.process(pid)?],
        };
        for id in ids {
            self.client.call(&Detach { target: id.value() })?;
            self.drop_target(id);
        }
        Ok(Reply::Ok)
    }

    /// `qKillSpawnedProcess:PID`, in decimal.
    pub(crate) fn packet_kill_spawned(&mut self, arguments: &[u8]) -> Handled {
        let pid = std::str::from_utf8(arguments).ok().and_then(|pid| pid.parse().ok());
        let pid = Pid::new(pid.ok_or(PacketError::Malformed("a process id was expected"))?);
        let id = self.target_of(pid)?;
        self.client.call(&Kill { target: id.value() })?;
        self.drop_target(id);
        Ok(Reply::Ok)
    }

    /// `vKill;PID`
    pub(crate) fn packet_kill_process(&mut self, arguments: &[u8]) -> Handled {
        let id = self.process(arguments)?;
        self.client.call(&Kill { target: id.value() })?;
        self.drop_target(id);
        Ok(Reply::Ok)
    }

    /// `k`: everything ends, without a reply.
    pub(crate) fn packet_kill(&mut self, _: &[u8]) -> Handled {
        self.end_all()?;
        if self.dialogue.dialect == Dialect::Lldb {
            // It waits for the news, and then ends the connection itself.
            return Ok(Reply::from("X09"));
        }
        if self.dialogue.extended { Ok(Reply::Later) } else { Ok(Reply::End) }
    }

    fn end_all(&mut self) -> Result<(), PacketError> {
        let ids: Vec<TargetId> = self.targets.keys().copied().collect();
        for id in ids {
            self.client.call(&Kill { target: id.value() })?;
            self.drop_target(id);
        }
        Ok(())
    }

    /// Forgets a target that is left or has ended by the debugger's will.
    fn drop_target(&mut self, id: TargetId) {
        let Some(target) = self.targets.remove(&id) else { return };
        self.reports.retain(|report| report.pid != target.pid);
        self.births.retain(|report| report.pid != target.pid);
    }

    /// `qAttached[:PID]`
    pub(crate) fn packet_was_attached(&mut self, arguments: &[u8]) -> Handled {
        let id = match arguments {
            b"" => self.current()?.0,
            pid => self.process(pid)?,
        };
        Ok(Reply::from(if self.target(id)?.is_created { "0" } else { "1" }))
    }

    /// `vCtrlC`
    pub(crate) fn packet_ctrl_c(&mut self, _: &[u8]) -> Handled {
        self.interrupt_all();
        Ok(Reply::Ok)
    }

    /// The target that a packet names by its process id.
    pub(crate) fn process(&self, digits: &[u8]) -> Result<TargetId, PacketError> {
        let pid = Arguments::new(digits).number(b';', "a process id was expected")?;
        self.target_of(Pid::new(u32::try_from(pid).unwrap_or(0)))
    }
}
