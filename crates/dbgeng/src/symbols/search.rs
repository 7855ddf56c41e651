//! From a module to its image: which places are searched, in which order, and when a file is the
//! right one. It knows no symbol.
//!
//! 1. the file of the same path on this machine, then its name along the symbol path;
//! 2. the server's machine, as the target sees its files, then as the server does: a target that
//!    has called chroot(2) has files mapped that it does not see any more;
//! 3. for the vDSO, which has no file, the target's memory.
//!
//! An image without a full symbol table gets its separate debug file, if this machine has one: by
//! build-id, or in a directory of the symbol path under the image's own name.
//!
//! A file is the right one if its build-id is the module's. Where the linker gave none, the first
//! page of the file must be what the target has mapped of it: ELF header, program headers, and the
//! beginnings of notes and hash tables differ between any two builds that differ in layout.

use std::cell::RefCell;
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use dbgsym::{Image, ImageBytes};

use super::download::{TransferProgress, download};
use crate::client::{CallError, Client};
use crate::modules::name::without_deleted;
use crate::modules::{ModuleSymbols, SymbolSource, SymbolStatus};
use crate::symbol_path::SymbolPath;
use crate::{Error, ErrorKind, Module, Process, symbol_files};

/// The vDSO is a few pages; an image in memory longer than this is not read.
const MEMORY_IMAGE_LEN_MAX: u64 = 1024 * 1024;
/// How much of a file without build-id is compared.
const COMPARED_LEN: usize = 4096;

/// Who is told how far transfers have got.
pub type TransferCallback = Box<dyn FnMut(TransferProgress<'_>) + Send>;

/// Finds images and remembers those in use, so that processes of one program share them.
pub(crate) struct ImageFinder {
    path: SymbolPath,
    in_use: RefCell<HashMap<Key, Found<Weak<Image>>>>,
    progress: RefCell<Option<TransferCallback>>,
    cancelled: Arc<AtomicBool>,
}

/// Path and build-id; modules without build-id are not shared.
type Key = (Vec<u8>, Vec<u8>);

#[derive(Clone)]
struct Found<I> {
    image: I,
    source: SymbolSource,
}

impl ImageFinder {
    /// With an empty symbol path. `cancelled` ends transfers.
    pub(crate) fn new(cancelled: Arc<AtomicBool>) -> ImageFinder {
        ImageFinder {
            path: SymbolPath::default(),
            in_use: RefCell::default(),
            progress: RefCell::default(),
            cancelled,
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

    pub(crate) fn path(&self) -> &SymbolPath {
        &self.path
    }

    /// What was found along the old path is not offered again.
    pub(crate) fn set_path(&mut self, path: SymbolPath) {
        self.path = path;
        self.in_use.borrow_mut().clear();
    }

    pub(crate) fn set_progress(&mut self, progress: Option<TransferCallback>) {
        self.progress = RefCell::new(progress);
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
    ) -> Result<ModuleSymbols, Error> {
        let key = module.build_id.clone().map(|id| (module.path.clone(), id));
        if let Some(found) = key.as_ref().and_then(|key| self.shared(key)) {
            return Ok(loaded(found));
        }
        let found = match self.search(client, process, module)? {
            Ok(found) => found,
            Err(status) => return Ok(ModuleSymbols { status, image: None }),
        };
        let found = self.with_debug_file(found, module);
        if let Some(key) = key {
            let shared =
                Found { image: Arc::downgrade(&found.image), source: found.source.clone() };
            let mut in_use = self.in_use.borrow_mut();
            in_use.retain(|_, found| found.image.strong_count() > 0);
            in_use.insert(key, shared);
        }
        Ok(loaded(found))
    }

    fn shared(&self, key: &Key) -> Option<Found<Arc<Image>>> {
        let in_use = self.in_use.borrow();
        let found = in_use.get(key)?;
        Some(Found { image: found.image.upgrade()?, source: found.source.clone() })
    }

    /// The image alone, or what to say of its absence.
    fn search(
        &self,
        client: &Client,
        process: &Process,
        module: &Module,
    ) -> Result<Result<Found<Arc<Image>>, SymbolStatus>, Error> {
        if module.path.starts_with(b"[") {
            return from_memory(client, process, module);
        }
        let mut mismatched = None;
        for file in self.path.image_files(&module.path) {
            let Ok(bytes) = symbol_files::open(&file) else { continue };
            match Image::parse(bytes) {
                Ok(image) if is_debug_only(&image) => {}
                Ok(image) if is_image_of(&image, client, process, module)? => {
                    let source = SymbolSource::Local(file);
                    return Ok(Ok(Found { image: Arc::new(image), source }));
                }
                _ => mismatched = mismatched.or(Some(file)),
            }
        }
        match self.fetch(client, process, module) {
            Ok(found) => Ok(Ok(found)),
            Err(error) if is_fatal(&error) => Err(error),
            Err(error) => Ok(Err(match mismatched {
                Some(file) => SymbolStatus::Mismatched { file },
                None => SymbolStatus::Missing(error.to_string()),
            })),
        }
    }

    fn fetch(
        &self,
        client: &Client,
        process: &Process,
        module: &Module,
    ) -> Result<Found<Arc<Image>>, Error> {
        let (bare, is_deleted) = without_deleted(&module.path);
        // The kernel keeps a program's file open for as long as the program runs.
        let (target, path) = if is_deleted && module.is_program {
            (None, format!("/proc/{}/exe", process.pid).into_bytes())
        } else {
            (Some(process.target), bare.to_vec())
        };
        let mut callback = self.progress.borrow_mut();
        let mut progress = |progress: TransferProgress<'_>| {
            if let Some(callback) = callback.as_mut() {
                callback(progress);
            }
        };
        let mut bytes = download(client, target, &path, &self.cancelled, &mut progress);
        if target.is_some()
            && let Err(unseen) = &bytes
            && unseen.kind() == ErrorKind::NotFound
        {
            let seen = download(client, None, &path, &self.cancelled, &mut progress);
            // What the target sees is what is told of, unless all is over.
            bytes = seen.or_else(|error| if is_fatal(&error) { Err(error) } else { bytes });
        }
        drop(callback);
        if matches!(&bytes, Err(error) if error.kind() == ErrorKind::Cancelled) {
            self.check_cancelled()?;
        }
        let bytes = bytes?;
        let source = PathBuf::from(std::ffi::OsStr::from_bytes(&path));
        let here = |what: String| format!("{} of the server's machine: {what}", source.display());
        let image = Image::parse(ImageBytes::from(bytes))
            .map_err(|error| Error::new(ErrorKind::NotFound, here(error.to_string())))?;
        if !is_image_of(&image, client, process, module)? {
            let message = here("not the file that is mapped; it was replaced meanwhile".to_owned());
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        Ok(Found { image: Arc::new(image), source: SymbolSource::Server(source) })
    }

    /// Puts the separate debug file beside an image that has no full symbol table of its own.
    fn with_debug_file(&self, found: Found<Arc<Image>>, module: &Module) -> Found<Arc<Image>> {
        let Some(build_id) = module.build_id.as_deref() else { return found };
        if found.image.has_section(".symtab") {
            return found;
        }
        let named_alike = self.path.image_files(&module.path);
        for file in self.path.debug_files(build_id).into_iter().chain(named_alike) {
            if matches!(&found.source, SymbolSource::Local(image) if *image == file) {
                continue;
            }
            let Ok(bytes) = symbol_files::open(&file) else { continue };
            let Ok(debug_file) = Image::parse(bytes) else { continue };
            if !debug_file.has_section(".symtab") {
                continue;
            }
            // The image is parsed anew: its bytes are shared, its tables not made yet.
            let again = Image::parse(found.image.bytes().clone());
            let joined = again.and_then(|image| image.with_debug_file(Arc::new(debug_file)));
            if let Ok(image) = joined {
                return Found { image: Arc::new(image), source: found.source };
            }
        }
        found
    }
}

fn loaded(found: Found<Arc<Image>>) -> ModuleSymbols {
    let Found { image, source } = found;
    let symbols = image.symbols().len();
    let is_full = image.debug_file().is_some() || image.has_section(".symtab");
    let status = if is_full {
        SymbolStatus::Loaded { source, symbols }
    } else {
        SymbolStatus::Exports { source, symbols }
    };
    ModuleSymbols { status, image: Some(image) }
}

/// The image of a module that has no file.
fn from_memory(
    client: &Client,
    process: &Process,
    module: &Module,
) -> Result<Result<Found<Arc<Image>>, SymbolStatus>, Error> {
    let missing = |reason: &str| Ok(Err(SymbolStatus::Missing(reason.to_owned())));
    let len = module.range.len_bytes();
    let Some(len) = usize::try_from(len).ok().filter(|_| len <= MEMORY_IMAGE_LEN_MAX) else {
        return missing("too long to be read from memory");
    };
    let mut bytes = vec![0; len];
    match process.memory.read(client, module.range.start(), &mut bytes) {
        Ok(len) => bytes.truncate(len),
        Err(error) if is_fatal(&error) => return Err(error),
        Err(error) => return missing(&error.to_string()),
    }
    match Image::parse(ImageBytes::from(bytes)) {
        Ok(image) => {
            let source = SymbolSource::Memory;
            Ok(Ok(Found { image: Arc::new(image), source }))
        }
        Err(error) => missing(&error.to_string()),
    }
}

/// Whether a file has only what was stripped from an image: its code has no bytes.
fn is_debug_only(image: &Image) -> bool {
    image.section(".text").is_some_and(|text| text.file_offset.is_none())
}

/// Whether an error says nothing about the file, only about the attempt.
fn is_fatal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotConnected | ErrorKind::Cancelled)
}

/// Whether an image is what the target has mapped as this module.
fn is_image_of(
    image: &Image,
    client: &Client,
    process: &Process,
    module: &Module,
) -> Result<bool, Error> {
    if let Some(build_id) = &module.build_id {
        return Ok(image.build_id().is_some_and(|id| id.as_bytes() == build_id));
    }
    let Some(first) = image.segments().first() else { return Ok(false) };
    let Some(in_file) = image.bytes_at(first.address) else { return Ok(false) };
    let in_file = in_file.as_slice();
    let in_file = in_file.get(..COMPARED_LEN).unwrap_or(in_file);
    let mut mapped = vec![0; in_file.len()];
    let at = first.address.to_address(module.bias);
    match process.memory.read(client, at, &mut mapped) {
        Ok(len) => Ok(mapped.get(..len) == Some(in_file)),
        Err(error) if is_fatal(&error) => Err(error),
        Err(_) => Ok(false),
    }
}
