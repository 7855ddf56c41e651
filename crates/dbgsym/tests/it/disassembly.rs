//! Instruction lengths against objdump, over whole libraries; and kinds against what the text says.

use std::path::Path;

use dbgbase::{Address, Arch};
use dbgsym::disasm::{InstructionKind, decode};

use crate::binutils;
use crate::programs::{Workshop, image, loaded_library};

/// Every boundary between instructions of a section is where objdump sees it.
fn assert_same_boundaries(path: &Path, section: &str, at_least: usize) {
    let image = image(path);
    let start = image.section(section).expect("there is code").address.value();
    let bytes = image.section_bytes(section).expect("the file has it");
    let code = bytes.as_slice();
    let (expected, bad) = binutils::instruction_starts(path, section);
    assert!(expected.len() >= at_least, "only {} instructions", expected.len());
    let mut invalid = Vec::new();
    for (index, address) in expected.iter().enumerate() {
        let here = code.get((address - start) as usize..).expect("inside the section");
        let next = expected.get(index + 1).copied().unwrap_or(start + code.len() as u64);
        let found = decode(Arch::X86_64, here, Address::new(*address)).expect("there are bytes");
        if found.kind() == InstructionKind::Invalid {
            invalid.push(*address);
        } else if !bad.contains(address) {
            assert_eq!(found.len_bytes(), next - address, "at {address:#x}: {:x?}", found.bytes());
        }
    }
    assert_eq!(invalid, bad, "{}", path.display());
}

#[test]
fn instructions_of_libc_are_as_long_as_objdump_says() {
    assert_same_boundaries(&loaded_library("libc.so"), ".text", 300_000);
}

#[test]
fn instructions_of_the_linkage_table_are_as_long_as_objdump_says() {
    let workshop = Workshop::new();
    let path = workshop.compile("plain", "plain.c", &["-Wl,-z,lazy", "-lm"]);
    for section in [".plt", ".plt.got", ".text", ".init"] {
        assert_same_boundaries(&path, section, 2);
    }
}

/// All of libc as text: kinds agree with mnemonics, targets with operands, and nothing is empty.
#[test]
fn the_text_of_an_instruction_agrees_with_its_facts() {
    let image = image(&loaded_library("libc.so"));
    let text = image.section(".text").expect("there is code");
    let bytes = image.section_bytes(".text").expect("the file has it");
    // A tenth of it is some 40,000 instructions.
    let mut code = bytes.as_slice().get(..bytes.as_slice().len() / 10).expect("a tenth");
    let mut address = Address::new(text.address.value());
    let mut calls = 0;
    while !code.is_empty() {
        let instruction = decode(Arch::X86_64, code, address).expect("there are bytes");
        let text = instruction.text(&|_| None);
        let word = text.mnemonic.rsplit(' ').next().expect("a mnemonic");
        let expected = match word {
            "call" => InstructionKind::Call,
            "ret" => InstructionKind::Return,
            "jmp" => InstructionKind::Jump,
            "syscall" => InstructionKind::SystemCall,
            "hlt" | "ud2" => InstructionKind::Exception,
            "???" => InstructionKind::Invalid,
            word if word.starts_with('j') => InstructionKind::ConditionalJump,
            _ if text.mnemonic.starts_with("rep") => InstructionKind::StringRepeat,
            _ => InstructionKind::Other,
        };
        assert_eq!(instruction.kind(), expected, "{} {}", text.mnemonic, text.operands);
        if let Some(target) = instruction.target() {
            assert_eq!(text.operands, target.to_string());
            calls += usize::from(instruction.is_call());
        }
        if let Some(data) = instruction.data_address() {
            assert!(text.operands.contains(&format!("[{data}]")), "{}", text.operands);
        }
        assert!(!text.operands.contains("rip"), "{}", text.operands);
        address = instruction.fallthrough();
        code = code.get(instruction.len_bytes() as usize..).expect("inside");
    }
    assert!(calls > 1000);
}
