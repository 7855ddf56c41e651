//! Registers that LLDB has put aside before it calls a function, to put them back afterwards in one
//! step.

use std::collections::VecDeque;

use dbgbase::{GeneralRegisters, TargetId, Tid};

use crate::arguments::Arguments;
use crate::error::PacketError;
use crate::session::{Handled, Reply, Session};

/// How many are kept. A debugger that forgets to take them back gets the latest.
const SAVED_MAX: usize = 64;

/// Registers that were put aside.
#[derive(Default, Debug)]
pub(crate) struct SavedRegisters {
    last_id: u64,
    saved: VecDeque<Saved>,
}

#[derive(Debug)]
struct Saved {
    id: u64,
    target: TargetId,
    tid: Tid,
    general: GeneralRegisters,
    extended: Vec<u8>,
}

impl Session {
    /// `QSaveRegisterState`, with a thread: puts its registers aside, under a number.
    ///
    /// **Cost**: one round trip, none if all registers are known at this stop.
    pub(crate) fn packet_save_registers(&mut self, _: &[u8]) -> Handled {
        let (target, tid) = self.current()?;
        let extended = self.extended(target, tid)?;
        let general = self.general(target, tid)?;
        let registers = &mut self.saved_registers;
        registers.last_id += 1;
        let id = registers.last_id;
        registers.saved.push_back(Saved { id, target, tid, general, extended });
        if registers.saved.len() > SAVED_MAX {
            registers.saved.pop_front();
        }
        Ok(Reply::from(id.to_string()))
    }

    /// `QRestoreRegisterState:NUMBER`, with a thread: puts them back and forgets them.
    ///
    /// **Cost**: two round trips, one if all registers are known at this stop.
    pub(crate) fn packet_restore_registers(&mut self, arguments: &[u8]) -> Handled {
        let number = Arguments::new(arguments).until(b';');
        let id = std::str::from_utf8(number).ok().and_then(|number| number.parse::<u64>().ok());
        let id = id.ok_or(PacketError::Malformed("a number was expected"))?;
        let (target, tid) = self.current()?;
        let is_it = |saved: &Saved| saved.id == id && saved.target == target && saved.tid == tid;
        let at = self.saved_registers.saved.iter().position(is_it);
        let saved = at.and_then(|at| self.saved_registers.saved.remove(at));
        let unknown = || PacketError::message(format!("no registers were put aside as {id}"));
        let saved = saved.ok_or_else(unknown)?;
        let general = self.general(target, tid)?;
        let extended = self.extended(target, tid)?;
        let changes = self
            .server
            .description
            .changes((&saved.general, &saved.extended), (&general, &extended));
        self.write_registers(target, tid, changes)
    }
}
