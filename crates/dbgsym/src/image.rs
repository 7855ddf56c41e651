//! One ELF image: who it is, what is loaded where, and the tables derived from it. It reads only
//! the bytes it was given; where they came from, and what is loaded in which target, is known
//! elsewhere.

mod bytes;
mod dynamic;
mod mini_debug;
mod notes;
mod parse;
mod parts;
mod thread_local;

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use dbgbase::{Address, AddressRange, Arch, LinkAddress, LoadBias};

use crate::ImageError;
use crate::dwarf::DebugInfo;
use crate::symtab::SymbolTable;
use crate::unwind::CallFrameInfo;

pub use bytes::ImageBytes;
pub(crate) use bytes::c_string_at;
pub(crate) use dynamic::DynamicTable;
pub use notes::{BuildId, build_id_of_notes};
pub use parse::build_id_of_file;
pub(crate) use parse::{bytes_of_section, sections_of_file};
pub use parts::{Purpose, needed_parts};

/// The smallest page of the supported CPUs. Kernels with larger pages map segments at multiples of
/// this one as well.
const PAGE_SIZE_BYTES: u64 = 4096;

/// What the linker made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ImageKind {
    /// A program that runs only at its link address (`ET_EXEC`).
    Executable,
    /// A program that may be loaded anywhere (`ET_DYN` with `DF_1_PIE`).
    PositionIndependentExecutable,
    /// A shared object, the dynamic linker and the vDSO among them.
    SharedObject,
}

/// One segment that is loaded (`PT_LOAD`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Its first address.
    pub address: LinkAddress,
    /// How many bytes it spans in memory; what the file does not fill is zero.
    pub size_bytes: u64,
    /// Where its bytes begin in the file.
    pub file_offset: u64,
    /// How many bytes the file has for it.
    pub file_size_bytes: u64,
    /// Whether it is mapped readable.
    pub is_readable: bool,
    /// Whether it is mapped writable.
    pub is_writable: bool,
    /// Whether it is mapped executable.
    pub is_executable: bool,
}

/// One section.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section {
    /// Its name; cut after 255 bytes.
    pub name: String,
    /// Its first address; 0 if it is not loaded.
    pub address: LinkAddress,
    /// How many bytes it spans, in memory if it is loaded, else in the file.
    pub size_bytes: u64,
    /// Where its bytes begin in the file; `None` if the file has none (`.bss`, and most sections of
    /// a separate debug file).
    pub file_offset: Option<u64>,
    /// Whether it is part of the loaded program (`SHF_ALLOC`).
    pub is_loaded: bool,
    /// Whether it holds instructions (`SHF_EXECINSTR`).
    pub is_executable: bool,
    /// Whether its bytes are compressed in the file (`SHF_COMPRESSED`).
    pub is_compressed: bool,
}

/// Where an image says its separate debug file is (`.gnu_debuglink`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DebugLink {
    /// The file's name without a directory.
    pub file_name: String,
    /// The CRC-32 (ISO 3309) of the file's contents.
    pub crc32: u32,
}

/// One ELF image.
///
/// Facts of the headers are ready after [`Image::parse`]; symbols, call frame information and
/// debugging information are read when first asked for, once, by whichever thread comes first.
#[derive(Debug)]
pub struct Image {
    bytes: ImageBytes,
    arch: Arch,
    kind: ImageKind,
    entry: Option<LinkAddress>,
    segments: Vec<Segment>,
    sections: Vec<Section>,
    build_id: Option<BuildId>,
    interpreter: Option<String>,
    dynamic: DynamicTable,
    eh_frame_hdr: Option<LinkAddress>,
    thread_local: Option<thread_local::ThreadLocalBlock>,
    debug_link: Option<DebugLink>,
    /// What of the file is known; `None` for all of it.
    known: Option<Vec<Range<u64>>>,
    debug_file: Option<Arc<Image>>,
    symbols: OnceLock<SymbolTable>,
    call_frame_info: OnceLock<CallFrameInfo>,
    debug_info: OnceLock<Option<DebugInfo>>,
}

impl Image {
    /// Reads the headers of a whole ELF file: an executable, a shared object, a separate debug
    /// file, or the vDSO as it lies in memory.
    ///
    /// **Errors**: an [`ImageError`] that says what is damaged or unsupported. Contents behind the
    /// headers are not checked here; what is damaged there is missing from the tables.
    pub fn parse(bytes: ImageBytes) -> Result<Image, ImageError> {
        parse::parse(bytes, None)
    }

    /// Reads a file of which only these ranges are known; all other bytes are zero. What lies
    /// elsewhere is not in the image: sections there have no bytes, as `.bss` has none.
    ///
    /// **Errors**: as [`Image::parse`]. The ELF header, the program headers and the section headers
    /// must be among what is known.
    pub fn parse_part(bytes: ImageBytes, known: &[Range<u64>]) -> Result<Image, ImageError> {
        parse::parse(bytes, Some(known))
    }

    /// The same image, of the same bytes, with nothing read from it yet and nothing beside it.
    ///
    /// **Cost**: small; the bytes are shared.
    pub fn afresh(&self) -> Image {
        Image {
            bytes: self.bytes.clone(),
            segments: self.segments.clone(),
            sections: self.sections.clone(),
            build_id: self.build_id.clone(),
            interpreter: self.interpreter.clone(),
            dynamic: self.dynamic.clone(),
            debug_link: self.debug_link.clone(),
            known: self.known.clone(),
            debug_file: None,
            symbols: OnceLock::new(),
            call_frame_info: OnceLock::new(),
            debug_info: OnceLock::new(),
            ..*self
        }
    }

    /// The same image with `debug_file` beside it, whose symbols, call frame information and
    /// debugging information are then used as well.
    ///
    /// **Errors**: [`ImageError::DebugFileMismatch`] if CPU or build-id differ.
    pub fn with_debug_file(self, debug_file: Arc<Image>) -> Result<Image, ImageError> {
        let same_id = match (&self.build_id, &debug_file.build_id) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        };
        if !same_id {
            return Err(ImageError::DebugFileMismatch);
        }
        self.with_any_debug_file(debug_file)
    }

    /// As [`Image::with_debug_file`], but the file may be another build's: names and lines may be
    /// wrong then.
    ///
    /// **Errors**: [`ImageError::DebugFileMismatch`] if the CPU differs.
    pub fn with_any_debug_file(self, debug_file: Arc<Image>) -> Result<Image, ImageError> {
        if self.arch != debug_file.arch {
            return Err(ImageError::DebugFileMismatch);
        }
        Ok(Image {
            debug_file: Some(debug_file),
            symbols: OnceLock::new(),
            call_frame_info: OnceLock::new(),
            debug_info: OnceLock::new(),
            ..self
        })
    }

    /// All bytes of the file.
    pub fn bytes(&self) -> &ImageBytes {
        &self.bytes
    }

    /// What of the file is known; `None` for all of it.
    pub fn known(&self) -> Option<&[Range<u64>]> {
        self.known.as_deref()
    }

    /// Whether the file has debugging information in a part that is not known.
    pub fn lacks_debug_info(&self) -> bool {
        let names = [".debug_info", ".zdebug_info"].into_iter();
        let mut sections = names.filter_map(|name| self.section(name));
        let is_unknown = |section: &Section| section.file_offset.is_none();
        self.known.is_some() && sections.any(is_unknown)
    }

    /// The CPU it was linked for.
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// What the linker made.
    pub fn kind(&self) -> ImageKind {
        self.kind
    }

    /// Where execution begins, if the header names a place.
    pub fn entry(&self) -> Option<LinkAddress> {
        self.entry
    }

    /// The segments that are loaded, in address order. Never empty.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The sections in file order, without the null section. Empty if the headers were stripped.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The first section called `name`.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// The loaded section that spans `address`.
    pub fn section_at(&self, address: LinkAddress) -> Option<&Section> {
        self.sections.iter().find(|section| {
            let offset = address.offset_from(section.address);
            section.is_loaded && offset.is_some_and(|offset| offset < section.size_bytes)
        })
    }

    /// The linker's name for this result of linking.
    pub fn build_id(&self) -> Option<&BuildId> {
        self.build_id.as_ref()
    }

    /// The name other images load it by (`DT_SONAME`).
    pub fn soname(&self) -> Option<&str> {
        self.dynamic.soname.as_deref()
    }

    /// The dynamic linker that it asks for (`PT_INTERP`).
    pub fn interpreter(&self) -> Option<&str> {
        self.interpreter.as_deref()
    }

    /// Where it says its separate debug file is.
    pub fn debug_link(&self) -> Option<&DebugLink> {
        self.debug_link.as_ref()
    }

    /// The separate debug file given to [`Image::with_debug_file`].
    pub fn debug_file(&self) -> Option<&Arc<Image>> {
        self.debug_file.as_ref()
    }

    /// Whether the file has bytes for a section of this name: `.symtab`, `.dynsym`, `.eh_frame`,
    /// `.debug_frame`, `.debug_info`.
    pub fn has_section(&self, name: &str) -> bool {
        let in_file = |section: &Section| section.file_offset.is_some() && section.size_bytes > 0;
        self.section(name).is_some_and(in_file)
    }

    /// The file of symbols that distributions pack into an image they strip (`.gnu_debugdata`): a
    /// separate debug file with little more than `.symtab`.
    ///
    /// **Shape**: `None` if there is none, or it is damaged or another build's.
    /// **Cost**: decompresses it each time, some 10 ms for 1 MB.
    /// **Source**: GDB manual, "Debugging information in a special section".
    pub fn mini_debug_file(&self) -> Option<Image> {
        mini_debug::read(self)
    }

    /// Whether it has the table of all its symbols, in itself or in its debug file; what only a
    /// [`Image::mini_debug_file`] has is less.
    pub fn has_full_symbols(&self) -> bool {
        let debug_file = self.debug_file.as_deref();
        self.has_section(".symtab") || debug_file.is_some_and(|file| file.has_section(".symtab"))
    }

    /// Symbols of the image and of its debug file; without a full table also those packed into it.
    ///
    /// **Cost**: the first call reads and sorts the symbol tables.
    pub fn symbols(&self) -> &SymbolTable {
        self.symbols.get_or_init(|| SymbolTable::new(self, self.debug_file.as_deref()))
    }

    /// Call frame information of the image and of its debug file.
    pub(crate) fn call_frame_info(&self) -> &CallFrameInfo {
        self.call_frame_info.get_or_init(|| CallFrameInfo::new(self, self.debug_file.as_deref()))
    }

    /// Debugging information of the image or of its debug file. `None` if there is none.
    ///
    /// **Cost**: the first call decompresses the sections that need it, and reads the headers of
    /// all units; everything else is read when asked for.
    pub fn debug_info(&self) -> Option<&DebugInfo> {
        self.debug_info.get_or_init(|| DebugInfo::new(self)).as_ref()
    }

    pub(crate) fn dynamic(&self) -> &DynamicTable {
        &self.dynamic
    }

    /// Where `PT_GNU_EH_FRAME` puts `.eh_frame_hdr`.
    pub(crate) fn eh_frame_hdr(&self) -> Option<LinkAddress> {
        self.eh_frame_hdr
    }

    /// The bytes of the first section called `name`, decompressed if need be. `None` if it is
    /// missing, has no bytes in the file, or is damaged.
    pub fn section_bytes(&self, name: &str) -> Option<ImageBytes> {
        bytes_of_section(&self.bytes, self.section(name)?)
    }

    /// The file's bytes from `address` to the end of its segment's part of the file, as far as they
    /// are known. `None` where the file has no bytes for the address.
    pub fn bytes_at(&self, address: LinkAddress) -> Option<ImageBytes> {
        self.segments.iter().find_map(|segment| {
            let inside = address.offset_from(segment.address)?;
            if inside >= segment.file_size_bytes {
                return None;
            }
            let end = segment.file_offset.checked_add(segment.file_size_bytes)?;
            let end = end.min(self.bytes.as_slice().len() as u64);
            let start = segment.file_offset.checked_add(inside)?;
            let end = match &self.known {
                Some(known) => end.min(known.iter().find(|range| range.contains(&start))?.end),
                None => end,
            };
            self.bytes.slice(start..end)
        })
    }

    /// The first address of the first segment, rounded down to a page.
    pub fn link_start(&self) -> LinkAddress {
        let start = self.segments.first().map_or(0, |segment| segment.address.value());
        LinkAddress::new(start & !(PAGE_SIZE_BYTES - 1))
    }

    /// How many bytes the image spans in memory from [`Image::link_start`] on, in whole pages; gaps
    /// between its segments count.
    pub fn loaded_size_bytes(&self) -> u64 {
        let end_of = |segment: &Segment| segment.address.value().wrapping_add(segment.size_bytes);
        let end = self.segments.iter().map(end_of).max().unwrap_or(0);
        let size = end.saturating_sub(self.link_start().value());
        size.checked_next_multiple_of(PAGE_SIZE_BYTES).unwrap_or(size)
    }

    /// What the image spans in a program that loaded it with `bias`. `None` if that would pass the
    /// end of the address space.
    pub fn loaded_range(&self, bias: LoadBias) -> Option<AddressRange> {
        AddressRange::with_len(self.link_start().to_address(bias), self.loaded_size_bytes())
    }

    /// The bias that explains why the file's byte at `file_offset` is mapped at `mapped_at`, as a
    /// line of `/proc/PID/maps` tells. Give the file's lowest mapping: in files whose segments
    /// share a page only that one is unambiguous.
    ///
    /// The loader maps whole pages, so a mapping may begin before its segment does:
    ///
    /// ```text
    /// file    |......page......|         p_offset = 0x2db8, p_vaddr = 0x3db8
    ///         0x2000   ^0x2db8           a mapping of offset 0x2000 at A
    /// memory  |......page......|         bias = A - 0x3000
    ///         A        ^A+0xdb8
    /// ```
    ///
    /// **Shape**: `None` if no segment has that file offset.
    pub fn load_bias(&self, mapped_at: Address, file_offset: u64) -> Option<LoadBias> {
        let page = |offset: u64| offset & !(PAGE_SIZE_BYTES - 1);
        let begins_there = |segment: &&Segment| page(segment.file_offset) == file_offset;
        let contains = |segment: &&Segment| {
            let end = segment.file_offset.saturating_add(segment.file_size_bytes);
            (page(segment.file_offset)..end).contains(&file_offset)
        };
        let in_file = || self.segments.iter().filter(|segment| segment.file_size_bytes > 0);
        let segment = in_file().find(begins_there).or_else(|| in_file().find(contains))?;
        let link =
            segment.address.value().wrapping_sub(segment.file_offset).wrapping_add(file_offset);
        Some(LoadBias::between(LinkAddress::new(link), mapped_at))
    }
}

#[cfg(test)]
#[path = "image/tests.rs"]
mod tests;
