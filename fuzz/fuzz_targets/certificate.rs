//! What a peer shows as its certificates.
//! What must hold is written once, in the tests of dbglink.

#![no_main]

#[path = "../../crates/dbglink/tests/it/replay.rs"]
#[allow(dead_code, reason = "each target uses its part")]
mod replay;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    replay::check_certificates(bytes);
});
