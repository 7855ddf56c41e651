//! From a module to its image: which places are searched, in which order, and when a file is the
//! right one. It knows no symbol.
//!
//! 1. this machine: the file of the same path, then its names along the symbol path, then the files
//!    that are kept by build-id;
//! 2. the server's machine, as the target sees its files, then as the server does: a target that
//!    has called chroot(2) has files mapped that it does not see any more;
//! 3. the debuginfod servers that the symbol path or the environment names;
//! 4. for the vDSO, which has no file, the target's memory.
//!
//! An image without symbol table or debugging information gets its separate debug file, see
//! `search/debug_file.rs`.
//!
//! A file is the right one if its build-id is the module's. Where the linker gave none, the first
//! page of the file must be what the target has mapped of it: ELF header, program headers, and the
//! beginnings of notes and hash tables differ between any two builds that differ in layout. A file
//! of another build is used only where the user has said so, and it is said of it.

mod debug_file;
mod image;
mod remote;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};

use dbgsym::Image;

use super::download::TransferProgress;
use super::store::Store;
use crate::client::Client;
use crate::modules::{ModuleSymbols, SymbolFiles, SymbolSource, SymbolStatus};
use crate::symbol_path::SymbolPath;
use crate::{Error, ErrorKind, Module, Process, SymbolEnvironment};

/// Who is told how far transfers have got.
pub type TransferCallback = Box<dyn FnMut(TransferProgress<'_>) + Send>;

/// Finds images and remembers those in use, so that processes of one program share them.
pub(crate) struct ImageFinder {
    store: Store,
    in_use: RefCell<HashMap<Key, Found<Weak<Image>>>>,
}

/// Path and build-id; modules without build-id are not shared.
type Key = (Vec<u8>, Vec<u8>);

/// What was found for a module.
#[derive(Clone)]
struct Found<I> {
    image: I,
    source: SymbolSource,
    files: SymbolFiles,
    is_complete: bool,
}

/// How far to go for a separate debug file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reach {
    /// For names and call frames: what this machine has, and more only if there are no names yet.
    Names,
    /// For lines, types and variables: wherever it may be.
    DebugInfo,
}

/// One search, for one module.
struct Search<'a> {
    store: &'a Store,
    client: &'a Client,
    process: &'a Process,
    module: &'a Module,
}

impl ImageFinder {
    /// With an empty symbol path, in an environment that says nothing. `cancelled` ends transfers.
    pub(crate) fn new(cancelled: Arc<AtomicBool>) -> ImageFinder {
        ImageFinder { store: Store::new(cancelled), in_use: RefCell::default() }
    }

    pub(crate) fn check_cancelled(&self) -> Result<(), Error> {
        self.store.check_cancelled()
    }

    /// Kept files and servers.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn store_mut(&mut self) -> &mut Store {
        &mut self.store
    }

    /// What was found along the old path is not offered again.
    pub(crate) fn set_path(&mut self, path: SymbolPath) {
        self.store.set_path(path);
        self.forget();
    }

    /// What was found in the old environment is not offered again.
    pub(crate) fn set_environment(&mut self, environment: SymbolEnvironment) {
        self.store.set_environment(environment);
        self.forget();
    }

    /// Everything is looked for anew, also where it was missing before.
    pub(crate) fn forget(&self) {
        self.store.ask_again();
        self.in_use.borrow_mut().clear();
    }

    /// The image of a module, from wherever it can be had.
    ///
    /// **Shape**: a module whose image is nowhere is a result, not an error.
    /// **Errors**: `Cancelled`, and those of the connection; the search may be repeated.
    pub(crate) fn find(
        &self,
        client: &Client,
        process: &Process,
        module: &Module,
        reach: Reach,
    ) -> Result<ModuleSymbols, Error> {
        let search = Search { store: &self.store, client, process, module };
        let shared = search.key().and_then(|key| self.shared(&key));
        let is_enough = |found: &Found<_>| found.is_enough(reach);
        if let Some(found) = shared.clone().filter(is_enough) {
            return Ok(loaded(found));
        }
        let found = match shared {
            Some(found) => Ok(found),
            None => search.image()?,
        };
        let found = match found {
            Ok(found) => search.with_debug_file(found, reach)?,
            Err(status) => return Ok(ModuleSymbols::missing(status)),
        };
        self.share(&search, &found);
        Ok(loaded(found))
    }

    fn shared(&self, key: &Key) -> Option<Found<Arc<Image>>> {
        let in_use = self.in_use.borrow();
        let found = in_use.get(key)?;
        Some(found.clone().with_image(found.image.upgrade()?))
    }

    /// Offers what was found to other processes. What is only nearly right is nobody else's.
    fn share(&self, search: &Search<'_>, found: &Found<Arc<Image>>) {
        let Some(key) = search.key().filter(|_| !found.files.is_mismatched) else { return };
        let mut in_use = self.in_use.borrow_mut();
        in_use.retain(|_, found| found.image.strong_count() > 0);
        in_use.insert(key, found.clone().with_image(Arc::downgrade(&found.image)));
    }
}

impl Search<'_> {
    fn key(&self) -> Option<Key> {
        let build_id = self.module.build_id.clone()?;
        Some((self.module.path.clone(), build_id))
    }
}

impl<I> Found<I> {
    fn with_image<J>(self, image: J) -> Found<J> {
        let Found { source, files, is_complete, .. } = self;
        Found { image, source, files, is_complete }
    }

    fn is_enough(&self, reach: Reach) -> bool {
        reach == Reach::Names || self.is_complete || self.files.has_debug_info
    }
}

fn loaded(found: Found<Arc<Image>>) -> ModuleSymbols {
    let Found { image, source, files, is_complete } = found;
    let symbols = image.symbols().len();
    let status = if image.has_full_symbols() {
        SymbolStatus::Loaded { source, symbols }
    } else if image.has_section(".gnu_debugdata") {
        SymbolStatus::Packed { source, symbols }
    } else {
        SymbolStatus::Exports { source, symbols }
    };
    ModuleSymbols { status, files, image: Some(image), is_complete }
}

/// Whether an error says nothing about the file, only about the attempt.
fn is_fatal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotConnected | ErrorKind::Cancelled)
}
