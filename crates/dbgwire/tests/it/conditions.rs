//! The tables of `docs/protocol.md` that say what conditions may be made of, against the code.

use std::collections::BTreeMap;

use dbgbase::Arch;
use dbgwire::agent::{AgentFault, Code, Instruction};

use crate::document::{Cells, section, tables};

/// A row of the table of instructions.
struct Row {
    operand_len: usize,
    needed: usize,
}

fn row(cells: &Cells) -> (u8, Row) {
    let opcode = cells[0].strip_prefix("0x").expect("a hexadecimal number");
    let opcode = u8::from_str_radix(opcode, 16).expect("a number");
    let operand_len = match cells[2].split(' ').next() {
        Some("–") => 0,
        Some(len) => len.parse().expect("a number"),
        None => unreachable!("a split has a first part"),
    };
    let (before, _) = cells[3].split_once("=>").expect("what it takes and what it leaves");
    (opcode, Row { operand_len, needed: before.split_whitespace().count() })
}

/// The opcode that only commands have.
const PRINTF: u8 = 0x34;

#[test]
fn printing_is_documented() {
    let rows = &tables(section("Commands"))[0];
    let [cells] = &rows[..] else { panic!("one instruction") };
    assert_eq!(cells[..2], [format!("{PRINTF:#04x}"), "`printf`".to_owned()]);
    let code = Code::assemble_printing(&[Instruction::Constant(1)], b"%d\\n", Arch::X86_64);
    let code = code.expect("sound");
    let (instruction, next) = code.at(6).expect("behind three numbers");
    assert_eq!(code.bytes()[6..], *b"\x34\x01\0\x05%d\\n\0\x27");
    assert_eq!((instruction.effect(), next), ((3, 0), code.bytes().len() - 1));
}

#[test]
fn the_instructions_are_documented() {
    let instructions: BTreeMap<u8, Row> =
        tables(section("Conditions"))[0].iter().map(row).collect();
    for opcode in 0..=u8::MAX {
        // An operand of ones is a width, a register, a jump and a number.
        let code = [opcode, 1, 1, 1, 1, 1, 1, 1, 1];
        if opcode == PRINTF {
            assert!(!instructions.contains_key(&opcode), "it is for commands");
            continue;
        }
        match (Instruction::read_at(&code, 0), instructions.get(&opcode)) {
            (Ok((Instruction::Pick(below), len)), Some(row)) => {
                assert_eq!((below, len), (1, 1 + row.operand_len));
            }
            (Ok((instruction, len)), Some(row)) => {
                assert_eq!(len, 1 + row.operand_len, "{opcode:#04x}");
                assert_eq!(instruction.effect().0, row.needed, "{opcode:#04x}");
            }
            (Err(fault), None) => {
                assert!(!matches!(fault, AgentFault::Truncated), "{opcode:#04x}");
            }
            (found, row) => panic!("{opcode:#04x}: {found:?}, documented: {}", row.is_some()),
        }
    }
}

#[test]
fn the_registers_are_documented() {
    let registers = tables(section("Conditions"));
    for cells in &registers[1] {
        let arch = Arch::from_name(&cells[0]).expect("a CPU");
        let mut documented = BTreeMap::new();
        for entry in cells[1].split(", ") {
            let pairs: Vec<_> = entry
                .split(" to ")
                .map(|pair| pair.split_once(' ').expect("a number and a name"))
                .map(|(number, name)| (number.parse::<u16>().expect("a number"), name))
                .collect();
            match pairs[..] {
                [(number, name)] => drop(documented.insert(number, name.to_owned())),
                [(first, _), (last, _)] => {
                    documented.extend((first..=last).map(|number| (number, format!("x{number}"))));
                }
                _ => panic!("{entry} is no entry"),
            }
        }
        for number in 0..200 {
            let known = arch.register_by_gdb(number).and_then(|id| arch.describe(id));
            let known = known.map(|register| register.name);
            assert_eq!(known, documented.get(&number).map(String::as_str), "{number}");
            let code = [0x26, 0, number as u8, 0x27];
            assert_eq!(Code::verify(&code, arch).is_ok(), known.is_some(), "{number}");
        }
    }
}
