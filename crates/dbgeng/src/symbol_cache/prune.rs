//! How much a directory of kept files holds: when it is too much, those that were used longest ago
//! go. It touches nothing that was not kept here, and follows no link.
//!
//! A file's time of modification says when it was used last; whoever reads one sets it.

use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{SymbolCache, is_ours};
use crate::symbol_files;

/// So exactly is known when a file was used.
const USE_IS_NOTED_EVERY: Duration = Duration::from_secs(60 * 60);

/// A file that may go.
struct Kept {
    used: SystemTime,
    len: u64,
    path: PathBuf,
}

impl SymbolCache<'_> {
    /// Removes the files that were used longest ago, until those that remain have at most `len_max`
    /// bytes. The one that was used last always remains.
    ///
    /// **Cost**: looks at every name in the directory.
    pub(crate) fn prune(&self, len_max: u64) {
        let mut kept: Vec<Kept> =
            directories_in(self.root).iter().flat_map(|directory| kept_in(directory)).collect();
        let mut total: u64 = kept.iter().map(|file| file.len).sum();
        kept.sort_unstable_by_key(|file| file.used);
        kept.pop();
        for file in kept {
            if total <= len_max {
                return;
            }
            if is_ours(&file.path) && fs::remove_file(&file.path).is_ok() {
                total = total.saturating_sub(file.len);
                // It fails as long as there is anything in it.
                let _ = file.path.parent().map(fs::remove_dir);
            }
        }
    }
}

/// Takes note that a file was used. Who may not write that has the file nevertheless.
pub(super) fn mark_used(path: &Path) {
    let now = SystemTime::now();
    let Ok(file) = symbol_files::open_plain(path) else { return };
    let used = file.metadata().and_then(|metadata| metadata.modified());
    let is_long_ago = |used| {
        let ago = now.duration_since(used).unwrap_or(Duration::MAX);
        ago > USE_IS_NOTED_EVERY
    };
    if used.is_ok_and(is_long_ago) {
        let _ = file.set_modified(now);
    }
}

/// The directories of builds.
fn directories_in(root: &Path) -> Vec<PathBuf> {
    let is_build = |entry: &DirEntry| {
        let name = entry.file_name();
        let is_hex = name.as_encoded_bytes().iter().all(u8::is_ascii_hexdigit);
        is_hex && entry.file_type().is_ok_and(|kind| kind.is_dir())
    };
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    entries.filter(is_build).map(|entry| entry.path()).collect()
}

fn kept_in(directory: &Path) -> Vec<Kept> {
    let kept = |entry: DirEntry| {
        // Of a link this is the link's own.
        let metadata = entry.metadata().ok().filter(|metadata| metadata.is_file())?;
        let is_under_way = entry.file_name().as_encoded_bytes().starts_with(b".");
        let (used, len) = (metadata.modified().ok()?, metadata.len());
        (!is_under_way).then(|| Kept { used, len, path: entry.path() })
    };
    fs::read_dir(directory).into_iter().flatten().flatten().filter_map(kept).collect()
}
