//! Conditions and commands of sites: the bytecode of GDB's agent expressions, and the proof that a
//! piece of it can be run. It runs nothing: that is the server's business, and what an expression
//! means in words is the client's.
//!
//! ```text
//!   client                                   server
//!   Code::assemble(instructions) ──bytes──► Code::verify(bytes) ──► run at each hit
//! ```
//!
//! The machine has a stack of 64-bit numbers, the registers of the thread that was hit and the
//! target's memory, none of which it can change. **Source**: "The GDB Agent Expression Mechanism",
//! an appendix of the GDB manual.

mod error;
mod format;
mod instruction;
mod verify;

pub use error::{AgentError, AgentFault, FormatFault};
pub use format::{Conversion, ConversionKind, Format, Piece};
pub use instruction::Instruction;

use dbgbase::Arch;

/// The most bytes of one piece of code.
pub const CODE_LEN_MAX: usize = 4096;
/// The most bytes that one hit of a site prints, and the widest conversion; the rest is cut.
pub const PRINTED_LEN_MAX: usize = 4096;
/// The most numbers on the stack.
pub const STACK_DEPTH_MAX: usize = 128;

/// What a piece of code is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// It has a result, and prints nothing.
    Condition,
    /// It prints, and has no result.
    Commands,
}

/// A piece of code that is known to be sound: every instruction is whole, known and one that only
/// looks or prints; every jump leads to an instruction; wherever the code has come to, the stack
/// has one certain depth, which is never below what an instruction takes nor above
/// [`STACK_DEPTH_MAX`]; every register exists; what is printed has a format that is understood, and
/// as many numbers as it converts; and a condition prints nothing and ends with a number on the
/// stack. It may run for ever.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Code {
    bytes: Box<[u8]>,
}

impl Code {
    /// A condition that came from elsewhere, proved sound for a target with this CPU.
    ///
    /// **Errors**: what is wrong with it, and where.
    /// **Cost**: in proportion to its length, whatever its jumps.
    pub fn verify(bytes: &[u8], arch: Arch) -> Result<Code, AgentError> {
        Code::verify_for(Purpose::Condition, bytes, arch)
    }

    /// The same for a certain purpose.
    pub fn verify_for(purpose: Purpose, bytes: &[u8], arch: Arch) -> Result<Code, AgentError> {
        let sound = verify::verify(bytes, arch, purpose);
        sound.map_err(|(offset, fault)| AgentError { purpose, offset, fault })?;
        Ok(Code { bytes: bytes.into() })
    }

    /// Code of these instructions. [`Instruction::End`] is put behind them.
    ///
    /// **Errors**: as [`Code::verify`].
    pub fn assemble(instructions: &[Instruction], arch: Arch) -> Result<Code, AgentError> {
        let mut bytes = Vec::new();
        for instruction in instructions.iter().chain([&Instruction::End]) {
            instruction.write_to(&mut bytes);
        }
        Code::verify(&bytes, arch)
    }

    /// Commands that print once. The instructions put onto the stack what the format converts,
    /// the last number first.
    ///
    /// **Errors**: as [`Code::verify`], and [`AgentFault::TooLong`] for a format of more than
    /// 65,534 bytes.
    pub fn assemble_printing(
        instructions: &[Instruction],
        format: &[u8],
        arch: Arch,
    ) -> Result<Code, AgentError> {
        let mut bytes = Vec::new();
        // The function and the channel, which are not looked at.
        let zeros = [Instruction::Constant(0); 2];
        for instruction in instructions.iter().chain(&zeros) {
            instruction.write_to(&mut bytes);
        }
        let purpose = Purpose::Commands;
        let too_long = AgentError { purpose, offset: bytes.len(), fault: AgentFault::TooLong };
        let format_len = u16::try_from(format.len() + 1).map_err(|_| too_long)?;
        let count = format::conversions([format, &[0]].concat().as_slice());
        let arguments = count.and_then(|count| {
            u8::try_from(count).map_err(|_| AgentFault::Format(FormatFault::Count))
        });
        let arguments = arguments.map_err(|fault| AgentError { fault, ..too_long })?;
        Instruction::Print { arguments, format_len }.write_to(&mut bytes);
        bytes.extend(format);
        bytes.push(0);
        Instruction::End.write_to(&mut bytes);
        Code::verify_for(purpose, &bytes, arch)
    }

    /// The code as it travels.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The instruction at an offset, and the offset behind it. `None` where none begins, to which
    /// running the code does not lead.
    pub fn at(&self, offset: usize) -> Option<(Instruction, usize)> {
        Instruction::read_at(&self.bytes, offset).ok()
    }

    /// The format of the [`Instruction::Print`] at an offset; nothing for any other.
    pub fn format_at(&self, offset: usize) -> Format<'_> {
        Format::new(format::bytes_at(&self.bytes, offset))
    }
}

#[cfg(test)]
#[path = "agent/tests.rs"]
mod tests;
