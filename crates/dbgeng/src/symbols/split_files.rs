//! Files that debugging information refers to: what was split off when compiling (`.dwo`, `.dwp`),
//! and what several programs share (dwz). It finds them on this machine, shared ones on servers of
//! symbols, too; what is in them it does not know.

use std::path::{Path, PathBuf};

use dbgbase::LinkAddress;
use dbgsym::dwarf::{DebugInfo, WantedFile};
use dbgsym::{Image, ImageBytes, build_id_of_file};

use super::ProcessSymbols;
use super::store::Wanted;
use crate::modules::SymbolSource;
use crate::symbol_path::{SymbolPath, names};
use crate::{Error, Module, symbol_files};

impl ProcessSymbols<'_> {
    /// Gives the debugging information of `image` the files that questions about `address` need.
    /// What is nowhere is not looked for again.
    ///
    /// **Errors**: `Cancelled`.
    /// **Cost**: none if there is nothing to give.
    pub(super) fn provide_files_at(
        &self,
        module: &Module,
        image: &Image,
        address: LinkAddress,
    ) -> Result<(), Error> {
        let Some(info) = image.debug_info() else { return Ok(()) };
        for wanted in info.wanted_files_at(address) {
            // A package has what single files would have.
            if info.wanted_files_at(address).contains(&wanted) {
                self.provide_file(module, info, &wanted)?;
            }
        }
        Ok(())
    }

    /// Gives debugging information all files that it needs, as questions by name do.
    ///
    /// **Errors**: `Cancelled`.
    /// **Cost**: none if there is nothing to give.
    pub(super) fn provide_all_files(&self, module: &Module, info: &DebugInfo) -> Result<(), Error> {
        let mut wanted = info.wanted_files();
        // What several programs share and packages come first, and have what single files would.
        while let Some(first) = wanted.first() {
            self.finder.check_cancelled()?;
            self.provide_file(module, info, first)?;
            let is_alone = matches!(first, WantedFile::Split { .. });
            match is_alone {
                true => drop(wanted.remove(0)),
                false => wanted = info.wanted_files(),
            }
        }
        Ok(())
    }

    fn provide_file(
        &self,
        module: &Module,
        info: &DebugInfo,
        wanted: &WantedFile,
    ) -> Result<(), Error> {
        let images = files_of(module);
        let candidates = candidates(wanted, &images, self.finder.store().path());
        let is_given = candidates.iter().any(|file| {
            let bytes = symbol_files::open(file).ok();
            bytes.is_some_and(|bytes| info.provide(wanted, Some(bytes)).is_ok())
        });
        if !is_given {
            let fetched = self.fetched_file(module, wanted)?;
            if fetched.is_none_or(|bytes| info.provide(wanted, Some(bytes)).is_err()) {
                // Then it is nowhere, and not wanted any more.
                let _ = info.provide(wanted, None);
            }
        }
        Ok(())
    }

    /// What several programs share has a build-id of its own, and servers know it by that.
    fn fetched_file(
        &self,
        module: &Module,
        wanted: &WantedFile,
    ) -> Result<Option<ImageBytes>, Error> {
        let WantedFile::Supplementary { build_id, .. } = wanted else { return Ok(None) };
        let what = "debuginfo";
        // A file of another build would be kept, and found again each time.
        let is_right = |bytes: &ImageBytes| build_id_of_file(bytes).as_ref() == Some(build_id);
        let build_id = build_id.as_bytes();
        let wanted = Wanted { build_id, request: what, kept_as: what, name: &module.name };
        let store = self.finder.store();
        let found = match store.kept(wanted).filter(|(bytes, _)| is_right(bytes)) {
            Some(kept) => Some(kept),
            None => store.fetch(wanted, &is_right)?,
        };
        Ok(found.map(|(bytes, _)| bytes))
    }
}

/// The files of a module that may have debugging information: the debug file, and the image.
fn files_of(module: &Module) -> Vec<PathBuf> {
    let view = module.view();
    let debug_file = match view.files.debug_file {
        Some(SymbolSource::Local(file)) => Some(file),
        _ => None,
    };
    let image = names::path_of(&module.path);
    debug_file.into_iter().chain([image]).collect()
}

/// Where a file may be on this machine: where it was put, beside the files that refer to it, and in
/// the directories of the symbol path.
fn candidates(wanted: &WantedFile, images: &[PathBuf], path: &SymbolPath) -> Vec<PathBuf> {
    let directories = || path.directories().map(|(directory, _)| directory);
    let mut files = Vec::new();
    match wanted {
        WantedFile::Package => {
            for image in images {
                let mut name = image.clone().into_os_string();
                name.push(".dwp");
                let name = PathBuf::from(name);
                let base = name.file_name().map(PathBuf::from).unwrap_or_default();
                files.push(name);
                files.extend(directories().map(|directory| directory.join(&base)));
            }
        }
        WantedFile::Split { path, directory, .. } => {
            let path = Path::new(path);
            files.push(Path::new(directory.as_deref().unwrap_or("")).join(path));
            let base = path.file_name().map(Path::new).unwrap_or(path);
            let beside = images.iter().filter_map(|image| image.parent());
            for directory in directories().chain(beside) {
                files.push(directory.join(path));
                files.push(directory.join(base));
            }
        }
        WantedFile::Supplementary { path, build_id } => {
            let beside = images.iter().filter_map(|image| image.parent());
            files.extend(beside.map(|directory| directory.join(path)));
            let by_id = names::debug_by_build_id(build_id.as_bytes());
            let system = [Path::new("/usr/lib/debug")];
            for directory in directories().chain(system) {
                files.extend(by_id.iter().map(|name| directory.join(name)));
            }
        }
    }
    files.retain(|file| file.is_absolute());
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(wanted: &WantedFile, path: &str) -> Vec<String> {
        let images = [PathBuf::from("/bin/p")];
        let files = candidates(wanted, &images, &SymbolPath::new(path));
        files.iter().map(|file| file.display().to_string()).collect()
    }

    #[test]
    fn packages_lie_beside_the_image_or_in_directories() {
        assert_eq!(shown(&WantedFile::Package, "/s"), ["/bin/p.dwp", "/s/p.dwp"]);
    }

    #[test]
    fn split_files_lie_where_they_were_made_or_in_directories() {
        let split = |path: &str, directory: Option<&str>| WantedFile::Split {
            path: path.to_owned(),
            directory: directory.map(str::to_owned),
            dwo_id: 1,
        };
        assert_eq!(
            shown(&split("o/a.dwo", Some("/b")), "/s"),
            ["/b/o/a.dwo", "/s/o/a.dwo", "/s/a.dwo", "/bin/o/a.dwo", "/bin/a.dwo"]
        );
        assert_eq!(shown(&split("a.dwo", None), ""), ["/bin/a.dwo", "/bin/a.dwo"]);
    }
}
