//! Runs agent code that was proved sound: registers and memory in, one number or a text out. It
//! changes nothing, and it always ends: code may loop, so its steps are counted. What the number
//! means is its caller's business.

// Named by its path, because the fuzz target compiles this file under another name.
#[path = "agent/text.rs"]
mod text;

use dbgbase::{Address, ConditionTrouble, GeneralRegisters, ReadMemory};
use dbgwire::agent::{Code, Instruction, Piece, STACK_DEPTH_MAX};
use text::Text;

/// How many instructions are run at most. A loop over a list of a thousand things fits.
pub const STEPS_MAX: usize = 10_000;

/// Why there is no result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Halt {
    /// The instruction that has none, as an offset in bytes.
    pub offset: usize,
    /// Why.
    pub trouble: ConditionTrouble,
}

/// The result of the code for a thread with these registers.
///
/// **Errors**: memory that cannot be read, a division by zero, more than [`STEPS_MAX`] steps.
/// **Cost**: one read of memory for each instruction that reads.
pub fn run(
    code: &Code,
    registers: &GeneralRegisters,
    memory: &dyn ReadMemory,
) -> Result<u64, Halt> {
    run_printing(code, registers, memory, &mut Text::new(&mut Vec::new()))
}

/// Runs commands for a thread with these registers, and puts what they print behind `printed`, of
/// which there are at most [`PRINTED_LEN_MAX`](dbgwire::agent::PRINTED_LEN_MAX) bytes afterwards.
///
/// **Errors**: as for [`run`]; what was printed before is there.
/// **Cost**: as for [`run`]; a string is a read or some.
pub fn print(
    code: &Code,
    registers: &GeneralRegisters,
    memory: &dyn ReadMemory,
    printed: &mut Vec<u8>,
) -> Result<(), Halt> {
    run_printing(code, registers, memory, &mut Text::new(printed)).map(drop)
}

fn run_printing(
    code: &Code,
    registers: &GeneralRegisters,
    memory: &dyn ReadMemory,
    text: &mut Text<'_>,
) -> Result<u64, Halt> {
    let mut stack = Stack { values: [0; STACK_DEPTH_MAX], depth: 0 };
    let mut offset = 0;
    let mut steps = 0;
    while steps < STEPS_MAX {
        steps += 1;
        let halt = |trouble| Halt { offset, trouble };
        // Verified code leads to no such place; should it, this ends as any trouble does.
        let (instruction, next) = code.at(offset).ok_or(halt(ConditionTrouble::Unknown))?;
        offset = match instruction {
            Instruction::End => return Ok(stack.pop()),
            Instruction::Jump(target) => usize::from(target),
            Instruction::JumpIf(target) if stack.pop() != 0 => usize::from(target),
            Instruction::JumpIf(_) => next,
            Instruction::Print { arguments, .. } => {
                // Each number may be a string, which is read.
                steps += usize::from(arguments);
                // The function and the channel.
                stack.pop();
                stack.pop();
                for piece in code.format_at(offset) {
                    match piece {
                        Piece::Text(bytes) => text.push(bytes),
                        Piece::Byte(byte) => text.push(&[byte]),
                        Piece::Conversion(how) => {
                            text.convert(how, stack.pop(), memory).map_err(halt)?;
                        }
                    }
                }
                next
            }
            instruction => {
                execute(instruction, &mut stack, registers, memory).map_err(halt)?;
                next
            }
        };
    }
    Err(Halt { offset, trouble: ConditionTrouble::TooManySteps })
}

/// The numbers. Verified code takes none from below and puts none above; a stack that is asked to
/// gives zeros and keeps what fits.
struct Stack {
    values: [u64; STACK_DEPTH_MAX],
    depth: usize,
}

impl Stack {
    fn push(&mut self, value: u64) {
        if let Some(slot) = self.values.get_mut(self.depth) {
            *slot = value;
            self.depth += 1;
        }
    }

    fn pop(&mut self) -> u64 {
        let value = self.pick(0);
        self.depth = self.depth.saturating_sub(1);
        value
    }

    fn pick(&self, below: usize) -> u64 {
        let index = self.depth.checked_sub(below + 1);
        index.and_then(|index| self.values.get(index)).copied().unwrap_or(0)
    }
}

/// Executes an instruction that is no jump.
fn execute(
    instruction: Instruction,
    stack: &mut Stack,
    registers: &GeneralRegisters,
    memory: &dyn ReadMemory,
) -> Result<(), ConditionTrouble> {
    let value = match instruction {
        Instruction::Constant(value) => value,
        Instruction::Register(number) => {
            let register = registers.arch().register_by_gdb(number);
            register.map_or(0, |register| registers.get(register))
        }
        Instruction::Pick(below) => stack.pick(usize::from(below)),
        Instruction::Duplicate => stack.pick(0),
        Instruction::Drop => {
            stack.pop();
            return Ok(());
        }
        Instruction::Swap => {
            let (upper, lower) = (stack.pop(), stack.pop());
            stack.push(upper);
            lower
        }
        Instruction::Rotate => {
            let (top, second, third) = (stack.pop(), stack.pop(), stack.pop());
            stack.push(top);
            stack.push(third);
            second
        }
        Instruction::LogicalNot => u64::from(stack.pop() == 0),
        Instruction::Not => !stack.pop(),
        Instruction::ExtendSign(bits) => {
            let unused = unused(bits);
            (stack.pop() << unused).cast_signed().wrapping_shr(unused).cast_unsigned()
        }
        Instruction::ExtendZero(bits) => stack.pop() << unused(bits) >> unused(bits),
        Instruction::Read8 => read::<1>(stack.pop(), memory)?,
        Instruction::Read16 => read::<2>(stack.pop(), memory)?,
        Instruction::Read32 => read::<4>(stack.pop(), memory)?,
        Instruction::Read64 => read::<8>(stack.pop(), memory)?,
        instruction => {
            let (right, left) = (stack.pop(), stack.pop());
            combine(instruction, left, right)?
        }
    };
    stack.push(value);
    Ok(())
}

/// The result of an instruction that takes two numbers.
fn combine(instruction: Instruction, left: u64, right: u64) -> Result<u64, ConditionTrouble> {
    let (left_signed, right_signed) = (left.cast_signed(), right.cast_signed());
    // By the number of bits there are, everything is shifted out.
    let count = u32::try_from(right).unwrap_or(u32::MAX);
    let quotient = match instruction {
        Instruction::DivideUnsigned => left.checked_div(right),
        Instruction::RemainderUnsigned => left.checked_rem(right),
        Instruction::DivideSigned if right != 0 => {
            Some(left_signed.wrapping_div(right_signed).cast_unsigned())
        }
        Instruction::RemainderSigned if right != 0 => {
            Some(left_signed.wrapping_rem(right_signed).cast_unsigned())
        }
        Instruction::Add => Some(left.wrapping_add(right)),
        Instruction::Subtract => Some(left.wrapping_sub(right)),
        Instruction::Multiply => Some(left.wrapping_mul(right)),
        Instruction::ShiftLeft => Some(left.checked_shl(count).unwrap_or(0)),
        Instruction::ShiftRightUnsigned => Some(left.checked_shr(count).unwrap_or(0)),
        Instruction::ShiftRightSigned => Some((left_signed >> count.min(63)).cast_unsigned()),
        Instruction::And => Some(left & right),
        Instruction::Or => Some(left | right),
        Instruction::Xor => Some(left ^ right),
        Instruction::Equal => Some(u64::from(left == right)),
        Instruction::LessSigned => Some(u64::from(left_signed < right_signed)),
        Instruction::LessUnsigned => Some(u64::from(left < right)),
        _ => None,
    };
    quotient.ok_or(ConditionTrouble::DivisionByZero)
}

/// How many of the 64 bits a width leaves out.
fn unused(bits: u8) -> u32 {
    64_u32.saturating_sub(u32::from(bits)).min(63)
}

/// The number at an address. All supported CPUs have the lowest byte first ([`dbgbase::Arch`]).
fn read<const LEN: usize>(address: u64, memory: &dyn ReadMemory) -> Result<u64, ConditionTrouble> {
    let mut bytes = [0; LEN];
    let address = Address::new(address);
    match memory.read(address, &mut bytes) {
        Ok(count) if count == LEN => {}
        Ok(count) => {
            let missing = address.wrapping_offset(count as i64);
            return Err(ConditionTrouble::Unreadable(missing));
        }
        Err(unreadable) => return Err(ConditionTrouble::Unreadable(unreadable.address)),
    }
    Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
#[path = "agent/tests.rs"]
mod tests;
