//! Where exceptions may take a function: the landing pads of its calls, as the table says that
//! personality routines of C++, Rust and others read (Itanium C++ ABI: Exception Handling, "The
//! exception handling table"; its bytes are as gcc lays them out). It does not know which
//! exceptions a pad takes, nor how one is thrown.
//!
//! ```text
//! u8 encoding of the base, FF: none   [base]
//! u8 encoding of the types, FF: none  [uleb128: where they end]
//! u8 encoding of the calls            uleb128: bytes of calls
//! calls: start, length, pad (each in that encoding), uleb128 action, 0: clean up
//! ```

use std::ops::Range;

use dbgbase::LinkAddress;
use gimli::{EndianSlice, LittleEndian, Reader as _};

use crate::Image;

type Reader<'a> = EndianSlice<'a, LittleEndian>;

/// Says that a value is not there (Linux Standard Base, "DWARF Exception Header Encoding").
const OMITTED: u8 = 0xff;

/// Calls, and where an exception that leaves them goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LandingPad {
    /// The calls: the instructions, not the return addresses.
    pub calls: Range<LinkAddress>,
    /// Where the function goes on, to clean up or to handle the exception.
    pub pad: LinkAddress,
    /// Whether it may pass exceptions by, as a handler does that is not for their type.
    pub is_selective: bool,
}

impl Image {
    /// The landing pads of the function around `address`, or of that part of it that the compiler
    /// laid there. Calls that exceptions pass without a stop are not among them.
    ///
    /// **Shape**: empty if no exception stops there; ends before what is damaged.
    pub fn landing_pads(&self, address: LinkAddress) -> Vec<LandingPad> {
        let Some(table) = self.call_frame_info().exception_table_at(address) else {
            return Vec::new();
        };
        let bytes = self.bytes_at(table.address);
        let bytes = bytes.as_ref().map(|bytes| Reader::new(bytes.as_slice(), LittleEndian));
        let mut pads = Vec::new();
        if let Some(bytes) = bytes {
            // What damage hides is not there.
            let _ = read(bytes, table.function, &mut pads);
        }
        pads
    }
}

fn read(
    mut bytes: Reader<'_>,
    function: LinkAddress,
    pads: &mut Vec<LandingPad>,
) -> gimli::Result<()> {
    // Compilers leave the base out: pads are counted from the function.
    let base = bytes.read_u8()?;
    if base != OMITTED {
        return Err(gimli::Error::UnsupportedPointerEncoding(gimli::DwEhPe(base)));
    }
    if bytes.read_u8()? != OMITTED {
        bytes.read_uleb128()?;
    }
    let encoding = gimli::DwEhPe(bytes.read_u8()?);
    let len = bytes.read_uleb128()?;
    let mut calls = bytes.split(usize::try_from(len).unwrap_or(usize::MAX))?;
    while !calls.is_empty() {
        let start = number(&mut calls, encoding)?;
        let len = number(&mut calls, encoding)?;
        let pad = number(&mut calls, encoding)?;
        let action = calls.read_uleb128()?;
        if pad != 0 {
            let at = |offset: u64| LinkAddress::new(function.value().wrapping_add(offset));
            pads.push(LandingPad {
                calls: at(start)..at(start.wrapping_add(len)),
                pad: at(pad),
                is_selective: action != 0,
            });
        }
    }
    Ok(())
}

fn number(bytes: &mut Reader<'_>, encoding: gimli::DwEhPe) -> gimli::Result<u64> {
    match encoding {
        gimli::DW_EH_PE_uleb128 => bytes.read_uleb128(),
        gimli::DW_EH_PE_udata2 => bytes.read_u16().map(u64::from),
        gimli::DW_EH_PE_udata4 | gimli::DW_EH_PE_sdata4 => bytes.read_u32().map(u64::from),
        gimli::DW_EH_PE_absptr | gimli::DW_EH_PE_udata8 => bytes.read_u64(),
        other => Err(gimli::Error::UnsupportedPointerEncoding(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pads(bytes: &[u8]) -> Vec<LandingPad> {
        let mut pads = Vec::new();
        let _ = read(Reader::new(bytes, LittleEndian), LinkAddress::new(0x1000), &mut pads);
        pads
    }

    fn pad(calls: Range<u64>, pad: u64, is_selective: bool) -> LandingPad {
        let calls = LinkAddress::new(calls.start)..LinkAddress::new(calls.end);
        LandingPad { calls, pad: LinkAddress::new(pad), is_selective }
    }

    #[test]
    fn calls_without_a_pad_are_left_out() {
        let table = [0xff, 0x9b, 0x15, 0x01, 0x08, 0x04, 0x05, 0x20, 0x01, 0x10, 0x05, 0x00, 0x00];
        assert_eq!(pads(&table), [pad(0x1004..0x1009, 0x1020, true)]);
        let table = [0xff, 0xff, 0x03, 0x0d, 2, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0];
        assert_eq!(pads(&table), [pad(0x1002..0x1003, 0x1009, false)]);
    }

    #[test]
    fn damage_ends_the_table() {
        let table = [0xff, 0xff, 0x01, 0x08, 0x04, 0x05, 0x20, 0x01, 0x80, 0x80, 0x80, 0x80];
        assert_eq!(pads(&table), [pad(0x1004..0x1009, 0x1020, true)]);
        for end in 0..8 {
            assert_eq!(pads(table.get(..end).unwrap_or_default()), [], "{end} bytes");
        }
        assert_eq!(pads(&[0x00, 0, 0, 0, 0]), []);
        assert_eq!(pads(&[0xff, 0xff, 0x55, 4, 1, 1, 1, 1]), []);
    }
}
