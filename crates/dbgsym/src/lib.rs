//! Bytes of files in, facts out: what an ELF image says about itself, its symbols, what compilers
//! wrote down about it, how to unwind its frames and how its instructions read. Everything here is
//! computed from buffers and from [`dbgbase::ReadMemory`]; nothing is opened or written, and what
//! runs on several threads ends before the call that began it. It knows no target, no module list
//! and no command.
//!
//! Reading order: [`Image`] is one ELF file. [`SymbolTable`] names its addresses, with [`demangle`]
//! for mangled names and [`Pattern`] for wildcards. [`dwarf`] reads debugging information.
//! [`unwind`] finds callers, from the innermost frame outwards. [`disasm`] reads instructions.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod demangle;
pub mod disasm;
pub mod dwarf;
mod error;
mod image;
mod names;
mod symtab;
#[cfg(test)]
mod synthetic;
pub mod unwind;

pub use error::ImageError;
pub use image::{
    BuildId, DebugLink, Image, ImageBytes, ImageKind, Purpose, Section, Segment, build_id_of_file,
    build_id_of_notes, needed_parts,
};
pub use names::Pattern;
pub use symtab::{Nearest, Symbol, SymbolBinding, SymbolKind, SymbolTable, SymbolVersion};
