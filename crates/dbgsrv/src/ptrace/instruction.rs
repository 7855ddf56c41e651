//! The few instructions that stepping has to know, by their first bytes. Pure; of AArch64, none
//! needs to be known but `svc`. Source: Intel SDM volume 2, chapters 2.1 (prefixes) and 2.2.1
//! (REX).

use dbgbase::Arch;

/// How many bytes have to be looked at: prefixes, REX, opcode.
pub(super) const HEAD_LEN: usize = 8;

/// How many bytes an instruction has that enters the kernel.
pub(super) const CALL_LEN: usize = if cfg!(target_arch = "aarch64") { 4 } else { 2 };

/// What is particular about stepping over an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum Kind {
    /// Nothing.
    #[default]
    Ordinary,
    /// It enters the kernel, where it may block.
    EntersKernel,
    /// It traps after each of its repetitions.
    Repeats,
    /// It stores the flags on the stack, with the trap flag by which it is stepped.
    PushesFlags,
    /// It takes the flags from the stack, so that the kernel no longer knows whose trap flag it is.
    PopsFlags,
}

/// The kind of the instruction that begins so. What cannot be told from these bytes is ordinary.
pub(super) fn kind(arch: Arch, code: &[u8]) -> Kind {
    match arch {
        Arch::X86_64 => kind_x86_64(code),
        // svc #imm16; Arm ARM, C6.2, "SVC".
        Arch::Aarch64 => match code {
            [low, _, middle, 0xd4, ..] if low & 0x1f == 1 && middle & 0xe0 == 0 => {
                Kind::EntersKernel
            }
            _ => Kind::Ordinary,
        },
        _ => Kind::Ordinary,
    }
}

fn kind_x86_64(code: &[u8]) -> Kind {
    let is_prefix =
        |byte: &u8| matches!(byte, 0x26 | 0x2e | 0x36 | 0x3e | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3);
    let count = code.iter().take_while(|byte| is_prefix(byte)).count();
    let (prefixes, rest) = code.split_at_checked(count).unwrap_or((code, &[]));
    let opcode = match rest {
        [0x40..=0x4f, opcode @ ..] => opcode,
        opcode => opcode,
    };
    let is_repeated = prefixes.iter().any(|byte| matches!(byte, 0xf2 | 0xf3));
    match opcode {
        // syscall, sysenter, int 0x80.
        [0x0f, 0x05 | 0x34, ..] | [0xcd, 0x80, ..] => Kind::EntersKernel,
        // ins, outs; movs, cmps; stos, lods, scas.
        [0x6c..=0x6f | 0xa4..=0xa7 | 0xaa..=0xaf, ..] if is_repeated => Kind::Repeats,
        [0x9c, ..] => Kind::PushesFlags,
        // popf, iret.
        [0x9d | 0xcf, ..] => Kind::PopsFlags,
        _ => Kind::Ordinary,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn particular_instructions_are_known() {
        let cases: [(&[u8], Kind); 16] = [
            (&[0x0f, 0x05], Kind::EntersKernel),               // syscall
            (&[0xcd, 0x80], Kind::EntersKernel),               // int 0x80
            (&[0x0f, 0x34], Kind::EntersKernel),               // sysenter
            (&[0xf3, 0xa4], Kind::Repeats),                    // rep movsb
            (&[0xf3, 0x48, 0xab], Kind::Repeats),              // rep stosq
            (&[0x67, 0xf2, 0xae], Kind::Repeats),              // repne scasb, 32-bit addresses
            (&[0x66, 0xf3, 0xa5], Kind::Repeats),              // rep movsw
            (&[0x9c], Kind::PushesFlags),                      // pushfq
            (&[0x66, 0x9c], Kind::PushesFlags),                // pushfw
            (&[0x9d], Kind::PopsFlags),                        // popfq
            (&[0x48, 0xcf], Kind::PopsFlags),                  // iretq
            (&[0xa4], Kind::Ordinary),                         // movsb
            (&[0xf3, 0x0f, 0x1e, 0xfa], Kind::Ordinary),       // endbr64
            (&[0xf3, 0x90], Kind::Ordinary),                   // pause
            (&[0x48, 0x89, 0xe5], Kind::Ordinary),             // mov %rsp,%rbp
            (&[0xb8, 0x9c, 0x00, 0x00, 0x00], Kind::Ordinary), // mov $0x9c,%eax
        ];
        for (code, expected) in cases {
            assert_eq!(kind(Arch::X86_64, code), expected, "{code:02x?}");
        }
        assert_eq!(kind(Arch::Aarch64, &[0x01, 0x00, 0x00, 0xd4]), Kind::EntersKernel); // svc #0
        assert_eq!(kind(Arch::Aarch64, &[0x00, 0x00, 0x20, 0xd4]), Kind::Ordinary); // brk #0
    }

    #[test]
    fn code_that_is_cut_off_is_ordinary() {
        for code in [&[][..], &[0xf3], &[0xf3, 0x48], &[0x0f], &[0xcd], &[0xf3; HEAD_LEN]] {
            assert_eq!(kind(Arch::X86_64, code), Kind::Ordinary, "{code:02x?}");
        }
    }
}
