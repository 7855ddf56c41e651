//! `.eh_frame_hdr`: the linker's table of the functions in `.eh_frame`, sorted, so that nobody
//! needs to read the whole section to find one entry. It knows the one layout that all linkers
//! write.

use dbgbase::LinkAddress;

use crate::image::ImageBytes;

const HEADER_SIZE_BYTES: usize = 12;
const ROW_SIZE_BYTES: usize = 8;

/// Version 1; `.eh_frame` relative to its field, count as four bytes, rows of four-byte numbers
/// relative to the table.
const LAYOUT: [u8; 4] = [1, 0x1b, 0x03, 0x3b];

/// The table.
///
/// ```text
/// 0    1    2    3    4               8               12
/// +----+----+----+----+---------------+---------------+------------------------+----
/// |  1 | 1b | 03 | 3b | .eh_frame - 4 |     count     |  start - 0 | entry - 0 | ...
/// +----+----+----+----+---------------+---------------+------------------------+----
///  encodings            from this field                 from the table's start
/// ```
///
/// **Source**: Linux Standard Base Core 5.0, 10.6.2.
#[derive(Debug)]
pub(super) struct LinkerTable {
    address: LinkAddress,
    bytes: ImageBytes,
    eh_frame: LinkAddress,
    count: usize,
}

impl LinkerTable {
    /// The table at the start of `bytes`, which are loaded at `address`. `None` if the layout is
    /// another, or there are no rows.
    pub(super) fn new(address: LinkAddress, bytes: ImageBytes) -> Option<LinkerTable> {
        let slice = bytes.as_slice();
        if slice.get(..LAYOUT.len()) != Some(&LAYOUT) {
            return None;
        }
        let number = |at: usize| slice.get(at..)?.first_chunk().copied();
        let eh_frame = i64::from(i32::from_le_bytes(number(4)?));
        let eh_frame = LinkAddress::new(address.value().wrapping_add_signed(4 + eh_frame));
        let claimed = u32::from_le_bytes(number(8)?) as usize;
        let count = claimed.min(slice.len().checked_sub(HEADER_SIZE_BYTES)? / ROW_SIZE_BYTES);
        (count > 0).then_some(LinkerTable { address, bytes, eh_frame, count })
    }

    /// Where `.eh_frame` is loaded.
    pub(super) fn eh_frame(&self) -> LinkAddress {
        self.eh_frame
    }

    /// Where in `.eh_frame` the last entry is that begins at or before `address`.
    pub(super) fn entry_offset(&self, address: LinkAddress) -> Option<usize> {
        let rows = self.bytes.as_slice().get(HEADER_SIZE_BYTES..)?;
        let rows = rows.as_chunks::<ROW_SIZE_BYTES>().0.get(..self.count)?;
        let behind = rows.partition_point(|row| self.pointer(row, 0) <= Some(address));
        let row = rows.get(behind.checked_sub(1)?)?;
        let offset = self.pointer(row, 4)?.offset_from(self.eh_frame)?;
        usize::try_from(offset).ok()
    }

    fn pointer(&self, row: &[u8; ROW_SIZE_BYTES], at: usize) -> Option<LinkAddress> {
        let relative = i32::from_le_bytes(*row.get(at..)?.first_chunk()?);
        Some(LinkAddress::new(self.address.value().wrapping_add_signed(i64::from(relative))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: u64 = 0x2000;

    /// A table for functions at these addresses, whose entries are 0x20 bytes each.
    fn table(starts: &[i32], claimed: u32) -> Option<LinkerTable> {
        let mut bytes = LAYOUT.to_vec();
        bytes.extend(0x100i32.to_le_bytes());
        bytes.extend(claimed.to_le_bytes());
        for (index, start) in starts.iter().enumerate() {
            bytes.extend((start - AT as i32).to_le_bytes());
            bytes.extend((0x104 + 0x20 * index as i32).to_le_bytes());
        }
        LinkerTable::new(LinkAddress::new(AT), ImageBytes::from(bytes))
    }

    #[test]
    fn rows_are_found_by_address() {
        let table = table(&[0x1000, 0x1100, 0x3000], 3).expect("sound");
        assert_eq!(table.eh_frame(), LinkAddress::new(AT + 0x104));
        let entry = |address| table.entry_offset(LinkAddress::new(address));
        assert_eq!(entry(0xfff), None);
        assert_eq!(entry(0x1000), Some(0));
        assert_eq!(entry(0x10ff), Some(0));
        assert_eq!(entry(0x1100), Some(0x20));
        assert_eq!(entry(u64::MAX), Some(0x40));
    }

    #[test]
    fn a_count_beyond_the_bytes_is_not_believed() {
        let table = table(&[0x1000], u32::MAX).expect("one row is there");
        assert_eq!(table.entry_offset(LinkAddress::new(0x5000)), Some(0));
    }

    #[test]
    fn other_layouts_and_empty_tables_are_not_used() {
        assert!(table(&[], 0).is_none());
        assert!(table(&[0x1000], 0).is_none());
        let other = [1, 0x1b, 0x03, 0x3c, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let address = LinkAddress::new(AT);
        assert!(LinkerTable::new(address, ImageBytes::from(other.to_vec())).is_none());
        assert!(LinkerTable::new(address, ImageBytes::from(LAYOUT.to_vec())).is_none());
    }
}
