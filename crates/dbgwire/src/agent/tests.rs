//! What is proved sound and what is refused, on code as GDB makes it and on any bytes whatever.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const X86: Arch = Arch::X86_64;

/// Why the code is refused, and where.
fn refused(bytes: &[u8]) -> (usize, AgentFault) {
    let error = Code::verify(bytes, X86).expect_err("refused");
    (error.offset, error.fault)
}

/// `n > 2 || *p == 1` as GDB 13 compiles it, with `n` and `p` on the stack.
const OR: [u8; 50] = [
    0x26, 0, 6, 0x22, 16, 0x02, 0x22, 236, 0x16, 8, 0x02, 0x19, 0x16, 32, 0x22, 2, 0x2b,
    0x14, //
    0x20, 0, 47, // if_goto 47
    0x26, 0, 6, 0x22, 16, 0x02, 0x22, 224, 0x16, 8, 0x02, 0x1a, 0x17, 0x16, 8, 0x22, 1,
    0x13, //
    0x20, 0, 47, 0x22, 0, 0x21, 0, 49, 0x22, 1, 0x27,
];

#[test]
fn what_gdb_compiles_is_sound() {
    let code = Code::verify(&OR, X86).expect("sound");
    assert_eq!(code.bytes(), OR);
    assert_eq!(code.at(0), Some((Instruction::Register(6), 3)));
    assert_eq!(code.at(18), Some((Instruction::JumpIf(47), 21)));
    assert_eq!(code.at(49), Some((Instruction::End, 50)));
    assert_eq!(code.at(50), None);
    // A loop that counts `rax` down: `reg 0; dup; if_goto 7; end; const8 1; sub; goto 3`, ended.
    let looped = [0x26, 0, 0, 0x28, 0x20, 0, 8, 0x27, 0x22, 1, 0x03, 0x21, 0, 3, 0x27];
    assert!(Code::verify(&looped, X86).is_ok());
}

#[test]
fn instructions_are_assembled_and_read_back() {
    let instructions = [
        Instruction::Constant(0xff),
        Instruction::Constant(0x100),
        Instruction::Constant(0xffff_ffff),
        Instruction::Constant(u64::MAX),
        Instruction::Pick(3),
        Instruction::Rotate,
        Instruction::ExtendSign(64),
    ];
    let code = Code::assemble(&instructions, X86).expect("sound");
    let expected = [
        &[0x22, 0xff, 0x23, 0x01, 0x00, 0x24, 0xff, 0xff, 0xff, 0xff, 0x25][..],
        &[0xff; 8],
        &[0x32, 3, 0x33, 0x16, 64, 0x27],
    ];
    assert_eq!(code.bytes(), expected.concat());
    let mut offset = 0;
    for instruction in instructions.iter().chain([&Instruction::End]) {
        let (found, next) = code.at(offset).expect("an instruction");
        assert_eq!(found, *instruction);
        offset = next;
    }
}

#[test]
fn what_does_more_than_look_is_refused_by_name() {
    use AgentFault::{FloatingPoint, Tracing, UnknownOpcode, Variable};
    let cases: [(u8, AgentFault); 16] = [
        (0x00, UnknownOpcode(0)),
        (0x01, FloatingPoint("float")),
        (0x0c, Tracing("trace")),
        (0x0d, Tracing("trace_quick")),
        (0x1b, FloatingPoint("ref_float")),
        (0x1c, FloatingPoint("ref_double")),
        (0x1d, FloatingPoint("ref_long_double")),
        (0x1e, FloatingPoint("l_to_d")),
        (0x1f, FloatingPoint("d_to_l")),
        (0x2c, Variable("getv")),
        (0x2d, Variable("setv")),
        (0x2e, Tracing("tracev")),
        (0x2f, Tracing("tracenz")),
        (0x30, Tracing("trace16")),
        (0x31, UnknownOpcode(0x31)),
        (0x35, UnknownOpcode(0x35)),
    ];
    for (opcode, fault) in cases {
        assert_eq!(refused(&[0x22, 1, opcode, 0, 0, 0x27]), (2, fault));
    }
    let error = Code::verify(&[0x22, 1, 0x0c, 0x27], X86).expect_err("refused");
    let sentence = "trace, which collects data of tracepoints, of which there are none, at offset \
                    2 of the condition";
    assert_eq!(error.to_string(), sentence);
}

/// Why commands are refused, and where.
fn refused_commands(bytes: &[u8]) -> (usize, AgentFault) {
    let error = Code::verify_for(Purpose::Commands, bytes, X86).expect_err("refused");
    (error.offset, error.fault)
}

#[test]
fn commands_print_and_have_no_result() {
    // `dprintf ..., "n %d\n", n` as GDB 13 compiles it, with `n` on the stack.
    let printed = [
        &[0x26, 0, 6, 0x22, 16, 0x02, 0x19, 0x16, 32, 0x22, 0, 0x22, 0, 0x34, 1, 0, 7][..],
        b"n %d\\n\0\x27",
    ]
    .concat();
    let code = Code::verify_for(Purpose::Commands, &printed, X86).expect("sound");
    assert_eq!(code.at(13), Some((Instruction::Print { arguments: 1, format_len: 7 }, 24)));
    assert_eq!(code.format_at(13).count(), 3);
    assert_eq!(code.format_at(0).count(), 0);
    assert_eq!(refused(&printed), (13, AgentFault::Printing));
    // Nothing at all, and what a condition may do.
    assert!(Code::verify_for(Purpose::Commands, &[0x27], X86).is_ok());
    assert!(Code::verify_for(Purpose::Commands, &OR, X86).is_ok());
}

#[test]
fn what_is_printed_is_proved() {
    use AgentFault::{Format, TooLong, Truncated, Underflow};
    use FormatFault::{Conversion, Count, End};
    let print = |arguments: u8, format: &[u8]| {
        let head = [0x22, 1, 0x22, 0, 0x22, 0, 0x34, arguments, 0, format.len() as u8];
        [&head[..], format, &[0x27]].concat()
    };
    assert!(Code::verify_for(Purpose::Commands, &print(1, b"%d\0"), X86).is_ok());
    let cases: [(u8, &[u8], AgentFault); 6] = [
        (1, b"%d", Format(End)),
        (1, b"", Format(End)),
        (1, b"\0%d\0", Format(End)),
        (0, b"%d\0", Format(Count)),
        (2, b"%d\0", Format(Count)),
        (1, b"%n\0", Format(Conversion(b'n'))),
    ];
    for (arguments, format, fault) in cases {
        assert_eq!(refused_commands(&print(arguments, format)), (6, fault));
    }
    assert_eq!(refused_commands(&print(2, b"%d%d\0")), (6, Underflow));
    assert_eq!(refused_commands(&print(1, b"%d\0")[..12]), (6, Truncated));
    let long = Code::assemble_printing(&[], &[b'a'; CODE_LEN_MAX], X86).expect_err("refused");
    assert_eq!(long.fault, TooLong);
    let many = Code::assemble_printing(&[], &b"%d".repeat(256), X86).expect_err("refused");
    assert_eq!(many.fault, Format(Count));
    let sentence = "printf, whose format has a conversion by 'n', at offset 6 of the commands";
    let error = Code::verify_for(Purpose::Commands, &print(1, b"%n\0"), X86).expect_err("refused");
    assert_eq!(error.to_string(), sentence);
}

#[test]
fn instructions_must_be_whole_and_end() {
    assert_eq!(refused(&[]), (0, AgentFault::Empty));
    assert_eq!(refused(&[0x22]), (0, AgentFault::Truncated));
    assert_eq!(refused(&[0x22, 1, 0x23, 1]), (2, AgentFault::Truncated));
    assert_eq!(refused(&[0x22, 1, 0x25, 1, 2, 3, 4, 5, 6, 7]), (2, AgentFault::Truncated));
    assert_eq!(refused(&[0x22, 1, 0x26, 0]), (2, AgentFault::Truncated));
    assert_eq!(refused(&[0x22, 1]), (0, AgentFault::NoEnd));
    assert_eq!(refused(&[0x22, 1, 0x27, 0x28]), (3, AgentFault::NoEnd));
    assert_eq!(refused(&[0x22, 1, 0x16, 0, 0x27]), (2, AgentFault::Width(0)));
    assert_eq!(refused(&[0x22, 1, 0x2a, 65, 0x27]), (2, AgentFault::Width(65)));
    let mut longest = vec![0x2b; CODE_LEN_MAX];
    longest[..4].copy_from_slice(&[0x22, 1, 0x22, 2]);
    longest[CODE_LEN_MAX - 1] = 0x27;
    assert!(Code::verify(&longest, X86).is_ok());
    longest.push(0x27);
    assert_eq!(refused(&longest), (CODE_LEN_MAX, AgentFault::TooLong));
}

#[test]
fn jumps_lead_to_instructions() {
    // Into an operand, behind the end, far behind it.
    assert_eq!(refused(&[0x21, 0, 4, 0x22, 1, 0x27]), (0, AgentFault::Jump(4)));
    assert_eq!(refused(&[0x21, 0, 6, 0x22, 1, 0x27]), (0, AgentFault::Jump(6)));
    assert_eq!(refused(&[0x22, 1, 0x20, 0xff, 0xff, 0x22, 1, 0x27]), (2, AgentFault::Jump(0xffff)));
}

#[test]
fn the_stack_has_one_depth_everywhere() {
    assert_eq!(refused(&[0x27]), (0, AgentFault::Underflow));
    assert_eq!(refused(&[0x22, 1, 0x02, 0x27]), (2, AgentFault::Underflow));
    assert_eq!(refused(&[0x22, 1, 0x32, 1, 0x27]), (2, AgentFault::Underflow));
    // `const8 1; goto 0` pushes for ever.
    assert_eq!(refused(&[0x22, 1, 0x21, 0, 0, 0x27]), (0, AgentFault::UnequalDepths));
    // One way brings one number more.
    let joined = [0x22, 1, 0x20, 0, 7, 0x22, 2, 0x22, 3, 0x27];
    assert_eq!(refused(&joined), (7, AgentFault::UnequalDepths));
    let mut deepest = vec![0x22, 1];
    deepest.extend([0x28; STACK_DEPTH_MAX - 1]);
    deepest.push(0x27);
    assert!(Code::verify(&deepest, X86).is_ok());
    deepest.insert(2, 0x28);
    assert_eq!(refused(&deepest), (STACK_DEPTH_MAX + 1, AgentFault::TooDeep));
}

#[test]
fn registers_are_those_of_the_cpu() {
    let register = |number: u8| [0x26, 0, number, 0x27];
    assert_eq!(refused(&register(40)), (0, AgentFault::Register(40)), "an SSE register");
    assert!(Code::verify(&register(58), X86).is_ok(), "fs_base");
    assert!(Code::verify(&register(33), Arch::Aarch64).is_ok());
    assert!(Code::verify(&register(58), Arch::Aarch64).is_err());
}

/// Follows code that was found sound, taking jumps as `choose` says, and checks what was proved.
fn follow(code: &Code, mut choose: impl FnMut() -> bool) {
    let (mut offset, mut depth) = (0, 0_usize);
    for _step in 0..1000 {
        let (instruction, next) = code.at(offset).expect("an instruction");
        let (needed, left) = instruction.effect();
        depth = depth.checked_sub(needed).expect("no underflow") + left;
        assert!(depth <= STACK_DEPTH_MAX);
        offset = match instruction {
            Instruction::End => return,
            Instruction::Jump(target) => usize::from(target),
            Instruction::JumpIf(target) if choose() => usize::from(target),
            _ => next,
        };
    }
}

/// Bytes that are mostly instructions: known opcodes, small operands.
fn likely_code() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => any::<u8>().prop_map(|value| vec![0x22, value]),
        4 => (0x02_u8..=0x1a).prop_map(|opcode| vec![opcode]),
        1 => (0_u8..40).prop_map(|target| vec![0x20, 0, target]),
        1 => (0_u8..40).prop_map(|target| vec![0x21, 0, target]),
        2 => Just(vec![0x28]),
        1 => Just(vec![0x2b]),
        1 => Just(vec![0x33]),
        1 => (0_u8..3).prop_map(|below| vec![0x32, below]),
        1 => (0_u8..20).prop_map(|number| vec![0x26, 0, number]),
        1 => (0_u8..66).prop_map(|bits| vec![0x2a, bits]),
        1 => Just(vec![0x27]),
    ];
    vec(piece, 0..20)
        .prop_map(|pieces| [&[0x22, 1, 0x22, 2, 0x22, 3], &pieces.concat()[..], &[0x27]].concat())
}

proptest! {
    #[test]
    fn any_bytes_are_judged(bytes in vec(any::<u8>(), 0..64), choices: u64) {
        if let Ok(code) = Code::verify(&bytes, X86) {
            let mut choices = choices;
            follow(&code, || {
                choices = choices.rotate_left(1);
                choices & 1 == 1
            });
        }
    }

    #[test]
    fn sound_code_never_takes_what_is_not_there(bytes in likely_code(), choices: u64) {
        if let Ok(code) = Code::verify(&bytes, X86) {
            let mut choices = choices;
            follow(&code, || {
                choices = choices.rotate_left(1);
                choices & 1 == 1
            });
        }
    }
}
