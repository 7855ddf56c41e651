//! Names of parts on both CPUs, and what they cover.

use super::*;

fn part(name: &str) -> (&'static str, u8, u8) {
    let part = RegisterPart::from_name(Arch::X86_64, name).expect(name);
    let whole = Arch::X86_64.describe(part.register).expect("a register of the table");
    (whole.name, part.shift, part.size_bits)
}

#[test]
fn names_find_their_bits() {
    assert_eq!(part("rax"), ("rax", 0, 64));
    assert_eq!(part("eax"), ("rax", 0, 32));
    assert_eq!(part("ax"), ("rax", 0, 16));
    assert_eq!(part("al"), ("rax", 0, 8));
    assert_eq!(part("ah"), ("rax", 8, 8));
    assert_eq!(part("dh"), ("rdx", 8, 8));
    assert_eq!(part("r8d"), ("r8", 0, 32));
    assert_eq!(part("r15b"), ("r15", 0, 8));
    assert_eq!(part("sil"), ("rsi", 0, 8));
    assert_eq!(part("bp"), ("rbp", 0, 16));
    assert_eq!(part("bpl"), ("rbp", 0, 8));
    assert_eq!(part("eip"), ("rip", 0, 32));
    assert_eq!(part("efl"), ("eflags", 0, 32));
    assert_eq!(part("zf"), ("eflags", 6, 1));
    assert_eq!(part("iopl"), ("eflags", 12, 2));
    assert_eq!(part("cs"), ("cs", 0, 16));
}

#[test]
fn other_names_find_nothing() {
    for name in ["", "e", "r", "r16", "r8q", "e8", "sih", "ex", "foo", "RAX"] {
        assert_eq!(RegisterPart::from_name(Arch::X86_64, name), None, "{name}");
    }
}

#[test]
fn aarch64_has_its_own_names() {
    let from = |name| RegisterPart::from_name(Arch::Aarch64, name);
    assert_eq!(from("lr"), from("x30"));
    assert_eq!(from("fp"), from("x29"));
    assert_eq!(from("w3").map(|part| part.size_bits), Some(32));
    assert_eq!(from("w31"), None);
    assert_eq!(from("zf"), None);
}

#[test]
fn common_names_cannot_be_numbers() {
    for name in ["rax", "eax", "r8", "r15d", "rip", "efl", "esp"] {
        assert!(RegisterPart::is_common(Arch::X86_64, name), "{name}");
    }
    for name in ["al", "ah", "ax", "cs", "zf", "if", "fs_base", "orig_rax", "main"] {
        assert!(!RegisterPart::is_common(Arch::X86_64, name), "{name}");
    }
    for register in Arch::X86_64.general_registers() {
        let digits = register.name.chars().all(|character| character.is_ascii_hexdigit());
        assert!(!digits || !RegisterPart::is_common(Arch::X86_64, register.name));
    }
}

#[test]
fn a_part_is_replaced_alone() {
    let part = |name| RegisterPart::from_name(Arch::X86_64, name).expect(name);
    assert_eq!(part("ah").replace(0x1111_2222_3333_4444, 0xff), 0x1111_2222_3333_ff44);
    assert_eq!(part("eax").replace(0x1111_2222_3333_4444, 5), 0x1111_2222_0000_0005);
    assert_eq!(part("rax").replace(1, u64::MAX), u64::MAX);
    assert_eq!(part("zf").replace(0x246, 0), 0x206);
    assert_eq!(part("zf").replace(0x206, 3), 0x246);
    let mut registers = GeneralRegisters::zeroed(Arch::X86_64);
    registers.set(x86_64::RAX, 0x1122_3344);
    assert_eq!(part("ah").read(&registers), 0x33);
    assert_eq!(part("ax").read(&registers), 0x3344);
}
