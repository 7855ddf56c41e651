//! Kinds of addresses as types: where something is in the running program, where its file says it
//! is, and the distance between the two. No arithmetic here can overflow silently. It knows nothing
//! of what lies at an address.

use std::fmt;

/// An address in a running program.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Address(u64);

/// An address as an ELF or DWARF file states it, before loading.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LinkAddress(u64);

/// What must be added to a [`LinkAddress`] of an image to get the [`Address`] it was loaded at.
///
/// Addition wraps, as the dynamic linker's does: an image linked high may be loaded low.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct LoadBias(u64);

impl Address {
    /// Address zero; never mapped in an ordinary Linux program.
    pub const ZERO: Address = Address(0);

    /// The address with this number.
    pub const fn new(value: u64) -> Address {
        Address(value)
    }

    /// The number, for wire and display.
    pub const fn value(self) -> u64 {
        self.0
    }

    /// `self + len_bytes`, or `None` past the end of the address space.
    pub fn checked_add(self, len_bytes: u64) -> Option<Address> {
        self.0.checked_add(len_bytes).map(Address)
    }

    /// `self - len_bytes`, or `None` below zero.
    pub fn checked_sub(self, len_bytes: u64) -> Option<Address> {
        self.0.checked_sub(len_bytes).map(Address)
    }

    /// `self + delta_bytes` modulo 2^64, as the CPU computes effective addresses.
    pub const fn wrapping_offset(self, delta_bytes: i64) -> Address {
        Address(self.0.wrapping_add_signed(delta_bytes))
    }

    /// How far `self` lies behind `start`, or `None` if it lies before it.
    pub fn offset_from(self, start: Address) -> Option<u64> {
        self.0.checked_sub(start.0)
    }

    /// The greatest multiple of `alignment` that is not above `self`. `alignment` is a power of
    /// two.
    pub const fn align_down(self, alignment: u64) -> Address {
        debug_assert!(alignment.is_power_of_two());
        Address(self.0 & !(alignment - 1))
    }

    /// Where this address lies in the file of an image loaded with `bias`.
    pub const fn to_link(self, bias: LoadBias) -> LinkAddress {
        LinkAddress(self.0.wrapping_sub(bias.0))
    }
}

impl LinkAddress {
    /// The link address with this number.
    pub const fn new(value: u64) -> LinkAddress {
        LinkAddress(value)
    }

    /// The number.
    pub const fn value(self) -> u64 {
        self.0
    }

    /// Where this address is in a program that loaded the image with `bias`.
    pub const fn to_address(self, bias: LoadBias) -> Address {
        Address(self.0.wrapping_add(bias.0))
    }

    /// How far `self` lies behind `start`, or `None` if it lies before it.
    pub fn offset_from(self, start: LinkAddress) -> Option<u64> {
        self.0.checked_sub(start.0)
    }
}

impl LoadBias {
    /// The bias of an image that lies where its file says.
    pub const NONE: LoadBias = LoadBias(0);

    /// The bias with this number.
    pub const fn new(value: u64) -> LoadBias {
        LoadBias(value)
    }

    /// The bias that puts `link` at `address`.
    pub const fn between(link: LinkAddress, address: Address) -> LoadBias {
        LoadBias(address.0.wrapping_sub(link.0))
    }

    /// The number.
    pub const fn value(self) -> u64 {
        self.0
    }
}

/// A half-open run of addresses, `start <= address < end`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct AddressRange {
    start: Address,
    end: Address,
}

impl AddressRange {
    /// `start..end`, or `None` if `end` lies before `start`.
    pub fn new(start: Address, end: Address) -> Option<AddressRange> {
        (start <= end).then_some(AddressRange { start, end })
    }

    /// `len_bytes` bytes from `start`, or `None` if they would pass the end of the address space.
    pub fn with_len(start: Address, len_bytes: u64) -> Option<AddressRange> {
        Some(AddressRange { start, end: start.checked_add(len_bytes)? })
    }

    /// The first address inside.
    pub const fn start(&self) -> Address {
        self.start
    }

    /// The first address behind.
    pub const fn end(&self) -> Address {
        self.end
    }

    /// How many bytes the range spans.
    pub const fn len_bytes(&self) -> u64 {
        self.end.0 - self.start.0
    }

    /// Whether the range spans nothing.
    pub const fn is_empty(&self) -> bool {
        self.start.0 == self.end.0
    }

    /// Whether `address` lies inside.
    pub fn contains(&self, address: Address) -> bool {
        self.start <= address && address < self.end
    }

    /// What both ranges span, or `None` if they share no byte.
    pub fn intersection(&self, other: &AddressRange) -> Option<AddressRange> {
        let start = self.start.max(other.start);
        let end = self.end.min(other.end);
        (start < end).then_some(AddressRange { start, end })
    }
}

/// WinDbg's form, sixteen digits with a grave accent between the halves: ``00007ffe`12345678``.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}`{:08x}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

impl fmt::LowerHex for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(&self.0, f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({:#x})", self.0)
    }
}

impl fmt::LowerHex for LinkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(&self.0, f)
    }
}

impl fmt::Debug for LinkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LinkAddress({:#x})", self.0)
    }
}

#[cfg(test)]
#[path = "address/tests.rs"]
mod tests;
