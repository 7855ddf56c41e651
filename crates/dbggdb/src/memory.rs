//! Packets that read and write memory. What is read once at a stop is kept until the target runs,
//! and more is fetched than was asked for, as the next question is likely near.

use std::collections::BTreeSet;

use bytes::Bytes;
use dbgbase::{Address, TargetId};
use dbgwire::verbs::memory::{RANGES_MAX, Range, ReadMemory, WriteMemory};

use crate::arguments::Arguments;
use crate::dialect::Dialect;
use crate::error::PacketError;
use crate::hex;
use crate::memory_cache::{Lookup, PAGE_LEN};
use crate::packet::{PACKET_LEN_MAX, escape_into, unescape};
use crate::session::{Handled, Reply, Session};
use crate::target::Target;

/// How far from its stack pointer a thread's frames are looked for.
const STACK_LEN_MAX: u64 = 1024 * 1024;
/// How much one packet reads at most: digits must fit into a packet.
const READ_LEN_MAX: u64 = PACKET_LEN_MAX as u64 / 2;

impl Session {
    /// `m ADDRESS,LENGTH`
    pub(crate) fn packet_read_memory(&mut self, arguments: &[u8]) -> Handled {
        let bytes = self.read_packet(arguments)?;
        Ok(Reply::from(hex::encode(&bytes)))
    }

    /// `x ADDRESS,LENGTH`: a `b` and the bytes, as the feature `binary-upload` has it. LLDB before
    /// version 21 does not know the feature and wants no `b`; it asks first, with a length of 0,
    /// whether the packet is known.
    pub(crate) fn packet_read_memory_binary(&mut self, arguments: &[u8]) -> Handled {
        if self.dialogue.dialect == Dialect::Lldb && arguments.ends_with(b",0") {
            self.dialogue.bare_bytes = true;
            return Ok(Reply::Ok);
        }
        let bytes = self.read_packet(arguments)?;
        let mut payload = if self.dialogue.bare_bytes { Vec::new() } else { b"b".to_vec() };
        escape_into(&mut payload, &bytes);
        Ok(Reply::Payload(payload))
    }

    fn read_packet(&mut self, arguments: &[u8]) -> Result<Vec<u8>, PacketError> {
        let mut arguments = Arguments::new(arguments);
        let address = arguments.address(b',')?;
        let len = arguments.number(b',', "a length was expected")?.min(READ_LEN_MAX);
        arguments.end()?;
        let (id, _) = self.current()?;
        let bytes = self.read_memory(id, address, len)?;
        let is_nothing = bytes.is_empty() && len > 0;
        if is_nothing { Err(PacketError::Unreadable(address)) } else { Ok(bytes) }
    }

    /// `M ADDRESS,LENGTH:DIGITS`
    pub(crate) fn packet_write_memory(&mut self, arguments: &[u8]) -> Handled {
        let mut arguments = Arguments::new(arguments);
        let address = arguments.address(b',')?;
        let len = arguments.number(b':', "a length was expected")?;
        let bytes = hex::bytes(arguments.rest()).filter(|bytes| bytes.len() as u64 == len);
        self.write_packet(address, bytes)
    }

    /// `X ADDRESS,LENGTH:BYTES`. With no bytes it asks whether the packet is known.
    pub(crate) fn packet_write_memory_binary(&mut self, arguments: &[u8]) -> Handled {
        let mut arguments = Arguments::new(arguments);
        let address = arguments.address(b',')?;
        let len = arguments.number(b':', "a length was expected")?;
        let bytes = unescape(arguments.rest()).filter(|bytes| bytes.len() as u64 == len);
        self.write_packet(address, bytes)
    }

    fn write_packet(&mut self, address: Address, bytes: Option<Vec<u8>>) -> Handled {
        let bytes = bytes.ok_or(PacketError::Malformed("not as many bytes as it says"))?;
        if !bytes.is_empty() {
            let (id, _) = self.current()?;
            self.write_memory(id, address, bytes)?;
        }
        Ok(Reply::Ok)
    }

    /// The head of a range that can be read.
    ///
    /// **Cost**: none for what is known at this stop, otherwise one round trip.
    pub(crate) fn read_memory(
        &mut self,
        id: TargetId,
        address: Address,
        len: u64,
    ) -> Result<Vec<u8>, PacketError> {
        if self.target(id)?.is_running {
            return self.read_afresh(id, address, len);
        }
        self.overview(id)?;
        self.note_read(id, address, len)?;
        // Windows of a stop may know a piece in the middle: then there are several fetches.
        loop {
            let target = self.target(id)?;
            let missing = match target.memory.get(address, len) {
                Lookup::Known(bytes) => return Ok(bytes),
                Lookup::Missing(missing) => missing,
            };
            if target.is_known_gap(missing) {
                self.target_mut(id)?.memory.insert_hole(missing);
                continue;
            }
            let end = address.value().saturating_add(len);
            self.fetch_memory(id, missing, end - missing.value())?;
        }
    }

    /// Takes note of a read, for the stops to come.
    fn note_read(&mut self, id: TargetId, address: Address, len: u64) -> Result<(), PacketError> {
        let target = self.target_mut(id)?;
        let depth = depth(target, address);
        let event_thread = target.threads.get(&target.event_thread);
        let Some(general) = event_thread.and_then(|thread| thread.general) else { return Ok(()) };
        let own = address.offset_from(general.sp());
        match depth {
            Some(depth) if own != Some(depth) => target.habits.note_other_stack(depth + len),
            _ => target.habits.note_read(address, len, general.sp(), general.pc()),
        }
        Ok(())
    }

    /// Reads what may change at any time.
    fn read_afresh(
        &mut self,
        id: TargetId,
        address: Address,
        len: u64,
    ) -> Result<Vec<u8>, PacketError> {
        let range = Range { address: address.value(), len: len as u32 };
        let request = ReadMemory { target: id.value(), ranges: vec![range] };
        let (reply, tail) = self.client.send(&request, Bytes::new()).wait()?;
        let count = reply.lengths.first().copied().unwrap_or(0) as usize;
        Ok(tail.get(..count).unwrap_or(&tail).to_vec())
    }

    /// Fetches whole pages from `address` on. Of a thread's stack, the same part of all stacks that
    /// are known comes along: who looks at one looks at all.
    fn fetch_memory(
        &mut self,
        id: TargetId,
        address: Address,
        len: u64,
    ) -> Result<(), PacketError> {
        let target = self.target(id)?;
        let needed = pages(address, len);
        let mut welcome = BTreeSet::new();
        if let Some(depth) = depth(target, address) {
            for thread in target.threads.values().filter_map(|thread| thread.general) {
                let same = thread.sp().checked_add(depth);
                let is_missing = |address: &Address| {
                    matches!(target.memory.get(*address, 1), Lookup::Missing(_))
                };
                let missing = same.filter(is_missing);
                welcome.extend(missing.into_iter().flat_map(|address| pages(address, len)));
            }
        }
        let range = |page: &u64| Range { address: *page, len: PAGE_LEN as u32 };
        let pages = needed.iter().chain(welcome.difference(&needed));
        let ranges: Vec<Range> = pages.take(RANGES_MAX).map(range).collect();
        let request = ReadMemory { target: id.value(), ranges: ranges.clone() };
        let (reply, tail) = self.client.send(&request, Bytes::new()).wait()?;
        let target = self.target_mut(id)?;
        target.take_memory(&ranges, &reply.lengths, &tail);
        if target.memory.get(address, 1) == Lookup::Missing(address) {
            // The reply does not say: an answer is better than asking for ever.
            target.memory.insert_hole(address);
        }
        Ok(())
    }

    /// Writes bytes, also into pages that the program may not write.
    ///
    /// **Cost**: one round trip.
    pub(crate) fn write_memory(
        &mut self,
        id: TargetId,
        address: Address,
        bytes: Vec<u8>,
    ) -> Result<(), PacketError> {
        let len = bytes.len() as u64;
        let request = WriteMemory { target: id.value(), address: address.value() };
        // A write into what a device or another process shares may change more than these bytes.
        self.target_mut(id)?.memory.clear();
        let (reply, _) = self.client.send(&request, Bytes::from(bytes)).wait()?;
        if u64::from(reply.written) < len {
            let at = address.value().saturating_add(u64::from(reply.written));
            return Err(PacketError::Unwritable(Address::new(at)));
        }
        Ok(())
    }
}

/// The pages of a range, and one more.
fn pages(address: Address, len: u64) -> BTreeSet<u64> {
    let first = address.value() / PAGE_LEN;
    let last = address.value().saturating_add(len.max(1) - 1) / PAGE_LEN;
    (first..=last.saturating_add(1)).filter_map(|page| page.checked_mul(PAGE_LEN)).collect()
}

/// How deep in the stack of a thread an address lies, if it does.
fn depth(target: &Target, address: Address) -> Option<u64> {
    let threads = target.threads.values().filter_map(|thread| thread.general);
    let depths = threads.filter_map(|general| address.offset_from(general.sp()));
    depths.min().filter(|depth| *depth < STACK_LEN_MAX)
}
