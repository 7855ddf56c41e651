//! What an ELF image says of itself in a target's memory: program headers, build-id, and the
//! symbols of its dynamic section. Pure, over a target's memory; every count is bounded. Files and
//! symbols for people are the client's business.
//!
//! Sources: System V ABI, "Object Files" and "Dynamic Linking"; `<elf.h>`.

use dbgbase::{Address, LinkAddress, LoadBias, ReadMemory, read_u16, read_u32, read_u64};

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_NOTE: u32 = 4;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const NT_GNU_BUILD_ID: u32 = 3;

/// The most program headers, dynamic entries, bytes of all notes together, and symbols that are
/// looked at.
const HEADERS_MAX: u16 = 128;
const DYNAMIC_MAX: u64 = 512;
const NOTES_LEN_MAX: usize = 64 * 1024;
const SYMBOLS_MAX: u64 = 4096;
const BUILD_ID_LEN_MAX: usize = 64;
const PAGE: u64 = 4096;

/// The length of a program header, `Elf64_Phdr`.
const HEADER_LEN: usize = 56;

/// One program header.
#[derive(Clone, Copy, Debug)]
struct Header {
    kind: u32,
    offset: u64,
    link: LinkAddress,
    len: u64,
}

impl Header {
    /// Reads an entry of the table.
    fn read(entry: &[u8]) -> Option<Header> {
        Some(Header {
            kind: u32_at(entry, 0)?,
            offset: u64_at(entry, 8)?,
            link: LinkAddress::new(u64_at(entry, 16)?),
            len: u64_at(entry, 40)?,
        })
    }
}

/// An image in memory whose ELF header lies at `base`.
pub(crate) struct MappedImage<M> {
    memory: M,
    base: Address,
    headers: Vec<Header>,
}

impl<M: ReadMemory> MappedImage<M> {
    /// The image at `base`, or `None` if there is none.
    pub(crate) fn at(memory: M, base: Address) -> Option<MappedImage<M>> {
        let mut ident = [0; 6];
        if memory.read(base, &mut ident) != Ok(6) || ident != *b"\x7fELF\x02\x01" {
            return None;
        }
        let table = base.checked_add(read_u64(&memory, base.checked_add(32)?).ok()?)?;
        let entry_len = read_u16(&memory, base.checked_add(54)?).ok()?;
        let count = read_u16(&memory, base.checked_add(56)?).ok()?;
        if usize::from(entry_len) != HEADER_LEN || count > HEADERS_MAX {
            return None;
        }
        // All at once: it may be a target of thousands of images.
        let mut entries = vec![0; usize::from(count) * HEADER_LEN];
        if memory.read(table, &mut entries) != Ok(entries.len()) {
            return None;
        }
        let headers: Option<Vec<Header>> =
            entries.chunks_exact(HEADER_LEN).map(Header::read).collect();
        headers.map(|headers| MappedImage { memory, base, headers })
    }

    /// What the image's link addresses are off by: its header lies at file offset 0, in the segment
    /// that begins there.
    pub(super) fn bias(&self) -> LoadBias {
        let is_first = |header: &&Header| header.kind == PT_LOAD && header.offset < PAGE;
        let first = self.headers.iter().find(is_first);
        let link = first.map_or(0, |header| header.link.value().wrapping_sub(header.offset));
        LoadBias::between(LinkAddress::new(link), self.base)
    }

    /// How many bytes the image spans from its base to the end of its last segment.
    pub(super) fn span(&self) -> u64 {
        let bias = self.bias();
        let end = |header: &Header| {
            let link_end = LinkAddress::new(header.link.value().wrapping_add(header.len));
            link_end.to_address(bias).offset_from(self.base)
        };
        let loads = self.headers.iter().filter(|header| header.kind == PT_LOAD);
        let span = loads.filter_map(end).max().unwrap_or(0);
        span.checked_next_multiple_of(PAGE).unwrap_or(span)
    }

    /// Where the segment of code ends that has this address.
    pub(super) fn code_end(&self, address: Address) -> Option<Address> {
        let bias = self.bias();
        self.headers.iter().filter(|header| header.kind == PT_LOAD).find_map(|header| {
            let start = header.link.to_address(bias);
            let offset = address.offset_from(start)?;
            (offset < header.len).then(|| start.checked_add(header.len)).flatten()
        })
    }

    /// The build-id (note `NT_GNU_BUILD_ID`), or nothing.
    pub(crate) fn build_id(&self) -> Vec<u8> {
        let bias = self.bias();
        let mut left = NOTES_LEN_MAX;
        for header in self.headers.iter().filter(|header| header.kind == PT_NOTE) {
            let len = usize::try_from(header.len).unwrap_or(usize::MAX).min(left);
            left -= len;
            let mut notes = vec![0; len];
            let count = self.memory.read(header.link.to_address(bias), &mut notes).unwrap_or(0);
            notes.truncate(count);
            if let Some(id) = build_id_in(&notes) {
                return id.to_vec();
            }
        }
        Vec::new()
    }

    /// The address of the dynamic symbol with this name.
    ///
    /// The symbol table's length is nowhere written; linkers put the string table right behind it,
    /// and where they do not, [`SYMBOLS_MAX`] bounds the search.
    pub(super) fn dynamic_symbol(&self, name: &[u8]) -> Option<Address> {
        let bias = self.bias();
        let symbols = self.dynamic_pointer(DT_SYMTAB)?;
        let strings = self.dynamic_pointer(DT_STRTAB)?;
        let count = strings.offset_from(symbols).map_or(SYMBOLS_MAX, |len| len / 24);
        for index in 1..count.min(SYMBOLS_MAX) {
            let symbol = symbols.checked_add(index * 24)?;
            let name_at = strings.checked_add(u64::from(read_u32(&self.memory, symbol).ok()?))?;
            let mut found = vec![0; name.len() + 1];
            let is_read = self.memory.read(name_at, &mut found) == Ok(found.len());
            if is_read && found.split_last() == Some((&0, name)) {
                let value = read_u64(&self.memory, symbol.checked_add(8)?).ok()?;
                return (value != 0).then(|| LinkAddress::new(value).to_address(bias));
            }
        }
        None
    }

    /// The value of an entry of the dynamic section, as it stands in memory.
    pub(super) fn dynamic_value(&self, tag: u64) -> Option<u64> {
        let dynamic = self.headers.iter().find(|header| header.kind == PT_DYNAMIC)?;
        let start = dynamic.link.to_address(self.bias());
        for index in 0..DYNAMIC_MAX.min(dynamic.len / 16) {
            let at = start.checked_add(index * 16)?;
            let found = read_u64(&self.memory, at).ok()?;
            if found == 0 {
                return None;
            }
            if found == tag {
                return read_u64(&self.memory, at.checked_add(8)?).ok();
            }
        }
        None
    }

    /// A pointer of the dynamic section. glibc relocates them in memory, other linkers (and images
    /// nobody has relocated yet, as the dynamic linker itself at its start) leave link addresses.
    fn dynamic_pointer(&self, tag: u64) -> Option<Address> {
        let value = self.dynamic_value(tag)?;
        let is_relocated = value >= self.base.value() && value - self.base.value() < self.span();
        Some(if is_relocated {
            Address::new(value)
        } else {
            LinkAddress::new(value).to_address(self.bias())
        })
    }
}

/// Walks one segment of notes.
///
/// ```text
/// 0          4          8       12          16 (name and descriptor padded to 4)
/// +----------+----------+-------+-----------+---------------------+
/// | name len | desc len | type  | name      | descriptor          |
/// +----------+----------+-------+-----------+---------------------+
/// ```
fn build_id_in(notes: &[u8]) -> Option<&[u8]> {
    let mut rest = notes;
    loop {
        let (name_len, desc_len) = (u32_at(rest, 0)? as usize, u32_at(rest, 4)? as usize);
        let is_id = u32_at(rest, 8)? == NT_GNU_BUILD_ID;
        let (name, behind) = split(rest.get(12..)?, name_len)?;
        let (desc, next) = split(behind, desc_len)?;
        if is_id && name == b"GNU\0" {
            return desc.get(..desc_len.min(BUILD_ID_LEN_MAX));
        }
        rest = next;
    }
}

/// The first `len` bytes, and what follows them behind the padding, if there is anything.
fn split(bytes: &[u8], len: usize) -> Option<(&[u8], &[u8])> {
    let rest = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
    Some((bytes.get(..len)?, rest))
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(offset..offset + 8)?.try_into().ok()?))
}
