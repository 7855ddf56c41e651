//! Packets of a debugger, one a line, through the bridge to a server that answers at once.
//! What must hold is written once, in the tests of dbggdb.

#![no_main]

#[path = "../../crates/dbggdb/tests/it/replay.rs"]
mod replay;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    replay::check_packets(bytes);
});
