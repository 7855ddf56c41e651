//! A stranger's bytes to a server that wants a password, or to its client: instead of TLS, or
//! behind a completed handshake. What must hold is written once, in the tests of dbglink.

#![no_main]

#[path = "../../crates/dbglink/tests/it/replay.rs"]
#[allow(dead_code, reason = "each target uses its part")]
mod replay;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    replay::check_stranger(bytes);
});
