//! Just enough of ELF core files (core(5)) to unwind the threads in them: registers, memory, and
//! which files were mapped where.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use dbgbase::{Address, Arch, GeneralRegisters, LoadBias, ReadMemory, Unreadable};
use dbgsym::{Image, ImageBytes};
use object::LittleEndian;
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader as _, ProgramHeader as _};

use crate::programs::image;

const LE: LittleEndian = LittleEndian;

/// Where `struct elf_prstatus` has the thread's id and its registers.
const PRSTATUS_PID: usize = 32;
const PRSTATUS_REGISTERS: usize = 112;
/// Where the area that FXSAVE fills has the x87 and vector registers (Intel SDM volume 1, 10.5.1),
/// and their numbers in DWARF.
const FXSAVE_X87: usize = 32;
const FXSAVE_XMM: usize = 160;
const DWARF_XMM: u16 = 17;
const DWARF_X87: u16 = 33;
/// The entry of the auxiliary vector that says where the vDSO is (getauxval(3)).
const AT_SYSINFO_EHDR: u64 = 33;

/// One core file.
pub(crate) struct CoreFile {
    memory: Memory,
    /// Thread id and registers.
    pub(crate) threads: Vec<(u32, GeneralRegisters)>,
    /// The areas of FXSAVE of the threads.
    vectors: Vec<Vec<u8>>,
    images: Vec<(Arc<Image>, LoadBias)>,
}

/// Images by their paths.
pub(crate) type ImageFiles = HashMap<String, Arc<Image>>;

/// The memory in a core file.
pub(crate) struct Memory(Vec<(u64, Vec<u8>)>);

impl ReadMemory for Memory {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<usize, Unreadable> {
        let found = self.0.iter().find_map(|(start, bytes)| {
            bytes
                .get(address.value().checked_sub(*start)? as usize..)
                .filter(|rest| !rest.is_empty())
        });
        let rest = found.ok_or(Unreadable { address })?;
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

impl CoreFile {
    pub(crate) fn read(path: &Path) -> CoreFile {
        CoreFile::read_with(path, &mut ImageFiles::new())
    }

    /// As [`CoreFile::read`], with the images that others have read.
    pub(crate) fn read_with(path: &Path, files: &mut ImageFiles) -> CoreFile {
        let file = std::fs::read(path).expect("the core file was written");
        let header = FileHeader64::<LittleEndian>::parse(&*file).expect("an ELF file");
        let programs = header.program_headers(LE, &*file).expect("sound");
        let mut core = CoreFile {
            memory: Memory(Vec::new()),
            threads: Vec::new(),
            vectors: Vec::new(),
            images: Vec::new(),
        };
        let mut vdso = None;
        for program in programs {
            if program.p_type(LE) == elf::PT_LOAD {
                let bytes = program.data(LE, &*file).expect("whole").to_vec();
                core.memory.0.push((program.p_vaddr(LE), bytes));
                continue;
            }
            let mut notes = program.notes(LE, &*file).expect("sound").expect("only notes are left");
            while let Some(note) = notes.next().expect("sound") {
                match note.n_type(LE) {
                    elf::NT_PRSTATUS => core.threads.push(thread(note.desc())),
                    elf::NT_PRFPREG => core.vectors.push(note.desc().to_vec()),
                    elf::NT_FILE => core.images.extend(mapped_images(note.desc(), files)),
                    elf::NT_AUXV => vdso = vdso_address(note.desc()),
                    _ => {}
                }
            }
        }
        core.images.extend(vdso.and_then(|start| core.vdso(start)));
        core
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// An x87 or vector register of a thread, by its number in DWARF.
    pub(crate) fn vector(&self, thread: usize, dwarf: u16) -> Option<&[u8]> {
        let (start, size) = match dwarf {
            DWARF_XMM..DWARF_X87 => (FXSAVE_XMM + 16 * usize::from(dwarf - DWARF_XMM), 16),
            DWARF_X87..41 => (FXSAVE_X87 + 16 * usize::from(dwarf - DWARF_X87), 10),
            _ => return None,
        };
        self.vectors.get(thread)?.get(start..start + size)
    }

    /// The image at an address.
    pub(crate) fn locate(&self, address: Address) -> Option<(&Image, LoadBias)> {
        let found = self.images.iter().find(|(image, bias)| {
            image.loaded_range(*bias).is_some_and(|range| range.contains(address))
        });
        found.map(|(image, bias)| (&**image, *bias))
    }

    /// The same, but all images have lost their section headers.
    pub(crate) fn without_section_headers(mut self) -> CoreFile {
        for (image, _) in &mut self.images {
            let mut bytes = image.bytes().as_slice().to_vec();
            bytes[40..48].fill(0); // e_shoff
            bytes[60..64].fill(0); // e_shnum, e_shstrndx
            *image =
                Arc::new(Image::parse(ImageBytes::from(bytes)).expect("sections are optional"));
            assert!(image.sections().is_empty());
        }
        self
    }

    fn vdso(&self, start: u64) -> Option<(Arc<Image>, LoadBias)> {
        let (_, bytes) = self.memory.0.iter().find(|(at, _)| *at == start)?;
        let image = Image::parse(ImageBytes::from(bytes.clone())).expect("the vDSO is sound");
        let bias = image.load_bias(Address::new(start), 0).expect("it is loaded");
        Some((Arc::new(image), bias))
    }
}

fn thread(status: &[u8]) -> (u32, GeneralRegisters) {
    let pid = word(status, PRSTATUS_PID) as u32;
    let mut registers = GeneralRegisters::zeroed(Arch::X86_64);
    for (index, description) in Arch::X86_64.general_registers().iter().enumerate() {
        let at = PRSTATUS_REGISTERS + 8 * usize::from(description.ptrace_slot);
        registers.set(dbgbase::RegisterId::new(index as u16), word(status, at));
    }
    (pid, registers)
}

fn vdso_address(auxv: &[u8]) -> Option<u64> {
    auxv.chunks_exact(16).find(|pair| word(pair, 0) == AT_SYSINFO_EHDR).map(|pair| word(pair, 8))
}

/// `NT_FILE`: count, page size, then start, end and page offset of each mapping, then the names.
fn mapped_images(note: &[u8], files: &mut ImageFiles) -> Vec<(Arc<Image>, LoadBias)> {
    let count = word(note, 0) as usize;
    let page_size = word(note, 8);
    let names = note[16 + count * 24..].split(|byte| *byte == 0);
    let mut lowest: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (index, name) in names.take(count).enumerate() {
        let at = 16 + index * 24;
        let mapping = (word(note, at), word(note, at + 16) * page_size);
        let name = String::from_utf8(name.to_vec()).expect("plain names");
        let known = lowest.entry(name).or_insert(mapping);
        *known = mapping.min(*known);
    }
    lowest
        .iter()
        .map(|(name, (start, offset))| {
            let file = files.entry(name.clone());
            let image = Arc::clone(file.or_insert_with(|| Arc::new(image(Path::new(name)))));
            let bias = image.load_bias(Address::new(*start), *offset).expect("it is loaded");
            (image, bias)
        })
        .collect()
}
