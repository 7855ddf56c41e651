//! Files of this machine that this program has written for debuggers: core files. A debugger that
//! knows the server's machine as a platform copies them from there, and by another connection. It
//! knows no packet.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dbgwire::verbs::file::FileStatus;

/// Those that are there, of all sessions.
static WRITTEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn written() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    // Whoever panicked has left the set as it was, or with one more or less.
    WRITTEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes note of a file.
pub(crate) fn add(path: &Path) {
    written().insert(path.to_owned());
}

/// Removes a file, and whether it was one of them.
pub(crate) fn remove(path: &Path) -> bool {
    let is_own = written().remove(path);
    if is_own {
        // It may have been moved away, which is as good.
        let _ = std::fs::remove_file(path);
    }
    is_own
}

/// Opens a file; `None` if it is none of them, or is gone.
pub(crate) fn open(path: &[u8]) -> Option<File> {
    let path = Path::new(OsStr::from_bytes(path));
    written().contains(path).then(|| File::open(path).ok())?
}

/// What a file is, in the server's words.
pub(crate) fn status(file: &File) -> io::Result<FileStatus> {
    let metadata = file.metadata()?;
    let ns = |value: i64| u32::try_from(value).unwrap_or_default();
    Ok(FileStatus {
        device: metadata.dev(),
        inode: metadata.ino(),
        mode: metadata.mode(),
        links: metadata.nlink(),
        uid: metadata.uid(),
        gid: metadata.gid(),
        special_device: metadata.rdev(),
        size: metadata.size(),
        block_size: metadata.blksize(),
        blocks: metadata.blocks(),
        accessed_s: metadata.atime(),
        modified_s: metadata.mtime(),
        changed_s: metadata.ctime(),
        accessed_ns: ns(metadata.atime_nsec()),
        modified_ns: ns(metadata.mtime_nsec()),
        changed_ns: ns(metadata.ctime_nsec()),
    })
}
