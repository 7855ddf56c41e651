//! Packets that read and write memory. What is read once at a stop is kept until the target runs,
//! and more is fetched than was asked for, as the next question is likely near.

use bytes::Bytes;
use dbgbase::{Address, TargetId};
use dbgwire::verbs::memory::{Range, ReadMemory, WriteMemory};

use crate::arguments::Arguments;
use crate::dialect::Dialect;
use crate::error::PacketError;
use crate::hex;
use crate::memory_cache::{Lookup, PAGE_LEN};
use crate::packet::{PACKET_LEN_MAX, escape_into, unescape};
use crate::session::{Handled, Reply, Session};

/// How much is fetched at least.
const FETCH_LEN_MIN: u64 = 2 * PAGE_LEN;
/// How much one packet reads at most: digits must fit into a packet.
const READ_LEN_MAX: u64 = PACKET_LEN_MAX as u64 / 2;

impl Session {
    /// `m ADDRESS,LENGTH`
    pub(crate) fn packet_read_memory(&mut self, arguments: &[u8]) -> Handled {
        let bytes = self.read_packet(arguments)?;
        Ok(Reply::from(hex::encode(&bytes)))
    }

    /// `x ADDRESS,LENGTH`: GDB wants a `b` before the bytes, LLDB does not, and asks with a length
    /// of 0 whether the packet is known.
    pub(crate) fn packet_read_memory_binary(&mut self, arguments: &[u8]) -> Handled {
        let is_lldb = self.dialogue.dialect == Dialect::Lldb && !self.dialogue.binary_upload;
        if is_lldb && arguments.ends_with(b",0") {
            return Ok(Reply::Ok);
        }
        let bytes = self.read_packet(arguments)?;
        let mut payload = if is_lldb { Vec::new() } else { b"b".to_vec() };
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
        // Windows of a stop may know a piece in the middle: then there are several fetches.
        loop {
            let target = self.target(id)?;
            let missing = match target.memory.get(address, len) {
                Lookup::Known(bytes) => return Ok(bytes),
                Lookup::Missing(missing) => missing,
            };
            let end = address.value().saturating_add(len);
            self.fetch_memory(id, missing, end - missing.value())?;
        }
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

    /// Fetches whole pages from `address` on.
    fn fetch_memory(
        &mut self,
        id: TargetId,
        address: Address,
        len: u64,
    ) -> Result<(), PacketError> {
        let start = address.align_down(PAGE_LEN);
        let end = address.value().saturating_add(len.max(1)).saturating_add(PAGE_LEN - 1);
        let end = Address::new(end).align_down(PAGE_LEN).value();
        let len = end.saturating_sub(start.value()).max(FETCH_LEN_MIN);
        let mut at = start.value();
        let mut ranges = Vec::new();
        // A range for each page: what lies behind a hole is read as well.
        while at - start.value() < len {
            ranges.push(Range { address: at, len: PAGE_LEN as u32 });
            let Some(next) = at.checked_add(PAGE_LEN) else { break };
            at = next;
        }
        let request = ReadMemory { target: id.value(), ranges: ranges.clone() };
        let (reply, tail) = self.client.send(&request, Bytes::new()).wait()?;
        let target = self.target_mut(id)?;
        let mut rest = &*tail;
        for (range, count) in ranges.iter().zip(&reply.lengths) {
            let Some((bytes, behind)) = rest.split_at_checked(*count as usize) else { break };
            rest = behind;
            if bytes.is_empty() {
                target.memory.insert_hole(Address::new(range.address));
            } else {
                target.memory.insert(Address::new(range.address), bytes);
            }
        }
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
