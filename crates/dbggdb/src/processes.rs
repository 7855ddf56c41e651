//! Packets that take, start, leave and end processes.

use dbgbase::{Pid, TargetId};
use dbgwire::verbs::process::{Attach, Detach, Kill};

use crate::arguments::Arguments;
use crate::dialect::Dialect;
use crate::error::PacketError;
use crate::hex;
use crate::launch::Form;
use crate::resume::Action;
use crate::session::{Handled, Reply, Session};
use crate::target::Target;
use crate::vforks::Fate;

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
                self.launching.form = Form::Exact;
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
        if self.dialogue.non_stop {
            return self.tell_all_again();
        }
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
        if self.dialogue.non_stop {
            // The stop is notified of.
            return Ok(Reply::Ok);
        }
        (self.expects_stop, self.is_beginning) = (true, true);
        Ok(Reply::Later)
    }

    /// Attaches; the stop comes as an event.
    ///
    /// **Cost**: one round trip, and the stop.
    pub fn attach(&mut self, pid: Pid) -> Result<(), PacketError> {
        let reply = self.client.call(&Attach { pid: pid.value() })?;
        let id = TargetId::new(reply.target);
        self.resumed = vec![Action::all_of(pid)];
        self.begin_target(id, pid, false);
        self.send_interests(id);
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
            let is_text = self.dialogue.single_argument;
            self.launching.form = if is_text { Form::Text } else { Form::Words };
        }
        self.launching.command = Some(command);
        self.run()?;
        (self.expects_stop, self.is_beginning) = (true, true);
        Ok(Reply::Later)
    }

    /// `R`: no reply, whatever happens; the debugger asks `?` behind it.
    pub(crate) fn packet_restart(&mut self, _: &[u8]) -> Handled {
        self.end_all();
        if let Err(error) = self.run() {
            self.say_aside(&error.to_string());
        }
        Ok(Reply::Later)
    }

    /// Starts the program that was named last; its first stop comes as an event.
    ///
    /// **Cost**: one round trip, and the stop.
    pub fn run(&mut self) -> Result<(), PacketError> {
        let (request, is_shell) = self.launching.request()?;
        let reply = self.client.call(&request)?;
        let (id, pid) = (TargetId::new(reply.target), Pid::new(reply.pid));
        self.resumed = vec![Action::all_of(pid)];
        let target = self.begin_target(id, pid, true);
        target.is_shell = is_shell;
        if !is_shell {
            self.send_interests(id);
        }
        Ok(())
    }

    /// A process is a target from now on.
    fn begin_target(&mut self, id: TargetId, pid: Pid, is_created: bool) -> &mut Target {
        // In non-stop mode what is selected is the debugger's business alone.
        if !self.dialogue.non_stop {
            self.selected = None;
        }
        self.targets.entry(id).or_insert_with(|| Target::new(id, pid, is_created))
    }

    /// `D[;PID]`
    pub(crate) fn packet_detach(&mut self, arguments: &[u8]) -> Handled {
        let ids = match arguments.strip_prefix(b";").unwrap_or(arguments) {
            b"" => self.targets.keys().copied().collect(),
            pid if self.leaves_borrower(pid, Fate::Left)? => return Ok(Reply::Ok),
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
        self.end(self.target_of(pid)?)?;
        Ok(Reply::Ok)
    }

    /// `vKill;PID`
    pub(crate) fn packet_kill_process(&mut self, arguments: &[u8]) -> Handled {
        if self.leaves_borrower(arguments, Fate::Killed)? {
            return Ok(Reply::Ok);
        }
        self.end(self.process(arguments)?)?;
        Ok(Reply::Ok)
    }

    /// `k`: everything ends, without a reply.
    pub(crate) fn packet_kill(&mut self, _: &[u8]) -> Handled {
        self.end_all();
        if self.dialogue.dialect == Dialect::Lldb {
            // It waits for the news, and then ends the connection itself.
            return Ok(Reply::from("X09"));
        }
        if self.dialogue.extended { Ok(Reply::Later) } else { Ok(Reply::End) }
    }

    /// Ends everything. What cannot be ended has ended by itself, which is told as it always is.
    fn end_all(&mut self) {
        let ids: Vec<TargetId> = self.targets.keys().copied().collect();
        for id in ids {
            if let Err(error) = self.end(id) {
                self.say_aside(&error.to_string());
            }
        }
    }

    fn end(&mut self, id: TargetId) -> Result<(), PacketError> {
        self.client.call(&Kill { target: id.value() })?;
        self.drop_target(id);
        Ok(())
    }

    /// Forgets a target that is left or has ended by the debugger's will.
    fn drop_target(&mut self, id: TargetId) {
        let Some(target) = self.targets.remove(&id) else { return };
        self.reports.retain(|report| report.pid != target.pid);
        self.births.retain(|report| report.pid != target.pid);
        if self.selected.is_some_and(|(pid, _)| pid == target.pid) {
            self.selected = None;
        }
    }

    /// Decides what becomes of a process that borrows memory. Whether the packet names one.
    fn leaves_borrower(&mut self, digits: &[u8], fate: Fate) -> Result<bool, PacketError> {
        let pid = process_id(digits)?;
        Ok(self.decide_on_borrower(pid, fate))
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
        match self.dialogue.non_stop {
            true => self.send_interrupt_signal(),
            false => self.interrupt_all(),
        }
        Ok(Reply::Ok)
    }

    /// The target that a packet names by its process id.
    pub(crate) fn process(&self, digits: &[u8]) -> Result<TargetId, PacketError> {
        self.target_of(process_id(digits)?)
    }
}

fn process_id(digits: &[u8]) -> Result<Pid, PacketError> {
    let pid = Arguments::new(digits).number(b';', "a process id was expected")?;
    Ok(Pid::new(u32::try_from(pid).unwrap_or(0)))
}
