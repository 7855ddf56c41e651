//! Files of this machine as bytes for symbol tables. Small ones are read, big ones mapped, which is
//! the only `unsafe` of the crate. It does not know what is in a file.

#![expect(unsafe_code, reason = "mapping a file is unsafe; nothing else here is")]

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use dbgsym::ImageBytes;
use memmap2::Mmap;

/// Files up to this size are read. A program under work is rebuilt in place now and then, and what
/// was read cannot change under us.
const READ_LEN_MAX: u64 = 32 * 1024 * 1024;

/// `O_NONBLOCK` (open(2)): a pipe is opened at once, and refused.
const NEVER_BLOCKS: i32 = 0o4000;

/// The bytes of a regular file.
///
/// **Errors**: those of the system; `InvalidInput` for what is no regular file: opening a pipe
/// would block, and devices have no end.
pub(crate) fn open(path: &Path) -> io::Result<ImageBytes> {
    let mut file = open_plain(path)?;
    let len = file.metadata()?.len();
    if len > READ_LEN_MAX {
        return map(&file);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
    file.by_ref().take(READ_LEN_MAX).read_to_end(&mut bytes)?;
    Ok(ImageBytes::from(bytes))
}

/// A regular file, open for reading.
///
/// **Errors**: as [`open`].
pub(crate) fn open_plain(path: &Path) -> io::Result<File> {
    let check = |metadata: Metadata| match metadata.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
    };
    // Devices do something when they are opened.
    check(std::fs::metadata(path)?)?;
    let file = File::options().read(true).custom_flags(NEVER_BLOCKS).open(path)?;
    // Somebody may have put another one there meanwhile.
    check(file.metadata()?)?;
    Ok(file)
}

fn map(file: &File) -> io::Result<ImageBytes> {
    // SAFETY: the mapping is private and read-only, lives as long as the `ImageBytes` that owns it,
    // and nothing of this process writes to the file. Another process could still change or shorten
    // it: changed bytes are within what `ImageBytes` asks of its owner (every access to them is
    // checked where it is made), and a shortened file ends this process by SIGBUS instead of giving
    // wrong memory. Linkers and package managers replace files of this size by renaming.
    let map = unsafe { Mmap::map(file) }?;
    Ok(ImageBytes::new(map))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_mapped_files_hold_the_same() {
        let program = std::env::current_exe().expect("this test has a file");
        let read = std::fs::read(&program).expect("readable");
        let opened = open(&program).expect("opens");
        assert!(opened.as_slice() == read, "open reads the whole file");
        let mapped = map(&File::open(&program).expect("opens")).expect("maps");
        assert!(mapped.as_slice() == read, "map shows the whole file");
    }

    #[test]
    fn only_regular_files_are_opened() {
        let kind = |path| open(Path::new(path)).expect_err("no symbol file").kind();
        assert_eq!(kind("/dev/zero"), io::ErrorKind::InvalidInput);
        assert_eq!(kind("/"), io::ErrorKind::InvalidInput);
        assert_eq!(kind("/no/such/file"), io::ErrorKind::NotFound);
    }
}
