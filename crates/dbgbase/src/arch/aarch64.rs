//! Registers of aarch64. Names and order are this project's wire order and never change; DWARF
//! numbers from "DWARF for the Arm 64-bit Architecture" (4.1), GDB numbers from the target
//! description feature `org.gnu.gdb.aarch64.core`, slots from `struct user_pt_regs`.

use super::RegisterDescription;
use crate::RegisterId;

/// `NT_PRFPREG` of `<elf.h>`: the register set of v0 to v31, fpsr and fpcr
/// (`struct user_fpsimd_state`).
pub const NT_FPREGSET: u32 = 2;
/// `NT_ARM_TLS` of `<elf.h>`: the register set of the thread pointer.
pub const NT_ARM_TLS: u32 = 0x401;
/// `NT_ARM_HW_BREAK` of `<elf.h>`: the register set of hardware breakpoints.
pub const NT_ARM_HW_BREAK: u32 = 0x402;
/// `NT_ARM_HW_WATCH` of `<elf.h>`: the register set of hardware watchpoints.
pub const NT_ARM_HW_WATCH: u32 = 0x403;
/// `NT_ARM_SVE` of `<elf.h>`: the register set of the scalable vectors.
pub const NT_ARM_SVE: u32 = 0x405;

/// How many general registers there are: x0 to x30, sp, pc, pstate.
pub const GENERAL_COUNT: usize = 34;

const X_NAMES: [&str; 31] = [
    "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",
    "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27",
    "x28", "x29", "x30",
];

/// The general registers.
pub const GENERAL: [RegisterDescription; GENERAL_COUNT] = {
    let mut table = [RegisterDescription {
        name: "pstate",
        size_bytes: 4,
        dwarf: None,
        gdb: Some(33),
        ptrace_slot: 33,
    }; GENERAL_COUNT];
    let mut index = 0;
    while index < 33 {
        let number = index as u16;
        table[index] = RegisterDescription {
            name: match index {
                31 => "sp",
                32 => "pc",
                _ => X_NAMES[index],
            },
            size_bytes: 8,
            dwarf: Some(number),
            gdb: Some(number),
            ptrace_slot: index as u8,
        };
        index += 1;
    }
    table
};

/// The frame pointer of AAPCS64.
pub const X29: RegisterId = RegisterId::new(29);
/// The link register.
pub const X30: RegisterId = RegisterId::new(30);
/// The stack pointer.
pub const SP: RegisterId = RegisterId::new(31);
/// The program counter.
pub const PC: RegisterId = RegisterId::new(32);
