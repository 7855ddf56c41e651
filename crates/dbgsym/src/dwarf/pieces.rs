//! Where an object is: in memory, in registers, in pieces of both, only as a value, or nowhere. It
//! reads an object's bytes from there; it knows neither expressions nor types.

use std::fmt;

use dbgbase::Address;

use super::frame_context::FrameContext;
use super::unit::EntryId;

/// Objects that are read at once are not larger.
const OBJECT_SIZE_MAX_BYTES: u64 = 1 << 26;

/// Where a piece of an object is (DWARF 5, 2.6.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Location {
    /// In memory, from this address on.
    Memory(Address),
    /// In the register with this DWARF number, from its lowest bit on.
    Register(u16),
    /// Nowhere, but its value is known: its bytes, lowest first. It may be shorter than the piece;
    /// the rest is zero.
    Value(Vec<u8>),
    /// It is a pointer into an object that is nowhere, but that can be described: the entry of the
    /// object and how far into it the pointer points (DWARF 5, 2.6.1.1.4).
    ImplicitPointer {
        /// The object that is pointed to.
        target: EntryId,
        /// How many bytes behind its start.
        byte_offset: i64,
    },
    /// Nowhere, and its value is unknown.
    OptimisedOut,
}

/// A run of bits of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    /// How many bits; `None` if the piece is the whole object.
    pub size_bits: Option<u64>,
    /// How many bits of the location come before it.
    pub skipped_bits: u64,
    /// Where it is.
    pub location: Location,
}

/// Where an object is: its pieces, lowest bits first. Never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    pieces: Vec<Piece>,
}

/// The bytes of an object, as far as they are known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectBytes {
    /// The bytes; those that are unknown are zero.
    pub bytes: Vec<u8>,
    /// For each byte, which of its bits are known.
    pub known: Vec<u8>,
}

impl ObjectBytes {
    /// Whether all bits are known.
    pub fn is_complete(&self) -> bool {
        self.known.iter().all(|mask| *mask == 0xff)
    }

    /// Whether no bit is known, although there are some.
    pub fn is_unknown(&self) -> bool {
        !self.known.is_empty() && self.known.iter().all(|mask| *mask == 0)
    }
}

/// Why the place of an object, or its bytes, cannot be told. That it was optimised out is none of
/// these.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LocateError {
    /// The debugging information is damaged.
    Damaged,
    /// It asks for what is not supported: numbers of 16 bytes on the expression's stack, other
    /// address spaces.
    Unsupported,
    /// An expression takes too many steps, or an object is too large to be read at once.
    TooLong,
    /// The frame's value of a register is not known; its number in DWARF.
    UnknownRegister(u16),
    /// Memory cannot be read.
    Unreadable(Address),
    /// The canonical frame address is not known.
    NoCanonicalFrameAddress,
    /// What a parameter was at the function's entry is needed, and the caller does not tell.
    NoEntryValue,
    /// Where this thread has the module's variables is not known.
    NoThreadLocalStorage,
}

impl fmt::Display for LocateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LocateError::Damaged => write!(f, "the debugging information is damaged"),
            LocateError::Unsupported => write!(f, "its location needs what is not supported"),
            LocateError::TooLong => write!(f, "its location takes too many steps"),
            LocateError::UnknownRegister(number) => {
                write!(f, "register {number} of DWARF is not known in this frame")
            }
            LocateError::Unreadable(address) => write!(f, "memory at {address} cannot be read"),
            LocateError::NoCanonicalFrameAddress => write!(f, "the frame could not be unwound"),
            LocateError::NoEntryValue => write!(f, "the caller does not tell what it passed"),
            LocateError::NoThreadLocalStorage => {
                write!(f, "the thread's storage for the module is not known")
            }
        }
    }
}

impl std::error::Error for LocateError {}

impl Place {
    /// From pieces, lowest first. Without any, the object was optimised out.
    pub fn new(pieces: Vec<Piece>) -> Place {
        if pieces.is_empty() { Place::from(Location::OptimisedOut) } else { Place { pieces } }
    }

    /// Its pieces, lowest bits first. At least one.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The one location that has the whole object. `None` if it is in pieces.
    pub fn whole(&self) -> Option<&Location> {
        match self.pieces.as_slice() {
            [Piece { size_bits: None, location, .. }] => Some(location),
            _ => None,
        }
    }

    /// Its address, if the object lies in memory in one piece.
    pub fn address(&self) -> Option<Address> {
        match self.whole() {
            Some(Location::Memory(address)) => Some(*address),
            _ => None,
        }
    }

    /// Whether nothing of the object is left.
    pub fn is_optimised_out(&self) -> bool {
        self.pieces.iter().all(|piece| piece.location == Location::OptimisedOut)
    }

    /// Reads the object, which has `size_bytes` bytes.
    ///
    /// **Shape**: what was optimised out, and pointers to what was, are unknown bits of the result.
    /// **Errors**: [`LocateError::UnknownRegister`], [`LocateError::Unreadable`],
    /// [`LocateError::TooLong`] for objects of more than 64 MiB.
    pub fn read(
        &self,
        frame: &dyn FrameContext,
        size_bytes: u64,
    ) -> Result<ObjectBytes, LocateError> {
        if size_bytes > OBJECT_SIZE_MAX_BYTES {
            return Err(LocateError::TooLong);
        }
        let size = usize::try_from(size_bytes).map_err(|_| LocateError::TooLong)?;
        let mut object = ObjectBytes { bytes: vec![0; size], known: vec![0; size] };
        let size_bits = size_bytes.saturating_mul(8);
        let mut done_bits = 0;
        for piece in &self.pieces {
            let left = size_bits.saturating_sub(done_bits);
            if left == 0 {
                break;
            }
            let wanted = piece.size_bits.unwrap_or(left).min(left);
            // A member without bits is a piece as well.
            if wanted == 0 {
                continue;
            }
            if let Some(bytes) = piece.bytes(frame, wanted)? {
                let skipped = piece.skipped_bits % 8;
                object.put(done_bits, &bytes, skipped, wanted);
            }
            done_bits = done_bits.saturating_add(wanted);
        }
        Ok(object)
    }
}

impl From<Location> for Place {
    fn from(location: Location) -> Place {
        Place { pieces: vec![Piece { size_bits: None, skipped_bits: 0, location }] }
    }
}

impl Piece {
    /// The bytes that hold the piece's first `size_bits` bits, from the byte with its first bit on.
    /// `None` if it is unknown.
    fn bytes(
        &self,
        frame: &dyn FrameContext,
        size_bits: u64,
    ) -> Result<Option<Vec<u8>>, LocateError> {
        let first_byte = self.skipped_bits / 8;
        let count = (self.skipped_bits % 8).saturating_add(size_bits).div_ceil(8);
        let count = usize::try_from(count).map_err(|_| LocateError::TooLong)?;
        // What lies behind a register's or value's end is zero.
        let part_of = |all: &[u8]| {
            let start = usize::try_from(first_byte).unwrap_or(usize::MAX);
            let rest = all.get(start..).unwrap_or_default();
            let mut part = rest.get(..count).unwrap_or(rest).to_vec();
            part.resize(count, 0);
            part
        };
        match &self.location {
            Location::Memory(start) => {
                let start = start.wrapping_offset(first_byte as i64);
                let mut bytes = vec![0; count];
                read_all(frame, start, &mut bytes)?;
                Ok(Some(bytes))
            }
            Location::Register(number) => {
                let value = frame.register(*number);
                let value = value.ok_or(LocateError::UnknownRegister(*number))?;
                Ok(Some(part_of(value.as_slice())))
            }
            Location::Value(value) => Ok(Some(part_of(value))),
            Location::ImplicitPointer { .. } | Location::OptimisedOut => Ok(None),
        }
    }
}

/// Reads all of `buffer`.
pub(super) fn read_all(
    frame: &dyn FrameContext,
    address: Address,
    buffer: &mut [u8],
) -> Result<(), LocateError> {
    let count = match frame.memory().read(address, buffer) {
        Ok(count) => count,
        Err(unreadable) => return Err(LocateError::Unreadable(unreadable.address)),
    };
    if count < buffer.len() {
        return Err(LocateError::Unreadable(address.wrapping_offset(count as i64)));
    }
    Ok(())
}

impl ObjectBytes {
    /// Puts `count` bits of `source`, from bit `source_at` on, to bit `at`.
    fn put(&mut self, at: u64, source: &[u8], source_at: u64, count: u64) {
        let byte = |bit: u64| usize::try_from(bit / 8).unwrap_or(usize::MAX);
        if at.is_multiple_of(8) && source_at == 0 && count.is_multiple_of(8) {
            let (start, len) = (byte(at), byte(count));
            let end = start.saturating_add(len);
            let target = self.bytes.get_mut(start..end);
            if let (Some(target), Some(source)) = (target, source.get(..len)) {
                target.copy_from_slice(source);
                if let Some(known) = self.known.get_mut(start..end) {
                    known.fill(0xff);
                }
            }
            return;
        }
        for index in 0..count {
            let (from, to) = (source_at + index, at + index);
            let Some(source) = source.get(byte(from)) else { return };
            let value = source >> (from % 8) & 1;
            if let Some(target) = self.bytes.get_mut(byte(to)) {
                *target |= value << (to % 8);
            }
            if let Some(known) = self.known.get_mut(byte(to)) {
                *known |= 1 << (to % 8);
            }
        }
    }
}

#[cfg(test)]
#[path = "pieces/tests.rs"]
mod tests;
