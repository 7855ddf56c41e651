//! Files that were fetched, kept on this machine by build-id for all processes of its user. It
//! knows names, wholeness and atomic replacement; what is in a file it does not.
//!
//! ```text
//! ROOT/BUILD-ID/debuginfo       the file's bytes, then
//!                               +----------+----------+-----------+
//!                               | length 8 | CRC-32 4 | "dbgsrv1" 0 |
//! ```
//!
//! A file is written under another name and renamed when it is whole, so that nobody sees half of
//! one and the last of several writers wins with the same contents. The trailer tells damage that
//! came later: a full disk, a crash, a bad sector. Tools that read ELF do not mind it.

mod prune;

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use crc32fast::Hasher;
use dbgsym::ImageBytes;

use crate::symbol_files;
use crate::symbol_path::names;

const MAGIC: [u8; 8] = *b"dbgsrv1\0";
const TRAILER_LEN: u64 = 20;
/// What has been half written for so long belongs to nobody any more.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// So many names are tried for a file under way.
const NAMES_MAX: u32 = 1000;

/// Tells the files under way in one process apart.
static WRITERS: AtomicU32 = AtomicU32::new(0);

/// One directory of kept files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SymbolCache<'a> {
    root: &'a Path,
}

/// A file on its way into the cache. Dropping it leaves nothing behind.
pub(crate) struct CacheWriter {
    file: BufWriter<File>,
    crc: Hasher,
    len: u64,
    /// Where it is being written, and where it will be.
    under_way: UnderWay,
    kept: PathBuf,
}

/// A whole file that is not in its place yet. Dropping it leaves nothing behind.
pub(crate) struct CacheFile {
    bytes: ImageBytes,
    under_way: UnderWay,
    kept: PathBuf,
}

/// The name under which a file is written; it vanishes with this.
struct UnderWay(PathBuf);

impl Drop for UnderWay {
    fn drop(&mut self) {
        // After renaming there is nothing left to remove.
        let _ = fs::remove_file(&self.0);
    }
}

impl<'a> SymbolCache<'a> {
    /// The cache in `root`, which need not exist.
    pub(crate) fn new(root: &'a Path) -> SymbolCache<'a> {
        SymbolCache { root }
    }

    /// The file `what` of a build, if it is there and whole. A damaged one is removed.
    ///
    /// **Cost**: the whole file is read to check it, some 100 ms for 1 GB.
    pub(crate) fn get(&self, build_id: &[u8], what: &str) -> Option<(PathBuf, ImageBytes)> {
        let path = self.root.join(names::in_store(build_id, what)?);
        let bytes = symbol_files::open(&path).ok()?;
        let Some(bytes) = whole(&bytes) else {
            // Another process may have replaced it meanwhile; then that one is fetched once more.
            let _ = fs::remove_file(&path);
            return None;
        };
        prune::mark_used(&path);
        Some((path, bytes))
    }

    /// Begins to write the file `what` of a build.
    ///
    /// **Errors**: those of the system; `InvalidInput` for a build-id that is none.
    pub(crate) fn create(&self, build_id: &[u8], what: &str) -> io::Result<CacheWriter> {
        let name = names::in_store(build_id, what)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no build-id"))?;
        let kept = self.root.join(name);
        let directory = kept.parent().unwrap_or(self.root);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        remove_abandoned(directory);
        let (file, under_way) = new_file(directory)?;
        let file = BufWriter::new(file);
        Ok(CacheWriter { file, crc: Hasher::new(), len: 0, under_way, kept })
    }

    /// Keeps `bytes` as the file `what` of a build, if that is possible: who cannot keep a file has
    /// it nevertheless.
    pub(crate) fn put(&self, build_id: &[u8], what: &str, bytes: &[u8]) -> Option<PathBuf> {
        let mut writer = self.create(build_id, what).ok()?;
        writer.write_all(bytes).ok()?;
        writer.finish().ok()?.keep().ok()
    }
}

impl Write for CacheWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.file.write(bytes)?;
        self.crc.update(bytes.get(..len).unwrap_or(bytes));
        self.len += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl CacheWriter {
    /// All is written.
    ///
    /// **Errors**: those of the system.
    pub(crate) fn finish(mut self) -> io::Result<CacheFile> {
        self.file.write_all(&self.len.to_le_bytes())?;
        self.file.write_all(&self.crc.finalize().to_le_bytes())?;
        self.file.write_all(&MAGIC)?;
        self.file.flush()?;
        let bytes = symbol_files::open(&self.under_way.0)?;
        let bytes = bytes.slice(0..self.len).ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(CacheFile { bytes, under_way: self.under_way, kept: self.kept })
    }
}

impl CacheFile {
    /// What was written.
    pub(crate) fn bytes(&self) -> &ImageBytes {
        &self.bytes
    }

    /// Puts the file in its place; where that is.
    ///
    /// **Errors**: those of the system.
    pub(crate) fn keep(self) -> io::Result<PathBuf> {
        fs::rename(&self.under_way.0, &self.kept)?;
        Ok(self.kept)
    }
}

/// A file that nobody else writes. A process of another container or machine may have this one's
/// number, and in a directory that others can write a link may lie in wait: what is there already
/// is left alone.
fn new_file(directory: &Path) -> io::Result<(File, UnderWay)> {
    for _ in 0..NAMES_MAX {
        let number = WRITERS.fetch_add(1, Ordering::Relaxed);
        let name = directory.join(format!(".under-way-{}-{number}", std::process::id()));
        match File::options().write(true).create_new(true).mode(0o600).open(&name) {
            Ok(file) => return Ok((file, UnderWay(name))),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Whether a file ends as those do that are written here.
fn is_ours(path: &Path) -> bool {
    let ends_so = || {
        let mut file = symbol_files::open_plain(path)?;
        file.seek(SeekFrom::End(-(MAGIC.len() as i64)))?;
        let mut end = [0; MAGIC.len()];
        file.read_exact(&mut end)?;
        io::Result::Ok(end == MAGIC)
    };
    ends_so().unwrap_or(false)
}

/// The contents of a file whose trailer agrees with them.
fn whole(file: &ImageBytes) -> Option<ImageBytes> {
    let bytes = file.as_slice();
    let (contents, trailer) =
        bytes.split_at_checked(bytes.len().checked_sub(TRAILER_LEN as usize)?)?;
    let (len, rest) = trailer.split_first_chunk::<8>()?;
    let (crc, magic) = rest.split_first_chunk::<4>()?;
    let is_whole = magic == MAGIC
        && u64::from_le_bytes(*len) == contents.len() as u64
        && u32::from_le_bytes(*crc) == crc32fast::hash(contents);
    is_whole.then(|| file.slice(0..contents.len() as u64)).flatten()
}

/// Removes what processes that died left half written.
fn remove_abandoned(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let is_half = entry.file_name().as_encoded_bytes().starts_with(b".under-way-");
        let modified = || entry.metadata().and_then(|metadata| metadata.modified());
        let age = |modified| SystemTime::now().duration_since(modified).unwrap_or_default();
        if is_half && modified().is_ok_and(|modified| age(modified) > ABANDONED_AFTER) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
#[path = "symbol_cache/tests.rs"]
mod tests;
