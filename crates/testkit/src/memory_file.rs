//! A process's memory as it is, past any server: what tests compare a server's answers with.

use std::fs::File;
use std::os::unix::fs::FileExt;

use dbgbase::{Address, Pid};

use crate::procfs;

/// Reads bytes as they are in memory, trap instructions included.
///
/// **Panics** if they cannot be read.
#[track_caller]
pub fn read(pid: Pid, address: Address, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let file = File::open(procfs::path(pid, "mem")).expect("the process lives");
    file.read_exact_at(&mut bytes, address.value()).expect("the memory is mapped");
    bytes
}

/// Reads a little-endian number as it is in memory.
///
/// **Panics** if it cannot be read.
#[track_caller]
pub fn read_u64(pid: Pid, address: Address) -> u64 {
    u64::from_le_bytes(read(pid, address, 8).try_into().expect("eight bytes"))
}

/// The same, or `None` if it cannot be read because the process is ending.
pub fn try_read_u64(pid: Pid, address: Address) -> Option<u64> {
    try_read(pid, address).map(u64::from_le_bytes)
}

/// Reads bytes as they are in memory, or `None` if the process is ending.
pub fn try_read<const LEN: usize>(pid: Pid, address: Address) -> Option<[u8; LEN]> {
    let mut bytes = [0; LEN];
    let file = File::open(procfs::path(pid, "mem")).ok()?;
    file.read_exact_at(&mut bytes, address.value()).ok()?;
    Some(bytes)
}

/// Writes bytes, past protection.
///
/// **Errors**: of open(2) and pwrite(2).
pub fn write(pid: Pid, address: Address, bytes: &[u8]) -> std::io::Result<()> {
    let file = File::options().write(true).open(procfs::path(pid, "mem"))?;
    file.write_all_at(bytes, address.value())
}
