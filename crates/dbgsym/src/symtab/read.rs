//! From the symbol tables of ELF files to entries: which symbols count, what their versions are,
//! and which of two equal ones stays. It asks no question about the result.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

use object::LittleEndian;
use object::elf::{self, FileHeader64, SectionHeader64, Sym64};
use object::read::elf::{FileHeader as _, SectionHeader as _, Sym as _};

use super::plt::{self, Relocation};
use super::{Entry, SymbolBinding, SymbolKind, SymbolTable};
use crate::image::{Image, ImageBytes, c_string_at};

const LE: LittleEndian = LittleEndian;

/// Longer names are cut: tables made to overlap would cost their length times their number.
pub(super) const NAME_LEN_MAX_BYTES: usize = 16 * 1024;

/// More of the same name at one address differ only in version; this many are compared.
const ALIASES_COMPARED_MAX: usize = 8;

/// The symbols of one file: where they, their names and their versions are.
struct Table<'a> {
    symbols: &'a [Sym64<LittleEndian>],
    strings: ImageBytes,
    versions: Versions<'a>,
}

/// Versions of dynamic symbols.
#[derive(Default)]
struct Versions<'a> {
    /// One per symbol (`.gnu.version`).
    indices: &'a [elf::Versym<LittleEndian>],
    /// Version index to the offset of its name in the symbols' string table (`.gnu.version_d`).
    names: HashMap<u16, u32>,
}

pub(super) fn read(image: &Image, debug_file: Option<&Image>) -> SymbolTable {
    let mut table = SymbolTable {
        sources: Vec::new(),
        entries: Vec::new(),
        addressed_count: 0,
        areas: areas(image),
        spans: OnceLock::new(),
        names: OnceLock::new(),
        paths: OnceLock::new(),
    };
    // The order says who stays of two equal symbols.
    // The order says who stays of two equal symbols.
    let full = [debug_file, Some(image)].into_iter().flatten();
    for symbols in full.filter_map(|image| section_table(image, elf::SHT_SYMTAB)) {
        table.add(&symbols);
    }
    let mini = if table.sources.is_empty() { image.mini_debug_file() } else { None };
    if let Some(symbols) = mini.as_ref().and_then(|mini| section_table(mini, elf::SHT_SYMTAB)) {
        table.add(&symbols);
    }
    let dynamic = section_table(image, elf::SHT_DYNSYM).or_else(|| dynamic_table(image));
    if let Some(dynamic) = dynamic {
        table.add(&dynamic);
    }
    table.add_plt(image);
    table
}

/// What bounds symbols: loaded sections, or segments where there are no sections.
fn areas(image: &Image) -> Vec<Range<u64>> {
    let range = |start: u64, size: u64| start..start.saturating_add(size);
    let sections = image.sections().iter().filter(|section| section.is_loaded);
    let mut areas: Vec<_> = sections
        .map(|section| range(section.address.value(), section.size_bytes))
        .filter(|area| !area.is_empty())
        .collect();
    if areas.is_empty() {
        let segments = image.segments().iter();
        areas.extend(segments.map(|one| range(one.address.value(), one.size_bytes)));
    }
    areas.sort_by_key(|area| area.start);
    areas
}

fn section_headers(image: &Image) -> Option<&[SectionHeader64<LittleEndian>]> {
    let file = image.bytes().as_slice();
    let header: &FileHeader64<LittleEndian> = object::pod::from_bytes(file).ok()?.0;
    header.section_headers(LE, file).ok()
}

fn section_table(image: &Image, kind: elf::SectionType) -> Option<Table<'_>> {
    let file = image.bytes().as_slice();
    let headers = section_headers(image)?;
    let (index, header) =
        headers.iter().enumerate().find(|(_, header)| header.sh_type(LE) == kind)?;
    let symbols = header.data_as_array(LE, file).ok().or_else(|| whole_symbols(header, file))?;
    let strings = strings_of(image, headers, header)?;
    let versions = versions(file, headers, index);
    Some(Table { symbols, strings, versions })
}

/// The whole symbols of a table that is cut off.
fn whole_symbols<'a>(
    header: &SectionHeader64<LittleEndian>,
    file: &'a [u8],
) -> Option<&'a [Sym64<LittleEndian>]> {
    let start = usize::try_from(header.sh_offset(LE)).ok()?;
    let rest = file.get(start..)?;
    let len = usize::try_from(header.sh_size(LE)).unwrap_or(usize::MAX).min(rest.len());
    let count = len / size_of::<Sym64<LittleEndian>>();
    object::pod::slice_from_bytes(rest, count).ok().map(|(symbols, _)| symbols)
}

fn strings_of(
    image: &Image,
    headers: &[SectionHeader64<LittleEndian>],
    header: &SectionHeader64<LittleEndian>,
) -> Option<ImageBytes> {
    let strings = headers.get(header.sh_link(LE) as usize)?;
    let (start, size) = strings.file_range(LE)?;
    image.bytes().slice(start..start.checked_add(size)?)
}

/// The dynamic symbols of an image without section headers.
fn dynamic_table(image: &Image) -> Option<Table<'_>> {
    let range = image.dynamic().symbols.clone()?;
    let file = image.bytes().as_slice();
    let bytes = file.get(usize::try_from(range.start).ok()?..)?;
    let wanted = usize::try_from(range.end - range.start).ok()?;
    let count = wanted.min(bytes.len()) / size_of::<Sym64<LittleEndian>>();
    let (symbols, _) = object::pod::slice_from_bytes(bytes, count).ok()?;
    let strings = image.bytes().slice(image.dynamic().strings.clone()?)?;
    Some(Table { symbols, strings, versions: Versions::default() })
}

/// The versions of the symbols in the section at `symbols_index`, if it has any.
fn versions<'a>(
    file: &'a [u8],
    headers: &[SectionHeader64<LittleEndian>],
    symbols_index: usize,
) -> Versions<'a> {
    let indices = headers
        .iter()
        .filter(|header| header.sh_link(LE) as usize == symbols_index)
        .find_map(|header| header.gnu_versym(LE, file).ok().flatten())
        .map_or(&[][..], |(indices, _)| indices);
    let mut names = HashMap::new();
    let definitions = headers.iter().find_map(|header| header.gnu_verdef(LE, file).ok().flatten());
    if let Some((mut definitions, _)) = definitions {
        // The first auxiliary entry is the version's own name; others are its parents'.
        while let Ok(Some((definition, mut auxiliaries))) = definitions.next() {
            if let Ok(Some(auxiliary)) = auxiliaries.next() {
                names.insert(definition.vd_ndx.get(LE).0, auxiliary.vda_name.get(LE));
            }
        }
    }
    Versions { indices, names }
}

impl SymbolTable {
    fn add(&mut self, table: &Table<'_>) {
        let Ok(source) = u8::try_from(self.sources.len()) else {
            return;
        };
        let strings = table.strings.as_slice();
        for (index, symbol) in table.symbols.iter().enumerate() {
            if self.entries.len() >= u32::MAX as usize {
                break;
            }
            self.entries.extend(entry(symbol, strings, source, index, &table.versions));
        }
        self.sources.push(table.strings.clone());
    }

    fn add_plt(&mut self, image: &Image) {
        let headers = section_headers(image).unwrap_or_default();
        let file = image.bytes().as_slice();
        let dynamic = section_table(image, elf::SHT_DYNSYM);
        let resolvers: HashMap<u64, &Entry> = self
            .entries
            .iter()
            .filter(|entry| entry.kind == SymbolKind::IndirectFunction)
            .map(|entry| (entry.address, entry))
            .collect();
        let name_of = |relocation: &Relocation| match relocation {
            Relocation::Symbol(index) => {
                let table = dynamic.as_ref()?;
                let symbol = table.symbols.get(*index as usize)?;
                let offset = u64::from(symbol.st_name(LE));
                c_string_at(table.strings.as_slice(), offset, NAME_LEN_MAX_BYTES)
            }
            Relocation::Resolver(address) => {
                resolvers.get(address).map(|entry| self.base_of(entry))
            }
        };
        let entries = plt::entries(image, &plt::relocations(headers, file));
        let mut arena = Vec::new();
        let mut found = Vec::new();
        for plt_entry in entries {
            let Some(name) = name_of(&plt_entry.relocation).filter(|name| !name.is_empty()) else {
                continue;
            };
            let (Ok(offset), Ok(source)) =
                (u32::try_from(arena.len()), u8::try_from(self.sources.len()))
            else {
                break;
            };
            arena.extend_from_slice(name);
            arena.extend_from_slice(b"@plt\0");
            found.push(Entry {
                address: plt_entry.address.value(),
                size_bytes: plt_entry.size_bytes,
                name: offset,
                version: 0,
                source,
                kind: SymbolKind::PltEntry,
                binding: SymbolBinding::Local,
                is_hidden: false,
            });
        }
        self.entries.extend(found);
        self.sources.push(ImageBytes::from(arena));
    }

    /// Puts the entries in order and drops what another table says as well.
    pub(super) fn sort(&mut self) {
        let mut entries = std::mem::take(&mut self.entries);
        let is_tls = |entry: &Entry| entry.kind == SymbolKind::Tls;
        let order = |a: &Entry, b: &Entry| -> Ordering {
            is_tls(a)
                .cmp(&is_tls(b))
                .then(a.address.cmp(&b.address))
                .then_with(|| self.base_of(a).cmp(self.base_of(b)))
                .then(a.source.cmp(&b.source))
        };
        entries.sort_unstable_by(order);
        let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
        for entry in entries {
            let same = |other: &&Entry| {
                is_tls(other) == is_tls(&entry)
                    && other.address == entry.address
                    && self.base_of(other) == self.base_of(&entry)
            };
            let versionless = self.version_of(&entry).is_none();
            let is_known = kept
                .iter()
                .rev()
                .take(ALIASES_COMPARED_MAX)
                .take_while(same)
                .any(|other| versionless || self.version_of(other) == self.version_of(&entry));
            if !is_known {
                kept.push(entry);
            }
        }
        self.addressed_count = kept.partition_point(|entry| !is_tls(entry));
        self.entries = kept;
    }

    fn name_in(&self, source: u8, offset: u32) -> Option<&[u8]> {
        let strings = self.sources.get(usize::from(source))?.as_slice();
        c_string_at(strings, u64::from(offset), NAME_LEN_MAX_BYTES)
    }

    /// The name without version.
    pub(super) fn base_name(&self, index: u32) -> &[u8] {
        self.entry(index).map_or(&[], |entry| self.base_of(entry))
    }

    fn base_of(&self, entry: &Entry) -> &[u8] {
        let name = self.name_in(entry.source, entry.name).unwrap_or_default();
        match version_mark(name) {
            Some(at) if entry.kind != SymbolKind::PltEntry => name.get(..at).unwrap_or(name),
            _ => name,
        }
    }

    /// The version without `@`.
    pub(super) fn version_name(&self, index: u32) -> Option<&[u8]> {
        self.version_of(self.entry(index)?)
    }

    fn version_of(&self, entry: &Entry) -> Option<&[u8]> {
        if entry.kind == SymbolKind::PltEntry {
            return None;
        }
        if entry.version != 0 {
            return self.name_in(entry.source, entry.version);
        }
        let name = self.name_in(entry.source, entry.name)?;
        let version = name.get(version_mark(name)? + 1..)?;
        Some(version.strip_prefix(b"@").unwrap_or(version))
    }
}

/// Where the version begins: the `@` of `name@VERSION` or the first of `name@@VERSION`.
fn version_mark(name: &[u8]) -> Option<usize> {
    memchr::memchr(b'@', name).filter(|at| *at > 0)
}

/// The entry for one symbol of a file, or `None` if it names nothing in this image.
fn entry(
    symbol: &Sym64<LittleEndian>,
    strings: &[u8],
    source: u8,
    index: usize,
    versions: &Versions<'_>,
) -> Option<Entry> {
    let section = symbol.st_shndx(LE);
    // Absolute symbols do not move with the image: they are numbers, not places.
    if section == elf::SHN_UNDEF || section == elf::SHN_ABS {
        return None;
    }
    let kind = match symbol.st_type() {
        elf::STT_FUNC => SymbolKind::Function,
        elf::STT_GNU_IFUNC => SymbolKind::IndirectFunction,
        elf::STT_OBJECT | elf::STT_COMMON => SymbolKind::Object,
        elf::STT_TLS => SymbolKind::Tls,
        elf::STT_NOTYPE => SymbolKind::NoType,
        _ => return None,
    };
    let binding = match symbol.st_bind() {
        elf::STB_LOCAL => SymbolBinding::Local,
        elf::STB_WEAK => SymbolBinding::Weak,
        _ => SymbolBinding::Global,
    };
    let name = c_string_at(strings, u64::from(symbol.st_name(LE)), NAME_LEN_MAX_BYTES)?;
    // `$x` and `$d` mark instructions and data on aarch64 ("ELF for the Arm 64-bit Architecture",
    // 5.5.5); they name nothing.
    let is_mapping_symbol = kind == SymbolKind::NoType && name.first() == Some(&b'$');
    if name.is_empty() || is_mapping_symbol {
        return None;
    }
    let version_index = versions.indices.get(index).map(|version| version.0.get(LE));
    let version = version_index.and_then(|version| versions.names.get(&version.index().0));
    let in_name = version_mark(name).is_some_and(|at| name.get(at + 1) != Some(&b'@'));
    Some(Entry {
        address: symbol.st_value(LE),
        size_bytes: symbol.st_size(LE),
        name: symbol.st_name(LE),
        version: version.copied().unwrap_or(0),
        source,
        kind,
        binding,
        is_hidden: in_name || version_index.is_some_and(|version| version.is_hidden()),
    })
}
