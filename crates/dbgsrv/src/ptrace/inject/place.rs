//! Where in a target there is an instruction that enters the kernel: the vdso of every process has
//! one, and so has its C library. No byte is written for it.

use dbgbase::Address;
use dbgwire::{ErrorCode, Fault};

use super::super::memory::TargetMemory;
use super::super::procfs::{self, Mapping};
use super::super::target::Target;
use super::convention::Convention;

/// How much is looked at in one piece.
const PIECE_LEN: u64 = 256 * 1024;
/// How much is looked at altogether, before it is given up.
const LEN_MAX: u64 = 256 * 1024 * 1024;
/// Executable.
const EXECUTABLE: u32 = 4;

/// An address at which the instruction lies in executable memory, really and now: not below a
/// site.
///
/// **Errors**: [`ErrorCode::Unsupported`] if there is none.
pub(super) fn find(target: &Target, convention: &Convention) -> Result<Address, Fault> {
    let (memory, wanted) = (&target.memory, convention.instruction);
    let is_still_there = |known: &Address| {
        let mut found = vec![0; wanted.len()];
        memory.lock().peek(*known, &mut found).is_ok() && found == wanted
    };
    if let Some(known) = target.call_place.filter(is_still_there) {
        return Ok(known);
    }
    let maps = procfs::parse_maps(&procfs::read_shared(target.pid, "maps"));
    let is_vdso = |mapping: &&Mapping| mapping.name == b"[vdso]";
    let is_code = |mapping: &&Mapping| mapping.protection & EXECUTABLE != 0;
    let code = || maps.iter().filter(is_code);
    let mut budget = LEN_MAX;
    code()
        .filter(is_vdso)
        .chain(code().filter(|mapping| !is_vdso(mapping)))
        .find_map(|mapping| find_in(memory, mapping, wanted, convention.alignment, &mut budget))
        .ok_or_else(|| {
            let detail = format!(
                "no executable memory of process {} has an instruction that enters the kernel",
                target.pid
            );
            Fault::new(ErrorCode::Unsupported, detail)
        })
}

fn find_in(
    memory: &TargetMemory,
    mapping: &Mapping,
    wanted: &[u8],
    alignment: u64,
    budget: &mut u64,
) -> Option<Address> {
    let mut start = mapping.range.start();
    while start < mapping.range.end() && *budget > 0 {
        let len = (mapping.range.end().value() - start.value()).min(PIECE_LEN);
        *budget = budget.saturating_sub(len);
        let mut piece = vec![0; len as usize];
        if memory.lock().peek(start, &mut piece).is_err() {
            return None;
        }
        let is_here = |at: &usize| (start.value() + *at as u64).is_multiple_of(alignment);
        // What stands in a slot does not stay there.
        let is_slot = |at: &Address| memory.lock().sites.slots.overlaps(*at, wanted.len());
        let found = piece
            .windows(wanted.len())
            .enumerate()
            .filter(|(_, window)| *window == wanted)
            .map(|(at, _)| at)
            .filter(is_here)
            .filter_map(|at| start.checked_add(at as u64))
            .find(|at| !is_slot(at));
        if found.is_some() {
            return found;
        }
        if start.value() + len >= mapping.range.end().value() {
            break;
        }
        // An instruction may lie across the border of two pieces.
        let overlap = wanted.len() as u64 - 1;
        start = start.checked_add(len - overlap)?;
    }
    None
}
