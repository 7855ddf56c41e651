//! Registers of a debuggee's threads, kept for the present stop. It knows how to fetch and store
//! them through a client; it does not know which thread anyone means.

use std::cell::RefCell;
use std::collections::HashMap;

use bytes::Bytes;
use dbgbase::{Arch, GeneralRegisters, RegisterId, TargetId, Tid};
use dbgwire::verbs::registers::{
    ReadRegisters, ReadRegistersReply, RegisterValue, ThreadRegisters, WriteRegisters,
};

use crate::client::Client;
use crate::{Error, ErrorKind};

/// The registers of one debuggee's threads, as far as they are known at the present stop.
#[derive(Debug)]
pub(crate) struct Registers {
    target: TargetId,
    arch: Arch,
    known: RefCell<HashMap<Tid, GeneralRegisters>>,
}

impl Registers {
    /// Nothing known.
    pub(crate) fn new(target: TargetId, arch: Arch) -> Registers {
        Registers { target, arch, known: RefCell::default() }
    }

    /// Forgets everything: the debuggee runs, or stands still anew.
    pub(crate) fn clear(&self) {
        self.known.borrow_mut().clear();
    }

    /// Keeps what the server told of a thread. Values that are too few or too many are not kept.
    pub(crate) fn keep(&self, tid: Tid, values: &[u64]) {
        if let Some(registers) = GeneralRegisters::from_values(self.arch, values) {
            self.known.borrow_mut().insert(tid, registers);
        }
    }

    /// A thread's registers if they are known.
    ///
    /// **Cost**: none.
    pub(crate) fn known(&self, tid: Tid) -> Option<GeneralRegisters> {
        self.known.borrow().get(&tid).copied()
    }

    /// A thread's registers.
    ///
    /// **Errors**: `NoSuchThread`, or those of the connection.
    /// **Cost**: none if they are known, else one round trip, after which those of all threads are.
    pub(crate) fn read(&self, client: &Client, tid: Tid) -> Result<GeneralRegisters, Error> {
        if let Some(registers) = self.known(tid) {
            return Ok(registers);
        }
        let all = ReadRegisters { target: self.target.value(), ..ReadRegisters::default() };
        let reply = client.call(&all)?;
        self.keep_all(&reply);
        self.known(tid).ok_or_else(|| self.missing(tid, &reply))
    }

    /// Writes one register and reads back what the kernel made of it.
    ///
    /// **Errors**: `NotFound` for a register the CPU does not have; those of the connection.
    /// **Cost**: one round trip.
    pub(crate) fn write(
        &self,
        client: &Client,
        tid: Tid,
        id: RegisterId,
        value: u64,
    ) -> Result<(), Error> {
        let (Some(_), Ok(register)) = (self.arch.describe(id), u32::try_from(id.index())) else {
            let message = format!("{} has no register {}", self.arch.name(), id.index());
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        let (target, tid_number) = (self.target.value(), tid.value());
        let values = vec![RegisterValue { register, value }];
        let write = WriteRegisters { target, tid: tid_number, values, ..WriteRegisters::default() };
        let ask = ReadRegisters { target, tids: vec![tid_number], ..ReadRegisters::default() };
        let written = client.send(&write, Bytes::new());
        let read = client.send(&ask, Bytes::new());
        self.known.borrow_mut().remove(&tid);
        written.wait()?;
        self.keep_all(&read.wait()?.0);
        Ok(())
    }

    fn keep_all(&self, reply: &ReadRegistersReply) {
        for ThreadRegisters { tid, general, .. } in &reply.threads {
            self.keep(Tid::new(*tid), general);
        }
    }

    /// Why a thread's registers are not in the server's reply.
    fn missing(&self, tid: Tid, reply: &ReadRegistersReply) -> Error {
        match reply.threads.iter().find(|thread| thread.tid == tid.value()) {
            None => Error::new(ErrorKind::NoSuchThread, format!("thread {tid} has ended")),
            Some(thread) => Error::new(
                ErrorKind::Internal,
                format!(
                    "the server sent {} registers of thread {tid}; {} has {}",
                    thread.general.len(),
                    self.arch.name(),
                    self.arch.general_registers().len()
                ),
            ),
        }
    }
}
