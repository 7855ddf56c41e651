//! Indexes of names that were kept, and changed meanwhile.
//! What must hold is written once, in the tests of dbgsym.

#![no_main]

#[path = "../../crates/dbgsym/tests/it/replay.rs"]
#[allow(dead_code, reason = "each target uses its part")]
mod replay;
#[path = "../../crates/dbgsym/src/synthetic.rs"]
#[allow(dead_code, reason = "each target uses its part")]
mod synthetic;

use dbgsym::{Image, ImageBytes};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    replay::check_index(bytes);
});
