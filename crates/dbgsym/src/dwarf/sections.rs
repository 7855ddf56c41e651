//! The sections with debugging information of one file: found by name, decompressed, and handed to
//! gimli. It knows no entry of them.

use std::ops::Range;
use std::thread;

use gimli::{EndianSlice, LittleEndian, SectionId};

use super::Dwarf;
use crate::image::{BuildId, Image, ImageBytes, Section, bytes_of_section, sections_of_file};

/// What is read. Sections of macros and tables for other tools' lookups are not.
const READ: [SectionId; 15] = [
    SectionId::DebugAbbrev,
    SectionId::DebugAddr,
    SectionId::DebugInfo,
    SectionId::DebugLine,
    SectionId::DebugLineStr,
    SectionId::DebugLoc,
    SectionId::DebugLocLists,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
    SectionId::DebugTypes,
    SectionId::DebugNames,
    SectionId::DebugCuIndex,
    SectionId::DebugTuIndex,
];

/// The bytes of the sections of one file.
pub(super) struct Sections {
    bytes: Vec<(SectionId, ImageBytes)>,
}

impl Sections {
    /// The sections of `image`. `None` if it has no `.debug_info`.
    ///
    /// **Cost**: decompresses what is compressed, on several threads.
    pub(super) fn new(image: &Image) -> Option<Sections> {
        Sections::read(image.bytes(), image.sections(), SectionId::name)
    }

    /// The sections of a `.dwo` or `.dwp` file.
    pub(super) fn split(file: &ImageBytes) -> Option<Sections> {
        let (sections, _) = sections_of_file(file)?;
        // The indexes of a package have ordinary names.
        Sections::read(file, &sections, |id| id.dwo_name().unwrap_or(id.name()))
    }

    /// The sections of a file that has debugging information and nothing else, and its build-id.
    pub(super) fn supplementary(file: &ImageBytes) -> Option<(Sections, Option<BuildId>)> {
        let (sections, build_id) = sections_of_file(file)?;
        Some((Sections::read(file, &sections, SectionId::name)?, build_id))
    }

    fn read(
        file: &ImageBytes,
        sections: &[Section],
        name: impl Fn(SectionId) -> &'static str,
    ) -> Option<Sections> {
        let wanted: Vec<_> = READ
            .into_iter()
            .flat_map(|id| find(sections, name(id)).into_iter().map(move |section| (id, section)))
            .collect();
        let sections = Sections { bytes: joined(read_all(file, &wanted)) };
        let has_info = !sections.of(SectionId::DebugInfo).is_empty()
            || !sections.of(SectionId::DebugTypes).is_empty();
        has_info.then_some(sections)
    }

    /// Parts of these sections, and strings in whole.
    pub(super) fn cut(&self, parts: &[(SectionId, Range<u64>)]) -> Sections {
        let cut = |(id, bytes): &(SectionId, ImageBytes)| {
            if matches!(id, SectionId::DebugStr | SectionId::DebugLineStr) {
                return Some((*id, bytes.clone()));
            }
            let (_, range) = parts.iter().find(|(part, _)| part == id)?;
            Some((*id, bytes.slice(range.clone())?))
        };
        Sections { bytes: self.bytes.iter().filter_map(cut).collect() }
    }

    /// The bytes of one section; empty if it is missing.
    pub(super) fn of(&self, id: SectionId) -> &[u8] {
        let found = self.bytes.iter().find(|(candidate, _)| *candidate == id);
        found.map_or(&[], |(_, bytes)| bytes.as_slice())
    }

    /// The sections as gimli reads them.
    pub(super) fn dwarf(&self) -> Dwarf<'_> {
        let load = |id| Ok::<_, gimli::Error>(EndianSlice::new(self.of(id), LittleEndian));
        // The closure cannot fail, so neither can this.
        Dwarf::load(load).unwrap_or_default()
    }
}

/// Sections by their name, or by the one that old linkers gave to compressed ones: `.zdebug_info`.
/// In object files there may be several.
fn find<'a>(sections: &'a [Section], name: &str) -> Vec<&'a Section> {
    let has_bytes = |section: &&Section| section.file_offset.is_some() && section.size_bytes > 0;
    let called = |name: &str| -> Vec<&Section> {
        sections.iter().filter(|section| section.name == name).filter(has_bytes).collect()
    };
    let found = called(name);
    if found.is_empty() { called(&name.replacen(".debug", ".zdebug", 1)) } else { found }
}

fn read_all(file: &ImageBytes, wanted: &[(SectionId, &Section)]) -> Vec<(SectionId, ImageBytes)> {
    let is_compressed =
        |section: &Section| section.is_compressed || section.name.starts_with(".zdebug");
    let read =
        |(id, section): &(SectionId, &Section)| Some((*id, bytes_of_section(file, section)?));
    thread::scope(|scope| {
        let reading: Vec<_> = wanted
            .iter()
            .map(|wanted| match is_compressed(wanted.1) {
                true => Err(scope.spawn(move || read(wanted))),
                false => Ok(read(wanted)),
            })
            .collect();
        let read = reading.into_iter().filter_map(|reading| match reading {
            Ok(quick) => quick,
            Err(slow) => slow.join().ok().flatten(),
        });
        read.collect()
    })
}

/// Puts sections of the same kind, which are neighbours, behind each other. Only units of types
/// come in several, very many in large sources, and nothing refers to those by offset.
fn joined(read: Vec<(SectionId, ImageBytes)>) -> Vec<(SectionId, ImageBytes)> {
    let join = |same: &[(SectionId, ImageBytes)]| {
        let (id, first) = same.first()?;
        if same.len() == 1 {
            return Some((*id, first.clone()));
        }
        let all: Vec<&[u8]> = same.iter().map(|(_, bytes)| bytes.as_slice()).collect();
        Some((*id, ImageBytes::from(all.concat())))
    };
    read.chunk_by(|(one, _), (other, _)| one == other).filter_map(join).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn very_many_sections_of_types_are_joined_at_once() {
        let piece = |at: u32| ImageBytes::from(at.to_le_bytes().repeat(256));
        let types = (0..20_000).map(|at| (SectionId::DebugTypes, piece(at)));
        let read: Vec<_> = [(SectionId::DebugInfo, piece(7))].into_iter().chain(types).collect();
        let joined = joined(read);
        let [(SectionId::DebugInfo, info), (SectionId::DebugTypes, types)] = &joined[..] else {
            panic!("{} kinds", joined.len());
        };
        assert_eq!((info.as_slice().len(), types.as_slice().len()), (1024, 20_000 * 1024));
        assert_eq!(types.as_slice()[19_999 * 1024..][..4], 19_999u32.to_le_bytes());
    }
}
