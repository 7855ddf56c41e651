//! What a listener tells its login processes: bytes in memory that none of them can change
//! (memfd_create(2), file sealing), so that no secret stands on a command line, in an environment
//! or in a file. It does not know what they say.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SealFlags};

/// No task is longer.
const LEN_MAX: usize = 4 * 1024 * 1024;

/// Keeps these bytes for a login process to inherit.
pub(crate) fn keep(bytes: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let memory = rustix::fs::memfd_create(c"login", flags)?;
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        written += rustix::io::write(&memory, rest)?;
    }
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&memory, seals)?;
    Ok(memory)
}

/// What a login process was told.
pub(crate) fn read(memory: &OwnedFd) -> io::Result<Vec<u8>> {
    let len = usize::try_from(rustix::fs::fstat(memory)?.st_size).unwrap_or(LEN_MAX);
    let mut bytes = vec![0; len.min(LEN_MAX)];
    let mut read = 0;
    while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match rustix::io::pread(memory, rest, read as u64)? {
            0 => break,
            count => read += count,
        }
    }
    bytes.truncate(read);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_read_and_changed_by_nobody() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|index| (index % 251) as u8).collect();
        let memory = keep(&bytes).expect("memory");
        for _ in 0..2 {
            assert_eq!(read(&memory).expect("bytes"), bytes);
        }
        assert_eq!(rustix::io::pwrite(&memory, b"x", 0), Err(rustix::io::Errno::PERM));
        assert!(read(&keep(b"").expect("memory")).expect("bytes").is_empty());
    }
}
