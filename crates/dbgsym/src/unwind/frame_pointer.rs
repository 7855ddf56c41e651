//! The chain of frame pointers: the last resort. Functions that keep a frame pointer store their
//! caller's where it points, with the return address above it; the two CPUs agree. A function that
//! keeps none is skipped together with its caller, and nothing shows it.

use dbgbase::{Address, ReadMemory, read_u64};

use super::return_address::is_return_address;
use super::{Frame, FramePc, Locate, StackEnd, UnwindMethod, Unwound};

/// Frames are not larger; what lies further away is another stack, that of whoever made this one.
const FRAME_LEN_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// ```text
///        fp ──► +0   caller's frame pointer
///               +8   return address
///       CFA ──► +16
/// ```
///
/// **Source**: System V psABI for AMD64, 3.2.2; AAPCS64, 6.4.6.
pub(super) fn unwind(
    frame: &Frame,
    locate: &Locate<'_>,
    memory: &dyn ReadMemory,
) -> Result<Unwound, StackEnd> {
    let arch = frame.registers.arch();
    let nothing = StackEnd::NoUnwindInformation { pc: frame.pc.address() };
    let fp = frame.registers.fp().ok_or(nothing)?;
    let sp = frame.registers.sp().ok_or(nothing)?;
    // A caller's is what its callee found and kept; the innermost function may compute with it.
    if fp == Address::ZERO && matches!(frame.pc, FramePc::ReturnAddress(_)) {
        return Err(StackEnd::Outermost);
    }
    // The register may hold anything in code that keeps no frame pointer.
    let is_near = fp.offset_from(sp).is_some_and(|above| above < FRAME_LEN_MAX_BYTES);
    if !is_near || !fp.value().is_multiple_of(arch.pointer_size_bytes()) {
        return Err(nothing);
    }
    let saved = |offset: i64| read_u64(memory, fp.wrapping_offset(offset)).map_err(|_| nothing);
    let (caller_fp, pc) = (saved(0)?, Address::new(saved(8)?));
    if pc == Address::ZERO {
        return Err(StackEnd::ZeroReturnAddress);
    }
    if !is_return_address(arch, pc, locate, memory) {
        return Err(nothing);
    }
    let cfa = fp.wrapping_offset(16);
    // Without unwind information nobody knows which preserved registers were saved, and where.
    let mut registers = frame.registers.thread_wide();
    registers.set(arch.fp(), Some(caller_fp));
    registers.set(arch.sp(), Some(cfa.value()));
    registers.set(arch.pc(), Some(pc.value()));
    Ok(Unwound {
        cfa,
        is_signal_frame: false,
        caller: Frame {
            pc: FramePc::ReturnAddress(pc),
            registers,
            cfa: None,
            method: UnwindMethod::FramePointer,
            is_signal_frame: false,
        },
    })
}
