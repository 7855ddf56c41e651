//! Panics that are caught on the line that calls, by code that is inlined there.

use std::hint::black_box;
use std::panic::{catch_unwind, set_hook};

#[inline(never)]
fn fail(how: u32) -> u32 {
    if black_box(how) > 2 {
        panic!("failed"); // BREAK: panic
    }
    how
}

fn main() {
    set_hook(Box::new(|_| {})); // BREAK: hook
    let first = catch_unwind(|| fail(1)); // BREAK: no panic
    let second = catch_unwind(|| fail(3)); // BREAK: caught
    black_box((first.is_ok(), second.is_ok())); // BREAK: behind
}
