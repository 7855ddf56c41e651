//! Adds numbers in a few threads.

use std::sync::atomic::{AtomicU64, Ordering};

static CALLS: AtomicU64 = AtomicU64::new(0);

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn add(left: u64, right: u64) -> u64 {
    CALLS.fetch_add(1, Ordering::SeqCst);
    left + right
}

fn main() {
    let threads: Vec<_> = (0..4)
        .map(|_| std::thread::spawn(|| (0..25).fold(0, |sum, number| add(sum, number))))
        .collect();
    let sums: Vec<u64> =
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect();
    assert_eq!(sums, [300; 4]);
    assert_eq!(CALLS.load(Ordering::SeqCst), 100);
}
