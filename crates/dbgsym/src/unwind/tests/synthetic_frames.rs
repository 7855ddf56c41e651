//! Images with call frame information written byte by byte, and memory made of words.

use dbgbase::{Address, Arch, LinkAddress, ReadMemory, Unreadable};

use crate::Image;
use crate::synthetic::SyntheticElf;

/// What all entries of an image have in common.
pub(super) struct Cie {
    pub(super) arch: Arch,
    pub(super) is_signal_frame: bool,
    pub(super) return_address: u8,
    pub(super) instructions: &'static [u8],
}

impl Cie {
    /// CFA is rsp+8, the return address is at CFA-8.
    pub(super) fn x86_64() -> Cie {
        let instructions = &[0x0c, 7, 8, 0x90, 1];
        Cie { arch: Arch::X86_64, is_signal_frame: false, return_address: 16, instructions }
    }

    /// CFA is sp, the return address is in x30.
    pub(super) fn aarch64() -> Cie {
        let instructions = &[0x0c, 31, 0];
        Cie { arch: Arch::Aarch64, is_signal_frame: false, return_address: 30, instructions }
    }

    /// ```text
    /// length 4 | id 0, 4 | version 1 | "z" or "zS" | code factor 1 | data factor -8
    /// return address register | augmentation length 0 | instructions | nops
    /// ```
    fn bytes(&self) -> Vec<u8> {
        let augmentation: &[u8] = if self.is_signal_frame { b"zS\0" } else { b"z\0" };
        let mut body = vec![0, 0, 0, 0, 1];
        body.extend_from_slice(augmentation);
        body.extend([1, 0x78, self.return_address, 0]);
        body.extend_from_slice(self.instructions);
        with_length(body)
    }
}

/// Puts the length before an entry and fills it up with nops.
fn with_length(mut body: Vec<u8>) -> Vec<u8> {
    body.resize((body.len() + 4).next_multiple_of(8) - 4, 0);
    let mut entry = (body.len() as u32).to_le_bytes().to_vec();
    entry.extend(body);
    entry
}

/// An image whose `.eh_frame` has an entry for each function: offset in `.text`, size,
/// instructions. Also says where `.text` lies.
pub(super) fn frames_image(cie: &Cie, functions: &[(u64, u64, &[u8])]) -> (Image, LinkAddress) {
    let mut elf = SyntheticElf::new(cie.arch);
    let text = elf.section(".text", &[0x90; 0x200]);
    let mut eh_frame = cie.bytes();
    for (offset, size, instructions) in functions {
        // The pointer to the CIE counts back from itself.
        let mut body = (eh_frame.len() as u32 + 4).to_le_bytes().to_vec();
        body.extend((text.value() + offset).to_le_bytes());
        body.extend(size.to_le_bytes());
        body.push(0);
        body.extend_from_slice(instructions);
        eh_frame.extend(with_length(body));
    }
    elf.section(".eh_frame", &eh_frame);
    (elf.image(), text)
}

/// Memory that consists of a few areas.
pub(super) struct Memory(Vec<(u64, Vec<u8>)>);

impl Memory {
    /// Words from `start` on.
    pub(super) fn words(start: u64, words: &[u64]) -> Memory {
        Memory(vec![(start, words.iter().flat_map(|word| word.to_le_bytes()).collect())])
    }

    pub(super) fn add(&mut self, start: u64, bytes: &[u8]) {
        self.0.push((start, bytes.to_vec()));
    }

    fn byte(&self, address: u64) -> Option<u8> {
        self.0.iter().find_map(|(start, bytes)| {
            bytes.get(usize::try_from(address.checked_sub(*start)?).ok()?).copied()
        })
    }
}

impl ReadMemory for Memory {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<usize, Unreadable> {
        let mut count = 0;
        for slot in buffer.iter_mut() {
            match self.byte(address.value().wrapping_add(count as u64)) {
                Some(byte) => *slot = byte,
                None if count == 0 => return Err(Unreadable { address }),
                None => break,
            }
            count += 1;
        }
        Ok(count)
    }
}
