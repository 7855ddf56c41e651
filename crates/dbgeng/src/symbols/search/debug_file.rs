//! The separate debug file of an image: on this machine by build-id and by debug link, among the
//! files that are kept, on servers of symbols.
//!
//! **Source**: GDB manual, "Debugging Information in Separate Files".

use std::path::Path;
use std::sync::Arc;

use dbgsym::{Image, ImageBytes};

use super::image::has_debug_info;
use super::{Found, Reach, Search};
use crate::Error;
use crate::modules::SymbolSource;
use crate::modules::name::without_deleted;
use crate::symbol_path::{DebugFile, names};
use crate::symbols::notes::SearchOutcome;

impl Search<'_> {
    /// Puts the separate debug file beside an image that lacks names or debugging information.
    ///
    /// **Errors**: `Cancelled`.
    pub(super) fn with_debug_file(
        &self,
        found: Found<Arc<Image>>,
        reach: Reach,
    ) -> Result<Found<Arc<Image>>, Error> {
        let has_names = found.image.has_full_symbols();
        if has_names && found.files.has_debug_info {
            return Ok(found);
        }
        // Its own information is in a part of the file that was not fetched.
        if found.image.lacks_debug_info() {
            return self.with_debug_part(found, reach);
        }
        // Where nothing better was found before, only the places left out then remain.
        let is_first = found.files.debug_file.is_none();
        let goes_on = !has_names || reach == Reach::DebugInfo;
        let mut mismatched = None;
        let here = if is_first { self.on_this_machine(&found, &mut mismatched) } else { None };
        let kept = here.or_else(|| self.among_kept(&found));
        let debug = match kept {
            Some(debug) => Some(debug),
            None if goes_on => self.on_servers_of_symbols(&found)?,
            None => None,
        };
        let is_complete = goes_on || debug.is_some();
        let joined = match (debug, mismatched) {
            (Some((file, source)), _) => {
                let image = found.image.afresh().with_debug_file(Arc::new(file));
                image.ok().map(|image| (image, source, false))
            }
            (None, Some((file, source))) if self.module.takes_mismatched.get() => {
                self.note(&source, SearchOutcome::TakenMismatched);
                let image = found.image.afresh().with_any_debug_file(Arc::new(file));
                image.ok().map(|image| (image, source, true))
            }
            _ => None,
        };
        let Some((image, source, is_mismatched)) = joined else {
            return Ok(Found { is_complete, ..found });
        };
        let mut files = found.files;
        let debug_file = image.debug_file();
        files.has_debug_info |= debug_file.is_some_and(|file| has_debug_info(file));
        files.debug_file = Some(source);
        files.is_mismatched |= is_mismatched;
        Ok(Found { image: Arc::new(image), source: found.source, files, is_complete })
    }

    /// Whether a file adds to an image: names, or debugging information.
    fn adds_to(file: &Image, image: &Image) -> bool {
        file.has_section(".symtab") && !image.has_section(".symtab")
            || has_debug_info(file) && !has_debug_info(image)
    }

    /// The first one of another build is put into `mismatched`.
    fn on_this_machine(
        &self,
        found: &Found<Arc<Image>>,
        mismatched: &mut Option<(Image, SymbolSource)>,
    ) -> Option<(Image, SymbolSource)> {
        let (bare, _) = without_deleted(&self.module.path);
        let module_path = names::path_of(bare);
        let image_path = match &found.source {
            SymbolSource::Local(path) => path,
            _ => &module_path,
        };
        for DebugFile { path, crc32 } in self.debug_files(&found.image, image_path) {
            if matches!(&found.source, SymbolSource::Local(image) if *image == path) {
                continue;
            }
            let Some(file) = self.open(&path) else { continue };
            if !Self::adds_to(&file, &found.image) {
                self.note(path.display(), SearchOutcome::Unusable("nothing new".to_owned()));
            } else if is_of(&file, &found.image, crc32) {
                self.note(path.display(), SearchOutcome::Taken);
                return Some((file, SymbolSource::Local(path)));
            } else {
                self.note(path.display(), SearchOutcome::Mismatched);
                mismatched.get_or_insert((file, SymbolSource::Local(path)));
            }
        }
        None
    }

    /// Where to look, also where the image is when links are followed: `/lib` may be `/usr/lib`.
    fn debug_files(&self, image: &Image, path: &Path) -> Vec<DebugFile> {
        let mut files = self.store.path().debug_files(image, path);
        let real = std::fs::canonicalize(path).ok().filter(|real| real != path);
        for file in
            real.map(|real| self.store.path().debug_files(image, &real)).into_iter().flatten()
        {
            if !files.contains(&file) {
                files.push(file);
            }
        }
        files
    }

    fn among_kept(&self, found: &Found<Arc<Image>>) -> Option<(Image, SymbolSource)> {
        let (bytes, source) = self.store.kept(self.wanted("debuginfo")?)?;
        let file = self.fitting(bytes, &found.image)?;
        self.note(&source, SearchOutcome::Taken);
        Some((file, source))
    }

    fn on_servers_of_symbols(
        &self,
        found: &Found<Arc<Image>>,
    ) -> Result<Option<(Image, SymbolSource)>, Error> {
        let Some(wanted) = self.wanted("debuginfo") else { return Ok(None) };
        let is_right = |bytes: &ImageBytes| self.fitting(bytes.clone(), &found.image).is_some();
        let fetched = self.store.fetch(wanted, &is_right)?;
        Ok(fetched.and_then(|(bytes, source)| Some((self.fitting(bytes, &found.image)?, source))))
    }

    /// A debug file by build-id that belongs to the image and adds to it.
    fn fitting(&self, bytes: ImageBytes, image: &Image) -> Option<Image> {
        let file = Image::parse(bytes).ok()?;
        (self.has_build_id(&file) && Self::adds_to(&file, image)).then_some(file)
    }
}

/// Whether a debug file is the image's: build-ids agree where both have one, the checksum does
/// where a debug link gives one, and at least one of them says so. What strips an image leaves the
/// build-id in both files; so one that has none is of another build, if nothing else is known.
fn is_of(file: &Image, image: &Image, crc32: Option<u32>) -> bool {
    let same_sum = |sum: u32| crc32fast::hash(file.bytes().as_slice()) == sum;
    match (image.build_id(), file.build_id(), crc32) {
        (Some(ours), Some(theirs), None) => ours == theirs,
        (Some(ours), Some(theirs), Some(sum)) => ours == theirs && same_sum(sum),
        (_, _, Some(sum)) => same_sum(sum),
        // Found by the image's own name in a directory that the user chose.
        (None, None, None) => true,
        _ => false,
    }
}
