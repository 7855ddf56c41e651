//! Attaching to a process by its name: one that is there, or the first that comes.

use std::time::{Duration, Instant};

use dbgbase::Pid;
use dbgwire::verbs::process::ProcessDescription;

use crate::error::PacketError;
use crate::hex;
use crate::session::{Handled, Reply, Session, SessionError};

/// How often it is looked whether the process has come.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A process that is waited for.
#[derive(Debug)]
pub(crate) struct Awaited {
    name: Vec<u8>,
    /// Processes of that name that were there before, and are not meant.
    old: Vec<u32>,
    look_at: Instant,
}

impl Session {
    /// `vAttachName;NAME`
    ///
    /// **Cost**: a round trip for each 1,024 processes of the machine, one to attach, and the stop.
    pub(crate) fn packet_attach_name(&mut self, arguments: &[u8]) -> Handled {
        let name = name(arguments)?;
        match &*self.processes_called(&name)? {
            [] => Err(PacketError::message(format!("no process is called {}", text(&name)))),
            [pid] => self.attach_and_wait(*pid),
            pids => {
                let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
                let (name, pids) = (text(&name), pids.join(", "));
                Err(PacketError::message(format!("several processes are called {name}: {pids}")))
            }
        }
    }

    /// `vAttachWait;NAME`: the next process that gets this name.
    pub(crate) fn packet_attach_wait(&mut self, arguments: &[u8]) -> Handled {
        let name = name(arguments)?;
        let old = self.processes_called(&name)?;
        self.awaited = Some(Awaited { name, old, look_at: Instant::now() + LOOK_EVERY });
        Ok(Reply::Later)
    }

    /// `vAttachOrWait;NAME`: a process of this name, or else the next one.
    pub(crate) fn packet_attach_or_wait(&mut self, arguments: &[u8]) -> Handled {
        let called = self.processes_called(&name(arguments)?)?;
        match called.first() {
            Some(pid) => self.attach_and_wait(*pid),
            None => self.packet_attach_wait(arguments),
        }
    }

    fn attach_and_wait(&mut self, pid: u32) -> Handled {
        self.attach(Pid::new(pid))?;
        self.expects_stop = true;
        Ok(Reply::Later)
    }

    /// When it is to be looked for the process that is waited for; `None` if none is.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        self.awaited.as_ref().map(|awaited| awaited.look_at)
    }

    /// Looks whether the process that is waited for has come, if it is time to.
    pub(crate) fn look_for_awaited(&mut self) -> Result<(), SessionError> {
        let Some(mut awaited) = self.awaited.take() else { return Ok(()) };
        if Instant::now() < awaited.look_at {
            self.awaited = Some(awaited);
            return Ok(());
        }
        awaited.look_at = Instant::now() + LOOK_EVERY;
        let called = self.processes_called(&awaited.name);
        let attached = called.and_then(|pids| {
            let Some(pid) = pids.into_iter().find(|pid| !awaited.old.contains(pid)) else {
                self.awaited = Some(awaited);
                return Ok(Reply::Later);
            };
            self.attach_and_wait(pid)
        });
        match attached {
            Ok(_) => Ok(()),
            Err(error) => self.reply(&error.payload(&self.dialogue, true)),
        }
    }

    /// Gives up waiting, because the debugger wants to. Whether anything was waited for.
    pub(crate) fn stop_awaiting(&mut self) -> Result<bool, SessionError> {
        if self.awaited.take().is_none() {
            return Ok(false);
        }
        let error = PacketError::message("no process of this name has come");
        self.reply(&error.payload(&self.dialogue, true))?;
        Ok(true)
    }

    /// The processes that have this name, or this path.
    fn processes_called(&mut self, name: &[u8]) -> Result<Vec<u32>, PacketError> {
        let own = self.server.info.pid;
        let is_it = |process: &&ProcessDescription| process.pid != own && is_called(process, name);
        Ok(self.list_processes()?.iter().filter(is_it).map(|process| process.pid).collect())
    }
}

fn is_called(process: &ProcessDescription, name: &[u8]) -> bool {
    if name.contains(&b'/') {
        return process.executable == name;
    }
    process.name.as_bytes() == name
        || process.executable.rsplit(|byte| *byte == b'/').next() == Some(name)
}

fn name(digits: &[u8]) -> Result<Vec<u8>, PacketError> {
    let name = hex::bytes(digits).filter(|name| !name.is_empty());
    name.ok_or(PacketError::Malformed("a name in digits was expected"))
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}
