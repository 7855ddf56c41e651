//! The notes of a core file: what the kernel tells of a process and its threads (`<sys/procfs.h>`,
//! `<linux/elf.h>`). Pure.

use dbgbase::x86_64::GENERAL;
use dbgbase::{GeneralRegisters, RegisterId};
use dbgwire::verbs::description::AuxiliaryEntry;
use dbgwire::verbs::memory::Region;
use dbgwire::verbs::process::ProcessDescription;

const NT_PRSTATUS: u32 = 1;
const NT_FPREGSET: u32 = 2;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_X86_XSTATE: u32 = 0x202;
const NT_SIGINFO: u32 = 0x5349_4749;
const NT_FILE: u32 = 0x4649_4c45;

/// How long `struct user_fpregs_struct` is, the head of the XSAVE area.
const FPREGS_LEN: usize = 512;
/// The shortest XSAVE area, with its header.
const XSAVE_LEN_MIN: usize = 576;
/// Where in the area the kernel says which components the system has enabled.
const XCR0_AT: usize = 464;
/// Where it says which components are not in their initial state (Intel SDM volume 1, 13.4.2).
const XSTATE_BV_AT: usize = 512;
/// The unit in which the note about files counts their offsets.
const PAGE_LEN: u64 = 4096;

/// What a core file tells of a process.
#[derive(Default, Debug)]
pub(crate) struct CoreProcess {
    /// What the system says of it.
    pub(crate) process: ProcessDescription,
    /// Its real group.
    pub(crate) gid: u32,
    /// Its auxiliary vector.
    pub(crate) auxiliary: Vec<AuxiliaryEntry>,
    /// Everything that is mapped.
    pub(crate) regions: Vec<Region>,
    /// Its threads, the one that the stop is about first.
    pub(crate) threads: Vec<CoreThread>,
    /// The `siginfo_t` of the first one; empty if there is none.
    pub(crate) signal_info: Vec<u8>,
    /// The signal that stopped it; 0 if none has.
    pub(crate) signal: u16,
    /// The components of the XSAVE area that the system has enabled, and how long it is with them.
    pub(crate) xsave: (u64, usize),
}

/// What it tells of a thread.
#[derive(Debug)]
pub(crate) struct CoreThread {
    /// Its id.
    pub(crate) tid: u32,
    /// Its general registers.
    pub(crate) general: GeneralRegisters,
    /// The head of its XSAVE area; empty if it is not known.
    pub(crate) extended: Vec<u8>,
}

/// All notes.
pub(super) fn write(process: &CoreProcess) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, thread) in process.threads.iter().enumerate() {
        note(&mut bytes, b"CORE\0", NT_PRSTATUS, &status(process, thread, index == 0));
        if index == 0 {
            note(&mut bytes, b"CORE\0", NT_PRPSINFO, &information(process));
            if !process.signal_info.is_empty() {
                note(&mut bytes, b"CORE\0", NT_SIGINFO, &process.signal_info);
            }
            note(&mut bytes, b"CORE\0", NT_AUXV, &auxiliary(&process.auxiliary));
            note(&mut bytes, b"CORE\0", NT_FILE, &files(&process.regions));
        }
        if let Some(floating) = thread.extended.get(..FPREGS_LEN) {
            note(&mut bytes, b"CORE\0", NT_FPREGSET, floating);
            note(&mut bytes, b"LINUX\0", NT_X86_XSTATE, &xstate(process, &thread.extended));
        }
    }
    bytes
}

fn note(bytes: &mut Vec<u8>, name: &[u8], kind: u32, content: &[u8]) {
    for value in [name.len() as u32, content.len() as u32, kind] {
        bytes.extend(value.to_le_bytes());
    }
    for part in [name, content] {
        bytes.extend(part);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
}

/// `struct elf_prstatus`
fn status(process: &CoreProcess, thread: &CoreThread, is_first: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let signal = if is_first { process.signal } else { 0 };
    for value in [u32::from(signal), 0, 0, u32::from(signal)] {
        bytes.extend(value.to_le_bytes());
    }
    // Signals that wait, and those that are blocked, are not known.
    bytes.resize(bytes.len() + 16, 0);
    let described = &process.process;
    for value in [thread.tid, described.parent, described.session, described.session] {
        bytes.extend(value.to_le_bytes());
    }
    // Nor are times.
    bytes.resize(bytes.len() + 64, 0);
    let mut slots = [0u64; 27];
    for (index, register) in GENERAL.iter().enumerate() {
        if let Some(slot) = slots.get_mut(usize::from(register.ptrace_slot)) {
            *slot = thread.general.get(RegisterId::new(index as u16));
        }
    }
    slots.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    bytes.extend(u32::from(!thread.extended.is_empty()).to_le_bytes());
    bytes.extend([0; 4]);
    bytes
}

/// `struct elf_prpsinfo`
fn information(process: &CoreProcess) -> Vec<u8> {
    let described = &process.process;
    let state = described.state as u8;
    let mut bytes = vec![0, state, u8::from(state == b'Z'), 0, 0, 0, 0, 0];
    bytes.extend([0; 8]);
    let session = described.session;
    for value in [described.uid, process.gid, described.pid, described.parent, session, session] {
        bytes.extend(value.to_le_bytes());
    }
    text(&mut bytes, described.name.as_bytes(), 16);
    text(&mut bytes, &described.arguments.join(&b' '), 80);
    bytes
}

/// Writes text into a field, cut so that a zero ends it.
fn text(bytes: &mut Vec<u8>, text: &[u8], len: usize) {
    let end = bytes.len() + len;
    bytes.extend(text.iter().take(len - 1));
    bytes.resize(end, 0);
}

fn auxiliary(entries: &[AuxiliaryEntry]) -> Vec<u8> {
    let pairs = entries.iter().flat_map(|entry| [entry.key, entry.value]);
    pairs.chain([0, 0]).flat_map(u64::to_le_bytes).collect()
}

/// Which files are mapped where: a count, a unit, for each start, end and offset, then the names.
fn files(regions: &[Region]) -> Vec<u8> {
    let mapped: Vec<&Region> =
        regions.iter().filter(|region| region.name.starts_with(b"/")).collect();
    let places =
        mapped.iter().flat_map(|region| [region.start, region.end, region.offset / PAGE_LEN]);
    let numbers = [mapped.len() as u64, PAGE_LEN].into_iter().chain(places);
    let mut bytes: Vec<u8> = numbers.flat_map(u64::to_le_bytes).collect();
    for region in mapped {
        bytes.extend(&region.name);
        bytes.push(0);
    }
    bytes
}

/// The whole XSAVE area, with what the kernel writes into it for debuggers.
fn xstate(process: &CoreProcess, extended: &[u8]) -> Vec<u8> {
    let (xcr0, len) = process.xsave;
    let mut bytes = extended.to_vec();
    // What the area lacks is in its initial state, as its header says.
    bytes.resize(len.max(XSAVE_LEN_MIN), 0);
    if let Some(place) = bytes.get_mut(XCR0_AT..XCR0_AT + 8) {
        place.copy_from_slice(&xcr0.to_le_bytes());
    }
    if let Some(place) = bytes.get_mut(XSTATE_BV_AT..XSTATE_BV_AT + 8) {
        let bits = place.iter_mut().zip(xcr0.to_le_bytes());
        bits.for_each(|(byte, known)| *byte &= known);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use dbgbase::Arch;

    #[test]
    fn structures_have_the_kernels_lengths() {
        let general = GeneralRegisters::zeroed(Arch::X86_64);
        let thread = CoreThread { tid: 7, general, extended: vec![0; 600] };
        let process = CoreProcess { signal: 11, ..CoreProcess::default() };
        let status = status(&process, &thread, true);
        assert_eq!(status.len(), 336);
        assert_eq!((status[0], status[12], status[32]), (11, 11, 7));
        assert_eq!(information(&process).len(), 136);
        assert_eq!(xstate(&CoreProcess { xsave: (7, 832), ..process }, &[1; 600]).len(), 832);
    }

    #[test]
    fn notes_are_padded_to_words() {
        let mut bytes = Vec::new();
        note(&mut bytes, b"LINUX\0", 1, b"abcde");
        assert_eq!(bytes.len(), 12 + 8 + 8);
        assert_eq!(bytes[..12], [6, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0]);
    }

    #[test]
    fn files_are_listed_with_their_places() {
        let region = Region {
            start: 0x1000,
            end: 0x3000,
            protection: 5,
            offset: 0x2000,
            name: b"/a".to_vec(),
        };
        let bytes = files(&[region, Region::default()]);
        let numbers: Vec<u64> = bytes[..40]
            .chunks_exact(8)
            .map(|bytes| u64::from_le_bytes(bytes.try_into().expect("eight")))
            .collect();
        assert_eq!(numbers, [1, 4096, 0x1000, 0x3000, 2]);
        assert_eq!(bytes[40..], *b"/a\0");
    }
}
