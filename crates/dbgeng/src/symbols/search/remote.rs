//! Images on the server's machine, fetched in parts: headers, symbols and call frames at first,
//! debugging information when somebody asks for it. What was fetched is kept by build-id.

use std::sync::Arc;

use dbgsym::{Image, ImageBytes, Purpose, needed_parts};

use super::image::{alone, has_debug_info};
use super::{Found, Reach, Search, is_fatal};
use crate::modules::SymbolSource;
use crate::modules::name::without_deleted;
use crate::symbol_path::names;
use crate::symbols::download::RemoteFile;
use crate::symbols::notes::SearchOutcome;
use crate::symbols::parts::{FILE_LEN_MAX, Parts};
use crate::{Error, ErrorKind};

/// Under which names parts are kept.
pub(super) const NAMES: &str = "parts-names";
const DEBUG_INFO: &str = "parts-debuginfo";
/// A shorter file is fetched whole: that saves a round trip.
const WHOLE_LEN_MAX: u64 = 64 * 1024;
/// Where headers and notes are: what tells whether a file is still the same.
const HEAD_LEN: u64 = 4096;
/// No file needs more turns; one that is changed while it is read might.
const TURNS_MAX: usize = 8;

impl Search<'_> {
    /// The image in the file on the server's machine, without its debugging information.
    ///
    /// **Errors**: `NotFound` if the file is not there or another one; those of the connection.
    /// **Cost**: three round trips, two for a short file; one more for an unusual one.
    pub(super) fn servers_image(&self) -> Result<Found<Arc<Image>>, Error> {
        let file = self.uncancelled(self.open_remote())?;
        let source = names::path_of(file.path());
        let here = |what: &str| {
            let message = format!("{} of the server's machine: {what}", source.display());
            Error::new(ErrorKind::NotFound, message)
        };
        let mut kept = None;
        let parsed = if (WHOLE_LEN_MAX + 1..=FILE_LEN_MAX).contains(&file.size()) {
            let parts = Parts::new(file.size()).ok_or_else(|| here("too long"))?;
            let parts = self.uncancelled(fetch(&file, parts))?;
            kept = Some(parts.encode());
            parts.into_image()
        } else {
            Image::parse(ImageBytes::from(self.uncancelled(file.whole())?))
        };
        let image = parsed.map_err(|error| here(&error.to_string()))?;
        if !self.is_image(&image)? {
            return Err(here("not the file that is mapped; it was replaced meanwhile"));
        }
        if let Some((wanted, kept)) = self.wanted(NAMES).zip(kept) {
            self.store.keep(wanted, &kept);
        }
        Ok(alone(image, SymbolSource::Server(source)))
    }

    /// Puts the part with debugging information beside an image that was fetched without it.
    ///
    /// **Shape**: the image alone if the part cannot be had any more; the notes say why.
    /// **Errors**: `Cancelled`, and those of the connection.
    /// **Cost**: two round trips and the time the bytes take, unless the part is kept.
    pub(super) fn with_debug_part(
        &self,
        found: Found<Arc<Image>>,
        reach: Reach,
    ) -> Result<Found<Arc<Image>>, Error> {
        if reach == Reach::Names {
            return Ok(found);
        }
        let kept = self.kept_parts(DEBUG_INFO).map(|(image, _)| image);
        let part = match kept {
            Some(part) => Some(part),
            None => match self.fetch_debug_part(&found.image) {
                Ok(part) => Some(part),
                Err(error) if is_fatal(&error) => return Err(error),
                Err(error) => {
                    let outcome = SearchOutcome::Unusable(error.to_string());
                    self.note(SymbolSource::Server(names::path_of(&self.module.path)), outcome);
                    None
                }
            },
        };
        let joined = part
            .filter(has_debug_info)
            .and_then(|part| found.image.afresh().with_debug_file(Arc::new(part)).ok());
        let Some(image) = joined else { return Ok(Found { is_complete: true, ..found }) };
        let mut files = found.files;
        files.has_debug_info = true;
        Ok(Found { image: Arc::new(image), files, is_complete: true, source: found.source })
    }

    /// The part with debugging information of an image whose headers are here. The file's head
    /// comes along once more, to see that it is the same file.
    fn fetch_debug_part(&self, image: &Image) -> Result<Image, Error> {
        let file = self.uncancelled(self.open_remote())?;
        let replaced = || Error::new(ErrorKind::NotFound, "the file was replaced meanwhile");
        let len = image.bytes().as_slice().len() as u64;
        let mut parts =
            Parts::headers_of(image).filter(|_| file.size() == len).ok_or_else(replaced)?;
        let mut needed = needed_parts(parts.bytes(), parts.known(), Purpose::DebugInfo);
        needed.insert(0, 0..HEAD_LEN.min(len));
        let mut is_same = true;
        let read = file.read(&needed, &mut |start, bytes| match start {
            0 => is_same = image.bytes().as_slice().starts_with(bytes),
            start => parts.put(start, bytes),
        });
        self.uncancelled(read)?;
        if !is_same {
            return Err(replaced());
        }
        if let Some(wanted) = self.wanted(DEBUG_INFO) {
            self.store.keep(wanted, &parts.encode());
        }
        parts.into_image().map_err(|error| Error::new(ErrorKind::NotFound, error.to_string()))
    }

    /// The module's file, open. The kernel keeps a program's file for as long as it runs, and a
    /// target that has called chroot(2) has files mapped that only the server sees.
    fn open_remote(&self) -> Result<RemoteFile<'_>, Error> {
        let (bare, is_deleted) = without_deleted(&self.module.path);
        let open = |target, path: &[u8]| RemoteFile::open(self.client, self.store, target, path);
        if is_deleted && self.module.is_program {
            return open(None, format!("/proc/{}/exe", self.process.pid).as_bytes());
        }
        match open(Some(self.process.target), bare) {
            Err(unseen) if unseen.kind() == ErrorKind::NotFound => {
                // What the target sees is what is told of, unless all is over.
                let seen = open(None, bare);
                seen.map_err(|error| if is_fatal(&error) { error } else { unseen })
            }
            opened => opened,
        }
    }

    /// A result; if the user has ended the transfer, his wish is fulfilled by it.
    fn uncancelled<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if matches!(&result, Err(error) if error.kind() == ErrorKind::Cancelled) {
            self.store.check_cancelled()?;
        }
        result
    }

    /// Parts of this module that are kept, and where.
    pub(super) fn kept_parts(&self, what: &str) -> Option<(Image, SymbolSource)> {
        let (bytes, source) = self.store.kept(self.wanted(what)?)?;
        let image = Parts::decode(bytes.as_slice())?.into_image().ok()?;
        self.has_build_id(&image).then_some((image, source))
    }
}

/// Fetches what is needed for names, in as few turns as the file's headers allow.
fn fetch(file: &RemoteFile<'_>, mut parts: Parts) -> Result<Parts, Error> {
    for _ in 0..TURNS_MAX {
        let needed = needed_parts(parts.bytes(), parts.known(), Purpose::Names);
        if needed.is_empty() {
            break;
        }
        file.read(&needed, &mut |start, bytes| parts.put(start, bytes))?;
    }
    Ok(parts)
}
