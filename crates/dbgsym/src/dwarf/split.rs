//! Debugging information that lies in other files: what was split off when compiling (`.dwo`, or
//! all of them in one `.dwp`; DWARF 5, 7.3.2), and what several programs share (`dwz`,
//! `.gnu_debugaltlink`). It says which files are wanted and takes their bytes; it opens none.

use std::ops::Range;
use std::sync::OnceLock;

use gimli::{EndianSlice, LittleEndian, SectionId};

use super::sections::Sections;
use super::{DebugInfo, Dwarf, Part, PartId, UnitId};
use crate::image::{BuildId, Image, ImageBytes, c_string_at};

/// Paths in debugging information are not longer.
const PATH_LEN_MAX_BYTES: usize = 4096;

/// A file that an image's debugging information refers to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum WantedFile {
    /// All that was split off, in one file; it lies beside the image and is called as the image
    /// with `.dwp` behind it. Ask for it before single ones.
    Package,
    /// What was split off one unit.
    Split {
        /// Its path, as the compiler was told; mostly relative.
        path: String,
        /// The directory that a relative path counts from.
        directory: Option<String>,
        /// What it must say of itself.
        dwo_id: u64,
    },
    /// What this and other programs share.
    Supplementary {
        /// Its path; a relative one counts from the directory of the file that has the information.
        path: String,
        /// Its build-id.
        build_id: BuildId,
    },
}

/// Why a file was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProvideError {
    /// The image does not refer to such a file, or has it already.
    #[error("the file is not wanted")]
    NotWanted,
    /// The bytes are not an ELF file with debugging information.
    #[error("the file has no debugging information")]
    NoDebugInfo,
    /// It is another file than the one that the image refers to.
    #[error("the file belongs to another build")]
    OtherBuild,
}

/// What a skeleton says about the unit that was split off.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct SplitName {
    pub(super) path: String,
    pub(super) dwo_id: u64,
}

/// The files beside the image's own.
#[derive(Default)]
pub(super) struct OtherFiles {
    /// By index of the skeleton. `None` if the file is known not to be there.
    split: Vec<OnceLock<Option<SplitPart>>>,
    package: OnceLock<Option<Package>>,
    supplementary: OnceLock<Option<Part>>,
    /// What the image says about the supplementary file.
    alternative: Option<(String, BuildId)>,
}

/// What was split off one unit.
struct SplitPart {
    part: Part,
    /// The unit that the skeleton stands for; others are of types.
    unit: u32,
}

/// All that was split off, in one file.
struct Package {
    sections: Sections,
    /// Type units, by their rows in the package's index.
    types: Vec<OnceLock<Option<Part>>>,
}

impl OtherFiles {
    /// `image` is the file that has the debugging information.
    pub(super) fn new(image: &Image, units: usize) -> OtherFiles {
        OtherFiles {
            split: (0..units).map(|_| OnceLock::new()).collect(),
            alternative: image.section_bytes(".gnu_debugaltlink").and_then(|b| alternative(&b)),
            ..OtherFiles::default()
        }
    }

    pub(super) fn part(&self, part: PartId) -> Option<&Part> {
        match part {
            PartId::Main => None,
            PartId::Supplementary => self.supplementary.get()?.as_ref(),
            PartId::Split(skeleton) => Some(&self.split_part(skeleton)?.part),
            PartId::PackagedType(row) => {
                let package = self.package.get()?.as_ref()?;
                let part = package.types.get(row as usize)?;
                part.get_or_init(|| package.types_of(row).map(Part::new)).as_ref()
            }
        }
    }

    fn split_part(&self, skeleton: u32) -> Option<&SplitPart> {
        self.split.get(skeleton as usize)?.get()?.as_ref()
    }

    /// The unit that a skeleton stands for.
    pub(super) fn full_unit(&self, skeleton: u32) -> Option<UnitId> {
        let unit = self.split_part(skeleton)?.unit;
        Some(UnitId::new(PartId::Split(skeleton), unit))
    }

    /// The row of a type unit in the package.
    fn packaged_type(&self, signature: u64) -> Option<u32> {
        let sections = &self.package.get()?.as_ref()?.sections;
        row_of(sections, SectionId::DebugTuIndex, signature)
    }
}

/// The contents of `.gnu_debugaltlink`: a path, NUL, the build-id.
fn alternative(section: &ImageBytes) -> Option<(String, BuildId)> {
    let path = c_string_at(section.as_slice(), 0, PATH_LEN_MAX_BYTES)?;
    let build_id = section.as_slice().get(path.len() + 1..)?;
    Some((String::from_utf8_lossy(path).into_owned(), BuildId::new(build_id)?))
}

type UnitIndex<'a> = gimli::UnitIndex<EndianSlice<'a, LittleEndian>>;

/// One of the two indexes of a package (DWARF 5, 7.3.5.3).
fn package_index(sections: &Sections, id: SectionId) -> Option<UnitIndex<'_>> {
    let bytes = sections.of(id);
    match id {
        SectionId::DebugCuIndex => gimli::DebugCuIndex::new(bytes, LittleEndian).index().ok(),
        _ => gimli::DebugTuIndex::new(bytes, LittleEndian).index().ok(),
    }
}

fn row_of(sections: &Sections, id: SectionId, key: u64) -> Option<u32> {
    package_index(sections, id)?.find(key)
}

impl Package {
    fn new(sections: Sections) -> Package {
        let types = package_index(&sections, SectionId::DebugTuIndex);
        // Rows are counted from 1. A damaged header may claim more than there is room for.
        let room = sections.of(SectionId::DebugTuIndex).len() / size_of::<u64>();
        let count = types.map_or(0, |index| index.unit_count() as usize).min(room);
        Package { types: (0..=count).map(|_| OnceLock::new()).collect(), sections }
    }

    fn unit_of(&self, dwo_id: u64) -> Option<Sections> {
        self.sections_of(
            SectionId::DebugCuIndex,
            row_of(&self.sections, SectionId::DebugCuIndex, dwo_id)?,
        )
    }

    fn types_of(&self, row: u32) -> Option<Sections> {
        self.sections_of(SectionId::DebugTuIndex, row)
    }

    /// The parts of all sections that belong to one unit. What the index does not divide belongs to
    /// all.
    fn sections_of(&self, id: SectionId, row: u32) -> Option<Sections> {
        let index = package_index(&self.sections, id)?;
        let parts: Vec<(SectionId, Range<u64>)> = index
            .sections(row)
            .ok()?
            .map(|part| {
                let start = u64::from(part.offset);
                (part.section.section_id(), start..start + u64::from(part.size))
            })
            .collect();
        Some(self.sections.cut(&parts))
    }
}

impl DebugInfo {
    /// The files that the information refers to and that are not here yet.
    ///
    /// **Cost**: the first call reads the roots of all units.
    pub fn wanted_files(&self) -> Vec<WantedFile> {
        let mut wanted: Vec<_> = self.wanted_supplementary().into_iter().collect();
        let splits = self.compile_units().filter_map(|unit| self.wanted_split(unit));
        let splits: Vec<_> = splits.collect();
        if !splits.is_empty() && self.others.package.get().is_none() {
            wanted.push(WantedFile::Package);
        }
        wanted.extend(splits);
        wanted
    }

    /// As [`DebugInfo::wanted_files`], but only what questions about `address` need.
    pub fn wanted_files_at(&self, address: dbgbase::LinkAddress) -> Vec<WantedFile> {
        let mut wanted: Vec<_> = self.wanted_supplementary().into_iter().collect();
        let units = self.units_at(address.value());
        let splits: Vec<_> = units.into_iter().filter_map(|u| self.wanted_split(u)).collect();
        if !splits.is_empty() && self.others.package.get().is_none() {
            wanted.push(WantedFile::Package);
        }
        wanted.extend(splits);
        wanted
    }

    fn wanted_supplementary(&self) -> Option<WantedFile> {
        let (path, build_id) = self.others.alternative.clone()?;
        let is_unknown = self.others.supplementary.get().is_none();
        is_unknown.then_some(WantedFile::Supplementary { path, build_id })
    }

    fn wanted_split(&self, unit: UnitId) -> Option<WantedFile> {
        let slot = self.others.split.get(unit.index() as usize)?;
        let facts = self.facts(unit)?;
        let SplitName { path, dwo_id } = facts.split.clone()?;
        let directory = facts.comp_dir.clone();
        slot.get().is_none().then_some(WantedFile::Split { path, directory, dwo_id })
    }

    /// Takes the bytes of a wanted file; or, with `None`, that there is no such file, after which
    /// it is no longer wanted. An index of names that was made before is forgotten.
    ///
    /// **Errors**: why the file was not taken; it stays wanted.
    pub fn provide(
        &self,
        wanted: &WantedFile,
        file: Option<ImageBytes>,
    ) -> Result<(), ProvideError> {
        match wanted {
            WantedFile::Package => self.provide_package(file)?,
            WantedFile::Split { dwo_id, .. } => self.provide_split(*dwo_id, file)?,
            WantedFile::Supplementary { build_id, .. } => {
                self.provide_supplementary(build_id, file)?;
            }
        }
        self.forget_names();
        Ok(())
    }

    fn provide_package(&self, file: Option<ImageBytes>) -> Result<(), ProvideError> {
        let package = match file {
            Some(file) => {
                let sections = Sections::split(&file).ok_or(ProvideError::NoDebugInfo)?;
                Some(Package::new(sections))
            }
            None => None,
        };
        let mut has_any = package.is_none();
        for skeleton in self.compile_units() {
            let Some(split) = self.facts(skeleton).and_then(|facts| facts.split.as_ref()) else {
                continue;
            };
            let Some(package) = &package else { break };
            if let Some(sections) = package.unit_of(split.dwo_id) {
                has_any |= self.set_split(skeleton, split.dwo_id, sections).is_ok();
            }
        }
        if !has_any {
            return Err(ProvideError::OtherBuild);
        }
        self.others.package.set(package).map_err(|_| ProvideError::NotWanted)
    }

    fn provide_split(&self, dwo_id: u64, file: Option<ImageBytes>) -> Result<(), ProvideError> {
        let has_id = |unit: &UnitId| {
            let split = self.facts(*unit).and_then(|facts| facts.split.as_ref());
            split.is_some_and(|split| split.dwo_id == dwo_id)
        };
        let skeleton = self.compile_units().find(has_id).ok_or(ProvideError::NotWanted)?;
        let Some(file) = file else {
            let slot = self.others.split.get(skeleton.index() as usize);
            return slot.and_then(|slot| slot.set(None).ok()).ok_or(ProvideError::NotWanted);
        };
        let sections = Sections::split(&file).ok_or(ProvideError::NoDebugInfo)?;
        self.set_split(skeleton, dwo_id, sections)
    }

    /// Puts a split unit behind its skeleton.
    fn set_split(
        &self,
        skeleton: UnitId,
        dwo_id: u64,
        sections: Sections,
    ) -> Result<(), ProvideError> {
        let part = Part::new(sections);
        let unit = {
            let dwarf = self.dwarf_of_split(&part);
            let is_it = |unit: &u32| {
                let unit = part.units.open(*unit, &dwarf);
                unit.and_then(|unit| unit.dwo_id).is_some_and(|id| id.0 == dwo_id)
            };
            part.units.compile_units().find(is_it).ok_or(ProvideError::OtherBuild)?
        };
        let slot = self.others.split.get(skeleton.index() as usize);
        let set = slot.and_then(|slot| slot.set(Some(SplitPart { part, unit })).ok());
        set.ok_or(ProvideError::NotWanted)
    }

    /// The sections of a part that was split off, with those that stay in the image.
    pub(super) fn dwarf_of_split<'a>(&'a self, part: &'a Part) -> Dwarf<'a> {
        let mut dwarf = part.sections.dwarf();
        dwarf.make_dwo(&self.main_dwarf());
        dwarf
    }

    fn provide_supplementary(
        &self,
        build_id: &BuildId,
        file: Option<ImageBytes>,
    ) -> Result<(), ProvideError> {
        let part = match file {
            Some(file) => {
                let (sections, theirs) =
                    Sections::supplementary(&file).ok_or(ProvideError::NoDebugInfo)?;
                if theirs.as_ref() != Some(build_id) {
                    return Err(ProvideError::OtherBuild);
                }
                Some(Part::new(sections))
            }
            None => None,
        };
        self.others.supplementary.set(part).map_err(|_| ProvideError::NotWanted)
    }

    /// The type of a signature in what was split off: beside the unit that asks, or in the package.
    pub(super) fn split_type(&self, part: PartId, signature: u64) -> Option<super::EntryId> {
        let of = |part: PartId| {
            let (index, offset) = self.part(part)?.units.by_signature(signature)?;
            Some(super::EntryId::new(UnitId::new(part, index), offset))
        };
        of(part).or_else(|| of(PartId::PackagedType(self.others.packaged_type(signature)?)))
    }
}
