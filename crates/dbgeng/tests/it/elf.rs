//! Small ELF images, made to say exactly what a test needs: a build-id or none, symbols or none,
//! any length.
//!
//! ```text
//!   0x000  ELF header, two program headers      one segment maps the first 0x2000 bytes
//!   0x0b0  the build-id's note                  at link address 0, read and execute
//!   0x100  symbols and their names
//!   0x800  section headers
//!   0x1000 .text, all of it nops, to 0x2000; then zeros
//! ```

const TEXT: u64 = 0x1000;
const LOADED_LEN: u64 = 0x2000;
const SECTION_HEADERS: u64 = 0x800;

/// Where the functions of every image are that has symbols: `landmark`, then `beyond`.
pub(crate) const LANDMARK: u64 = TEXT + 0x40;
pub(crate) const BEYOND: u64 = TEXT + 0x80;
const SYMBOLS: [(&str, u64, u64); 2] = [("landmark", LANDMARK, 0x20), ("beyond", BEYOND, 0x20)];

/// An image of `len_bytes`, at least 0x2000.
pub(crate) fn image(build_id: Option<u8>, has_symbols: bool, len_bytes: usize) -> Vec<u8> {
    let mut file = File { bytes: vec![0; len_bytes.max(LOADED_LEN as usize)] };
    file.bytes[TEXT as usize..LOADED_LEN as usize].fill(0x90);
    file.header();
    file.program(0x40, 1, 0, LOADED_LEN); // PT_LOAD
    if let Some(id) = build_id {
        file.program(0x78, 4, 0xb0, 36); // PT_NOTE
        file.put(0xb0, &[4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0]); // NT_GNU_BUILD_ID
        file.put(0xbc, b"GNU\0");
        file.put(0xc0, &build_id_of(id));
    }
    // Section 0 is null; 1 to 4 follow. Names are offsets into the last one's bytes.
    let names = b"\0.text\0.symtab\0.strtab\0.shstrtab\0";
    file.put(0x700, names);
    file.section(1, 1, [1, 6], TEXT, [TEXT, 0x1000], [0, 0]);
    if has_symbols {
        let mut strings = vec![0];
        for (index, (name, address, size)) in SYMBOLS.iter().enumerate() {
            let at = 0x118 + 24 * index as u64;
            file.put(at, &(strings.len() as u32).to_le_bytes());
            file.put(at + 4, &[0x12, 0, 1, 0]); // global function, in section 1
            file.put(at + 8, &address.to_le_bytes());
            file.put(at + 16, &size.to_le_bytes());
            strings.extend_from_slice(name.as_bytes());
            strings.push(0);
        }
        file.put(0x400, &strings);
        file.section(2, 7, [2, 0], 0, [0x100, 24 * (1 + SYMBOLS.len() as u64)], [3, 24]);
    }
    file.section(3, 15, [3, 0], 0, [0x400, 0x100], [0, 0]);
    file.section(4, 23, [3, 0], 0, [0x700, names.len() as u64], [0, 0]);
    file.bytes
}

/// The build-id that is called by one byte.
pub(crate) fn build_id_of(id: u8) -> Vec<u8> {
    vec![id; 20]
}

struct File {
    bytes: Vec<u8>,
}

impl File {
    fn put(&mut self, at: u64, bytes: &[u8]) {
        self.bytes[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
    }

    fn header(&mut self) {
        self.put(0, b"\x7fELF\x02\x01\x01");
        self.put(16, &[3, 0, 62, 0, 1]); // ET_DYN, EM_X86_64, EV_CURRENT
        self.put(32, &64u64.to_le_bytes()); // e_phoff
        self.put(40, &SECTION_HEADERS.to_le_bytes()); // e_shoff
        // e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx
        self.put(52, &[64, 0, 56, 0, 2, 0, 64, 0, 5, 0, 4, 0]);
    }

    fn program(&mut self, at: u64, kind: u8, offset: u64, len: u64) {
        self.put(at, &[kind, 0, 0, 0, 5]); // r-x
        for (field, value) in [(8, offset), (16, offset), (32, len), (40, len), (48, 4)] {
            self.put(at + field, &value.to_le_bytes());
        }
    }

    /// `[kind, flags]`, address, `[offset, size]`, `[link, entry size]`.
    fn section(
        &mut self,
        index: u64,
        name: u8,
        [kind, flags]: [u8; 2],
        address: u64,
        [offset, size]: [u64; 2],
        [link, entry]: [u8; 2],
    ) {
        let at = SECTION_HEADERS + 64 * index;
        self.put(at, &[name, 0, 0, 0, kind, 0, 0, 0, flags]);
        for (field, value) in [(16, address), (24, offset), (32, size)] {
            self.put(at + field, &value.to_le_bytes());
        }
        self.put(at + 40, &[link]);
        self.put(at + 44, &[1]); // sh_info: the first global symbol
        self.put(at + 56, &[entry]);
    }
}
