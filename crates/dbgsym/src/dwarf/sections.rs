//! The sections with debugging information of one file: found by name, decompressed, and handed to
//! gimli. It knows no entry of them.

use std::thread;

use gimli::{EndianSlice, LittleEndian, SectionId};

use super::Dwarf;
use crate::image::{Image, ImageBytes, Section};

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
        let wanted: Vec<_> =
            READ.into_iter().filter_map(|id| Some((id, find(image, id.name())?))).collect();
        let sections = Sections { bytes: read_all(image, &wanted) };
        let has_info = !sections.of(SectionId::DebugInfo).is_empty();
        has_info.then_some(sections)
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

/// A section by its name, or by the one that old linkers gave to compressed ones: `.zdebug_info`.
fn find<'a>(image: &'a Image, name: &str) -> Option<&'a Section> {
    let has_bytes = |section: &&Section| section.file_offset.is_some() && section.size_bytes > 0;
    let plain = image.section(name).filter(has_bytes);
    plain.or_else(|| image.section(&name.replacen(".debug", ".zdebug", 1)).filter(has_bytes))
}

fn read_all(image: &Image, wanted: &[(SectionId, &Section)]) -> Vec<(SectionId, ImageBytes)> {
    let is_compressed =
        |section: &Section| section.is_compressed || section.name.starts_with(".zdebug");
    let read = |(id, section): &(SectionId, &Section)| Some((*id, image.bytes_of(section)?));
    thread::scope(|scope| {
        let (slow, quick): (Vec<_>, Vec<_>) =
            wanted.iter().partition(|(_, section)| is_compressed(section));
        let workers: Vec<_> =
            slow.into_iter().map(|wanted| scope.spawn(move || read(wanted))).collect();
        let quick: Vec<_> = quick.into_iter().filter_map(read).collect();
        let slow = workers.into_iter().filter_map(|worker| worker.join().ok().flatten());
        quick.into_iter().chain(slow).collect()
    })
}
