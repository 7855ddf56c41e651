//! The image itself: on this machine, on the server's, on servers of symbols, or in memory.

use std::path::PathBuf;
use std::sync::Arc;

use dbgsym::{Image, ImageBytes};

use super::remote::NAMES;
use super::{Found, Search, is_fatal};
use crate::modules::{SymbolFiles, SymbolSource, SymbolStatus};
use crate::symbols::notes::SearchOutcome;
use crate::symbols::store::Wanted;
use crate::{Error, symbol_files};

/// The vDSO is a few pages; an image in memory longer than this is not read.
const MEMORY_IMAGE_LEN_MAX: u64 = 1024 * 1024;
/// How much of a file without build-id is compared.
const COMPARED_LEN: usize = 4096;

/// An image alone, or what to say of its absence.
type Outcome = Result<Found<Arc<Image>>, SymbolStatus>;

impl Search<'_> {
    /// The image alone.
    pub(super) fn image(&self) -> Result<Outcome, Error> {
        if self.module.path.starts_with(b"[") {
            return self.image_in_memory();
        }
        let mut mismatched = None;
        if let Some(found) = self.image_here(&mut mismatched)? {
            return Ok(Ok(found));
        }
        let missing = match self.servers_image() {
            Ok(found) => return Ok(Ok(found)),
            Err(error) if is_fatal(&error) => return Err(error),
            Err(error) => error,
        };
        if let Some(found) = self.fetched_image()? {
            return Ok(Ok(found));
        }
        Ok(match mismatched {
            Some((file, image)) if self.module.takes_mismatched.get() => {
                self.note(file.display(), SearchOutcome::TakenMismatched);
                let mut found = alone(image, SymbolSource::Local(file));
                found.files.is_mismatched = true;
                Ok(found)
            }
            Some((file, _)) => Err(SymbolStatus::Mismatched { file }),
            None => Err(SymbolStatus::Missing(missing.to_string())),
        })
    }

    /// From a file of this machine, or one that is kept. The first one of another build is put into
    /// `mismatched`.
    fn image_here(
        &self,
        mismatched: &mut Option<(PathBuf, Image)>,
    ) -> Result<Option<Found<Arc<Image>>>, Error> {
        let build_id = self.module.build_id.as_deref();
        for file in self.store.path().image_files(&self.module.path, build_id) {
            let Some(image) = self.open(&file) else { continue };
            if is_debug_only(&image) {
                self.note(file.display(), SearchOutcome::Unusable("a debug file".to_owned()));
            } else if self.is_image(&image)? {
                self.note(file.display(), SearchOutcome::Taken);
                return Ok(Some(alone(image, SymbolSource::Local(file))));
            } else {
                self.note(file.display(), SearchOutcome::Mismatched);
                mismatched.get_or_insert((file, image));
            }
        }
        let kept = self.wanted("executable").and_then(|wanted| self.store.kept(wanted));
        let kept = kept.and_then(|(bytes, source)| Some((Image::parse(bytes).ok()?, source)));
        let kept = kept.or_else(|| self.kept_parts(NAMES));
        let Some((image, source)) = kept.filter(|(image, _)| self.has_build_id(image)) else {
            return Ok(None);
        };
        self.note(&source, SearchOutcome::Taken);
        Ok(Some(alone(image, source)))
    }

    /// A file of this machine as an image; what it is not is noted.
    pub(super) fn open(&self, file: &std::path::Path) -> Option<Image> {
        let unusable = |error: &dyn std::fmt::Display| {
            self.note(file.display(), SearchOutcome::Unusable(error.to_string()));
        };
        match symbol_files::open(file) {
            Ok(bytes) => Image::parse(bytes).inspect_err(|error| unusable(error)).ok(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.note(file.display(), SearchOutcome::Absent);
                None
            }
            Err(error) => {
                unusable(&error);
                None
            }
        }
    }

    pub(super) fn note(&self, place: impl std::fmt::Display, outcome: SearchOutcome) {
        self.store.notes.add(&self.module.name, place, outcome);
    }

    /// How a file of this module is called where files are kept by build-id.
    pub(super) fn wanted<'w>(&'w self, what: &'w str) -> Option<Wanted<'w>> {
        let build_id = self.module.build_id.as_deref()?;
        Some(Wanted { build_id, request: what, kept_as: what, name: &self.module.name })
    }

    pub(super) fn has_build_id(&self, image: &Image) -> bool {
        let ours = self.module.build_id.as_deref();
        ours.is_some() && image.build_id().map(|id| id.as_bytes()) == ours
    }

    fn fetched_image(&self) -> Result<Option<Found<Arc<Image>>>, Error> {
        let Some(wanted) = self.wanted("executable") else { return Ok(None) };
        let is_right = |bytes: &ImageBytes| {
            Image::parse(bytes.clone()).is_ok_and(|image| self.has_build_id(&image))
        };
        let Some((bytes, source)) = self.store.fetch(wanted, &is_right)? else { return Ok(None) };
        Ok(Image::parse(bytes).ok().map(|image| alone(image, source)))
    }

    /// The image of a module that has no file.
    fn image_in_memory(&self) -> Result<Outcome, Error> {
        let missing = |reason: &str| Ok(Err(SymbolStatus::Missing(reason.to_owned())));
        let len = self.module.range.len_bytes();
        let Some(len) = usize::try_from(len).ok().filter(|_| len <= MEMORY_IMAGE_LEN_MAX) else {
            return missing("too long to be read from memory");
        };
        let mut bytes = vec![0; len];
        match self.process.memory.read(self.client, self.module.range.start(), &mut bytes) {
            Ok(len) => bytes.truncate(len),
            Err(error) if is_fatal(&error) => return Err(error),
            Err(error) => return missing(&error.to_string()),
        }
        match Image::parse(ImageBytes::from(bytes)) {
            Ok(image) => Ok(Ok(alone(image, SymbolSource::Memory))),
            Err(error) => missing(&error.to_string()),
        }
    }

    /// Whether an image is what the target has mapped as this module.
    pub(super) fn is_image(&self, image: &Image) -> Result<bool, Error> {
        if self.module.build_id.is_some() {
            return Ok(self.has_build_id(image));
        }
        let Some(first) = image.segments().first() else { return Ok(false) };
        let Some(in_file) = image.bytes_at(first.address) else { return Ok(false) };
        let in_file = in_file.as_slice();
        let in_file = in_file.get(..COMPARED_LEN).unwrap_or(in_file);
        let mut mapped = vec![0; in_file.len()];
        let at = first.address.to_address(self.module.bias);
        match self.process.memory.read(self.client, at, &mut mapped) {
            Ok(len) => Ok(mapped.get(..len) == Some(in_file)),
            Err(error) if is_fatal(&error) => Err(error),
            Err(_) => Ok(false),
        }
    }
}

pub(super) fn alone(image: Image, source: SymbolSource) -> Found<Arc<Image>> {
    let has_debug_info = has_debug_info(&image);
    let files = SymbolFiles { has_debug_info, ..SymbolFiles::default() };
    Found { image: Arc::new(image), source, files, is_complete: false }
}

/// Whether a file has debugging information, also as old linkers compressed it.
pub(super) fn has_debug_info(image: &Image) -> bool {
    image.has_section(".debug_info") || image.has_section(".zdebug_info")
}

/// Whether a file has only what was stripped from an image: its code has no bytes.
fn is_debug_only(image: &Image) -> bool {
    image.section(".text").is_some_and(|text| text.file_offset.is_none())
}
