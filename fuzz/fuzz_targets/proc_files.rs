//! Files of /proc. What must hold is written once, beside the parsers in dbgsrv.

#![no_main]
#![allow(dead_code, reason = "what is compiled here is used elsewhere as a whole")]

#[path = "../../crates/dbgsrv/src/description/container.rs"]
mod container;
#[path = "../../crates/dbgsrv/src/description/hostile.rs"]
mod hostile;
#[path = "../../crates/dbgsrv/src/description/parse.rs"]
mod parse;
#[path = "../../crates/dbgsrv/src/ptrace/procfs.rs"]
mod procfs;

/// Where the parsers find each other.
mod ptrace {
    pub(crate) use crate::procfs;
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hostile::check_proc_files(bytes);
});
