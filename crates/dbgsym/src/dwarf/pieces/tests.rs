//! Objects in pieces, bit by bit.

use dbgbase::{Address, LoadBias, ReadMemory, Unreadable};

use super::super::frame_context::{Caller, FrameContext, RegisterValue};
use super::*;

/// Memory whose bytes are the low bytes of their addresses; registers that repeat their number.
struct Plain;

impl ReadMemory for Plain {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<usize, Unreadable> {
        if address.value() >= 0x1000 {
            return Err(Unreadable { address });
        }
        let readable = buffer.len().min((0x1000 - address.value()) as usize);
        for (index, byte) in buffer.iter_mut().take(readable).enumerate() {
            *byte = (address.value() as usize + index) as u8;
        }
        Ok(readable)
    }
}

impl FrameContext for Plain {
    fn register(&self, dwarf: u16) -> Option<RegisterValue> {
        (dwarf < 16).then(|| RegisterValue::new(&[dwarf as u8 * 0x11; 8]))
    }

    fn cfa(&self) -> Option<Address> {
        None
    }

    fn memory(&self) -> &dyn ReadMemory {
        self
    }

    fn bias(&self) -> LoadBias {
        LoadBias::NONE
    }

    fn thread_local(&self, _: u64) -> Option<Address> {
        None
    }

    fn caller(&self) -> Option<Caller<'_>> {
        None
    }
}

fn piece(size_bits: u64, skipped_bits: u64, location: Location) -> Piece {
    Piece { size_bits: Some(size_bits), skipped_bits, location }
}

#[test]
fn whole_objects_are_read_from_memory_registers_and_values() {
    let read = |location, size| Place::from(location).read(&Plain, size);
    let bytes = |location, size| read(location, size).expect("all is known").bytes;
    assert_eq!(bytes(Location::Memory(Address::new(0x10)), 3), [0x10, 0x11, 0x12]);
    assert_eq!(bytes(Location::Register(3), 2), [0x33, 0x33]);
    // What a value does not have is zero.
    assert_eq!(bytes(Location::Value(vec![7]), 4), [7, 0, 0, 0]);
    assert_eq!(read(Location::Register(16), 2), Err(LocateError::UnknownRegister(16)));
    let cut = read(Location::Memory(Address::new(0xffe)), 4);
    assert_eq!(cut, Err(LocateError::Unreadable(Address::new(0x1000))));
    let gone = read(Location::OptimisedOut, 4).expect("that nothing is known is known");
    assert!(gone.is_unknown() && !gone.is_complete());
    assert_eq!(read(Location::Register(3), u64::MAX), Err(LocateError::TooLong));
}

#[test]
fn pieces_follow_each_other_bit_by_bit() {
    let place = Place::new(vec![
        piece(8, 0, Location::Memory(Address::new(0xab))),
        piece(0, 0, Location::OptimisedOut),
        piece(4, 4, Location::Value(vec![0x5a])),
        piece(12, 0, Location::Value(vec![0xcd, 0x0f])),
        piece(8, 0, Location::OptimisedOut),
        piece(16, 8, Location::Register(2)),
    ]);
    assert_eq!(place.address(), None);
    assert!(!place.is_optimised_out());
    let object = place.read(&Plain, 6).expect("it can be read");
    assert_eq!(object.bytes, [0xab, 0xd5, 0xfc, 0, 0x22, 0x22]);
    assert_eq!(object.known, [0xff, 0xff, 0xff, 0, 0xff, 0xff]);
    // Pieces may describe more than the object has, or less.
    assert_eq!(place.read(&Plain, 2).expect("it can be read").bytes, [0xab, 0xd5]);
    let longer = place.read(&Plain, 8).expect("it can be read");
    assert_eq!(longer.known, [0xff, 0xff, 0xff, 0, 0xff, 0xff, 0, 0]);
}

#[test]
fn an_object_without_pieces_was_optimised_out() {
    let place = Place::new(Vec::new());
    assert!(place.is_optimised_out());
    assert_eq!(place.pieces().len(), 1);
}
