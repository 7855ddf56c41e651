//! The file verbs: files of the server's machine, opened, read, written, looked at and removed for
//! the client. It knows no targets; where a target's root is, it is told.

mod place;

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use dbgwire::verbs::file::{
    CloseFile, CloseFileReply, FileAccess, FileStatus, OPEN_FILES_MAX, OpenFile, OpenFileReply,
    ReadFile, ReadFileReply, ReadLink, ReadLinkReply, RemoveFile, RemoveFileReply, StatFile,
    StatFileReply, TRANSFER_LEN_MAX, WriteFile, WriteFileReply,
};
use dbgwire::{ErrorCode, Fault};
use rustix::fs::{Mode, OFlags};

use crate::answer::Outcome;
use crate::ranges::read_ranges;
use place::Place;

/// The files a session has open.
#[derive(Default)]
pub(crate) struct Files {
    open: BTreeMap<u32, OpenedFile>,
    last_handle: u32,
}

struct OpenedFile {
    file: File,
    path: String,
}

impl Files {
    /// Opens a file; with `root`, as seen from there, so that symbolic links do not lead out of a
    /// target's own file system.
    pub(crate) fn open(
        &mut self,
        request: &OpenFile,
        root: Option<&Path>,
    ) -> Result<OpenFileReply, Fault> {
        let path = String::from_utf8_lossy(&request.path).into_owned();
        if self.open.len() >= OPEN_FILES_MAX {
            let detail = format!("{OPEN_FILES_MAX} files are open; close one first");
            return Err(Fault::new(ErrorCode::LimitReached, detail));
        }
        let access = FileAccess::try_from(request.access).map_err(|_| {
            let detail = format!("file access {} is not known to this server", request.access);
            Fault::new(ErrorCode::Unsupported, detail)
        })?;
        let flags = flags(request, access)?;
        // The system takes mode bits only where a file may be made.
        let mode = if flags.contains(OFlags::CREATE) { request.mode & 0o7777 } else { 0 };
        let place = Place::new(&request.path, root)?;
        let file = place.open(flags, Mode::from_raw_mode(mode))?;
        let metadata = file.metadata().map_err(|error| fault(&path, error))?;
        if !metadata.is_file() {
            let detail = format!("{path} is not a regular file");
            return Err(Fault::new(ErrorCode::Unsupported, detail));
        }
        self.last_handle += 1;
        self.open.insert(self.last_handle, OpenedFile { file, path });
        Ok(OpenFileReply {
            file: self.last_handle,
            size: metadata.size(),
            modified_s: metadata.mtime(),
            status: Some(status(&metadata)),
        })
    }

    /// Says what an open file is, or the one at a path, as seen from `root`.
    pub(crate) fn stat(
        &self,
        request: &StatFile,
        root: Option<&Path>,
    ) -> Result<StatFileReply, Fault> {
        let metadata = match request.file {
            0 => Place::new(&request.path, root)?.metadata(request.keep_link)?,
            handle => {
                let opened = self.get(handle)?;
                opened.file.metadata().map_err(|error| fault(&opened.path, error))?
            }
        };
        Ok(StatFileReply { status: Some(status(&metadata)) })
    }

    /// Reads ranges of an open file.
    pub(crate) fn read(&self, request: &ReadFile) -> Outcome<ReadFileReply> {
        let opened = self.get(request.file)?;
        let (lengths, tail) = read_ranges(&request.ranges, TRANSFER_LEN_MAX, |at, buffer| {
            read_head(&opened.file, at, buffer).map_err(|error| fault(&opened.path, error))
        })?;
        Ok((ReadFileReply { lengths }, tail))
    }

    /// Writes into an open file.
    pub(crate) fn write(&self, request: &WriteFile, bytes: &[u8]) -> Result<WriteFileReply, Fault> {
        let opened = self.get(request.file)?;
        let written = opened.file.write_all_at(bytes, request.offset);
        written.map_err(|error| fault(&opened.path, error))?;
        Ok(WriteFileReply {})
    }

    /// Closes an open file.
    pub(crate) fn close(&mut self, request: &CloseFile) -> CloseFileReply {
        // One that is not open is as good as closed, so that the request can be repeated.
        self.open.remove(&request.file);
        CloseFileReply {}
    }

    fn get(&self, handle: u32) -> Result<&OpenedFile, Fault> {
        self.open.get(&handle).ok_or_else(|| not_open(handle))
    }
}

/// Where a symbolic link leads, as seen from `root`.
pub(crate) fn read_link(request: &ReadLink, root: Option<&Path>) -> Result<ReadLinkReply, Fault> {
    let text = Place::new(&request.path, root)?.read_link()?;
    Ok(ReadLinkReply { text })
}

/// Removes a file's name, as seen from `root`.
pub(crate) fn remove(request: &RemoveFile, root: Option<&Path>) -> Result<RemoveFileReply, Fault> {
    Place::new(&request.path, root)?.remove()?;
    Ok(RemoveFileReply {})
}

/// What a file is opened with.
fn flags(request: &OpenFile, access: FileAccess) -> Result<OFlags, Fault> {
    let access = match access {
        FileAccess::Read => OFlags::RDONLY,
        FileAccess::CreateNew => OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL,
        FileAccess::Replace => OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC,
        FileAccess::Write => OFlags::WRONLY,
        FileAccess::ReadWrite => OFlags::RDWR,
    };
    let besides = [
        (request.append, OFlags::APPEND),
        (request.create, OFlags::CREATE),
        (request.truncate, OFlags::TRUNC),
        (request.exclusive, OFlags::EXCL),
    ];
    let besides = besides.into_iter().filter(|(is_wanted, _)| *is_wanted);
    let flags = besides.fold(access, |flags, (_, flag)| flags | flag);
    let malformed = |detail| Err(Fault::new(ErrorCode::Malformed, detail));
    // Of these open(2) does not say what they do.
    if flags.contains(OFlags::EXCL) && !flags.contains(OFlags::CREATE) {
        return malformed("only a file that may be made is opened exclusively");
    }
    if flags.contains(OFlags::TRUNC) && access == OFlags::RDONLY {
        return malformed("a file is not truncated by opening it for reading alone");
    }
    // Opening a fifo or a terminal must not block the session or change its terminal.
    Ok(flags | OFlags::NONBLOCK | OFlags::NOCTTY)
}

fn status(metadata: &Metadata) -> FileStatus {
    // The system counts no more than 999,999,999 of them.
    let nanoseconds = |count: i64| u32::try_from(count).unwrap_or(0);
    FileStatus {
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
        accessed_ns: nanoseconds(metadata.atime_nsec()),
        modified_ns: nanoseconds(metadata.mtime_nsec()),
        changed_ns: nanoseconds(metadata.ctime_nsec()),
    }
}

fn read_head(file: &File, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut count = 0;
    while let Some(rest) = buffer.get_mut(count..).filter(|rest| !rest.is_empty()) {
        // No file reaches beyond what an offset can say (off_t, a signed number).
        let Some(at) = offset.checked_add(count as u64).filter(|at| i64::try_from(*at).is_ok())
        else {
            break;
        };
        match file.read_at(rest, at) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

fn not_open(handle: u32) -> Fault {
    Fault::new(ErrorCode::NoSuchFile, format!("no file is open with handle {handle}"))
}

fn fault(path: &str, error: std::io::Error) -> Fault {
    // EBADF is how the system refuses writing into a file that is open for reading.
    let is_misused = error.raw_os_error() == Some(rustix::io::Errno::BADF.raw_os_error());
    let code = match error.kind() {
        std::io::ErrorKind::NotFound => ErrorCode::NoSuchFile,
        std::io::ErrorKind::AlreadyExists => ErrorCode::FileExists,
        std::io::ErrorKind::PermissionDenied => ErrorCode::NotPermitted,
        _ if is_misused => ErrorCode::NotPermitted,
        _ => ErrorCode::SystemError,
    };
    let fault = Fault::new(code, format!("{path}: {error}"));
    match error.raw_os_error() {
        Some(errno) => fault.with_errno(errno),
        None => fault,
    }
}
