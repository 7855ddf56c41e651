//! Small ELF files made in memory, so that tests can say exactly what an image contains. Only tests
//! are compiled with it.

use dbgbase::{Arch, LinkAddress};

use crate::{Image, ImageBytes};

pub(crate) const SHT_PROGBITS: u32 = 1;
pub(crate) const SHT_SYMTAB: u32 = 2;
const SHT_STRTAB: u32 = 3;
const SHF_ALLOC: u64 = 2;
const SHF_EXECINSTR: u64 = 4;
pub(crate) const SHF_COMPRESSED: u64 = 0x800;

const HEADER_SIZE_BYTES: usize = 64;
const PROGRAM_SIZE_BYTES: usize = 56;

/// An ELF file in the making. Its one segment maps the whole file at link address 0, so that file
/// offsets and link addresses are the same.
pub(crate) struct SyntheticElf {
    arch: Arch,
    file: Vec<u8>,
    names: Vec<u8>,
    section_headers: Vec<[u8; 64]>,
}

/// A symbol to be written.
#[derive(Clone)]
pub(crate) struct SyntheticSymbol {
    pub(crate) name: String,
    pub(crate) address: u64,
    pub(crate) size: u64,
    /// `st_type`: 0 none, 1 object, 2 function, 6 thread-local, 10 indirect function.
    pub(crate) kind: u8,
    /// `st_bind`: 0 local, 1 global, 2 weak.
    pub(crate) binding: u8,
}

impl SyntheticSymbol {
    /// A global function.
    pub(crate) fn function(name: &str, address: u64, size: u64) -> SyntheticSymbol {
        SyntheticSymbol { name: name.to_owned(), address, size, kind: 2, binding: 1 }
    }
}

impl SyntheticElf {
    pub(crate) fn new(arch: Arch) -> SyntheticElf {
        let mut elf = SyntheticElf {
            arch,
            file: vec![0; HEADER_SIZE_BYTES + PROGRAM_SIZE_BYTES],
            names: vec![0],
            section_headers: Vec::new(),
        };
        elf.push_header("", 0, 0, 0..0, 0, 0);
        elf
    }

    fn push_header(
        &mut self,
        name: &str,
        kind: u32,
        flags: u64,
        range: std::ops::Range<u64>,
        link: u32,
        entry_size: u64,
    ) {
        let mut header = [0; 64];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &(self.names.len() as u32).to_le_bytes());
        put(4, &kind.to_le_bytes());
        put(8, &flags.to_le_bytes());
        let address = if flags & SHF_ALLOC != 0 { range.start } else { 0 };
        put(16, &address.to_le_bytes());
        put(24, &range.start.to_le_bytes());
        put(32, &(range.end - range.start).to_le_bytes());
        put(40, &link.to_le_bytes());
        put(56, &entry_size.to_le_bytes());
        self.names.extend_from_slice(name.as_bytes());
        self.names.push(0);
        self.section_headers.push(header);
    }

    fn place(&mut self, bytes: &[u8]) -> std::ops::Range<u64> {
        self.file.resize(self.file.len().next_multiple_of(16), 0);
        let start = self.file.len() as u64;
        self.file.extend_from_slice(bytes);
        start..self.file.len() as u64
    }

    /// Adds a loaded section and says where it lies. `.text` has instructions.
    pub(crate) fn section(&mut self, name: &str, bytes: &[u8]) -> LinkAddress {
        let range = self.place(bytes);
        let flags = SHF_ALLOC | if name == ".text" { SHF_EXECINSTR } else { 0 };
        self.push_header(name, SHT_PROGBITS, flags, range.clone(), 0, 0);
        LinkAddress::new(range.start)
    }

    /// Adds a section that is not loaded.
    pub(crate) fn unloaded_section(&mut self, name: &str, flags: u64, bytes: &[u8]) {
        let range = self.place(bytes);
        self.push_header(name, SHT_PROGBITS, flags, range, 0, 0);
    }

    /// Adds `.symtab` and `.strtab`.
    pub(crate) fn symbols(&mut self, symbols: &[SyntheticSymbol]) {
        let mut strings = vec![0];
        let mut table = vec![0; 24];
        for symbol in symbols {
            table.extend((strings.len() as u32).to_le_bytes());
            table.extend([symbol.binding << 4 | symbol.kind, 0]);
            table.extend(1u16.to_le_bytes());
            table.extend(symbol.address.to_le_bytes());
            table.extend(symbol.size.to_le_bytes());
            strings.extend_from_slice(symbol.name.as_bytes());
            strings.push(0);
        }
        let link = self.section_headers.len() as u32 + 1;
        let range = self.place(&table);
        self.push_header(".symtab", SHT_SYMTAB, 0, range, link, 24);
        let range = self.place(&strings);
        self.push_header(".strtab", SHT_STRTAB, 0, range, 0, 0);
    }

    /// The finished file.
    pub(crate) fn bytes(mut self) -> Vec<u8> {
        // The table of names contains its own section's name, so its header comes first.
        self.push_header(".shstrtab", SHT_STRTAB, 0, 0..0, 0, 0);
        let names = self.names.clone();
        let range = self.place(&names);
        if let Some(header) = self.section_headers.last_mut() {
            header[24..32].copy_from_slice(&range.start.to_le_bytes());
            header[32..40].copy_from_slice(&(range.end - range.start).to_le_bytes());
        }
        let headers = self.section_headers.concat();
        let section_table = self.place(&headers).start;
        let size = self.file.len() as u64;
        let mut put = |at: usize, bytes: &[u8]| {
            self.file[at..at + bytes.len()].copy_from_slice(bytes);
        };
        let machine: u16 = if self.arch == Arch::X86_64 { 62 } else { 183 };
        put(0, b"\x7fELF\x02\x01\x01");
        put(16, &3u16.to_le_bytes());
        put(18, &machine.to_le_bytes());
        put(20, &1u32.to_le_bytes());
        put(32, &(HEADER_SIZE_BYTES as u64).to_le_bytes());
        put(40, &section_table.to_le_bytes());
        put(52, &(HEADER_SIZE_BYTES as u16).to_le_bytes());
        put(54, &(PROGRAM_SIZE_BYTES as u16).to_le_bytes());
        put(56, &1u16.to_le_bytes());
        put(58, &64u16.to_le_bytes());
        put(60, &(self.section_headers.len() as u16).to_le_bytes());
        put(62, &(self.section_headers.len() as u16 - 1).to_le_bytes());
        // PT_LOAD, readable and executable, at offset and address 0.
        put(HEADER_SIZE_BYTES, &1u32.to_le_bytes());
        put(HEADER_SIZE_BYTES + 4, &5u32.to_le_bytes());
        put(HEADER_SIZE_BYTES + 32, &size.to_le_bytes());
        put(HEADER_SIZE_BYTES + 40, &size.to_le_bytes());
        self.file
    }

    /// The finished file, parsed.
    pub(crate) fn image(self) -> Image {
        Image::parse(ImageBytes::from(self.bytes())).expect("the file is sound")
    }
}
