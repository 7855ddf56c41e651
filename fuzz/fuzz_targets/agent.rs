//! A site's condition, proved sound or refused, and followed if it is sound.
//! What must hold is written once, in the tests of dbgwire.

#![no_main]

#[path = "../../crates/dbgwire/tests/it/replay.rs"]
#[allow(dead_code, reason = "each target uses its part")]
mod replay;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    replay::check_condition(bytes);
});
