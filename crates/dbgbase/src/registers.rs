//! The general registers of one thread as values in the order of its CPU's table. It knows which
//! CPU they belong to, not how they are fetched or stored.

use crate::{Address, Arch, RegisterDescription};

/// The most general registers any supported CPU has.
pub const GENERAL_REGISTERS_MAX: usize = 40;

/// A register of the general class: its index in the CPU's table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RegisterId(u16);

impl RegisterId {
    /// The register at this index of the table; whether there is one, the table tells.
    pub const fn new(index: u16) -> RegisterId {
        RegisterId(index)
    }

    /// The index in the table.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Values of all general registers of one thread at one stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GeneralRegisters {
    arch: Arch,
    values: [u64; GENERAL_REGISTERS_MAX],
}

impl GeneralRegisters {
    /// All zero.
    pub const fn zeroed(arch: Arch) -> GeneralRegisters {
        GeneralRegisters { arch, values: [0; GENERAL_REGISTERS_MAX] }
    }

    /// From values in table order. `None` if there are not exactly as many as the CPU has.
    pub fn from_values(arch: Arch, values: &[u64]) -> Option<GeneralRegisters> {
        let mut registers = GeneralRegisters::zeroed(arch);
        let count = arch.general_registers().len();
        if values.len() != count {
            return None;
        }
        registers.values.get_mut(..count)?.copy_from_slice(values);
        Some(registers)
    }

    /// Whose registers these are.
    pub const fn arch(&self) -> Arch {
        self.arch
    }

    /// The values in table order.
    pub fn values(&self) -> &[u64] {
        self.values.get(..self.arch.general_registers().len()).unwrap_or(&self.values)
    }

    /// One value; 0 for an id the CPU does not have.
    pub fn get(&self, id: RegisterId) -> u64 {
        self.values.get(id.index()).copied().unwrap_or(0)
    }

    /// Sets one value; an id the CPU does not have is left alone.
    pub fn set(&mut self, id: RegisterId, value: u64) {
        if let Some(slot) = self.values.get_mut(id.index()) {
            *slot = value;
        }
    }

    /// The program counter.
    pub fn pc(&self) -> Address {
        Address::new(self.get(self.arch.pc()))
    }

    /// Sets the program counter.
    pub fn set_pc(&mut self, pc: Address) {
        self.set(self.arch.pc(), pc.value());
    }

    /// The stack pointer.
    pub fn sp(&self) -> Address {
        Address::new(self.get(self.arch.sp()))
    }

    /// Each register's description beside its value.
    pub fn iter(&self) -> impl Iterator<Item = (&'static RegisterDescription, u64)> {
        self.arch.general_registers().iter().zip(self.values)
    }
}
