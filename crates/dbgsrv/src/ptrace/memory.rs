//! A target's memory through /proc/PID/mem, with the debugger's trap instructions hidden. Reads may
//! come from any thread; writes are made by the tracer thread, because Linux may let only the
//! tracer write through a page's protection (proc_pid_mem(5), `proc_mem.force_override`).

pub(super) mod bulk;
mod find;
pub(super) mod search;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use dbgbase::{Address, Arch, Pid, ReadMemory, Tid, Unreadable};

use super::site::SiteTable;
use super::trace;

/// How often a read is tried without the lock.
const ATTEMPTS: usize = 4;

/// A target's memory and the sites in it.
pub(super) struct TargetMemory {
    inner: RwLock<Inner>,
}

/// What is behind the lock.
pub(super) struct Inner {
    /// Opened for one address space; a new program needs a new one.
    file: Arc<File>,
    /// Counts what may have changed: every time that the tracer thread had the lock.
    generation: u64,
    /// The armed addresses.
    pub(super) sites: SiteTable,
}

impl TargetMemory {
    /// The memory of a process, through one of its threads that has not ended.
    ///
    /// **Errors**: of open(2); EACCES where ptrace(2) would be refused too.
    pub(super) fn open(living: Tid, arch: Arch) -> std::io::Result<TargetMemory> {
        let inner = Inner { file: open_file(living)?, generation: 0, sites: SiteTable::new(arch) };
        Ok(TargetMemory { inner: RwLock::new(inner) })
    }

    /// Turns to the address space of the program that the process has just executed. The sites are
    /// forgotten: they went with the old one.
    pub(super) fn reopen(&self, pid: Pid, arch: Arch) -> std::io::Result<()> {
        let file = open_file(Tid::from(pid))?;
        let mut inner = self.write();
        *inner = Inner { file, generation: inner.generation, sites: SiteTable::new(arch) };
        Ok(())
    }

    /// The sites and the file, for readers.
    pub(super) fn lock(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sites and the file, for the tracer thread.
    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.generation = inner.generation.wrapping_add(1);
        inner
    }

    /// Reads what the program has at `address`, as [`ReadMemory::read`] does, and says how much was
    /// read even if that is nothing.
    ///
    /// The kernel may keep the read waiting for as long as it likes: pages may belong to a file of
    /// FUSE or NFS, or to a userfaultfd(2). So the lock is not held meanwhile, and the bytes count
    /// only if no site has changed.
    pub(super) fn read_head(&self, address: Address, buffer: &mut [u8]) -> usize {
        for _ in 0..ATTEMPTS {
            let (file, generation) = {
                let inner = self.lock();
                (Arc::clone(&inner.file), inner.generation)
            };
            let count = read_file(&file, address, buffer);
            let inner = self.lock();
            if inner.generation == generation {
                inner.hide(address, buffer, count);
                return count;
            }
        }
        // Sites change all the time, so that the kernel did not keep anybody waiting.
        let inner = self.lock();
        let count = read_file(&inner.file, address, buffer);
        inner.hide(address, buffer, count);
        count
    }
}

impl ReadMemory for TargetMemory {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<usize, Unreadable> {
        match self.read_head(address, buffer) {
            0 if !buffer.is_empty() => Err(Unreadable { address }),
            count => Ok(count),
        }
    }
}

impl Inner {
    /// Hides the trap instructions in the first `count` bytes of `buffer`, read at `address`.
    fn hide(&self, address: Address, buffer: &mut [u8], count: usize) {
        if let Some(head) = buffer.get_mut(..count) {
            self.sites.hide(address, head);
        }
    }

    /// Writes bytes as they are, past protection. Tracer thread only.
    ///
    /// **Shape**: how many of the head were written; an error only if not even the first was.
    pub(super) fn poke(&self, address: Address, bytes: &[u8]) -> std::io::Result<usize> {
        let (head, len) = (bytes.get(..4).unwrap_or(bytes), bytes.len());
        trace::note(Tid::new(0), format_args!("poke {address} {len} bytes {head:02x?}"));
        let mut count = 0;
        while let Some(rest) = bytes.get(count..).filter(|rest| !rest.is_empty()) {
            let at = address.value().checked_add(count as u64);
            let at = at.ok_or(std::io::ErrorKind::InvalidInput)?;
            match self.file.write_at(rest, at) {
                Ok(0) if count == 0 => return Err(std::io::ErrorKind::WriteZero.into()),
                Ok(0) => break,
                Ok(more) => count += more,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if count == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(count)
    }

    /// Reads bytes as they are, trap instructions included; as much of the head as can be read.
    pub(super) fn peek_head<'a>(&self, address: Address, buffer: &'a mut [u8]) -> &'a mut [u8] {
        let count = read_file(&self.file, address, buffer);
        buffer.get_mut(..count).unwrap_or_default()
    }

    /// Reads bytes as they are, trap instructions included; all or an error.
    pub(super) fn peek(&self, address: Address, bytes: &mut [u8]) -> std::io::Result<()> {
        self.file.read_exact_at(bytes, address.value())
    }
}

fn open_file(tid: Tid) -> std::io::Result<Arc<File>> {
    let file = File::options().read(true).write(true).open(format!("/proc/{tid}/mem"))?;
    Ok(Arc::new(file))
}

/// Reads bytes as they are, up to one that cannot be read.
fn read_file(file: &File, address: Address, buffer: &mut [u8]) -> usize {
    let mut count = 0;
    while let Some(rest) = buffer.get_mut(count..).filter(|rest| !rest.is_empty()) {
        let Some(at) = address.checked_add(count as u64) else {
            break;
        };
        match file.read_at(rest, at.value()) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    count
}
