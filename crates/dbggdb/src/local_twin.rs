//! Files of this machine that hold the same as one of the server's. It opens them and reads; what
//! they are compared with it is told.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use crate::elf_head;

/// How much of a file is looked at for its build-id.
pub(crate) const HEAD_LEN: usize = 4096;

/// A file of this machine with the build-id and the length of another one.
#[derive(Debug)]
pub(crate) struct LocalTwin {
    file: File,
    /// By what a change would be noticed.
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct State {
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl State {
    fn of(metadata: &Metadata) -> State {
        State {
            len: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl LocalTwin {
    /// The file at the same path, if it is a twin.
    pub(crate) fn find(path: &[u8], build_id: &[u8], len: u64) -> Option<LocalTwin> {
        let path = Path::new(OsStr::from_bytes(path));
        // Opening a pipe would block.
        if !std::fs::metadata(path).ok()?.is_file() {
            return None;
        }
        let file = File::open(path).ok()?;
        let metadata = file.metadata().ok()?;
        let state = State::of(&metadata);
        let head_len = len.min(HEAD_LEN as u64) as usize;
        let mut head = vec![0; head_len];
        let is_twin = metadata.is_file()
            && state.len == len
            && file.read_exact_at(&mut head, 0).is_ok()
            && elf_head::build_id(&head).as_deref() == Some(build_id);
        is_twin.then_some(LocalTwin { file, state })
    }

    /// Some of its bytes; `None` if they cannot be read, or it is no longer the file that it was.
    pub(crate) fn read(&self, offset: u64, len: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, offset).ok()?;
        let is_same = State::of(&self.file.metadata().ok()?) == self.state;
        is_same.then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twin_has_length_and_build_id_and_stays_as_it_was() {
        let directory = std::env::temp_dir().join(format!("dbggdb-twin-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let path = directory.join("image");
        std::fs::copy(std::env::current_exe().expect("a file"), &path).expect("copied");
        let bytes = std::fs::read(&path).expect("readable");
        let len = bytes.len() as u64;
        let name = path.as_os_str().as_bytes();
        let build_id = elf_head::build_id(&bytes).expect("linkers give one");
        assert!(LocalTwin::find(name, &build_id, len - 1).is_none());
        assert!(LocalTwin::find(name, &[1; 20], len).is_none());
        assert!(LocalTwin::find(b"/dev/zero", &build_id, len).is_none());
        let twin = LocalTwin::find(name, &build_id, len).expect("a twin");
        assert_eq!(twin.read(100, 50).as_deref(), Some(&bytes[100..150]));
        assert_eq!(twin.read(len - 10, 11), None);
        std::fs::write(&path, b"new").expect("written");
        assert_eq!(twin.read(0, 2), None);
        std::fs::remove_dir_all(&directory).expect("removed");
    }
}
