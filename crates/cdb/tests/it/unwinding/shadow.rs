//! The stack as it must be, from what instructions do: a call adds a frame, a return takes it away,
//! a signal adds two, and a stack pointer that jumps beyond frames has left them. It knows nothing
//! of call frame information.

use std::os::unix::fs::FileExt as _;

use dbgbase::{Address, Arch, GeneralRegisters, RegisterId, x86_64};
use dbgsym::disasm::{Instruction, InstructionKind, decode};
use dbgsym::unwind::{Frame, FramePc, StackEnd};

use super::Memory;

/// The registers that functions preserve.
const PRESERVED: [RegisterId; 6] =
    [x86_64::RBX, x86_64::RBP, x86_64::R12, x86_64::R13, x86_64::R14, x86_64::R15];

/// What a handler returns to: `mov rax, 15; syscall`.
const TRAMPOLINE: [u8; 9] = [0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05];

/// Where the interrupted registers are above the stack pointer that the trampoline has: those of
/// [`PRESERVED`], the stack pointer and the instruction pointer (`struct ucontext`, x86-64).
const INTERRUPTED: [u64; 8] = [128, 120, 72, 80, 88, 96, 160, 168];

/// A frame that is not the innermost.
#[derive(Debug)]
struct Outer {
    /// Where it goes on.
    pc: u64,
    sp: u64,
    preserved: [u64; 6],
    /// The frame is gone once the stack pointer is above this.
    slot: u64,
    /// Whether a signal interrupted it there.
    is_interrupted: bool,
    /// The step by which it came to be not the innermost.
    since: usize,
}

/// The frames outside the innermost one; the outermost first.
#[derive(Debug)]
pub(super) struct Shadow {
    /// Those that were there at the beginning.
    oldest: Vec<u64>,
    frames: Vec<Outer>,
    steps: usize,
    is_jumping: bool,
    has_changed: bool,
    has_returned: bool,
}

impl Shadow {
    pub(super) fn new(frames: &[Frame]) -> Shadow {
        let oldest = frames.iter().skip(1).map(|frame| frame.pc.address().value()).collect();
        Shadow {
            oldest,
            frames: Vec::new(),
            steps: 0,
            is_jumping: false,
            has_changed: true,
            has_returned: false,
        }
    }

    /// Whether frames were left by setting the stack pointer, and the jump that follows is due.
    pub(super) fn is_jumping(&self) -> bool {
        self.is_jumping
    }

    /// Whether the last step left or entered a frame.
    pub(super) fn has_changed(&self) -> bool {
        self.has_changed
    }

    /// How many instructions were executed.
    pub(super) fn steps(&self) -> usize {
        self.steps
    }

    /// Whether the function has returned that was the innermost at the beginning.
    pub(super) fn has_returned(&self) -> bool {
        self.has_returned
    }

    /// An instruction was executed. If it is the one by which a function leaves several frames at
    /// once, as a long jump does: the step since which that function was the innermost.
    pub(super) fn step(
        &mut self,
        before: &GeneralRegisters,
        after: &GeneralRegisters,
        memory: &Memory,
    ) -> Option<usize> {
        self.steps += 1;
        let mut bytes = [0; 15];
        let count = memory.0.read_at(&mut bytes, before.pc().value());
        let bytes = &bytes[..count.expect("code can be read")];
        let instruction = decode(Arch::X86_64, bytes, before.pc()).expect("x86-64");
        let kind = instruction.kind();
        let (old_sp, sp) = (before.sp().value(), after.sp().value());
        let is_return = kind == InstructionKind::Return;
        let is_sigreturn = kind == InstructionKind::SystemCall && before.get(x86_64::RAX) == 15;
        let left = self.frames.iter().rev().take_while(|frame| frame.slot < sp).count();
        let count = self.frames.len();
        let since = self.frames.last().map(|frame| frame.since);
        self.frames.truncate(count - left);
        self.has_returned = is_return && count == 0;
        // A return takes one frame away, and the system call of a trampoline too.
        let leaves_several = left > usize::from(is_return || is_sigreturn);
        if leaves_several {
            self.is_jumping = true;
        } else if matches!(kind, InstructionKind::Jump | InstructionKind::Return) {
            self.is_jumping = false;
        }
        if kind == InstructionKind::Call && sp.wrapping_add(8) == old_sp {
            self.frames.push(Outer {
                pc: memory.u64(sp),
                sp: old_sp,
                preserved: PRESERVED.map(|id| before.get(id)),
                slot: sp,
                is_interrupted: false,
                since: self.steps,
            });
        } else if is_handler(&instruction, before, after, memory) {
            self.enter_handler(after, memory);
        }
        self.has_changed = left > 0 || self.frames.len() != count;
        since.filter(|_| leaves_several)
    }

    fn enter_handler(&mut self, after: &GeneralRegisters, memory: &Memory) {
        let sp = after.sp().value();
        let [rbx, rbp, r12, r13, r14, r15, interrupted_sp, pc] =
            INTERRUPTED.map(|offset| memory.u64(sp + 8 + offset));
        self.frames.push(Outer {
            pc,
            sp: interrupted_sp,
            preserved: [rbx, rbp, r12, r13, r14, r15],
            slot: sp + 8,
            is_interrupted: true,
            since: self.steps,
        });
        self.frames.push(Outer {
            pc: memory.u64(sp),
            sp: sp + 8,
            preserved: PRESERVED.map(|id| after.get(id)),
            slot: sp,
            is_interrupted: false,
            since: self.steps,
        });
    }

    /// What is wrong with what the unwinder found.
    pub(super) fn difference(&self, frames: &[Frame], end: StackEnd) -> Option<String> {
        let expected = 1 + self.frames.len() + self.oldest.len();
        let is_whole = end != StackEnd::FramesMax;
        if is_whole && end != StackEnd::Outermost {
            return Some(format!("the stack ends with {end:?}"));
        }
        if is_whole && frames.len() != expected {
            return Some(format!("{} frames, not {expected}", frames.len()));
        }
        let found = frames.iter().skip(1);
        for (number, (frame, outer)) in found.zip(self.frames.iter().rev()).enumerate() {
            let pc = frame.pc.address().value();
            if pc != outer.pc {
                return Some(format!("frame {} is at {pc:x}, not {:x}", number + 1, outer.pc));
            }
            let is_exact = matches!(frame.pc, FramePc::Exact(_));
            if outer.is_interrupted && !is_exact {
                return Some(format!("frame {} was interrupted", number + 1));
            }
            if frame.registers.sp() != Some(Address::new(outer.sp)) {
                let sp = frame.registers.sp();
                return Some(format!("sp of frame {} is {sp:?}, not {:x}", number + 1, outer.sp));
            }
            for (id, value) in PRESERVED.into_iter().zip(outer.preserved) {
                let known = frame.registers.get(id);
                if known != Some(value) {
                    let name = x86_64::GENERAL[id.index()].name;
                    let number = number + 1;
                    return Some(format!("{name} of frame {number} is {known:x?}, not {value:x}"));
                }
            }
        }
        let oldest = frames.iter().skip(1 + self.frames.len());
        let oldest = oldest.map(|frame| frame.pc.address().value());
        let are_same = oldest.zip(&self.oldest).all(|(found, known)| found == *known);
        (!are_same).then(|| "others called main".to_owned())
    }
}

/// Whether a step ended at the beginning of a signal handler: somewhere else than where the
/// instruction leads, with a trampoline as return address.
fn is_handler(
    instruction: &Instruction,
    before: &GeneralRegisters,
    after: &GeneralRegisters,
    memory: &Memory,
) -> bool {
    use InstructionKind::{Other, StringRepeat, SystemCall};
    let leads_on = matches!(instruction.kind(), Other | StringRepeat | SystemCall);
    let is_elsewhere = after.pc() != instruction.fallthrough() && after.pc() != before.pc();
    let mut code = [0; TRAMPOLINE.len()];
    let is_trampoline = |code: &mut [u8]| {
        let returns_to = memory.u64(after.sp().value());
        memory.0.read_at(code, returns_to).is_ok_and(|count| count == code.len())
    };
    leads_on && is_elsewhere && is_trampoline(&mut code) && code == TRAMPOLINE
}
