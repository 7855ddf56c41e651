//! What a thread has beside its general registers and a debugger that makes it do something must
//! put back: the signal mask, and the notes of restartable sequences.

use dbgbase::{Address, Tid};
use libc::c_void;
use rustix::io::Errno;

use super::{call_with, last_error};

/// `PTRACE_GET_RSEQ_CONFIGURATION` of `<linux/ptrace.h>`, since Linux 5.13.
const PTRACE_GET_RSEQ_CONFIGURATION: libc::c_uint = 0x420f;
/// Where `struct rseq` (linux/rseq.h) has the pointer to the sequence that is under way.
const RSEQ_CS_OFFSET: u64 = 8;

/// The signals that a stopped tracee blocks, one bit for each.
pub(in crate::ptrace) fn signal_mask(tid: Tid) -> Result<u64, Errno> {
    let mut mask = 0_u64;
    // The kernel writes as many bytes as the address says: the size of its signal set.
    call_with(libc::PTRACE_GETSIGMASK, tid, size_of::<u64>(), &mut mask)?;
    Ok(mask)
}

/// Sets the signals that a stopped tracee blocks.
pub(in crate::ptrace) fn set_signal_mask(tid: Tid, mask: u64) -> Result<(), Errno> {
    let mut mask = mask;
    call_with(libc::PTRACE_SETSIGMASK, tid, size_of::<u64>(), &mut mask)
}

/// Where a stopped tracee notes which restartable sequence it executes, if it uses them (rseq(2)).
pub(in crate::ptrace) fn rseq_note(tid: Tid) -> Option<Address> {
    /// `struct ptrace_rseq_configuration` of `<linux/ptrace.h>`.
    #[repr(C)]
    struct Configuration {
        address: u64,
        size: u32,
        signature: u32,
        flags: u32,
        pad: u32,
    }
    let mut found = Configuration { address: 0, size: 0, signature: 0, flags: 0, pad: 0 };
    // SAFETY: the kernel writes at most as many bytes as the address argument says, the size of
    // `found`, which outlives the call.
    let result = unsafe {
        libc::ptrace(
            PTRACE_GET_RSEQ_CONFIGURATION,
            tid.value() as libc::pid_t,
            size_of::<Configuration>() as *mut c_void,
            (&raw mut found).cast::<c_void>(),
        )
    };
    if result == -1 {
        // A kernel without the request does not tell.
        let _ = last_error();
        return None;
    }
    (found.address != 0).then(|| Address::new(found.address.wrapping_add(RSEQ_CS_OFFSET)))
}
