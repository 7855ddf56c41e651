//! The registers of a thread, in the layout of command `r`. It knows no thread.

use std::fmt::Write as _;

use dbgbase::{Arch, x86_64};
use dbgeng::FrameRegisters;

/// The letters for the flags of x86-64: bit, clear, set, in the order in which they are shown.
const FLAG_LETTERS: [(u8, &str, &str); 8] = [
    (11, "nv", "ov"),
    (10, "up", "dn"),
    (9, "di", "ei"),
    (7, "pl", "ng"),
    (6, "nz", "zr"),
    (4, "na", "ac"),
    (2, "po", "pe"),
    (0, "nc", "cy"),
];

/// The rows of integer registers on x86-64.
const ROWS: [&[&str]; 6] = [
    &["rax", "rbx", "rcx"],
    &["rdx", "rsi", "rdi"],
    &["rip", "rsp", "rbp"],
    &["r8", "r9", "r10"],
    &["r11", "r12", "r13"],
    &["r14", "r15"],
];

/// The integer registers with the flags, the segments, or both, several lines. A CPU without
/// segments only has the first. What is not known is dashes.
pub(crate) fn chosen(registers: &FrameRegisters, has_integers: bool, has_segments: bool) -> String {
    match registers.arch() {
        Arch::X86_64 => x86_64_rows(registers, has_integers, has_segments),
        _ if has_integers => other_rows(registers),
        _ => String::new(),
    }
}

/// A value in so many digits, or as many dashes.
fn digits(value: Option<u64>, count: usize) -> String {
    match value {
        Some(value) => format!("{value:0count$x}"),
        None => "-".repeat(count),
    }
}

/// One register or part of one: `rax=0000000000000001`, `zf=1`.
pub(crate) fn one(name: &str, value: u64, size_bits: u8) -> String {
    let digits = usize::from(size_bits).div_ceil(4);
    format!("{name}={value:0digits$x}")
}

fn x86_64_rows(registers: &FrameRegisters, has_integers: bool, has_segments: bool) -> String {
    let value = |name| registers.get(registers.arch().register_by_name(name)?);
    let mut text = String::new();
    let flags = registers.get(x86_64::EFLAGS);
    if has_integers {
        for row in ROWS {
            let cells: Vec<String> =
                row.iter().map(|name| format!("{name:>3}={}", digits(value(*name), 16))).collect();
            text.push_str(&cells.join(" "));
            text.push('\n');
        }
        let letters: Vec<&str> = FLAG_LETTERS
            .iter()
            .map(|(bit, clear, set)| match flags {
                Some(flags) if flags >> bit & 1 == 1 => *set,
                Some(_) => *clear,
                None => "--",
            })
            .collect();
        let level = digits(flags.map(|flags| flags >> 12 & 3), 1);
        let _ = writeln!(text, "iopl={level}         {}", letters.join(" "));
    }
    let mut last = String::new();
    if has_segments {
        let segments: Vec<String> = ["cs", "ss", "ds", "es", "fs", "gs"]
            .iter()
            .map(|name| format!("{name}={}", digits(value(*name), 4)))
            .collect();
        last.push_str(&segments.join("  "));
    }
    if has_integers {
        let gap = if has_segments { 13 } else { 0 };
        let _ = write!(last, "{:gap$}efl={}", "", digits(flags, 8));
    }
    if !last.is_empty() {
        let _ = writeln!(text, "{last}");
    }
    text
}

/// Four registers in a row, in the order of the CPU's table.
fn other_rows(registers: &FrameRegisters) -> String {
    let mut text = String::new();
    let cells: Vec<String> = registers
        .iter()
        .map(|(_, register, value)| {
            let value = digits(value, usize::from(register.size_bytes) * 2);
            format!("{:>6}={value}", register.name)
        })
        .collect();
    for row in cells.chunks(4) {
        text.push_str(&row.join(" "));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use dbgbase::GeneralRegisters;
    use expect_test::expect;

    fn chosen(registers: &GeneralRegisters, has_integers: bool, has_segments: bool) -> String {
        super::chosen(&FrameRegisters::from(registers), has_integers, has_segments)
    }

    #[test]
    fn x86_64_has_the_layout_of_the_manual() {
        let mut registers = GeneralRegisters::zeroed(Arch::X86_64);
        for (index, register) in Arch::X86_64.general_registers().iter().enumerate() {
            let id = Arch::X86_64.register_by_name(register.name).expect("named");
            registers.set(id, index as u64 + 0x10);
        }
        for (id, value) in [
            (x86_64::RIP, 0x7ffd_aaa0_b0e0),
            (x86_64::EFLAGS, 0x246),
            (x86_64::CS, 0x33),
            (x86_64::SS, 0x2b),
            (x86_64::DS, 0),
            (x86_64::ES, 0),
            (x86_64::FS, 0),
            (x86_64::GS, 0),
        ] {
            registers.set(id, value);
        }
        expect![[r#"
            rax=0000000000000010 rbx=0000000000000011 rcx=0000000000000012
            rdx=0000000000000013 rsi=0000000000000014 rdi=0000000000000015
            rip=00007ffdaaa0b0e0 rsp=0000000000000017 rbp=0000000000000016
             r8=0000000000000018  r9=0000000000000019 r10=000000000000001a
            r11=000000000000001b r12=000000000000001c r13=000000000000001d
            r14=000000000000001e r15=000000000000001f
            iopl=0         nv up ei pl zr na pe nc
            cs=0033  ss=002b  ds=0000  es=0000  fs=0000  gs=0000             efl=00000246
        "#]]
        .assert_eq(&chosen(&registers, true, true));
    }

    #[test]
    fn integers_and_segments_may_be_alone() {
        let registers = GeneralRegisters::zeroed(Arch::X86_64);
        let segments = chosen(&registers, false, true);
        assert_eq!(segments, "cs=0000  ss=0000  ds=0000  es=0000  fs=0000  gs=0000\n");
        let integers = chosen(&registers, true, false);
        assert!(integers.ends_with(" po nc\nefl=00000000\n"), "{integers}");
        assert_eq!(chosen(&registers, false, false), "");
    }

    #[test]
    fn every_flag_has_two_letters() {
        let mut registers = GeneralRegisters::zeroed(Arch::X86_64);
        registers.set(x86_64::EFLAGS, 0xffff);
        assert!(
            chosen(&registers, true, true).contains("iopl=3         ov dn ei ng zr ac pe cy\n")
        );
        registers.set(x86_64::EFLAGS, 0);
        assert!(
            chosen(&registers, true, true).contains("iopl=0         nv up di pl nz na po nc\n")
        );
    }

    #[test]
    fn what_a_frame_has_not_preserved_is_dashes() {
        let mut registers = FrameRegisters::unknown(Arch::X86_64);
        registers.set(x86_64::RBX, Some(1));
        registers.set(x86_64::RIP, Some(0x40_1000));
        registers.set(x86_64::CS, Some(0x33));
        expect![[r#"
            rax=---------------- rbx=0000000000000001 rcx=----------------
            rdx=---------------- rsi=---------------- rdi=----------------
            rip=0000000000401000 rsp=---------------- rbp=----------------
             r8=----------------  r9=---------------- r10=----------------
            r11=---------------- r12=---------------- r13=----------------
            r14=---------------- r15=----------------
            iopl=-         -- -- -- -- -- -- -- --
            cs=0033  ss=----  ds=----  es=----  fs=----  gs=----             efl=--------
        "#]]
        .assert_eq(&super::chosen(&registers, true, true));
    }

    #[test]
    fn single_registers_have_their_own_width() {
        assert_eq!(one("rax", 1, 64), "rax=0000000000000001");
        assert_eq!(one("eax", 1, 32), "eax=00000001");
        assert_eq!(one("al", 0xf, 8), "al=0f");
        assert_eq!(one("zf", 1, 1), "zf=1");
        assert_eq!(one("iopl", 3, 2), "iopl=3");
    }

    #[test]
    fn aarch64_has_four_registers_in_a_row() {
        let mut registers = GeneralRegisters::zeroed(Arch::Aarch64);
        registers.set_pc(dbgbase::Address::new(0xaaaa_0000_1234));
        let text = chosen(&registers, true, true);
        assert!(text.starts_with("    x0=0000000000000000     x1="), "{text}");
        assert!(text.ends_with("    pc=0000aaaa00001234 pstate=00000000\n"), "{text}");
    }
}
