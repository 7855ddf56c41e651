//! Names for the procedure linkage table of x86-64. Its entries have no symbols; each jumps through
//! a slot that the dynamic linker fills, and the slot's relocation says with which function. So an
//! entry is named after its slot. It knows the instructions of an entry, not how they are laid out:
//! `.plt`, `.plt.sec` and `.plt.got` of all linkers are read alike.

use std::collections::HashMap;

use dbgbase::{Arch, LinkAddress};
use iced_x86::{Code, Decoder, DecoderOptions};
use object::LittleEndian;
use object::elf::{self, SectionHeader64};
use object::read::elf::SectionHeader as _;

use crate::image::Image;

const LE: LittleEndian = LittleEndian;

/// All entries begin at multiples of this; those with a lazy part or `endbr64` take two.
const ENTRY_STEP_BYTES: usize = 8;
/// No entry is longer.
const ENTRY_SIZE_MAX_BYTES: u64 = 16;
/// Linkers make up to four sections of entries.
const SECTIONS_MAX: usize = 8;
/// The jump through the slot is the first instruction, or the second behind `endbr64`.
const INSTRUCTIONS_MAX: usize = 2;

/// What the dynamic linker puts into a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Relocation {
    /// The address of the dynamic symbol at this index.
    Symbol(u32),
    /// What the indirect function at this link address returns.
    Resolver(u64),
}

/// One entry.
pub(super) struct PltEntry {
    pub(super) address: LinkAddress,
    pub(super) size_bytes: u64,
    pub(super) relocation: Relocation,
}

/// The slots that have a relocation to a function, by link address.
pub(super) fn relocations(
    headers: &[SectionHeader64<LittleEndian>],
    file: &[u8],
) -> HashMap<u64, Relocation> {
    let mut slots = HashMap::new();
    // Sections made to overlap would cost their number times their size.
    let mut left = file.len() / size_of::<elf::Rela64<LittleEndian>>();
    for header in headers {
        let Ok(Some((relocations, _))) = header.rela(LE, file) else {
            continue;
        };
        for relocation in relocations.iter().take(left) {
            let value = match relocation.r_type(LE, false) {
                elf::R_X86_64_JUMP_SLOT | elf::R_X86_64_GLOB_DAT => {
                    Relocation::Symbol(relocation.r_sym(LE, false))
                }
                elf::R_X86_64_IRELATIVE => Relocation::Resolver(relocation.r_addend.get(LE) as u64),
                _ => continue,
            };
            slots.insert(relocation.r_offset.get(LE), value);
        }
        left -= relocations.len().min(left);
    }
    slots
}

/// The entries of all `.plt` sections.
pub(super) fn entries(image: &Image, slots: &HashMap<u64, Relocation>) -> Vec<PltEntry> {
    let mut found = Vec::new();
    if image.arch() != Arch::X86_64 || slots.is_empty() {
        return found;
    }
    let is_plt = |name: &str| name == ".plt" || name.starts_with(".plt.") || name == ".iplt";
    let sections = image.sections().iter().filter(|section| is_plt(&section.name));
    for section in sections.take(SECTIONS_MAX) {
        let Some(bytes) = image.section_bytes(&section.name) else {
            continue;
        };
        let first = found.len();
        let code = bytes.as_slice();
        for start in (0..code.len()).step_by(ENTRY_STEP_BYTES) {
            let address = section.address.value().wrapping_add(start as u64);
            let slot = slot_of_entry(code.get(start..).unwrap_or_default(), address);
            if let Some(relocation) = slot.and_then(|slot| slots.get(&slot)) {
                found.push(PltEntry {
                    address: LinkAddress::new(address),
                    size_bytes: ENTRY_SIZE_MAX_BYTES,
                    relocation: *relocation,
                });
            }
        }
        let end = section.address.value().wrapping_add(code.len() as u64);
        bound_sizes(found.get_mut(first..).unwrap_or_default(), end);
    }
    found
}

/// Lets each entry of one section end where the next begins, the last with the section.
fn bound_sizes(entries: &mut [PltEntry], section_end: u64) {
    let mut next = section_end;
    for entry in entries.iter_mut().rev() {
        let room = next.saturating_sub(entry.address.value());
        entry.size_bytes = entry.size_bytes.min(room);
        next = entry.address.value();
    }
}

/// The slot through which the entry at the start of `code` jumps.
fn slot_of_entry(code: &[u8], address: u64) -> Option<u64> {
    let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
    for _ in 0..INSTRUCTIONS_MAX {
        let instruction = decoder.decode();
        match instruction.code() {
            Code::Jmp_rm64 if instruction.is_ip_rel_memory_operand() => {
                return Some(instruction.ip_rel_memory_address());
            }
            Code::Endbr64 => {}
            _ => return None,
        }
    }
    None
}
