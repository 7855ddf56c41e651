//! Whether a number may be a return address, for the ways of unwinding that guess: the bytes before
//! it must be a call, or it must be a signal trampoline, which the kernel makes handlers return to.
//! Also: code bytes for such questions, from the image before the target.

use dbgbase::{Address, Arch, LinkAddress, LoadBias, ReadMemory};

use super::{Locate, signal_frame};
use crate::Image;

/// The longest x86-64 call through memory: a prefix, an opcode, ModRM, SIB and four bytes.
const CALL_LEN_MAX_BYTES: usize = 8;

/// Up to `len_max_bytes` of code at `address`. The image has the program's own bytes, without a
/// round trip; memory is asked where there is no image, as for generated code.
pub(super) fn code_at(
    address: Address,
    len_max_bytes: usize,
    locate: &Locate<'_>,
    memory: &dyn ReadMemory,
) -> Vec<u8> {
    if let Some(bytes) = locate(address).and_then(|found| image_code(found, address)) {
        let slice = bytes.as_slice();
        return slice.get(..len_max_bytes).unwrap_or(slice).to_vec();
    }
    let mut code = vec![0; len_max_bytes];
    let len = memory.read(address, &mut code).unwrap_or(0);
    code.truncate(len);
    code
}

fn image_code(found: (&Image, LoadBias), address: Address) -> Option<crate::ImageBytes> {
    let (image, bias) = found;
    let link: LinkAddress = address.to_link(bias);
    let is_code = image.segments().iter().any(|segment| {
        let inside = link.offset_from(segment.address);
        segment.is_executable && inside.is_some_and(|inside| inside < segment.size_bytes)
    });
    is_code.then(|| image.bytes_at(link)).flatten()
}

/// Whether a function may return to `address`.
pub(super) fn is_return_address(
    arch: Arch,
    address: Address,
    locate: &Locate<'_>,
    memory: &dyn ReadMemory,
) -> bool {
    follows_call(arch, address, locate, memory)
        || signal_frame::is_trampoline(arch, address, locate, memory)
}

/// Whether a call before `address` may have gone anywhere: one through a register or memory. x86-64
/// only.
pub(super) fn follows_indirect_call(
    address: Address,
    locate: &Locate<'_>,
    memory: &dyn ReadMemory,
) -> bool {
    code_before(address, locate, memory).is_some_and(|before| ends_with_indirect_call(&before))
}

/// The bytes that a call before `address` would be in.
fn code_before(
    address: Address,
    locate: &Locate<'_>,
    memory: &dyn ReadMemory,
) -> Option<[u8; CALL_LEN_MAX_BYTES]> {
    let start = address.checked_sub(CALL_LEN_MAX_BYTES as u64)?;
    code_at(start, CALL_LEN_MAX_BYTES, locate, memory).first_chunk().copied()
}

fn follows_call(
    arch: Arch,
    address: Address,
    locate: &Locate<'_>,
    memory: &dyn ReadMemory,
) -> bool {
    let Some(before) = code_before(address, locate, memory) else { return false };
    match arch {
        Arch::X86_64 => ends_with_x86_call(&before),
        Arch::Aarch64 => before.last_chunk().is_some_and(|word| {
            let instruction = u32::from_le_bytes(*word);
            // BL, and BLR with its authenticating variants (Arm ARM, C6.2).
            instruction & 0xfc00_0000 == 0x9400_0000 || instruction & 0xfeff_f000 == 0xd63f_0000
        }),
        _ => false,
    }
}

/// `e8 rel32` (Intel SDM volume 2, CALL), or an indirect call.
fn ends_with_x86_call(bytes: &[u8; CALL_LEN_MAX_BYTES]) -> bool {
    bytes.get(CALL_LEN_MAX_BYTES - 5) == Some(&0xe8) || ends_with_indirect_call(bytes)
}

/// `ff /2` with its operand ending where the bytes end (Intel SDM volume 2, CALL).
///
/// ```text
///  ff      ModRM         SIB if rm = 4    displacement
/// +----+---+-----+----+ +-------------+ +----------------------------+
/// | ff |mod|  2  | rm | |             | | none, 1 or 4 bytes, by mod |
/// +----+---+-----+----+ +-------------+ +----------------------------+
/// ```
fn ends_with_indirect_call(bytes: &[u8; CALL_LEN_MAX_BYTES]) -> bool {
    (2..CALL_LEN_MAX_BYTES).any(|len| {
        let tail = bytes.get(CALL_LEN_MAX_BYTES - len..);
        let Some([0xff, modrm, rest @ ..]) = tail else {
            return false;
        };
        let (mode, operation, base) = (modrm >> 6, modrm >> 3 & 7, modrm & 7);
        let sib = (mode != 3 && base == 4).then(|| rest.first().copied().unwrap_or(0));
        let displacement = match mode {
            0 if base == 5 || sib.is_some_and(|sib| sib & 7 == 5) => 4,
            1 => 1,
            2 => 4,
            _ => 0,
        };
        operation == 2 && rest.len() == usize::from(sib.is_some()) + displacement
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn padded(call: &[u8]) -> [u8; CALL_LEN_MAX_BYTES] {
        let mut bytes = [0x90; CALL_LEN_MAX_BYTES];
        bytes[CALL_LEN_MAX_BYTES - call.len()..].copy_from_slice(call);
        bytes
    }

    #[test]
    fn every_form_of_call_is_known() {
        for call in [
            &[0xe8, 1, 2, 3, 4][..],                   // call rel32
            &[0xff, 0xd0],                             // call rax
            &[0x41, 0xff, 0xd3],                       // call r11
            &[0xff, 0x10],                             // call [rax]
            &[0xff, 0x14, 0x24],                       // call [rsp]
            &[0xff, 0x50, 0x18],                       // call [rax+18h]
            &[0xff, 0x54, 0xc3, 8],                    // call [rbx+rax*8+8]
            &[0xff, 0x15, 1, 2, 3, 4],                 // call [rip+...]
            &[0xff, 0x90, 0, 1, 0, 0],                 // call [rax+100h]
            &[0xff, 0x14, 0xc5, 0, 0, 0, 0],           // call [rax*8+...]
            &[0x41, 0xff, 0x94, 0xc4, 1, 2, 3, 4][..], // call [r12+rax*8+...]
        ] {
            assert!(ends_with_x86_call(&padded(call)), "{call:x?}");
        }
    }

    #[test]
    fn other_instructions_are_none() {
        for code in [
            &[0xff, 0xe0][..],         // jmp rax
            &[0xff, 0x25, 1, 2, 3, 4], // jmp [rip+...]
            &[0xff, 0x75, 8],          // push [rbp+8]
            &[0xc3],                   // ret
            &[0xe9, 1, 2, 3, 4],       // jmp rel32
            &[0x0f, 0x05],             // syscall
        ] {
            assert!(!ends_with_x86_call(&padded(code)), "{code:x?}");
        }
    }
}
