//! The registers of a thread beyond the general ones, as values: floating point, vectors, masks,
//! and the debug registers. It knows how to find them in what a server sent; it sends nothing.

use std::sync::Arc;

use dbgbase::x86_64::DEBUG_REGISTERS;
use dbgbase::x86_64::extended::{ExtendedRegister, ExtendedValue};
use dbgbase::x86_64::xsave::XsaveLayout;

/// The registers of one thread beyond the general ones, at one stop.
#[derive(Clone, Debug)]
pub struct ExtendedRegisters {
    layout: Arc<XsaveLayout>,
    area: Arc<[u8]>,
    debug: Vec<u64>,
}

impl ExtendedRegisters {
    /// What a server sent of a thread, on a machine with this layout.
    pub(crate) fn new(
        layout: Arc<XsaveLayout>,
        area: Vec<u8>,
        debug: Vec<u64>,
    ) -> ExtendedRegisters {
        ExtendedRegisters { layout, area: area.into(), debug }
    }

    /// A register's value; `None` if the machine does not have it.
    ///
    /// **Cost**: none.
    pub fn get(&self, register: ExtendedRegister) -> Option<ExtendedValue> {
        register.read(&self.layout, &self.area)
    }

    /// The debug registers by name, in the order dr0 to dr3, dr6, dr7; none if the server did not
    /// tell them.
    ///
    /// **Cost**: none.
    pub fn debug(&self) -> impl Iterator<Item = (&'static str, u64)> {
        DEBUG_REGISTERS.into_iter().zip(self.debug.iter().copied())
    }

    /// The bytes that the server sent; empty if it sent none.
    pub(crate) fn area(&self) -> &[u8] {
        &self.area
    }
}
