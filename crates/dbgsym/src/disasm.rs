//! Instructions: how long one is, what it does to the flow of control, and how it reads. It decodes
//! the bytes it is given; it reads no memory and knows no symbols, a caller's closure names
//! addresses. How a line of a listing is laid out is decided by who prints it.

mod x86;

use dbgbase::{Address, Arch};

/// The longest instruction of any supported CPU.
pub const INSTRUCTION_LEN_MAX_BYTES: usize = 15;

/// What an instruction does to the flow of control.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum InstructionKind {
    /// Calls a function: direct if it has a target, else through a register or memory.
    Call,
    /// Returns from a function or an interrupt.
    Return,
    /// Always goes elsewhere: direct if it has a target, else through a register or memory.
    Jump,
    /// Goes elsewhere on a condition (`jcc`, `loop`, `jrcxz`, `xbegin`).
    ConditionalJump,
    /// Enters the kernel for a system call.
    SystemCall,
    /// Stops in a debugger: `int 3`.
    Trap,
    /// Always raises an exception: `ud2`, `int n`, `hlt`.
    Exception,
    /// Repeats itself, one element a step (`rep movs`); a step over it goes to the next
    /// instruction, a step into it stays.
    StringRepeat,
    /// Goes on with the next instruction.
    Other,
    /// No instruction, or not all of one.
    Invalid,
}

/// One instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Instruction {
    address: Address,
    bytes: [u8; INSTRUCTION_LEN_MAX_BYTES],
    len_bytes: u8,
    kind: InstructionKind,
    target: Option<Address>,
    data_address: Option<Address>,
}

/// How an instruction reads, in parts for whoever lays out the line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InstructionText {
    /// With its prefixes: `call`, `rep stos`, `lock cmpxchg`; `???` if it is invalid.
    pub mnemonic: String,
    /// ``prog!main+0x12 (00005555`55555155)``, `rsp,10h`; empty if there are none.
    pub operands: String,
}

/// Why there is nothing to decode.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DisasmError {
    /// There are no bytes.
    #[error("no bytes to disassemble")]
    NoBytes,
    /// This CPU's instructions cannot be read yet.
    #[error("instructions of {} cannot be disassembled", .0.name())]
    UnsupportedArch(Arch),
}

/// Decodes the instruction at the start of `bytes`, which lie at `address` in the target.
///
/// **Shape**: bytes that are no instruction, or end inside one, are an instruction of one byte and
/// kind [`InstructionKind::Invalid`]; give [`INSTRUCTION_LEN_MAX_BYTES`] where that many can be
/// read.
/// **Errors**: [`DisasmError::NoBytes`], [`DisasmError::UnsupportedArch`].
pub fn decode(arch: Arch, bytes: &[u8], address: Address) -> Result<Instruction, DisasmError> {
    match arch {
        Arch::X86_64 => x86::decode(bytes, address).ok_or(DisasmError::NoBytes),
        other => Err(DisasmError::UnsupportedArch(other)),
    }
}

impl Instruction {
    /// Where it lies.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Its bytes; never empty.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len_bytes)).unwrap_or(&self.bytes)
    }

    /// How long it is, 1 to 15.
    pub fn len_bytes(&self) -> u64 {
        u64::from(self.len_bytes)
    }

    /// What it does to the flow of control.
    pub fn kind(&self) -> InstructionKind {
        self.kind
    }

    /// Whether it calls a function: a step over it runs to [`Instruction::fallthrough`].
    pub fn is_call(&self) -> bool {
        self.kind == InstructionKind::Call
    }

    /// Whether the commands that stop at branches (`ph`, `th`) stop at it: jumps, calls, returns,
    /// system calls.
    pub fn is_branching(&self) -> bool {
        use InstructionKind::{Call, ConditionalJump, Jump, Return, SystemCall};
        matches!(self.kind, Call | ConditionalJump | Jump | Return | SystemCall)
    }

    /// Where a direct call or jump goes.
    pub fn target(&self) -> Option<Address> {
        self.target
    }

    /// The address of its memory operand, if that is fixed by where the instruction lies
    /// (`[rip+x]`). Of an indirect call or jump, the place that holds the target.
    pub fn data_address(&self) -> Option<Address> {
        self.data_address
    }

    /// The address of the next instruction in memory.
    pub fn fallthrough(&self) -> Address {
        self.address.wrapping_offset(i64::from(self.len_bytes))
    }

    /// How it reads, in WinDbg's manner. `name_of` gives an address a name with `module!` and
    /// offset, or `None`; the address itself is added here.
    pub fn text(&self, name_of: &dyn Fn(Address) -> Option<String>) -> InstructionText {
        x86::text(self, name_of)
    }
}

#[cfg(test)]
#[path = "disasm/tests.rs"]
mod tests;
