//! Pieces of image files that were fetched from a server's machine, kept on this one by build-id
//! beside the files with symbols. It knows names and wholeness; what is in a piece it does not.

use std::path::PathBuf;

use crate::symbol_cache::SymbolCache;
use crate::symbol_environment::SymbolEnvironment;

/// Kept pieces, for all processes of this user. Those of one file are equally long, but for its
/// last one, and have indices from 0.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImageStore {
    root: Option<PathBuf>,
}

impl ImageStore {
    /// The store of this environment. Without a directory nothing is kept.
    pub fn new(environment: &SymbolEnvironment) -> ImageStore {
        ImageStore { root: environment.cache_directory.clone() }
    }

    /// The piece `index` of the file of `len` bytes of a build, if it is there and whole.
    pub fn get(&self, build_id: &[u8], len: u64, index: u64) -> Option<Vec<u8>> {
        let cache = SymbolCache::new(self.root.as_deref()?);
        let (_, bytes) = cache.get(build_id, &name(len, index))?;
        Some(bytes.as_slice().to_vec())
    }

    /// Keeps a piece, if that is possible: who cannot keep it has it nevertheless.
    pub fn put(&self, build_id: &[u8], len: u64, index: u64, bytes: &[u8]) {
        if let Some(root) = &self.root {
            let _ = SymbolCache::new(root).put(build_id, &name(len, index), bytes);
        }
    }
}

/// Of one build there are stripped files and others: the length tells them apart.
fn name(len: u64, index: u64) -> String {
    format!("image-{len}-{index}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_found_by_build_and_length_and_index() {
        let root = std::env::temp_dir().join(format!("dbgeng-store-{}", std::process::id()));
        let cache_directory = Some(root.clone());
        let environment = SymbolEnvironment { cache_directory, ..SymbolEnvironment::default() };
        let store = ImageStore::new(&environment);
        store.put(&[7; 20], 1000, 3, b"piece");
        assert_eq!(store.get(&[7; 20], 1000, 3).as_deref(), Some(&b"piece"[..]));
        assert_eq!(store.get(&[7; 20], 1001, 3), None);
        assert_eq!(store.get(&[7; 20], 1000, 4), None);
        assert_eq!(store.get(&[8; 20], 1000, 3), None);
        let nowhere = ImageStore::new(&SymbolEnvironment::default());
        nowhere.put(&[7; 20], 1000, 3, b"piece");
        assert_eq!(nowhere.get(&[7; 20], 1000, 3), None);
        std::fs::remove_dir_all(&root).expect("removed");
    }
}
