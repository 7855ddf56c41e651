//! What must hold for any bytes whatever that a target has where an image or the dynamic linker's
//! lists should be: nothing panics, and nobody reads for ever. Tests replay made inputs and
//! mutations through this; a fuzz target compiles this very file.

use std::cell::Cell;

use dbgbase::{Address, ReadMemory, Unreadable};

use super::linker;
use crate::ptrace::elf::MappedImage;

/// Where the bytes begin.
const BASE: u64 = 0x5555_5555_4000;
/// More reads than an image and lists of any kind need.
const READS_MAX: u32 = 100_000;

/// Bytes at [`BASE`], and how often they were read.
struct Bytes<'a> {
    bytes: &'a [u8],
    reads: Cell<u32>,
}

impl ReadMemory for Bytes<'_> {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<usize, Unreadable> {
        self.reads.set(self.reads.get() + 1);
        assert!(self.reads.get() <= READS_MAX, "too much is read");
        assert!(buffer.len() <= 64 * 1024, "{} bytes in one read", buffer.len());
        let start = address.offset_from(Address::new(BASE)).and_then(|at| usize::try_from(at).ok());
        let there = start.and_then(|start| self.bytes.get(start..)).unwrap_or_default();
        let count = there.len().min(buffer.len());
        if count == 0 && !buffer.is_empty() {
            return Err(Unreadable { address });
        }
        buffer[..count].copy_from_slice(&there[..count]);
        Ok(count)
    }
}

/// Memory that holds an image, or not.
pub(crate) fn check_image(bytes: &[u8]) {
    let memory = Bytes { bytes, reads: Cell::new(0) };
    let base = Address::new(BASE);
    let Some(image) = MappedImage::at(&memory, base) else { return };
    let _ = (image.bias(), image.span(), image.code_end(base), image.dynamic_value(21));
    assert!(image.build_id().len() <= 64);
    let _ = (image.dynamic_symbol(b"_r_debug"), image.dynamic_symbol(b""));
}

/// Memory that holds the dynamic linker's `struct r_debug`, or not.
pub(crate) fn check_lists(bytes: &[u8]) {
    let memory = Bytes { bytes, reads: Cell::new(0) };
    let base = Address::new(BASE);
    let _ = (linker::is_whole(base, &memory), linker::notify(base, &memory));
    assert!(linker::loaded(base, &memory).len() <= bytes.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changes some bytes to such as are at the edges of something.
    fn mutate(bytes: &mut [u8], random: &mut fastrand::Rng) {
        for _ in 0..random.usize(..12) {
            let at = random.usize(..bytes.len());
            bytes[at] = random.choice([0, 1, 4, 8, 0x40, 0x7f, 0x80, 0xff]).expect("some");
        }
    }

    #[test]
    fn images_of_any_kind_are_survived() {
        let own = std::env::current_exe().and_then(std::fs::read).expect("our own program");
        let mut random = fastrand::Rng::with_seed(1);
        let head = &own[..own.len().min(16 * 1024)];
        check_image(head);
        for _ in 0..2000 {
            let mut bytes = head.to_vec();
            // The header and the table behind it decide.
            mutate(&mut bytes[..1024], &mut random);
            bytes.truncate(random.usize(1..bytes.len()));
            check_image(&bytes);
        }
    }

    #[test]
    fn lists_of_any_kind_are_survived() {
        let mut random = fastrand::Rng::with_seed(2);
        for _ in 0..500 {
            // Pointers into the bytes themselves, so that the walks get far.
            let words = random.usize(6..256);
            let word = |random: &mut fastrand::Rng| match random.u8(..8) {
                0 => 0,
                1 => random.u64(..),
                _ => BASE + 8 * random.u64(..words as u64),
            };
            let mut bytes: Vec<u8> =
                (0..words).flat_map(|_| word(&mut random).to_le_bytes()).collect();
            bytes[0] = 2;
            bytes[1..4].fill(0);
            check_lists(&bytes);
            mutate(&mut bytes, &mut random);
            check_lists(&bytes);
        }
    }
}
