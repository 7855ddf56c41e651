//! Noticing the death of a session's tracer before anything comes of it. A thread may name words in
//! memory that the kernel marks when the thread dies, however it dies, and wakes whoever waits for
//! them (get_robust_list(2), and "robust futexes" in the kernel's documentation). It does so before
//! it lets the thread's tracees go, and long before the process counts as ended.
//!
//! ```text
//!   behind the journal's entries: 16 bytes
//!   +-----------------------------+--------------------+--------+
//!   | next: the list's head again | word               | unused |
//!   +-----------------------------+--------------------+--------+
//!   0                             8                    12      16
//!   word: 0 nobody yet; bit 31 and the thread's id while it lives; bit 30 once it has died
//! ```

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rustix::thread::futex;

/// Bytes of one.
pub(super) const LEN: usize = 16;
/// Where the word is.
const WORD_OFFSET: usize = 8;
/// `FUTEX_WAITERS` of `<linux/futex.h>`: the kernel is to wake somebody.
const WAITERS: u32 = 0x8000_0000;
/// `FUTEX_OWNER_DIED`.
const OWNER_DIED: u32 = 0x4000_0000;

/// The place of one in shared memory.
#[repr(C)]
pub(super) struct Lifeline {
    next: AtomicU64,
    word: AtomicU32,
    unused: AtomicU32,
}

/// `struct robust_list_head` of `<linux/futex.h>`.
#[repr(C)]
struct Head {
    first: u64,
    word_offset: i64,
    pending: u64,
}

impl Lifeline {
    /// From now on the calling thread is the one whose death is waited for.
    ///
    /// **Threads**: takes the place of the C library's list of robust mutexes in this thread, which
    /// must use none. The memory must stay mapped as long as the thread lives.
    pub(super) fn hold(&self) {
        // It is the kernel's to read when the thread dies, whenever that is.
        let head = Box::leak(Box::new(Head { first: 0, word_offset: 0, pending: 0 }));
        let head_at = std::ptr::from_mut(head);
        head.first = std::ptr::from_ref(self) as u64;
        head.word_offset = WORD_OFFSET as i64;
        self.next.store(head_at as u64, Ordering::SeqCst);
        // SAFETY: `head` lives for ever, its list has one element, which the caller keeps mapped,
        // and the kernel writes nothing but the word at the offset, which is an atomic.
        unsafe { libc::syscall(libc::SYS_set_robust_list, head_at, size_of::<Head>()) };
        let tid = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        self.word.store(tid | WAITERS, Ordering::SeqCst);
        let _ = futex::wake(&self.word, futex::Flags::empty(), 1);
    }

    /// Waits until the thread that holds it has died. While nobody holds it, `is_over` is asked now
    /// and then whether anybody will.
    pub(super) fn wait(&self, is_over: impl Fn() -> bool) {
        let patience = futex::Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        loop {
            let word = self.word.load(Ordering::SeqCst);
            if word & OWNER_DIED != 0 || word == 0 && is_over() {
                return;
            }
            let timeout = (word == 0).then_some(&patience);
            // Woken, interrupted, or too late: the word tells.
            let _ = futex::wait(&self.word, futex::Flags::empty(), word, timeout);
        }
    }
}
