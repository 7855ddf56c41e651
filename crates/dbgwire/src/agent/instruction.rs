//! The instructions, their numbers, and their bytes: an opcode, and for some an operand behind it,
//! highest byte first. Which of them may follow each other is `verify`'s business.

use super::AgentFault;

/// One instruction. `a b => c` says that it takes `a` and, from above it, `b` from the stack, and
/// puts `c` there. Arithmetic wraps at 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Instruction {
    /// `a b => a + b`
    Add,
    /// `a b => a - b`
    Subtract,
    /// `a b => a * b`
    Multiply,
    /// `a b => a / b`, both with a sign; stops the run if `b` is 0.
    DivideSigned,
    /// `a b => a / b`; stops the run if `b` is 0.
    DivideUnsigned,
    /// `a b => a modulo b`, both with a sign; stops the run if `b` is 0.
    RemainderSigned,
    /// `a b => a modulo b`; stops the run if `b` is 0.
    RemainderUnsigned,
    /// `a b => a << b`; nothing is left of a shift by 64 or more, here and below.
    ShiftLeft,
    /// `a b => a >> b`, copying the sign.
    ShiftRightSigned,
    /// `a b => a >> b`
    ShiftRightUnsigned,
    /// `a => 1` if `a` is 0, else `0`.
    LogicalNot,
    /// `a b => a & b`
    And,
    /// `a b => a | b`
    Or,
    /// `a b => a ^ b`
    Xor,
    /// `a => ~a`
    Not,
    /// `a b => 1` if they are equal, else `0`.
    Equal,
    /// `a b => 1` if `a` is less, both with a sign, else `0`.
    LessSigned,
    /// `a b => 1` if `a` is less, else `0`.
    LessUnsigned,
    /// `a => ` the lowest so many bits of `a`, the highest of them copied above.
    ExtendSign(u8),
    /// `a => ` the lowest so many bits of `a`, zeros above.
    ExtendZero(u8),
    /// `address => ` the byte there.
    Read8,
    /// `address => ` the 16-bit number there, in the target's byte order, as of those below.
    Read16,
    /// `address => ` the 32-bit number there.
    Read32,
    /// `address => ` the 64-bit number there.
    Read64,
    /// `a => `; goes on at the offset if `a` is not 0.
    JumpIf(u16),
    /// ` => `; goes on at the offset.
    Jump(u16),
    /// ` => ` the number.
    Constant(u64),
    /// ` => ` the register's value, zeros above its bits. By its number for GDB.
    Register(u16),
    /// `a => a a`
    Duplicate,
    /// `a => `
    Drop,
    /// `a b => b a`
    Swap,
    /// ` => ` the number so far below the top; 0 is the top itself.
    Pick(u8),
    /// `a b c => c a b`
    Rotate,
    /// `z ... b a channel function => `; prints by the format that follows, to which `a` is the
    /// first number. Channel and function are not looked at.
    Print {
        /// How many numbers there are.
        arguments: u8,
        /// How many bytes the format has, its NUL included.
        format_len: u16,
    },
    /// `a => `; `a` is the result. Of commands: ` => `; the end.
    End,
}

const FLOAT: u8 = 0x01;
const ADD: u8 = 0x02;
const SUB: u8 = 0x03;
const MUL: u8 = 0x04;
const DIV_SIGNED: u8 = 0x05;
const DIV_UNSIGNED: u8 = 0x06;
const REM_SIGNED: u8 = 0x07;
const REM_UNSIGNED: u8 = 0x08;
const LSH: u8 = 0x09;
const RSH_SIGNED: u8 = 0x0a;
const RSH_UNSIGNED: u8 = 0x0b;
const TRACE: u8 = 0x0c;
const TRACE_QUICK: u8 = 0x0d;
const LOG_NOT: u8 = 0x0e;
const BIT_AND: u8 = 0x0f;
const BIT_OR: u8 = 0x10;
const BIT_XOR: u8 = 0x11;
const BIT_NOT: u8 = 0x12;
const EQUAL: u8 = 0x13;
const LESS_SIGNED: u8 = 0x14;
const LESS_UNSIGNED: u8 = 0x15;
const EXT: u8 = 0x16;
const REF8: u8 = 0x17;
const REF16: u8 = 0x18;
const REF32: u8 = 0x19;
const REF64: u8 = 0x1a;
const REF_FLOAT: u8 = 0x1b;
const REF_DOUBLE: u8 = 0x1c;
const REF_LONG_DOUBLE: u8 = 0x1d;
const L_TO_D: u8 = 0x1e;
const D_TO_L: u8 = 0x1f;
const IF_GOTO: u8 = 0x20;
const GOTO: u8 = 0x21;
const CONST8: u8 = 0x22;
const CONST16: u8 = 0x23;
const CONST32: u8 = 0x24;
const CONST64: u8 = 0x25;
const REG: u8 = 0x26;
const END: u8 = 0x27;
const DUP: u8 = 0x28;
const POP: u8 = 0x29;
const ZERO_EXT: u8 = 0x2a;
const SWAP: u8 = 0x2b;
const GETV: u8 = 0x2c;
const SETV: u8 = 0x2d;
const TRACEV: u8 = 0x2e;
const TRACENZ: u8 = 0x2f;
const TRACE16: u8 = 0x30;
const PICK: u8 = 0x32;
const ROT: u8 = 0x33;
const PRINTF: u8 = 0x34;

impl Instruction {
    /// Puts its bytes behind `bytes`. A constant takes as few as it needs; what is printed has its
    /// format behind them.
    pub fn write_to(self, bytes: &mut Vec<u8>) {
        bytes.push(self.opcode());
        match self {
            Instruction::ExtendSign(operand)
            | Instruction::ExtendZero(operand)
            | Instruction::Pick(operand) => bytes.push(operand),
            Instruction::JumpIf(operand)
            | Instruction::Jump(operand)
            | Instruction::Register(operand) => bytes.extend(operand.to_be_bytes()),
            Instruction::Constant(value) => {
                let significant = value.to_be_bytes().into_iter();
                let skipped = value.to_be_bytes().len() - constant_len(value);
                bytes.extend(significant.skip(skipped));
            }
            Instruction::Print { arguments, format_len } => {
                bytes.push(arguments);
                bytes.extend(format_len.to_be_bytes());
            }
            _ => {}
        }
    }

    /// The instruction at `offset` of `code`, and the offset behind it.
    ///
    /// **Errors**: [`AgentFault::Truncated`], and what is wrong with its opcode or its width.
    pub fn read_at(code: &[u8], offset: usize) -> Result<(Instruction, usize), AgentFault> {
        let rest = code.get(offset..).unwrap_or_default();
        let (opcode, operand) = rest.split_first().ok_or(AgentFault::Truncated)?;
        let number = |len: usize| {
            let bytes = operand.get(..len).ok_or(AgentFault::Truncated)?;
            Ok(bytes.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte)))
        };
        let byte = || number(1).map(|number| number as u8);
        let word = || number(2).map(|number| number as u16);
        let width = || match byte()? {
            bits @ 1..=64 => Ok(bits),
            bits => Err(AgentFault::Width(bits)),
        };
        let (instruction, operand_len) = match *opcode {
            IF_GOTO => (Instruction::JumpIf(word()?), 2),
            GOTO => (Instruction::Jump(word()?), 2),
            CONST8 => (Instruction::Constant(number(1)?), 1),
            CONST16 => (Instruction::Constant(number(2)?), 2),
            CONST32 => (Instruction::Constant(number(4)?), 4),
            CONST64 => (Instruction::Constant(number(8)?), 8),
            REG => (Instruction::Register(word()?), 2),
            EXT => (Instruction::ExtendSign(width()?), 1),
            ZERO_EXT => (Instruction::ExtendZero(width()?), 1),
            PICK => (Instruction::Pick(byte()?), 1),
            PRINTF => {
                let head = number(3)?;
                let (arguments, format_len) = ((head >> 16) as u8, head as u16);
                let len = 3 + usize::from(format_len);
                operand.get(..len).ok_or(AgentFault::Truncated)?;
                (Instruction::Print { arguments, format_len }, len)
            }
            opcode => (plain(opcode)?, 0),
        };
        Ok((instruction, offset + 1 + operand_len))
    }

    /// How many numbers it needs on the stack, and how many are there instead of them afterwards.
    pub const fn effect(self) -> (usize, usize) {
        match self {
            Instruction::Add
            | Instruction::Subtract
            | Instruction::Multiply
            | Instruction::DivideSigned
            | Instruction::DivideUnsigned
            | Instruction::RemainderSigned
            | Instruction::RemainderUnsigned
            | Instruction::ShiftLeft
            | Instruction::ShiftRightSigned
            | Instruction::ShiftRightUnsigned
            | Instruction::And
            | Instruction::Or
            | Instruction::Xor
            | Instruction::Equal
            | Instruction::LessSigned
            | Instruction::LessUnsigned => (2, 1),
            Instruction::LogicalNot
            | Instruction::Not
            | Instruction::ExtendSign(_)
            | Instruction::ExtendZero(_)
            | Instruction::Read8
            | Instruction::Read16
            | Instruction::Read32
            | Instruction::Read64 => (1, 1),
            Instruction::JumpIf(_) | Instruction::Drop | Instruction::End => (1, 0),
            Instruction::Jump(_) => (0, 0),
            Instruction::Constant(_) | Instruction::Register(_) => (0, 1),
            Instruction::Duplicate => (1, 2),
            Instruction::Swap => (2, 2),
            Instruction::Pick(below) => (below as usize + 1, below as usize + 2),
            Instruction::Rotate => (3, 3),
            Instruction::Print { arguments, .. } => (arguments as usize + 2, 0),
        }
    }

    fn opcode(self) -> u8 {
        match self {
            Instruction::Add => ADD,
            Instruction::Subtract => SUB,
            Instruction::Multiply => MUL,
            Instruction::DivideSigned => DIV_SIGNED,
            Instruction::DivideUnsigned => DIV_UNSIGNED,
            Instruction::RemainderSigned => REM_SIGNED,
            Instruction::RemainderUnsigned => REM_UNSIGNED,
            Instruction::ShiftLeft => LSH,
            Instruction::ShiftRightSigned => RSH_SIGNED,
            Instruction::ShiftRightUnsigned => RSH_UNSIGNED,
            Instruction::LogicalNot => LOG_NOT,
            Instruction::And => BIT_AND,
            Instruction::Or => BIT_OR,
            Instruction::Xor => BIT_XOR,
            Instruction::Not => BIT_NOT,
            Instruction::Equal => EQUAL,
            Instruction::LessSigned => LESS_SIGNED,
            Instruction::LessUnsigned => LESS_UNSIGNED,
            Instruction::ExtendSign(_) => EXT,
            Instruction::ExtendZero(_) => ZERO_EXT,
            Instruction::Read8 => REF8,
            Instruction::Read16 => REF16,
            Instruction::Read32 => REF32,
            Instruction::Read64 => REF64,
            Instruction::JumpIf(_) => IF_GOTO,
            Instruction::Jump(_) => GOTO,
            Instruction::Constant(value) => match constant_len(value) {
                1 => CONST8,
                2 => CONST16,
                4 => CONST32,
                _ => CONST64,
            },
            Instruction::Register(_) => REG,
            Instruction::Duplicate => DUP,
            Instruction::Drop => POP,
            Instruction::Swap => SWAP,
            Instruction::Pick(_) => PICK,
            Instruction::Rotate => ROT,
            Instruction::Print { .. } => PRINTF,
            Instruction::End => END,
        }
    }
}

/// How many bytes a constant takes.
const fn constant_len(value: u64) -> usize {
    match value {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 4,
        _ => 8,
    }
}

/// The instruction without an operand that has this opcode.
fn plain(opcode: u8) -> Result<Instruction, AgentFault> {
    Ok(match opcode {
        ADD => Instruction::Add,
        SUB => Instruction::Subtract,
        MUL => Instruction::Multiply,
        DIV_SIGNED => Instruction::DivideSigned,
        DIV_UNSIGNED => Instruction::DivideUnsigned,
        REM_SIGNED => Instruction::RemainderSigned,
        REM_UNSIGNED => Instruction::RemainderUnsigned,
        LSH => Instruction::ShiftLeft,
        RSH_SIGNED => Instruction::ShiftRightSigned,
        RSH_UNSIGNED => Instruction::ShiftRightUnsigned,
        LOG_NOT => Instruction::LogicalNot,
        BIT_AND => Instruction::And,
        BIT_OR => Instruction::Or,
        BIT_XOR => Instruction::Xor,
        BIT_NOT => Instruction::Not,
        EQUAL => Instruction::Equal,
        LESS_SIGNED => Instruction::LessSigned,
        LESS_UNSIGNED => Instruction::LessUnsigned,
        REF8 => Instruction::Read8,
        REF16 => Instruction::Read16,
        REF32 => Instruction::Read32,
        REF64 => Instruction::Read64,
        DUP => Instruction::Duplicate,
        POP => Instruction::Drop,
        SWAP => Instruction::Swap,
        ROT => Instruction::Rotate,
        END => Instruction::End,
        opcode => return Err(refused(opcode)),
    })
}

/// Why an opcode is not taken: those that GDB defines for other purposes are named.
fn refused(opcode: u8) -> AgentFault {
    match opcode {
        FLOAT => AgentFault::FloatingPoint("float"),
        REF_FLOAT => AgentFault::FloatingPoint("ref_float"),
        REF_DOUBLE => AgentFault::FloatingPoint("ref_double"),
        REF_LONG_DOUBLE => AgentFault::FloatingPoint("ref_long_double"),
        L_TO_D => AgentFault::FloatingPoint("l_to_d"),
        D_TO_L => AgentFault::FloatingPoint("d_to_l"),
        GETV => AgentFault::Variable("getv"),
        SETV => AgentFault::Variable("setv"),
        TRACE => AgentFault::Tracing("trace"),
        TRACE_QUICK => AgentFault::Tracing("trace_quick"),
        TRACEV => AgentFault::Tracing("tracev"),
        TRACENZ => AgentFault::Tracing("tracenz"),
        TRACE16 => AgentFault::Tracing("trace16"),
        opcode => AgentFault::UnknownOpcode(opcode),
    }
}
