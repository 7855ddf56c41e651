//! Where files by build-id come from besides directories: those kept on this machine, then the
//! servers of the symbol path. It knows whom it asked in vain; what a file is for it does not.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dbgsym::ImageBytes;

use super::debuginfod::{Debuginfod, FetchError};
use super::download::{TransferOrigin, TransferProgress};
use super::notes::{Notes, SearchOutcome};
use super::search::TransferCallback;
use crate::client::CallError;
use crate::modules::SymbolSource;
use crate::symbol_cache::{CacheWriter, SymbolCache};
use crate::symbol_path::{ServerPlace, SymbolPath, names};
use crate::{Error, SymbolEnvironment};

/// How many bytes the default directory of kept files holds. Those that a path names hold what
/// comes: who chose them looks after them.
const KEPT_LEN_MAX: u64 = 10 << 30;
/// After how many kept bytes is looked at how many there are altogether.
const PRUNED_EVERY: u64 = 256 << 20;

/// Kept files and servers.
pub(crate) struct Store {
    path: SymbolPath,
    environment: SymbolEnvironment,
    debuginfod: Debuginfod,
    /// The URLs that servers do not have.
    absent: RefCell<HashSet<String>>,
    /// The servers that could not be asked.
    failed: RefCell<HashSet<String>>,
    /// How many bytes may be kept until the directory is looked at.
    until_pruned: Cell<u64>,
    progress: RefCell<Option<TransferCallback>>,
    cancelled: Arc<AtomicBool>,
    pub(crate) notes: Notes,
}

/// A file by build-id, as a server names it.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) build_id: &'a [u8],
    /// `debuginfo`, `executable`, `source/PATH`: the rest of the URL.
    pub(crate) request: &'a str,
    /// Its name in a directory of kept files.
    pub(crate) kept_as: &'a str,
    /// For whom, in notes.
    pub(crate) name: &'a str,
}

/// Keeps a file that was fetched; where.
type Keep = Box<dyn FnOnce() -> Option<PathBuf>>;

/// A file on its way here.
enum Sink {
    Kept(Box<CacheWriter>),
    Memory(Vec<u8>),
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Kept(writer) => writer.write(bytes),
            Sink::Memory(memory) => memory.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Store {
    /// Keeps nothing and asks nobody. `cancelled` ends transfers.
    pub(crate) fn new(cancelled: Arc<AtomicBool>) -> Store {
        let environment = SymbolEnvironment::default();
        Store {
            path: SymbolPath::default(),
            debuginfod: Debuginfod::new(&environment),
            environment,
            absent: RefCell::default(),
            failed: RefCell::default(),
            until_pruned: Cell::default(),
            progress: RefCell::default(),
            cancelled,
            notes: Notes::default(),
        }
    }

    pub(crate) fn path(&self) -> &SymbolPath {
        &self.path
    }

    pub(crate) fn environment(&self) -> &SymbolEnvironment {
        &self.environment
    }

    pub(crate) fn set_path(&mut self, path: SymbolPath) {
        self.path = path;
        self.ask_again();
    }

    pub(crate) fn set_environment(&mut self, environment: SymbolEnvironment) {
        self.debuginfod = Debuginfod::new(&environment);
        self.environment = environment;
        self.ask_again();
    }

    /// Servers that did not have a file, or did not answer, are asked again.
    pub(crate) fn ask_again(&self) {
        self.absent.borrow_mut().clear();
        self.failed.borrow_mut().clear();
    }

    pub(crate) fn set_progress(&mut self, progress: Option<TransferCallback>) {
        self.progress = RefCell::new(progress);
    }

    pub(crate) fn cancelled(&self) -> &AtomicBool {
        &self.cancelled
    }

    /// Tells how far a transfer is.
    pub(crate) fn report(&self, progress: TransferProgress<'_>) {
        if let Some(callback) = self.progress.borrow_mut().as_mut() {
            callback(progress);
        }
    }

    /// The error if the user wants what is going on to end; his wish is fulfilled by it.
    pub(crate) fn check_cancelled(&self) -> Result<(), Error> {
        if self.cancelled.swap(false, Ordering::AcqRel) {
            Err(CallError::Cancelled.into())
        } else {
            Ok(())
        }
    }

    /// The directories that keep files by build-id.
    pub(crate) fn caches(&self) -> impl Iterator<Item = SymbolCache<'_>> {
        self.path.caches(&self.environment).map(SymbolCache::new)
    }

    /// A file that is kept on this machine.
    ///
    /// **Cost**: reads all of it, to see whether it is whole.
    pub(crate) fn kept(&self, wanted: Wanted<'_>) -> Option<(ImageBytes, SymbolSource)> {
        let mut caches = self.caches();
        let (path, bytes) = caches.find_map(|cache| cache.get(wanted.build_id, wanted.kept_as))?;
        Some((bytes, SymbolSource::Local(path)))
    }

    /// Keeps bytes in the first directory for that, if there is one and it can be written.
    pub(crate) fn keep(&self, wanted: Wanted<'_>, bytes: &[u8]) {
        if let Some(cache) = self.caches().next() {
            cache.put(wanted.build_id, wanted.kept_as, bytes);
            self.has_kept(bytes.len() as u64);
        }
    }

    /// Bytes were kept, maybe in the default directory: it is seen to that those are not too many.
    fn has_kept(&self, len: u64) {
        if let Some(left) = self.until_pruned.get().checked_sub(len) {
            self.until_pruned.set(left);
            return;
        }
        self.until_pruned.set(PRUNED_EVERY);
        if let Some(directory) = &self.environment.cache_directory {
            SymbolCache::new(directory).prune(KEPT_LEN_MAX);
        }
    }

    /// A file from the first server that has it, kept on this machine if `is_right` says so.
    ///
    /// **Shape**: `None` if no server has it, or if none is named; the notes say more.
    /// **Errors**: `Cancelled`.
    /// **Cost**: one HTTP request for each server, each only once.
    pub(crate) fn fetch(
        &self,
        wanted: Wanted<'_>,
        is_right: &dyn Fn(&ImageBytes) -> bool,
    ) -> Result<Option<(ImageBytes, SymbolSource)>, Error> {
        self.fetch_also_from(Vec::new(), wanted, is_right)
    }

    /// As [`Store::fetch`], but `places` are asked first.
    pub(crate) fn fetch_also_from(
        &self,
        places: Vec<ServerPlace>,
        wanted: Wanted<'_>,
        is_right: &dyn Fn(&ImageBytes) -> bool,
    ) -> Result<Option<(ImageBytes, SymbolSource)>, Error> {
        for place in places.into_iter().chain(self.path.servers(&self.environment)) {
            let id = names::hex(wanted.build_id);
            let url = format!("{}/buildid/{id}/{}", place.url, wanted.request);
            if self.failed.borrow().contains(&place.url) || self.absent.borrow().contains(&url) {
                continue;
            }
            let outcome = match self.fetch_from(&place, &url, wanted) {
                Ok((bytes, keep)) if is_right(&bytes) => {
                    self.notes.add(wanted.name, &url, SearchOutcome::Taken);
                    let source = keep().map_or(SymbolSource::Url(url), SymbolSource::Local);
                    if matches!(source, SymbolSource::Local(_)) {
                        self.has_kept(bytes.as_slice().len() as u64);
                    }
                    return Ok(Some((bytes, source)));
                }
                Ok(_) => {
                    self.absent.borrow_mut().insert(url.clone());
                    SearchOutcome::Mismatched
                }
                Err(FetchError::Absent) => {
                    self.absent.borrow_mut().insert(url.clone());
                    SearchOutcome::Absent
                }
                Err(FetchError::Failed(reason)) => {
                    self.failed.borrow_mut().insert(place.url.clone());
                    SearchOutcome::Failed(reason)
                }
                Err(FetchError::Cancelled) => {
                    self.check_cancelled()?;
                    return Err(CallError::Cancelled.into());
                }
            };
            self.notes.add(wanted.name, &url, outcome);
        }
        Ok(None)
    }

    /// The bytes at a URL, and what keeps them.
    fn fetch_from(
        &self,
        place: &ServerPlace,
        url: &str,
        wanted: Wanted<'_>,
    ) -> Result<(ImageBytes, Keep), FetchError> {
        let failed = |error: io::Error| FetchError::Failed(error.to_string());
        let cache = place.cache.as_deref();
        let create = |root| SymbolCache::new(root).create(wanted.build_id, wanted.kept_as).ok();
        let writer = cache.and_then(create).map(|writer| Sink::Kept(Box::new(writer)));
        let mut sink = writer.unwrap_or_else(|| Sink::Memory(Vec::new()));
        let mut progress = |done_bytes, total_bytes| {
            let (path, origin) = (url.as_bytes(), TransferOrigin::Url);
            self.report(TransferProgress { path, origin, done_bytes, total_bytes });
        };
        self.debuginfod.fetch(url, &self.cancelled, &mut progress, &mut sink)?;
        Ok(match sink {
            Sink::Kept(writer) => {
                let file = writer.finish().map_err(failed)?;
                (file.bytes().clone(), Box::new(move || file.keep().ok()))
            }
            Sink::Memory(bytes) => (ImageBytes::from(bytes), Box::new(|| None)),
        })
    }
}
