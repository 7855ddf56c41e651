//! Packets that read and write registers, of the thread that was selected.

use bytes::Bytes;
use dbgbase::{Address, GeneralRegisters, TargetId, Tid};
use dbgwire::verbs::registers::{
    ExtendedPatch, ReadRegisters, RegisterValue, ThreadRegisters, WriteRegisters,
};

use crate::arguments::Arguments;
use crate::error::PacketError;
use crate::hex;
use crate::session::{Handled, Reply, Session};
use crate::target::Thread;
use crate::target_description::{Register, RegisterChange, TargetDescription};

/// Of how many threads the registers are fetched when those of one are missing.
const THREADS_AT_ONCE: usize = 128;
/// How much of each thread's stack comes along: enough for a dozen usual frames.
pub(crate) const STACK_LEN: u32 = 4096;

impl Session {
    /// `g`: all registers, those that cannot be told as `x`.
    pub(crate) fn packet_read_registers(&mut self, _: &[u8]) -> Handled {
        let (id, tid) = self.current()?;
        let general = self.general(id, tid)?;
        let extended = self.extended(id, tid)?;
        let description = &self.server.description;
        let mut text = String::new();
        for register in description.registers() {
            match description.read(register, &general, &extended) {
                Some(bytes) => text.push_str(&hex::encode(&bytes)),
                None => text.extend(std::iter::repeat_n("xx", register.len)),
            }
        }
        Ok(Reply::from(text))
    }

    /// `G DIGITS`: all registers; those written as `x` stay.
    pub(crate) fn packet_write_registers(&mut self, arguments: &[u8]) -> Handled {
        let (id, tid) = self.current()?;
        let general = self.general(id, tid)?;
        let extended = self.extended(id, tid)?;
        let description = &self.server.description;
        let mut rest = arguments;
        let mut changes = Vec::new();
        for register in description.registers() {
            let Some((digits, behind)) = rest.split_at_checked(2 * register.len) else { break };
            rest = behind;
            let Some(bytes) = hex::bytes(digits) else { continue };
            if description.read(register, &general, &extended).as_ref() != Some(&bytes) {
                changes.extend(description.write(register, &bytes, &extended));
            }
        }
        if !rest.is_empty() {
            return Err(PacketError::Malformed("not as many registers as there are"));
        }
        self.write_registers(id, tid, changes)
    }

    /// `p NUMBER`
    pub(crate) fn packet_read_register(&mut self, arguments: &[u8]) -> Handled {
        let number = Arguments::new(arguments).number(b';', "a register's number")?;
        let (id, tid) = self.current()?;
        let register = self.register(number)?;
        let general = self.general(id, tid)?;
        let is_extended = TargetDescription::is_extended(&register);
        let extended = if is_extended { self.extended(id, tid)? } else { Vec::new() };
        Ok(match self.server.description.read(&register, &general, &extended) {
            Some(bytes) => Reply::from(hex::encode(&bytes)),
            None => Reply::from("xx".repeat(register.len)),
        })
    }

    /// `P NUMBER=DIGITS`
    pub(crate) fn packet_write_register(&mut self, arguments: &[u8]) -> Handled {
        let mut arguments = Arguments::new(arguments);
        let number = arguments.number(b'=', "a register's number was expected")?;
        let bytes = arguments.bytes(b';', "a register's bytes were expected")?;
        let (id, tid) = self.current()?;
        let register = self.register(number)?;
        let is_extended = TargetDescription::is_extended(&register);
        let extended = if is_extended { self.extended(id, tid)? } else { Vec::new() };
        let change = self.server.description.write(&register, &bytes, &extended);
        let change = change.ok_or(PacketError::Malformed("not as many bytes as it has"))?;
        self.write_registers(id, tid, vec![change])
    }

    fn register(&self, number: u64) -> Result<Register, PacketError> {
        let register = self.server.description.register(number).cloned();
        register.ok_or_else(|| PacketError::message(format!("there is no register {number}")))
    }

    /// Moves the current thread to another instruction.
    pub(crate) fn set_pc(&mut self, pc: Address) -> Result<(), PacketError> {
        let (id, tid) = self.current()?;
        let mut general = self.general(id, tid)?;
        let before = general;
        general.set_pc(pc);
        let differs = |(index, (new, old)): (usize, (&u64, &u64))| {
            let id = dbgbase::RegisterId::new(index as u16);
            (new != old).then_some(RegisterChange::General(id, *new))
        };
        let values = general.values().iter().zip(before.values());
        let changes = values.enumerate().filter_map(differs).collect();
        self.write_registers(id, tid, changes).map(|_| ())
    }

    /// Changes a thread's registers.
    ///
    /// **Cost**: one round trip.
    pub(crate) fn write_registers(
        &mut self,
        id: TargetId,
        tid: Tid,
        changes: Vec<RegisterChange>,
    ) -> Handled {
        let mut request =
            WriteRegisters { target: id.value(), tid: tid.value(), ..WriteRegisters::default() };
        for change in changes {
            match change {
                RegisterChange::General(register, value) => {
                    let register = register.index() as u32;
                    request.values.push(RegisterValue { register, value });
                }
                RegisterChange::Extended(patches) => {
                    let patch = |(offset, bytes)| ExtendedPatch { offset, bytes };
                    request.extended.extend(patches.into_iter().map(patch));
                }
            }
        }
        if request.values.is_empty() && request.extended.is_empty() {
            return Ok(Reply::Ok);
        }
        // The kernel may make something else of a value; what it made is read when it is wanted.
        if let Some(thread) = self.target_mut(id)?.threads.get_mut(&tid) {
            (thread.general, thread.extended) = (None, None);
        }
        self.client.call(&request)?;
        Ok(Reply::Ok)
    }

    /// A thread's general registers.
    ///
    /// **Cost**: none if they are known at this stop, otherwise one round trip, which brings those
    /// of other threads as well.
    pub(crate) fn general(
        &mut self,
        id: TargetId,
        tid: Tid,
    ) -> Result<GeneralRegisters, PacketError> {
        let target = self.target(id)?;
        let thread = target.threads.get(&tid);
        if let Some(general) = thread.and_then(|thread| thread.general) {
            return Ok(general);
        }
        if thread.is_some_and(|thread| thread.is_running) {
            return Err(PacketError::Running);
        }
        self.fetch_registers(id, tid)?;
        let thread = self.target(id)?.threads.get(&tid);
        thread.and_then(|thread| thread.general).ok_or(PacketError::UnknownThread)
    }

    /// A thread's extended registers.
    ///
    /// **Cost**: none if they are known at this stop, otherwise one round trip, which brings those
    /// of other threads as well.
    pub(crate) fn extended(&mut self, id: TargetId, tid: Tid) -> Result<Vec<u8>, PacketError> {
        let target = self.target_mut(id)?;
        if tid == target.event_thread {
            target.habits.note_extended();
        }
        let thread = target.threads.get(&tid);
        if let Some(extended) = thread.and_then(|thread| thread.extended.clone()) {
            return Ok(extended);
        }
        self.fetch_registers(id, tid)?;
        let thread = self.target(id)?.threads.get(&tid);
        thread.and_then(|thread| thread.extended.clone()).ok_or(PacketError::UnknownThread)
    }

    /// Fetches all registers of a thread. If it is not the one that stopped, those of others come
    /// along, with names and the tops of stacks: whoever asks for a second thread shows all.
    fn fetch_registers(&mut self, id: TargetId, tid: Tid) -> Result<(), PacketError> {
        let target = self.target(id)?;
        let is_wanted = |(other, thread): &(&Tid, &Thread)| {
            **other != tid && thread.extended.is_none() && !thread.is_running
        };
        let behind = target.threads.range(tid..).filter(is_wanted);
        let before = target.threads.range(..tid).filter(is_wanted);
        let others = behind.chain(before).map(|(tid, _)| tid.value());
        let others = others.filter(|_| tid != target.event_thread).take(THREADS_AT_ONCE - 1);
        let request = ReadRegisters {
            target: id.value(),
            tids: std::iter::once(tid.value()).chain(others).collect(),
            extended: true,
            names: true,
            stack_len: STACK_LEN,
            ..ReadRegisters::default()
        };
        let (reply, stacks) = self.client.send(&request, Bytes::new()).wait()?;
        self.take_registers(id, reply.threads, &stacks)
    }

    /// Takes note of threads' registers, and what came with them.
    pub(crate) fn take_registers(
        &mut self,
        id: TargetId,
        threads: Vec<ThreadRegisters>,
        stacks: &[u8],
    ) -> Result<(), PacketError> {
        let arch = self.server.arch;
        let target = self.target_mut(id)?;
        let mut rest = stacks;
        for read in threads {
            let thread = target.threads.entry(Tid::new(read.tid)).or_default();
            thread.general = GeneralRegisters::from_values(arch, &read.general);
            thread.extended = Some(read.extended);
            thread.name = Some(read.name);
            let Some((stack, behind)) = rest.split_at_checked(read.stack_len as usize) else {
                continue;
            };
            rest = behind;
            if !target.is_running {
                target.memory.insert(Address::new(read.stack_start), stack);
            }
        }
        Ok(())
    }
}
