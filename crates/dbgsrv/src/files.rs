//! The file verbs: files of the server's machine, opened, read and written for the client. It knows
//! no targets; where a target's root is, it is told.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use dbgwire::verbs::file::{
    CloseFile, CloseFileReply, FileAccess, OPEN_FILES_MAX, OpenFile, OpenFileReply, ReadFile,
    ReadFileReply, TRANSFER_LEN_MAX, WriteFile, WriteFileReply,
};
use dbgwire::{ErrorCode, Fault};
use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::answer::Outcome;
use crate::ranges::read_ranges;

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
        if !request.path.starts_with(b"/") {
            let detail = format!("{path}: only absolute paths name files of the server's machine");
            return Err(Fault::new(ErrorCode::Malformed, detail));
        }
        let access = FileAccess::try_from(request.access).map_err(|_| {
            let detail = format!("file access {} is not known to this server", request.access);
            Fault::new(ErrorCode::Unsupported, detail)
        })?;
        let fd = open_at(request, access, root).map_err(|errno| fault(&path, errno.into()))?;
        let file = File::from(fd);
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
        })
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

fn open_at(
    request: &OpenFile,
    access: FileAccess,
    root: Option<&Path>,
) -> rustix::io::Result<OwnedFd> {
    let flags = match access {
        FileAccess::Read => OFlags::RDONLY,
        FileAccess::CreateNew => OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL,
        FileAccess::Replace => OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC,
    };
    // Opening a fifo or a terminal must not block the session or change its terminal.
    let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mode = match access {
        FileAccess::Read => Mode::empty(),
        _ => Mode::from_raw_mode(request.mode & 0o7777),
    };
    let path = Path::new(OsStr::from_bytes(&request.path));
    match root {
        None => rustix::fs::open(path, flags, mode),
        Some(root) => {
            let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let root = rustix::fs::open(root, directory, Mode::empty())?;
            rustix::fs::openat2(root, path, flags, mode, ResolveFlags::IN_ROOT)
        }
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
