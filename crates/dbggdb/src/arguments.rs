//! A packet's arguments, taken one after the other. It knows separators and numbers, no packet.
//! Pure.

use dbgbase::Address;

use crate::error::PacketError;
use crate::hex;

/// What is left of a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arguments<'a> {
    rest: &'a [u8],
}

impl<'a> Arguments<'a> {
    /// The arguments in these bytes.
    pub(crate) fn new(rest: &'a [u8]) -> Arguments<'a> {
        Arguments { rest }
    }

    /// What has not been taken.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Takes what stands before the next `separator`, and the separator; without one, everything.
    pub(crate) fn until(&mut self, separator: u8) -> &'a [u8] {
        match self.rest.iter().position(|byte| *byte == separator) {
            Some(at) => {
                let (taken, rest) = self.rest.split_at(at);
                self.rest = rest.get(1..).unwrap_or_default();
                taken
            }
            None => std::mem::take(&mut self.rest),
        }
    }

    /// Takes a hex number that ends at `separator` or with the packet.
    ///
    /// **Errors**: it is none; `what` says what was expected.
    pub(crate) fn number(&mut self, separator: u8, what: &'static str) -> Result<u64, PacketError> {
        hex::number(self.until(separator)).ok_or(PacketError::Malformed(what))
    }

    /// Takes an address that ends at `separator` or with the packet.
    ///
    /// **Errors**: it is none.
    pub(crate) fn address(&mut self, separator: u8) -> Result<Address, PacketError> {
        self.number(separator, "an address was expected").map(Address::new)
    }

    /// Takes bytes, written as hex digits, that end at `separator` or with the packet.
    ///
    /// **Errors**: they are none; `what` says what was expected.
    pub(crate) fn bytes(
        &mut self,
        separator: u8,
        what: &'static str,
    ) -> Result<Vec<u8>, PacketError> {
        hex::bytes(self.until(separator)).ok_or(PacketError::Malformed(what))
    }

    /// Makes sure that nothing is left.
    ///
    /// **Errors**: something is.
    pub(crate) fn end(&self) -> Result<(), PacketError> {
        let more = PacketError::Malformed("there is more than was expected");
        if self.rest.is_empty() { Ok(()) } else { Err(more) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_come_one_after_the_other() {
        let mut arguments = Arguments::new(b"7fff0000,4:0102;x");
        assert_eq!(arguments.address(b',').ok(), Some(Address::new(0x7fff_0000)));
        assert_eq!(arguments.number(b':', "a length").ok(), Some(4));
        assert_eq!(arguments.bytes(b';', "bytes").ok(), Some(vec![1, 2]));
        assert_eq!(arguments.rest(), b"x");
        assert!(arguments.end().is_err());
        assert_eq!(arguments.until(b','), b"x");
        assert!(arguments.end().is_ok());
        assert!(arguments.number(b',', "a number").is_err());
    }
}
