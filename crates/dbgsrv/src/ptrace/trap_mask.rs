//! The signal mask of threads that block everything, as those do that leave signals to another
//! thread. A trap that the CPU raises is forced past a mask: the kernel unblocks SIGTRAP in the
//! thread, for good (`force_sig_info_to_task` in kernel/signal.c). For a trap of the debugger's own
//! that is undone, where what the mask was can be told from what is left of it.

use dbgbase::{Signal, Tid};

use super::sys;

/// The signals that a program can block: SIGKILL and SIGSTOP the kernel takes out of every mask, 32
/// and 33 the C library takes out of those that programs ask for (nptl(7)).
const BLOCKABLE: u64 = !(bit(9) | bit(19) | bit(32) | bit(33));

const fn bit(signal: u32) -> u64 {
    1 << (signal - 1)
}

/// Puts SIGTRAP back into the mask of a thread that has run into a trap of the debugger's, if it
/// blocks all other signals: then it blocked that one as well.
pub(super) fn keep_whole(tid: Tid) {
    let trap = bit(Signal::SIGTRAP.number().unsigned_abs());
    // It fails only for a thread that has just been killed.
    if let Ok(mask) = sys::signal_mask(tid)
        && mask & BLOCKABLE == BLOCKABLE & !trap
    {
        let _ = sys::set_signal_mask(tid, mask | trap);
    }
}
