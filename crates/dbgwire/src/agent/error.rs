//! What can be wrong with agent code, and where.

use std::fmt;

use super::{CODE_LEN_MAX, PRINTED_LEN_MAX, Purpose, STACK_DEPTH_MAX};

/// Why a piece of code is not run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AgentError {
    /// What the code is for.
    pub purpose: Purpose,
    /// The instruction it is about, as an offset in bytes.
    pub offset: usize,
    /// What is wrong with it.
    pub fault: AgentFault,
}

/// What is wrong with a format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FormatFault {
    /// Its last byte, and no other, is to be NUL.
    End,
    /// The conversion ends in this character, which is none.
    Conversion(u8),
    /// The backslash is followed by this character, with which it means nothing.
    Escape(u8),
    /// The conversion, or the backslash, is cut off.
    Truncated,
    /// A width or precision above [`PRINTED_LEN_MAX`].
    Width,
    /// There are more or fewer numbers than conversions.
    Count,
}

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AgentFault {
    /// There is no code.
    Empty,
    /// The code has more than [`CODE_LEN_MAX`] bytes.
    TooLong,
    /// No instruction has this opcode.
    UnknownOpcode(u8),
    /// The instruction prints, which no condition does.
    Printing,
    /// The format of what is printed is not understood.
    Format(FormatFault),
    /// The instruction records data of a tracepoint.
    Tracing(&'static str),
    /// The instruction reads or writes a trace state variable; there are none.
    Variable(&'static str),
    /// The instruction computes with floating-point numbers, which GDB never defined.
    FloatingPoint(&'static str),
    /// The code ends inside the instruction.
    Truncated,
    /// A width in bits that is not 1 to 64.
    Width(u8),
    /// The CPU has no register of this number, or it is none of the general registers.
    Register(u16),
    /// The jump leads to this offset, where no instruction begins.
    Jump(u16),
    /// The stack holds less than the instruction takes.
    Underflow,
    /// The stack would hold more than [`STACK_DEPTH_MAX`] numbers.
    TooDeep,
    /// Two ways lead here, with stacks of different depths.
    UnequalDepths,
    /// The code does not end with `end`.
    NoEnd,
}

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = match self.purpose {
            Purpose::Condition => "condition",
            Purpose::Commands => "commands",
        };
        write!(f, "{} at offset {} of the {code}", self.fault, self.offset)
    }
}

impl std::error::Error for AgentError {}

impl fmt::Display for AgentFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AgentFault::Empty => f.write_str("no code"),
            AgentFault::TooLong => write!(f, "more than {CODE_LEN_MAX} bytes of code"),
            AgentFault::UnknownOpcode(opcode) => write!(f, "unknown opcode {opcode:#04x}"),
            AgentFault::Printing => f.write_str("printf, which is for commands alone,"),
            AgentFault::Format(fault) => write!(f, "printf, whose format {fault},"),
            AgentFault::Tracing(name) => {
                write!(f, "{name}, which collects data of tracepoints, of which there are none,")
            }
            AgentFault::Variable(name) => {
                write!(f, "{name}, which uses a trace state variable, of which there are none,")
            }
            AgentFault::FloatingPoint(name) => {
                write!(f, "{name}, which computes in floating point and is not supported,")
            }
            AgentFault::Truncated => f.write_str("an instruction that is cut off"),
            AgentFault::Width(bits) => write!(f, "a width of {bits} bits, not 1 to 64,"),
            AgentFault::Register(number) => {
                write!(f, "register {number}, which is no general register,")
            }
            AgentFault::Jump(target) => {
                write!(f, "a jump to offset {target}, where no instruction begins,")
            }
            AgentFault::Underflow => f.write_str("too few numbers on the stack"),
            AgentFault::TooDeep => {
                write!(f, "more than {STACK_DEPTH_MAX} numbers on the stack")
            }
            AgentFault::UnequalDepths => f.write_str("stacks of different depths meet"),
            AgentFault::NoEnd => f.write_str("an instruction other than end is the last,"),
        }
    }
}

impl fmt::Display for FormatFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FormatFault::End => f.write_str("has no NUL at its end, or one before it"),
            FormatFault::Conversion(character) => {
                write!(f, "has a conversion by '{}'", character.escape_ascii())
            }
            FormatFault::Escape(character) => {
                write!(f, "has the unknown escape '\\{}'", character.escape_ascii())
            }
            FormatFault::Truncated => f.write_str("is cut off"),
            FormatFault::Width => write!(f, "has a width above {PRINTED_LEN_MAX}"),
            FormatFault::Count => f.write_str("converts more or fewer numbers than there are"),
        }
    }
}
