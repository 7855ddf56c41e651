//! A target's memory where an image should be, and where the dynamic linker's lists should be.
//! What must hold is written once, beside the parsers in dbgsrv.

#![no_main]
#![allow(dead_code, reason = "what is compiled here is used elsewhere as a whole")]

#[path = "../../crates/dbgsrv/src/ptrace/elf.rs"]
mod elf;
#[path = "../../crates/dbgsrv/src/ptrace/modules/hostile.rs"]
mod hostile;
#[path = "../../crates/dbgsrv/src/ptrace/modules/linker.rs"]
mod linker;

/// Where the parsers find each other.
mod ptrace {
    pub(crate) use crate::elf;
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hostile::check_image(bytes);
    hostile::check_lists(bytes);
});
