//! Which images a target has mapped, and where its dynamic linker announces changes. Reads /proc
//! and the target's memory; knows no symbols beyond the two names of the dynamic linker's
//! interface.

use dbgbase::{Address, Pid, ReadMemory, read_u32};
use dbgwire::verbs::module::ModuleDescription;

use super::NAMES_LEN_MAX;
use super::elf::MappedImage;
use super::procfs::{self, Mapping};

/// Keys of the auxiliary vector (`<elf.h>`).
const AT_PHDR: u64 = 3;
const AT_BASE: u64 = 7;
const AT_ENTRY: u64 = 9;

/// More than the bytes of a module's description without its path.
const MODULE_LEN: usize = 128;

/// Where `struct r_debug` keeps `r_state` (`<link.h>`).
const R_STATE_OFFSET: u64 = 24;
/// `RT_CONSISTENT` of `<link.h>`: the list is whole.
const RT_CONSISTENT: u32 = 0;

/// The images a process has mapped: the program first, the others by address.
pub(super) fn list(pid: Pid, memory: &impl ReadMemory) -> Vec<ModuleDescription> {
    let maps = procfs::parse_maps(&procfs::read_shared(pid, "maps"));
    let auxv = procfs::read_shared(pid, "auxv");
    let program_headers = procfs::auxv_value(&auxv, AT_PHDR).map(Address::new);
    let mut modules: Vec<ModuleDescription> =
        maps.iter().filter_map(|mapping| describe(mapping, memory)).collect();
    for module in &mut modules {
        let start = Address::new(module.base);
        let offset = program_headers.and_then(|headers| headers.offset_from(start));
        module.is_program = offset.is_some_and(|offset| offset < module.size);
    }
    modules.sort_by_key(|module| (!module.is_program, module.base));
    // A list that no program has, but a hostile one might: what does not fit a frame is left out.
    let mut len = 0;
    modules.retain(|module| {
        len += module.path.len() + MODULE_LEN;
        len <= NAMES_LEN_MAX
    });
    modules
}

fn describe(mapping: &Mapping, memory: &impl ReadMemory) -> Option<ModuleDescription> {
    let is_image_start = mapping.offset == 0 && mapping.protection & 1 != 0;
    let is_file = mapping.name.starts_with(b"/") || mapping.name == b"[vdso]";
    if !is_image_start || !is_file {
        return None;
    }
    let image = MappedImage::at(memory, mapping.range.start())?;
    let span = image.span();
    // A file that was only read into memory is mapped whole at offset 0 and nowhere else; an image
    // spans its segments.
    Some(ModuleDescription {
        base: mapping.range.start().value(),
        size: span.max(mapping.range.len_bytes()),
        bias: image.bias().value(),
        path: mapping.name.clone(),
        build_id: image.build_id(),
        is_program: false,
    })
}

/// The dynamic linker's interface for debuggers in one process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rendezvous {
    /// The function it calls before and after the list changes.
    pub(super) notify: Address,
    /// Its `struct r_debug`, if it exports it. glibc does; musl calls `notify` only when its list
    /// is whole.
    pub(super) r_debug: Option<Address>,
}

/// The interface of the process's dynamic linker; `None` for a static program, or a linker that
/// does not export the name that glibc's and musl's do.
pub(super) fn rendezvous(pid: Pid, memory: &impl ReadMemory) -> Option<Rendezvous> {
    let auxv = procfs::read_shared(pid, "auxv");
    let base = procfs::auxv_value(&auxv, AT_BASE).filter(|base| *base != 0)?;
    let linker = MappedImage::at(memory, Address::new(base))?;
    Some(Rendezvous {
        notify: linker.dynamic_symbol(b"_dl_debug_state")?,
        r_debug: linker.dynamic_symbol(b"_r_debug"),
    })
}

/// Whether the dynamic linker says its list is whole. An unreadable state counts as whole.
pub(super) fn is_consistent(rendezvous: &Rendezvous, memory: &impl ReadMemory) -> bool {
    let state = rendezvous.r_debug.and_then(|at| at.checked_add(R_STATE_OFFSET));
    let state = state.map(|at| read_u32(memory, at));
    !matches!(state, Some(Ok(state)) if state != RT_CONSISTENT)
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
