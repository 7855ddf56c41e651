//! A path of the server's machine, or of a target's own file system, and what is done at it. No
//! symbolic link leads out of a target's root directory.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use dbgwire::{ErrorCode, Fault};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};

use super::fault;

/// A path, and where it is looked up.
pub(super) struct Place<'a> {
    path: &'a [u8],
    /// A target's root directory; none is the server's.
    root: Option<&'a Path>,
}

impl<'a> Place<'a> {
    /// **Errors**: [`ErrorCode::Malformed`] for a path that is not absolute.
    pub(super) fn new(
        path: &'a [u8],
        root: Option<&'a Path>,
    ) -> std::result::Result<Place<'a>, Fault> {
        if path.starts_with(b"/") {
            return Ok(Place { path, root });
        }
        let path = String::from_utf8_lossy(path);
        let detail = format!("{path}: only absolute paths name files of the server's machine");
        Err(Fault::new(ErrorCode::Malformed, detail))
    }

    /// Opens what is there; `mode` is for what is made.
    pub(super) fn open(&self, flags: OFlags, mode: Mode) -> std::result::Result<File, Fault> {
        self.open_part(self.path, flags, mode).map(File::from).map_err(|errno| self.fault(errno))
    }

    /// What is there, or where it leads if that is a symbolic link, unless the link is to be kept.
    pub(super) fn metadata(&self, keep_link: bool) -> std::result::Result<Metadata, Fault> {
        let links = if keep_link { OFlags::NOFOLLOW } else { OFlags::empty() };
        let file = self.open(OFlags::PATH | links, Mode::empty())?;
        file.metadata().map_err(|error| fault(&String::from_utf8_lossy(self.path), error))
    }

    /// Where the symbolic link there leads.
    pub(super) fn read_link(&self) -> std::result::Result<Vec<u8>, Fault> {
        let link = self.open(OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())?;
        let text = rustix::fs::readlinkat(&link, c"", Vec::new());
        text.map(|text| text.into_bytes()).map_err(|errno| {
            // Of a file that is opened already, the system says so of one that is no link.
            self.fault(if errno == Errno::NOENT { Errno::INVAL } else { errno })
        })
    }

    /// Takes the name away.
    pub(super) fn remove(&self) -> std::result::Result<(), Fault> {
        let is_name = |byte: &u8| *byte != b'/';
        let name_end = self.path.iter().rposition(is_name).map_or(0, |last| last + 1);
        let before = self.path.get(..name_end).unwrap_or_default();
        let name_start = before.iter().rposition(|byte| *byte == b'/').map_or(0, |last| last + 1);
        // Slashes behind the name stay with it: the system takes them for a directory's.
        let (directory, name) = self.path.split_at(name_start.max(1));
        let name = if name.is_empty() { b"." } else { name };
        let opened = OFlags::PATH | OFlags::DIRECTORY;
        self.open_part(directory, opened, Mode::empty())
            .and_then(|fd| rustix::fs::unlinkat(fd, OsStr::from_bytes(name), AtFlags::empty()))
            .map_err(|errno| self.fault(errno))
    }

    /// Opens the whole path or the directory that it begins with.
    fn open_part(&self, path: &[u8], flags: OFlags, mode: Mode) -> Result<OwnedFd> {
        let path = Path::new(OsStr::from_bytes(path));
        let flags = flags | OFlags::CLOEXEC;
        match self.root {
            None => rustix::fs::open(path, flags, mode),
            Some(root) => {
                let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let root = rustix::fs::open(root, directory, Mode::empty())?;
                rustix::fs::openat2(root, path, flags, mode, ResolveFlags::IN_ROOT)
            }
        }
    }

    fn fault(&self, errno: Errno) -> Fault {
        fault(&String::from_utf8_lossy(self.path), errno.into())
    }
}
