//! The registry: which servers run on this machine. Each one has a file there while it lives. It
//! knows how a server is announced and found, not how one is reached.
//!
//! A file may outlive its server, which can be killed at any moment; so a server holds a lock of
//! the kernel's (flock(2)) on its file, which ends with the process, whatever ends it. Whoever gets
//! a lock on an entry knows that its server is gone. Readers pass such entries over, and the next
//! server removes them.
//!
//! ```text
//! lock the registry; remove entries that nobody holds
//! write .4711.new ── lock it ── chmod ── rename to 4711.server; unlock the registry
//! ```
//!
//! An entry under its own name is thus complete and held, or its server is gone. The lock on the
//! registry keeps two servers from removing what a third is about to lock.

mod entry;
mod session;

pub use entry::{ServerEntry, ServerKind};
pub use session::{NOTHING, SESSION_MARK, SessionLine};

use crate::run_dir::{self, RunDir};
use crate::{LinkError, RunDirFault, ServerEndpoint, unix};
use dbgbase::Pid;
use entry::ENTRY_LEN_MAX_BYTES;
use rustix::fs::OFlags;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The registry's place in a run directory. Where it exists, no pipe can be called so; where a pipe
/// is called so, servers are not listed.
const DIRECTORY: &str = "registry";
/// The suffix of an entry.
const ENTRY_SUFFIX: &str = ".server";
/// The suffix of an entry that is still being written.
const NEW_SUFFIX: &str = ".new";
/// How many servers may have one process id: servers of several pid namespaces that share a
/// registry.
const SAME_PID_MAX: u32 = 1000;

/// One registry that can be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registry {
    run_dir: PathBuf,
    /// Whether it is where elevated servers are.
    is_of_machine: bool,
}

impl Registry {
    /// The registry of the servers that everybody of this machine may look for: those of root, and
    /// of others who may write there. With `DBGSRV_RUN_DIR` set, that of the directory.
    pub fn of_machine(run_dir: &RunDir) -> Registry {
        Registry { run_dir: run_dir.of_machine().to_owned(), is_of_machine: true }
    }

    /// The registries in which servers of the current user can be, and the machine's.
    pub fn of_user_and_machine(run_dir: &RunDir) -> Vec<Registry> {
        let machine = Registry::of_machine(run_dir);
        let places = run_dir.searched().map(|path| Registry {
            run_dir: path.to_owned(),
            is_of_machine: path == machine.run_dir,
        });
        places.collect()
    }

    /// Whether its servers are shown to everybody.
    pub fn is_of_machine(&self) -> bool {
        self.is_of_machine
    }

    /// The servers that live, the oldest first. Entries that the current user may not read, that
    /// cannot be understood, or whose server is gone, are passed over.
    ///
    /// **Shape**: empty also if there is no such registry.
    /// **Errors**: [`LinkError::RunDir`] if others than root and the current user could have
    /// written it.
    pub fn servers(&self) -> Result<Vec<ServerEntry>, LinkError> {
        let directory = self.run_dir.join(DIRECTORY);
        for path in [&self.run_dir, &directory] {
            match run_dir::check(path) {
                Err(LinkError::RunDir {
                    fault: RunDirFault::Inaccessible(io::ErrorKind::NotFound),
                    ..
                }) => return Ok(Vec::new()),
                checked => checked?,
            }
        }
        let names = fs::read_dir(&directory).map_err(|reason| inaccessible(&directory, &reason))?;
        let mut servers: Vec<ServerEntry> = names
            .filter_map(|name| {
                let name = name.ok()?.file_name();
                is_entry(name.to_str()?).then(|| read_entry(&directory.join(&name)))?
            })
            .collect();
        servers.sort_by(|a, b| {
            (a.started_s, a.pid, &a.endpoint).cmp(&(b.started_s, b.pid, &b.endpoint))
        });
        Ok(servers)
    }
}

/// The entry of a server of this process. Dropping it removes the entry.
#[derive(Debug)]
pub struct Registration {
    path: PathBuf,
    /// Device and inode; whatever else has the name by now is not ours.
    identity: (u64, u64),
    /// Holds the lock. As every descriptor of the standard library it is closed by exec, so that
    /// no other process keeps the entry alive.
    _file: File,
}

impl Registration {
    /// The entry's file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if unix::identity(&self.path) == Some(self.identity) {
            // Nobody could do more about a failure than the next server does with a dead entry.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Enters a server of this process, which listens already: in the machine's registry if it may
/// write there, and otherwise in its user's. The entry of a hidden server can be read by its user
/// only.
///
/// **Errors**: [`LinkError::RunDir`]. The server can be reached all the same; it is not listed.
pub fn register(endpoint: &ServerEndpoint, run_dir: &RunDir) -> Result<Registration, LinkError> {
    let started = SystemTime::now().duration_since(UNIX_EPOCH);
    let entry = ServerEntry {
        kind: ServerKind::Process,
        endpoint: endpoint.listing().to_string(),
        is_hidden: endpoint.is_hidden(),
        pid: Pid::new(std::process::id()),
        uid: rustix::process::geteuid().as_raw(),
        started_s: started.map_or(0, |since| since.as_secs()),
    };
    let machine = run_dir.of_machine();
    if machine != run_dir.path() {
        // Of others than root only a few may write there, and only if root has made it.
        let in_machine =
            run_dir::check(machine).and_then(|()| enter(&machine.join(DIRECTORY), &entry));
        if let Ok(registration) = in_machine {
            return Ok(registration);
        }
    }
    run_dir.prepare()?;
    let directory = run_dir.path().join(DIRECTORY);
    run_dir.prepare_below(&directory)?;
    enter(&directory, &entry)
}

fn enter(directory: &Path, entry: &ServerEntry) -> Result<Registration, LinkError> {
    run_dir::check(directory)?;
    let _lock = run_dir::lock(directory)?;
    remove_dead(directory);
    let failed = |reason: io::Error| inaccessible(directory, &reason);
    let path = free_name(directory, entry.pid).ok_or(LinkError::RunDir {
        path: directory.to_owned(),
        fault: RunDirFault::Inaccessible(io::ErrorKind::AlreadyExists),
    })?;
    let new = directory.join(format!(".{}{NEW_SUFFIX}", entry.pid));
    let written = write_entry(&new, entry).and_then(|file| {
        fs::rename(&new, &path)?;
        Ok(file)
    });
    let file = written.inspect_err(|_| {
        // What is left of the attempt is removed by the next server if it cannot be now.
        let _ = fs::remove_file(&new);
    });
    let file = file.map_err(failed)?;
    let identity = file.metadata().map(|file| (file.dev(), file.ino())).map_err(failed)?;
    Ok(Registration { path, identity, _file: file })
}

/// Writes an entry under a name that no reader looks at, and locks it.
fn write_entry(path: &Path, entry: &ServerEntry) -> io::Result<File> {
    // Mode 0600 until it is locked: who can open a file can hold its lock.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)?;
    file.write_all(entry.to_text().as_bytes())?;
    file.try_lock().map_err(io::Error::from)?;
    if !entry.is_hidden {
        file.set_permissions(Permissions::from_mode(0o644))?;
    }
    Ok(file)
}

/// The name for an entry of this process. To be called under the lock of the registry.
fn free_name(directory: &Path, pid: Pid) -> Option<PathBuf> {
    let name = |number| match number {
        0 => directory.join(format!("{pid}{ENTRY_SUFFIX}")),
        _ => directory.join(format!("{pid}-{number}{ENTRY_SUFFIX}")),
    };
    (0..SAME_PID_MAX).map(name).find(|path| fs::symlink_metadata(path).is_err())
}

/// Removes the entries of servers that are gone, and what is left of those that were killed while
/// they wrote theirs. To be called under the lock of the registry.
fn remove_dead(directory: &Path) {
    for name in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = name.file_name();
        let text = name.to_string_lossy();
        if !(is_entry(&text) || text.ends_with(NEW_SUFFIX)) {
            continue;
        }
        let path = directory.join(&name);
        if open_entry(&path).is_ok_and(|file| file.try_lock_shared().is_ok()) {
            // One that stays does no harm: readers pass it over.
            let _ = fs::remove_file(&path);
        }
    }
}

fn is_entry(name: &str) -> bool {
    name.ends_with(ENTRY_SUFFIX) && !name.starts_with('.')
}

/// The entry in a file, if its server lives.
fn read_entry(path: &Path) -> Option<ServerEntry> {
    let file = open_entry(path).ok()?;
    // Shared, as two readers at once must not take each other for the server.
    if !matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) {
        return None;
    }
    let mut bytes = Vec::new();
    let len_max = ENTRY_LEN_MAX_BYTES as u64 + 1;
    file.take(len_max).read_to_end(&mut bytes).ok()?;
    ServerEntry::parse(&bytes).ok()
}

/// Opens what may be an entry: a file, not a link to one nor anything that could block.
fn open_entry(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

fn inaccessible(path: &Path, reason: &io::Error) -> LinkError {
    LinkError::RunDir { path: path.to_owned(), fault: RunDirFault::Inaccessible(reason.kind()) }
}

#[cfg(test)]
mod tests;
