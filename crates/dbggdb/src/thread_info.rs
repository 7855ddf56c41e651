//! What LLDB is told of threads beside the stop itself: all of them with their names, registers and
//! reasons, in stop replies and in answer to its packets.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use bytes::Bytes;
use dbgbase::{Address, TargetId, Tid};
use dbgwire::verbs::registers::ReadRegisters;
use serde_json::{Map, Value, json};

use crate::dialect::Dialect;
use crate::error::PacketError;
use crate::hex;
use crate::memory_cache::Lookup;
use crate::packet::{PACKET_LEN_MAX, escape_into};
use crate::registers::STACK_LEN;
use crate::report::{News, Report};
use crate::session::{Handled, Reply, Session};
use crate::target::{Target, Thread};

/// How many frames of a chain of frame pointers go with a stop.
const CHAIN_LEN: usize = 32;
/// A frame pointer's room: the caller's frame pointer and the return address.
const LINK_LEN: u64 = 16;

impl Session {
    /// `jThreadsInfo`
    ///
    /// **Shape**: of more threads than fit with their registers none are told; they are asked for
    /// one by one then.
    /// **Cost**: none behind a stop reply that listed threads, otherwise one round trip.
    pub(crate) fn packet_threads_info(&mut self, _: &[u8]) -> Handled {
        let (id, _) = self.current()?;
        self.know_threads_wholly(id)?;
        let target = self.target(id)?;
        let document = |has_registers: bool| {
            let object = |(tid, thread): (&Tid, &Thread)| {
                self.thread_object(target, *tid, thread, has_registers)
            };
            let objects: Value = target.threads.iter().map(object).collect();
            let mut payload = Vec::new();
            escape_into(&mut payload, objects.to_string().as_bytes());
            payload
        };
        let payload = document(true);
        let fits = payload.len() <= PACKET_LEN_MAX;
        Ok(Reply::Payload(if fits { payload } else { document(false) }))
    }

    /// `jThreadExtendedInfo:OBJECT`: queues and activities, which Linux's threads have not.
    pub(crate) fn packet_thread_extended(&mut self, _: &[u8]) -> Handled {
        Ok(Reply::Unknown)
    }

    /// `qThreadStopInfoTID`: the stop reply of one thread, as if the stop were its own.
    ///
    /// **Cost**: as `jThreadsInfo`.
    pub(crate) fn packet_thread_stop(&mut self, arguments: &[u8]) -> Handled {
        let (id, tid) = self.thread(arguments)?;
        self.know_threads_wholly(id)?;
        let target = self.target(id)?;
        if !target.threads.contains_key(&tid) {
            return Err(PacketError::UnknownThread);
        }
        let own = target.last_report.clone().filter(|report| report.tid == tid);
        let report = own.unwrap_or(Report { pid: target.pid, tid, news: News::Stopped(None) });
        Ok(Reply::Payload(self.stop_reply(&report)))
    }

    /// What LLDB is told with a stop beside it: the thread's name, all threads with the
    /// instructions they are at, the reasons of those that have one, and the stack's chain of
    /// frames.
    ///
    /// **Cost**: none; what is not known is not told.
    pub(crate) fn stop_details(&self, report: &Report) -> String {
        let target = self.targets.values().find(|target| target.pid == report.pid);
        let Some(target) = target.filter(|_| self.dialogue.dialect == Dialect::Lldb) else {
            return String::new();
        };
        let mut text = String::new();
        let thread = target.threads.get(&report.tid);
        if let Some(name) = thread.and_then(|thread| thread.name.as_deref()) {
            let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"#$%&*;:}".contains(&byte);
            if !name.is_empty() && name.bytes().all(is_plain) {
                let _ = write!(text, "name:{name};");
            } else {
                let _ = write!(text, "hexname:{};", hex::encode(name.as_bytes()));
            }
        }
        if self.dialogue.threads_in_stop_reply {
            self.list_threads(&mut text, target, report.tid);
        }
        if let Some(general) = thread.and_then(|thread| thread.general.as_ref()) {
            let frame = Address::new(general.get(general.arch().fp()));
            chain(&mut text, target, frame);
        }
        text
    }

    fn list_threads(&self, text: &mut String, target: &Target, event: Tid) {
        let tids: Vec<String> = target.threads.keys().map(|tid| format!("{tid:x}")).collect();
        let _ = write!(text, "threads:{};", tids.join(","));
        let pc = |thread: &Thread| {
            thread.general.as_ref().map(|general| format!("{:016x}", general.pc().value()))
        };
        let pcs: Option<Vec<String>> = target.threads.values().map(pc).collect();
        if let Some(pcs) = pcs {
            let _ = write!(text, "thread-pcs:{};", pcs.join(","));
        }
        if let Some(thread) = target.threads.get(&event)
            && target.threads.len() > 1
        {
            let threads = json!([self.thread_object(target, event, thread, false)]);
            let _ = write!(text, "jstopinfo:{};", hex::encode(threads.to_string().as_bytes()));
        }
    }

    /// A thread as a JSON object.
    fn thread_object(
        &self,
        target: &Target,
        tid: Tid,
        thread: &Thread,
        has_registers: bool,
    ) -> Value {
        let mut members = Map::new();
        let mut add = |key: &str, value: Value| members.insert(key.to_owned(), value);
        add("tid", tid.value().into());
        if let Some(name) = &thread.name {
            add("name", name.as_str().into());
        }
        if let Some(report) = target.last_report.as_ref().filter(|report| report.tid == tid) {
            add("signal", report.signal_number(&self.dialogue).into());
            if let Some((reason, description)) = report.lldb_reason() {
                add("reason", reason.into());
                if !description.is_empty() {
                    add("description", description.into());
                }
            }
        }
        if let Some(general) = thread.general.as_ref().filter(|_| has_registers) {
            let description = &self.server.description;
            let registers = description.registers().iter().filter_map(|register| {
                let bytes = description.read(register, general, &[])?;
                Some((register.number.to_string(), Value::from(hex::encode(&bytes))))
            });
            add("registers", registers.collect());
        }
        members.into()
    }

    /// Makes sure that all threads are known with their names and general registers. The tops of
    /// their stacks come with them.
    ///
    /// **Cost**: none if they are known at this stop, otherwise one round trip, and one more the
    /// first time.
    pub(crate) fn know_threads_wholly(&mut self, id: TargetId) -> Result<(), PacketError> {
        self.overview(id)?;
        let target = self.target_mut(id)?;
        target.habits.note_threads();
        let is_known = |thread: &Thread| thread.name.is_some() && thread.general.is_some();
        if target.is_running || (target.knows_threads && target.threads.values().all(is_known)) {
            return Ok(());
        }
        let request = ReadRegisters {
            target: id.value(),
            extended: true,
            names: true,
            stack_len: STACK_LEN,
            ..ReadRegisters::default()
        };
        let (reply, tail) = self.client.send(&request, Bytes::new()).wait()?;
        let target = self.target_mut(id)?;
        if !reply.more {
            let tids: BTreeSet<u32> = reply.threads.iter().map(|read| read.tid).collect();
            target.threads.retain(|tid, _| tids.contains(&tid.value()));
            target.knows_threads = true;
        }
        self.take_registers(id, reply.threads, &tail)?;
        // Of more threads than one reply holds the registers are asked for when they matter.
        if reply.more { self.know_threads(id) } else { Ok(()) }
    }
}

/// Writes the memory that a chain of frame pointers goes through, as far as it is known.
fn chain(text: &mut String, target: &Target, first: Address) {
    let mut at = first;
    for _ in 0..CHAIN_LEN {
        let Lookup::Known(bytes) = target.memory.get(at, LINK_LEN) else { return };
        let Some((next, _)) = bytes.split_first_chunk::<8>() else { return };
        if bytes.len() as u64 != LINK_LEN {
            return;
        }
        let _ = write!(text, "memory:0x{:x}={};", at.value(), hex::encode(&bytes));
        let next = Address::new(u64::from_le_bytes(*next));
        // Stacks grow downwards: what points elsewhere is no frame of a caller.
        if next <= at {
            return;
        }
        at = next;
    }
}
