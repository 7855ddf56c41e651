//! The index of the names that debugging information has: kept on this machine by build-id, made
//! when a name is asked for that needs it, and only then. It shows how far that is and ends it when
//! the user wants so; what a name stands for is found elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use dbgbase::Address;
use dbgsym::Image;
use dbgsym::dwarf::{DebugInfo, NameIndex};

use super::ProcessSymbols;
use super::download::{TransferOrigin, TransferProgress};
use super::notes::SearchOutcome;
use super::store::{Store, Wanted};
use crate::client::CallError;
use crate::modules::SymbolSource;
use crate::{Error, Module};

/// Under which name an index is kept.
const KEPT_AS: &str = "names";
/// The index of fewer bytes of entries is made in less time than a file takes to be written: some
/// milliseconds.
const KEPT_LEN_MIN: u64 = 1 << 19;
/// How often is told how far the making of an index is.
const TELL_EVERY: Duration = Duration::from_millis(100);

impl ProcessSymbols<'_> {
    /// A module's image with its debugging information, in which names can be looked for from now
    /// on without waiting.
    ///
    /// **Errors**: `Cancelled`, after which nothing is kept; those of the connection.
    /// **Cost**: as [`ProcessSymbols::debug_image`]; the first time also the reading of the kept
    /// index, or else of all entries, on all CPUs.
    pub(crate) fn indexed_image(&self, module: &Module) -> Result<Option<Arc<Image>>, Error> {
        let image = self.debug_image(module)?;
        let Some(info) = image.as_ref().and_then(|image| image.debug_info()) else {
            return Ok(image);
        };
        if info.name_index().is_none() {
            self.provide_all_files(module, info)?;
            let store = self.finder.store();
            if !load(store, module, info) {
                make(store, module, info)?;
            }
        }
        Ok(image)
    }

    /// Makes names of the module around an address known if a question about its types could not be
    /// answered without. Whether that was so: then the question may be asked again.
    ///
    /// **Errors**, **Cost**: as [`ProcessSymbols::indexed_image`].
    pub(crate) fn index_if_lacking(&self, address: Address) -> Result<bool, Error> {
        let Some(module) = self.process.modules.at(address) else { return Ok(false) };
        let image = self.debug_image(module)?;
        let info = image.as_ref().and_then(|image| image.debug_info());
        let is_lacking = info.is_some_and(DebugInfo::take_lack_of_names);
        if is_lacking {
            self.indexed_image(module)?;
        }
        Ok(is_lacking)
    }
}

/// Takes the index that is kept. What is damaged or another's is not taken, and later replaced.
fn load(store: &Store, module: &Module, info: &DebugInfo) -> bool {
    let Some(wanted) = wanted(module) else { return false };
    let kept = store.caches().filter_map(|cache| cache.get(wanted.build_id, wanted.kept_as));
    for (path, bytes) in kept {
        let path = SymbolSource::Local(path);
        match info.load_name_index(bytes.as_slice()) {
            Ok(_) => {
                store.notes.add(wanted.name, &path, SearchOutcome::Taken);
                return true;
            }
            Err(error) => {
                store.notes.add(wanted.name, &path, SearchOutcome::Unusable(error.to_string()));
            }
        }
    }
    false
}

/// Makes the index and keeps it.
fn make(store: &Store, module: &Module, info: &DebugInfo) -> Result<(), Error> {
    let (done, total) = (AtomicU64::new(0), AtomicU64::new(0));
    let report = |progress: dbgsym::dwarf::IndexProgress| {
        total.store(progress.total_bytes, Ordering::Relaxed);
        done.fetch_max(progress.done_bytes, Ordering::Relaxed);
    };
    let tell = || {
        let total_bytes = total.load(Ordering::Relaxed);
        if total_bytes > 0 {
            let done_bytes = done.load(Ordering::Relaxed);
            let (path, origin) = (&module.path[..], TransferOrigin::Names);
            store.report(TransferProgress { path, origin, done_bytes, total_bytes });
        }
    };
    let index =
        watched(store.cancelled(), &tell, |cancelled| info.make_name_index(cancelled, &report));
    if index.is_none() {
        store.check_cancelled()?;
        return Err(CallError::Cancelled.into());
    }
    if total.load(Ordering::Relaxed) >= KEPT_LEN_MIN
        && let Some((wanted, bytes)) = wanted(module).zip(info.stored_name_index())
    {
        store.keep(wanted, &bytes);
    }
    Ok(())
}

/// Has another thread work, so that this one, which alone may speak, can tell how far it is.
fn watched(
    cancelled: &AtomicBool,
    tell: &dyn Fn(),
    work: impl FnOnce(&AtomicBool) -> Option<Arc<NameIndex>> + Send,
) -> Option<Arc<NameIndex>> {
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            // Somebody waits for it.
            let _ = sender.send(work(cancelled));
        });
        loop {
            match receiver.recv_timeout(TELL_EVERY) {
                Ok(index) => return index,
                Err(RecvTimeoutError::Timeout) => tell(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    })
}

fn wanted(module: &Module) -> Option<Wanted<'_>> {
    let build_id = module.build_id.as_deref()?;
    Some(Wanted { build_id, request: KEPT_AS, kept_as: KEPT_AS, name: &module.name })
}
