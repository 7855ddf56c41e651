//! The symbols of one image: what lies at an address, and where a name lies. Symbols come from
//! `.symtab` and `.dynsym`, of the image and of its debug file, and from the procedure linkage
//! table. It knows nothing of modules: addresses are link addresses, names are without `module!`.
//!
//! Tables are made in three steps, each when first needed: reading sorts all symbols by address;
//! the first question by address cuts the addresses into spans; the first question by name hashes
//! the names in the file. A question for a demangled name looks through all mangled ones and
//! demangles those that may be it; a listing that may be any demangles all, once, and keeps them.

mod by_address;
mod by_name;
mod containing;
mod plt;
mod read;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use dbgbase::LinkAddress;

use crate::demangle::{demangle, is_mangled};
use crate::image::{Image, ImageBytes};
use crate::names::Pattern;
use by_address::Spans;
use by_name::{NameIndex, Paths};
pub(crate) use by_name::{contains_all, identifiers};

/// What a symbol stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SymbolKind {
    /// Code (`STT_FUNC`).
    Function,
    /// Code that picks the function at load time (`STT_GNU_IFUNC`).
    IndirectFunction,
    /// Data (`STT_OBJECT`, `STT_COMMON`).
    Object,
    /// Thread-local data (`STT_TLS`): the address is an offset in the image's TLS block.
    Tls,
    /// A label of unknown meaning (`STT_NOTYPE`), mostly from assembly and linker scripts.
    NoType,
    /// An entry of the procedure linkage table; no file lists them, they are named after the
    /// function they jump to: `puts@plt`.
    PltEntry,
}

/// How far a symbol is visible.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SymbolBinding {
    /// Everywhere, and only once (`STB_GLOBAL`, `STB_GNU_UNIQUE`).
    Global,
    /// Everywhere, unless a global one has the name (`STB_WEAK`).
    Weak,
    /// In its object file (`STB_LOCAL`).
    Local,
}

/// The version of a symbol's interface, as `@` and `@@` write it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SymbolVersion<'a> {
    /// `GLIBC_2.14`.
    pub name: &'a str,
    /// Whether programs linked today get this one (`@@`).
    pub is_default: bool,
}

/// A symbol as kept in the table: 32 bytes, names by reference.
#[derive(Clone, Copy, Debug)]
struct Entry {
    address: u64,
    size_bytes: u64,
    /// Offset in the string table `source`.
    name: u32,
    /// Offset of the version's name in the string table `source`; 0 if the symbol has none or its
    /// name contains it.
    version: u32,
    source: u8,
    kind: SymbolKind,
    binding: SymbolBinding,
    /// Not what a program linked today would get.
    is_hidden: bool,
}

/// Symbols of one image.
pub struct SymbolTable {
    /// String tables. Entries say by index which one has their name.
    sources: Vec<ImageBytes>,
    /// By address, thread-local ones behind all others.
    entries: Vec<Entry>,
    /// How many of the entries are not thread-local.
    addressed_count: usize,
    /// Loaded sections (or segments, if there are no sections) by address. No symbol reaches
    /// beyond its own.
    areas: Vec<Range<u64>>,
    spans: OnceLock<Spans>,
    names: OnceLock<NameIndex>,
    paths: OnceLock<Paths>,
}

/// One symbol of a [`SymbolTable`].
#[derive(Clone, Copy)]
pub struct Symbol<'a> {
    table: &'a SymbolTable,
    index: u32,
}

/// The neighbours of an address, as the command `ln` shows them.
#[derive(Clone, Copy, Debug)]
pub struct Nearest<'a> {
    /// The symbol that contains the address, or else the last one before it; and how many bytes the
    /// address lies behind that symbol's start.
    pub before: Option<(Symbol<'a>, u64)>,
    /// The first symbol behind the address.
    pub after: Option<Symbol<'a>>,
}

impl SymbolTable {
    /// Reads the symbols of `image` and of its separate debug file. Where both have a symbol, the
    /// full table (`.symtab`) wins over the dynamic one.
    pub(crate) fn new(image: &Image, debug_file: Option<&Image>) -> SymbolTable {
        let mut table = read::read(image, debug_file);
        table.sort();
        table
    }

    /// How many symbols there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All symbols by address; thread-local ones come last.
    pub fn iter(&self) -> impl Iterator<Item = Symbol<'_>> {
        (0..self.entries.len() as u32).map(|index| self.symbol(index))
    }

    /// The symbols that begin at `address`, the best name first.
    pub fn at(&self, address: LinkAddress) -> Vec<Symbol<'_>> {
        let mut aliases: Vec<_> =
            self.group_at(address.value()).map(|index| self.symbol(index)).collect();
        aliases.sort_by(|a, b| self.preference(a.index, b.index));
        aliases
    }

    /// The symbol that `address` lies in, and how many bytes behind its start.
    ///
    /// Of symbols that overlap, the one that begins last; of those that begin together, the best
    /// name. A symbol without a size reaches to the next symbol or to the end of its section,
    /// unless it lies inside one that has a size.
    pub fn containing(&self, address: LinkAddress) -> Option<(Symbol<'_>, u64)> {
        let index = self.spans().containing(address.value())?;
        let symbol = self.symbol(index);
        Some((symbol, address.offset_from(symbol.address())?))
    }

    /// The neighbours of `address`, whatever lies between.
    pub fn nearest(&self, address: LinkAddress) -> Nearest<'_> {
        let addressed = self.entries.get(..self.addressed_count).unwrap_or_default();
        let behind = addressed.partition_point(|entry| entry.address <= address.value());
        let after = addressed.get(behind).and_then(|entry| self.best_at(entry.address));
        let before = self.containing(address).or_else(|| {
            let last = addressed.get(behind.checked_sub(1)?)?;
            let symbol = self.best_at(last.address)?;
            Some((symbol, address.offset_from(symbol.address())?))
        });
        Nearest { before, after }
    }

    /// The symbols called `name`, best first. The first of these rules that finds any decides:
    ///
    /// 1. the name in the file, in this case of letters;
    /// 2. the name in the file, in any case of letters;
    /// 3. the demangled name without parameters, `ns::Class::method`, with or without its template
    ///    arguments, in this case of letters;
    /// 4. the same in any case of letters.
    ///
    /// Names with `::` skip the first two. A name without version means the default version, or any
    /// if there is no default; `name@VERSION` means that one. An entry of the procedure linkage
    /// table is found by its full name, `name@plt`, only.
    ///
    /// **Cost**: rule 3 searches all names in the file, some 20 ms for a million, rule 4 some 100
    /// ms.
    pub fn by_name(&self, name: &str) -> Vec<Symbol<'_>> {
        let mut found = Vec::new();
        if !name.contains("::") {
            found = self.names().find(self, name);
        }
        if found.is_empty() {
            found = by_name::find_demangled(self, name);
        }
        found.sort_by(|a, b| self.preference(*a, *b).then(a.cmp(b)));
        found.into_iter().map(|index| self.symbol(index)).collect()
    }

    /// The symbols that the linker knows by exactly this name, without a version: the default one,
    /// or any if there is no default.
    ///
    /// **Cost**: none but the search, once names have been sorted.
    pub fn by_linker_name(&self, name: &str) -> Vec<Symbol<'_>> {
        let found = self.names().find(self, name).into_iter().map(|index| self.symbol(index));
        found.filter(|symbol| symbol.raw_name() == name).collect()
    }

    /// The symbols whose name in the file, or demangled name without parameters, matches `pattern`;
    /// in the order of [`SymbolTable::iter`].
    ///
    /// **Cost**: a pattern that names no identifier in whole (`*alloc*`; but `ns::*` names one)
    /// demangles every mangled name the first time, some 5 microseconds each.
    pub fn matching<'a>(&'a self, pattern: &'a Pattern) -> impl Iterator<Item = Symbol<'a>> {
        by_name::matching(self, pattern).map(|index| self.symbol(index))
    }

    fn symbol(&self, index: u32) -> Symbol<'_> {
        Symbol { table: self, index }
    }

    fn entry(&self, index: u32) -> Option<&Entry> {
        self.entries.get(index as usize)
    }

    fn spans(&self) -> &Spans {
        self.spans.get_or_init(|| Spans::new(self))
    }

    fn names(&self) -> &NameIndex {
        self.names.get_or_init(|| NameIndex::new(self))
    }

    /// The indices of the entries at `address`.
    fn group_at(&self, address: u64) -> Range<u32> {
        let addressed = self.entries.get(..self.addressed_count).unwrap_or_default();
        let start = addressed.partition_point(|entry| entry.address < address);
        let end = addressed.partition_point(|entry| entry.address <= address);
        start as u32..end as u32
    }

    fn best_at(&self, address: u64) -> Option<Symbol<'_>> {
        let group = self.group_at(address);
        let best = group.min_by(|a, b| self.preference(*a, *b))?;
        Some(self.symbol(best))
    }
}

impl fmt::Debug for SymbolTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SymbolTable({} symbols)", self.len())
    }
}

impl<'a> Symbol<'a> {
    /// Where it begins. For [`SymbolKind::Tls`] this is no address but an offset in the image's TLS
    /// block.
    pub fn address(&self) -> LinkAddress {
        LinkAddress::new(self.table.entry(self.index).map_or(0, |entry| entry.address))
    }

    /// How many bytes it spans; 0 if the file does not say.
    pub fn size_bytes(&self) -> u64 {
        self.table.entry(self.index).map_or(0, |entry| entry.size_bytes)
    }

    /// What it stands for.
    pub fn kind(&self) -> SymbolKind {
        self.table.entry(self.index).map_or(SymbolKind::NoType, |entry| entry.kind)
    }

    /// How far it is visible.
    pub fn binding(&self) -> SymbolBinding {
        self.table.entry(self.index).map_or(SymbolBinding::Local, |entry| entry.binding)
    }

    /// Whether it names instructions.
    pub fn is_code(&self) -> bool {
        use SymbolKind::{Function, IndirectFunction, PltEntry};
        matches!(self.kind(), Function | IndirectFunction | PltEntry)
    }

    /// The name in the file, mangled, without version. Bytes that are no UTF-8 are replaced.
    pub fn raw_name(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.table.base_name(self.index))
    }

    /// The version, if it has one that is known.
    pub fn version(&self) -> Option<SymbolVersion<'a>> {
        let entry = self.table.entry(self.index)?;
        let name = std::str::from_utf8(self.table.version_name(self.index)?).ok()?;
        Some(SymbolVersion { name, is_default: !entry.is_hidden })
    }

    /// The name for people: demangled, without parameters. A version that is not the default is
    /// part of it: `memcpy@GLIBC_2.2.5`.
    pub fn name(&self) -> Cow<'a, str> {
        let name = self.table.path(self.index).unwrap_or_else(|| self.raw_name());
        self.with_version(name)
    }

    /// The name for people: demangled, with parameters, where the mangled name tells them.
    pub fn full_name(&self) -> Cow<'a, str> {
        let name = match self.raw_name() {
            Cow::Borrowed(raw) => demangle(raw),
            owned => owned,
        };
        self.with_version(name)
    }

    /// Whether the name in the file is a mangled one.
    pub fn is_mangled(&self) -> bool {
        is_mangled(&self.raw_name())
    }

    fn with_version(&self, name: Cow<'a, str>) -> Cow<'a, str> {
        match self.version() {
            Some(SymbolVersion { name: version, is_default: false }) => {
                Cow::Owned(format!("{name}@{version}"))
            }
            _ => name,
        }
    }
}

impl PartialEq for Symbol<'_> {
    fn eq(&self, other: &Symbol<'_>) -> bool {
        std::ptr::eq(self.table, other.table) && self.index == other.index
    }
}

impl Eq for Symbol<'_> {}

impl fmt::Debug for Symbol<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Symbol({} at {:#x})", self.name(), self.address())
    }
}

#[cfg(test)]
#[path = "symtab/tests.rs"]
mod tests;
