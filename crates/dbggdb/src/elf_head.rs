//! The head of an ELF file, in a file or in memory: its program headers, and the build-id that they
//! lead to. It knows 64-bit little-endian files, and nothing behind their program headers. Pure.
//!
//! **Source**: System V ABI, "ELF Header", "Program Header", "Note Section".

/// `PT_NOTE`
const NOTE: u32 = 4;
/// `PT_TLS`
pub(crate) const TLS: u32 = 7;
/// `NT_GNU_BUILD_ID`
const BUILD_ID: u32 = 3;
/// How long a program header is.
pub(crate) const PROGRAM_HEADER_LEN: usize = 56;

/// A program header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ProgramHeader {
    /// What it is of: `PT_…`.
    pub(crate) kind: u32,
    /// Where that is in the file.
    pub(crate) offset: u64,
    /// Where it is in memory, without the load bias.
    pub(crate) address: u64,
    /// How long it is in the file.
    pub(crate) file_len: u64,
    /// How long it is in memory.
    pub(crate) memory_len: u64,
    /// At multiples of what it lies.
    pub(crate) align: u64,
}

/// The program headers in the head of a file.
///
/// **Shape**: `None` if it is no such file, or the head does not reach so far.
pub(crate) fn program_headers(head: &[u8]) -> Option<Vec<ProgramHeader>> {
    // The magic number, then 2 for 64 bits and 1 for little-endian.
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let start = usize::try_from(number::<8>(head, 32)?).ok()?;
    let entry_len = number::<2>(head, 54)? as usize;
    let count = number::<2>(head, 56)? as usize;
    if entry_len != PROGRAM_HEADER_LEN {
        return None;
    }
    let table = head.get(start..start.checked_add(count * entry_len)?)?;
    parse_table(table)
}

/// The program headers in a table of them.
pub(crate) fn parse_table(table: &[u8]) -> Option<Vec<ProgramHeader>> {
    table.chunks_exact(PROGRAM_HEADER_LEN).map(parse_entry).collect()
}

fn parse_entry(entry: &[u8]) -> Option<ProgramHeader> {
    Some(ProgramHeader {
        kind: number::<4>(entry, 0)? as u32,
        offset: number::<8>(entry, 8)?,
        address: number::<8>(entry, 16)?,
        file_len: number::<8>(entry, 32)?,
        memory_len: number::<8>(entry, 40)?,
        align: number::<8>(entry, 48)?,
    })
}

/// The build-id in the head of a file.
///
/// **Shape**: `None` if it has none, or the head does not reach so far.
pub(crate) fn build_id(head: &[u8]) -> Option<Vec<u8>> {
    let headers = program_headers(head)?;
    headers.iter().filter(|header| header.kind == NOTE).find_map(|header| {
        let start = usize::try_from(header.offset).ok()?;
        let end = start.checked_add(usize::try_from(header.file_len).ok()?)?;
        let align = if header.align == 8 { 8 } else { 4 };
        build_id_in(head.get(start..end)?, align)
    })
}

/// The build-id among notes.
fn build_id_in(mut notes: &[u8], align: usize) -> Option<Vec<u8>> {
    loop {
        let name_len = number::<4>(notes, 0)? as usize;
        let len = number::<4>(notes, 4)? as usize;
        let kind = number::<4>(notes, 8)? as u32;
        let start = 12usize.checked_add(name_len)?.checked_next_multiple_of(align)?;
        let end = start.checked_add(len)?;
        if kind == BUILD_ID && notes.get(12..12 + name_len)? == b"GNU\0" {
            return Some(notes.get(start..end)?.to_vec());
        }
        notes = notes.get(end.checked_next_multiple_of(align)?..)?;
    }
}

/// The little-endian number of `LEN` bytes at `offset`.
fn number<const LEN: usize>(bytes: &[u8], offset: usize) -> Option<u64> {
    let bytes = bytes.get(offset..offset.checked_add(LEN)?)?;
    Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of two program headers, one of notes and one of thread-local storage.
    fn image() -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01".to_vec();
        file.resize(32, 0);
        file.extend(64u64.to_le_bytes());
        file.resize(54, 0);
        file.extend([56, 0, 2, 0]);
        file.resize(64, 0);
        for (kind, offset, len) in [(NOTE, 176u64, 52u64), (TLS, 0x1000, 8)] {
            file.extend(kind.to_le_bytes());
            file.extend(4u32.to_le_bytes());
            for value in [offset, 0x40_0000 + offset, 0, len, len + 8, 4] {
                file.extend(value.to_le_bytes());
            }
        }
        // A note of another kind, whose name and contents are filled up to multiples of 4.
        file.extend([2, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, b'X', 0, 0, 0, 9, 0, 0, 0]);
        file.extend([4, 0, 0, 0, 16, 0, 0, 0, 3, 0, 0, 0]);
        file.extend(b"GNU\0");
        file.extend(1..=16);
        file
    }

    #[test]
    fn the_build_id_is_found_among_notes() {
        let image = image();
        assert_eq!(build_id(&image), Some((1..=16).collect()));
        let headers = program_headers(&image).expect("headers");
        let expected = ProgramHeader {
            kind: TLS,
            offset: 0x1000,
            address: 0x40_1000,
            file_len: 8,
            memory_len: 16,
            align: 4,
        };
        assert_eq!(headers.get(1), Some(&expected));
    }

    #[test]
    fn what_is_cut_or_damaged_has_none() {
        let image = image();
        for len in 0..image.len() {
            assert_eq!(build_id(&image[..len]), None);
        }
        for at in 0..image.len() {
            let mut damaged = image.clone();
            damaged[at] = 0xff;
            // Whatever it says, it ends.
            let _ = build_id(&damaged);
        }
    }
}
