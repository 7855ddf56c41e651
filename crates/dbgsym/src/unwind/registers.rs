//! The registers of one frame, as far as they are known. It knows which calls preserve which
//! registers, because that is what makes them known or unknown; not how values are recovered.

use dbgbase::{
    Address, Arch, GENERAL_REGISTERS_MAX, GeneralRegisters, RegisterDescription, RegisterId,
    aarch64, x86_64,
};

/// General registers of one frame; each has a value or is unknown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameRegisters {
    arch: Arch,
    values: [Option<u64>; GENERAL_REGISTERS_MAX],
}

impl FrameRegisters {
    /// All unknown.
    pub const fn unknown(arch: Arch) -> FrameRegisters {
        FrameRegisters { arch, values: [None; GENERAL_REGISTERS_MAX] }
    }

    /// Whose registers these are.
    pub const fn arch(&self) -> Arch {
        self.arch
    }

    /// One value, if it is known and the CPU has the register.
    pub fn get(&self, id: RegisterId) -> Option<u64> {
        self.values.get(id.index()).copied().flatten()
    }

    /// Sets one value, or makes it unknown; an id the CPU does not have is left alone.
    pub fn set(&mut self, id: RegisterId, value: Option<u64>) {
        if id.index() >= self.arch.general_registers().len() {
            return;
        }
        if let Some(slot) = self.values.get_mut(id.index()) {
            *slot = value;
        }
    }

    /// The program counter.
    pub fn pc(&self) -> Option<Address> {
        self.get(self.arch.pc()).map(Address::new)
    }

    /// The stack pointer.
    pub fn sp(&self) -> Option<Address> {
        self.get(self.arch.sp()).map(Address::new)
    }

    /// The register that is the frame pointer where there is one.
    pub fn fp(&self) -> Option<Address> {
        self.get(self.arch.fp()).map(Address::new)
    }

    /// Each register's id, its description and its value if it is known.
    pub fn iter(
        &self,
    ) -> impl Iterator<Item = (RegisterId, &'static RegisterDescription, Option<u64>)> {
        let table = self.arch.general_registers().iter().zip(self.values);
        table
            .zip(0..)
            .map(|((description, value), index)| (RegisterId::new(index), description, value))
    }

    /// What a caller's registers are if its callee did what the calling convention demands, saved
    /// nothing, and changed whatever it may: only the preserved ones are known. pc and sp are not.
    pub(super) fn after_call(&self) -> FrameRegisters {
        let mut caller = self.thread_wide();
        for id in preserved(self.arch) {
            caller.set(*id, self.get(*id));
        }
        caller
    }

    /// Only those registers that have one value in all frames of a thread: x86-64's segment
    /// registers and their bases.
    pub(super) fn thread_wide(&self) -> FrameRegisters {
        use x86_64 as x;
        let ids: &[RegisterId] = match self.arch {
            Arch::X86_64 => &[x::CS, x::SS, x::DS, x::ES, x::FS, x::GS, x::FS_BASE, x::GS_BASE],
            _ => &[],
        };
        let mut same = FrameRegisters::unknown(self.arch);
        for id in ids {
            same.set(*id, self.get(*id));
        }
        same
    }
}

impl From<&GeneralRegisters> for FrameRegisters {
    fn from(registers: &GeneralRegisters) -> FrameRegisters {
        let mut known = FrameRegisters::unknown(registers.arch());
        for (slot, value) in known.values.iter_mut().zip(registers.values()) {
            *slot = Some(*value);
        }
        known
    }
}

/// The registers that a function leaves as it found them, but for pc and sp.
///
/// **Source**: System V psABI for AMD64, 3.2.1; AAPCS64, 6.1.1.
fn preserved(arch: Arch) -> &'static [RegisterId] {
    use x86_64 as x;
    const fn a(number: u16) -> RegisterId {
        RegisterId::new(number)
    }
    const AARCH64: [RegisterId; 11] =
        [a(19), a(20), a(21), a(22), a(23), a(24), a(25), a(26), a(27), a(28), aarch64::X29];
    match arch {
        Arch::X86_64 => &[x::RBX, x::RBP, x::R12, x::R13, x::R14, x::R15],
        Arch::Aarch64 => &AARCH64,
        _ => &[],
    }
}
