//! Which images a target has mapped, in the dynamic linker's order, and where the linker announces
//! changes. Reads /proc and the target's memory; knows no symbols beyond the two names of the
//! dynamic linker's interface.

pub(super) mod announce;
#[cfg(test)]
mod hostile;
mod linker;

use std::collections::{BTreeMap, HashMap};

use dbgbase::{Address, AddressRange, Pid, ReadMemory};
use dbgwire::verbs::module::ModuleDescription;

use super::NAMES_LEN_MAX;
use super::elf::MappedImage;
use super::procfs::{self, Mapping};
use linker::Loaded;

/// Keys of the auxiliary vector (`<elf.h>`).
const AT_PHDR: u64 = 3;
const AT_BASE: u64 = 7;
const AT_ENTRY: u64 = 9;

/// Where the linker leaves the address of its `struct r_debug` for debuggers (`<elf.h>`).
const DT_DEBUG: u64 = 21;

/// More than the bytes of a module's description without its path.
const MODULE_LEN: usize = 160;

/// What was read of images before, by where they begin. It holds as long as the same part of the
/// same file is mapped there.
#[derive(Default)]
pub(super) struct Cache {
    known: BTreeMap<Address, (Mapping, Option<ModuleDescription>)>,
}

/// The images a process has mapped: the program first, then the others as the dynamic linker lists
/// them, then those that it does not list, by address: the linker itself before it has begun, the
/// kernel's, whatever the program has mapped by itself.
pub(super) fn list(
    pid: Pid,
    memory: &impl ReadMemory,
    rendezvous: Option<&Rendezvous>,
    cache: &mut Cache,
) -> Vec<ModuleDescription> {
    let maps = procfs::maps(pid);
    let auxv = procfs::read_shared(pid, "auxv");
    let program_headers = procfs::auxv_value(&auxv, AT_PHDR).map(Address::new);
    let mut images = images(&maps, memory, cache);
    // The nearest below them: what an image says of its length need not be true.
    let program = program_headers
        .and_then(|headers| images.iter_mut().rfind(|module| spans(module, headers)));
    let mut r_debug = rendezvous.and_then(|rendezvous| rendezvous.r_debug);
    if let Some(program) = program {
        program.is_program = true;
        r_debug = r_debug.or_else(|| debug_entry(memory, program));
    }
    let order = r_debug.map(|r_debug| order(r_debug, memory)).unwrap_or_default();
    let mut ranks = HashMap::new();
    for module in &mut images {
        let found = order.range(Address::new(module.base)..).next();
        if let Some((_, (rank, loaded))) = found.filter(|(dynamic, _)| spans(module, **dynamic)) {
            ranks.insert(module.base, *rank);
            module.link_map = loaded.link_map.value();
            module.dynamic = loaded.dynamic.value();
            module.namespace = loaded.namespace.value();
        }
    }
    let rank = |module: &ModuleDescription| ranks.get(&module.base).copied().unwrap_or(usize::MAX);
    // A file that is only read is mapped as an image may be, but nothing of it can be executed.
    let code = Code::of(&maps);
    images.retain(|module| module.is_program || rank(module) < usize::MAX || code.is_in(module));
    images.sort_by_cached_key(|module| (!module.is_program, rank(module), module.base));
    // A list that no program has, but a hostile one might: what does not fit a frame is left out.
    let mut len = 0;
    images.retain(|module| {
        len += module.path.len() + MODULE_LEN;
        len <= NAMES_LEN_MAX
    });
    images
}

/// Everything that may be an image, by address.
fn images(maps: &[Mapping], memory: &impl ReadMemory, cache: &mut Cache) -> Vec<ModuleDescription> {
    let mut old = std::mem::take(&mut cache.known);
    for mapping in maps.iter().filter(|mapping| may_begin_image(mapping)) {
        let start = mapping.range.start();
        let known = old.remove(&start).filter(|(known, _)| known == mapping);
        let entry = known.unwrap_or_else(|| (mapping.clone(), describe(mapping, memory)));
        cache.known.insert(start, entry);
    }
    cache.known.values().filter_map(|(_, module)| module.clone()).collect()
}

fn may_begin_image(mapping: &Mapping) -> bool {
    let is_file = mapping.name.starts_with(b"/") || mapping.name == b"[vdso]";
    is_file && mapping.offset == 0 && mapping.protection & 1 != 0
}

fn describe(mapping: &Mapping, memory: &impl ReadMemory) -> Option<ModuleDescription> {
    let image = MappedImage::at(memory, mapping.range.start())?;
    Some(ModuleDescription {
        base: mapping.range.start().value(),
        size: image.span().max(mapping.range.len_bytes()),
        bias: image.bias().value(),
        path: mapping.name.clone(),
        build_id: image.build_id(),
        ..ModuleDescription::default()
    })
}

fn range(module: &ModuleDescription) -> Option<AddressRange> {
    AddressRange::with_len(Address::new(module.base), module.size)
}

fn spans(module: &ModuleDescription, address: Address) -> bool {
    range(module).is_some_and(|range| range.contains(address))
}

/// What the linker says of the image of each dynamic section, and its place in the linker's order.
fn order(r_debug: Address, memory: &impl ReadMemory) -> BTreeMap<Address, (usize, Loaded)> {
    let mut order = BTreeMap::new();
    for (rank, loaded) in linker::loaded(r_debug, memory).into_iter().enumerate() {
        order.entry(loaded.dynamic).or_insert((rank, loaded));
    }
    order
}

/// Where files are mapped to be executed: for each name the ranges, in ascending order.
struct Code<'a> {
    ranges: HashMap<&'a [u8], Vec<AddressRange>>,
}

impl<'a> Code<'a> {
    fn of(maps: &'a [Mapping]) -> Code<'a> {
        const EXECUTABLE: u32 = 4;
        let mut ranges: HashMap<&[u8], Vec<AddressRange>> = HashMap::new();
        for mapping in maps.iter().filter(|mapping| mapping.protection & EXECUTABLE != 0) {
            ranges.entry(&mapping.name).or_default().push(mapping.range);
        }
        Code { ranges }
    }

    /// Whether a part of the image's file is mapped to be executed.
    fn is_in(&self, module: &ModuleDescription) -> bool {
        let (Some(span), Some(ranges)) = (range(module), self.ranges.get(module.path.as_slice()))
        else {
            return false;
        };
        let first = ranges.partition_point(|range| range.end() <= span.start());
        ranges.get(first).is_some_and(|range| range.intersection(&span).is_some())
    }
}

/// What the linker has left in the program's dynamic section.
fn debug_entry(memory: &impl ReadMemory, program: &ModuleDescription) -> Option<Address> {
    let image = MappedImage::at(memory, Address::new(program.base))?;
    image.dynamic_value(DT_DEBUG).filter(|value| *value != 0).map(Address::new)
}

/// The dynamic linker's interface for debuggers in one process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rendezvous {
    /// The function it calls before and after the list changes.
    pub(super) notify: Address,
    /// Its `struct r_debug`, if it exports it. glibc does. musl leaves it in the program's dynamic
    /// section when it has begun, and calls `notify` only when its list is whole.
    pub(super) r_debug: Option<Address>,
}

/// The interface of the process's dynamic linker; `None` for a static program, or a linker that has
/// neither exported the names that glibc's and musl's do nor written down where it announces.
pub(super) fn rendezvous(pid: Pid, memory: &impl ReadMemory) -> Option<Rendezvous> {
    let auxv = procfs::read_shared(pid, "auxv");
    let base = procfs::auxv_value(&auxv, AT_BASE).filter(|base| *base != 0)?;
    let linker = MappedImage::at(memory, Address::new(base))?;
    let r_debug = linker.dynamic_symbol(b"_r_debug");
    let notify =
        linker.dynamic_symbol(b"_dl_debug_state").or_else(|| linker::notify(r_debug?, memory))?;
    Some(Rendezvous { notify, r_debug })
}

/// Whether the dynamic linker says that its lists are whole.
pub(super) fn is_whole(rendezvous: &Rendezvous, memory: &impl ReadMemory) -> bool {
    rendezvous.r_debug.is_none_or(|r_debug| linker::is_whole(r_debug, memory))
}

/// Where the program proper begins.
pub(super) fn entry(pid: Pid) -> Option<Address> {
    let auxv = procfs::read_shared(pid, "auxv");
    procfs::auxv_value(&auxv, AT_ENTRY).filter(|entry| *entry != 0).map(Address::new)
}

/// Whether the process has a dynamic linker.
pub(super) fn has_linker(pid: Pid) -> bool {
    let auxv = procfs::read_shared(pid, "auxv");
    procfs::auxv_value(&auxv, AT_BASE).is_some_and(|base| base != 0)
}
