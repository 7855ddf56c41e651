//! The vocabulary every other crate speaks: addresses, ids, registers, signals, stop reasons, and
//! one table per CPU. It knows no file, no socket, no system call and no protocol.
//!
//! Reading order: [`Address`] and its kin, then [`Pid`]/[`Tid`]/[`TargetId`], then [`Arch`] and
//! [`GeneralRegisters`], and [`StopReason`] last.

#![forbid(unsafe_code)]

mod address;
mod arch;
mod ids;
mod memory;
mod registers;
mod signal;
mod stop;

pub use address::{Address, AddressRange, LinkAddress, LoadBias};
pub use arch::{Arch, RegisterClass, RegisterDescription, SyscallRegisters, aarch64, x86_64};
pub use ids::{Pid, SiteId, StopNumber, TargetId, Tid};
pub use memory::{ReadMemory, Unreadable, read_c_string, read_u16, read_u32, read_u64};
pub use registers::{GENERAL_REGISTERS_MAX, GeneralRegisters, RegisterId};
pub use signal::Signal;
pub use stop::{ConditionFault, ConditionTrouble, ExitStatus, StopReason};
