//! Pieces of files that are kept in memory, the least used of which make room for others. It does
//! not know where they come from. Pure.

use std::collections::BTreeMap;

use bytes::Bytes;

/// How long a block is; the last of a file may be shorter.
pub(crate) const BLOCK_LEN: u64 = 256 * 1024;
/// How many blocks are kept: 64 MiB.
const BLOCKS_MAX: usize = 256;

/// Which contents a block is of.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Identity {
    /// Files with this build-id and length have the same.
    Build {
        /// The build-id.
        id: Vec<u8>,
        /// How long the file is. Of one build there are stripped files and others.
        len: u64,
    },
    /// Those of one open file.
    Descriptor(u32),
}

/// The blocks.
#[derive(Default, Debug)]
pub(crate) struct FileBlocks {
    blocks: BTreeMap<(Identity, u64), Kept>,
    uses: u64,
}

#[derive(Debug)]
struct Kept {
    bytes: Bytes,
    last_use: u64,
}

impl FileBlocks {
    /// The block with this index.
    pub(crate) fn get(&mut self, identity: &Identity, index: u64) -> Option<Bytes> {
        self.uses += 1;
        let kept = self.blocks.get_mut(&(identity.clone(), index))?;
        kept.last_use = self.uses;
        Some(kept.bytes.clone())
    }

    /// Keeps a block.
    pub(crate) fn put(&mut self, identity: &Identity, index: u64, bytes: Bytes) {
        self.uses += 1;
        self.blocks.insert((identity.clone(), index), Kept { bytes, last_use: self.uses });
        if self.blocks.len() > BLOCKS_MAX {
            let oldest = self.blocks.iter().min_by_key(|(_, kept)| kept.last_use);
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                self.blocks.remove(&key);
            }
        }
    }

    /// Forgets all blocks of these contents.
    pub(crate) fn forget(&mut self, identity: &Identity) {
        self.blocks.retain(|(of, _), _| of != identity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_used_makes_room() {
        let mut blocks = FileBlocks::default();
        let file = Identity::Descriptor(1);
        for index in 0..BLOCKS_MAX as u64 {
            blocks.put(&file, index, Bytes::from(index.to_string()));
        }
        assert_eq!(blocks.get(&file, 0), Some(Bytes::from("0")));
        blocks.put(&Identity::Descriptor(2), 0, Bytes::from("other"));
        assert_eq!(blocks.get(&file, 0), Some(Bytes::from("0")));
        assert_eq!(blocks.get(&file, 1), None);
        blocks.forget(&file);
        assert_eq!(blocks.get(&file, 0), None);
        assert_eq!(blocks.get(&Identity::Descriptor(2), 0), Some(Bytes::from("other")));
    }
}
