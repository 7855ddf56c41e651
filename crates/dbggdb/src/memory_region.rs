//! LLDB's question what lies at an address: a mapping, or the gap between two.

use std::fmt::Write as _;

use dbgwire::verbs::memory::Region;

use crate::arguments::Arguments;
use crate::hex;
use crate::session::{Handled, Reply, Session};

impl Session {
    /// `qMemoryRegionInfo:ADDRESS`
    ///
    /// **Cost**: none if the regions are known at this stop, otherwise one round trip.
    pub(crate) fn packet_memory_region(&mut self, arguments: &[u8]) -> Handled {
        let mut arguments = Arguments::new(arguments);
        let address = arguments.address(b';')?;
        arguments.end()?;
        let (id, _) = self.current()?;
        Ok(Reply::from(describe(self.regions(id)?, address.value())))
    }
}

/// The region that an address is in; a gap begins at the address itself.
fn describe(regions: &[Region], address: u64) -> String {
    let next = regions.get(regions.partition_point(|region| region.end <= address));
    let Some(region) = next.filter(|region| region.start <= address) else {
        let end = next.map_or(u64::MAX, |region| region.start);
        return format!("start:{address:x};size:{:x};", end - address);
    };
    let mut text = format!("start:{:x};size:{:x};", region.start, region.end - region.start);
    let may = |bit: u32, letter| if region.protection & bit == 0 { "" } else { letter };
    let _ = write!(text, "permissions:{}{}{};", may(1, "r"), may(2, "w"), may(4, "x"));
    if !region.name.is_empty() {
        let _ = write!(text, "name:{};", hex::encode(&region.name));
    }
    text.push_str(match &*region.name {
        b"[stack]" => "type:stack;",
        b"[heap]" => "type:heap;",
        _ => "",
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(start: u64, end: u64, protection: u32, name: &[u8]) -> Region {
        Region { start, end, protection, offset: 0, name: name.to_vec() }
    }

    #[test]
    fn mappings_and_gaps_are_told() {
        let regions = [
            region(0x1000, 0x3000, 5, b"/a"),
            region(0x3000, 0x4000, 0, b""),
            region(0x8000, 0x9000, 3, b"[stack]"),
        ];
        assert_eq!(describe(&regions, 0), "start:0;size:1000;");
        assert_eq!(describe(&regions, 0x1000), "start:1000;size:2000;permissions:rx;name:2f61;");
        assert_eq!(describe(&regions, 0x2fff), "start:1000;size:2000;permissions:rx;name:2f61;");
        assert_eq!(describe(&regions, 0x3000), "start:3000;size:1000;permissions:;");
        assert_eq!(describe(&regions, 0x4001), "start:4001;size:3fff;");
        let stack = "start:8000;size:1000;permissions:rw;name:5b737461636b5d;type:stack;";
        assert_eq!(describe(&regions, 0x8123), stack);
        assert_eq!(describe(&regions, 0x9000), "start:9000;size:ffffffffffff6fff;");
        assert_eq!(describe(&regions, u64::MAX), "start:ffffffffffffffff;size:0;");
        assert_eq!(describe(&[], 0), "start:0;size:ffffffffffffffff;");
    }
}
