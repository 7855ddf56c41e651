//! How plain data looks as text, in the original's layouts. Every function here is pure: what it
//! shows is handed in.

pub(crate) mod auxiliary;
pub(crate) mod breakpoints;
pub(crate) mod calls;
pub(crate) mod code;
pub(crate) mod description;
pub(crate) mod elements;
pub(crate) mod events;
pub(crate) mod filters;
pub(crate) mod locals;
pub(crate) mod memory;
pub(crate) mod modules;
pub(crate) mod numbers;
pub(crate) mod regions;
pub(crate) mod registers;
pub(crate) mod source;
pub(crate) mod stack;
pub(crate) mod symbols;
pub(crate) mod system;
pub(crate) mod threads;
pub(crate) mod type_layout;

/// Bytes of a path or argument as text; what is no UTF-8 is replaced.
pub(crate) fn bytes(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
