//! Holding threads at the engine's door: those that are suspended or frozen stay where they are
//! when the targets run. The server does the holding; what is kept here is what it has said.

use dbgbase::Tid;
use dbgwire::verbs::thread::{HoldChange, HoldThreads};

use crate::{Engine, Error, ErrorKind, ProcessNumber, ThreadNumber};

/// How a thread's hold changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hold {
    /// It is suspended once more.
    Suspend,
    /// It is suspended once less; not at all is no error.
    Resume,
    /// It is frozen, however often it is suspended.
    Freeze,
    /// It is not frozen.
    Unfreeze,
}

impl Engine {
    /// Changes which threads of a process, which stands still, run when the targets do: those that
    /// are neither suspended nor frozen. Detaching takes all holds back, and so does the execution
    /// of another program.
    ///
    /// **Errors**: `NoSuchProcess`, `NoSuchThread`, `NotStopped`; then no hold is changed. Those of
    /// the connection.
    /// **Cost**: one round trip.
    /// **Source**: "Controlling Processes and Threads".
    pub fn hold_threads(
        &mut self,
        process: ProcessNumber,
        threads: &[ThreadNumber],
        hold: Hold,
    ) -> Result<(), Error> {
        self.check_connected()?;
        let debuggee = self.process(process)?;
        debuggee.check_still()?;
        let tids = threads.iter().map(|number| Ok(debuggee.thread(*number)?.tid));
        let tids = tids.collect::<Result<Vec<Tid>, Error>>()?;
        if tids.is_empty() {
            return Ok(());
        }
        let change = match hold {
            Hold::Suspend => HoldChange::Suspend,
            Hold::Resume => HoldChange::Resume,
            Hold::Freeze => HoldChange::Freeze,
            Hold::Unfreeze => HoldChange::Unfreeze,
        };
        let reply = self.client.call(&HoldThreads {
            target: debuggee.target.value(),
            tids: tids.iter().map(|tid| tid.value()).collect(),
            change: change as i32,
        })?;
        if let Some(debuggee) = self.processes.get_mut(&process) {
            for (tid, suspends) in tids.iter().zip(reply.suspends) {
                debuggee.threads.held(*tid, suspends, hold);
            }
        }
        Ok(())
    }

    /// That a run, of the current thread alone or of all, lets something run, and that the thread
    /// that is to be stepped is not held.
    pub(crate) fn check_holds(&self, is_alone: bool, is_step: bool) -> Result<(), Error> {
        let (process, thread) = self.current_still()?;
        if thread.is_held() && (is_alone || is_step) {
            let (number, tid) = (thread.number.0, thread.tid);
            let message = format!("thread {number} ({tid}) is suspended or frozen");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let can_run = |number: &ProcessNumber| {
            self.processes.get(number).is_some_and(|process| process.threads.can_run())
        };
        let runs =
            if is_alone { can_run(&process.number) } else { self.processes.keys().any(can_run) };
        if runs {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Invalid, "every thread is suspended or frozen"))
    }
}
