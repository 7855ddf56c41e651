//! A frame without call frame information: where its return address is follows from what its
//! function has done to the stack on the way (`prologue/paths.rs`). Where no way is found, as
//! behind a jump through a table, from its prologue alone: a straight run of few kinds of
//! instructions; what comes behind the first branch is taken to leave the stack pointer where it
//! is. Some places need neither: at a `ret` the return address is on top of the stack, and so it is
//! after a call to where no code is, or no image. x86-64 only.

mod paths;

use dbgbase::{Address, Arch, ReadMemory, RegisterId, read_u64, x86_64};
use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};

use super::return_address::{code_at, follows_indirect_call, is_return_address};
use super::{Frame, FramePc, Locate, UnwindMethod, Unwound};

/// Prologues are shorter.
const PROLOGUE_LEN_MAX_BYTES: usize = 128;

/// So much of a function is looked at.
const FUNCTION_LEN_MAX_BYTES: usize = 32 * 1024;

/// No instruction is longer (Intel SDM volume 2, 2.3.11).
const INSTRUCTION_LEN_MAX_BYTES: usize = 15;

/// What a run of instructions has done to the stack since the function was entered.
#[derive(Clone, PartialEq, Eq, Debug)]
struct StackEffect {
    /// How far the stack pointer is below the return address; `None` once that is lost.
    depth_bytes: Option<i64>,
    /// How far the frame pointer is below the return address, once it has been set up.
    frame_pointer_depth_bytes: Option<i64>,
    /// Preserved registers that were pushed, and how far below the return address.
    saved: Vec<(RegisterId, i64)>,
}

/// The caller, if the function's start is known and a call lies before the return address found.
pub(super) fn unwind(
    frame: &Frame,
    locate: &Locate<'_>,
    memory: &dyn ReadMemory,
) -> Option<Unwound> {
    if frame.registers.arch() != Arch::X86_64 {
        return None;
    }
    let (pc, lookup_pc) = (frame.pc.address(), frame.pc.lookup_pc());
    let is_exact = matches!(frame.pc, FramePc::Exact(_));
    let top = frame.registers.sp().and_then(|sp| read_u64(memory, sp).ok()).map(Address::new);
    let is_called = top.is_some_and(|top| follows_indirect_call(top, locate, memory));
    let effect = match locate(lookup_pc) {
        Some(_)
            if is_exact && is_return(&code_at(pc, INSTRUCTION_LEN_MAX_BYTES, locate, memory)) =>
        {
            StackEffect::at_entry()
        }
        Some((image, bias)) => {
            let (symbol, _) = image.symbols().containing(lookup_pc.to_link(bias))?;
            let start = symbol.address().to_address(bias);
            let inside = usize::try_from(pc.offset_from(start)?).ok()?;
            // Functions in assembly may not say how long they are.
            let len = usize::try_from(symbol.size_bytes()).ok()?.max(inside);
            let code = code_at(start, len.min(FUNCTION_LEN_MAX_BYTES), locate, memory);
            let prologue = || Some(effect_of(code.get(..inside.min(PROLOGUE_LEN_MAX_BYTES))?));
            paths::effect_at(&code, inside).or_else(prologue)?
        }
        // Generated code may do anything; but none has run where none is, nor where a call through
        // a pointer has just led to: into data, as damaged pointers do.
        None if is_exact && (memory.read(pc, &mut [0]).is_err() || is_called) => {
            StackEffect::at_entry()
        }
        None => return None,
    };
    caller(frame, &effect, locate, memory)
}

fn caller(
    frame: &Frame,
    effect: &StackEffect,
    locate: &Locate<'_>,
    memory: &dyn ReadMemory,
) -> Option<Unwound> {
    let arch = frame.registers.arch();
    let at = match effect.frame_pointer_depth_bytes {
        Some(depth) => frame.registers.fp()?.wrapping_offset(depth),
        None => frame.registers.sp()?.wrapping_offset(effect.depth_bytes?),
    };
    let pc = Address::new(read_u64(memory, at).ok()?);
    if !is_return_address(arch, pc, locate, memory) {
        return None;
    }
    let cfa = at.wrapping_offset(8);
    let mut registers = frame.registers.after_call();
    for (id, depth) in &effect.saved {
        registers.set(*id, read_u64(memory, at.wrapping_offset(-depth)).ok());
    }
    registers.set(arch.sp(), Some(cfa.value()));
    registers.set(arch.pc(), Some(pc.value()));
    Some(Unwound {
        cfa,
        is_signal_frame: false,
        caller: Frame {
            pc: FramePc::ReturnAddress(pc),
            registers,
            cfa: None,
            method: UnwindMethod::Prologue,
            is_signal_frame: false,
        },
    })
}

fn is_return(code: &[u8]) -> bool {
    let instruction = Decoder::with_ip(64, code, 0, DecoderOptions::NONE).decode();
    instruction.flow_control() == FlowControl::Return
}

/// What `code`, from a function's first instruction on, does to the stack, up to the first
/// instruction that is no part of a prologue.
fn effect_of(code: &[u8]) -> StackEffect {
    let mut effect = StackEffect::at_entry();
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    while decoder.can_decode() {
        let instruction = decoder.decode();
        if instruction.is_invalid() || effect.step(&instruction).is_none() {
            break;
        }
    }
    effect
}

impl StackEffect {
    fn at_entry() -> StackEffect {
        StackEffect { depth_bytes: Some(0), frame_pointer_depth_bytes: None, saved: Vec::new() }
    }

    /// `None` for an instruction that is no part of a prologue.
    fn step(&mut self, instruction: &Instruction) -> Option<()> {
        let is_frame_pointer_setup = instruction.mnemonic() == Mnemonic::Mov
            && instruction.op0_register() == Register::RBP
            && instruction.op1_register() == Register::RSP;
        if is_frame_pointer_setup {
            self.frame_pointer_depth_bytes = Some(self.depth_bytes?);
            return Some(());
        }
        if instruction.flow_control() != FlowControl::Next || writes_to(instruction, Register::RBP)
        {
            return None;
        }
        let is_adjustment = is_adjustment(instruction);
        match instruction.mnemonic() {
            Mnemonic::Push if instruction.stack_pointer_increment() == -8 => {
                self.push(instruction.op0_register());
            }
            Mnemonic::Sub if is_adjustment => self.sink(instruction.try_immediate(1).ok()? as i64),
            Mnemonic::Add if is_adjustment => {
                self.sink((instruction.try_immediate(1).ok()? as i64).checked_neg()?);
            }
            _ => {
                let moves = instruction.stack_pointer_increment() != 0;
                if moves || writes_to(instruction, Register::RSP) {
                    self.depth_bytes = None;
                }
            }
        }
        Some(())
    }

    fn push(&mut self, register: Register) {
        self.sink(8);
        let Some((id, depth)) = preserved(register).zip(self.depth_bytes) else {
            return;
        };
        // A second push of a register does not hold the caller's value.
        if self.saved.iter().all(|(known, _)| *known != id) {
            self.saved.push((id, depth));
        }
    }

    /// The stack pointer moves down.
    fn sink(&mut self, by_bytes: i64) {
        self.depth_bytes = self.depth_bytes.and_then(|depth| depth.checked_add(by_bytes));
    }
}

/// Whether a constant is added to the stack pointer, or taken from it.
fn is_adjustment(instruction: &Instruction) -> bool {
    instruction.op0_register() == Register::RSP
        && matches!(instruction.op1_kind(), OpKind::Immediate8to64 | OpKind::Immediate32to64)
}

/// Whether the instruction may change this register or a part of it: x86 instructions write their
/// first operand, exchanges their second as well.
fn writes_to(instruction: &Instruction, register: Register) -> bool {
    let is = |operand: Register| operand.full_register() == register;
    match instruction.mnemonic() {
        Mnemonic::Push | Mnemonic::Cmp | Mnemonic::Test => false,
        Mnemonic::Leave | Mnemonic::Enter => register == Register::RBP,
        Mnemonic::Xchg | Mnemonic::Xadd => {
            is(instruction.op0_register()) || is(instruction.op1_register())
        }
        _ => is(instruction.op0_register()),
    }
}

fn preserved(register: Register) -> Option<RegisterId> {
    Some(match register {
        Register::RBX => x86_64::RBX,
        Register::RBP => x86_64::RBP,
        Register::R12 => x86_64::R12,
        Register::R13 => x86_64::R13,
        Register::R14 => x86_64::R14,
        Register::R15 => x86_64::R15,
        _ => return None,
    })
}

#[cfg(test)]
#[path = "prologue/tests.rs"]
mod tests;
