//! Where a thread has an executable's thread-local variables (`PT_TLS`). It knows the layouts that
//! the ABIs fix; those of shared objects, only the dynamic linker knows.

use dbgbase::{Address, Arch};

use super::{Image, ImageKind};

/// What aarch64 keeps for the thread's control block behind the thread pointer.
const AARCH64_CONTROL_BLOCK_BYTES: u64 = 16;

/// What each thread gets for an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ThreadLocalBlock {
    pub(super) size_bytes: u64,
    pub(super) alignment_bytes: u64,
}

impl Image {
    /// Whether threads have storage of their own for it.
    pub fn has_thread_locals(&self) -> bool {
        self.thread_local.is_some()
    }

    /// Where a thread has the byte at `offset` of the image's thread-local storage.
    /// `thread_pointer` is `fs_base` on x86-64 and `tpidr_el0` on aarch64.
    ///
    /// **Shape**: `None` if the image has none, and for shared objects, whose place in a thread the
    /// dynamic linker chooses.
    /// **Source**: "ELF Handling For Thread-Local Storage", 3.4.6 (variant II, x86-64) and variant
    /// I (aarch64).
    pub fn thread_local_address(&self, thread_pointer: Address, offset: u64) -> Option<Address> {
        let block = self.thread_local?;
        if self.kind == ImageKind::SharedObject {
            return None;
        }
        let alignment = block.alignment_bytes.max(1);
        match self.arch {
            Arch::X86_64 => {
                let size = block.size_bytes.checked_next_multiple_of(alignment)?;
                thread_pointer.checked_sub(size)?.checked_add(offset)
            }
            _ => {
                let control = AARCH64_CONTROL_BLOCK_BYTES.checked_next_multiple_of(alignment)?;
                thread_pointer.checked_add(control)?.checked_add(offset)
            }
        }
    }
}
