//! Registers of x86-64. Names and order are this project's wire order and never change; DWARF
//! numbers from the System V psABI (AMD64 supplement, figure 3.36), GDB numbers from the target
//! description features `org.gnu.gdb.i386.core`, `.linux` and `.segments`, slots from
//! `struct user_regs_struct` of the kernel's `<asm/user_64.h>`.

pub mod extended;
pub mod float80;
pub(super) mod syscalls;
pub mod xsave;

use super::RegisterDescription;
use crate::RegisterId;

/// `NT_X86_XSTATE` of `<elf.h>`: the register set that holds the XSAVE area.
pub const NT_X86_XSTATE: u32 = 0x202;
/// `NT_PRFPREG` of `<elf.h>`: the register set that FXSAVE fills, where the CPU has no XSAVE.
pub const NT_PRFPREG: u32 = 2;
/// The debug registers, in the order in which they travel.
pub const DEBUG_REGISTERS: [&str; 6] = ["dr0", "dr1", "dr2", "dr3", "dr6", "dr7"];
/// Their indices in `u_debugreg` of the kernel's `struct user`.
pub const DEBUG_SLOTS: [u8; 6] = [0, 1, 2, 3, 6, 7];

/// How many general registers there are.
pub const GENERAL_COUNT: usize = 27;

const fn register(
    name: &'static str,
    size_bytes: u8,
    dwarf: i16,
    gdb: i16,
    ptrace_slot: u8,
) -> RegisterDescription {
    RegisterDescription {
        name,
        size_bytes,
        dwarf: if dwarf < 0 { None } else { Some(dwarf as u16) },
        gdb: if gdb < 0 { None } else { Some(gdb as u16) },
        ptrace_slot,
    }
}

/// The general registers. Columns: name, bytes, DWARF, GDB, ptrace slot; -1 where there is none.
#[rustfmt::skip]
pub const GENERAL: [RegisterDescription; GENERAL_COUNT] = [
    register("rax",      8,  0,  0, 10),
    register("rbx",      8,  3,  1,  5),
    register("rcx",      8,  2,  2, 11),
    register("rdx",      8,  1,  3, 12),
    register("rsi",      8,  4,  4, 13),
    register("rdi",      8,  5,  5, 14),
    register("rbp",      8,  6,  6,  4),
    register("rsp",      8,  7,  7, 19),
    register("r8",       8,  8,  8,  9),
    register("r9",       8,  9,  9,  8),
    register("r10",      8, 10, 10,  7),
    register("r11",      8, 11, 11,  6),
    register("r12",      8, 12, 12,  3),
    register("r13",      8, 13, 13,  2),
    register("r14",      8, 14, 14,  1),
    register("r15",      8, 15, 15,  0),
    register("rip",      8, 16, 16, 16),
    register("eflags",   4, 49, 17, 18),
    register("cs",       2, 51, 18, 17),
    register("ss",       2, 52, 19, 20),
    register("ds",       2, 53, 20, 23),
    register("es",       2, 50, 21, 24),
    register("fs",       2, 54, 22, 25),
    register("gs",       2, 55, 23, 26),
    register("fs_base",  8, 58, 58, 21),
    register("gs_base",  8, 59, 59, 22),
    register("orig_rax", 8, -1, 57, 15),
];

macro_rules! named {
    ($($constant:ident = $index:literal),* $(,)?) => {
        $(
            #[doc = concat!("The register at index ", $index, ".")]
            pub const $constant: RegisterId = RegisterId::new($index);
        )*
    };
}

named! {
    RAX = 0, RBX = 1, RCX = 2, RDX = 3, RSI = 4, RDI = 5, RBP = 6, RSP = 7, R8 = 8, R9 = 9,
    R10 = 10, R11 = 11, R12 = 12, R13 = 13, R14 = 14, R15 = 15, RIP = 16, EFLAGS = 17, CS = 18,
    SS = 19, DS = 20, ES = 21, FS = 22, GS = 23, FS_BASE = 24, GS_BASE = 25, ORIG_RAX = 26,
}

/// The trap flag in `eflags` (Intel SDM volume 1, 3.4.3.3).
pub const TRAP_FLAG: u64 = 0x100;
