//! What else stops a target: system calls, and threads that are born or end. It knows the packets
//! that say so; what the debugger is told then is said elsewhere.

use dbgbase::TargetId;
use dbgwire::verbs::resume::{CatchSyscalls, SYSCALLS_MAX};

use crate::error::PacketError;
use crate::launch::{flag, numbers};
use crate::session::{Handled, Reply, Session};

/// System calls at which a target stops.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) enum Caught {
    /// None.
    #[default]
    Nothing,
    /// All.
    All,
    /// These, by the CPU's numbers.
    These(Vec<u64>),
}

impl Session {
    /// `QCatchSyscalls:0`, or `QCatchSyscalls:1[;NUMBER]...`: without numbers, all calls.
    ///
    /// **Cost**: none; nobody waits.
    pub(crate) fn packet_catch_syscalls(&mut self, arguments: &[u8]) -> Handled {
        let (switch, rest) = arguments.split_at_checked(1).unwrap_or((arguments, &[]));
        let caught = match (flag(switch)?, rest.split_first()) {
            (false, None) => Caught::Nothing,
            (true, None) => Caught::All,
            (true, Some((b';', listed))) => Caught::These(numbers(listed)?),
            _ => return Err(PacketError::Malformed("numbers were expected behind 1;")),
        };
        if let Caught::These(numbers) = &caught
            && numbers.len() > SYSCALLS_MAX
        {
            let text = format!("no more than {SYSCALLS_MAX} system calls can be named");
            return Err(PacketError::message(text));
        }
        let (id, _) = self.current()?;
        let target = self.target_mut(id)?;
        if target.is_running {
            return Err(PacketError::Running);
        }
        if target.caught != caught {
            target.caught = caught;
            self.send_caught(id);
        }
        Ok(Reply::Ok)
    }

    /// Tells the server at which system calls a target stops that stands still.
    ///
    /// **Cost**: none; nobody waits.
    pub(crate) fn send_caught(&mut self, id: TargetId) {
        let Some(target) = self.targets.get(&id) else { return };
        let (all, numbers) = match &target.caught {
            Caught::Nothing => (false, Vec::new()),
            Caught::All => (true, Vec::new()),
            Caught::These(numbers) => (false, numbers.clone()),
        };
        self.client.post(&CatchSyscalls { target: id.value(), all, numbers });
    }

    /// `QThreadEvents:0|1`
    ///
    /// **Cost**: none; nobody waits.
    pub(crate) fn packet_thread_events(&mut self, arguments: &[u8]) -> Handled {
        self.dialogue.thread_events = flag(arguments)?;
        let ids: Vec<TargetId> = self.targets.keys().copied().collect();
        ids.into_iter().for_each(|id| self.send_interests(id));
        Ok(Reply::Ok)
    }
}
