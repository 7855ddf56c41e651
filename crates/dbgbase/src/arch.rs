//! What differs between CPUs, as data: pointer size, trap instruction, names and numbers of
//! registers and of system calls. It makes none; the ptrace layer reads its tables.

use crate::RegisterId;

pub mod aarch64;
pub mod x86_64;

/// A CPU architecture that a target may have. Both are 64-bit and little-endian.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Arch {
    /// AMD64 / Intel 64, System V ABI.
    X86_64,
    /// AArch64, AAPCS64.
    Aarch64,
}

/// What kind of register it is; each class travels as a block of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum RegisterClass {
    /// Integer, pc, flags, segments: 64-bit slots in table order.
    General,
}

/// One register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegisterDescription {
    /// Its name in lower case, as the CPU's manual writes it.
    pub name: &'static str,
    /// How many of its 64 bits mean something.
    pub size_bytes: u8,
    /// Its number in DWARF, as the CPU's psABI assigns it.
    pub dwarf: Option<u16>,
    /// Its number in the GDB remote protocol's standard description of the CPU.
    pub gdb: Option<u16>,
    /// Its index, in 64-bit slots, in the block that `PTRACE_GETREGSET` with `NT_PRSTATUS` fills.
    pub ptrace_slot: u8,
}

/// Where a system call's values are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SyscallRegisters {
    /// Its arguments.
    pub arguments: [RegisterId; 6],
    /// Its result.
    pub result: RegisterId,
}

impl Arch {
    /// The CPU this program was compiled for, if it is a supported one.
    pub const fn native() -> Option<Arch> {
        if cfg!(target_arch = "x86_64") {
            Some(Arch::X86_64)
        } else if cfg!(target_arch = "aarch64") {
            Some(Arch::Aarch64)
        } else {
            None
        }
    }

    /// The name uname(2) gives machines of this kind.
    pub const fn name(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64",
            Arch::Aarch64 => "aarch64",
        }
    }

    /// The architecture that [`Arch::name`] calls `name`.
    pub fn from_name(name: &str) -> Option<Arch> {
        [Arch::X86_64, Arch::Aarch64].into_iter().find(|arch| arch.name() == name)
    }

    /// The size of an address.
    pub const fn pointer_size_bytes(self) -> u64 {
        8
    }

    /// The first address that no program has, unless it asks for more (Linux's
    /// Documentation/arch/x86/x86_64/mm.rst and arm64/memory.rst: four levels of page tables, 48
    /// bits).
    pub const fn address_end(self) -> u64 {
        match self {
            Arch::X86_64 => 0x0000_7fff_ffff_f000,
            Arch::Aarch64 => 0x0001_0000_0000_0000,
        }
    }

    /// The name of the system call with this number, as the kernel's table has it; `None` for a
    /// number that is not in it, and where there is no table yet.
    pub fn syscall_name(self, number: u64) -> Option<&'static str> {
        match self {
            Arch::X86_64 => x86_64::syscalls::name(number),
            Arch::Aarch64 => None,
        }
    }

    /// The number of the system call with this name.
    pub fn syscall_number(self, name: &str) -> Option<u64> {
        match self {
            Arch::X86_64 => x86_64::syscalls::number(name),
            Arch::Aarch64 => None,
        }
    }

    /// Which registers have a system call's arguments at its entry, and which has its result at its
    /// exit (syscall(2)).
    pub const fn syscall_registers(self) -> SyscallRegisters {
        use x86_64::{R8, R9, R10, RAX, RDI, RDX, RSI};
        match self {
            Arch::X86_64 => {
                SyscallRegisters { arguments: [RDI, RSI, RDX, R10, R8, R9], result: RAX }
            }
            Arch::Aarch64 => SyscallRegisters {
                arguments: [
                    RegisterId::new(0),
                    RegisterId::new(1),
                    RegisterId::new(2),
                    RegisterId::new(3),
                    RegisterId::new(4),
                    RegisterId::new(5),
                ],
                result: RegisterId::new(0),
            },
        }
    }

    /// The instruction that a software site puts over the program's.
    pub const fn trap_instruction(self) -> &'static [u8] {
        match self {
            Arch::X86_64 => &[0xcc],
            Arch::Aarch64 => &[0x00, 0x00, 0x20, 0xd4],
        }
    }

    /// How far behind the site the pc is when its trap is reported: x86 has executed the trap
    /// instruction, aarch64 has not.
    pub const fn pc_after_trap_bytes(self) -> u64 {
        match self {
            Arch::X86_64 => 1,
            Arch::Aarch64 => 0,
        }
    }

    /// The general registers in table order.
    pub const fn general_registers(self) -> &'static [RegisterDescription] {
        match self {
            Arch::X86_64 => &x86_64::GENERAL,
            Arch::Aarch64 => &aarch64::GENERAL,
        }
    }

    /// The register set of ptrace(2) that holds what the extended registers travel as.
    pub const fn extended_register_set(self) -> u32 {
        match self {
            Arch::X86_64 => x86_64::NT_X86_XSTATE,
            Arch::Aarch64 => aarch64::NT_FPREGSET,
        }
    }

    /// The program counter.
    pub const fn pc(self) -> RegisterId {
        match self {
            Arch::X86_64 => x86_64::RIP,
            Arch::Aarch64 => aarch64::PC,
        }
    }

    /// The stack pointer.
    pub const fn sp(self) -> RegisterId {
        match self {
            Arch::X86_64 => x86_64::RSP,
            Arch::Aarch64 => aarch64::SP,
        }
    }

    /// The frame pointer of the platform's usual convention.
    pub const fn fp(self) -> RegisterId {
        match self {
            Arch::X86_64 => x86_64::RBP,
            Arch::Aarch64 => aarch64::X29,
        }
    }

    /// The register called `name` (lower case).
    pub fn register_by_name(self, name: &str) -> Option<RegisterId> {
        self.position(|register| register.name == name)
    }

    /// The register that DWARF numbers so.
    pub fn register_by_dwarf(self, number: u16) -> Option<RegisterId> {
        self.position(|register| register.dwarf == Some(number))
    }

    /// The register that the GDB remote protocol numbers so.
    pub fn register_by_gdb(self, number: u16) -> Option<RegisterId> {
        self.position(|register| register.gdb == Some(number))
    }

    /// The register at `id`.
    pub fn describe(self, id: RegisterId) -> Option<&'static RegisterDescription> {
        self.general_registers().get(id.index())
    }

    fn position(self, wanted: impl Fn(&RegisterDescription) -> bool) -> Option<RegisterId> {
        let index = self.general_registers().iter().position(wanted)?;
        u16::try_from(index).ok().map(RegisterId::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GENERAL_REGISTERS_MAX, GeneralRegisters};

    const ALL: [Arch; 2] = [Arch::X86_64, Arch::Aarch64];

    #[test]
    fn tables_are_sound() {
        for arch in ALL {
            let table = arch.general_registers();
            assert!(table.len() <= GENERAL_REGISTERS_MAX);
            for (index, register) in table.iter().enumerate() {
                let id = arch.register_by_name(register.name).expect("named");
                assert_eq!(id.index(), index, "{} is named twice", register.name);
                if let Some(number) = register.dwarf {
                    assert_eq!(arch.register_by_dwarf(number), Some(id), "{}", register.name);
                }
                if let Some(number) = register.gdb {
                    assert_eq!(arch.register_by_gdb(number), Some(id), "{}", register.name);
                }
                let same_slot =
                    table.iter().filter(|other| other.ptrace_slot == register.ptrace_slot);
                assert_eq!(same_slot.count(), 1, "{} shares its slot", register.name);
            }
            assert_eq!(Arch::from_name(arch.name()), Some(arch));
        }
    }

    #[test]
    fn named_registers_are_where_the_constants_say() {
        let name = |id| Arch::X86_64.describe(id).map(|register| register.name);
        assert_eq!(name(x86_64::RIP), Some("rip"));
        assert_eq!(name(x86_64::RSP), Some("rsp"));
        assert_eq!(name(x86_64::RBP), Some("rbp"));
        assert_eq!(name(x86_64::RAX), Some("rax"));
        assert_eq!(name(x86_64::EFLAGS), Some("eflags"));
        assert_eq!(name(x86_64::ORIG_RAX), Some("orig_rax"));
        assert_eq!(name(x86_64::FS_BASE), Some("fs_base"));
        let name = |id| Arch::Aarch64.describe(id).map(|register| register.name);
        assert_eq!(name(aarch64::PC), Some("pc"));
        assert_eq!(name(aarch64::SP), Some("sp"));
        assert_eq!(name(aarch64::X29), Some("x29"));
        assert_eq!(name(aarch64::X30), Some("x30"));
    }

    #[test]
    fn values_keep_their_places() {
        let mut registers = GeneralRegisters::zeroed(Arch::X86_64);
        registers.set(x86_64::RIP, 0x1234);
        assert_eq!(registers.pc().value(), 0x1234);
        let copy = GeneralRegisters::from_values(Arch::X86_64, registers.values());
        assert_eq!(copy, Some(registers));
        assert_eq!(GeneralRegisters::from_values(Arch::X86_64, &[1, 2, 3]), None);
    }
}
