//! Conditions of sites: the bytecode of GDB's agent expressions, and the proof that a piece of it
//! can be run. It runs nothing: that is the server's business, and what an expression means in
//! words is the client's.
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
mod instruction;
mod verify;

pub use error::{AgentError, AgentFault};
pub use instruction::Instruction;

use dbgbase::Arch;

/// The most bytes of one piece of code.
pub const CODE_LEN_MAX: usize = 4096;
/// The most numbers on the stack.
pub const STACK_DEPTH_MAX: usize = 128;

/// A piece of code that is known to be sound: every instruction is whole, known and one that only
/// looks; every jump leads to an instruction; wherever the code has come to, the stack has one
/// certain depth, which is never below what an instruction takes nor above [`STACK_DEPTH_MAX`];
/// every register exists; and it ends with a number on the stack. It may run for ever.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Code {
    bytes: Box<[u8]>,
}

impl Code {
    /// Code that came from elsewhere, proved sound for a target with this CPU.
    ///
    /// **Errors**: what is wrong with it, and where.
    /// **Cost**: in proportion to its length, whatever its jumps.
    pub fn verify(bytes: &[u8], arch: Arch) -> Result<Code, AgentError> {
        verify::verify(bytes, arch)?;
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

    /// The code as it travels.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The instruction at an offset, and the offset behind it. `None` where none begins, to which
    /// running the code does not lead.
    pub fn at(&self, offset: usize) -> Option<(Instruction, usize)> {
        Instruction::read_at(&self.bytes, offset).ok()
    }
}

#[cfg(test)]
#[path = "agent/tests.rs"]
mod tests;
