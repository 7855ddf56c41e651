//! What code computes, where it stops for good, and that it always ends.

use dbgbase::{Arch, Unreadable, x86_64};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// The bytes 0, 1, 2 and so on from 0x1000 up to 0x1100, and a page at 0x2000 of which only the
/// first two bytes can be read.
struct Memory;

impl ReadMemory for Memory {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<usize, Unreadable> {
        let byte = |index: usize| match address.value().checked_add(index as u64)? {
            at @ (0x1000..0x1100 | 0x2000..0x2002) => Some(at as u8),
            _ => None,
        };
        let mut count = 0;
        for (index, slot) in buffer.iter_mut().enumerate() {
            let Some(byte) = byte(index) else { break };
            *slot = byte;
            count += 1;
        }
        if count == 0 { Err(Unreadable { address }) } else { Ok(count) }
    }
}

fn registers() -> GeneralRegisters {
    let mut registers = GeneralRegisters::zeroed(Arch::X86_64);
    registers.set(x86_64::RAX, 5);
    registers.set(x86_64::RBP, 0x1020);
    registers.set(x86_64::FS_BASE, u64::MAX);
    registers
}

fn run_bytes(bytes: &[u8]) -> Result<u64, Halt> {
    let code = Code::verify(bytes, Arch::X86_64).expect("sound");
    run(&code, &registers(), &Memory)
}

/// The result of instructions that follow these constants.
fn result(constants: &[u64], instructions: &[Instruction]) -> Result<u64, ConditionTrouble> {
    let constants = constants.iter().map(|value| Instruction::Constant(*value));
    let all: Vec<_> = constants.chain(instructions.iter().copied()).collect();
    let code = Code::assemble(&all, Arch::X86_64).expect("sound");
    run(&code, &registers(), &Memory).map_err(|halt| halt.trouble)
}

#[test]
fn two_numbers_give_one() {
    use Instruction::*;
    let minus = |value: i64| value.cast_unsigned();
    let cases = [
        (Add, u64::MAX, 2, 1),
        (Subtract, 1, 2, u64::MAX),
        (Multiply, 1 << 63, 2, 0),
        (DivideSigned, minus(-7), 2, minus(-3)),
        (DivideSigned, minus(i64::MIN), minus(-1), minus(i64::MIN)),
        (DivideUnsigned, u64::MAX, 2, u64::MAX / 2),
        (RemainderSigned, minus(-7), 2, minus(-1)),
        (RemainderSigned, minus(i64::MIN), minus(-1), 0),
        (RemainderUnsigned, 7, 4, 3),
        (ShiftLeft, 1, 63, 1 << 63),
        (ShiftLeft, 1, 64, 0),
        (ShiftLeft, 1, 1 << 40, 0),
        (ShiftRightUnsigned, 1 << 63, 63, 1),
        (ShiftRightUnsigned, u64::MAX, 64, 0),
        (ShiftRightSigned, minus(-8), 1, minus(-4)),
        (ShiftRightSigned, minus(-8), 1 << 40, u64::MAX),
        (ShiftRightSigned, 8, 64, 0),
        (And, 0b1100, 0b1010, 0b1000),
        (Or, 0b1100, 0b1010, 0b1110),
        (Xor, 0b1100, 0b1010, 0b0110),
        (Equal, 3, 3, 1),
        (Equal, 3, 4, 0),
        (LessSigned, minus(-1), 0, 1),
        (LessSigned, 0, 0, 0),
        (LessUnsigned, u64::MAX, 0, 0),
        (LessUnsigned, 0, u64::MAX, 1),
        (Swap, 1, 2, 1),
        (Drop, 1, 2, 1),
        (Pick(1), 1, 2, 1),
        (Pick(0), 1, 2, 2),
        (Duplicate, 1, 2, 2),
    ];
    for (instruction, left, right, expected) in cases {
        let found = result(&[left, right], &[instruction]);
        assert_eq!(found, Ok(expected), "{left:#x} {right:#x} {instruction:?}");
    }
}

#[test]
fn one_number_gives_one() {
    use Instruction::*;
    let cases = [
        (LogicalNot, 0, 1),
        (LogicalNot, 7, 0),
        (Not, 0, u64::MAX),
        (ExtendSign(8), 0x1ff, u64::MAX),
        (ExtendSign(8), 0x17f, 0x7f),
        (ExtendSign(1), 1, u64::MAX),
        (ExtendSign(64), 1 << 63, 1 << 63),
        (ExtendZero(8), 0x1ff, 0xff),
        (ExtendZero(64), u64::MAX, u64::MAX),
        (Read8, 0x1080, 0x80),
        (Read16, 0x1001, 0x0201),
        (Read32, 0x1001, 0x0403_0201),
        (Read64, 0x10f8, 0xfffe_fdfc_fbfa_f9f8),
    ];
    for (instruction, operand, expected) in cases {
        let found = result(&[operand], &[instruction]);
        assert_eq!(found, Ok(expected), "{operand:#x} {instruction:?}");
    }
    // `rot`: a b c => c a b.
    assert_eq!(result(&[1, 2, 3], &[Rotate]), Ok(2));
    assert_eq!(result(&[1, 2, 3], &[Rotate, Drop]), Ok(1));
    assert_eq!(result(&[1, 2, 3], &[Rotate, Drop, Drop]), Ok(3));
    assert_eq!(result(&[], &[Register(0)]), Ok(5));
    assert_eq!(result(&[], &[Register(58)]), Ok(u64::MAX), "fs_base");
}

#[test]
fn the_manuals_example_computes() {
    // "A simple example": `x + y * z` with globals, of which two are behind the frame pointer.
    // reg 6; const8 8; add; ref8; const16 0x1003; ref8; const8 2; mul; add; end
    let code = [0x26, 0, 6, 0x22, 8, 0x02, 0x17, 0x23, 0x10, 3, 0x17, 0x22, 2, 0x04, 0x02, 0x27];
    assert_eq!(run_bytes(&code), Ok(0x28 + 3 * 2));
}

#[test]
fn jumps_choose_and_loops_end() {
    // `rax > 2 ? 7 : 9`: reg 0; const8 2; swap; less_unsigned; if_goto 15; const8 9; goto 17; ...
    let code = [0x26, 0, 0, 0x22, 2, 0x2b, 0x15, 0x20, 0, 15, 0x22, 9, 0x21, 0, 17, 0x22, 7, 0x27];
    assert_eq!(run_bytes(&code), Ok(7));
    // The sum from rax down to 1: const8 0; reg 0; loop: dup; if_goto 13; pop; end;
    // 13: swap; pick 1; add; swap; const8 1; sub; goto loop.
    let code = [
        0x22, 0, 0x26, 0, 0, 0x28, 0x20, 0, 11, 0x29, 0x27, 0x2b, 0x32, 1, 0x02, 0x2b, 0x22, 1,
        0x03, 0x21, 0, 5, 0x27,
    ];
    assert_eq!(run_bytes(&code), Ok(15));
    // `goto 0` for ever.
    let halt = Halt { offset: 0, trouble: ConditionTrouble::TooManySteps };
    assert_eq!(run_bytes(&[0x21, 0, 0, 0x27]), Err(halt));
}

#[test]
fn trouble_names_its_instruction() {
    let unreadable = |address| ConditionTrouble::Unreadable(Address::new(address));
    assert_eq!(run_bytes(&[0x22, 0, 0x1a, 0x27]), Err(Halt { offset: 2, trouble: unreadable(0) }));
    // Half of the number can be read.
    assert_eq!(result(&[0x2000], &[Instruction::Read16]), Ok(0x0100));
    assert_eq!(result(&[0x2000], &[Instruction::Read32]), Err(unreadable(0x2002)));
    assert_eq!(result(&[u64::MAX], &[Instruction::Read64]), Err(unreadable(u64::MAX)));
    for divide in [0x05, 0x06, 0x07, 0x08] {
        let halt = Halt { offset: 4, trouble: ConditionTrouble::DivisionByZero };
        assert_eq!(run_bytes(&[0x22, 1, 0x22, 0, divide, 0x27]), Err(halt));
    }
}

proptest! {
    #[test]
    fn sound_code_ends_somehow(bytes in vec(prop_oneof![0x02_u8..0x34, any::<u8>()], 0..40)) {
        let bytes = [&[0x22, 1, 0x22, 2, 0x22, 3], &bytes[..], &[0x27]].concat();
        if let Ok(code) = Code::verify(&bytes, Arch::X86_64) {
            let trouble = run(&code, &registers(), &Memory).map_err(|halt| halt.trouble);
            prop_assert_ne!(trouble, Err(ConditionTrouble::Unknown), "led nowhere");
        }
    }
}
