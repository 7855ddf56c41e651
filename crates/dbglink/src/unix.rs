//! `npipe`: unix sockets with names in the run directory. It knows how a name is taken, found and
//! given back, not who may connect.
//!
//! Two servers must not get one name, also not when both start in the same moment and find the file
//! of a third that was killed. So a name is taken under a lock on the directory:
//!
//! ```text
//! lock; connect to NAME ── accepted ──► in use
//!                      └── refused ───► the file is dead: remove it
//! bind, chmod, listen; unlock
//! ```
//!
//! A socket only accepts after listen(2), which lies within the lock, so a file that refuses can be
//! removed: no server is on its way to listening there. The lock is one of the kernel's (flock(2)),
//! and so does not survive its holder.

use crate::connect_string::PipeName;
use crate::error::{ConnectFault, PipeFault};
use crate::listen::BACKLOG;
use crate::run_dir::{self, RunDir};
use crate::{Link, LinkError};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen};
use std::fs::{self, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `sun_path` without its final NUL (unix(7)).
const PATH_LEN_MAX_BYTES: usize = 107;

/// Who may open a socket file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    /// Its owner: mode 0600.
    Owner,
    /// Everybody who reaches the directory: mode 0666.
    Everybody,
}

/// The socket file of a listener of this process. Removed on drop, before the socket is closed, so
/// that the file cannot be another server's by then.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode; whatever else has the name by now is not ours.
    identity: (u64, u64),
    /// A child made by fork(2) drops its copy without effect.
    creator: u32,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if std::process::id() == self.creator && identity(&self.path) == Some(self.identity) {
            // Nobody could do more about a failure than the next server does with a dead file.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Takes the name and listens. The socket does not block.
pub(crate) fn listen_at(
    pipe: &PipeName,
    access: Access,
    run_dir: &RunDir,
) -> Result<(OwnedFd, SocketFile), LinkError> {
    run_dir.prepare()?;
    let path = run_dir.path().join(pipe.as_str());
    let failed = |reason| LinkError::Listen { at: path.display().to_string(), reason };
    let address = address(&path)?;
    let _lock = run_dir.lock()?;
    if is_alive(&address).map_err(|errno| failed(errno.into()))? {
        return Err(PipeFault::InUse { pipe: pipe.to_string() }.into());
    }
    // Of what is not a socket, bind says below that it is in the way.
    if fs::symlink_metadata(&path).is_ok_and(|file| file.file_type().is_socket()) {
        fs::remove_file(&path).map_err(failed)?;
    }
    let socket = new_socket(SocketFlags::NONBLOCK).map_err(|errno| failed(errno.into()))?;
    bind(&socket, &address).map_err(|errno| failed(errno.into()))?;
    let file = SocketFile {
        identity: identity(&path).unwrap_or_default(),
        path: path.clone(),
        creator: std::process::id(),
    };
    let mode = match access {
        Access::Owner => 0o600,
        Access::Everybody => 0o666,
    };
    fs::set_permissions(&path, Permissions::from_mode(mode)).map_err(failed)?;
    listen(&socket, BACKLOG).map_err(|errno| failed(errno.into()))?;
    Ok((socket, file))
}

/// Connects to the server of this name on this machine.
pub(crate) fn connect_to(
    pipe: &PipeName,
    run_dir: &RunDir,
    timeout: Duration,
) -> Result<Link, LinkError> {
    // The best explanation so far why no directory had a live server.
    let mut failure = None;
    for directory in run_dir.searched() {
        let path = directory.join(pipe.as_str());
        if fs::symlink_metadata(&path).is_err() {
            continue;
        }
        match run_dir::check(directory).and_then(|()| connect_at(&path, timeout)) {
            Ok(link) => return Ok(link),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    Err(failure.unwrap_or_else(|| {
        let searched = run_dir.searched().map(Path::to_owned).collect();
        PipeFault::NotFound { pipe: pipe.to_string(), searched }.into()
    }))
}

fn connect_at(path: &Path, timeout: Duration) -> Result<Link, LinkError> {
    let address = address(path)?;
    let to = || path.display().to_string();
    let failed = |errno: Errno| ConnectFault::Other { to: to(), reason: errno.into() };
    let socket = new_socket(SocketFlags::empty()).map_err(failed)?;
    // The send timeout bounds the wait for a place in the server's backlog (socket(7)). Zero would
    // mean for ever.
    let wait = Some(timeout.max(Duration::from_millis(1)));
    set_socket_timeout(&socket, Timeout::Send, wait).map_err(failed)?;
    match connect(&socket, &address) {
        Ok(()) => {}
        Err(Errno::CONNREFUSED) => {
            return Err(PipeFault::Dead { path: path.to_owned() }.into());
        }
        Err(Errno::AGAIN) => {
            return Err(ConnectFault::TimedOut { to: to(), timeout }.into());
        }
        Err(errno) => return Err(failed(errno).into()),
    }
    set_socket_timeout(&socket, Timeout::Send, None).map_err(failed)?;
    Ok(Link::from(socket))
}

/// Whether a server listens at the socket file. `Ok(false)` also if there is no file, or if it is
/// no socket.
fn is_alive(address: &SocketAddrUnix) -> rustix::io::Result<bool> {
    let socket = new_socket(SocketFlags::NONBLOCK)?;
    match connect(&socket, address) {
        // With its backlog full, a server is alive all the more.
        Ok(()) | Err(Errno::AGAIN) => Ok(true),
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

fn address(path: &Path) -> Result<SocketAddrUnix, PipeFault> {
    let too_long =
        |_| PipeFault::PathTooLong { path: path.to_owned(), len_max_bytes: PATH_LEN_MAX_BYTES };
    SocketAddrUnix::new(path).map_err(too_long)
}

fn new_socket(flags: SocketFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | SocketFlags::CLOEXEC;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

/// What a file is, whatever it is called: its device and inode.
pub(crate) fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()))
}
