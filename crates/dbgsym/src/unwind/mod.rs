//! From a frame to its caller: where the caller goes on, and the values its registers had. It reads
//! images and a target's memory through [`ReadMemory`]; it knows no threads and no names.
//!
//! [`walk`] finds all frames of a stack, [`unwind_frame`] one caller. Ways are tried from the most
//! to the least certain, and the result says which one was taken:
//!
//! 1. call frame information (`cfi.rs`), what compilers write down for exactly this purpose;
//! 2. the kernel's signal frame (`signal_frame.rs`), where a trampoline has none;
//! 3. what the function's first instructions do to the stack (`prologue.rs`);
//! 4. the chain of frame pointers (`frame_pointer.rs`).

mod cfi;
mod frame_pointer;
mod landing;
mod prologue;
mod registers;
mod return_address;
mod signal_frame;

use std::fmt;

use dbgbase::{Address, GeneralRegisters, LoadBias, ReadMemory, RegisterId, Unreadable};

use crate::Image;

pub(crate) use cfi::CallFrameInfo;
pub use cfi::FrameAddressRule;
pub use landing::LandingPad;
pub use registers::FrameRegisters;

/// Finds the image that an address lies in, and the bias it was loaded with.
pub type Locate<'a> = dyn Fn(Address) -> Option<(&'a Image, LoadBias)> + 'a;

/// Where a frame stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FramePc {
    /// At the next instruction to be executed: the innermost frame, frames that a signal
    /// interrupted, and signal trampolines, which made no call either.
    Exact(Address),
    /// Where the frame will go on when its callee returns. The call is the instruction before it.
    ReturnAddress(Address),
}

impl FramePc {
    /// Where execution goes on.
    pub fn address(self) -> Address {
        match self {
            FramePc::Exact(pc) | FramePc::ReturnAddress(pc) => pc,
        }
    }

    /// The address to look up code by: function, line, unwind information. Behind a call that never
    /// returns, the return address may already belong to the next function; the byte before it
    /// belongs to the call.
    pub fn lookup_pc(self) -> Address {
        match self {
            FramePc::Exact(pc) => pc,
            FramePc::ReturnAddress(pc) => pc.wrapping_offset(-1),
        }
    }
}

/// How a frame was found.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum UnwindMethod {
    /// It is the innermost one; its registers are the thread's.
    Innermost,
    /// By the call frame information of its callee. Certain.
    CallFrameInformation,
    /// From the registers that the kernel saved when it delivered a signal. Certain.
    SignalContext,
    /// From what the first instructions of its callee do to the stack. A good guess.
    Prologue,
    /// By the callee's frame pointer, supposed that it keeps one. A guess; frames may be missing.
    FramePointer,
}

/// One frame of a stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Where it stands.
    pub pc: FramePc,
    /// The registers as they were (innermost) or will be when control comes back; those that the
    /// calls in between may have changed without saving are unknown.
    pub registers: FrameRegisters,
    /// The canonical frame address (DWARF 5, 6.4): the stack pointer before the call that made this
    /// frame. `None` if nothing tells it.
    pub cfa: Option<Address>,
    /// How it was found.
    pub method: UnwindMethod,
    /// Whether it is the trampoline a signal handler returns to. Its caller was interrupted by the
    /// signal and made no call.
    pub is_signal_frame: bool,
}

impl Frame {
    /// The innermost frame of a thread with these registers.
    pub fn innermost(registers: &GeneralRegisters) -> Frame {
        Frame {
            pc: FramePc::Exact(registers.pc()),
            registers: FrameRegisters::from(registers),
            cfa: None,
            method: UnwindMethod::Innermost,
            is_signal_frame: false,
        }
    }
}

/// Why a stack goes no further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StackEnd {
    /// The frame has no caller: its call frame information says that the return address is
    /// undefined, or its frame pointer is zero, as the psABI wants it in the outermost frame.
    Outermost,
    /// The return address is zero.
    ZeroReturnAddress,
    /// Nothing tells how to unwind at this pc.
    NoUnwindInformation {
        /// The pc.
        pc: Address,
    },
    /// The stack, or what the call frame information refers to, cannot be read.
    Unreadable {
        /// The first address that cannot be read.
        address: Address,
    },
    /// A register is needed whose value in this frame is unknown.
    UnknownRegister {
        /// The register.
        register: RegisterId,
    },
    /// The call frame information is damaged or asks for what is not supported.
    BadCallFrameInformation {
        /// The pc it was for.
        pc: Address,
    },
    /// The caller's stack pointer would not lie above this frame's: the stack is damaged.
    NotGrowing {
        /// The stack pointer the caller would have.
        sp: Address,
    },
    /// The stack comes back to a frame it had before.
    Cycle,
    /// There may be more frames than were asked for.
    FramesMax,
}

impl fmt::Display for StackEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StackEnd::Outermost => write!(f, "this is the outermost frame"),
            StackEnd::ZeroReturnAddress => write!(f, "the return address is zero"),
            StackEnd::NoUnwindInformation { pc } => {
                write!(f, "nothing tells how to unwind at {pc}")
            }
            StackEnd::Unreadable { address } => write!(f, "memory at {address} cannot be read"),
            StackEnd::UnknownRegister { register } => {
                write!(f, "register {} of the table is needed and unknown", register.index())
            }
            StackEnd::BadCallFrameInformation { pc } => {
                write!(f, "the call frame information for {pc} cannot be used")
            }
            StackEnd::NotGrowing { sp } => {
                write!(f, "the stack is damaged: the caller's would begin at {sp}")
            }
            StackEnd::Cycle => write!(f, "the stack leads back into itself"),
            StackEnd::FramesMax => write!(f, "there may be more frames"),
        }
    }
}

impl From<Unreadable> for StackEnd {
    fn from(unreadable: Unreadable) -> StackEnd {
        StackEnd::Unreadable { address: unreadable.address }
    }
}

/// What unwinding found out about a frame, and its caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unwound {
    /// The canonical frame address of the frame that was unwound.
    pub cfa: Address,
    /// Whether the frame that was unwound is a signal trampoline.
    pub is_signal_frame: bool,
    /// Its caller; `cfa` and `is_signal_frame` are not known yet.
    pub caller: Frame,
}

/// Finds the caller of `frame`.
///
/// **Errors**: a [`StackEnd`], which for [`StackEnd::Outermost`] is the good end.
/// **Cost**: reads only the words that are needed, about three for an ordinary frame. Code is read
/// from the image where it has it.
pub fn unwind_frame(
    frame: &Frame,
    locate: &Locate<'_>,
    memory: &dyn ReadMemory,
) -> Result<Unwound, StackEnd> {
    let unwound = find_caller(frame, locate, memory)?;
    check(frame, &unwound)?;
    Ok(unwound)
}

fn find_caller(
    frame: &Frame,
    locate: &Locate<'_>,
    memory: &dyn ReadMemory,
) -> Result<Unwound, StackEnd> {
    let (pc, lookup_pc) = (frame.pc.address(), frame.pc.lookup_pc());
    if let Some((image, bias)) = locate(lookup_pc) {
        let rules = image.call_frame_info().rules_at(lookup_pc.to_link(bias));
        if let Some(rules) = rules.map_err(|_| StackEnd::BadCallFrameInformation { pc })? {
            // A trampoline may begin where the function before it ends.
            let may_be_trampoline =
                !rules.is_signal_frame && rules.function_end == pc.to_link(bias).value();
            if may_be_trampoline && let Some(unwound) = signal_frame::unwind(frame, locate, memory)
            {
                return unwound;
            }
            return rules.apply(frame, bias, memory);
        }
    }
    if let Some(unwound) = signal_frame::unwind(frame, locate, memory) {
        return unwound;
    }
    if let Some(unwound) = prologue::unwind(frame, locate, memory) {
        return Ok(unwound);
    }
    frame_pointer::unwind(frame, locate, memory)
}

/// The canonical frame address of a frame whose caller is not found.
fn cfa(frame: &Frame, locate: &Locate<'_>, memory: &dyn ReadMemory) -> Option<Address> {
    let pc = frame.pc.lookup_pc();
    let (image, bias) = locate(pc)?;
    let rules = image.call_frame_info().rules_at(pc.to_link(bias)).ok().flatten()?;
    rules.frame_address(frame, bias, memory)
}

/// A caller that cannot be one ends the stack.
fn check(frame: &Frame, unwound: &Unwound) -> Result<(), StackEnd> {
    let caller = &unwound.caller;
    // A signal may interrupt a jump to zero, and switch to another stack.
    if unwound.is_signal_frame {
        return Ok(());
    }
    if caller.pc.address() == Address::ZERO {
        return Err(StackEnd::ZeroReturnAddress);
    }
    let (Some(sp), Some(callee_sp)) = (caller.registers.sp(), frame.registers.sp()) else {
        return Err(StackEnd::UnknownRegister { register: frame.registers.arch().sp() });
    };
    // A call costs stack, except to a function that keeps its return address in a register, which
    // only one without a callee can.
    let is_exact = matches!(frame.pc, FramePc::Exact(_));
    let may_stay = is_exact && caller.pc.address() != frame.pc.address();
    let grows = sp > callee_sp || sp == callee_sp && may_stay;
    if grows { Ok(()) } else { Err(StackEnd::NotGrowing { sp }) }
}

/// Finds the frames of a stack from its innermost one on.
///
/// **Shape**: at least the innermost frame, at most `frames_max` (at least one); and why there are
/// no more.
pub fn walk(
    registers: &GeneralRegisters,
    locate: &Locate<'_>,
    memory: &dyn ReadMemory,
    frames_max: usize,
) -> (Vec<Frame>, StackEnd) {
    let mut frames = Vec::new();
    let mut frame = Frame::innermost(registers);
    // Stacks only grow, except at signal frames; so a cycle passes one of those twice.
    let mut signal_frames = Vec::new();
    let end = loop {
        let unwound = match unwind_frame(&frame, locate, memory) {
            Ok(unwound) => unwound,
            Err(end) => {
                // Who has no caller has variables all the same.
                frame.cfa = cfa(&frame, locate, memory);
                break end;
            }
        };
        frame.cfa = Some(unwound.cfa);
        if unwound.is_signal_frame {
            frame.is_signal_frame = true;
            // The kernel made the handler return to the trampoline's first instruction.
            frame.pc = FramePc::Exact(frame.pc.address());
            if signal_frames.contains(&unwound.cfa) {
                break StackEnd::Cycle;
            }
            signal_frames.push(unwound.cfa);
        }
        if frames.len() + 1 >= frames_max {
            break StackEnd::FramesMax;
        }
        frames.push(frame);
        frame = unwound.caller;
    };
    frames.push(frame);
    (frames, end)
}

#[cfg(test)]
mod tests;
