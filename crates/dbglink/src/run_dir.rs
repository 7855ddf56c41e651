//! The directories in which pipes have their socket files, and the rule by which one is trusted:
//! whoever can write there can pose as a server. It knows no sockets.

use crate::{LinkError, RunDirFault};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The directory of root's servers, in which every client looks last.
const OF_ROOT: &str = "/run/dbgsrv";
/// Sets the directory, for tests and unusual systems.
const OVERRIDE: &str = "DBGSRV_RUN_DIR";
/// The file that servers lock while they take or replace a name. Pipe names do not begin with a
/// dot.
const LOCK: &str = ".lock";

/// Where the socket files of pipes are.
///
/// | who | where | mode |
/// |---|---|---|
/// | root | `/run/dbgsrv` | 0755, so that others reach the servers that let them in |
/// | others | `$XDG_RUNTIME_DIR/dbgsrv`, or without that variable `/tmp/dbgsrv-UID` | 0700 |
/// | anyone with `DBGSRV_RUN_DIR` set | there, and nowhere else | 0700 if it has to be made |
///
/// Clients also look in `/tmp/dbgsrv-UID`, as a server started outside a login session has no
/// `XDG_RUNTIME_DIR`; in `/run/user/UID/dbgsrv`, as they may be outside of one themselves; and in
/// `/run/dbgsrv`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunDir {
    own: PathBuf,
    own_mode: u32,
    others: Vec<PathBuf>,
}

impl RunDir {
    /// This directory and no other. It is made when a server first listens, but not its parents.
    pub fn at(path: impl Into<PathBuf>) -> RunDir {
        RunDir { own: path.into(), own_mode: 0o700, others: Vec::new() }
    }

    /// The default of the current effective user; see the table above.
    pub fn of_this_user() -> RunDir {
        let uid = rustix::process::geteuid().as_raw();
        let (set, session) = (std::env::var_os(OVERRIDE), std::env::var_os("XDG_RUNTIME_DIR"));
        RunDir::default_for(uid, set.as_deref(), session.as_deref())
    }

    /// The default, from the user and the values of the two environment variables.
    fn default_for(uid: u32, set: Option<&OsStr>, session: Option<&OsStr>) -> RunDir {
        if let Some(set) = set.filter(|set| !set.is_empty()) {
            return RunDir::at(set);
        }
        if uid == 0 {
            return RunDir { own: OF_ROOT.into(), own_mode: 0o755, others: Vec::new() };
        }
        let temporary = PathBuf::from(format!("/tmp/dbgsrv-{uid}"));
        let mut others = vec![PathBuf::from(OF_ROOT)];
        let of_login = PathBuf::from(format!("/run/user/{uid}/dbgsrv"));
        // A relative path is to be taken as invalid (XDG Base Directory Specification).
        let own = match session.map(Path::new).filter(|session| session.is_absolute()) {
            Some(session) => {
                others.insert(0, temporary);
                session.join("dbgsrv")
            }
            None => {
                others.insert(0, of_login);
                temporary
            }
        };
        RunDir { own, own_mode: 0o700, others }
    }

    /// Where servers of this user have their sockets.
    pub fn path(&self) -> &Path {
        &self.own
    }

    /// Where clients of this user look for sockets, in order.
    pub(crate) fn searched(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(&self.own).chain(&self.others).map(PathBuf::as_path)
    }

    /// Where servers of root are: the last of the directories that are searched.
    pub(crate) fn of_machine(&self) -> &Path {
        self.others.last().unwrap_or(&self.own)
    }

    /// Makes the own directory if there is none, and checks it.
    pub(crate) fn prepare(&self) -> Result<(), LinkError> {
        make(&self.own, self.own_mode)
    }

    /// The same for a directory within the own one.
    pub(crate) fn prepare_below(&self, path: &Path) -> Result<(), LinkError> {
        make(path, self.own_mode)
    }

    /// Waits until no other server is taking or replacing a name in the own directory. The lock
    /// ends with the returned file, and so also when this process is killed.
    pub(crate) fn lock(&self) -> Result<File, LinkError> {
        lock(&self.own)
    }
}

/// Makes a directory if there is none, and checks it.
fn make(path: &Path, mode: u32) -> Result<(), LinkError> {
    match DirBuilder::new().mode(mode).create(path) {
        // The process's umask may have taken permissions away.
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(mode))
            .map_err(|reason| fault(path, RunDirFault::Inaccessible(reason.kind())))?,
        Err(reason) if reason.kind() == io::ErrorKind::AlreadyExists => {}
        Err(reason) => return Err(fault(path, RunDirFault::Inaccessible(reason.kind()))),
    }
    check(path)
}

/// Waits until no other server changes what is in a directory, as [`RunDir::lock`] says.
pub(crate) fn lock(directory: &Path) -> Result<File, LinkError> {
    // Mode 0600: who could open the file could hold the lock, and stop all servers of root.
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(directory.join(LOCK));
    file.and_then(|file| file.lock().map(|()| file))
        .map_err(|reason| fault(directory, RunDirFault::Inaccessible(reason.kind())))
}

/// Checks that nobody but the current user and root can put a socket into the directory.
pub(crate) fn check(path: &Path) -> Result<(), LinkError> {
    let metadata = fs::symlink_metadata(path)
        .map_err(|reason| fault(path, RunDirFault::Inaccessible(reason.kind())))?;
    if !metadata.is_dir() {
        return Err(fault(path, RunDirFault::NotADirectory));
    }
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(fault(path, RunDirFault::ForeignOwner(owner)));
    }
    if mode & 0o022 != 0 {
        return Err(fault(path, RunDirFault::WritableByOthers(mode)));
    }
    Ok(())
}

fn fault(path: &Path, fault: RunDirFault) -> LinkError {
    LinkError::RunDir { path: path.to_owned(), fault }
}

#[cfg(test)]
mod tests;
