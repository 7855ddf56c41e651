//! Tests.

use super::*;

const AT: Address = Address::new(0x5555_5555_5139);

/// The instruction as one line, its parts joined by a blank.
fn line(bytes: &[u8]) -> String {
    let instruction = decode(Arch::X86_64, bytes, AT).expect("there are bytes");
    assert_eq!(instruction.bytes(), bytes, "decoded another length");
    let text = instruction.text(&|address| match address.value() {
        0x5555_5555_5155 => Some("prog!main+0x12".to_owned()),
        0x5555_5555_8010 => Some("prog!counter".to_owned()),
        _ => None,
    });
    format!("{} {}", text.mnemonic, text.operands).trim_end().to_owned()
}

fn kind(bytes: &[u8]) -> InstructionKind {
    decode(Arch::X86_64, bytes, AT).expect("there are bytes").kind()
}

#[test]
fn instructions_read_as_in_windbg() {
    for (bytes, text) in [
        (&[0x55][..], "push rbp"),
        (&[0x48, 0x89, 0xe5], "mov rbp,rsp"),
        (&[0x48, 0x83, 0xec, 0x10], "sub rsp,10h"),
        (&[0x48, 0x83, 0xec, 0x08], "sub rsp,8"),
        (&[0x48, 0x83, 0xe4, 0xf0], "and rsp,0FFFFFFFFFFFFFFF0h"),
        (&[0x89, 0x7d, 0xfc], "mov dword ptr [rbp-4],edi"),
        (&[0x48, 0x8d, 0x45, 0xf0], "lea rax,[rbp-10h]"),
        (&[0x8b, 0x04, 0x8d, 0, 0, 0, 0], "mov eax,dword ptr [rcx*4]"),
        (&[0xb8, 0x0a, 0, 0, 0], "mov eax,0Ah"),
        (&[0x64, 0x48, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0], "mov rax,qword ptr fs:[28h]"),
        (&[0xe8, 0x17, 0, 0, 0], "call prog!main+0x12 (00005555`55555155)"),
        (&[0x74, 0x1a], "je prog!main+0x12 (00005555`55555155)"),
        (&[0xeb, 0x00], "jmp 00005555`5555513b"),
        (&[0x8b, 0x05, 0xd1, 0x2e, 0, 0], "mov eax,dword ptr [prog!counter (00005555`55558010)]"),
        (&[0x8b, 0x05, 0xd2, 0x2e, 0, 0], "mov eax,dword ptr [00005555`55558011]"),
        (&[0xff, 0x15, 0xd1, 0x2e, 0, 0], "call qword ptr [prog!counter (00005555`55558010)]"),
        (&[0x48, 0x8d, 0x3d, 0xd0, 0x2e, 0, 0], "lea rdi,[prog!counter (00005555`55558010)]"),
        (&[0xff, 0xd0], "call rax"),
        (&[0xc3], "ret"),
        (&[0xc9], "leave"),
        (&[0xcc], "int 3"),
        (&[0x0f, 0x05], "syscall"),
        (&[0xf3, 0x0f, 0x1e, 0xfa], "endbr64"),
        (&[0x0f, 0x29, 0x04, 0x24], "movaps xmmword ptr [rsp],xmm0"),
        (&[0xf3, 0x48, 0xab], "rep stos qword ptr [rdi]"),
        (&[0xf3, 0xa4], "rep movs byte ptr [rdi],byte ptr [rsi]"),
        (&[0xf2, 0xae], "repne scas byte ptr [rdi]"),
        (&[0x67, 0xad], "lods dword ptr [esi]"),
        (&[0xa6], "cmps byte ptr [rsi],byte ptr [rdi]"),
        (&[0xf0, 0x0f, 0xb1, 0x0f], "lock cmpxchg dword ptr [rdi],ecx"),
    ] {
        assert_eq!(line(bytes), text, "{bytes:x?}");
    }
}

#[test]
fn kinds_say_what_stepping_needs() {
    use InstructionKind::*;
    for (bytes, expected) in [
        (&[0xe8, 0, 0, 0, 0][..], Call),
        (&[0xff, 0xd0], Call),
        (&[0xff, 0x15, 0, 0, 0, 0], Call),
        (&[0xc3], Return),
        (&[0xf2, 0xc3], Return),
        (&[0xc2, 8, 0], Return),
        (&[0x48, 0xcf], Return),
        (&[0xeb, 0], Jump),
        (&[0xe9, 0, 0, 0, 0], Jump),
        (&[0xff, 0xe0], Jump),
        (&[0xff, 0x25, 0, 0, 0, 0], Jump),
        (&[0x74, 0], ConditionalJump),
        (&[0x0f, 0x85, 0, 0, 0, 0], ConditionalJump),
        (&[0xe2, 0], ConditionalJump),
        (&[0xe3, 0], ConditionalJump),
        (&[0xc7, 0xf8, 0, 0, 0, 0], ConditionalJump),
        (&[0x0f, 0x01, 0xd5], Other),
        (&[0x0f, 0x05], SystemCall),
        (&[0xcd, 0x80], SystemCall),
        (&[0xcc], Trap),
        (&[0xcd, 0x03], Exception),
        (&[0x0f, 0x0b], Exception),
        (&[0xf4], Exception),
        (&[0xf3, 0xa4], StringRepeat),
        (&[0xf2, 0xae], StringRepeat),
        (&[0xa4], Other),
        (&[0xf3, 0x90], Other),
        (&[0x90], Other),
        (&[0x06], Invalid),
        (&[0x48], Invalid),
    ] {
        assert_eq!(kind(bytes), expected, "{bytes:x?}");
    }
}

#[test]
fn targets_and_next_addresses() {
    let call = decode(Arch::X86_64, &[0xe8, 0xfb, 0xff, 0xff, 0xff], AT).expect("a call");
    assert_eq!(call.target(), Some(AT));
    assert_eq!(call.fallthrough(), AT.wrapping_offset(5));
    assert!(call.is_call() && call.is_branching());
    let indirect = decode(Arch::X86_64, &[0xff, 0x25, 2, 0, 0, 0], AT).expect("a jump");
    assert_eq!(indirect.target(), None);
    assert_eq!(indirect.data_address(), Some(AT.wrapping_offset(8)));
    let by_register = decode(Arch::X86_64, &[0x8b, 0x03], AT).expect("a load");
    assert_eq!((by_register.target(), by_register.data_address()), (None, None));
    assert!(!by_register.is_branching());
}

#[test]
fn bytes_that_are_no_instruction_go_one_by_one() {
    for bytes in [&[0x06, 0x90][..], &[0x48, 0x89], &[0xe8, 0, 0], &[0x66; 15]] {
        let instruction = decode(Arch::X86_64, bytes, AT).expect("there are bytes");
        assert_eq!(instruction.kind(), InstructionKind::Invalid, "{bytes:x?}");
        assert_eq!(instruction.bytes(), &bytes[..1]);
        let text = instruction.text(&|_| None);
        assert_eq!((text.mnemonic.as_str(), text.operands.as_str()), ("???", ""));
    }
    assert_eq!(decode(Arch::X86_64, &[], AT), Err(DisasmError::NoBytes));
    let unsupported = DisasmError::UnsupportedArch(Arch::Aarch64);
    assert_eq!(decode(Arch::Aarch64, &[0; 4], AT), Err(unsupported));
    assert_eq!(unsupported.to_string(), "instructions of aarch64 cannot be disassembled");
}
