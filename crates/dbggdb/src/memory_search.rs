//! Packets that look through much memory and tell little of it: `qSearch` and `qCRC`.

use bytes::Bytes;
use dbgbase::{Address, TargetId};
use dbgwire::verbs::bulk::{PATTERN_LEN_MAX, SearchKind, SearchMemory};
use dbgwire::verbs::memory::{READ_LEN_MAX, Range, ReadMemory};

use crate::arguments::Arguments;
use crate::error::PacketError;
use crate::packet::unescape;
use crate::session::{Handled, Reply, Session};

/// How many reads are under way for a checksum.
const READS_AT_ONCE: usize = 4;

impl Session {
    /// `qSearch:memory:ADDRESS;LENGTH;PATTERN`
    ///
    /// **Cost**: one round trip for each 256 MiB that are searched.
    pub(crate) fn packet_search(&mut self, arguments: &[u8]) -> Handled {
        let mut arguments = Arguments::new(arguments);
        if arguments.until(b':') != b"memory" {
            return Ok(Reply::Unknown);
        }
        let address = arguments.address(b';')?;
        let len = arguments.number(b';', "a length was expected")?;
        let pattern = unescape(arguments.rest()).filter(|pattern| !pattern.is_empty());
        let pattern = pattern.ok_or(PacketError::Malformed("a pattern was expected"))?;
        if pattern.len() > PATTERN_LEN_MAX {
            let text = format!("patterns have at most {PATTERN_LEN_MAX} bytes");
            return Err(PacketError::Message(text));
        }
        let (id, _) = self.current()?;
        let end = address.value().saturating_add(len);
        let found = self.search(id, address.value(), end, &pattern)?;
        Ok(found.map_or(Reply::from("0"), |at| Reply::from(format!("1,{at:x}"))))
    }

    /// Where a pattern is first.
    fn search(
        &self,
        id: TargetId,
        start: u64,
        end: u64,
        pattern: &[u8],
    ) -> Result<Option<u64>, PacketError> {
        let mut start = start;
        // A server looks at so much, and says from where on it has not.
        while start < end {
            let request = SearchMemory {
                target: id.value(),
                start,
                end,
                kind: SearchKind::Pattern as i32,
                pattern: pattern.to_vec(),
                hits_max: 1,
                ..SearchMemory::default()
            };
            let reply = self.client.call(&request)?;
            if let Some(hit) = reply.hits.first() {
                return Ok(Some(*hit));
            }
            if reply.next <= start {
                break;
            }
            start = reply.next;
        }
        Ok(None)
    }

    /// `qCRC:ADDRESS,LENGTH`
    ///
    /// **Cost**: one round trip for each 16 MiB, and their bytes.
    pub(crate) fn packet_checksum(&mut self, arguments: &[u8]) -> Handled {
        let mut arguments = Arguments::new(arguments);
        let address = arguments.address(b',')?;
        let len = arguments.number(b',', "a length was expected")?;
        arguments.end()?;
        let (id, _) = self.current()?;
        let end = address.value().checked_add(len).ok_or(PacketError::Unreadable(address))?;
        let mut crc = u32::MAX;
        let mut at = address.value();
        let piece_len = u64::from(self.client.bulk_len_max(READ_LEN_MAX));
        while at < end {
            let mut pieces = Vec::new();
            while at < end && pieces.len() < READS_AT_ONCE {
                let len = piece_len.min(end - at);
                let ranges = vec![Range { address: at, len: len as u32 }];
                let request = ReadMemory { target: id.value(), ranges };
                pieces.push((at, len, self.client.send(&request, Bytes::new())));
                at += len;
            }
            for (start, len, pending) in pieces {
                let (_, bytes) = pending.wait()?;
                if (bytes.len() as u64) < len {
                    let first = Address::new(start.saturating_add(bytes.len() as u64));
                    return Err(PacketError::Unreadable(first));
                }
                crc = checksum(crc, &bytes);
            }
        }
        Ok(Reply::from(format!("C{crc:x}")))
    }
}

/// The protocol's checksum, carried on from `crc`: the polynomial of CRC-32, its highest bit first,
/// nothing turned over at the end (manual, "General Query Packets", `qCRC`).
fn checksum(crc: u32, bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    bytes.iter().fold(crc, |crc, byte| {
        let index = (crc >> 24) as u8 ^ byte;
        crc << 8 ^ TABLE.get(usize::from(index)).copied().unwrap_or(0)
    })
}

#[expect(clippy::indexing_slicing, reason = "checked when it is compiled")]
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = (index as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            let carry = value >> 31 == 1;
            value <<= 1;
            if carry {
                value ^= 0x04c1_1db7;
            }
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_field() {
        // The check value of CRC-32/MPEG-2.
        assert_eq!(checksum(u32::MAX, b"123456789"), 0x0376_e6e7);
        let halves = checksum(checksum(u32::MAX, b"1234"), b"56789");
        assert_eq!(halves, 0x0376_e6e7);
    }
}
