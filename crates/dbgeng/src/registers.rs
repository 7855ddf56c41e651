//! Registers of a debuggee's threads, kept for the present stop. It knows how to fetch and store
//! them through a client; it does not know which thread anyone means.

mod extended;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use dbgbase::x86_64::extended::{ExtendedRegister, ExtendedValue};
use dbgbase::x86_64::xsave::XsaveLayout;
use dbgbase::{Arch, GeneralRegisters, RegisterId, TargetId, Tid};
use dbgwire::verbs::registers::{
    ExtendedPatch, ReadRegisters, ReadRegistersReply, RegisterValue, ThreadRegisters,
    WriteRegisters,
};

pub use extended::ExtendedRegisters;

use crate::client::Client;
use crate::{Error, ErrorKind};

/// The registers of one debuggee's threads, as far as they are known at the present stop.
#[derive(Debug)]
pub(crate) struct Registers {
    target: TargetId,
    arch: Arch,
    known: RefCell<HashMap<Tid, GeneralRegisters>>,
    extended: RefCell<HashMap<Tid, ExtendedRegisters>>,
}

impl Registers {
    /// Nothing known.
    pub(crate) fn new(target: TargetId, arch: Arch) -> Registers {
        Registers { target, arch, known: RefCell::default(), extended: RefCell::default() }
    }

    /// Forgets everything: the debuggee runs, or stands still anew.
    pub(crate) fn clear(&self) {
        self.known.borrow_mut().clear();
        self.extended.borrow_mut().clear();
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

    /// A thread's extended registers.
    ///
    /// `threads` are those of the process. Who asks for a second thread is likely to ask for the
    /// others, too.
    ///
    /// **Errors**: `NoSuchThread`, or those of the connection.
    /// **Cost**: none if they are known; else one round trip for the first thread of a stop, and
    /// for the second one more, and again one for some 4 MiB of registers, after which those of all
    /// threads are known.
    pub(crate) fn read_extended(
        &self,
        client: &Client,
        layout: &Arc<XsaveLayout>,
        tid: Tid,
        threads: impl Iterator<Item = Tid>,
    ) -> Result<ExtendedRegisters, Error> {
        let known = || self.extended.borrow().get(&tid).cloned();
        if let Some(registers) = known() {
            return Ok(registers);
        }
        let is_first = self.extended.borrow().is_empty();
        let others = threads.filter(|other| {
            !is_first && *other != tid && !self.extended.borrow().contains_key(other)
        });
        let mut tids: Vec<u32> = std::iter::once(tid).chain(others).map(Tid::value).collect();
        loop {
            let reply = client.call(&self.question(tids.clone()))?;
            self.keep_all(&reply);
            self.keep_extended(layout, &reply);
            // A server that sends nothing more would be asked for ever.
            let last = reply.threads.last().filter(|_| reply.more).map(|thread| thread.tid);
            let Some(last) = last else { break };
            let Some(position) = tids.iter().position(|tid| *tid == last) else { break };
            tids.drain(..=position);
            if tids.is_empty() {
                break;
            }
        }
        let ended = || Error::new(ErrorKind::NoSuchThread, format!("thread {tid} has ended"));
        known().ok_or_else(ended)
    }

    /// Writes an extended register and reads back what came of it.
    ///
    /// **Errors**: `NotFound` for a register the machine does not have; `ServerRefused` for a value
    /// that cannot be; those of the connection.
    /// **Cost**: one round trip; for MMX registers as [`Registers::read_extended`] in addition.
    pub(crate) fn write_extended(
        &self,
        client: &Client,
        layout: &Arc<XsaveLayout>,
        tid: Tid,
        register: ExtendedRegister,
        value: &ExtendedValue,
    ) -> Result<(), Error> {
        let known = match register.needs_area() {
            true => Some(self.read_extended(client, layout, tid, std::iter::empty())?),
            false => None,
        };
        let area = known.as_ref().map_or(&[][..], ExtendedRegisters::area);
        let patches = register.patches(layout, area, value);
        if patches.is_empty() {
            let message = format!("the server's machine has no register {}", register.name());
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        let patch = |(offset, bytes)| ExtendedPatch { offset, bytes };
        let write = WriteRegisters {
            target: self.target.value(),
            tid: tid.value(),
            extended: patches.into_iter().map(patch).collect(),
            ..WriteRegisters::default()
        };
        let written = client.send(&write, Bytes::new());
        let read = client.send(&self.question(vec![tid.value()]), Bytes::new());
        self.extended.borrow_mut().remove(&tid);
        written.wait()?;
        let (reply, _) = read.wait()?;
        self.keep_all(&reply);
        self.keep_extended(layout, &reply);
        Ok(())
    }

    /// The request for everything that these threads have.
    fn question(&self, tids: Vec<u32>) -> ReadRegisters {
        let target = self.target.value();
        ReadRegisters { target, tids, extended: true, debug: true, ..ReadRegisters::default() }
    }

    fn keep_extended(&self, layout: &Arc<XsaveLayout>, reply: &ReadRegistersReply) {
        let mut kept = self.extended.borrow_mut();
        for thread in &reply.threads {
            let (area, debug) = (thread.extended.clone(), thread.debug.clone());
            let registers = ExtendedRegisters::new(Arc::clone(layout), area, debug);
            kept.insert(Tid::new(thread.tid), registers);
        }
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
